"""Loyalty programs: what earns points, when they can be spent, what they are worth, when they end.

A program is data. Each change is a new version, and every journal entry names the version that
decided it. This module holds the model, its calendar, and the program every installation starts
with; it computes no points (see accrual.py).
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.money import EXACT_INTEGER, MAX_AMOUNT_MINOR, Currency, Money
from tandem_core.values import Channel, Strict

MAX_POINTS = 10**12

ActionType = Literal[
    "review", "follow", "share", "referral", "birthday", "app_install", "sign_up", "survey"
]
Period = Literal["day", "week", "month", "year", "lifetime"]

Points = Annotated[int, Field(ge=1, le=MAX_POINTS), EXACT_INTEGER]
Days = Annotated[int, Field(ge=0, le=3650), EXACT_INTEGER]
Months = Annotated[int, Field(ge=1, le=120), EXACT_INTEGER]
RuleId = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=128)]
Selection = Annotated[tuple[Text, ...], Field(max_length=500)]
DecimalText = Annotated[str, Field(pattern=r"^\d{1,9}(\.\d{1,3})?$")]


class LineFilter(Strict):
    """Lines of a purchase by sku or category. Empty lists select nothing."""

    skus: Selection = ()
    categories: Selection = ()

    def selects(self, sku: str, category: str | None) -> bool:
        return sku in self.skus or (category is not None and category in self.categories)


class SpendRule(Strict):
    """`points` x `multiplier` for each `per` of the major unit that was paid for matching lines.

    Without `match` every line matches. Of several rules that match a line, the most generous one
    counts for it.
    """

    type: Literal["spend"]
    id: RuleId
    points: Points
    per: DecimalText = "1"
    multiplier: DecimalText = "1"
    currency: Currency | None = None
    match: LineFilter | None = None
    channels: Annotated[tuple[Channel, ...], Field(max_length=5)] = ()
    minimum_spend: Money | None = None

    @model_validator(mode="after")
    def _rate_is_positive(self) -> Self:
        if not float(self.per) or not float(self.multiplier):
            raise PydanticCustomError("rate", "per and multiplier must be greater than zero")
        return self


class OrderRule(Strict):
    """A fixed number of points for each order that reaches the minimum spend."""

    type: Literal["order"]
    id: RuleId
    points: Points
    channels: Annotated[tuple[Channel, ...], Field(max_length=5)] = ()
    minimum_spend: Money | None = None


class ActionLimit(Strict):
    """At most `times` grants in a calendar period of the program's time zone."""

    times: Annotated[int, Field(ge=1, le=1000), EXACT_INTEGER] = 1
    period: Period = "lifetime"


class ActionRule(Strict):
    """Points for something other than buying."""

    type: Literal["action"]
    id: RuleId
    action: ActionType
    points: Points
    limit: ActionLimit | None = None


AccrualRule = Annotated[SpendRule | OrderRule | ActionRule, Field(discriminator="type")]


class PointValue(Strict):
    """What points take off a price: `points` of them are worth `value`."""

    points: Points
    value: Money


class Immediate(Strict):
    """Points can be spent at once."""

    mode: Literal["immediate"]


class AfterDays(Strict):
    """Points can be spent `days` after the purchase."""

    mode: Literal["days"]
    days: Days


class ReturnWindow(Strict):
    """Points can be spent when the return window closes: `days` after the goods have arrived.

    Without word of an arrival, `fallback_days` after the purchase.
    """

    mode: Literal["return_window"]
    days: Days = 30
    fallback_days: Days = 60


PendingPolicy = Annotated[Immediate | AfterDays | ReturnWindow, Field(discriminator="mode")]


class RollingExpiry(Strict):
    """Points live `months`, and to the end of the month that is reached."""

    mode: Literal["rolling"]
    months: Months = 12


class FixedDateExpiry(Strict):
    """Points live until the next `month_day` (MM-DD) that is at least `minimum_months` away."""

    mode: Literal["fixed_date"]
    month_day: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")]
    minimum_months: Annotated[int, Field(ge=0, le=60), EXACT_INTEGER] = 0


class InactivityExpiry(Strict):
    """All points end together, `months` after the member last earned or spent."""

    mode: Literal["inactivity"]
    months: Months


class NoExpiry(Strict):
    mode: Literal["never"]


Expiry = Annotated[
    RollingExpiry | FixedDateExpiry | InactivityExpiry | NoExpiry, Field(discriminator="mode")
]


