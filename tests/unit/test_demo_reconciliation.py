"""That a wrong balance or ledger does not pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tandem_demo.books import Balance
from tandem_demo.reconciliation import compare
from tandem_demo.replay import Account
from tandem_demo.report import percentile
from tandem_demo.story import Member, Story

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
IN_MAY = datetime(2026, 5, 3, tzinfo=UTC)


def account() -> Account:
    """Earned 100 in May, of which 30 are spent."""
    known = Account(Story(Member("1x1", 7), ()), "acc_1")
    known.books.earn(100, IN_MAY, IN_MAY)
    known.books.spend("rdm", 30, NOW)
    known.earned_points["order-1"] = 100
    return known


def ledger(*lines: tuple[str, int, str | None]) -> list[dict[str, Any]]:
    """Make a sound ledger, newest first, of (type, points, order) from oldest to newest."""
    return [
        {
            "seq": number,
            "type": kind,
            "points": points,
            "order_id": order_id,
            "previous_hash": f"hash-{number - 1}",
            "hash": f"hash-{number}",
        }
        for number, (kind, points, order_id) in reversed(list(enumerate(lines, 1)))
    ]


ENROLLED = ("account.enrolled", 0, None)
EARNED = ("points.earned", 100, "order-1")
HELD = ("redemption.authorized", -30, "order-2")
CAPTURED = ("redemption.captured", 0, "order-2")
SOUND = (ENROLLED, EARNED, HELD, CAPTURED)
RIGHT = Balance(70, 0, 0, 0)


def disagreements(balance: Balance, events: list[dict[str, Any]], at: datetime = NOW) -> str:
    return "; ".join(compare(account(), balance, at, at, events))


def test_a_right_account_agrees() -> None:
    assert disagreements(RIGHT, ledger(*SOUND)) == ""


@pytest.mark.parametrize(
    "balance", [Balance(71, 0, 0, 0), Balance(0, 70, 0, 0), Balance(70, 0, 30, 0)]
)
def test_a_wrong_balance_is_found(balance: Balance) -> None:
    assert "the books say" in disagreements(balance, ledger(*SOUND))


def test_a_wrong_sum_of_the_ledger_is_found() -> None:
    assert "adds up to 100" in disagreements(RIGHT, ledger(ENROLLED, EARNED, CAPTURED))


def test_an_order_that_accrued_twice_is_found() -> None:
    nothing = ("points.earned", 0, "order-1")
    assert "order-1 accrued twice" in disagreements(RIGHT, ledger(*SOUND, nothing))


def test_an_order_with_other_points_is_found() -> None:
    lines = ledger(ENROLLED, ("points.earned", 99, "order-1"), ("adjusted", 1, None), HELD)
    assert "order-1 earned 99, the rules say 100" in disagreements(RIGHT, lines)


def test_an_order_that_is_missing_or_unknown_is_found() -> None:
    found = disagreements(RIGHT, ledger(ENROLLED, ("points.earned", 100, "order-9"), HELD))
    assert "order-1 is missing" in found
    assert "order-9 is in the ledger and was never sent" in found


def test_a_gap_in_the_ledger_is_found() -> None:
    lines = ledger(*SOUND)
    del lines[3]
    assert disagreements(RIGHT, lines) == ""
    del lines[1]
    assert "broken between lines 2 and 4" in disagreements(RIGHT, lines)


@pytest.mark.parametrize("booked", [(), (("points.expired", -70, None),)])
def test_lapsed_points_may_be_booked_now_or_later(
    booked: tuple[tuple[str, int, str | None], ...],
) -> None:
    next_summer = datetime(2027, 6, 1, tzinfo=UTC)
    lines = ledger(*SOUND, *booked)
    assert disagreements(Balance(0, 0, 0, 0), lines, next_summer) == ""


def test_points_that_lapse_too_early_are_found() -> None:
    lines = ledger(*SOUND, ("points.expired", -70, None))
    assert "lapsed" in disagreements(RIGHT, lines)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([3.0], 0.5) == 3.0
