"""The HTTP edge of loyalty: parse, call once, render."""

from __future__ import annotations

from chalice.app import Blueprint

from tandem_core.auth import Scope
from tandem_core.http import Answer, Call, Routes
from tandem_core.problems import IdempotencyKeyReused, VersionConflict
from tandem_loyalty import contracts, use_cases
from tandem_loyalty.contracts import LedgerEvent, LoyaltyAccount
from tandem_loyalty.earning import ActionNotRewarded, LimitExceeded
from tandem_loyalty.facts import Redemption, RedemptionFact
from tandem_loyalty.points import InsufficientPoints
from tandem_loyalty.programs import Program, ProgramDefinition
from tandem_loyalty.redemptions import (
    DEFAULT_HOLD_SECONDS,
    CaptureExceedsAuthorized,
    RedemptionCapturedAlready,
    RedemptionExpiredAlready,
    RedemptionNotCaptured,
    RedemptionVoidedAlready,
    ReversalExceedsCaptured,
    TooManyHolds,
)
from tandem_loyalty.store import AccountNotFound, AlreadyEnrolled, ProgramNotFound, store
from tandem_loyalty.use_cases import (
    AccountView,
    OrderAlreadyAccrued,
    Outcome,
    RedemptionNotFound,
)

blueprint = Blueprint(__name__)
routes = Routes(blueprint)

_ACCOUNT = "/v1/accounts/{account_id}"
_REDEMPTION = _ACCOUNT + "/redemptions/{redemption_id}"
_CLOSED = (RedemptionExpiredAlready, RedemptionCapturedAlready, RedemptionVoidedAlready)


@routes.get("/v1/programs/{program_id}", scope=Scope.PROGRAMS_READ, refusals=[ProgramNotFound])
def get_program(_call: Call, program_id: str, query: contracts.ProgramQuery) -> Answer[Program]:
    """Read a program: the current version, or the one asked for."""
    program = store().program(program_id, query.version)
    return Answer(program, program.version)


@routes.put("/v1/programs/{program_id}", scope=Scope.PROGRAMS_WRITE, refusals=[VersionConflict])
def put_program(call: Call, program_id: str, body: ProgramDefinition) -> Answer[Program]:
    """Publish a new version of a program. Earlier entries keep the version that decided them."""
    contracts.check_program_id(program_id)
    program = use_cases.put_program(store(), program_id, body, call.origin(), call.now)
    return Answer(program, program.version)


@routes.post(
    "/v1/accounts",
    scope=Scope.ACCOUNTS_ENROL,
    status=201,
    refusals=[AlreadyEnrolled, ProgramNotFound, IdempotencyKeyReused],
)
def enrol(call: Call, body: contracts.Enrol) -> Answer[LoyaltyAccount]:
    """Open an account. Purchases made as a guest under the same identifiers are added shortly."""
    view = use_cases.enrol(
        store(), body.program_id, body.customer_id, body.identifiers, call.origin(), call.now
    )
    return _account(view)


@routes.post("/v1/accounts/search", scope=Scope.ACCOUNTS_SEARCH, writes=False)
def search_accounts(call: Call, body: contracts.Search) -> Answer[contracts.Accounts]:
    """Find accounts by an identifier or a customer id; one for each program, or none."""
    views = use_cases.find_accounts(store(), body.identifier, body.customer_id, call.now)
    return Answer(contracts.Accounts(accounts=tuple(_account(view).body for view in views)))


@routes.get(_ACCOUNT, scope=Scope.ACCOUNTS_READ, refusals=[AccountNotFound])
def get_account(call: Call, account_id: str) -> Answer[LoyaltyAccount]:
    """Read an account with its balance as it is now."""
    return _account(_own_account(call, account_id))