class Limits(Strict):
    """Bounds of a program; null is no bound.

    `negative_floor` is the most that a member may owe after a return: what could not be taken back
    beyond it is waived.
    """

    points_per_day: Points | None = None
    basket_share_percent: Annotated[int, Field(ge=1, le=100), EXACT_INTEGER] | None = None
    negative_floor: Annotated[int, Field(ge=0, le=MAX_POINTS), EXACT_INTEGER] | None = None


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise PydanticCustomError("time_zone", "must be an IANA time zone") from unknown
    return name


class ProgramDefinition(Strict):
    """What `PUT /programs/{id}` takes."""

    name: Text
    currency: Currency = "EUR"
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"
    accrual_rules: Annotated[tuple[AccrualRule, ...], Field(max_length=100)]
    excluded: LineFilter = LineFilter()
    excluded_tenders: Selection = ("points", "gift_card")
    point_value: PointValue
    pending: dict[Channel, PendingPolicy] = Field(default_factory=dict)
    expiry: Expiry = RollingExpiry(mode="rolling")
    limits: Limits = Limits()
    restore_grace_days: Days = 30
    reminder_days: Days = 30

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ids = [rule.id for rule in self.accrual_rules]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("rule_id", "two accrual rules have the same id")
        if self.point_value.value.currency != self.currency:
            raise PydanticCustomError(
                "currency_mismatch", "point_value is in another currency than the program"
            )
        if not self.point_value.value.amount:
            raise PydanticCustomError("point_value", "points must be worth something")
        return self


class Program(ProgramDefinition):
    """A published version of a program."""

    id: str
    version: int

    @property
    def pin(self) -> str:
        """Name the version in journal entries: `main@3`."""
        return f"{self.id}@{self.version}"

    def pending_policy(self, channel: str) -> Immediate | AfterDays | ReturnWindow:
        for name, policy in self.pending.items():
            if name == channel:
                return policy
        return Immediate(mode="immediate")

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(zone(self.time_zone)).date()

    def end_of(self, day: date) -> datetime:
        """Return the first instant after a local day, in UTC."""
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
        return midnight.replace(tzinfo=zone(self.time_zone)).astimezone(UTC)

    def value_of(self, points: int) -> Money | None:
        """Return what points take off a price, rounded down; None when no amount is that large."""
        rate = self.point_value
        amount = points * rate.value.amount // rate.points
        if amount > MAX_AMOUNT_MINOR:
            return None
        return Money(amount=amount, currency=rate.value.currency)

    def last_day(self, earned_on: date) -> str:
        """Return the last day (ISO) on which points earned on a day can be spent.

        `idle` stands for points that end by inactivity, `never` for those that do not end.
        """
        expiry = self.expiry
        if isinstance(expiry, RollingExpiry):
            return _month_end(_add_months(earned_on, expiry.months)).isoformat()
        if isinstance(expiry, FixedDateExpiry):
            return _next_month_day(
                _add_months(earned_on, expiry.minimum_months), expiry.month_day
            ).isoformat()
        return "idle" if isinstance(expiry, InactivityExpiry) else "never"

    def idle_until(self, active_on: date) -> str:
        """Return the last day of points that end by inactivity, or "" under another policy."""
        if not isinstance(self.expiry, InactivityExpiry):
            return ""
        return _add_months(active_on, self.expiry.months).isoformat()


def period_name(period: Period, day: date) -> str:
    """Name the calendar period that a day falls in, so that equal names are the same period."""
    if period == "week":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    width = {"day": 10, "month": 7, "year": 4, "lifetime": 0}[period]
    return day.isoformat()[:width]


@lru_cache(maxsize=32)
def zone(name: str) -> tzinfo:
    """Return a time zone. Most programs are in UTC, and that costs no look-up."""
    if name == "UTC":
        return UTC
    if not re.fullmatch(r"[A-Za-z0-9_+/-]+", name):
        raise ValueError(name)
    return ZoneInfo(name)


def _add_months(day: date, months: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _month_end(day: date) -> date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _next_month_day(earliest: date, month_day: str) -> date:
    month, day = int(month_day[:2]), int(month_day[3:])
    for year in (earliest.year, earliest.year + 1):
        candidate = date(year, month, min(day, calendar.monthrange(year, month)[1]))
        if candidate >= earliest:
            return candidate
    raise AssertionError("one of two consecutive years holds the day")


_ONLINE = ReturnWindow(mode="return_window")
DEFAULT_PROGRAM_ID = "main"
DEFAULT_PROGRAM = Program(
    id=DEFAULT_PROGRAM_ID,
    version=1,
    name="Main",
    accrual_rules=(SpendRule(type="spend", id="spend", points=1),),
    point_value=PointValue(points=100, value=Money(amount=100, currency="EUR")),
    pending={"web": _ONLINE, "app": _ONLINE, "marketplace": _ONLINE, "social": _ONLINE},
)
