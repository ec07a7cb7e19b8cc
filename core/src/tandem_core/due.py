"""The index `due` (due_shard, due_at): heads that time does something to, found when it has.

A head is in it from the instant on that it names itself; sixteen shards keep a busy hour from being
one partition. Looking is never deciding: whoever finds a head loads it and asks what is due.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from tandem_core.clock import rfc3339
from tandem_core.table import Item, Key, Page, Table, Value, every_page

DUE_SHARDS = 16

_PAGE = 200
_MAX_PAGES = 50
_MILLISECONDS_TO_FINISH = 30_000

T = TypeVar("T")


def due_attributes(subject: str, due_at: str) -> dict[str, Value]:
    """Return where the index finds a head that is due at an instant (as `rfc3339` writes it); ""
    for one that is not due at all."""
    shard = zlib.crc32(subject.encode()) % DUE_SHARDS
    return {"due_shard": f"{shard:02d}", "due_at": due_at} if due_at else {}


def due_heads(table: Table, now: datetime) -> Iterator[Key]:
    """Yield the heads that may have become due, shard by shard, up to 10,000 of each."""
    for shard in range(DUE_SHARDS):
        yield from _of_shard(table, shard, now)


def _of_shard(table: Table, shard: int, now: datetime) -> Iterator[Key]:
    def read(start: Item | None) -> Page:
        return table.query(
            "due_shard = :shard AND due_at <= :now",
            {":shard": f"{shard:02d}", ":now": rfc3339(now)},
            index="due",
            limit=_PAGE,
            start=start,
        )

    for item in every_page(read, _MAX_PAGES):
        yield Key(str(item["pk"]), str(item["sk"]))


def while_there_is_time(items: Iterable[T], context: Any) -> Iterator[T]:
    """Yield items until Lambda's time for them runs out; the next run finds the rest."""
    for item in items:
        yield item
        if context and context.get_remaining_time_in_millis() < _MILLISECONDS_TO_FINISH:
            return
