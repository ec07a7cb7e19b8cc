"""Two stories of one customer: a parcel that is followed to the door, and a click-and-collect.

Every step goes through the public API as the one who takes it: web shop, app, till, aggregators of
carriers, and somebody who only has the link. After each of them the demo asks what every channel
sees now, waits for what it should see, and writes down whether it did.

The customer is a new one in every run: a story that was told before would show its end only. What
takes a parcel days happens here as fast as everybody has seen it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tandem_demo.client import Caller, Client, Refused
from tandem_demo.trackers import Aggregator, Scan, webhook

_WEB_SHOP = Caller("integration", "web-shop")
_STORE, _TILL = "store_12", Caller("terminal", "store_12/till_3")
_ORDERS = "/orders/v1"
_SECONDS_TO_HEAR = 30.0
_POLL_SECONDS = 0.1
_PRICE_MINOR = 4_900
_WRONG_CODE = "PICKUP_CODE_INVALID"

Json = dict[str, Any]


class Sight(NamedTuple):
    """A step, and what the app, the shop's tills and the holder of the link see after it."""

    step: str
    app: str
    till: str
    link: str


class Line(NamedTuple):
    """An entry of the timeline in two languages."""

    at: str
    channel: str
    english: str
    german: str


@dataclass
class Told:
    """What a run of the stories has shown. `wrong` are the expectations that did not hold."""

    customer_id: str
    parcel: list[Sight] = field(default_factory=list)
    pickup: list[Sight] = field(default_factory=list)
    timeline: list[Line] = field(default_factory=list)
    link: str = ""
    checks: int = 0
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, holds: bool) -> None:  # noqa: FBT001  the one thing it is told
        self.checks += 1
        if not holds:
            self.wrong.append(what)


