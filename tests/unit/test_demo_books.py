"""The demo's own books of an account."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tandem_demo.books import Balance, Books, Overspent

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LAST_YEAR = datetime(2025, 11, 25, tzinfo=UTC)  # lapses on 1 December 2026
IN_MAY = datetime(2026, 5, 3, tzinfo=UTC)  # lapses on 1 June 2027
DECEMBER, JUNE = datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)


def books_with(**points_of: datetime) -> Books:
    """Open books with 100 points of each of the days."""
    books = Books()
    for day in points_of.values():
        books.earn(100, day, day)
    return books


def test_points_can_be_spent_at_once_and_lapse_at_the_months_end() -> None:
    books = books_with(old=LAST_YEAR)
    assert books.balance(NOW) == Balance(100, 0, 0, 0)
    assert books.available(DECEMBER - timedelta(microseconds=1)) == 100
    assert books.balance(DECEMBER) == Balance(0, 0, 0, 0)
    assert books.lapsed(DECEMBER) == 100


def test_pending_points_mature_by_time_alone() -> None:
    books = Books()
    matures_at = IN_MAY + timedelta(days=60)
    books.earn(40, IN_MAY, matures_at)
    assert books.balance(matures_at - timedelta(seconds=1)) == Balance(0, 40, 0, 0)
    assert books.balance(matures_at) == Balance(40, 0, 0, 0)


def test_spending_takes_the_points_that_lapse_first() -> None:
    books = books_with(young=IN_MAY, old=LAST_YEAR)
    books.spend("rdm", 150, NOW)
    assert books.available(NOW) == 50
    assert books.available(DECEMBER) == 50


def test_what_is_given_back_is_what_would_lapse_last() -> None:
    books = books_with(young=IN_MAY, old=LAST_YEAR)
    books.spend("rdm", 150, NOW)
    books.give_back("rdm", 30)
    assert (books.available(NOW), books.available(DECEMBER)) == (80, 80)
    books.give_back("rdm", 120)
    assert (books.available(NOW), books.available(DECEMBER)) == (200, 100)
    assert books.spent_points == 0


def test_more_than_there_is_cannot_be_spent_and_changes_nothing() -> None:
    books = books_with(old=LAST_YEAR)
    with pytest.raises(Overspent, match="1 more than there are"):
        books.spend("rdm", 101, NOW)
    assert books.balance(NOW) == Balance(100, 0, 0, 0)


def test_lapsed_and_pending_points_cannot_be_spent() -> None:
    books = Books()
    books.earn(100, LAST_YEAR, LAST_YEAR)
    books.earn(100, NOW, DECEMBER + timedelta(days=30))
    with pytest.raises(Overspent):
        books.spend("rdm", 1, DECEMBER)


def test_what_was_granted_is_there_or_pending_or_spent_or_lapsed() -> None:
    books = books_with(young=IN_MAY, old=LAST_YEAR)
    books.earn(30, NOW, NOW + timedelta(days=60))
    books.spend("rdm", 120, NOW)
    for at in (NOW, DECEMBER, JUNE):
        balance = books.balance(at)
        there = balance.available + balance.pending
        assert there + books.spent_points + books.lapsed(at) == books.granted_points
