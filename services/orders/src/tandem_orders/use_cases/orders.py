"""Orders: placed by callers, reported by senders, cancelled, fulfilled, moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from tandem_core.identifiers import Identifier, contacts
from tandem_core.ids import derived_id
from tandem_core.journal import (
    Entry,
    Origin,
    check_replay,
    entry_of,
    until_written,
)
from tandem_core.problems import Problem, VersionConflict
from tandem_core.table import Item, Key
from tandem_orders import merging, ordering
from tandem_orders.fulfillments import (
    FulfillmentState,
    FulfillmentType,
    Handover,
    LineQuantity,
    Parcel,
)
from tandem_orders.messages import (
    Contact,
    FulfillmentReport,
    OrderReport,
    OrderStateReport,
    ParcelReference,
    RefundReport,
    UnitsOfLine,
)
from tandem_orders.order_facts import FulfillmentChanged, OrderFact
from tandem_orders.ordering import Draft, QuantityExceedsOrder, order_id_of
from tandem_orders.orders import Order
from tandem_orders.shipment_changes import Registration
from tandem_orders.shipments import Link
from tandem_orders.store import (
    Store,
    check_creation,
    command_key,
    contact_key,
    creation_claim,
    creation_key,
    heard_key,
    order_fact_of,
    placed_key,
)
from tandem_orders.use_cases import parcels


class OrderOutcome(NamedTuple):
    """An order after a command, as the entry left it. `replayed`: it was recorded before."""

    order: Order
    version: int
    replayed: bool = False


class FulfillmentOutcome(NamedTuple):
    fact: FulfillmentChanged
    version: int
    replayed: bool = False


class _Written(NamedTuple):
    """A command's entry, the order as it is now, and its version after the command."""

    entry: Entry
    order: Order
    version: int
    replayed: bool = False


# --- placing --------------------------------------------------------------------------------------


def place_order(store: Store, report: OrderReport, origin: Origin, now: datetime) -> OrderOutcome:
    """Place an order for a caller. (source, external_id) is the business fact: whoever reports an
    order that is known gets it as it was placed."""
    ordering.check_not_in_future("placed_at", report.placed_at, now)
    order_id = order_id_of(report.source, report.external_id)
    contacts = identifiers(report.contact) if report.customer_id is None else ()

    def attempt() -> OrderOutcome:
        loaded = store.load_order(
            order_id,
            placed_key(order_id),
            creation_key(origin.callers_key),
            *map(contact_key, contacts),
        )
        recorded, claimed, *known = loaded.items
        check_creation(claimed, order_id, origin)
        if recorded:
            entry = entry_of(recorded)
            check_replay(entry, origin)
            if claimed is None:
                store.claim_key(origin, order_id)
            return OrderOutcome(*store.order_as_of(order_id, entry.seq), replayed=True)
        customer_id = report.customer_id or store.customer_of(known)
        draft = Draft(None, now)
        fact = ordering.place(draft, report, customer_id)
        claims = creation_claim(origin, order_id)
        if customer_id is None:
            claims += store.guest_claims(order_id, contacts)
        key = placed_key(order_id)
        entry = _appended(store.append_order(loaded.head, draft, origin, (fact, key), claims))
        return OrderOutcome(draft.placed, entry.seq)

    return until_written(attempt)


def get_order(store: Store, order_id: str) -> tuple[Order, int]:
    """Raises OrderNotFound."""
    loaded = store.load_order(order_id)
    return loaded.existing, loaded.head.version


# --- commands on an order -------------------------------------------------------------------------


def cancel_order(
    store: Store,
    order_id: str,
    lines: Sequence[LineQuantity] | None,
    reason: str,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Order], None],
) -> OrderOutcome:
    """Cancel lines or the whole. `check` may refuse the caller. Raises OrderNotCancellable,
    QuantityExceedsOrder, UnknownLine."""
    key = command_key(order_id, origin.callers_key)
    cancellation_id = derived_id("can", order_id, origin.actor, origin.key)
    written = _write(
        store,
        order_id,
        key,
        origin,
        now,
        lambda draft: ordering.cancel(draft, cancellation_id, lines, reason, now),
        check,
    )
    if written.replayed:
        return OrderOutcome(*store.order_as_of(order_id, written.entry.seq), replayed=True)
    return OrderOutcome(written.order, written.version)


def create_fulfillment(  # noqa: PLR0913  what a fulfilment says
    store: Store,
    order_id: str,
    kind: FulfillmentType,
    lines: Sequence[LineQuantity],
    references: Sequence[ParcelReference],
    store_id: str | None,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Order], None],
) -> FulfillmentOutcome:
    """Send units on their way, and register their parcels. The fulfilment's id follows from the
    caller's key. Raises QuantityExceedsOrder, UnknownLine, TooManyFulfillments."""
    fulfillment_id = derived_id("ful", order_id, origin.actor, origin.key)
    carried = parcels.named(store, references, order_id, now)
    written = _write(
        store,
        order_id,
        command_key(order_id, origin.callers_key),
        origin,
        now,
        lambda draft: ordering.fulfil(
            draft, fulfillment_id, kind, lines, tuple(carried.values()), store_id, now
        ),
        check,
    )
    outcome = _fulfillment(written)
    register_parcels(store, written.order, fulfillment_id, outcome.fact.parcels, origin, now)
    return outcome


