"""A third story: what is bought online and in store comes back, in parts, until all is as before.

Bea's points can be spent as soon as her parcel is there: a program of the demo's own says so, with
the rates of the default one. She spends some of them in a store, and then returns everything, at
counters of two stores. After each step the demo compares her points with its own arithmetic, and
what the payment provider has really paid back, by the provider's own ledger, with the cents that
it should have paid.

Like the other stories it goes through the public API alone, with a new customer in every run.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tandem_demo.client import Caller, Client, Refused
from tandem_demo.journeys import Told, heard
from tandem_demo.rules import value_minor
from tandem_demo.trackers import Scan, webhook
from tandem_demo.units import Article, Bought

PROGRAM_ID = "demo-at-the-door"
_ADMIN = Caller("admin", "demo")
_WEB_SHOP = Caller("integration", "web-shop")
_TILL, _OTHER_TILL = Caller("terminal", "store_12/till_3"), Caller("terminal", "store_7/till_1")
_ORDERS, _LOYALTY, _RETURNS = "/orders/v1", "/loyalty/v1", "/returns/v1"
_USED = "CODE_ALREADY_USED"
_NOT_YET = frozenset({"ORDER_NOT_FOUND", "POINTS_NOT_KNOWN_YET", "QUOTE_OUTDATED"})
_LAMPS = Article("1", "Desk lamp", 3, 10_000)
_RUG = Article("2", "Rug", 1, 4_999)
_VASE = Article("1", "Vase", 1, 3_000)
_POINTS_SPENT = 100

Json = dict[str, Any]


class Account(NamedTuple):
    """What a step comes to: points that Bea has (less what she owes), and cents on her card."""

    points: int
    paid_back_minor: int


class Turn(NamedTuple):
    """A step, with what the services and the provider say of it, and what the demo's books say."""

    step: str
    said: Account
    own: Account


