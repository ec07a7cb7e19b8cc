"""The demo's stories: what is sent for them, and that it fails when someone sees otherwise."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import get_args

import pytest
from rich.console import Console

from tandem_demo.journeys import Line, Sight, Told
from tandem_demo.report import show_journeys
from tandem_demo.trackers import Scan, Step, webhook

NOON = datetime(2026, 11, 22, 12, 0, 5, tzinfo=UTC)


def shown(told: Told) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=140)
    is_right = show_journeys(console, told)
    file = console.file
    assert isinstance(file, io.StringIO)
    return is_right, file.getvalue()


def test_easypost_tells_a_history_and_signs_it() -> None:
    scans = [Scan("label", NOON, "Hamburg"), Scan("delivered", NOON.replace(hour=18), "Berlin")]
    message = webhook("easypost", "1Z9", "evt-1", *scans)
    event = json.loads(message.body)
    assert (event["id"], event["description"]) == ("evt-1", "tracker.updated")
    tracker = event["result"]
    assert (tracker["tracking_code"], tracker["status"]) == ("1Z9", "delivered")
    assert [one["datetime"] for one in tracker["tracking_details"]] == [
        "2026-11-22T12:00:05Z",
        "2026-11-22T18:00:05Z",
    ]
    digest = hmac.digest(b"local-easypost-secret", message.body, hashlib.sha256).hex()
    assert message.headers == {"X-Hmac-Signature": f"hmac-sha256-hex={digest}"}


def test_aftership_tells_a_history_and_signs_it_with_the_secret_of_this_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TANDEM_WEBHOOK_SECRET_AFTERSHIP", "new old")
    message = webhook("aftership", "1Z9", "evt-2", Scan("in transit", NOON, "Hannover"))
    event = json.loads(message.body)
    assert event["event_id"] == "evt-2"
    (checkpoint,) = event["msg"]["checkpoints"]
    assert (checkpoint["subtag"], checkpoint["city"]) == ("InTransit_003", "Hannover")
    digest = hmac.digest(b"new", message.body, hashlib.sha256)
    assert message.headers == {"aftership-hmac-sha256": b64encode(digest).decode()}


@pytest.mark.parametrize("step", get_args(Step))
def test_both_have_a_word_for_every_step(step: Step) -> None:
    for sender in ("easypost", "aftership"):
        assert webhook(sender, "1Z9", "evt-3", Scan(step, NOON, "Berlin")).body


def test_what_everybody_saw_is_printed_and_passes() -> None:
    told = Told("demo-1", link="http://127.0.0.1:8000/orders/v1/tracking/ord_1.abc")
    told.parcel.append(Sight("a step", "placed", "placed", "placed"))
    told.timeline.append(Line("12:00:05", "web", "Thanks for your order.", "Danke."))
    told.check("all is well", holds=True)
    is_right, text = shown(told)
    assert is_right
    for part in ("a step", "Thanks for your order.", "Danke.", told.link, "checks: 1, failed: 0"):
        assert part in text


def test_what_somebody_did_not_see_fails_and_is_named() -> None:
    told = Told("demo-1")
    told.check("the parcel is delivered", holds=False)
    is_right, text = shown(told)
    assert not is_right
    assert "expected: the parcel is delivered" in text
