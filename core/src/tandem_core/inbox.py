"""The inbox of a service: messages of senders are kept first, answered at once, understood later.

| what                     | pk           | sk                     | read by         |
|--------------------------|--------------|------------------------|-----------------|
| message of a sender, raw | IN#<message> | MESSAGE                | who understands |
| message for staff to see | PARKED       | <received>#<message>   | staff           |

Index `inbox` (inbox_day, at): messages by sender and day. Keeps what came, byte for byte, and never
asks what it means.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from tandem_core.cursors import cursor_of, no_such_cursor, plain_cursor
from tandem_core.journal import Entry, Origin, chain_hash, entry_item
from tandem_core.problems import Missing, TooLarge
from tandem_core.table import Item, Key, Table

RAW_DAYS = 90
# A message waits longer than any sender keeps trying.
PARKED_DAYS = 90
# DynamoDB takes items of 400 KB; the rest is left for keys and headers.
MAX_DEFLATED_BYTES = 380_000


class MessageNotFound(Missing):
    code, title = "MESSAGE_NOT_FOUND", "There is no such message, or it is older than 90 days"


class Message(NamedTuple):
    """What a sender sent, as it came. `headers` are those that its meaning depends on."""

    id: str
    source: str
    topic: str
    received_at: str
    headers: Mapping[str, str]
    body: bytes
    ignored: bool


class Parked(NamedTuple):
    """A message that nobody could make sense of, or that somebody must act on, and why."""

    message_id: str
    source: str
    topic: str
    received_at: str
    reason: str


def message_key(message_id: str) -> Key:
    return Key(f"IN#{message_id}", "MESSAGE")


def _parked_key(message: Message) -> Key:
    return Key("PARKED", f"{message.received_at}#{message.id}")


class Inbox:
    """The messages in a service's table."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def receive(self, message: Message, now: datetime) -> bool:
        """Keep a message, in one write; return False when it is here already.

        The item is a journal entry, so that the relay tells the queue of it; one that is ignored is
        kept without being told. Raises TooLarge.
        """
        raw = zlib.compress(message.body, level=9, wbits=-zlib.MAX_WBITS)
        if len(raw) > MAX_DEFLATED_BYTES:
            raise TooLarge("The message cannot be kept even deflated")
        told = {"message_id": message.id, "source": message.source, "topic": message.topic}
        data = json.dumps(told)
        entry = Entry(
            key=message_key(message.id),
            subject=message.id,
            seq=1,
            type="webhook.received",
            at=message.received_at,
            data=data,
            origin=Origin(f"sender:{message.source}", "webhook"),
            previous=b"",
            hash=chain_hash(b"", message.id, 1, "webhook.received", message.received_at, data),
        )
        item: Item = {
            **entry_item(entry),
            "source": message.source,
            "topic": message.topic,
            "headers": json.dumps(dict(message.headers), separators=(",", ":")),
            "raw": raw,
            "inbox_day": f"{message.source}#{message.received_at[:10]}",
            "ttl": int((now + timedelta(days=RAW_DAYS)).timestamp()),
        }
        if message.ignored:
            del item["seq"]
        return self.table.put_new(item)

    def message(self, message_id: str) -> Message:
        """Raises MessageNotFound."""
        (item,) = self.table.get(message_key(message_id))
        if item is None:
            raise MessageNotFound(f"There is no message {message_id}")
        raw = item["raw"]
        assert isinstance(raw, bytes)  # noqa: S101  written by receive
        return Message(
            id=message_id,
            source=str(item["source"]),
            topic=str(item["topic"]),
            received_at=str(item["at"]),
            headers=json.loads(str(item["headers"])),
            body=zlib.decompress(raw, wbits=-zlib.MAX_WBITS),
            ignored="seq" not in item,
        )

    def messages(
        self, source: str, day: str, since: str, until: str, limit: int, cursor: str | None
    ) -> tuple[list[str], str | None]:
        """Return the ids of a day's messages of a sender between two instants, oldest first."""
        start: Item | None = None
        if cursor:
            at, _, message_id = plain_cursor(cursor).partition("#")
            if not since <= at <= until:
                raise no_such_cursor()
            start = {"inbox_day": f"{source}#{day}", "at": at, **message_key(message_id)._asdict()}
        page = self.table.query_page(
            "inbox_day = :day AND #at BETWEEN :since AND :until",
            {":day": f"{source}#{day}", ":since": since, ":until": until},
            names={"#at": "at"},
            index="inbox",
            limit=limit,
            start=start,
        )
        ids = [str(item["pk"]).removeprefix("IN#") for item in page.items]
        after = page.next_key
        if after is None:
            return ids, None
        return ids, cursor_of(str(after["at"]), str(after["pk"]).removeprefix("IN#"))

    def park(self, message: Message, reason: str, now: datetime) -> None:
        """Show a message to staff, with what is wrong with it."""
        self.table.put(
            {
                **_parked_key(message)._asdict(),
                "message_id": message.id,
                "source": message.source,
                "topic": message.topic,
                "received_at": message.received_at,
                "reason": reason,
                "ttl": int((now + timedelta(days=PARKED_DAYS)).timestamp()),
            }
        )

    def unpark(self, message: Message) -> None:
        self.table.delete(_parked_key(message))

    def parked(self, limit: int, cursor: str | None) -> tuple[list[Parked], str | None]:
        """Return a page of parked messages, newest first."""
        page = self.table.query_page(
            "pk = :pk AND sk < :before",
            {":pk": "PARKED", ":before": plain_cursor(cursor) if cursor else "9999"},
            newest_first=True,
            limit=limit,
        )
        found = [Parked(*(str(item[name]) for name in Parked._fields)) for item in page.items]
        return found, cursor_of(str(page.next_key["sk"])) if page.next_key else None
