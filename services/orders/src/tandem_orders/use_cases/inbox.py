"""The inbox: messages of senders are kept first, answered at once, and understood later.

    receive -> (journal, stream, bus, queue) -> normalise -> orders, parcels, customers

A message that nobody can make sense of is shown to staff and stays; one that came before its order
waits beside it. Understanding a message twice has the effect of once, so replay needs no care.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import ValidationError

from tandem_core.clock import rfc3339
from tandem_core.cursors import no_such_cursor
from tandem_core.ids import derived_id
from tandem_core.inbox import Message, MessageNotFound
from tandem_core.journal import Origin
from tandem_core.problems import Busy, Problem, Unprocessable
from tandem_core.signatures import SCHEMES
from tandem_orders import messages
from tandem_orders.messages import ParcelReport, Unparseable
from tandem_orders.ordering import FulfillmentNotFound, order_id_of
from tandem_orders.senders import SENDERS
from tandem_orders.senders.sender import Sender
from tandem_orders.shipment_changes import Registration
from tandem_orders.shipments import Link
from tandem_orders.store import OrderNotFound, Store
from tandem_orders.use_cases import customers, orders, parcels

# Senders name the topic, the event and its time in headers of their own.
_MEANINGFUL = ("x-", "shopify-", "as-", "aftership-", "webhook-", "content-type")
_OF_THE_JOURNEY = ("x-forwarded-", "x-real-", "x-amz", "x-api-key", "x-envoy-")
# Checked, and of no use afterwards.
_SIGNATURES = frozenset(name for scheme in SCHEMES.values() for name in scheme.headers)

State = Literal["accepted", "duplicate", "ignored"]
Outcome = Literal["understood", "waiting", "parked"]


class Received(NamedTuple):
    message_id: str
    state: State
    topic: str


class Replayed(NamedTuple):
    """How a replay went, and where the next one goes on."""

    counts: Mapping[Outcome, int]
    cursor: str | None


def receive(
    store: Store, sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime
) -> Received:
    """Keep a verified message, once, in one write. Topics without a meaning are kept untold.

    A message that does not even tell its topic is no such: somebody has to see it.
    """
    topic = sender.topic_of(headers, body)
    ignored = bool(topic) and sender.topics is not None and topic not in sender.topics
    message_id = derived_id("msg", sender.name, sender.dedupe_key(headers, body))
    kept = store.inbox.receive(
        Message(
            id=message_id,
            source=sender.name,
            topic=topic[:128],
            received_at=rfc3339(now),
            headers=_kept(headers),
            body=body,
            ignored=ignored,
        ),
        now,
    )
    state: State = "ignored" if ignored else "accepted"
    return Received(message_id, state if kept else "duplicate", topic)


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a message's meaning may depend on: no address, no credential."""
    return {
        name: headers[name][:256]
        for name in sorted(headers.keys() - _SIGNATURES)
        if name.startswith(_MEANINGFUL) and not name.startswith(_OF_THE_JOURNEY)
    }


def normalise(store: Store, message_id: str, now: datetime) -> Outcome:
    """Understand a message and do what it says. Raises MessageNotFound, and Busy to come again."""
    return _understand(store, store.inbox.message(message_id), now)


def _understand(store: Store, message: Message, now: datetime) -> Outcome:
    sender, _ = SENDERS[message.source]
    if message.topic and sender.topics is not None and message.topic not in sender.topics:
        return "understood"
    try:
        reports = sender.parse(message.topic, message.headers, message.body)
        if not message.topic and not reports:
            raise Unparseable("the message does not tell its topic")
    except Unparseable as why:
        store.inbox.park(message, f"UNPARSEABLE: {why}", now)
        return "parked"
    outcome: Outcome = "understood"
    for report in reports:
        try:
            outcome = _worse(outcome, _apply(store, message, report, now))
        except Busy:
            raise
        except Problem as refusal:
            store.inbox.park(message, f"{refusal.code}: {refusal.detail}", now)
            outcome = "parked"
        except ValidationError as unfit:
            where = ", ".join(str(one["loc"]) for one in unfit.errors()[:5])
            store.inbox.park(message, f"UNFIT: {where} of {unfit.title}", now)
            outcome = "parked"
    return outcome


def _worse(one: Outcome, other: Outcome) -> Outcome:
    order: tuple[Outcome, ...] = ("understood", "waiting", "parked")
    return max(one, other, key=order.index)


def _apply(store: Store, message: Message, report: messages.Message, now: datetime) -> Outcome:
    """Do what one report says; let it wait when it speaks of an order that is not known."""
    for attempt in ("at once", "after waiting"):
        try:
            return _do(store, message, report, now)
        except (OrderNotFound, FulfillmentNotFound):
            # The second look closes the gap between the first one and the order's arrival.
            if attempt == "at once":
                store.await_order(_order_of(report), message.id, now)
    return "waiting"


