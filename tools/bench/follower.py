"""What follows from a write: it is relayed, and goes to the queues whose rules ask for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from tandem_local.filters import matches
from tools.bench.front import Function, Repeat, delivery, streamed
from tools.bench.meter import Cost, total
from tools.bench.samples import Notebook, Sample
from tools.bench.stage import resources

RELAY = "relay"
# What all steps are called together.
WHOLE = "all of it"

# What each step has cost, once for each time that it was run.
Way = dict[str, list[Sample]]


class Followed:
    """The same way, followed several times; processor time is that of the last time.

    The fields are those of who extends it, in an order of its own.
    """

    __slots__ = ()

    ways: Sequence[Way]
    processor: Mapping[str, float]

    def costs(self, step: str) -> list[Cost]:
        """Return what a step, or all of them, has cost each time."""
        return [
            total(
                sample.cost
                for name, taken in way.items()
                for sample in taken
                if step in (name, WHOLE)
            )
            for way in self.ways
        ]

    def runs(self, step: str) -> int:
        return sum(len(taken) for name, taken in self.ways[-1].items() if step in (name, WHOLE))

    def time(self, step: str) -> float:
        return sum(time for name, time in self.processor.items() if step in (name, WHOLE))


class Follower:
    """Runs what follows, until nothing more does.

    `listeners` are a service's own: by the rule of its template, the step's name and its function.
    """

    def __init__(
        self,
        notebook: Notebook,
        service: str,
        relay: Function,
        listeners: Mapping[str, tuple[str, Function]],
    ) -> None:
        self.notebook = notebook
        self._relay = relay
        stack = resources(service)
        self._rules = [
            (*listener, stack[rule]["Properties"]["EventPattern"])
            for rule, listener in listeners.items()
        ]

    def follow(self, first: Sample) -> Way:
        """Run what follows from an execution, step by step, and return what it has cost."""
        way: Way = {}
        waiting: deque[tuple[str, Repeat]] = deque(self._relayed(first))
        while waiting:
            step, run = waiting.popleft()
            _, sample = self.notebook.taken(run)
            way.setdefault(step, []).append(sample)
            waiting += self._relayed(sample)
            waiting += [one for event in sample.cost.published for one in self._delivered(event)]
        return way

    def settle(self, first: Sample) -> None:
        """Run what follows, as fast as can be: events that change nothing are not delivered."""
        waiting = [first]
        while waiting:
            items = [item for sample in waiting for item in sample.cost.entries]
            waiting = []
            if items:
                _, relayed = self.notebook.taken(streamed(self._relay, *items))
                events = [one for one in relayed.cost.published if one["data"].get("changed", True)]
                runs = [run for event in events for _, run in self._delivered(event)]
                waiting = [self.notebook.taken(run)[1] for run in runs]

    def _relayed(self, sample: Sample) -> list[tuple[str, Repeat]]:
        return [(RELAY, streamed(self._relay, item)) for item in sample.cost.entries]

    def _delivered(self, event: Mapping[str, Any]) -> list[tuple[str, Repeat]]:
        described = {"source": event["source"], "detail-type": event["type"], "detail": event}
        return [
            (name, delivery(function, event))
            for name, function, pattern in self._rules
            if matches(described, pattern)
        ]
