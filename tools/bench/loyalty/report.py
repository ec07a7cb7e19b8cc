"""What a person reads: the costs of each operation on a short and on a long history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tools.bench.loyalty.operations import TWO_CALLS_FIVE_UNITS
from tools.bench.samples import BARE_GET, Sample
from tools.bench.tables import above, listed, sent_again, spread, write_units

MAX_CALLS = 2
MAX_WRITE_UNITS = 5
MAX_MOVES_IN_DUE = 1
BOUNDS = (
    f"accumulate and authorize took {MAX_CALLS} AWS calls and at most {MAX_WRITE_UNITS} write units"
    ", a first place in the index `due` apart"
)


@dataclass(frozen=True, slots=True)
class Measured:
    """The samples of each operation, in the order of their execution, on one account."""

    entries: int
    samples: Mapping[str, Sequence[Sample]]
    microseconds: Mapping[str, float]

    @property
    def title(self) -> str:
        return f"{self.entries:,} entries"


def show(console: Console, histories: Sequence[Measured]) -> None:
    console.print(_units(histories))
    console.print(
        "Write units: table + indexes; where operations differ, the usual one and the worst.\n"
        "Processor time: as a multiple of one bare read of one item through the same client.\n"
    )
    every = [one for history in histories for taken in history.samples.values() for one in taken]
    sent_again(console, [sample.cost for sample in every])
    console.print(_bytes(histories))
    console.print(_shares(histories[-1].samples))


def broken_bounds(histories: Sequence[Measured]) -> list[str]:
    """Return, in words, every bound that some sample exceeds.

    An order that falls due before all else moves its account in the index `due`. The first of many
    pays for that, so it is shown as the worst case, and the bound is on how often it may happen.
    """
    broken = []
    for history in histories:
        for operation in TWO_CALLS_FIVE_UNITS:
            costs = [sample.cost for sample in history.samples[operation]]
            where = f"{operation}, from {history.title}"
            for what, limit, values in (
                ("AWS calls", MAX_CALLS, [len(cost.calls) for cost in costs]),
                ("write units", MAX_WRITE_UNITS, [c.write_units - c.due_units for c in costs]),
            ):
                broken += above(where, what, limit, values)
            moves = sum(1 for cost in costs if cost.due_units)
            if moves > MAX_MOVES_IN_DUE:
                broken.append(f"{where}: {moves} of {len(costs)} moved in the index `due`")
    return broken


def _units(histories: Sequence[Measured]) -> Table:
    table = Table(title="Cost of one operation", title_justify="left", title_style="bold")
    table.add_column("operation", no_wrap=True)
    for what in ("calls", "write units", "read units", "processor"):
        for history in histories:
            table.add_column(f"{what}\nfrom {history.entries:,}", justify="right", no_wrap=True)
    for operation in histories[0].samples:
        if operation == BARE_GET:
            continue
        found = [(history, history.samples.get(operation, ())) for history in histories]
        table.add_row(
            operation,
            *(spread(len(one.cost.calls) for one in samples) for _, samples in found),
            *(write_units([one.cost for one in samples]) for _, samples in found),
            *(spread(one.cost.read_units for one in samples) for _, samples in found),
            *(
                f"{history.microseconds[operation] / history.microseconds[BARE_GET]:.1f}"
                for history, _ in found
            ),
        )
    return table


def _bytes(histories: Sequence[Measured]) -> Table:
    table = Table(title="Bytes of what is written", title_justify="left", title_style="bold")
    table.add_column("operation", no_wrap=True)
    for what in ("head", "entry"):
        for history in histories:
            table.add_column(f"{what}\nfrom {history.entries:,}", justify="right", no_wrap=True)
    for operation, samples in histories[0].samples.items():
        if not samples[0].cost.entries:
            continue
        found = [history.samples.get(operation, ()) for history in histories]
        table.add_row(
            operation,
            *(spread(one.cost.head_bytes for one in samples) for samples in found),
            *(spread(one.cost.entry_bytes for one in samples) for samples in found),
        )
    return table


def _shares(samples: Mapping[str, Sequence[Sample]]) -> str:
    """Say what weighs most in the heaviest accrual at a till and in the head it left."""
    heaviest = max(samples["accumulate, till"], key=lambda one: one.cost.entry_bytes).cost
    entry = heaviest.entries[-1]
    lines = ["Heaviest entry of a till, by attribute: " + listed(entry)]
    if heaviest.head:
        lines.append("Its head: " + listed(heaviest.head))
    return "\n".join(lines)
