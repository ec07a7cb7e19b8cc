"""A return: what comes back, on three axes, and what is paid for it.

    decision   per line     requested -> needs_review -> approved | rejected | cancelled | expired
    logistics  per unit     see logistics.py
    money      per refund   planned (a leg) -> reserved -> submitted -> pending -> succeeded ...

A *leg* is what the quote said: so much to this tender. A *refund* is one payment of a leg, or of a
part of it: units may arrive one by one. What is due for some of the units is one function, `due`;
all else is the difference between two of its values, so nothing is paid twice and the parts add up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import Currency, Money
from tandem_core.problems import Conflict, Missing
from tandem_core.values import Quantity, Reference, Strict
from tandem_returns.cases import Explanation, Method, Outcome, Risk, Trigger
from tandem_returns.logistics import (
    IN_OUR_HANDS,
    INSPECTED_AS,
    NOTHING_CAME,
    ON_ITS_WAY,
    REACHED,
    UNDERWAY,
    UnitState,
    count,
    movable,
)
from tandem_returns.purchases import LineQuantity

MAX_PARCELS = 10

Decision = Literal["requested", "needs_review", "approved", "rejected", "cancelled", "expired"]
RefundState = Literal[
    "planned",
    "reserved",
    "submitted",
    "pending",
    "requires_action",
    "unknown",
    "succeeded",
    "failed",
    "replanned",
]
Status = Literal[
    "requested",
    "approved",
    "in_progress",
    "partially_resolved",
    "resolved",
    "rejected",
    "cancelled",
    "expired",
]
# As the paths of the commands have them.
Move = Literal["approve", "reject", "cancel", "receive", "inspect", "parcels"]
# A person is asked to look at what waits for longer.
_DECIDE_WITHIN = timedelta(days=2)
_ARRIVE_WITHIN = timedelta(days=14)
# Who pays what no provider does.
PERSON = "person"
ACTIVE: frozenset[Decision] = frozenset({"requested", "needs_review", "approved"})
# The least advanced state of several speaks for all of them.
_MONEY_ORDER: tuple[RefundState, ...] = (
    "failed",
    "requires_action",
    "unknown",
    "planned",
    "reserved",
    "submitted",
    "pending",
    "succeeded",
)


class ReturnNotFound(Missing):
    code, title = "RETURN_NOT_FOUND", "There is no such return"


class RefundNotFound(Missing):
    code, title = "REFUND_NOT_FOUND", "The return has no such refund"


class ReturnLine(Strict):
    """`amount` is what all its units are worth, `fee` what is kept of that, both in minor units of
    the return's currency; `points_taken` is what they had earned. `paid_units` are those whose
    money has been set in motion."""

    line_id: Reference
    sku: Reference
    name: str = ""
    category: Reference | None = None
    quantity: Quantity
    reason: Reference
    decision: Decision
    trigger: Trigger
    logistics: dict[UnitState, int]
    amount: int
    fee: int = 0
    points_taken: int = 0
    paid_units: int = 0
    explanation: tuple[Explanation, ...] = ()

    @property
    def triggered(self) -> int:
        """Units that are far enough for their money to go."""
        if self.decision != "approved":
            return self.paid_units
        return max(self.paid_units, count(self.logistics, REACHED[self.trigger]))

    @property
    def is_awaited(self) -> bool:
        """Tell whether units are to be decided on, to come, or to be inspected first."""
        if self.decision != "approved":
            return self.decision in ACTIVE
        to_come = (UNDERWAY | IN_OUR_HANDS) - REACHED[self.trigger]
        return count(self.logistics, to_come) > 0

    @property
    def unsent(self) -> int:
        """Units that nobody has seen on their way, and whose money waits for that."""
        waits = self.decision == "approved" and self.trigger != "approval"
        return self.logistics.get("awaiting", 0) if waits else 0

    @property
    def held(self) -> int:
        """Units that nobody else can ask back."""
        if self.decision not in ACTIVE:
            return self.paid_units
        return max(self.paid_units, self.quantity - count(self.logistics, NOTHING_CAME))

    def points_taken_for(self, units: int) -> int:
        """Return what loyalty takes back for some of its units: its share, as loyalty divides it
        (largest remainder, cumulatively), is divided the same way again."""
        each, more = divmod(self.points_taken, self.quantity)
        return each * units + min(units, more)

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more is expected of it: no parcel, no decision, no money."""
        if self.decision not in ACTIVE:
            return True
        if self.decision != "approved" or count(self.logistics, UNDERWAY):
            return False
        accepted = count(self.logistics, IN_OUR_HANDS | {"not_required"})
        return self.paid_units >= accepted


