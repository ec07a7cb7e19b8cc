"""Refunds of card payments through Stripe.

Sources: docs.stripe.com/api/refunds, /api/idempotent_requests, /currencies, /error-codes. Stripe
forgets an idempotency key after 24 hours. So whoever asks again looks first for a refund with our
id among those of the payment, and sends the same key only when there is none.

Never refunds to anything but the payment itself, and never decides how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from tandem_core.money import Money, decimals
from tandem_returns.payments import (
    Patience,
    RefundOrder,
    RefundOutcome,
    RefundResult,
    StripeSettings,
)
from tandem_returns.providers.wire import Answer, NoAnswer, call, code, identifier

NAME = "stripe"

# The first version that says why a refund is pending; refund.* events tell all refunds in it.
_VERSION = "2025-04-30.basil"
_PAGE = 100
_MAX_PAGES = 10

OUTCOMES: Mapping[str, RefundOutcome] = {
    "pending": "pending",
    "requires_action": "requires_action",
    "succeeded": "succeeded",
    "failed": "failed",
    "canceled": "failed",
}

# Where Stripe's smallest unit is not that of ISO 4217: the ariary has no decimals there, and
# the krona and the Ugandan shilling have kept the two that they had.
_DECIMALS = {"MGA": 0, "ISK": 2, "UGX": 2}
_THREE_DECIMALS = 3
_NO_CURRENCY = "XXX"


def stripe_amount(money: Money) -> int | None:
    """Return an amount as Stripe counts it; None when Stripe cannot pay exactly that.

    Of three decimals it takes only those that end in 0.
    """
    ours = decimals(money.currency)
    theirs = _DECIMALS.get(money.currency, ours)
    whole, rest = divmod(money.amount * int(10**theirs), int(10**ours))
    if rest or (ours == _THREE_DECIMALS and whole % 10):
        return None
    return whole


def paid_of(refund: Mapping[str, Any]) -> Money | None:
    """Return what a refund object is about; None where it says nothing, or names no currency.

    Raises ValueError for what is no money.
    """
    amount, currency = refund.get("amount"), str(refund.get("currency", "")).upper()
    if amount is None or currency in ("", _NO_CURRENCY):
        return None
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise ValueError("the amount is no integer")
    ours = decimals(currency)
    theirs = _DECIMALS.get(currency, ours)
    whole, rest = divmod(amount * int(10**ours), int(10**theirs))
    if rest:
        raise ValueError("the amount is finer than the currency")
    return Money(amount=whole, currency=currency)


def result_of(refund: Mapping[str, Any]) -> RefundResult:
    """Read a refund object. A status that is new to us is unknown, and asked for again; so is what
    is about no money."""
    status = str(refund.get("status"))
    outcome = OUTCOMES.get(status, "unknown")
    reason = code(refund.get("failure_reason")) or code(refund.get("pending_reason"))
    if status == "canceled":
        reason = reason or "canceled"
    try:
        paid = paid_of(refund)
    except ValueError:
        return RefundResult(outcome="unknown", provider=NAME, reason="unreadable_answer")
    return RefundResult(
        outcome=outcome,
        provider=NAME,
        provider_reference=identifier(refund.get("id")),
        paid=paid,
        reason="" if outcome == "succeeded" else reason,
    )


class Stripe:
    """Pays card tenders back. Needs the payment intent or the charge that the shop told."""

    name = NAME

    def __init__(self, settings: StripeSettings, patience: Patience) -> None:
        self._settings = settings
        self._patience = patience

    def refund(self, order: RefundOrder) -> RefundResult:
        payment = self._payment(order)
        if payment is None:
            return self._result("failed", "no_reference")
        amount = stripe_amount(order.amount)
        if amount is None:
            return self._result("failed", "amount_not_payable")
        form = {
            **payment,
            "amount": str(amount),
            "reason": "requested_by_customer",
            "metadata[tandem_refund_id]": order.refund_id,
            "metadata[order_id]": order.order_id,
            "metadata[return_id]": order.return_id,
        }
        try:
            answer = self._call("POST", "/v1/refunds", form, key=order.refund_id)
        except NoAnswer as silence:
            return self._result("unknown", silence.reason)
        return result_of(answer.document) if answer.is_success else self._refused(answer)

    def ask(self, order: RefundOrder) -> RefundResult:
        payment = self._payment(order)
        if payment is None:
            return self._result("failed", "no_reference")
        try:
            for refund in self._refunds(payment):
                metadata = refund.get("metadata")
                if (
                    isinstance(metadata, dict)
                    and metadata.get("tandem_refund_id") == order.refund_id
                ):
                    return result_of(refund)
        except NoAnswer as silence:
            return self._result("unknown", silence.reason)
        return self.refund(order)

    def _refunds(self, payment: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield the refunds of a payment. Raises NoAnswer unless it has read them all."""
        query = {**payment, "limit": str(_PAGE)}
        for _ in range(_MAX_PAGES):
            answer = self._call("GET", f"/v1/refunds?{urlencode(query)}")
            if not answer.is_success:
                if _error(answer) == "resource_missing":
                    return
                raise NoAnswer(_error(answer))
            refunds = answer.document.get("data")
            if not isinstance(refunds, list) or not all(isinstance(one, dict) for one in refunds):
                raise NoAnswer("unreadable_answer")
            yield from refunds
            if not refunds or answer.document.get("has_more") is not True:
                return
            query["starting_after"] = str(refunds[-1].get("id"))
        raise NoAnswer("too_many_refunds")

    def _payment(self, order: RefundOrder) -> dict[str, str] | None:
        """Return the parameter that names what is refunded; None when nobody told us."""
        reference = order.reference or ""
        if reference.startswith("pi_"):
            return {"payment_intent": reference}
        if reference.startswith(("ch_", "py_")):
            return {"charge": reference}
        if self._settings.unreferenced == "order":
            return {"payment_intent": f"pi_{order.order_id}"}
        return None

    def _refused(self, answer: Answer) -> RefundResult:
        reason = _error(answer)
        # The key came with something else before: what became of that is not known.
        return self._result("unknown" if reason == "idempotency_error" else "failed", reason)

    def _result(self, outcome: RefundOutcome, reason: str) -> RefundResult:
        return RefundResult(outcome=outcome, provider=NAME, reason=reason)

    def _call(
        self, method: str, path: str, form: Mapping[str, str] | None = None, key: str = ""
    ) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._settings.api_key.get_secret_value()}",
            "Stripe-Version": _VERSION,
        }
        if key:
            headers |= {
                "Idempotency-Key": key,
                "Content-Type": "application/x-www-form-urlencoded",
            }
        body = urlencode(form).encode() if form else None
        return call(
            method,
            self._settings.url,
            path,
            headers=headers,
            body=body,
            patience=self._patience,
        )


def _error(answer: Answer) -> str:
    """Return why Stripe refused, in its own code: charge_already_refunded, resource_missing."""
    error = answer.inside("error")
    return code(error.get("code")) or code(error.get("type")) or f"status_{answer.status}"
