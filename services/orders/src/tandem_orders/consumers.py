"""The event edge of orders: the relay, one function per queue, and the schedule.

Every event may come twice, late, or before its cause. What came before its cause waits beside it;
the look after waiting closes the gap between the two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import chain
from typing import Any

from chalice.app import Blueprint
from pydantic import ValidationError

from tandem_core import startup
from tandem_core.clock import rfc3339, utc_now
from tandem_core.events import Envelope
from tandem_core.identifiers import Identifier
from tandem_core.logs import count, logger
from tandem_core.outbox import Outbox
from tandem_core.queues import handle_each
from tandem_core.settings import service_settings
from tandem_orders import contracts
from tandem_orders.secrets import public_url, tracking_secrets
from tandem_orders.store import DUE_SHARDS, MessageNotFound, OrderNotFound, Store, store
from tandem_orders.use_cases import customers, inbox, orders, parcels

blueprint = Blueprint(__name__)

_MILLISECONDS_TO_FINISH = 30_000


@blueprint.lambda_function(name="relay")
def relay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Stream of the table -> bus."""
    return _outbox().relay(event)


@blueprint.lambda_function(name="replay")
def replay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Publish again what was recorded since: {since, cursor?} -> {published, cursor?}."""
    start = json.loads(event["cursor"]) if event.get("cursor") else None
    instant = datetime.fromisoformat(event["since"])
    if instant.tzinfo is None:
        raise ValueError("since needs an offset, such as 2026-11-22T09:30:00Z")
    published, next_key = _outbox().replay(store().table, rfc3339(instant), start)
    return {"published": published, **({"cursor": json.dumps(next_key)} if next_key else {})}


@blueprint.lambda_function(name="normalise")
def normalise(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of messages that were kept -> what they mean."""

    def handle(record: Mapping[str, Any]) -> None:
        told = contracts.WebhookReceived.model_validate(_envelope(record).data)
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
        hear(store(), _envelope(record), utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="chronicle")
def chronicle(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of every service's events -> the timelines of those they concern."""

    def handle(record: Mapping[str, Any]) -> None:
        customers.chronicle(store(), _envelope(record))

    return handle_each(event, handle)


@blueprint.lambda_function(name="notify")
def notify(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of milestones -> one message to the customer for each, ever."""

    def handle(record: Mapping[str, Any]) -> None:
        links = customers.Links(public_url(), tracking_secrets())
        customers.notify(store(), _envelope(record), links, utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="watch")
def watch(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Schedule: parcels without a scan, pickups that wait too long, while there is time."""
    counts = {"seen": 0, "failed": 0}
    now = utc_now()
    due = chain.from_iterable(store().due(shard, now) for shard in range(DUE_SHARDS))
    for key in due:
        counts["seen"] += 1
        try:
            kind, _, subject = key.pk.partition("#")
            _TIME[kind](store(), subject, now)
        except Exception:
            # One that cannot be looked at must not hide the others.
            logger().exception("not watched", extra={"key": key.pk})
            counts["failed"] += 1
        if context and context.get_remaining_time_in_millis() < _MILLISECONDS_TO_FINISH:
            break
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


def on_account_enrolled(store: Store, envelope: Envelope, now: datetime) -> None:
    """Give a new member the orders they placed as a guest."""
    account = contracts.AccountEnrolled.model_validate(envelope.data)
    if account.customer_id is None:
        return
    contacts = [one for one in map(_identifier, account.identifiers) if one and one.type != "card"]
    customers.claim_orders(store, account.customer_id, contacts, envelope.origin(), now)


def _identifier(raw: Any) -> Identifier | None:
    try:
        return Identifier.model_validate(raw)
    except ValidationError:
        return None


def _envelope(record: Mapping[str, Any]) -> Envelope:
    return Envelope.model_validate(json.loads(record["body"])["detail"])


def _outbox() -> Outbox:
    settings = service_settings()
    return Outbox(settings.bus, f"tandem.{settings.service}")


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
