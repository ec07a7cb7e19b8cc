"""What senders say, in the shape in which each of them says it. Written here, not recorded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tandem_core.clock import rfc3339
from tests.service.services import START

Json = dict[str, Any]


def at(**span: float) -> datetime:
    return START + timedelta(**span)


# --- shops ----------------------------------------------------------------------------------------


def shopify_order(order_id: int = 450789469, **changes: Any) -> Json:
    """Two shoes and a hat, paid by card; for a guest unless told."""
    return {
        "id": order_id,
        "name": f"#{order_id % 10_000}",
        "email": "ada@example.org",
        "phone": None,
        "created_at": "2026-03-10T10:00:00+01:00",
        "processed_at": "2026-03-10T10:00:00+01:00",
        "updated_at": "2026-03-10T10:00:05+01:00",
        "cancelled_at": None,
        "currency": "EUR",
        "total_price": "125.00",
        "total_outstanding": "0.00",
        "financial_status": "paid",
        "fulfillment_status": None,
        "source_name": "web",
        "payment_gateway_names": ["shopify_payments"],
        "customer": {"id": 1, "first_name": "Ada", "last_name": "Lovelace"},
        "customer_locale": "de-DE",
        "shipping_address": {
            "name": "Ada Lovelace",
            "address1": "Domkloster 4",
            "city": "Köln",
            "zip": "50667",
            "country_code": "DE",
        },
        "shipping_lines": [{"code": "standard"}],
        "line_items": [
            {
                "id": 1,
                "sku": "SHOE",
                "name": "Shoe",
                "quantity": 2,
                "current_quantity": 2,
                "price": "50.00",
            },
            {
                "id": 2,
                "sku": "HAT",
                "name": "Hat",
                "quantity": 1,
                "current_quantity": 1,
                "price": "25.00",
            },
        ],
        "fulfillments": [],
        "refunds": [],
        "unheard_of": {"in": ["any", "version"]},
        **changes,
    }


def shopify_fulfillment(order_id: int = 450789469, number: int = 7, **changes: Any) -> Json:
    return {
        "id": number,
        "order_id": order_id,
        "status": "success",
        "created_at": "2026-03-10T12:00:00+01:00",
        "updated_at": "2026-03-10T12:00:00+01:00",
        "tracking_company": "UPS",
        "tracking_numbers": ["1Z12345E0205271688"],
        "line_items": [{"id": 1, "quantity": 2}, {"id": 2, "quantity": 1}],
        **changes,
    }


def shopify_scan(status: str, when: datetime, order_id: int = 450789469, number: int = 7) -> Json:
    return {
        "id": int(when.timestamp()),
        "order_id": order_id,
        "fulfillment_id": number,
        "status": status,
        "happened_at": rfc3339(when),
        "created_at": rfc3339(when),
        "updated_at": rfc3339(when),
        "city": "Köln",
        "country": "DE",
    }


def shopify_refund(
    *lines: tuple[int, int, str], order_id: int = 450789469, number: int = 9
) -> Json:
    """A refund of (line, units, what became of them), paid back to the card."""
    return {
        "id": number,
        "order_id": order_id,
        "created_at": "2026-03-12T10:00:00+01:00",
        "refund_line_items": [
            {"line_item_id": line, "quantity": count, "restock_type": kind}
            for line, count, kind in lines
        ],
        "transactions": [
            {
                "id": 11,
                "kind": "refund",
                "status": "success",
                "gateway": "shopify_payments",
                "amount": "50.00",
                "currency": "EUR",
            }
        ],
    }


def shopify_redaction(*order_ids: int, email: str = "ada@example.org") -> Json:
    return {
        "shop_id": 1,
        "shop_domain": "shop.example",
        "customer": {"id": 1, "email": email, "phone": "+4915112345678"},
        "orders_to_redact": list(order_ids),
    }


def woocommerce_order(status: str = "processing", **changes: Any) -> Json:
    return {
        "id": 727,
        "number": "727",
        "status": status,
        "currency": "JPY",
        "created_via": "checkout",
        "date_created_gmt": "2026-03-10T08:00:00",
        "date_modified_gmt": "2026-03-10T08:00:05",
        "date_paid_gmt": "2026-03-10T08:00:05",
        "date_completed_gmt": None,
        "payment_method": "stripe",
        "total": "2980",
        "prices_include_tax": True,
        "billing": {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.org"},
        "shipping": {"city": "Köln", "postcode": "50667", "country": "DE"},
        "shipping_lines": [{"method_id": "flat_rate"}],
        "line_items": [
            {
                "id": 315,
                "sku": "TEA",
                "name": "Tea",
                "quantity": 2,
                "subtotal": "2710",
                "subtotal_tax": "270",
                "total": "2710",
                "total_tax": "270",
            }
        ],
        "refunds": [],
        **changes,
    }


def square_event(kind: str, event_id: str, inner: Json) -> Json:
    return {
        "merchant_id": "M1",
        "type": kind,
        "event_id": event_id,
        "created_at": "2026-03-10T09:00:00Z",
        "data": {"type": "order", "id": "SQ1", "object": inner},
    }


def square_order(state: str = "OPEN", **changes: Any) -> Json:
    return {
        "id": "SQ1",
        "location_id": "L1",
        "created_at": "2026-03-10T08:00:00Z",
        "updated_at": "2026-03-10T08:00:01Z",
        "state": state,
        "source": {"name": "Online store"},
        "total_money": {"amount": 1200, "currency": "USD"},
        "line_items": [
            {
                "uid": "a",
                "name": "Mug",
                "quantity": "2",
                "base_price_money": {"amount": 600, "currency": "USD"},
                "gross_sales_money": {"amount": 1200, "currency": "USD"},
            }
        ],
        "tenders": [
            {"id": "t1", "type": "CARD", "amount_money": {"amount": 1200, "currency": "USD"}}
        ],
        "fulfillments": [
            {
                "uid": "p1",
                "type": "PICKUP",
                "state": "PROPOSED",
                "pickup_details": {"recipient": {"email_address": "ada@example.org"}},
            }
        ],
        **changes,
    }


def amazon_order(status: str = "Unshipped", shipped: int = 0, minutes: int = 0) -> Json:
    when = rfc3339(at(minutes=minutes))
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "EventTime": when,
        "NotificationMetadata": {"NotificationId": f"n-{status}-{minutes}"},
        "Payload": {
            "OrderChangeNotification": {
                "AmazonOrderId": "333-7777777-7777777",
                "OrderChangeTrigger": {"TimeOfOrderChange": when},
                "Summary": {
                    "MarketplaceId": "A1PA6795UKMFR9",
                    "OrderStatus": status,
                    "PurchaseDate": "2026-03-10T09:00:00Z",
                    "DestinationPostalCode": "50667",
                    "OrderItems": [
                        {
                            "OrderItemId": "OI1",
                            "SellerSKU": "LAMP",
                            "Quantity": 1,
                            "QuantityShipped": shipped,
                        }
                    ],
                },
            }
        },
    }


# --- trackers -------------------------------------------------------------------------------------

# (status, detail, when, city) of a scan of EasyPost's.
Scan = tuple[str, str, datetime, str]


def easypost(number: str, *scans: Scan, event_id: str = "", **changes: Any) -> Json:
    return {
        "id": event_id or f"evt_{number}_{len(scans)}",
        "object": "Event",
        "description": "tracker.updated",
        "result": {
            "id": f"trk_{number}",
            "object": "Tracker",
            "tracking_code": number,
            "carrier": "UPS",
            "status": scans[-1][0] if scans else "unknown",
            "updated_at": rfc3339(max(one[2] for one in scans)) if scans else None,
            "tracking_details": [
                {
                    "object": "TrackingDetail",
                    "status": status,
                    "status_detail": detail,
                    "datetime": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    "message": f"{status} {detail}",
                    "tracking_location": {"city": city, "country": "DE"},
                }
                for status, detail, when, city in scans
            ],
            **changes,
        },
    }


def labelled(hours: float = 1) -> Scan:
    return "pre_transit", "label_created", at(hours=hours), "Köln"


def picked_up(hours: float = 2) -> Scan:
    return "in_transit", "received_at_origin_facility", at(hours=hours), "Köln"


def in_transit(hours: float = 3, city: str = "Bonn") -> Scan:
    return "in_transit", "departed_facility", at(hours=hours), city


def on_the_van(hours: float = 4) -> Scan:
    return "out_for_delivery", "out_for_delivery", at(hours=hours), "Bonn"


def delivered(hours: float = 5) -> Scan:
    return "delivered", "arrived_at_destination", at(hours=hours), "Bonn"


def turned_back(hours: float = 6) -> Scan:
    return "return_to_sender", "return", at(hours=hours), "Bonn"


def aftership(number: str, *checkpoints: tuple[str, str, datetime], event_id: str = "") -> Json:
    return {
        "event": "tracking_update",
        "event_id": event_id or f"as-{number}-{len(checkpoints)}",
        "msg": {
            "slug": "ups",
            "tracking_number": number,
            "tag": checkpoints[-1][0],
            "updated_at": rfc3339(max(one[2] for one in checkpoints)),
            "checkpoints": [
                {
                    "slug": "ups",
                    "tag": tag,
                    "subtag": subtag,
                    "checkpoint_time": when.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
                    "city": "Bonn",
                    "country_region": "DEU",
                }
                for tag, subtag, when in checkpoints
            ],
        },
    }


def shippo(number: str, status: str, substatus: str, when: datetime) -> Json:
    told = {
        "object_id": f"{status}-{when:%H%M}",
        "status": status,
        "substatus": {"code": substatus, "action_required": False},
        "status_date": rfc3339(when),
        "object_created": rfc3339(when),
        "location": {"city": "Bonn", "country": "DE"},
    }
    return {
        "event": "track_updated",
        "data": {
            "carrier": "ups",
            "tracking_number": number,
            "tracking_status": told,
            "tracking_history": [told],
        },
    }


def amazon_milestone(number: str, code: str, when: datetime) -> Json:
    return {
        "NotificationType": "SHIPMENT_TRACKING_MILESTONE_CHANGED",
        "EventTime": rfc3339(when),
        "NotificationMetadata": {"NotificationId": f"m-{number}-{code}"},
        "Payload": {
            "ShipmentTrackingMilestoneChangedNotification": {
                "TrackingDetail": {
                    "Identifier": {
                        "CarrierTrackingNumber": {"Carrier": "UPS", "TrackingNumber": number}
                    },
                    "LatestMilestone": {
                        "Status": {"Code": code},
                        "OccurredAt": rfc3339(when),
                        "Location": {"Address": {"City": "Bonn", "CountryCode": "DE"}},
                    },
                }
            }
        },
    }
