"""The HTTP edge of returns: parse, call once, render."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chalice.app import Blueprint

from tandem_core.auth import Principal, Role, Scope
from tandem_core.http import Answer, Call, RawRequest, Routes
from tandem_core.inbox import MessageNotFound
from tandem_core.logs import count
from tandem_core.problems import (
    Conflict,
    Forbidden,
    IdempotencyKeyReused,
    Missing,
    VersionConflict,
    invalid_field,
)
from tandem_core.secrets import SecretsUnavailable
from tandem_core.signatures import SignatureInvalid, verify
from tandem_returns import codes, contracts, deciding, payouts, views
from tandem_returns.codes import CodeAlreadyUsed, CodeExpired, CodeInvalid
from tandem_returns.deciding import TooManyParcels
from tandem_returns.drafts import Draft
from tandem_returns.logistics import InvalidTransition
from tandem_returns.payment_messages import SENDERS
from tandem_returns.payouts import RefundMoved
from tandem_returns.policies import Policy, PolicyDefinition
from tandem_returns.purchases import Book, ReturnExceedsPurchase, UnknownLine
from tandem_returns.quotes import NotReturnable, PaymentDue, QuoteExpired, QuoteOutdated
from tandem_returns.refund_plans import ExchangeInvalid, PointsNotKnownYet
from tandem_returns.returns import Parcel, RefundNotFound, Return, ReturnMoved, ReturnNotFound
from tandem_returns.secrets import code_secrets, webhook_secrets
from tandem_returns.store import (
    LoadedReturn,
    OrderNotFound,
    PolicyNotFound,
    QuoteNotFound,
    WithdrawalNotFound,
    store,
)
from tandem_returns.use_cases import (
    books,
    inbox,
    policies,
    quotes,
    returns,
    withdrawals,
)
from tandem_returns.use_cases.quotes import Wish
from tandem_returns.withdrawals import Declaration, DeclarationExpired

blueprint = Blueprint(__name__)
routes = Routes(blueprint)

_POLICY = "/v1/policies/{policy_id}"
_RETURN = "/v1/returns/{return_id}"
_REFUND = _RETURN + "/refunds/{refund_id}"
_MAX_CLOCK_SKEW = timedelta(minutes=5)


class SenderNotFound(Missing):
    code, title = "SENDER_NOT_FOUND", "Nobody of that name sends us messages"


class CodeNotReady(Conflict):
    code, title = (
        "CODE_NOT_AVAILABLE",
        "A code is for returns that are approved, before any of it came",
    )


_MOVES = (
    ReturnNotFound,
    ReturnMoved,
    InvalidTransition,
    VersionConflict,
    IdempotencyKeyReused,
)


# --- policies -------------------------------------------------------------------------------------


@routes.get(_POLICY, scope=Scope.POLICIES_READ, refusals=[PolicyNotFound])
def get_policy(_call: Call, policy_id: str, query: contracts.PolicyQuery) -> Answer[Policy]:
    """Read a policy: what is in force, or an earlier version."""
    policy = policies.get_policy(store(), policy_id, query.version)
    return Answer(policy, version=policy.version)


@routes.put(_POLICY, scope=Scope.POLICIES_WRITE, refusals=[VersionConflict])
def put_policy(call: Call, policy_id: str, body: PolicyDefinition) -> Answer[Policy]:
    """Publish a policy's next version: for orders that are placed from now on.

    `main` holds for every order, unless there is one that is called as the order's source.
    """
    published = policies.publish_policy(store(), policy_id, body, call.origin(), call.now)
    return Answer(published.policy, version=published.version)


@routes.post(_POLICY + "/dry-run", scope=Scope.RETURNS_DECIDE, writes=False)
def try_policy(_call: Call, policy_id: str, body: contracts.TryPolicy) -> Answer[contracts.Tried]:
    """Say what a draft would have answered to past returns. Changes nothing."""
    tried = policies.try_policy(
        store(), policy_id, body.policy, body.since, body.until, body.limit, body.cursor
    )
    return Answer(
        contracts.Tried(result=tried.result, returns=tuple(tried.returns), cursor=tried.cursor)
    )


# --- purchases and quotes -------------------------------------------------------------------------


@routes.post("/v1/purchases/search", scope=Scope.PURCHASES_SEARCH, writes=False)
def search_purchases(call: Call, body: contracts.SearchPurchases) -> Answer[contracts.PurchasePage]:
    """Find what somebody has bought, without a receipt: by phone, e-mail, member's card."""
    found = books.find_purchases(store(), body.identifier, body.customer_id)
    return Answer(views.purchases([one for one in found if _may_see(call.principal, one)]))


