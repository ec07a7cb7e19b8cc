"""The operations that are measured, as one round of a member's day.

A round does each operation once and leaves nothing open: no hold, no pending order. It writes
eleven entries, and 11 and 32 have no common divisor, so over 32 rounds every operation writes an
entry that carries a snapshot.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tandem_core.clock import rfc3339
from tandem_core.table import Table
from tandem_loyalty.store import account_key
from tools.bench.front import STAFF, TILL, WEB_SHOP, Caller
from tools.bench.loyalty.shop import Shop
from tools.bench.samples import BARE_GET, Notebook, Sample

_ACCOUNT = "/accounts/{account_id}"
_REDEMPTION = _ACCOUNT + "/redemptions/{redemption_id}"

FIRST_PURCHASE = "accumulate, first of all"
TWO_CALLS_FIVE_UNITS = ("accumulate, till", "accumulate, web, pending", "authorize")


@dataclass(slots=True)
class Member:
    """An account that operations are run on."""

    shop: Shop
    notebook: Notebook
    table: Table
    account_id: str

    def round(self) -> None:
        self.shop.later(minutes=5)
        self._reads()
        self._earns()
        self._spends()
        self._corrects()

    def buy(self, operation: str) -> None:
        purchase = {"purchase": self.shop.purchase("pos")}
        self.ask(operation, TILL, f"POST {_ACCOUNT}/accumulate", purchase)

    def ask(
        self, operation: str, caller: Caller, route: str, body: Any = None, **parts: Any
    ) -> Any:
        request = self.shop.request(caller, route, body, account_id=self.account_id, **parts)
        return self.notebook.measured(operation, request)

    def _reads(self) -> None:
        self.notebook.measured(BARE_GET, lambda: self.table.get(account_key(self.account_id)))
        self.ask("get account", TILL, f"GET {_ACCOUNT}")
        self.ask("balance, now", TILL, f"GET {_ACCOUNT}/balance")
        before = {"as_of": rfc3339(self.shop.now - timedelta(hours=1))}
        self.ask("balance, an hour ago", TILL, f"GET {_ACCOUNT}/balance", query=before)
        self.ask("ledger page of 50", TILL, f"GET {_ACCOUNT}/events")
        purchase = {"purchase": self.shop.purchase("pos")}
        self.ask("calculate", TILL, f"POST {_ACCOUNT}/calculate", purchase)

    def _earns(self) -> None:
        route = f"POST {_ACCOUNT}/accumulate"
        at_till = self.shop.request(
            TILL, route, {"purchase": self.shop.purchase("pos")}, account_id=self.account_id
        )
        self.notebook.measured("accumulate, till", at_till)
        self.notebook.measured("accumulate, replayed", at_till)
        order = self.shop.purchase("web")
        self.ask("accumulate, web, pending", WEB_SHOP, route, {"purchase": order})
        refund = {
            "refund_id": str(uuid.uuid4()),
            "order_id": order["order_id"],
            "lines": [{"line_id": line["line_id"], "quantity": 1} for line in order["lines"]],
        }
        self.notebook.measured(
            "order reversal by event", self.shop.event("refund.succeeded", refund)
        )

    def _spends(self) -> None:
        self._spend("void", None)
        self._spend("capture, whole", {})
        captured = self._spend("capture, part", {"points": 4})
        route = f"POST {_REDEMPTION}/reverse"
        self.ask("reverse", STAFF, route, {"points": 2}, redemption_id=captured)

    def _spend(self, operation: str, body: Any) -> str:
        """Hold points and end the hold; return the redemption's id."""
        basket = {"points": 10, "order_id": self.shop.purchase("pos")["order_id"]}
        hold = self.ask("authorize", TILL, f"POST {_ACCOUNT}/redemptions", basket)
        route = f"POST {_REDEMPTION}/{operation.partition(',')[0]}"
        self.ask(operation, TILL, route, body, redemption_id=hold["id"])
        return str(hold["id"])

    def _corrects(self) -> None:
        body = {"points": 5, "reason": "goodwill: the queue was long"}
        self.ask("adjust", STAFF, f"POST {_ACCOUNT}/adjust", body)


def enrol(shop: Shop, notebook: Notebook, table: Table) -> tuple[Member, Sample]:
    """Open an account as most are: known by the retailer's id and by an e-mail address."""
    unique = uuid.uuid4()
    body = {
        "customer_id": f"cus_{unique.hex[:26].upper()}",
        "identifiers": [{"type": "email", "value": f"{unique.hex[:12]}@example.com"}],
    }
    account, sample = notebook.taken(shop.request(WEB_SHOP, "POST /accounts", body))
    return Member(shop, notebook, table, account["id"]), sample
