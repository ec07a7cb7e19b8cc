"""Requests and answers of the returns API. Money is in minor units, times are in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import GivenInstant, Instant
from tandem_core.identifiers import Identifier
from tandem_core.money import EXACT_INTEGER, Money
from tandem_core.values import Reference, Strict
from tandem_returns.cases import Explanation, Method, Outcome, Trigger
from tandem_returns.eligibility import DryRun
from tandem_returns.labels import Address
from tandem_returns.logistics import UnitState
from tandem_returns.policies import PolicyDefinition
from tandem_returns.quotes import WantedLine
from tandem_returns.return_facts import InspectedUnits, ReceivedUnits
from tandem_returns.returns import (
    Decision,
    ExchangeLine,
    ExchangePayment,
    RefundState,
    Status,
)
from tandem_returns.withdrawals import Receipt

# What a return says of its lines has to fit an event; a larger order comes back in several.
MAX_LINES = 200

Cursor = Annotated[str, Field(min_length=1, max_length=512)]
LimitText = Annotated[int, Field(ge=1, le=200)]
Reason = Annotated[str, Field(min_length=1, max_length=512)]


# --- quotes ---------------------------------------------------------------------------------------


class QuoteRequest(Strict):
    """`exchange_for` is what is wanted instead, for an exchange alone: the like of it unless told.
    Its prices are the store's or the shop's to say, so customers cannot. `gift`: whoever brings it
    did not pay for it. `override_reason` lets staff do what the policy does not allow."""

    order_id: Reference
    lines: Annotated[tuple[WantedLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    outcome: Outcome
    method: Method
    store_id: Reference | None = None
    exchange_for: Annotated[tuple[ExchangeLine, ...], Field(max_length=MAX_LINES)] = ()
    gift: Annotated[bool, Field(strict=True)] = False
    override_reason: Reason | None = None

    @field_validator("exchange_for")
    @classmethod
    def _is_exchanged(
        cls, wanted: tuple[ExchangeLine, ...], said: ValidationInfo
    ) -> tuple[ExchangeLine, ...]:
        if wanted and said.data.get("outcome", "exchange") != "exchange":
            raise PydanticCustomError("exchange_for", "goes with the outcome exchange alone")
        return wanted


class QuotedLine(Strict):
    """`code` says why a line is not eligible. `refund` is what its units are worth before fees."""

    line_id: str
    quantity: int
    eligible: bool
    code: str | None
    decision: Literal["approved", "needs_review", "rejected"]
    refund: Money | None
    fee: Money | None
    trigger: Trigger
    window_closes_at: Instant | None
    explanation: tuple[Explanation, ...]


class LegView(Strict):
    """`paid` is hidden from who returns a gift. `bonus`: it comes on top, for taking credit."""

    tender: str
    paid: Money | None
    points: int | None = None
    bonus: bool = False


class QuotedRefund(Strict):
    """`fees` and `points_taken` are hidden from who returns a gift."""

    legs: tuple[LegView, ...]
    fees: Money | None
    points_restored: int
    points_taken: int | None


class ReplacementView(Strict):
    """`unit_price` is hidden from who returns a gift: the like of it costs what was paid for it."""

    line_id: str
    sku: str
    name: str
    category: str | None
    quantity: int
    unit_price: Money | None


class ExchangeView(Strict):
    """`due` is what the customer pays on top."""

    lines: tuple[ReplacementView, ...]
    due: Money
    created: bool = False


class QuoteView(Strict):
    id: str
    order_id: str
    expires_at: Instant
    outcome: Outcome
    method: Method
    policy: str
    decision: Literal["approved", "needs_review", "rejected"]
    lines: tuple[QuotedLine, ...]
    refund: QuotedRefund
    exchange: ExchangeView | None
    explanation: tuple[Explanation, ...]


# --- returns --------------------------------------------------------------------------------------


class OpenReturn(Strict):
    """`payment` is the difference of an exchange, paid at the till or the checkout. With `address`,
    where the parcel starts, a return by mail gets a label."""

    quote_id: Reference
    payment: ExchangePayment | None = None
    address: Address | None = None


class ReturnLineView(Strict):
    """`logistics` is where the least advanced of its units are, `units` where all of them are."""

    line_id: str
    sku: str
    name: str
    quantity: int
    reason: str
    decision: Decision
    logistics: UnitState
    units: Mapping[UnitState, int]
    money: RefundState | Literal["none"]
    trigger: Trigger
    explanation: tuple[Explanation, ...]


class ReturnLegView(LegView):
    """What a tender gets for the units that came, or may still come. `none`: nothing of it is due.

    `instead_of` is the tender that was quoted, where that could not be paid and this one is.
    """

    state: RefundState | Literal["none"]
    instead_of: str | None = None


class RefundView(Strict):
    """One payment: of a leg, or of a part of it. `reason` is its provider's or a person's."""

    id: str
    tender: str
    paid: Money | None
    points: int | None
    state: RefundState
    provider: str
    provider_reference: str | None
    reason: str


class ReturnRefund(Strict):
    """Of the units that came, or may still come. `fees` and `points_taken` are hidden from who
    returns a gift."""

    legs: tuple[ReturnLegView, ...]
    fees: Money | None
    points_restored: int
    points_taken: int | None
    refunds: tuple[RefundView, ...]


class TimeToRefund(Strict):
    """From what the policy waits for to the last payment. `seconds` runs until then."""

    triggered_at: Instant
    due_by: Instant
    succeeded_at: Instant | None
    seconds: int
    late: bool


class ParcelView(Strict):
    carrier: str
    tracking_number: str


class LabelView(Strict):
    state: Literal["wanted", "prepared", "bought", "unavailable"]
    url: str | None
    reason: str


class ReturnView(Strict):
    """`decision_reason` is what a person has said who let it pass against the policy
    (`override_reason`), approved it, rejected it or called it off, and `decided_by` who that was.
    Customers are told the reason of a rejection alone, and never by whom. `closed_at` is when it
    ended, in whatever way; null while it goes on, also again."""

    id: str
    order_id: str
    customer_id: str | None
    status: Status
    outcome: Outcome
    method: Method
    store_id: str | None
    policy: str
    lines: tuple[ReturnLineView, ...]
    refund: ReturnRefund
    exchange: ExchangeView | None
    time_to_refund: TimeToRefund | None
    requested_at: Instant
    ship_by: Instant | None
    closed_at: Instant | None
    parcels: tuple[ParcelView, ...]
    label: LabelView | None
    gift: bool
    statutory: bool
    override_reason: str | None
    decision_reason: str | None = None
    decided_by: str | None = None


class ReturnPage(Strict):
    returns: tuple[ReturnView, ...]
    cursor: str | None = None


class ReturnQuery(Strict):
    """Returns of an order or of a customer, newest first, or, for staff, those that wait for a
    person (`status=requested`), oldest first."""

    order_id: Reference | None = None
    customer_id: Reference | None = None
    status: Literal["requested"] | None = None
    limit: LimitText = 50
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> Self:
        asked = [one for one in (self.order_id, self.customer_id, self.status) if one]
        if len(asked) != 1:
            raise PydanticCustomError("order_id", "give an order_id, a customer_id or a status")
        return self


class Approve(Strict):
    reason: Annotated[str, Field(max_length=512)] = ""


class Reject(Strict):
    """The customer is told the `reason` word for word: with the return (`decision_reason`), and in
    the message that it was rejected."""

    reason: Reason


class Cancel(Strict):
    reason: Annotated[str, Field(max_length=512)] = ""


class Receive(Strict):
    """Without `lines`, all that is on its way has come as it was sent."""

    store_id: Reference | None = None
    lines: Annotated[tuple[ReceivedUnits, ...], Field(max_length=MAX_LINES)] = ()


class Inspect(Strict):
    """Without a `disposition`, units have been looked at. What was refurbished is told again."""

    lines: Annotated[tuple[InspectedUnits, ...], Field(min_length=1, max_length=MAX_LINES)]


class AddParcel(Strict):
    """A parcel that the customer sends at their own expense."""

    carrier: Reference
    tracking_number: Reference


class SettleRefund(Strict):
    """What a person has paid, or could not. `reference` is on their slip."""

    outcome: Literal["succeeded", "failed"]
    reference: Reference | None = None
    reason: Annotated[str, Field(max_length=512)] = ""


class ReplanRefund(Strict):
    """Another way for money that failed to arrive."""

    tender: Reference
    reference: Reference | None = None
    reason: Reason


# --- codes ----------------------------------------------------------------------------------------


class CodeView(Strict):
    """`qr_svg` is the code as a drawing."""

    code: str
    return_id: str
    expires_at: Instant
    qr_svg: str


class RedeemCode(Strict):
    """`occurred_at` is when the till took the goods, if it tells so later: up to 7 days."""

    code: Annotated[str, Field(min_length=1, max_length=2048)]
    store_id: Reference | None = None
    lines: Annotated[tuple[ReceivedUnits, ...], Field(max_length=MAX_LINES)] = ()
    occurred_at: GivenInstant | None = None


# --- purchases ------------------------------------------------------------------------------------


class SearchPurchases(Strict):
    """By a contact or a member's card, or by the customer."""

    identifier: Identifier | None = None
    customer_id: Reference | None = None

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if (self.identifier is None) == (self.customer_id is None):
            raise PydanticCustomError("identifier", "give an identifier or a customer_id")
        return self


