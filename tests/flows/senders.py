"""What shops, marketplaces and carriers' aggregators send: bodies in their shapes, signed as they
sign. Written by hand for the journeys; only the members that mean something are there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]


def ago(**parts: float) -> datetime:
    """Return a moment that lies back, to the second: that is how precise senders are."""
    return (datetime.now(UTC) - timedelta(**parts)).replace(microsecond=0)


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- signatures -----------------------------------------------------------------------------------


def _hmac(sender: str, message: bytes) -> bytes:
    return hmac.digest(f"local-{sender}-secret".encode(), message, hashlib.sha256)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _shippo(body: bytes, _url: str) -> Json:
    at = int(time.time())
    signed = _hmac("shippo", f"{at}.".encode() + body).hex()
    return {"Shippo-Auth-Signature": f"t={at},v1={signed}"}


def _standard(sender: str) -> Callable[[bytes, str], Json]:
    def sign(body: bytes, _url: str) -> Json:
        message_id, at = f"msg_{uuid.uuid4().hex}", str(int(time.time()))
        signed = _hmac(sender, f"{message_id}.{at}.".encode() + body)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": at,
            "webhook-signature": f"v1,{_base64(signed)}",
        }

    return sign


_SIGNED: Mapping[str, Callable[[bytes, str], Json]] = {
    "shopify": lambda body, _: {"X-Shopify-Hmac-Sha256": _base64(_hmac("shopify", body))},
    "easypost": lambda body, _: {
        "X-Hmac-Signature": f"hmac-sha256-hex={_hmac('easypost', body).hex()}"
    },
    "aftership": lambda body, _: {"aftership-hmac-sha256": _base64(_hmac("aftership", body))},
    "square": lambda body, url: {
        "x-square-hmacsha256-signature": _base64(_hmac("square", url.encode() + body))
    },
    "shippo": _shippo,
    "amazon": _standard("amazon"),
}


def signature(sender: str, body: bytes, url: str) -> Json:
    """Return the headers with which a sender proves that a message is its own."""
    headers: Json = _SIGNED[sender](body, url)
    return headers


# --- EasyPost and AfterShip -----------------------------------------------------------------------

Detail = tuple[str, str, datetime]


def easypost(number: str, *details: Detail, carrier: str = "UPS", event_id: str = "") -> bytes:
    """A tracker with its history: (status, detail or the carrier's own code, when)."""
    status = details[-1][0] if details else "pre_transit"
    tracker = {
        "id": f"trk_{number}",
        "object": "Tracker",
        "tracking_code": number,
        "status": status,
        "carrier": carrier,
        "updated_at": stamp(max((one[2] for one in details), default=ago(hours=1))),
        "tracking_details": [_detail(*one) for one in details],
    }
    event = {
        "id": event_id or f"evt_{uuid.uuid4().hex}",
        "object": "Event",
        "description": "tracker.updated",
        "result": tracker,
    }
    return json.dumps(event).encode()


def _detail(status: str, detail: str, at: datetime) -> Json:
    is_code = detail.isupper()
    return {
        "object": "TrackingDetail",
        "status": status,
        "status_detail": status if is_code else detail,
        "carrier_code": detail if is_code else None,
        "datetime": stamp(at),
        "message": detail.replace("_", " "),
        "tracking_location": {"city": "Berlin", "country": "DE"},
    }


def label_created(at: datetime) -> Detail:
    return "pre_transit", "label_created", at


def in_transit(at: datetime) -> Detail:
    return "in_transit", "arrived_at_facility", at


def out_for_delivery(at: datetime) -> Detail:
    return "out_for_delivery", "out_for_delivery", at


def delivered(at: datetime) -> Detail:
    return "delivered", "arrived_at_destination", at


def aftership(number: str, *checkpoints: tuple[str, str, datetime], slug: str = "ups") -> bytes:
    """A tracking with its checkpoints: (tag, subtag, when)."""
    message = {
        "event": "tracking_update",
        "event_id": str(uuid.uuid4()),
        "msg": {
            "slug": slug,
            "tracking_number": number,
            "tag": checkpoints[-1][0],
            "updated_at": stamp(checkpoints[-1][2]),
            "checkpoints": [
                {
                    "slug": slug,
                    "tag": tag,
                    "subtag": subtag,
                    "checkpoint_time": stamp(at),
                    "city": "Berlin",
                    "country_iso3": "DEU",
                }
                for tag, subtag, at in checkpoints
            ],
        },
    }
    return json.dumps(message).encode()


# --- Shopify --------------------------------------------------------------------------------------


def shopify_headers(topic: str) -> Json:
    return {"X-Shopify-Topic": topic, "X-Shopify-Event-Id": str(uuid.uuid4())}


def shopify_order(
    order_id: int, *, email: str, source_name: str, price: str, placed_at: datetime
) -> bytes:
    order = {
        "id": order_id,
        "name": f"#{order_id % 10_000}",
        "source_name": source_name,
        "created_at": stamp(placed_at),
        "updated_at": stamp(placed_at),
        "currency": "EUR",
        "email": email,
        "financial_status": "paid",
        "payment_gateway_names": ["shopify_payments"],
        "total_price": price,
        "total_outstanding": "0.00",
        "line_items": [
            {"id": order_id + 1, "sku": "lamp", "name": "Lamp", "quantity": 1, "price": price}
        ],
    }
    return json.dumps(order).encode()


def shopify_fulfillment(order_id: int, carrier: str, numbers: Sequence[str]) -> bytes:
    fulfillment = {
        "id": order_id + 2,
        "order_id": order_id,
        "status": "success",
        "created_at": stamp(ago(hours=5)),
        "updated_at": stamp(ago(hours=5)),
        "tracking_company": carrier,
        "tracking_numbers": list(numbers),
        "line_items": [{"id": order_id + 1, "quantity": 1}],
    }
    return json.dumps(fulfillment).encode()
