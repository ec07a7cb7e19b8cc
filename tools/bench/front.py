"""The front of a service: requests as API Gateway sends them, events as queues and streams do.

The service runs in this process against the engine; its clock is the front's.
"""

from __future__ import annotations

import json
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tandem_core.auth import ROLE_SCOPES, Role
from tools.bench.sizes import Wire

START = datetime(2025, 2, 10, 9, 0, tzinfo=UTC)
STORE = "store_12"

# What a request is once it is written down: run it again and the service decides the same again.
Repeat = Callable[[], Any]
# A function of a service as Lambda calls it.
Function = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Caller:
    role: str
    subject: str

    def claims(self) -> dict[str, str]:
        scopes = " ".join(ROLE_SCOPES[Role(self.role)])
        at = {"store_id": STORE, "terminal_id": "till_3"} if self.role == "terminal" else {}
        return {"sub": self.subject, "role": self.role, "scope": scopes, **at}


TILL = Caller("terminal", f"{STORE}/till_3")
WEB_SHOP = Caller("integration", "web_shop")
STAFF = Caller("staff", "jo")


class Refused(Exception):
    """The service did not do what the benchmark asked for."""


@dataclass(slots=True)
class Front:
    app: Function
    now: datetime = field(default=START)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def request(
        self,
        caller: Caller | None,
        route: str,
        body: Any = None,
        query: Any = None,
        headers: Mapping[str, str] | None = None,
        **parts: str,
    ) -> Repeat:
        """Prepare a request; `route` is "METHOD /path". Each has an idempotency key of its own.

        A body of bytes is sent as it is, as senders of webhooks do, who are no callers.
        """
        method, _, path = route.partition(" ")
        sent = {"Content-Type": "application/json", **(headers or {})}
        if caller:
            sent["Idempotency-Key"] = str(uuid.uuid4())
        event = {
            "requestContext": {
                "resourcePath": f"/v1{path}",
                "httpMethod": method,
                "path": f"/v1{path}".format(**parts),
                **({"authorizer": caller.claims()} if caller else {}),
            },
            "headers": sent,
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": parts,
            "stageVariables": None,
            "isBase64Encoded": isinstance(body, bytes),
            "body": _text(body),
        }

        def send() -> Any:
            answer = self.app(event, None)
            said = json.loads(answer["body"])
            if answer["statusCode"] not in (200, 201, 202):
                raise Refused(f"{route}: {said}")
            return said

        return send


def _text(body: Any) -> str | None:
    if body is None:
        return None
    return b64encode(body).decode() if isinstance(body, bytes) else json.dumps(body)


def delivery(function: Function, envelope: Mapping[str, Any]) -> Repeat:
    """Prepare the delivery of an event by a queue."""
    record = {"messageId": str(uuid.uuid4()), "body": json.dumps({"detail": envelope})}
    return _handled(function, record)


def streamed(function: Function, *items: Wire) -> Repeat:
    """Prepare the delivery of new items by the table's stream."""
    return _handled(
        function,
        *(
            {
                "eventName": "INSERT",
                "dynamodb": {"NewImage": _image(item), "SequenceNumber": str(number)},
            }
            for number, item in enumerate(items)
        ),
    )


def _image(item: Wire) -> dict[str, Any]:
    """Return an item as a stream's JSON has it: bytes as base 64."""
    return {
        name: {
            kind: b64encode(value).decode() if kind == "B" else value
            for kind, value in typed.items()
        }
        for name, typed in item.items()
    }


def _handled(function: Function, *records: Mapping[str, Any]) -> Repeat:
    def deliver() -> None:
        if function({"Records": list(records)}, None)["batchItemFailures"]:
            raise Refused(str(records))

    return deliver
