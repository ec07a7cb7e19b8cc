"""Compares every account with the demo's own books, and the ledger with both.

Owns the verdict. Nothing here corrects anything: a difference is spelled out and fails the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from tandem_demo.books import Balance
from tandem_demo.client import Client, Refused
from tandem_demo.replay import SERVICE_DESK, Account

_PAGE = 200
_MAX_PAGES = 1000
_EARNED = frozenset({"points.earned", "points.pending"})
_EXPIRED = "points.expired"


@dataclass(frozen=True)
class Finding:
    """An account, its balance as the service says, and every way in which it disagrees."""

    name: str
    balance: Balance
    disagreements: tuple[str, ...]


def reconcile(client: Client, accounts: Sequence[Account], threads: int) -> list[Finding]:
    """Read every account and its whole ledger."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        return list(pool.map(lambda account: _check(client, account), accounts))


def _check(client: Client, account: Account) -> Finding:
    name = account.story.member.name
    path = f"/loyalty/v1/accounts/{account.account_id}"
    if account.failure:
        return Finding(name, Balance(0, 0, 0, 0), (account.failure,))
    try:
        before = datetime.now(UTC)
        shown = client.get("read account", path, SERVICE_DESK).body["balance"]
        after = datetime.now(UTC)
        events = list(_ledger(client, path))
    except Refused as refusal:
        return Finding(name, Balance(0, 0, 0, 0), (str(refusal),))
    balance = Balance(**{place: shown[place] for place in Balance._fields})
    return Finding(name, balance, compare(account, balance, before, after, events))


def compare(
    account: Account,
    balance: Balance,
    before: datetime,
    after: datetime,
    events: Sequence[dict[str, Any]],
) -> tuple[str, ...]:
    """Return every disagreement; the balance was read between the two instants."""
    return (
        *_check_balance(account, balance, before, after),
        *_check_ledger(account, balance, events),
        *_check_accruals(account, events),
        *_check_chain(events),
    )


def _ledger(client: Client, path: str) -> Iterator[dict[str, Any]]:
    query = {"limit": str(_PAGE)}
    for _ in range(_MAX_PAGES):
        page = client.get("read ledger", f"{path}/events", SERVICE_DESK, **query).body
        yield from page["events"]
        if not page.get("cursor"):
            return
        query["cursor"] = page["cursor"]
    raise Refused("read ledger", 0, "ENDLESS", f"more than {_MAX_PAGES} pages")


def _check_balance(
    account: Account, balance: Balance, before: datetime, after: datetime
) -> Iterator[str]:
    # Points may mature or lapse while the answer is on its way: both sides of that are right.
    expected = account.books.balance(after)
    if balance not in (expected, account.books.balance(before)):
        yield f"balance is {balance}, the books say {expected}"


def _check_ledger(
    account: Account, balance: Balance, events: Sequence[dict[str, Any]]
) -> Iterator[str]:
    """All that came in and went out is in the ledger.

    Points that lapse leave the balance by themselves and are booked a little later, so what has
    been booked of them is set aside here.
    """
    booked_lapses = -sum(event["points"] for event in events if event["type"] == _EXPIRED)
    total = sum(event["points"] for event in events) + booked_lapses
    books = account.books
    expected = books.granted_points - books.spent_points
    if total != expected:
        yield f"the ledger adds up to {total} before lapses, the books to {expected}"
    still_there = balance.available + balance.pending - balance.owed
    if not 0 <= booked_lapses <= total - still_there:
        yield f"the ledger books {booked_lapses} lapsed points of {total - still_there}"


def _check_accruals(account: Account, events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Every order accrued once, and what the rules say."""
    seen: dict[str, int] = {}
    for event in events:
        if event["type"] not in _EARNED:
            continue
        order_id = str(event.get("order_id"))
        if order_id in seen:
            yield f"order {order_id} accrued twice"
        seen[order_id] = event["points"]
    for order_id, points in account.earned_points.items():
        if order_id not in seen:
            yield f"order {order_id} is missing from the ledger"
        elif seen[order_id] != points:
            yield f"order {order_id} earned {seen[order_id]}, the rules say {points}"
    for order_id in seen.keys() - account.earned_points.keys():
        yield f"order {order_id} is in the ledger and was never sent"


def _check_chain(events: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The ledger, newest first, has no gap and each line names the hash of the one before."""
    for newer, older in pairwise(events):
        if newer["seq"] != older["seq"] + 1 or newer["previous_hash"] != older["hash"]:
            yield f"the ledger is broken between lines {older['seq']} and {newer['seq']}"