class Leg(Strict):
    """What was quoted for one tender. `source` is the order's tender that it counts against, None
    for what comes on top; `exchange` legs are carried over to the replacement, not paid.

    `refunded` has been turned into refunds.
    """

    source: str | None = None
    tender: Reference
    paid: int
    points: int | None = None
    reference: Reference | None = None
    bonus: bool = False
    exchange: bool = False
    refunded: int = 0
    refunded_points: int = 0


class Refund(Strict):
    """One payment. Its id is the key that its provider knows it by, for ever.

    `replaces` names the failed one whose money it moves another way.
    """

    refund_id: str
    leg: int
    tender: Reference
    paid: Money
    points: int | None = None
    reference: Reference | None = None
    state: RefundState
    lines: tuple[LineQuantity, ...] = ()
    provider: str = ""
    provider_reference: str | None = None
    reason: str = ""
    replaces: str | None = None
    asked: int = 0
    planned_at: Instant
    settled_at: Instant | None = None
    ask_at: Instant | None = None

    @property
    def is_for_people(self) -> bool:
        """Tell whether somebody has to pay it by hand: no provider has heard of it."""
        return self.state == "requires_action" and self.provider == PERSON

    @property
    def is_nothing(self) -> bool:
        """Tell whether it only says that units came back for which nothing is paid."""
        return self.tender == "none" and not self.paid.amount


class ExchangeLine(Strict):
    line_id: Reference
    sku: Reference
    name: str = ""
    category: Reference | None = None
    quantity: Quantity
    unit_price: Money


class ExchangePayment(Strict):
    type: Reference
    paid: Money
    reference: Reference | None = None


class Exchange(Strict):
    """What is wanted instead. `paid` is what the customer has paid on top."""

    lines: tuple[ExchangeLine, ...]
    due: int = 0
    paid: ExchangePayment | None = None
    created: bool = False


class Parcel(Strict):
    """A parcel on its way back."""

    carrier: Reference
    tracking_number: Reference


class LabelState(Strict):
    """A label on its way: what its provider calls it, so that it is bought once."""

    state: Literal["wanted", "prepared", "bought", "unavailable"]
    shipment_reference: str = ""
    rate_reference: str = ""
    reason: str = ""


class ReturnData(Strict):
    """What is kept of a return. `channel` is where the order was placed, `begun_in` where its
    return was begun, `location_id` where units of it were taken in last, if that has a name.

    `decision_reason` is why it was let pass, approved, rejected or called off, and `decided_by` by
    whom; both are None where the policy has decided.
    """

    return_id: str
    order_id: str
    quote_id: str
    customer_id: Reference | None = None
    number: Reference | None = None
    channel: str
    begun_in: str
    currency: Currency
    outcome: Outcome
    bonus_percent: int = 0
    method: Method
    store_id: Reference | None = None
    location_id: Reference | None = None
    policy: str
    risk: Risk
    lines: tuple[ReturnLine, ...]
    legs: tuple[Leg, ...]
    refunds: tuple[Refund, ...] = ()
    method_fee: int = 0
    delivery: int = 0
    exchange: Exchange | None = None
    gift: bool = False
    statutory: bool = False
    override: str | None = None
    decision_reason: str | None = None
    decided_by: str | None = None
    note: str | None = None
    requested_at: Instant
    quoted_at: Instant
    ship_by: Instant | None = None
    refund_within_hours: int
    triggered_at: Instant | None = None
    refunded_at: Instant | None = None
    closed_at: Instant | None = None
    late: bool = False
    moved_at: Instant | None = None
    overdue: bool = False
    code_used: bool = False
    label: LabelState | None = None
    label_wanted: bool = False
    parcels: Annotated[tuple[Parcel, ...], Field(max_length=MAX_PARCELS)] = ()
    withdrawal_id: str | None = None


