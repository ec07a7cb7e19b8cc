"""What a person reads of orders: its operations, the way of a scan, what grows, and the sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.bench.follower import Way
from tools.bench.meter import Cost, total
from tools.bench.orders.journey import EDGE, NORMALISE, STEPS
from tools.bench.orders.operations import EDGE_AGAIN, EDGE_NEW
from tools.bench.samples import BARE_GET, Sample
from tools.bench.sizes import item_bytes, units_of_reading_one
from tools.bench.tables import (
    above,
    columns,
    each,
    listed,
    sent_again,
    spread,
    titled,
    write_units,
)

WHOLE = "all of it"
# It breaks what a history is recognised by: all of it is looked up, once. No bound is promised.
OLD_SCAN = "an old scan comes late"
MAX_EDGE_CALLS = 1
MAX_SCAN_CALLS = 3
MAX_SCAN_WRITE_UNITS = 4
BOUNDS = (
    f"a webhook took {MAX_EDGE_CALLS} AWS call; understanding one more scan took at most"
    f" {MAX_SCAN_CALLS}, at most {MAX_SCAN_WRITE_UNITS} write units, and the same units however"
    " often the parcel had been scanned"
)


@dataclass(frozen=True, slots=True)
class Operations:
    samples: Mapping[str, Sequence[Sample]]
    processor: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scans:
    """Scans of parcels that had been scanned `length` times, from the webhook to the message."""

    provider: str
    kind: str
    length: int
    ways: Sequence[Way]
    processor: Mapping[str, float]

    def costs(self, step: str) -> list[Cost]:
        """Return what a step, or all of them, has cost for each scan."""
        return [
            total(
                sample.cost
                for name, taken in way.items()
                for sample in taken
                if step in (name, WHOLE)
            )
            for way in self.ways
        ]

    def message_units(self) -> list[float]:
        """Return what it takes to read each message: it is as long as its sender makes it."""
        return [units_of_reading_one(item_bytes(way[EDGE][0].cost.items[0])) for way in self.ways]


@dataclass(frozen=True, slots=True)
class Looks:
    """Reads of a parcel that had been scanned `length` times, and of its order."""

    length: int
    samples: Mapping[str, Sample]
    processor: Mapping[str, float]


def broken_bounds(operations: Operations, scans: Sequence[Scans]) -> list[str]:
    """Return, in words, every bound that some sample exceeds."""
    edges = {
        name: [one.cost for one in operations.samples[name]] for name in (EDGE_NEW, EDGE_AGAIN)
    }
    broken = []
    bounded = [one for one in scans if one.kind != OLD_SCAN]
    for one in bounded:
        edges[f"webhook, {_where(one)}"] = one.costs(EDGE)
        costs = one.costs(NORMALISE)
        where = f"one more scan, {_where(one)}"
        broken += above(where, "AWS calls", MAX_SCAN_CALLS, [len(cost.calls) for cost in costs])
        units = [cost.write_units - cost.due_units for cost in costs]
        broken += above(where, "write units", MAX_SCAN_WRITE_UNITS, units)
    for where, costs in edges.items():
        broken += above(where, "AWS calls", MAX_EDGE_CALLS, [len(cost.calls) for cost in costs])
        broken += above(where, "read units", 0, [cost.read_units for cost in costs])
    return broken + list(_growing(bounded))


def _growing(scans: Sequence[Scans]) -> Iterator[str]:
    """Compare each length with the shortest. The length of a message is its sender's affair."""
    first: dict[tuple[str, str], tuple[float, float]] = {}
    for one in scans:
        costs = one.costs(NORMALISE)
        written = max(cost.write_units - cost.due_units for cost in costs)
        read = max(
            cost.read_units - units for cost, units in zip(costs, one.message_units(), strict=True)
        )
        shortest = first.setdefault((one.provider, one.kind), (written, read))
        for what, now, before in zip(("write", "read"), (written, read), shortest, strict=True):
            if now != before:
                yield f"one more scan, {_where(one)}: {now:g} {what} units, {before:g} at first"


def _where(scans: Scans) -> str:
    return f"{scans.provider}, {scans.kind}, after {scans.length}"


# --- tables ---------------------------------------------------------------------------------------


