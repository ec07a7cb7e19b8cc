"""What can happen to an account: the documents of its journal, and the data of its events.

One model is both, on purpose: the journal is for ever and so is what was published. `points` is the
change of available + pending - owed, so that over all facts it adds up to the balance. `postings`
is the double entry: it sums to zero over the member's accounts (available, pending, held, owed) and
the program's (issuance, redemption, expiry, adjustment, waiver). `lots` says which lots changed.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import BaseModel, model_validator

from tandem_core.clock import Instant
from tandem_core.identifiers import Identifier
from tandem_core.money import Money
from tandem_core.values import Document, Strict
from tandem_loyalty.accrual import Explanation, LinePoints
from tandem_loyalty.points import Balance, Hold
from tandem_loyalty.programs import Program

ProgramAccount = Literal["issuance", "redemption", "expiry", "adjustment", "waiver"]
LedgerAccount = Literal["available", "pending", "held", "owed"] | ProgramAccount
RedemptionStatus = Literal[
    "AUTHORIZED", "CAPTURED", "VOIDED", "EXPIRED", "PARTIALLY_REVERSED", "REVERSED"
]


class AccountFact(Document):
    """What every fact says. Raises a validation error when its postings do not balance."""

    type: ClassVar[str]

    account_id: str
    customer_id: str | None = None
    program: str
    occurred_at: Instant
    points: int = 0
    balance: Balance
    postings: dict[LedgerAccount, int]
    lots: dict[str, int] | None = None

    @model_validator(mode="after")
    def _balances(self) -> Self:
        if sum(self.postings.values()):
            raise ValueError("the postings do not sum to zero")
        if sum((self.lots or {}).values()) != self.postings.get("available", 0):
            raise ValueError("the lots do not sum to the available points")
        return self


class AccountEnrolled(AccountFact):
    """`identifiers` are personal data: orders finds by them what the member bought as a guest."""

    type = "account.enrolled"
    private = frozenset({"identifiers"})

    identifiers: tuple[Identifier, ...] = ()


class Accrued(AccountFact):
    """Points granted for an order or for an action; `last_day` is the lot they belong to.

    `period` is the one that an action's limit counts in, `counted_on` the day that the daily limit
    counts for; both are absent where the program has no such limit.
    """

    channel: str
    location_id: str | None = None
    order_id: str | None = None
    action: str | None = None
    reference: str | None = None
    lines: tuple[LinePoints, ...] | None = None
    explanation: tuple[Explanation, ...]
    granted: int
    last_day: str
    idle_until: str | None = None
    period: str | None = None
    counted_on: str | None = None


class PointsPending(Accrued):
    """Granted, and to be spent from `matures_at` on."""

    type = "points.pending"

    matures_at: Instant


class PointsEarned(Accrued):
    """Granted, and to be spent at once."""

    type = "points.earned"


class PointsRescheduled(AccountFact):
    """The order has arrived (or arrived again): its points mature at another time."""

    type = "points.rescheduled"

    order_id: str
    matures_at: Instant


class PointsActivated(AccountFact):
    """Pending points of an order can be spent."""

    type = "points.activated"

    order_id: str


class PointsExpiring(AccountFact):
    """A reminder: `expiring` points end with `last_day`. Changes nothing."""

    type = "points.expiring"

    last_day: str
    expiring: int


class PointsExpired(AccountFact):
    type = "points.expired"

    last_day: str


class PointsAdjusted(AccountFact):
    """Changed by hand, with a reason."""

    type = "points.adjusted"

    reason: str
    idle_until: str | None = None


class PointsReversed(AccountFact):
    """Taken back because lines of an order were cancelled or returned.

    `lines` holds what this reversal took by line, `waived` what the program does not ask for since
    the member would owe more than its floor.
    """

    type = "points.reversed"

    order_id: str
    reversal_id: str
    lines: tuple[LinePoints, ...]
    waived: int = 0


class Redemption(Strict):
    """Points on their way off a price. `captured_value` is what the captured points are worth."""

    id: str
    account_id: str
    status: RedemptionStatus
    points: int
    value: Money
    authorized_at: Instant
    expires_at: Instant
    order_id: str | None = None
    location_id: str | None = None
    captured_points: int = 0
    captured_value: Money | None = None
    reversed_points: int = 0

    @classmethod
    def of_hold(
        cls, account_id: str, redemption_id: str, hold: Hold, status: RedemptionStatus
    ) -> Self:
        return cls(
            id=redemption_id,
            account_id=account_id,
            status=status,
            points=hold.points,
            value=hold.value,
            authorized_at=hold.authorized_at,
            expires_at=hold.expires_at,
            order_id=hold.order_id,
            location_id=hold.location_id,
        )


class RedemptionFact(AccountFact):
    redemption: Redemption
    idle_until: str | None = None


class RedemptionAuthorized(RedemptionFact):
    type = "redemption.authorized"


class RedemptionCaptured(RedemptionFact):
    """`spent` names the lots that are gone; `lots` those to which the rest returned."""

    type = "redemption.captured"

    spent: dict[str, int]


class RedemptionVoided(RedemptionFact):
    type = "redemption.voided"


class RedemptionExpired(RedemptionFact):
    """Nobody captured or voided the hold in time; its points are available again."""

    type = "redemption.expired"


class RedemptionReversed(RedemptionFact):
    """`reversed` is what this reversal gave back."""

    type = "redemption.reversed"

    reversed: int


FACTS: dict[str, type[AccountFact]] = {
    model.type: model
    for model in (
        AccountEnrolled,
        PointsPending,
        PointsEarned,
        PointsRescheduled,
        PointsActivated,
        PointsExpiring,
        PointsExpired,
        PointsAdjusted,
        PointsReversed,
        RedemptionAuthorized,
        RedemptionCaptured,
        RedemptionVoided,
        RedemptionExpired,
        RedemptionReversed,
    )
}

PROGRAM_PUBLISHED = "program.published"
PUBLISHED: dict[str, type[BaseModel]] = {**FACTS, PROGRAM_PUBLISHED: Program}


def fact_of(kind: str, data: str) -> AccountFact:
    """Read a fact from its type and its stored document."""
    return FACTS[kind].model_validate_json(data)
