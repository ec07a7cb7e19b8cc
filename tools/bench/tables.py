"""How costs are written in a table that a person reads."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from tools.bench.follower import WHOLE, Followed
from tools.bench.meter import Cost
from tools.bench.samples import BARE_GET, Operations
from tools.bench.sizes import Wire, attribute_bytes


def spread(values: Iterable[float]) -> str:
    """Render the usual value, and the largest one where they differ."""
    ordered = sorted(values)
    if not ordered:
        return ""
    usual = statistics.median_low(ordered)
    most = "" if ordered[-1] == usual else f" .. {ordered[-1]:g}"
    return f"{usual:g}{most}"


def write_units(costs: Sequence[Cost]) -> str:
    """Render the write units of table + indexes, the usual ones and the worst."""
    ordered = sorted(costs, key=lambda cost: cost.write_units)
    if not ordered:
        return ""
    usual, worst = ordered[(len(ordered) - 1) // 2], ordered[-1]
    text = f"{usual.table_units:g} + {usual.index_units:g}" if usual.write_units else "0"
    if worst.write_units > usual.write_units:
        text += f" .. {worst.table_units:g} + {worst.index_units:g}"
    return text


def listed(item: Wire) -> str:
    """Render the bytes of an item's attributes, heaviest first."""
    return ", ".join(f"{name} {size}" for name, size in attribute_bytes(item).items())


def sent_again(console: Console, costs: Iterable[Cost]) -> None:
    """Say how many requests the client had to send again; they are no calls of the service's."""
    again = sum(cost.requests - len(cost.calls) for cost in costs)
    if again:
        console.print(f"The client sent {again} requests again, since the engine was slow.\n")


def above(where: str, what: str, limit: float, values: Sequence[float]) -> list[str]:
    """Return, in words, that some values exceed a bound; nothing when none does."""
    beyond = [value for value in values if value > limit]
    if not beyond:
        return []
    return [
        f"{where}: {max(beyond):g} {what}, at most {limit:g} wanted;"
        f" {len(beyond)} of {len(values)} are above"
    ]


def verdict(console: Console, broken: Sequence[str], kept: str) -> int:
    """Say which bounds are broken, or what was kept; return the code to end with."""
    for line in broken:
        console.print(f"[bold red]broken[/]  {line}")
    if not broken:
        console.print(f"Kept: {kept}.")
    return 1 if broken else 0


def each(values: Iterable[str]) -> str:
    """Render the values of several lengths, or the one that all of them have."""
    listed_values = list(values)
    return " / ".join(listed_values if len(set(listed_values)) > 1 else listed_values[:1])


def titled(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    return table


def columns(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)


def operations_table(operations: Operations) -> Table:
    table = titled("Cost of one operation")
    columns(table, "calls", "write units", "read units", "processor")
    for operation, costs in operations.costs().items():
        if operation == BARE_GET:
            continue
        table.add_row(
            operation,
            spread(len(cost.calls) for cost in costs),
            write_units(costs),
            spread(cost.read_units for cost in costs),
            f"{operations.processor[operation]:.1f}",
        )
    return table


def steps_table(title: str, steps: Iterable[str], several: Sequence[Followed]) -> Table:
    """Render each step of a way, and all of them; `several` are ways of several lengths."""
    table = titled(title)
    columns(table, "runs", "calls", "write units", "read units", "processor")
    for step in (*steps, WHOLE):
        costs = [one.costs(step) for one in several]
        table.add_row(
            step,
            each(str(one.runs(step)) for one in several),
            each(spread(len(cost.calls) for cost in found) for found in costs),
            each(map(write_units, costs)),
            each(spread(cost.read_units for cost in found) for found in costs),
            each(f"{one.time(step):.1f}" for one in several),
        )
    return table


def bytes_table(written: Mapping[str, Sequence[Cost]]) -> Table:
    """Render the sizes of what was written, where an entry was."""
    table = titled("Bytes of what is written")
    columns(table, "head", "heaviest entry")
    for name, costs in written.items():
        if costs[0].entries:
            table.add_row(
                name,
                spread(cost.head_bytes for cost in costs),
                spread(cost.entry_bytes for cost in costs),
            )
    return table
