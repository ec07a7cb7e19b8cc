"""The question that a return policy answers: which units, bought when, arrived when, asked how.

A case is everything that the answer depends on, so a past case can be asked again of a draft
policy. It knows neither the policy nor the return book; it is data alone.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.money import Currency, Money
from tandem_core.values import Quantity, Reference, Strict

Outcome = Literal["refund", "exchange", "store_credit"]
Method = Literal["mail", "store", "drop_off", "keep"]
# What the payment waits for. Each is over at the latest when the goods are inspected.
Trigger = Literal["approval", "drop_off", "first_scan", "received", "inspected"]
Decision = Literal["approved", "needs_review", "rejected"]
Risk = Literal["low", "normal", "high"]

Count = Annotated[int, Field(ge=0)]
AmountMinor = Annotated[int, Field(ge=0)]


class Explanation(Strict):
    """Why an answer is what it is: `code` is stable, `detail` is for people.

    `rule_id` names a rule of the policy, or the part of it that decided.
    """

    rule_id: str
    code: str
    detail: str


class Evidence(Strict):
    """Units of a line that may still come back, by their delivery; None: not delivered."""

    quantity: Count
    delivered_at: Instant | None


class CaseLine(Strict):
    """Units of one line that somebody wants to return, and all that may still come back of it.

    `unit_paid` is what was paid for a unit, rounded down; None when nobody says. `amount` is what
    the wanted units would refund, in minor units of the case's currency; `amount_before` is what of
    the line came back, or was asked back, before.
    """

    line_id: Reference
    sku: Reference
    category: Reference | None
    quantity: Quantity
    unit_paid: Money | None
    amount: AmountMinor
    amount_before: AmountMinor = 0
    reason: Reference
    evidence: tuple[Evidence, ...]


class RecentReturn(Strict):
    """An earlier return of the customer, with its value in minor units."""

    at: Instant
    amount: AmountMinor
    currency: Currency


class Signals(Strict):
    """What the customer has bought and returned before, without what is asked for now."""

    orders: Count = 0
    units_bought: Count = 0
    units_returned: Count = 0
    recent_returns: tuple[RecentReturn, ...] = ()


class Case(Strict):
    """A return that is asked for at an instant.

    `statutory` is a withdrawal under consumer law, `gift` a return by somebody who did not pay,
    `override` the reason of staff who let it pass whatever the policy says. `last_arrival` is when
    the last unit of the whole order arrived, None as long as some are to come: a withdrawal counts
    from there.
    """

    placed_at: Instant
    at: Instant
    channel: Reference
    source: Reference
    country: str | None
    currency: Currency
    customer_id: Reference | None
    tier: Reference | None
    outcome: Outcome
    method: Method
    lines: tuple[CaseLine, ...]
    signals: Signals = Signals()
    statutory: bool = False
    gift: bool = False
    override: str | None = None
    last_arrival: Instant | None = None
