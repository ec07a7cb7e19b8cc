"""Paying back through somebody else: what is asked of a payment provider, and what it answers.

A refund is asked for under its own id, for ever: the provider pays it once however often it is
asked. Pure: knows no provider, no HTTP and no environment, and never decides what is owed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Protocol

from pydantic import AfterValidator, Field, HttpUrl, SecretStr

from tandem_core.money import Money
from tandem_core.values import Reference, Silent, Strict
from tandem_returns.labels import Address

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
    """What is known of a refund. `reason` is a stable code, "" when there is nothing to explain;
    `paid` is what the provider says that it is about, None where it does not say."""

    outcome: RefundOutcome
    provider: str
    provider_reference: str | None = None
    paid: Money | None = None
    reason: str = ""


class Provider(Protocol):
    """Who pays one kind of tender.

    Neither call raises for the provider's trouble, only Misconfigured.
    """

    @property
    def name(self) -> str: ...

    def refund(self, order: RefundOrder) -> RefundResult:
        """Ask once for a refund that was never asked for."""

    def ask(self, order: RefundOrder) -> RefundResult:
        """Find out what became of a refund, and ask for it when the provider has none."""


class Misconfigured(Exception):
    """A provider does not know us: the operator has to look at the key. Nothing was paid."""


def _encrypted_or_local(url: ProviderUrl) -> HttpUrl:
    if url.scheme != "https" and url.host not in ("127.0.0.1", "localhost", "[::1]"):
        raise ValueError("must be https, since a key travels with every call")
    return url


ProviderUrl = Annotated[HttpUrl, AfterValidator(_encrypted_or_local)]


class StripeSettings(Silent):
    """`unreferenced` "order" derives the payment intent of a card payment that came without one
    from its order's id: for the sandbox only."""

    url: ProviderUrl = HttpUrl("https://api.stripe.com")
    api_key: SecretStr
    unreferenced: Literal["fail", "order"] = "fail"


class CreditSettings(Silent):
    url: ProviderUrl
    key: SecretStr


class EasyPostSettings(Silent):
    """`return_address` is where parcels come back to."""

    url: ProviderUrl = HttpUrl("https://api.easypost.com/v2")
    api_key: SecretStr
    return_address: Address


class Patience(Silent):
    """How long a provider is waited for, a call."""

    connect_seconds: Annotated[float, Field(gt=0, le=10)] = 3.0
    read_seconds: Annotated[float, Field(gt=0, le=30)] = 15.0


class ProviderSettings(Silent):
    """Who is there to pay and to sell labels; None for whom the operator has not set up."""

    stripe: StripeSettings | None = None
    credit: CreditSettings | None = None
    easypost: EasyPostSettings | None = None
    patience: Patience = Patience()


class ProviderSecrets(Silent):
    """What the service's secret holds for providers; members that are others' business are left.

    {"stripe": {"api_key", "unreferenced"?}, "credit": {"key"}, "easypost": {"api_key"}}
    """

    stripe: Mapping[str, Any] = {}
    credit: Mapping[str, Any] = {}
    easypost: Mapping[str, Any] = {}


def provider_settings(environment: Mapping[str, str], secrets: ProviderSecrets) -> ProviderSettings:
    """Return who is set up: whose key the secret has, at the address that the environment names.

    TANDEM_RETURN_ADDRESS is an Address as JSON. Raises pydantic's ValidationError for what is set
    up wrongly, without its values.
    """

    def url(name: str) -> dict[str, str]:
        told = environment.get(f"TANDEM_{name.upper()}_URL")
        return {"url": told} if told else {}

    found: dict[str, Any] = {}
    if secrets.stripe.get("api_key"):
        found["stripe"] = {**secrets.stripe, **url("stripe")}
    if secrets.credit.get("key") and url("credit"):
        found["credit"] = {**secrets.credit, **url("credit")}
    address = environment.get("TANDEM_RETURN_ADDRESS")
    if secrets.easypost.get("api_key") and address:
        found["easypost"] = {
            **secrets.easypost,
            **url("easypost"),
            "return_address": Address.model_validate_json(address),
        }
    return ProviderSettings.model_validate(found)
