"""Names of what belongs to an order: each carries the order's own, so its book is found at once.

    ord_<26>   ret_<26><10>   rfd_<26><10><number>

The 26 characters are the order's, the ten more tell its returns apart. Opaque to everybody else.
"""

from __future__ import annotations

import re

from tandem_core.ids import derived_id

_ORDER_LENGTH = 26
_OWN = 10
_ORDER = re.compile(r"[0-9A-Z]{26}")
_REFUND = re.compile(r"rfd_([0-9A-Z]{36})[0-9]{1,4}")


def id_within(prefix: str, order_id: str, *parts: str) -> str:
    """Derive the id of something that belongs to an order."""
    own = derived_id(prefix, order_id, *parts).removeprefix(f"{prefix}_")[:_OWN]
    return f"{prefix}_{order_id.removeprefix('ord_')}{own}"


def order_of(prefix: str, name: str) -> str | None:
    """Return the id of the order that something belongs to; None when it is no such id."""
    order = name.removeprefix(f"{prefix}_")[:_ORDER_LENGTH]
    return f"ord_{order}" if name.startswith(f"{prefix}_") and _ORDER.fullmatch(order) else None


def refund_id(return_id: str, number: int) -> str:
    """Name a return's refund by its number, from 0."""
    return f"rfd_{return_id.removeprefix('ret_')}{number}"


def return_of(refund: str) -> str | None:
    """Return the id of the return that a refund belongs to; None when it is no such id."""
    known = _REFUND.fullmatch(refund)
    return f"ret_{known[1]}" if known else None
