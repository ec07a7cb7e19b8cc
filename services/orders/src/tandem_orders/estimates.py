"""When a parcel should arrive, and whether it will: windows of local dates, never instants.

Three windows are kept: what the shop promised at the checkout, the first that the carrier or a
provider named, and the latest. Each is a minimum or a maximum over all that was said, so that they
may come in any order. This module never shifts a date into another zone.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.messages import Estimate

OnTime = Literal["early", "on_time", "late", "at_risk"]


class Forecast(Strict):
    """An estimate, who made it and when. `original` means that its sender calls it the first."""

    window: Estimate
    reported_at: Instant
    provider: str
    original: bool = False

    @property
    def order(self) -> tuple[str, str]:
        """Orders forecasts by time; ties by content, so that the choice never depends on luck."""
        return self.reported_at.isoformat(), self.model_dump_json()


class Estimates(Strict):
    promised_by: date | None = None
    first: Forecast | None = None
    latest: Forecast | None = None

    @property
    def shown(self) -> Estimate | None:
        """The window that a customer is told: the latest."""
        return self.latest.window if self.latest else None

    @property
    def reference(self) -> tuple[date, date] | None:
        """The window that a parcel is judged by: the promise, or else the first estimate."""
        if self.promised_by:
            return self.promised_by, self.promised_by
        return (self.first.window.from_date, self.first.window.to_date) if self.first else None


def forecast(estimates: Estimates, said: Forecast) -> Estimates:
    """Add what somebody said. What a sender itself calls its first estimate is never the latest."""
    firsts = [one for one in (estimates.first, said) if one]
    first = min(firsts, key=lambda one: (not one.original, *one.order))
    if said.original:
        return estimates.model_copy(update={"first": first})
    latest = max((one for one in (estimates.latest, said) if one), key=lambda one: one.order)
    return estimates.model_copy(update={"first": first, "latest": latest})


def promise(estimates: Estimates, by: date | None) -> Estimates:
    """Add a promise. Of several orders in one parcel the earliest counts."""
    days = [day for day in (estimates.promised_by, by) if day]
    return estimates.model_copy(update={"promised_by": min(days, default=None)})


def on_time(
    estimates: Estimates, *, delivered_on: date | None, expected: bool, today: date
) -> OnTime | None:
    """Judge a parcel by its promise. All dates are those of its destination.

    `expected` says that it may still arrive; one that neither has nor will is not judged.
    """
    reference = estimates.reference
    if reference is None:
        return None
    earliest, last = reference
    if delivered_on:
        if delivered_on < earliest:
            return "early"
        return "on_time" if delivered_on <= last else "late"
    if not expected:
        return None
    if today > last:
        return "late"
    shown = estimates.shown
    return "at_risk" if shown and shown.to_date > last else "on_time"
