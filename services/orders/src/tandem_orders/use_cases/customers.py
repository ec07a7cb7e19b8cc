"""Customers: whose an order is, what they see of it, what they are told, what is forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from tandem_core.events import Envelope
from tandem_core.identifiers import Identifier
from tandem_core.journal import Origin, until_written
from tandem_core.problems import VersionConflict
from tandem_core.table import Key
from tandem_orders import notifications, ordering, shipment_changes, timeline, tracking_links
from tandem_orders.messages import Contact
from tandem_orders.notifications import (
    Circumstances,
    Milestone,
    NotificationRequested,
    Recipient,
)
from tandem_orders.ordering import Draft
from tandem_orders.orders import Order
from tandem_orders.preferences import Preferences, PreferencesChanged
from tandem_orders.statuses import ShipmentStatus
from tandem_orders.store import Store, addressee, contact_key, envelope_of, notified_key
from tandem_orders.use_cases.orders import identifiers

_PAGE = 100
_MAX_PAGES = 100


class Links(NamedTuple):
    """What it takes to link to an order: where the system is found, and what signs."""

    base_url: str
    secrets: Sequence[str]

    def to(self, order_id: str) -> str | None:
        token = tracking_links.signed(order_id, self.secrets)
        return f"{self.base_url.rstrip('/')}/orders/v1/tracking/{token}" if token else None


# --- whose an order is ----------------------------------------------------------------------------


def claim_orders(
    store: Store, customer_id: str, contacts: Sequence[Identifier], origin: Origin, now: datetime
) -> list[str]:
    """Give a customer the guest orders placed with their contacts, and those still to come.

    Who calls this vouches for the contacts. Returns the orders. Harmless when repeated.
    """
    claimed = []
    for contact in contacts:
        store.link_contact(contact, customer_id)
        for order_id in store.guest_orders(contact):
            claim_order(store, order_id, customer_id, origin, now)
            store.forget_contact(contact, order_id)
            claimed.append(order_id)
    return sorted(set(claimed))


def claim_contacts(
    store: Store, customer_id: str, contacts: Sequence[Identifier], origin: Origin, now: datetime
) -> tuple[list[str], bool]:
    """Claim orders for a caller; return them, and whether this key has done so before."""
    kept = store.kept_answer(origin)
    if kept is not None:
        return json.loads(kept), True
    claimed = claim_orders(store, customer_id, contacts, origin, now)
    return json.loads(store.keep_answer(origin, json.dumps(claimed))), False


def claim_order(
    store: Store, order_id: str, customer_id: str, origin: Origin, now: datetime
) -> None:
    """Give a guest's order to its customer; without effect when it has one."""

    def attempt() -> None:
        loaded = store.load_order(order_id)
        draft = Draft(loaded.existing, now)
        if ordering.claim(draft, customer_id):
            store.append_order(loaded.head, draft, origin)

    until_written(attempt)


def claim_if_known(store: Store, order_id: str, origin: Origin, now: datetime) -> None:
    """Claim an order whose contact got its customer while the order was being placed."""
    order = store.load_order(order_id).existing
    if order.customer.customer_id is not None:
        return
    contacts = identifiers(order.customer.contact)
    if not contacts:
        return
    customer_id = store.customer_of(store.table.get(*map(contact_key, contacts)))
    if customer_id:
        claim_order(store, order_id, customer_id, origin, now)
        for contact in contacts:
            store.forget_contact(contact, order_id)


# --- the timeline ---------------------------------------------------------------------------------


def chronicle(store: Store, envelope: Envelope) -> None:
    """Write an event into the timelines of the customers that it concerns."""
    entry = timeline.entry_of(envelope)
    if entry is not None:
        for customer_id in _concerned(store, envelope):
            store.put_timeline(customer_id, entry)
    if envelope.type == "order.updated" and envelope.data.get("claimed"):
        _catch_up(store, str(envelope.data["order_id"]))
    if envelope.type == "shipment.registered":
        _catch_up_parcel(store, str(envelope.data["shipment_id"]))


def _concerned(store: Store, envelope: Envelope) -> list[str]:
    """Return the customers of an event: those it names, or those of the orders it names."""
    named = envelope.data.get("customer_id")
    if named:
        return [str(named)]
    orders = store.load_orders(timeline.orders_of(envelope)[:_PAGE])
    loaded = (one.existing.customer.customer_id for one in orders)
    return sorted({customer_id for customer_id in loaded if customer_id})