class PurchaseLine(Strict):
    """`returnable` units have been delivered and not been asked back."""

    line_id: str
    sku: str
    name: str
    quantity: int
    left: int
    returnable: int


class PurchaseView(Strict):
    order_id: str
    number: str | None
    channel: str
    store_id: str | None
    placed_at: Instant
    lines: tuple[PurchaseLine, ...]


class PurchasePage(Strict):
    orders: tuple[PurchaseView, ...]


# --- policies -------------------------------------------------------------------------------------


class PolicyQuery(Strict):
    version: Annotated[int, Field(ge=1)] | None = None


class TryPolicy(Strict):
    """A draft, and the past returns to try it on; go on with `cursor` until there is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    policy: PolicyDefinition
    since: GivenInstant = Field(alias="from")
    until: GivenInstant = Field(alias="to")
    limit: Annotated[int, Field(ge=1, le=100), EXACT_INTEGER] = 100
    cursor: Cursor | None = None

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        if not 0 <= (self.until - self.since).days <= 366:  # noqa: PLR2004  a year at a time
            raise PydanticCustomError("to", "must lie behind from, by a year at most")
        return self


class Tried(Strict):
    """`returns` are those that were tried, in their order: `case` counts in it, from 0."""

    result: DryRun
    returns: tuple[str, ...]
    cursor: str | None = None


# --- withdrawals ----------------------------------------------------------------------------------


class WithdrawalView(Strict):
    """What whoever declares is told: the same whether or not there is such an order."""

    id: str
    status: Literal["declared", "confirmed"]
    declared_at: Instant
    confirm_by: Instant
    receipt: Receipt | None


# --- webhooks and the inbox -----------------------------------------------------------------------


class WebhookAnswer(Strict):
    message_id: str
    state: Literal["accepted", "duplicate", "ignored"]


class InboxQuery(Strict):
    state: Literal["parked"] = "parked"
    limit: LimitText = 50
    cursor: Cursor | None = None


class ParkedMessage(Strict):
    message_id: str
    source: str
    topic: str
    received_at: str
    reason: str


class InboxPage(Strict):
    messages: tuple[ParkedMessage, ...]
    cursor: str | None = None


class ReplayMessage(Strict):
    message_id: Reference


class ReplayResult(Strict):
    outcome: Literal["understood", "parked"]
