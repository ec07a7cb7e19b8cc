"""Where returns keeps things: every key, condition and item of the service.

| what                          | pk                    | sk                     | read by         |
|-------------------------------|-----------------------|------------------------|-----------------|
| book head                     | BOOK#<order>          | HEAD                   | every call      |
| return, as it is              | BOOK#<order>          | RETURN#<return>        | every call      |
| entry: a quote was executed   | BOOK#<order>          | QUOTE#<quote>          | execute again   |
| entry: a caller's command     | BOOK#<order>          | KEY#<key>              | the same again  |
| entry: an event was heard     | BOOK#<order>          | EVENT#<event>          | hear again      |
| entry: what followed          | BOOK#<order>          | SEQ#<seq>              | history         |
| address for a label           | BOOK#<order>          | ADDRESS#<return>       | label           |
| label's address, for a time   | BOOK#<order>          | LABEL#<return>         | show a return   |
| return that awaits a person   | REVIEW                | <requested>#<return>   | staff           |
| event that awaits its order   | BOOK#<order>          | PARKED#<event>         | after opening   |
| quote                         | QUOTE#<quote>         | QUOTE                  | quote, execute  |
| claim: caller's key           | KEY#<key>             | CREATED                | execute         |
| order by contact              | CONTACT#<kind>#<hash> | BOOK#<placed>#<order>  | search          |
| customer by contact           | CONTACT#<kind>#<hash> | CUSTOMER               | search          |
| customer's tier               | CUSTOMER#<customer>   | TIER                   | quote           |
| redemption: its points        | REDEMPTION#<id>       | CAPTURED               | open a book     |
| redemption: orders it paid    | REDEMPTION#<id>       | ORDER#<order>          | when captured   |
| policy head                   | POLICY#<policy>       | HEAD                   | open, publish   |
| entry: version of a policy    | POLICY#<policy>       | VERSION#<n>            | first use       |
| withdrawal                    | WITHDRAWAL#<id>       | HEAD                   | confirm         |
| entry: a step of a withdrawal | WITHDRAWAL#<id>       | <status>               | the same again  |
| messages of senders           | see tandem_core.inbox |                        |                 |

Index `customer` (customer, placed_at): returns of a customer, and under BOOK#<customer> what they
have bought, newest first. Index `due` (due_shard, due_at): returns that time does something to.
Index `recorded` (day, at): returns by the day of their request.

A return is kept beside the head and not in it, so the head does not grow with what came back; both
change in one transaction, under the head's version. Ids carry their order: no look-up finds a book.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from tandem_core.clock import Instant, rfc3339
from tandem_core.cursors import cursor_of, plain_cursor
from tandem_core.due import due_attributes, due_heads
from tandem_core.inbox import Inbox
from tandem_core.journal import (
    Claim,
    Entry,
    Fact,
    Head,
    Journal,
    Origin,
    entry_of,
    head_of,
)
from tandem_core.problems import IdempotencyKeyReused, Missing
from tandem_core.settings import service_settings
from tandem_core.table import Item, Key, Page, Table, Value, every_page
from tandem_core.values import Strict
from tandem_returns.cases import RecentReturn, Signals
from tandem_returns.drafts import Draft
from tandem_returns.heard import Redemption
from tandem_returns.ids import order_of
from tandem_returns.labels import Address
from tandem_returns.policies import DEFAULT_POLICY, DEFAULT_POLICY_ID, Policy
from tandem_returns.purchases import Book
from tandem_returns.quotes import Quote
from tandem_returns.returns import Return, ReturnNotFound
from tandem_returns.withdrawals import Withdrawal, WithdrawalFact

SOURCE = "tandem.returns"
# What waits for its order waits longer than any sender keeps trying.
_PARKED = timedelta(days=90)
_LABEL = timedelta(days=90)
_BATCH_KEYS = 100
_MAX_PAGES = 50
# So many of a customer's orders tell how much of them comes back.
_BOOKS_OF_CUSTOMER = 100
_BOOKS_FOUND = 20
_VERSIONS_KEPT = 200
_RECENT = 50


class OrderNotFound(Missing):
    code, title = "ORDER_NOT_FOUND", "There is no such order, or nothing of it is known yet"


class QuoteNotFound(Missing):
    code, title = "QUOTE_NOT_FOUND", "There is no such quote"


class PolicyNotFound(Missing):
    code, title = "POLICY_NOT_FOUND", "There is no such policy"


class WithdrawalNotFound(Missing):
    code, title = "WITHDRAWAL_NOT_FOUND", "There is no such withdrawal"


class LoadedBook(NamedTuple):
    """A book, None while its order is not known, and the items asked for beside it."""

    head: Head
    book: Book | None
    items: list[Item | None]

    @property
    def existing(self) -> Book:
        """Raises OrderNotFound."""
        if self.book is None:
            order_id = self.head.subject
            raise OrderNotFound(f"There is no order {order_id}", order_id=order_id)
        return self.book


class LoadedReturn(NamedTuple):
    head: Head
    book: Book
    back: Return
    items: list[Item | None]


class Answered(Strict):
    """What a command was answered, kept with its entry for whoever repeats it."""

    back: Return
    version: int
    at: Instant


class PolicyVersions(Strict):
    """A policy's head: what is in force, and since when what was."""

    current: Policy
    published: tuple[tuple[int, str], ...]

    def version_at(self, placed_at: datetime) -> int | None:
        """Return the version in force at an instant; None before the first."""
        at = rfc3339(placed_at)
        return max((version for version, since in self.published if since <= at), default=None)


