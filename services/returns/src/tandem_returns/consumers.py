"""The event edge of returns: the relay, one function per queue, and the schedule.

Every event may come twice, late, or before its cause. What comes before its order waits beside it;
the look after waiting closes the gap between the two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalice.app import Blueprint

from tandem_core import startup
from tandem_core.auth import Role
from tandem_core.clock import utc_now
from tandem_core.due import while_there_is_time
from tandem_core.events import Envelope
from tandem_core.identifiers import readable
from tandem_core.inbox import MessageNotFound
from tandem_core.logs import count, logger
from tandem_core.outbox import service_outbox
from tandem_core.queues import envelope_in, handle_each
from tandem_returns import bookkeeping, heard
from tandem_returns.facts import WebhookReceived
from tandem_returns.payments import Provider, ProviderSettings, provider_settings
from tandem_returns.providers import labels_for, provider_for
from tandem_returns.purchases import Book
from tandem_returns.return_facts import RefundPlanned, ReturnBookUpdated
from tandem_returns.secrets import provider_secrets
from tandem_returns.store import OrderNotFound, Store, store
from tandem_returns.use_cases import books, inbox, parcels, refunds, returns, withdrawals

blueprint = Blueprint(__name__)


@blueprint.lambda_function(name="relay")
def relay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Stream of the table -> bus."""
    return service_outbox().relay(event)


@blueprint.lambda_function(name="replay")
def replay(event: Mapping[str, Any], _context: Any) -> dict[str, Any]:
    """Publish again what was recorded since: {since, cursor?} -> {published, cursor?}."""
    return service_outbox().replay_request(store().table, event)