def _do(store: Store, message: Message, report: messages.Message, now: datetime) -> Outcome:
    origin = Origin(f"sender:{message.source}", message.source, causation_id=f"evt_{message.id}_1")
    match report:
        case messages.OrderReport():
            orders.report_order(store, report, origin, now)
        case messages.OrderStateReport():
            orders.report_state(store, report, origin, now)
        case messages.FulfillmentReport():
            orders.report_fulfillment(store, report, origin, now)
        case messages.RefundReport():
            orders.report_refund(store, report, origin, now)
        case ParcelReport(tracking_number=None):
            _report_fulfilment_scans(store, report, origin, now)
        case ParcelReport():
            parcels.report_parcel(store, report, origin, now)
        case messages.CustomerRedaction():
            ids = [order_id_of(report.source, one) for one in report.order_external_ids]
            asked_at = report.requested_at or datetime.fromisoformat(message.received_at)
            customers.erase_orders(store, ids, report.contact, asked_at, origin, now)
        case messages.CustomerDataRequest():
            store.inbox.park(message, f"DATA_REQUEST: {report.request_id} is to be answered", now)
            return "parked"
    return "understood"


def _report_fulfilment_scans(
    store: Store, report: ParcelReport, origin: Origin, now: datetime
) -> None:
    """Report scans that name a fulfilment instead of a tracking number to each of its parcels.

    A fulfilment without any gets a parcel under its sender's own name for it.
    """
    told = report.fulfillment
    if told is None:
        raise Unprocessable("The report names neither a parcel nor a fulfilment")
    order, _ = orders.get_order(store, order_id_of(told.source, told.order_external_id))
    for fulfillment in order.fulfillments:
        if fulfillment.external_id == told.external_id:
            break
    else:
        raise FulfillmentNotFound(f"The order has no fulfilment {told.external_id}")
    numbers = [(one.carrier, one.tracking_number) for one in fulfillment.parcels]
    if not numbers:
        numbers = [(told.source, f"{told.order_external_id}-{told.external_id}")]
        link = Link(order_id=order.id, fulfillment_id=fulfillment.id)
        parcels.register(store, *numbers[0], Registration(link=link), origin, now)
    for carrier, number in numbers:
        named = report.model_copy(update={"carrier": carrier, "tracking_number": number})
        parcels.report_parcel(store, named, origin, now)


def _order_of(report: messages.Message) -> str:
    """Return the id of the order that a report waits for."""
    told = report.fulfillment if isinstance(report, ParcelReport) else report
    return order_id_of(getattr(told, "source", ""), getattr(told, "order_external_id", ""))


def retry_waiting(store: Store, order_id: str, now: datetime) -> None:
    """Understand the messages that waited for an order, or for one of its fulfilments.

    Those that still wait stay; one that fails does not keep the others.
    """
    failures: list[Exception] = []
    for key, message_id in store.awaiting(order_id):
        try:
            if normalise(store, message_id, now) != "waiting":
                store.forget(key)
        except MessageNotFound:
            # It has waited until its 90 days were over.
            store.forget(key)
        except Exception as failure:  # noqa: BLE001  the others must not wait for a bad one
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} messages that waited for {order_id}", failures)


def replay_message(store: Store, message_id: str, now: datetime) -> Outcome:
    """Understand a message again, after a mend; staff stop seeing it when that works."""
    message = store.inbox.message(message_id)
    outcome = _understand(store, message, now)
    if outcome != "parked":
        store.inbox.unpark(message)
    return outcome


def replay_range(  # noqa: PLR0913
    store: Store,
    source: str,
    since: datetime,
    until: datetime,
    limit: int,
    cursor: str | None,
    now: datetime,
) -> Replayed:
    """Understand a sender's messages of a time again, up to `limit` of them a call."""
    counts: dict[Outcome, int] = {"understood": 0, "waiting": 0, "parked": 0}
    reached, _, inner = (cursor or "").partition(".")
    days = list(_days(since, until))
    if cursor and reached not in map(date.isoformat, days):
        raise no_such_cursor()
    for day in days:
        if day.isoformat() < reached:
            continue
        left = limit - sum(counts.values())
        if left <= 0:
            return Replayed(counts, f"{day.isoformat()}.")
        start = inner if day.isoformat() == reached and inner else None
        ids, more = store.inbox.messages(
            source, day.isoformat(), rfc3339(since), rfc3339(until), left, start
        )
        for message_id in ids:
            counts[replay_message(store, message_id, now)] += 1
        if more:
            return Replayed(counts, f"{day.isoformat()}.{more}")
    return Replayed(counts, None)


def _days(since: datetime, until: datetime) -> Iterator[date]:
    day, last = since.astimezone(UTC).date(), until.astimezone(UTC).date()
    while day <= last:
        yield day
        day += timedelta(days=1)
