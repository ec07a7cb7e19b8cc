"""What returns hears of a shop, who asks it for something, and a provider that pays.

Money goes to the sandbox over HTTP; its calls are none of AWS's and are not counted.
"""

from __future__ import annotations

import itertools
import json
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tandem_core.clock import rfc3339
from tandem_core.ids import derived_id
from tandem_core.secrets import secrets_provider
from tandem_local.sandbox import KEYS, Sandbox
from tandem_local.sandbox_messages import signed
from tandem_returns import consumers
from tools.bench.front import Front, Repeat, delivery

SECRETS = "tandem-bench-returns-secrets"
ENVIRONMENT = {"TANDEM_SECRETS": SECRETS, "TANDEM_PUBLIC_URL": "https://api.example.com"}
_WEBHOOKS = {"stripe": ["the-secret-of-a-benchmark"]}
_SEED = "qL8b0n6Y0m3zN1sVb5mJ2p9Xw4cT7rF6gH8kQ0dE3uI"
# Nobody listens there: what the sandbox would tell is told by us.
_NOWHERE = "http://127.0.0.1:9"
_PRICE = 2_495


@dataclass(slots=True)
class Shop(Front):
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def heard(self, kind: str, data: Any, *, source: str = "orders", seq: int = 1) -> Repeat:
        """Prepare the delivery of what another service tells."""
        envelope = {
            "specversion": "1.0",
            "id": f"evt_{uuid.uuid4().hex[:26].upper()}",
            "source": f"tandem.{source}",
            "type": kind,
            "subject": data.get("order_id", "an-account"),
            "time": rfc3339(self.now),
            "dataschema": f"urn:tandem:event:{kind}:1",
            "tandemseq": seq,
            "actor": "integration:web_shop",
            "channel": "web",
            "data": data,
        }
        return delivery(consumers.consume, envelope)

    def placed(
        self, units: Sequence[int] = (1, 1, 1), customer_id: str | None = None
    ) -> dict[str, Any]:
        """Return a member's order with so many units of each line, as orders tells it."""
        number = next(self.numbers)
        external_id = str(uuid.uuid4())
        customer_id = customer_id or f"cus_{uuid.uuid4().hex[:26].upper()}"
        return {
            "order_id": derived_id("ord", "web_shop", external_id),
            "source": "web_shop",
            "external_id": external_id,
            "number": f"W{number:07d}",
            "channel": "web",
            "customer_id": customer_id,
            "occurred_at": rfc3339(self.now),
            "placed_at": rfc3339(self.now),
            "currency": "EUR",
            "destination": {"country": "DE", "city": "Bremen"},
            "lines": [
                {
                    "line_id": str(position),
                    "sku": f"4006381333{position:03d}",
                    "name": "Merino socks, three pairs",
                    "quantity": count,
                    "unit_price": euros(_PRICE),
                    "paid": euros(_PRICE * count),
                }
                for position, count in enumerate(units, start=1)
            ],
            "tenders": [
                {
                    "type": "card",
                    "paid": euros(_PRICE * sum(units)),
                    "reference": f"pi_{number:024d}",
                }
            ],
            "customer": {
                "customer_id": customer_id,
                "email": f"{uuid.uuid4().hex[:12]}@example.com",
            },
        }

    def delivered(self, order: Any) -> Repeat:
        """Prepare the news that all of an order has arrived."""
        arrival = {
            "order_id": order["order_id"],
            "customer_id": order["customer_id"],
            "fulfillment_id": f"ful_{uuid.uuid4().hex[:26].upper()}",
            "fulfillment_type": "ship",
            "state": "delivered",
            "previous_state": "shipped",
            "lines": [
                {"line_id": line["line_id"], "quantity": line["quantity"]}
                for line in order["lines"]
            ],
            "delivered_at": rfc3339(self.now),
            "occurred_at": rfc3339(self.now),
        }
        return self.heard("fulfillment.delivered", arrival, seq=2)

    def earned(self, order: Any) -> Repeat:
        """Prepare the news of the points that an order's lines have earned."""
        lines = [
            {"line_id": line["line_id"], "quantity": line["quantity"], "points": 24}
            for line in order["lines"]
        ]
        told = {"order_id": order["order_id"], "lines": lines}
        return self.heard("points.earned", told, source="loyalty")

    def captured(self) -> Repeat:
        """Prepare the news of what a redemption took, before it has paid for any order."""
        redemption = {
            "id": f"rdm_{uuid.uuid4().hex[:26].upper()}",
            "captured_points": 500,
            "captured_value": euros(500),
        }
        return self.heard("redemption.captured", {"redemption": redemption}, source="loyalty")

    def told(self, refund: Any) -> Repeat:
        """Prepare Stripe's message of a refund, signed."""
        event_id = f"evt_{uuid.uuid4().hex[:24]}"
        event = {
            "id": event_id,
            "object": "event",
            "api_version": "2025-04-30.basil",
            "created": int(self.now.timestamp()),
            "type": "refund.updated",
            "data": {"object": refund, "previous_attributes": {}},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
        }
        body = json.dumps(event).encode()
        at = int(self.now.timestamp())
        headers = signed("stripe", event_id, body, _WEBHOOKS["stripe"], at)
        return self.request(None, "POST /webhooks/{source}", body, headers=headers, source="stripe")


@contextmanager
def paying() -> Iterator[Sandbox]:
    """Run a provider that pays, which leaves nothing behind."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as name:
        sandbox = Sandbox(Path(name), _NOWHERE, _WEBHOOKS)
        sandbox.start()
        try:
            yield sandbox
        finally:
            sandbox.stop()


def environment(sandbox: Sandbox) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "TANDEM_STRIPE_URL": sandbox.stripe_url,
        "TANDEM_CREDIT_URL": sandbox.credit_url,
        "TANDEM_EASYPOST_URL": sandbox.easypost_url,
    }


def create_surroundings() -> None:
    """Create what stands beside the table: the bus and the secret."""
    boto3.client("events").create_event_bus(Name="tandem-bench")
    value = {**KEYS, "webhooks": _WEBHOOKS, "codes": [_SEED]}
    boto3.client("secretsmanager").create_secret(Name=SECRETS, SecretString=json.dumps(value))


def warm() -> None:
    """Read the secret now, so that it is not too old in the middle of something measured."""
    secrets_provider().get(SECRETS, max_age=300, transform="json", force_fetch=True)


def euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}