@blueprint.lambda_function(name="consume")
def consume(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of events that are heard -> the function for their type."""

    def handle(record: Mapping[str, Any]) -> None:
        hear(store(), envelope_in(record), utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="refund")
def refund(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of refunds that were planned -> those who pay them."""

    def handle(record: Mapping[str, Any]) -> None:
        envelope = envelope_in(record)
        planned = RefundPlanned.model_validate(envelope.data)
        names = [one.refund_id for one in planned.refunds]
        refunds.pay_each(store(), names, _provider, envelope.origin(), utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="settle")
def settle(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of messages that were kept -> what they say of refunds."""

    def handle(record: Mapping[str, Any]) -> None:
        told = WebhookReceived.model_validate(envelope_in(record).data)
        try:
            outcome = inbox.understand(store(), told.message_id, utc_now())
        except MessageNotFound:
            logger().warning("message is gone", extra={"message_id": told.message_id})
            return
        if outcome == "parked":
            count("webhook_parked", source=told.source)

    return handle_each(event, handle)


@blueprint.lambda_function(name="label")
def label(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of approved returns that want a label -> whoever sells them."""

    def handle(record: Mapping[str, Any]) -> None:
        envelope = envelope_in(record)
        return_id = str(envelope.data["return_id"])
        seller = labels_for(_settings())
        parcels.make_label(store(), return_id, seller, envelope.origin(), utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="watch")
def watch(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Schedule: returns that nobody sends, refunds that nobody has heard of, money that is late."""
    counts = {"seen": 0, "failed": 0}
    now = utc_now()
    for return_id in while_there_is_time(store().due(now), context):
        counts["seen"] += 1
        try:
            refunds.let_time_pass(store(), return_id, _provider, now)
        except Exception:
            # One that cannot be looked at must not hide the others.
            logger().exception("not watched", extra={"return_id": return_id})
            counts["failed"] += 1
    return counts


def _settings() -> ProviderSettings:
    return provider_settings(os.environ, provider_secrets())


def _provider(tender: str) -> Provider | None:
    return provider_for(tender, _settings())


def hear(store: Store, envelope: Envelope, now: datetime) -> None:
    """Handle one event; types that nobody asked for are ignored. What comes before its order waits
    for it."""
    handler = _HANDLERS.get(envelope.type)
    if handler is None:
        logger().info("event ignored", extra={"event_type": envelope.type})
        return
    try:
        handler(store, envelope, now)
    except OrderNotFound as early:
        store.park_event(early.extra["order_id"], envelope.id, envelope.model_dump_json(), now)
        try:
            handler(store, envelope, now)
        except OrderNotFound:
            logger().info("event parked", extra={"event_id": envelope.id})


def on_order_placed(store: Store, envelope: Envelope, now: datetime) -> None:
    """Open the book of an order, and handle the events that came before it."""
    order = heard.OrderPlaced.model_validate(envelope.data)
    placed_by = envelope.actor if envelope.actor.startswith(f"{Role.INTEGRATION}:") else None
    books.open_book(store, order, envelope.tandemseq, envelope.origin(), now, placed_by=placed_by)
    failures: list[Exception] = []
    for key, event in store.parked_events(order.order_id):
        parked = Envelope.model_validate_json(event)
        try:
            _HANDLERS[parked.type](store, parked, now)
        except Exception as failure:  # noqa: BLE001  the others must not wait for a bad one
            failures.append(failure)
        else:
            store.forget(key)
    if failures:
        raise ExceptionGroup(f"{len(failures)} events of order {order.order_id}", failures)


def on_order_updated(store: Store, envelope: Envelope, now: datetime) -> None:
    order = heard.OrderUpdated.model_validate(envelope.data)
    books.follow_edit(store, order, envelope.tandemseq, envelope.id, envelope.origin(), now)


def on_order_cancelled(store: Store, envelope: Envelope, now: datetime) -> None:
    order = heard.OrderCancelled.model_validate(envelope.data)
    _hear(
        store, order.order_id, envelope, now, lambda book: bookkeeping.cancelled(book, order, now)
    )


def on_order_erased(store: Store, envelope: Envelope, now: datetime) -> None:
    order = heard.OrderHeard.model_validate(envelope.data)
    books.erase(store, order.order_id, envelope.id, envelope.origin(), now)


def on_fulfillment(store: Store, envelope: Envelope, now: datetime) -> None:
    """Keep the evidence of what has arrived, and when."""
    told = heard.FulfillmentHeard.model_validate(envelope.data)
    seq = envelope.tandemseq
    _hear(store, told.order_id, envelope, now, lambda book: bookkeeping.arrived(book, told, seq))


def on_refund_elsewhere(store: Store, envelope: Envelope, now: datetime) -> None:
    """Take note of what a shop platform has paid back. Our own refunds are no news."""
    if envelope.source != "tandem.orders":
        return
    told = heard.RefundHeard.model_validate(envelope.data)
    _hear(
        store,
        told.order_id,
        envelope,
        now,
        lambda book: bookkeeping.refunded_elsewhere(book, told, now),
    )


def on_parcel(store: Store, envelope: Envelope, now: datetime) -> None:
    """Follow the parcels that bring returns."""
    parcel = heard.ParcelHeard.model_validate(envelope.data)
    returns.follow_parcel(store, parcel, envelope.origin(), now)


def on_points_granted(store: Store, envelope: Envelope, now: datetime) -> None:
    """Take note of what the lines of an order have earned."""
    granted = heard.PointsGranted.model_validate(envelope.data)
    if granted.order_id is None or not granted.lines:
        return
    points = {line.line_id: line.points for line in granted.lines}
    _hear(
        store, granted.order_id, envelope, now, lambda book: bookkeeping.earned(book, points, now)
    )


def on_redemption_captured(store: Store, envelope: Envelope, now: datetime) -> None:
    """Take note of how many points paid for which order."""
    redemption = heard.RedemptionCaptured.model_validate(envelope.data).redemption
    books.note_redemption(store, redemption, envelope.id, envelope.origin(), now)


def on_account_enrolled(store: Store, envelope: Envelope, now: datetime) -> None:
    """Know a member by phone, e-mail and card, for returns without a receipt."""
    del now
    account = heard.AccountEnrolled.model_validate(envelope.data)
    if account.customer_id:
        contacts = [one.digest for one in readable(account.identifiers)]
        store.keep_customer(account.customer_id, contacts)


def on_tier_changed(store: Store, envelope: Envelope, now: datetime) -> None:
    del now
    told = heard.TierChanged.model_validate(envelope.data)
    store.keep_tier(told.customer_id, told.tier)


def on_withdrawal_confirmed(store: Store, envelope: Envelope, now: datetime) -> None:
    """Make a return of it where the purchase is found."""
    withdrawal_id = str(envelope.data["withdrawal_id"])
    withdrawn = withdrawals.resolve(store, withdrawal_id, envelope.origin(), now)
    if withdrawn.status == "unmatched":
        count("withdrawal_unmatched")


def _hear(
    store: Store,
    order_id: str,
    envelope: Envelope,
    now: datetime,
    decide: Callable[[Book], ReturnBookUpdated | None],
) -> None:
    books.hear(store, order_id, envelope.id, decide, envelope.origin(), now)


_HANDLERS: Mapping[str, Callable[[Store, Envelope, datetime], None]] = {
    "order.placed": on_order_placed,
    "order.updated": on_order_updated,
    "order.cancelled": on_order_cancelled,
    "order.erased": on_order_erased,
    **dict.fromkeys(
        (
            "fulfillment.created",
            "fulfillment.shipped",
            "fulfillment.delivered",
            "fulfillment.updated",
            "fulfillment.returned",
            "pickup.created",
            "pickup.collected",
            "pickup.updated",
        ),
        on_fulfillment,
    ),
    "refund.succeeded": on_refund_elsewhere,
    **dict.fromkeys(
        (
            "shipment.registered",
            "shipment.updated",
            "shipment.delivered",
            "shipment.exception",
            "shipment.returned",
        ),
        on_parcel,
    ),
    "points.pending": on_points_granted,
    "points.earned": on_points_granted,
    "redemption.captured": on_redemption_captured,
    "account.enrolled": on_account_enrolled,
    "tier.changed": on_tier_changed,
    "withdrawal.confirmed": on_withdrawal_confirmed,
}


startup.complete(__name__)
