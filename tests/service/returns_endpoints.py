"""A good request for every route of returns, to be spoilt by the tests of bad ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from tandem_core.http import Endpoint
from tandem_returns.routes import routes
from tests.service.conftest import Reply, Returns
from tests.service.returns_service import HOME, euros, stripe_news

ENDPOINTS = {f"{one.method} {one.path}": one for one in routes.endpoints}
CLOSED = [name for name, one in ENDPOINTS.items() if one.scope]
READING = [name for name, one in ENDPOINTS.items() if one.method == "GET"]
POSTING = [name for name, one in ENDPOINTS.items() if one.writes and one.method == "POST"]
WITH_BODY = [name for name, one in ENDPOINTS.items() if one.body]

_RETURN = "/v1/returns/{return_id}"
POLICY = "GET /v1/policies/{policy_id}"
PUBLISH = "PUT /v1/policies/{policy_id}"
DRY_RUN = "POST /v1/policies/{policy_id}/dry-run"
SEARCH = "POST /v1/purchases/search"
QUOTE = "POST /v1/quotes"
OPEN = "POST /v1/returns"
RETURN = f"GET {_RETURN}"
RETURNS = "GET /v1/returns"
APPROVE = f"POST {_RETURN}/approve"
REJECT = f"POST {_RETURN}/reject"
CANCEL = f"POST {_RETURN}/cancel"
RECEIVE = f"POST {_RETURN}/receive"
INSPECT = f"POST {_RETURN}/inspect"
PARCEL = f"POST {_RETURN}/parcels"
SETTLE = f"POST {_RETURN}/refunds/{{refund_id}}/settle"
REPLAN = f"POST {_RETURN}/refunds/{{refund_id}}/replan"
CODE = f"GET {_RETURN}/code"
KEYS = "GET /v1/keys"
REDEEM = "POST /v1/codes/redeem"
DECLARE = "POST /v1/withdrawals"
CONFIRM = "POST /v1/withdrawals/{withdrawal_id}/confirm"
WEBHOOK = "POST /v1/webhooks/{source}"
INBOX = "GET /v1/inbox"
REPLAY = "POST /v1/inbox/replay"
OF_RETURN = [name for name in ENDPOINTS if "{return_id}" in name]
COMMANDS = [name for name in OF_RETURN if name in POSTING]
ANSWERED = [name for name in ENDPOINTS if name != WEBHOOK]

LINES = [
    {"line_id": "1", "sku": "SHOE", "name": "Shoe", "quantity": 9, "paid": euros(45_000)},
    {"line_id": "2", "sku": "HAT", "name": "Hat", "quantity": 1, "paid": euros(2_500)},
]
CARD = [{"type": "card", "paid": euros(47_500), "reference": "pi_1001"}]
CASH = [{"type": "cash", "paid": euros(12_500)}]
POLICY_BODY: dict[str, Any] = {
    "name": "Main",
    "rules": [{"id": "hats", "when": {"skus": ["HAT"]}, "then": {"decision": "review"}}],
}

BODIES: dict[str, Any] = {
    PUBLISH: POLICY_BODY | {"quote_minutes": 10},
    DRY_RUN: {
        "policy": POLICY_BODY,
        "from": "2026-03-10T00:00:00Z",
        "to": "2026-03-11T00:00:00Z",
        "limit": 10,
    },
    SEARCH: {"identifier": {"type": "email", "value": "amy@example.com"}},
    QUOTE: {
        "order_id": "ord",
        "lines": [{"line_id": "1", "quantity": 1, "reason": "too_small"}],
        "outcome": "refund",
        "method": "mail",
        "store_id": "store_12",
    },
    OPEN: {"quote_id": "quo", "address": HOME},
    APPROVE: {"reason": "the photo shows it"},
    REJECT: {"reason": "worn"},
    CANCEL: {"reason": "it fits after all"},
    RECEIVE: {
        "store_id": "store_12",
        "lines": [{"line_id": "1", "quantity": 1, "condition": "as_new"}],
    },
    INSPECT: {"lines": [{"line_id": "1", "quantity": 1, "disposition": "restocked"}]},
    PARCEL: {"carrier": "ups", "tracking_number": "1Z2"},
    SETTLE: {"outcome": "succeeded", "reference": "slip 7", "reason": "over the counter"},
    REPLAN: {"tender": "store_credit", "reference": "cus_1", "reason": "the card is gone"},
    REDEEM: {
        "code": "code",
        "store_id": "store_12",
        "lines": [{"line_id": "1", "quantity": 1, "condition": "opened"}],
        "occurred_at": "2026-03-10T09:30:00Z",
    },
    DECLARE: {
        "order_reference": "#1001",
        "name": "Amy",
        "email": "amy@example.com",
        "phone": "+491701234567",
        "lines": [{"line_id": "1", "sku": "SHOE", "quantity": 1}],
        "statement": "I withdraw",
        "language": "en",
    },
    REPLAY: {"message_id": "msg"},
}


@dataclass
class World:
    """A service with an order of cus_1, with a quote, and with returns of every kind: one that is
    to be sent, one that waits for a person, one that has come, one whose money came back, and one
    that was paid in cash; with a withdrawal, and a message about a refund that nobody knows."""

    returns: Returns
    order_id: str
    quote_id: str
    sent: str
    reviewed: str
    received: str
    failed: str
    cash: str
    code: str
    withdrawal_id: str
    message_id: str

    @classmethod
    def of(cls, returns: Returns) -> World:
        """Made once, and taken up again by every test that asks for one."""
        if not _MADE:
            world = cls.made(returns)
            _MADE.append((world, returns.kept()))
            return world
        ((known, kept),) = _MADE
        returns.taken_up(kept)
        return replace(known, returns=returns)

    @classmethod
    def made(cls, returns: Returns) -> World:
        returns.publish(**POLICY_BODY)
        order_id = returns.ordered("1001", lines=LINES, tenders=CARD)
        returns.delivered(order_id, {"1": 9, "2": 1})
        sent = returns.opened(order_id)
        reviewed = returns.opened(order_id, {"2": 1})
        received = returns.opened(order_id)
        failed = returns.opened(order_id)
        cash = returns.opened(returns.bought("1002", tenders=CASH))
        returns.fault("fail", match={"return_id": failed})
        for return_id in (received, failed, cash):
            returns.received(return_id, role="integration")
        reply = returns.says("stripe", stripe_news(foreign_refund(), returns.now, "evt_stripe"))
        declared = returns.call("POST", "/withdrawals", BODIES[DECLARE], role=None)
        returns.pump()
        return cls(
            returns=returns,
            order_id=order_id,
            quote_id=returns.quoted(order_id),
            sent=sent,
            reviewed=reviewed,
            received=received,
            failed=failed,
            cash=cash,
            code=returns.code(sent),
            withdrawal_id=str(declared.body["id"]),
            message_id=str(reply.body["message_id"]),
        )

    def return_of(self, name: str) -> str:
        """The return that a route's good request is about."""
        known = {
            APPROVE: self.reviewed,
            REJECT: self.reviewed,
            INSPECT: self.received,
            SETTLE: self.cash,
            REPLAN: self.failed,
        }
        return known.get(name, self.sent)

    @property
    def service(self) -> Returns:
        return self.returns

    def parts(self, name: str) -> dict[str, str]:
        """The parts of a route's path that name something that is there."""
        return_id = self.return_of(name)
        known = {
            "policy_id": "main",
            "return_id": return_id,
            "refund_id": f"rfd_{return_id.removeprefix('ret_')}0",
            "withdrawal_id": self.withdrawal_id,
            "source": "stripe",
        }
        return {part: value for part, value in known.items() if f"{{{part}}}" in name}

    def body(self, name: str) -> Any:
        body: Any = deepcopy(BODIES.get(name))
        known = {
            QUOTE: {"order_id": self.order_id},
            OPEN: {"quote_id": self.quote_id},
            REDEEM: {"code": self.code},
            REPLAY: {"message_id": self.message_id},
        }
        return body | known[name] if name in known else body

    def query(self, name: str) -> dict[str, str] | None:
        return {"customer_id": "cus_1"} if name == RETURNS else None

    def call(self, name: str, **changes: Any) -> Reply:
        """Send the good request of a route, with changes; as an administrator unless told."""
        method, path = name.split(" ")
        options: dict[str, Any] = {
            "role": "admin",
            "body": self.body(name),
            "query": self.query(name),
            **self.parts(name),
            **changes,
        }
        return self.returns.call(method, path.removeprefix("/v1"), **options)


_MADE: list[tuple[World, bytes]] = []


def foreign_refund() -> Any:
    """A refund that carries an id of our kind, of a return that there is not."""
    return {
        "id": "re_1",
        "object": "refund",
        "status": "succeeded",
        "amount": 5_000,
        "currency": "eur",
        "metadata": {"tandem_refund_id": f"rfd_{'0' * 36}0", "order_id": "ord_x"},
    }


def endpoint(name: str) -> Endpoint:
    return ENDPOINTS[name]
