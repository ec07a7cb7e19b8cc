"""What the API shows of books, quotes and returns. Pure: the moment is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tandem_core.money import Money
from tandem_returns import contracts
from tandem_returns.logistics import UnitState
from tandem_returns.purchases import Book
from tandem_returns.quotes import Quote
from tandem_returns.returns import Leg, Return, ReturnLine
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
        due = Money(amount=plan.due, currency=case.currency)
        exchange = contracts.ExchangeView(lines=quote.exchange_for, due=due)
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
                contracts.LegView(tender=leg.tender, paid=money(leg.paid), points=leg.points)
                for leg in plan.legs
                if not leg.exchange
            ),
            fees=money(plan.fees),
            points_restored=plan.points_restored,
            points_taken=plan.points_taken,
        ),
        exchange=exchange,
        explanation=quote.verdict.explanation,
    )


def return_view(back: Return, now: datetime, label_url: str | None = None) -> contracts.ReturnView:
    exchange = None
    if back.exchange:
        due = Money(amount=back.exchange.due, currency=back.currency)
        exchange = contracts.ExchangeView(
            lines=back.exchange.lines, due=due, created=back.exchange.created
        )
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
        closed_at=back.closed_at,
        parcels=tuple(
            contracts.ParcelView(carrier=one.carrier, tracking_number=one.tracking_number)
            for one in back.parcels
        ),
        label=label,
        gift=back.gift,
        statutory=back.statutory,
        override_reason=back.override,
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
    def money(amount: int) -> Money | None:
        return None if back.gift else Money(amount=amount, currency=back.currency)

    ended = back.status in ("rejected", "cancelled", "expired")

    def leg_view(position: int, leg: Leg) -> contracts.ReturnLegView:
        return contracts.ReturnLegView(
            tender=leg.tender,
            paid=money(leg.paid),
            points=leg.points,
            state="none" if ended and not leg.refunded else back.state_of_leg(position),
        )

    return contracts.ReturnRefund(
        legs=tuple(
            leg_view(position, leg) for position, leg in enumerate(back.legs) if not leg.exchange
        ),
        fees=money(back.fees),
        points_restored=back.points_restored,
        points_taken=back.points_taken,
        refunds=tuple(
            contracts.RefundView(
                id=refund.refund_id,
                tender=refund.tender,
                paid=money(refund.paid.amount),
                points=refund.points,
                state=refund.state,
                provider=refund.provider,
                provider_reference=refund.provider_reference,
                reason=refund.reason,
            )
            for refund in back.refunds
            if refund.tender != "none"
        ),
    )


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
