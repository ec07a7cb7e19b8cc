"""What coming back is worth, and where the money goes: the figures of a quote.

    units --> amounts (purchases.amount_of) - fees --> legs, tender by tender --> points both ways

Tenders are refunded to themselves, points as points. Store credit and exchanges take the place of
money only; a gift's receiver gets a card of their own, and the giver's tenders are used up for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from tandem_core.money import Money
from tandem_core.problems import Conflict, Unprocessable
from tandem_core.values import Strict
from tandem_returns.cases import Outcome
from tandem_returns.eligibility import Verdict
from tandem_returns.purchases import Book, BookTender
from tandem_returns.returns import ExchangeLine, Leg, Return

# Loyalty's word of a redemption comes in seconds; an outage may take hours.
_WORD_OF_POINTS = timedelta(days=1)


class PointsNotKnownYet(Conflict):
    code = "POINTS_NOT_KNOWN_YET"
    title = "How many points paid for the order has not been heard yet; ask again in a moment"


class ExchangeInvalid(Unprocessable):
    code, title = "EXCHANGE_INVALID", "The exchange cannot be priced"
    field = "exchange_for"


class PlannedLine(Strict):
    line_id: str
    quantity: int
    amount: int
    fee: int
    points_taken: int


class Plan(Strict):
    """The money of a return, in minor units of the order's currency. `due` is what the customer
    pays on top of an exchange."""

    lines: tuple[PlannedLine, ...]
    legs: tuple[Leg, ...]
    method_fee: int
    delivery: int
    due: int = 0

    @property
    def points_restored(self) -> int:
        """Points that go back to an account; those that pay for a replacement do not."""
        restored = [leg for leg in self.legs if leg.tender == "points" and not leg.exchange]
        return sum(leg.points or 0 for leg in restored)

    @property
    def points_taken(self) -> int:
        return sum(line.points_taken for line in self.lines)

    @property
    def fees(self) -> int:
        return self.method_fee + sum(line.fee for line in self.lines)


def plan(
    book: Book,
    wanted: Mapping[str, int],
    verdict: Verdict,
    outcome: Outcome,
    *,
    at: datetime,
    gift: bool,
    exchange_for: Sequence[ExchangeLine] = (),
) -> Plan:
    """Return the figures for the eligible ones of the wanted units, asked for `at` an instant.

    Raises PointsNotKnownYet, and ExchangeInvalid for a replacement in another currency.
    """
    fees = {line.line_id: line.fee for line in verdict.lines if line.eligible}
    lines = tuple(
        PlannedLine(
            line_id=line_id,
            quantity=units,
            amount=book.amount_of(line_id, units),
            fee=min(fees[line_id], book.amount_of(line_id, units)),
            points_taken=_points_taken(book, line_id, units),
        )
        for line_id, units in wanted.items()
        if line_id in fees
    )
    delivery = 0
    if lines and verdict.refund_delivery and _takes_all(book, lines):
        delivery = max(0, book.delivery_charge - book.held_delivery)
    gross = sum(line.amount for line in lines) + delivery
    kept = min(gross, verdict.method_fee + sum(line.fee for line in lines))
    filled = _fill(book, gross - kept, young=at - book.placed_at < _WORD_OF_POINTS)
    legs, due = _as_wanted(book, filled, outcome, gift, verdict.bonus_percent, exchange_for)
    return Plan(
        lines=lines,
        legs=legs,
        method_fee=max(0, kept - sum(line.fee for line in lines)),
        delivery=delivery,
        due=due,
    )


def planned_again(book: Book, back: Return) -> Return:
    """Return a return that had given up its units and money with what there is for it by now.

    A replacement that the customer would have to pay for once more becomes a refund.
    """
    lines = []
    for line in back.lines:
        amount = book.amount_of(line.line_id, line.quantity)
        again = {
            "amount": amount,
            "fee": min(line.fee, amount),
            "points_taken": _points_taken(book, line.line_id, line.quantity),
        }
        lines.append(line.model_copy(update=again))
    delivery = min(back.delivery, max(0, book.delivery_charge - book.held_delivery))
    fees = back.method_fee + sum(line.fee for line in lines)
    net = max(0, sum(line.amount for line in lines) + delivery - fees)
    filled = _fill(book, net, young=False)
    outcome, exchange = back.outcome, back.exchange
    wanted = exchange.lines if exchange else ()
    legs, due = _as_wanted(book, filled, outcome, back.gift, back.bonus_percent, wanted)
    if due:
        outcome, exchange = "refund", None
        legs, _ = _as_wanted(book, filled, outcome, back.gift, 0, ())
    # What was paid on top of a replacement has become refunds of a leg of its own.
    repaid = [position for position, leg in enumerate(back.legs) if leg.refunded]
    return back.model_copy(
        update={
            "lines": tuple(lines),
            "legs": (*legs, *(back.legs[position] for position in repaid)),
            "refunds": tuple(
                one.model_copy(update={"leg": len(legs) + repaid.index(one.leg)})
                for one in back.refunds
            ),
            "delivery": delivery,
            "outcome": outcome,
            "exchange": exchange and exchange.model_copy(update={"due": 0}),
        }
    )


def _points_taken(book: Book, line_id: str, units: int) -> int:
    line = book.line(line_id)
    return line.points_of(min(line.quantity, line.gone + units)) - line.points_of(line.gone)


def _takes_all(book: Book, lines: Sequence[PlannedLine]) -> bool:
    """Tell whether nothing is left with the customer, and nothing was cancelled before."""
    wanted = {line.line_id: line.quantity for line in lines}
    return all(
        line.held + line.elsewhere + wanted.get(line.line_id, 0) >= line.quantity
        for line in book.lines
    )


def _fill(book: Book, amount: int, *, young: bool) -> list[Leg]:
    """Divide an amount over the tenders. What no tender has room for was never paid."""
    legs = []
    for tender in book.refundable:
        part = min(amount, tender.room)
        amount -= part
        if part:
            legs.append(_leg(tender, part, young=young))
    return legs


def _leg(tender: BookTender, part: int, *, young: bool) -> Leg:
    """Raises PointsNotKnownYet while word of them may still come; later a person gives them back,
    for whoever took them is not of this house."""
    points = tender.points_for(part)
    if tender.type == "points" and tender.reference and points is None and young:
        raise PointsNotKnownYet
    return Leg(
        source=tender.id,
        tender=tender.type,
        paid=part,
        points=points,
        reference=tender.reference,
    )


def _as_wanted(  # noqa: PLR0913  what a return is for
    book: Book,
    legs: list[Leg],
    outcome: Outcome,
    gift: bool,
    bonus_percent: int,
    exchange_for: Sequence[ExchangeLine],
) -> tuple[tuple[Leg, ...], int]:
    """Return legs in the form in which they go back, and what is due on top of a replacement."""
    due = 0
    if gift or outcome == "store_credit":
        legs = [_as_credit(leg, gift=gift) for leg in legs]
    if outcome == "exchange":
        legs, due = _carried_over(book, legs, exchange_for)
    else:
        legs = [*legs, *_bonus(legs, bonus_percent)]
    return tuple(legs), due


def _as_credit(leg: Leg, *, gift: bool) -> Leg:
    if gift:
        return leg.model_copy(update={"tender": "gift_card", "points": None, "reference": None})
    if leg.tender in ("points", "gift_card"):
        return leg
    return leg.model_copy(update={"tender": "store_credit", "reference": None})


def _bonus(legs: Sequence[Leg], percent: int) -> list[Leg]:
    credited = sum(leg.paid for leg in legs if leg.tender == "store_credit")
    bonus = credited * percent // 100
    return [Leg(source=None, tender="store_credit", paid=bonus, bonus=True)] if bonus else []


def _carried_over(
    book: Book, legs: Sequence[Leg], lines: Sequence[ExchangeLine]
) -> tuple[list[Leg], int]:
    """Divide legs into what is paid back and what pays for the replacement, and return with them
    what is missing. What is paid back comes first, as from any return."""
    if any(line.unit_price.currency != book.currency for line in lines):
        raise ExchangeInvalid(f"The order is in {book.currency}")
    value = sum(line.unit_price.amount * line.quantity for line in lines)
    credit = sum(leg.paid for leg in legs)
    back = max(0, credit - value)
    divided = []
    for leg in legs:
        paid = min(back, leg.paid)
        back -= paid
        points = (leg.points or 0) * paid // leg.paid
        if paid:
            front = {"paid": paid, "points": None if leg.points is None else points}
            divided.append(leg.model_copy(update=front))
        if leg.paid > paid:
            rest = None if leg.points is None else leg.points - points
            kept = {"paid": leg.paid - paid, "points": rest, "exchange": True}
            divided.append(leg.model_copy(update=kept))
    return divided, max(0, value - credit)


def same_items(book: Book, lines: Sequence[PlannedLine]) -> tuple[ExchangeLine, ...]:
    """Return the replacement of units by their like, at what was paid for them.

    Units whose shares differ by a remainder become lines of their own, so that nothing is due.
    """
    replaced = []
    for line in lines:
        bought = book.line(line.line_id)
        each, more = divmod(line.amount, line.quantity)
        for suffix, units, price in (
            ("", line.quantity - more, each),
            ("+", more, each + 1),
        ):
            if units:
                replaced.append(
                    ExchangeLine(
                        line_id=f"{line.line_id}{suffix}",
                        sku=bought.sku,
                        name=bought.name,
                        category=bought.category,
                        quantity=units,
                        unit_price=Money(amount=price, currency=book.currency),
                    )
                )
    return tuple(replaced)