def book_key(order_id: str) -> Key:
    return Key(f"BOOK#{order_id}", "HEAD")


def return_key(order_id: str, return_id: str) -> Key:
    return Key(f"BOOK#{order_id}", f"RETURN#{return_id}")


def executed_key(order_id: str, quote_id: str) -> Key:
    return Key(f"BOOK#{order_id}", f"QUOTE#{quote_id}")


def command_key(order_id: str, callers_key: str) -> Key:
    return Key(f"BOOK#{order_id}", f"KEY#{_digest(callers_key)}")


def event_key(order_id: str, event_id: str) -> Key:
    return Key(f"BOOK#{order_id}", f"EVENT#{event_id}")


def creation_key(callers_key: str) -> Key:
    return Key(f"KEY#{_digest(callers_key)}", "CREATED")


def policy_key(policy_id: str) -> Key:
    return Key(f"POLICY#{policy_id}", "HEAD")


def version_key(policy_id: str, version: int) -> Key:
    return Key(f"POLICY#{policy_id}", f"VERSION#{version}")


def withdrawal_key(withdrawal_id: str) -> Key:
    return Key(f"WITHDRAWAL#{withdrawal_id}", "HEAD")


def quote_key(quote_id: str) -> Key:
    return Key(f"QUOTE#{quote_id}", "QUOTE")


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:40]


