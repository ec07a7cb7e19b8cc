"""UPS: answers of the Track API, and Track Alerts.

    answer {trackResponse: {shipment: [{package: [{trackingNumber, activity: [...]}]}]}}
    alert  {trackingNumber, activityStatus: {type, code, descriptionCode}, gmtActivityDate, ...}

An activity has a code of two characters, mostly exact; a status of three digits; and a type of one
letter. The first of them that is known decides. What UPS calls an error or a warning in place of a
parcel is understood and says nothing of a parcel. Nothing is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.zones import Dated

CARRIER = "ups"

# The type of an activity, where neither its code nor its status is known.
TYPES: Mapping[str, Meaning] = {
    "D": (ShipmentStatus.DELIVERED, None),
    "I": (ShipmentStatus.IN_TRANSIT, None),
    "P": (ShipmentStatus.PICKED_UP, None),
    "M": (ShipmentStatus.LABEL_CREATED, None),
    "MV": (ShipmentStatus.CANCELLED, Reason.SHIPPER_CANCELLED),
    "X": (ShipmentStatus.DELAYED, Reason.CARRIER_EXCEPTION),
    "RS": (ShipmentStatus.RETURNED, None),
    # Freight: at the origin's and the destination's station.
    "DO": (ShipmentStatus.IN_TRANSIT, None),
    "DD": (ShipmentStatus.IN_TRANSIT, None),
    "O": (ShipmentStatus.OUT_FOR_DELIVERY, None),
}

TOPICS = frozenset({"track", "track_alert", "error"})


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    document = glimpse(body)
    if "activityStatus" in document:
        return "track_alert"
    if "trackResponse" in document:
        return "track"
    return "error" if "errors" in mapping(document.get("response")) else ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_object(body)
    if topic == "track_alert":
        return [_alert(document)]
    if topic == "error":
        return []
    answer = document.get("trackResponse")
    if not isinstance(answer, dict):
        raise Unparseable("neither a trackResponse nor a Track Alert")
    reports = [
        _package(package, shipment)
        for shipment in objects(answer.get("shipment"))
        for package in objects(shipment.get("package"))
    ]
    return [*tracking.limited([report for report in reports if report])]


def _package(package: Mapping[str, Any], shipment: Mapping[str, Any]) -> ParcelReport | None:
    number = tracking.tracking_number(package.get("trackingNumber"))
    number = number or tracking.tracking_number(shipment.get("inquiryNumber"))
    if number is None:
        return None
    destination = _destination(package)
    scans = tracking.history(
        _activity(activity, destination) for activity in objects(package.get("activity"))
    )
    handed_over = mapping(package.get("deliveryInformation"))
    scans = tracking.signed(scans, text(handed_over.get("receivedBy")))
    days = {
        text(one.get("type")): zones.local_day(text(one.get("date")))
        for one in objects(package.get("deliveryDate"))
    }
    scheduled, rescheduled = days.get("SDD"), days.get("RDD")
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=scans,
        estimate=tracking.estimate([rescheduled or scheduled]),
        first_estimate=tracking.estimate([scheduled]),
        destination=destination,
        service=text(mapping(package.get("service")).get("description")),
    )


def _activity(activity: Mapping[str, Any], destination: Place | None) -> Scan:
    place = _place(mapping(mapping(activity.get("location")).get("address")))
    status = mapping(activity.get("status"))
    return _scan(
        (status.get("code"), status.get("statusCode"), status.get("type")),
        Reading(
            word=None,
            local=_digits(activity.get("date"), activity.get("time")),
            when=_when(
                (activity.get("gmtDate"), activity.get("gmtTime")),
                (activity.get("date"), activity.get("time")),
                text(activity.get("gmtOffset")),
                place=place,
                destination=destination,
            ),
            place=place,
            description=text(status.get("description")),
        ),
    )


def _alert(alert: Mapping[str, Any]) -> ParcelReport:
    number = tracking.tracking_number(alert.get("trackingNumber"))
    if number is None:
        raise Unparseable("a Track Alert without trackingNumber")
    place = _place(mapping(alert.get("activityLocation")))
    status = mapping(alert.get("activityStatus"))
    one = _scan(
        (status.get("code"), status.get("descriptionCode"), status.get("type")),
        Reading(
            word=None,
            local=_digits(alert.get("localActivityDate"), alert.get("localActivityTime")),
            when=_when(
                (alert.get("gmtActivityDate"), alert.get("gmtActivityTime")),
                (alert.get("localActivityDate"), alert.get("localActivityTime")),
                None,
                place=place,
            ),
            place=place,
            description=text(status.get("description")),
        ),
    )
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=(one,),
        reported_at=one.occurred_at,
        estimate=tracking.estimate([zones.local_day(text(alert.get("scheduledDeliveryDate")))]),
    )


def _scan(codes: Iterable[Any], reading: Reading) -> Scan:
    """`codes`: from the most exact to the coarsest, the last of them the type."""
    told = [text(code, 64) for code in codes]
    known = next((code for code in told[:2] if carriers.meaning(CARRIER, code)), None)
    code = known or told[0] or told[1]
    return tracking.scan(
        CARRIER,
        CARRIER,
        Reading(
            word="/".join(part for part in told if part),
            code=code,
            summary=TYPES.get(told[2] or "", tracking.UNMAPPED),
            local=reading.local,
            when=reading.when,
            place=reading.place,
            description=reading.description,
        ),
    )


def _when(
    gmt: tuple[Any, Any],
    local: tuple[Any, Any],
    offset: str | None,
    *,
    place: Place | None,
    destination: Place | None = None,
) -> Dated:
    """The instant that UPS tells, else its local time."""
    if text(gmt[1]):
        told = zones.dated(_digits(*gmt), offset="Z")
        if told.occurred_at:
            return told
    return zones.dated(_digits(*local), place=place, destination=destination, offset=offset)


def _digits(day: Any, clock: Any) -> str | None:
    """Put a day and a time together, whether or not UPS writes them with dashes and colons."""
    written = [re.sub(r"\D", "", text(part) or "") for part in (day, clock)]
    return " ".join(part for part in written if part) or None


def _place(address: Mapping[str, Any]) -> Place | None:
    return tracking.place(
        city=address.get("city"),
        region=address.get("stateProvince"),
        postal_code=address.get("postalCode"),
        country=address.get("countryCode") or address.get("country"),
    )


def _destination(package: Mapping[str, Any]) -> Place | None:
    for one in objects(package.get("packageAddress")):
        if text(one.get("type")) == "DESTINATION":
            return _place(mapping(one.get("address")))
    return None


SENDER = Sender(CARRIER, TOPICS, topic_of, dedupe_key, parse)
