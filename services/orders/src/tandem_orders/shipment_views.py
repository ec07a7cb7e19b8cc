"""A parcel as people see it: one row per scan, whoever reported it, and the windows in words of
dates.

A view is a function of the head and the set of reports: the same set gives the same bytes. It shows
all that was ever reported, also what does not count, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.estimates import OnTime
from tandem_orders.places import Place
from tandem_orders.scans import Precision, Scan, TzSource
from tandem_orders.shipments import (
    Link,
    Shipment,
    counts,
    is_on_time,
    status_at,
)
from tandem_orders.statuses import RANK, Reason, ShipmentStatus
from tandem_orders.summaries import Peak, peak_of

_PRECISIONS: Sequence[Precision] = ("none", "day", "minute", "second")
_TZ_SOURCES: Sequence[TzSource] = (
    "utc_assumed",
    "destination_assumed",
    "location",
    "carrier_offset",
)
_FIRST = datetime.min.replace(tzinfo=UTC)


class Window(Strict):
    from_date: date
    to_date: date


class EstimateView(Strict):
    """`promised` is the shop's word, `first` and `latest` the carrier's or a provider's."""

    promised: Window | None = None
    first: Window | None = None
    latest: Window | None = None
    on_time: OnTime | None = None


class ProofOfDelivery(Strict):
    delivered_at: Instant | None
    signed_by: str | None = None


class ScanView(Strict):
    """`superseded`: dated after the scan that the status stands on, and not able to move it.

    `quarantined`: of an earlier parcel with the same number.
    """

    occurred_at: Instant | None
    occurred_local: str
    tz_source: TzSource
    precision: Precision
    status: ShipmentStatus | None
    reason: Reason | None
    raw: str
    location: Place | None
    description: str
    superseded: bool
    quarantined: bool
    providers: tuple[str, ...]


class ShipmentView(Strict):
    id: str
    carrier: str
    tracking_number: str
    generation: int
    status: ShipmentStatus
    reason: Reason | None
    sub_status: str | None
    occurred_at: Instant | None
    is_return: bool
    service: str | None
    links: tuple[Link, ...]
    milestones: dict[ShipmentStatus, Instant]
    edd: EstimateView
    proof_of_delivery: ProofOfDelivery | None
    scans: tuple[ScanView, ...]


def display(
    shipment: Shipment, reports: Iterable[Scan], now: datetime, zone: tzinfo = UTC
) -> ShipmentView:
    """Show a parcel with all its reports. `zone` is the destination's, for the dates there."""
    deciding = shipment.deciding
    status = status_at(shipment, now)
    delivered = shipment.status is ShipmentStatus.DELIVERED
    rows = [_row(shipment, deciding, group) for group in _groups(reports)]
    return ShipmentView(
        id=shipment.id,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        generation=shipment.generation,
        status=status,
        reason=shipment.reason,
        sub_status=shipment.sub_status,
        occurred_at=shipment.occurred_at,
        is_return=shipment.is_return,
        service=shipment.service,
        links=shipment.named_links,
        milestones=shipment.summary.milestones,
        edd=_estimates(shipment, now, zone),
        proof_of_delivery=ProofOfDelivery(
            delivered_at=shipment.delivered_at, signed_by=shipment.signed_by
        )
        if delivered
        else None,
        scans=tuple(sorted(rows, key=_newest_last, reverse=True)),
    )


def _estimates(shipment: Shipment, now: datetime, zone: tzinfo) -> EstimateView:
    estimates, delivered_at = shipment.estimates, shipment.delivered_at
    promised = estimates.promised_by
    windows = {
        name: Window(from_date=said.window.from_date, to_date=said.window.to_date)
        for name, said in (("first", estimates.first), ("latest", estimates.latest))
        if said
    }
    return EstimateView(
        promised=Window(from_date=promised, to_date=promised) if promised else None,
        first=windows.get("first"),
        latest=windows.get("latest"),
        on_time=is_on_time(
            shipment,
            delivered_on=delivered_at.astimezone(zone).date() if delivered_at else None,
            today=now.astimezone(zone).date(),
        ),
    )


def _groups(reports: Iterable[Scan]) -> list[list[Scan]]:
    """Group the reports of one scan.

    A provider that knows only a status reports the same scan as one that knows the carrier's code,
    when status, minute and place agree. Of several such codes the first by identity takes it.
    """
    unique = {one.report_id: one for one in reports}
    groups: dict[str, list[Scan]] = {}
    for report_id in sorted(unique):
        groups.setdefault(unique[report_id].scan_id, []).append(unique[report_id])
    hosts: dict[str, str] = {}
    for scan_id in sorted(groups):
        for scan in groups[scan_id]:
            if scan.code:
                hosts.setdefault(scan.model_copy(update={"code": None}).scan_id, scan_id)
    for uncoded, host in hosts.items():
        if uncoded in groups:
            groups[host].extend(groups.pop(uncoded))
    return list(groups.values())


def _row(shipment: Shipment, deciding: Peak | None, group: Sequence[Scan]) -> ScanView:
    """Merge the reports of one scan: each field from whoever knows it best."""
    best = max(group, key=_worth)
    counting = [one for one in group if counts(shipment, one)]
    places = [one.place for one in group if one.place]
    return ScanView(
        occurred_at=best.occurred_at,
        occurred_local=best.occurred_local,
        tz_source=best.tz_source,
        precision=best.precision,
        status=best.status,
        reason=best.reason,
        raw=best.raw,
        location=max(places, key=_fullness, default=None),
        description=max((one.description for one in group), key=lambda text: (len(text), text)),
        superseded=_is_superseded(deciding, counting),
        quarantined=not counting,
        providers=tuple(sorted({one.provider for one in group})),
    )


def _is_superseded(deciding: Peak | None, counting: Sequence[Scan]) -> bool:
    moving = [peak_of(one, one.status) for one in counting if one.status and one.occurred_at]
    return bool(moving) and all(
        deciding is not None and peak.order > deciding.order for peak in moving
    )


def _worth(scan: Scan) -> tuple[bool, int, bool, int, int, str]:
    """Order reports of one scan by how much they know; ties by content."""
    return (
        scan.status is not None,
        RANK[scan.status] if scan.status else 0,
        scan.code is not None,
        _PRECISIONS.index(scan.precision),
        _TZ_SOURCES.index(scan.tz_source),
        scan.report_id,
    )


def _fullness(place: Place) -> tuple[int, str]:
    known: Mapping[str, str] = place.model_dump(exclude_none=True)
    return len(known), place.model_dump_json(exclude_none=True)


def _newest_last(row: ScanView) -> tuple[bool, datetime, int, str]:
    """Undated rows come before all others here, and so last when it is reversed."""
    return (
        row.occurred_at is not None,
        row.occurred_at or _FIRST,
        RANK[row.status] if row.status else -1,
        row.model_dump_json(),
    )
