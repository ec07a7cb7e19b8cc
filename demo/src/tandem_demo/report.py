"""What a person reads: the progress, the tables, the verdict. Computes nothing but percentiles."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from tandem_demo.client import Meter
from tandem_demo.comeback import Turn
from tandem_demo.journeys import Sight, Told
from tandem_demo.reconciliation import Finding
from tandem_demo.replay import Account

_SHOWN = 5


@contextmanager
def progress(console: Console, visits: int) -> Iterator[Callable[[], None]]:
    """Show a bar on a terminal and nothing elsewhere. Yields what to call after each visit."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("baskets", total=visits)
        yield lambda: bar.advance(task)


def percentile(sorted_values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of values in ascending order."""
    return sorted_values[max(math.ceil(share * len(sorted_values)) - 1, 0)]


def show_notes(console: Console, notes: Mapping[str, int]) -> None:
    table = Table("What the data needed", "count", title_justify="left")
    table.columns[1].justify = "right"
    for note, count in sorted(notes.items()):
        if count:
            table.add_row(note, f"{count:,}")
    console.print(table)


def show_latencies(console: Console, meter: Meter) -> None:
    table = Table("operation", "requests", "p50 ms", "p95 ms", "p99 ms", "max ms")
    for column in table.columns[1:]:
        column.justify = "right"
    for operation, seconds in meter.latencies.items():
        values = sorted(seconds)
        marks = [percentile(values, share) for share in (0.50, 0.95, 0.99, 1.0)]
        table.add_row(operation, f"{len(values):,}", *(f"{mark * 1000:.1f}" for mark in marks))
    console.print(table)


def show_totals(
    console: Console,
    accounts: Sequence[Account],
    findings: Sequence[Finding],
    meter: Meter,
    requests_per_second: float,
) -> None:
    done: Counter[str] = Counter()
    for account in accounts:
        done += account.done
    earned = sum(account.books.granted_points for account in accounts)
    redeemed = sum(account.books.spent_points for account in accounts)
    available = sum(finding.balance.available for finding in findings)
    pending = sum(finding.balance.pending for finding in findings)
    rows: dict[str, str] = {
        "households": f"{len(accounts):,}",
        "baskets": f"{done['baskets']:,}",
        "points earned": f"{earned:,}",
        "points redeemed (captured less reversed)": f"{redeemed:,}",
        "points available now": f"{available:,}",
        "points pending now": f"{pending:,}",
        "points lapsed": f"{earned - redeemed - available - pending:,}",
        "holds": f"{done['holds']:,}",
        "captures": f"{done['captures']:,}",
        "voids": f"{done['voids']:,}",
        "reversals": f"{done['reversals']:,}",
        "holds refused or lapsed": f"{done['holds refused'] + done['holds lapsed']:,}",
        "requests": f"{meter.counts['requests']:,}",
        "of these writes": f"{meter.counts['writes']:,}",
        "replayed answers": f"{meter.counts['replayed']:,}",
        "tries repeated (busy or no answer)": f"{meter.counts['retries']:,}",
        "throughput, requests/s": f"{requests_per_second:,.1f}",
    }
    table = Table("replay", "")
    table.columns[1].justify = "right"
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def show_verdict(console: Console, findings: Sequence[Finding], meter: Meter) -> bool:
    """Print the reconciliation. Returns whether everything agrees."""
    wrong = [finding for finding in findings if finding.disagreements]
    if meter.counts["replayed"] == meter.counts["writes"]:
        console.print("This was a repeat: every write was answered as the first time (replayed).")
    console.print(f"accounts compared: {len(findings):,}")
    colour = "red" if wrong else "green"
    console.print(f"[{colour}]balances that disagree: {len(wrong)}[/]")
    for finding in wrong[:_SHOWN]:
        console.print(f"  {finding.name}", markup=False)
        for disagreement in finding.disagreements[:_SHOWN]:
            console.print(f"    {disagreement}", markup=False)
    return not wrong


def show_journeys(console: Console, told: Told) -> bool:
    """Print both stories and the timeline. Returns whether everybody saw what they should."""
    console.print(
        f"\nAda ({told.customer_id}) buys twice, and everybody looks at it after each step."
    )
    _show_sights(console, "To the door", told.parcel)
    _show_sights(console, "To the counter", told.pickup)
    table = Table("UTC", "channel", "Ada's timeline, newest first", "and in German")
    for line in told.timeline:
        table.add_row(line.at, line.channel, line.english, line.german)
    console.print(table)
    console.print(f"the link to the parcel, for everybody, while the system runs:\n{told.link}")
    return _show_checks(console, told)


def show_comeback(console: Console, told: Told, turns: Sequence[Turn]) -> bool:
    """Print what each step of the return comes to. Returns whether points and money add up."""
    console.print(f"Bea ({told.customer_id}) buys online and in store, and brings everything back.")
    console.print(
        "points: as her app shows them; paid: euros to her card, by the payment sandbox's ledger; "
        "books: what the demo works out by itself"
    )
    table = Table("And back", "points", "books", "paid", "books")
    for column in table.columns[1:]:
        column.justify = "right"
    for turn in turns:
        sides = [(_points(side.points), _money(side.paid_back_minor)) for side in turn[1:]]
        (points, paid), (own_points, own_paid) = sides
        table.add_row(turn.step, points, own_points, paid, own_paid)
    console.print(table)
    return _show_checks(console, told)


def _points(points: int) -> str:
    return f"{points:,}" if points >= 0 else f"{-points:,} owed"


def _money(minor: int) -> str:
    return f"{minor // 100:,}.{minor % 100:02d}"


def _show_checks(console: Console, told: Told) -> bool:
    colour = "red" if told.wrong else "green"
    console.print(f"[{colour}]checks: {told.checks}, failed: {len(told.wrong)}[/]")
    for expectation in told.wrong:
        console.print(f"  expected: {expectation}", markup=False)
    console.print()
    return not told.wrong


def _show_sights(console: Console, title: str, sights: Sequence[Sight]) -> None:
    table = Table(title, "Ada's app", "a till", "the link, no login")
    for sight in sights:
        table.add_row(*sight)
    console.print(table)