def _catch_up(store: Store, order_id: str) -> None:
    """Write all that has happened to an order into the timeline that it belongs to now."""
    order = store.load_order(order_id).existing
    customer_id = order.customer.customer_id
    if customer_id is None:
        return
    entries = store.order_entries(order_id)
    for shipment_id in order.shipment_ids:
        entries += store.shipment_entries(shipment_id)
    for entry in entries:
        line = timeline.entry_of(envelope_of(entry))
        if line:
            store.put_timeline(customer_id, line)


def _catch_up_parcel(store: Store, shipment_id: str) -> None:
    """Write what was reported of a parcel before its order was known."""
    loaded = store.load_shipment(shipment_id)
    orders = store.load_orders(loaded.shipment.order_ids)
    customers = {one.existing.customer.customer_id for one in orders} - {None}
    if not customers or loaded.shipment.summary.first_at is None:
        return
    for entry in store.shipment_entries(shipment_id):
        line = timeline.entry_of(envelope_of(entry))
        for customer_id in customers:
            if line and customer_id:
                store.put_timeline(customer_id, line)


# --- messages to the customer ---------------------------------------------------------------------


def get_preferences(store: Store, customer_id: str) -> tuple[Preferences, int]:
    """Return what a customer wants to be told and how, and its version; 0 means the defaults."""
    head, _ = store.load_customer(customer_id)
    return _preferences(head.state), head.version


def put_preferences(
    store: Store, customer_id: str, preferences: Preferences, origin: Origin, now: datetime
) -> int:
    """Set a customer's preferences; return the version. Saying the same again changes nothing."""

    def attempt() -> int:
        head, _ = store.load_customer(customer_id)
        if origin.expected_version not in (None, head.version):
            raise VersionConflict(f"The preferences have version {head.version}")
        if head.state and _preferences(head.state) == preferences:
            return head.version
        fact = PreferencesChanged(customer_id=customer_id, preferences=preferences, occurred_at=now)
        state = preferences.model_dump_json(exclude_defaults=True)
        return store.append_customer(head, state, fact, None, origin, now).seq

    return until_written(attempt)


def notify(store: Store, envelope: Envelope, links: Links, now: datetime) -> None:
    """Ask for the message of a milestone, once for each customer, subject and milestone."""
    if envelope.type == "withdrawal.confirmed":
        _acknowledge(store, envelope, now)
        return
    milestone = notifications.milestone_of(envelope)
    if milestone is None or milestone.late:
        return
    if now - milestone.occurred_at > notifications.LATE_AFTER:
        # Heard again by a replay: what was not told then is no news now.
        return
    shipment_status = None
    if milestone.shipment_id:
        shipment_status = store.load_shipment(milestone.shipment_id).shipment.status
    written: set[str] = set()
    for loaded in store.load_orders(milestone.order_ids[:_PAGE]):
        order = loaded.existing
        who = order.customer.customer_id or _guest(order.id)
        if who not in written:
            written.add(who)
            _notify(store, who, order, milestone, shipment_status, links, envelope.origin(), now)


def _acknowledge(store: Store, envelope: Envelope, now: datetime) -> None:
    """Ask for the receipt of a withdrawal, once; it is kept by the contact that it goes to."""
    fact = notifications.receipt_of_withdrawal(envelope, now)
    if fact is None:
        return
    for contact in identifiers(Contact(email=fact.email, phone=fact.phone)):
        who = addressee(contact)
        key = notified_key(who, f"{fact.subject_id}#{fact.milestone}")
        _ask(store, who, [key], lambda _: fact, envelope.origin(), now)


def _notify(  # noqa: PLR0913
    store: Store,
    who: str,
    order: Order,
    milestone: Milestone,
    shipment_status: ShipmentStatus | None,
    links: Links,
    origin: Origin,
    now: datetime,
) -> None:
    customer = order.customer
    recipient = Recipient(
        customer_id=customer.customer_id, email=customer.email, phone=customer.phone
    )
    about = Circumstances(
        order_id=order.id,
        number=order.number,
        channel=order.channel,
        language=order.language,
        shipment_status=shipment_status,
    )
    what = f"{milestone.subject_id}#{milestone.name}"
    # Who has become a customer since may have been told as a guest.
    told = [notified_key(one, what) for one in dict.fromkeys((who, _guest(order.id)))]

    def write(preferences: Preferences) -> NotificationRequested | None:
        url = links.to(order.id)
        return notifications.requested(milestone, recipient, preferences, about, url, now)

    _ask(store, who, told, write, origin, now)


