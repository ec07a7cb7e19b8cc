"""What carriers' answers say of each scan, read from their bodies by itself, and the second opinion
that comes with them: karrio's, in its own words.

Its statuses are to be met, but for those below, each for a reason. Its clocks are not: it drops
offsets, and the second half of the day of DPD's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

from tests.acceptance.inbound import Row, content, named


class Parcel(NamedTuple):
    """A parcel of an answer. `status` is what it comes to with us, `note` why not karrio's."""

    carrier: str
    part: str
    expected: str
    number: str
    status: str
    note: str = ""

    @property
    def row(self) -> Row:
        return named(f"carriers/{self.carrier}.json", f"raw/{self.part}/body")

    @property
    def name(self) -> str:
        return f"{self.carrier}-{self.number}"

    def opinion(self, data: Path) -> Any:
        """What karrio makes of the parcel."""
        row = self.row._replace(part=f"expected/{self.expected}/0")
        return next(
            one
            for one in content(data, row)
            # It repeats UPS's own placeholder.
            if one["tracking_number"].upper() == self.number
        )


class Told(NamedTuple):
    code: str
    at: datetime


_CUSTOMS = "released by customs: with us that is customs, and on_hold is the carrier's own"
_DPD = "back at the depot after an attempt: nobody is out for delivery with it"
_HUB = "processed in a hub on its way, in Barcelona, Leipzig and Bergamo: picked up once, before"
_SILENT = "an internal code without any words (RW): it moves nothing"

PARCELS = (
    Parcel("ups", "TrackingResponseJSON", "ParsedTrackingResponse", "STRING", "customs", _CUSTOMS),
    Parcel("fedex", "TrackingResponse", "ParsedTrackingResponse", "123456789012", "picked_up"),
    Parcel(
        "usps", "TrackingResponse", "ParsedTrackingResponse", "9400109104250532908587", "delivered"
    ),
    Parcel(
        "dpd",
        "TrackingResponse",
        "ParsedTrackingResponse",
        "05308801410058",
        "delivery_attempted",
        _DPD,
    ),
    Parcel(
        "dhl_express", "TrackingResponseXML", "ParsedTrackingResponse", "3180831640", "delivered"
    ),
    Parcel(
        "dhl_express", "TrackingResponseXML", "ParsedTrackingResponse", "7740842550", "picked_up"
    ),
    Parcel(
        "dhl_express",
        "TrackingResponseXML",
        "ParsedTrackingResponse",
        "1815115363",
        "picked_up",
        _SILENT,
    ),
    Parcel(
        "dhl_express",
        "IntransitTrackingResponseXML",
        "ParsedInTransitTrackingResponse",
        "9053283201",
        "picked_up",
    ),
)

# karrio's words in ours.
VOCABULARY: Mapping[str, str] = {
    "picked_up": "picked_up",
    "in_transit": "in_transit",
    "out_for_delivery": "out_for_delivery",
    "ready_for_pickup": "available_for_pickup",
    "delivery_failed": "delivery_attempted",
    "delivered": "delivered",
    "on_hold": "on_hold",
}

# (carrier, code): ours, and why.
DEVIATIONS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("ups", "SR"): ("customs", _CUSTOMS),
    ("dpd", "ReturningFromDelivery"): ("delivery_attempted", _DPD),
    ("dhl_express", "PL"): ("in_transit", _HUB),
}

# Codes of which karrio says nothing, in our words.
UNSAID: Mapping[tuple[str, str], str | None] = {
    ("usps", "GX"): "label_created",
    ("usps", "03"): "picked_up",
    **{("usps", code): "in_transit" for code in ("07", "10", "A1", "SF", "T1")},
    ("dpd", "PickedUp"): "picked_up",
    ("dpd", "Depot"): "in_transit",
    ("dpd", "BetweenDepots"): "in_transit",
    ("dhl_express", "PO"): "in_transit",
    ("dhl_express", "RW"): None,
}

# Where the places of local times are. The map in the service knows countries and regions only.
_ZONES: Mapping[str, str] = {
    "Wayne, NJ": "America/New_York",
    "Mechelen (BE)": "Europe/Brussels",
    "Puurs (BE)": "Europe/Brussels",
    "Aschaffenburg (DE)": "Europe/Berlin",
    "Barcelona - Spain": "Europe/Madrid",
    "Leipzig - Germany": "Europe/Berlin",
    "Bergamo - Italy": "Europe/Rome",
    "Milan - Italy": "Europe/Rome",
    "Singapore - Singapore": "Asia/Singapore",
    "Hong Kong - Hong Kong": "Asia/Hong_Kong",
    "KINGSTON-JAM": "America/Jamaica",
}


def told(data: Path, parcel: Parcel) -> list[Told]:
    """Return what the carrier itself says of a parcel's scans, at their true instants."""
    return list(_READERS[parcel.carrier](content(data, parcel.row), parcel.number))


def _local(text: str, form: str, place: str) -> datetime:
    zone = ZoneInfo(_ZONES[" ".join(place.split())])
    return datetime.strptime(text, form).replace(tzinfo=zone).astimezone(UTC)


def _ups(answer: Any, _number: str) -> Iterator[Told]:
    for one in answer["trackResponse"]["shipment"][0]["package"][0]["activity"]:
        address = one["location"]["address"]
        place = f"{address['city']}, {address['stateProvince']}"
        yield Told(one["status"]["code"], _local(one["date"] + one["time"], "%Y%m%d%H%M%S", place))


def _fedex(answer: Any, number: str) -> Iterator[Told]:
    for asked in answer["output"]["completeTrackResults"]:
        if asked["trackingNumber"] == number:
            for one in asked["trackResults"][0]["scanEvents"]:
                yield Told(one["eventType"], datetime.fromisoformat(one["date"]).astimezone(UTC))


def _usps(answer: Any, _number: str) -> Iterator[Told]:
    for one in answer["trackingEvents"]:
        yield Told(one["eventCode"], datetime.fromisoformat(one["GMTTimestamp"]).astimezone(UTC))


def _dpd(answer: Any, _number: str) -> Iterator[Told]:
    for one in ElementTree.fromstring(answer).iterfind(".//{*}statusInfo"):  # noqa: S314
        code, at, place = (
            one.findtext(path) or ""
            for path in ("{*}status", "{*}date/{*}content", "{*}location/{*}content")
        )
        if at:
            yield Told(code, _local(at, "%m/%d/%Y %I:%M:%S %p", place))


def _dhl(answer: Any, number: str) -> Iterator[Told]:
    for waybill in ElementTree.fromstring(answer.encode()).iter("AWBInfo"):  # noqa: S314
        if waybill.findtext("AWBNumber") != number:
            continue
        for one in waybill.iter("ShipmentEvent"):
            at = f"{one.findtext('Date')} {one.findtext('Time')}"
            place = one.findtext("ServiceArea/Description") or ""
            code = one.findtext("ServiceEvent/EventCode") or ""
            yield Told(code, _local(at, "%Y-%m-%d %H:%M:%S", place))


_READERS: Mapping[str, Callable[[Any, str], Iterator[Told]]] = {
    "ups": _ups,
    "fedex": _fedex,
    "usps": _usps,
    "dpd": _dpd,
    "dhl_express": _dhl,
}
