"""Schedule rules of EventBridge, kept by us: the engine would run the functions in its own way."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tandem_local.clients import ACCOUNT, REGION

if TYPE_CHECKING:
    from tandem_local.clients import Clients

STOP_SECONDS = 10.0

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNIT_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Schedule:
    rule_arn: str
    function_arn: str
    every_seconds: int


def read_schedules(clients: Clients) -> list[Schedule]:
    """Return the `rate(...)` rules and the functions they call. Raises ValueError on others."""
    schedules = []
    for page in clients.events.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            if expression := rule.get("ScheduleExpression"):
                targets = clients.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
                schedules += [
                    Schedule(rule["Arn"], target["Arn"], rate_seconds(expression))
                    for target in targets
                ]
    return schedules


def rate_seconds(expression: str) -> int:
    """Read `rate(1 hour)`. Raises ValueError for anything else, cron among it."""
    found = _RATE.fullmatch(expression)
    if not found:
        raise ValueError(f"only rate(...) schedules run locally, not {expression}")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


class Scheduler:
    """Calls functions when their time has come. `last_runs` is kept by the caller between runs."""

    def __init__(
        self,
        schedules: list[Schedule],
        invoke: Callable[[str, Any], Any],
        last_runs: dict[str, float],
    ) -> None:
        self._schedules = schedules
        self._invoke = invoke
        self._last_runs = last_runs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="schedules", daemon=True)
        for schedule in schedules:
            # The countdown of a new rule begins with it.
            last_runs.setdefault(schedule.rule_arn, time.time())

    def start(self) -> None:
        self._thread.start()

    def halt(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish the run at hand and stop."""
        self.halt()
        self._thread.join(STOP_SECONDS)

    def tick(self, now: float) -> None:
        """Run what is due at `now`; what was missed while all was stopped runs once."""
        for schedule in self._schedules:
            if now - self._last_runs[schedule.rule_arn] >= schedule.every_seconds:
                self._last_runs[schedule.rule_arn] = now
                self._invoke(schedule.function_arn, _event(schedule, now))

    def _run(self) -> None:
        while not self._stopping.wait(1.0):
            self.tick(time.time())


def _event(schedule: Schedule, now: float) -> Mapping[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [schedule.rule_arn],
        "detail": {},
    }
