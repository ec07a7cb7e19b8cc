"""How orders and parcels are shown: to those they belong to, to staff, and to whoever has the link.

Pure functions from state to answers. What a caller may see is a parameter, never looked up here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from tandem_orders.contracts import (
    EstimatedWindow,
    FulfillmentView,
    LineView,
    OrderView,
    ParcelView,
    RegisteredView,
    TrackedFulfillment,
    TrackedLine,
    TrackedOrder,
    TrackedParcel,
    TrackedScan,
)
from tandem_orders.fulfillments import Fulfillment, Parcel, legal_moves
from tandem_orders.orders import Order
from tandem_orders.scans import Scan
from tandem_orders.shipment_facts import ShipmentRegistered
from tandem_orders.shipment_views import ScanView, ShipmentView, display
from tandem_orders.shipments import Shipment, status_at
from tandem_orders.statuses import ShipmentStatus
from tandem_orders.texts import Language, calm, is_text, say


def order_view(
    order: Order,
    version: int,
    shipments: Mapping[str, Shipment],
    now: datetime,
    *,
    token: str | None,
    is_its_customer: bool,
) -> OrderView:
    """Show an order. Parcels that are not among `shipments` are shown as the order knows them."""
    return OrderView(
        **order.model_dump(
            include={
                "id",
                "source",
                "external_id",
                "number",
                "channel",
                "placed_at",
                "completed_at",
                "currency",
                "store_id",
                "terminal_id",
                "receipt_no",
                "promised_by",
                "source_state",
            }
        ),
        status=order.status,
        flags=order.flags,
        customer=order.customer,
        tenders=order.tenders,
        destination=order.destination,
        lines=_lines(order),
        fulfillments=tuple(
            fulfillment_view(order.id, one, is_its_customer=is_its_customer)
            for one in order.fulfillments
        ),
        shipments=tuple(
            _parcel(one.id if one else None, parcel, shipments.get(parcel.shipment_id), now)
            for one, parcel in _parcels(order)
        ),
        tracking_token=token,
        version=version,
    )


def _lines(order: Order) -> tuple[LineView, ...]:
    counters = order.counters
    return tuple(
        LineView(
            line_id=line.line_id,
            sku=line.sku,
            name=line.name,
            category=line.category,
            unit_price=line.unit_price,
            paid=line.paid,
            **counters[line.line_id]._asdict(),
        )
        for line in order.lines
    )


def fulfillment_view(
    order_id: str, fulfillment: Fulfillment, *, is_its_customer: bool
) -> FulfillmentView:
    """Show a fulfilment; its pickup code only to its customer."""
    return FulfillmentView(
        **fulfillment.model_dump(
            include={"id", "type", "state", "store_id", "created_at", "delivered_at", "hold_until"}
        ),
        order_id=order_id,
        lines=fulfillment.lines,
        allowed=legal_moves(fulfillment),
        shipment_ids=tuple(parcel.shipment_id for parcel in fulfillment.parcels),
        pickup_code=fulfillment.pickup_code if is_its_customer else None,
    )


def _parcels(order: Order) -> Iterator[tuple[Fulfillment | None, Parcel]]:
    """Yield the parcels with their fulfilments, then those of returns, which have none."""
    for fulfillment in order.fulfillments:
        yield from ((fulfillment, parcel) for parcel in fulfillment.parcels)
    yield from ((None, parcel) for parcel in order.return_parcels)


def _parcel(
    fulfillment_id: str | None, parcel: Parcel, shipment: Shipment | None, now: datetime
) -> ParcelView:
    return ParcelView(
        id=parcel.shipment_id,
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        fulfillment_id=fulfillment_id,
        is_return=fulfillment_id is None,
        status=status_at(shipment, now) if shipment else _told_status(parcel),
        reason=shipment.reason if shipment else None,
        delivered_at=shipment.delivered_at if shipment else parcel.delivered_at,
        estimated=_window(shipment) if shipment else None,
    )


def _told_status(parcel: Parcel) -> ShipmentStatus:
    """Return what the order itself knows of a parcel's status."""
    if parcel.returned:
        return ShipmentStatus.RETURNED
    if parcel.delivered_at:
        return ShipmentStatus.DELIVERED
    return ShipmentStatus.IN_TRANSIT if parcel.handed_over else ShipmentStatus.PENDING


