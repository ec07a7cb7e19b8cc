"""DHL Express: answers of the XML services, and of the unified Shipment Tracking API in JSON.

    TrackingResponse > AWBInfo* > AWBNumber, ShipmentInfo > ShipmentEvent*
    {shipments: [{id, service, status, events: [{statusCode, timestamp, location}]}]}

XML tells local times without offsets, and places as "Barcelona - Spain" or "KINGSTON-JAM"; its
signatory is a name on a delivery only, and a number of DHL's own elsewhere. What DHL calls an
error in place of a parcel is understood and says nothing of a parcel. Nothing is decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from tandem_core.signatures import Headers
from tandem_orders import carriers, zones
from tandem_orders.messages import Message, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import tracking
from tandem_orders.senders.documents import (
    descendants,
    digest,
    element,
    element_text,
    elements,
    glimpse,
    json_object,
    local_name,
    mapping,
    objects,
    text,
    xml_document,
)
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.tracking import Meaning, Reading
from tandem_orders.statuses import Reason, ShipmentStatus

CARRIER = "dhl_express"

# What the unified API's words mean: it tells no checkpoint codes.
STATUSES: Mapping[str, Meaning] = {
    "pre-transit": (ShipmentStatus.LABEL_CREATED, None),
    "transit": (ShipmentStatus.IN_TRANSIT, None),
    "delivered": (ShipmentStatus.DELIVERED, None),
    "failure": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "unknown": (None, None),
}

TOPICS = frozenset({"track", "unified", "error"})

_NAME = re.compile(r"[^\W\d_]")


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    if body.lstrip()[:1] in {b"{", b"["}:
        document = glimpse(body)
        if "shipments" in document:
            return "unified"
        return "error" if {"status", "title"} <= document.keys() else ""
    try:
        root = local_name(xml_document(body))
    except Unparseable:
        return ""
    return {"TrackingResponse": "track", "ShipmentTrackingErrorResponse": "error"}.get(root, "")


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    if topic == "unified":
        return [*tracking.limited([*_unified(json_object(body))])]
    if topic == "error":
        return []
    root = xml_document(body)
    if local_name(root) != "TrackingResponse":
        raise Unparseable("not a TrackingResponse")
    reported_at = zones.dated(
        element_text(root, "Response", "ServiceHeader", "MessageTime")
    ).occurred_at
    reports = []
    for waybill in elements(root, "AWBInfo"):
        number = tracking.tracking_number(element_text(waybill, "AWBNumber"))
        shipment = element(waybill, "ShipmentInfo")
        if number is not None and shipment is not None:
            report = _report(shipment, number)
            reports.append(report.model_copy(update={"reported_at": reported_at}))
    return [*tracking.limited(reports)]


def _report(shipment: Element, number: str) -> ParcelReport:
    consignee = element(shipment, "Consignee")
    destination = tracking.place(
        city=element_text(consignee, "City"),
        region=element_text(consignee, "DivisionCode"),
        postal_code=element_text(consignee, "PostalCode"),
        country=element_text(consignee, "CountryCode"),
    ) or area(element_text(shipment, "DestinationServiceArea", "Description"))
    scans = tracking.history(
        _event(event, destination) for event in descendants(shipment, "ShipmentEvent")
    )
    expected = zones.local_day(element_text(shipment, "EstDlvyDate"), destination)
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=scans,
        estimate=tracking.estimate([expected]),
        destination=destination,
        service=element_text(shipment, "GlobalProductCode"),
    )


def _event(event: Element, destination: Place | None) -> Scan:
    code = element_text(event, "ServiceEvent", "EventCode", longest=64)
    place = area(element_text(event, "ServiceArea", "Description"))
    parts = (element_text(event, "Date"), element_text(event, "Time"))
    local = " ".join(part for part in parts if part) or None
    signatory = element_text(event, "Signatory") or ""
    return tracking.scan(
        CARRIER,
        CARRIER,
        Reading(
            word=code,
            code=code,
            local=local,
            when=zones.dated(local, place=place, destination=destination),
            place=place,
            description=element_text(event, "ServiceEvent", "Description"),
            signed_by=signatory if _NAME.search(signatory) else None,
        ),
    )


def area(description: str | None) -> Place | None:
    """Read a service area: "Barcelona - Spain", "KINGSTON-JAM", "SPRINGFIELD GARDENS,NY-USA"."""
    if description is None:
        return None
    city, dash, last = description.rpartition("-")
    country = zones.country_code(last) if dash else zones.country_code(description)
    if country is None or not dash:
        return tracking.place(city=description, country=country)
    town, comma, region = city.strip().rpartition(",")
    if comma:
        return tracking.place(city=town, region=region, country=country)
    return tracking.place(city=city, country=country)


def _unified(document: Mapping[str, Any]) -> Iterator[ParcelReport]:
    for shipment in objects(document.get("shipments")):
        number = tracking.tracking_number(shipment.get("id"))
        if number is None:
            raise Unparseable("a shipment without id")
        service = text(shipment.get("service"), 64) or "express"
        carrier = carriers.canonical(f"dhl {service}")
        destination = _unified_place(shipment.get("destination"))
        events = [*objects(shipment.get("events")), *objects(shipment.get("status"))]
        scans = tracking.history(_unified_event(one, carrier, destination) for one in events)
        signature = mapping(mapping(mapping(shipment.get("details")).get("proofOfDelivery")))
        frame = mapping(shipment.get("estimatedDeliveryTimeFrame"))
        expected = [frame.get("estimatedFrom"), frame.get("estimatedThrough")]
        if not any(expected):
            expected = [shipment.get("estimatedTimeOfDelivery")]
        yield ParcelReport(
            provider=CARRIER,
            carrier=carrier,
            tracking_number=number,
            scans=tracking.signed(scans, _signatory(signature.get("signed"))),
            estimate=tracking.estimate(zones.local_day(text(d), destination) for d in expected),
            destination=destination,
            service=text(
                mapping(mapping(shipment.get("details")).get("product")).get("productName")
            ),
        )


def _signatory(value: Any) -> str | None:
    signed = mapping(value)
    names = [text(signed.get(part)) for part in ("givenName", "familyName")]
    return text(" ".join(name for name in names if name) or signed.get("name"))


def _unified_event(event: Mapping[str, Any], carrier: str, destination: Place | None) -> Scan:
    word = text(event.get("statusCode"), 64) or ""
    place = _unified_place(event.get("location"))
    local = text(event.get("timestamp"))
    return tracking.scan(
        CARRIER,
        carrier,
        Reading(
            word=word,
            summary=STATUSES.get(word, tracking.UNMAPPED),
            local=local,
            when=zones.dated(local, place=place, destination=destination),
            place=place,
            description=text(event.get("description")) or text(event.get("status")),
        ),
    )


def _unified_place(value: Any) -> Place | None:
    address = mapping(mapping(value).get("address"))
    found = tracking.place(
        city=address.get("addressLocality"),
        postal_code=address.get("postalCode"),
        country=address.get("countryCode"),
    )
    if found is None or found.country is not None or found.city is None:
        return found
    return area(found.city)


SENDER = Sender(CARRIER, TOPICS, topic_of, dedupe_key, parse)