class Return(ReturnData):
    """A return as it is."""

    @property
    def quantities(self) -> tuple[LineQuantity, ...]:
        return tuple(
            LineQuantity(line_id=line.line_id, quantity=line.quantity) for line in self.lines
        )

    def line(self, line_id: str) -> ReturnLine | None:
        return next((line for line in self.lines if line.line_id == line_id), None)

    def refund(self, refund_id: str) -> Refund:
        """Raises RefundNotFound."""
        for refund in self.refunds:
            if refund.refund_id == refund_id:
                return refund
        raise RefundNotFound

    @property
    def fees(self) -> int:
        """What is kept when all its units come."""
        return self.method_fee + sum(line.fee for line in self.lines)

    @property
    def points_taken(self) -> int:
        """Points that had been earned by the units that came, or may still come."""
        return sum(line.points_taken_for(line.held) for line in self.lines)

    @property
    def payable(self) -> list[Refund]:
        """Refunds that money still has to move for."""
        done: frozenset[RefundState] = frozenset({"succeeded", "replanned"})
        return [refund for refund in self.refunds if refund.state not in done]

    @property
    def awaits_parcel(self) -> bool:
        """Tell whether units are still to be sent."""
        return any(
            line.decision == "approved" and line.logistics.get("awaiting") for line in self.lines
        )

    @property
    def is_complete(self) -> bool:
        """Tell whether no more units can become due than are: all has come, or will not."""
        return not any(line.is_awaited for line in self.lines)

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more is expected of it."""
        return all(line.is_settled for line in self.lines) and not self.payable

    @property
    def status(self) -> Status:
        decisions = {line.decision for line in self.lines}
        if not decisions & ACTIVE and not any(line.paid_units for line in self.lines):
            for ended in ("expired", "cancelled", "rejected"):
                if ended in decisions:
                    return ended
        if decisions & {"requested", "needs_review"}:
            return "requested"
        if self.is_settled:
            complete = all(
                count(line.logistics, NOTHING_CAME) == 0 and line.decision == "approved"
                for line in self.lines
            )
            return "resolved" if complete else "partially_resolved"
        begun = self.refunds or any(set(line.logistics) - {"awaiting"} for line in self.lines)
        return "in_progress" if begun else "approved"

    @property
    def moves(self) -> tuple[Move, ...]:
        """Commands that are legal now. What has expired may still come."""
        legal: list[Move] = []
        if any(line.decision in ("requested", "needs_review") for line in self.lines):
            legal += ["approve", "reject"]
        if self.status in ("requested", "approved"):
            legal.append("cancel")
        expected: Decision = "expired" if self.status == "expired" else "approved"
        units = [line.logistics for line in self.lines if line.decision == expected]
        if any(movable(each, "received") for each in units):
            legal.append("receive")
        if any(movable(each, to) for each in units for to in INSPECTED_AS):
            legal.append("inspect")
        if self.status in ("approved", "in_progress"):
            legal.append("parcels")
        return tuple(legal)

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, for the last time; None for one that goes on, also again: banks send money
        back, and what was short is found."""
        if self.status in ("resolved", "partially_resolved") and self.closed_at:
            return max(self.closed_at, self.refunded_at or self.closed_at)
        return self.closed_at if self.status in ("rejected", "cancelled", "expired") else None

    @property
    def refund_due_by(self) -> datetime | None:
        """When its money is to be on its way, by the policy's target."""
        if self.triggered_at is None:
            return None
        return self.triggered_at + timedelta(hours=self.refund_within_hours)

    def money_of(self, line: ReturnLine) -> RefundState | Literal["none"]:
        """Return how far the money of a line is."""
        if line.is_settled and not line.paid_units:
            return "none"
        if not line.is_settled and line.paid_units < line.quantity:
            return "planned"
        return worst(refund.state for refund in self.refunds if refund.state != "replanned")

    @property
    def due_at(self) -> datetime | None:
        """When time next does something to it: it, or what is left of it, expires; a refund is
        asked for or is late."""
        instants = [one.ask_at for one in self.refunds if one.ask_at]
        if self.ship_by and any(line.unsent for line in self.lines):
            instants.append(self.ship_by)
        if self.payable and not self.late and self.refund_due_by:
            instants.append(self.refund_due_by)
        if self.overdue_at:
            instants.append(self.overdue_at)
        return min(instants, default=None)

    @property
    def overdue_at(self) -> datetime | None:
        """When a person should look: nobody has decided on it, or it does not arrive. None when
        somebody was told already, or nothing of the kind is waited for."""
        if self.overdue:
            return None
        if self.status == "requested":
            return self.requested_at + _DECIDE_WITHIN
        underway = any(count(line.logistics, ON_ITS_WAY) for line in self.lines)
        return self.moved_at + _ARRIVE_WITHIN if underway and self.moved_at else None


