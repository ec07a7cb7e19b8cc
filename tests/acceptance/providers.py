"""A second provider that reports the same scans in words of its own, as AfterShip and EasyPost do.

The bodies are made of what the first one said, and read by their own readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from tandem_orders.messages import ParcelReport
from tandem_orders.scans import Scan
from tandem_orders.senders import SENDERS
from tandem_orders.statuses import ShipmentStatus as S

# AfterShip passes the carrier's code on, so that its own word does not matter.
_TAGS: Mapping[S, tuple[str, str]] = {
    S.LABEL_CREATED: ("InfoReceived", "InfoReceived_001"),
    S.DELIVERED: ("Delivered", "Delivered_001"),
    S.OUT_FOR_DELIVERY: ("OutForDelivery", "OutForDelivery_001"),
    S.DELIVERY_ATTEMPTED: ("AttemptFail", "AttemptFail_001"),
    S.AVAILABLE_FOR_PICKUP: ("AvailableForPickup", "AvailableForPickup_001"),
    S.PICKED_UP: ("InTransit", "InTransit_002"),
    S.CUSTOMS: ("InTransit", "InTransit_005"),
    S.PENDING: ("Pending", "Pending_001"),
}
# EasyPost tells a status with a detail here, and no code: what is known to be the same scan has the
# same status, minute and place.
_STATUSES: Mapping[S, tuple[str, str]] = {
    S.PENDING: ("unknown", "unknown"),
    S.LABEL_CREATED: ("pre_transit", "label_created"),
    S.PICKED_UP: ("in_transit", "received_at_origin_facility"),
    S.IN_TRANSIT: ("in_transit", "departed_facility"),
    S.CUSTOMS: ("in_transit", "awaiting_information"),
    S.OUT_FOR_DELIVERY: ("out_for_delivery", "out_for_delivery"),
    S.DELIVERY_ATTEMPTED: ("failure", "delivery_exception"),
    S.AVAILABLE_FOR_PICKUP: ("available_for_pickup", "arrived_at_pickup_location"),
    S.DELIVERED: ("delivered", "arrived_at_destination"),
}


def aftership(first: ParcelReport, carrier: str) -> ParcelReport:
    """Return the parcel as AfterShip tells of it: with the carrier's codes, in local times."""
    checkpoints = [
        {
            "slug": carrier,
            "checkpoint_time": _instant(scan),
            "tag": _TAGS.get(scan.status or S.IN_TRANSIT, ("InTransit", ""))[0],
            "subtag": _TAGS.get(scan.status or S.IN_TRANSIT, ("", "InTransit_001"))[1],
            "raw_tag": scan.code,
            "message": f"AfterShip says: {scan.description or 'something'}",
            **_place(scan, "country_region"),
        }
        for scan in first.scans
    ]
    return _read(
        "aftership",
        {
            "event": "tracking_update",
            "msg": {
                "slug": carrier,
                "tracking_number": first.tracking_number,
                "checkpoints": checkpoints,
            },
        },
    )


def easypost(first: ParcelReport, carrier: str) -> ParcelReport:
    """Return the parcel as EasyPost tells of it: without codes. It knows nothing of scans that
    mean nothing."""
    details = [
        {
            "status": _STATUSES[scan.status][0],
            "status_detail": _STATUSES[scan.status][1],
            "datetime": _instant(scan),
            "message": scan.description.upper(),
            "tracking_location": _place(scan, "country"),
        }
        for scan in first.scans
        if scan.status
    ]
    return _read(
        "easypost",
        {
            "object": "Tracker",
            "id": "trk_second",
            "tracking_code": first.tracking_number,
            "carrier": carrier,
            "tracking_details": details,
        },
    )


def _instant(scan: Scan) -> str:
    assert scan.occurred_at is not None
    return scan.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _place(scan: Scan, country: str) -> dict[str, Any]:
    place = scan.place
    if place is None:
        return {}
    # Others shout.
    city = place.city.upper() if place.city else None
    return {"city": city, "state": place.region, "zip": place.postal_code, country: place.country}


def _read(source: str, document: Any) -> ParcelReport:
    sender, _ = SENDERS[source]
    body = json.dumps(document).encode()
    (report,) = sender.parse(sender.topic_of({}, body), {}, body)
    assert isinstance(report, ParcelReport)
    return report
