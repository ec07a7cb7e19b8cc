"""What two aggregators of carriers send of a parcel: EasyPost and AfterShip, signed as they sign.

Pure but for the secrets, which are those of a local run. Knows the senders' formats and nothing of
what the system makes of them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

Aggregator = Literal["easypost", "aftership"]
Step = Literal["label", "picked up", "in transit", "out for delivery", "delivered"]

# How each of them says it: EasyPost's status and detail, AfterShip's tag and subtag.
_WORDS: dict[Aggregator, dict[Step, tuple[str, str]]] = {
    "easypost": {
        "label": ("pre_transit", "label_created"),
        "picked up": ("in_transit", "received_at_origin_facility"),
        "in transit": ("in_transit", "arrived_at_facility"),
        "out for delivery": ("out_for_delivery", "out_for_delivery"),
        "delivered": ("delivered", "arrived_at_destination"),
    },
    "aftership": {
        "label": ("InfoReceived", "InfoReceived_001"),
        "picked up": ("InTransit", "InTransit_002"),
        "in transit": ("InTransit", "InTransit_003"),
        "out for delivery": ("OutForDelivery", "OutForDelivery_001"),
        "delivered": ("Delivered", "Delivered_001"),
    },
}


class Scan(NamedTuple):
    step: Step
    at: datetime
    city: str


@dataclass(frozen=True)
class Webhook:
    """A message as it goes over the wire."""

    sender: Aggregator
    body: bytes
    headers: dict[str, str]


def webhook(sender: Aggregator, number: str, message_id: str, *scans: Scan) -> Webhook:
    """Tell the history of a UPS parcel as one of the two does."""
    tell = _easypost if sender == "easypost" else _aftership
    body = json.dumps(tell(number, message_id, scans)).encode()
    digest = hmac.digest(_secret(sender).encode(), body, hashlib.sha256)
    if sender == "easypost":
        return Webhook(sender, body, {"X-Hmac-Signature": f"hmac-sha256-hex={digest.hex()}"})
    return Webhook(sender, body, {"aftership-hmac-sha256": b64encode(digest).decode()})


def _secret(sender: Aggregator) -> str:
    """Return the secret of a local run; several may be alive, and the first one signs."""
    told = os.environ.get(f"TANDEM_WEBHOOK_SECRET_{sender.upper()}", "").split()
    return told[0] if told else f"local-{sender}-secret"


def _easypost(number: str, message_id: str, scans: tuple[Scan, ...]) -> object:
    details = [
        {
            "object": "TrackingDetail",
            "status": _WORDS["easypost"][scan.step][0],
            "status_detail": _WORDS["easypost"][scan.step][1],
            "datetime": _utc(scan.at),
            "tracking_location": {"city": scan.city, "country": "DE"},
        }
        for scan in scans
    ]
    tracker = {
        "object": "Tracker",
        "id": f"trk_{number}",
        "tracking_code": number,
        "carrier": "UPS",
        "status": details[-1]["status"],
        "updated_at": _utc(scans[-1].at),
        "tracking_details": details,
    }
    return {
        "id": message_id,
        "object": "Event",
        "description": "tracker.updated",
        "result": tracker,
    }


def _aftership(number: str, message_id: str, scans: tuple[Scan, ...]) -> object:
    checkpoints = [
        {
            "slug": "ups",
            "tag": _WORDS["aftership"][scan.step][0],
            "subtag": _WORDS["aftership"][scan.step][1],
            "checkpoint_time": _utc(scan.at),
            "city": scan.city,
            "country_iso3": "DEU",
        }
        for scan in scans
    ]
    tracking = {
        "slug": "ups",
        "tracking_number": number,
        "tag": checkpoints[-1]["tag"],
        "updated_at": _utc(scans[-1].at),
        "checkpoints": checkpoints,
    }
    return {"event": "tracking_update", "event_id": message_id, "msg": tracking}


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
