"""Sold lines of the shop data as baskets: what was sold, and what the customer paid for it.

Pure: rows in, baskets out, and a count of everything that was left out or changed on the way.

What was paid is `sales_value - coupon_disc`. The data's `sales_value` is what the retailer
receives: the loyalty-card discount (`retail_disc`) and the retailer's match of a coupon
(`coupon_match_disc`) are already off it, while a manufacturer's coupon is not, since the
manufacturer reimburses it (user guide of "The Complete Journey"). Taking the match off again would
take it off twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

MAX_LINES = 500
MAX_QUANTITY = 100_000

NOTHING_SOLD = "lines left out: quantity 0 and nothing paid"
RETURNED = "lines left out: a return (negative sale or quantity)"
LOOSE_COUPON = "coupons without goods: taken off the other lines"
LARGE_COUPON = "coupons above their line: the rest taken off the other lines"
LOST_COUPON = "coupons above the whole basket: the rest is lost"
WEIGHED = "lines by weight (quantity 0, money paid): sent as quantity 1"
FREE = "lines sent that cost nothing: they earn nothing"
MERGED = "lines merged: the product was already in the basket"
EMPTY_BASKET = "baskets left out: no line is left"
HUGE_BASKET = "baskets left out: above the service's limits of lines or quantity"


class SoldLine(NamedTuple):
    """One row of the shop data. Money is in dollars as the data has it; `sold_at` is naive, UTC."""

    household_id: int
    basket_id: int
    store_id: int
    product_id: int
    department: str | None
    quantity: int
    sales_value: float
    coupon_disc: float
    sold_at: datetime


@dataclass(frozen=True)
class Line:
    product_id: int
    department: str | None
    quantity: int
    paid_minor: int


@dataclass(frozen=True)
class Basket:
    household_id: int
    basket_id: int
    store_id: int
    sold_at: datetime
    lines: tuple[Line, ...]

    @property
    def paid_minor(self) -> int:
        return sum(line.paid_minor for line in self.lines)


def minor_units(dollars: float) -> int:
    """Return whole cents, exactly: the float's shortest decimal text is what the data says.

    Residues of earlier arithmetic in the data, such as 1.8e-15, become 0. A value that is no
    number raises ValueError.
    """
    return int((Decimal(str(dollars)) * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@dataclass
class _Product:
    """The lines of one product in one basket, added up. `net_minor` may be negative."""

    department: str | None
    quantity: int = 0
    sales_minor: int = 0
    net_minor: int = 0


def to_basket(rows: Sequence[SoldLine], notes: Counter[str]) -> Basket | None:
    """Return the basket of these rows, which must all be of one basket, or None if it is left out.

    The lines add up to what the customer paid for the whole basket: all sales less all coupons, and
    never less than zero. `notes` counts what was left out or changed.
    """
    products = _merge(rows, notes)
    lines: list[Line] = []
    excess_minor = 0
    for product_id, product in products.items():
        excess_minor += max(-product.net_minor, 0)
        if product.quantity == 0 and product.sales_minor == 0:
            notes[LOOSE_COUPON if product.net_minor < 0 else NOTHING_SOLD] += 1
            continue
        if product.quantity == 0:
            notes[WEIGHED] += 1
        if product.net_minor < 0:
            notes[LARGE_COUPON] += 1
        paid_minor = max(product.net_minor, 0)
        lines.append(Line(product_id, product.department, max(product.quantity, 1), paid_minor))
    if not lines:
        notes[EMPTY_BASKET] += 1
        return None
    if len(lines) > MAX_LINES or any(line.quantity > MAX_QUANTITY for line in lines):
        notes[HUGE_BASKET] += 1
        return None
    lines = _take_off(lines, excess_minor, notes)
    notes[FREE] += sum(line.paid_minor == 0 for line in lines)
    first = rows[0]
    return Basket(first.household_id, first.basket_id, first.store_id, first.sold_at, tuple(lines))


def _merge(rows: Iterable[SoldLine], notes: Counter[str]) -> dict[int, _Product]:
    products: dict[int, _Product] = {}
    for row in rows:
        sales_minor = minor_units(row.sales_value)
        if sales_minor < 0 or row.quantity < 0:
            notes[RETURNED] += 1
            continue
        if row.product_id in products:
            notes[MERGED] += 1
        product = products.setdefault(row.product_id, _Product(row.department))
        product.quantity += row.quantity
        product.sales_minor += sales_minor
        # Other editions of the data write discounts as negative numbers.
        product.net_minor += sales_minor - abs(minor_units(row.coupon_disc))
    return products


def _take_off(lines: list[Line], excess_minor: int, notes: Counter[str]) -> list[Line]:
    """Take the excess off the lines in proportion to what they cost (largest remainder)."""
    total_minor = sum(line.paid_minor for line in lines)
    if excess_minor > total_minor:
        notes[LOST_COUPON] += 1
    off_minor = min(excess_minor, total_minor)
    if off_minor == 0:
        return lines
    shares = [divmod(line.paid_minor * off_minor, total_minor) for line in lines]
    missing = off_minor - sum(share for share, _ in shares)
    by_remainder = sorted(range(len(lines)), key=lambda index: (-shares[index][1], index))
    rounded_up = set(by_remainder[:missing])
    return [
        Line(
            line.product_id,
            line.department,
            line.quantity,
            line.paid_minor - shares[index][0] - (index in rounded_up),
        )
        for index, line in enumerate(lines)
    ]
