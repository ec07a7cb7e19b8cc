"""What the harnesses of all services share: a service in one process, called as AWS calls it.

A service is its real Chalice app and its real consumers over moto. Its clock stands still unless a
test moves it.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import boto3
import pytest
from chalice.app import Chalice
from moto import mock_aws

from tandem_core import http, settings
from tandem_core.auth import ROLE_SCOPES, Role
from tandem_core.table import Table

BUS = "tandem-test"
START = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)


class HasTable(Protocol):
    table: Table


StoreT = TypeVar("StoreT", bound=HasTable)


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def replayed(self) -> bool:
        return self.headers.get("Idempotent-Replayed") == "true"


@dataclass
class Service(Generic[StoreT]):
    """A caller's view of a service: requests, and a clock that stands still."""

    app: ClassVar[Chalice]

    store: StoreT
    now: datetime = START
    keys: Iterator[int] = field(default_factory=itertools.count)

    def call(  # noqa: PLR0913
        self,
        method: str,
        route: str,
        body: Any = None,
        *,
        role: str | None = "integration",
        subject: str = "shop",
        key: str | None = None,
        scope: str | None = None,
        store_id: str = "store_12",
        headers: dict[str, str] | None = None,
        raw: str | bytes | None = None,
        query: dict[str, str] | None = None,
        **parts: str,
    ) -> Reply:
        """Call a route as API Gateway would, behind the authorizer. Without a role nobody has
        looked at a token; bytes are sent as such."""
        resource = "/v1" + route
        sent = {"Content-Type": "application/json", **(headers or {})}
        if method == "POST" and key != "":
            sent.setdefault("Idempotency-Key", key or f"key-{next(self.keys)}")
        context: dict[str, Any] = {
            "resourcePath": resource,
            "httpMethod": method,
            "path": resource.format(**parts),
        }
        if role is not None:
            scopes = " ".join(ROLE_SCOPES[Role(role)]) if scope is None else scope
            terminal = {"store_id": store_id, "terminal_id": "till_3"} if role == "terminal" else {}
            context["authorizer"] = {"sub": subject, "role": role, "scope": scopes, **terminal}
        text = base64.b64encode(raw).decode() if isinstance(raw, bytes) else raw
        event = {
            "requestContext": context,
            "headers": sent,
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": parts,
            "stageVariables": None,
            "isBase64Encoded": isinstance(raw, bytes),
            "body": text if raw is not None else None if body is None else json.dumps(body),
        }
        answer = self.app(event, None)
        return Reply(answer["statusCode"], json.loads(answer["body"]), answer["headers"])

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)


@lru_cache
def client(service: Any) -> Any:
    """Return a client of the made-up cloud. It outlives the clouds, as the services' own do: making
    one takes longer than most tests."""
    return boto3.client(service)


def create_table(name: str, indexes: Mapping[str, tuple[str, str, str]]) -> None:
    """Create a service's table. An index is its partition, its order and what it projects."""
    attributes = {"pk", "sk"} | {one for index in indexes.values() for one in index[:2]}
    projected: list[Any] = [
        {
            "IndexName": index,
            "KeySchema": _key(partition, sort),
            "Projection": {"ProjectionType": projection},
        }
        for index, (partition, sort, projection) in indexes.items()
    ]
    client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"} for attribute in sorted(attributes)
        ],
        KeySchema=_key("pk", "sk"),
        GlobalSecondaryIndexes=projected,
    )


def _key(partition: str, sort: str) -> Any:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@contextmanager
def running(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    indexes: Mapping[str, tuple[str, str, str]],
    cached: Sequence[Callable[..., Any]],
    environment: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """A cloud with the service's table and the bus, and nothing left of the last test's."""
    for variable, value in {
        "TANDEM_SERVICE": name,
        "TANDEM_STAGE": "test",
        "TANDEM_TABLE": f"{name}-test",
        "TANDEM_BUS": BUS,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        **(environment or {}),
    }.items():
        monkeypatch.setenv(variable, value)
    forgotten: list[Any] = [settings.service_settings, *cached]
    with mock_aws():
        for one in forgotten:
            one.cache_clear()
        create_table(f"{name}-test", indexes)
        client("events").create_event_bus(Name=BUS)
        yield
        for one in forgotten:
            one.cache_clear()


def tell_time(monkeypatch: pytest.MonkeyPatch, clock: Callable[[], datetime], *edges: Any) -> None:
    """Let the HTTP edge, and other modules that ask for the time, have the test's."""
    for edge in (http, *edges):
        monkeypatch.setattr(edge, "utc_now", clock)
