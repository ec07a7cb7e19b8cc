"""What goes over the wire: bodies and queries in, answers out, and the events this service hears.

Requests refuse fields they do not know; events of other services are read tolerantly.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import GivenInstant, Instant
from tandem_core.identifiers import Identifier
from tandem_core.journal import Entry
from tandem_core.money import EXACT_INTEGER, Money
from tandem_core.problems import invalid_field
from tandem_core.values import Reference, Strict
from tandem_loyalty.accrual import Explanation, LinePoints
from tandem_loyalty.earning import Action
from tandem_loyalty.facts import AccountFact, Redemption
from tandem_loyalty.points import Balance
from tandem_loyalty.programs import MAX_POINTS, Points
from tandem_loyalty.purchases import Purchase, PurchaseLine, Tender
from tandem_loyalty.redemptions import MAX_HOLD_SECONDS

_PROGRAM_ID = r"[a-z0-9][a-z0-9_-]{0,63}"
ProgramId = Annotated[str, Field(pattern=f"^{_PROGRAM_ID}$")]


def check_program_id(program_id: str) -> None:
    """Refuse a program id from a path that no body could name."""
    if not re.fullmatch(_PROGRAM_ID, program_id):
        raise invalid_field("program_id", "INVALID_VALUE", "use a-z, 0-9, - and _, up to 64")


class Enrol(Strict):
    """`customer_id` is the retailer's own id of the customer. At least one way to find the member
    again is needed."""

    customer_id: Reference | None = None
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=10)] = ()
    program_id: ProgramId = "main"

    @model_validator(mode="after")
    def _can_be_found_again(self) -> Self:
        if not self.identifiers and self.customer_id is None:
            raise PydanticCustomError("identifier", "give a customer_id or an identifier")
        if len({(one.type, one.value) for one in self.identifiers}) < len(self.identifiers):
            raise PydanticCustomError("identifier", "an identifier is given twice")
        return self


class Search(Strict):
    identifier: Identifier | None = None
    customer_id: Reference | None = None

    @model_validator(mode="after")
    def _asks_for_one(self) -> Self:
        if (self.identifier is None) == (self.customer_id is None):
            raise PydanticCustomError("search", "give either an identifier or a customer_id")
        return self


class Expiring(Strict):
    points: int
    expires_on: str


class LoyaltyAccount(Strict):
    """`lifetime_points` are all points ever granted less reversals. `tier` is null while the
    program has no tiers."""

    id: str
    program_id: str
    customer_id: str | None
    identifiers: tuple[Identifier, ...]
    balance: Balance
    lifetime_points: int
    tier: str | None = None
    expiring: tuple[Expiring, ...]
    enrolled_at: Instant
    version: int


class Accounts(Strict):
    accounts: tuple[LoyaltyAccount, ...]


class BalanceQuery(Strict):
    as_of: GivenInstant | None = None


class BalanceAt(Balance):
    as_of: Instant


class PageQuery(Strict):
    """Query strings are text, so `limit` is read from its digits."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    cursor: Annotated[str, Field(max_length=512)] | None = None


class LedgerEvent(Strict):
    """One line of an account's ledger. `points` is the change of available + pending - owed."""

    id: str
    seq: int
    type: str
    points: int
    balance: Balance
    account_id: str
    program: str
    channel: str
    actor: str
    order_id: str | None
    location_id: str | None
    redemption_id: str | None
    occurred_at: Instant
    recorded_at: Instant
    matures_at: Instant | None
    expires_on: str | None
    reason: str | None
    explanation: tuple[Explanation, ...]
    postings: dict[str, int]
    previous_hash: str
    hash: str

    @classmethod
    def of(cls, entry: Entry, fact: AccountFact) -> Self:
        """Render a journal entry; what its type does not have is null."""
        redemption = getattr(fact, "redemption", None)
        about = redemption or fact
        return cls(
            id=entry.id,
            seq=entry.seq,
            type=entry.type,
            points=fact.points,
            balance=fact.balance,
            account_id=entry.subject,
            program=fact.program,
            channel=getattr(fact, "channel", entry.origin.channel),
            actor=entry.origin.actor,
            order_id=getattr(about, "order_id", None),
            location_id=getattr(about, "location_id", None),
            redemption_id=redemption.id if redemption else None,
            occurred_at=fact.occurred_at,
            recorded_at=datetime.fromisoformat(entry.at),
            matures_at=getattr(fact, "matures_at", None),
            expires_on=getattr(fact, "last_day", None),
            reason=getattr(fact, "reason", None),
            explanation=getattr(fact, "explanation", ()),
            postings={str(name): points for name, points in fact.postings.items()},
            previous_hash=entry.previous.hex(),
            hash=entry.hash.hex(),
        )


class LedgerEvents(Strict):
    events: tuple[LedgerEvent, ...]
    cursor: str | None = None


class Calculate(Strict):
    purchase: Purchase


class Calculation(Strict):
    points: int
    lines: tuple[LinePoints, ...]
    explanation: tuple[Explanation, ...]


