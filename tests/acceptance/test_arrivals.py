"""Every parcel of the fixtures, its scans arriving in any order, one by one or as snapshots, some
of them repeatedly, from one provider or from two: always the same bytes.

    make acceptance DATA=../shared/fixtures ARRIVALS=1000
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tandem_core.journal import Origin
from tandem_orders.messages import ParcelReport
from tandem_orders.senders import SENDERS
from tandem_orders.use_cases.parcels import report_parcel
from tests.acceptance import providers
from tests.acceptance.carriers import PARCELS
from tests.acceptance.conftest import Tally
from tests.acceptance.inbound import Row, body, named
from tests.acceptance.parcel_book import ParcelBook
from tests.acceptance.service import Sender, forget

ARRIVALS = int(os.environ.get("ACCEPTANCE_ARRIVALS", "25"))

_TRACKED: Mapping[str, tuple[Row, str]] = {
    **{parcel.name: (parcel.row, parcel.number) for parcel in PARCELS},
    "easypost-EZ4000000004": (named("easypost/tracking-webhook.json"), "EZ4000000004"),
    "easypost-EZ1000000001": (named("easypost/trackers-create.json"), "EZ1000000001"),
    "amazon-AFTN987654321": (
        named("amazon/ShipmentTrackingMilestoneChangedNotification.schema.json"),
        "AFTN987654321",
    ),
}
_SECONDS: Mapping[str, Callable[[ParcelReport, str], ParcelReport]] = {
    "aftership": providers.aftership,
    "easypost": providers.easypost,
}
# A provider is no second one beside itself.
_PAIRS = [
    (name, second)
    for name, (row, _) in _TRACKED.items()
    for second in _SECONDS
    if second != row.source
]


def _report(data: Path, name: str) -> ParcelReport:
    """Return what the fixture says of a parcel."""
    row, number = _TRACKED[name]
    sender, _ = SENDERS[row.source]
    raw, headers = body(data, row), dict(row.headers)
    for report in sender.parse(sender.topic_of(headers, raw), headers, raw):
        if isinstance(report, ParcelReport) and report.tracking_number == number:
            return report
    raise AssertionError(f"{row.name} says nothing of {number}")


def _reports(data: Path, name: str, other: str) -> list[ParcelReport]:
    first = _report(data, name)
    if other == "alone":
        return [first]
    return [first, _SECONDS[other](first, first.carrier or first.provider)]


def _arrival(reports: list[ParcelReport], chance: random.Random) -> list[ParcelReport]:
    """Return messages that carry all that is reported, in some order and with repeats."""
    messages: list[ParcelReport] = []
    for report in reports:
        scans = list(report.scans)
        singles = [report.model_copy(update={"scans": (scan,)}) for scan in scans]
        snapshots = [
            report.model_copy(
                update={"scans": tuple(chance.sample(scans, chance.randint(1, len(scans))))}
            )
            for _ in range(chance.randint(0, 3))
        ]
        way = chance.choice(["singles", "snapshots", "both"])
        messages += snapshots if way == "snapshots" else [*singles, *snapshots]
        if way != "singles":
            messages.append(report)
    messages += chance.choices(messages, k=chance.randint(0, 5))
    chance.shuffle(messages)
    return messages


def _now(reports: list[ParcelReport]) -> datetime:
    """Return an hour after the last scan."""
    return max(scan.occurred_at for scan in reports[0].scans if scan.occurred_at) + timedelta(
        hours=1
    )


def _book(reports: list[ParcelReport]) -> ParcelBook:
    first = reports[0]
    assert first.tracking_number is not None
    return ParcelBook(first.carrier or first.provider, first.tracking_number, _now(reports))


@pytest.mark.parametrize(("name", "second"), [*((name, "alone") for name in _TRACKED), *_PAIRS])
def test_any_arrival_gives_the_same_bytes(data: Path, tally: Tally, name: str, second: str) -> None:
    reports = _reports(data, name, second)
    at_once = _book(reports)
    for report in reports:
        at_once.take(report)

    for number in range(ARRIVALS):
        book = _book(reports)
        for message in _arrival(reports, random.Random(f"{name}/{second}/{number}")):
            book.take(message)

        assert book.reports.keys() == at_once.reports.keys()
        assert book.head == at_once.head, number
        assert book.shown == at_once.shown, number
        tally.counts["arrivals"] += 1


@pytest.mark.parametrize(("name", "second"), _PAIRS)
def test_two_providers_tell_one_timeline(data: Path, name: str, second: str) -> None:
    reports = _reports(data, name, second)
    alone, both = _book(reports), _book(reports)
    alone.take(reports[0])
    for report in reports:
        both.take(report)

    one, two = json.loads(alone.shown), json.loads(both.shown)
    assert len(both.reports) > len(alone.reports)
    for same in ("status", "milestones", "occurred_at", "proof_of_delivery"):
        assert two[same] == one[same]
    # The second one has a reason for everything, if only "unknown".
    assert two["reason"] in {one["reason"], *_vague(one)}
    assert [_moment(scan) for scan in two["scans"]] == [_moment(scan) for scan in one["scans"]]
    heard_twice = [scan for scan in two["scans"] if len(scan["providers"]) > 1]
    assert len(heard_twice) == sum(
        scan["status"] is not None or second == "aftership" for scan in two["scans"]
    )


def _vague(shown: Any) -> set[str]:
    return set() if shown["reason"] else {"unknown", "customs_documents"}


def _moment(scan: Any) -> tuple[Any, ...]:
    return scan["occurred_at"], scan["status"]


@pytest.mark.parametrize("name", _TRACKED)
def test_any_arrival_gives_the_same_bytes_through_the_store(
    data: Path, orders: Sender, tally: Tally, name: str
) -> None:
    chance = random.Random(f"store/{name}")
    seconds = [second for one, second in _PAIRS if one == name]
    reports = _reports(data, name, chance.choice(seconds))
    orders.service.now = _now(reports)
    shown, head, due = _stored(orders, reports)

    for _ in range(2):
        again = _stored(orders, _arrival(reports, chance))
        assert again[:2] == (shown, head)
        # When it is looked at for silence may be too early, as it is not moved with every scan.
        assert again.due <= due
        tally.counts["arrivals"] += 1
        tally.counts["stored"] += 1


class Stored(NamedTuple):
    """A parcel as it is shown, its head, and when it is looked at again ("" for never)."""

    shown: str
    head: str
    due: str


def _stored(orders: Sender, messages: list[ParcelReport]) -> Stored:
    """Report to an empty store."""
    store, now = orders.service.store, orders.service.now
    forget(orders.service)
    orders.service.now = now
    for message in messages:
        origin = Origin(f"sender:{message.provider}", message.provider)
        report_parcel(store, message, origin, now)
    first = messages[0]
    assert first.tracking_number is not None
    shown = orders.parcel(first.carrier or first.provider, first.tracking_number)
    (head,) = orders.heads("SHP")
    stored = store.load_shipment(head["pk"].partition("#")[2]).head
    state = json.loads(stored.state)
    state.pop("seen")
    return Stored(json.dumps(shown), json.dumps(state), str(stored.indexes.get("due_at", "")))
