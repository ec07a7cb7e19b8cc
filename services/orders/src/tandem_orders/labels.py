"""Which label a parcel's reports are measured by: carriers give numbers out again.

      earlier parcel              [48 h]|label
    --x---x--------x--|.................|--x--x--x--->
        quarantined              counts from here

What is dated more than 48 hours before the label belongs to an earlier parcel with the same number.
The label is the one that somebody tells of, else the earliest that was scanned: carriers speak of
labels again on the way (manifests, the hand-over to a post), and that must not discard what they
scanned before. Only where something was heard more than 90 days before the newest label has the
number been given out again, and the newest label counts.

All of it is minima and maxima over all reports, counting or not, so the outcome is a function of
their set. More reports never undo that a number was given out again, and only move its newest label
on: therefore it does not matter either when the next parcel is recognised (see generations).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.scans import Scan
from tandem_orders.statuses import ShipmentStatus

# How long before its label a parcel may have been scanned: clocks and dates are that wrong.
LABEL_TOLERANCE = timedelta(hours=48)
RECYCLED_AFTER = timedelta(days=90)


class Labels(Strict):
    """`heard_at` is the first dated report, `scanned_at` the first label that was scanned,
    `newest_at` the newest label, scanned or told."""

    heard_at: Instant | None = None
    scanned_at: Instant | None = None
    newest_at: Instant | None = None

    def counts_from(self, told_at: datetime | None, starts_at: datetime | None) -> datetime | None:
        """Return from when on reports are a parcel's own.

        `told_at` is the label that somebody told of; `starts_at` is set where the number is known
        to have been another parcel's before.
        """
        newest, heard = self.newest_at, self.heard_at
        given_out_again = starts_at or (newest and heard and newest - heard > RECYCLED_AFTER)
        label = newest if given_out_again else told_at or self.scanned_at
        return max(filter(None, (starts_at, label and label - LABEL_TOLERANCE)), default=None)


def labels_of(reports: Iterable[Scan]) -> Labels:
    dated = [(scan.occurred_at, scan.status) for scan in reports if scan.occurred_at]
    labels = [at for at, status in dated if status is ShipmentStatus.LABEL_CREATED]
    return Labels(
        heard_at=min((at for at, _ in dated), default=None),
        scanned_at=min(labels, default=None),
        newest_at=max(labels, default=None),
    )


def unite(one: Labels, other: Labels) -> Labels:
    """Join: commutative, associative, idempotent."""
    return Labels(
        heard_at=min(filter(None, (one.heard_at, other.heard_at)), default=None),
        scanned_at=min(filter(None, (one.scanned_at, other.scanned_at)), default=None),
        newest_at=max(filter(None, (one.newest_at, other.newest_at)), default=None),
    )
