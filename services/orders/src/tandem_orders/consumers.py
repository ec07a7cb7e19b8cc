"""The event edge of orders: the relay, one function per queue, and the schedule.

Every event may come twice, late, or before its cause. What came before its cause waits beside it;
the look after waiting closes the gap between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalice.app import Blueprint

from tandem_core import startup
from tandem_core.clock import utc_now
from tandem_core.due import while_there_is_time
from tandem_core.events import Envelope
from tandem_core.identifiers import readable
from tandem_core.inbox import MessageNotFound
from tandem_core.logs import count, logger
from tandem_core.outbox import service_outbox
from tandem_core.queues import envelope_in, handle_each
from tandem_core.settings import public_url
from tandem_orders import contracts
from tandem_orders.secrets import tracking_secrets
from tandem_orders.shipments import ParcelIsOutbound
from tandem_orders.store import SOURCE, OrderNotFound, Store, store
from tandem_orders.use_cases import customers, inbox, orders, parcels

blueprint = Blueprint(__name__)


@blueprint.lambda_function(name="relay")
def relay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Stream of the table -> bus."""
    return service_outbox().relay(event)


@blueprint.lambda_function(name="replay")
def replay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Publish again what was recorded since: {since, cursor?} -> {published, cursor?}."""
    return service_outbox().replay_request(store().table, event)


@blueprint.lambda_function(name="normalise")
def normalise(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of messages that were kept -> what they mean."""

    def handle(record: Mapping[str, Any]) -> None:
        told = contracts.WebhookReceived.model_validate(envelope_in(record).data)
        try:
            outcome = inbox.normalise(store(), told.message_id, utc_now())
        except MessageNotFound:
            logger().warning("message is gone", extra={"message_id": told.message_id})
            return
        if outcome == "parked":
            count("webhook_parked", source=told.source)

    return handle_each(event, handle)


