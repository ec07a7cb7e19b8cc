"""The one write path: one decision, one transaction.

Each aggregate is a *head* (what is) and a *journal* (what happened), written together:

    head    pk, sk, version, at, hash, recent, state           condition: version unchanged
    entry   pk, sk, seq, type, subject, at, data, hash, ...     condition: no such key yet
    claims  pk, sk, ...                                         condition: no such key yet

An entry's key is the business fact it records ("this order accrued") or, where there is none, the
caller's idempotency key. So an entry is at once the audit trail, the idempotency record (for ever)
and the outbox: the table's stream carries it to the relay. Entries of one aggregate are numbered
without gaps and chained by hash. This module never decides anything and never reads the clock.

Documents (`state`, `data`) are stored deflated: each kilobyte of an item is paid for,
twice in a transaction. Hashes are over the text. See docs/decisions/0008-deflated-documents.md.

Personal data stand beside an entry's document, not in it (`private`): events carry them, the seal
does not, so they can be erased and the chain still holds. See docs/decisions/0009-private-data.md.

Every item of an aggregate is written here and nowhere else.
"""

from __future__ import annotations

import hashlib
import random
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from tandem_core.clock import MICROSECOND, rfc3339
from tandem_core.problems import Busy, IdempotencyKeyReused, Problem, TooLarge
from tandem_core.table import Item, Key, Put, Table, TransactionRefused, Value

_NEW = "attribute_not_exists(pk)"
_UNCHANGED = "version = :version"

_TRIES = 40
_FIRST_PAUSE_SECONDS = 0.01
_LONGEST_PAUSE_SECONDS = 0.4

_TRANSACTION_ITEMS = 100
# An event has 256 KiB on the bus, an item 400 KB; the rest is left for names and indexes.
_FACT_BYTES = 250_000
_STATE_BYTES = 390_000
_RECENT_KEYS = 16
_KEY_MARK, _FACT_MARK = 6, 4

# JSON escapes line ends within texts, so a bare one stands between documents.
_DOCUMENT_END = "\n"

T = TypeVar("T")


class LostRace(Exception):
    """Another writer changed the aggregate first. Load it again and decide again."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks for a change, from where, and how the request can be told from others.

    `request` is a hash of the request's meaning; `key` is the caller's idempotency key. Keys are
    the caller's own: two tills may well count from one.
    """

    actor: str
    channel: str
    key: str = ""
    request: bytes = b""
    causation_id: str = ""
    traceparent: str = ""
    expected_version: int | None = None

    @property
    def callers_key(self) -> str:
        """The key and whose it is, or "" without a key."""
        return f"{self.actor}#{self.key}" if self.key else ""


@dataclass(frozen=True, slots=True)
class Head:
    """What an aggregate is now. Version 0 is an aggregate that does not exist yet."""

    key: Key
    subject: str
    version: int = 0
    at: str = ""
    hash: bytes = b""
    recent: str = ""
    state: str = ""
    indexes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the decision says has happened: its key, its type and its JSON document.

    `private` is a JSON object of the personal data that belong to it, or "".
    """

    key: Key
    type: str
    data: str
    private: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal, as it is stored. `at` is when it was recorded."""

    key: Key
    subject: str
    seq: int
    type: str
    at: str
    data: str
    origin: Origin
    previous: bytes
    hash: bytes
    snapshot: str = ""
    private: str = ""

    @property
    def id(self) -> str:
        """The event's id: its subject and the position in the subject's journal."""
        return f"evt_{self.subject}_{self.seq}"


@dataclass(frozen=True, slots=True)
class Claim:
    """An item that may exist once, or (`taken` is None) one that is simply replaced.

    `taken` builds the refusal for a claim that somebody else holds.
    """

    item: Mapping[str, Value]
    taken: Callable[[], Problem] | None = None


def until_written(attempt: Callable[[], T], sleep: Callable[[float], None] = time.sleep) -> T:
    """Run load-decide-append until it is not overtaken. Raises Busy after some twelve seconds."""
    pause = _FIRST_PAUSE_SECONDS
    for _ in range(_TRIES):
        try:
            return attempt()
        except LostRace:
            sleep(random.uniform(0, pause))  # noqa: S311  jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
    raise Busy


def check_replay(entry: Entry, origin: Origin) -> None:
    """Accept a recorded entry as the answer to a repeated request.

    The same caller's key must come with the same request. Another key for the same business fact is
    another channel reporting it: it gets the first answer.
    """
    same_key = entry.origin.callers_key == origin.callers_key
    if same_key and entry.origin.request != origin.request:
        raise IdempotencyKeyReused


def check_key_unused(head: Head, origin: Origin, fact: Key) -> None:
    """Refuse a key that one of the aggregate's last writes used for another fact.

    Entries under an idempotency key are compared for ever; those under a business fact cannot be
    found by key, so the head remembers the last few. See docs/decisions/0004-idempotency.md.
    """
    if not origin.key:
        return
    mark, size = _mark(origin.callers_key, _KEY_MARK), _KEY_MARK + _FACT_MARK
    for start in range(0, len(head.recent), size):
        if head.recent.startswith(mark, start):
            if head.recent[start + _KEY_MARK : start + size] != _fact_mark(fact):
                raise IdempotencyKeyReused
            return


