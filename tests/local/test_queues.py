"""Queue -> function: what is taken is gone, what fails comes again, and ends as a dead letter."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tandem_local.clients import Clients
from tandem_local.execution import Outcome
from tandem_local.queues import QueueMapping, QueueSettings

WaitUntil = Callable[[Callable[[], object]], None]

BROKEN = Outcome(b'{"errorMessage": "boom"}', is_error=True)


class Queue:
    """A queue with dead letters after two receives, each visible again after a second."""

    def __init__(self, clients: Clients, name: str) -> None:
        self._sqs = clients.sqs
        self.dead_url = self._sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        redrive = {"deadLetterTargetArn": self._arn(self.dead_url), "maxReceiveCount": 2}
        self.url = self._sqs.create_queue(
            QueueName=name,
            Attributes={"VisibilityTimeout": "1", "RedrivePolicy": json.dumps(redrive)},
        )["QueueUrl"]
        self.calls: list[list[str]] = []

    def send(self, *bodies: str) -> None:
        for body in bodies:
            self._sqs.send_message(QueueUrl=self.url, MessageBody=body)

    def _arn(self, url: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def is_empty(self) -> bool:
        names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return all(value == "0" for value in answer["Attributes"].values())

    def dead_letters(self) -> list[str]:
        received = self._sqs.receive_message(
            QueueUrl=self.dead_url, MaxNumberOfMessages=10, VisibilityTimeout=0
        )
        return [message["Body"] for message in received.get("Messages", [])]

    @contextlib.contextmanager
    def mapped(
        self, handler: Callable[[list[Any]], Outcome], reports_failures: bool = True
    ) -> Iterator[None]:
        def invoke(event: Any) -> Outcome:
            self.calls.append([record["body"] for record in event["Records"]])
            return handler(event["Records"])

        settings = QueueSettings(
            self._arn(self.url), "arn:function", reports_failures=reports_failures
        )
        mapping = QueueMapping(settings, self._sqs, invoke)
        mapping.start()
        try:
            yield
        finally:
            mapping.stop()


@pytest.fixture
def queue(clients: Clients, name: str) -> Queue:
    return Queue(clients, name)


def failing(records: list[Any], body: str) -> Outcome:
    ids = [record["messageId"] for record in records if record["body"] == body]
    failures = [{"itemIdentifier": message_id} for message_id in ids]
    return Outcome(json.dumps({"batchItemFailures": failures}).encode())


def test_what_the_function_takes_is_gone(queue: Queue, wait_until: WaitUntil) -> None:
    queue.send("a", "b")
    with queue.mapped(lambda _: Outcome(b"null")):
        wait_until(queue.is_empty)
    assert sorted(body for call in queue.calls for body in call) == ["a", "b"]


def test_a_reported_message_comes_again_alone_and_ends_as_a_dead_letter(
    queue: Queue, wait_until: WaitUntil
) -> None:
    queue.send("good", "poison")
    with queue.mapped(lambda records: failing(records, "poison")):
        wait_until(lambda: queue.dead_letters() == ["poison"])
    seen = [body for call in queue.calls for body in call]
    assert seen.count("good") == 1
    assert seen.count("poison") == 2
    assert queue.is_empty()


@pytest.mark.parametrize(
    "answer", [BROKEN, Outcome(b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}')]
)
def test_an_error_or_an_answer_that_names_nothing_brings_the_whole_batch_again(
    queue: Queue, wait_until: WaitUntil, answer: Outcome
) -> None:
    queue.send("a")
    answers = iter([answer, Outcome(b"null")])
    with queue.mapped(lambda _: next(answers)):
        wait_until(queue.is_empty)
    assert queue.calls == [["a"], ["a"]]


def test_without_partial_answers_success_is_of_the_whole_batch(
    queue: Queue, wait_until: WaitUntil
) -> None:
    queue.send("a")
    with queue.mapped(lambda records: failing(records, "a"), reports_failures=False):
        wait_until(queue.is_empty)
    assert queue.calls == [["a"]]
