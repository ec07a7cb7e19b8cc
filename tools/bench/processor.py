"""Processor time of a request in this process, with a store that answers at once.

Each request is run again at its own moment, and gets the very answers that the engine gave it. The
client, its signatures and its parsing are all there; only the wire is missing. Only this thread is
timed: a provider's sandbox runs beside it.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Mapping, Sequence

from tools.bench.front import Front
from tools.bench.meter import Meter
from tools.bench.samples import BARE_GET, Notebook, Operations, Sample

_ROUNDS = 9
_ROUND_SECONDS = 0.04


def microseconds(meter: Meter, front: Front, sample: Sample) -> float:
    """Return the median over several rounds of the mean time of one execution."""
    front.now = sample.now
    once = _seconds(meter, sample, 3) / 3
    repeats = max(int(_ROUND_SECONDS / once), 5)
    gc.collect()
    rounds = [_seconds(meter, sample, repeats) / repeats for _ in range(_ROUNDS)]
    return statistics.median(rounds) * 1e6


def multiples(notebook: Notebook, runs: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """Return processor times as multiples of a bare read's at about the same moment."""

    def time_of(sample: Sample) -> float:
        return microseconds(notebook.meter, notebook.front, sample)

    bare = time_of(notebook.samples[BARE_GET][-1])
    return {name: sum(map(time_of, taken)) / bare for name, taken in runs.items()}


def timed(notebook: Notebook) -> Operations:
    """Return what was measured, and how long the last execution of each operation takes."""
    last = {name: taken[-1:] for name, taken in notebook.samples.items()}
    return Operations(notebook.samples, multiples(notebook, last))


def _seconds(meter: Meter, sample: Sample, repeats: int) -> float:
    started = time.thread_time()
    for _ in range(repeats):
        with meter.answering(sample.cost.answers):
            sample.again()
    return time.thread_time() - started
