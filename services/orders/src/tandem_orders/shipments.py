"""A parcel: the state of its head, how reports join it, and what it says at a given time.

    head = what was told (orders, promise, label)  +  summary of the reports  +  what time says

The reports themselves are journal entries; the head's summary of them is bounded, so that a write
costs the same after five scans and after five hundred. Any order of arrival, any repetition and any
mixture of providers give the same bytes. This module never loads, never asks for the time, and
never looks at the order in which reports came (but for `seen`, which says only what to skip).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.ids import derived_id
from tandem_core.problems import Conflict
from tandem_core.values import Strict
from tandem_orders.estimates import Estimates, OnTime, on_time
from tandem_orders.labels import Labels, labels_of, unite
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.statuses import ENDED, HANDED_OVER, TOUCHED, Reason, ShipmentStatus
from tandem_orders.summaries import Peak, Summary, join, summary_of

MAX_LINKS = 20
MAX_PROVIDERS = 4

EXPIRES_AFTER = timedelta(days=30)
STALE_AFTER_HOURS = 72
LABEL_STALE_AFTER_HOURS = 120

_UNDATED = datetime.min.replace(tzinfo=UTC)
_NOT_YET_CARRIED = frozenset({ShipmentStatus.PENDING, ShipmentStatus.LABEL_CREATED})
# At a counter a parcel waits for the customer, and nobody scans it.
_WAITS_FOR_CARRIER = HANDED_OVER - ENDED - {ShipmentStatus.AVAILABLE_FOR_PICKUP}


class TooManyOrders(Conflict):
    code, title = "TOO_MANY_ORDERS", "The parcel belongs to too many orders"


class ParcelIsOutbound(Conflict):
    code, title = "PARCEL_IS_OUTBOUND", "The parcel carries goods to a customer"


class Link(Strict):
    """An order, and when known its fulfilment, that a parcel carries."""

    order_id: str
    fulfillment_id: str | None = None

    @property
    def order(self) -> tuple[str, str]:
        return self.order_id, self.fulfillment_id or ""


class Seen(Strict):
    """A provider's history as last recorded: how many reports, and a hash of their ids."""

    count: int
    hash: str


class Successor(Strict):
    """The parcel that has this one's number now, and the time from which scans are its own."""

    generation: int
    starts_at: Instant


