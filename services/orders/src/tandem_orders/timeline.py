"""The customer's timeline: what an event of any service means to the customer it concerns.

`entry_of` turns an event into an entry, which is stored: a text key and a few small values, no
sentence, so that each reader gets their own language (`sentence`). It reads tolerantly: what an
event lacks, the sentence leaves out. What says nothing to a customer has no entry: messages of
senders, programs, requested notifications (what they tell of has an entry itself), scans that
change no status, goods handed over with their receipt, what a parcel's own event says already, and
how a return's money and goods are worked on.

An entry never holds contacts, addresses, names of people or pickup codes: of a place it keeps city,
region and country, and the name of a pickup point.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from tandem_core.clock import Instant
from tandem_core.events import Envelope
from tandem_core.values import Strict
from tandem_orders.orders import EXCHANGE
from tandem_orders.places import Place
from tandem_orders.readings import Reading, instant_of, surely_from, surely_until
from tandem_orders.statuses import HANDED_OVER, ShipmentStatus
from tandem_orders.texts import Language, calm, is_text, say

Value = str | int | dict[str, str | int]
Params = dict[str, Value]

CARRIER_CHANNEL = "carrier"

_ORDERS_PLACED = {"pos": "store", "marketplace": "marketplace", "social": "social"}
_ACTIONS = frozenset({"review", "follow", "referral", "birthday"})
# Which statuses are told with their reason.
_EXPLAINED = frozenset(
    {
        ShipmentStatus.CUSTOMS,
        ShipmentStatus.DELAYED,
        ShipmentStatus.ON_HOLD,
        ShipmentStatus.DELIVERY_ATTEMPTED,
        ShipmentStatus.AVAILABLE_FOR_PICKUP,
        ShipmentStatus.RETURNING,
        ShipmentStatus.FAILED,
        ShipmentStatus.RETURNED,
    }
)
# What a parcel says that brings a customer's return.
_RETURN_STATUSES = frozenset(
    {ShipmentStatus.PICKED_UP, ShipmentStatus.IN_TRANSIT, ShipmentStatus.DELIVERED}
)
_COUNTRY = re.compile(r"[A-Z]{2}")
_BEGINNINGS = frozenset({"unfulfilled", "proposed"})


class TimelineEntry(Strict):
    """One touchpoint. `id` and `type` are the event's; `key` and `params` make its sentence."""

    id: str
    type: str
    occurred_at: Instant
    channel: str
    customer_id: str | None = None
    order_id: str | None = None
    fulfillment_id: str | None = None
    shipment_id: str | None = None
    return_id: str | None = None
    location_id: str | None = None
    place: Place | None = None
    key: str
    params: Params = {}


class _Said(NamedTuple):
    key: str
    params: Mapping[str, Value | None] = {}


def entry_of(envelope: Envelope) -> TimelineEntry | None:
    """Return what an event means to its customer, None when that is nothing.

    `customer_id` and `order_id` are what the event itself says. A parcel's event names no customer
    and perhaps several orders: see orders_of.
    """
    teller = _TELLERS.get(envelope.type)
    data = Reading(envelope.data)
    said = teller(envelope, data) if teller else None
    occurred_at = _occurred_at(envelope, data)
    if said is None or occurred_at is None:
        return None
    orders = orders_of(envelope)
    is_parcel = envelope.type.startswith("shipment.")
    return TimelineEntry(
        id=envelope.id,
        type=envelope.type,
        occurred_at=occurred_at,
        channel=CARRIER_CHANNEL if is_parcel else data.name("channel") or envelope.channel,
        customer_id=data.name("customer_id"),
        order_id=orders[0] if len(orders) == 1 else None,
        fulfillment_id=data.name("fulfillment_id"),
        shipment_id=data.name("shipment_id"),
        return_id=data.name("return_id"),
        location_id=data.name("location_id")
        or data.name("store_id")
        or data.member("redemption").name("location_id"),
        place=_place(data.member("scan").member("place")) if is_parcel else None,
        key=said.key,
        params={name: value for name, value in said.params.items() if value is not None},
    )


def orders_of(envelope: Envelope) -> tuple[str, ...]:
    """Return the ids of the orders that an event is about; of a parcel registered for one more
    order, only that one."""
    data = Reading(envelope.data)
    one = (
        data.name("order_id")
        or data.member("redemption").name("order_id")
        or data.member("link").name("order_id")
    )
    return (one,) if one else data.names("order_ids")


