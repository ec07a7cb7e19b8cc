"""What a return book knows of a purchase: what was bought, paid, delivered, earned and held back.

One book for each order. `held` counts what returns have a claim on, from the request on: units and
minor units of money that nobody else can have back. So "never more back than bought, never more
than paid" is a comparison of two numbers of one item, whatever number of channels ask at once.

Money of a line is divided cumulatively: the first `n` of its units are worth
`paid * n // quantity`, so any split of a line adds up to the whole, and the last unit takes the
remainder. Tenders are filled in one order, each up to what it paid; so any split of an order does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import EXACT_INTEGER, Currency, Money, allocate
from tandem_core.problems import Conflict, Unprocessable
from tandem_core.values import MAX_QUANTITY, Channel, Quantity, Reference, Strict
from tandem_returns.cases import Evidence, RecentReturn

# Returned to in this order: what is no money first, then what stays with the retailer.
_TENDER_ORDER = ("points", "gift_card", "store_credit", "card")
_RECENT_RETURNS = 20

Units = Annotated[int, Field(ge=0, le=MAX_QUANTITY), EXACT_INTEGER]


class ReturnExceedsPurchase(Conflict):
    """`left` names what can still come back, line by line."""

    code, title = "RETURN_EXCEEDS_PURCHASE", "More units than are left of what was bought"

    def __init__(self, left: Mapping[str, int]) -> None:
        named = ", ".join(f"{units} of line {line_id}" for line_id, units in left.items())
        super().__init__(
            f"There are left: {named}",
            left=[{"line_id": line_id, "quantity": units} for line_id, units in left.items()],
        )


class UnknownLine(Unprocessable):
    code, title = "UNKNOWN_LINE", "The order has no such line"
    field = "lines"


class LineQuantity(Strict):
    """Units of one line of an order."""

    line_id: Reference
    quantity: Quantity


class BookLine(Strict):
    """`paid` is for all ordered units, None where nobody says; `earned` are the points granted for
    them. `held` units and their `held_amount` belong to returns; `elsewhere` came back without us.
    """

    line_id: Reference
    sku: Reference
    name: str = ""
    category: Reference | None = None
    quantity: Units
    cancelled: Units = 0
    paid: Money | None = None
    unit_price: Money | None = None
    earned: int = 0
    elsewhere: Units = 0
    held: Units = 0
    held_amount: int = 0

    @property
    def gone(self) -> int:
        """Units that were cancelled, are held, or came back elsewhere."""
        return self.cancelled + self.elsewhere + self.held

    @property
    def left(self) -> int:
        return max(0, self.quantity - self.gone)

    def points_of(self, units: int) -> int:
        """Return what the first `units` have earned, as loyalty divides it (largest remainder)."""
        each, more = divmod(self.earned, self.quantity or 1)
        return each * units + min(units, more)


class BookTender(Strict):
    """A means of payment. `points` are those captured for it, None while nobody has said.

    `held` is refunded or reserved by returns, `elsewhere` was refunded by a shop platform;
    `echoed` is of our own refunds what the shop has booked, and so reported, as well.
    """

    id: str
    type: Reference
    paid: Money
    reference: Reference | None = None
    points: int | None = None
    held: int = 0
    held_points: int = 0
    elsewhere: int = 0
    echoed: int = 0

    @property
    def room(self) -> int:
        """Minor units that can still be paid back to it."""
        return max(0, self.paid.amount - self.held - self.elsewhere)

    @property
    def is_overdrawn(self) -> bool:
        """Tell whether returns hold more than is left: a shop has paid it back, or taken less."""
        return self.held + self.elsewhere > self.paid.amount

    def points_for(self, amount: int) -> int | None:
        """Return the points that the next `amount` gives back; None without points."""
        if self.points is None or not self.paid.amount:
            return None
        reached = min(self.paid.amount, self.held + self.elsewhere + amount)
        return max(0, self.points * reached // self.paid.amount - self.held_points)


class Arrival(Strict):
    """A fulfilment as the newest event told it; `seq` is the event's number among its order's."""

    seq: int
    lines: tuple[LineQuantity, ...]
    delivered_at: Instant | None = None


class Book(Strict):
    """The return book of an order. `policy` pins the version that was in force at the purchase;
    `contacts` are digests by which it is found without a receipt. `placed_by` is the integration
    whose order it is, None for an order of nobody's own."""

    order_id: str
    source: Reference
    external_id: Reference
    number: Reference | None = None
    channel: Channel
    country: str | None = None
    store_id: Reference | None = None
    placed_at: Instant
    placed_by: str | None = None
    currency: Currency
    customer_id: Reference | None = None
    policy: str
    lines: tuple[BookLine, ...]
    tenders: tuple[BookTender, ...] = ()
    arrivals: dict[str, Arrival] = {}
    held_delivery: int = 0
    edited: int = 0
    contacts: tuple[str, ...] = ()
    erased: bool = False
    refunds_elsewhere: tuple[str, ...] = ()
    history: tuple[RecentReturn, ...] = ()

    def line(self, line_id: str) -> BookLine:
        """Raises UnknownLine."""
        for line in self.lines:
            if line.line_id == line_id:
                return line
        raise UnknownLine(f"The order has no line {line_id}", line_id=line_id)

    @property
    def left(self) -> dict[str, int]:
        """Units of each line that can still come back."""
        return {line.line_id: line.left for line in self.lines}

    def check_left(self, wanted: Mapping[str, int]) -> None:
        """Raise ReturnExceedsPurchase when more is wanted of a line than is left of it."""
        left = {line_id: self.line(line_id).left for line_id in wanted}
        if any(wanted[line_id] > units for line_id, units in left.items()):
            raise ReturnExceedsPurchase(left)

    def overdraws(self, before: Book) -> bool:
        """Tell whether more is held now than was before, and than was paid."""
        worth = self.paid_of_lines
        return any(
            old.held_amount < line.held_amount > worth[line.line_id]
            for old, line in zip(before.lines, self.lines, strict=True)
        ) or any(
            old.held < one.held > one.paid.amount - one.elsewhere
            or old.held_points < one.held_points > (one.points or 0)
            for old, one in zip(before.tenders, self.tenders, strict=True)
        )

    @property
    def delivery_charge(self) -> int:
        """Minor units that were paid on top of the lines; 0 where a line's price is not known."""
        if any(line.paid is None for line in self.lines):
            return 0
        paid = sum(tender.paid.amount for tender in self.tenders)
        return max(0, paid - sum(line.paid.amount for line in self.lines if line.paid))

    @property
    def paid_of_lines(self) -> dict[str, int]:
        """Minor units paid for each line, in proportion where the tenders paid less than the lines
        say (an order's own discount, a payment that never came)."""
        said = [line.paid.amount if line.paid else 0 for line in self.lines]
        tendered = sum(tender.paid.amount for tender in self.tenders)
        parts = said if tendered >= sum(said) else allocate(tendered, said)
        return {line.line_id: part for line, part in zip(self.lines, parts, strict=True)}

    def amount_of(self, line_id: str, units: int) -> int:
        """Return what the next `units` of a line are worth; what is left of it for the last."""
        line = self.line(line_id)
        paid = self.paid_of_lines[line_id]
        reached = min(line.quantity, line.held + line.elsewhere + units)
        return max(0, paid * reached // (line.quantity or 1) - line.held_amount)

    def tender(self, tender_id: str) -> BookTender:
        return next(one for one in self.tenders if one.id == tender_id)

    @property
    def refundable(self) -> list[BookTender]:
        """Tenders in the order in which they get money back."""

        def rank(tender: BookTender) -> tuple[int, str]:
            known = tender.type in _TENDER_ORDER
            return (_TENDER_ORDER.index(tender.type) if known else len(_TENDER_ORDER), tender.id)

        # Cash comes last: whatever else there is can be paid without the customer at a counter.
        return sorted(self.tenders, key=lambda one: (one.type == "cash", rank(one)))

    def evidence_of(self, line_id: str) -> tuple[Evidence, ...]:
        """Return the units of a line that may still come back, by their delivery, latest first.

        Units that are held or came back count as those delivered first.
        """
        line = self.line(line_id)
        delivered = sorted(
            (arrival.delivered_at, one.quantity)
            for arrival in self.arrivals.values()
            if arrival.delivered_at
            for one in arrival.lines
            if one.line_id == line_id
        )
        gone, left, found = line.held + line.elsewhere, line.left, []
        for delivered_at, units in delivered:
            counted = min(max(0, units - gone), left)
            gone = max(0, gone - units)
            left -= counted
            if counted:
                found.append(Evidence(quantity=counted, delivered_at=delivered_at))
        if left:
            found.insert(0, Evidence(quantity=left, delivered_at=None))
        return tuple(reversed(found))

    def with_history(self, at: datetime, amount: int) -> Book:
        """Remember that something was asked back: the last few, for limits by time."""
        recent = RecentReturn(at=at, amount=amount, currency=self.currency)
        return self.model_copy(update={"history": (*self.history, recent)[-_RECENT_RETURNS:]})


def units_by_line(quantities: Iterable[LineQuantity]) -> Counter[str]:
    """Add up units by line id."""
    units: Counter[str] = Counter()
    for one in quantities:
        units[one.line_id] += one.quantity
    return units
