"""Returns: a quote that is executed, and what becomes of it: decided, sent, received, inspected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from tandem_core.journal import (
    Claim,
    LostRace,
    Origin,
    check_key_unused,
    check_replay,
    entry_of,
    until_written,
)
from tandem_core.logs import logger
from tandem_core.problems import IdempotencyKeyReused, VersionConflict
from tandem_core.table import Item
from tandem_returns import deciding
from tandem_returns.deciding import Request
from tandem_returns.drafts import Draft
from tandem_returns.heard import ParcelHeard
from tandem_returns.ids import id_within, order_of
from tandem_returns.labels import Address
from tandem_returns.purchases import Book, ReturnExceedsPurchase
from tandem_returns.quotes import NotReturnable, PaymentDue, Quote, QuoteExpired, QuoteOutdated
from tandem_returns.refund_plans import plan
from tandem_returns.return_facts import ReturnUpdated
from tandem_returns.returns import Exchange, ExchangePayment, Return
from tandem_returns.store import (
    Answered,
    Store,
    answered_in,
    command_key,
    creation_key,
    executed_key,
)

Decide = Callable[[Draft], None]


class ReturnOutcome(NamedTuple):
    """A return after a command, as it was answered first. `replayed`: it was recorded before."""

    back: Return
    version: int
    at: datetime
    replayed: bool = False

    @classmethod
    def of(cls, answered: Answered, *, replayed: bool) -> ReturnOutcome:
        return cls(answered.back, answered.version, answered.at, replayed)


def open_return(  # noqa: PLR0913  what is said when a quote is accepted
    store: Store,
    quote: Quote,
    payment: ExchangePayment | None,
    address: Address | None,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Book], None] = lambda _book: None,
) -> ReturnOutcome:
    """Execute a quote exactly as it was given, once, whoever asks how often. A parcel whose
    sender's address is known gets a label. `check` may refuse the caller.

    Raises QuoteExpired, NotReturnable, ReturnExceedsPurchase, QuoteOutdated, PaymentDue.
    """
    key = executed_key(quote.order_id, quote.quote_id)

    def attempt() -> ReturnOutcome:
        loaded = store.load_book(quote.order_id, key, creation_key(origin.callers_key))
        check(loaded.existing)
        executed, claimed = loaded.items
        _check_key(claimed, origin)
        if executed:
            replayed = _replayed(executed, origin)
            # Another channel's key is used up by what it found.
            if origin.key and not claimed and not store.keep_creation(origin, quote.quote_id):
                raise LostRace
            return replayed
        check_key_unused(loaded.head, origin, key)
        _check_quote(quote, loaded.existing, payment, now)
        draft = Draft(loaded.existing, now)
        deciding.request(draft, _request(quote, payment, origin, address))
        claims = [store.creation_claim(origin, quote.quote_id)] if origin.key else []
        if draft.current.status == "requested":
            claims.append(store.review_claim(draft.current))
        if address and draft.current.label_wanted:
            claims.append(store.address_claim(draft.current, address, now))
        answered = store.append(loaded.head, draft, origin, key, claims)
        return ReturnOutcome.of(answered, replayed=False)

    return until_written(attempt)


def _check_key(claimed: Item | None, origin: Origin) -> None:
    """Refuse a caller's key that came with another quote before."""
    if origin.key and claimed and claimed["request"] != origin.request:
        raise IdempotencyKeyReused


def _check_quote(quote: Quote, book: Book, payment: ExchangePayment | None, now: datetime) -> None:
    refused = [
        {"line_id": line.line_id, "code": line.code}
        for line in quote.verdict.lines
        if not line.eligible
    ]
    if not quote.plan.lines:
        raise NotReturnable(lines=refused)
    if quote.expires_at <= now:
        raise QuoteExpired(expired_at=quote.model_dump(mode="json")["expires_at"])
    wanted = {line.line_id: line.quantity for line in quote.plan.lines}
    book.check_left(wanted)
    as_now = plan(
        book,
        wanted,
        quote.verdict,
        quote.case.outcome,
        at=quote.case.at,
        gift=quote.case.gift,
        exchange_for=quote.exchange_for,
    )
    if as_now != quote.plan or _is_kept_by_the_piece(quote, book):
        raise QuoteOutdated
    due = quote.plan.due
    paid = payment.paid.amount if payment else 0
    if paid != due or (payment and payment.paid.currency != book.currency):
        raise PaymentDue(due={"amount": due, "currency": book.currency})


