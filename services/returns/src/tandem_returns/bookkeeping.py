"""How a return book follows its order: what each event adds to what is known of the purchase.

Each function takes the book and what was heard, and returns the fact to record, or None when the
book knows it. Order of arrival: the events of an order are numbered, and what replaces something
(a fulfilment, a line) counts only if it is newer; what adds something is recorded once by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tandem_core.money import Money
from tandem_returns.heard import (
    FulfillmentHeard,
    HeardLeg,
    HeardLine,
    HeardQuantity,
    HeardTender,
    OrderCancelled,
    OrderPlaced,
    OrderUpdated,
    Redemption,
    RefundHeard,
)
from tandem_returns.purchases import (
    Arrival,
    Book,
    BookLine,
    BookTender,
    LineQuantity,
    units_by_line,
)
from tandem_returns.return_facts import ReturnBookOpened, ReturnBookUpdated

_ARRIVED = frozenset({"delivered", "collected"})


def opened(
    order: OrderPlaced,
    policy: str,
    contacts: tuple[str, ...],
    seq: int,
    *,
    placed_by: str | None = None,
) -> ReturnBookOpened:
    """Open the book of an order, under the policy that was in force when it was placed."""
    lines = tuple(_line(line) for line in order.lines)
    arrivals = {}
    if order.handed_over:
        arrivals[order.handed_over.id] = Arrival(
            seq=seq,
            lines=_units(order.handed_over.lines),
            delivered_at=order.handed_over.delivered_at or order.placed_at,
        )
    return ReturnBookOpened(
        order_id=order.order_id,
        customer_id=order.customer_id or order.customer.customer_id,
        number=order.number,
        channel=order.channel,
        occurred_at=order.placed_at,
        source=order.source,
        external_id=order.external_id,
        order_channel=order.channel,
        country=order.destination.country if order.destination else None,
        store_id=order.store_id,
        placed_at=order.placed_at,
        placed_by=placed_by,
        currency=order.currency,
        policy=policy,
        lines=lines,
        tenders=_tenders((), order.tenders, lines, order.currency),
        arrivals=arrivals,
        contacts=contacts,
    )


def _line(line: HeardLine, known: BookLine | None = None) -> BookLine:
    said = line.model_dump()
    if known is None:
        return BookLine.model_validate(said)
    return BookLine.model_validate({**known.model_dump(), **said})


def _units(lines: Sequence[HeardQuantity]) -> tuple[LineQuantity, ...]:
    return tuple(
        LineQuantity(line_id=line.line_id, quantity=line.quantity)
        for line in lines
        if line.quantity
    )


def _tenders(
    known: Sequence[BookTender],
    told: Sequence[HeardTender],
    lines: Sequence[BookLine],
    currency: str,
) -> tuple[BookTender, ...]:
    """Return the tenders as told, with what is known of each.

    An order without any was paid in a way that nobody told: its refunds are a person's affair.
    Tenders in another currency than the order's are none that it can be refunded in.
    """
    told = [one for one in told if one.paid.currency == currency]
    if not told:
        paid = sum(line.paid.amount for line in lines if line.paid)
        told = [HeardTender(type="other", paid=Money(amount=paid, currency=currency))]
    left = {one.id: one for one in known}
    number = 1 + max((int(one.id[1:]) for one in known), default=-1)
    tenders = []
    for one in told:
        # A payment may be told before the name that its provider gives it.
        names = {(one.type, one.reference): 0, (one.type, None): 1}
        same = [each for each in left.values() if (each.type, each.reference) in names]
        before = min(same, key=lambda each: names[(each.type, each.reference)], default=None)
        if before:
            del left[before.id]
            tenders.append(before.model_copy(update={"paid": one.paid, "reference": one.reference}))
        else:
            name = f"t{number}"
            number += 1
            tenders.append(
                BookTender(id=name, type=one.type, paid=one.paid, reference=one.reference)
            )
    # What returns have a claim on stays, but nothing was paid by it: that is told of others now.
    nothing = Money(amount=0, currency=currency)
    claimed = (one for one in left.values() if one.held or one.elsewhere)
    return (*tenders, *(one.model_copy(update={"paid": nothing}) for one in claimed))


def _about(book: Book, occurred_at: datetime) -> dict[str, Any]:
    return {
        "order_id": book.order_id,
        "customer_id": book.customer_id,
        "number": book.number,
        "channel": book.channel,
        "occurred_at": occurred_at,
    }


def edited(
    book: Book, order: OrderUpdated, contacts: tuple[str, ...], seq: int, at: datetime
) -> ReturnBookUpdated | None:
    """Follow an edit: lines that are new or have more units, tenders, the customer of a guest."""
    changes: dict[str, Any] = {}
    if order.customer_id and book.customer_id != order.customer_id:
        changes["customer_id"] = order.customer_id
    if contacts and contacts != book.contacts and not book.erased:
        changes["contacts"] = contacts
    lines = {line.line_id: line for line in book.lines}
    if seq > book.edited and (order.added or order.tenders is not None):
        for line in order.added:
            lines[line.line_id] = _line(line, lines.get(line.line_id))
        changes["lines"] = tuple(lines.values())
        changes["edited"] = seq
        if order.tenders is not None:
            changes["tenders"] = _tenders(
                book.tenders, order.tenders, changes["lines"], book.currency
            )
    return ReturnBookUpdated(**(_about(book, at) | changes)) if changes else None


def cancelled(book: Book, order: OrderCancelled, at: datetime) -> ReturnBookUpdated | None:
    """Take cancelled units off what can come back. The event is heard once."""
    lines = _added(book, order.lines, "cancelled")
    return ReturnBookUpdated(**_about(book, at), lines=lines) if lines else None


def _added(
    book: Book, quantities: Sequence[HeardQuantity], counter: str
) -> tuple[BookLine, ...] | None:
    units: dict[str, int] = {}
    for one in quantities:
        units[one.line_id] = units.get(one.line_id, 0) + one.quantity
    if not any(units.get(line.line_id) for line in book.lines):
        return None
    return tuple(
        line.model_copy(update={counter: getattr(line, counter) + units.get(line.line_id, 0)})
        for line in book.lines
    )


def arrived(book: Book, fulfillment: FulfillmentHeard, seq: int) -> ReturnBookUpdated | None:
    """Keep, move or take away the evidence that a fulfilment's units arrived."""
    known = book.arrivals.get(fulfillment.fulfillment_id)
    if known and known.seq >= seq:
        return None
    delivered_at = None
    if fulfillment.state in _ARRIVED:
        delivered_at = fulfillment.delivered_at or fulfillment.occurred_at
    arrival = Arrival(seq=seq, lines=_units(fulfillment.lines), delivered_at=delivered_at)
    taken_back = fulfillment.previous_state in _ARRIVED
    if known is None and delivered_at is None and not taken_back:
        return None
    return ReturnBookUpdated(
        **_about(book, fulfillment.occurred_at), arrivals={fulfillment.fulfillment_id: arrival}
    )