@routes.post(
    "/v1/quotes",
    scope=Scope.RETURNS_REQUEST,
    status=201,
    refusals=[
        OrderNotFound,
        UnknownLine,
        ReturnExceedsPurchase,
        PointsNotKnownYet,
        ExchangeInvalid,
        IdempotencyKeyReused,
    ],
)
def quote_return(call: Call, body: contracts.QuoteRequest) -> Answer[contracts.QuoteView]:
    """Say what a return would be worth, tender by tender, and why what is not eligible is not.

    Whoever executes the quote before it expires gets exactly that.
    """
    _check_quote(call.principal, body)
    wish = Wish(
        order_id=body.order_id,
        lines=body.lines,
        outcome=body.outcome,
        method=body.method,
        store_id=call.principal.at_location(body.store_id),
        exchange_for=body.exchange_for,
        gift=body.gift,
        override=body.override_reason,
        override_by=call.principal.actor if body.override_reason else None,
    )
    given = quotes.give_quote(
        store(), wish, call.origin(), call.now, check=_check_order(call.principal)
    )
    return Answer(views.quote_view(given.quote), replayed=given.replayed)


def _check_quote(principal: Principal, body: contracts.QuoteRequest) -> None:
    """Refuse what only the store, the shop or staff may say."""
    if principal.role is Role.CUSTOMER and body.exchange_for:
        raise Forbidden("Prices of a replacement are the store's or the shop's to say")
    if body.override_reason and Scope.RETURNS_DECIDE not in principal.scopes:
        raise Forbidden("Staff alone can override the policy", scope=Scope.RETURNS_DECIDE.value)
    if body.override_reason:
        principal.require(Scope.RETURNS_DECIDE)
    if body.gift and principal.role is Role.CUSTOMER:
        raise Forbidden("A gift is returned at a counter, or by staff")


def _may_see(principal: Principal, book: Book) -> bool:
    return principal.owns(book.customer_id) and principal.has_placed(book.placed_by)


def _check_order(principal: Principal) -> Callable[[Book], None]:
    return _check(principal, lambda book: OrderNotFound(f"There is no order {book.order_id}"))


def _check(principal: Principal, missing: Callable[[Book], Missing]) -> Callable[[Book], None]:
    """Return what raises `missing` for an order that is not the caller's."""

    def check(book: Book) -> None:
        if not _may_see(principal, book):
            raise missing(book)

    return check


# --- returns --------------------------------------------------------------------------------------


@routes.post(
    "/v1/returns",
    scope=Scope.RETURNS_REQUEST,
    status=201,
    refusals=[
        QuoteNotFound,
        QuoteExpired,
        QuoteOutdated,
        NotReturnable,
        ReturnExceedsPurchase,
        PaymentDue,
        IdempotencyKeyReused,
    ],
)
def open_return(call: Call, body: contracts.OpenReturn) -> Answer[contracts.ReturnView]:
    """Execute a quote. What is asked back is held from now on, against every other channel."""
    quote = store().quote(body.quote_id)
    unknown = QuoteNotFound(f"There is no quote {body.quote_id}")
    if not call.principal.owns(quote.customer_id):
        raise unknown
    if body.payment and call.principal.role is Role.CUSTOMER:
        raise Forbidden("What is paid on top is the store's or the shop's to say")
    opened = returns.open_return(
        store(),
        quote,
        body.payment,
        body.address,
        call.origin(),
        call.now,
        check=_check(call.principal, lambda _book: unknown),
    )
    return _answer(call, opened)


@routes.get(_RETURN, scope=Scope.RETURNS_READ, refusals=[ReturnNotFound])
def get_return(call: Call, return_id: str) -> Answer[contracts.ReturnView]:
    """Read a return as it is."""
    loaded = _own_return(call.principal, return_id)
    back = loaded.back
    label_url = store().label_url(back) if back.label else None
    return Answer(_view(call, back, call.now, label_url), version=loaded.head.version)


