"""Runs the operations of orders, and scans of parcels that have been scanned once to often."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from tandem_orders import main as service_main
from tools.bench.meter import Meter
from tools.bench.orders.operations import Shopfloor
from tools.bench.orders.providers import AllAgain, OneByOne, Provider
from tools.bench.orders.report import (
    BOUNDS,
    OLD_SCAN,
    Looks,
    Scans,
    broken_bounds,
    show,
)
from tools.bench.orders.retailer import ENVIRONMENT, Retailer, create_surroundings, warm
from tools.bench.processor import multiples, timed
from tools.bench.samples import Notebook, Operations
from tools.bench.stage import service
from tools.bench.tables import verdict

ROUNDS = 8
LENGTHS = (1, 50, 500)
# So many parcels of each length, and so many scans of each before it is on the last van.
PARCELS, USUAL_SCANS = 2, 4
PROVIDERS: Sequence[Provider] = (OneByOne(), AllAgain())


def run(console: Console, endpoint: str) -> int:
    retailer = Retailer(service_main.app)
    with service("orders", endpoint, retailer, ENVIRONMENT):
        bench = Bench(console, Notebook(retailer, Meter()))
        create_surroundings()
        operations = bench.operations(ROUNDS)
        scans = [
            one
            for provider in PROVIDERS
            for length in LENGTHS
            for one in bench.scans(provider, length)
        ]
    show(console, operations, scans, bench.looks)
    return verdict(console, broken_bounds(operations, scans), BOUNDS)


class Bench:
    def __init__(self, console: Console, notebook: Notebook) -> None:
        self._console = console
        self._notebook = notebook
        self._floor = Shopfloor(notebook)
        self.looks: list[Looks] = []

    def operations(self, rounds: int) -> Operations:
        self._console.print(f"  operations   {rounds} rounds")
        for _ in range(rounds):
            self._floor.round()
        self._floor.pages()
        return timed(self._notebook)

    def scans(self, provider: Provider, length: int) -> list[Scans]:
        """Scan parcels with so many scans: usually the status stays, then it changes."""
        self._console.print(f"  scans        {provider.title}, after {length}")
        stays, changes = [], []
        journeys = [self._floor.journey(provider, length) for _ in range(PARCELS)]
        for journey in journeys:
            warm()
            stays += [journey.scanned() for _ in range(USUAL_SCANS)]
            changes.append(journey.scanned(arrives=True))
        if provider is PROVIDERS[0]:
            look = self._floor.look(journeys[-1])
            runs = {name: [sample] for name, sample in look.items()}
            self.looks.append(Looks(length, look, multiples(self._notebook, runs)))
        kinds = {"the status stays": stays, "the status changes": changes}
        if provider is PROVIDERS[-1]:
            kinds[OLD_SCAN] = [journey.remembered() for journey in journeys]
        return [
            Scans(provider.title, kind, length, ways, multiples(self._notebook, ways[-1]))
            for kind, ways in kinds.items()
        ]
