"""When something happened, from what a carrier wrote and from where it happened.

Carriers send local times with their offset, local times without one, days, or nothing. `dated`
makes the true instant of them and says how the offset was known:

    the carrier's offset -> the zone of the place -> the destination's zone -> UTC

A day is dated at its first local moment: it never overtakes a timed scan of its day, and that a
delivery stays a delivery is the shipment's rule, not the clock's. A text that nobody can read
leaves its scan undated and is never an error. The module also knows how people write countries.

It owns `time_zones.json` (countries and regions whose zone the tz database cannot tell by the
country alone) and `countries.json`; the rest comes from the tz database. It never asks what time
it is, and knows no cities: a place is as exact as its country and its region.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tandem_orders.places import Place
from tandem_orders.scans import Precision, TzSource

# Outside these years a date is a placeholder of somebody's database.
_FIRST_YEAR, _LAST_YEAR = 1990, 2199
_LAST_SECOND = 59
_MAX_OFFSET = timedelta(hours=18)

_TIME = re.compile(
    r"(?P<year>\d{4})(?P<dash>-?)(?P<month>\d{2})(?P=dash)(?P<day>\d{2})"
    r"(?:(?:T|\s+)(?P<hour>\d{2}):?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,]\d+)?)?"
    r"\s*(?P<offset>Z|UTC|GMT|(?:UTC|GMT)?[+-]\d{2}(?::?\d{2})?)?)?",
    re.ASCII | re.IGNORECASE,
)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{2}):?(\d{2})?", re.ASCII | re.IGNORECASE)


class Dated(NamedTuple):
    """`occurred_at` is in UTC, or None with precision "none"."""

    occurred_at: datetime | None
    tz_source: TzSource
    precision: Precision


class Written(NamedTuple):
    """What a text says by itself: a day, or a time of day with or without an offset."""

    day: date
    clock: time | None
    offset: timezone | None
    precision: Precision


UNDATED = Dated(None, "utc_assumed", "none")


def dated(
    text: str | None,
    *,
    place: Place | None = None,
    destination: Place | None = None,
    offset: str | None = None,
) -> Dated:
    """Date a scan by its local time as written: ISO 8601, with or without dashes and colons.

    `offset` is the carrier's, when it is told apart from the text. A time that the clock showed
    twice means the first; one that it skipped means as much later.
    """
    written = read(text)
    if written is None:
        return UNDATED
    told = written.offset or _offset(offset)
    zone, source = _zone(told, place, destination)
    clock = written.clock or time.min
    instant = datetime.combine(written.day, clock, zone).astimezone(UTC)
    return Dated(instant, source, written.precision)


def read(text: str | None) -> Written | None:
    """Read a time as it is written, or None."""
    found = _TIME.fullmatch((text or "").strip())
    if not found or not _FIRST_YEAR <= int(found["year"]) <= _LAST_YEAR:
        return None
    try:
        day = date(int(found["year"]), int(found["month"]), int(found["day"]))
        if found["hour"] is None:
            return Written(day, None, None, "day")
        # Clocks may show a leap second; Python has none.
        second = min(int(found["second"] or 0), _LAST_SECOND)
        clock = time(int(found["hour"]), int(found["minute"]), second)
    except ValueError:
        return None
    precision: Precision = "minute" if found["second"] is None else "second"
    return Written(day, clock, _offset(found["offset"]), precision)


def local_day(text: str | None, destination: Place | None = None) -> date | None:
    """Return the local day of an estimate. A day is never turned into an instant.

    Senders cast local days to instants: midnight, or the last minute, at `Z`. Such a day is the
    one written. Another time at `Z` is moved to the destination's zone, when that is known.
    """
    written = read(text)
    if written is None:
        return None
    cast = written.clock is None or written.clock == time.min or written.clock >= time(23, 59)
    zone = zone_of(destination)
    if cast or zone is None or written.offset != UTC:
        return written.day
    return datetime.combine(written.day, written.clock or time.min, UTC).astimezone(zone).date()


def zone_of(place: Place | None) -> ZoneInfo | None:
    """Return the zone of a place, None when its country has several and its region is unknown."""
    if place is None or place.country is None:
        return None
    region = _regions().get(place.country, {}).get(_plain(place.region or ""))
    name = region or _countries_zones().get(place.country)
    return ZoneInfo(name) if name else None


def country_code(text: str | None) -> str | None:
    """Return the ISO 3166-1 alpha-2 code of a country as somebody writes it: code or name."""
    written = (text or "").strip()
    if re.fullmatch(r"[A-Za-z]{2}", written) and written.upper() in _codes():
        return written.upper()
    return _names().get(_plain(written))


def _zone(
    told: timezone | None, place: Place | None, destination: Place | None
) -> tuple[tzinfo, TzSource]:
    if told is not None:
        return told, "carrier_offset"
    if here := zone_of(place):
        return here, "location"
    if there := zone_of(destination):
        return there, "destination_assumed"
    return UTC, "utc_assumed"


def _offset(text: str | None) -> timezone | None:
    if text is None:
        return None
    written = text.strip()
    if written.upper() in {"Z", "UTC", "GMT"}:
        return UTC
    found = _OFFSET.fullmatch(written)
    if not found:
        return None
    size = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    if size > _MAX_OFFSET:
        return None
    return timezone(-size if found[1] == "-" else size) if size else UTC


def _plain(text: str) -> str:
    """Reduce a name to what people write alike."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    unmarked = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", unmarked.replace("'", "")))


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((files("tandem_orders") / name).read_text("utf-8"))
    return document


def _tz_table(name: str) -> list[list[str]]:
    text = (files("tzdata") / "zoneinfo" / name).read_text("utf-8")
    return [line.split("\t") for line in text.splitlines() if line and line[0] != "#"]


@cache
def _codes() -> frozenset[str]:
    return frozenset(row[0] for row in _tz_table("iso3166.tab"))


@cache
def _names() -> Mapping[str, str]:
    ours = _document("countries.json")
    tz = {_plain(name): code for code, name in _tz_table("iso3166.tab")}
    alpha_3 = {code.casefold(): country for code, country in ours["alpha_3"].items()}
    return {**tz, **alpha_3, **ours["names"]}


@cache
def _countries_zones() -> Mapping[str, str]:
    zones: dict[str, set[str]] = {}
    for country, _, zone, *_ in _tz_table("zone.tab"):
        zones.setdefault(country, set()).add(zone)
    single = {country: one.pop() for country, one in zones.items() if len(one) == 1}
    return {**single, **_document("time_zones.json")["principal"]}


@cache
def _regions() -> Mapping[str, Mapping[str, str]]:
    return {
        country: {
            _plain(name): region["zone"]
            for code, region in regions.items()
            for name in (code, f"{country} {code}", region["name"])
        }
        for country, regions in _document("time_zones.json")["regions"].items()
    }
