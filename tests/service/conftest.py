"""The services in one process: their real Chalice apps and consumers, over moto."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.events import Envelope, envelope_json
from tandem_core.journal import Entry, entry_of
from tandem_core.table import Table
from tandem_loyalty import consumers, main
from tandem_loyalty import store as store_module
from tandem_loyalty.store import Store
from tests.service.orders_service import Orders, orders_service
from tests.service.returns_service import Returns, returns_service
from tests.service.services import BUS, START, Reply, Service, running, tell_time

# It checks what the tests inherit: a failure in it is explained as in a test.
pytest.register_assert_rewrite("tests.service.every_route")

__all__ = ["BUS", "START", "Loyalty", "Orders", "Reply", "Returns", "purchase"]


@dataclass
class Loyalty(Service[Store]):
    """A shop's view of the service: requests, events and a clock that stands still."""

    app = main.app

    def enrol(self, **body: Any) -> str:
        """Open an account and return its id."""
        body.setdefault("identifiers", [])
        if not body["identifiers"]:
            body.setdefault("customer_id", f"cus_{next(self.keys)}")
        reply = self.call("POST", "/accounts", body)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def account(self, account_id: str) -> Any:
        reply = self.call("GET", "/accounts/{account_id}", account_id=account_id)
        assert reply.status == 200, reply.body
        return reply.body

    def balance(self, account_id: str) -> dict[str, int]:
        balance: dict[str, int] = self.account(account_id)["balance"]
        return balance

    def accumulate(self, account_id: str, body: Any, **options: Any) -> Reply:
        return self.call(
            "POST", "/accounts/{account_id}/accumulate", body, account_id=account_id, **options
        )

    def buy(self, account_id: str, amount: int, order_id: str, **options: Any) -> Reply:
        """Accumulate a purchase of one line; the till's channel unless told."""
        channel = options.pop("channel", "pos")
        occurred_at = options.pop("occurred_at", self.now)
        body = {"purchase": purchase(order_id, [amount], channel, occurred_at)}
        return self.accumulate(account_id, body, **options)

    def redeem(self, account_id: str, points: int, **options: Any) -> Reply:
        body = {"points": points, **options.pop("body", {})}
        return self.call(
            "POST", "/accounts/{account_id}/redemptions", body, account_id=account_id, **options
        )

    def redemption(
        self, verb: str, account_id: str, redemption_id: str, body: Any = None, **options: Any
    ) -> Reply:
        return self.call(
            "POST",
            "/accounts/{account_id}/redemptions/{redemption_id}/" + verb,
            body,
            account_id=account_id,
            redemption_id=redemption_id,
            **options,
        )

    def events(self, account_id: str) -> list[Any]:
        reply = self.call(
            "GET", "/accounts/{account_id}/events", query={"limit": "200"}, account_id=account_id
        )
        assert reply.status == 200, reply.body
        events: list[Any] = reply.body["events"]
        return events

    def entries(self, account_id: str) -> list[Entry]:
        """Read the journal as it is stored, oldest first."""
        page = self.store.table.query("subject = :s", {":s": account_id}, index="ledger")
        return [entry_of(item) for item in page.items]

    def hear(self, kind: str, data: Any, event_id: str | None = None) -> None:
        """Deliver an event of another service."""
        envelope = Envelope(
            specversion="1.0",
            id=event_id or f"evt_{next(self.keys)}",
            source="tandem.orders",
            type=kind,
            subject=str(data.get("order_id", "")),
            time=rfc3339(self.now),
            dataschema=f"urn:tandem:event:{kind}:1",
            tandemseq=1,
            actor="integration:shop",
            channel="web",
            data=data,
        )
        consumers.hear(self.store, envelope, self.now)

    def hear_own(self, account_id: str) -> None:
        """Deliver the account's own entries back to the service, as the bus does."""
        for entry in self.entries(account_id):
            envelope = Envelope.model_validate_json(envelope_json("tandem.loyalty", entry))
            consumers.hear(self.store, envelope, self.now)


def purchase(
    order_id: str, amounts: list[int], channel: str = "pos", occurred_at: datetime = START
) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "channel": channel,
        "occurred_at": rfc3339(occurred_at),
        "lines": [
            {
                "line_id": str(number),
                "sku": f"sku-{number}",
                "quantity": 1,
                "paid": {"amount": amount, "currency": "EUR"},
            }
            for number, amount in enumerate(amounts, start=1)
        ],
    }


@pytest.fixture
def loyalty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loyalty]:
    """A fresh loyalty service. `loyalty.now` is its clock."""
    indexes = {
        "ledger": ("subject", "at", "ALL"),
        "due": ("due_shard", "due_at", "KEYS_ONLY"),
    }
    with running(monkeypatch, "loyalty", indexes, [store_module.store]):
        service = Loyalty(Store(Table("loyalty-test")))
        tell_time(monkeypatch, lambda: service.now)
        yield service


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Orders]:
    """A fresh orders service, its secrets and its queues. `orders.now` is its clock."""
    yield from orders_service(monkeypatch)


@pytest.fixture
def returns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Returns]:
    """A fresh returns service with a sandbox that pays. `returns.now` is its clock."""
    yield from returns_service(monkeypatch, tmp_path)
