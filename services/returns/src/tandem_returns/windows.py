"""Until when units may come back: counted from their delivery, in days of the policy's time zone.

The day of delivery does not count and the last day counts in full (Regulation 1182/71, article 3).
Without delivery no ordinary window begins; the statutory one is then open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from tandem_returns.cases import Case, CaseLine, Explanation
from tandem_returns.policies import PolicyDefinition, Window

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How a line stands to its window.

    `closes_at` is the first instant after it, None when it never ends or has not begun.
    """

    is_open: bool
    closes_at: datetime | None
    explanation: Explanation


def ordinary_window(policy: PolicyDefinition, case: Case, line: CaseLine, days: Window) -> Standing:
    """Return how the wanted units stand; of all that arrived, the latest count for the customer."""
    delivered_at = _arrival_that_counts(line)
    if delivered_at is None:
        arrived = sum(part.quantity for part in line.evidence if part.delivered_at)
        detail = f"{arrived} of {line.quantity} units have been delivered"
        return _closed("terms", "NOT_DELIVERED", None, detail)
    if days == "unlimited":
        return _open("terms", None, "returns have no last day")
    delivered_on = policy.local_date(delivered_at)
    last_day = delivered_on + timedelta(days=days)
    extended = _holiday(policy, case)
    counted = f"{days} days from delivery on {delivered_on}"
    if extended and extended > last_day:
        return _until(policy, case, extended, f"extended for the holidays, else {counted}")
    return _until(policy, case, last_day, counted)


def statutory_window(policy: PolicyDefinition, case: Case) -> Standing:
    """Return how a withdrawal stands: 14 days from the last delivery, also before it.

    The last delivery is that of the whole order (2011/83/EU article 9). A period that ends on a
    weekend ends on Monday (Regulation 1182/71, article 3).
    """
    if case.last_arrival is None:
        return _open("statutory", None, "not all has been delivered, so the period has not begun")
    delivered_on = policy.local_date(case.last_arrival)
    last_day = _not_on_a_weekend(delivered_on + timedelta(days=policy.statutory.days))
    counted = f"{policy.statutory.days} days from the last delivery on {delivered_on}"
    return _until(policy, case, last_day, counted, rule_id="statutory")


def _arrival_that_counts(line: CaseLine) -> datetime | None:
    """Return the earliest delivery among the latest `quantity` units; None: too few arrived."""
    arrivals = sorted(
        ((part.delivered_at, part.quantity) for part in line.evidence if part.delivered_at),
        reverse=True,
    )
    missing = line.quantity
    for delivered_at, quantity in arrivals:
        missing -= quantity
        if missing <= 0:
            return delivered_at
    return None


def _holiday(policy: PolicyDefinition, case: Case) -> date | None:
    placed_on = policy.local_date(case.placed_at)
    return max(
        (
            holiday.returns_until
            for holiday in policy.holidays
            if holiday.placed_from <= placed_on <= holiday.placed_to
        ),
        default=None,
    )


def _not_on_a_weekend(day: date) -> date:
    weekday = day.weekday()
    return day + timedelta(days=7 - weekday) if weekday >= _SATURDAY else day


def _until(
    policy: PolicyDefinition, case: Case, last_day: date, counted: str, rule_id: str = "terms"
) -> Standing:
    closes_at = policy.end_of(last_day)
    if case.at < closes_at:
        return _open(rule_id, closes_at, f"until {last_day}: {counted}")
    return _closed(rule_id, "OUTSIDE_WINDOW", closes_at, f"closed after {last_day}: {counted}")


def _open(rule_id: str, closes_at: datetime | None, detail: str) -> Standing:
    note = Explanation(rule_id=rule_id, code="WITHIN_WINDOW", detail=detail)
    return Standing(is_open=True, closes_at=closes_at, explanation=note)


def _closed(rule_id: str, code: str, closes_at: datetime | None, detail: str) -> Standing:
    note = Explanation(rule_id=rule_id, code=code, detail=detail)
    return Standing(is_open=False, closes_at=closes_at, explanation=note)