def refunded_elsewhere(book: Book, refund: RefundHeard, at: datetime) -> ReturnBookUpdated | None:
    """Take note of what a shop platform has paid back, so that we do not pay it again.

    A shop that tells money without units, or with units that our own returns have told of, tells
    what we have paid and it has booked as well: that is counted once, as far as we have paid.
    """
    if refund.refund_id in book.refunds_elsewhere:
        return None
    lines = list(_added(book, refund.lines, "elsewhere") or book.lines)
    units = units_by_line(_units(refund.lines))
    is_echo = bool(refund.booked) or not any(units.values())
    news = 0
    for position, line in enumerate(lines):
        if units.get(line.line_id):
            worth = book.amount_of(line.line_id, units[line.line_id])
            news += worth
            reached = {"held_amount": line.held_amount + worth}
            lines[position] = line.model_copy(update=reached)
    tenders = {one.id: one for one in book.tenders}
    for leg in refund.legs:
        tender = _tender_of(list(tenders.values()), leg)
        if tender is None or leg.paid.currency != book.currency:
            continue
        echo = 0
        if is_echo:
            echo = min(max(0, leg.paid.amount - news), max(0, tender.held - tender.echoed))
            news = max(0, news - leg.paid.amount)
        tenders[tender.id] = tender.model_copy(
            update={
                "echoed": tender.echoed + echo,
                "elsewhere": tender.elsewhere + leg.paid.amount - echo,
            }
        )
    return ReturnBookUpdated(
        **_about(book, at),
        lines=tuple(lines),
        tenders=tuple(tenders.values()),
        refund_elsewhere=refund.refund_id,
    )


def _tender_of(tenders: Sequence[BookTender], leg: HeardLeg) -> BookTender | None:
    """Return the tender that a leg speaks of: the same payment, else one of its kind, else any."""
    for fits in (
        lambda one: (one.type, one.reference) == (leg.tender, leg.reference),
        lambda one: one.type == leg.tender,
        lambda _: True,
    ):
        found = [one for one in tenders if fits(one)]
        if found:
            return max(found, key=lambda one: one.room)
    return None


def earned(book: Book, points: Mapping[str, int], at: datetime) -> ReturnBookUpdated | None:
    """Take note of what each line has earned."""
    lines = tuple(
        line.model_copy(update={"earned": points.get(line.line_id, line.earned)})
        for line in book.lines
    )
    return ReturnBookUpdated(**_about(book, at), lines=lines) if lines != book.lines else None


def redeemed(book: Book, redemption: Redemption, at: datetime) -> ReturnBookUpdated | None:
    """Take note of how many points a tender took. An order that was paid with a part of a
    redemption (a replacement) has that part of its points."""
    tenders = tuple(
        one.model_copy(update={"points": _points_in(one, redemption)})
        if (one.type, one.reference) == ("points", redemption.id)
        else one
        for one in book.tenders
    )
    changed = tenders != book.tenders
    return ReturnBookUpdated(**_about(book, at), tenders=tenders) if changed else None


def _points_in(tender: BookTender, redemption: Redemption) -> int:
    value = redemption.captured_value
    if value is None or value.amount <= tender.paid.amount:
        return redemption.captured_points
    return redemption.captured_points * tender.paid.amount // value.amount


def erased(book: Book, at: datetime) -> ReturnBookUpdated | None:
    """Forget by whom it could be found, and learn it no more."""
    return None if book.erased else ReturnBookUpdated(**_about(book, at), erased=True)