class Journal:
    """Heads and journals in one table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def append(  # noqa: PLR0913  one call is one transaction
        self,
        head: Head,
        state: str,
        facts: Sequence[Fact],
        origin: Origin,
        now: datetime,
        *,
        answer: Key | None = None,
        indexes: Mapping[str, Value] | None = None,
        claims: Sequence[Claim] = (),
        snapshot_every: int = 0,
        outcome: str = "",
    ) -> list[Entry]:
        """Write the new state, what happened and the claims, or nothing at all.

        `answer` is the key of the fact that the request asked for, when there is one. Facts beside
        it (what time alone has done) are recorded as the system's own. `outcome` is the document
        that the answer was made of, kept with its entry, where the fact alone does not tell it.

        Raises LostRace when the aggregate has moved on or an entry exists already (load again: it
        will be found), and a claim's refusal when that is taken. Raises TooLarge for what could be
        written and never published, or not at once: nobody could mend that afterwards. Times of one
        journal never go back, so a clock that is behind records its entries a microsecond after the
        last one.
        """
        _check_size(facts)
        entries = _chain(head, facts, origin, now, answer)
        if snapshot_every and entries[-1].seq // snapshot_every > head.version // snapshot_every:
            entries[-1] = replace(entries[-1], snapshot=state)
        if outcome:
            entries = [_answered(entry, answer, outcome) for entry in entries]
        last = entries[-1]
        after = replace(
            head,
            version=last.seq,
            at=last.at,
            hash=last.hash,
            recent=_remember(head.recent, origin, answer),
            state=state,
            indexes=head.indexes if indexes is None else indexes,
        )
        puts = [
            _unless_moved(head, after),
            *(Put(entry_item(entry), _NEW) for entry in entries),
            *(Put(claim.item, _NEW if claim.taken else None) for claim in claims),
        ]
        if len(puts) > _TRANSACTION_ITEMS:
            raise TooLarge(f"{len(puts)} things at once; at most {_TRANSACTION_ITEMS} can be kept")
        try:
            self.table.transact(puts)
        except TransactionRefused as refusal:
            first_claim = 1 + len(entries)
            if refusal.failed and min(refusal.failed) >= first_claim:
                taken = claims[min(refusal.failed) - first_claim].taken
                if taken:
                    raise taken() from refusal
            raise LostRace from refusal
        return entries

    def erase_private(self, entries: Sequence[Entry]) -> None:
        """Remove the personal data of entries; what happened stays, sealed as it was.

        Harmless when repeated. Raises LostRace when an entry is being written at this moment.
        """
        with_private = [entry for entry in entries if entry.private]
        for start in range(0, len(with_private), _TRANSACTION_ITEMS):
            chunk = with_private[start : start + _TRANSACTION_ITEMS]
            try:
                self.table.transact([Put(entry_item(replace(one, private=""))) for one in chunk])
            except TransactionRefused as refusal:
                raise LostRace from refusal

    def reindex(self, head: Head, indexes: Mapping[str, Value]) -> None:
        """Change where indexes find a head. Nothing has happened, so there is no entry and no new
        version. Raises LostRace."""
        try:
            self.table.transact([_unless_moved(head, replace(head, indexes=indexes))])
        except TransactionRefused as refusal:
            raise LostRace from refusal


def _answered(entry: Entry, answer: Key | None, outcome: str) -> Entry:
    return replace(entry, snapshot=outcome) if entry.key == answer else entry


def _check_size(facts: Sequence[Fact]) -> None:
    for fact in facts:
        # Characters have at most four bytes: most facts need not be counted.
        if 4 * (len(fact.data) + len(fact.private)) <= _FACT_BYTES:
            continue
        size = len(fact.data.encode()) + len(fact.private.encode())
        if size > _FACT_BYTES:
            raise TooLarge(f"{fact.type} has {size} bytes; at most {_FACT_BYTES} can be told")


def _unless_moved(before: Head, after: Head) -> Put:
    """Return the write of a head under the one condition that keeps writers apart."""
    state = _deflate(after.state)
    if len(state) > _STATE_BYTES:
        raise TooLarge(f"{after.subject} is too large to be kept")
    item = {
        **after.key._asdict(),
        "owner": after.subject,
        "version": after.version,
        "at": after.at,
        "hash": after.hash,
        "recent": after.recent,
        "state": state,
        **after.indexes,
    }
    if before.version:
        return Put(item, _UNCHANGED, {":version": before.version})
    return Put(item, _NEW)


def _chain(
    head: Head, facts: Sequence[Fact], origin: Origin, now: datetime, answer: Key | None
) -> list[Entry]:
    instant = now
    if head.at:
        instant = max(now, datetime.fromisoformat(head.at) + MICROSECOND)
    by_time = Origin("tandem", "system", causation_id=origin.causation_id)
    entries: list[Entry] = []
    previous = head.hash
    for position, fact in enumerate(facts):
        at = rfc3339(instant + position * MICROSECOND)
        seq = head.version + 1 + position
        digest = chain_hash(previous, head.subject, seq, fact.type, at, fact.data)
        entries.append(
            Entry(
                key=fact.key,
                subject=head.subject,
                seq=seq,
                type=fact.type,
                at=at,
                data=fact.data,
                origin=origin if fact.key == answer else by_time,
                previous=previous,
                hash=digest,
                private=fact.private,
            )
        )
        previous = digest
    return entries


def chain_hash(  # noqa: PLR0913  exactly what is sealed
    previous: bytes, subject: str, seq: int, kind: str, at: str, data: str
) -> bytes:
    """Seal an entry: SHA-256 over the hash before it and all that it says."""
    text = "\n".join((subject, str(seq), kind, at, data))
    return hashlib.sha256(previous + text.encode()).digest()


def verify_chain(entries: Sequence[Entry]) -> None:
    """Check a journal from its beginning, oldest first. Raises ValueError at the first break."""
    previous = b""
    for position, entry in enumerate(entries, start=1):
        sealed = chain_hash(previous, entry.subject, entry.seq, entry.type, entry.at, entry.data)
        if entry.seq != position or entry.previous != previous or entry.hash != sealed:
            raise ValueError(f"{entry.subject}: the journal is broken at entry {position}")
        previous = entry.hash


def head_of(key: Key, subject: str, item: Item | None) -> Head:
    """Read a head; an absent item is version 0."""
    if item is None:
        return Head(key, subject)
    known = {"pk", "sk", "owner", "version", "at", "hash", "recent", "state"}
    return Head(
        key=key,
        subject=str(item["owner"]),
        version=int(item["version"]),
        at=str(item["at"]),
        hash=bytes(item["hash"]),  # type: ignore[arg-type]
        recent=str(item.get("recent", "")),
        state=_inflate(item["state"]),
        indexes={name: value for name, value in item.items() if name not in known},
    )


def entry_item(entry: Entry) -> Item:
    """Return the item that stores an entry. What is empty is left out: every byte is paid for."""
    origin = entry.origin
    optional: Item = {
        "key": origin.key,
        "request": origin.request,
        "previous": entry.previous,
        "cause": origin.causation_id,
        "trace": origin.traceparent,
        "private": _deflate(entry.private) if entry.private else b"",
    }
    return {
        **entry.key._asdict(),
        "subject": entry.subject,
        "at": entry.at,
        "seq": entry.seq,
        "type": entry.type,
        "data": _deflate(*filter(None, (entry.data, entry.snapshot))),
        "hash": entry.hash,
        "actor": origin.actor,
        "channel": origin.channel,
        **{name: value for name, value in optional.items() if value},
    }


def entry_of(item: Item) -> Entry:
    """Read an entry from its item."""
    data, _, snapshot = _inflate(item["data"]).partition(_DOCUMENT_END)
    return Entry(
        key=Key(str(item["pk"]), str(item["sk"])),
        subject=str(item["subject"]),
        seq=int(item["seq"]),
        type=str(item["type"]),
        at=str(item["at"]),
        data=data,
        origin=Origin(
            actor=str(item["actor"]),
            channel=str(item["channel"]),
            key=str(item.get("key", "")),
            request=bytes(item.get("request", b"")),  # type: ignore[arg-type]
            causation_id=str(item.get("cause", "")),
            traceparent=str(item.get("trace", "")),
        ),
        previous=bytes(item.get("previous", b"")),  # type: ignore[arg-type]
        hash=bytes(item["hash"]),  # type: ignore[arg-type]
        snapshot=snapshot,
        private=_inflate(item["private"]) if "private" in item else "",
    )


def _deflate(*documents: str) -> bytes:
    """Deflate documents together: a snapshot repeats much of its entry and so takes little."""
    return zlib.compress(_DOCUMENT_END.join(documents).encode(), wbits=-zlib.MAX_WBITS)


def _inflate(value: Value) -> str:
    assert isinstance(value, bytes)  # noqa: S101  written by _deflate
    return zlib.decompress(value, wbits=-zlib.MAX_WBITS).decode()


def _remember(recent: str, origin: Origin, fact: Key | None) -> str:
    if not origin.key or fact is None:
        return recent
    kept = recent[-(_RECENT_KEYS - 1) * (_KEY_MARK + _FACT_MARK) :]
    return kept + _mark(origin.callers_key, _KEY_MARK) + _fact_mark(fact)


def _fact_mark(fact: Key) -> str:
    return _mark(f"{fact.pk}\n{fact.sk}", _FACT_MARK)


def _mark(text: str, length: int) -> str:
    """Return a short base-64 fingerprint; 36 bits tell the last keys of one aggregate apart."""
    return b64encode(hashlib.sha256(text.encode()).digest())[:length].decode()
