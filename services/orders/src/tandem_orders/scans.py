"""One scan of a parcel as one sender reports it, and what makes two reports the same scan.

A report is a fact and never changes. Two senders may report one scan in different words: that makes
two reports with one scan id.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from datetime import UTC
from typing import Annotated, Literal

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.places import Place
from tandem_orders.statuses import Reason, ShipmentStatus

# How the offset of the local time was known.
TzSource = Literal["carrier_offset", "location", "destination_assumed", "utc_assumed"]
Precision = Literal["second", "minute", "day", "none"]


class Scan(Strict):
    """One report. `occurred_local` is the sender's own text; `occurred_at` is its true instant, or
    None when no date came (`precision` "none").

    `code` is the carrier's own code (`carrier`-wide, whoever passes it on), None when only a
    provider's summary is known. `raw` is `<provider>:<code as it came>`. `status` is None for codes
    that nobody has mapped: they are kept and never move a parcel. `reversal` marks an explicit
    retraction of a delivery: the one ordinary way out of `delivered` beside a return to the sender.
    """

    provider: Annotated[str, Field(max_length=32)]
    occurred_at: Instant | None
    occurred_local: Annotated[str, Field(max_length=64)] = ""
    tz_source: TzSource = "utc_assumed"
    precision: Precision
    status: ShipmentStatus | None
    reason: Reason | None = None
    code: Annotated[str, Field(max_length=64)] | None = None
    raw: Annotated[str, Field(max_length=128)]
    description: Annotated[str, Field(max_length=512)] = ""
    place: Place | None = None
    signed_by: Annotated[str, Field(max_length=128)] | None = None
    reversal: bool = False

    @property
    def scan_id(self) -> str:
        """The scan's identity within its parcel: code, minute and place; never the words.

        A scan without a carrier's code is known by its status instead.
        """
        what = f"c:{self.code}" if self.code else f"s:{self.status or self.raw}"
        minute = (
            self.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")
            if self.occurred_at
            else f"?{self.occurred_local}"
        )
        return _digest(what, minute, _place_key(self.place))

    @property
    def report_id(self) -> str:
        """The report's identity: everything that its sender said."""
        return _digest(self.model_dump_json(exclude_none=True))


def _place_key(place: Place | None) -> str:
    """Reduce a place to what different senders write alike: the city's letters, else the code."""
    if place is None:
        return ""
    letters = re.sub(r"[\W\d_]", "", unicodedata.normalize("NFKD", place.city or "")).casefold()
    return letters or re.sub(r"\W", "", place.postal_code or "").casefold()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
