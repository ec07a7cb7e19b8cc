"""The event edge of loyalty: the relay, one function per event that is heard, and the schedules.

Every event may come twice, late, or before its cause. What came before its cause is parked with it
and handled when the cause arrives; the check after parking closes the gap between the two.
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
from tandem_core.identifiers import contacts
from tandem_core.logs import logger
from tandem_core.outbox import service_outbox
from tandem_core.queues import envelope_in, handle_each, hide_until
from tandem_loyalty import contracts, use_cases
from tandem_loyalty.purchases import Purchase
from tandem_loyalty.store import Store, store
from tandem_loyalty.use_cases import OrderAlreadyAccrued, OrderNotAccrued

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


@blueprint.lambda_function(name="lapse")
def lapse(event: Mapping[str, Any], _context: Any) -> Any:
    """Queue of holds, delayed: write down those that have lapsed, and look again at the others."""

    def handle(record: Mapping[str, Any]) -> None:
        envelope = envelope_in(record)
        heard = contracts.RedemptionHeard.model_validate(envelope.data)
        hide_until(record, heard.redemption.expires_at, utc_now())
        use_cases.lapse_hold(store(), heard.account_id, heard.redemption.id, utc_now())

    return handle_each(event, handle)


@blueprint.lambda_function(name="announce")
def announce(_event: Mapping[str, Any], context: Any) -> dict[str, int]:
    """Schedule: announce what has become due, account by account, while there is time."""
    counts = {"accounts": 0, "facts": 0, "failed": 0}
    now = utc_now()
    for account_id in while_there_is_time(store().due(now), context):
        counts["accounts"] += 1
        try:
            counts["facts"] += use_cases.announce(store(), account_id, now)
        except Exception:
            # One account that cannot be announced must not silence the others.
            logger().exception("account not announced", extra={"account_id": account_id})
            counts["failed"] += 1
    return counts


def hear(store: Store, envelope: Envelope, now: datetime) -> None:
    """Handle one event; types that nobody asked for are ignored."""
    handler = _HANDLERS.get(envelope.type)
    if handler is None:
        logger().info("event ignored", extra={"event_type": envelope.type})
        return
    try:
        handler(store, envelope, now)
    except OrderNotAccrued as early:
        order_id = str(envelope.data["order_id"])
        store.park_event(order_id, envelope.id, envelope.model_dump_json(), now)
        try:
            handler(store, envelope, now)
        except OrderNotAccrued:
            logger().info("event parked", extra={"event_id": envelope.id, "why": str(early)})


def on_order_placed(store: Store, envelope: Envelope, now: datetime) -> None:
    """Accrue an order for its member, or keep it for the day its guest enrols."""
    order = contracts.OrderPlaced.model_validate(envelope.data)
    purchase = order.purchase()
    customer = order.customer
    identifiers = contacts(customer.email, customer.phone)
    if purchase is None or not (customer.customer_id or identifiers):
        return
    for attempt in ("as a member", "after parking"):
        account_id = store.account_of(customer.customer_id, identifiers)
        if account_id:
            _accumulate(store, account_id, purchase, envelope, now)
            return
        if attempt == "as a member":
            store.park_purchase(customer.customer_id, identifiers, purchase, now)


def on_account_enrolled(store: Store, envelope: Envelope, now: datetime) -> None:
    """Accrue what the new member has bought as a guest."""
    account_id = str(envelope.data["account_id"])
    _, identifiers = store.load_with_identifiers(account_id)
    customer_id = envelope.data.get("customer_id")
    for key, purchase in store.parked_purchases(customer_id, identifiers):
        _accumulate(store, account_id, purchase, envelope, now)
        store.forget(key)


def on_points_accrued(store: Store, envelope: Envelope, now: datetime) -> None:
    """Handle the events that came before their order had earned."""
    order_id = contracts.AccrualHeard.model_validate(envelope.data).order_id
    if order_id is None:
        return
    failures: list[Exception] = []
    for key, event in store.parked_events(order_id):
        parked = Envelope.model_validate_json(event)
        try:
            _HANDLERS[parked.type](store, parked, now)
        except Exception as failure:  # noqa: BLE001  the others must not wait for a bad one
            failures.append(failure)
        else:
            store.forget(key)
    if failures:
        raise ExceptionGroup(f"{len(failures)} parked events of order {order_id}", failures)


def on_order_arrived(store: Store, envelope: Envelope, now: datetime) -> None:
    """Start the return window of an order: its points mature when it closes."""
    order = contracts.OrderArrived.model_validate(envelope.data)
    arrived_at = order.delivered_at or order.completed_at or datetime.fromisoformat(envelope.time)
    use_cases.order_arrived(
        store, order.order_id, arrived_at, order.return_window_closes_at, envelope.origin(), now
    )


def on_order_cancelled(store: Store, envelope: Envelope, now: datetime) -> None:
    """Take back what cancelled lines have earned."""
    order = contracts.OrderCancelled.model_validate(envelope.data)
    whole = "cancelled" if order.lines is None else envelope.id
    _reverse_lines(
        store,
        order.order_id,
        f"cancellation:{order.cancellation_id or whole}",
        None if order.whole else order.lines,
        order.cancelled_at,
        envelope,
        now,
    )


def on_refund_succeeded(store: Store, envelope: Envelope, now: datetime) -> None:
    """Give spent points back, and take back what the returned lines have earned."""
    refund = contracts.RefundSucceeded.model_validate(envelope.data)
    reversal_id = f"refund:{refund.refund_id}"
    try:
        for reference, points in refund.points_by_redemption().items():
            use_cases.restore_refunded(
                store, reference, reversal_id, points, envelope.origin(), now
            )
    finally:
        # The goods are back whatever is wrong with the legs; each part has its effect once.
        if refund.lines:
            lines, at = refund.lines, refund.succeeded_at
            _reverse_lines(store, refund.order_id, reversal_id, lines, at, envelope, now)


def _reverse_lines(  # noqa: PLR0913
    store: Store,
    order_id: str,
    reversal_id: str,
    lines: tuple[contracts.HeardQuantity, ...] | None,
    occurred_at: datetime | None,
    envelope: Envelope,
    now: datetime,
) -> None:
    quantities: dict[str, int] | None = None
    if lines is not None:
        quantities = {}
        for line in lines:
            quantities[line.line_id] = quantities.get(line.line_id, 0) + line.quantity
    use_cases.reverse_order(
        store,
        order_id,
        reversal_id,
        quantities,
        occurred_at or datetime.fromisoformat(envelope.time),
        envelope.origin(),
        now,
    )


def _accumulate(
    store: Store, account_id: str, purchase: Purchase, envelope: Envelope, now: datetime
) -> None:
    try:
        use_cases.accumulate_purchase(store, account_id, purchase, envelope.origin(), now)
    except OrderAlreadyAccrued:
        logger().info("order has earned elsewhere", extra={"order_id": purchase.order_id})


_HANDLERS: Mapping[str, Callable[[Store, Envelope, datetime], None]] = {
    "order.placed": on_order_placed,
    "order.delivered": on_order_arrived,
    "order.completed": on_order_arrived,
    "order.cancelled": on_order_cancelled,
    "refund.succeeded": on_refund_succeeded,
    "account.enrolled": on_account_enrolled,
    "points.earned": on_points_accrued,
    "points.pending": on_points_accrued,
}


startup.complete(__name__)
