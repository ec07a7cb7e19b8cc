"""Carriers' own answers: each scan's status, at its true instant."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.carriers import DEVIATIONS, PARCELS, UNSAID, VOCABULARY, Parcel, told
from tests.acceptance.inbound import MESSAGES, body, content
from tests.acceptance.service import Sender

parcels = pytest.mark.parametrize("parcel", PARCELS, ids=lambda parcel: parcel.name)


def _shown(data: Path, orders: Sender, parcel: Parcel) -> Any:
    """Send the carrier's answer an hour after its last scan; a parcel expires in silence."""
    orders.service.now = max(scan.at for scan in told(data, parcel)) + timedelta(hours=1)
    sent = orders.send(parcel.carrier, body(data, parcel.row), headers=dict(parcel.row.headers))
    assert sent.outcome == "understood"
    return orders.parcel(parcel.carrier, parcel.number)


def _code(scan: Any) -> str:
    """Return the carrier's code from `<provider>:<code>/...`."""
    return str(scan["raw"]).partition(":")[2].partition("/")[0]


@parcels
def test_every_scan_is_there_at_its_true_instant(
    data: Path, orders: Sender, parcel: Parcel
) -> None:
    scans = _shown(data, orders, parcel)["scans"]

    shown = Counter((_code(one), datetime.fromisoformat(one["occurred_at"])) for one in scans)
    assert shown == Counter((scan.code, scan.at) for scan in told(data, parcel))
    # From the newest, as true time goes.
    assert scans == sorted(scans, key=lambda one: one["occurred_at"], reverse=True)


@parcels
def test_every_scan_has_the_expected_status(data: Path, orders: Sender, parcel: Parcel) -> None:
    opinion = parcel.opinion(data)
    expected: Counter[tuple[str, str | None]] = Counter()
    for event in opinion["events"]:
        key = (parcel.carrier, event["code"])
        said = event.get("status")
        if key in DEVIATIONS:
            assert DEVIATIONS[key][0] != VOCABULARY[said]
            expected[event["code"], DEVIATIONS[key][0]] += 1
        else:
            expected[event["code"], VOCABULARY[said] if said else UNSAID[key]] += 1

    shown = _shown(data, orders, parcel)

    assert Counter((_code(one), one["status"]) for one in shown["scans"]) == expected
    assert shown["status"] == parcel.status
    assert (parcel.status == VOCABULARY[opinion["status"]]) is not bool(parcel.note)
    assert opinion["delivered"] is (parcel.status == "delivered")
    assert opinion.get("estimated_delivery") == (shown["edd"]["latest"] or {}).get("from_date")


@parcels
def test_the_second_opinions_clocks_are_wrong(data: Path, parcel: Parcel) -> None:
    """Or else the truth that the other tests compute would be no better."""
    theirs = [datetime.fromisoformat(one["timestamp"]) for one in parcel.opinion(data)["events"]]
    ours = [scan.at for scan in told(data, parcel)]
    assert len(theirs) == len(ours)
    assert {one.replace(second=0) for one in theirs}.isdisjoint(
        one.astimezone(UTC).replace(second=0) for one in ours
    )


def test_who_signed_is_told_of_a_delivery_only(data: Path, orders: Sender) -> None:
    dhl = next(parcel for parcel in PARCELS if parcel.number == "3180831640")

    shown = _shown(data, orders, dhl)

    assert shown["proof_of_delivery"]["signed_by"] == "CAMPAGNA"
    # DHL puts numbers of its own in the same field of other scans.
    assert "960528602" not in str(shown)


def test_every_answer_of_a_carrier_has_its_row(data: Path) -> None:
    for carrier in {parcel.carrier for parcel in PARCELS}:
        rows = {row.part for row in MESSAGES if row.source == carrier}
        any_row = next(row for row in MESSAGES if row.source == carrier)
        parts = content(data, any_row._replace(part="raw"))
        assert rows == {f"raw/{part}/body" for part in parts}


def test_what_fedex_does_not_know_is_no_parcel(data: Path, orders: Sender) -> None:
    fedex = next(parcel for parcel in PARCELS if parcel.carrier == "fedex")
    answer = content(data, fedex.row)["output"]["completeTrackResults"]
    _shown(data, orders, fedex)

    unknown = [one["trackingNumber"] for one in answer if one["trackingNumber"] != fedex.number]
    assert unknown
    for number in unknown:
        assert orders.parcel("fedex", number) is None
