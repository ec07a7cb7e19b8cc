"""A retailer in front of orders: what is ordered there, and who tells of its parcels."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3

from tandem_core.clock import rfc3339
from tandem_core.secrets import secrets_provider
from tools.bench.front import Front, Repeat
from tools.bench.orders.providers import SECRET, Provider

SECRETS = "tandem-bench-orders-secrets"
ENVIRONMENT = {"TANDEM_SECRETS": SECRETS, "TANDEM_PUBLIC_URL": "https://api.example.com"}
_GOODS = (
    ("Trail running shoes, men, 43", 8995),
    ("Merino socks, three pairs", 2495),
    ("Hydration vest, 8 litres", 5990),
)


@dataclass(slots=True)
class Retailer(Front):
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def webhook(self, provider: Provider, body: bytes) -> Repeat:
        headers = {"Host": "api.example.com", **provider.headers(body, self.now)}
        return self.request(
            None, "POST /webhooks/{source}", body, headers=headers, source=provider.name
        )

    def purchase(self, lines: int = 3, **more: Any) -> dict[str, Any]:
        """Return an order of the web shop as it is placed; `more` are members beside the usual."""
        number = next(self.numbers)
        goods = [_GOODS[position % len(_GOODS)] for position in range(lines)]
        amount = sum(price for _, price in goods)
        return {
            "source": "web_shop",
            "external_id": str(uuid.uuid4()),
            "number": f"W{number:07d}",
            "channel": "web",
            "placed_at": rfc3339(self.now),
            "currency": "EUR",
            "language": "de",
            "destination": {
                "city": "Boston",
                "region": "MA",
                "postal_code": "02108",
                "country": "US",
            },
            "lines": [
                {
                    "line_id": str(position),
                    "sku": f"4006381333{position:03d}",
                    "name": name,
                    "quantity": 1,
                    "unit_price": _euros(price),
                    "paid": _euros(price),
                }
                for position, (name, price) in enumerate(goods, start=1)
            ],
            "tenders": [{"type": "card", "paid": _euros(amount), "reference": f"pi_{number:024d}"}],
            **more,
        }

    def receipt(self) -> dict[str, Any]:
        """Return a till's receipt: the goods are handed over."""
        number = next(self.numbers)
        name = f"012-03-{self.now:%Y%m%d}-{number:05d}"
        receipt = self.purchase(channel="pos", source="tills", external_id=name, receipt_no=name)
        return {
            key: value for key, value in receipt.items() if key not in ("destination", "number")
        }


def a_member() -> dict[str, str]:
    """Return somebody with an account, as the shop names them."""
    unique = uuid.uuid4().hex
    return {
        "customer_id": f"cus_{unique[:26].upper()}",
        "email": f"{unique[:12]}@example.com",
        "name": "Alexandra Example",
    }


def a_guest() -> dict[str, str]:
    unique = uuid.uuid4()
    return {
        "email": f"{unique.hex[:12]}@example.com",
        "phone": f"+49170{unique.int % 10**7:07d}",
        "name": "Alexandra Example",
    }


def create_surroundings() -> None:
    """Create what stands beside the table: the bus and the secret."""
    boto3.client("events").create_event_bus(Name="tandem-bench")
    webhooks = {"ups": [SECRET], "easypost": [SECRET]}
    boto3.client("secretsmanager").create_secret(
        Name=SECRETS, SecretString=json.dumps({"tracking": SECRET, "webhooks": webhooks})
    )


def warm() -> None:
    """Read the secret now, so that it is not too old in the middle of something measured."""
    secrets_provider().get(SECRETS, max_age=300, transform="json", force_fetch=True)


def cool() -> None:
    """Forget the secret, as a new process has not read it."""
    secrets_provider().clear_cache()  # type: ignore[no-untyped-call]


def _euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}
