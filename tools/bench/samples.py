"""Executions that were measured: what each has cost, and how to run it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tools.bench.front import Front, Repeat
from tools.bench.meter import Cost, Meter

# What processor time is a multiple of.
BARE_GET = "bare read of one item"


@dataclass(frozen=True, slots=True)
class Sample:
    """One execution: what it cost, and how to run it again at the same moment."""

    cost: Cost
    again: Repeat
    now: datetime


@dataclass(frozen=True, slots=True)
class Operations:
    """The samples of each operation; processor time as a multiple of a bare read's."""

    samples: Mapping[str, Sequence[Sample]]
    processor: Mapping[str, float]

    def costs(self) -> dict[str, list[Cost]]:
        return {name: [one.cost for one in taken] for name, taken in self.samples.items()}


@dataclass(slots=True)
class Notebook:
    """Runs operations of a service and writes down what each has cost, by the operation's name."""

    front: Front
    meter: Meter
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def taken(self, run: Callable[[], Any]) -> tuple[Any, Sample]:
        """Run something; return its answer, and what it has cost."""
        with self.meter.counting() as cost:
            answer = run()
        return answer, Sample(cost, run, self.front.now)

    def measured(self, operation: str, run: Callable[[], Any]) -> Any:
        """Run an operation, keep what it has cost, and return its answer."""
        answer, sample = self.taken(run)
        self.samples.setdefault(operation, []).append(sample)
        return answer
