"""What two providers send of a parcel: one tells each scan alone, one resends all of the history.

Bodies have the shape and the length of UPS' Track API and Track Alerts, and of EasyPost's events.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from tandem_core.clock import rfc3339

SECRET = "the-secret-of-a-benchmark"  # noqa: S105  signs nothing else
_CITIES = (
    ("Louisville", "KY", "40201"),
    ("Columbus", "OH", "43085"),
    ("Pittsburgh", "PA", "15201"),
    ("Harrisburg", "PA", "17101"),
    ("Newark", "NJ", "07101"),
    ("Hartford", "CT", "06101"),
    ("Providence", "RI", "02901"),
    ("Boston", "MA", "02108"),
)


class Told(NamedTuple):
    """A scan before anybody words it. `arrives`: it says that the parcel is on the last van."""

    at: datetime
    place: int
    arrives: bool = False


class Provider(Protocol):
    """`history` is one message with all scans, `news` the one that the last of them brings."""

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    def history(self, number: str, scans: Sequence[Told]) -> bytes: ...

    def news(self, number: str, scans: Sequence[Told]) -> bytes: ...

    def headers(self, body: bytes, now: datetime) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class OneByOne:
    """UPS: a Track Alert for each scan, passed on by the retailer's forwarder."""

    name: str = "ups"
    title: str = "each scan alone"

    def history(self, number: str, scans: Sequence[Told]) -> bytes:
        package = {"trackingNumber": number, "activity": [_activity(one) for one in scans[::-1]]}
        return _body({"trackResponse": {"shipment": [{"package": [package]}]}})

    def news(self, number: str, scans: Sequence[Told]) -> bytes:
        told = scans[-1]
        city, state, postal_code = _CITIES[told.place % len(_CITIES)]
        code, description = ("OT", "Out For Delivery Today") if told.arrives else _UPS_USUAL
        return _body(
            {
                "trackingNumber": number,
                "localActivityDate": f"{told.at:%Y%m%d}",
                "localActivityTime": f"{told.at:%H%M%S}",
                "activityLocation": {
                    "city": city,
                    "stateProvince": state,
                    "postalCode": postal_code,
                    "country": "US",
                },
                "activityStatus": {
                    "type": "O" if told.arrives else "I",
                    "code": code,
                    "description": description,
                },
                "scheduledDeliveryDate": "",
                "actualDeliveryDate": "",
                "gmtActivityDate": f"{told.at:%Y%m%d}",
                "gmtActivityTime": f"{told.at:%H%M%S}",
            }
        )

    def headers(self, body: bytes, now: datetime) -> Mapping[str, str]:
        """Sign by Standard Webhooks."""
        name, seconds = f"msg_{uuid.uuid4().hex}", str(int(now.timestamp()))
        signed = f"{name}.{seconds}.".encode() + body
        digest = hmac.digest(SECRET.encode(), signed, hashlib.sha256)
        return {
            "webhook-id": name,
            "webhook-timestamp": seconds,
            "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        }


@dataclass(frozen=True, slots=True)
class AllAgain:
    """EasyPost: the tracker as it is, with all of its scans, for each new one."""

    name: str = "easypost"
    title: str = "all scans again"

    def history(self, number: str, scans: Sequence[Told]) -> bytes:
        last = scans[-1]
        status = "out_for_delivery" if last.arrives else "in_transit"
        tracker = {
            "id": f"trk_{hashlib.sha256(number.encode()).hexdigest()[:32]}",
            "object": "Tracker",
            "mode": "production",
            "tracking_code": number,
            "status": status,
            "status_detail": "out_for_delivery" if last.arrives else "arrived_at_facility",
            "created_at": rfc3339(scans[0].at),
            "updated_at": rfc3339(last.at),
            "signed_by": None,
            "weight": None,
            "est_delivery_date": None,
            "shipment_id": None,
            "carrier": "UPS",
            "tracking_details": [_detail(one) for one in scans],
            "carrier_detail": None,
            "public_url": f"https://track.easypost.com/{number}",
        }
        return _body(
            {
                "id": f"evt_{uuid.uuid4().hex}",
                "object": "Event",
                "mode": "production",
                "description": "tracker.updated",
                "created_at": rfc3339(last.at),
                "pending_urls": [],
                "completed_urls": [],
                "result": tracker,
            }
        )

    def news(self, number: str, scans: Sequence[Told]) -> bytes:
        return self.history(number, scans)

    def headers(self, body: bytes, now: datetime) -> Mapping[str, str]:  # noqa: ARG002
        digest = hmac.digest(SECRET.encode(), body, hashlib.sha256)
        return {"x-hmac-signature": f"hmac-sha256-hex={digest.hex()}"}


_UPS_USUAL = ("AR", "Arrived at Facility")


def _activity(told: Told) -> dict[str, Any]:
    city, state, postal_code = _CITIES[told.place % len(_CITIES)]
    code, description = _UPS_USUAL
    return {
        "location": {
            "address": {
                "city": city,
                "stateProvince": state,
                "postalCode": postal_code,
                "countryCode": "US",
                "country": "US",
            },
            "slic": f"{told.place:04d}",
        },
        "status": {"type": "I", "description": description, "code": code, "statusCode": "005"},
        "date": f"{told.at:%Y%m%d}",
        "time": f"{told.at:%H%M%S}",
        "gmtDate": f"{told.at:%Y%m%d}",
        "gmtTime": f"{told.at:%H:%M:%S}",
        "gmtOffset": "+00:00",
    }


def _detail(told: Told) -> dict[str, Any]:
    city, state, postal_code = _CITIES[told.place % len(_CITIES)]
    return {
        "object": "TrackingDetail",
        "message": "Out For Delivery Today" if told.arrives else "Arrived at Facility",
        "description": "",
        "status": "out_for_delivery" if told.arrives else "in_transit",
        "status_detail": "out_for_delivery" if told.arrives else "arrived_at_facility",
        "datetime": f"{told.at:%Y-%m-%dT%H:%M:%SZ}",
        "source": "UPS",
        "carrier_code": None,
        "tracking_location": {
            "object": "TrackingLocation",
            "city": city.upper(),
            "state": state,
            "country": "US",
            "zip": postal_code,
        },
    }


def _body(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