@routes.get("/v1/returns", scope=Scope.RETURNS_READ, refusals=[OrderNotFound])
def list_returns(call: Call, query: contracts.ReturnQuery) -> Answer[contracts.ReturnPage]:
    """List the returns of an order or of a customer, or, for staff, those that wait for them."""
    if query.status:
        call.principal.require(Scope.RETURNS_DECIDE)
        found, cursor = store().awaiting_decision(query.limit, query.cursor)
    elif query.customer_id:
        if not call.principal.owns(query.customer_id):
            raise Missing
        found, cursor = store().returns_of_customer(query.customer_id, query.limit, query.cursor)
        found = _own_returns(call.principal, found)
    else:
        order_id = query.order_id or ""
        _check_order(call.principal)(store().load_book(order_id).existing)
        found, cursor = store().returns_of(order_id, query.limit, query.cursor)
    shown = tuple(_view(call, back, call.now) for back in found)
    return Answer(contracts.ReturnPage(returns=shown, cursor=cursor))


@routes.post(_RETURN + "/approve", scope=Scope.RETURNS_DECIDE, refusals=_MOVES)
def approve_return(
    call: Call, return_id: str, body: contracts.Approve
) -> Answer[contracts.ReturnView]:
    """Let a return that waits for a person go its way."""
    return _changed(call, return_id, returns.approval(store(), body.reason))


@routes.post(_RETURN + "/reject", scope=Scope.RETURNS_DECIDE, refusals=_MOVES)
def reject_return(
    call: Call, return_id: str, body: contracts.Reject
) -> Answer[contracts.ReturnView]:
    """Refuse a return that waits for a person."""
    return _changed(call, return_id, lambda draft: deciding.reject(draft, body.reason))


@routes.post(_RETURN + "/cancel", scope=Scope.RETURNS_REQUEST, refusals=_MOVES)
def cancel_return(
    call: Call, return_id: str, body: contracts.Cancel
) -> Answer[contracts.ReturnView]:
    """Call a return off before anything is on its way."""
    return _changed(
        call,
        return_id,
        lambda draft: deciding.cancel(draft, body.reason),
        check=_check_return(call.principal, return_id),
    )


@routes.post(
    _RETURN + "/receive",
    scope=Scope.RETURNS_RECEIVE,
    refusals=[*_MOVES, UnknownLine, ReturnExceedsPurchase, QuoteOutdated],
)
def receive_return(
    call: Call, return_id: str, body: contracts.Receive
) -> Answer[contracts.ReturnView]:
    """Take units in, over the counter of a store or at the warehouse, in whatever condition.

    At a counter it does not matter how the return was to come: begun in the app, ended here.
    """
    store_id = call.principal.at_location(body.store_id)
    return _changed(
        call,
        return_id,
        lambda draft: deciding.receive(draft, body.lines, store_id),
        counter=_counter(call.principal, store_id),
    )


@routes.post(
    _RETURN + "/inspect",
    scope=Scope.RETURNS_RECEIVE,
    refusals=[*_MOVES, UnknownLine, ReturnExceedsPurchase, QuoteOutdated],
)
def inspect_return(
    call: Call, return_id: str, body: contracts.Inspect
) -> Answer[contracts.ReturnView]:
    """Look at units and send them where they go; what was refurbished takes a second step."""
    return _changed(call, return_id, lambda draft: deciding.inspect(draft, body.lines))


@routes.post(
    _RETURN + "/parcels",
    scope=Scope.RETURNS_REQUEST,
    status=201,
    refusals=[*_MOVES, TooManyParcels],
)
def add_parcel(
    call: Call, return_id: str, body: contracts.AddParcel
) -> Answer[contracts.ReturnView]:
    """Say in which parcel it comes, when the customer sends it with a carrier of their own.

    When the customer says so, its scans are no proof: what would be paid at the first one is paid
    when it is received, unless it is a statutory withdrawal.
    """
    parcel = Parcel(carrier=body.carrier, tracking_number=body.tracking_number)
    by_customer = call.principal.role is Role.CUSTOMER
    return _changed(
        call,
        return_id,
        lambda draft: deciding.add_parcel(draft, parcel, None, None, by_customer=by_customer),
        check=_check_return(call.principal, return_id),
    )


# --- money that a person moves --------------------------------------------------------------------


@routes.post(
    _REFUND + "/settle",
    scope=Scope.REFUNDS_SETTLE,
    refusals=[*_MOVES, RefundNotFound, RefundMoved],
)
def settle_refund(
    call: Call, return_id: str, refund_id: str, body: contracts.SettleRefund
) -> Answer[contracts.ReturnView]:
    """Say that a person has paid a refund that no provider pays, or could not."""
    return _changed(
        call,
        return_id,
        lambda draft: payouts.paid_by_hand(
            draft, refund_id, body.outcome, body.reference, body.reason
        ),
    )


