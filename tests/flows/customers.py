"""A customer of the shop, and what the shop, its tills and its staff do for them over HTTP."""

from __future__ import annotations

import uuid
from typing import Any

from tests.flows.conftest import Caller, Reply
from tests.flows.senders import ago, easypost, stamp

ORDERS = "/orders/v1"
LOYALTY = "/loyalty/v1"

Json = dict[str, Any]


class Customer:
    """One customer with names that no other test uses."""

    def __init__(self, cloud: Caller) -> None:
        self.cloud = cloud
        self.run = uuid.uuid4().hex[:12]
        self.id = f"cus_{self.run}"
        self.email = f"{self.run}@example.com"
        self.token = cloud.token("customer", self.id)
        self.shop = cloud.token("integration", "shop")
        self.till = cloud.token("terminal", "store_12/till_3")
        self.staff = cloud.token("staff", "amy")

    # --- what is asked ---

    def get(self, path: str, token: str | None = None, status: int = 200) -> Any:
        reply = self.cloud.call("GET", path, token or self.shop)
        assert reply.status == status, reply.body
        return reply.body

    def order(self, order_id: str, token: str | None = None) -> Json:
        order: Json = self.get(f"{ORDERS}/orders/{order_id}", token)
        return order

    def orders(self) -> list[Json]:
        orders: list[Json] = self.get(f"{ORDERS}/orders", self.token)["orders"]
        return orders

    def shipment(self, number: str, carrier: str = "ups") -> Json | None:
        path = f"{ORDERS}/shipments?carrier={carrier}&tracking_number={number}"
        reply = self.cloud.call("GET", path, self.shop)
        assert reply.status in {200, 404}, reply.body
        return reply.body if reply.status == 200 else None

    def timeline(self, language: str = "en") -> list[Json]:
        path = f"{ORDERS}/customers/{self.id}/timeline?limit=200&language={language}"
        entries: list[Json] = self.get(path, self.token)["entries"]
        return entries

    def told(self) -> list[str]:
        """Return the kinds of the timeline's entries, newest first."""
        return [entry["type"] for entry in self.timeline()]

    # --- what is done ---

    def number(self, name: str = "1") -> str:
        return f"1Z{self.run.upper()}{name.upper()}"

    def enrol(self) -> str:
        body = {
            "customer_id": self.id,
            "identifiers": [{"type": "email", "value": self.email}],
        }
        reply = self.cloud.call("POST", f"{LOYALTY}/accounts", self.shop, body)
        assert reply.status == 201, reply.body
        account_id: str = reply.body["id"]
        return account_id

    def body(self, name: str, amount: int, channel: str, **more: Any) -> Json:
        paid = {"amount": amount, "currency": "EUR"}
        line = {"line_id": "1", "sku": "lamp", "name": "Lamp", "quantity": 2, "paid": paid}
        return {
            "source": "shop",
            "external_id": f"{self.run}-{name}",
            "channel": channel,
            "customer": {"customer_id": self.id, "email": self.email},
            "placed_at": stamp(ago(minutes=2)),
            "currency": "EUR",
            "lines": [line],
            "tenders": [{"type": "card", "paid": paid}],
            **more,
        }

    def place(
        self, name: str = "1", amount: int = 10_000, channel: str = "web", **more: Any
    ) -> Json:
        token = self.till if channel == "pos" else self.shop
        body = self.body(name, amount, channel, **more)
        reply = self.cloud.call("POST", f"{ORDERS}/orders", token, body)
        assert reply.status == 201, reply.body
        order: Json = reply.body
        return order

    def fulfil(self, order: Json, token: str | None = None, **what: Any) -> Json:
        body = {"lines": [{"line_id": "1", "quantity": 2}], **what}
        path = f"{ORDERS}/orders/{order['id']}/fulfillments"
        reply = self.cloud.call("POST", path, token or self.shop, body)
        assert reply.status == 201, reply.body
        fulfillment: Json = reply.body
        return fulfillment

    def ship(self, order: Json, *numbers: str, carrier: str = "UPS") -> Json:
        parcels = [{"carrier": carrier, "tracking_number": number} for number in numbers]
        return self.fulfil(order, type="ship", shipments=parcels)

    def move(self, fulfillment: Json, to: str, token: str | None = None, **shown: Any) -> Reply:
        path = f"{ORDERS}/orders/{fulfillment['order_id']}/fulfillments/{fulfillment['id']}"
        body = {"to": to, **shown}
        return self.cloud.call("POST", f"{path}/transition", token or self.till, body)

    def scan(self, number: str, *details: Any, carrier: str = "UPS") -> None:
        """Let EasyPost tell a parcel's history, and wait until it is known."""
        reply = self.cloud.send("easypost", easypost(number, *details, carrier=carrier))
        assert reply.status == 202, reply.body
        times = {stamp(at) for _, _, at in details}

        def is_known() -> bool:
            shipment = self.shipment(number, carrier.lower())
            scans = shipment["scans"] if shipment else []
            return times <= {scan["occurred_local"] for scan in scans}

        self.cloud.wait_until(is_known)

    def wait_for(self, order: Json, status: str, parcel: str) -> None:
        """Wait until an order and its parcel have these statuses: the order hears of it later."""

        def is_there() -> bool:
            seen = self.order(order["id"])
            return (seen["status"], [one["status"] for one in seen["shipments"]]) == (
                status,
                [parcel],
            )

        self.cloud.wait_until(is_there)
