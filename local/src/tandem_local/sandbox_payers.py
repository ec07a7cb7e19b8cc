"""The sandbox's payment providers: refunds as Stripe makes them, credits by the contract of ours.

Written from the providers' own documentation, not from our adapters. Stripe: docs.stripe.com/api,
refunds, errors and idempotent requests. The contract: docs/payments.md.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from tandem_core.signatures import SCHEMES, SignatureInvalid, verify
from tandem_local.sandbox_faults import BadOrder, Fault, Faults, Reply, played
from tandem_local.sandbox_ledger import Document, Ledger
from tandem_local.sandbox_messages import Later, message_id

_FINAL = ("succeeded", "failed")
_MAX_PAGE = 100
# Whoever pays with a payment that nobody told us about pays in no currency (ISO 4217).
_NO_CURRENCY = "XXX"


class Call(NamedTuple):
    """A request below a provider's own address. Headers in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Refunds:
    """Every refund and credit that was really paid, or is on its way: what tests compare with."""

    def __init__(self, ledger: Ledger, webhooks: str, keys: Mapping[str, Sequence[str]]) -> None:
        self.ledger = ledger
        self.later = Later(ledger, webhooks, keys, self.finish)

    def add(self, refund: Document, fault: Fault | None) -> Document:
        """Pay, or begin to. The fault is that of this call."""
        status = "succeeded"
        if fault and fault.kind == "late":
            status = "pending"
        elif fault and fault.kind == "requires_action":
            status = "requires_action"
        refund |= {"status": status, "reason": "", "created_at": int(time.time())}
        self._keep(refund)
        if fault and status == "pending" and fault.seconds is not None:
            self.later.finish_at(
                refund["id"], time.time() + fault.seconds, fault.status, fault.reason
            )
        return refund

    def all(self) -> list[Document]:
        return self.ledger.all("refund")

    def of(self, provider: str, reference: str) -> list[Document]:
        """Return the refunds of a payment, oldest first."""
        return self.ledger.about("refund", f"{provider}:{reference}")

    def finish(self, refund_id: str, status: str, reason: str) -> None:
        """End a refund, or take back that it ended well, and tell it. Takes either one's id.

        Raises BadOrder.
        """
        if status not in _FINAL:
            raise BadOrder("status is succeeded or failed")
        with self.ledger.lock:
            refund = self.ledger.find("refund", refund_id) or next(
                (one for one in self.all() if one["refund_id"] == refund_id), None
            )
            if refund is None:
                raise BadOrder(f"there is no refund {refund_id}")
            if refund["status"] == status:
                return
            refund |= {"status": status, "reason": reason if status == "failed" else ""}
            self._keep(refund)
            self._tell(refund)

    def _keep(self, refund: Document) -> None:
        topic = f"{refund['provider']}:{refund['reference']}"
        self.ledger.keep("refund", refund["id"], refund, topic)

    def _tell(self, refund: Document) -> None:
        if refund["provider"] == "credit":
            body = {
                "type": "credit.updated",
                "refund_id": refund["refund_id"],
                **credit_view(refund),
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            self.later.tell("credit", message_id("msg"), body)
            return
        # As Stripe does it: the same news under its newer and its older name.
        types = ["refund.updated", "charge.refund.updated"]
        for name in ["refund.failed", *types] if refund["status"] == "failed" else types:
            event_id = message_id("evt")
            event = {
                "id": event_id,
                "object": "event",
                "api_version": "2025-04-30.basil",
                "created": int(time.time()),
                "type": name,
                "data": {"object": stripe_view(refund), "previous_attributes": {}},
                "livemode": False,
                "pending_webhooks": 1,
                "request": {"id": None, "idempotency_key": None},
            }
            self.later.tell("stripe", event_id, event)


class StripeSandbox:
    """POST and GET /v1/refunds, GET /v1/refunds/{id}."""

    def __init__(self, refunds: Refunds, faults: Faults) -> None:
        self._refunds = refunds
        self._ledger = refunds.ledger
        self._faults = faults

    def answer(self, call: Call) -> Reply:
        if not call.headers.get("authorization", "").startswith("Bearer sk_"):
            return _stripe_error(401, "invalid_request_error", message="No API key")
        match call.method, call.path.strip("/").split("/"):
            case "POST", ["v1", "refunds"]:
                return self._create(call)
            case "GET", ["v1", "refunds"]:
                facts = self._facts("list", call.query)
                return played(self._faults.take(facts), lambda fault: self._list(call.query, fault))
            case "GET", ["v1", "refunds", refund_id]:
                found = self._ledger.find("refund", refund_id)
                if found:
                    return Reply(200, stripe_view(found))
        return _stripe_error(404, "invalid_request_error", "resource_missing")

    def _facts(self, operation: str, form: Mapping[str, str]) -> dict[str, str]:
        return {
            "provider": "stripe",
            "operation": operation,
            "reference": form.get("payment_intent") or form.get("charge", ""),
            "refund_id": form.get("metadata[tandem_refund_id]", ""),
            "order_id": form.get("metadata[order_id]", ""),
            "return_id": form.get("metadata[return_id]", ""),
        }

    def _create(self, call: Call) -> Reply:
        form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        named = [name for name in ("payment_intent", "charge") if form.get(name)]
        amount = form.get("amount", "")
        if len(named) != 1 or not amount.isdecimal() or int(amount) < 1:
            return _stripe_error(400, "invalid_request_error", "parameter_invalid_integer")
        fault = self._faults.take(self._facts("refund", form))
        key = call.headers.get("idempotency-key")
        return played(fault, lambda kept: self._once(key, call.body, form, kept))

    def _once(
        self, key: str | None, body: bytes, form: Mapping[str, str], fault: Fault | None
    ) -> Reply:
        """Answer a key again as it was answered first, whatever that was."""
        with self._ledger.lock:
            if key is None:
                return self._refund(form, fault)
            digest = hashlib.sha256(body).hexdigest()
            kept = self._ledger.find("key", key)
            if kept and kept["digest"] != digest:
                return _stripe_error(400, "idempotency_error")
            if kept:
                return Reply(kept["status"], kept["document"], {"Idempotent-Replayed": "true"})
            reply = self._refund(form, fault)
            self._ledger.keep(
                "key", key, {"digest": digest, "status": reply.status, "document": reply.document}
            )
            return reply

    def _refund(self, form: Mapping[str, str], fault: Fault | None) -> Reply:
        if fault and fault.kind == "fail":
            code = fault.reason or "charge_already_refunded"
            return _stripe_error(400, "invalid_request_error", code)
        reference = form.get("payment_intent") or form["charge"]
        amount = int(form["amount"])
        payment = self._ledger.find("payment", reference)
        if payment:
            paid_back = sum(
                one["amount"]
                for one in self._refunds.of("stripe", reference)
                if one["status"] != "failed"
            )
            left = payment["amount"] - paid_back
            if left <= 0:
                return _stripe_error(400, "invalid_request_error", "charge_already_refunded")
            if amount > left:
                return _stripe_error(400, "invalid_request_error", message="more than is left")
        facts = self._facts("refund", form)
        refund = {
            "provider": "stripe",
            "id": f"re_{secrets.token_hex(12)}",
            "refund_id": facts["refund_id"],
            "order_id": facts["order_id"],
            "return_id": facts["return_id"],
            "tender": "card",
            "reference": reference,
            "amount": amount,
            "currency": payment["currency"] if payment else _NO_CURRENCY,
            "metadata": {
                name[len("metadata[") : -1]: value
                for name, value in form.items()
                if name.startswith("metadata[")
            },
        }
        return Reply(200, stripe_view(self._refunds.add(refund, fault)))

    def _list(self, query: Mapping[str, str], fault: Fault | None) -> Reply:
        """Newest first, a page at a time."""
        if fault:
            return _stripe_error(400, "invalid_request_error", fault.reason)
        reference = query.get("payment_intent") or query.get("charge", "")
        found = list(reversed(self._refunds.of("stripe", reference)))
        after = query.get("starting_after")
        if after:
            ids = [one["id"] for one in found]
            if after not in ids:
                return _stripe_error(400, "invalid_request_error", "resource_missing")
            found = found[ids.index(after) + 1 :]
        limit = min(int(query.get("limit", "10")), _MAX_PAGE)
        return Reply(
            200,
            {
                "object": "list",
                "url": "/v1/refunds",
                "has_more": len(found) > limit,
                "data": [stripe_view(one) for one in found[:limit]],
            },
        )


class CreditSandbox:
    """PUT and GET /credits/{refund_id}."""

    def __init__(self, refunds: Refunds, faults: Faults, key: str) -> None:
        self._refunds = refunds
        self._ledger = refunds.ledger
        self._faults = faults
        self._key = key

    def answer(self, call: Call) -> Reply:
        place, _, refund_id = call.path.strip("/").partition("/")
        if place != "credits" or not refund_id or call.method not in ("PUT", "GET"):
            return Reply(404, {"code": "not_found"})
        try:
            verify(
                SCHEMES["standard_webhooks"],
                call.headers,
                call.body,
                [self._key],
                now=datetime.now(UTC),
            )
        except SignatureInvalid as why:
            return Reply(401, {"code": f"signature_{why.reason}"})
        if call.headers["webhook-id"] != refund_id:
            return Reply(401, {"code": "signature_of_another"})
        told = json.loads(call.body) if call.body else {}
        facts = {
            "provider": "credit",
            "operation": "credit" if call.method == "PUT" else "get",
            "refund_id": refund_id,
            **{name: told.get(name, "") for name in ("order_id", "return_id", "reference")},
        }
        fault = self._faults.take(facts)
        if call.method == "PUT":
            return played(fault, lambda kept: self._credit(refund_id, told, kept))
        return played(fault, lambda kept: self._looked_up(refund_id, kept))

    def _looked_up(self, refund_id: str, fault: Fault | None) -> Reply:
        return Reply(400, {"code": fault.reason}) if fault else self._present(refund_id)

    def _present(self, refund_id: str) -> Reply:
        kept = self._ledger.find("credit", refund_id)
        if kept is None:
            return Reply(404, {"code": "not_found"})
        credit = self._ledger.find("refund", kept["id"])
        return Reply(200, credit_view(credit)) if credit else Reply(404, {"code": "not_found"})

    def _credit(self, refund_id: str, told: Document, fault: Fault | None) -> Reply:
        with self._ledger.lock:
            kept = self._ledger.find("credit", refund_id)
            if kept:
                same = kept["told"] == told
                return self._present(refund_id) if same else Reply(409, {"code": "conflict"})
            if told.get("refund_id") != refund_id:
                return Reply(400, {"code": "refund_id_differs"})
            if fault and fault.kind == "fail":
                return Reply(422, {"code": fault.reason or "card_blocked"})
            credit = {
                "provider": "credit",
                "id": f"cr_{secrets.token_hex(12)}",
                "refund_id": refund_id,
                "order_id": told["order_id"],
                "return_id": told["return_id"],
                "tender": told["kind"],
                "reference": told.get("reference") or told.get("customer_id") or "",
                "amount": told["amount"]["amount"],
                "currency": told["amount"]["currency"],
            }
            credit = self._refunds.add(credit, fault)
            self._ledger.keep("credit", refund_id, {"id": credit["id"], "told": told})
            return Reply(201, credit_view(credit))


def stripe_view(refund: Document) -> Document:
    """Return a refund as Stripe shows it."""
    reference = refund["reference"]
    is_intent = reference.startswith("pi_")
    view = {
        "id": refund["id"],
        "object": "refund",
        "amount": refund["amount"],
        "balance_transaction": None,
        "charge": None if is_intent else reference,
        "created": refund["created_at"],
        "currency": refund["currency"].lower(),
        "metadata": refund["metadata"],
        "payment_intent": reference if is_intent else None,
        "reason": "requested_by_customer",
        "receipt_number": None,
        "status": refund["status"],
    }
    if refund["status"] == "failed":
        view["failure_reason"] = refund["reason"] or "unknown"
    if refund["status"] == "pending":
        view["pending_reason"] = "processing"
    return view


def credit_view(credit: Document) -> Document:
    """Return a credit as the contract shows it."""
    view = {"id": credit["id"], "state": credit["status"]}
    return view | ({"reason": credit["reason"]} if credit["reason"] else {})


def _stripe_error(status: int, kind: str, code: str = "", message: str = "") -> Reply:
    error: dict[str, Any] = {"type": kind, "message": message or code or kind}
    return Reply(status, {"error": error | ({"code": code} if code else {})})
