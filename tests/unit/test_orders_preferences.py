"""Preferences: what may be chosen, and when quiet hours end, on every clock of the world."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tandem_orders.preferences import Preferences, QuietHours, deliver_after

TIMES = st.times().map(lambda time: time.strftime("%H:%M"))
# With the clocks that are hardest to follow: half an hour, midnight, a day that never was.
ZONES = st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia"]
) | st.sampled_from(sorted(available_timezones()))
MINUTE = timedelta(minutes=1)


def quiet(starts: str, ends: str, zone: str = "Europe/Berlin") -> Preferences:
    hours = {"from": starts, "to": ends, "time_zone": zone}
    return Preferences.model_validate({"quiet_hours": hours})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- what may be chosen ---------------------------------------------------------------------------


def test_without_a_choice_messages_are_pushed_and_mailed_at_any_hour() -> None:
    chosen = Preferences()
    assert chosen.channels == ("push", "email")
    assert chosen.language is None
    assert deliver_after(chosen, utc("2026-11-24T03:00")) is None


def test_choices_read_back_as_they_were_made() -> None:
    text = (
        '{"channels":["line","sms"],"language":"zh-Hant",'
        '"quiet_hours":{"from":"22:00","to":"08:00","time_zone":"Asia/Taipei"}}'
    )
    chosen = Preferences.model_validate_json(text)
    assert chosen.model_dump_json() == text
    assert Preferences.model_validate_json(chosen.model_dump_json()) == chosen


def test_a_language_may_be_named_by_any_of_its_tags() -> None:
    assert Preferences.model_validate({"language": "zh-TW"}).language == "zh-Hant"
    assert Preferences.model_validate({"language": "de-AT"}).language == "de"


def test_no_channel_at_all_is_a_choice() -> None:
    assert Preferences.model_validate({"channels": []}).channels == ()


@pytest.mark.parametrize(
    ("choice", "where", "kind"),
    [
        ({"channels": ["fax"]}, ("channels", 0), "literal_error"),
        ({"channels": ["sms", "sms"]}, ("channels",), "duplicate"),
        ({"language": "fr"}, ("language",), "language"),
        ({"language": 5}, ("language",), "literal_error"),
        ({"colour": "red"}, ("colour",), "extra_forbidden"),
    ],
)
def test_a_choice_that_is_none_is_refused_by_name(
    choice: dict[str, Any], where: tuple[object, ...], kind: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Preferences.model_validate(choice)
    (error,) = refused.value.errors()
    assert (error["loc"], error["type"]) == (where, kind)


@pytest.mark.parametrize(
    ("hours", "where", "kind"),
    [
        ({"from": "25:00"}, ("from",), "string_pattern_mismatch"),
        ({"from": "24:00"}, ("from",), "string_pattern_mismatch"),
        ({"to": "8:00"}, ("to",), "string_pattern_mismatch"),
        ({"to": "22:00"}, (), "empty"),
        ({"time_zone": "Europe/Atlantis"}, ("time_zone",), "time_zone"),
        ({"time_zone": "../../etc/passwd"}, ("time_zone",), "time_zone"),
        ({"time_zone": ""}, ("time_zone",), "time_zone"),
        ({"starts": "22:00"}, ("starts",), "extra_forbidden"),
    ],
)
def test_quiet_hours_that_are_none_are_refused_by_name(
    hours: dict[str, str], where: tuple[object, ...], kind: str
) -> None:
    good = {"from": "22:00", "to": "08:00", "time_zone": "UTC"}
    with pytest.raises(ValidationError) as refused:
        QuietHours.model_validate(good | hours)
    (error,) = refused.value.errors()
    assert (error["loc"], error["type"]) == (where, kind)


# --- when quiet hours end -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "after"),
    [
        ("2026-11-24T20:59", None),
        ("2026-11-24T21:00", "2026-11-25T07:00"),
        ("2026-11-24T23:30", "2026-11-25T07:00"),
        ("2026-11-25T06:59", "2026-11-25T07:00"),
        ("2026-11-25T07:00", None),
    ],
)
def test_a_night_ends_in_the_morning_by_the_clock_on_the_wall(now: str, after: str | None) -> None:
    expected = utc(after) if after else None
    assert deliver_after(quiet("22:00", "08:00"), utc(now)) == expected


def test_quiet_hours_may_lie_within_a_day() -> None:
    noon = quiet("12:00", "14:00")
    assert deliver_after(noon, utc("2026-11-24T10:59")) is None
    assert deliver_after(noon, utc("2026-11-24T11:30")) == utc("2026-11-24T13:00")
    assert deliver_after(noon, utc("2026-11-24T13:00")) is None


def test_the_night_of_a_change_of_clocks_is_shorter_or_longer() -> None:
    night = quiet("22:00", "08:00")
    assert deliver_after(night, utc("2026-03-28T22:00")) == utc("2026-03-29T06:00")
    assert deliver_after(night, utc("2026-10-24T21:00")) == utc("2026-10-25T07:00")


def test_an_end_that_the_clock_jumps_over_is_the_jump() -> None:
    # 29 March 2026, Berlin: after 01:59 comes 03:00.
    assert deliver_after(quiet("22:00", "02:30"), utc("2026-03-28T23:00")) == utc(
        "2026-03-29T01:00"
    )


def test_an_end_that_comes_twice_ends_twice() -> None:
    # 25 October 2026, Berlin: after 02:59 comes 02:00 again.
    night = quiet("22:00", "02:30")
    assert deliver_after(night, utc("2026-10-24T22:00")) == utc("2026-10-25T00:30")
    assert deliver_after(night, utc("2026-10-25T00:45")) is None
    assert deliver_after(night, utc("2026-10-25T01:10")) == utc("2026-10-25T01:30")


def test_a_day_that_never_was_has_no_morning() -> None:
    # Samoa went from 29 to 31 December 2011.
    night = quiet("22:00", "08:00", "Pacific/Apia")
    assert deliver_after(night, utc("2011-12-30T09:00")) == utc("2011-12-30T18:00")
    local = utc("2011-12-30T18:00").astimezone(ZoneInfo("Pacific/Apia"))
    assert (local.day, local.hour) == (31, 8)


@given(
    seconds=st.integers(int(utc("1975-01-01").timestamp()), int(utc("2037-01-01").timestamp())),
    starts=TIMES,
    ends=TIMES,
    zone=ZONES,
)
def test_quiet_hours_end_at_the_first_instant_that_is_not_quiet(
    seconds: int, starts: str, ends: str, zone: str
) -> None:
    if starts == ends:
        return
    preferences, now = quiet(starts, ends, zone), datetime.fromtimestamp(seconds, UTC)
    hours = preferences.quiet_hours
    assert hours is not None
    after = deliver_after(preferences, now)
    assert (after is not None) == hours.include(now)
    if after is None:
        return
    assert after > now
    assert not hours.include(after)
    assert after - now <= timedelta(hours=48)
    between = now
    while between < after:
        assert hours.include(between)
        between += min(max(MINUTE, (after - between) / 50), timedelta(minutes=20))
    assert hours.include(after - timedelta(microseconds=1))
