"""From the journal to the bus: the table's stream, or a scan after an outage, to PutEvents.

The relay keeps nothing of its own. It may publish an entry more than once and never loses one:
whatever PutEvents did not take is reported back to the stream, which delivers it again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tandem_core.aws import make_client
from tandem_core.clock import rfc3339
from tandem_core.events import envelope_json
from tandem_core.journal import Entry, entry_of
from tandem_core.logs import logger
from tandem_core.settings import service_settings
from tandem_core.table import Item, Table

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
else:
    EventBridgeClient = Any

# PutEvents takes ten entries and 256 KiB a call; the rest is left for names and times.
_BATCH_ENTRIES = 10
_BATCH_BYTES = 240_000
_REPLAY_PAGES = 20


class Outbox:
    """Publishes the entries of one service. `source` is `tandem.<service>`."""

    def __init__(self, bus: str, source: str, client: EventBridgeClient | None = None) -> None:
        self.bus = bus
        self.source = source
        self._client = client

    def publish(self, entries: Sequence[Entry]) -> list[Entry]:
        """Put entries on the bus and return those that it did not take."""
        refused: list[Entry] = []
        for batch in _batches([(entry, envelope_json(self.source, entry)) for entry in entries]):
            answer = self._events().put_events(
                Entries=[
                    {
                        "EventBusName": self.bus,
                        "Source": self.source,
                        "DetailType": entry.type,
                        "Detail": detail,
                    }
                    for entry, detail in batch
                ]
            )
            if answer["FailedEntryCount"]:
                for (entry, _), result in zip(batch, answer["Entries"], strict=True):
                    if "ErrorCode" in result:
                        logger().warning(
                            "event refused by the bus",
                            extra={"event_id": entry.id, "reason": result["ErrorCode"]},
                        )
                        refused.append(entry)
        return refused

    def relay(self, stream_event: Mapping[str, Any]) -> dict[str, Any]:
        """Publish the entries of a stream batch; answer with those that must come again."""
        numbers: dict[str, str] = {}
        entries: list[Entry] = []
        for record in stream_event["Records"]:
            image = record["dynamodb"].get("NewImage", {})
            if record["eventName"] == "INSERT" and "seq" in image:
                entry = entry_of(_from_stream(image))
                entries.append(entry)
                numbers[entry.id] = record["dynamodb"]["SequenceNumber"]
        refused = self.publish(entries)
        return {"batchItemFailures": [{"itemIdentifier": numbers[entry.id]} for entry in refused]}

    def replay(
        self, table: Table, since: str, start: Item | None = None
    ) -> tuple[int, Item | None]:
        """Publish again what was recorded at or after `since`: some pages of a scan.

        Returns how many entries went out and where to go on. Raises when the bus refuses some, so
        that the caller repeats the call; consumers do not mind hearing a thing twice.
        """
        published = 0
        for _ in range(_REPLAY_PAGES):
            page = table.scan(
                "seq > :none AND #at >= :since", {":none": 0, ":since": since}, {"#at": "at"}, start
            )
            entries = [entry_of(item) for item in page.items]
            if self.publish(entries):
                raise RuntimeError("the bus refused events; run the replay again from here")
            published += len(entries)
            start = page.next_key
            if start is None:
                break
        return published, start

    def replay_request(self, table: Table, event: Mapping[str, Any]) -> dict[str, Any]:
        """Serve a replay function: {since, cursor?} -> {published, cursor?}.

        Raises ValueError for a time without an offset.
        """
        start = json.loads(event["cursor"]) if event.get("cursor") else None
        since = datetime.fromisoformat(event["since"])
        if since.tzinfo is None:
            raise ValueError("since needs an offset, such as 2026-11-22T09:30:00Z")
        published, next_key = self.replay(table, rfc3339(since), start)
        return {"published": published, **({"cursor": json.dumps(next_key)} if next_key else {})}

    def _events(self) -> EventBridgeClient:
        if self._client is None:
            self._client = _events_client()
        return self._client


def service_outbox() -> Outbox:
    """Return the outbox of the service that the environment names."""
    settings = service_settings()
    return Outbox(settings.bus, f"tandem.{settings.service}")


def _batches(pairs: Sequence[tuple[Entry, str]]) -> Iterator[list[tuple[Entry, str]]]:
    batch: list[tuple[Entry, str]] = []
    size = 0
    for entry, detail in pairs:
        length = len(detail.encode())
        if batch and (len(batch) == _BATCH_ENTRIES or size + length > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((entry, detail))
        size += length
    if batch:
        yield batch


def _from_stream(image: Mapping[str, Mapping[str, str]]) -> Item:
    """Read an item as a stream event carries it: numbers as text, bytes as base 64."""
    item: Item = {}
    for name, typed in image.items():
        ((kind, value),) = typed.items()
        if kind == "N":
            item[name] = int(value)
        else:
            item[name] = base64.b64decode(value) if kind == "B" else value
    return item


@lru_cache(maxsize=1)
def _events_client() -> EventBridgeClient:
    made: EventBridgeClient = make_client("events", connect_seconds=1, read_seconds=5, attempts=3)
    return made