class Shipment(Strict):
    """The state of a parcel's head: bounded, and all that a decision needs.

    `starts_at` is set where the number belonged to another parcel before. `label_created_at` is
    what a merchant or a provider tells of the label, never a scan; `labels` spans all labels and
    all reports, also those that do not count. `registered_at` is when somebody
    first told us of the parcel without a scan. `erased`: nothing personal is kept of it, nor of
    what is said of it from then on. Build one with `blank`.
    """

    id: str
    carrier: str
    tracking_number: str
    generation: int = 1
    starts_at: Instant | None = None
    successor: Successor | None = None
    links: Annotated[tuple[Link, ...], Field(max_length=MAX_LINKS)] = ()
    is_return: bool = False
    service: str | None = None
    label_created_at: Instant | None = None
    labels: Labels = Labels()
    destination: Place | None = None
    registered_at: Instant | None = None
    estimates: Estimates = Estimates()
    summary: Summary = Summary()
    seen: dict[str, Seen] = {}
    erased: bool = False

    @property
    def deciding(self) -> Peak | None:
        """The report that the status stands on."""
        return self.summary.deciding

    @property
    def status(self) -> ShipmentStatus:
        """What the reports say. For what time says as well, see `status_at`."""
        peak = self.deciding
        return peak.status if peak else ShipmentStatus.PENDING

    @property
    def reason(self) -> Reason | None:
        peak = self.deciding
        return peak.reason if peak else None

    @property
    def sub_status(self) -> str | None:
        """The deciding report's code as its provider wrote it."""
        peak = self.deciding
        return peak.raw if peak else None

    @property
    def occurred_at(self) -> datetime | None:
        """When the status was reached, as far as its report is dated."""
        peak = self.deciding
        return peak.at if peak else None

    @property
    def delivered_at(self) -> datetime | None:
        """When it was delivered, if it is: the first delivery since the last one was undone.

        A second provider's later word for the same delivery does not move it.
        """
        peak = self.deciding
        if peak is None or peak.status is not ShipmentStatus.DELIVERED:
            return None
        first = self.summary.milestones.get(ShipmentStatus.DELIVERED)
        left = self.summary.highest("left")
        return peak.at if first is None or (left and left.at and left.at >= first) else first

    @property
    def handed_over_at(self) -> datetime | None:
        """When the carrier first had it, as far as a scan of the parcel itself is dated."""
        scanned = (at for status, at in self.summary.milestones.items() if status in TOUCHED)
        return min(scanned, default=None)

    @property
    def signed_by(self) -> str | None:
        """Who signed for the delivery that stands."""
        delivered_at, signed = self.delivered_at, self.summary.highest("signed")
        if signed is None or self.status is not ShipmentStatus.DELIVERED:
            return None
        stands = delivered_at is None or (signed.at is not None and signed.at >= delivered_at)
        return signed.signed_by if stands else None

    @property
    def order_ids(self) -> tuple[str, ...]:
        return tuple(sorted({link.order_id for link in self.links}))

    @property
    def named_links(self) -> tuple[Link, ...]:
        """The links without those that a more exact one makes superfluous."""
        exact = {link.order_id for link in self.links if link.fulfillment_id}
        return tuple(one for one in self.links if one.fulfillment_id or one.order_id not in exact)

    @property
    def counts_from(self) -> datetime | None:
        """Reports dated before this belong to another parcel: shown, but never counted."""
        return self.labels.counts_from(self.label_created_at, self.starts_at)


def blank(
    carrier: str, tracking_number: str, generation: int = 1, starts_at: datetime | None = None
) -> Shipment:
    """Return a parcel of which nothing is known. `carrier` is the canonical name."""
    return Shipment(
        id=derived_id("shp", carrier, tracking_number, str(generation)),
        carrier=carrier,
        tracking_number=tracking_number,
        generation=generation,
        starts_at=starts_at,
    )


# The join.


def counts(shipment: Shipment, scan: Scan) -> bool:
    """Tell a report of this parcel from one of an earlier parcel with the same number."""
    floor = shipment.counts_from
    return floor is None or scan.occurred_at is None or scan.occurred_at >= floor


def hear(shipment: Shipment, reports: Iterable[Scan]) -> Shipment:
    """Learn the dates of reports, which may decide what counts. Ask `needs_refold` afterwards."""
    return shipment.model_copy(update={"labels": unite(shipment.labels, labels_of(reports))})


def fold(shipment: Shipment, reports: Sequence[Scan]) -> Shipment:
    """Add reports. The same set gives the same state, however it is cut and ordered, as long as
    `needs_refold` is heeded."""
    after = hear(shipment, reports)
    return _with_summary(
        after, join(after.summary, summary_of(one for one in reports if counts(after, one)))
    )


def refold(shipment: Shipment, reports: Sequence[Scan]) -> Shipment:
    """Compute the summary again from all reports, after `counts_from` has moved."""
    return fold(_with_summary(shipment, Summary()), reports)


def needs_refold(before: Shipment, after: Shipment) -> bool:
    """Tell whether other reports count now than did before. Only then all have to be read."""
    old, new = before.counts_from or _UNDATED, after.counts_from or _UNDATED
    counted, heard = before.summary.first_at, before.labels.heard_at
    first = counted if old < new else heard
    return first is not None and min(old, new) <= first < max(old, new)


def _with_summary(shipment: Shipment, summary: Summary) -> Shipment:
    return shipment.model_copy(update={"summary": summary})


# What senders resend.