def sentence(entry: TimelineEntry, language: Language) -> str:
    """Say an entry in the reader's language."""
    return say(language, entry.key, entry.params)


def _occurred_at(envelope: Envelope, data: Reading) -> Instant | None:
    """Return when it happened. A parcel that was registered after its delivery arrived before."""
    registered_late = envelope.type == "shipment.registered" and _status(data) == "delivered"
    return (
        (data.instant("delivered_at") if registered_late else None)
        or data.instant("placed_at")
        or data.instant("occurred_at")
        or data.member("scan").instant("occurred_at")
        or instant_of(envelope.time)
    )


# --- points ---------------------------------------------------------------------------------------


def _points(key: str, points: int | None, **params: Value | None) -> _Said | None:
    """Tell of points; a change of none is nothing to tell."""
    if points == 0:
        return None
    return _Said(key, {"points": None if points is None else abs(points), **params})


def _bare(envelope: Envelope, _data: Reading) -> _Said:
    return _Said(envelope.type)


def _pending(_envelope: Envelope, data: Reading) -> _Said | None:
    return _points("points.pending", _granted(data), day=_day_from(data, "matures_at"))


def _earned(_envelope: Envelope, data: Reading) -> _Said | None:
    action = data.name("action")
    if action in _ACTIONS:
        return _points(f"points.earned.{action}", _granted(data))
    bought = data.name("order_id") and not action
    return _points("points.earned.order" if bought else "points.earned", _granted(data))


def _granted(data: Reading) -> int | None:
    granted = data.count("granted")
    return data.count("points") if granted is None else granted


def _activated(_envelope: Envelope, data: Reading) -> _Said | None:
    """Activation moves points without changing their sum, and may first pay what was owed."""
    available = data.member("postings").count("available")
    return _Said("points.activated", {"points": available or None})


def _rescheduled(_envelope: Envelope, data: Reading) -> _Said:
    return _Said("points.rescheduled", {"day": _day_from(data, "matures_at")})


def _expiring(_envelope: Envelope, data: Reading) -> _Said | None:
    last_day = data.day("last_day")
    return _points("points.expiring", data.count("expiring"), last_day=last_day)


def _expired(_envelope: Envelope, data: Reading) -> _Said | None:
    return _points("points.expired", data.count("points"))


def _adjusted(_envelope: Envelope, data: Reading) -> _Said | None:
    """The reason is a note of the staff, not for the customer."""
    points = data.count("points")
    return _points(f"points.adjusted.{'removed' if (points or 0) < 0 else 'added'}", points)


def _reversed(_envelope: Envelope, data: Reading) -> _Said | None:
    return _points("points.reversed", data.count("points"))


def _redemption(envelope: Envelope, data: Reading) -> _Said | None:
    redemption = data.member("redemption")
    points, worth = redemption.count("points"), _money(redemption, "value")
    match envelope.type:
        case "redemption.captured":
            captured = redemption.count("captured_points")
            points = points if captured is None else captured
            worth = _money(redemption, "captured_value") or worth
        case "redemption.reversed":
            points = data.count("reversed")
    return _points(envelope.type, points, amount=worth)


def _day_from(data: Reading, name: str) -> str | None:
    instant = data.instant(name)
    return surely_from(instant) if instant else None


# --- orders ---------------------------------------------------------------------------------------


def _placed(_envelope: Envelope, data: Reading) -> _Said:
    if data.name("source") == EXCHANGE:
        return _Said("order.placed.exchange", {"quantity": _units(data)})
    kind = _ORDERS_PLACED.get(data.name("channel") or "", "online")
    params: dict[str, Value | None] = {"quantity": _units(data), "amount": _total(data)}
    if kind != "store":
        params["number"] = data.name("number")
    return _Said(f"order.placed.{kind}", params)


def _total(data: Reading) -> Value | None:
    """Return what was paid: by the tenders, which know of shipping, if they cover the lines."""
    lines = _sum([line.money("paid") for line in data.members("lines")])
    tenders = _sum([tender.money("paid") for tender in data.members("tenders")])
    if lines is None or tenders is None:
        paid = lines or tenders
    else:
        paid = tenders if tenders[1] != lines[1] or tenders[0] >= lines[0] else lines
    return None if paid is None else {"amount": paid[0], "currency": paid[1]}