@routes.post(
    _REFUND + "/replan",
    scope=Scope.RETURNS_DECIDE,
    status=201,
    refusals=[*_MOVES, RefundNotFound, RefundMoved],
)
def replan_refund(
    call: Call, return_id: str, refund_id: str, body: contracts.ReplanRefund
) -> Answer[contracts.ReturnView]:
    """Pay what failed for good in another way."""
    return _changed(
        call,
        return_id,
        lambda draft: payouts.replan(draft, refund_id, body.tender, body.reference, body.reason),
    )


# --- codes ----------------------------------------------------------------------------------------


@routes.get(
    _RETURN + "/code",
    scope=Scope.RETURNS_READ,
    refusals=[ReturnNotFound, CodeAlreadyUsed, CodeNotReady, SecretsUnavailable],
)
def get_code(call: Call, return_id: str) -> Answer[contracts.CodeView]:
    """Give the code to show at a counter, as text and as a drawing; asked again, the same one."""
    back = _own_return(call.principal, return_id).back
    if back.code_used:
        raise CodeAlreadyUsed
    if back.status != "approved" or back.ship_by is None:
        raise CodeNotReady
    seeds = _seeds()
    if not seeds:
        raise CodeNotReady("No key to sign codes with is set up")
    code = codes.return_code(
        return_id=back.return_id,
        order_id=back.order_id,
        lines=back.quantities,
        policy=back.policy,
        issued_at=back.requested_at,
        expires_at=back.ship_by,
    )
    text = codes.issue(code, seeds[0])
    return Answer(
        contracts.CodeView(
            code=text,
            return_id=return_id,
            expires_at=code.expires_at,
            qr_svg=codes.qr_svg(text),
        )
    )


@routes.get("/v1/keys", scope=None, refusals=[SecretsUnavailable])
def get_keys(_call: Call) -> Answer[codes.KeySet]:
    """The public keys that codes are verified with, as a JSON Web Key Set."""
    return Answer(codes.key_set(_seeds()))


def _seeds() -> list[bytes]:
    return [codes.seed_of(text) for text in code_secrets()]


@routes.post(
    "/v1/codes/redeem",
    scope=Scope.RETURNS_RECEIVE,
    status=201,
    refusals=[
        *_MOVES,
        CodeInvalid,
        CodeExpired,
        CodeAlreadyUsed,
        UnknownLine,
        ReturnExceedsPurchase,
        SecretsUnavailable,
    ],
)
def redeem_code(call: Call, body: contracts.RedeemCode) -> Answer[contracts.ReturnView]:
    """Take units in against a customer's code. The second use is refused; a till that was without
    network tells when it took them; then nothing has been paid at its counter.

    Told by an integration, of a return by drop-off, they are where parcels are collected for us.
    """
    if body.occurred_at and body.occurred_at > call.now + _MAX_CLOCK_SKEW:
        raise invalid_field("occurred_at", "IN_THE_FUTURE", "lies more than 5 minutes ahead")
    store_id = call.principal.at_location(body.store_id)
    at = codes.judged_at(body.occurred_at, call.now)
    code = codes.verify(body.code, codes.public_keys(_seeds()), at)
    told_later = body.occurred_at is not None

    def decide(draft: Draft) -> None:
        if call.principal.role is Role.INTEGRATION and draft.current.method == "drop_off":
            deciding.drop_off(draft)
        else:
            deciding.receive(draft, body.lines, store_id, by_code=True, told_later=told_later)

    counter = _counter(call.principal, store_id)
    return _changed(call, code.return_id, decide, counter=counter)


# --- withdrawals: open to everybody ---------------------------------------------------------------


@routes.post("/v1/withdrawals", scope=None, status=201)
def declare_withdrawal(call: Call, body: Declaration) -> Answer[contracts.WithdrawalView]:
    """First step of the statutory withdrawal: declare, without an account."""
    declared = withdrawals.declare(store(), body, call.origin("web"), call.now)
    return Answer(views.withdrawal_view(declared.withdrawal), replayed=declared.replayed)


@routes.post(
    "/v1/withdrawals/{withdrawal_id}/confirm",
    scope=None,
    refusals=[WithdrawalNotFound, DeclarationExpired],
)
def confirm_withdrawal(call: Call, withdrawal_id: str) -> Answer[contracts.WithdrawalView]:
    """Second step: submit it. The receipt tells what was declared, with date and time."""
    _, known = store().policy_head("main")
    zone = known.current.time_zone if known else "UTC"
    confirmed = withdrawals.confirm(store(), withdrawal_id, zone, call.origin("web"), call.now)
    return Answer(views.withdrawal_view(confirmed.withdrawal), replayed=confirmed.replayed)


