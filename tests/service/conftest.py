"""The loyalty service in one process: its real Chalice app and consumers, over moto."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tandem_core import http, outbox, settings, table
from tandem_core.auth import ROLE_SCOPES, Role
from tandem_core.clock import rfc3339
from tandem_core.events import Envelope, envelope_json
from tandem_core.journal import Entry, entry_of
from tandem_core.table import Table
from tandem_loyalty import consumers, main
from tandem_loyalty import store as store_module
from tandem_loyalty.store import Store

BUS = "tandem-test"
START = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def replayed(self) -> bool:
        return self.headers.get("Idempotent-Replayed") == "true"


@dataclass
class Loyalty:
    """A shop's view of the service: requests, events and a clock that stands still."""

    store: Store
    now: datetime = START
    keys: Iterator[int] = field(default_factory=itertools.count)

    def call(  # noqa: PLR0913
        self,
        method: str,
        route: str,
        body: Any = None,
        *,
        role: str = "integration",
        subject: str = "shop",
        key: str | None = None,
        scope: str | None = None,
        store_id: str = "store_12",
        headers: dict[str, str] | None = None,
        raw: str | None = None,
        query: dict[str, str] | None = None,
        **parts: str,
    ) -> Reply:
        """Call a route as API Gateway would, behind the authorizer."""
        resource = "/v1" + route
        sent = {"Content-Type": "application/json", **(headers or {})}
        if method == "POST" and key != "":
            sent.setdefault("Idempotency-Key", key or f"key-{next(self.keys)}")
        scopes = " ".join(ROLE_SCOPES[Role(role)]) if scope is None else scope
        terminal = {"store_id": store_id, "terminal_id": "till_3"} if role == "terminal" else {}
        event = {
            "requestContext": {
                "resourcePath": resource,
                "httpMethod": method,
                "path": resource.format(**parts),
                "authorizer": {"sub": subject, "role": role, "scope": scopes, **terminal},
            },
            "headers": sent,
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": parts,
            "stageVariables": None,
            "isBase64Encoded": False,
            "body": raw if raw is not None else None if body is None else json.dumps(body),
        }
        answer = main.app(event, None)
        return Reply(answer["statusCode"], json.loads(answer["body"]), answer["headers"])

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

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


def create_table(name: str) -> None:
    boto3.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("pk", "sk", "subject", "at", "due_shard", "due_at")
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        GlobalSecondaryIndexes=[
            _index("ledger", "subject", "at", "ALL"),
            _index("due", "due_shard", "due_at", "KEYS_ONLY"),
        ],
    )


def _index(name: str, partition: str, sort: str, projection: str) -> Any:
    return {
        "IndexName": name,
        "KeySchema": [
            {"AttributeName": partition, "KeyType": "HASH"},
            {"AttributeName": sort, "KeyType": "RANGE"},
        ],
        "Projection": {"ProjectionType": projection},
    }


@pytest.fixture
def loyalty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loyalty]:
    """A fresh loyalty service. `loyalty.now` is its clock."""
    environment = {
        "TANDEM_SERVICE": "loyalty",
        "TANDEM_STAGE": "test",
        "TANDEM_TABLE": "loyalty-test",
        "TANDEM_BUS": BUS,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cached = (
        settings.service_settings,
        table.dynamodb_client,
        outbox._events_client,
        store_module.store,
    )
    with mock_aws():
        for one in cached:
            one.cache_clear()
        create_table("loyalty-test")
        boto3.client("events").create_event_bus(Name=BUS)
        service = Loyalty(Store(Table("loyalty-test")))
        monkeypatch.setattr(http, "utc_now", lambda: service.now)
        yield service
        for one in cached:
            one.cache_clear()
