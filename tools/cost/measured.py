"""What the benchmarks have counted, read from docs/benchmarks.md, which is the record of it.

A row that is gone or has other columns is an error: the costs would be those of something else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


class NotMeasured(Exception):
    """The document has no such row."""


@dataclass(frozen=True)
class Row:
    """One row: AWS calls, units, and processor time as a multiple of one bare read."""

    calls: float
    write_units: float
    read_units: float
    processor: float
    runs: float = 1


class Benchmarks:
    def __init__(self, path: Path) -> None:
        self._rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in path.read_text().splitlines()
            if line.startswith("| ") and "---" not in line
        ]

    def loyalty(self, operation: str) -> Row:
        """Read `operation | calls | units, young | units, old | read units | processor`."""
        _, calls, _, written, read, processor = self._row(operation, 6)
        return Row(_usual(calls), _usual(written), _usual(read), _usual(processor))

    def orders(self, operation: str) -> Row:
        """Read `operation | calls | write units | read units | processor`."""
        _, calls, written, read, processor = self._row(operation, 5)
        return Row(_usual(calls), _usual(written), _usual(read), _usual(processor))

    def returns(self, operation: str) -> Row:
        """Read it as those of orders are written."""
        return self.orders(operation)

    def whole_return(self) -> Row:
        """Read `all of a return | runs | calls | write units | read units | processor`."""
        _, runs, calls, written, read, processor = self._row("all of a return", 6)
        values = (_usual(cell) for cell in (calls, written, read, processor, runs))
        return Row(*values)

    def scan(self, step: str, *, changes_status: bool) -> Row:
        """Read `step | runs | calls | write units | read units | processor ...`."""
        width = 6 if changes_status else 7
        _, runs, calls, written, read, processor, *_ = self._row(step, width)
        values = (_usual(cell) for cell in (calls, written, read, processor, runs))
        return Row(*values)

    def _row(self, name: str, width: int) -> list[str]:
        found = [row for row in self._rows if row[0].strip("*") == name and len(row) == width]
        if len(found) != 1:
            raise NotMeasured(f"docs/benchmarks.md has {len(found)} rows {name!r} of {width} cells")
        return found[0]


def _usual(cell: str) -> float:
    """Read the usual of `4 + 1 .. 4 + 3`, `10, 11, 20` or `3 (all again: 4)`: the first; summed."""
    first = re.split(r"\.\.|,|;|\(", cell)[0]
    return sum(float(part) for part in first.split("+"))
