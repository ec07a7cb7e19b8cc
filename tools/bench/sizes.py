"""What DynamoDB weighs and charges: bytes of items as they go over the wire, and read units.

The engine reports write units, per table and per index, but for a write that its condition refused.
Source: Amazon DynamoDB Developer Guide, "DynamoDB Item sizes and formats" and "capacity modes".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

READ_UNIT_BYTES = 4096
WRITE_UNIT_BYTES = 1024

# An attribute as the client sends it, {"S": "..."}; bytes are not in base 64 yet or no longer.
Wire = Mapping[str, Mapping[str, Any]]


def item_bytes(item: Wire) -> int:
    """Return the size of an item: the names and the values of all attributes."""
    return sum(attribute_bytes(item).values())


def attribute_bytes(item: Wire) -> dict[str, int]:
    """Return the size of each attribute with its name, heaviest first."""
    sizes = {name: len(name.encode()) + _value_bytes(typed) for name, typed in item.items()}
    return dict(sorted(sizes.items(), key=lambda pair: -pair[1]))


def _value_bytes(typed: Mapping[str, Any]) -> int:
    ((kind, value),) = typed.items()
    if kind == "N":
        return _number_bytes(value)
    if kind not in "SB":
        raise ValueError(f"the store writes no attribute of type {kind}")
    return len(value.encode() if kind == "S" else value)


def _number_bytes(text: str) -> int:
    """Two significant digits a byte and one byte more, and one for the sign."""
    digits = text.lstrip("-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def units_of_reading_one(size: int) -> float:
    """Return the units of a strongly consistent read of one item; an absent one has size 0."""
    return max(math.ceil(size / READ_UNIT_BYTES), 1)


def units_of_write(size: int) -> float:
    """Return the units of writing one item, or of trying to; a transaction takes them twice."""
    return max(math.ceil(size / WRITE_UNIT_BYTES), 1)


def units_of_query(sizes: Iterable[int], *, consistent: bool) -> float:
    """Return the units of one page of a query: its items are weighed together."""
    units = max(math.ceil(sum(sizes) / READ_UNIT_BYTES), 1)
    return units if consistent else units / 2
