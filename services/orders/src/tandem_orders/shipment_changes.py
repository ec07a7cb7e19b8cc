"""What a message or the clock does to a parcel: the state after, and the fact to record.

Each function takes the state and what was said, and returns both. Whether something was said before
is not decided here: a report's entry key does that (`shipments.unseen` saves most of the asking).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.estimates import Forecast, forecast, promise
from tandem_orders.labels import Labels, unite
from tandem_orders.messages import Estimate, ParcelReport
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.shipment_facts import (
    ShipmentChange,
    ShipmentDelivered,
    ShipmentException,
    ShipmentRegistered,
    ShipmentReturned,
    ShipmentUpdated,
)
from tandem_orders.shipments import (
    LABEL_STALE_AFTER_HOURS,
    MAX_LINKS,
    STALE_AFTER_HOURS,
    Link,
    Shipment,
    Successor,
    TooManyOrders,
    counts,
    fold,
    refold,
    stale_since,
    without_person,
)
from tandem_orders.statuses import EXCEPTIONS, Reason, ShipmentStatus

LATE_AFTER = timedelta(hours=48)


class Registration(Strict):
    """What a merchant says of a parcel. `label_created_at` keeps an earlier parcel's scans out."""

    link: Link | None = None
    promised_by: date | None = None
    destination: Place | None = None
    label_created_at: Instant | None = None
    service: str | None = None
    is_return: bool = False


def record(
    shipment: Shipment, scan: Scan, received_at: datetime
) -> tuple[Shipment, ShipmentChange]:
    """Add one report that is not recorded yet. The fact's type follows from the new status.

    Let the parcel `hear` all reports of a message first, and `recount` when it needs a refold: the
    label of one may decide whether others count.
    """
    if shipment.erased:
        scan = scan.model_copy(update={"signed_by": None})
    after = fold(shipment, (scan,))
    late = scan.occurred_at is not None and received_at - scan.occurred_at > LATE_AFTER
    return after, _change(
        shipment,
        after,
        occurred_at=scan.occurred_at or received_at,
        scan=scan.model_copy(update={"signed_by": None}),
        signed_by=scan.signed_by,
        late=late,
        unmapped=scan.status is None,
        quarantined=not counts(after, scan),
    )


def register(
    shipment: Shipment, told: Registration, at: datetime
) -> tuple[Shipment, ShipmentRegistered | None]:
    """Join what a merchant says. The fact is None when all of it is known.

    Raises TooManyOrders. When `shipments.needs_refold(before, after)`, load the reports and call
    `recount`.
    """
    links = set(shipment.links) | ({told.link} if told.link else set())
    if len(links) > MAX_LINKS:
        raise TooManyOrders(f"At most {MAX_LINKS} orders can share a parcel")
    after = shipment.model_copy(
        update={
            "links": tuple(sorted(links, key=lambda link: link.order)),
            "registered_at": _earliest(shipment.registered_at, at),
            "estimates": promise(shipment.estimates, told.promised_by),
            **_particulars(shipment, told),
        }
    )
    if after == shipment:
        return shipment, None
    return after, ShipmentRegistered(
        **_common(shipment, after, at),
        link=told.link,
        again=_is_known(shipment, told.link),
        destination=None if shipment.erased else told.destination,
        label_created_at=told.label_created_at,
        service=told.service,
        registered_at=at,
    )


def _is_known(shipment: Shipment, link: Link | None) -> bool:
    return link.order_id in shipment.order_ids if link else shipment.registered_at is not None


def describe(
    shipment: Shipment, report: ParcelReport, received_at: datetime
) -> tuple[Shipment, ShipmentChange | None]:
    """Join what a provider says beside its scans: estimates, destination, service, label.

    The fact is None when the same window was only said again: the state knows a later time for it,
    and may be written with the next fact. When `shipments.needs_refold(before,
    after)`, load the reports and call `recount`.
    """
    estimates = shipment.estimates
    reported_at = report.reported_at or received_at
    for window, original in ((report.first_estimate, True), (report.estimate, False)):
        if window:
            said = Forecast(
                window=window,
                reported_at=reported_at,
                provider=report.provider,
                original=original,
            )
            estimates = forecast(estimates, said)
    after = shipment.model_copy(
        update={"estimates": estimates, **_particulars(shipment, report)},
    )
    if _without_times(after) == _without_times(shipment):
        return after, None
    return after, _change(shipment, after, occurred_at=reported_at)


