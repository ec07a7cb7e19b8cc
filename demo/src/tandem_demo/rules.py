"""The rules of the default program, written down a second time.

Owns the demo's own arithmetic of points, which judges the service's and therefore imports nothing
of it: 1 point per whole 1.00 paid, 100 points = 1.00 off, points live 12 months to the month's end.
"""

from __future__ import annotations

from datetime import UTC, datetime

MINOR_PER_POINT_EARNED = 100


def earned_points(paid_minor: int) -> int:
    """Floor once, on the sum of the lines; what was paid with points is not in `paid_minor`."""
    return paid_minor // MINOR_PER_POINT_EARNED


def value_minor(points: int) -> int:
    """Return what points take off a price: 100 points are 1.00."""
    return points


def lapses_at(earned_at: datetime) -> datetime:
    """Return the first instant at which points are gone: the month 12 months on has ended (UTC)."""
    moment = earned_at.astimezone(UTC)
    year, month = (moment.year + 1, moment.month + 1)
    if month > 12:  # noqa: PLR2004 - months of a year
        year, month = year + 1, 1
    return datetime(year, month, 1, tzinfo=UTC)