class Accumulate(Strict):
    """Either a purchase or an action."""

    purchase: Purchase | None = None
    action: Action | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.purchase is None) == (self.action is None):
            raise PydanticCustomError("accumulate", "give either a purchase or an action")
        return self

    def the_purchase(self) -> Purchase:
        """Return the purchase of a request that has no action."""
        assert self.purchase is not None  # noqa: S101  validated
        return self.purchase


class Adjust(Strict):
    """`points` is what to add, or, when negative, to take."""

    points: Annotated[int, Field(ge=-MAX_POINTS, le=MAX_POINTS), EXACT_INTEGER]
    reason: Annotated[str, Field(min_length=1, max_length=500)]
    allow_negative_balance: StrictBool = False

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.points:
            raise PydanticCustomError("points", "points must not be zero")
        return self


class Authorize(Strict):
    """`basket` is the total that is to be paid; a program that limits the share of a basket payable
    with points asks for it."""

    points: Points
    order_id: Reference | None = None
    location_id: Reference | None = None
    expires_in_seconds: Annotated[int, Field(ge=1, le=MAX_HOLD_SECONDS), EXACT_INTEGER] | None = (
        None
    )
    basket: Money | None = None


class SomePoints(Strict):
    """Without `points`, all there are."""

    points: Points | None = None


class Nothing(Strict):
    """A body without members, or none at all."""


class ProgramQuery(Strict):
    """Without `version`, the current one."""

    version: Annotated[int, Field(ge=1, le=10**9)] | None = None


class Heard(BaseModel):
    """An event of another service, as far as loyalty reads it."""

    # What is wrong with an event is logged; what it holds may be personal.
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class HeardLine(Heard):
    line_id: Reference
    sku: Reference
    category: Reference | None = None
    quantity: int
    paid: Money | None = None

    def purchase_line(self) -> PurchaseLine:
        return PurchaseLine.model_validate(self.model_dump())


class HeardTender(Heard):
    type: Reference
    paid: Money
    reference: Reference | None = None

    def tender(self) -> Tender:
        return Tender.model_validate(self.model_dump())


class HeardCustomer(Heard):
    customer_id: Reference | None = None
    email: str | None = None
    phone: str | None = None


class OrderPlaced(Heard):
    """`order.placed`. Lines without units, or of which nobody says what was paid, earn nothing."""

    order_id: Reference
    channel: Literal["web", "app", "pos", "marketplace", "social"]
    store_id: Reference | None = None
    customer: HeardCustomer = HeardCustomer()
    placed_at: GivenInstant
    lines: tuple[HeardLine, ...]
    tenders: tuple[HeardTender, ...] = ()

    def purchase(self) -> Purchase | None:
        """Return what can earn points, or None when no line has units."""
        lines = tuple(
            line.purchase_line() for line in self.lines if line.quantity > 0 and line.paid
        )
        if not lines:
            return None
        return Purchase(
            order_id=self.order_id,
            channel=self.channel,
            location_id=self.store_id,
            occurred_at=self.placed_at,
            lines=lines,
            tenders=tuple(tender.tender() for tender in self.tenders),
        )


class OrderArrived(Heard):
    """`order.delivered` and `order.completed`: evidence that starts the return window."""

    order_id: Reference
    delivered_at: GivenInstant | None = None
    completed_at: GivenInstant | None = None
    return_window_closes_at: GivenInstant | None = None


class HeardQuantity(Heard):
    line_id: Reference
    quantity: Annotated[int, Field(ge=1), EXACT_INTEGER]


class OrderCancelled(Heard):
    """`order.cancelled`: the lines that are cancelled, or, without any, the whole order.

    `whole` says that nothing is left of it, also of lines that were added after it had earned.
    """

    order_id: Reference
    cancellation_id: Reference | None = None
    cancelled_at: GivenInstant | None = None
    whole: bool = False
    lines: tuple[HeardQuantity, ...] | None = None


class RefundLeg(Heard):
    """A leg with `points` gives spent points back to the redemption that `reference` names."""

    tender: str
    points: Annotated[int, Field(ge=0), EXACT_INTEGER] | None = None
    reference: Reference | None = None


class RefundSucceeded(Heard):
    """`refund.succeeded`: the units that came back and the legs that were paid."""

    refund_id: Reference
    order_id: Reference
    succeeded_at: GivenInstant | None = None
    lines: tuple[HeardQuantity, ...] = ()
    legs: tuple[RefundLeg, ...] = ()

    def points_by_redemption(self) -> dict[str, int]:
        """Return how many points each redemption gets back; several legs may name the same one."""
        points: dict[str, int] = {}
        for leg in self.legs:
            if leg.tender == "points" and leg.points and leg.reference:
                points[leg.reference] = points.get(leg.reference, 0) + leg.points
        return points


class AccrualHeard(Heard):
    """Our own `points.earned` and `points.pending`."""

    order_id: str | None = None


class RedemptionHeard(Heard):
    """Our own `redemption.authorized`."""

    account_id: str
    redemption: Redemption
