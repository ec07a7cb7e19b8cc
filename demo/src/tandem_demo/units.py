"""What each unit of a purchase is worth, in money and in points: the demo's own arithmetic.

Pure, and independent of the services that it judges: whole cents, whole points, no code of Tandem.
A part of a line is worth what all of it is worth in proportion, rounded down, less what earlier
parts came to; so the last unit takes the remainder. Money goes back to points first, then to the
card.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tandem_demo import rules


class Article(NamedTuple):
    """A line of a purchase: what all of its units cost together."""

    line_id: str
    name: str
    quantity: int
    paid_minor: int


class Back(NamedTuple):
    """What some units bring back when they are returned."""

    card_minor: int
    points_restored: int
    points_taken: int


@dataclass
class Bought:
    """A purchase, and what of it has come back. `points_paid` were taken for a part of it."""

    articles: Sequence[Article]
    points_paid: int = 0
    _returned: dict[str, int] = field(default_factory=dict)
    _paid_back_minor: int = 0

    @property
    def paid_minor(self) -> int:
        return sum(article.paid_minor for article in self.articles)

    @property
    def card_minor(self) -> int:
        return self.paid_minor - rules.value_minor(self.points_paid)

    @property
    def earned(self) -> int:
        return rules.earned_points(self.card_minor)

    def give_back(self, units: Mapping[str, int]) -> Back:
        """Return units, line by line, and say what they bring."""
        worth = taken = 0
        for article, points in zip(self.articles, self._points_of_articles(), strict=True):
            before = self._returned.get(article.line_id, 0)
            after = before + units.get(article.line_id, 0)
            self._returned[article.line_id] = after
            worth += _share(article.paid_minor, after, article.quantity)
            worth -= _share(article.paid_minor, before, article.quantity)
            taken += _points_of(points, after, article.quantity)
            taken -= _points_of(points, before, article.quantity)
        before_minor = min(self._paid_back_minor, rules.value_minor(self.points_paid))
        self._paid_back_minor += worth
        after_minor = min(self._paid_back_minor, rules.value_minor(self.points_paid))
        by_points = after_minor - before_minor
        return Back(worth - by_points, by_points // rules.value_minor(1), taken)

    def _points_of_articles(self) -> list[int]:
        """Divide what was earned by what was paid; whoever lost most in rounding gets one more."""
        shares = [divmod(self.earned * one.paid_minor, self.paid_minor) for one in self.articles]
        points = [whole for whole, _ in shares]
        by_loss = sorted(range(len(shares)), key=lambda place: -shares[place][1])
        for place in by_loss[: self.earned - sum(points)]:
            points[place] += 1
        return points


def _share(paid_minor: int, units: int, quantity: int) -> int:
    return paid_minor * units // quantity


def _points_of(points: int, units: int, quantity: int) -> int:
    """Points cannot be split: the first units have one more each until the remainder is used up."""
    each, more = divmod(points, quantity)
    return each * units + min(units, more)