def unseen(shipment: Shipment, provider: str, reports: Sequence[Scan]) -> list[Scan]:
    """Return the reports of a message that may be new, each once, oldest first.

    A provider that resends its history begins with what it sent before: that is recognised without
    being read. It saves reads and decides nothing; the entries' keys do.
    """
    listed = _listed(reports)
    ids = list(listed)
    mark = shipment.seen.get(provider)
    if mark and _mark(ids[: mark.count]) == mark:
        ids = ids[mark.count :]
    return [listed[report_id] for report_id in ids]


def with_seen(shipment: Shipment, provider: str, reports: Sequence[Scan]) -> Shipment:
    """Remember a message whose reports are all recorded (by this write, or before it).

    The newest message counts, also a shorter one: a provider may shorten or reword its history, and
    is recognised again from then on.
    """
    if not reports:
        return shipment
    marks = {**shipment.seen, provider: _mark(list(_listed(reports)))}
    while len(marks) > MAX_PROVIDERS:
        del marks[min(marks.keys() - {provider}, key=lambda name: (marks[name].count, name))]
    return shipment.model_copy(update={"seen": dict(sorted(marks.items()))})


def _listed(reports: Sequence[Scan]) -> dict[str, Scan]:
    """Sort reports as time does, undated ones first, so that what is new tends to be the end.

    By their ids: each is a hash over the whole report, and is computed once.
    """
    by_id = {one.report_id: one for one in reports}
    return dict(sorted(by_id.items(), key=lambda one: (one[1].occurred_at or _UNDATED, one[0])))


def _mark(report_ids: Sequence[str]) -> Seen:
    ids = "\n".join(sorted(report_ids))
    return Seen(count=len(report_ids), hash=hashlib.sha256(ids.encode()).hexdigest()[:16])


# What time says.


def heard_at(shipment: Shipment) -> datetime | None:
    """Return the last information: a scan's own time, or the registration."""
    return max(filter(None, (shipment.summary.last_at, shipment.registered_at)), default=None)


def expires_at(shipment: Shipment) -> datetime | None:
    """Return when a parcel of which nothing more is heard counts as expired."""
    heard = heard_at(shipment)
    return heard + EXPIRES_AFTER if heard and shipment.status not in ENDED else None


def status_at(shipment: Shipment, now: datetime) -> ShipmentStatus:
    """Return the status as a reader sees it: expired after thirty silent days."""
    end = expires_at(shipment)
    return ShipmentStatus.EXPIRED if end and end <= now else shipment.status


def due_at(
    shipment: Shipment,
    hours: int = STALE_AFTER_HOURS,
    label_hours: int = LABEL_STALE_AFTER_HOURS,
) -> datetime | None:
    """Return when a scan is overdue, or None where none is expected."""
    heard = heard_at(shipment)
    if heard and shipment.status in _NOT_YET_CARRIED:
        return heard + timedelta(hours=label_hours)
    if heard and shipment.status in _WAITS_FOR_CARRIER:
        return heard + timedelta(hours=hours)
    return None


def stale_since(
    shipment: Shipment,
    now: datetime,
    hours: int = STALE_AFTER_HOURS,
    label_hours: int = LABEL_STALE_AFTER_HOURS,
) -> datetime | None:
    """Return since when a scan is overdue, or None while it is not."""
    due = due_at(shipment, hours, label_hours)
    return due if due and due <= now else None


def is_on_time(shipment: Shipment, *, delivered_on: date | None, today: date) -> OnTime | None:
    """Judge the parcel by its promise; both dates are those of its destination."""
    return on_time(
        shipment.estimates,
        delivered_on=delivered_on,
        expected=shipment.status not in ENDED
        and shipment.status is not ShipmentStatus.RETURNING
        and not shipment.is_return,
        today=today,
    )


# Personal data.


def without_person(shipment: Shipment) -> Shipment:
    """Forget where the parcel went and who signed for it, for good."""
    summary = shipment.summary.without_signatures()
    return shipment.model_copy(update={"destination": None, "summary": summary, "erased": True})