def _window(shipment: Shipment) -> EstimatedWindow | None:
    shown = shipment.estimates.shown
    return EstimatedWindow(from_date=shown.from_date, to_date=shown.to_date) if shown else None


def registered_view(fact: ShipmentRegistered) -> RegisteredView:
    """Show a parcel as it was when it was registered."""
    return RegisteredView(
        **fact.model_dump(
            include={
                "carrier",
                "tracking_number",
                "generation",
                "status",
                "reason",
                "sub_status",
                "delivered_at",
                "order_ids",
                "registered_at",
            }
        ),
        id=fact.shipment_id,
    )


def tracked_order(
    order: Order,
    parcels: Sequence[tuple[Shipment, Sequence[Scan]]],
    now: datetime,
    language: Language,
) -> TrackedOrder:
    """Show an order to whoever has its link: no name, contact, address, amount or number."""
    counters = order.counters
    return TrackedOrder(
        language=language,
        text=say(language, f"page.status.{order.status}", {}),
        number=order.number,
        channel=order.channel,
        status=order.status,
        placed_at=order.placed_at,
        promised_by=order.promised_by,
        lines=tuple(
            TrackedLine(
                name=line.name or line.sku,
                ordered=counters[line.line_id].ordered,
                cancelled=counters[line.line_id].cancelled,
                fulfilled=counters[line.line_id].fulfilled,
                delivered=counters[line.line_id].delivered,
            )
            for line in order.lines
        ),
        fulfillments=tuple(_tracked_fulfillment(one, language) for one in order.fulfillments),
        parcels=tuple(_tracked(shipment, scans, now, language) for shipment, scans in parcels),
    )


def _tracked_fulfillment(fulfillment: Fulfillment, language: Language) -> TrackedFulfillment:
    family = "pickup" if fulfillment.type == "pickup" else "fulfillment"
    key = f"{family}.{fulfillment.state}"
    until = fulfillment.hold_until
    return TrackedFulfillment(
        type=fulfillment.type,
        state=fulfillment.state,
        store_id=fulfillment.store_id,
        hold_until=until,
        text=say(
            language,
            key if is_text(key) else _IN_OTHER_WORDS.get(key, "fulfillment.created"),
            {"until": until.date().isoformat()} if until else {},
        ),
    )


# States that a timeline does not tell, in the words of the one that it does.
_IN_OTHER_WORDS = {
    "pickup.proposed": "fulfillment.created.pickup",
    "pickup.restocked": "pickup.expired",
    "fulfillment.collected": "pickup.collected",
}


def _tracked(
    shipment: Shipment, scans: Sequence[Scan], now: datetime, language: Language
) -> TrackedParcel:
    shown = display(shipment, scans, now)
    return TrackedParcel(
        carrier=shown.carrier,
        status=shown.status,
        text=say(language, f"shipment.{shown.status}", _parcel_params(shipment, shown)),
        milestones=shown.milestones,
        estimated=_window(shipment),
        scans=tuple(
            TrackedScan(
                occurred_at=scan.occurred_at,
                day=_local_day(scan),
                status=scan.status,
                city=_city(scan),
                country=scan.location.country if scan.location else None,
                text=say(language, f"shipment.{scan.status}", _scan_params(scan)),
            )
            for scan in shown.scans
            if scan.status and not (scan.quarantined or scan.superseded)
        ),
    )


def _parcel_params(shipment: Shipment, shown: ShipmentView) -> dict[str, object]:
    window = shipment.estimates.shown
    return {
        "reason": shown.reason,
        **({"window": window.model_dump(mode="json")} if window else {}),
    }


def _scan_params(scan: ScanView) -> dict[str, object]:
    city = _city(scan)
    return {"reason": scan.reason, **({"city": city} if city else {})}


def _city(scan: ScanView) -> str | None:
    return calm(scan.location.city) if scan.location and scan.location.city else None


def _local_day(scan: ScanView) -> date | None:
    """Return the day of a scan: as written, where it is written so; else in UTC."""
    try:
        return date.fromisoformat(scan.occurred_local[:10])
    except ValueError:
        return scan.occurred_at.date() if scan.occurred_at else None
