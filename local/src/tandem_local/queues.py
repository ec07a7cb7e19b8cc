"""SQS queue -> Lambda, as AWS documents the event source mapping.

What the function has taken is deleted; what it reports or breaks on becomes visible again when its
time is up, and after `maxReceiveCount` of them the queue moves it to its dead letters (the engine
does that).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from tandem_local.execution import Outcome

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

STOP_SECONDS = 10.0

_POLL_SECONDS = 1


@dataclass(frozen=True)
class QueueSettings:
    """What an event source mapping says."""

    queue_arn: str
    function_arn: str
    batch_size: int = 10
    reports_failures: bool = False

    @classmethod
    def of(cls, mapping: Mapping[str, Any]) -> QueueSettings:
        """Read Lambda's description of a mapping."""
        return cls(
            queue_arn=mapping["EventSourceArn"],
            function_arn=mapping["FunctionArn"],
            batch_size=mapping.get("BatchSize", 10),
            reports_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", []),
        )


class QueueMapping:
    """Delivers one queue to one function, one batch at a time."""

    def __init__(
        self, settings: QueueSettings, sqs: SQSClient, invoke: Callable[[Any], Outcome]
    ) -> None:
        self.settings = settings
        self._sqs = sqs
        self._invoke = invoke
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="queue", daemon=True)
        name = settings.queue_arn.rpartition(":")[2]
        self._url = sqs.get_queue_url(QueueName=name)["QueueUrl"]

    def start(self) -> None:
        self._thread.start()

    def halt(self) -> None:
        """Begin nothing new."""
        self._stopping.set()

    def stop(self) -> None:
        """Finish the batch at hand and stop."""
        self.halt()
        self._thread.join(STOP_SECONDS)

    def _poll(self) -> None:
        while not self._stopping.is_set():
            try:
                received = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(self.settings.batch_size, 10),
                    WaitTimeSeconds=_POLL_SECONDS,
                    MessageSystemAttributeNames=["All"],
                    MessageAttributeNames=["All"],
                ).get("Messages", [])
                if received:
                    self._deliver(received)
            except (BotoCoreError, ClientError):
                self._stopping.wait(1.0)

    def _deliver(self, received: list[Any]) -> None:
        outcome = self._invoke({"Records": [self._as_event(message) for message in received]})
        failed = self._failed(outcome, {message["MessageId"] for message in received})
        done = [message for message in received if message["MessageId"] not in failed]
        if done:
            self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(position), "ReceiptHandle": message["ReceiptHandle"]}
                    for position, message in enumerate(done)
                ],
            )

    def _failed(self, outcome: Outcome, ids: set[str]) -> set[str]:
        """Return the messages that come again.

        An answer that names anything but messages of the batch fails the whole, as on AWS.
        """
        if outcome.is_error:
            return ids
        answer = outcome.json()
        if not self.settings.reports_failures or not isinstance(answer, Mapping):
            return set()
        named = {item.get("itemIdentifier") for item in answer.get("batchItemFailures") or []}
        return named if named <= ids else ids

    def _as_event(self, message: Mapping[str, Any]) -> dict[str, Any]:
        attributes = {
            name: {key[0].lower() + key[1:]: value for key, value in attribute.items()}
            for name, attribute in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.settings.queue_arn,
            "awsRegion": self.settings.queue_arn.split(":")[3],
        }
