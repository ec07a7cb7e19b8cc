"""Statutory withdrawals: declared, confirmed, and made a return where the purchase is found."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from tandem_core.journal import Head, Origin, until_written
from tandem_core.logs import logger
from tandem_core.problems import Conflict, TooLarge
from tandem_returns.ids import id_within
from tandem_returns.purchases import Book
from tandem_returns.quotes import WantedLine
from tandem_returns.returns import Return, ReturnNotFound
from tandem_returns.store import Store, WithdrawalNotFound
from tandem_returns.use_cases.quotes import Wish, quoted
from tandem_returns.use_cases.returns import open_return
from tandem_returns.withdrawals import (
    CONFIRM_WITHIN,
    Declaration,
    Withdrawal,
    apply,
    confirmed,
    contact_digests,
    declaration_id,
    declared,
    find,
    matched,
    withdrawn,
)

REASON = "withdrawal"


class WithdrawalOutcome(NamedTuple):
    withdrawal: Withdrawal
    replayed: bool = False


def declare(
    store: Store, declaration: Declaration, origin: Origin, now: datetime
) -> WithdrawalOutcome:
    """Take a declaration down, whatever it is about; the same one twice is one."""
    withdrawal_id = declaration_id(origin.callers_key, declaration)

    def attempt() -> WithdrawalOutcome:
        head, known = store.load_withdrawal(withdrawal_id)
        if known:
            return WithdrawalOutcome(known, replayed=True)
        fact = declared(withdrawal_id, declaration, now)
        withdrawal = apply(None, fact)
        store.append_withdrawal(head, withdrawal, fact, origin, now)
        return WithdrawalOutcome(withdrawal)

    return until_written(attempt)


def confirm(
    store: Store, withdrawal_id: str, time_zone: str, origin: Origin, now: datetime
) -> WithdrawalOutcome:
    """Submit a declaration; the receipt is the same however often it is asked for.

    Raises WithdrawalNotFound, DeclarationExpired.
    """

    def attempt() -> WithdrawalOutcome:
        head, withdrawal = _existing(store, withdrawal_id)
        fact = confirmed(withdrawal, time_zone, now)
        if fact is None:
            return WithdrawalOutcome(withdrawal, replayed=True)
        after = apply(withdrawal, fact)
        store.append_withdrawal(head, after, fact, origin, now)
        return WithdrawalOutcome(after)

    return until_written(attempt)


def _existing(store: Store, withdrawal_id: str) -> tuple[Head, Withdrawal]:
    head, withdrawal = store.load_withdrawal(withdrawal_id)
    if withdrawal is None:
        raise WithdrawalNotFound(f"There is no withdrawal {withdrawal_id}")
    return head, withdrawal


def resolve(store: Store, withdrawal_id: str, origin: Origin, now: datetime) -> Withdrawal:
    """Open the return that a confirmed withdrawal is about. What nobody can match, or the law
    exempts, is left to people. Raises WithdrawalNotFound."""
    _, withdrawal = _existing(store, withdrawal_id)
    if withdrawal.confirmed_at is None or withdrawal.order_id:
        return withdrawal
    book = find(withdrawal.declaration, _candidates(store, withdrawal.declaration))
    back = _withdraw(store, withdrawal, book, origin, now) if book else None

    def attempt() -> Withdrawal:
        head, current = _existing(store, withdrawal_id)
        return_id = back.return_id if back else None
        fact = matched(current, book if back else None, return_id, now)
        if fact is None:
            return current
        after = apply(current, fact)
        store.append_withdrawal(head, after, fact, origin, now)
        return after

    return until_written(attempt)


def _candidates(store: Store, declaration: Declaration) -> list[Book]:
    """Return what the consumer may speak of: what is found by a contact of theirs."""
    orders: list[str] = []
    for contact in contact_digests(declaration.email, declaration.phone):
        customer_id, named = store.find_orders(contact)
        orders += named
        orders += store.orders_of(customer_id) if customer_id else []
    return store.books(orders)


def _withdraw(
    store: Store, withdrawal: Withdrawal, book: Book, origin: Origin, now: datetime
) -> Return | None:
    quote_id = f"quo_{withdrawal.id.removeprefix('wdr_')}"
    try:
        # A crash may have come between the return and the word of it.
        return store.load_return(id_within("ret", book.order_id, quote_id)).back
    except ReturnNotFound:
        pass
    lines = withdrawn(withdrawal.declaration, book)
    if not lines:
        return None
    wish = Wish(
        order_id=book.order_id,
        lines=[
            WantedLine(line_id=one.line_id, quantity=one.quantity, reason=REASON) for one in lines
        ],
        outcome="refund",
        method="mail",
        statutory=True,
        withdrawal_id=withdrawal.id,
    )
    try:
        quote = quoted(store, book, wish, quote_id, withdrawal.confirmed_at or now)
        lasting = quote.model_copy(update={"expires_at": now + CONFIRM_WITHIN})
        return open_return(store, lasting, None, None, origin, now).back
    except (Conflict, TooLarge) as refusal:
        logger().info(
            "withdrawal is for people",
            extra={"withdrawal_id": withdrawal.id, "why": refusal.code},
        )
        return None
