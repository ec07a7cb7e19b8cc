"""A purchase as loyalty sees it: lines that were paid for, and what they were paid with."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import GivenInstant
from tandem_core.money import MAX_AMOUNT_MINOR, Money
from tandem_core.values import Channel, Quantity, Reference, Strict

MAX_LINES = 500


class PurchaseLine(Strict):
    """`paid` is for all units of the line, after discounts and before points used as tender."""

    line_id: Reference
    sku: Reference
    category: Reference | None = None
    quantity: Quantity
    paid: Money


class Tender(Strict):
    """A means of payment and what was paid with it. `points` and `gift_card` are the usual ones
    that earn nothing."""

    type: Reference
    paid: Money
    reference: Reference | None = None


class Purchase(Strict):
    """An order of any channel, once, as a whole.

    `order_id` is its one name in every channel: the id that orders gave it (`ord_...`) where it is
    placed there, too. Under two names it would earn twice.
    """

    order_id: Reference
    channel: Channel
    location_id: Reference | None = None
    occurred_at: GivenInstant
    lines: Annotated[tuple[PurchaseLine, ...], Field(min_length=1, max_length=MAX_LINES)]
    tenders: Annotated[tuple[Tender, ...], Field(max_length=20)] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        amounts = [line.paid for line in self.lines] + [tender.paid for tender in self.tenders]
        if len({amount.currency for amount in amounts}) > 1:
            raise PydanticCustomError(
                "currency_mismatch", "all lines and tenders of a purchase have one currency"
            )
        if len({line.line_id for line in self.lines}) < len(self.lines):
            raise PydanticCustomError("line_id", "two lines have the same line_id")
        if sum(line.paid.amount for line in self.lines) > MAX_AMOUNT_MINOR:
            raise PydanticCustomError(
                "purchase_total", f"a purchase has at most {MAX_AMOUNT_MINOR} minor units"
            )
        return self

    @property
    def currency(self) -> str:
        return self.lines[0].paid.currency
