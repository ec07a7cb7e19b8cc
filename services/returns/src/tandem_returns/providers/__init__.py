"""Everybody who pays back or sells return labels: which tender goes where.

A new provider is a module and a line here. What has no provider (cash, a tender nobody knows) is
paid by a person.
"""

from __future__ import annotations

from tandem_core.clock import Clock, utc_now
from tandem_returns.labels import Labels
from tandem_returns.payments import Provider, ProviderSettings


def provider_for(
    tender: str, settings: ProviderSettings, clock: Clock = utc_now
) -> Provider | None:
    """Return who pays this kind of tender; None when a person has to."""
    if tender == "card" and settings.stripe:
        from tandem_returns.providers.stripe import Stripe

        return Stripe(settings.stripe, settings.patience)
    if tender in ("gift_card", "store_credit") and settings.credit:
        from tandem_returns.providers.credit import Credit

        return Credit(settings.credit, settings.patience, clock)
    return None


def labels_for(settings: ProviderSettings) -> Labels | None:
    """Return who sells return labels; None when nobody does."""
    if settings.easypost is None:
        return None
    from tandem_returns.providers.easypost import EasyPost

    return EasyPost(settings.easypost, settings.patience)
