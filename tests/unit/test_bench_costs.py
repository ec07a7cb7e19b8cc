"""What the benchmark counts: bytes by DynamoDB's rule, units of reads, and kept promises.

The promises of orders are kept here as well, over moto, so that no pull request breaks them unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from tandem_core import outbox, secrets, settings, table
from tandem_orders import main, store
from tools.bench.loyalty.operations import TWO_CALLS_FIVE_UNITS
from tools.bench.loyalty.report import Measured, broken_bounds
from tools.bench.meter import Cost, Meter, total
from tools.bench.orders import report
from tools.bench.orders.journey import EDGE, NORMALISE
from tools.bench.orders.operations import EDGE_AGAIN, EDGE_COLD, EDGE_NEW, Shopfloor
from tools.bench.orders.providers import AllAgain, OneByOne, Provider
from tools.bench.orders.report import Scans
from tools.bench.orders.retailer import ENVIRONMENT, Retailer, create_surroundings
from tools.bench.samples import Notebook, Operations, Sample
from tools.bench.sizes import (
    Wire,
    attribute_bytes,
    item_bytes,
    units_of_query,
    units_of_reading_one,
    units_of_write,
)
from tools.bench.stage import service

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def test_an_item_weighs_its_names_and_its_values() -> None:
    item: Wire = {"pk": {"S": "ACC#é"}, "seq": {"N": "32"}, "hash": {"B": b"\x00" * 32}}
    assert attribute_bytes(item) == {"hash": 36, "pk": 8, "seq": 5}
    assert item_bytes(item) == 49


@pytest.mark.parametrize(
    ("number", "size"),
    [("0", 1), ("7", 2), ("42", 2), ("123", 3), ("1000000", 2), ("-5", 3), ("10001", 4)],
)
def test_a_number_weighs_by_its_significant_digits(number: str, size: int) -> None:
    assert item_bytes({"n": {"N": number}}) == 1 + size


def test_a_type_that_the_store_never_writes_is_not_weighed_by_guessing() -> None:
    with pytest.raises(ValueError, match="type M"):
        item_bytes({"state": {"M": {}}})


def test_each_item_that_is_read_by_key_pays_for_itself_even_when_it_is_absent() -> None:
    assert [units_of_reading_one(size) for size in (0, 1, 4096, 4097)] == [1, 1, 1, 2]


def test_the_items_of_a_query_are_weighed_together() -> None:
    assert units_of_query([1000] * 5, consistent=True) == 2
    assert units_of_query([1000] * 5, consistent=False) == 1
    assert units_of_query([], consistent=False) == 0.5


def test_a_write_pays_for_every_kilobyte_that_it_begins() -> None:
    assert [units_of_write(size) for size in (0, 1024, 1025)] == [1, 1, 2]


def test_what_several_operations_cost_together() -> None:
    one = Cost(calls=["GetItem"], requests=1, read_units=1, items=[{"seq": {"N": "1"}}])
    other = Cost(calls=["PutItem"], requests=2, table_units=1, index_units=1, due_units=1)
    whole = total([one, other])
    assert whole.calls == ["GetItem", "PutItem"]
    assert (whole.requests, whole.read_units, whole.write_units, whole.due_units) == (3, 1, 2, 1)
    assert whole.entries == [{"seq": {"N": "1"}}]


def history(cost: Cost, repeats: int = 3) -> Measured:
    sample = Sample(cost, lambda: None, NOW)
    return Measured(10, {name: [sample] * repeats for name in TWO_CALLS_FIVE_UNITS}, {})


def test_two_calls_and_five_units_are_within_the_bounds() -> None:
    within = Cost(calls=["BatchGetItem", "TransactWriteItems"], table_units=4, index_units=1)
    assert broken_bounds([history(within)]) == []


def test_a_call_or_a_unit_too_many_is_named_with_its_operation() -> None:
    calls = Cost(calls=["GetItem", "GetItem", "TransactWriteItems"])
    assert broken_bounds([history(calls)])[0] == (
        "accumulate, till, from 10 entries: 3 AWS calls, at most 2 wanted; 3 of 3 are above"
    )
    units = Cost(table_units=6, index_units=2)
    assert "8 write units, at most 5 wanted" in broken_bounds([history(units)])[0]


def test_an_account_may_move_in_the_index_of_what_is_due_once_only() -> None:
    moved = Cost(table_units=4, index_units=3, due_units=2)
    assert broken_bounds([history(moved, repeats=1)]) == []
    assert "2 of 2 moved" in broken_bounds([history(moved, repeats=2)])[0]


# --- orders ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def floor() -> Iterator[Shopfloor]:
    """Orders in this process, over moto, with a meter at its clients."""
    cached = (
        settings.service_settings,
        table.dynamodb_client,
        outbox._events_client,
        secrets.secrets_provider,
        store.store,
    )
    session = boto3.DEFAULT_SESSION
    for one in cached:
        one.cache_clear()
    retailer = Retailer(main.app)
    with mock_aws(), service("orders", "", retailer, ENVIRONMENT):
        meter = Meter()
        create_surroundings()
        yield Shopfloor(Notebook(retailer, meter))
    for one in cached:
        one.cache_clear()
    boto3.DEFAULT_SESSION = session


def test_a_webhook_is_one_write_and_nothing_else(floor: Shopfloor) -> None:
    floor.webhooks()
    samples = floor.notebook.samples
    for name in (EDGE_NEW, EDGE_AGAIN):
        assert [one.cost.calls for one in samples[name]] == [["PutItem"]]
    assert [one.cost.calls for one in samples[EDGE_COLD]] == [["GetSecretValue", "PutItem"]]
    (kept,) = samples[EDGE_NEW][0].cost.items
    assert "signature" not in kept["headers"]["S"]
    assert item_bytes(kept) < 1024


@pytest.mark.parametrize("provider", [OneByOne(), AllAgain()], ids=lambda one: one.name)
def test_a_scan_costs_the_same_after_one_and_after_many(
    floor: Shopfloor, provider: Provider
) -> None:
    costs = []
    for length in (1, 30):
        journey = floor.journey(provider, length)
        for arrives in (False, True):
            way = journey.scanned(arrives=arrives)
            (received,), (understood,) = way[EDGE], way[NORMALISE]
            assert received.cost.calls == ["PutItem"]
            message = units_of_reading_one(item_bytes(received.cost.items[0]))
            cost = understood.cost
            (scan,) = cost.entries
            costs.append((cost.calls, cost.weighed_units, cost.read_units - message))
    calls = ["GetItem", "BatchGetItem", "TransactWriteItems"]
    looked_for = 1 if provider.name == "ups" else 2
    assert costs == [(calls, 4, 1 + looked_for)] * 4


def test_the_way_of_a_scan_ends_with_one_message(floor: Shopfloor) -> None:
    journey = floor.journey(OneByOne(), 1)
    assert not total(one.cost for one in journey.scanned()["notify"]).calls
    told = [one.cost for one in journey.scanned(arrives=True)["notify"]]
    assert [entry["type"]["S"] for cost in told for entry in cost.entries] == [
        "notification.requested"
    ]


def scans(length: int, edge: Cost, understood: Cost) -> Scans:
    steps = {EDGE: edge, NORMALISE: understood}
    way = {name: [Sample(cost, lambda: None, NOW)] for name, cost in steps.items()}
    return Scans("each scan alone", "the status stays", length, [way], {})


def edge(*calls: str) -> Cost:
    return Cost(calls=list(calls), items=[{"pk": {"S": "IN#1"}}])


def one_write() -> Operations:
    taken = [Sample(edge("PutItem"), lambda: None, NOW)]
    return Operations({EDGE_NEW: taken, EDGE_AGAIN: taken}, {})


def test_a_scan_within_its_bounds_breaks_none() -> None:
    cost = Cost(calls=["GetItem", "BatchGetItem", "TransactWriteItems"], table_units=4)
    several = [scans(length, edge("PutItem"), cost) for length in (1, 500)]
    assert report.broken_bounds(one_write(), several) == []


def test_a_bound_of_orders_that_is_broken_is_named() -> None:
    good = Cost(calls=["TransactWriteItems"], table_units=2, read_units=3)
    dear = Cost(calls=["GetItem"] * 4, table_units=8, index_units=1, due_units=1, read_units=4)
    broken = report.broken_bounds(
        one_write(),
        [scans(1, edge("PutItem"), good), scans(500, edge("GetItem", "PutItem"), dear)],
    )
    where = "each scan alone, the status stays, after 500"
    assert broken == [
        f"one more scan, {where}: 4 AWS calls, at most 3 wanted; 1 of 1 are above",
        f"one more scan, {where}: 8 write units, at most 4 wanted; 1 of 1 are above",
        f"webhook, {where}: 2 AWS calls, at most 1 wanted; 1 of 1 are above",
        f"one more scan, {where}: 8 write units, 2 at first",
        f"one more scan, {where}: 3 read units, 2 at first",
    ]
