"""What a customer's past says of a return: how careful to be, and whether a person looks at it.

Signals never refuse anything. They slow a payment down, speed it up, or ask for a review, and each
says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tandem_returns.cases import Explanation, Risk, Signals
from tandem_returns.policies import Limits, PolicyDefinition, Trusted


@dataclass(frozen=True, slots=True)
class Assessment:
    """How careful to be with a customer, and why."""

    risk: Risk
    notices: tuple[Explanation, ...]
    review: bool


def assess(policy: PolicyDefinition, signals: Signals, now: datetime) -> Assessment:
    """Hold a customer's past against the limits of a policy.

    What is asked for now is the last of the recent returns; the units are those of the past alone.
    """
    exceeded = (
        *_rate_notices(policy.limits, signals),
        *_count_notices(policy.limits, signals, now),
        *_value_notices(policy.limits, signals, now),
    )
    if exceeded:
        return Assessment("high", exceeded, review=True)
    if policy.trusted and _is_trusted(policy.trusted, signals):
        detail = (
            f"{signals.orders} orders, {signals.units_returned} of {signals.units_bought}"
            " units returned"
        )
        trusted = Explanation(rule_id="trusted", code="TRUSTED_CUSTOMER", detail=detail)
        return Assessment("low", (trusted,), review=False)
    return Assessment("normal", (), review=False)


def _exceeds_rate(signals: Signals, percent: int) -> bool:
    return signals.units_returned * 100 > signals.units_bought * percent


def _is_trusted(trusted: Trusted, signals: Signals) -> bool:
    return signals.orders >= trusted.minimum_orders and not _exceeds_rate(
        signals, trusted.max_return_rate_percent
    )


def _rate_notices(limits: Limits, signals: Signals) -> Iterator[Explanation]:
    percent = limits.max_return_rate_percent
    if percent is None or signals.orders < limits.minimum_orders:
        return
    if _exceeds_rate(signals, percent):
        detail = (
            f"{signals.units_returned} of {signals.units_bought} units returned,"
            f" more than {percent} %"
        )
        yield _limit("RETURN_RATE_EXCEEDED", detail)


def _count_notices(limits: Limits, signals: Signals, now: datetime) -> Iterator[Explanation]:
    if limits.max_returns is None:
        return
    since = now - timedelta(days=limits.max_returns_days)
    count = sum(1 for one in signals.recent_returns if one.at > since)
    if count > limits.max_returns:
        detail = (
            f"return {count} within {limits.max_returns_days} days,"
            f" {limits.max_returns} pass without review"
        )
        yield _limit("TOO_MANY_RETURNS", detail)


def _value_notices(limits: Limits, signals: Signals, now: datetime) -> Iterator[Explanation]:
    since = now - timedelta(days=limits.max_value_days)
    for limit in limits.max_value:
        amounts = [
            one.amount
            for one in signals.recent_returns
            if one.at > since and one.currency == limit.currency
        ]
        if sum(amounts) > limit.amount:
            detail = f"more than {limit} returned within {limits.max_value_days} days"
            yield _limit("RETURN_VALUE_EXCEEDED", detail)


def _limit(code: str, detail: str) -> Explanation:
    return Explanation(rule_id="limits", code=code, detail=detail)