def show(
    console: Console, operations: Operations, scans: Sequence[Scans], looks: Sequence[Looks]
) -> None:
    console.print(_operations(operations))
    for title, several in _grouped(scans):
        console.print(_steps(title, several))
    console.print(_looks(looks))
    console.print(
        "Write units: table + indexes; where samples differ, the usual one and the worst.\n"
        "Read units of `normalise` are with those of the message, which has its sender's length.\n"
        "Processor time: as a multiple of one bare read of one item through the same client.\n"
    )
    taken = [one.cost for samples in operations.samples.values() for one in samples]
    sent_again(console, [*taken, *(cost for one in scans for cost in one.costs(WHOLE))])
    console.print(_bytes(operations, scans))
    console.print(_shares(operations, scans))


def _operations(operations: Operations) -> Table:
    table = titled("Cost of one operation")
    columns(table, "calls", "write units", "read units", "processor")
    for operation, samples in operations.samples.items():
        if operation == BARE_GET:
            continue
        costs = [sample.cost for sample in samples]
        table.add_row(
            operation,
            spread(len(cost.calls) for cost in costs),
            write_units(costs),
            spread(cost.read_units for cost in costs),
            f"{operations.processor[operation]:.1f}",
        )
    return table


def _grouped(scans: Sequence[Scans]) -> Iterator[tuple[str, list[Scans]]]:
    titles = dict.fromkeys((one.provider, one.kind) for one in scans)
    for provider, kind in titles:
        found = [one for one in scans if (one.provider, one.kind) == (provider, kind)]
        yield f"One more scan: the provider sends {provider}, {kind}", found


def _steps(title: str, several: Sequence[Scans]) -> Table:
    table = titled(f"{title}, after {each(f'{one.length}' for one in several)} scans")
    columns(table, "runs", "calls", "write units", "read units", "processor")
    for step in (*STEPS, WHOLE):
        costs = [one.costs(step) for one in several]
        times = [
            sum(time for name, time in one.processor.items() if step in (name, WHOLE))
            for one in several
        ]
        table.add_row(
            step,
            each(str(_runs(one, step)) for one in several),
            each(spread(len(cost.calls) for cost in found) for found in costs),
            each(map(write_units, costs)),
            each(spread(cost.read_units for cost in found) for found in costs),
            each(f"{time:.1f}" for time in times),
        )
    return table


def _runs(scans: Scans, step: str) -> int:
    return sum(len(taken) for name, taken in scans.ways[-1].items() if step in (name, WHOLE))


def _looks(looks: Sequence[Looks]) -> Table:
    lengths = each(f"{one.length}" for one in looks)
    table = titled(f"Reads that may grow: parcels with {lengths} scans")
    columns(table, "calls", "read units", "processor")
    for name in looks[0].samples:
        costs = [one.samples[name].cost for one in looks]
        table.add_row(
            name,
            each(str(len(cost.calls)) for cost in costs),
            each(f"{cost.read_units:g}" for cost in costs),
            each(f"{one.processor[name]:.1f}" for one in looks),
        )
    return table


def _bytes(operations: Operations, scans: Sequence[Scans]) -> Table:
    table = titled("Bytes of what is written")
    columns(table, "head", "heaviest entry")
    written: dict[str, list[Cost]] = {
        name: [one.cost for one in samples] for name, samples in operations.samples.items()
    }
    for one in scans:
        written[f"scan, {_where(one)}"] = one.costs(NORMALISE)
    for one in scans[-1:]:
        written["message to the customer"] = one.costs("notify")
    for name, costs in written.items():
        if costs[0].entries:
            table.add_row(name, _sizes(costs, "head_bytes"), _sizes(costs, "entry_bytes"))
    return table


def _sizes(costs: Iterable[Cost], what: str) -> str:
    return spread(getattr(cost, what) for cost in costs)


def _shares(operations: Operations, scans: Sequence[Scans]) -> str:
    """Say what weighs most in some typical items."""
    placed = operations.samples["place order, web, member"][-1].cost
    scanned = scans[-1].costs(NORMALISE)[-1]
    lines = []
    received = operations.samples[EDGE_NEW][-1].cost
    for name, cost in (
        ("An order's placing", placed),
        ("A webhook", received),
        ("A scan", scanned),
    ):
        lines.append(f"{name}, by attribute: {listed(cost.entries[-1])}")
        if cost.head:
            lines.append(f"Its head: {listed(cost.head)}")
    return "\n".join(lines)
