"""Return books: opened when an order is heard of, and kept up with what is heard of it after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from tandem_core.identifiers import Identifier
from tandem_core.journal import Origin, until_written
from tandem_returns import bookkeeping
from tandem_returns.drafts import Draft
from tandem_returns.heard import HeardCustomer, OrderPlaced, OrderUpdated, Redemption
from tandem_returns.purchases import Book
from tandem_returns.return_facts import ReturnBookUpdated
from tandem_returns.store import Store, event_key
from tandem_returns.withdrawals import contact_digests

Decide = Callable[[Book], ReturnBookUpdated | None]


def open_book(  # noqa: PLR0913  an event and what it says
    store: Store,
    order: OrderPlaced,
    seq: int,
    origin: Origin,
    now: datetime,
    *,
    placed_by: str | None = None,
) -> None:
    """Open the book of an order, once, under the policy that was in force when it was placed."""

    def attempt() -> None:
        loaded = store.load_book(order.order_id)
        if loaded.book:
            return
        policy = store.policy_for(order.source, order.placed_at)
        draft = Draft(None, now)
        contacts = contact_digests(order.customer.email, order.customer.phone)
        draft.record(bookkeeping.opened(order, policy.pin, contacts, seq, placed_by=placed_by))
        for reference in _redemptions(draft.opened):
            redemption = store.redemption_for(reference, order.order_id)
            fact = bookkeeping.redeemed(draft.opened, redemption, now) if redemption else None
            if fact:
                draft.record(fact)
        store.append_book(loaded.head, draft, origin, claims=store.contact_claims(draft.opened))

    until_written(attempt)


def _redemptions(book: Book) -> list[str]:
    return [one.reference for one in book.tenders if one.type == "points" and one.reference]


def hear(
    store: Store, order_id: str, event_id: str, decide: Decide, origin: Origin, now: datetime
) -> Book:
    """Add what an event says to a book, once. Raises OrderNotFound while there is none."""

    def attempt() -> Book:
        key = event_key(order_id, event_id)
        loaded = store.load_book(order_id, key)
        book = loaded.existing
        fact = None if loaded.items[0] else decide(book)
        if fact is None:
            return book
        draft = Draft(book, now)
        draft.record(fact)
        new = draft.opened.contacts != book.contacts and not fact.erased
        claims = store.contact_claims(draft.opened) if new else []
        store.append_book(loaded.head, draft, origin, answer=key, claims=claims)
        return draft.opened

    return until_written(attempt)


def follow_edit(  # noqa: PLR0913  an event and what it says
    store: Store, order: OrderUpdated, seq: int, event_id: str, origin: Origin, now: datetime
) -> None:
    """Follow an edit of an order, and the redemptions that pay for it now. Raises OrderNotFound."""
    customer = order.customer or HeardCustomer()
    contacts = contact_digests(customer.email, customer.phone)

    def decide(book: Book) -> ReturnBookUpdated | None:
        return bookkeeping.edited(book, order, contacts, seq, now)

    book = hear(store, order.order_id, event_id, decide, origin, now)
    for reference in _redemptions(book) if order.tenders else ():
        redemption = store.redemption_for(reference, order.order_id)
        if redemption:
            _redeem(store, order.order_id, redemption, event_id, origin, now)


def note_redemption(
    store: Store, redemption: Redemption, event_id: str, origin: Origin, now: datetime
) -> None:
    """Keep what a redemption took, and tell the orders that it paid for. Raises OrderNotFound for
    one that is about to be known."""
    for order_id in store.keep_redemption(redemption):
        _redeem(store, order_id, redemption, event_id, origin, now)


def _redeem(  # noqa: PLR0913
    store: Store,
    order_id: str,
    redemption: Redemption,
    event_id: str,
    origin: Origin,
    now: datetime,
) -> None:
    def decide(book: Book) -> ReturnBookUpdated | None:
        return bookkeeping.redeemed(book, redemption, now)

    name = f"{event_id}#{redemption.id}"
    hear(store, order_id, name, decide, origin, now)


def erase(store: Store, order_id: str, event_id: str, origin: Origin, now: datetime) -> None:
    """Forget by whom an order could be found, whence its labels were to go, and who withdrew."""
    store.forget_contacts(store.load_book(order_id).existing)
    hear(store, order_id, event_id, lambda book: bookkeeping.erased(book, now), origin, now)
    for back in store.all_returns_of(order_id):
        store.forget_address(back)
        store.forget_label(back)
        if back.withdrawal_id:
            store.forget_declarer(back.withdrawal_id)
    store.journal.erase_private(store.entries(order_id))


def find_purchases(store: Store, contact: Identifier | None, customer_id: str | None) -> list[Book]:
    """Return what somebody has bought, newest first, by a contact of theirs or as a customer."""
    orders: list[str] = []
    if contact:
        known, orders = store.find_orders(contact.digest)
        customer_id = customer_id or known
    if customer_id:
        orders += store.orders_of(customer_id)
    return sorted(store.books(orders), key=lambda book: book.placed_at, reverse=True)