class Comeback:
    """One customer, one run. `provider` speaks to the sandbox that pays for the local system."""

    def __init__(self, client: Client, provider: Client, name: str) -> None:
        self.client = client
        self.name = name
        self.app = Caller("customer", f"demo-{name}-back")
        self.told = Told(self.app.subject)
        self.turns: list[Turn] = []
        self._provider = provider
        self._account = ""
        self._points = 0
        self._paid_back_minor = 0
        self._charged_minor = 0
        self._orders: list[Json] = []
        self._keys = 0

    def tell(self) -> Told:
        """Tell the story. Raises Refused when a step is refused that should not be."""
        self.client.get_ready([_ADMIN, _WEB_SHOP, _TILL, _OTHER_TILL, self.app])
        self._enrol()
        online, receipt = Bought([_LAMPS, _RUG]), Bought([_VASE], points_paid=_POINTS_SPENT)
        order = self._buy_online(online)
        self._spend_in_store(receipt)
        self._return_half(order, online)
        self._return_rest(order, online)
        self._return_receipt(receipt)
        self._read_timeline()
        return self.told

    # --- buying ---

    def _enrol(self) -> None:
        at_the_door = {"mode": "return_window", "days": 0}
        program = {
            "name": "Points as soon as the parcel is there",
            "accrual_rules": [{"type": "spend", "id": "spend", "points": 1}],
            "point_value": {"points": 100, "value": _euros(value_minor(100))},
            "pending": {"web": at_the_door, "app": at_the_door},
        }
        path = f"{_LOYALTY}/programs/{PROGRAM_ID}"
        self.client.put("program", path, _ADMIN, program)
        account = {
            "customer_id": self.app.subject,
            "identifiers": [{"type": "email", "value": f"bea.{self.name}@example.com"}],
            "program_id": PROGRAM_ID,
        }
        self._account = self._post(f"{_LOYALTY}/accounts", _WEB_SHOP, account)["id"]

    def _buy_online(self, bought: Bought) -> Json:
        placed_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
        order = self._place("web", bought, [], placed_at)
        number = f"1Z{self.name.upper()}B"
        fulfillment = {
            "type": "ship",
            "lines": [_units_of(article, article.quantity) for article in bought.articles],
            "shipments": [{"carrier": "UPS", "tracking_number": number}],
        }
        self._post(f"{_ORDERS}/orders/{order['id']}/fulfillments", _WEB_SHOP, fulfillment)
        scans = [
            Scan("picked up", placed_at + timedelta(hours=1), "Hamburg"),
            Scan("delivered", placed_at + timedelta(hours=2), "Berlin"),
        ]
        for sender in ("easypost", "aftership"):
            message = webhook(sender, number, f"evt-{self.name}-back-{sender}", *scans)
            path = f"{_ORDERS}/webhooks/{sender}"
            self.client.deliver("webhook", path, message.body, message.headers)
        self._points += bought.earned
        self._see("online: three lamps and a rug, 149.99; scanned at her door")
        return order

    def _spend_in_store(self, bought: Bought) -> None:
        held = self._post(
            f"{_LOYALTY}/accounts/{self._account}/redemptions",
            _TILL,
            {"points": bought.points_paid, "location_id": "store_12"},
        )
        path = f"{_LOYALTY}/accounts/{self._account}/redemptions/{held['id']}/capture"
        self._post(path, _TILL, {})
        points = {
            "type": "points",
            "paid": _euros(value_minor(bought.points_paid)),
            "reference": held["id"],
        }
        self._place("pos", bought, [points], datetime.now(UTC))
        self._points += bought.earned - bought.points_paid
        self._see("store 12: a vase, 30.00, of it 1.00 with 100 points")

    def _place(
        self, channel: str, bought: Bought, tenders: list[Json], placed_at: datetime
    ) -> Json:
        """Place an order whose card payment the provider knows, so it pays back no more than it."""
        payment = f"pi_demo_{self.name}_{channel}"
        self._charged_minor += bought.card_minor
        charged = {"reference": payment, **_euros(bought.card_minor)}
        self._provider.deliver("sandbox", "/sandbox/payments", json.dumps(charged).encode(), {})
        body = {
            "source": "demo",
            "external_id": f"{self.name}-back-{channel}",
            "number": f"{self.name[:4].upper()}-BACK-{channel.upper()}",
            "channel": channel,
            "customer": {"customer_id": self.app.subject},
            "placed_at": placed_at.isoformat(),
            "currency": "EUR",
            "lines": [
                {
                    **_units_of(article, article.quantity),
                    "sku": article.name.lower().replace(" ", "-"),
                    "name": article.name,
                    "paid": _euros(article.paid_minor),
                }
                for article in bought.articles
            ],
            "tenders": [
                *tenders,
                {"type": "card", "paid": _euros(bought.card_minor), "reference": payment},
            ],
        }
        caller = _TILL if channel == "pos" else _WEB_SHOP
        order = self._post(f"{_ORDERS}/orders", caller, body)
        self._orders.append(order)
        return order

    # --- bringing it back ---

    def _return_half(self, order: Json, bought: Bought) -> None:
        back = self._open(order, {"1": 2}, self.app, "two of three lamps")
        code = self._get(f"{_RETURNS}/returns/{back['id']}/code", self.app)["code"]
        self._see("app: two lamps are too small; a code appears")
        keys = self._get(f"{_RETURNS}/keys", None)
        self.told.check(
            "a till without network reads in the code what comes back",
            read_offline(code, keys) == (back["id"], [["1", 2]]),
        )
        altered = f"{code[:-8]}AAAAAAAA"
        self.told.check("and refuses an altered one", read_offline(altered, keys) is None)
        self._post(f"{_RETURNS}/codes/redeem", _TILL, {"code": code})
        self._bring_back(bought, {"1": 2})
        self._see("store 12: the till reads the code and takes both")
        try:
            self._post(f"{_RETURNS}/codes/redeem", _OTHER_TILL, {"code": code})
        except Refused as refusal:
            self.told.check("the code is good for one time", refusal.code == _USED)
        else:
            self.told.check("a second use of the code is refused", holds=False)
        self._see("store 7: the same code again, refused")

    def _return_rest(self, order: Json, bought: Bought) -> None:
        rest = {"1": 1, "2": 1}
        self._bring(order, rest, _OTHER_TILL, "the rest of it")
        self._bring_back(bought, rest)
        self._see("store 7: the rest; she has spent more than she earned")
        returned = {"1": 3, "2": 1}
        self.told.check(
            "the order says that all of it came back",
            heard(lambda: self._returned(order) == returned),
        )

    def _return_receipt(self, bought: Bought) -> None:
        self._bring(self._orders[1], {"1": 1}, _TILL, "the vase")
        self._bring_back(bought, {"1": 1})
        self._see("store 12: the vase; its points come back as points")
        self.told.check(
            "all is as if nothing had been bought: no points, none pending, held or owed",
            set(self._balance().values()) == {0},
        )
        paid = self._really_paid()
        self.told.check(
            "the card has every cent back, in three payments",
            (sum(paid), len(paid)) == (self._charged_minor, 3),
        )

    def _bring(self, order: Json, units: Mapping[str, int], till: Caller, what: str) -> None:
        back = self._open(order, units, till, what)
        self._post(f"{_RETURNS}/returns/{back['id']}/receive", till, {})

    def _open(self, order: Json, units: Mapping[str, int], caller: Caller, what: str) -> Json:
        """Quote a return and execute the quote, once returns has heard of all that it depends on:
        the order, its delivery, the points that it has earned and was paid with."""
        wish = {
            "order_id": order["id"],
            "lines": [
                {"line_id": line_id, "quantity": count, "reason": "too_small"}
                for line_id, count in units.items()
            ],
            "outcome": "refund",
            "method": "store",
        }
        done: list[tuple[Json, Json]] = []

        def is_open() -> bool:
            try:
                quote = self._post(f"{_RETURNS}/quotes", caller, wish)
                if all(line["eligible"] for line in quote["lines"]):
                    back = self._post(f"{_RETURNS}/returns", caller, {"quote_id": quote["id"]})
                    done.append((quote, back))
            except Refused as refusal:
                if refusal.code not in _NOT_YET:
                    raise
            return bool(done)

        if not heard(is_open):
            raise Refused("return", 0, "NOT_RETURNABLE", f"{what} cannot be returned yet")
        quote, back = done[0]
        self.told.check(
            f"{what}: the return is worth what was quoted",
            [leg["paid"] for leg in back["refund"]["legs"]]
            == [leg["paid"] for leg in quote["refund"]["legs"]],
        )
        return back

    def _bring_back(self, bought: Bought, units: Mapping[str, int]) -> None:
        """Write in the demo's own books what units bring."""
        back = bought.give_back(units)
        self._points += back.points_restored - back.points_taken
        self._paid_back_minor += back.card_minor

    # --- what everybody sees ---

    def _see(self, step: str) -> None:
        """Wait until points and money are what they should be, and write down what they are."""
        own = Account(self._points, self._paid_back_minor)
        seen: list[Account] = []

        def agrees() -> bool:
            balance = self._balance()
            points = balance["available"] - balance["owed"]
            seen[:] = [Account(points, sum(self._really_paid()))]
            return seen[0] == own and not balance["pending"]

        self.told.check(f"{step}: {own.points} points, {own.paid_back_minor} cents", heard(agrees))
        self.turns.append(Turn(step, seen[0], own))

    def _balance(self) -> dict[str, int]:
        balance: dict[str, int] = self._get(f"{_LOYALTY}/accounts/{self._account}", self.app)[
            "balance"
        ]
        return balance

    def _really_paid(self) -> list[int]:
        """Ask the provider, not the services, what it has paid to the card."""
        return [
            refund["amount"]
            for order in self._orders
            for refund in self._provider.get(
                "sandbox", "/sandbox/refunds", None, order_id=order["id"]
            ).body["refunds"]
            if refund["status"] == "succeeded"
        ]

    def _returned(self, order: Json) -> dict[str, int]:
        seen = self._get(f"{_ORDERS}/orders/{order['id']}", self.app)
        return {line["line_id"]: line["returned"] for line in seen["lines"]}

    def _read_timeline(self) -> None:
        wanted = {
            "order.placed": 2,
            "shipment.delivered": 1,
            "redemption.captured": 1,
            "return.requested": 3,
            "return.received": 3,
            "refund.succeeded": 3,
            "return.closed": 3,
            "points.reversed": 3,
            "redemption.reversed": 1,
        }
        path = f"{_ORDERS}/customers/{self.app.subject}/timeline"

        def is_complete() -> bool:
            page = self.client.get("timeline", path, self.app, limit="100").body
            kinds = [entry["type"] for entry in page["entries"]]
            return all(kinds.count(kind) == count for kind, count in wanted.items())

        self.told.check("Bea's timeline tells every step, once", heard(is_complete))

    # --- over HTTP ---

    def _get(self, path: str, caller: Caller | None) -> Json:
        return self.client.get("read", path, caller).body

    def _post(self, path: str, caller: Caller, body: Json) -> Json:
        self._keys += 1
        key = f"{self.name}-back-{self._keys}"
        return self.client.post(path.rpartition("/")[2], path, caller, body, key).body


def _euros(minor: int) -> Json:
    return {"amount": minor, "currency": "EUR"}


def _units_of(article: Article, quantity: int) -> Json:
    return {"line_id": article.line_id, "quantity": quantity}


def read_offline(code: str, key_set: Json) -> tuple[str, list[list[object]]] | None:
    """Return the return and the units that a code names, None where nobody of ours signed it."""
    header, claims, signature = code.split(".")
    key_id = json.loads(_decoded(header))["kid"]
    keys = {key["kid"]: key["x"] for key in key_set["keys"]}
    public = Ed25519PublicKey.from_public_bytes(_decoded(keys[key_id]))
    try:
        public.verify(_decoded(signature), f"{header}.{claims}".encode())
    except InvalidSignature:
        return None
    said = json.loads(_decoded(claims))
    return said["ret"], said["lin"]


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