@blueprint.lambda_function(name="consume")
def consume(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of events that are heard -> the function for their type."""

    def handle(record: Mapping[str, Any]) -> None:
        hear(store(), envelope_in(record), utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="chronicle")
def chronicle(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of every service's events -> the timelines of those they concern."""

    def handle(record: Mapping[str, Any]) -> None:
        customers.chronicle(store(), envelope_in(record))

    return handle_each(event, handle)


@blueprint.lambda_function(name="notify")
def notify(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of milestones -> one message to the customer for each, ever."""

    def handle(record: Mapping[str, Any]) -> None:
        links = customers.Links(public_url(), tracking_secrets())
        customers.notify(store(), envelope_in(record), links, utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="watch")
def watch(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Schedule: parcels without a scan, pickups that wait too long, while there is time."""
    counts = {"seen": 0, "failed": 0}
    now = utc_now()
    for key in while_there_is_time(store().due(now), context):
        counts["seen"] += 1
        try:
            kind, _, subject = key.pk.partition("#")
            _TIME[kind](store(), subject, now)
        except Exception:
            # One that cannot be looked at must not hide the others.
            logger().exception("not watched", extra={"key": key.pk})
            counts["failed"] += 1
    return counts


def hear(store: Store, envelope: Envelope, now: datetime) -> None:
    """Handle one event; types that nobody asked for are ignored.

    So are orders that are not kept here: ours are written before anybody hears of them, so to hear
    the event again would not help.
    """
    handler = _HANDLERS.get(envelope.type)
    if handler is None:
        logger().info("event ignored", extra={"event_type": envelope.type})
        return
    try:
        handler(store, envelope, now)
    except OrderNotFound as stranger:
        logger().warning(
            "event of an order that is not ours",
            extra={"event_id": envelope.id, "why": str(stranger)},
        )


def on_shipment(store: Store, envelope: Envelope, now: datetime) -> None:
    """Let the orders of a parcel know where it is."""
    told = contracts.ShipmentHeard.model_validate(envelope.data)
    if told.moves_orders or envelope.type == "shipment.registered":
        for order_id in told.order_ids:
            orders.reflect_parcel(store, order_id, told.shipment_id, envelope.origin(), now)
    if envelope.data.get("unmapped"):
        count("unmapped_code", carrier=str(envelope.data.get("carrier")))


def on_order_placed(store: Store, envelope: Envelope, now: datetime) -> None:
    """Find the customer that a guest has become meanwhile, and understand what waited."""
    order_id = contracts.OrderHeard.model_validate(envelope.data).order_id
    customers.claim_if_known(store, order_id, envelope.origin(), now)
    inbox.retry_waiting(store, order_id, now)


def on_fulfillment(store: Store, envelope: Envelope, now: datetime) -> None:
    """Register the parcels of a fulfilment, and understand what waited for it."""
    told = contracts.FulfillmentHeard.model_validate(envelope.data)
    unseen = [parcel for parcel in told.parcels if not parcel.seen]
    if unseen:
        order, _ = orders.get_order(store, told.order_id)
        orders.register_parcels(store, order, told.fulfillment_id, unseen, envelope.origin(), now)
    if told.previous_state is None:
        inbox.retry_waiting(store, told.order_id, now)


def on_return_parcel_added(store: Store, envelope: Envelope, now: datetime) -> None:
    """Follow the parcel of a return; one that carries goods out is none."""
    told = contracts.ReturnParcelAdded.model_validate(envelope.data)
    try:
        orders.register_return_parcel(
            store,
            told.order_id,
            told.carrier,
            told.tracking_number,
            told.label_created_at,
            envelope.origin(),
            now,
        )
    except ParcelIsOutbound:
        logger().warning("no return's parcel", extra={"order_id": told.order_id})
        count("return_parcel_refused")


def on_return_received(store: Store, envelope: Envelope, now: datetime) -> None:
    """Count the units that a return has brought back."""
    told = contracts.ReturnReceived.model_validate(envelope.data)
    orders.count_return(
        store,
        told.order_id,
        told.occurred_at,
        envelope.origin(),
        now,
        received=told.accepted,
    )


def on_refund_succeeded(store: Store, envelope: Envelope, now: datetime) -> None:
    """Remember for which units a return has paid; what shops have paid is known already."""
    if envelope.source == SOURCE:
        return
    told = contracts.RefundSucceeded.model_validate(envelope.data)
    orders.count_return(
        store,
        told.order_id,
        told.occurred_at,
        envelope.origin(),
        now,
        repaid=told.lines,
    )


def on_exchange_created(store: Store, envelope: Envelope, now: datetime) -> None:
    """Place the order of what a customer gets instead of what they return."""
    told = contracts.ExchangeCreated.model_validate(envelope.data)
    original, _ = orders.get_order(store, told.order_id)
    orders.place_order(store, told.report(original), envelope.origin(), now)


def on_account_enrolled(store: Store, envelope: Envelope, now: datetime) -> None:
    """Give a new member the orders they placed as a guest."""
    account = contracts.AccountEnrolled.model_validate(envelope.data)
    if account.customer_id is None:
        return
    contacts = [one for one in readable(account.identifiers) if one.type != "card"]
    customers.claim_orders(store, account.customer_id, contacts, envelope.origin(), now)


_HANDLERS: Mapping[str, Callable[[Store, Envelope, datetime], None]] = {
    "account.enrolled": on_account_enrolled,
    "order.placed": on_order_placed,
    "fulfillment.created": on_fulfillment,
    "fulfillment.updated": on_fulfillment,
    "fulfillment.allocated": on_fulfillment,
    "fulfillment.packed": on_fulfillment,
    "fulfillment.shipped": on_fulfillment,
    "fulfillment.delivered": on_fulfillment,
    "pickup.created": on_fulfillment,
    "return.parcel_added": on_return_parcel_added,
    "return.received": on_return_received,
    "refund.succeeded": on_refund_succeeded,
    "exchange.created": on_exchange_created,
    "shipment.registered": on_shipment,
    "shipment.updated": on_shipment,
    "shipment.delivered": on_shipment,
    "shipment.exception": on_shipment,
    "shipment.returned": on_shipment,
}
# By the heads that time does something to.
_TIME: Mapping[str, Callable[[Store, str, datetime], None]] = {
    "ORD": orders.let_time_pass,
    "SHP": parcels.let_time_pass,
}


startup.complete(__name__)
