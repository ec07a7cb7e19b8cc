"""The door to DynamoDB: what it asks for, what it gives back, and how it names a refusal."""

from __future__ import annotations

from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from tandem_core import table as module
from tandem_core.problems import Busy
from tandem_core.table import (
    Item,
    Key,
    Page,
    Put,
    Table,
    TransactionRefused,
    every_page,
    is_unavailable,
)
from tests.unit.memory_client import MemoryClient, cancelled, refused

A, B, C = Key("A", "1"), Key("B", "1"), Key("C", "1")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> MemoryClient:
    monkeypatch.setattr(module, "_BATCH_GET_PAUSE_SECONDS", 0)
    return MemoryClient()


@pytest.fixture
def table(client: MemoryClient) -> Table:
    return Table("table", cast(Any, client))


def item(key: Key, **more: Any) -> Item:
    return {**key._asdict(), **more}


def test_texts_numbers_and_bytes_come_back_as_they_went(table: Table) -> None:
    whole = item(A, text="☃", number=-(10**30), raw=b"\x00\xff")
    table.transact([Put(whole)])
    assert table.get(A) == [whole]


def test_several_items_come_in_one_call_and_in_the_order_asked_for(
    table: Table, client: MemoryClient
) -> None:
    table.transact([Put(item(A)), Put(item(C))])
    client.calls.clear()

    assert table.get(C, B, A) == [item(C), None, item(A)]
    assert client.calls == ["batch_get_item"]


def test_one_item_is_asked_for_alone(table: Table, client: MemoryClient) -> None:
    assert table.get(A) == [None]
    assert client.calls == ["get_item"]


def test_what_the_store_puts_off_is_asked_for_again(table: Table, client: MemoryClient) -> None:
    table.transact([Put(item(key)) for key in (A, B, C)])
    client.unprocessed = [2, 1]

    assert table.get(A, B, C) == [item(A), item(B), item(C)]
    assert client.calls.count("batch_get_item") == 3


def test_a_store_that_puts_off_for_ever_is_busy(table: Table, client: MemoryClient) -> None:
    client.unprocessed = [1] * 100
    with pytest.raises(Busy):
        table.get(A, B)
    assert client.calls.count("batch_get_item") == 5


def test_a_refused_transaction_names_the_conditions_that_failed(
    table: Table, client: MemoryClient
) -> None:
    table.transact([Put(item(B))])
    new = "attribute_not_exists(pk)"
    with pytest.raises(TransactionRefused) as refusal:
        table.transact([Put(item(A), new), Put(item(B), new), Put(item(C), new)])

    assert refusal.value.failed == {1}
    assert set(client.items) == {("B", "1")}


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (cancelled("None", "ConditionalCheckFailed"), {1}),
        (cancelled("TransactionConflict", "ConditionalCheckFailed"), {1}),
        (cancelled("TransactionConflict", "None"), set()),
        (refused("TransactionConflictException"), set()),
        (refused("TransactionInProgressException"), set()),
    ],
)
def test_a_lost_race_is_told_from_other_errors(
    table: Table, client: MemoryClient, error: ClientError, failed: set[int]
) -> None:
    client.error = error
    with pytest.raises(TransactionRefused) as refusal:
        table.transact([Put(item(A)), Put(item(B))])
    assert refusal.value.failed == failed


@pytest.mark.parametrize(
    "error",
    [
        cancelled("None", "ThrottlingError"),
        cancelled("ConditionalCheckFailed", "ProvisionedThroughputExceeded"),
        cancelled("ValidationError"),
        refused("ThrottlingException"),
        refused("ValidationException"),
        refused("AccessDeniedException"),
        ReadTimeoutError(endpoint_url="x"),
    ],
)
def test_what_is_no_lost_race_is_raised_as_it_came(
    table: Table, client: MemoryClient, error: Exception
) -> None:
    client.error = error
    with pytest.raises(type(error)) as raised:
        table.transact([Put(item(A)), Put(item(B))])
    assert raised.value is error


@pytest.mark.parametrize(
    ("error", "unavailable"),
    [
        (refused("ThrottlingException"), True),
        (refused("ProvisionedThroughputExceededException"), True),
        (refused("RequestLimitExceeded"), True),
        (refused("InternalServerError"), True),
        (cancelled("None", "ThrottlingError"), True),
        (ReadTimeoutError(endpoint_url="x"), True),
        (ConnectTimeoutError(endpoint_url="x"), True),
        (refused("ValidationException"), False),
        (refused("AccessDeniedException"), False),
        (refused("ResourceNotFoundException"), False),
        (ValueError("ours"), False),
    ],
)
def test_only_what_may_pass_counts_as_unavailable(error: Exception, unavailable: bool) -> None:
    assert is_unavailable(error) is unavailable


def test_pages_are_read_to_their_end_or_to_the_limit() -> None:
    def read(start: Item | None) -> Page:
        number = int(start["n"]) if start else 0
        return Page([{"n": number}], {"n": number + 1} if number < 4 else None)

    assert [one["n"] for one in every_page(read, 10)] == [0, 1, 2, 3, 4]
    assert [one["n"] for one in every_page(read, 3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("there", "given", "after"),
    [(0, 0, None), (2, 2, None), (3, 3, None), (4, 3, "3"), (9, 3, "3")],
)
def test_a_page_of_a_list_goes_on_only_when_there_is_more(
    there: int, given: int, after: str | None
) -> None:
    class Client:
        def query(self, **request: Any) -> Any:
            """Answer as DynamoDB does: a full page has a last key, whether or not more follows."""
            items = [{"sk": {"S": str(n)}} for n in range(1, there + 1)][: request["Limit"]]
            last = {"LastEvaluatedKey": items[-1]} if len(items) == request["Limit"] else {}
            return {"Items": items, **last}

    page = Table("table", cast(Any, Client())).query_page("pk = :pk", {":pk": "A"}, limit=3)
    assert len(page.items) == given
    assert page.next_key == (after and {"sk": after})


def test_a_till_does_not_wait_for_the_sdks_own_limits() -> None:
    module.dynamodb_client.cache_clear()
    config = module.dynamodb_client().meta.config
    module.dynamodb_client.cache_clear()
    options: Any = config
    assert options.connect_timeout <= 1
    assert options.read_timeout <= 2
    assert options.retries["total_max_attempts"] <= 3
