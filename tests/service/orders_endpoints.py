"""A good request for every route of orders, to be spoilt by the tests of bad ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tandem_core.http import Endpoint
from tandem_orders.routes import routes
from tests.service.orders_service import Orders, new_order, units
from tests.service.services import START, Reply

ENDPOINTS = {f"{one.method} {one.path}": one for one in routes.endpoints}
CLOSED = [name for name, one in ENDPOINTS.items() if one.scope]
READING = [name for name, one in ENDPOINTS.items() if one.method == "GET"]
POSTING = [name for name, one in ENDPOINTS.items() if one.writes and one.method == "POST"]
WITH_BODY = [name for name, one in ENDPOINTS.items() if one.body]
WITH_QUERY = [name for name, one in ENDPOINTS.items() if one.query]

PLACE = "POST /v1/orders"
ORDER = "GET /v1/orders/{order_id}"
ORDERS = "GET /v1/orders"
CANCEL = "POST /v1/orders/{order_id}/cancel"
FULFIL = "POST /v1/orders/{order_id}/fulfillments"
MOVE = "POST /v1/orders/{order_id}/fulfillments/{fulfillment_id}/transition"
REGISTER = "POST /v1/shipments"
SHIPMENT = "GET /v1/shipments/{shipment_id}"
FIND_SHIPMENT = "GET /v1/shipments"
WEBHOOK = "POST /v1/webhooks/{source}"
TRACK = "GET /v1/tracking/{token}"
TIMELINE = "GET /v1/customers/{customer_id}/timeline"
PREFERENCES = "GET /v1/customers/{customer_id}/preferences"
PREFER = "PUT /v1/customers/{customer_id}/preferences"
CONTACTS = "POST /v1/customers/{customer_id}/contacts"
ERASE = "POST /v1/customers/{customer_id}/erase"
INBOX = "GET /v1/inbox"
REPLAY = "POST /v1/inbox/replay"
OF_ORDER = [CANCEL, FULFIL, MOVE]

BODIES: dict[str, Any] = {
    PLACE: new_order(START, "2001")
    | {
        "customer": {"customer_id": "cus_1", "email": "ada@example.org", "name": "Ada"},
        "number": "#2001",
        "store_id": "store_12",
        "promised_by": "2026-03-14",
        "destination": {"city": "Köln", "country": "DE"},
    },
    CANCEL: {"lines": units({"2": 1}), "reason": "changed their mind"},
    FULFIL: {
        "type": "ship",
        "lines": units({"1": 1}),
        "shipments": [{"carrier": "UPS", "tracking_number": "1Z2"}],
    },
    MOVE: {"to": "reserved"},
    REGISTER: {"carrier": "DHL", "tracking_number": "JD1", "order_id": "ord"},
    PREFER: {
        "channels": ["sms"],
        "language": "de",
        "quiet_hours": {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"},
    },
    CONTACTS: {"contacts": [{"type": "email", "value": "guest@example.org"}]},
    REPLAY: {"message_id": "msg"},
}


@dataclass
class World:
    """A service with an order of cus_1, of which one unit waits in store_12 and one is in a parcel;
    with a guest's order and a message that nobody can read."""

    orders: Orders
    order_id: str
    pickup: str
    shipment_id: str
    token: str
    message_id: str

    @classmethod
    def of(cls, orders: Orders) -> World:
        placed = orders.place("1001").body
        order_id = str(placed["id"])
        orders.placed("1002", customer={"email": "guest@example.org"})
        pickup = orders.fulfilled(order_id, "pickup", lines=units({"1": 1}))
        message_id = orders.said("easypost", b"{")
        orders.pump()
        orders.later(minutes=1)
        registered = orders.call(
            "POST",
            "/shipments",
            {"carrier": "UPS", "tracking_number": "1Z1", "order_id": order_id},
        )
        return cls(
            orders,
            order_id,
            pickup,
            str(registered.body["id"]),
            str(placed["tracking_token"]),
            message_id,
        )

    @property
    def service(self) -> Orders:
        return self.orders

    def parts(self, name: str) -> dict[str, str]:
        """The parts of a route's path that name something that is there."""
        known = {
            "order_id": self.order_id,
            "fulfillment_id": self.pickup,
            "shipment_id": self.shipment_id,
            "customer_id": "cus_1",
            "source": "easypost",
            "token": self.token,
        }
        return {part: value for part, value in known.items() if f"{{{part}}}" in name}

    def body(self, name: str) -> Any:
        body: Any = deepcopy(BODIES.get(name))
        if name == REGISTER:
            body["order_id"] = self.order_id
        elif name == REPLAY:
            body["message_id"] = self.message_id
        return body

    def query(self, name: str) -> dict[str, str] | None:
        known = {
            FIND_SHIPMENT: {"carrier": "ups", "tracking_number": "1Z1"},
            ORDERS: {"customer_id": "cus_1"},
        }
        return known.get(name)

    def call(self, name: str, **changes: Any) -> Reply:
        """Send the good request of a route, with changes; as an administrator unless told."""
        method, path = name.split(" ")
        options: dict[str, Any] = {
            "role": "admin",
            "body": self.body(name),
            "query": self.query(name),
            **self.parts(name),
            **changes,
        }
        return self.orders.call(method, path.removeprefix("/v1"), **options)


def endpoint(name: str) -> Endpoint:
    return ENDPOINTS[name]
