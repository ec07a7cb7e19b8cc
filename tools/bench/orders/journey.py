"""A parcel's way through the service: what a webhook causes, to the last message to the customer.

What is written is relayed; what is relayed goes to the queues whose rules ask for it, as
infra/orders.yaml has them; until nothing more follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from tandem_local.filters import matches
from tandem_orders import consumers
from tools.bench.front import Function, Repeat, delivery, streamed
from tools.bench.orders.providers import Provider, Told
from tools.bench.orders.retailer import Retailer
from tools.bench.samples import Notebook, Sample
from tools.bench.stage import resources

EDGE, NORMALISE = "webhook", "normalise"
# In the order in which they come.
STEPS = (EDGE, "relay", NORMALISE, "consume", "chronicle", "notify")
_LISTENERS: Mapping[str, tuple[str, Function]] = {
    "InboxRule": (NORMALISE, consumers.normalise),
    "EventsRule": ("consume", consumers.consume),
    "TimelineRule": ("chronicle", consumers.chronicle),
    "NotificationsRule": ("notify", consumers.notify),
}
_BETWEEN_SCANS = timedelta(minutes=40)

# What each step of one scan has cost, once for each time that it was run.
Way = dict[str, list[Sample]]


class Follower:
    """Runs what follows from a write."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook = notebook
        stack = resources("orders")
        self._rules = [
            (*listener, stack[rule]["Properties"]["EventPattern"])
            for rule, listener in _LISTENERS.items()
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
                _, relayed = self.notebook.taken(streamed(consumers.relay, *items))
                events = [one for one in relayed.cost.published if one["data"].get("changed", True)]
                runs = [run for event in events for _, run in self._delivered(event)]
                waiting = [self.notebook.taken(run)[1] for run in runs]

    def _relayed(self, sample: Sample) -> list[tuple[str, Repeat]]:
        return [("relay", streamed(consumers.relay, item)) for item in sample.cost.entries]

    def _delivered(self, event: Mapping[str, Any]) -> list[tuple[str, Repeat]]:
        described = {"source": event["source"], "detail-type": event["type"]}
        return [
            (name, delivery(function, event))
            for name, function, pattern in self._rules
            if matches(described, pattern)
        ]


@dataclass(slots=True)
class Journey:
    """A parcel of a member's order, and the provider that tells of it."""

    retailer: Retailer
    follower: Follower
    provider: Provider
    number: str
    order_id: str
    shipment_id: str
    scans: list[Told] = field(default_factory=list)

    def lived(self, scans: int) -> None:
        """Let the parcel have been scanned so often; all of it comes in one message."""
        start = self.retailer.now
        self.scans = [
            Told(start + position * _BETWEEN_SCANS, position) for position in range(scans)
        ]
        self.retailer.now = self.scans[-1].at + _BETWEEN_SCANS / 2
        self.follower.settle(self._sent(self.provider.history(self.number, self.scans)))

    def scanned(self, *, arrives: bool = False) -> Way:
        """Scan the parcel once more; return what that has cost."""
        self.scans.append(Told(self.scans[-1].at + _BETWEEN_SCANS, len(self.scans), arrives))
        return self._told()

    def remembered(self) -> Way:
        """Let the carrier hand in an old scan from the middle of the history."""
        middle = len(self.scans) // 2
        before = self.scans[middle]
        self.scans.insert(middle + 1, before._replace(at=before.at + _BETWEEN_SCANS / 4))
        return self._told()

    def _told(self) -> Way:
        self.retailer.now = self.scans[-1].at + _BETWEEN_SCANS / 2
        sample = self._sent(self.provider.news(self.number, self.scans))
        return {EDGE: [sample], **self.follower.follow(sample)}

    def _sent(self, body: bytes) -> Sample:
        request = self.retailer.webhook(self.provider, body)
        _, sample = self.follower.notebook.taken(request)
        return sample