class Store:
    """The returns table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.journal = Journal(table)
        self.inbox = Inbox(table)
        self._policies: dict[str, Policy] = {}

    # --- books and returns --------------------------------------------------------------------

    def load_book(self, order_id: str, *keys: Key) -> LoadedBook:
        """Read a book and the items of `keys` in one call."""
        item, *found = self.table.get(book_key(order_id), *keys)
        head = head_of(book_key(order_id), order_id, item)
        book = Book.model_validate_json(head.state) if head.version else None
        return LoadedBook(head, book, found)

    def load_return(self, return_id: str, *keys: Key) -> LoadedReturn:
        """Read a return, its book and the items of `keys` in one call. Raises ReturnNotFound."""
        order_id = order_of("ret", return_id)
        if order_id is None:
            raise ReturnNotFound(f"There is no return {return_id}")
        loaded = self.load_book(order_id, return_key(order_id, return_id), *keys)
        item, *found = loaded.items
        if item is None or loaded.book is None:
            raise ReturnNotFound(f"There is no return {return_id}")
        back = _return_of(item)
        if back.customer_id is None and loaded.book.customer_id:
            # A guest's return follows its order to whoever has claimed it.
            back = back.model_copy(update={"customer_id": loaded.book.customer_id})
        return LoadedReturn(loaded.head, loaded.book, back, found)

    def append(
        self,
        head: Head,
        draft: Draft,
        origin: Origin,
        answer: Key | None = None,
        claims: Sequence[Claim] = (),
    ) -> Answered:
        """Write the facts of a draft, and the book and its return after them. The first fact is the
        answer's, and its entry keeps what is answered."""
        book, back = draft.opened, draft.current
        answered = Answered(back=back, version=head.version + len(draft.facts), at=draft.now)
        self.journal.append(
            head,
            book.model_dump_json(exclude_defaults=True),
            _facts(head, draft, answer),
            origin,
            draft.now,
            answer=answer,
            indexes=_book_index(book),
            claims=[Claim(_return_item(back)), *claims],
            outcome=answered.model_dump_json(exclude_defaults=True) if answer else "",
        )
        return answered

    def append_book(
        self,
        head: Head,
        draft: Draft,
        origin: Origin,
        answer: Key | None = None,
        claims: Sequence[Claim] = (),
    ) -> None:
        """Write what has become known of a purchase, and the book after it."""
        self.journal.append(
            head,
            draft.opened.model_dump_json(exclude_defaults=True),
            _facts(head, draft, answer),
            origin,
            draft.now,
            answer=answer,
            indexes=_book_index(draft.opened),
            claims=claims,
        )

    def returns_of(
        self, order_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Return], str | None]:
        """Return a page of an order's returns, each page newest first."""
        pk = book_key(order_id).pk
        start: Item | None = None
        if cursor:
            _, _, return_id = plain_cursor(cursor).partition("#")
            start = {**return_key(order_id, return_id)._asdict()}
        page = self.table.query_page(
            "pk = :pk AND begins_with(sk, :returns)",
            {":pk": pk, ":returns": "RETURN#"},
            limit=limit,
            start=start,
        )
        found = [_return_of(item) for item in page.items]
        newest_first = sorted(found, key=lambda back: back.requested_at, reverse=True)
        if page.next_key is None:
            return newest_first, None
        last = found[-1]
        return newest_first, cursor_of(rfc3339(last.requested_at), last.return_id)

    def all_returns_of(self, order_id: str) -> Iterator[Return]:
        cursor: str | None = None
        for _ in range(_MAX_PAGES):
            found, cursor = self.returns_of(order_id, 200, cursor)
            yield from found
            if cursor is None:
                return

    def returns_of_customer(
        self, customer_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Return], str | None]:
        """Return a page of a customer's returns, newest first."""
        start: Item | None = None
        if cursor:
            placed_at, _, return_id = plain_cursor(cursor).partition("#")
            order_id = order_of("ret", return_id) or ""
            start = {"customer": customer_id, "placed_at": placed_at}
            start |= return_key(order_id, return_id)._asdict()
        page = self.table.query_page(
            "customer = :customer",
            {":customer": customer_id},
            index="customer",
            newest_first=True,
            limit=limit,
            start=start,
        )
        found = list(self._returns(page.items))
        if page.next_key is None:
            return found, None
        after = page.next_key
        name = str(after["sk"]).removeprefix("RETURN#")
        return found, cursor_of(str(after["placed_at"]), name)

    def returns_between(
        self, day: str, since: str, until: str, limit: int, cursor: str | None
    ) -> tuple[list[Return], str | None]:
        """Return a page of the returns that were requested on a day, oldest first."""
        start: Item | None = None
        if cursor:
            at, _, return_id = plain_cursor(cursor).partition("#")
            order_id = order_of("ret", return_id) or ""
            start = {"day": day, "at": at, **return_key(order_id, return_id)._asdict()}
        page = self.table.query_page(
            "#day = :day AND #at BETWEEN :since AND :until",
            {":day": day, ":since": since, ":until": until},
            names={"#day": "day", "#at": "at"},
            index="recorded",
            limit=limit,
            start=start,
        )
        found = list(self._returns(page.items))
        if page.next_key is None:
            return found, None
        after = page.next_key
        name = str(after["sk"]).removeprefix("RETURN#")
        return found, cursor_of(str(after["at"]), name)

    def _returns(self, rows: Sequence[Item]) -> Iterator[Return]:
        """Read the returns that rows of an index name."""
        keys = [Key(str(row["pk"]), str(row["sk"])) for row in rows]
        for start in range(0, len(keys), _BATCH_KEYS):
            for item in self.table.get(*keys[start : start + _BATCH_KEYS]):
                if item is not None:
                    yield _return_of(item)

    def review_claim(self, back: Return) -> Claim:
        """Return the item that shows a return to those who decide."""
        return Claim({**_review_key(back)._asdict(), "return_id": back.return_id})

    def awaiting_decision(self, limit: int, cursor: str | None) -> tuple[list[Return], str | None]:
        """Return a page of the returns that wait for a person, oldest first. Those that do not any
        more are forgotten, so a page may be short."""
        page = self.table.query_page(
            "pk = :pk AND sk > :after",
            {":pk": "REVIEW", ":after": plain_cursor(cursor) if cursor else "0"},
            limit=limit,
        )
        ids = [str(item["return_id"]) for item in page.items]
        rows: list[Item] = [
            {**return_key(order_of("ret", name) or "", name)._asdict()} for name in ids
        ]
        waiting = []
        for back in self._returns(rows):
            if back.status == "requested":
                waiting.append(back)
            else:
                self.forget(_review_key(back))
        return waiting, cursor_of(str(page.next_key["sk"])) if page.next_key else None

    def due(self, now: datetime) -> Iterator[str]:
        """Yield the returns that time may have done something to."""
        for key in due_heads(self.table, now):
            yield key.sk.removeprefix("RETURN#")

    # --- what is heard ------------------------------------------------------------------------

    def park_event(self, order_id: str, event_id: str, event: str, now: datetime) -> None:
        """Keep an event until its order is known."""
        self.table.put(
            {
                "pk": book_key(order_id).pk,
                "sk": f"PARKED#{event_id}",
                "event": event,
                "ttl": int((now + _PARKED).timestamp()),
            }
        )

    def parked_events(self, order_id: str) -> list[tuple[Key, str]]:
        def read(start: Item | None) -> Page:
            return self.table.query(
                "pk = :pk AND begins_with(sk, :parked)",
                {":pk": book_key(order_id).pk, ":parked": "PARKED#"},
                start=start,
            )

        return [
            (Key(str(item["pk"]), str(item["sk"])), str(item["event"]))
            for item in every_page(read, _MAX_PAGES)
        ]

    def forget(self, key: Key) -> None:
        self.table.delete(key)

    def keep_redemption(self, redemption: Redemption) -> list[str]:
        """Keep what a redemption took; return the orders that it is known to have paid for."""
        pk = f"REDEMPTION#{redemption.id}"
        self.table.put({"pk": pk, "sk": "CAPTURED", "redemption": redemption.model_dump_json()})
        page = self.table.query(
            "pk = :pk AND begins_with(sk, :orders)", {":pk": pk, ":orders": "ORDER#"}
        )
        return [str(item["sk"]).removeprefix("ORDER#") for item in page.items]

    def redemption_for(self, redemption_id: str, order_id: str) -> Redemption | None:
        """Say that an order was paid with a redemption; return what is known of that."""
        pk = f"REDEMPTION#{redemption_id}"
        self.table.put({"pk": pk, "sk": f"ORDER#{order_id}"})
        (item,) = self.table.get(Key(pk, "CAPTURED"))
        return Redemption.model_validate_json(str(item["redemption"])) if item else None

    # --- people -------------------------------------------------------------------------------

    def contact_claims(self, book: Book) -> list[Claim]:
        """Return the items by which an order is found without its receipt."""
        return [Claim(_contact_item(contact, book)) for contact in book.contacts]

    def forget_contacts(self, book: Book) -> None:
        for contact in book.contacts:
            item = _contact_item(contact, book)
            self.table.delete(Key(str(item["pk"]), str(item["sk"])))

    def keep_customer(self, customer_id: str, contacts: Iterable[str]) -> None:
        """Say by which contacts a customer is known."""
        for contact in contacts:
            pk = f"CONTACT#{contact}"
            self.table.put({"pk": pk, "sk": "CUSTOMER", "customer_id": customer_id})

    def find_orders(self, contact: str) -> tuple[str | None, list[str]]:
        """Return the customer whose contact it is, and the orders that name it, newest first."""
        pk = f"CONTACT#{contact}"
        page = self.table.query(
            "pk = :pk AND begins_with(sk, :books)",
            {":pk": pk, ":books": "BOOK#"},
            newest_first=True,
            limit=_BOOKS_FOUND,
        )
        (customer,) = self.table.get(Key(pk, "CUSTOMER"))
        orders = [str(item["sk"]).rpartition("#")[2] for item in page.items]
        return str(customer["customer_id"]) if customer else None, orders

    def orders_of(self, customer_id: str) -> list[str]:
        """Return a customer's newest orders."""
        rows = self._book_rows(customer_id, _BOOKS_FOUND)
        return [str(row["pk"]).removeprefix("BOOK#") for row in rows]

    def books(self, order_ids: Sequence[str]) -> list[Book]:
        """Read books, a hundred a call; those that do not exist are left out."""
        ids = list(dict.fromkeys(order_ids))
        found = []
        for start in range(0, len(ids), _BATCH_KEYS):
            batch = ids[start : start + _BATCH_KEYS]
            for order_id, item in zip(batch, self.table.get(*map(book_key, batch)), strict=True):
                head = head_of(book_key(order_id), order_id, item)
                if head.version:
                    found.append(Book.model_validate_json(head.state))
        return found

    def _book_rows(self, customer_id: str, limit: int) -> list[Item]:
        page = self.table.query(
            "customer = :customer",
            {":customer": f"BOOK#{customer_id}"},
            index="customer",
            newest_first=True,
            limit=limit,
        )
        return page.items

    def signals(self, customer_id: str, since: datetime) -> Signals:
        """Return what a customer has bought and returned lately, by their newest hundred orders."""
        rows = [
            row
            for row in self._book_rows(customer_id, _BOOKS_OF_CUSTOMER)
            if str(row["placed_at"]) >= rfc3339(since)
        ]
        recent = [
            RecentReturn.model_validate(told)
            for row in rows
            for told in json.loads(str(row.get("history", "[]")))
        ]
        recent.sort(key=lambda one: one.at)
        return Signals(
            orders=len(rows),
            units_bought=sum(int(row["units"]) for row in rows),
            units_returned=sum(int(row["returned"]) for row in rows),
            recent_returns=tuple(recent[-_RECENT:]),
        )

    def keep_tier(self, customer_id: str, tier: str | None) -> None:
        item: Item = {"pk": f"CUSTOMER#{customer_id}", "sk": "TIER"}
        self.table.put({**item, "tier": tier} if tier else item)

    def tier_of(self, customer_id: str) -> str | None:
        (item,) = self.table.get(Key(f"CUSTOMER#{customer_id}", "TIER"))
        return str(item["tier"]) if item and "tier" in item else None

    # --- quotes -------------------------------------------------------------------------------

    def quote(self, quote_id: str) -> Quote:
        """Raises QuoteNotFound."""
        (item,) = self.table.get(quote_key(quote_id))
        if item is None:
            raise QuoteNotFound(f"There is no quote {quote_id}")
        return _quote_of(item)

    def quotes(self, quote_ids: Sequence[str]) -> list[Quote]:
        """Read up to 100 quotes in one call."""
        items = self.table.get(*map(quote_key, quote_ids)) if quote_ids else []
        return [_quote_of(item) for item in items if item]

    def keep_quote(self, quote: Quote, origin: Origin) -> bool:
        """Keep a quote; return False when the same request has got one meanwhile."""
        return self.table.put_new(
            {
                **quote_key(quote.quote_id)._asdict(),
                "request": origin.request,
                "state": _deflate(quote.model_dump_json(exclude_defaults=True)),
            }
        )

    def creation_claim(self, origin: Origin, created: str) -> Claim:
        """Return the claim of a caller's key for what it creates."""
        return Claim(
            {
                **creation_key(origin.callers_key)._asdict(),
                "request": origin.request,
                "created": created,
            },
            IdempotencyKeyReused,
        )

    def keep_creation(self, origin: Origin, created: str) -> bool:
        """Say what a caller's key has found; return False when it has found something before."""
        return self.table.put_new(dict(self.creation_claim(origin, created).item))

    # --- addresses for labels -----------------------------------------------------------------

    def address_claim(self, back: Return, address: Address, now: datetime) -> Claim:
        """Return the item that keeps an address until its label is made."""
        return Claim(
            {
                "pk": book_key(back.order_id).pk,
                "sk": f"ADDRESS#{back.return_id}",
                "address": address.model_dump_json(),
                "ttl": int((now + _LABEL).timestamp()),
            }
        )

    def address_of(self, back: Return) -> Address | None:
        (item,) = self.table.get(Key(book_key(back.order_id).pk, f"ADDRESS#{back.return_id}"))
        return Address.model_validate_json(str(item["address"])) if item else None

    def label_claim(self, back: Return, url: str, now: datetime) -> Claim:
        return Claim(
            {
                **_label_key(back)._asdict(),
                "url": url,
                "ttl": int((now + _LABEL).timestamp()),
            }
        )

    def label_url(self, back: Return) -> str | None:
        (item,) = self.table.get(_label_key(back))
        return str(item["url"]) if item else None

    def forget_address(self, back: Return) -> None:
        self.table.delete(Key(book_key(back.order_id).pk, f"ADDRESS#{back.return_id}"))

    def forget_label(self, back: Return) -> None:
        self.table.delete(_label_key(back))

    def entries(self, order_id: str) -> list[Entry]:
        """Return a book's journal, oldest first."""
        return self._entries(book_key(order_id).pk)

    def _entries(self, pk: str) -> list[Entry]:
        def read(start: Item | None) -> Page:
            return self.table.query("pk = :pk", {":pk": pk}, start=start)

        found = [entry_of(item) for item in every_page(read, _MAX_PAGES) if "seq" in item]
        return sorted(found, key=lambda entry: entry.seq)

    # --- policies -----------------------------------------------------------------------------

    def policy_head(self, policy_id: str) -> tuple[Head, PolicyVersions | None]:
        """Return a policy as it is. The default one exists before anybody has published it."""
        (item,) = self.table.get(policy_key(policy_id))
        # Events are named by their subject, and a policy may be called as an order is.
        head = head_of(policy_key(policy_id), f"pol_{policy_id}", item)
        return head, _versions(policy_id, head)

    def policy_for(self, source: str, placed_at: datetime) -> Policy:
        """Return the policy that was in force for an order: the one named as its source, where
        there is such a one, else the default one."""
        ids = list(dict.fromkeys((source, DEFAULT_POLICY_ID)))
        items = self.table.get(*map(policy_key, ids))
        for policy_id, item in zip(ids, items, strict=True):
            known = _versions(policy_id, head_of(policy_key(policy_id), policy_id, item))
            version = known.version_at(placed_at) if known else None
            if known and version is not None:
                current = known.current
                same = version == current.version
                return current if same else self.policy(f"{policy_id}@{version}")
        return DEFAULT_POLICY

    def policy(self, pin: str) -> Policy:
        """Return a version of a policy, read once. Raises PolicyNotFound."""
        if pin == DEFAULT_POLICY.pin:
            return DEFAULT_POLICY
        known = self._policies.get(pin)
        if known is None:
            policy_id, _, version = pin.partition("@")
            (item,) = self.table.get(version_key(policy_id, int(version)))
            if item is None:
                raise PolicyNotFound(f"There is no policy {pin}")
            known = Policy.model_validate_json(entry_of(item).data)
            self._policies[pin] = known
        return known

    def append_policy(
        self, head: Head, versions: PolicyVersions, origin: Origin, now: datetime
    ) -> Entry:
        policy = versions.current
        key = version_key(policy.id, policy.version)
        kept = versions.model_copy(update={"published": versions.published[-_VERSIONS_KEPT:]})
        (entry,) = self.journal.append(
            head,
            kept.model_dump_json(),
            [Fact(key, "policy.published", policy.model_dump_json())],
            origin,
            now,
            answer=key,
        )
        return entry

    # --- withdrawals --------------------------------------------------------------------------

    def load_withdrawal(self, withdrawal_id: str) -> tuple[Head, Withdrawal | None]:
        (item,) = self.table.get(withdrawal_key(withdrawal_id))
        head = head_of(withdrawal_key(withdrawal_id), withdrawal_id, item)
        return head, Withdrawal.model_validate_json(head.state) if head.version else None

    def forget_declarer(self, withdrawal_id: str) -> None:
        """Remove who declared a withdrawal; what was declared and when stays. Raises LostRace."""
        head, known = self.load_withdrawal(withdrawal_id)
        if known:
            impersonal = known.impersonal.model_dump_json(exclude_defaults=True)
            self.journal.reindex(replace(head, state=impersonal), head.indexes)
            self.journal.erase_private(self._entries(head.key.pk))

    def append_withdrawal(
        self,
        head: Head,
        withdrawal: Withdrawal,
        fact: WithdrawalFact,
        origin: Origin,
        now: datetime,
    ) -> Entry:
        key = Key(head.key.pk, fact.type.rpartition(".")[2].upper())
        (entry,) = self.journal.append(
            head,
            withdrawal.model_dump_json(exclude_defaults=True),
            [Fact(key, fact.type, fact.document(), fact.private_document())],
            origin,
            now,
            answer=key,
        )
        return entry


