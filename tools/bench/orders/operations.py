"""The operations that are measured beside the way of a scan, and the parcels that are scanned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandem_orders.store import order_key, store
from tools.bench.front import STAFF, STORE, TILL, WEB_SHOP, Caller
from tools.bench.orders.journey import Journey, following
from tools.bench.orders.providers import OneByOne, Provider
from tools.bench.orders.retailer import Retailer, a_guest, a_member, cool, warm
from tools.bench.samples import BARE_GET, Notebook, Sample

_ORDER = "/orders/{order_id}"
_FULFILLMENT = _ORDER + "/fulfillments/{fulfillment_id}"

_PAGE = 50

EDGE_NEW, EDGE_AGAIN = "webhook, new", "webhook, sent again"
EDGE_COLD = "webhook, secret not read yet"
SMALL_ORDER, LARGE_ORDER = "place order of 3 lines", "place order of 30 lines"


@dataclass(slots=True)
class Shopfloor:
    """Runs one round of the operations after the other."""

    notebook: Notebook

    @property
    def retailer(self) -> Retailer:
        front = self.notebook.front
        assert isinstance(front, Retailer)  # noqa: S101  the bench of orders has no other
        return front

    def round(self) -> None:
        self.retailer.later(minutes=5)
        self.webhooks()
        self._places()
        self._ships()
        self._hands_over()
        self._cancels()
        self._reads()

    def pages(self) -> None:
        """Read what a customer who has ordered often is shown."""
        customer, follower = a_member(), following(self.notebook)
        for _ in range(_PAGE):
            self.retailer.later(minutes=1)
            body = self.retailer.purchase(customer=customer)
            follower.settle(
                self.notebook.taken(self.retailer.request(WEB_SHOP, "POST /orders", body))[1]
            )
        customer_id = customer["customer_id"]
        timeline = "GET /customers/{customer_id}/timeline"
        self.ask(f"timeline, page of {_PAGE}", STAFF, timeline, customer_id=customer_id)
        self.ask(
            f"orders, page of {_PAGE}", STAFF, "GET /orders", query={"customer_id": customer_id}
        )

    def ask(
        self, operation: str, caller: Caller, route: str, body: Any = None, **parts: Any
    ) -> Any:
        request = self.retailer.request(caller, route, body, **parts)
        return self.notebook.measured(operation, request)

    def journey(self, provider: Provider, scans: int) -> Journey:
        """Place a member's order and send it; the parcel has been scanned so often."""
        retailer, follower = self.retailer, following(self.notebook)
        number = f"1ZB{next(retailer.numbers):015d}"
        order, placed = self.notebook.taken(
            retailer.request(WEB_SHOP, "POST /orders", retailer.purchase(customer=a_member()))
        )
        follower.settle(placed)
        sent = retailer.request(
            WEB_SHOP,
            f"POST {_ORDER}/fulfillments",
            _shipment(number),
            order_id=order["id"],
        )
        fulfillment, created = self.notebook.taken(sent)
        follower.settle(created)
        (shipment_id,) = fulfillment["shipment_ids"]
        journey = Journey(retailer, follower, provider, number, order["id"], shipment_id)
        journey.lived(scans)
        return journey

    def look(self, journey: Journey) -> dict[str, Sample]:
        """Read a parcel and its order in every way there is."""
        order = self.retailer.request(STAFF, f"GET {_ORDER}", order_id=journey.order_id)
        answer, seen = self.notebook.taken(order)
        parcel = "GET /shipments/{shipment_id}"
        link = "GET /tracking/{token}"
        requests = {
            "get shipment": self.retailer.request(STAFF, parcel, shipment_id=journey.shipment_id),
            "tracking link": self.retailer.request(None, link, token=answer["tracking_token"]),
        }
        found = {name: self.notebook.taken(request)[1] for name, request in requests.items()}
        return {"get order": seen, **found}

    def webhooks(self) -> None:
        warm()
        provider = OneByOne()
        journey = self.journey(provider, 1)
        body = provider.news(journey.number, journey.scans)
        send = self.retailer.webhook(provider, body)
        self.notebook.measured(EDGE_NEW, send)
        self.notebook.measured(EDGE_AGAIN, send)
        cool()
        self.notebook.measured(EDGE_COLD, send)

    def _places(self) -> None:
        route = "POST /orders"
        for who, customer in (("member", a_member()), ("guest", a_guest())):
            body = self.retailer.purchase(customer=customer)
            send = self.retailer.request(WEB_SHOP, route, body)
            self.notebook.measured(f"place order, web, {who}", send)
            if who == "member":
                self.notebook.measured("place order, replayed", send)
        self.ask("place order, till's receipt", TILL, route, self.retailer.receipt())
        for lines, operation in ((3, SMALL_ORDER), (30, LARGE_ORDER)):
            body = self.retailer.purchase(lines, customer=a_member())
            self.ask(operation, WEB_SHOP, route, body)

    def _ships(self) -> None:
        placed = self._placed()
        number = f"1ZB{next(self.retailer.numbers):015d}"
        fulfillment = self.ask(
            "create fulfilment with a parcel",
            WEB_SHOP,
            f"POST {_ORDER}/fulfillments",
            _shipment(number),
            order_id=placed,
        )
        for state in ("allocated", "packed"):
            self.ask(
                f"move fulfilment: {state}",
                WEB_SHOP,
                f"POST {_FULFILLMENT}/transition",
                {"to": state},
                order_id=placed,
                fulfillment_id=fulfillment["id"],
            )

    def _hands_over(self) -> None:
        placed = self._placed()
        body = {**_shipment(""), "type": "pickup", "store_id": STORE, "shipments": []}
        route = f"POST {_ORDER}/fulfillments"
        pickup = self.ask("create pickup", WEB_SHOP, route, body, order_id=placed)
        for state in ("reserved", "preparing", "ready", "collected"):
            self.ask(
                f"move pickup: {state}",
                TILL,
                f"POST {_FULFILLMENT}/transition",
                {"to": state, **({"staff_id": "jo"} if state == "collected" else {})},
                order_id=placed,
                fulfillment_id=pickup["id"],
            )

    def _cancels(self) -> None:
        lines = {"reason": "out of stock", "lines": [{"line_id": "2", "quantity": 1}]}
        self.ask("cancel a line", WEB_SHOP, f"POST {_ORDER}/cancel", lines, order_id=self._placed())
        whole = {"reason": "customer changed their mind"}
        self.ask("cancel order", WEB_SHOP, f"POST {_ORDER}/cancel", whole, order_id=self._placed())

    def _reads(self) -> None:
        placed = self._placed()
        self.notebook.measured(BARE_GET, lambda: store().table.get(order_key(placed)))
        self.ask("get order, no parcel yet", STAFF, f"GET {_ORDER}", order_id=placed)

    def _placed(self) -> str:
        body = self.retailer.purchase(customer=a_member())
        return str(self.retailer.request(WEB_SHOP, "POST /orders", body)()["id"])


def _shipment(number: str) -> dict[str, Any]:
    return {
        "type": "ship",
        "lines": [{"line_id": str(line), "quantity": 1} for line in (1, 2, 3)],
        "shipments": [{"carrier": "UPS", "tracking_number": number}],
    }
