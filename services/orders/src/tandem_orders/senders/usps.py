"""USPS: answers of the Tracking API, version 3; one parcel, or a list of them.

    {trackingNumber, trackingEvents: [{eventCode, GMTTimestamp, GMTOffset, eventCity, ...}]}

The local time is cut to the minute, the one in GMT is not. A document of errors is understood and
says nothing of a parcel. Nothing is decided here.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from tandem_core.signatures import Headers
from tandem_orders import zones
from tandem_orders.messages import Message, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import tracking
from tandem_orders.senders.documents import digest, json_document, mapping, objects, text
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.tracking import Reading

CARRIER = "usps"

# In the order in which they are believed.
_ESTIMATES = (
    "predictedDeliveryDate",
    "predictedDeliveryTimestamp",
    "expectedDeliveryDate",
    "expectedDeliveryTimeStamp",
    "expectedDeliveryTimestamp",
    "guaranteedDeliveryDate",
    "guaranteedDeliveryTimeStamp",
)

TOPICS = frozenset({"track", "error"})


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    try:
        parcels = objects(json_document(body))
    except Unparseable:
        return ""
    if any("trackingEvents" in parcel or "trackingNumber" in parcel for parcel in parcels):
        return "track"
    return "error" if any("error" in parcel for parcel in parcels) else ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_document(body)
    if topic == "error":
        return []
    if not isinstance(document, dict | list):
        raise Unparseable("neither a parcel nor a list of parcels")
    numbered = [
        (tracking.tracking_number(parcel.get("trackingNumber")), parcel)
        for parcel in objects(document)
        if "error" not in parcel
    ]
    if isinstance(document, dict) and numbered and numbered[0][0] is None:
        raise Unparseable("a parcel without trackingNumber")
    return [*tracking.limited([_report(parcel, number) for number, parcel in numbered if number])]


def _report(parcel: Mapping[str, Any], number: str) -> ParcelReport:
    destination = tracking.place(
        city=parcel.get("destinationCity"),
        region=parcel.get("destinationState"),
        postal_code=parcel.get("destinationZIP"),
        # USPS names a country only abroad.
        country=parcel.get("destinationCountryCode") or "US",
    )
    scans = tracking.history(
        _scan(event, destination) for event in objects(parcel.get("trackingEvents"))
    )
    expected = {**mapping(parcel.get("deliveryDateExpectation")), **parcel}
    days = (zones.local_day(text(expected.get(name)), destination) for name in _ESTIMATES)
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=scans,
        estimate=tracking.estimate([next((day for day in days if day), None)]),
        destination=destination,
        service=_unmarked(text(parcel.get("mailClass"))),
    )


def _scan(event: Mapping[str, Any], destination: Place | None) -> Scan:
    code = text(event.get("eventCode"), 64)
    place = tracking.place(
        city=event.get("eventCity"),
        region=event.get("eventState"),
        postal_code=event.get("eventZIP"),
        country=event.get("eventCountry") or ("US" if event.get("eventCity") else None),
    )
    local = text(event.get("eventTimestamp"))
    when = zones.dated(text(event.get("GMTTimestamp")), offset="Z")
    if when.occurred_at is None:
        offset = text(event.get("GMTOffset"))
        when = zones.dated(local, place=place, destination=destination, offset=offset)
    return tracking.scan(
        CARRIER,
        CARRIER,
        Reading(
            word=code,
            code=code,
            local=local or text(event.get("GMTTimestamp")),
            when=when,
            place=place,
            description=text(event.get("eventType")),
            signed_by=text(event.get("name")),
        ),
    )


def _unmarked(name: str | None) -> str | None:
    """USPS writes its trade marks in HTML."""
    return text(re.sub(r"<[^>]*>|[®™]", "", html.unescape(name))) if name else None


SENDER = Sender(CARRIER, TOPICS, topic_of, dedupe_key, parse)
