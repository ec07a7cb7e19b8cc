"""What a person reads of orders: its operations, the way of a scan, what grows, and the sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.bench.follower import WHOLE, Followed, Way
from tools.bench.orders.journey import EDGE, NORMALISE, STEPS
from tools.bench.orders.operations import EDGE_AGAIN, EDGE_NEW
from tools.bench.samples import Operations, Sample
from tools.bench.sizes import item_bytes, units_of_reading_one
from tools.bench.tables import (
    above,
    bytes_table,
    columns,
    each,
    listed,
    operations_table,
    sent_again,
    steps_table,
    titled,
)

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
class Scans(Followed):
    """Scans of parcels that had been scanned `length` times, from the webhook to the message."""

    provider: str
    kind: str
    length: int
    ways: Sequence[Way]
    processor: Mapping[str, float]

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
    edges = {name: operations.costs()[name] for name in (EDGE_NEW, EDGE_AGAIN)}
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
    console.print(operations_table(operations))
    for title, several in _grouped(scans):
        console.print(steps_table(title, STEPS, several))
    console.print(_looks(looks))
    console.print(
        "Write units: table + indexes; where samples differ, the usual one and the worst.\n"
        "Read units of `normalise` are with those of the message, which has its sender's length.\n"
        "Processor time: as a multiple of one bare read of one item through the same client.\n"
    )
    taken = [cost for costs in operations.costs().values() for cost in costs]
    sent_again(console, [*taken, *(cost for one in scans for cost in one.costs(WHOLE))])
    console.print(_bytes(operations, scans))
    console.print(_shares(operations, scans))


def _grouped(scans: Sequence[Scans]) -> Iterator[tuple[str, list[Scans]]]:
    titles = dict.fromkeys((one.provider, one.kind) for one in scans)
    for provider, kind in titles:
        found = [one for one in scans if (one.provider, one.kind) == (provider, kind)]
        lengths = each(f"{one.length}" for one in found)
        title = f"One more scan: the provider sends {provider}, {kind}, after {lengths} scans"
        yield title, found


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
    written = operations.costs()
    for one in scans:
        written[f"scan, {_where(one)}"] = one.costs(NORMALISE)
    for one in scans[-1:]:
        written["message to the customer"] = one.costs("notify")
    return bytes_table(written)


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