def move_fulfillment(  # noqa: PLR0913
    store: Store,
    order_id: str,
    fulfillment_id: str,
    state: FulfillmentState,
    handover: Handover,
    new_code: str,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Order], None],
) -> FulfillmentOutcome:
    """Move a fulfilment on. Raises FulfillmentNotFound, InvalidTransition, PickupCodeInvalid."""
    written = _write(
        store,
        order_id,
        command_key(order_id, origin.callers_key),
        origin,
        now,
        lambda draft: ordering.move(draft, fulfillment_id, state, handover, new_code),
        check,
    )
    return _fulfillment(written)


def _fulfillment(written: _Written) -> FulfillmentOutcome:
    fact = order_fact_of(written.entry)
    assert isinstance(fact, FulfillmentChanged)  # noqa: S101  the request's hash names the command
    return FulfillmentOutcome(fact, written.version, written.replayed)


def _write(  # noqa: PLR0913
    store: Store,
    order_id: str,
    key: Key,
    origin: Origin,
    now: datetime,
    decide: Callable[[Draft], OrderFact],
    check: Callable[[Order], None],
) -> _Written:
    """Run a command, once for its key."""

    def attempt() -> _Written:
        loaded = store.load_order(order_id, key)
        check(loaded.existing)
        if loaded.items[0]:
            return _replayed(store, loaded.items[0], loaded.existing, origin)
        if origin.expected_version not in (None, loaded.head.version):
            raise VersionConflict(f"The order has version {loaded.head.version}")
        draft = Draft(loaded.existing, now)
        try:
            fact = decide(draft)
        except Problem:
            # The same request may have been recorded since the entry was looked for.
            (item,) = store.load_order(order_id, key).items
            if item:
                return _replayed(store, item, loaded.existing, origin)
            raise
        draft.settle()
        entry = _appended(store.append_order(loaded.head, draft, origin, (fact, key)))
        return _Written(entry, draft.placed, loaded.head.version + len(draft.facts))

    return until_written(attempt)


def _replayed(store: Store, item: Item, order: Order, origin: Origin) -> _Written:
    entry = entry_of(item)
    check_replay(entry, origin)
    return _Written(entry, order, store.version_after(entry), replayed=True)


def _appended(entry: Entry | None) -> Entry:
    assert entry is not None  # noqa: S101  the answer's fact is in the draft
    return entry


# --- what senders report --------------------------------------------------------------------------


def report_order(store: Store, report: OrderReport, origin: Origin, now: datetime) -> None:
    """Place an order that a sender reports, or add what it says to the one that is known."""
    order_id = order_id_of(report.source, report.external_id)
    contacts = identifiers(report.contact) if report.customer_id is None else ()

    def attempt() -> None:
        loaded = store.load_order(order_id, *map(contact_key, contacts))
        draft = Draft(loaded.order, now)
        customer_id = report.customer_id or store.customer_of(loaded.items)
        answer, new = None, contacts
        if loaded.order is None:
            answer = (ordering.place(draft, report, customer_id), placed_key(order_id))
        elif loaded.order.erased:
            # Who ordered was to be forgotten, whatever its sender still says of them.
            customer_id, new = None, ()
        else:
            known = identifiers(loaded.order.customer.contact)
            new = tuple(one for one in contacts if one not in known)
        named = parcels.named(store, _references(report.fulfillments), order_id, now)
        merging.merge(draft, report, named)
        if customer_id is not None:
            ordering.claim(draft, customer_id)
        claims = store.guest_claims(order_id, new) if customer_id is None else []
        if draft.facts:
            store.append_order(loaded.head, draft, origin, answer, claims)

    until_written(attempt)


def report_fulfillment(
    store: Store, report: FulfillmentReport, origin: Origin, now: datetime
) -> None:
    """Add a fulfilment that a sender reports. Raises OrderNotFound, and QuantityExceedsOrder when
    the order has no units for it: its parcels must not be lost in silence."""
    order_id = order_id_of(report.source, report.order_external_id)
    named = parcels.named(store, report.parcels, order_id, now)

    def decide(draft: Draft) -> None:
        merging.merge_fulfillment(draft, report, named)
        known = {one.external_id for one in draft.placed.fulfillments}
        if report.external_id not in known and report.state != "cancelled":
            raise QuantityExceedsOrder(
                f"The order has no units left for fulfilment {report.external_id}"
            )

    _merge(store, order_id, origin, now, decide)


