"""Return policies: until when, how, for what and at which fee things may come back.

A policy is data. Each change is a new version, and an order keeps the version that was in force
when it was placed. This module holds the model, its calendar, and the policy every installation
starts with; it decides no case (see eligibility.py).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import Instant
from tandem_core.money import EXACT_INTEGER, Money
from tandem_core.values import Channel, Strict
from tandem_returns.cases import Case, CaseLine, Method, Outcome, Risk, Trigger

MAX_DAYS = 3650
_LAST_YEAR = 9900  # leaves room for every sum of days before the calendar ends

RuleId = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=128)]
Selection = Annotated[tuple[Text, ...], Field(max_length=500)]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
Countries = Annotated[tuple[Country, ...], Field(max_length=250)]
Channels = Annotated[tuple[Channel, ...], Field(max_length=5)]
Outcomes = Annotated[tuple[Outcome, ...], Field(min_length=1, max_length=3)]
Methods = Annotated[tuple[Method, ...], Field(min_length=1, max_length=4)]
SomeDays = Annotated[int, Field(ge=1, le=MAX_DAYS), EXACT_INTEGER]
Percent = Annotated[int, Field(ge=0, le=100), EXACT_INTEGER]
Number = Annotated[int, Field(ge=1, le=100_000), EXACT_INTEGER]


def _one_per_currency(prices: tuple[Money, ...]) -> tuple[Money, ...]:
    if len({price.currency for price in prices}) < len(prices):
        raise PydanticCustomError("currency_repeated", "has two amounts in the same currency")
    return prices


def _days_or_unlimited(value: Any) -> Any:
    """Refuse in one sentence: a union would answer with an error for each of its members."""
    if value == "unlimited":
        return value
    if type(value) in (int, float) and 0 <= value <= MAX_DAYS and value == int(value):
        return int(value)
    raise PydanticCustomError(
        "days_or_unlimited", f'must be a whole number of days up to {MAX_DAYS}, or "unlimited"'
    )


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise PydanticCustomError("time_zone", "must be an IANA time zone") from unknown
    return name


# The same price in several currencies.
Prices = Annotated[tuple[Money, ...], Field(max_length=200), AfterValidator(_one_per_currency)]


def price_in(prices: tuple[Money, ...], currency: str) -> int | None:
    """Return the minor units of the amount in a currency, None without one."""
    for price in prices:
        if price.currency == currency:
            return price.amount
    return None


class TriggerByRisk(Strict):
    """What the payment waits for, by what is known of the customer."""

    low: Trigger
    normal: Trigger
    high: Trigger

    def at(self, risk: Risk) -> Trigger:
        return {"low": self.low, "normal": self.normal, "high": self.high}[risk]


# "unlimited" and not null: in a rule, null is what the rule leaves as it is.
Window: TypeAlias = Annotated[
    Annotated[int, Field(ge=0, le=MAX_DAYS)] | Literal["unlimited"],
    BeforeValidator(_days_or_unlimited),
]
PolicyDecision = Literal["approve", "review", "reject"]
Fees: TypeAlias = dict[Method, Prices]


class Terms(Strict):
    """What holds for a line. The window counts from the delivery of its units.

    `keep` needs both: to be among the methods, and a line worth less than `keep_below`, with what
    was asked back of it before. `fees` are charged once per return, `restocking_percent` is of what
    the line refunds.
    """

    window_days: Window = 30
    final_sale: bool = False
    outcomes: Outcomes = ("refund", "exchange", "store_credit")
    methods: Methods = ("mail", "store", "drop_off", "keep")
    decision: PolicyDecision = "approve"
    trigger: TriggerByRisk = TriggerByRisk(low="first_scan", normal="received", high="inspected")
    fees: Fees = Field(default_factory=dict)
    restocking_percent: Percent = 0
    keep_below: Prices = ()


class TermsChange(Strict):
    """The terms that a rule replaces; null leaves a term as it is."""

    window_days: Window | None = None
    final_sale: bool | None = None
    outcomes: Outcomes | None = None
    methods: Methods | None = None
    decision: PolicyDecision | None = None
    trigger: TriggerByRisk | None = None
    fees: Fees | None = None
    restocking_percent: Percent | None = None
    keep_below: Prices | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.given():
            raise PydanticCustomError("no_change", "a rule must change at least one term")
        return self

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in self if value is not None}


class Conditions(Strict):
    """When a rule applies: every condition that is given must hold; an empty list is not given.

    Prices are of one unit as it was paid, and hold only in their own currency.
    """

    categories: Selection = ()
    skus: Selection = ()
    unit_price_from: Money | None = None
    unit_price_below: Money | None = None
    channels: Channels = ()
    sources: Selection = ()
    countries: Countries = ()
    reasons: Selection = ()
    tiers: Selection = ()
    methods: Annotated[tuple[Method, ...], Field(max_length=4)] = ()
    outcomes: Annotated[tuple[Outcome, ...], Field(max_length=3)] = ()

    @model_validator(mode="after")
    def _prices_make_a_band(self) -> Self:
        low, high = self.unit_price_from, self.unit_price_below
        if low is None or high is None:
            return self
        if low.currency != high.currency:
            raise PydanticCustomError(
                "currency_mismatch",
                "unit_price_from and unit_price_below are in different currencies",
            )
        if low.amount >= high.amount:
            raise PydanticCustomError(
                "empty_band", "unit_price_from must be less than unit_price_below"
            )
        return self

    def hold(self, case: Case, line: CaseLine) -> bool:
        wanted: tuple[tuple[tuple[str, ...], str | None], ...] = (
            (self.categories, line.category),
            (self.skus, line.sku),
            (self.channels, case.channel),
            (self.sources, case.source),
            (self.countries, case.country),
            (self.reasons, line.reason),
            (self.tiers, case.tier),
            (self.methods, case.method),
            (self.outcomes, case.outcome),
        )
        return self._price_holds(line.unit_paid) and all(
            value in allowed for allowed, value in wanted if allowed
        )

    def _price_holds(self, paid: Money | None) -> bool:
        low, high = self.unit_price_from, self.unit_price_below
        for bound in (low, high):
            if bound and (paid is None or paid.currency != bound.currency):
                return False
        amount = paid.amount if paid else 0
        return (low is None or amount >= low.amount) and (high is None or amount < high.amount)


class PolicyRule(Strict):
    """Other terms for some lines. Rules apply in their order: a later one has the last word."""

    id: RuleId
    when: Conditions = Conditions()
    then: TermsChange


class HolidayExtension(Strict):
    """What is bought on these local days, both included, may come back until the last day."""

    placed_from: date
    placed_to: date
    returns_until: date

    @model_validator(mode="after")
    def _days_are_in_order(self) -> Self:
        if not self.placed_from <= self.placed_to <= self.returns_until:
            raise PydanticCustomError(
                "holiday", "placed_from, placed_to and returns_until must follow each other"
            )
        if self.returns_until.year > _LAST_YEAR:
            raise PydanticCustomError("holiday", f"must end before the year {_LAST_YEAR + 1}")
        return self


class Limits(Strict):
    """From where on a person looks at a return; null and no amounts are no limit.

    The rate is of units returned to units bought and counts from `minimum_orders` on. Signals are
    collected over `window_days`. What is asked for is one of the returns of the last days.
    """

    window_days: SomeDays = 365
    minimum_orders: Number = 3
    max_return_rate_percent: Percent | None = None
    max_returns: Number | None = None
    max_returns_days: SomeDays = 30
    max_value: Prices = ()
    max_value_days: SomeDays = 30


class Trusted(Strict):
    """From how many orders on, and up to which rate of returned units, a customer is low risk."""

    minimum_orders: Number = 5
    max_return_rate_percent: Percent = 25


class Excluded(Strict):
    """Items by sku or category. Empty lists select nothing."""

    skus: Selection = ()
    categories: Selection = ()

    def selects(self, line: CaseLine) -> bool:
        return line.sku in self.skus or line.category in self.categories


class Statutory(Strict):
    """The withdrawal that consumer law gives: Directive 2011/83/EU, articles 9 to 16.

    It is for distance contracts, so not for what was bought in a store. `excluded` is what the law
    exempts, such as unsealed hygiene goods; without `countries` it is granted everywhere.
    """

    days: Annotated[int, Field(ge=14, le=MAX_DAYS), EXACT_INTEGER] = 14
    excluded: Excluded = Excluded()
    countries: Countries = ()
    channels: Channels = ("web", "app", "marketplace", "social")


class PolicyDefinition(Strict):
    """What `PUT /policies/{id}` takes.

    `fee_waived_for` are reasons for which nothing is charged, no restocking either. `gift_outcomes`
    are for who returns a gift: a refund would go to who gave it.
    """

    name: Text
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = "UTC"
    terms: Terms = Terms()
    rules: Annotated[tuple[PolicyRule, ...], Field(max_length=100)] = ()
    holidays: Annotated[tuple[HolidayExtension, ...], Field(max_length=50)] = ()
    fee_waived_for: Selection = ("damaged", "defective", "wrong_item", "not_as_described")
    gift_outcomes: Outcomes = ("exchange", "store_credit")
    ship_within_days: SomeDays = 14
    refund_within_hours: Annotated[int, Field(ge=1, le=24 * 90), EXACT_INTEGER] = 24
    quote_minutes: Annotated[int, Field(ge=1, le=7 * 24 * 60), EXACT_INTEGER] = 30
    store_credit_bonus_percent: Percent = 0
    refund_delivery: Literal["never", "whole_order"] = "never"
    limits: Limits = Limits()
    trusted: Trusted | None = None
    statutory: Statutory = Statutory()

    @model_validator(mode="after")
    def _rules_have_names_of_their_own(self) -> Self:
        ids = [rule.id for rule in self.rules]
        if len(set(ids)) != len(ids):
            raise PydanticCustomError("rule_id", "two rules have the same id")
        return self

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.time_zone)).date()

    def end_of(self, day: date) -> datetime:
        """Return the first instant after a local day, in UTC."""
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time())
        return midnight.replace(tzinfo=ZoneInfo(self.time_zone)).astimezone(UTC)

    def ship_by(self, method: Method, approved_at: datetime, *, statutory: bool) -> datetime | None:
        """Return before when an approved return must be on its way or at the counter.

        None when nothing comes back. Consumer law gives 14 days (2011/83/EU article 14), whatever
        the policy says.
        """
        if method == "keep":
            return None
        days = max(self.ship_within_days, 14) if statutory else self.ship_within_days
        return self.end_of(self.local_date(approved_at) + timedelta(days=days))

    def published(self, policy_id: str, version: int, at: datetime) -> Policy:
        """Return this definition as a version of a policy."""
        return Policy(id=policy_id, version=version, published_at=at, **dict(self))


class Policy(PolicyDefinition):
    """A published version of a policy."""

    id: str
    version: int
    published_at: Instant

    @property
    def pin(self) -> str:
        """Name the version in journal entries: `main@3`."""
        return f"{self.id}@{self.version}"


DEFAULT_POLICY_ID = "main"
DEFAULT_POLICY = PolicyDefinition(name="Main", trusted=Trusted()).published(
    DEFAULT_POLICY_ID,
    version=1,
    at=datetime(1970, 1, 1, tzinfo=UTC),  # the oldest order finds it
)
