"""A shop in front of the service: requests as API Gateway sends them, events as a queue does.

The service runs in this process against the engine; its clock is the shop's.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_core.clock import rfc3339
from tandem_loyalty import consumers, main

START = datetime(2025, 2, 10, 9, 0, tzinfo=UTC)
STORE = "store_12"

# What a request is once it is written down: run it again and the service decides the same again.
Repeat = Callable[[], Any]


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
class Shop:
    now: datetime = START
    receipts: int = 0

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def request(
        self, caller: Caller, route: str, body: Any = None, query: Any = None, **parts: str
    ) -> Repeat:
        """Prepare a request; `route` is "METHOD /path". Each has an idempotency key of its own."""
        method, _, path = route.partition(" ")
        event = {
            "requestContext": {
                "resourcePath": f"/v1{path}",
                "httpMethod": method,
                "path": f"/v1{path}".format(**parts),
                "authorizer": caller.claims(),
            },
            "headers": {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
            "multiValueQueryStringParameters": {k: [v] for k, v in (query or {}).items()} or None,
            "pathParameters": parts,
            "stageVariables": None,
            "isBase64Encoded": False,
            "body": None if body is None else json.dumps(body),
        }

        def send() -> Any:
            answer = main.app(event, None)
            said = json.loads(answer["body"])
            if answer["statusCode"] not in (200, 201):
                raise Refused(f"{route}: {said}")
            return said

        return send

    def event(self, kind: str, data: Any) -> Repeat:
        """Prepare the delivery of another service's event."""
        envelope = {
            "specversion": "1.0",
            "id": f"evt_{uuid.uuid4()}",
            "source": "tandem.orders",
            "type": kind,
            "subject": data["order_id"],
            "time": rfc3339(self.now),
            "dataschema": f"urn:tandem:event:{kind}:1",
            "tandemseq": 1,
            "actor": "integration:web_shop",
            "channel": "web",
            "data": data,
        }
        record = {"messageId": str(uuid.uuid4()), "body": json.dumps({"detail": envelope})}

        def deliver() -> None:
            if consumers.consume({"Records": [record]}, None)["batchItemFailures"]:
                raise Refused(kind)

        return deliver

    def purchase(self, channel: str) -> dict[str, Any]:
        """Return a typical purchase: three lines; the order number is a receipt's or a UUID."""
        self.receipts += 1
        receipt = f"012-03-{self.now:%Y%m%d}-{self.receipts:05d}"
        return {
            "order_id": receipt if channel == "pos" else str(uuid.uuid4()),
            "channel": channel,
            "occurred_at": rfc3339(self.now),
            "lines": [
                {
                    "line_id": str(number),
                    "sku": f"4006381333{number:03d}",
                    "quantity": 1,
                    "paid": {"amount": amount, "currency": "EUR"},
                }
                for number, amount in enumerate((1299, 2495, 5990), start=1)
            ],
        }
