"""Amazon's notifications: orders that changed, and milestones of shipments.

They come as Amazon delivers them, bare or inside an EventBridge event, an SNS notification or an
SQS message, and in either spelling of their names. Over HTTP the retailer's forwarder signs them.

Choices that are ours:
- A marketplace tells neither prices nor the customer: `paid` is None and there is no contact. The
  marketplace's id says the currency, and where its days end.
- A notification may name one item of an order: the others stand.
- What has been shipped is told by item, as a number that grows: each item is one fulfilment.
- A buyer's request to cancel is not a cancellation.
- An estimate is the local day of where the parcel is handed over, as far as a milestone says where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from tandem_core.signatures import Headers
from tandem_orders.messages import (
    Estimate,
    FulfillmentReport,
    LineReport,
    Message,
    OrderReport,
    ParcelReport,
    QuantityReport,
    Unparseable,
)
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders.documents import digest
from tandem_orders.senders.fields import Fields, document, place, refusals
from tandem_orders.senders.sender import Sender
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.zones import dated, local_day

NAME = "amazon"
# EventBridge, SNS and SQS, one in the other.
_MAX_WRAPPINGS = 3


class Marketplace(NamedTuple):
    currency: str
    zone: str


# developer-docs.amazon.com/sp-api/docs/marketplace-ids
_MARKETPLACES: Mapping[str, Marketplace] = {
    "ATVPDKIKX0DER": Marketplace("USD", "America/Los_Angeles"),
    "A2EUQ1WTGCTBG2": Marketplace("CAD", "America/Los_Angeles"),
    "A1AM78C64UM0Y8": Marketplace("MXN", "America/Los_Angeles"),
    "A2Q3Y263D00KWC": Marketplace("BRL", "America/Sao_Paulo"),
    "A1F83G8C2ARO7P": Marketplace("GBP", "Europe/London"),
    "A28R8C7NBKEWEA": Marketplace("EUR", "Europe/Dublin"),
    "A1PA6795UKMFR9": Marketplace("EUR", "Europe/Berlin"),
    "A13V1IB3VIYZZH": Marketplace("EUR", "Europe/Paris"),
    "APJ6JRA9NG5V4": Marketplace("EUR", "Europe/Rome"),
    "A1RKKUPIHCS9HS": Marketplace("EUR", "Europe/Madrid"),
    "A1805IZSGTT6HS": Marketplace("EUR", "Europe/Amsterdam"),
    "AMEN7PMS3EDWL": Marketplace("EUR", "Europe/Brussels"),
    "A2NODRKZP88ZB9": Marketplace("SEK", "Europe/Stockholm"),
    "A1C3SOZRARQ6R3": Marketplace("PLN", "Europe/Warsaw"),
    "A33AVAJ2PDY3EV": Marketplace("TRY", "Europe/Istanbul"),
    "ARBP9OOSHTCHU": Marketplace("EGP", "Africa/Cairo"),
    "A17E79C6D8DWNP": Marketplace("SAR", "Asia/Riyadh"),
    "A2VIGQ35RCS4UG": Marketplace("AED", "Asia/Dubai"),
    "A21TJRUUN4KGV": Marketplace("INR", "Asia/Kolkata"),
    "AE08WJ6YKNBMC": Marketplace("ZAR", "Africa/Johannesburg"),
    "A19VAU5U5O7RUS": Marketplace("SGD", "Asia/Singapore"),
    "A39IBJ37TRP1C6": Marketplace("AUD", "Australia/Sydney"),
    "A1VC38T7YXB528": Marketplace("JPY", "Asia/Tokyo"),
}

# Milestones of the tracking API, and the event codes of packages (Fulfillment Outbound).
_CODES: Mapping[str, tuple[ShipmentStatus, Reason | None]] = {
    "ORDER_PREPARING": (ShipmentStatus.PENDING, None),
    "PENDING": (ShipmentStatus.PENDING, None),
    "CARRIER_ASSIGNED": (ShipmentStatus.LABEL_CREATED, None),
    "SHIPPED": (ShipmentStatus.IN_TRANSIT, None),
    "IN_TRANSIT": (ShipmentStatus.IN_TRANSIT, None),
    "DELAYED": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "OUT_FOR_DELIVERY": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "DELIVERY_ATTEMPTED": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "AVAILABLE_FOR_PICKUP": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "READY_FOR_PICKUP": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "DELIVERED": (ShipmentStatus.DELIVERED, None),
    "UNDELIVERABLE": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "LOST": (ShipmentStatus.FAILED, Reason.CARRIER_LOST),
    "DAMAGED": (ShipmentStatus.FAILED, Reason.CARRIER_DAMAGED),
    "CANCELLED": (ShipmentStatus.CANCELLED, None),
    "RETURNING_TO_SELLER": (ShipmentStatus.RETURNING, Reason.UNKNOWN),
    "RETURNED_TO_SELLER": (ShipmentStatus.RETURNED, Reason.UNKNOWN),
    "EVENT_101": (ShipmentStatus.LABEL_CREATED, None),
    "EVENT_102": (ShipmentStatus.PICKED_UP, None),
    "EVENT_201": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_202": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_203": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_204": (ShipmentStatus.CUSTOMS, None),
    "EVENT_205": (ShipmentStatus.CUSTOMS, None),
    "EVENT_206": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_301": (ShipmentStatus.DELIVERED, None),
    "EVENT_302": (ShipmentStatus.OUT_FOR_DELIVERY, None),
    "EVENT_304": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.UNKNOWN),
    "EVENT_306": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_307": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_308": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "EVENT_309": (ShipmentStatus.RETURNED, Reason.UNKNOWN),
    "EVENT_401": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_ADDRESS),
    "EVENT_402": (ShipmentStatus.CUSTOMS, Reason.CUSTOMS_CLEARANCE),
    "EVENT_403": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_MOVED),
    "EVENT_404": (ShipmentStatus.DELAYED, Reason.UNKNOWN),
    "EVENT_405": (ShipmentStatus.FAILED, Reason.CARRIER_DAMAGED),
    "EVENT_406": (ShipmentStatus.ON_HOLD, Reason.CARRIER_EXCEPTION),
    "EVENT_407": (ShipmentStatus.DELIVERY_ATTEMPTED, Reason.RECIPIENT_REFUSED),
    "EVENT_408": (ShipmentStatus.RETURNING, Reason.UNKNOWN),
    "EVENT_409": (ShipmentStatus.FAILED, Reason.CARRIER_LOST),
    "EVENT_411": (ShipmentStatus.ON_HOLD, Reason.CARRIER_EXCEPTION),
    "EVENT_412": (ShipmentStatus.ON_HOLD, Reason.SHIPPER_DOCUMENTS),
    "EVENT_413": (ShipmentStatus.ON_HOLD, Reason.RECIPIENT_PAYMENT),
    "EVENT_414": (ShipmentStatus.DELAYED, Reason.CARRIER_MISSORTED),
    "EVENT_415": (ShipmentStatus.IN_TRANSIT, None),
    "EVENT_416": (ShipmentStatus.FAILED, Reason.UNKNOWN),
    "EVENT_417": (ShipmentStatus.DELAYED, Reason.CARRIER_MISSORTED),
    "EVENT_418": (ShipmentStatus.DELAYED, Reason.CARRIER_DELAY),
    "EVENT_419": (ShipmentStatus.DELAYED, Reason.RECIPIENT_ADDRESS),
    "EVENT_801": (ShipmentStatus.AVAILABLE_FOR_PICKUP, None),
    "EVENT_804": (ShipmentStatus.DELIVERED, None),
}
# What a shipment may be known by: a carrier's number first, then Amazon's own.
_IDENTIFIERS = (
    "trackingnumber",
    "carriertrackingnumber",
    "aftn",
    "acsin",
    "containernumber",
    "housebillofladingnumber",
    "id",
)
_AT_THE_DOOR = {ShipmentStatus.DELIVERED, ShipmentStatus.OUT_FOR_DELIVERY}


def topic_of(_headers: Headers, body: bytes) -> str:
    try:
        return _notification(body).text("notificationtype").upper()
    except Unparseable:
        return ""


def dedupe_key(_headers: Headers, body: bytes) -> str:
    try:
        metadata = _notification(body).inside("notificationmetadata")
        return metadata.reference("notificationid") or digest(body)
    except Unparseable:
        return digest(body)


def parse(topic: str, _headers: Headers, body: bytes) -> list[Message]:
    """Read one notification. Raises Unparseable."""
    reader = _READERS.get(topic)
    if reader is None:
        raise Unparseable("the topic has no reader")
    with refusals():
        return [reader(_notification(body))]


def _notification(body: bytes) -> Fields:
    """Unwrap a notification, all its names in lower case."""
    found = document(body, any_case=True)
    for _ in range(_MAX_WRAPPINGS):
        if "notificationtype" in found:
            break
        if detail := found.inside("detail"):
            found = detail
        elif wrapped := found.whole_text("message") or found.whole_text("body"):
            found = document(wrapped.encode(errors="replace"), any_case=True)
    return found


def _order(notification: Fields) -> OrderReport:
    change = notification.inside("payload", "orderchangenotification")
    summary = change.inside("summary")
    order_id = change.required_reference("amazonorderid")
    marketplace = _MARKETPLACES.get(summary.text("marketplaceid"))
    if marketplace is None:
        summary.refuse("marketplaceid", "not a known marketplace")
    changed_at = change.inside("orderchangetrigger").instant("timeoforderchange")
    updated_at = changed_at or notification.instant("eventtime")
    if updated_at is None:
        notification.refuse("eventtime", "missing")
    if "orderitems" not in summary:
        summary.refuse("orderitems", "missing")
    status = summary.text("orderstatus")
    is_cancelled = status in {"Canceled", "Unfulfillable"}
    latest = summary.instant("latestdeliverydate")
    postal_code = summary.text("destinationpostalcode")
    return OrderReport(
        source=NAME,
        external_id=order_id,
        channel="marketplace",
        placed_at=summary.instant("purchasedate") or updated_at,
        updated_at=updated_at,
        currency=marketplace.currency,
        number=order_id,
        lines=tuple(_lines(summary)),
        promised_by=latest.astimezone(ZoneInfo(marketplace.zone)).date() if latest else None,
        destination=place(postal_code=postal_code) if postal_code else None,
        source_state=status,
        cancelled_at=updated_at if is_cancelled else None,
        cancel_reason=change.inside("orderchangetrigger").text("changereason")
        if is_cancelled
        else "",
        fulfillments=tuple(_fulfillments(summary, order_id, updated_at)),
    )


def _lines(summary: Fields) -> Iterator[LineReport]:
    seen: set[str] = set()
    for item in summary.each("orderitems"):
        line_id = item.required_reference("orderitemid")
        if line_id in seen:
            item.refuse("orderitemid", "another item's id")
        seen.add(line_id)
        yield LineReport(
            line_id=line_id,
            sku=item.label("sellersku") or line_id,
            quantity=item.units("quantity") or 0,
        )


def _fulfillments(summary: Fields, order_id: str, at: datetime) -> Iterator[FulfillmentReport]:
    arrived = summary.text("easyshipshipmentstatus") == "Delivered"
    state: Literal["delivered", "shipped"] = "delivered" if arrived else "shipped"
    for item in summary.each("orderitems"):
        shipped = item.units("quantityshipped")
        if shipped is None and "Shipped" in {
            item.text("orderitemstatus"),
            summary.text("orderstatus"),
        }:
            shipped = item.units("quantity")
        if not shipped:
            continue
        line_id = item.required_reference("orderitemid")
        yield FulfillmentReport(
            source=NAME,
            order_external_id=order_id,
            external_id=line_id,
            type="ship",
            state=state,
            lines=(QuantityReport(line_id=line_id, quantity=shipped),),
            occurred_at=at,
            updated_at=at,
        )


def _parcel(notification: Fields) -> ParcelReport:
    detail = notification.inside(
        "payload", "shipmenttrackingmilestonechangednotification", "trackingdetail"
    )
    carrier, number = _identified(detail)
    milestones = (detail.inside("latestmilestone"), *detail.each("milestonehistory"))
    scans = tuple(
        dict.fromkeys(
            _scan(one, carrier) for one in milestones if one.inside("status").text("code")
        )
    )
    if not scans:
        detail.refuse("latestmilestone", "missing")
    return ParcelReport(
        provider=NAME,
        carrier=carrier,
        tracking_number=number,
        scans=scans,
        reported_at=notification.instant("eventtime"),
        estimate=_estimate(detail, _place_of(scans, _AT_THE_DOOR)),
        # Only where it arrived: the depot that it left for delivery may be in another town.
        destination=_place_of(scans, {ShipmentStatus.DELIVERED}),
    )


def _identified(detail: Fields) -> tuple[str, str]:
    """Return the carrier and the number: of a carrier's where it is named, else Amazon's own."""
    identifier = detail.inside("identifier")
    carriers = identifier.inside("carriertrackingnumber") or identifier
    number = next((one for name in _IDENTIFIERS if (one := carriers.reference(name))), None)
    carrier = carriers.first_text("carriercode", "carrier")[:128]
    return carrier or NAME, number or identifier.refuse("aftn", "missing")


def _scan(milestone: Fields, carrier: str) -> Scan:
    status = milestone.inside("status")
    code, part = status.text("code", 64), status.text("subcode", 50)
    known, reason = _CODES.get(code.upper(), (None, None))
    address = milestone.inside("location", "address")
    here = place(
        city=address.text("city"),
        region=address.first_text("region", "stateorregion"),
        postal_code=address.text("postalcode"),
        country=address.text("countrycode"),
    )
    when = dated(milestone.text("occurredat"), place=here)
    return Scan(
        provider=NAME,
        occurred_at=when.occurred_at,
        occurred_local=milestone.text("occurredat", 64),
        tz_source=when.tz_source,
        precision=when.precision,
        status=known,
        reason=reason,
        # Of another carrier's parcels, these are Amazon's words and not the carrier's.
        code=code if carrier == NAME else None,
        raw=f"{NAME}:{code}/{part}" if part else f"{NAME}:{code}",
        description=status.text("description"),
        place=here if address else None,
    )


def _place_of(scans: tuple[Scan, ...], statuses: set[ShipmentStatus]) -> Place | None:
    return next((scan.place for scan in scans if scan.status in statuses and scan.place), None)


def _estimate(detail: Fields, door: Place | None) -> Estimate | None:
    for one in detail.each("trackingestimates"):
        if one.text("type") not in {"ESTIMATED_DELIVERY_DATE", ""}:
            continue
        interval = one.inside("estimatedinterval")
        first = local_day(interval.text("starttime"), door)
        last = local_day(interval.text("endtime"), door)
        days: list[date] = sorted(day for day in (first, last) if day)
        if days:
            return Estimate(from_date=days[0], to_date=days[-1])
    return None


_READERS: Mapping[str, Callable[[Fields], Message]] = {
    "ORDER_CHANGE": _order,
    "SHIPMENT_TRACKING_MILESTONE_CHANGED": _parcel,
}

SENDER = Sender(NAME, frozenset(_READERS), topic_of, dedupe_key, parse)
