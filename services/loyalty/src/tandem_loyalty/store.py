"""Where loyalty keeps things: every key, condition and item of the service.

| what                              | pk                    | sk                | read by         |
|-----------------------------------|-----------------------|-------------------|-----------------|
| account head                      | ACC#<account>         | HEAD              | every call      |
| identifiers (personal data)       | ACC#<account>         | PROFILE           | account, search |
| entry: enrolment                  | ACC#<account>         | ENROLLED          | enrol again     |
| entry: adjustment                 | ACC#<account>         | KEY#<key>         | adjust again    |
| entry: action                     | ACC#<account>         | ACTION#<type>#<r> | earn            |
| entry: what time has done         | ACC#<account>         | SEQ#<seq>         | ledger          |
| entry: order has earned           | ORDER#<order>         | EARNED            | earn, return    |
| entry: order's points taken back  | ORDER#<order>         | REVERSED#<id>     | returns         |
| event that came before its order  | ORDER#<order>         | PARKED#<event>    | after it earned |
| entry: hold                       | RDM#<redemption>      | AUTHORIZED        | authorize again |
| entry: captured, voided, lapsed   | RDM#<redemption>      | CLOSED            | capture, void   |
| entry: reversal                   | RDM#<redemption>      | REVERSED#<id>     | reverse         |
| claim: identifier -> account      | CLAIM#<type>#<hash>   | <program>         | search, enrol   |
| order of a guest                  | GUEST#<type>#<hash>   | ORDER#<order>     | enrolment       |
| program head                      | PROGRAM#<program>     | HEAD              | put             |
| entry: version of a program       | PROGRAM#<program>     | VERSION#<n>       | first use       |
| current version, several copies   | PROGRAM#<program>#<k> | CURRENT           | every call      |

Index `ledger` (subject, at): the entries of one account, newest first. Index `due` (due_shard,
due_at): heads with something to announce. An order earns in its own partition, so it earns once,
whichever account or channel reports it.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from pydantic import TypeAdapter

from tandem_core.clock import rfc3339
from tandem_core.due import due_attributes, due_heads
from tandem_core.identifiers import Identifier
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
from tandem_core.problems import Conflict, Missing, invalid_field
from tandem_core.settings import service_settings
from tandem_core.table import Item, Key, Page, Table, Value, every_page
from tandem_loyalty.facts import (
    PROGRAM_PUBLISHED,
    AccountEnrolled,
    AccountFact,
    Accrued,
    PointsReversed,
    RedemptionExpired,
    fact_of,
)
from tandem_loyalty.ledger import Draft, due_at, fold
from tandem_loyalty.points import Account
from tandem_loyalty.programs import (
    DEFAULT_PROGRAM,
    DEFAULT_PROGRAM_ID,
    Program,
)
from tandem_loyalty.purchases import Purchase

SNAPSHOT_EVERY = 32
POINTER_COPIES = 8
GUEST_DAYS = 180
# Longer than a guest's purchase is kept, so that what has happened to it is not forgotten first.
PARKED_DAYS = 400
_MAX_PAGES = 50
_END_OF_TIME = "9999"
_IDENTIFIERS = TypeAdapter(tuple[Identifier, ...])


class AccountNotFound(Missing):
    code, title = "ACCOUNT_NOT_FOUND", "There is no such account"


class ProgramNotFound(Missing):
    code, title = "PROGRAM_NOT_FOUND", "There is no such program"


class AlreadyEnrolled(Conflict):
    code, title = "ALREADY_ENROLLED", "An identifier belongs to another account already"


class Loaded(NamedTuple):
    """An account with its program, and the items that were asked for beside it."""

    head: Head
    account: Account
    program: Program
    items: list[Item | None]


class Stored(NamedTuple):
    """A journal entry with its fact."""

    entry: Entry
    fact: AccountFact


def account_key(account_id: str) -> Key:
    return Key(f"ACC#{account_id}", "HEAD")


def enrolled_key(account_id: str) -> Key:
    return Key(f"ACC#{account_id}", "ENROLLED")


def adjusted_key(account_id: str, callers_key: str) -> Key:
    return Key(f"ACC#{account_id}", f"KEY#{_digest(callers_key)}")


def action_key(account_id: str, action: str, reference: str) -> Key:
    return Key(f"ACC#{account_id}", f"ACTION#{action}#{reference}")


def earned_key(order_id: str) -> Key:
    return Key(f"ORDER#{order_id}", "EARNED")


def reversed_key(order_id: str, reversal_id: str) -> Key:
    return Key(f"ORDER#{order_id}", f"REVERSED#{reversal_id}")


def authorized_key(redemption_id: str) -> Key:
    return Key(f"RDM#{redemption_id}", "AUTHORIZED")


def closed_key(redemption_id: str) -> Key:
    return Key(f"RDM#{redemption_id}", "CLOSED")


def redemption_reversed_key(redemption_id: str, reversal_id: str) -> Key:
    return Key(f"RDM#{redemption_id}", f"REVERSED#{_digest(reversal_id)}")


def program_key(program_id: str) -> Key:
    return Key(f"PROGRAM#{program_id}", "HEAD")


def version_key(program_id: str, version: int) -> Key:
    return Key(f"PROGRAM#{program_id}", f"VERSION#{version}")


def pointer_key(program_id: str, copy: int) -> Key:
    return Key(f"PROGRAM#{program_id}#{copy}", "CURRENT")


def _digest(value: str) -> str:
    """Keep personal data out of keys, which show up in logs and metrics."""
    return hashlib.sha256(value.encode()).hexdigest()[:40]


def _shard(name: str, shards: int) -> int:
    return zlib.crc32(name.encode()) % shards


class Store:
    """The loyalty table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.journal = Journal(table)
        self._programs: dict[tuple[str, int], Program] = {}

    # --- accounts -----------------------------------------------------------------------------

    def load(self, account_id: str, *keys: Key) -> Loaded:
        """Read an account, its program and the items of `keys` in one call.

        A second call is needed for a program that is not the default one, and a third, once per
        process, for a version not seen before. Raises AccountNotFound.
        """
        head_key = account_key(account_id)
        pointer = pointer_key(DEFAULT_PROGRAM_ID, _shard(account_id, POINTER_COPIES))
        item, pointed, *found = self.table.get(head_key, pointer, *keys)
        if item is None:
            raise AccountNotFound(f"There is no account {account_id}")
        head = head_of(head_key, account_id, item)
        account = Account.model_validate_json(head.state)
        if account.program_id == DEFAULT_PROGRAM_ID:
            program = self._pointed_program(DEFAULT_PROGRAM_ID, pointed)
        else:
            program = self.program(account.program_id)
        return Loaded(head, account, program, found)

    def append(  # noqa: PLR0913  one call is one transaction
        self,
        head: Head,
        draft: Draft,
        origin: Origin,
        answer: tuple[AccountFact, Key] | None = None,
        *,
        claims: Sequence[Claim] = (),
        announced: bool = False,
    ) -> Stored | None:
        """Write the facts of a draft and the account after them; return the answer's entry.

        `answer` is the fact that the request asked for and its key; the others are what time has
        done. `announced` says that everything due has been announced, so the index `due` may look
        further ahead; other writes only ever bring it closer, which mostly costs nothing.
        """
        answer_fact, answer_key = answer or (None, None)
        facts = [
            Fact(
                answer_key
                if fact is answer_fact and answer_key
                else _key_of(fact, head.version + position),
                fact.type,
                fact.document(),
                fact.private_document(),
            )
            for position, fact in enumerate(draft.facts, start=1)
        ]
        entries = self.journal.append(
            head,
            draft.account.model_dump_json(exclude_defaults=True),
            facts,
            origin,
            draft.now,
            answer=answer_key,
            indexes=_due_index(head, draft, announced=announced),
            claims=claims,
            snapshot_every=SNAPSHOT_EVERY,
        )
        for entry, fact in zip(entries, draft.facts, strict=True):
            if fact is answer_fact:
                return Stored(entry, fact)
        return None

    def stored(self, key: Key) -> Entry | None:
        (item,) = self.table.get(key)
        return entry_of(item) if item else None

    def load_with_identifiers(self, account_id: str) -> tuple[Loaded, tuple[Identifier, ...]]:
        """Read an account and what its member is recognised by.

        Identifiers live apart from the books, so that they can be erased.
        """
        loaded = self.load(account_id, _profile_key(account_id))
        (profile,) = loaded.items
        if profile is None:
            return loaded, ()
        return loaded, _IDENTIFIERS.validate_json(str(profile["identifiers"]))

    def enrolment(
        self,
        account_id: str,
        program_id: str,
        customer_id: str | None,
        identifiers: Sequence[Identifier],
    ) -> list[Claim]:
        """Return the claims of an enrolment: the profile, and each identifier for this account."""
        profile = {
            **_profile_key(account_id)._asdict(),
            "identifiers": _IDENTIFIERS.dump_json(tuple(identifiers)).decode(),
        }

        def taken(kind: str) -> Callable[[], AlreadyEnrolled]:
            return lambda: AlreadyEnrolled(
                f"This {kind} belongs to another account", identifier=kind
            )

        claims = [Claim(profile)]
        for kind, value in _names(customer_id, identifiers):
            item = {"pk": _claim(kind, value), "sk": program_id, "account_id": account_id}
            claims.append(Claim(item, taken(kind)))
        return claims

    def accounts_named(self, kind: str, value: str) -> list[str]:
        """Return the accounts, one per program, that an identifier or a customer id belongs to."""
        page = self.table.query("pk = :pk", {":pk": _claim(kind, value)}, limit=20)
        return [str(item["account_id"]) for item in page.items]

    def account_of(self, customer_id: str | None, identifiers: Sequence[Identifier]) -> str | None:
        """Return the account a customer is known by: by customer id before contacts, and of several
        programs in the default one."""
        for kind, value in _names(customer_id, identifiers):
            page = self.table.query("pk = :pk", {":pk": _claim(kind, value)}, limit=20)
            found = {str(item["sk"]): str(item["account_id"]) for item in page.items}
            if found:
                return found.get(DEFAULT_PROGRAM_ID) or found[min(found)]
        return None

    # --- the ledger ---------------------------------------------------------------------------

    def ledger(
        self, account_id: str, limit: int, cursor: str | None
    ) -> tuple[list[Stored], str | None]:
        """Return a page of an account's entries, newest first, and where the next one starts.

        No two entries of an account are recorded at the same instant, so that is the cursor.
        """
        page = self.table.query_page(
            "subject = :subject AND #at < :before",
            {":subject": account_id, ":before": _instant_of(cursor) if cursor else _END_OF_TIME},
            names={"#at": "at"},
            index="ledger",
            newest_first=True,
            limit=limit,
        )
        return [_stored(item) for item in page.items], _cursor_of(page.next_key)

    def account_at(self, account_id: str, instant: datetime) -> Account | None:
        """Return the account as it was recorded at an instant, or None before it existed.

        Reads back to the last snapshot only, so the cost does not grow with history.
        """
        later: list[AccountFact] = []
        pages = every_page(
            lambda start: self.table.query(
                "subject = :subject AND #at <= :at",
                {":subject": account_id, ":at": rfc3339(instant)},
                names={"#at": "at"},
                index="ledger",
                newest_first=True,
                limit=SNAPSHOT_EVERY,
                start=start,
            ),
            _MAX_PAGES,
        )
        for item in pages:
            stored = _stored(item)
            if stored.entry.snapshot:
                return fold(Account.model_validate_json(stored.entry.snapshot), reversed(later))
            if isinstance(stored.fact, AccountEnrolled):
                return fold(new_account(stored.fact), reversed(later))
            later.append(stored.fact)
        if later:
            raise RuntimeError(f"{account_id} has no snapshot before {rfc3339(instant)}")
        return None

    def order_history(self, order_id: str) -> tuple[Accrued, list[PointsReversed]]:
        """Return what an order has earned, and what was taken back of it. It must have earned."""
        items = self._partition(earned_key(order_id).pk)
        facts = [_stored(item).fact for item in items if "seq" in item]
        earned = next(fact for fact in facts if isinstance(fact, Accrued))
        return earned, [fact for fact in facts if isinstance(fact, PointsReversed)]

    def redemption_history(self, redemption_id: str) -> list[Stored]:
        """Return the entries of one redemption in the order of the journal."""
        items = self._partition(authorized_key(redemption_id).pk)
        return sorted((_stored(item) for item in items), key=lambda stored: stored.entry.seq)

    def _partition(self, pk: str) -> list[Item]:
        def read(start: Item | None) -> Page:
            return self.table.query("pk = :pk", {":pk": pk}, start=start)

        return list(every_page(read, _MAX_PAGES))

    def due(self, now: datetime) -> Iterator[str]:
        """Yield the accounts that may have something to announce."""
        for key in due_heads(self.table, now):
            yield key.pk.removeprefix("ACC#")

    def nothing_due(self, head: Head, draft: Draft) -> None:
        """Move an account on in the index `due`: what it waited for there was undone."""
        indexes = _due_index(head, draft, announced=True)
        if indexes != head.indexes:
            self.journal.reindex(head, indexes)

    # --- what came too early ------------------------------------------------------------------

    def park_event(self, order_id: str, event_id: str, event: str, now: datetime) -> None:
        """Keep an event until its order has earned."""
        ttl = int(now.timestamp()) + PARKED_DAYS * 86_400
        pk = earned_key(order_id).pk
        self.table.put({"pk": pk, "sk": f"PARKED#{event_id}", "event": event, "ttl": ttl})

    def parked_events(self, order_id: str) -> Iterator[tuple[Key, str]]:
        for item in self._partition(earned_key(order_id).pk):
            if "event" in item:
                yield Key(str(item["pk"]), str(item["sk"])), str(item["event"])

    def park_purchase(
        self,
        customer_id: str | None,
        identifiers: Sequence[Identifier],
        purchase: Purchase,
        now: datetime,
    ) -> None:
        """Keep a guest's purchase under each name, for the day the guest enrols."""
        ttl = int(now.timestamp()) + GUEST_DAYS * 86_400
        document = purchase.model_dump_json(exclude_none=True)
        for kind, value in _names(customer_id, identifiers):
            key = Key(_guest(kind, value), f"ORDER#{purchase.order_id}")
            self.table.put({**key._asdict(), "purchase": document, "ttl": ttl})

    def parked_purchases(
        self, customer_id: str | None, identifiers: Sequence[Identifier]
    ) -> Iterator[tuple[Key, Purchase]]:
        for kind, value in _names(customer_id, identifiers):
            for item in self._partition(_guest(kind, value)):
                purchase = Purchase.model_validate_json(str(item["purchase"]))
                yield Key(str(item["pk"]), str(item["sk"])), purchase

    def forget(self, key: Key) -> None:
        """Drop something that was kept for later and has been dealt with."""
        self.table.delete(key)

    # --- programs -----------------------------------------------------------------------------

    def program_head(self, program_id: str) -> tuple[Head, Program | None]:
        """Return a program as it is. The default program exists before anybody has written it."""
        key = program_key(program_id)
        (item,) = self.table.get(key)
        head = head_of(key, program_id, item)
        if item:
            return head, Program.model_validate_json(head.state)
        return head, DEFAULT_PROGRAM if program_id == DEFAULT_PROGRAM_ID else None

    def program(self, program_id: str, version: int | None = None) -> Program:
        """Return a version of a program, the current one by default. Raises ProgramNotFound."""
        if version is None:
            (pointed,) = self.table.get(pointer_key(program_id, 0))
            return self._pointed_program(program_id, pointed)
        if (program_id, version) == (DEFAULT_PROGRAM_ID, DEFAULT_PROGRAM.version):
            return DEFAULT_PROGRAM
        known = self._programs.get((program_id, version))
        if known is None:
            entry = self.stored(version_key(program_id, version))
            if entry is None:
                raise ProgramNotFound(f"There is no version {version} of {program_id}")
            known = Program.model_validate_json(entry.data)
            self._programs[program_id, version] = known
        return known

    def pinned_program(self, fact: AccountFact) -> Program:
        """Return the program version that decided a fact."""
        program_id, _, version = fact.program.partition("@")
        return self.program(program_id, int(version))

    def publish_program(self, head: Head, program: Program, origin: Origin, now: datetime) -> None:
        """Write a new version, and point every copy of the pointer at it."""
        document = program.model_dump_json()
        key = version_key(program.id, program.version)
        claims = [
            Claim({**pointer_key(program.id, copy)._asdict(), "current": program.version})
            for copy in range(POINTER_COPIES)
        ]
        self.journal.append(
            head,
            document,
            [Fact(key, PROGRAM_PUBLISHED, document)],
            origin,
            now,
            answer=key,
            claims=claims,
        )

    def _pointed_program(self, program_id: str, pointed: Item | None) -> Program:
        if pointed is not None:
            return self.program(program_id, int(pointed["current"]))
        if program_id == DEFAULT_PROGRAM_ID:
            return DEFAULT_PROGRAM
        raise ProgramNotFound(f"There is no program {program_id}")