@routes.get(_ACCOUNT + "/balance", scope=Scope.ACCOUNTS_READ, refusals=[AccountNotFound])
def get_balance(
    call: Call, account_id: str, query: contracts.BalanceQuery
) -> Answer[contracts.BalanceAt]:
    """Read the balance at an instant: as it was recorded then, or as time alone will make it."""
    view = _own_account(call, account_id)
    instant = query.as_of or call.now
    balance = use_cases.balance_at(store(), view, instant, call.now)
    return Answer(contracts.BalanceAt(as_of=instant, **balance.model_dump()))


@routes.get(_ACCOUNT + "/events", scope=Scope.ACCOUNTS_READ, refusals=[AccountNotFound])
def list_events(
    call: Call, account_id: str, query: contracts.PageQuery
) -> Answer[contracts.LedgerEvents]:
    """Read the ledger, newest first."""
    _own_account(call, account_id)
    events, cursor = store().ledger(account_id, query.limit, query.cursor)
    rendered = tuple(LedgerEvent.of(entry, fact) for entry, fact in events)
    return Answer(contracts.LedgerEvents(events=rendered, cursor=cursor))


@routes.post(
    _ACCOUNT + "/calculate",
    scope=Scope.POINTS_CALCULATE,
    writes=False,
    refusals=[AccountNotFound],
)
def calculate(
    call: Call, account_id: str, body: contracts.Calculate
) -> Answer[contracts.Calculation]:
    """Tell what a purchase would earn, and why. Writes nothing."""
    call.principal.at_location(body.purchase.location_id)
    accrual = use_cases.calculate(store(), account_id, body.purchase, call.now)
    return Answer(
        contracts.Calculation(
            points=accrual.points, lines=accrual.lines, explanation=accrual.explanation
        )
    )


@routes.post(
    _ACCOUNT + "/accumulate",
    scope=Scope.POINTS_ACCUMULATE,
    status=201,
    refusals=[
        AccountNotFound,
        OrderAlreadyAccrued,
        ActionNotRewarded,
        LimitExceeded,
        IdempotencyKeyReused,
        VersionConflict,
    ],
)
def accumulate(call: Call, account_id: str, body: contracts.Accumulate) -> Answer[LedgerEvent]:
    """Grant the points of a purchase or of an action, once, whoever reports it first."""
    if body.action:
        call.principal.at_location(None)
        return _event(
            use_cases.accumulate_action(store(), account_id, body.action, call.origin(), call.now)
        )
    purchase = body.the_purchase()
    location_id = call.principal.at_location(purchase.location_id)
    purchase = purchase.model_copy(update={"location_id": location_id})
    origin = call.origin(purchase.channel)
    return _event(use_cases.accumulate_purchase(store(), account_id, purchase, origin, call.now))


@routes.post(
    _ACCOUNT + "/adjust",
    scope=Scope.POINTS_ADJUST,
    status=201,
    refusals=[AccountNotFound, InsufficientPoints, IdempotencyKeyReused, VersionConflict],
)
def adjust_points(call: Call, account_id: str, body: contracts.Adjust) -> Answer[LedgerEvent]:
    """Add or take points by hand, with a reason."""
    return _event(
        use_cases.adjust_points(
            store(),
            account_id,
            body.points,
            body.reason,
            allow_negative=body.allow_negative_balance,
            origin=call.origin(),
            now=call.now,
        )
    )


@routes.post(
    _ACCOUNT + "/redemptions",
    scope=Scope.REDEMPTIONS_WRITE,
    status=201,
    refusals=[
        AccountNotFound,
        InsufficientPoints,
        TooManyHolds,
        LimitExceeded,
        IdempotencyKeyReused,
        VersionConflict,
    ],
)
def authorize_redemption(
    call: Call, account_id: str, body: contracts.Authorize
) -> Answer[Redemption]:
    """Hold points for a basket, until they are captured or voided or the hold lapses."""
    return _redemption(
        use_cases.authorize_redemption(
            store(),
            account_id,
            body.points,
            ttl_seconds=body.expires_in_seconds or DEFAULT_HOLD_SECONDS,
            order_id=body.order_id,
            location_id=call.principal.at_location(body.location_id),
            basket=body.basket,
            origin=call.origin(),
            now=call.now,
        )
    )


