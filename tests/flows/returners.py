"""A customer who brings things back, and what all who take part do for them over HTTP."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.flows.conftest import Cloud, Ear, Reply
from tests.flows.customers import LOYALTY, Customer

RETURNS = "/returns/v1"
TILL_PAGE = Path(__file__).resolve().parents[2] / "docs" / "till.md"

Json = dict[str, Any]


def euros(amount: int) -> Json:
    return {"amount": amount, "currency": "EUR"}


def line(line_id: str, quantity: int, amount: int, sku: str = "lamp") -> Json:
    return {
        "line_id": line_id,
        "sku": sku,
        "name": sku.title(),
        "quantity": quantity,
        "paid": euros(amount),
    }


class Returner(Customer):
    """One customer of a shop whose points can be spent as soon as the goods are there, so that they
    are spent while the goods can still come back. A hundred points take 10.00 off a price."""

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.cloud: Cloud = cloud
        self.admin = cloud.token("admin", "root")
        self.account_id = ""

    # --- what is asked ---

    @property
    def balance(self) -> dict[str, int]:
        balance: dict[str, int] = self.get(f"{LOYALTY}/accounts/{self.account_id}")["balance"]
        return balance

    def back(self, return_id: str, token: str | None = None) -> Json:
        back: Json = self.get(f"{RETURNS}/returns/{return_id}", token)
        return back

    def backs(self, order: Json) -> list[Json]:
        backs: list[Json] = self.get(f"{RETURNS}/returns?order_id={order['id']}")["returns"]
        return backs

    def paid(self, order: Json) -> list[Json]:
        """Return what providers have really paid back for an order, by their own ledger."""
        refunds: list[Json] = self.cloud.sandbox("GET", f"/refunds?order_id={order['id']}")[
            "refunds"
        ]
        return [refund for refund in refunds if refund["status"] == "succeeded"]

    # --- what is done ---

    def post(self, path: str, token: str, body: Any = None, status: int = 201) -> Json:
        reply = self.cloud.call("POST", path, token, {} if body is None else body)
        assert reply.status == status, reply.body
        answer: Json = reply.body
        return answer

    def put(self, path: str, body: Json) -> None:
        reply = self.cloud.call("PUT", path, self.admin, body)
        assert reply.status == 200, reply.body

    def join(self, points: int) -> None:
        """Become a member of a program of their own, with some points to begin with."""
        at_once = {"mode": "return_window", "days": 0}
        program = {
            "name": "Spent while it can come back",
            "accrual_rules": [{"type": "spend", "id": "spend", "points": 1}],
            "point_value": {"points": 100, "value": euros(1_000)},
            "pending": {"web": at_once, "app": at_once},
        }
        self.put(f"{LOYALTY}/programs/{self.run}", program)
        member = {
            "customer_id": self.id,
            "identifiers": [{"type": "email", "value": self.email}],
            "program_id": self.run,
        }
        self.account_id = self.post(f"{LOYALTY}/accounts", self.shop, member)["id"]
        account = f"{LOYALTY}/accounts/{self.account_id}"
        self.post(f"{account}/adjust", self.staff, {"points": points, "reason": "welcome"})

    def spend(self, points: int) -> str:
        """Pay with points at the till; return the redemption's id."""
        account = f"{LOYALTY}/accounts/{self.account_id}"
        held = self.post(
            f"{account}/redemptions", self.till, {"points": points, "location_id": "store_12"}
        )
        path = f"{account}/redemptions/{held['id']}"
        self.post(f"{path}/capture", self.till, status=200)
        redemption_id: str = held["id"]
        return redemption_id

    def receipt(self, *lines: Json, tenders: list[Json] | None = None, **more: Any) -> Json:
        """Buy at the till and carry it away; return the order once it can come back."""
        paid = sum(one["paid"]["amount"] for one in lines)
        tenders = tenders or [self.card(paid)]
        order = self.place(
            more.pop("name", "till"), channel="pos", lines=list(lines), tenders=tenders, **more
        )
        self.wait_returnable(order)
        return order

    def card(self, amount: int, name: str = "1") -> Json:
        return {"type": "card", "paid": euros(amount), "reference": f"pi_{self.run}_{name}"}

    def wait_returnable(self, order: Json) -> None:
        """Wait until returns knows that all of an order is with its customer."""

        def is_there() -> bool:
            found = self.post(
                f"{RETURNS}/purchases/search", self.till, {"customer_id": self.id}, 200
            )
            return any(
                one["order_id"] == order["id"]
                and all(part["returnable"] == part["quantity"] for part in one["lines"])
                for one in found["orders"]
            )

        self.cloud.wait_until(is_there)

    def ask(self, order: Json, units: Mapping[str, int], token: str, **changes: Any) -> Reply:
        """Ask what it would be worth to bring units back to a counter."""
        reason = changes.pop("reason", "too_small")
        body = {
            "order_id": order["id"],
            "lines": [
                {"line_id": line_id, "quantity": count, "reason": reason}
                for line_id, count in units.items()
            ],
            "outcome": "refund",
            "method": "store",
            **changes,
        }
        return self.cloud.call("POST", f"{RETURNS}/quotes", token, body)

    def quote(
        self, order: Json, units: Mapping[str, int], token: str | None = None, **changes: Any
    ) -> Json:
        reply = self.ask(order, units, token or self.token, **changes)
        assert reply.status == 201, reply.body
        quote: Json = reply.body
        return quote

    def open(self, quote: Json, token: str | None = None, **more: Any) -> Json:
        """Execute a quote."""
        body = {"quote_id": quote["id"], **more}
        return self.post(f"{RETURNS}/returns", token or self.token, body)

    def bring(self, order: Json, units: Mapping[str, int], token: str | None = None) -> Json:
        """Bring units to a counter, begun and ended there; return the return."""
        till = token or self.till
        back = self.open(self.quote(order, units, till), till)
        return self.post(f"{RETURNS}/returns/{back['id']}/receive", till, status=200)

    def wait_resolved(self, back: Json) -> Json:
        """Wait until all of a return has come and been paid, and return it as it is then."""
        self.cloud.wait_until(lambda: self.back(back["id"])["status"] == "resolved")
        return self.back(back["id"])

    def break_provider(self, order: Json, kind: str, **more: Any) -> None:
        """Let whoever is asked to pay for an order misbehave."""
        match = {"order_id": order["id"], **more.pop("match", {})}
        self.cloud.sandbox("POST", "/faults", {"kind": kind, "match": match, **more})


def claims_at_till(code: str, key_set: Json) -> Json | None:
    """Read a code as a till does that has only the keys: by the very example of docs/till.md."""
    found = re.search(r"```python\n(.*?)```", TILL_PAGE.read_text(), re.DOTALL)
    assert found
    example: dict[str, Any] = {}
    exec(compile(found[1], TILL_PAGE.name, "exec"), example)  # noqa: S102
    claims: Json | None = example["claims_of"](code, key_set, datetime.now(UTC).timestamp())
    return claims


def say_again(cloud: Cloud, ear: Ear, seed: int) -> None:
    """Publish all events so far twice more, in any order, and wait for what comes of it."""
    again = ear.heard() * 2
    random.Random(seed).shuffle(again)
    cloud.publish_again(again)
    cloud.settle()
