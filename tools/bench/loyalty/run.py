"""Runs every operation of loyalty on a short and on a long history."""

from __future__ import annotations

import os
import time
from datetime import timedelta

from rich.console import Console

from tandem_loyalty import main as service_main
from tandem_loyalty import use_cases
from tandem_loyalty.store import store
from tools.bench.loyalty.operations import FIRST_PURCHASE, Member, enrol
from tools.bench.loyalty.report import BOUNDS, Measured, broken_bounds, show
from tools.bench.loyalty.shop import Shop
from tools.bench.meter import Meter
from tools.bench.processor import microseconds
from tools.bench.samples import Notebook, Sample
from tools.bench.stage import service
from tools.bench.tables import verdict

SHORT = 10
LONG = 10_000
# Every operation, including those that write the entries with snapshots, more than twice over.
ROUNDS = 70
# A long history is spread over so many days, so that lots of every month are there.
DAYS = 400
SAY_EVERY = 2_000


def run(console: Console, endpoint: str) -> int:
    try:
        long = max(int(os.environ.get("ENTRIES") or LONG), 2 * SHORT)
    except ValueError:
        console.print("ENTRIES must be a number")
        return 2
    histories = _measure(console, endpoint, long)
    show(console, histories)
    kept = f"{BOUNDS}, {ROUNDS} times and more in a row on each history"
    return verdict(console, broken_bounds(histories), kept)


def _measure(console: Console, endpoint: str, long: int) -> list[Measured]:
    shop = Shop(service_main.app)
    meter = Meter()
    with service("loyalty", endpoint, shop):
        table = store().table
        old, _ = enrol(shop, Notebook(shop, meter), table)
        step = timedelta(days=DAYS) / long
        _live(console, old, long, step)
        young, enrolment = enrol(shop, Notebook(shop, meter), table)
        _live(console, young, SHORT, step)
        histories = []
        for member, entries in ((young, SHORT), (old, long)):
            console.print(f"  operations   {ROUNDS} rounds from {entries:,} entries")
            histories.append(_costs(member, entries, enrolment))
        return histories


def _costs(member: Member, entries: int, enrolment: Sample) -> Measured:
    for _ in range(ROUNDS):
        member.round()
    samples = {"enrol": [enrolment], **member.notebook.samples}
    times = {
        operation: microseconds(member.notebook.meter, member.shop, taken[-1])
        for operation, taken in samples.items()
    }
    return Measured(entries, samples, times)


def _live(console: Console, member: Member, entries: int, step: timedelta) -> None:
    """Let a member shop at tills until the journal is that long, and let the schedule write down
    what time does, day by day, as it would."""
    shop, started = member.shop, time.monotonic()
    done, said, today = 1, 0, shop.now.date()
    while done < entries:
        shop.now += step
        if shop.now.date() != today:
            today = shop.now.date()
            done += use_cases.announce(store(), member.account_id, shop.now)
        member.buy(FIRST_PURCHASE)
        del member.notebook.samples[FIRST_PURCHASE][1:]
        done += 1
        if done // SAY_EVERY > said:
            said = done // SAY_EVERY
            passed = time.monotonic() - started
            console.print(f"  history      {done:,} of {entries:,} entries, {passed:.0f} s")
