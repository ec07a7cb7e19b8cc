"""DPD: answers of the Parcel Life Cycle Service (SOAP).

    Envelope > Body > getTrackingDataResponse > trackingresult > shipmentInfo, statusInfo*

DPD does not repeat the number of the parcel: who asks passes it on in the header
`x-tandem-tracking-number`. Times are local and American in form, places are "Puurs (BE)". A fault
is understood and says nothing of a parcel. Nothing is decided here.
"""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

from tandem_core.signatures import Headers
from tandem_orders import zones
from tandem_orders.messages import Message, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import tracking
from tandem_orders.senders.documents import (
    descendants,
    digest,
    element_text,
    elements,
    xml_document,
)
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.tracking import Reading

CARRIER = "dpd"
NUMBER_HEADER = "x-tandem-tracking-number"

TOPICS = frozenset({"track", "error"})

_PLACE = re.compile(r"(?P<city>.*?)\s*\((?P<country>[A-Za-z]{2})\)")
_AMERICAN = re.compile(
    r"(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4})"
    r"(?:\s+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<second>:\d{2})?\s*(?P<half>[AP])M)?",
    re.ASCII | re.IGNORECASE,
)
_NOON = 12


def topic_of(headers: Headers, body: bytes) -> str:  # noqa: ARG001
    try:
        root = xml_document(body)
    except Unparseable:
        return ""
    if descendants(root, "trackingresult"):
        return "track"
    return "error" if descendants(root, "Fault") else ""


def dedupe_key(headers: Headers, body: bytes) -> str:
    """DPD's answers for two parcels may be the same, but for the number that was asked for."""
    number = tracking.tracking_number(headers.get(NUMBER_HEADER))
    return f"{number}|{digest(body)}" if number else digest(body)


def parse(topic: str, headers: Headers, body: bytes) -> list[Message]:
    root = xml_document(body)
    if topic == "error":
        return []
    results = descendants(root, "trackingresult")
    if not results:
        raise Unparseable("no trackingresult")
    asked = tracking.tracking_number(headers.get(NUMBER_HEADER))
    return [*tracking.limited([_report(result, asked) for result in results])]


def _report(result: Element, asked: str | None) -> ParcelReport:
    own = element_text(result, "shipmentInfo", "parcelLabelNumber")
    number = tracking.tracking_number(own) or asked
    if number is None:
        raise Unparseable(f"an answer that names no parcel, without {NUMBER_HEADER}")
    scans = tracking.history(
        _scan(status)
        for status in elements(result, "statusInfo")
        # The steps still to come are listed too.
        if element_text(status, "statusHasBeenReached") != "false"
    )
    return ParcelReport(
        provider=CARRIER,
        carrier=CARRIER,
        tracking_number=number,
        scans=scans,
        service=element_text(result, "shipmentInfo", "serviceDescription", "content", "content"),
    )


def _scan(status: Element) -> Scan:
    code = element_text(status, "status", longest=64)
    place = _place(element_text(status, "location", "content"))
    local = element_text(status, "date", "content")
    return tracking.scan(
        CARRIER,
        CARRIER,
        Reading(
            word=code,
            code=code,
            local=local,
            when=zones.dated(_iso(local), place=place),
            place=place,
            description=element_text(status, "description", "content", "content")
            or element_text(status, "label", "content"),
        ),
    )


def _place(written: str | None) -> Place | None:
    found = _PLACE.fullmatch(written or "")
    if found is None:
        return tracking.place(city=written)
    return tracking.place(city=found["city"], country=found["country"])


def _iso(written: str | None) -> str | None:
    """Put "8/17/2021 7:11:26 PM" in order; other forms stay as they are."""
    found = _AMERICAN.fullmatch(written or "")
    if found is None:
        return written
    day = f"{found['year']}-{int(found['month']):02}-{int(found['day']):02}"
    if found["hour"] is None:
        return day
    hour = int(found["hour"]) % _NOON + (_NOON if found["half"] in "Pp" else 0)
    return f"{day}T{hour:02}:{found['minute']}{found['second'] or ''}"


SENDER = Sender(CARRIER, TOPICS, topic_of, dedupe_key, parse)
