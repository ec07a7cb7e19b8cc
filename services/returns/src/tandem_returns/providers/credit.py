"""Gift cards and store credit, through the retailer's own system by a contract of ours.

    PUT {url}/credits/{refund_id}     pay this much to a gift card or a customer's credit
        {"refund_id", "kind": "gift_card" | "store_credit", "reference"?, "customer_id"?,
         "amount": {"amount": minor units, "currency": ISO 4217}, "order_id", "return_id"}
    GET {url}/credits/{refund_id}     what became of it

    200, 201  {"state": "succeeded" | "pending" | "requires_action" | "failed",
               "id"?: its name in that system, "reason"?: a code in lower case}
    404       there is no such credit (GET), no such card or customer (PUT)
    409       the id came with something else before
    4xx       refused for good: {"code"}; what is told by 401, 403, 408, 425 and 429 is HTTP's

`refund_id` is the identity: the same PUT twice credits once and answers the same, for ever. Every
call is signed as Standard Webhooks 1.0.0 says, with the shared key: webhook-id is the refund's id,
which must be that of the URL, and a GET signs an empty body. Later news come to our webhook
`credit`, see payment_messages.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tandem_core.clock import Clock
from tandem_returns.payments import (
    CreditSettings,
    Patience,
    RefundOrder,
    RefundOutcome,
    RefundResult,
)
from tandem_returns.providers.wire import Answer, NoAnswer, call, code, identifier

NAME = "credit"

OUTCOMES: Mapping[str, RefundOutcome] = {
    "pending": "pending",
    "requires_action": "requires_action",
    "succeeded": "succeeded",
    "failed": "failed",
}
_NO_SUCH = 404


def signed_headers(message_id: str, body: bytes, key: str, at: int) -> dict[str, str]:
    """Return the headers of Standard Webhooks for a body that is sent at a time in seconds."""
    marked = key.removeprefix("whsec_")
    raw_key = key.encode() if marked == key else base64.b64decode(marked, validate=True)
    signature = hmac.digest(raw_key, f"{message_id}.{at}.".encode() + body, hashlib.sha256)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def result_of(credit: Mapping[str, Any]) -> RefundResult:
    """Read what the system says of a credit. A state that is new to us is unknown."""
    outcome = OUTCOMES.get(str(credit.get("state")), "unknown")
    return RefundResult(
        outcome=outcome,
        provider=NAME,
        provider_reference=identifier(credit.get("id")),
        reason="" if outcome == "succeeded" else code(credit.get("reason")),
    )


class Credit:
    """Pays gift cards and store credit."""

    name = NAME

    def __init__(self, settings: CreditSettings, patience: Patience, clock: Clock) -> None:
        self._settings = settings
        self._patience = patience
        self._clock = clock

    def refund(self, order: RefundOrder) -> RefundResult:
        told = {
            "refund_id": order.refund_id,
            "kind": order.tender,
            "reference": order.reference,
            "customer_id": order.customer_id,
            "amount": order.amount.model_dump(),
            "order_id": order.order_id,
            "return_id": order.return_id,
        }
        body = json.dumps({name: value for name, value in told.items() if value is not None})
        try:
            answer = self._call("PUT", order.refund_id, body.encode())
        except NoAnswer as silence:
            return RefundResult(outcome="unknown", provider=NAME, reason=silence.reason)
        if answer.is_success:
            return result_of(answer.document)
        reason = code(answer.document.get("code")) or f"status_{answer.status}"
        return RefundResult(outcome="failed", provider=NAME, reason=reason)

    def ask(self, order: RefundOrder) -> RefundResult:
        try:
            answer = self._call("GET", order.refund_id)
        except NoAnswer as silence:
            return RefundResult(outcome="unknown", provider=NAME, reason=silence.reason)
        if answer.is_success:
            return result_of(answer.document)
        if answer.status != _NO_SUCH:
            reason = f"status_{answer.status}"
            return RefundResult(outcome="unknown", provider=NAME, reason=reason)
        return self.refund(order)

    def _call(self, method: str, refund_id: str, body: bytes = b"") -> Answer:
        key = self._settings.key.get_secret_value()
        headers = signed_headers(refund_id, body, key, int(self._clock().timestamp()))
        if body:
            headers["Content-Type"] = "application/json"
        return call(
            method,
            self._settings.url,
            f"/credits/{quote(refund_id, safe='')}",
            headers=headers,
            body=body or None,
            patience=self._patience,
        )