def new_account(fact: AccountEnrolled) -> Account:
    """Return the account that an enrolment begins."""
    return Account(
        program_id=fact.program.partition("@")[0],
        customer_id=fact.customer_id,
        enrolled_at=fact.occurred_at,
    )


def _key_of(fact: AccountFact, seq: int) -> Key:
    """Return the key of a fact that nobody asked for: a lapsed hold closes its redemption, the rest
    is known by its number."""
    if isinstance(fact, RedemptionExpired):
        return closed_key(fact.redemption.id)
    return Key(f"ACC#{fact.account_id}", f"SEQ#{seq}")


def _due_index(head: Head, draft: Draft, *, announced: bool) -> dict[str, Value]:
    due = due_at(draft.account, draft.program)
    text = rfc3339(due) if due else ""
    known = str(head.indexes.get("due_at", ""))
    if known and not announced:
        text = min(known, text) if text else known
    return due_attributes(head.subject, text)


def _stored(item: Item) -> Stored:
    entry = entry_of(item)
    return Stored(entry, fact_of(entry.type, entry.data))


def _profile_key(account_id: str) -> Key:
    return Key(f"ACC#{account_id}", "PROFILE")


def _names(customer_id: str | None, identifiers: Sequence[Identifier]) -> Iterator[tuple[str, str]]:
    if customer_id is not None:
        yield "customer", customer_id
    for one in identifiers:
        yield one.type, one.value


def _claim(kind: str, value: str) -> str:
    return f"CLAIM#{kind}#{_digest(value)}"


def _guest(kind: str, value: str) -> str:
    return f"GUEST#{kind}#{_digest(value)}"


def _cursor_of(key: Item | None) -> str | None:
    if key is None:
        return None
    return base64.urlsafe_b64encode(str(key["at"]).encode()).decode()


def _instant_of(cursor: str) -> str:
    """Read a cursor that this service gave. Raises a problem for anything else."""
    try:
        at = base64.urlsafe_b64decode(cursor.encode()).decode()
        if rfc3339(datetime.fromisoformat(at)) == at:
            return at
    except ValueError:
        pass
    raise invalid_field("cursor", "INVALID_VALUE", "is not a cursor of this list")


@lru_cache(maxsize=1)
def store() -> Store:
    """Return the process's store, over the table that the environment names."""
    return Store(Table(service_settings().table))
