"""A member's points: pending, in lots that end on a day, held, and owed. Pure arithmetic.

    granted --> pending --> lots --> held --> spent
                             |  ^_____|  (released, restored: to the same lots)
                             v
                           ended

Spending takes the lots that end first and says which, so giving back can return points to the very
lots they came from. A balance is never "all credits minus all debits": that breaks when a lot ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import Money
from tandem_core.problems import Conflict
from tandem_core.values import Strict
from tandem_loyalty.programs import Program

Lots = Mapping[str, int]

# Periods that a count knows of, by action and for the daily limit.
PERIODS_REMEMBERED = 35


class InsufficientPoints(Conflict):
    code, title = "INSUFFICIENT_POINTS", "The account has too few points"

    def __init__(self, required: int, available: int) -> None:
        super().__init__(
            f"{required} points are needed, {available} are available",
            required=required,
            available=available,
            missing=required - available,
        )


class Balance(Strict):
    """What a member has. `owed` is what a return could not take back; new points pay it first."""

    available: int = 0
    pending: int = 0
    held: int = 0
    owed: int = 0


class PendingPoints(Strict):
    """Points of an order that cannot be spent yet. `last_day` is the lot they will go to."""

    points: int
    matures_at: Instant
    last_day: str
    delivered: bool = False


class Hold(Strict):
    """Points set aside at a till or checkout until `expires_at`, and the lots they came from."""

    points: int
    lots: dict[str, int]
    authorized_at: Instant
    expires_at: Instant
    value: Money
    order_id: str | None = None
    location_id: str | None = None


class Account(Strict):
    """The state of a loyalty account: bounded by open orders, open holds and lots, not by history.

    `lots` maps the last day (ISO, or `idle`, or `never`) to points. `idle_until` is the last day of
    the lot `idle`. `granted_on` counts what was granted by day, for the daily limit, `actions` how
    often an action was rewarded by period; both forget the oldest. `reminded` is the last day whose
    ending was announced.
    """

    program_id: str
    customer_id: str | None
    enrolled_at: Instant
    pending: dict[str, PendingPoints] = Field(default_factory=dict)
    lots: dict[str, int] = Field(default_factory=dict)
    holds: dict[str, Hold] = Field(default_factory=dict)
    owed: int = 0
    lifetime_points: int = 0
    idle_until: str = ""
    granted_on: dict[str, int] = Field(default_factory=dict)
    actions: dict[str, dict[str, int]] = Field(default_factory=dict)
    reminded: str = ""

    @property
    def balance(self) -> Balance:
        return Balance(
            available=sum(self.lots.values()),
            pending=sum(order.points for order in self.pending.values()),
            held=sum(hold.points for hold in self.holds.values()),
            owed=self.owed,
        )

    def ends_on(self, lot: str) -> str:
        """Return the last day of a lot, in a form that sorts; `never` sorts behind every day."""
        return self.idle_until if lot == "idle" and self.idle_until else lot

    def by_ending(self, lots: Iterable[str]) -> list[str]:
        """Sort lots, those that end first in front."""
        return sorted(lots, key=lambda lot: (self.ends_on(lot), lot))


def is_forgotten(counts: Mapping[str, int], period: str) -> bool:
    """Tell whether a period is older than all that a full count still knows. What cannot be counted
    any more counts as full, or a limit could be undone by reporting late."""
    return len(counts) >= PERIODS_REMEMBERED and period < min(counts)


def take(account: Account, points: int, first: str | None = None) -> tuple[dict[str, int], int]:
    """Choose lots for `points`: the lot `first`, then those that end first.

    Returns what each lot gives and how many points no lot has.
    """
    order = account.by_ending(account.lots)
    if first in account.lots:
        order.remove(first)
        order.insert(0, first)
    taken: dict[str, int] = {}
    for lot in order:
        if not points:
            break
        part = min(points, account.lots[lot])
        taken[lot] = part
        points -= part
    return taken, points


def split_lots(account: Account, lots: Lots, points: int) -> tuple[dict[str, int], dict[str, int]]:
    """Divide lots into the `points` that end first and the rest."""
    front: dict[str, int] = {}
    rest: dict[str, int] = {}
    for lot in account.by_ending(lots):
        part = min(points, lots[lot])
        points -= part
        if part:
            front[lot] = part
        if lots[lot] > part:
            rest[lot] = lots[lot] - part
    return front, rest


def give(account: Account, lots: Lots) -> tuple[dict[str, int], int]:
    """Divide points that arrive: what is owed is paid first, from those that end first.

    Returns what goes into each lot, and what was paid.
    """
    total = sum(lots.values())
    paid = min(account.owed, total)
    _, kept = split_lots(account, lots, paid)
    return kept, paid


def restore(account: Account, program: Program, lots: Lots, today: date) -> dict[str, int]:
    """Return the lots that released or restored points go to: their own, or, where that has ended,
    one that ends after the program's grace."""
    grace = (today + timedelta(days=program.restore_grace_days)).isoformat()
    restored: dict[str, int] = {}
    for lot, points in lots.items():
        target = grace if account.ends_on(lot) < today.isoformat() else lot
        restored[target] = restored.get(target, 0) + points
    return restored
