"""Counts at the SDK's clients: every call, its capacity units, the items it writes.

It can also answer in the engine's place what the engine has answered before, so that the processor
time of a request is that of the request alone.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from tandem_core import aws
from tools.bench.sizes import Wire, item_bytes, units_of_query, units_of_reading_one, units_of_write

_READS = {"BatchGetItem", "GetItem", "Query"}
_WRITES = {"DeleteItem", "PutItem", "TransactWriteItems"}
# Of other services: they have no units.
_UNITLESS = {"GetSecretValue", "PutEvents"}
_OK, _BAD_REQUEST = 200, 400


class Reply(NamedTuple):
    """An answer of the engine, as it came."""

    status: int
    content: bytes


@dataclass(slots=True)
class Cost:
    """What one operation has cost. `answers` are the engine's, in order. `requests` are more than
    `calls` when the client has sent one again.

    `due_units` are those of `index_units` for a place in the index `due`, which an account changes
    seldom. `weighed_units` is what the table charges by the sizes of what was written, where no
    engine reports it; without indexes. `published` is what was put on the bus.
    """

    calls: list[str] = field(default_factory=list)
    requests: int = 0
    table_units: float = 0
    index_units: float = 0
    due_units: float = 0
    read_units: float = 0
    weighed_units: float = 0
    items: list[Wire] = field(default_factory=list)
    published: list[Any] = field(default_factory=list)
    answers: list[Reply] = field(default_factory=list)

    @property
    def write_units(self) -> float:
        return self.table_units + self.index_units

    @property
    def entries(self) -> list[Wire]:
        return [item for item in self.items if "seq" in item]

    @property
    def head(self) -> Wire | None:
        """The last head that was written; None when there was none."""
        return next((item for item in reversed(self.items) if "version" in item), None)

    @property
    def entry_bytes(self) -> int:
        """The heaviest entry that was written; 0 when there was none."""
        return max(map(item_bytes, self.entries), default=0)

    @property
    def head_bytes(self) -> int:
        return item_bytes(self.head) if self.head else 0


def total(costs: Iterable[Cost]) -> Cost:
    """Return what several operations have cost together."""
    whole = Cost()
    for cost in costs:
        whole.calls += cost.calls
        whole.requests += cost.requests
        whole.table_units += cost.table_units
        whole.index_units += cost.index_units
        whole.due_units += cost.due_units
        whole.read_units += cost.read_units
        whole.weighed_units += cost.weighed_units
        whole.items += cost.items
    return whole


class _Body:
    """What an HTTP response is read from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class Meter:
    """Counts what all clients do that are made of the process's session from now on."""

    def __init__(self) -> None:
        self._cost: Cost | None = None
        self._canned: Iterator[Reply] | None = None
        self._request: Mapping[str, Any] = {}
        aws.session.cache_clear()
        events = aws.session().get_component("event_emitter")
        events.register("provide-client-params", self._ask_for_units)
        events.register("before-send", self._before_send)
        events.register("before-parse", self._keep_answer)
        events.register("after-call", self._count_units)

    @contextmanager
    def counting(self) -> Iterator[Cost]:
        """Count what is done inside."""
        self._cost = Cost()
        try:
            yield self._cost
        finally:
            self._cost = None

    @contextmanager
    def answering(self, answers: list[Reply]) -> Iterator[None]:
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
        if model.name in _READS | _WRITES:
            return {**params, "ReturnConsumedCapacity": "INDEXES"}
        return None

    def _before_send(self, request: Any, **_: Any) -> Any:
        if self._cost is not None:
            self._cost.requests += 1
        if self._canned is None:
            return None
        reply = next(self._canned)
        headers = HTTPHeaders()
        headers["Content-Type"] = "application/x-amz-json-1.0"
        headers["x-amz-crc32"] = str(zlib.crc32(reply.content))
        return AWSResponse(request.url, reply.status, headers, _Body(reply.content))

    def _keep_answer(self, response_dict: Any, **_: Any) -> None:
        """Keep the answer as it is when nobody asks for units."""
        if self._cost is None or response_dict["status_code"] not in (_OK, _BAD_REQUEST):
            return
        answer = json.loads(response_dict["body"])
        answer.pop("ConsumedCapacity", None)
        content = json.dumps(answer, separators=(",", ":")).encode()
        self._cost.answers.append(Reply(response_dict["status_code"], content))

    def _count_units(self, model: Any, parsed: Any, http_response: Any, **_: Any) -> None:
        if self._cost is None:
            return
        if model.name not in _READS | _WRITES | _UNITLESS:
            raise ValueError(f"{model.name} is not measured yet")
        if http_response.status_code != _OK:
            _add_refused(self._cost, self._request, parsed["Error"])
        elif model.name in _READS:
            self._cost.read_units += _units_read(model.name, self._request, parsed)
        elif model.name in _WRITES:
            _add_written(self._cost, self._request, parsed.get("ConsumedCapacity", []))
        elif model.name == "PutEvents":
            self._cost.published += [json.loads(e["Detail"]) for e in self._request["Entries"]]


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


def _add_refused(cost: Cost, request: Mapping[str, Any], error: Mapping[str, Any]) -> None:
    """Weigh a write that its condition refused: it is paid for, and the engine reports nothing."""
    if error["Code"] != "ConditionalCheckFailedException" or "Item" not in request:
        raise ValueError(f"a call failed: {error}")
    units = units_of_write(item_bytes(request["Item"]))
    cost.table_units += units
    cost.weighed_units += units


def _add_written(cost: Cost, request: Mapping[str, Any], consumed: Any) -> None:
    for table in consumed if isinstance(consumed, list) else [consumed]:
        indexes = table.get("GlobalSecondaryIndexes", {})
        on_indexes = sum(index["CapacityUnits"] for index in indexes.values())
        cost.index_units += on_indexes
        cost.due_units += indexes.get("due", {}).get("CapacityUnits", 0)
        cost.table_units += table["CapacityUnits"] - on_indexes
    together = [one["Put"]["Item"] for one in request.get("TransactItems", [])]
    alone = [request["Item"]] if "Item" in request else []
    cost.items += together + alone
    cost.weighed_units += sum(units_of_write(item_bytes(item)) * 2 for item in together)
    cost.weighed_units += sum(units_of_write(item_bytes(item)) for item in alone)
