"""A parcel's way through the service: what a webhook causes, to the last message to the customer.

What is written is relayed; what is relayed goes to the queues whose rules ask for it, as
infra/orders.yaml has them; until nothing more follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tandem_orders import consumers
from tools.bench.follower import RELAY, Follower, Way
from tools.bench.front import Function
from tools.bench.orders.providers import Provider, Told
from tools.bench.orders.retailer import Retailer
from tools.bench.samples import Notebook, Sample

EDGE, NORMALISE = "webhook", "normalise"
# In the order in which they come.
STEPS = (EDGE, RELAY, NORMALISE, "consume", "chronicle", "notify")
_LISTENERS: Mapping[str, tuple[str, Function]] = {
    "InboxRule": (NORMALISE, consumers.normalise),
    "EventsRule": ("consume", consumers.consume),
    "TimelineRule": ("chronicle", consumers.chronicle),
    "NotificationsRule": ("notify", consumers.notify),
}
_BETWEEN_SCANS = timedelta(minutes=40)


def following(notebook: Notebook) -> Follower:
    return Follower(notebook, "orders", consumers.relay, _LISTENERS)


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
