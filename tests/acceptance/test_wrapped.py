"""Amazon's notifications in the wrappings that AWS puts around them on their way to us."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.inbound import AMAZON, content
from tests.acceptance.service import Sender

_ORDER, _, _PARCEL = AMAZON


def _event_bus(data: Path, notification: Any) -> Any:
    event = json.loads((data / "aws_events/eventBridgeEvent.json").read_bytes())
    return {**event, "detail": notification}


def _topic(data: Path, notification: Any) -> Any:
    """As Lambda is told of it, one record."""
    record = json.loads((data / "aws_events/snsEvent.json").read_bytes())["Records"][0]
    return {**record["Sns"], "Message": json.dumps(notification)}


def _queue(data: Path, notification: Any) -> Any:
    record = json.loads((data / "aws_events/sqsEvent.json").read_bytes())["Records"][0]
    return {**record, "body": json.dumps(notification)}


def _topic_in_a_queue(data: Path, notification: Any, file: str = "snsSqsEvent") -> Any:
    record = json.loads((data / f"aws_events/{file}.json").read_bytes())["Records"][0]
    inner = {**json.loads(record["body"]), "Message": json.dumps(notification)}
    return {**record, "body": json.dumps(inner)}


def _ordered_topic_in_a_queue(data: Path, notification: Any) -> Any:
    return _topic_in_a_queue(data, notification, "snsSqsFifoEvent")


def _event_bus_in_a_queue(data: Path, notification: Any) -> Any:
    return _queue(data, _event_bus(data, notification))


_WRAPPINGS = (
    _event_bus,
    _topic,
    _queue,
    _topic_in_a_queue,
    _ordered_topic_in_a_queue,
    _event_bus_in_a_queue,
)


@pytest.mark.parametrize("wrap", _WRAPPINGS, ids=lambda wrap: wrap.__name__.strip("_"))
def test_a_notification_is_the_same_in_any_wrapping(
    data: Path, orders: Sender, wrap: Callable[[Path, Any], Any]
) -> None:
    for row in (_ORDER, _PARCEL):
        wrapped = json.dumps(wrap(data, content(data, row))).encode()
        assert orders.send("amazon", wrapped).outcome == "understood"
        # It is the same message, however it came.
        bare = json.dumps(content(data, row)).encode()
        assert orders.send("amazon", bare).outcome == "duplicate"

    assert orders.order("amazon", "903-8868176-2219830")["lines"][0]["ordered"] == 10
    assert orders.parcel("amazon", "AFTN987654321")["status"] == "delivered"


@pytest.mark.parametrize("file", ["eventBridgeEvent", "snsEvent", "sqsEvent", "sqsDlqTriggerEvent"])
def test_a_wrapping_of_something_else_is_parked(data: Path, orders: Sender, file: str) -> None:
    sent = orders.send("amazon", (data / f"aws_events/{file}.json").read_bytes())

    assert sent.outcome == "parked"
    assert sent.reason.startswith("UNPARSEABLE: ")
