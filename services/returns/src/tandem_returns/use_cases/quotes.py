"""Quotes: what coming back would be worth, and under which conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from tandem_core.ids import derived_id
from tandem_core.journal import Origin
from tandem_core.money import Money
from tandem_core.problems import invalid_field
from tandem_returns.cases import Case, CaseLine, Method, Outcome, Signals
from tandem_returns.eligibility import evaluate
from tandem_returns.policies import Policy
from tandem_returns.purchases import Book
from tandem_returns.quotes import Quote, WantedLine
from tandem_returns.refund_plans import plan, same_items
from tandem_returns.returns import ExchangeLine
from tandem_returns.store import Store, quote_key, repeated_quote


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to bring back, and what they want for it."""

    order_id: str
    lines: Sequence[WantedLine]
    outcome: Outcome
    method: Method
    store_id: str | None = None
    exchange_for: Sequence[ExchangeLine] = ()
    gift: bool = False
    statutory: bool = False
    override: str | None = None
    override_by: str | None = None
    withdrawal_id: str | None = None


class QuoteOutcome(NamedTuple):
    quote: Quote
    replayed: bool = False


def give_quote(
    store: Store,
    wish: Wish,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Book], None],
) -> QuoteOutcome:
    """Quote a return. `check` may refuse the caller. Raises OrderNotFound, UnknownLine,
    ReturnExceedsPurchase, PointsNotKnownYet, and problems of an exchange."""
    quote_id = derived_id("quo", origin.actor, origin.key)
    loaded = store.load_book(wish.order_id, quote_key(quote_id))
    book = loaded.existing
    check(book)
    if loaded.items[0]:
        return QuoteOutcome(repeated_quote(loaded.items[0], origin), replayed=True)
    quote = quoted(store, book, wish, quote_id, now)
    if store.keep_quote(quote, origin):
        return QuoteOutcome(quote)
    (kept,) = store.table.get(quote_key(quote_id))
    assert kept is not None  # noqa: S101  somebody else has just kept it
    return QuoteOutcome(repeated_quote(kept, origin), replayed=True)


def quoted(store: Store, book: Book, wish: Wish, quote_id: str, now: datetime) -> Quote:
    """Return the quote for a wish, as the order's own policy has it at this moment."""
    policy = store.policy(book.policy)
    if len({line.line_id for line in wish.lines}) != len(wish.lines):
        raise invalid_field("lines", "DUPLICATE_LINE", "name each line once")
    wanted = {line.line_id: line.quantity for line in wish.lines}
    book.check_left(wanted)
    case = _case(store, book, wish, policy, now)
    verdict = evaluate(policy, case)
    value = plan(book, wanted, verdict, wish.outcome, at=now, gift=wish.gift)
    exchange_for = tuple(wish.exchange_for)
    if wish.outcome == "exchange":
        exchange_for = exchange_for or same_items(book, value.lines)
        value = plan(
            book,
            wanted,
            verdict,
            wish.outcome,
            at=now,
            gift=wish.gift,
            exchange_for=exchange_for,
        )
    return Quote(
        quote_id=quote_id,
        order_id=book.order_id,
        customer_id=book.customer_id,
        store_id=wish.store_id,
        policy=book.policy,
        case=case,
        verdict=verdict,
        plan=value,
        exchange_for=exchange_for,
        expires_at=now + timedelta(minutes=policy.quote_minutes),
        override_by=wish.override_by,
        withdrawal_id=wish.withdrawal_id,
    )


def _case(store: Store, book: Book, wish: Wish, policy: Policy, now: datetime) -> Case:
    customer_id = book.customer_id
    signals, tier = Signals(), None
    if customer_id:
        since = now - timedelta(days=policy.limits.window_days)
        signals = store.signals(customer_id, since)
        if any(rule.when.tiers for rule in policy.rules):
            tier = store.tier_of(customer_id)
    arrivals = [one.delivered_at for one in book.arrivals.values() if one.delivered_at]
    left_to_come = any(
        one.delivered_at is None for line in book.lines for one in book.evidence_of(line.line_id)
    )
    return Case(
        placed_at=book.placed_at,
        at=now,
        channel=book.channel,
        source=book.source,
        country=book.country,
        currency=book.currency,
        customer_id=customer_id,
        tier=tier,
        outcome=wish.outcome,
        method=wish.method,
        lines=tuple(_case_line(book, line) for line in wish.lines),
        signals=signals,
        statutory=wish.statutory,
        gift=wish.gift,
        override=wish.override,
        last_arrival=None if left_to_come else max(arrivals, default=None),
    )


def _case_line(book: Book, wanted: WantedLine) -> CaseLine:
    line = book.line(wanted.line_id)
    unit = book.paid_of_lines[line.line_id] // line.quantity if line.quantity else 0
    return CaseLine(
        line_id=line.line_id,
        sku=line.sku,
        category=line.category,
        quantity=wanted.quantity,
        unit_paid=Money(amount=unit, currency=book.currency) if line.paid else None,
        amount=book.amount_of(line.line_id, wanted.quantity),
        amount_before=line.held_amount,
        reason=wanted.reason,
        evidence=book.evidence_of(line.line_id),
    )