@routes.get(_REDEMPTION, scope=Scope.ACCOUNTS_READ, refusals=[AccountNotFound, RedemptionNotFound])
def get_redemption(call: Call, account_id: str, redemption_id: str) -> Answer[Redemption]:
    """Read a redemption."""
    view = _own_account(call, account_id)
    redemption = use_cases.get_redemption(store(), account_id, redemption_id, call.now)
    return Answer(redemption, view.version)


@routes.post(
    _REDEMPTION + "/capture",
    scope=Scope.REDEMPTIONS_WRITE,
    refusals=[
        AccountNotFound,
        RedemptionNotFound,
        CaptureExceedsAuthorized,
        *_CLOSED,
        IdempotencyKeyReused,
        VersionConflict,
    ],
)
def capture_redemption(
    call: Call, account_id: str, redemption_id: str, body: contracts.SomePoints
) -> Answer[Redemption]:
    """Spend held points, all by default; the rest is available again at once."""
    return _redemption(
        use_cases.capture_redemption(
            store(),
            account_id,
            redemption_id,
            body.points,
            call.principal.at_location(None),
            call.origin(),
            call.now,
        )
    )


@routes.post(
    _REDEMPTION + "/void",
    scope=Scope.REDEMPTIONS_WRITE,
    refusals=[
        AccountNotFound,
        RedemptionNotFound,
        *_CLOSED,
        IdempotencyKeyReused,
        VersionConflict,
    ],
)
def void_redemption(
    call: Call, account_id: str, redemption_id: str, body: contracts.Nothing
) -> Answer[Redemption]:
    """Give held points back, all of them."""
    assert isinstance(body, contracts.Nothing)  # noqa: S101  parsed, and nothing to read
    return _redemption(
        use_cases.void_redemption(
            store(),
            account_id,
            redemption_id,
            call.principal.at_location(None),
            call.origin(),
            call.now,
        )
    )


@routes.post(
    _REDEMPTION + "/reverse",
    scope=Scope.REDEMPTIONS_REVERSE,
    refusals=[
        AccountNotFound,
        RedemptionNotFound,
        RedemptionNotCaptured,
        ReversalExceedsCaptured,
        IdempotencyKeyReused,
        VersionConflict,
    ],
)
def reverse_redemption(
    call: Call, account_id: str, redemption_id: str, body: contracts.SomePoints
) -> Answer[Redemption]:
    """Give captured points back to the lots they came from, all that is left by default."""
    return _redemption(
        use_cases.reverse_redemption(
            store(),
            account_id,
            redemption_id,
            call.origin().callers_key,
            body.points,
            call.origin(),
            call.now,
        )
    )


def _own_account(call: Call, account_id: str) -> AccountView:
    view = use_cases.get_account(store(), account_id, call.now)
    if not call.principal.owns(view.account.customer_id):
        raise AccountNotFound(f"There is no account {account_id}")
    return view


def _account(view: AccountView) -> Answer[LoyaltyAccount]:
    account = view.account
    body = LoyaltyAccount(
        id=view.account_id,
        program_id=account.program_id,
        customer_id=account.customer_id,
        identifiers=tuple(view.identifiers),
        balance=account.balance,
        lifetime_points=account.lifetime_points,
        expiring=tuple(
            contracts.Expiring(points=account.lots[lot], expires_on=account.ends_on(lot))
            for lot in account.by_ending(account.lots)
            if account.ends_on(lot) != "never"
        ),
        enrolled_at=account.enrolled_at,
        version=view.version,
    )
    return Answer(body, view.version, view.replayed)


def _event(outcome: Outcome) -> Answer[LedgerEvent]:
    event = LedgerEvent.of(outcome.entry, outcome.fact)
    return Answer(event, outcome.version, outcome.replayed)


def _redemption(outcome: Outcome) -> Answer[Redemption]:
    assert isinstance(outcome.fact, RedemptionFact)  # noqa: S101  what redemption verbs return
    return Answer(outcome.fact.redemption, outcome.version, outcome.replayed)
