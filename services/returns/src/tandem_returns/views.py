"""What the API shows of books, quotes and returns. Pure: the moment is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from tandem_core.money import Money
from tandem_returns import contracts
from tandem_returns.logistics import UnitState
from tandem_returns.purchases import Book
from tandem_returns.quotes import Quote
from tandem_returns.returns import (
    ExchangeLine,
    Leg,
    RefundState,
    Return,
    ReturnLine,
    comes_to,
    worst,
)
from tandem_returns.withdrawals import Withdrawal, receipt_of

# Of a line's units, the least advanced speak for it.
_ADVANCE: tuple[UnitState, ...] = (
    "awaiting",
    "dropped_off",
    "in_transit",
    "lost",
    "arrived",
    "wrong_item",
    "short",
    "empty_box",
    "handed_over",
    "received",
    "inspected",
    "refurbish",
    "missing",
    "vendor",
    "donate",
    "destroy",
    "restocked",
    "not_required",
)


def quote_view(quote: Quote) -> contracts.QuoteView:
    case, plan = quote.case, quote.plan
    amounts = {line.line_id: line for line in plan.lines}
    units = {line.line_id: line.quantity for line in case.lines}

    def money(amount: int) -> Money | None:
        return None if case.gift else Money(amount=amount, currency=case.currency)

    lines = tuple(
        contracts.QuotedLine(
            line_id=line.line_id,
            quantity=units[line.line_id],
            eligible=line.eligible,
            code=line.code,
            decision=line.decision,
            refund=money(amounts[line.line_id].amount) if line.line_id in amounts else None,
            fee=money(amounts[line.line_id].fee) if line.line_id in amounts else None,
            trigger=line.trigger,
            window_closes_at=line.window_closes_at,
            explanation=line.explanation,
        )
        for line in quote.verdict.lines
    )
    exchange = None
    if case.outcome == "exchange":
        exchange = _exchange(quote.exchange_for, plan.due, case.currency, gift=case.gift)
    return contracts.QuoteView(
        id=quote.quote_id,
        order_id=quote.order_id,
        expires_at=quote.expires_at,
        outcome=case.outcome,
        method=case.method,
        policy=quote.policy,
        decision=quote.verdict.decision,
        lines=lines,
        refund=contracts.QuotedRefund(
            legs=tuple(
                contracts.LegView(
                    tender=leg.tender, paid=money(leg.paid), points=leg.points, bonus=leg.bonus
                )
                for leg in plan.legs
                if not leg.exchange
            ),
            fees=money(plan.fees),
            points_restored=plan.points_restored,
            points_taken=None if case.gift else plan.points_taken,
        ),
        exchange=exchange,
        explanation=quote.verdict.explanation,
    )


def _exchange(
    lines: Iterable[ExchangeLine], due: int, currency: str, *, gift: bool, created: bool = False
) -> contracts.ExchangeView:
    return contracts.ExchangeView(
        lines=tuple(
            contracts.ReplacementView(
                line_id=line.line_id,
                sku=line.sku,
                name=line.name,
                category=line.category,
                quantity=line.quantity,
                unit_price=None if gift else line.unit_price,
            )
            for line in lines
        ),
        due=Money(amount=due, currency=currency),
        created=created,
    )


def return_view(
    back: Return, now: datetime, label_url: str | None = None, *, to_customer: bool = True
) -> contracts.ReturnView:
    """Show a return; `to_customer`, without what is said among those who work on it."""
    exchange = None
    if back.exchange:
        exchange = _exchange(
            back.exchange.lines,
            back.exchange.due,
            back.currency,
            gift=back.gift,
            created=back.exchange.created,
        )
    is_internal = to_customer and back.status != "rejected"
    label = None
    if back.label or back.label_wanted:
        label = contracts.LabelView(
            state=back.label.state if back.label else "wanted",
            url=label_url,
            reason=back.label.reason if back.label else "",
        )
    return contracts.ReturnView(
        id=back.return_id,
        order_id=back.order_id,
        customer_id=back.customer_id,
        status=back.status,
        outcome=back.outcome,
        method=back.method,
        store_id=back.store_id,
        policy=back.policy,
        lines=tuple(_line(back, line) for line in back.lines),
        refund=_refund(back),
        exchange=exchange,
        time_to_refund=_time_to_refund(back, now),
        requested_at=back.requested_at,
        ship_by=back.ship_by,
        closed_at=back.ended_at,
        parcels=tuple(
            contracts.ParcelView(carrier=one.carrier, tracking_number=one.tracking_number)
            for one in back.parcels
        ),
        label=label,
        gift=back.gift,
        statutory=back.statutory,
        override_reason=None if to_customer else back.override,
        decision_reason=None if is_internal else back.decision_reason,
        decided_by=None if to_customer else back.decided_by,
    )


def _line(back: Return, line: ReturnLine) -> contracts.ReturnLineView:
    return contracts.ReturnLineView(
        line_id=line.line_id,
        sku=line.sku,
        name=line.name,
        quantity=line.quantity,
        reason=line.reason,
        decision=line.decision,
        logistics=min(line.logistics, key=_ADVANCE.index),
        units=line.logistics,
        money=back.money_of(line),
        trigger=line.trigger,
        explanation=line.explanation,
    )


def _refund(back: Return) -> contracts.ReturnRefund:
    share = comes_to(back)
    shown = zip(range(len(back.legs)), share.amounts, share.points, strict=True)
    ways = [
        way
        for position, amount, points in shown
        if not back.legs[position].exchange
        for way in _ways(back, position, amount, points)
    ]
    return contracts.ReturnRefund(
        legs=tuple(_leg(back, way) for way in ways),
        fees=_shown(back, share.fees),
        points_restored=sum(way.points or 0 for way in ways if way.tender == "points"),
        points_taken=None if back.gift else back.points_taken,
        refunds=tuple(
            contracts.RefundView(
                id=refund.refund_id,
                tender=refund.tender,
                paid=_shown(back, refund.paid.amount),
                points=refund.points,
                state=refund.state,
                provider=refund.provider,
                provider_reference=refund.provider_reference,
                reason=refund.reason,
            )
            for refund in back.refunds
            if not refund.is_nothing
        ),
    )


class _Way(NamedTuple):
    """What of a leg goes to one tender."""

    leg: Leg
    tender: str
    paid: int
    points: int | None
    state: RefundState | Literal["none"]


def _ways(back: Return, position: int, amount: int, points: int) -> list[_Way]:
    """Return where a leg goes that comes to so much: what has become refunds to the tenders that
    really pay them, the rest to its own."""
    leg = back.legs[position]
    refunds = [
        refund
        for refund in back.refunds
        if refund.leg == position and refund.state != "replanned" and not refund.is_nothing
    ]
    ways = []
    for tender in dict.fromkeys([leg.tender, *(refund.tender for refund in refunds)]):
        own = [refund for refund in refunds if refund.tender == tender]
        paid, states = sum(refund.paid.amount for refund in own), [one.state for one in own]
        given = sum(refund.points or 0 for refund in own)
        if tender == leg.tender:
            paid, given = paid + amount - leg.refunded, given + points - leg.refunded_points
            if amount > leg.refunded or points > leg.refunded_points:
                states.append("planned")
        if states or not refunds:
            counted = given if leg.points is not None and tender == leg.tender else None
            ways.append(_Way(leg, tender, paid, counted, worst(states) if states else "none"))
    return ways


def _leg(back: Return, way: _Way) -> contracts.ReturnLegView:
    return contracts.ReturnLegView(
        tender=way.tender,
        paid=_shown(back, way.paid),
        points=way.points,
        bonus=way.leg.bonus,
        state=way.state,
        instead_of=way.leg.tender if way.tender != way.leg.tender else None,
    )


def _shown(back: Return, amount: int) -> Money | None:
    return None if back.gift else Money(amount=amount, currency=back.currency)


def _time_to_refund(back: Return, now: datetime) -> contracts.TimeToRefund | None:
    triggered_at, due_by = back.triggered_at, back.refund_due_by
    if triggered_at is None or due_by is None:
        return None
    until = back.refunded_at or now
    return contracts.TimeToRefund(
        triggered_at=triggered_at,
        due_by=due_by,
        succeeded_at=back.refunded_at,
        seconds=max(0, int((until - triggered_at).total_seconds())),
        late=until > due_by,
    )


def purchases(books: Iterable[Book]) -> contracts.PurchasePage:
    return contracts.PurchasePage(orders=tuple(map(_purchase, books)))


def _purchase(book: Book) -> contracts.PurchaseView:
    return contracts.PurchaseView(
        order_id=book.order_id,
        number=book.number,
        channel=book.channel,
        store_id=book.store_id,
        placed_at=book.placed_at,
        lines=tuple(
            contracts.PurchaseLine(
                line_id=line.line_id,
                sku=line.sku,
                name=line.name,
                quantity=line.quantity,
                left=line.left,
                returnable=sum(
                    one.quantity for one in book.evidence_of(line.line_id) if one.delivered_at
                ),
            )
            for line in book.lines
        ),
    )


def withdrawal_view(withdrawal: Withdrawal) -> contracts.WithdrawalView:
    return contracts.WithdrawalView(
        id=withdrawal.id,
        status=withdrawal.public_status,
        declared_at=withdrawal.declared_at,
        confirm_by=withdrawal.confirm_by,
        receipt=receipt_of(withdrawal),
    )
