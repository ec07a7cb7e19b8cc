"""Events and other JSON as far as they can be read: what is missing or odd is None, never an error.

An event of another service may have been published by an older or a newer version of it. This
module owns how a value is taken from such a document; what it means is for those who ask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from tandem_core.clock import GivenInstant

_LONGEST_TEXT = 512
_LONGEST_NAME = 128
_MOST_OBJECTS = 1000
_MOST_UNITS = 10**15
_INSTANT: TypeAdapter[datetime] = TypeAdapter(GivenInstant)
# Clocks on earth run from UTC-12 to UTC+14.
_FARTHEST_WEST, _FARTHEST_EAST = timedelta(hours=-12), timedelta(hours=14)


class Reading:
    """A JSON value that should be an object."""

    def __init__(self, value: object) -> None:
        self._members: Mapping[object, object] = value if isinstance(value, Mapping) else {}

    def has(self, name: str) -> bool:
        return self._members.get(name) is not None

    def text(self, name: str, longest: int = _LONGEST_TEXT) -> str | None:
        value = self._members.get(name)
        return value if isinstance(value, str) and 0 < len(value) <= longest else None

    def name(self, name: str) -> str | None:
        """Return a text that names something: an id, a code, a place."""
        return _name(self._members.get(name))

    def count(self, name: str) -> int | None:
        """Return an integer of either sign."""
        value = self._members.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _MOST_UNITS:
            return None
        return value

    def flag(self, name: str) -> bool:
        return self._members.get(name) is True

    def member(self, name: str) -> Reading:
        return Reading(self._members.get(name))

    def members(self, name: str) -> Iterator[Reading]:
        """Yield the objects of a list."""
        value = self._members.get(name)
        for one in value[:_MOST_OBJECTS] if isinstance(value, list | tuple) else ():
            if isinstance(one, Mapping):
                yield Reading(one)

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names of a list."""
        value = self._members.get(name)
        listed = value[:_MOST_OBJECTS] if isinstance(value, list | tuple) else ()
        return tuple(found for one in listed if (found := _name(one)))

    def money(self, name: str) -> tuple[int, str] | None:
        """Return minor units and currency."""
        money = self.member(name)
        amount, currency = money.count("amount"), money.name("currency")
        return (amount, currency) if amount is not None and currency else None

    def instant(self, name: str) -> datetime | None:
        return instant_of(self.text(name))

    def day(self, name: str) -> str | None:
        """Return a day, such as 2026-11-24."""
        value = self.text(name)
        try:
            return date.fromisoformat(value).isoformat() if value else None
        except ValueError:
            return None


def _name(value: object) -> str | None:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_NAME:
        return None
    return value if value.isprintable() else None


def instant_of(text: str | None) -> datetime | None:
    """Return the instant of an RFC 3339 text."""
    try:
        return _INSTANT.validate_python(text) if text else None
    except ValidationError:
        return None


def surely_until(end: datetime) -> str:
    """Return the day to name where the reader's zone is unknown: nowhere does `end` come before
    that day."""
    return (end + _FARTHEST_WEST).date().isoformat()


def surely_from(start: datetime) -> str:
    """Return the day to name where the reader's zone is unknown: nowhere does `start` come after
    that day."""
    return (start + _FARTHEST_EAST).date().isoformat()