def report_refund(store: Store, report: RefundReport, origin: Origin, now: datetime) -> None:
    """Add a refund that was paid elsewhere. Raises OrderNotFound."""
    order_id = order_id_of(report.source, report.order_external_id)
    _merge(store, order_id, origin, now, lambda draft: merging.merge_refund(draft, report))


def report_state(store: Store, report: OrderStateReport, origin: Origin, now: datetime) -> None:
    """Follow a sender's word about an order. Raises OrderNotFound."""
    order_id = order_id_of(report.source, report.order_external_id)
    named = parcels.named(store, _references(report.fulfillments), order_id, now)
    _merge(store, order_id, origin, now, lambda draft: merging.merge_state(draft, report, named))


def reflect_parcel(
    store: Store, order_id: str, shipment_id: str, origin: Origin, now: datetime
) -> None:
    """Let an order know where one of its parcels is. Without effect when it does."""

    def decide(draft: Draft) -> None:
        loaded = store.load_shipment(shipment_id)
        parcel = parcels.parcel_of(loaded)
        if loaded.shipment.is_return:
            ordering.expect_back(draft, parcel)
            return
        for link in loaded.shipment.named_links:
            if link.order_id == order_id:
                unseen = parcel.model_copy(update={"seen": 0})
                ordering.attach(draft, unseen, now, link.fulfillment_id)
        ordering.reflect(draft, parcel, loaded.shipment.occurred_at or now)

    _merge(store, order_id, origin, now, decide)


def let_time_pass(store: Store, order_id: str, now: datetime) -> None:
    """Write down what time has done to an order's pickups, and when to look again."""
    origin = Origin("tandem", "system")

    def attempt() -> None:
        loaded = store.load_order(order_id)
        draft = Draft(loaded.existing, now)
        ordering.time_passes(draft)
        if draft.facts:
            draft.settle()
            store.append_order(loaded.head, draft, origin)
        else:
            store.postpone(loaded.head, ordering.next_due(loaded.existing))

    until_written(attempt)


def _merge(
    store: Store,
    order_id: str,
    origin: Origin,
    now: datetime,
    decide: Callable[[Draft], None],
) -> None:
    """Add to an order what it does not know; write nothing when there is nothing new."""

    def attempt() -> None:
        loaded = store.load_order(order_id)
        draft = Draft(loaded.existing, now)
        decide(draft)
        draft.settle()
        if draft.facts:
            store.append_order(loaded.head, draft, origin)

    until_written(attempt)


# --- parcels of an order --------------------------------------------------------------------------


def register_parcels(  # noqa: PLR0913
    store: Store,
    order: Order,
    fulfillment_id: str,
    carried: Iterable[Parcel],
    origin: Origin,
    now: datetime,
) -> None:
    """Tell parcels which order they carry. Harmless when repeated: the event does it again."""
    beside = replace(origin, key="", request=b"")
    for parcel in carried:
        parcels.register(
            store,
            parcel.carrier,
            parcel.tracking_number,
            Registration(
                link=Link(order_id=order.id, fulfillment_id=fulfillment_id),
                promised_by=order.promised_by,
                destination=order.destination,
            ),
            beside,
            now,
        )


def register_return_parcel(  # noqa: PLR0913
    store: Store,
    order_id: str,
    carrier: str,
    tracking_number: str,
    label_created_at: datetime | None,
    origin: Origin,
    now: datetime,
) -> None:
    """Follow the parcel of a return. Raises OrderNotFound, ParcelIsOutbound, TooManyOrders."""
    order, _ = get_order(store, order_id)
    told = Registration(
        link=Link(order_id=order.id), label_created_at=label_created_at, is_return=True
    )
    parcels.register(store, carrier, tracking_number, told, origin, now)


def count_return(  # noqa: PLR0913
    store: Store,
    order_id: str,
    occurred_at: datetime,
    origin: Origin,
    now: datetime,
    *,
    received: Iterable[UnitsOfLine] = (),
    repaid: Iterable[UnitsOfLine] = (),
) -> None:
    """Count the units that a return has brought back or paid for, once for each event that tells of
    them. Raises OrderNotFound."""
    key = heard_key(order_id, origin.causation_id)

    def attempt() -> None:
        loaded = store.load_order(order_id, key)
        draft = Draft(loaded.existing, now)
        fact = merging.merge_return(draft, occurred_at, received, repaid)
        if fact and loaded.items[0] is None:
            draft.settle()
            store.append_order(loaded.head, draft, origin, (fact, key))

    until_written(attempt)


def _references(fulfillments: Iterable[FulfillmentReport]) -> list[ParcelReference]:
    return [reference for one in fulfillments for reference in one.parcels]


def identifiers(contact: Contact) -> tuple[Identifier, ...]:
    return contacts(contact.email, contact.phone)
