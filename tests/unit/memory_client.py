"""DynamoDB as far as the kernel uses it, in a dictionary: for tests without AWS."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError


class MemoryClient:
    """Keeps items; knows the two conditions of the journal. `unprocessed` keys are put off."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], Any] = {}
        self.calls: list[str] = []
        self.unprocessed: list[int] = []
        self.error: Exception | None = None

    def get_item(self, *, TableName: str, Key: Any, ConsistentRead: bool) -> Any:  # noqa: N803
        assert TableName == "table"
        assert ConsistentRead
        self.calls.append("get_item")
        item = self.items.get(_key(Key))
        return {"Item": item} if item else {}

    def batch_get_item(self, *, RequestItems: Any) -> Any:  # noqa: N803
        self.calls.append("batch_get_item")
        keys = RequestItems["table"]["Keys"]
        assert RequestItems["table"]["ConsistentRead"]
        later = self.unprocessed.pop(0) if self.unprocessed else 0
        now = keys[: len(keys) - later]
        found = [self.items[_key(key)] for key in now if _key(key) in self.items]
        rest = keys[len(keys) - later :]
        return {
            "Responses": {"table": found[::-1]},
            "UnprocessedKeys": {"table": {"Keys": rest}} if rest else {},
        }

    def transact_write_items(self, *, TransactItems: Any) -> None:  # noqa: N803
        self.calls.append("transact_write_items")
        if self.error:
            raise self.error
        puts = [one["Put"] for one in TransactItems]
        codes = ["None" if self._holds(put) else "ConditionalCheckFailed" for put in puts]
        if set(codes) != {"None"}:
            raise cancelled(*codes)
        for put in puts:
            self.items[_key(put["Item"])] = put["Item"]

    def _holds(self, put: Any) -> bool:
        there = self.items.get(_key(put["Item"]))
        condition = put.get("ConditionExpression")
        if condition == "attribute_not_exists(pk)":
            return there is None
        if condition == "version = :version":
            values = put["ExpressionAttributeValues"]
            return there is not None and there["version"] == values[":version"]
        assert condition is None
        return True


def _key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def cancelled(*codes: str) -> ClientError:
    """A cancelled transaction, with the reason for each of its items."""
    return refused("TransactionCanceledException", CancellationReasons=[{"Code": c} for c in codes])


def refused(code: str, **more: Any) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": code}, **more}
    return ClientError(answer, "TransactWriteItems")
