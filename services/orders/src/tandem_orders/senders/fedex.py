"""FedEx: answers of the Track API; its webhooks have the same shape.

    {output: {completeTrackResults: [{trackingNumber, trackResults: [{scanEvents: [...]}]}]}}

FedEx tells its offsets, and the reason of an exception by a code of its own. A result that is an
error, and a document of errors, are understood and say nothing of a parcel. Nothing is decided
here.
"""

from __future__ import annotations

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
from tandem_orders.senders.tracking import Reading
from tandem_orders.statuses import EXCEPTIONS, Reason, ShipmentStatus

CARRIER = "fedex"

# Why FedEx says that a parcel is late, where no exception code says it better.
DELAYS: Mapping[str, Reason] = {
    "WEATHER": Reason.WEATHER_DELAY,
    "OPERATIONAL": Reason.CARRIER_DELAY,
    "LOCAL": Reason.CARRIER_DELAY,
    "GENERAL": Reason.CARRIER_DELAY,
    "CLEARANCE": Reason.CUSTOMS_CLEARANCE,
}

_TROUBLED = EXCEPTIONS | {ShipmentStatus.CUSTOMS}

TOPICS = frozenset({"track", "error"})


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    document = glimpse(body)
    if "output" in document:
        return "track"
    return "error" if "errors" in document else ""


def dedupe_key(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    return digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:  # noqa: ARG001
    document = json_object(body)
    if topic == "error":
        return []
    output = document.get("output")
    if not isinstance(output, dict):
        raise Unparseable("no output")
    reports = []
    for asked in objects(output.get("completeTrackResults")):
        results = objects(asked.get("trackResults"))
        for result in results:
            own = mapping(result.get("trackingNumberInfo")).get("trackingNumber")
            # Several results are the pieces of a shipment; one is what was asked for.
            numbers = (own, asked.get("trackingNumber"))
            told = map(tracking.tracking_number, numbers if len(results) > 1 else numbers[::-1])
            number = next((number for number in told if number), None)
            if number and (result.get("scanEvents") or not result.get("error")):
                reports.append(_report(result, number))
    return [*tracking.limited(reports)]


def _report(result: Mapping[str, Any], number: str) -> ParcelReport:
    destination = _location(result.get("destinationLocation")) or _address(
        mapping(result.get("recipientInformation")).get("address")
    )
    scans = tracking.history(
        _scan(event, destination) for event in objects(result.get("scanEvents"))
    )
    handed_over = mapping(result.get("deliveryDetails"))
    name = text(handed_over.get("signedByName")) or text(handed_over.get("receivedByName"))
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=tracking.signed(scans, name),
        estimate=_window(result.get("estimatedDeliveryTimeWindow"), destination)
        or _day(result, "ESTIMATED_DELIVERY", destination),
        first_estimate=_window(result.get("standardTransitTimeWindow"), destination)
        or _day(result, "COMMITMENT", destination),
        destination=destination,
        service=text(mapping(result.get("serviceDetail")).get("description")),
    )


def _scan(event: Mapping[str, Any], destination: Place | None) -> Scan:
    code = text(event.get("eventType"), 64)
    derived = text(event.get("derivedStatusCode"), 64)
    if carriers.meaning(CARRIER, code) is None and carriers.meaning(CARRIER, derived):
        code = derived
    place = _address(event.get("scanLocation"))
    local = text(event.get("date"))
    one = tracking.scan(
        CARRIER,
        CARRIER,
        Reading(
            word=code,
            code=code,
            local=local,
            when=zones.dated(local, place=place, destination=destination),
            place=place,
            description=text(event.get("eventDescription")),
        ),
    )
    if one.status not in _TROUBLED:
        return one
    because = carriers.reason_of(CARRIER, text(event.get("exceptionCode")))
    late = text(mapping(event.get("delayDetail")).get("type")) or ""
    reason = because or DELAYS.get(late) or one.reason
    return one.model_copy(update={"reason": reason})


def _location(value: Any) -> Place | None:
    return _address(mapping(mapping(value).get("locationContactAndAddress")).get("address"))


def _address(value: Any) -> Place | None:
    address = mapping(value)
    return tracking.place(
        city=address.get("city"),
        region=address.get("stateOrProvinceCode"),
        postal_code=address.get("postalCode"),
        country=address.get("countryCode") or address.get("countryName"),
    )


def _window(value: Any, destination: Place | None) -> Estimate | None:
    window = mapping(mapping(value).get("window"))
    return tracking.estimate(
        zones.local_day(text(window.get(name)), destination) for name in ("begins", "ends")
    )


def _day(result: Mapping[str, Any], kind: str, destination: Place | None) -> Estimate | None:
    return tracking.estimate(
        zones.local_day(text(one.get("dateTime")), destination)
        for one in objects(result.get("dateAndTimes"))
        if one.get("type") == kind
    )


SENDER = Sender(CARRIER, TOPICS, topic_of, dedupe_key, parse)
