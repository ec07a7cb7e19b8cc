"""EasyPost: trackers, in an event or bare.

    event {id, description, result: tracker}    or the tracker itself

Its times are in UTC where the place of a scan was known, and a local time called UTC where it was
not: that is what `tz_source` says. The module maps and dates; what a parcel's history comes to is
not its business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

# What a status means by itself.
STATUSES: Mapping[str, Meaning] = {
    "unknown": (ShipmentStatus.PENDING, None),
    "pre_transit": (ShipmentStatus.LABEL_CREATED, None),
    "in_transit": (ShipmentStatus.IN_TRANSIT, None),
    "out_for_delivery": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "delivered": (ShipmentStatus.DELIVERED, None),
    "available_for_pickup": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "return_to_sender": (ShipmentStatus.RETURNING, None),
    "failure": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "cancelled": (ShipmentStatus.CANCELLED, None),
    # Of the tracker, not of the parcel.
    "error": (None, None),
}

# What the detail adds. A detail that is not here adds nothing.
DETAILS: Mapping[str, Meaning] = {
    "address_correction": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_ADDRESS),
    "arrived_at_destination": (ShipmentStatus.IN_TRANSIT, None),
    "arrived_at_facility": (ShipmentStatus.IN_TRANSIT, None),
    "arrived_at_pickup_location": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "awaiting_information": (ShipmentStatus.CUSTOMS, Reason.CUSTOMS_DOCUMENTS),
    "cancelled": (ShipmentStatus.CANCELLED, None),
    "damaged": (ShipmentStatus.FAILED, Reason.CARRIER_DAMAGED),
    "delayed": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "delivery_exception": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "departed_facility": (ShipmentStatus.IN_TRANSIT, None),
    "departed_origin_facility": (ShipmentStatus.IN_TRANSIT, None),
    "expired": (ShipmentStatus.EXPIRED, None),
    "failure": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "held": (ShipmentStatus.ON_HOLD, Reason.UNKNOWN),
    "in_transit": (ShipmentStatus.IN_TRANSIT, None),
    "label_created": (ShipmentStatus.LABEL_CREATED, None),
    "lost": (ShipmentStatus.FAILED, Reason.CARRIER_LOST),
    "missorted": (ShipmentStatus.DELAYED, Reason.CARRIER_MISSORTED),
    "out_for_delivery": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "received_at_destination_facility": (ShipmentStatus.IN_TRANSIT, None),
    "received_at_origin_facility": (ShipmentStatus.PICKED_UP, None),
    "refused": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_REFUSED),
    "return": (ShipmentStatus.RETURNING, None),
    "transferred_to_destination_carrier": (ShipmentStatus.IN_TRANSIT, None),
    "transit_exception": (ShipmentStatus.DELAYED, Reason.CARRIER_EXCEPTION),
    "weather_delay": (ShipmentStatus.DELAYED, Reason.WEATHER_DELAY),
}

# Statuses so coarse that the detail decides; the others are exact, and the detail is a reason only.
_COARSE = frozenset({"in_transit", "failure", "unknown", "error", ""})

TOPICS = frozenset({"tracker.created", "tracker.updated", "tracker"})


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    document = glimpse(body)
    if document.get("object") == "Tracker":
        return "tracker"
    return text(document.get("description"), 128) or ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    """An event's id. A tracker's id stays while it changes, so a bare one is known by its hash."""
    document = glimpse(body)
    name = None if document.get("object") == "Tracker" else text(document.get("id"), 128)
    return name or digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_object(body)
    if topic not in TOPICS:
        return []
    tracker = document if topic == "tracker" else mapping(document.get("result"))
    number = tracking.tracking_number(tracker.get("tracking_code"))
    if number is None:
        raise Unparseable("a tracker without tracking_code")
    return [_report(tracker, number)]


def _report(tracker: Mapping[str, Any], number: str) -> ParcelReport:
    named = text(tracker.get("carrier"), 128)
    carrier = carriers.canonical(named) if named else None
    detail = mapping(tracker.get("carrier_detail"))
    destination = tracking.usual_place(detail.get("destination_tracking_location"))
    scans = tracking.history(
        (_scan(one, carrier, destination) for one in objects(tracker.get("tracking_details"))),
        turned_around=tracker.get("status") == "return_to_sender",
    )
    scans = tracking.signed(scans, text(tracker.get("signed_by")))
    days = [
        zones.local_day(text(value), destination)
        for value in (detail.get("est_delivery_date_local"), tracker.get("est_delivery_date"))
    ]
    return ParcelReport(
        provider="easypost",
        carrier=carrier,
        tracking_number=number,
        scans=scans,
        reported_at=zones.dated(text(tracker.get("updated_at"))).occurred_at,
        # The local day where there is one: the other is the same day, seen from UTC.
        estimate=tracking.estimate([days[0] or days[1]]),
        label_created_at=_known_since(tracker, scans),
        destination=destination,
        service=text(detail.get("service")),
        is_return=tracker.get("is_return") is True,
    )


def _known_since(tracker: Mapping[str, Any], scans: Sequence[Scan]) -> datetime | None:
    """Return when a tracker was made, where it was before its label was scanned and scans are from
    before that, too (as those of EasyPost's own test trackers): they are the parcel's all the same.
    """
    made = zones.dated(text(tracker.get("created_at"))).occurred_at
    dates = [scan.occurred_at for scan in scans if scan.occurred_at]
    labels = [
        scan.occurred_at
        for scan in scans
        if scan.occurred_at and scan.status is ShipmentStatus.LABEL_CREATED
    ]
    if made is None or not labels:
        return None
    return made if max(made, min(dates)) < min(labels) else None


def _scan(one: Mapping[str, Any], carrier: str | None, destination: Place | None) -> Scan:
    status = text(one.get("status"), 60) or ""
    detail = text(one.get("status_detail"), 60) or ""
    place = tracking.usual_place(one.get("tracking_location"))
    local = text(one.get("datetime"))
    when = zones.dated(local, place=place, destination=destination)
    if when.tz_source == "carrier_offset" and local and local.upper().endswith("Z"):
        when = when._replace(tz_source="location" if place else "utc_assumed")
    return tracking.scan(
        "easypost",
        carrier,
        Reading(
            word=f"{status}/{detail}" if detail else status,
            code=text(one.get("carrier_code")),
            summary=summary(status, detail),
            local=local,
            when=when,
            place=place,
            description=text(one.get("message")) or text(one.get("description")),
        ),
    )


def summary(status: str, detail: str) -> Meaning:
    """Return what a status means with its detail."""
    told, because = DETAILS.get(detail, (None, None))
    if status in _COARSE and told is not None:
        return told, because
    meant, reason = STATUSES.get(status, (None, None))
    return meant, (because or reason) if meant in EXCEPTIONS else reason


SENDER = Sender("easypost", TOPICS, topic_of, dedupe_key, parse)
