"""A good request for every route of the service, to be spoilt by the tests of bad ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_core.http import Endpoint
from tandem_loyalty.routes import routes
from tests.service.conftest import Loyalty, Reply, purchase

ENDPOINTS = {f"{one.method} {one.path}": one for one in routes.endpoints}
READING = [name for name, one in ENDPOINTS.items() if not one.writes]
WRITING = [name for name, one in ENDPOINTS.items() if one.writes]
POSTING = [name for name in WRITING if name.startswith("POST")]
WITH_BODY = [name for name, one in ENDPOINTS.items() if one.body]
WITH_QUERY = [name for name, one in ENDPOINTS.items() if one.query]
OF_ACCOUNT = [name for name in ENDPOINTS if "{account_id}" in name]
OF_REDEMPTION = [name for name in ENDPOINTS if "{redemption_id}" in name]

_ACCOUNT = "/v1/accounts/{account_id}"
_REDEMPTION = _ACCOUNT + "/redemptions/{redemption_id}"

PROGRAM: dict[str, Any] = {
    "name": "Main",
    "currency": "EUR",
    "time_zone": "Europe/Berlin",
    "accrual_rules": [
        {
            "type": "spend",
            "id": "spend",
            "points": 1,
            "per": "1",
            "multiplier": "1.5",
            "currency": "EUR",
            "match": {"skus": ["sku-1"], "categories": ["wine"]},
            "channels": ["pos"],
            "minimum_spend": {"amount": 100, "currency": "EUR"},
        },
        {"type": "order", "id": "order", "points": 5},
        {
            "type": "action",
            "id": "review",
            "action": "review",
            "points": 20,
            "limit": {"times": 1, "period": "month"},
        },
    ],
    "excluded": {"skus": [], "categories": ["tobacco"]},
    "excluded_tenders": ["points"],
    "point_value": {"points": 100, "value": {"amount": 100, "currency": "EUR"}},
    "pending": {"web": {"mode": "return_window", "days": 30, "fallback_days": 60}},
    "expiry": {"mode": "rolling", "months": 12},
    "limits": {"points_per_day": 1000, "basket_share_percent": 50, "negative_floor": 0},
    "restore_grace_days": 30,
    "reminder_days": 30,
}

PURCHASE: dict[str, Any] = {
    **purchase("ord_new", [1999, 501]),
    "location_id": "store_12",
    "tenders": [{"type": "card", "paid": {"amount": 2500, "currency": "EUR"}, "reference": "x"}],
}

BODIES: dict[str, Any] = {
    "PUT /v1/programs/{program_id}": PROGRAM,
    "POST /v1/accounts": {
        "customer_id": "cus_new",
        "identifiers": [{"type": "email", "value": "new@example.org"}],
        "program_id": "main",
    },
    "POST /v1/accounts/search": {"identifier": {"type": "email", "value": "ada@example.org"}},
    f"POST {_ACCOUNT}/calculate": {"purchase": PURCHASE},
    f"POST {_ACCOUNT}/accumulate": {"purchase": PURCHASE},
    f"POST {_ACCOUNT}/adjust": {
        "points": 10,
        "reason": "goodwill",
        "allow_negative_balance": False,
    },
    f"POST {_ACCOUNT}/redemptions": {
        "points": 10,
        "order_id": "ord_2",
        "location_id": "store_12",
        "expires_in_seconds": 60,
        "basket": {"amount": 5000, "currency": "EUR"},
    },
    f"POST {_REDEMPTION}/capture": {"points": 10},
    f"POST {_REDEMPTION}/void": {},
    f"POST {_REDEMPTION}/reverse": {"points": 5},
}


@dataclass
class World:
    """A service with an account, a hold that is open, and one that was captured."""

    loyalty: Loyalty
    account_id: str
    held: str
    captured: str

    @classmethod
    def of(cls, loyalty: Loyalty) -> World:
        account_id = loyalty.enrol(
            customer_id="cus_1", identifiers=[{"type": "email", "value": "ada@example.org"}]
        )
        loyalty.buy(account_id, 10_000, "ord_1")
        held, captured = (str(loyalty.redeem(account_id, 20).body["id"]) for _ in range(2))
        loyalty.redemption("capture", account_id, captured)
        return cls(loyalty, account_id, held, captured)

    def parts(self, name: str) -> dict[str, Any]:
        """The parts of a route's path that name something that is there."""
        known = {
            "program_id": "main",
            "account_id": self.account_id,
            "redemption_id": self.captured if name.endswith("/reverse") else self.held,
        }
        return {part: value for part, value in known.items() if f"{{{part}}}" in name}

    def call(self, name: str, **changes: Any) -> Reply:
        """Send the good request of a route, with changes; as an administrator unless told."""
        method, path = name.split(" ")
        options: dict[str, Any] = {
            "role": "admin",
            "body": deepcopy(BODIES.get(name)),
            **self.parts(name),
            **changes,
        }
        return self.loyalty.call(method, path.removeprefix("/v1"), **options)


def endpoint(name: str) -> Endpoint:
    return ENDPOINTS[name]


def roles_without(name: str) -> list[str]:
    """The roles that may not call a route."""
    scope = endpoint(name).scope
    return [role.value for role in Role if scope not in ROLE_SCOPES[role]]
