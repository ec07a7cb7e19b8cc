"""The operations that are measured alone, and a whole return of an order that has seen others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tandem_local.sandbox import Sandbox
from tandem_local.sandbox_payers import Call, stripe_view
from tandem_returns import consumers
from tandem_returns.ids import refund_id
from tandem_returns.store import book_key, store
from tools.bench.follower import RELAY, Follower, Way
from tools.bench.front import STAFF, TILL, WEB_SHOP, Caller, Repeat
from tools.bench.returns.shop import Shop, warm
from tools.bench.samples import BARE_GET, Notebook

QUOTE, OPEN, RECEIVE = "quote", "open return", "receive"
REFUND, EDGE, SETTLE = "refund", "webhook", "settle"
# In the order in which they come.
STEPS = (QUOTE, OPEN, RECEIVE, RELAY, REFUND, EDGE, SETTLE)
SMALL_BOOK, LARGE_BOOK = "open a book of 3 lines", "open a book of 30 lines"
# So many units can be brought back one by one, and some are left.
UNITS = 200
_MANY = 100

_RETURN = "/returns/{return_id}"
_LISTENERS = {
    "RefundsRule": (REFUND, consumers.refund),
    "InboxRule": (SETTLE, consumers.settle),
}


@dataclass(slots=True)
class Desk:
    """Runs operations of returns one after the other."""

    notebook: Notebook
    sandbox: Sandbox

    @property
    def shop(self) -> Shop:
        front = self.notebook.front
        assert isinstance(front, Shop)  # noqa: S101  the bench of returns has no other
        return front

    @property
    def follower(self) -> Follower:
        return Follower(self.notebook, "returns", consumers.relay, _LISTENERS)

    def round(self) -> None:
        self.shop.later(minutes=5)
        warm()
        self._hears()
        self._asks()
        self._ends()

    # --- one operation after the other --------------------------------------------------------

    def _hears(self) -> None:
        order = self.shop.placed()
        self.notebook.measured(SMALL_BOOK, self.shop.heard("order.placed", order))
        self.notebook.measured("units have arrived", self.shop.delivered(order))
        self.notebook.measured("points were earned", self.shop.earned(order))
        self.notebook.measured("points were redeemed", self.shop.captured())
        large = self.shop.placed([1] * 30)
        self.notebook.measured(LARGE_BOOK, self.shop.heard("order.placed", large))
        key = book_key(order["order_id"])
        self.notebook.measured(BARE_GET, lambda: store().table.get(key))

    def _asks(self) -> None:
        order = self.bought()
        asked = self._quote(order)
        quote = self.notebook.measured("quote, app or shop", asked)
        self.notebook.measured("quote, asked again", asked)
        exchange = self._quote(order, outcome="exchange")
        self.notebook.measured("quote of an exchange", exchange)
        execute = self.shop.request(WEB_SHOP, "POST /returns", {"quote_id": quote["id"]})
        back = self.notebook.measured("open return, approved at once", execute)
        self.notebook.measured("open return, asked again", execute)
        self.ask("get return", STAFF, f"GET {_RETURN}", return_id=back["id"])
        page = {"customer_id": order["customer_id"]}
        self.ask("returns of a customer", STAFF, "GET /returns", query=page)
        self.ask("search purchases of a customer", STAFF, "POST /purchases/search", page)
        code = self.ask("get code", STAFF, f"GET {_RETURN}/code", return_id=back["id"])
        body = {"code": code["code"]}
        self.ask("code at a counter: money is planned", TILL, "POST /codes/redeem", body)

    def _ends(self) -> None:
        order = self.bought()
        back = self.opened(order)
        received = self.ask(
            "receive: money is planned", STAFF, f"POST {_RETURN}/receive", {}, return_id=back["id"]
        )
        assert received["status"] == "in_progress"  # noqa: S101  else nothing is to be paid
        found = {"line_id": "1", "quantity": 1, "disposition": "restocked"}
        self.ask(
            "inspect, back on the shelf",
            STAFF,
            f"POST {_RETURN}/inspect",
            {"lines": [found]},
            return_id=back["id"],
        )

    def pages(self) -> None:
        """Quote for a customer who has ordered often."""
        customer_id = str(self.shop.placed()["customer_id"])
        orders = [self.bought(customer_id=customer_id) for _ in range(_MANY)]
        self.notebook.measured(f"quote, customer of {_MANY} orders", self._quote(orders[-1]))

    def ask(
        self, operation: str, caller: Caller, route: str, body: Any = None, **parts: Any
    ) -> Any:
        return self.notebook.measured(operation, self.shop.request(caller, route, body, **parts))

    # --- a whole return -----------------------------------------------------------------------

    def seen(self, earlier: int) -> Any:
        """Return an order of which so many single units have come back, each paid for."""
        order = self.bought([UNITS])
        for _ in range(earlier):
            self.shop.later(minutes=1)
            self.returned(order)
        return order

    def returned(self, order: Any) -> Way:
        """Bring one unit back, from the quote to the provider's word; return what it has cost."""
        follower = self.follower
        quote, quoted = self.notebook.taken(self._quote(order))
        body = {"quote_id": quote["id"]}
        execute = self.shop.request(WEB_SHOP, "POST /returns", body)
        back, opened = self.notebook.taken(execute)
        way: Way = {QUOTE: [quoted], OPEN: [opened]}
        _add(way, follower.follow(opened))
        receive = self.shop.request(STAFF, f"POST {_RETURN}/receive", {}, return_id=back["id"])
        _, received = self.notebook.taken(receive)
        _add(way, {RECEIVE: [received]}, follower.follow(received))
        _, heard = self.notebook.taken(self.shop.told(self._paid(back["id"])))
        _add(way, {EDGE: [heard]}, follower.follow(heard))
        return way

    def _paid(self, return_id: str) -> Any:
        """Return the refund of a return as Stripe has it. It must have been paid once."""
        query = {"refund_id": refund_id(return_id, 0)}
        answer = self.sandbox.answer(Call("GET", "/sandbox/refunds", query, {}, b""))
        (refund,) = answer.document["refunds"]
        return stripe_view(refund)

    # --- what others have done before ---------------------------------------------------------

    def bought(self, units: Any = (1, 1, 1), customer_id: str | None = None) -> Any:
        """Return an order that is known and has arrived."""
        order = self.shop.placed(units, customer_id)
        self.shop.heard("order.placed", order)()
        self.shop.delivered(order)()
        return order

    def opened(self, order: Any) -> Any:
        quote = self._quote(order)()
        return self.shop.request(WEB_SHOP, "POST /returns", {"quote_id": quote["id"]})()

    def _quote(self, order: Any, outcome: str = "refund") -> Repeat:
        line = {"line_id": "1", "quantity": 1, "reason": "changed_mind"}
        body = {
            "order_id": order["order_id"],
            "lines": [line],
            "outcome": outcome,
            "method": "mail",
        }
        return self.shop.request(WEB_SHOP, "POST /quotes", body)


def _add(way: Way, *others: Way) -> None:
    for other in others:
        for step, samples in other.items():
            way.setdefault(step, []).extend(samples)
