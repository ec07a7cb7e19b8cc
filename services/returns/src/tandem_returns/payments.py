"""Paying back through somebody else: what is asked of a payment provider, and what it answers.

A refund is asked for under its own id, for ever: the provider pays it once however often it is
asked. Pure: knows no provider, no HTTP and no environment, and never decides what is owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr

from tandem_core.money import Money
from tandem_core.values import Reference, Strict

# `unknown` is no end: it is asked again, under the same id.
RefundOutcome = Literal["pending", "requires_action", "succeeded", "failed", "unknown"]


class RefundOrder(Strict):
    """What a provider is asked for.

    `refund_id` is the idempotency key, and is kept in the provider's own record. `reference` is
    the payment that is taken back, in the words of who took it; None when nobody told us.
    """

    refund_id: Reference
    order_id: Reference
    return_id: Reference
    tender: Reference
    amount: Money
    reference: Reference | None = None
    customer_id: Reference | None = None


class RefundResult(Strict):
    """What is known of a refund. `reason` is a stable code, "" when there is nothing to explain."""

    outcome: RefundOutcome
    provider: str
    provider_reference: str | None = None
    reason: str = ""


class Provider(Protocol):
    """Who pays one kind of tender. Neither call raises for the provider's trouble."""

    @property
    def name(self) -> str: ...

    def refund(self, order: RefundOrder) -> RefundResult:
        """Ask once for a refund that was never asked for."""

    def ask(self, order: RefundOrder) -> RefundResult:
        """Find out what became of a refund, and ask for it when the provider has none."""


class _Silent(BaseModel):
    """A model whose errors and whose text do not repeat what it holds."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class StripeSettings(_Silent):
    """`unreferenced` "order" derives the payment intent of a card payment that came without one
    from its order's id: for the sandbox only."""

    url: HttpUrl = HttpUrl("https://api.stripe.com")
    api_key: SecretStr
    unreferenced: Literal["fail", "order"] = "fail"


class CreditSettings(_Silent):
    url: HttpUrl
    key: SecretStr


class EasyPostSettings(_Silent):
    url: HttpUrl = HttpUrl("https://api.easypost.com/v2")
    api_key: SecretStr


class Patience(_Silent):
    """How long a provider is waited for, a call."""

    connect_seconds: Annotated[float, Field(gt=0, le=10)] = 3.0
    read_seconds: Annotated[float, Field(gt=0, le=30)] = 15.0


class ProviderSettings(_Silent):
    """Who is there to pay and to sell labels; None for whom the operator has not set up."""

    stripe: StripeSettings | None = None
    credit: CreditSettings | None = None
    easypost: EasyPostSettings | None = None
    patience: Patience = Patience()


def provider_settings(
    environment: Mapping[str, str], secret: Mapping[str, Any]
) -> ProviderSettings:
    """Read who is set up: whose key the secret has, at the address that the environment names.

    Raises pydantic's ValidationError for what is set up wrongly, without the values.
    """
    found: dict[str, Any] = {}
    for name in ("stripe", "credit", "easypost"):
        url = environment.get(f"TANDEM_{name.upper()}_URL", "")
        own = {key: value for key, value in secret.get(name, {}).items() if value}
        if own.get("key" if name == "credit" else "api_key") and (url or name != "credit"):
            found[name] = own | ({"url": url} if url else {})
    return ProviderSettings.model_validate(found)
