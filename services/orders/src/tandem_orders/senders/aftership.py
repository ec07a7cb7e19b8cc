"""AfterShip: the tracking webhooks.

    {event, event_id, msg: {slug, tracking_number, checkpoints: [{tag, subtag, raw_tag, ...}]}}

Checkpoints mostly come without a zone. `raw_tag` is the carrier's code where it looks like one;
some carriers' raw tags are sentences. The module maps and dates, and decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tandem_core.signatures import Headers
from tandem_orders import carriers, zones
from tandem_orders.messages import Estimate, Message, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import tracking
from tandem_orders.senders.documents import digest, glimpse, json_object, mapping, objects, text
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.tracking import Meaning, Reading
from tandem_orders.statuses import Reason, ShipmentStatus

# What a tag means where its subtag is not known: the list of subtags grows without notice.
TAGS: Mapping[str, Meaning] = {
    "Pending": (ShipmentStatus.PENDING, None),
    "InfoReceived": (ShipmentStatus.LABEL_CREATED, None),
    "InTransit": (ShipmentStatus.IN_TRANSIT, None),
    "OutForDelivery": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "AttemptFail": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "Delivered": (ShipmentStatus.DELIVERED, None),
    "AvailableForPickup": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "Exception": (ShipmentStatus.DELAYED, Reason.CARRIER_EXCEPTION),
    "Expired": (ShipmentStatus.EXPIRED, None),
}

# Subtags that say more than their tag, or something else.
SUBTAGS: Mapping[str, Meaning] = {
    "InTransit_002": (ShipmentStatus.PICKED_UP, None),
    "InTransit_005": (ShipmentStatus.CUSTOMS, None),
    "InTransit_006": (ShipmentStatus.CUSTOMS, None),
    "AttemptFail_002": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_ABSENT),
    "AttemptFail_003": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_CLOSED),
    "Exception_002": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_MOVED),
    "Exception_003": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_REFUSED),
    "Exception_004": (ShipmentStatus.CUSTOMS, Reason.CUSTOMS_CLEARANCE),
    "Exception_005": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "Exception_006": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_PAYMENT),
    "Exception_007": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_ADDRESS),
    "Exception_008": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_NOT_COLLECTED),
    "Exception_009": (ShipmentStatus.ON_HOLD, Reason.SHIPPER_NOT_READY),
    "Exception_010": (ShipmentStatus.RETURNING, None),
    "Exception_011": (ShipmentStatus.RETURNED, None),
    "Exception_012": (ShipmentStatus.FAILED, Reason.CARRIER_DAMAGED),
    "Exception_013": (ShipmentStatus.FAILED, Reason.CARRIER_LOST),
    "Exception_016": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "Exception_017": (ShipmentStatus.DELAYED, Reason.WEATHER_DELAY),
    "Exception_018": (ShipmentStatus.ON_HOLD, Reason.CUSTOMS_DOCUMENTS),
    "Exception_019": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "Exception_020": (ShipmentStatus.CANCELLED, Reason.UNKNOWN),
    "Exception_021": (ShipmentStatus.FAILED, Reason.UNKNOWN),
}

# tracking_pending_time says that nothing has happened: that is ours to find out.
TOPICS = frozenset({"tracking_update", "edd_revise"})

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return text(glimpse(body).get("event"), 128) or ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    document = glimpse(body)
    return text(document.get("event_id"), 128) or text(document.get("id"), 128) or digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_object(body)
    if topic not in TOPICS:
        return []
    shipment = mapping(document.get("msg"))
    number = tracking.tracking_number(shipment.get("tracking_number"))
    if number is None:
        raise Unparseable("a tracking without tracking_number")
    return [_report(shipment, number)]


def _report(shipment: Mapping[str, Any], number: str) -> ParcelReport:
    slug = text(shipment.get("slug"), 128)
    carrier = carriers.canonical(slug) if slug else None
    destination = tracking.place(
        city=shipment.get("destination_city"),
        region=shipment.get("destination_state"),
        postal_code=shipment.get("destination_postal_code"),
        country=shipment.get("destination_country_region")
        or shipment.get("destination_country_iso3"),
    )
    scans = tracking.history(
        (_scan(one, carrier, destination) for one in objects(shipment.get("checkpoints"))),
        turned_around=shipment.get("return_to_sender") is True,
    )
    scans = tracking.signed(scans, text(shipment.get("signed_by")))
    return ParcelReport(
        provider="aftership",
        carrier=carrier,
        tracking_number=number,
        scans=scans,
        reported_at=zones.dated(text(shipment.get("updated_at"))).occurred_at,
        estimate=_estimate(shipment.get("latest_estimated_delivery"), destination)
        or _older_estimate(shipment, destination),
        first_estimate=_estimate(shipment.get("first_estimated_delivery"), destination),
        destination=destination,
        service=text(shipment.get("shipment_type")),
        is_return=shipment.get("shipment_direction") == "return",
    )


def _scan(one: Mapping[str, Any], carrier: str | None, destination: Place | None) -> Scan:
    tag, subtag = text(one.get("tag"), 60) or "", text(one.get("subtag"), 60) or ""
    raw = text(one.get("raw_tag")) or ""
    place = tracking.place(
        name=one.get("location"),
        city=one.get("city"),
        region=one.get("state"),
        postal_code=one.get("zip") or one.get("postal_code"),
        country=one.get("country_region") or one.get("country_iso3") or one.get("country_name"),
    )
    local = text(one.get("checkpoint_time"))
    leg = text(one.get("slug"), 128)
    return tracking.scan(
        "aftership",
        # A parcel may have changed carriers on its way: the code is this leg's.
        carriers.canonical(leg) if leg else carrier,
        Reading(
            word=subtag or tag,
            code=raw if _CODE.fullmatch(raw) else None,
            summary=summary(tag, subtag),
            local=local,
            when=zones.dated(local, place=place, destination=destination),
            place=place,
            description=text(one.get("message")) or text(one.get("subtag_message")),
        ),
    )


def summary(tag: str, subtag: str) -> Meaning:
    """Return what a subtag means, or else its tag."""
    return SUBTAGS.get(subtag) or TAGS.get(tag or subtag.partition("_")[0], tracking.UNMAPPED)


def _estimate(value: Any, destination: Place | None) -> Estimate | None:
    window = mapping(value)
    ours = (text(window.get("source")) or "").casefold()
    return tracking.estimate(
        (
            zones.local_day(text(window.get(name)), destination)
            for name in ("datetime", "datetime_min", "datetime_max")
        ),
        "provider" if ours.startswith(("aftership", "custom")) else "carrier",
    )


def _older_estimate(shipment: Mapping[str, Any], destination: Place | None) -> Estimate | None:
    """The fields that came before `latest_estimated_delivery`."""
    window = mapping(shipment.get("courier_estimated_delivery_date"))
    days = [
        window.get("estimated_delivery_date"),
        window.get("estimated_delivery_date_min"),
        window.get("estimated_delivery_date_max"),
    ]
    if not any(days):
        days = [shipment.get("expected_delivery")]
    return tracking.estimate(zones.local_day(text(day), destination) for day in days)


SENDER = Sender("aftership", TOPICS, topic_of, dedupe_key, parse)
