"""Times on the wire: RFC 3339 only, in UTC, and their texts sort as they do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tandem_core.clock import GivenInstant, Instant, rfc3339

INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)
GIVEN: TypeAdapter[datetime] = TypeAdapter(GivenInstant)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# A day from either end, so that every zone fits.
INSTANTS = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=ZONES)  # noqa: DTZ001


@given(one=INSTANTS, other=INSTANTS)
def test_texts_sort_as_their_instants_do(one: datetime, other: datetime) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)
    assert len(rfc3339(one)) == 27


@given(instant=INSTANTS)
def test_a_text_is_read_as_the_instant_it_was_written_from(instant: datetime) -> None:
    assert INSTANT.validate_python(rfc3339(instant)) == instant
    assert INSTANT.validate_python(instant.isoformat()) == instant


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-22T09:30:00Z", "2026-11-22T09:30:00.000000Z"),
        ("2026-11-22t09:30:00z", "2026-11-22T09:30:00.000000Z"),
        ("2026-11-22 09:30:00+01:00", "2026-11-22T08:30:00.000000Z"),
        ("2026-11-22T00:30:00.5+05:45", "2026-11-21T18:45:00.500000Z"),
        ("2026-11-22T09:30:00.1234567Z", "2026-11-22T09:30:00.123456Z"),
        ("2026-11-22T09:30:00-00:00", "2026-11-22T09:30:00.000000Z"),
    ],
)
def test_what_rfc_3339_allows_is_read_and_answered_in_utc(text: str, utc: str) -> None:
    instant = INSTANT.validate_json(f'"{text}"')
    assert instant.tzinfo is UTC
    assert INSTANT.dump_json(instant).decode() == f'"{utc}"'


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-22",
        "2026-11-22T09:30:00",
        "2026-11-22T09:30Z",
        "2026-11-22T09:30:00 Z",
        "20261122T093000Z",
        "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2026-11-22T24:00:01Z",
        "2026-11-22T09:30:00+0100",
        "2026-11-22T09:30:00+24:00",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59-01:00",
        "2026-11-22T09:30:00Z\n",
        "٢٠٢٦-11-22T09:30:00Z",
        "1795339800",
        1795339800,
        1795339800.5,
        True,
        None,
        "",
    ],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(value)


@pytest.mark.parametrize(
    "text", ["1899-12-31T23:59:59Z", "9901-01-01T00:00:00Z", "1900-01-01T00:00:00+01:00"]
)
def test_what_others_name_is_not_at_the_edge_of_the_calendar(text: str) -> None:
    assert INSTANT.validate_python(text).tzinfo is UTC
    with pytest.raises(ValidationError):
        GIVEN.validate_python(text)


@given(instant=st.datetimes(datetime(1900, 1, 1), datetime(9900, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_others_name_has_room_for_every_zone_and_ten_years_more(instant: datetime) -> None:
    given_instant = GIVEN.validate_python(rfc3339(instant))
    for hours in (-14, 14):
        zone = timezone(timedelta(hours=hours))
        for days in (-3650, 2 * 3650):
            moved = (given_instant + timedelta(days=days)).astimezone(zone)
            assert moved.utcoffset() == zone.utcoffset(None)
