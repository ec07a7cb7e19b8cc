"""What a person reads of returns: its operations, a whole return, what grows, and the sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.bench.follower import WHOLE, Followed, Way
from tools.bench.meter import Cost
from tools.bench.returns.operations import EDGE, OPEN, QUOTE, RECEIVE, REFUND, STEPS
from tools.bench.samples import Operations
from tools.bench.tables import (
    above,
    bytes_table,
    each,
    listed,
    operations_table,
    sent_again,
    steps_table,
)


@dataclass(frozen=True, slots=True)
class Returned(Followed):
    """Whole returns of orders of which `earlier` returns are known already."""

    earlier: int
    ways: Sequence[Way]
    processor: Mapping[str, float]


MAX_CALLS: Mapping[str, int] = {QUOTE: 3, OPEN: 3, RECEIVE: 2, REFUND: 5, EDGE: 1}
MAX_QUOTE_WRITE_UNITS = 1
# A book remembers its last twenty returns, for limits by time, beside what is deflated: up to two
# kilobytes of its head, twice in a transaction, once in an index. The worker writes it twice.
MAX_GROWTH: Mapping[str, int] = {QUOTE: 0, OPEN: 5, RECEIVE: 4, REFUND: 8}
BOUNDS = (
    f"a quote took {MAX_CALLS[QUOTE]} AWS calls and {MAX_QUOTE_WRITE_UNITS} write unit, opening a"
    f" return {MAX_CALLS[OPEN]} calls, receiving it {MAX_CALLS[RECEIVE]}, paying it"
    f" {MAX_CALLS[REFUND]}, a payment webhook {MAX_CALLS[EDGE]}; none of them read more when an"
    " order had seen a hundred returns, and none wrote more than its last twenty take"
)


def broken_bounds(several: Sequence[Returned]) -> list[str]:
    """Return, in words, every bound that some sample exceeds."""
    broken = []
    for one in several:
        for step, limit in MAX_CALLS.items():
            calls = [len(cost.calls) for cost in one.costs(step)]
            broken += above(f"{step}, {_where(one)}", "AWS calls", limit, calls)
        written = [cost.write_units for cost in one.costs(QUOTE)]
        broken += above(f"quote, {_where(one)}", "write units", MAX_QUOTE_WRITE_UNITS, written)
    return broken + list(_growing(several))


def _growing(several: Sequence[Returned]) -> Iterator[str]:
    """Compare each order with the one that has seen fewest returns."""
    first, *others = sorted(several, key=lambda one: one.earlier)
    for step, growth in MAX_GROWTH.items():
        written, read = _written(first.costs(step)), _read(first.costs(step))
        for one in others:
            now = _written(one.costs(step))
            if now > written + growth:
                yield f"{step}, {_where(one)}: {now:g} write units, {written:g} at first"
            now = _read(one.costs(step))
            if now > read:
                yield f"{step}, {_where(one)}: {now:g} read units, {read:g} at first"


def _written(costs: Iterable[Cost]) -> float:
    return max(cost.write_units - cost.due_units for cost in costs)


def _read(costs: Iterable[Cost]) -> float:
    return max(cost.read_units for cost in costs)


def _where(returned: Returned) -> str:
    return f"after {returned.earlier} returns"


# --- tables ---------------------------------------------------------------------------------------


def show(console: Console, operations: Operations, several: Sequence[Returned]) -> None:
    console.print(operations_table(operations))
    lengths = each(f"{one.earlier}" for one in several)
    title = f"A whole return of an order that has seen {lengths} returns"
    console.print(steps_table(title, STEPS, several))
    console.print(
        "Write units: table + indexes; where samples differ, the usual one and the worst.\n"
        "Processor time: as a multiple of one bare read of one item through the same client. What\n"
        "a refund's provider is asked over HTTP is in the worker's, and is no call of AWS's.\n"
    )
    taken = [cost for costs in operations.costs().values() for cost in costs]
    sent_again(console, [*taken, *(cost for one in several for cost in one.costs(WHOLE))])
    console.print(_bytes(operations, several))
    console.print(_shares(operations, several))


def _bytes(operations: Operations, several: Sequence[Returned]) -> Table:
    written = operations.costs()
    for one in several:
        for step in (OPEN, RECEIVE, REFUND):
            written[f"{step}, {_where(one)}"] = one.costs(step)
    return bytes_table(written)


def _shares(operations: Operations, several: Sequence[Returned]) -> str:
    """Say what weighs most in what is written."""
    opened = operations.samples["open return, approved at once"][-1].cost
    received = several[-1].costs(RECEIVE)[-1]
    lines = [
        f"{name}, {item['sk']['S'].partition('#')[0]}: {listed(item)}"
        for name, cost in (("Open", opened), (f"Receive, {_where(several[-1])}", received))
        for item in cost.items
    ]
    return "\n".join(lines)
