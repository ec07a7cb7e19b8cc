"""Shippo: the webhook `track_updated`.

    {event, data: {carrier, tracking_number, tracking_status, tracking_history, eta, ...}}

Shippo tells no carrier's codes; its events may lack a date; its estimates are local days that are
called midnight in UTC. The module maps and dates, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tandem_core.signatures import Headers
from tandem_orders import carriers, zones
from tandem_orders.messages import Message, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import tracking
from tandem_orders.senders.documents import digest, glimpse, json_object, mapping, objects, text
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.tracking import Meaning, Reading
from tandem_orders.statuses import EXCEPTIONS, Reason, ShipmentStatus

STATUSES: Mapping[str, Meaning] = {
    "UNKNOWN": (ShipmentStatus.PENDING, None),
    "PRE_TRANSIT": (ShipmentStatus.LABEL_CREATED, None),
    "TRANSIT": (ShipmentStatus.IN_TRANSIT, None),
    "DELIVERED": (ShipmentStatus.DELIVERED, None),
    # On its way back or back already; a delivery after it tells which.
    "RETURNED": (ShipmentStatus.RETURNING, None),
    "FAILURE": (ShipmentStatus.FAILED, Reason.UNKNOWN),
}

SUBSTATUSES: Mapping[str, Meaning] = {
    "information_received": (ShipmentStatus.LABEL_CREATED, None),
    "address_issue": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_ADDRESS),
    "contact_carrier": (ShipmentStatus.ON_HOLD, Reason.UNKNOWN),
    "delayed": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "delivery_attempted": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "delivery_rescheduled": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "delivery_scheduled": (ShipmentStatus.IN_TRANSIT, None),
    "location_inaccessible": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_CLOSED),
    "notice_left": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_ABSENT),
    "out_for_delivery": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "package_accepted": (ShipmentStatus.PICKED_UP, None),
    "package_arrived": (ShipmentStatus.IN_TRANSIT, None),
    "package_damaged": (ShipmentStatus.FAILED, Reason.CARRIER_DAMAGED),
    "package_departed": (ShipmentStatus.IN_TRANSIT, None),
    "package_disposed": (ShipmentStatus.FAILED, Reason.CARRIER_EXCEPTION),
    "package_forwarded": (ShipmentStatus.IN_TRANSIT, None),
    "package_held": (ShipmentStatus.ON_HOLD, Reason.UNKNOWN),
    "package_lost": (ShipmentStatus.FAILED, Reason.CARRIER_LOST),
    "package_processed": (ShipmentStatus.IN_TRANSIT, None),
    "package_processing": (ShipmentStatus.IN_TRANSIT, None),
    "package_unclaimed": (ShipmentStatus.RETURNING, Reason.RECIPIENT_NOT_COLLECTED),
    "package_undeliverable": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "pickup_available": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "reschedule_delivery": (ShipmentStatus.ON_HOLD, Reason.UNKNOWN),
    "return_to_sender": (ShipmentStatus.RETURNING, None),
    "delivered": (ShipmentStatus.DELIVERED, None),
}

# The substatus decides within these; the others are exact.
_COARSE = frozenset({"TRANSIT", "FAILURE", "RETURNED", "UNKNOWN", ""})

TOPICS = frozenset({"track_updated"})


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return text(glimpse(body).get("event"), 128) or ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    """Shippo's messages have no id: carrier, number and the newest event are one."""
    parcel = mapping(glimpse(body).get("data"))
    parts = [
        text(parcel.get("carrier"), 64),
        text(parcel.get("tracking_number"), 128),
        text(mapping(parcel.get("tracking_status")).get("object_id"), 128),
    ]
    return "|".join(part for part in parts if part) if all(parts) else digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_object(body)
    if topic not in TOPICS:
        return []
    parcel = mapping(document.get("data"))
    number = tracking.tracking_number(parcel.get("tracking_number"))
    if number is None:
        raise Unparseable("a track without tracking_number")
    return [_report(parcel, number)]


def _report(parcel: Mapping[str, Any], number: str) -> ParcelReport:
    named = text(parcel.get("carrier"), 128)
    carrier = carriers.canonical(named) if named else None
    destination = tracking.usual_place(parcel.get("address_to"))
    newest = objects(parcel.get("tracking_status"))
    scans = tracking.history(
        _scan(one, carrier, destination)
        for one in [*objects(parcel.get("tracking_history")), *newest]
    )
    service = mapping(parcel.get("servicelevel"))
    return ParcelReport(
        provider="shippo",
        carrier=carrier,
        tracking_number=number,
        scans=scans,
        reported_at=_reported_at(newest),
        estimate=tracking.estimate([zones.local_day(text(parcel.get("eta")), destination)]),
        first_estimate=tracking.estimate(
            [zones.local_day(text(parcel.get("original_eta")), destination)]
        ),
        destination=destination,
        service=text(service.get("name")) or text(service.get("token")),
    )


def _reported_at(newest: list[Mapping[str, Any]]) -> datetime | None:
    """Shippo's own time of its newest event, which orders the estimates."""
    for status in newest:
        for name in ("object_updated", "object_created"):
            if instant := zones.dated(text(status.get(name))).occurred_at:
                return instant
    return None


def _scan(one: Mapping[str, Any], carrier: str | None, destination: Place | None) -> Scan:
    status = text(one.get("status"), 60) or ""
    sub = mapping(one.get("substatus"))
    code = text(sub.get("code"), 60) or ""
    place = tracking.usual_place(one.get("location"))
    local = text(one.get("status_date"))
    return tracking.scan(
        "shippo",
        carrier,
        Reading(
            word=f"{status}/{code}" if code else status,
            summary=summary(status, code, action_required=sub.get("action_required") is True),
            local=local,
            when=zones.dated(local, place=place, destination=destination),
            place=place,
            description=text(one.get("status_details")) or text(sub.get("text")),
        ),
    )


def summary(status: str, substatus: str, *, action_required: bool = False) -> Meaning:
    """Return what a status means with its substatus."""
    told, because = SUBSTATUSES.get(substatus, (None, None))
    if status in _COARSE and told is not None:
        # What is damaged on its way is still on its way.
        if status == "TRANSIT" and told is ShipmentStatus.FAILED:
            return ShipmentStatus.DELAYED, because
        return told, because
    if status == "FAILURE" and action_required:
        return ShipmentStatus.ON_HOLD, Reason.UNKNOWN
    meant, reason = STATUSES.get(status, (None, None))
    return meant, (because or reason) if meant in EXCEPTIONS else reason


SENDER = Sender("shippo", TOPICS, topic_of, dedupe_key, parse)
