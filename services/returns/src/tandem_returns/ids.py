"""Names of what belongs to an order: each carries the order's own, so its book is found at once.

    ord_<26>   ret_<26><10>   quo_<26><10>   rfd_<26><10>

The 26 characters are the order's; the ten more tell the things of one order apart.
"""

from __future__ import annotations

import re

from tandem_core.ids import derived_id

_OWN = 10
_ORDER = re.compile(r"[0-9A-Z]{26}")


def id_within(prefix: str, order_id: str, *parts: str) -> str:
    """Derive the id of something that belongs to an order."""
    own = derived_id(prefix, order_id, *parts).removeprefix(f"{prefix}_")[:_OWN]
    return f"{prefix}_{order_id.removeprefix('ord_')}{own}"


def order_of(prefix: str, name: str) -> str | None:
    """Return the id of the order that something belongs to; None when it is no such id."""
    order = name.removeprefix(f"{prefix}_")[:-_OWN]
    return f"ord_{order}" if name.startswith(f"{prefix}_") and _ORDER.fullmatch(order) else None