def _sum(amounts: list[tuple[int, str] | None]) -> tuple[int, str] | None:
    """Add amounts of one currency. None when there are none, or one of them is not known."""
    known = [amount for amount in amounts if amount]
    if not known or len(known) < len(amounts) or len({currency for _, currency in known}) > 1:
        return None
    return sum(amount for amount, _ in known), known[0][1]


def _updated(_envelope: Envelope, data: Reading) -> _Said | None:
    """Most updates are between machines. A customer cares for a claimed order."""
    claimed = data.flag("claimed")
    return _Said("order.claimed", {"number": data.name("number")}) if claimed else None


def _cancelled(_envelope: Envelope, data: Reading) -> _Said:
    units = _units(data)
    if data.flag("whole") or not units:
        return _Said("order.cancelled", {"number": data.name("number")})
    return _Said("order.cancelled.part", {"number": data.name("number"), "quantity": units})


def _completed(_envelope: Envelope, data: Reading) -> _Said:
    return _Said("order.completed", {"number": data.name("number")})


def _refund(envelope: Envelope, data: Reading) -> _Said | None:
    """Tell of money, and where it went; points that come back have events of their own."""
    legs = list(data.members("legs"))
    money = [leg for leg in legs if leg.name("tender") != "points"]
    if legs and not money:
        return None
    total = _sum([leg.money("paid") for leg in money])
    amount: Value | None = {"amount": total[0], "currency": total[1]} if total else None
    tenders = {leg.name("tender") for leg in money}
    key = f"{envelope.type}.{tenders.pop()}" if len(tenders) == 1 else envelope.type
    return _Said(key if is_text(key) else envelope.type, {"amount": amount})


def _return(envelope: Envelope, data: Reading) -> _Said:
    match envelope.type:
        case "return.approved":
            kept = ".keep" if data.name("method") == "keep" else ""
            return _Said(f"{envelope.type}{kept}", {"until": _day_until(data, "ship_by")})
        case "return.parcel_added":
            return _Said(envelope.type, {"carrier": data.name("carrier")})
        case "return.received":
            return _Said(envelope.type, {"quantity": _units(data, "accepted")})
        case _:
            return _Said(envelope.type, {"quantity": _units(data)})


def _withdrawal(envelope: Envelope, data: Reading) -> _Said:
    """Tell of a statutory withdrawal once its order is known: before, it is nobody's."""
    number = data.name("order_reference")
    return _Said(envelope.type, {"number": number, "moment": submitted(data)})


def submitted(data: Reading) -> Value | None:
    """Return date and time of a declaration, as the clock showed them where it counts."""
    local, time_zone = data.name("submitted_local"), data.name("time_zone")
    return {"local": local, "time_zone": time_zone} if local and time_zone else None


def _fulfillment(envelope: Envelope, data: Reading) -> _Said | None:
    """Tell of a fulfilment by its state: it may be born in any, when a shop reports late."""
    family, _, what = envelope.type.partition(".")
    kind = data.name("fulfillment_type") or data.name("type")
    if kind == "in_store":
        return None
    if kind == "pickup":
        family = "pickup"
    state, before = data.name("state"), data.name("previous_state")
    params = {
        "quantity": _units(data),
        "carrier": _only_carrier(data),
        "until": _day_until(data, "hold_until"),
    }
    if what == "created":
        if state is None or state in _BEGINNINGS:
            ending = ".pickup" if family == "pickup" else ""
            return _Said(f"fulfillment.created{ending}", params)
        what = state
    if family == "fulfillment" and before in {"delivered", "returned"} and what == "shipped":
        return None
    if family == "fulfillment" and (envelope.causationid or "").startswith("evt_shp_"):
        return None
    key = f"{family}.{what}"
    return _Said(key, params) if is_text(key) else None


def _units(data: Reading, name: str = "lines") -> int | None:
    return sum(max(0, line.count("quantity") or 0) for line in data.members(name)) or None


def _only_carrier(data: Reading) -> str | None:
    carriers = {parcel.name("carrier") for parcel in data.members("parcels")}
    return carriers.pop() if len(carriers) == 1 else None


def _day_until(data: Reading, name: str) -> str | None:
    instant = data.instant(name)
    return surely_until(instant) if instant else None


