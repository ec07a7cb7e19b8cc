"""Runs the operations of returns, and whole returns of orders that have seen few and many."""

from __future__ import annotations

from rich.console import Console

from tandem_local.sandbox import Sandbox
from tandem_returns import main as service_main
from tools.bench.meter import Meter
from tools.bench.processor import multiples, timed
from tools.bench.returns.operations import Desk
from tools.bench.returns.report import BOUNDS, Returned, broken_bounds, show
from tools.bench.returns.shop import Shop, create_surroundings, environment, paying, warm
from tools.bench.samples import Notebook, Operations
from tools.bench.stage import service
from tools.bench.tables import verdict

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
    return verdict(console, broken_bounds(several), BOUNDS)


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
        return timed(self._notebook)

    def returned(self, earlier: int) -> Returned:
        """Bring single units back of orders of which so many have come back before."""
        self._console.print(f"  returns      after {earlier}")
        ways = []
        for _ in range(ORDERS):
            order = self._desk.seen(earlier)
            warm()
            ways += [self._desk.returned(order) for _ in range(MORE)]
        return Returned(earlier, ways, multiples(self._notebook, ways[-1]))
