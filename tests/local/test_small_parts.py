"""Filters, schedules, and what the runner remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tandem_local.filters import matches
from tandem_local.memory import Memory
from tandem_local.schedules import Schedule, Scheduler, rate_seconds

RECORD = {"eventName": "INSERT", "body": {"count": 5, "name": "order.placed", "none": None}}


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"eventName": ["MODIFY", "INSERT"]},
        {"body": {"name": [{"prefix": "order."}], "count": [5]}},
        {"body": {"count": [{"numeric": [">", 4, "<=", 5]}]}},
        {"body": {"name": [{"anything-but": ["order.cancelled"]}]}},
        {"body": {"name": [{"exists": True}], "other": [{"exists": False}]}},
        {"nothing": {"inside": [{"exists": False}]}},
    ],
)
def test_a_filter_lets_through_what_it_asks_for(pattern: Any) -> None:
    assert matches(RECORD, pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        {"eventName": ["REMOVE"]},
        {"body": {"name": [{"prefix": "refund."}]}},
        {"body": {"count": [{"numeric": ["<", 5]}]}},
        {"body": {"name": [{"anything-but": "order.placed"}]}},
        {"body": {"name": [{"exists": False}]}},
        {"body": {"other": [{"exists": True}]}},
        {"body": {"other": [{"prefix": "x"}]}},
        {"eventName": ["INSERT"], "body": {"count": [6]}},
    ],
)
def test_a_filter_keeps_back_the_rest(pattern: Any) -> None:
    assert not matches(RECORD, pattern)


def test_a_filter_that_is_not_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="suffix"):
        matches(RECORD, {"eventName": [{"suffix": "T"}]})


def test_rates_are_read_and_cron_is_refused() -> None:
    assert rate_seconds("rate(1 minute)") == 60
    assert rate_seconds("rate(2 hours)") == 7200
    assert rate_seconds("rate(1 day)") == 86400
    with pytest.raises(ValueError, match="cron"):
        rate_seconds("cron(0 1 * * ? *)")


def test_a_schedule_runs_when_due_and_what_was_missed_runs_once() -> None:
    calls: list[Any] = []
    last_runs = {"arn:rule": 1000.0}
    scheduler = Scheduler(
        [Schedule("arn:rule", "arn:function", every_seconds=60)],
        lambda function, event: calls.append((function, event["time"])),
        last_runs,
    )
    for now in (1030.0, 1060.0, 1090.0, 5000.0, 5001.0):
        scheduler.tick(now)
    assert [function for function, _ in calls] == ["arn:function", "arn:function"]
    assert last_runs == {"arn:rule": 5000.0}


def test_what_is_relayed_is_remembered_over_a_restart(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "runner.json")
    memory.relayed("stack", 20.0)
    memory.relayed("stack", 10.0)
    memory.last_runs["arn:rule"] = 5.0
    memory.close()
    again = Memory(tmp_path / "runner.json")
    assert again.relayed_until("stack") == 20.0
    assert again.relayed_until("another") is None
    assert again.last_runs == {"arn:rule": 5.0}
    again.close()


def test_what_is_not_yet_replayed_is_not_passed_over(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "runner.json")
    memory.relayed("stack", 20.0)
    memory.hold("stack", now=50.0)
    memory.relayed("stack", 90.0)
    assert memory.relayed_until("stack") == 20.0
    memory.release("stack")
    assert memory.relayed_until("stack") == 90.0


def test_what_is_replayed_once_is_not_replayed_at_the_next_start(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "runner.json")
    memory.relayed("stack", 20.0)
    memory.hold("stack", now=50.0)
    memory.release("stack")
    assert memory.relayed_until("stack") == 50.0
    memory.close()
