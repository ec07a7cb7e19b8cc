"""Stream -> function: what AWS documents of retries, partial answers, bisecting and giving up."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tandem_local.clients import Clients
from tandem_local.execution import Outcome
from tandem_local.streams import StreamMapping, StreamSettings

WaitUntil = Callable[[Callable[[], object]], None]
Handler = Callable[[list[str]], Outcome]

DONE = Outcome(b'{"batchItemFailures": []}')
BROKEN = Outcome(b'{"errorMessage": "boom"}', is_error=True)


class Stream:
    """A table with a stream, and a mapping whose function is a Python function of the keys."""

    def __init__(self, clients: Clients, table: str) -> None:
        self._clients = clients
        self.table = table
        created = clients.dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.arn = created["TableDescription"]["LatestStreamArn"]
        self.calls: list[list[str]] = []
        self.given_up: list[Any] = []
        self.passed: list[float] = []
        self._numbers: dict[str, str] = {}

    def put(self, *keys: str, **attributes: Any) -> None:
        for key in keys:
            self._clients.dynamodb.put_item(
                TableName=self.table, Item={"key": {"S": key}, **attributes}
            )

    def failing(self, *keys: str) -> Outcome:
        """Answer that these are not done."""
        failures = [{"itemIdentifier": self._numbers[key]} for key in keys]
        return Outcome(json.dumps({"batchItemFailures": failures}).encode())

    @contextlib.contextmanager
    def mapped(self, handler: Handler, **settings: Any) -> Iterator[StreamMapping]:
        def invoke(event: Any) -> Outcome:
            keys = []
            for record in event["Records"]:
                key = record["dynamodb"]["NewImage"]["key"]["S"]
                self._numbers[key] = record["dynamodb"]["SequenceNumber"]
                keys.append(key)
            self.calls.append(keys)
            return handler(keys)

        mapping = StreamMapping(
            dataclasses.replace(
                StreamSettings(self.arn, "arn:function", reports_failures=True), **settings
            ),
            self._clients.streams,
            invoke,
            self.given_up.append,
            self.passed.append,
        )
        mapping.start()
        try:
            yield mapping
        finally:
            mapping.stop()

    def has_called_with(self, *keys: str) -> bool:
        return list(keys) in self.calls


@pytest.fixture
def stream(clients: Clients, name: str) -> Stream:
    return Stream(clients, name)


def test_records_arrive_once_in_order_and_in_batches(stream: Stream, wait_until: WaitUntil) -> None:
    stream.put("a", "b", "c", "d", "e")
    with stream.mapped(lambda _: DONE, batch_size=2):
        wait_until(lambda: len(stream.calls) == 3)
        stream.put("f")
        wait_until(lambda: len(stream.calls) == 4)
    assert stream.calls == [["a", "b"], ["c", "d"], ["e"], ["f"]]
    assert len(stream.passed) == 4


def test_a_reported_record_comes_again_with_those_after_it(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("a", "b", "c")

    def refuse_b_once(keys: list[str]) -> Outcome:
        return stream.failing("b") if keys == ["a", "b", "c"] else DONE

    with stream.mapped(refuse_b_once):
        wait_until(lambda: len(stream.calls) == 2)
    assert stream.calls == [["a", "b", "c"], ["b", "c"]]


def test_of_several_reported_records_the_earliest_counts(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("a", "b", "c", "d")
    with stream.mapped(lambda keys: stream.failing("d", "b") if "a" in keys else DONE):
        wait_until(lambda: len(stream.calls) == 2)
    assert stream.calls == [["a", "b", "c", "d"], ["b", "c", "d"]]


@pytest.mark.parametrize(
    "answer",
    [
        BROKEN,
        Outcome(b'{"batchItemFailures": [{"itemIdentifier": ""}]}'),
        Outcome(b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}'),
        Outcome(b'{"batchItemFailures": [{"wrong": "1"}]}'),
    ],
)
def test_an_error_or_an_answer_that_names_nothing_brings_the_whole_batch_again(
    stream: Stream, wait_until: WaitUntil, answer: Outcome
) -> None:
    stream.put("a", "b")
    answers = iter([answer, DONE])
    with stream.mapped(lambda _: next(answers)):
        wait_until(lambda: len(stream.calls) == 2)
    assert stream.calls == [["a", "b"], ["a", "b"]]


@pytest.mark.parametrize("answer", [b"null", b"{}", b'{"batchItemFailures": null}', b'"fine"'])
def test_an_answer_without_failures_is_success(
    stream: Stream, wait_until: WaitUntil, answer: bytes
) -> None:
    stream.put("a", "b")
    with stream.mapped(lambda _: Outcome(answer), batch_size=1):
        wait_until(lambda: len(stream.calls) == 2)
    assert stream.calls == [["a"], ["b"]]


def test_bisecting_finds_the_poisonous_record_and_delivers_all_others(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("a", "b", "c", "poison", "d", "e")
    with stream.mapped(
        lambda keys: BROKEN if "poison" in keys else DONE, bisects=True, max_retries=1
    ):
        wait_until(lambda: any("e" in keys and "poison" not in keys for keys in stream.calls))
    delivered = [key for keys in stream.calls if "poison" not in keys for key in keys]
    assert delivered == ["a", "b", "c", "d", "e"]
    assert stream.calls.count(["poison"]) == 2
    (record,) = stream.given_up
    assert record["DDBStreamBatchInfo"]["batchSize"] == 1


def test_what_fails_to_the_end_is_given_up_and_recorded(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("poison", "after")
    with stream.mapped(
        lambda keys: BROKEN if "poison" in keys else DONE, batch_size=1, max_retries=2
    ):
        wait_until(lambda: stream.has_called_with("after"))
    assert stream.calls == [["poison"]] * 3 + [["after"]]
    (record,) = stream.given_up
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert record["requestContext"]["approximateInvokeCount"] == 3
    batch = record["DDBStreamBatchInfo"]
    assert batch["streamArn"] == stream.arn
    assert batch["startSequenceNumber"] == batch["endSequenceNumber"]
    assert batch["batchSize"] == 1


def test_records_beyond_their_age_are_given_up_without_a_call(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("late")
    with stream.mapped(lambda _: DONE, max_age_seconds=0):
        wait_until(lambda: stream.given_up)
    assert stream.calls == []
    assert stream.given_up[0]["requestContext"]["condition"] == "RecordAgeExceeded"


def test_what_the_filter_does_not_want_is_passed_over(
    stream: Stream, wait_until: WaitUntil
) -> None:
    stream.put("head")
    stream.put("entry", seq={"N": "1"})
    pattern = {
        "eventName": ["INSERT"],
        "dynamodb": {"NewImage": {"seq": {"N": [{"exists": True}]}}},
    }
    with stream.mapped(lambda _: DONE, patterns=[pattern]):
        wait_until(lambda: stream.calls)
        stream.put("entry", seq={"N": "2"})
        stream.put("another", seq={"N": "3"})
        wait_until(lambda: len(stream.calls) == 2)
    assert stream.calls == [["entry"], ["another"]]


def test_draining_waits_for_what_was_written(stream: Stream, wait_until: WaitUntil) -> None:
    with stream.mapped(lambda _: DONE) as mapping:
        stream.put("first")
        wait_until(lambda: stream.calls)
        stream.put("last")
        mapping.drain(seconds=10)
        assert stream.has_called_with("last")
