"""When a scan happened: whose offset, whose zone, and what nobody can read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem_orders import zones
from tandem_orders.places import Place
from tandem_orders.scans import Precision, TzSource
from tandem_orders.zones import UNDATED, country_code, dated, local_day, zone_of

NEW_JERSEY = Place(city="Wayne", region="NJ", country="US")
SOMEWHERE_IN_THE_US = Place(city="Springfield", country="US")
INDIA = Place(city="Pune", country="IN")
GERMANY = Place(country="DE")


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def naive(*parts: int) -> datetime:
    return utc(*parts).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "offset", "place", "destination", "instant", "source"),
    [
        ("2026-03-02T10:00:00-05:00", None, INDIA, None, utc(2026, 3, 2, 15), "carrier_offset"),
        ("2026-03-02T10:00:00", "-05:00", INDIA, None, utc(2026, 3, 2, 15), "carrier_offset"),
        ("2026-03-02T10:00:00Z", "-05:00", INDIA, None, utc(2026, 3, 2, 10), "carrier_offset"),
        ("2026-03-02T10:00:00", None, NEW_JERSEY, INDIA, utc(2026, 3, 2, 15), "location"),
        ("2026-03-02T10:00:00", "somewhen", NEW_JERSEY, None, utc(2026, 3, 2, 15), "location"),
        ("2026-03-02T10:00:00", None, INDIA, None, utc(2026, 3, 2, 4, 30), "location"),
        (
            "2026-03-02T10:00:00",
            None,
            SOMEWHERE_IN_THE_US,
            INDIA,
            utc(2026, 3, 2, 4, 30),
            "destination_assumed",
        ),
        ("2026-03-02T10:00:00", None, None, GERMANY, utc(2026, 3, 2, 9), "destination_assumed"),
        (
            "2026-03-02T10:00:00",
            None,
            SOMEWHERE_IN_THE_US,
            None,
            utc(2026, 3, 2, 10),
            "utc_assumed",
        ),
        ("2026-03-02T10:00:00", None, None, None, utc(2026, 3, 2, 10), "utc_assumed"),
    ],
)
def test_the_best_offset_that_is_known_dates_a_scan(
    text: str,
    offset: str | None,
    place: Place | None,
    destination: Place | None,
    instant: datetime,
    source: TzSource,
) -> None:
    found = dated(text, place=place, destination=destination, offset=offset)
    assert (found.occurred_at, found.tz_source) == (instant, source)


@pytest.mark.parametrize(
    ("text", "instant", "precision"),
    [
        ("2026-03-02T10:11:12", utc(2026, 3, 2, 10, 11, 12), "second"),
        ("2026-03-02 10:11:12.987654", utc(2026, 3, 2, 10, 11, 12), "second"),
        ("2026-03-02T10:11", utc(2026, 3, 2, 10, 11), "minute"),
        ("20260302 101112", utc(2026, 3, 2, 10, 11, 12), "second"),
        ("20260302", utc(2026, 3, 2), "day"),
        ("2026-03-02", utc(2026, 3, 2), "day"),
        ("2026-03-02T10:11:12+0530", utc(2026, 3, 2, 4, 41, 12), "second"),
        ("2026-03-02T10:11:12+05", utc(2026, 3, 2, 5, 11, 12), "second"),
        ("2026-03-02 10:11:12 GMT-04:00", utc(2026, 3, 2, 14, 11, 12), "second"),
        ("2026-03-02 10:11:12 UTC", utc(2026, 3, 2, 10, 11, 12), "second"),
        (" 2026-03-02T23:59:60Z ", utc(2026, 3, 2, 23, 59, 59), "second"),
    ],
)
def test_a_time_is_as_precise_as_it_is_written(
    text: str, instant: datetime, precision: Precision
) -> None:
    found = dated(text)
    assert (found.occurred_at, found.precision) == (instant, precision)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "string",
        "yesterday",
        "2026-13-02",
        "2026-02-30T10:00:00",
        "2026-02-03T25:00:00",
        "0001-01-01T00:00:00",
        "1900-01-01",
        "9999-12-31T23:59:59Z",
        "03/02/2026",
        "2026-0302",
        "２０２６-03-02",
    ],
)
def test_what_nobody_can_read_is_undated_and_no_error(text: str | None) -> None:
    assert dated(text, place=NEW_JERSEY) == UNDATED


def test_an_hour_that_comes_twice_means_the_first() -> None:
    assert dated("2026-10-25T02:30:00", place=GERMANY).occurred_at == utc(2026, 10, 25, 0, 30)


def test_an_hour_that_the_clock_skips_is_as_much_later() -> None:
    assert dated("2026-03-29T02:30:00", place=GERMANY).occurred_at == utc(2026, 3, 29, 1, 30)


def test_a_day_never_overtakes_a_timed_scan_of_its_day() -> None:
    day = dated("2026-03-02", place=NEW_JERSEY)
    first = dated("2026-03-02T00:01:00", place=NEW_JERSEY)
    last = dated("2026-03-01T23:59:00", place=NEW_JERSEY)
    assert day.occurred_at
    assert first.occurred_at
    assert last.occurred_at
    assert last.occurred_at < day.occurred_at < first.occurred_at


@pytest.mark.parametrize(
    ("place", "zone"),
    [
        (Place(country="JM"), "America/Jamaica"),
        (Place(country="ES"), "Europe/Madrid"),
        (Place(country="ES", region="Canarias"), "Atlantic/Canary"),
        (Place(country="US", region="TX"), "America/Chicago"),
        (Place(country="US", region="texas"), "America/Chicago"),
        (Place(country="US", region="US-AZ"), "America/Phoenix"),
        (Place(country="CA", region="Québec"), "America/Toronto"),
        (Place(country="AU", region="nsw"), "Australia/Sydney"),
        (Place(country="BR", region="Sao Paulo"), "America/Sao_Paulo"),
        (Place(country="NP"), "Asia/Kathmandu"),
    ],
)
def test_a_place_has_the_zone_of_its_region_or_its_country(place: Place, zone: str) -> None:
    assert str(zone_of(place)) == zone


@pytest.mark.parametrize(
    "place",
    [None, Place(), Place(city="Paris"), SOMEWHERE_IN_THE_US, Place(country="US", region="XX")],
)
def test_a_place_without_a_region_in_a_wide_country_has_no_zone(place: Place | None) -> None:
    assert zone_of(place) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("us", "US"),
        (" GB ", "GB"),
        ("UK", "GB"),
        ("USA", "US"),
        ("JAM", "JM"),
        ("Spain", "ES"),
        ("Hong Kong", "HK"),
        ("Hong Kong SAR China", "HK"),
        ("Côte d'Ivoire", "CI"),
        ("united  states", "US"),
        ("XX", None),
        ("Atlantis", None),
        ("", None),
        (None, None),
    ],
)
def test_a_country_is_known_by_its_codes_and_names(text: str | None, code: str | None) -> None:
    assert country_code(text) == code


@pytest.mark.parametrize(
    ("text", "destination", "day"),
    [
        ("2026-03-05", None, date(2026, 3, 5)),
        # A local day that was called midnight in UTC is that day, also west of Greenwich.
        ("2026-03-05T00:00:00Z", NEW_JERSEY, date(2026, 3, 5)),
        ("2026-03-05T23:59:59Z", INDIA, date(2026, 3, 5)),
        ("2026-03-05T02:00:00Z", NEW_JERSEY, date(2026, 3, 4)),
        ("2026-03-05T20:00:00Z", INDIA, date(2026, 3, 6)),
        ("2026-03-05T02:00:00Z", None, date(2026, 3, 5)),
        # With an offset, or without any, it is somebody's local time already.
        ("2026-03-05T20:00:00-05:00", INDIA, date(2026, 3, 5)),
        ("2026-03-05T20:00:00", INDIA, date(2026, 3, 5)),
        ("2026-03-05 23:59:00 GMT-04:00", NEW_JERSEY, date(2026, 3, 5)),
        ("EDDUNAVAILABLE", NEW_JERSEY, None),
        (None, NEW_JERSEY, None),
    ],
)
def test_an_estimate_is_a_local_day(
    text: str | None, destination: Place | None, day: date | None
) -> None:
    assert local_day(text, destination) == day


def test_every_region_and_country_of_the_tables_has_a_zone_that_exists() -> None:
    tables = zones._document("time_zones.json")
    countries = zones._document("countries.json")
    known = zones._codes()
    assert set(countries["alpha_3"].values()) == known
    assert set(countries["names"].values()) <= known
    assert {*tables["principal"], *tables["regions"]} <= known
    for country, regions in tables["regions"].items():
        for region in regions:
            assert zone_of(Place(country=country, region=region))
    for country in tables["principal"]:
        assert zone_of(Place(country=country))


places = st.builds(
    Place,
    region=st.sampled_from([None, "NY", "CA", "HI", "NSW", "Lord Howe"]),
    country=st.sampled_from(sorted(zones._codes())) | st.none(),
)


@given(
    moment=st.datetimes(naive(1990, 1, 2), naive(2199, 12, 30)),
    place=places | st.none(),
    destination=places | st.none(),
    cut=st.sampled_from(["seconds", "minutes"]),
)
@example(naive(2026, 3, 29, 2, 30), Place(country="DE"), None, "minutes")
@example(naive(2018, 11, 4, 0, 0), Place(country="BR", region="SP"), None, "minutes")
@example(naive(2011, 12, 30, 12, 0), Place(country="WS"), None, "minutes")
def test_every_local_time_of_every_place_is_an_instant_within_a_day(
    moment: datetime, place: Place | None, destination: Place | None, cut: str
) -> None:
    found = dated(moment.isoformat(timespec=cut), place=place, destination=destination)
    assert found.occurred_at is not None
    assert abs(found.occurred_at.replace(tzinfo=None) - moment) < timedelta(days=1, minutes=1)
    assert found.precision == cut.removesuffix("s")


@given(st.text() | st.from_regex(zones._TIME), st.text(max_size=9) | st.none(), places)
@example("2026-03-02T10:00:00", "+99:99", Place())
def test_no_text_at_all_is_an_error(text: str, offset: str | None, place: Place) -> None:
    found = dated(text, offset=offset, place=place)
    assert (found.occurred_at is None) == (found.precision == "none")
    local_day(text, place)
    country_code(text)