class Journey:
    """One customer, one run. `name` is unique among all runs against one system."""

    def __init__(self, client: Client, base_url: str, name: str) -> None:
        self.client = client
        self.name = name
        self.app = Caller("customer", f"demo-{name}")
        self.email = f"ada.{name}@example.com"
        self.told = Told(self.app.subject)
        self._base_url = base_url
        self._messages = 0
        self._latest = datetime.min.replace(tzinfo=UTC)

    def tell(self) -> Told:
        """Tell both stories and read the timeline. Raises Refused when a step is refused."""
        self.client.get_ready([_WEB_SHOP, _TILL, self.app])
        account = {
            "customer_id": self.app.subject,
            "identifiers": [{"type": "email", "value": self.email}],
        }
        self.client.post("enrol", "/loyalty/v1/accounts", _WEB_SHOP, account, f"{self.name}-enrol")
        self._tell_parcel()
        self._tell_pickup()
        self._read_timeline()
        return self.told

    # --- to the door ---

    def _tell_parcel(self) -> None:
        number = f"1Z{self.name.upper()}"
        order = self._place("web")
        order_id = order["id"]
        token = order["tracking_token"]
        self.told.link = f"{self._base_url}{_ORDERS}/tracking/{token}"

        def see(step: str, order_status: str, parcel: str | None, scans: int) -> None:
            self.told.parcel.append(self._sight(step, order_id, token, order_status, parcel, scans))

        see("Ada orders a lamp in the web shop", "placed", None, 0)
        parcel = {"carrier": "UPS", "tracking_number": number}
        self._fulfil(order_id, type="ship", shipments=[parcel])
        see(f"the warehouse prints a label: UPS {number}", "confirmed", "pending", 0)
        collected = Scan("picked up", self._moment(), "Hamburg")
        hub = Scan("in transit", self._moment(), "Hannover")
        self._hear("aftership", number, hub)
        see(f"AfterShip: in Hannover at {_time(hub.at)}", "in_progress", "in_transit", 1)
        self._hear("easypost", number, collected)
        step = f"EasyPost, too late: collected at {_time(collected.at)}"
        see(step, "in_progress", "in_transit", 2)
        van = Scan("out for delivery", self._moment(), "Berlin")
        self._hear("easypost", number, collected, hub, van)
        see(f"EasyPost: on the van at {_time(van.at)}", "in_progress", "out_for_delivery", 3)
        door = Scan("delivered", self._moment(), "Berlin")
        self._hear("aftership", number, hub, van, door)
        see(f"AfterShip: delivered at {_time(door.at)}", "completed", "delivered", 4)
        self._hear("easypost", number, van)
        self._hear("easypost", number, hub, Scan("in transit", self._moment(), "Potsdam"))
        self.told.check(
            "the parcel has five scans, each once, and the stray one stands aside",
            heard(lambda: self._superseded(number) == [False] * 4 + [True]),
        )
        see("EasyPost repeats itself, and adds a stray scan", "completed", "delivered", 4)
        public = self.client.get("tracking link", f"{_ORDERS}/tracking/{token}", None).body
        shown = str(public)
        self.told.check(
            "the public link shows no personal data",
            not any(secret in shown for secret in (self.email, self.app.subject, number)),
        )

    def _superseded(self, number: str) -> list[bool]:
        """Return of each scan of the parcel, oldest first, whether it stands aside."""
        parcel = self.client.get(
            "parcel", f"{_ORDERS}/shipments", _WEB_SHOP, carrier="ups", tracking_number=number
        ).body
        return [scan["superseded"] for scan in reversed(parcel["scans"])]

    def _hear(self, sender: Aggregator, number: str, *scans: Scan) -> None:
        self._messages += 1
        message = webhook(sender, number, f"evt-{self.name}-{self._messages}", *scans)
        path = f"{_ORDERS}/webhooks/{sender}"
        self.client.deliver("webhook", path, message.body, message.headers)

    # --- to the counter ---

    def _tell_pickup(self) -> None:
        order = self._place("app")
        order_id, token = order["id"], order["tracking_token"]

        def see(step: str, order_status: str, state: str) -> Json:
            sight, pickup = self._sight_of_pickup(step, order_id, token, order_status, state)
            self.told.pickup.append(sight)
            return pickup

        pickup = self._fulfil(order_id, type="pickup", store_id=_STORE)
        see("Ada orders a lamp in the app, to collect", "confirmed", "proposed")
        self._move(pickup, "reserved")
        see("the store puts one aside", "confirmed", "reserved")
        self._move(pickup, "preparing")
        self._move(pickup, "ready")
        mine = see("it is ready: Ada gets a code", "in_progress", "ready")
        code = str(mine["pickup_code"])
        self.told.check("Ada has a code of six digits", code.isdigit() and len(code) == 6)  # noqa: PLR2004
        theirs = self._pickup(order_id, _TILL)
        self.told.check("the till is not shown the code", theirs["pickup_code"] is None)
        self._move(pickup, "checked_in", self.app)
        see("Ada says in the app that she is here", "in_progress", "checked_in")
        try:
            self._move(pickup, "collected", pickup_code=f"{(int(code) + 1) % 10**6:06d}")
        except Refused as refusal:
            self.told.check("a wrong code is refused by name", refusal.code == _WRONG_CODE)
        else:
            self.told.check("a wrong code is refused", holds=False)
        see("the till types a wrong code: refused", "in_progress", "checked_in")
        self._move(pickup, "collected", pickup_code=code)
        see("the till types the right code", "completed", "collected")

    def _move(self, pickup: Json, to: str, caller: Caller = _TILL, **shown: str) -> None:
        path = f"{_ORDERS}/orders/{pickup['order_id']}/fulfillments/{pickup['id']}/transition"
        self._messages += 1
        body = {"to": to, **shown}
        self.client.post("pickup", path, caller, body, f"{self.name}-move-{self._messages}")

    # --- what everybody does ---

    def _moment(self) -> datetime:
        """Return a second that has come and that nothing else in the story has happened in."""
        while (moment := datetime.now(UTC).replace(microsecond=0)) <= self._latest:
            time.sleep(_POLL_SECONDS)
        self._latest = moment
        return moment

    def _place(self, channel: str) -> Json:
        paid = {"amount": _PRICE_MINOR, "currency": "EUR"}
        body = {
            "source": "demo",
            "external_id": f"{self.name}-{channel}",
            "number": f"{self.name[:4].upper()}-{channel.upper()}",
            "channel": channel,
            "customer": {"customer_id": self.app.subject, "email": self.email},
            "placed_at": self._moment().isoformat(),
            "currency": "EUR",
            "lines": [
                {"line_id": "1", "sku": "lamp", "name": "Desk lamp", "quantity": 1, "paid": paid}
            ],
            "tenders": [{"type": "card", "paid": paid}],
        }
        key = f"{self.name}-order-{channel}"
        return self.client.post("order", f"{_ORDERS}/orders", _WEB_SHOP, body, key).body

    def _fulfil(self, order_id: str, **what: object) -> Json:
        body = {"lines": [{"line_id": "1", "quantity": 1}], **what}
        path = f"{_ORDERS}/orders/{order_id}/fulfillments"
        return self.client.post(
            "fulfilment", path, _WEB_SHOP, body, f"{self.name}-{what['type']}"
        ).body

    def _order(self, order_id: str, caller: Caller) -> Json:
        return self.client.get("order", f"{_ORDERS}/orders/{order_id}", caller).body

    def _pickup(self, order_id: str, caller: Caller) -> Json:
        fulfillment: Json = self._order(order_id, caller)["fulfillments"][0]
        return fulfillment

    # --- what everybody sees ---

    def _sight(  # noqa: PLR0913  what each of them should see
        self,
        step: str,
        order_id: str,
        token: str,
        order_status: str,
        parcel: str | None,
        scans: int,
    ) -> Sight:
        """Wait until all see the same, and all of what has been said of the parcel."""
        seen: dict[str, tuple[str, str | None]] = {}
        links: list[str] = []

        def is_seen() -> bool:
            for name, caller in (("app", self.app), ("till", _TILL)):
                order = self._order(order_id, caller)
                parcels = [one["status"] for one in order["shipments"]]
                seen[name] = (order["status"], parcels[0] if parcels else None)
            public = self.client.get("tracking link", f"{_ORDERS}/tracking/{token}", None).body
            shown = public["parcels"]
            seen["link"] = (public["status"], shown[0]["status"] if shown else None)
            known = len(shown[0]["scans"]) if shown else 0
            links[:] = [public["status"] + (f", scans: {known}" if known else "")]
            return known == scans and set(seen.values()) == {(order_status, parcel)}

        self.told.check(f"{step}: {order_status}, {parcel}, {scans} scans", heard(is_seen))
        return Sight(step, _said(seen["app"]), _said(seen["till"]), links[0])

    def _sight_of_pickup(
        self, step: str, order_id: str, token: str, order_status: str, state: str
    ) -> tuple[Sight, Json]:
        seen: dict[str, tuple[str, str]] = {}
        mine: Json = {}

        def is_seen() -> bool:
            for name, caller in (("app", self.app), ("till", _TILL)):
                order = self._order(order_id, caller)
                fulfillment = order["fulfillments"][0]
                seen[name] = (order["status"], fulfillment["state"])
                if caller is self.app:
                    mine.update(fulfillment)
            public = self.client.get("tracking link", f"{_ORDERS}/tracking/{token}", None).body
            seen["link"] = (public["status"], public["fulfillments"][0]["state"])
            return set(seen.values()) == {(order_status, state)}

        self.told.check(f"{step}: {order_status}, {state}", heard(is_seen))
        code = f", code {mine['pickup_code']}" if mine["pickup_code"] else ""
        sight = Sight(step, _said(seen["app"]) + code, _said(seen["till"]), _said(seen["link"]))
        return sight, mine

    def _read_timeline(self) -> None:
        """Read the customer's timeline in two languages, once both stories have arrived there."""
        path = f"{_ORDERS}/customers/{self.app.subject}/timeline"
        wanted = {
            "account.enrolled": 1,
            "order.placed": 2,
            "points.pending": 2,
            "shipment.delivered": 1,
            "pickup.ready": 1,
            "pickup.collected": 1,
            "order.completed": 2,
        }
        read: dict[str, list[Json]] = {}

        def is_complete() -> bool:
            for language in ("en", "de"):
                page = self.client.get("timeline", path, self.app, language=language, limit="100")
                read[language] = page.body["entries"]
            kinds = [entry["type"] for entry in read["en"]]
            return all(kinds.count(kind) == count for kind, count in wanted.items())

        self.told.check("the timeline tells both orders, once", heard(is_complete))
        english, german = read["en"], read["de"]
        self.told.check(
            "both languages tell the same",
            [entry["id"] for entry in english] == [entry["id"] for entry in german],
        )
        self.told.timeline = [
            Line(_time(datetime.fromisoformat(one["occurred_at"])), one["channel"], text, other)
            for one, text, other in zip(
                english,
                (entry["text"] for entry in english),
                (entry["text"] for entry in german),
                strict=False,
            )
        ]


def heard(look: Callable[[], bool]) -> bool:
    """Look until it is seen: what is told over the bus takes a moment. False after the deadline."""
    deadline = time.monotonic() + _SECONDS_TO_HEAR
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _said(seen: tuple[str, str | None]) -> str:
    return ", ".join(part for part in seen if part)


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%H:%M:%S")
