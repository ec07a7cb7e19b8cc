"""Counts at the SDK's client: every call, its capacity units, the items it writes.

It can also answer in the engine's place what the engine has answered before, so that the processor
time of a request is that of the request alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tools.bench.sizes import Wire, item_bytes, units_of_query, units_of_reading_one

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MEASURED = {"BatchGetItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems"}
_OK = 200


@dataclass(slots=True)
class Cost:
    """What one operation has cost. `answers` are the engine's, in order. `requests` are more than
    `calls` when the client has sent one again.

    `due_units` are those of `index_units` for a place in the index `due`, which an account changes
    seldom.
    """

    calls: list[str] = field(default_factory=list)
    requests: int = 0
    table_units: float = 0
    index_units: float = 0
    due_units: float = 0
    read_units: float = 0
    head: Wire | None = None
    entries: list[Wire] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)

    @property
    def write_units(self) -> float:
        return self.table_units + self.index_units

    @property
    def entry_bytes(self) -> int:
        """The heaviest entry that was written; 0 when there was none."""
        return max(map(item_bytes, self.entries), default=0)

    @property
    def head_bytes(self) -> int:
        return item_bytes(self.head) if self.head else 0


class _Body:
    """What an HTTP response is read from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class Meter:
    def __init__(self, client: DynamoDBClient) -> None:
        self._cost: Cost | None = None
        self._canned: Iterator[bytes] | None = None
        self._request: Mapping[str, Any] = {}
        events = client.meta.events
        events.register("provide-client-params.dynamodb", self._ask_for_units)
        events.register("before-send.dynamodb", self._before_send)
        events.register("before-parse.dynamodb", self._keep_answer)
        events.register("after-call.dynamodb", self._count_units)

    @contextmanager
    def counting(self) -> Iterator[Cost]:
        """Count what is done inside."""
        self._cost = Cost()
        try:
            yield self._cost
        finally:
            self._cost = None

    @contextmanager
    def answering(self, answers: list[bytes]) -> Iterator[None]:
        """Give these answers to the requests made inside, and send none."""
        self._canned = iter(answers)
        try:
            yield
        finally:
            self._canned = None

    def _ask_for_units(self, params: Any, model: Any, **_: Any) -> Any:
        if self._cost is None:
            return None
        self._cost.calls.append(model.name)
        self._request = params
        return {**params, "ReturnConsumedCapacity": "INDEXES"}

    def _before_send(self, request: Any, **_: Any) -> Any:
        if self._cost is not None:
            self._cost.requests += 1
        if self._canned is None:
            return None
        content = next(self._canned)
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/x-amz-json-1.0"
        headers["x-amz-crc32"] = str(zlib.crc32(content))
        return AWSResponse(request.url, _OK, headers, _Body(content))

    def _keep_answer(self, response_dict: Any, **_: Any) -> None:
        """Keep the answer as it is when nobody asks for units."""
        if self._cost is None or response_dict["status_code"] != _OK:
            return
        answer = json.loads(response_dict["body"])
        answer.pop("ConsumedCapacity", None)
        self._cost.answers.append(json.dumps(answer, separators=(",", ":")).encode())

    def _count_units(self, model: Any, parsed: Any, http_response: Any, **_: Any) -> None:
        if self._cost is None:
            return
        if model.name not in _MEASURED:
            raise ValueError(f"{model.name} is not measured yet")
        if http_response.status_code != _OK:
            raise ValueError(f"{model.name} failed: {parsed['Error']}")
        if model.name in ("BatchGetItem", "GetItem", "Query"):
            self._cost.read_units += _units_read(model.name, self._request, parsed)
            return
        _add_written(self._cost, self._request, parsed["ConsumedCapacity"])


def _units_read(operation: str, request: Mapping[str, Any], answer: Any) -> float:
    """Weigh what was read: the engine does not report the units of every kind of read."""
    if operation == "Query":
        sizes = map(item_bytes, answer["Items"])
        return units_of_query(sizes, consistent=bool(request.get("ConsistentRead")))
    if operation == "GetItem":
        return units_of_reading_one(item_bytes(answer.get("Item", {})))
    asked = sum(len(one["Keys"]) for one in request["RequestItems"].values())
    found = [item for items in answer["Responses"].values() for item in items]
    units = sum(units_of_reading_one(item_bytes(item)) for item in found)
    return units + (asked - len(found)) * units_of_reading_one(0)


def _add_written(cost: Cost, request: Mapping[str, Any], consumed: Any) -> None:
    for table in consumed if isinstance(consumed, list) else [consumed]:
        indexes = table.get("GlobalSecondaryIndexes", {})
        on_indexes = sum(index["CapacityUnits"] for index in indexes.values())
        cost.index_units += on_indexes
        cost.due_units += indexes.get("due", {}).get("CapacityUnits", 0)
        cost.table_units += table["CapacityUnits"] - on_indexes
    for put in request.get("TransactItems", []):
        item = put["Put"]["Item"]
        if "version" in item:
            cost.head = item
        elif "seq" in item:
            cost.entries.append(item)