def answered_in(entry: Entry) -> Answered:
    """Return what a command was answered."""
    return Answered.model_validate_json(entry.snapshot)


def _versions(policy_id: str, head: Head) -> PolicyVersions | None:
    first = (DEFAULT_POLICY.version, rfc3339(DEFAULT_POLICY.published_at))
    if head.version:
        known = PolicyVersions.model_validate_json(head.state)
        if policy_id != DEFAULT_POLICY_ID:
            return known
        return known.model_copy(update={"published": (first, *known.published)})
    if policy_id == DEFAULT_POLICY_ID:
        return PolicyVersions(current=DEFAULT_POLICY, published=(first,))
    return None


def _facts(head: Head, draft: Draft, answer: Key | None) -> list[Fact]:
    """Give facts their keys: the first one that of its answer, the others their numbers."""
    return [
        Fact(
            key=(number == 1 and answer) or Key(head.key.pk, f"SEQ#{head.version + number}"),
            type=fact.type,
            data=fact.document(),
            private=fact.private_document(),
        )
        for number, fact in enumerate(draft.facts, start=1)
    ]


def _return_item(back: Return) -> Item:
    requested_at = rfc3339(back.requested_at)
    due_at = back.due_at
    item: Item = {
        **return_key(back.order_id, back.return_id)._asdict(),
        "state": _deflate(back.model_dump_json(exclude_defaults=True)),
        "day": requested_at[:10],
        "at": requested_at,
        **due_attributes(back.return_id, rfc3339(due_at) if due_at else ""),
    }
    if back.customer_id:
        item |= {"customer": back.customer_id, "placed_at": requested_at}
    return item


