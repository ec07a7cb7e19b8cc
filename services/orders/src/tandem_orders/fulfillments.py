"""Fulfilments: how units of an order reach their customer, and which moves are legal.

Three machines: a parcel that is shipped, a pickup in a store, and goods handed over at the till.
The merchant moves a fulfilment by the table; a carrier's evidence moves it by the carrier's own,
and a shop platform's report only ever moves it forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.problems import Conflict, Unprocessable
from tandem_core.values import Quantity, Reference, Strict

FulfillmentType = Literal["ship", "pickup", "in_store"]
FulfillmentState = Literal[
    "unfulfilled",
    "allocated",
    "packed",
    "shipped",
    "delivered",
    "returned",
    "proposed",
    "reserved",
    "preparing",
    "ready",
    "checked_in",
    "collected",
    "expired",
    "restocked",
    "cancelled",
]

MAX_PARCELS = 20
HOLD = timedelta(days=3)
REMINDER_AFTER = timedelta(hours=24)

# What the merchant may do, state by state. Checking in is a courtesy: who stands at the counter
# with the code gets the goods without it.
TRANSITIONS: Mapping[FulfillmentType, Mapping[FulfillmentState, tuple[FulfillmentState, ...]]] = {
    "ship": {
        "unfulfilled": ("allocated", "cancelled"),
        "allocated": ("packed", "cancelled"),
        "packed": ("shipped", "cancelled"),
        "shipped": ("delivered",),
    },
    "pickup": {
        "proposed": ("reserved", "cancelled"),
        "reserved": ("preparing", "cancelled"),
        "preparing": ("ready", "cancelled"),
        "ready": ("checked_in", "collected", "expired", "cancelled"),
        "checked_in": ("collected", "cancelled"),
        "expired": ("restocked",),
    },
    "in_store": {},
}
INITIAL: Mapping[FulfillmentType, FulfillmentState] = {
    "ship": "unfulfilled",
    "pickup": "proposed",
    "in_store": "collected",
}
# The way forward, for reports that skip steps or come late.
_FORWARD: Mapping[FulfillmentType, tuple[FulfillmentState, ...]] = {
    "ship": ("unfulfilled", "allocated", "packed", "shipped", "delivered"),
    "pickup": ("proposed", "reserved", "preparing", "ready", "checked_in", "collected"),
    "in_store": ("collected",),
}

# Units in these states are on nobody's way any more.
RELEASED: frozenset[FulfillmentState] = frozenset({"cancelled", "expired", "restocked", "returned"})
ARRIVED: frozenset[FulfillmentState] = frozenset({"delivered", "collected"})
NOT_BEGUN: frozenset[FulfillmentState] = frozenset({"unfulfilled", "proposed", "reserved"})


class InvalidTransition(Conflict):
    code, title = "INVALID_TRANSITION", "The fulfilment cannot move there from where it is"


class PickupCodeInvalid(Unprocessable):
    code, title = "PICKUP_CODE_INVALID", "The pickup code is missing or wrong"
    field = "pickup_code"


class LineQuantity(Strict):
    """Units of one line of an order."""

    line_id: Reference
    quantity: Quantity


class Parcel(Strict):
    """What the order knows of a parcel: enough to say what has arrived.

    `seen` is the shipment's version this was read at, so that an older reading changes nothing.
    """

    shipment_id: str
    carrier: str
    tracking_number: str
    seen: int = 0
    handed_over: bool = False
    delivered_at: Instant | None = None
    returned: bool = False
    exception: bool = False


class Fulfillment(Strict):
    """`reported_at` is its sender's own time of the last report that was heeded."""

    id: str
    type: FulfillmentType
    state: FulfillmentState
    lines: tuple[LineQuantity, ...]
    parcels: Annotated[tuple[Parcel, ...], Field(max_length=MAX_PARCELS)] = ()
    store_id: Reference | None = None
    external_id: Reference | None = None
    reported_at: Instant | None = None
    created_at: Instant
    delivered_at: Instant | None = None
    hold_until: Instant | None = None
    reminded: bool = False
    pickup_code: str | None = None

    @property
    def units(self) -> Counter[str]:
        """Its units by line id: a line may be named twice."""
        units: Counter[str] = Counter()
        for line in self.lines:
            units[line.line_id] += line.quantity
        return units


class Handover(NamedTuple):
    """What is shown to collect: the customer's code, or the name of who answers for it."""

    pickup_code: str | None = None
    staff_id: str | None = None


def legal_moves(fulfillment: Fulfillment) -> tuple[FulfillmentState, ...]:
    return TRANSITIONS[fulfillment.type].get(fulfillment.state, ())


