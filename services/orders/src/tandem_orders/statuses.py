"""What can be said of a parcel: sixteen statuses, and why it is not where it should be.

Both lists are closed and only ever grow. What a provider says beyond them is kept raw beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ShipmentStatus(StrEnum):
    PENDING = "pending"
    EXPIRED = "expired"
    LABEL_CREATED = "label_created"
    PICKED_UP = "picked_up"
    IN_TRANSIT = "in_transit"
    CUSTOMS = "customs"
    DELAYED = "delayed"
    ON_HOLD = "on_hold"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERY_ATTEMPTED = "delivery_attempted"
    AVAILABLE_FOR_PICKUP = "available_for_pickup"
    RETURNING = "returning"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETURNED = "returned"


# Which of two scans of the same moment says more. Nothing else: the later scan wins.
RANK: Mapping[ShipmentStatus, int] = {
    ShipmentStatus.PENDING: 0,
    ShipmentStatus.EXPIRED: 5,
    ShipmentStatus.LABEL_CREATED: 10,
    ShipmentStatus.PICKED_UP: 20,
    ShipmentStatus.IN_TRANSIT: 30,
    ShipmentStatus.CUSTOMS: 32,
    ShipmentStatus.DELAYED: 34,
    ShipmentStatus.ON_HOLD: 36,
    ShipmentStatus.OUT_FOR_DELIVERY: 50,
    ShipmentStatus.DELIVERY_ATTEMPTED: 52,
    ShipmentStatus.AVAILABLE_FOR_PICKUP: 60,
    ShipmentStatus.RETURNING: 70,
    ShipmentStatus.DELIVERED: 90,
    ShipmentStatus.FAILED: 92,
    ShipmentStatus.CANCELLED: 93,
    ShipmentStatus.RETURNED: 95,
}

# With these the parcel is, or has been, in the carrier's hands.
HANDED_OVER = frozenset(
    status
    for status, rank in RANK.items()
    if rank >= RANK[ShipmentStatus.PICKED_UP] and status is not ShipmentStatus.CANCELLED
)

# Only these are scans of the parcel itself: of the others a carrier may speak without having it.
TOUCHED = HANDED_OVER - {ShipmentStatus.DELAYED, ShipmentStatus.ON_HOLD, ShipmentStatus.FAILED}

# Nothing more is expected after these, though a later scan may still come.
ENDED = frozenset(
    {
        ShipmentStatus.DELIVERED,
        ShipmentStatus.FAILED,
        ShipmentStatus.CANCELLED,
        ShipmentStatus.RETURNED,
        ShipmentStatus.EXPIRED,
    }
)

# Somebody has to look: the event is `shipment.exception`.
EXCEPTIONS = frozenset(
    {
        ShipmentStatus.DELAYED,
        ShipmentStatus.ON_HOLD,
        ShipmentStatus.DELIVERY_ATTEMPTED,
        ShipmentStatus.RETURNING,
        ShipmentStatus.FAILED,
    }
)


class Reason(StrEnum):
    """Whose fault it is, before what it is: claims and messages need no text matching."""

    CARRIER_DELAY = "carrier_delay"
    CARRIER_MISSORTED = "carrier_missorted"
    CARRIER_DAMAGED = "carrier_damaged"
    CARRIER_LOST = "carrier_lost"
    CARRIER_EXCEPTION = "carrier_exception"
    CARRIER_NO_SCAN = "carrier_no_scan"
    SHIPPER_CANCELLED = "shipper_cancelled"
    SHIPPER_NOT_READY = "shipper_not_ready"
    SHIPPER_DOCUMENTS = "shipper_documents"
    RECIPIENT_ABSENT = "recipient_absent"
    RECIPIENT_CLOSED = "recipient_closed"
    RECIPIENT_REFUSED = "recipient_refused"
    RECIPIENT_ADDRESS = "recipient_address"
    RECIPIENT_MOVED = "recipient_moved"
    RECIPIENT_PAYMENT = "recipient_payment"
    RECIPIENT_REQUEST = "recipient_request"
    RECIPIENT_NOT_COLLECTED = "recipient_not_collected"
    CUSTOMS_CLEARANCE = "customs_clearance"
    CUSTOMS_DOCUMENTS = "customs_documents"
    CUSTOMS_SEIZED = "customs_seized"
    WEATHER_DELAY = "weather_delay"
    SECURITY_CHECK = "security_check"
    UNKNOWN = "unknown"