def _return_of(item: Item) -> Return:
    return Return.model_validate_json(_inflate(item["state"]))


def repeated_quote(item: Item, origin: Origin) -> Quote:
    """Return the quote that a request got before. Raises IdempotencyKeyReused for another one."""
    if item["request"] != origin.request:
        raise IdempotencyKeyReused
    return _quote_of(item)


def _quote_of(item: Item) -> Quote:
    return Quote.model_validate_json(_inflate(item["state"]))


def _book_index(book: Book) -> dict[str, Value]:
    if book.customer_id is None:
        return {}
    history = [one.model_dump(mode="json") for one in book.history]
    return {
        "customer": f"BOOK#{book.customer_id}",
        "placed_at": rfc3339(book.placed_at),
        "units": sum(line.quantity - line.cancelled for line in book.lines),
        "returned": sum(line.held + line.elsewhere for line in book.lines),
        **({"history": json.dumps(history)} if history else {}),
    }


def _contact_item(contact: str, book: Book) -> Item:
    return {"pk": f"CONTACT#{contact}", "sk": f"BOOK#{rfc3339(book.placed_at)}#{book.order_id}"}


def _review_key(back: Return) -> Key:
    return Key("REVIEW", f"{rfc3339(back.requested_at)}#{back.return_id}")


def _label_key(back: Return) -> Key:
    return Key(book_key(back.order_id).pk, f"LABEL#{back.return_id}")


def _deflate(document: str) -> bytes:
    return zlib.compress(document.encode(), wbits=-zlib.MAX_WBITS)


def _inflate(value: Value) -> str:
    assert isinstance(value, bytes)  # noqa: S101  written by _deflate
    return zlib.decompress(value, wbits=-zlib.MAX_WBITS).decode()


@lru_cache(maxsize=1)
def store() -> Store:
    """Return the process's store."""
    return Store(Table(service_settings().table))
