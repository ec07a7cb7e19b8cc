"""Carriers: one name for each, and what their own codes mean.

The facts are data beside this module: `carrier_codes/carriers.json` has the names, one file per
carrier its codes. A code that is not there has no meaning yet: nothing is guessed from words.

In a carrier's file `codes` is what an event says, `exceptions` why, where the carrier tells that
by a code of its own. A row without a status is known to move nothing. `reversal` takes a delivery
back.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from tandem_orders.statuses import Reason, ShipmentStatus

_LONGEST_SLUG = 64
_WITH_CODES = ("dhl_express", "dpd", "fedex", "ups", "usps")


class Meaning(NamedTuple):
    status: ShipmentStatus | None
    reason: Reason | None
    reversal: bool


def canonical(name: str) -> str:
    """Return our name of a carrier, whoever writes it: "FedEx Ground" and "FEDEX" are "fedex".

    A carrier that nobody has listed keeps its own name, in the form of ours.
    """
    slug = _slug(name)
    if known := _aliases().get(_letters(slug)):
        return known
    words = slug.split("_")
    for length in range(len(words) - 1, 0, -1):
        if known := _families().get(_letters("".join(words[:length]))):
            return known
    return slug or "unknown"


def canonical_number(number: str) -> str:
    """Return a tracking number as carriers write it: in capitals, without spaces."""
    return re.sub(r"\s", "", number).upper()


def meaning(carrier: str, code: str | None) -> Meaning | None:
    """Return what a carrier's code means, None for a code that nobody has mapped.

    `carrier` is a canonical name.
    """
    row = _rows(carrier, "codes").get(_key(code))
    if row is None:
        return None
    status, reason = row.get("status"), row.get("reason")
    return Meaning(
        ShipmentStatus(status) if status else None,
        Reason(reason) if reason else None,
        row.get("reversal", False),
    )


def reason_of(carrier: str, code: str | None) -> Reason | None:
    """Return the reason that a carrier tells by a code of its own beside the event's."""
    row = _rows(carrier, "exceptions").get(_key(code))
    return Reason(row["reason"]) if row else None


def rows(carrier: str) -> Mapping[str, Mapping[str, Any]]:
    """Return the table of a carrier's codes."""
    return _rows(carrier, "codes")


def _key(code: str | None) -> str:
    return (code or "").strip().upper()


def _rows(carrier: str, table: str) -> Mapping[str, Mapping[str, Any]]:
    return _tables().get(carrier, {}).get(table, {})


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "_", plain)[: _LONGEST_SLUG + 1].strip("_")[:_LONGEST_SLUG]


def _letters(slug: str) -> str:
    return slug.replace("_", "")


def _document(name: str) -> dict[str, Any]:
    path = files("tandem_orders") / "carrier_codes" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document


@cache
def _tables() -> Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]:
    return {
        carrier: {
            table: {_key(code): row for code, row in _document(carrier).get(table, {}).items()}
            for table in ("codes", "exceptions")
        }
        for carrier in _WITH_CODES
    }


def _names(kind: str) -> Iterator[tuple[str, str]]:
    for carrier, names in _document("carriers").items():
        for name in names.get(kind, []):
            yield _letters(_slug(name)), carrier


@cache
def _aliases() -> Mapping[str, str]:
    own = {_letters(carrier): carrier for carrier in _document("carriers")}
    return {**own, **dict(_names("families")), **dict(_names("aliases"))}


@cache
def _families() -> Mapping[str, str]:
    """Names that stand for the carrier with any words after them."""
    return dict(_names("families"))
