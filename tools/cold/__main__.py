"""`make bench-cold`, `make bench-warm`: ours beside its peers; ends with 1 when a bound is broken.

ROUNDS is how many processes are measured of each, 11 unless told.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tools.cold.run import Failed, Report, event, in_turns, median, seeded
from tools.cold.store import Store, serving
from tools.cold.subjects import Subject, as_chalice_ships_it, as_we_ship_it, peer
from tools.packages.package import BuildFailed

OURS, ORDERS = "loyalty: our zip", "orders: our zip"
# Ours divided by the other: init alone, and init with the first answer, both stay below.
COLD_BOUNDS = (
    (OURS, "loyalty: plain Chalice, no bytecode", 0.45),
    (ORDERS, "orders: plain Chalice, no bytecode", 0.45),
    (OURS, "boto3 + pydantic, bytecode", 0.85),
    (OURS, "FastAPI + Mangum, no bytecode", 0.35),
)
WARM_BOUNDS = ((OURS, "Powertools, validation, Logger, Metrics, bytecode", 0.75),)
_WARM_REPEATS = 60

_PEERS = (
    ("plain_handler", "boto3 + pydantic"),
    ("powertools_handler", "Powertools, validation, Logger, Metrics"),
    ("fastapi_handler", "FastAPI + Mangum"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cold", description=__doc__)
    parser.add_argument("what", choices=("cold", "warm"))
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    store = Store()
    try:
        with tempfile.TemporaryDirectory(prefix="tandem-bench-") as name, serving(store):
            folder = Path(name)
            measure = _cold if arguments.what == "cold" else _warm
            return measure(console, store, folder, arguments.rounds)
    except (BuildFailed, Failed) as failure:
        console.print(str(failure), markup=False)
        return 1


def _cold(console: Console, store: Store, folder: Path, rounds: int) -> int:
    subjects = [
        as_we_ship_it("loyalty", folder / "ours"),
        as_chalice_ships_it("loyalty", folder / "chalice"),
        as_chalice_ships_it("loyalty", folder / "chalice-compiled", compiled=True),
        *_peers(folder, compiled=True),
        *_peers(folder, compiled=False),
        as_we_ship_it("orders", folder / "orders"),
        as_chalice_ships_it("orders", folder / "orders-chalice"),
    ]
    requests = {
        "loyalty": seeded(store, subjects[0], folder),
        "orders": event("terminal", "GET /v1/orders/{order_id}", order_id="ord_unknown"),
    }
    reports = in_turns(subjects, store, requests, folder, rounds)
    table = Table(title=f"Cold start, milliseconds, median of {rounds} processes each")
    table.add_column("")
    for name in ("init CPU", "first CPU", "together", "wall", "ours / it: init", "together"):
        table.add_column(name, justify="right")
    for name, one in reports.items():
        ours = reports[ORDERS if name.startswith("orders") else OURS]
        wall = median([report.init_wall + report.first_wall for report in one])
        table.add_row(
            name,
            *(f"{1000 * seconds:.0f}" for seconds in (*_starts(one), wall)),
            *(f"{_ratio(ours, one, part):.2f}" for part in (0, 2)),
        )
    console.print(table)
    console.print("together: until the first accumulate (orders: the first read) is answered.")
    return _verdict(console, reports, COLD_BOUNDS, parts=(0, 2))


def _warm(console: Console, store: Store, folder: Path, rounds: int) -> int:
    subjects = [as_we_ship_it("loyalty", folder / "ours"), *_peers(folder, compiled=True)]
    requests = {"loyalty": seeded(store, subjects[0], folder)}
    reports = in_turns(subjects, store, requests, folder, rounds, _WARM_REPEATS)
    table = Table(title=f"One accumulate, CPU, {rounds} processes of nine rounds each")
    for name in ("", "microseconds", "ours / it"):
        table.add_column(name, justify="right" if name else "left")
    for name, one in reports.items():
        ratio = _ratio(reports[OURS], one, 3)
        table.add_row(name, f"{1e6 * _starts(one)[3]:.0f}", f"{ratio:.2f}")
    console.print(table)
    return _verdict(console, reports, WARM_BOUNDS, parts=(3,))


def _peers(folder: Path, *, compiled: bool) -> list[Subject]:
    return [
        peer(module, name, folder / f"{module}-{compiled}", compiled=compiled)
        for module, name in _PEERS
    ]


def _starts(reports: Sequence[Report]) -> tuple[float, ...]:
    """Return the medians of init, of the first answer, of both together, and of a warm answer."""
    return (
        median([report.init_cpu for report in reports]),
        median([report.first_cpu for report in reports]),
        median([report.init_cpu + report.first_cpu for report in reports]),
        *([median([median(report.warm_cpu) for report in reports])] if reports[0].warm_cpu else []),
    )[: 4 if reports[0].warm_cpu else 3]


def _ratio(ours: Sequence[Report], other: Sequence[Report], part: int) -> float:
    return _starts(ours)[part] / _starts(other)[part]


def _verdict(
    console: Console,
    reports: Mapping[str, Sequence[Report]],
    bounds: Sequence[tuple[str, str, float]],
    parts: Sequence[int],
) -> int:
    """Print how each bound fares and return 1 when one of them is broken."""
    broken = False
    for ours, other, bound in bounds:
        worst = max(_ratio(reports[ours], reports[other], part) for part in parts)
        broken |= worst > bound
        console.print(
            f"{'broken' if worst > bound else 'held  '}  {ours} / {other}: {worst:.2f}, "
            f"at most {bound}",
            markup=False,
            highlight=False,
        )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
