"""What consumers of SQS share: one bad message fails alone, and a message can wait its time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tandem_core.aws import make_client
from tandem_core.events import Envelope

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
else:
    SQSClient = Any

# SQS lets a message be hidden for at most twelve hours.
_LONGEST_HIDING_SECONDS = 12 * 3600 - 60


class NotYet(Exception):
    """The message's time has not come; it stays in the queue, hidden."""


def handle_each(
    event: Mapping[str, Any], handle: Callable[[Mapping[str, Any]], None]
) -> Mapping[str, Any]:
    """Handle the messages of a batch one by one and report those that failed, by their ids."""
    from tandem_core.logs import logger

    failures = []
    for record in event["Records"]:
        try:
            handle(record)
        except NotYet:
            failures.append({"itemIdentifier": record["messageId"]})
        except Exception:
            logger().exception("message failed", extra={"message_id": record["messageId"]})
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def envelope_in(record: Mapping[str, Any]) -> Envelope:
    """Return the event that a message of a rule's queue carries. Raises a validation error."""
    return Envelope.model_validate(json.loads(record["body"])["detail"])


def hide_until(record: Mapping[str, Any], instant: datetime, now: datetime) -> None:
    """Do nothing when the instant has come; else hide the message until then and raise NotYet."""
    seconds = (instant - now).total_seconds()
    if seconds < 0:
        return
    client = _sqs_client()
    queue = record["eventSourceARN"].rpartition(":")[2]
    client.change_message_visibility(
        QueueUrl=_queue_url(queue),
        ReceiptHandle=record["receiptHandle"],
        VisibilityTimeout=min(int(seconds) + 1, _LONGEST_HIDING_SECONDS),
    )
    raise NotYet


@lru_cache(maxsize=8)
def _queue_url(name: str) -> str:
    return _sqs_client().get_queue_url(QueueName=name)["QueueUrl"]


@lru_cache(maxsize=1)
def _sqs_client() -> SQSClient:
    made: SQSClient = make_client("sqs", connect_seconds=1, read_seconds=5, attempts=3)
    return made