class ReturnMoved(Conflict):
    """`allowed` names the commands that are legal now, as their paths do."""

    code, title = "INVALID_TRANSITION", "The return is not where that is possible"

    def __init__(self, verb: str, back: Return, detail: str = "") -> None:
        super().__init__(
            detail or f"A return that is {back.status} cannot be {verb}",
            state=back.status,
            allowed=list(back.moves),
        )


class Due(NamedTuple):
    """Of each leg, in minor units and points, and the fees that were kept of it."""

    amounts: tuple[int, ...]
    points: tuple[int, ...]
    fees: int


class Held(NamedTuple):
    """What a return keeps of its book: units and money by line, money and points by tender."""

    units: Mapping[str, int]
    amounts: Mapping[str, int]
    tenders: Mapping[str, int]
    points: Mapping[str, int]
    delivery: int


def worst(states: Iterable[RefundState]) -> RefundState:
    """Return the state that speaks for several."""
    return min(states, key=_MONEY_ORDER.index, default="succeeded")


def due(back: Return, units: Mapping[str, int]) -> Due:
    """Return what is due for some of the units of each line: for all of them, what was quoted.

    Legs are filled in their order; fees come off what is due, which is never less than nothing.
    """
    whole = all(units.get(line.line_id, 0) >= line.quantity for line in back.lines)
    if whole:
        return Due(
            tuple(leg.paid for leg in back.legs),
            tuple(leg.points or 0 for leg in back.legs),
            back.fees,
        )
    gross, kept = 0, back.method_fee
    for line in back.lines:
        part = min(units.get(line.line_id, 0), line.quantity)
        gross += line.amount * part // line.quantity
        kept += line.fee * part // line.quantity
    kept = min(gross, kept)
    left = gross - kept
    amounts, points = [], []
    for leg in back.legs:
        part = 0 if leg.bonus else min(left, leg.paid)
        left -= part
        amounts.append(part)
        points.append((leg.points or 0) * part // leg.paid if leg.paid else 0)
    credited = sum(part for leg, part in zip(back.legs, amounts, strict=True) if _earns_bonus(leg))
    base = sum(leg.paid for leg in back.legs if _earns_bonus(leg))
    for position, leg in enumerate(back.legs):
        if leg.bonus and base:
            amounts[position] = leg.paid * credited // base
    return Due(tuple(amounts), tuple(points), kept)


def comes_to(back: Return) -> Due:
    """Return what a return comes to: what is due for the units that came, or may still come, and
    never less than what has become refunds."""
    reached = due(back, {line.line_id: line.held for line in back.lines})
    amounts = zip(back.legs, reached.amounts, strict=True)
    points = zip(back.legs, reached.points, strict=True)
    return Due(
        tuple(max(part, leg.refunded) for leg, part in amounts),
        tuple(max(part, leg.refunded_points) for leg, part in points),
        reached.fees,
    )


def _earns_bonus(leg: Leg) -> bool:
    return leg.tender == "store_credit" and not leg.bonus


def held_by(back: Return | None) -> Held:
    """Return what a return keeps of its book. It follows from the return alone."""
    if back is None:
        return Held({}, {}, {}, {}, 0)
    units = {line.line_id: line.held for line in back.lines}
    amounts = {line.line_id: line.amount * line.held // line.quantity for line in back.lines}
    tenders: dict[str, int] = {}
    points: dict[str, int] = {}
    share = comes_to(back)
    for leg, part, given in zip(back.legs, share.amounts, share.points, strict=True):
        if leg.source is not None:
            tenders[leg.source] = tenders.get(leg.source, 0) + part
            points[leg.source] = points.get(leg.source, 0) + given
    whole = all(line.held >= line.quantity for line in back.lines)
    return Held(units, amounts, tenders, points, back.delivery if whole else 0)