def _is_kept_by_the_piece(quote: Quote, book: Book) -> bool:
    """Tell whether more was asked back since of what is to be kept for its little worth."""
    return quote.case.method == "keep" and any(
        line.amount_before != book.line(line.line_id).held_amount for line in quote.case.lines
    )


def _request(
    quote: Quote, payment: ExchangePayment | None, origin: Origin, address: Address | None
) -> Request:
    exchange = None
    if quote.case.outcome == "exchange":
        exchange = Exchange(lines=quote.exchange_for, due=quote.plan.due, paid=payment)
    return_id = id_within("ret", quote.order_id, quote.quote_id)
    return Request(
        return_id=return_id,
        quote_id=quote.quote_id,
        case=quote.case,
        verdict=quote.verdict,
        plan=quote.plan,
        exchange=exchange,
        begun_in=origin.channel,
        store_id=quote.store_id,
        label_wanted=address is not None and quote.case.method == "mail",
        override_by=quote.override_by,
        withdrawal_id=quote.withdrawal_id,
    )


def _replayed(item: Item, origin: Origin) -> ReturnOutcome:
    entry = entry_of(item)
    check_replay(entry, origin)
    return ReturnOutcome.of(answered_in(entry), replayed=True)


def change_return(  # noqa: PLR0913  a command, who gives it and where
    store: Store,
    return_id: str,
    decide: Decide,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Book], None] = lambda _book: None,
    counter: str | None = None,
    claims: Callable[[Return], Sequence[Claim]] = lambda _back: (),
) -> ReturnOutcome:
    """Run a command on a return, once for its caller's key. `check` may refuse the caller;
    `counter` is the store where it happens. Raises ReturnNotFound and what `decide` raises."""

    def attempt() -> ReturnOutcome:
        key = command_key(order_of("ret", return_id) or "", origin.callers_key)
        loaded = store.load_return(return_id, *([key] if origin.key else []))
        check(loaded.book)
        if origin.key and loaded.items[0]:
            return _replayed(loaded.items[0], origin)
        check_key_unused(loaded.head, origin, key)
        if origin.expected_version not in (None, loaded.head.version):
            raise VersionConflict(f"The return has version {loaded.head.version}")
        draft = Draft(loaded.book, now, loaded.back, counter)
        decide(draft)
        if not draft.facts and not origin.key:
            return ReturnOutcome(loaded.back, loaded.head.version, now)
        if not draft.facts:
            # A caller's key keeps its answer, also where nothing is new.
            draft.change(ReturnUpdated, draft.current)
        answer = key if origin.key else None
        answered = store.append(loaded.head, draft, origin, answer, claims(draft.current))
        if answered.back.label_wanted and answered.back.status in ("rejected", "cancelled"):
            store.forget_address(answered.back)
        return ReturnOutcome.of(answered, replayed=False)

    return until_written(attempt)


def approval(store: Store, reason: str) -> Decide:
    """Return the decision of a person to let a return go its way. Its time to be sent begins."""

    def decide(draft: Draft) -> None:
        back = draft.current
        policy = store.policy(back.policy)
        ship_by = policy.ship_by(back.method, draft.now, statutory=back.statutory)
        deciding.approve(draft, reason, ship_by)

    return decide


def follow_parcel(store: Store, parcel: ParcelHeard, origin: Origin, now: datetime) -> None:
    """Let the returns that a parcel brings know where it is. One that comes after others have asked
    for its units is left to whoever receives it."""

    def decide(draft: Draft) -> None:
        try:
            deciding.follow(draft, parcel)
        except (ReturnExceedsPurchase, QuoteOutdated) as refusal:
            draft.facts.clear()
            logger().warning(
                "a parcel of a return that has lapsed",
                extra={"return_id": draft.current.return_id, "why": refusal.code},
            )

    for order_id in parcel.order_ids:
        for back in store.all_returns_of(order_id):
            numbers = {_plain(one.tracking_number) for one in back.parcels}
            if _plain(parcel.tracking_number) in numbers:
                change_return(store, back.return_id, decide, origin, now)


def _plain(tracking_number: str) -> str:
    """Return a number as all its spellings have it."""
    return "".join(filter(str.isalnum, tracking_number)).upper()