def moved(
    fulfillment: Fulfillment,
    state: FulfillmentState,
    now: datetime,
    *,
    handover: Handover | None = None,
    new_code: str = "",
) -> Fulfillment:
    """Return the fulfilment after a merchant's move.

    `new_code` is the code that a pickup gets when it becomes ready. Raises InvalidTransition and
    PickupCodeInvalid.
    """
    legal = legal_moves(fulfillment)
    if state not in legal:
        names = ", ".join(legal) or "nowhere"
        raise InvalidTransition(
            f"From {fulfillment.state} a {fulfillment.type} fulfilment moves to {names}",
            state=fulfillment.state,
            allowed=list(legal),
        )
    if state == "collected":
        _check_handover(fulfillment, handover or Handover())
    changes: dict[str, object] = {"state": state}
    if state == "ready":
        changes |= {"hold_until": now + HOLD, "pickup_code": new_code}
    if state in ARRIVED:
        changes |= {"delivered_at": now, "pickup_code": None}
    if state in RELEASED:
        changes |= {"pickup_code": None}
    return fulfillment.model_copy(update=changes)


def _check_handover(fulfillment: Fulfillment, handover: Handover) -> None:
    if handover.staff_id:
        return
    if not handover.pickup_code or handover.pickup_code != fulfillment.pickup_code:
        raise PickupCodeInvalid("Show the pickup code, or name the staff member who answers for it")


def without(fulfillment: Fulfillment, units: Counter[str], now: datetime) -> Fulfillment:
    """Return the fulfilment without units that nobody wants any more. One that loses all of them
    is cancelled, and goes on to say what it had. Raises InvalidTransition."""
    left = fulfillment.units - units
    if not left:
        return moved(fulfillment, "cancelled", now)
    lines = tuple(LineQuantity(line_id=name, quantity=count) for name, count in left.items())
    return fulfillment.model_copy(update={"lines": lines})


def advanced(
    fulfillment: Fulfillment, state: FulfillmentState, occurred_at: datetime
) -> Fulfillment:
    """Return the fulfilment after a report of its sender: further on, or as it was.

    A cancellation is heeded until the goods have arrived. What we have let expire may be collected
    all the same: its shop keeps hours of its own.
    """
    if fulfillment.state == "expired" and state == "collected":
        return fulfillment.model_copy(update={"state": state, "delivered_at": occurred_at})
    if fulfillment.state in RELEASED or fulfillment.state in ARRIVED:
        return fulfillment
    if state == "cancelled":
        return fulfillment.model_copy(update={"state": state, "pickup_code": None})
    way = _FORWARD[fulfillment.type]
    if state not in way or way.index(state) <= way.index(fulfillment.state):
        return fulfillment
    changes: dict[str, object] = {"state": state}
    if state in ARRIVED:
        changes |= {"delivered_at": occurred_at, "pickup_code": None}
    if state == "ready":
        changes |= {"hold_until": occurred_at + HOLD}
    return fulfillment.model_copy(update=changes)


def carried(fulfillment: Fulfillment, parcel: Parcel) -> Fulfillment:
    """Return the fulfilment with what a carrier says of one of its parcels.

    The carrier's axis crosses ours in three places: what it holds has been shipped, what has
    arrived is delivered once all parcels have, and what went back to the sender is returned. A
    delivery that is retracted opens the fulfilment again.
    """
    known = {one.shipment_id: one for one in fulfillment.parcels}
    before = known.get(parcel.shipment_id)
    if before is None or before.seen >= parcel.seen:
        return fulfillment
    known[parcel.shipment_id] = parcel
    parcels = tuple(known.values())
    changes: dict[str, object] = {"parcels": parcels}
    if fulfillment.type == "ship" and fulfillment.state not in {"cancelled"}:
        changes |= _carriers_state(fulfillment, parcels)
    return fulfillment.model_copy(update=changes)


def _carriers_state(fulfillment: Fulfillment, parcels: tuple[Parcel, ...]) -> dict[str, object]:
    if all(parcel.returned for parcel in parcels):
        return {"state": "returned", "delivered_at": None}
    arrivals = [parcel.delivered_at for parcel in parcels if parcel.delivered_at]
    if arrivals and len(arrivals) == len(parcels):
        return {"state": "delivered", "delivered_at": max(arrivals)}
    if fulfillment.state in {"delivered", "returned"} and _ended_by_carrier(fulfillment):
        return {"state": "shipped", "delivered_at": None}
    way = _FORWARD["ship"]
    if fulfillment.state in way[:3] and any(parcel.handed_over for parcel in parcels):
        return {"state": "shipped"}
    return {}


def _ended_by_carrier(fulfillment: Fulfillment) -> bool:
    """Tell whether the carrier had said that all was over: only it can take that back."""
    return all(parcel.delivered_at or parcel.returned for parcel in fulfillment.parcels)
