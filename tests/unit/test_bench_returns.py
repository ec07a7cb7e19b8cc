"""The promises of returns about what its operations cost: what breaks one, and that all are kept.

They are kept here over moto as well, so that no pull request breaks them unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import boto3
import pytest
from moto import mock_aws

from tandem_core import outbox, secrets, settings, table
from tandem_returns import main, store
from tools.bench.follower import RELAY
from tools.bench.meter import Cost, Meter
from tools.bench.returns.operations import EDGE, OPEN, QUOTE, RECEIVE, REFUND, SETTLE, STEPS, Desk
from tools.bench.returns.report import MAX_CALLS, MAX_GROWTH, Returned, broken_bounds
from tools.bench.returns.shop import Shop, create_surroundings, environment, paying, warm
from tools.bench.samples import Notebook, Sample
from tools.bench.stage import service

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def returned(earlier: int, costs: Mapping[str, Cost]) -> Returned:
    way = {name: [Sample(cost, lambda: None, NOW)] for name, cost in costs.items()}
    return Returned(earlier, [way], {})


def usual(**changes: Cost) -> dict[str, Cost]:
    costs = {step: Cost(calls=["GetItem"], table_units=1, read_units=1) for step in STEPS}
    return costs | changes


def test_what_is_within_its_bounds_breaks_none() -> None:
    grown = {
        step: Cost(calls=["GetItem"] * MAX_CALLS[step], table_units=1 + growth, read_units=1)
        for step, growth in MAX_GROWTH.items()
    }
    assert broken_bounds([returned(1, usual()), returned(100, usual(**grown))]) == []


@pytest.mark.parametrize("step", MAX_CALLS)
def test_a_call_too_many_is_named(step: str) -> None:
    limit = MAX_CALLS[step]
    dear = Cost(calls=["GetItem"] * (limit + 1), read_units=1)
    assert broken_bounds([returned(1, usual(**{step: dear}))]) == [
        f"{step}, after 1 returns: {limit + 1} AWS calls, at most {limit} wanted; 1 of 1 are above"
    ]


@pytest.mark.parametrize("step", MAX_GROWTH)
def test_a_unit_that_grows_with_the_returns_is_named(step: str) -> None:
    growth = MAX_GROWTH[step]
    dear = Cost(table_units=1, index_units=growth + 1, read_units=2)
    broken = broken_bounds([returned(1, usual()), returned(100, usual(**{step: dear}))])
    assert broken[-2:] == [
        f"{step}, after 100 returns: {growth + 2} write units, 1 at first",
        f"{step}, after 100 returns: 2 read units, 1 at first",
    ]


# --- over moto ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """Returns in this process, over moto, with a meter at its clients and a provider that pays."""
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
    shop = Shop(main.app)
    with paying() as sandbox, mock_aws(), service("returns", "", shop, environment(sandbox)):
        meter = Meter()
        create_surroundings()
        warm()
        yield Desk(Notebook(shop, meter), sandbox)
    for one in cached:
        one.cache_clear()
    boto3.DEFAULT_SESSION = session


def test_a_return_takes_the_same_calls_and_reads_whatever_has_come_back_before(
    desk: Desk,
) -> None:
    order = desk.seen(1)
    first = desk.returned(order)
    for _ in range(5):
        desk.returned(order)
    later = desk.returned(order)

    def calls_and_reads(way: Mapping[str, list[Sample]]) -> dict[str, list[tuple[object, float]]]:
        return {
            step: [(one.cost.calls, one.cost.read_units) for one in samples]
            for step, samples in way.items()
        }

    assert calls_and_reads(later) == calls_and_reads(first)
    assert {step: len(samples) for step, samples in first.items()} == {
        QUOTE: 1,
        OPEN: 1,
        RECEIVE: 1,
        RELAY: 8,
        REFUND: 1,
        EDGE: 1,
        SETTLE: 1,
    }
    assert {step: len(first[step][0].cost.calls) for step in MAX_CALLS} == MAX_CALLS