def _money(data: Reading, name: str) -> Value | None:
    money = data.money(name)
    return {"amount": money[0], "currency": money[1]} if money else None


# --- parcels --------------------------------------------------------------------------------------


def _parcel(envelope: Envelope, data: Reading) -> _Said | None:
    """Tell of a parcel's new status, and of none again."""
    status = _status(data)
    if envelope.type == "shipment.registered":
        if data.flag("again"):
            return None
        if status not in HANDED_OVER and not data.flag("is_return"):
            return _Said("shipment.registered", {"carrier": data.name("carrier")})
    elif not has_new_status(data):
        return None
    if status is None or (data.flag("is_return") and status not in _RETURN_STATUSES):
        return None
    scan = data.member("scan")
    place = scan.member("place") if scan.name("status") == status else Reading(None)
    waits = status is ShipmentStatus.AVAILABLE_FOR_PICKUP
    key = f"shipment.return.{status}" if data.flag("is_return") else f"shipment.{status}"
    return _Said(
        key,
        {
            "carrier": data.name("carrier"),
            "city": _city(place),
            "point": place.name("name") if waits else None,
            "window": _window(data.member("estimate")),
            "reason": data.name("reason") if status in _EXPLAINED else None,
        },
    )


def has_new_status(data: Reading) -> bool:
    """Tell whether a parcel's event changed its status, also when it does not say so itself."""
    if data.flag("changed"):
        return True
    said = data.name("status"), data.name("previous_status")
    return not data.has("changed") and None not in said and said[0] != said[1]


def _status(data: Reading) -> ShipmentStatus | None:
    try:
        return ShipmentStatus(data.name("status") or "")
    except ValueError:
        return None


def _window(estimate: Reading) -> Value | None:
    first, last = estimate.day("from_date"), estimate.day("to_date")
    return {"from_date": first, "to_date": last} if first and last else None


def _city(place: Reading) -> str | None:
    city = place.name("city")
    return calm(city) if city else None


def _place(place: Reading) -> Place | None:
    country = place.name("country")
    found = Place(
        city=_city(place),
        region=place.name("region"),
        country=country if country and _COUNTRY.fullmatch(country) else None,
    )
    return None if found == Place() else found


_TELLERS: Mapping[str, Callable[[Envelope, Reading], _Said | None]] = {
    "account.enrolled": _bare,
    "points.pending": _pending,
    "points.earned": _earned,
    "points.activated": _activated,
    "points.rescheduled": _rescheduled,
    "points.expiring": _expiring,
    "points.expired": _expired,
    "points.adjusted": _adjusted,
    "points.reversed": _reversed,
    "redemption.authorized": _redemption,
    "redemption.captured": _redemption,
    "redemption.voided": _redemption,
    "redemption.expired": _redemption,
    "redemption.reversed": _redemption,
    "order.placed": _placed,
    "order.updated": _updated,
    "order.cancelled": _cancelled,
    "order.completed": _completed,
    "fulfillment.created": _fulfillment,
    "fulfillment.allocated": _fulfillment,
    "fulfillment.packed": _fulfillment,
    "fulfillment.shipped": _fulfillment,
    "fulfillment.delivered": _fulfillment,
    "fulfillment.returned": _fulfillment,
    "fulfillment.cancelled": _fulfillment,
    "pickup.created": _fulfillment,
    "pickup.reserved": _fulfillment,
    "pickup.preparing": _fulfillment,
    "pickup.ready": _fulfillment,
    "pickup.checked_in": _fulfillment,
    "pickup.collected": _fulfillment,
    "pickup.expiring": _fulfillment,
    "pickup.expired": _fulfillment,
    "pickup.cancelled": _fulfillment,
    "shipment.registered": _parcel,
    "shipment.updated": _parcel,
    "shipment.delivered": _parcel,
    "shipment.exception": _parcel,
    "shipment.returned": _parcel,
    "refund.succeeded": _refund,
    "refund.failed": _refund,
    "refund.requires_action": _bare,
    "refund.late": _bare,
    "return.requested": _return,
    "return.approved": _return,
    "return.rejected": _return,
    "return.cancelled": _return,
    "return.expired": _return,
    "return.parcel_added": _return,
    "return.received": _return,
    "return.closed": _return,
    "exchange.created": _bare,
    "withdrawal.matched": _withdrawal,
}
TOLD = frozenset(_TELLERS)
