"""Every file is a message whose outcome is known, or no message for a reason that is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.conftest import Tally
from tests.acceptance.inbound import MESSAGES, NO_MESSAGES, Row, body, files
from tests.acceptance.service import Sender


def test_no_file_is_left_out(data: Path, tally: Tally) -> None:
    messages = {row.file for row in MESSAGES}
    for file in files(data):
        tally.counts["files"] += 1
        without = [start for start in NO_MESSAGES if file.startswith(start)]
        assert (file in messages) + len(without) == 1, file
        tally.counts["without"] += len(without)
    assert messages <= set(files(data))


@pytest.mark.parametrize("row", MESSAGES, ids=lambda row: row.name)
def test_a_message_is_accepted_and_comes_to_what_the_table_says(
    data: Path, orders: Sender, tally: Tally, row: Row
) -> None:
    headers = {"X-Shopify-Event-Id": row.name} if row.source == "shopify" else {}

    sent = orders.send(row.source, body(data, row), row.topic, {**headers, **dict(row.headers)})

    assert (sent.outcome, sent.reason) == (row.outcome, row.reason)
    assert row.note or sent.outcome == "understood"
    tally.counts["messages"] += 1
    tally.counts[sent.outcome] += 1
    tally.counts["orders"] += len(orders.heads("ORD"))
    tally.counts["parcels"] += len(orders.heads("SHP"))
    tally.counts["scans"] += sum(
        entry.key.sk.startswith("SCAN#") for entry in orders.service.journal()
    )
    if sent.outcome == "parked":
        tally.parked[row.name] = (sent.reason, row.note)


def test_the_same_message_again_is_told_apart_and_changes_nothing(
    data: Path, orders: Sender
) -> None:
    row = next(row for row in MESSAGES if row.file == "easypost/tracking-webhook.json")
    first = orders.send(row.source, body(data, row))
    before = orders.service.journal()

    again = orders.send(row.source, body(data, row))

    assert again == (first.message_id, "duplicate", "")
    assert orders.service.journal() == before
