"""The demo's own books: every point of one account, recomputed from what was sent and accepted.

Pure, and independent of the service: plain lots in a list, no code of Tandem.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tandem_demo import rules


class Overspent(Exception):
    """The service gave out points that the books do not have."""


class Balance(NamedTuple):
    """The four numbers of an account, in points."""

    available: int
    pending: int
    held: int
    owed: int


@dataclass
class _Lot:
    points: int
    available_from: datetime
    lapses_at: datetime


@dataclass
class Books:
    """One account. Calls come in the order in which the service did the work."""

    granted_points: int = 0
    spent_points: int = 0
    _lots: list[_Lot] = field(default_factory=list)
    _taken: dict[str, list[tuple[_Lot, int]]] = field(default_factory=dict)

    def earn(self, points: int, occurred_at: datetime, available_from: datetime) -> None:
        """Book a purchase: its points live from the day it occurred, whenever they are usable."""
        self.granted_points += points
        if points:
            self._lots.append(_Lot(points, available_from, rules.lapses_at(occurred_at)))

    def spend(self, redemption_id: str, points: int, at: datetime) -> None:
        """Take points out of the lots that lapse first. Raises Overspent."""
        short = points - self.available(at)
        if short > 0:
            raise Overspent(f"{redemption_id} takes {points} points, {short} more than there are")
        taken: list[tuple[_Lot, int]] = []
        missing = points
        for lot in self._usable(at):
            part = min(lot.points, missing)
            lot.points -= part
            missing -= part
            taken.append((lot, part))
        self.spent_points += points
        self._taken[redemption_id] = taken

    def give_back(self, redemption_id: str, points: int) -> None:
        """Return points to the lots they came from, those that lapse last first."""
        self.spent_points -= points
        missing = points
        taken = self._taken[redemption_id]
        while missing:
            lot, part = taken.pop()
            back = min(part, missing)
            lot.points += back
            missing -= back
            if part > back:
                taken.append((lot, part - back))

    def available(self, at: datetime) -> int:
        return sum(lot.points for lot in self._usable(at))

    def balance(self, at: datetime) -> Balance:
        """Return the balance at an instant; nothing is held or owed once every hold has ended."""
        pending = sum(lot.points for lot in self._lots if lot.available_from > at)
        return Balance(self.available(at), pending, 0, 0)

    def lapsed(self, at: datetime) -> int:
        """Return the points that nobody spent in time."""
        balance = self.balance(at)
        return self.granted_points - self.spent_points - balance.available - balance.pending

    def _usable(self, at: datetime) -> list[_Lot]:
        usable = [lot for lot in self._lots if lot.available_from <= at < lot.lapses_at]
        return sorted(usable, key=lambda lot: lot.lapses_at)
