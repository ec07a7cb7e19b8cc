"""What each household does, decided before anything is sent: the same sample, the same requests.

Pure. Every request and its Idempotency-Key follow from the data, the size of the sample and one
remembered day (see `Calendar`), never from a clock, a draw or an earlier answer. So a repeat, also
after a restart and on a later day, sends the same bytes and changes nothing.

The size of the sample is part of every name ("25x500"): samples of different sizes are different
customers with different orders, so each run can account for all that its accounts hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from tandem_demo import rules
from tandem_demo.dataset import LAST_DAY, Household
from tandem_demo.purchases import Basket, Line, to_basket

PROGRAM_ID = "main"
HOLD_SECONDS = 900
WEB_EVERY = 5
REDEEMING_EVERY = 2
# Points that lapse this soon after the first run are left alone when a redemption is planned.
_MARGIN_DAYS = 3


@dataclass(frozen=True)
class Calendar:
    """The move in time: the data's last day becomes the day before the first household enrolled.

    The enrolment is the anchor because the system remembers it, and repeating it answers the first
    `enrolled_at` for ever. Nothing needs to be kept beside the system.
    """

    anchor: date

    @classmethod
    def from_first_enrolment(cls, enrolled_at: datetime) -> Calendar:
        return cls(enrolled_at.astimezone(UTC).date() - timedelta(days=1))

    @property
    def shift(self) -> timedelta:
        return self.anchor - LAST_DAY

    def moved(self, sold_at: datetime) -> datetime:
        return sold_at.replace(tzinfo=UTC) + self.shift


@dataclass(frozen=True)
class Redemption:
    """A hold at the till and its end: `captured_points` 0 voids it; a reversal may follow."""

    points: int
    captured_points: int
    reversed_points: int


@dataclass(frozen=True)
class Visit:
    """One basket brought to a till or ordered in the web shop."""

    basket: Basket
    channel: str
    occurred_at: datetime
    redemption: Redemption | None = None

    @property
    def points_tender_minor(self) -> int:
        """What of the basket is paid with points."""
        return rules.value_minor(self.redemption.captured_points) if self.redemption else 0

    @property
    def earned_points(self) -> int:
        return rules.earned_points(self.basket.paid_minor - self.points_tender_minor)


@dataclass(frozen=True)
class Member:
    """A household of the sample. `name` is unique among all samples ever sent to one system."""

    sample: str
    household_id: int

    @property
    def name(self) -> str:
        return f"demo-{self.sample}-h{self.household_id}"

    def order_id(self, basket_id: int) -> str:
        return f"demo-{self.sample}-b{basket_id}"

    def key(self, *step: object) -> str:
        return "-".join([self.name, *map(str, step)])

    @property
    def enrolment(self) -> dict[str, Any]:
        card = int(sha256(self.name.encode()).hexdigest(), 16) % 10**14
        return {
            "customer_id": self.name,
            # Numbers that start with 29 are a shop's own (GS1, restricted circulation).
            "identifiers": [{"type": "card", "value": f"29{card:014d}"}],
            "program_id": PROGRAM_ID,
        }


@dataclass(frozen=True)
class Story:
    """A member and all its visits, in the order of time."""

    member: Member
    visits: tuple[Visit, ...]

    def purchase(self, visit: Visit, currency: str) -> dict[str, Any]:
        basket = visit.basket
        purchase: dict[str, Any] = {
            "order_id": self.member.order_id(basket.basket_id),
            "channel": visit.channel,
            "occurred_at": visit.occurred_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "lines": [_line(line, currency) for line in basket.lines],
        }
        if visit.channel == "pos":
            purchase["location_id"] = store_name(basket.store_id)
        points_minor = visit.points_tender_minor
        if points_minor:
            tenders = {"points": points_minor, "card": basket.paid_minor - points_minor}
            purchase["tenders"] = [
                {"type": tender, "paid": {"amount": paid_minor, "currency": currency}}
                for tender, paid_minor in tenders.items()
                if paid_minor
            ]
        return {"purchase": purchase}

    def authorization(self, visit: Visit, redemption: Redemption) -> dict[str, Any]:
        return {
            "points": redemption.points,
            "order_id": self.member.order_id(visit.basket.basket_id),
            "location_id": store_name(visit.basket.store_id),
            "expires_in_seconds": HOLD_SECONDS,
        }


def store_name(store_id: int) -> str:
    return f"store_{store_id}"


def sample_name(households: int, baskets: int) -> str:
    return f"{households}x{baskets}"


def tell(
    members: Sequence[Member],
    households: Sequence[Household],
    calendar: Calendar,
    notes: Counter[str],
) -> list[Story]:
    """Decide every household's visits; `notes` counts what of the data was left out or changed."""
    return [
        Story(member, _visits(index, household, calendar, notes))
        for index, (member, household) in enumerate(zip(members, households, strict=True))
    ]


def _visits(
    index: int, household: Household, calendar: Calendar, notes: Counter[str]
) -> tuple[Visit, ...]:
    """Turn baskets into visits; every second household spends its points as soon as it has 100.

    What may be spent is counted from the visits so far, on the safe side: web orders may still be
    pending, and the oldest points may lapse between the first request and the last.
    """
    visits: list[Visit] = []
    redeems = index % REDEEMING_EVERY == 0
    safe_after = datetime.combine(calendar.anchor, datetime.min.time(), UTC) + timedelta(
        days=_MARGIN_DAYS
    )
    spendable_points = 0
    redemptions = 0
    for rows in household.baskets:
        basket = to_basket(rows, notes)
        if basket is None:
            continue
        channel = "web" if basket.basket_id % WEB_EVERY == 0 else "pos"
        redemption = None
        if redeems and channel == "pos":
            redemption = _redemption(index + redemptions, spendable_points, basket.paid_minor)
        visit = Visit(basket, channel, calendar.moved(basket.sold_at), redemption)
        visits.append(visit)
        if redemption:
            redemptions += 1
            spendable_points -= redemption.captured_points - redemption.reversed_points
        if channel == "pos" and rules.lapses_at(visit.occurred_at) > safe_after:
            spendable_points += visit.earned_points
    return tuple(visits)


def _redemption(turn: int, spendable_points: int, paid_minor: int) -> Redemption | None:
    """Redeem whole hundreds, no more than the basket costs; the endings take turns."""
    points = min(spendable_points, paid_minor // rules.value_minor(1)) // 100 * 100
    if points <= 0:
        return None
    part = points * 2 // 3
    endings = (
        Redemption(points, points, 0),
        Redemption(points, part, 0),
        Redemption(points, 0, 0),
        Redemption(points, points, part),
        Redemption(points, points, 0),
        Redemption(points, part, part),
    )
    return endings[turn % len(endings)]


def _line(line: Line, currency: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "line_id": str(line.product_id),
        "sku": str(line.product_id),
        "quantity": line.quantity,
        "paid": {"amount": line.paid_minor, "currency": currency},
    }
    if line.department:
        described["category"] = line.department
    return described
