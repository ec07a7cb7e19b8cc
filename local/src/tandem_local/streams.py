"""DynamoDB stream -> Lambda, as AWS documents the event source mapping.

The engine's own mapping takes a reported failure for success and would lose events, so it stays
disabled and this reads the mapping's settings and does what they say: order within a shard,
partial batch responses, bisecting, a limit of retries and of age, a record of what was given up.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tandem_local.execution import Outcome
from tandem_local.filters import matches

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

Record = dict[str, Any]

STOP_SECONDS = 10.0

_RETRY_SECONDS = 0.2
_MAX_RETRY_SECONDS = 5.0
_POLL_SECONDS = 0.03
_MAX_POLL_SECONDS = 0.2
_NEW_SHARDS_SECONDS = 5.0


@dataclass(frozen=True)
class StreamSettings:
    """What an event source mapping says. -1 for `max_retries` and `max_age_seconds` is no limit."""

    stream_arn: str
    function_arn: str
    batch_size: int = 100
    max_retries: int = -1
    max_age_seconds: int = -1
    bisects: bool = False
    reports_failures: bool = False
    patterns: Sequence[Mapping[str, Any]] = ()
    on_failure_arn: str | None = None

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> StreamSettings:
        """Read Lambda's description of a mapping."""
        filters = (mapping.get("FilterCriteria") or {}).get("Filters", [])
        destination = (mapping.get("DestinationConfig") or {}).get("OnFailure") or {}
        return cls(
            stream_arn=mapping["EventSourceArn"],
            function_arn=mapping["FunctionArn"],
            batch_size=mapping.get("BatchSize", 100),
            max_retries=mapping.get("MaximumRetryAttempts", -1),
            max_age_seconds=mapping.get("MaximumRecordAgeInSeconds", -1),
            bisects=mapping.get("BisectBatchOnFunctionError", False),
            reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
            patterns=[json.loads(item["Pattern"]) for item in filters],
            on_failure_arn=destination.get("Destination"),
        )