def _ask(  # noqa: PLR0913
    store: Store,
    who: str,
    told: Sequence[Key],
    write: Callable[[Preferences], NotificationRequested | None],
    origin: Origin,
    now: datetime,
) -> None:
    """Ask for a message, unless one of `told` says that it has been; the first is its own key."""

    def attempt() -> None:
        head, recorded = store.load_customer(who, *told)
        fact = None if any(recorded) else write(_preferences(head.state))
        if fact:
            store.append_customer(head, head.state, fact, told[0], origin, now)

    until_written(attempt)


def _preferences(state: str) -> Preferences:
    return Preferences.model_validate_json(state) if state else Preferences()


# --- forgetting -----------------------------------------------------------------------------------


def erase_orders(
    store: Store,
    order_ids: Sequence[str],
    contact: Contact,
    asked_at: datetime,
    origin: Origin,
    now: datetime,
) -> None:
    """Forget who placed these orders, and the guest orders of a contact. The books remain.

    Orders that are not known are nothing to forget; who has come back since `asked_at` is not
    forgotten with them. Harmless when repeated, however late.
    """
    contacts = identifiers(contact)
    guests = [order_id for one in contacts for order_id in store.guest_orders(one)]
    for order_id in dict.fromkeys((*order_ids, *guests)):
        order = store.load_order(order_id).order
        if order is None or order.placed_at > asked_at:
            continue
        erase_order(store, order_id, origin, now)
        for one in contacts:
            store.forget_contact(one, order_id)


def erase_customer(
    store: Store, customer_id: str, origin: Origin, now: datetime
) -> tuple[int, bool]:
    """Forget a customer's personal data in all of their orders; return how many there are, and
    whether this key has done so before."""
    kept = store.kept_answer(origin)
    if kept is not None:
        return int(kept), True
    count, cursor = 0, None
    for _ in range(_MAX_PAGES):
        loaded, cursor = store.orders_of(customer_id, _PAGE, cursor)
        for one in loaded:
            erase_order(store, one.head.subject, origin, now)
        count += len(loaded)
        if cursor is None:
            break
    _erase_messages(store, customer_id)
    store.unlink_contacts(customer_id)
    return int(store.keep_answer(origin, str(count))), False


def erase_order(store: Store, order_id: str, origin: Origin, now: datetime) -> None:
    """Forget the personal data of an order, in its head, its journal and its parcels."""

    def attempt() -> Order | None:
        loaded = store.load_order(order_id)
        if loaded.order is None:
            return None
        draft = Draft(loaded.order, now)
        if ordering.erase(draft):
            store.append_order(loaded.head, draft, origin)
        return loaded.order

    order = until_written(attempt)
    if order is None:
        return
    until_written(lambda: store.journal.erase_private(store.order_entries(order_id)))
    for shipment_id in order.shipment_ids:
        _erase_parcel(store, shipment_id, order_id, origin, now)
    for contact in identifiers(order.customer.contact):
        store.forget_contact(contact, order_id)
        _erase_messages(store, addressee(contact))
    _erase_messages(store, _guest(order_id))


def _erase_parcel(
    store: Store, shipment_id: str, order_id: str, origin: Origin, now: datetime
) -> None:
    """Forget where a parcel went, unless it carries an order that is not forgotten as well."""

    def attempt() -> None:
        for loaded in store.load_shipments([shipment_id]):
            others = [other for other in loaded.shipment.order_ids if other != order_id]
            if not all(one.existing.erased for one in store.load_orders(others)):
                continue
            anonymous, fact = shipment_changes.forget(loaded.shipment, now)
            if fact:
                store.append_shipment(loaded.head, anonymous, [(fact, None)], origin, now)
            store.journal.erase_private(store.shipment_entries(shipment_id))

    until_written(attempt)


def _erase_messages(store: Store, who: str) -> None:
    until_written(lambda: store.journal.erase_private(store.customer_entries(who)))


def _guest(order_id: str) -> str:
    """Return the name under which a guest's messages are kept: the order is all we know."""
    return f"guest:{order_id}"
