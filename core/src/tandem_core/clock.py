"""Time as the services speak of it: aware, in UTC, RFC 3339 on the wire.

The domain takes `now` as an argument; only the edges call `utc_now`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

Clock: TypeAlias = Callable[[], datetime]

MICROSECOND = timedelta(microseconds=1)
# Room for every zone and every sum of days before the calendar ends.
_FIRST_YEAR, _LAST_YEAR = 1900, 9900
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


def utc_now() -> datetime:
    return datetime.now(UTC)


def rfc3339(instant: datetime) -> str:
    """Render in UTC with exactly six decimals, so that the text sorts as the instants do."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _only_rfc3339_text(value: Any) -> Any:
    """Refuse what pydantic would take for a time: numbers, dates, times without an offset."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise PydanticCustomError(
            "rfc3339", "must be an RFC 3339 date-time with an offset, such as 2026-11-22T09:30:00Z"
        )
    return value


def _to_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as overflow:
        raise PydanticCustomError("rfc3339", "lies outside the calendar") from overflow


def _far_from_the_edge(value: datetime) -> datetime:
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise PydanticCustomError("rfc3339", "must lie between the years 1900 and 9900")
    return value


Instant = Annotated[
    datetime,
    BeforeValidator(_only_rfc3339_text),
    AfterValidator(_to_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]

# An instant that somebody else names, so that adding days to it or changing its zone cannot fail.
GivenInstant = Annotated[Instant, AfterValidator(_far_from_the_edge)]
