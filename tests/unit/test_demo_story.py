"""That the demo sends the same requests again, whenever and wherever it is repeated."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tandem_demo import rules
from tandem_demo.dataset import Household
from tandem_demo.purchases import SoldLine
from tandem_demo.story import Calendar, Member, Redemption, Story, sample_name, tell

CALENDAR = Calendar(date(2026, 11, 21))


def bought(basket_id: int, month: int, dollars: float) -> tuple[SoldLine, ...]:
    sold_at = datetime(2017, month, 3, 18, 30, 5)  # noqa: DTZ001 - the data has no zone
    return (SoldLine(7, basket_id, 12, 1, "GROCERY", 1, dollars, 0.0, sold_at),)


def story_of(
    *baskets: tuple[SoldLine, ...], calendar: Calendar = CALENDAR, sample: str = "1x9"
) -> Story:
    household = Household(7, baskets)
    (story,) = tell([Member(sample, 7)], [household], calendar, Counter())
    return story


def requests(story: Story) -> list[tuple[str, Any]]:
    sent: list[tuple[str, Any]] = [(story.member.key("enrol"), story.member.enrolment)]
    for visit in story.visits:
        key = story.member.key(visit.basket.basket_id, "accumulate")
        sent.append((key, story.purchase(visit, "EUR")))
        if visit.redemption:
            key = story.member.key(visit.basket.basket_id, "authorize")
            sent.append((key, story.authorization(visit, visit.redemption)))
    return sent


YEAR = tuple(bought(month * 10 + 1, month, 90.0) for month in range(1, 13))


def test_a_repeat_sends_the_same_bytes_with_the_same_keys() -> None:
    first, second = requests(story_of(*YEAR)), requests(story_of(*YEAR))
    assert json.dumps(first) == json.dumps(second)


def test_every_write_has_its_own_key_and_every_key_is_short_enough() -> None:
    keys = [key for key, _ in requests(story_of(*YEAR))]
    assert len(set(keys)) == len(keys)
    assert all(1 <= len(key) <= 255 for key in keys)


def test_samples_of_other_sizes_are_other_customers() -> None:
    one, other = story_of(*YEAR, sample="1x9"), story_of(*YEAR, sample="2x9")
    assert sample_name(1, 9) == "1x9"
    assert not {key for key, _ in requests(one)} & {key for key, _ in requests(other)}
    assert one.member.enrolment["identifiers"] != other.member.enrolment["identifiers"]


def test_the_last_day_of_the_data_is_the_day_before_the_first_enrolment() -> None:
    calendar = Calendar.from_first_enrolment(datetime(2026, 11, 22, 23, 59, tzinfo=UTC))
    assert calendar == Calendar(date(2026, 11, 21))
    last_basket = datetime(2018, 1, 1, 4, 1, 20)  # noqa: DTZ001 - the data has no zone
    assert calendar.moved(last_basket) == datetime(2026, 11, 21, 4, 1, 20, tzinfo=UTC)


def test_dates_move_by_whole_days() -> None:
    assert CALENDAR.shift % timedelta(days=1) == timedelta()
    (visit,) = story_of(bought(11, 3, 1.0)).visits
    assert visit.occurred_at.timetz() == datetime(2017, 1, 1, 18, 30, 5, tzinfo=UTC).timetz()


def test_the_enrolment_does_not_depend_on_the_calendar() -> None:
    later = Calendar(date(2027, 2, 1))
    assert story_of(*YEAR).member.enrolment == story_of(*YEAR, calendar=later).member.enrolment


def test_a_till_names_its_store_and_the_web_shop_none() -> None:
    till, web = story_of(bought(11, 1, 5.0), bought(15, 2, 5.0)).visits
    story = story_of(bought(11, 1, 5.0), bought(15, 2, 5.0))
    assert (till.channel, web.channel) == ("pos", "web")
    assert story.purchase(till, "EUR")["purchase"]["location_id"] == "store_12"
    assert "location_id" not in story.purchase(web, "EUR")["purchase"]


def test_points_are_redeemed_as_soon_as_there_are_a_hundred() -> None:
    visits = story_of(*(bought(number * 10 + 1, 6, 60.0) for number in range(4))).visits
    assert [visit.redemption for visit in visits] == [None, None, Redemption(100, 100, 0), None]


def test_what_is_paid_with_points_is_a_tender_and_earns_nothing() -> None:
    story = story_of(*(bought(number * 10 + 1, 6, 60.0) for number in range(3)))
    visit = story.visits[2]
    assert story.purchase(visit, "EUR")["purchase"]["tenders"] == [
        {"type": "points", "paid": {"amount": 100, "currency": "EUR"}},
        {"type": "card", "paid": {"amount": 5900, "currency": "EUR"}},
    ]
    assert visit.earned_points == 59


def test_no_more_is_redeemed_than_the_basket_costs() -> None:
    story = story_of(bought(11, 5, 500.0), bought(21, 6, 1.5), bought(31, 7, 0.99))
    redemptions = [visit.redemption for visit in story.visits]
    assert redemptions == [None, Redemption(100, 100, 0), None]


def test_web_points_which_may_be_pending_are_not_planned_with() -> None:
    assert story_of(bought(15, 5, 500.0), bought(21, 6, 90.0)).visits[1].redemption is None


def test_points_that_may_lapse_during_the_run_are_not_planned_with() -> None:
    month_end = Calendar(date(2026, 11, 28))
    first_days = bought(11, 1, 500.0)
    story = story_of(first_days, bought(21, 6, 90.0), calendar=month_end)
    assert rules.lapses_at(story.visits[0].occurred_at) == datetime(2026, 12, 1, tzinfo=UTC)
    assert story.visits[1].redemption is None


def test_redemptions_end_in_every_way() -> None:
    story = story_of(*(bought(number * 10 + 1, 6, 400.0) for number in range(12)))
    endings = [visit.redemption for visit in story.visits if visit.redemption]
    assert any(ending.captured_points == ending.points for ending in endings)
    assert any(0 < ending.captured_points < ending.points for ending in endings)
    assert any(ending.captured_points == 0 for ending in endings)
    assert any(0 < ending.reversed_points < ending.captured_points for ending in endings)
    assert any(0 < ending.reversed_points == ending.captured_points for ending in endings)


def test_baskets_that_are_left_out_are_no_visits() -> None:
    empty = bought(21, 6, 0.0)[0]._replace(quantity=0)
    assert len(story_of(bought(11, 5, 5.0), (empty,)).visits) == 1


@pytest.mark.parametrize(
    ("earned_at", "lapses_at"),
    [
        (datetime(2025, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        (datetime(2025, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (datetime(2024, 2, 29, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)),
    ],
)
def test_points_live_twelve_months_and_to_the_end_of_that_month(
    earned_at: datetime, lapses_at: datetime
) -> None:
    assert rules.lapses_at(earned_at) == lapses_at


@pytest.mark.parametrize(("paid_minor", "points"), [(0, 0), (99, 0), (100, 1), (1999, 19)])
def test_a_point_is_earned_per_whole_unit(paid_minor: int, points: int) -> None:
    assert rules.earned_points(paid_minor) == points
