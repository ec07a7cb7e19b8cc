"""What the service's secret holds: keys to providers, what they sign with, and we our codes.

{"codes": TEXT or [TEXT, ...],
 "webhooks": {"stripe": TEXT or [TEXT, ...], "credit": ...},
 "stripe": {"api_key"}, "credit": {"key"}, "easypost": {"api_key"}}
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem_core.secrets import Texts, read_secret
from tandem_core.values import Silent
from tandem_returns.payments import ProviderSecrets


class Secrets(Silent):
    """The value of the secret. What it does not name has no texts, and so verifies nothing."""

    codes: Texts = ()
    webhooks: Mapping[str, Texts] = {}


def webhook_secrets(source: str) -> tuple[str, ...]:
    """Return what a sender may sign with, the current one first; none for an unknown sender.

    Raises SecretsUnavailable.
    """
    return read_secret(Secrets).webhooks.get(source, ())


def code_secrets() -> tuple[str, ...]:
    """Return what return codes are signed with: the first signs, all verify.

    Raises SecretsUnavailable.
    """
    return read_secret(Secrets).codes


def provider_secrets() -> ProviderSecrets:
    """Return our keys to those who pay and sell labels. Raises SecretsUnavailable."""
    return read_secret(ProviderSecrets)
