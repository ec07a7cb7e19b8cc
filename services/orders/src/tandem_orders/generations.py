"""Which parcel a tracking number means: carriers give numbers out again.

    scans of the old parcel      more than 90 days      label of the new one
    ----x--x---x--x--|.................................[48 h]|--x--x--->
       generation n                                   starts_at   generation n + 1

A label opens the next generation when nothing was heard for 90 days before it, and nothing after it
yet. `starts_at`, 48 hours before the label, is where scans are divided. Where the new parcel was
heard of first, there is one generation, and what is said of the old one is quarantined in it (see
labels): how many generations there are depends on the order of arrival, what counts for the newest
does not.

This module divides what is said of a number; what each parcel makes of its part is not its concern.
`known` are always the number's parcels from the first to the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.labels import LABEL_TOLERANCE, RECYCLED_AFTER, labels_of
from tandem_orders.messages import ParcelReport
from tandem_orders.scans import Scan
from tandem_orders.shipments import Shipment, heard_at


class Part(Strict):
    """What a message says of one parcel.

    Above 1, and not yet known, the generation begins at `starts_at` and is to be announced to the
    one before it, as that is after its own part, with `shipment_changes.recycle`.
    """

    generation: int
    starts_at: Instant | None
    report: ParcelReport


def parts(known: Sequence[Shipment], report: ParcelReport) -> list[Part]:
    """Divide a message among the parcels of its number, oldest first.

    Estimates, label, destination and undated scans belong to the newest parcel that it speaks of.
    """
    starts = _starts(known, report)
    newest = len(starts)
    of: dict[int, list[Scan]] = {}
    undated: list[Scan] = []
    for scan in report.scans:
        if scan.occurred_at is None:
            undated.append(scan)
        else:
            of.setdefault(_generation(starts, scan.occurred_at), []).append(scan)
    dates = [scan.occurred_at for scan in report.scans] + [report.label_created_at]
    spoken = max((_generation(starts, at) for at in dates if at), default=newest)
    of.setdefault(spoken, []).extend(undated)
    return [
        Part(
            generation=generation,
            starts_at=starts[generation - 1],
            report=_part_of(report, tuple(of[generation]), is_whole=generation == spoken),
        )
        for generation in sorted(of)
    ]


def to_register(
    known: Sequence[Shipment],
    order_id: str | None,
    label_created_at: datetime | None,
    now: datetime,
) -> tuple[int, datetime | None]:
    """Return the generation that a merchant means, and its `starts_at`.

    A parcel that is known to be the order's is meant again; one that belongs to nobody is joined,
    unless its last scan is more than 90 days older than the label.
    """
    for shipment in reversed(known):
        if order_id and order_id in shipment.order_ids:
            return shipment.generation, shipment.starts_at
    if not known:
        return 1, None
    newest = known[-1]
    last = newest.summary.last_at
    if last and label_created_at:
        if label_created_at - last > RECYCLED_AFTER:
            return newest.generation + 1, label_created_at - LABEL_TOLERANCE
    elif last and newest.links and order_id and now - last > RECYCLED_AFTER:
        return newest.generation + 1, last + RECYCLED_AFTER
    return newest.generation, newest.starts_at


def _starts(known: Sequence[Shipment], report: ParcelReport) -> list[datetime | None]:
    """Return from when on scans belong to each generation, as far as message and parcels tell."""
    starts: list[datetime | None] = [one.starts_at for one in known] or [None]
    scanned = labels_of(report.scans).newest_at
    label = max(filter(None, (report.label_created_at, scanned)), default=None)
    if label is None:
        return starts
    start = label - LABEL_TOLERANCE
    heard = [scan.occurred_at for scan in report.scans if scan.occurred_at]
    if known:
        last = heard_at(known[-1]) if known[-1].summary.last_at else None
        if last is None or last >= start:
            # The newest parcel is the label's own; it knows itself what is older than that.
            return starts
        heard.append(last)
    silent_since = max((at for at in heard if at < start), default=None)
    if silent_since is None or label - silent_since <= RECYCLED_AFTER:
        return starts
    return [*starts, start]


def _generation(starts: Sequence[datetime | None], at: datetime) -> int:
    """Return the newest generation that had begun at an instant; before all of them, the first."""
    begun = (
        number for number, start in enumerate(starts, start=1) if start is not None and start <= at
    )
    return max(begun, default=1)


def _part_of(report: ParcelReport, scans: tuple[Scan, ...], *, is_whole: bool) -> ParcelReport:
    if is_whole:
        return report.model_copy(update={"scans": scans})
    return ParcelReport(
        provider=report.provider,
        carrier=report.carrier,
        tracking_number=report.tracking_number,
        scans=scans,
        reported_at=report.reported_at,
    )
