"""What all reports of a parcel come to, in a few maxima and minima, and the status that follows.

    reports --peak_of--> peaks --the highest of each role--> at most six --the rule--> the status

A summary is a join: equal for equal sets of reports, whatever their order and however they are cut.

The rule, over mapped and dated reports by (time, rank, whether they know why, scan, report):

    the latest report wins, but
    a delivery is left only by a return or a retraction that comes after it, and
    a completed return is left only by a retraction that comes after it, and
    what is delivered on its way back is returned.

Undated reports decide only while there are no others. Unmapped ones never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.scans import Scan
from tandem_orders.statuses import RANK, Reason, ShipmentStatus

_UNDATED = datetime.min.replace(tzinfo=UTC)


class Peak(Strict):
    """What the status rule needs of a report. `at` is None for an undated one."""

    at: Instant | None
    status: ShipmentStatus
    reason: Reason | None = None
    raw: str
    reversal: bool = False
    signed_by: str | None = None
    scan: str
    report: str

    @property
    def order(self) -> tuple[datetime, int, bool, str, str]:
        """Of two providers' reports of a moment, the one that knows why says more."""
        knows_why = self.reason not in (None, Reason.UNKNOWN)
        return self.at or _UNDATED, RANK[self.status], knows_why, self.scan, self.report


def _is_delivery(peak: Peak) -> bool:
    return peak.status is ShipmentStatus.DELIVERED


def _leaves_delivery(peak: Peak) -> bool:
    return peak.reversal or peak.status in (ShipmentStatus.RETURNING, ShipmentStatus.RETURNED)


# A peak is the highest in at least one of these roles; more is never needed.
_ROLES: Mapping[str, Callable[[Peak], bool]] = {
    "latest": lambda _: True,
    "delivered": _is_delivery,
    "signed": lambda one: _is_delivery(one) and one.signed_by is not None,
    "returned": lambda one: one.status is ShipmentStatus.RETURNED,
    "retracted": lambda one: one.reversal,
    "left": _leaves_delivery,
}


class Summary(Strict):
    """Maxima and minima over the counting reports: equal for equal sets, whatever their order.

    `milestones` is the first time that each status was reached, over dated reports; `first_at` and
    `last_at` span all dated reports, mapped or not.
    """

    peaks: tuple[Peak, ...] = ()
    milestones: dict[ShipmentStatus, Instant] = {}
    first_at: Instant | None = None
    last_at: Instant | None = None

    def highest(self, role: str) -> Peak | None:
        return max(filter(_ROLES[role], self.peaks), key=lambda one: one.order, default=None)

    @property
    def deciding(self) -> Peak | None:
        """The report that wins by the rule."""
        returned, retracted = self.highest("returned"), self.highest("retracted")
        if returned and not (retracted and retracted.order > returned.order):
            return returned
        delivered, left = self.highest("delivered"), self.highest("left")
        if delivered and not (left and left.order > delivered.order):
            # A parcel on its way back is delivered to whom it came from.
            back = left and left.status is ShipmentStatus.RETURNING and not left.reversal
            status = ShipmentStatus.RETURNED if back else delivered.status
            return delivered.model_copy(update={"status": status})
        return self.highest("latest")

    def without_signatures(self) -> Summary:
        bare = (peak.model_copy(update={"signed_by": None}) for peak in self.peaks)
        return self.model_copy(update={"peaks": _top(tuple(bare))})


def summary_of(reports: Iterable[Scan]) -> Summary:
    """Summarise counting reports."""
    peaks: list[Peak] = []
    milestones: dict[ShipmentStatus, datetime] = {}
    instants: list[datetime] = []
    for scan in reports:
        if scan.occurred_at:
            instants.append(scan.occurred_at)
        if scan.status is None:
            continue
        peaks.append(peak_of(scan, scan.status))
        if scan.occurred_at:
            known = milestones.get(scan.status, scan.occurred_at)
            milestones[scan.status] = min(known, scan.occurred_at)
    return Summary(
        peaks=_top(peaks),
        milestones=_ranked(milestones),
        first_at=min(instants, default=None),
        last_at=max(instants, default=None),
    )


def join(one: Summary, other: Summary) -> Summary:
    """Unite two summaries: commutative, associative, idempotent."""
    milestones = dict(one.milestones)
    for status, instant in other.milestones.items():
        milestones[status] = min(milestones.get(status, instant), instant)
    return Summary(
        peaks=_top((*one.peaks, *other.peaks)),
        milestones=_ranked(milestones),
        first_at=min(filter(None, (one.first_at, other.first_at)), default=None),
        last_at=max(filter(None, (one.last_at, other.last_at)), default=None),
    )


def peak_of(scan: Scan, status: ShipmentStatus) -> Peak:
    return Peak(
        at=scan.occurred_at,
        status=status,
        reason=scan.reason,
        raw=scan.raw,
        reversal=scan.reversal,
        signed_by=scan.signed_by if status is ShipmentStatus.DELIVERED else None,
        scan=scan.scan_id,
        report=scan.report_id,
    )


def _top(peaks: Sequence[Peak]) -> tuple[Peak, ...]:
    """Keep the highest peak of each role; undated ones only while there are no others."""
    dated = [one for one in peaks if one.at]
    kept: dict[tuple[datetime, int, bool, str, str], Peak] = {}
    for has_role in _ROLES.values():
        best = max(filter(has_role, dated or peaks), key=lambda one: one.order, default=None)
        if best:
            kept[best.order] = best
    return tuple(kept[order] for order in sorted(kept))


def _ranked(milestones: dict[ShipmentStatus, datetime]) -> dict[ShipmentStatus, datetime]:
    return {status: milestones[status] for status in ShipmentStatus if status in milestones}
