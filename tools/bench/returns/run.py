"""Runs the operations of returns, and whole returns of orders that have seen few and many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console

from tandem_local.sandbox import Sandbox
from tandem_returns import main as service_main
from tools.bench.meter import Meter
from tools.bench.processor import microseconds
from tools.bench.returns.operations import Desk
from tools.bench.returns.report import BOUNDS, Operations, Returned, broken_bounds, show
from tools.bench.returns.shop import Shop, create_surroundings, environment, paying, warm
from tools.bench.samples import BARE_GET, Notebook, Sample
from tools.bench.stage import service

ROUNDS = 6
EARLIER = (1, 10, 100)
# So many orders that have seen so many returns, and so many more returns of each.
ORDERS, MORE = 2, 3


def run(console: Console, endpoint: str) -> int:
    shop = Shop(service_main.app)
    with paying() as sandbox, service("returns", endpoint, shop, environment(sandbox)):
        bench = Bench(console, Notebook(shop, Meter()), sandbox)
        create_surroundings()
        operations = bench.operations(ROUNDS)
        several = [bench.returned(earlier) for earlier in EARLIER]
    show(console, operations, several)
    broken = broken_bounds(several)
    for line in broken:
        console.print(f"[bold red]broken[/]  {line}")
    if not broken:
        console.print(f"Kept: {BOUNDS}.")
    return 1 if broken else 0


class Bench:
    def __init__(self, console: Console, notebook: Notebook, sandbox: Sandbox) -> None:
        self._console = console
        self._notebook = notebook
        self._desk = Desk(notebook, sandbox)

    def operations(self, rounds: int) -> Operations:
        self._console.print(f"  operations   {rounds} rounds")
        for _ in range(rounds):
            self._desk.round()
        self._desk.pages()
        samples = self._notebook.samples
        self._bare = samples[BARE_GET][-1]
        processor = self._processor({name: taken[-1:] for name, taken in samples.items()})
        return Operations(samples, processor)

    def returned(self, earlier: int) -> Returned:
        """Bring single units back of orders of which so many have come back before."""
        self._console.print(f"  returns      after {earlier}")
        ways = []
        for _ in range(ORDERS):
            order = self._desk.seen(earlier)
            warm()
            ways += [self._desk.returned(order) for _ in range(MORE)]
        return Returned(earlier, ways, self._processor(ways[-1]))

    def _processor(self, runs: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
        """Return processor times as multiples of a bare read's at about the same moment."""
        bare = self._time(self._bare)
        return {name: sum(map(self._time, taken)) / bare for name, taken in runs.items()}

    def _time(self, sample: Sample) -> float:
        return microseconds(self._notebook.meter, self._notebook.front, sample)