def recount(
    shipment: Shipment, reports: Sequence[Scan], at: datetime
) -> tuple[Shipment, ShipmentChange | None]:
    """Compute the state again from all reports, since others count now than before.

    The fact is None when the status stands, and the delivery when there is one.
    """
    after = refold(shipment, reports)
    if (after.status, after.delivered_at) == (shipment.status, shipment.delivered_at):
        return after, None
    return after, _change(shipment, after, occurred_at=at)


def recycle(
    shipment: Shipment, starts_at: datetime, at: datetime
) -> tuple[Shipment, ShipmentUpdated]:
    """Say that the number belongs to the next parcel for scans from `starts_at` on."""
    successor = Successor(generation=shipment.generation + 1, starts_at=starts_at)
    after = shipment.model_copy(update={"successor": successor})
    return after, ShipmentUpdated(**_common(shipment, after, at))


def forget(shipment: Shipment, at: datetime) -> tuple[Shipment, ShipmentUpdated | None]:
    """Forget whose parcel it was. The fact, which says nothing else, is None when that is done.

    It keeps a report apart that is being added at this moment, and knows the person still.
    """
    if shipment.erased:
        return shipment, None
    after = without_person(shipment)
    return after, ShipmentUpdated(**_common(shipment, after, at))


def overdue(
    shipment: Shipment,
    now: datetime,
    hours: int = STALE_AFTER_HOURS,
    label_hours: int = LABEL_STALE_AFTER_HOURS,
) -> ShipmentException | None:
    """Return the alarm for a parcel that should have been scanned; the state stays.

    One alarm per silence: (shipment, `stale_since`) is the business fact.
    """
    since = stale_since(shipment, now, hours, label_hours)
    if since is None:
        return None
    common = {**_common(shipment, shipment, since), "reason": Reason.CARRIER_NO_SCAN}
    return ShipmentException(**common, stale_since=since)


def _change(
    before: Shipment, after: Shipment, *, occurred_at: datetime, **said: Any
) -> ShipmentChange:
    changed = after.status is not before.status
    kind: type[ShipmentChange] = ShipmentUpdated
    if changed and after.status is ShipmentStatus.DELIVERED:
        kind = ShipmentDelivered
    elif changed and after.status is ShipmentStatus.RETURNED:
        kind = ShipmentReturned
    elif changed and after.status in EXCEPTIONS:
        kind = ShipmentException
    return kind(**_common(before, after, occurred_at), **said)


def _common(before: Shipment, after: Shipment, occurred_at: datetime) -> dict[str, Any]:
    return {
        "shipment_id": after.id,
        "carrier": after.carrier,
        "tracking_number": after.tracking_number,
        "generation": after.generation,
        "order_ids": after.order_ids,
        "links": after.named_links,
        "is_return": after.is_return,
        "occurred_at": occurred_at,
        "status": after.status,
        "previous_status": before.status,
        "changed": after.status is not before.status,
        "reason": after.reason,
        "sub_status": after.sub_status,
        "handed_over_at": after.handed_over_at,
        "delivered_at": after.delivered_at,
        "estimate": after.estimates.shown,
        "promised_by": after.estimates.promised_by,
    }


def _particulars(shipment: Shipment, told: Registration | ParcelReport) -> dict[str, Any]:
    """Join the fields that merchants and providers both tell, in any order: the fuller one wins."""
    places = () if shipment.erased else (shipment.destination, told.destination)
    return {
        "label_created_at": _earliest(shipment.label_created_at, told.label_created_at),
        "labels": unite(shipment.labels, Labels(newest_at=told.label_created_at)),
        "destination": max(filter(None, places), key=_fullness, default=None),
        "service": max(
            filter(None, (shipment.service, told.service)),
            key=lambda text: (len(text), text),
            default=None,
        ),
        "is_return": shipment.is_return or told.is_return,
    }


def _without_times(shipment: Shipment) -> tuple[Shipment, Estimate | None]:
    """Return what readers see of a parcel: its windows, not when the latest was said."""
    estimates = shipment.estimates
    shown = estimates.model_copy(update={"latest": None})
    return shipment.model_copy(update={"estimates": shown}), estimates.shown


def _fullness(place: Place) -> tuple[int, int, str]:
    text = place.model_dump_json(exclude_none=True)
    return len(place.model_dump(exclude_none=True)), len(text), text


def _earliest(*instants: datetime | None) -> datetime | None:
    return min(filter(None, instants), default=None)
