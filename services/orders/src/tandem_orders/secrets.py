"""What the service's secret holds: what senders sign their messages with, and we our links.

{"tracking": TEXT or [TEXT, ...], "webhooks": {"shopify": TEXT or [TEXT, ...], ...}}
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem_core.secrets import Texts, read_secret
from tandem_core.values import Silent


class Secrets(Silent):
    """The value of the secret. What it does not name has no texts, and so verifies nothing."""

    tracking: Texts = ()
    webhooks: Mapping[str, Texts] = {}


def webhook_secrets(source: str) -> tuple[str, ...]:
    """Return what a sender may sign with, the current one first; none for an unknown sender.

    Raises SecretsUnavailable.
    """
    return read_secret(Secrets).webhooks.get(source, ())


def tracking_secrets() -> tuple[str, ...]:
    """Return what links are signed with: the first signs, all verify. Raises SecretsUnavailable."""
    return read_secret(Secrets).tracking
