"""The cost model is arithmetic over what the benchmarks have counted, and its page is current."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools.cost import model
from tools.cost.__main__ import declared, page
from tools.cost.measured import Benchmarks, NotMeasured, Row
from tools.cost.model import Work
from tools.cost.prices import REGIONS, TRACKING_OVERAGE, US_EAST_1, Prices

ROOT = Path(__file__).resolve().parents[2]
MEASURED = Benchmarks(ROOT / "docs" / "benchmarks.md")


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def same(written: str, computed: str) -> bool:
    """Say whether two texts differ by a twentieth of a number at most.

    Processor time is in every cost, and no two runs of a benchmark agree on it to the cent.
    """
    numbers = [
        [float(one.replace(",", "")) for one in NUMBER.findall(text)]
        for text in (written, computed)
    ]
    words = [" ".join(NUMBER.sub("0", text).split()) for text in (written, computed)]
    return words[0] == words[1] and numbers[0] == pytest.approx(numbers[1], rel=0.05, abs=0.05)


def test_the_page_says_what_benchmarks_prices_and_templates_say_now() -> None:
    written = (ROOT / "docs" / "cost.md").read_text()
    assert same(written, page(MEASURED, declared(ROOT / "infra"))), "run `make cost`"


def test_another_price_or_another_word_is_another_page() -> None:
    assert same("1,000.00 dollars, 3 of 4", "1,020.00 dollars, 3 of 4")
    assert not same("1,000 dollars", "1,100 dollars")
    assert not same("1,000 dollars", "1,000 euros")


def test_rows_of_the_benchmarks_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(
        "| operation | calls | from 10 | from 10,000 | read units | processor |\n"
        "|---|--:|--:|--:|--:|--:|\n"
        "| earn | 2 | 4 + 1 .. 4 + 3 | 4 + 1 | 3 | 3.5 .. 5 |\n"
        "| **all of it** | 7 | 6 | 5 + 1 | 3 (all again: 4) | 10 | 11, 20, 113 |\n"
    )
    measured = Benchmarks(path)
    assert measured.loyalty("earn") == Row(2, 5, 3, 3.5)
    assert measured.scan("all of it", changes_status=False) == Row(6, 6, 3, 10, runs=7)
    with pytest.raises(NotMeasured, match="0 rows 'burn'"):
        measured.loyalty("burn")


def test_a_million_costs_what_its_parts_cost() -> None:
    work = Work(api_requests=1, invocations=2, calls=3, write_units=5, read_units=3, messages=1)
    parts = model.parts(work, US_EAST_1)
    assert parts["API Gateway"] == pytest.approx(3.50)
    assert parts["DynamoDB"] == pytest.approx(5 * 0.625 + 3 * 0.125)
    assert parts["SQS"] == pytest.approx(3 * 0.40)
    seconds = (3 * model.CALL_MS + 2 * model.INVOCATION_MS) / 1_000
    assert parts["Lambda"] == pytest.approx(2 * 0.20 + seconds * 1e6 * 0.0000133334)
    assert sum(model.parts(work * 2, US_EAST_1).values()) == pytest.approx(2 * sum(parts.values()))
    assert work + work == work * 2


def test_till_and_scan_are_made_of_what_was_counted() -> None:
    works = model.operations(MEASURED)
    earn = MEASURED.loyalty("accumulate, till")
    line = MEASURED.scan("chronicle: a line of the timeline", changes_status=True)
    heard = MEASURED.returns("points were earned")
    assert works["accumulate at a till"].write_units == (
        earn.write_units + line.write_units + heard.write_units
    )
    whole = MEASURED.scan("all of it", changes_status=True)
    scan = works["scan, status changes"]
    assert (scan.calls, scan.write_units, scan.read_units) == (
        whole.calls,
        whole.write_units,
        whole.read_units,
    )
    # Each run is the request's own, the relay's for an event, or one for a message.
    assert whole.runs == 1 + scan.events + scan.messages


def test_a_return_is_what_was_counted_and_what_others_make_of_it() -> None:
    row = MEASURED.whole_return()
    work = model.operations(MEASURED)[model.RETURN]
    # Each run is a request's, the relay's for an event, or one for a message of its own.
    assert row.runs == 4 + model.RETURN_EVENTS + 2
    assert work.api_requests == 4
    line = MEASURED.scan("chronicle: a line of the timeline", changes_status=True)
    message = MEASURED.scan("notify: one message", changes_status=True)
    reversed_points = MEASURED.loyalty("order reversal by event")
    order = MEASURED.orders("move a fulfilment or a pickup")
    assert work.write_units == pytest.approx(
        row.write_units
        + 9 * line.write_units
        + 3 * message.write_units
        + reversed_points.write_units
        + 2 * order.write_units
    )


@pytest.mark.parametrize("prices", REGIONS, ids=lambda prices: prices.region)
def test_a_parcel_costs_a_hundredth_of_what_tracking_is_sold_for(prices: Prices) -> None:
    parcel = model.operations(MEASURED)[model.PARCEL]
    dollars = sum(model.parts(parcel, prices).values()) / model.MILLION
    assert dollars < TRACKING_OVERAGE[0] / 100