class StreamMapping:
    """Delivers one stream to one function, a thread for each shard.

    `give_up` takes the record of a discarded batch; `passed` is told the creation time of records
    that are done with, whatever became of them.
    """

    def __init__(
        self,
        settings: StreamSettings,
        streams: DynamoDBStreamsClient,
        invoke: Callable[[Any], Outcome],
        give_up: Callable[[dict[str, Any]], None],
        passed: Callable[[float], None],
    ) -> None:
        self.settings = settings
        self._streams = streams
        self._invoke = invoke
        self._give_up = give_up
        self._passed = passed
        self._stopping = threading.Event()
        self._threads: dict[str, threading.Thread] = {}
        # Set while a shard has been read to its end and all of it delivered.
        self._drained: dict[str, threading.Event] = {}
        self._watcher = threading.Thread(target=self._watch_shards, name="shards", daemon=True)

    def start(self) -> None:
        self._watcher.start()

    def drain(self, seconds: float) -> None:
        """Wait until what was written before this call is delivered, or the time is over."""
        deadline = time.monotonic() + seconds
        for drained in list(self._drained.values()):
            drained.clear()
            drained.wait(max(0.0, deadline - time.monotonic()))

    def halt(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish the delivery at hand and stop."""
        self.halt()
        for thread in [self._watcher, *self._threads.values()]:
            thread.join(STOP_SECONDS)

    def _watch_shards(self) -> None:
        while not self._stopping.is_set():
            try:
                stream = self._streams.describe_stream(StreamArn=self.settings.stream_arn)
            except (BotoCoreError, ClientError):
                self._stopping.wait(_NEW_SHARDS_SECONDS)
                continue
            for shard in stream["StreamDescription"]["Shards"]:
                shard_id = shard["ShardId"]
                if shard_id not in self._threads:
                    self._drained[shard_id] = threading.Event()
                    thread = threading.Thread(target=self._read, args=(shard_id,), daemon=True)
                    self._threads[shard_id] = thread
                    thread.start()
            self._stopping.wait(_NEW_SHARDS_SECONDS)

    def _read(self, shard_id: str) -> None:
        """Read a shard to its end. Iterators expire and the engine may hiccup: then go on."""
        after: str | None = None
        pause = _POLL_SECONDS
        iterator: str | None = None
        while not self._stopping.is_set():
            try:
                iterator = iterator or self._iterator(shard_id, after)
                page: Mapping[str, Any] = self._streams.get_records(
                    ShardIterator=iterator, Limit=self.settings.batch_size
                )
            except (BotoCoreError, ClientError):
                iterator = None
                self._stopping.wait(1.0)
                continue
            records = [self._as_event(record) for record in page["Records"]]
            if records:
                if not self._deliver([r for r in records if self._wants(r)], shard_id):
                    return
                after = _sequence(records[-1])
                self._passed(_created_at(records[-1]))
                pause = _POLL_SECONDS
            else:
                self._drained[shard_id].set()
                self._stopping.wait(pause)
                pause = min(pause * 1.5, _MAX_POLL_SECONDS)
            iterator = page.get("NextShardIterator")
            if iterator is None:  # the shard is closed and read to its end
                return

    def _iterator(self, shard_id: str, after: str | None) -> str:
        start: Any = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
            if after
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        return self._streams.get_shard_iterator(
            StreamArn=self.settings.stream_arn, ShardId=shard_id, **start
        )["ShardIterator"]

    def _as_event(self, record: Mapping[str, Any]) -> Record:
        """Write a record as Lambda shows it: times as numbers, bytes as base 64."""
        change = dict(record["dynamodb"])
        change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
        for image in ("Keys", "NewImage", "OldImage"):
            if image in change:
                change[image] = _in_json(change[image])
        return {
            "eventID": record["eventID"],
            "eventName": record["eventName"],
            "eventVersion": record["eventVersion"],
            "eventSource": record["eventSource"],
            "awsRegion": record["awsRegion"],
            "dynamodb": change,
            "eventSourceARN": self.settings.stream_arn,
        }

    def _wants(self, record: Record) -> bool:
        patterns = self.settings.patterns
        return not patterns or any(matches(record, pattern) for pattern in patterns)

    def _deliver(self, records: list[Record], shard_id: str) -> bool:
        """Deliver in order, until every record is taken or given up; False when stopped before."""
        pending = deque([(records, 0)])
        while pending and not self._stopping.is_set():
            batch, attempts = pending.popleft()
            batch = self._without_aged(batch, attempts, shard_id)
            if not batch:
                continue
            failed_from = self._first_failure(self._invoke({"Records": batch}), batch)
            if failed_from is None:
                continue
            if failed_from > 0:
                # What came before is done; what is left has not been tried alone yet.
                pending.appendleft((batch[failed_from:], 0))
            elif self.settings.bisects and len(batch) > 1:
                # Splitting does not count as a retry.
                half = len(batch) // 2
                pending.extendleft([(batch[half:], attempts), (batch[:half], attempts)])
            elif 0 <= self.settings.max_retries <= attempts:
                self._discard(batch, attempts, shard_id, "RetryAttemptsExhausted")
                continue
            else:
                pending.appendleft((batch, attempts + 1))
            self._stopping.wait(min(_RETRY_SECONDS * 2**attempts, _MAX_RETRY_SECONDS))
        return not pending

    def _first_failure(self, outcome: Outcome, batch: list[Record]) -> int | None:
        """Return from which position on the batch has to come again; None when all of it is done.

        An answer that names nothing of the batch counts as a failure of the whole, as on AWS.
        """
        if outcome.is_error:
            return 0
        if not self.settings.reports_failures:
            return None
        answer = outcome.json()
        failures = answer.get("batchItemFailures") if isinstance(answer, Mapping) else None
        if not failures:
            return None
        positions = {_sequence(record): position for position, record in enumerate(batch)}
        named = [item.get("itemIdentifier") for item in failures]
        return min(positions.get(identifier, 0) for identifier in named)

    def _without_aged(self, batch: list[Record], attempts: int, shard_id: str) -> list[Record]:
        limit = self.settings.max_age_seconds
        if limit < 0:
            return batch
        oldest = time.time() - limit
        aged = [record for record in batch if _created_at(record) < oldest]
        if aged:
            self._discard(aged, attempts, shard_id, "RecordAgeExceeded")
        return [record for record in batch if _created_at(record) >= oldest]

    def _discard(self, batch: list[Record], attempts: int, shard_id: str, condition: str) -> None:
        first, last = batch[0], batch[-1]
        self._give_up(
            {
                "requestContext": {
                    "functionArn": self.settings.function_arn,
                    "condition": condition,
                    "approximateInvokeCount": attempts + 1,
                },
                "version": "1.0",
                "timestamp": _rfc3339(time.time()),
                "DDBStreamBatchInfo": {
                    "shardId": shard_id,
                    "startSequenceNumber": _sequence(first),
                    "endSequenceNumber": _sequence(last),
                    "approximateArrivalOfFirstRecord": _rfc3339(_created_at(first)),
                    "approximateArrivalOfLastRecord": _rfc3339(_created_at(last)),
                    "batchSize": len(batch),
                    "streamArn": self.settings.stream_arn,
                },
            }
        )


def _sequence(record: Record) -> str:
    return str(record["dynamodb"]["SequenceNumber"])


def _created_at(record: Record) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def _rfc3339(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec="milliseconds")


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _in_json(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_in_json(item) for item in value]
    return value