# --- webhooks and the inbox -----------------------------------------------------------------------


@routes.post(
    "/v1/webhooks/{source}",
    scope=None,
    writes=False,
    status=202,
    refusals=[SenderNotFound, SignatureInvalid, SecretsUnavailable],
)
def receive_webhook(call: Call, source: str, raw: RawRequest) -> Answer[contracts.WebhookAnswer]:
    """Take a payment provider's message: verified on the bytes as sent, kept, understood later."""
    if source not in SENDERS:
        raise SenderNotFound(f"Nobody called {source} sends us messages")
    sender, scheme = SENDERS[source]
    try:
        verify(scheme, raw.headers, raw.body, webhook_secrets(source), now=call.now)
    except SignatureInvalid as refusal:
        count("webhook_refused", source=source, reason=refusal.reason)
        raise
    received = inbox.receive(store(), sender, raw.headers, raw.body, call.now)
    if received.state == "ignored":
        count("webhook_ignored", source=source, topic=received.topic[:64] or "none")
    return Answer(contracts.WebhookAnswer(message_id=received.message_id, state=received.state))


@routes.get("/v1/inbox", scope=Scope.RETURNS_INBOX)
def list_inbox(_call: Call, query: contracts.InboxQuery) -> Answer[contracts.InboxPage]:
    """Messages that nobody could make sense of, newest first, with the reason."""
    parked, cursor = store().inbox.parked(query.limit, query.cursor)
    shown = tuple(contracts.ParkedMessage(**one._asdict()) for one in parked)
    return Answer(contracts.InboxPage(messages=shown, cursor=cursor))


@routes.post(
    "/v1/inbox/replay", scope=Scope.RETURNS_INBOX, writes=False, refusals=[MessageNotFound]
)
def replay_inbox(call: Call, body: contracts.ReplayMessage) -> Answer[contracts.ReplayResult]:
    """Understand a message again, after a mend."""
    outcome = inbox.replay(store(), body.message_id, call.now)
    return Answer(contracts.ReplayResult(outcome=outcome))


# --- what the views share -------------------------------------------------------------------------


def _changed(
    call: Call,
    return_id: str,
    decide: Callable[[Draft], None],
    *,
    check: Callable[[Book], None] = lambda _book: None,
    counter: str | None = None,
) -> Answer[contracts.ReturnView]:
    """Run a command. What only stores, warehouses and staff may do, they do for any order."""

    def decide_as_caller(draft: Draft) -> None:
        draft.by = call.principal.actor
        decide(draft)

    changed = returns.change_return(
        store(),
        return_id,
        decide_as_caller,
        call.origin(),
        call.now,
        check=check,
        counter=counter,
    )
    return _answer(call, changed)


def _answer(call: Call, changed: returns.ReturnOutcome) -> Answer[contracts.ReturnView]:
    view = _view(call, changed.back, changed.at)
    return Answer(view, version=changed.version, replayed=changed.replayed)


def _view(
    call: Call, back: Return, at: datetime, label_url: str | None = None
) -> contracts.ReturnView:
    to_customer = call.principal.role is Role.CUSTOMER
    return views.return_view(back, at, label_url, to_customer=to_customer)


def _check_return(principal: Principal, return_id: str) -> Callable[[Book], None]:
    return _check(principal, lambda _book: ReturnNotFound(f"There is no return {return_id}"))


def _own_return(principal: Principal, return_id: str) -> LoadedReturn:
    """Raises ReturnNotFound, also for what is not the caller's."""
    loaded = store().load_return(return_id)
    _check_return(principal, return_id)(loaded.book)
    return loaded


def _own_returns(principal: Principal, found: list[Return]) -> list[Return]:
    """Leave out the returns of orders that are another integration's."""
    if principal.role is not Role.INTEGRATION:
        return found
    books_of = store().books([back.order_id for back in found])
    own = {book.order_id for book in books_of if principal.has_placed(book.placed_by)}
    return [back for back in found if back.order_id in own]


def _counter(principal: Principal, store_id: str | None) -> str | None:
    """Return the store whose counter this is; a warehouse that scans has none."""
    return store_id if principal.role in (Role.TERMINAL, Role.STAFF, Role.ADMIN) else None
