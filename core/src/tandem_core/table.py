"""The one narrow door to DynamoDB: a few calls, plain dictionaries, strings, integers and bytes.

Owns the client and its time limits, the marshalling, and the names of what can go wrong. Knows no
key, no item and no service. Everything above it can be moved to another client by replacing it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from tandem_core.aws import make_client
from tandem_core.problems import Busy

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
else:
    DynamoDBClient = Any

Value: TypeAlias = str | int | bytes
Item: TypeAlias = dict[str, Value]

_TRANSIENT = frozenset(
    {
        "InternalServerError",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "ThrottlingException",
        "TransactionCanceledException",
    }
)
_BATCH_GET_TRIES = 5
_BATCH_GET_PAUSE_SECONDS = 0.02


class Key(NamedTuple):
    """The primary key of an item."""

    pk: str
    sk: str


@dataclass(frozen=True, slots=True)
class Put:
    """One item of a transaction; `condition` refers to values as `:name` of `values`."""

    item: Mapping[str, Value]
    condition: str | None = None
    values: Mapping[str, Value] | None = None


class TransactionRefused(Exception):
    """No item was written. `failed` holds the positions whose condition did not hold.

    It is empty when another transaction was at work on the same items.
    """

    def __init__(self, failed: Sequence[int]) -> None:
        super().__init__(f"conditions failed at {list(failed)}" if failed else "conflict")
        self.failed = frozenset(failed)


class Page(NamedTuple):
    items: list[Item]
    next_key: Item | None


class Table:
    """One DynamoDB table with the primary key (pk, sk)."""

    def __init__(self, name: str, client: DynamoDBClient | None = None) -> None:
        self.name = name
        self._client = client

    @property
    def client(self) -> DynamoDBClient:
        if self._client is None:
            self._client = dynamodb_client()
        return self._client

    def get(self, *keys: Key) -> list[Item | None]:
        """Read the items of up to 100 distinct keys in one strongly consistent call, in order."""
        wanted: list[Any] = [{"pk": {"S": key.pk}, "sk": {"S": key.sk}} for key in keys]
        if len(wanted) == 1:
            answer = self.client.get_item(TableName=self.name, Key=wanted[0], ConsistentRead=True)
            return [_from_wire(answer["Item"]) if "Item" in answer else None]
        found: dict[Key, Item] = {}
        for attempt in range(_BATCH_GET_TRIES):
            request: Any = {self.name: {"Keys": wanted, "ConsistentRead": True}}
            reply = self.client.batch_get_item(RequestItems=request)
            for wire in reply["Responses"].get(self.name, []):
                item = _from_wire(wire)
                found[Key(str(item["pk"]), str(item["sk"]))] = item
            left: Any = reply.get("UnprocessedKeys", {})
            wanted = left.get(self.name, {}).get("Keys", [])
            if not wanted:
                return [found.get(key) for key in keys]
            time.sleep(_BATCH_GET_PAUSE_SECONDS * 2**attempt)
        raise Busy("The store answers only in part; nothing was changed")

    def query(
        self,
        condition: str,
        values: Mapping[str, Value],
        *,
        names: Mapping[str, str] | None = None,
        index: str | None = None,
        newest_first: bool = False,
        limit: int = 200,
        start: Item | None = None,
    ) -> Page:
        """Read one page: strongly consistent on the table, eventually on an index.

        `names` stands for attributes whose names are reserved words.
        """
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _to_wire(values),
            "ScanIndexForward": not newest_first,
            "Limit": limit,
        }
        request |= {"IndexName": index} if index else {"ConsistentRead": True}
        if names:
            request["ExpressionAttributeNames"] = dict(names)
        if start:
            request["ExclusiveStartKey"] = _to_wire(start)
        return _page(self.client.query(**request))

    def query_page(self, condition: str, values: Mapping[str, Value], **options: Any) -> Page:
        """Read a page for a list, with the options of `query`. It has a `next_key`, which is then
        its last item, only when there is more."""
        limit: int = options.pop("limit")
        page = self.query(condition, values, limit=limit + 1, **options)
        if len(page.items) <= limit:
            return page
        return Page(page.items[:limit], page.items[limit - 1])

    def scan(
        self,
        expression: str,
        values: Mapping[str, Value],
        names: Mapping[str, str],
        start: Item | None = None,
    ) -> Page:
        """Read one page of the whole table, filtered. For repairs only: it reads every item."""
        request: dict[str, Any] = {
            "TableName": self.name,
            "FilterExpression": expression,
            "ExpressionAttributeValues": _to_wire(values),
            "ExpressionAttributeNames": dict(names),
        }
        if start:
            request["ExclusiveStartKey"] = _to_wire(start)
        return _page(self.client.scan(**request))

    def put(self, item: Mapping[str, Value]) -> None:
        self.client.put_item(TableName=self.name, Item=_to_wire(item))

    def put_new(self, item: Mapping[str, Value]) -> bool:
        """Write an item unless its key exists; return whether it was written."""
        from botocore.exceptions import ClientError

        try:
            self.client.put_item(
                TableName=self.name,
                Item=_to_wire(item),
                ConditionExpression="attribute_not_exists(pk)",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def delete(self, key: Key) -> None:
        self.client.delete_item(TableName=self.name, Key={"pk": {"S": key.pk}, "sk": {"S": key.sk}})

    def transact(self, puts: Sequence[Put]) -> None:
        """Write all items or none. Raises TransactionRefused; a time-out is raised as it came."""
        from botocore.exceptions import ClientError

        items: list[Any] = []
        for put in puts:
            request: dict[str, Any] = {"TableName": self.name, "Item": _to_wire(put.item)}
            if put.condition:
                request["ConditionExpression"] = put.condition
            if put.values:
                request["ExpressionAttributeValues"] = _to_wire(put.values)
            items.append({"Put": request})
        try:
            self.client.transact_write_items(TransactItems=items)
        except ClientError as error:
            raise _refusal(error) from error


def _refusal(error: Any) -> Exception:
    """Name the cause of a cancelled transaction; whatever is not ours to name stays as it is."""
    code = error.response["Error"]["Code"]
    if code in ("TransactionConflictException", "TransactionInProgressException"):
        return TransactionRefused(())
    if code != "TransactionCanceledException":
        return error  # type: ignore[no-any-return]
    causes = [reason.get("Code", "None") for reason in error.response["CancellationReasons"]]
    if set(causes) <= {"None", "ConditionalCheckFailed", "TransactionConflict"}:
        return TransactionRefused(
            [position for position, cause in enumerate(causes) if cause == "ConditionalCheckFailed"]
        )
    return error  # type: ignore[no-any-return]


def is_unavailable(error: Exception) -> bool:
    """Tell whether the store was out of reach or overloaded, so that a repeat may succeed."""
    from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

    if isinstance(error, ClientError):
        return error.response["Error"]["Code"] in _TRANSIENT
    return isinstance(error, ConnectionError | HTTPClientError)


def _page(answer: Any) -> Page:
    last = answer.get("LastEvaluatedKey")
    return Page([_from_wire(wire) for wire in answer["Items"]], _from_wire(last) if last else None)


def _to_wire(item: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _value_to_wire(value) for name, value in item.items()}


def _value_to_wire(value: Value) -> dict[str, str | bytes]:
    if isinstance(value, str):
        return {"S": value}
    return {"B": value} if isinstance(value, bytes) else {"N": str(value)}


def _from_wire(wire: Mapping[str, Mapping[str, Any]]) -> Item:
    """Read S, N (integers only) and B; the streams' JSON carries B as base64 text, see outbox."""
    return {
        name: int(value) if kind == "N" else value
        for name, typed in wire.items()
        for kind, value in typed.items()
    }


def every_page(read: Any, limit_pages: int) -> Iterator[Item]:
    """Yield the items of up to `limit_pages` pages; `read` takes the start key of a page."""
    start: Item | None = None
    for _ in range(limit_pages):
        page: Page = read(start)
        yield from page.items
        start = page.next_key
        if start is None:
            return


@lru_cache(maxsize=1)
def dynamodb_client() -> DynamoDBClient:
    """Return the process's client, with limits that a till can live with."""
    made: DynamoDBClient = make_client(
        "dynamodb",
        connect_seconds=0.5,
        read_seconds=1.5,
        attempts=3,
        tcp_keepalive=True,
        account_id_endpoint_mode="disabled",
    )
    return made
