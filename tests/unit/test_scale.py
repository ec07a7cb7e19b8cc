"""The tables of docs/scale.md are the arithmetic of what was counted and of AWS's limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.test_cost import same
from tools.bench.stage import resources
from tools.cost import model
from tools.cost.measured import Benchmarks
from tools.cost.scale import REFUNDS_AT_ONCE, Load, tables

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "scale.md").read_text()
MEASURED = Benchmarks(ROOT / "docs" / "benchmarks.md")


@pytest.mark.parametrize("name", ["load", "limits"])
def test_a_table_of_the_page_is_what_is_computed(name: str) -> None:
    found = re.search(rf"<!-- computed: {name} -->\n(.*?)\n\n", PAGE, re.DOTALL)
    assert found
    assert same(found[1], tables(MEASURED)[name]), "python -m tools.cost.scale prints the new one"


def test_numbers_in_the_text_are_those_of_the_tables() -> None:
    table, _, text = PAGE.partition("## 10 a second")
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]]
        for cells in (line.split("|") for line in table.splitlines() if line.startswith("| "))
    }
    for row, columns in (
        ("write units, orders", (1, 2)),
        ("write units, returns", (1, 2)),
        ("refunds asked for", (1, 2)),
        ("events on the bus", (2,)),
        ("functions at work at once", (1, 2)),
        ("API requests", (2,)),
    ):
        for column in columns:
            assert rows[row][column] in text, row


def test_so_many_refunds_are_asked_for_at_once_as_the_template_says() -> None:
    mapping = resources("returns")["RefundMapping"]["Properties"]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": REFUNDS_AT_ONCE}
    assert mapping["BatchSize"] == 1


def test_each_operation_is_counted_in_one_table_or_another() -> None:
    load = Load(MEASURED)
    works = model.operations(MEASURED)
    assert load.loyalty_writes > 0
    assert load.orders_writes > 0
    assert load.returns_writes > load.book_writes * load.refunds
    # What is neither loyalty's nor returns' is a line of the timeline.
    till = MEASURED.loyalty("accumulate, till").write_units
    heard = MEASURED.returns("points were earned").write_units
    assert works["accumulate at a till"].write_units - till - heard == pytest.approx(1)
