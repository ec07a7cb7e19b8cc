"""`python -m tandem_demo`: follow two orders and a return, replay shop data, compare every balance.

Exit status: 0 all is as it should be, 1 something is not, 2 it could not run, 130 interrupted.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from secrets import token_hex
from types import FrameType
from typing import NoReturn

import urllib3
from rich.console import Console

from tandem_demo import report
from tandem_demo.client import Client, Refused
from tandem_demo.comeback import Comeback
from tandem_demo.dataset import LAST_DAY, read_sample
from tandem_demo.journeys import Journey
from tandem_demo.reconciliation import reconcile
from tandem_demo.replay import (
    SERVICE_DESK,
    WEB_SHOP,
    Account,
    OtherProgram,
    enrol,
    read_terms,
    replay,
    tills,
)
from tandem_demo.story import Calendar, Member, sample_name, tell
from tandem_demo.system import NoSystem, running_system, sandbox_of
from tandem_demo.tokens import local_tokens

_FAILED, _CANNOT_RUN, _INTERRUPTED = 1, 2, 130


def main() -> int:
    options = _options()
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with running_system(options.base_url, options.data) as started:
            console.print(f"{'started' if started else 'using'} the system at {options.base_url}")
            pool = urllib3.PoolManager(maxsize=options.threads, block=True)
            tokens = local_tokens(options.data)
            agrees = follow(console, Client(options.base_url, tokens, pool), options.base_url)
            provider = Client(sandbox_of(options.base_url), tokens, pool)
            agrees &= come_back(console, Client(options.base_url, tokens, pool), provider)
            client = Client(options.base_url, tokens, pool)
            agrees &= run(console, client, options.households, options.baskets, options.threads)
    except KeyboardInterrupt:
        console.print("interrupted; the same command continues where this one stopped")
        return _INTERRUPTED
    except (NoSystem, OtherProgram, Refused) as problem:
        console.print(str(problem), markup=False)
        return _CANNOT_RUN
    return 0 if agrees else _FAILED


def follow(console: Console, client: Client, base_url: str) -> bool:
    """Tell two orders of one customer. Returns whether everybody saw what they should."""
    told = Journey(client, base_url, token_hex(4)).tell()
    return report.show_journeys(console, told)


def come_back(console: Console, client: Client, provider: Client) -> bool:
    """Tell how all that another customer bought comes back. Returns whether it all adds up."""
    comeback = Comeback(client, provider, token_hex(4))
    return report.show_comeback(console, comeback.tell(), comeback.turns)


def run(console: Console, client: Client, households: int, baskets: int, threads: int) -> bool:
    """Replay one sample and reconcile it. Returns whether every balance agrees."""
    client.get_ready([WEB_SHOP, SERVICE_DESK])
    terms = read_terms(client)
    sample = read_sample(households, baskets)
    name = sample_name(households, baskets)
    console.print(
        f"sample {name}: {len(sample):,} households, "
        f"{sum(len(household.baskets) for household in sample):,} baskets; "
        f"dollars are sent as {terms.currency}"
    )
    members = [Member(name, household.household_id) for household in sample]
    enrolments = enrol(client, members, threads)
    calendar = Calendar.from_first_enrolment(enrolments[0].enrolled_at)
    console.print(
        f"dates: {LAST_DAY} in the data is {calendar.anchor} here, the day before the sample's "
        f"first household enrolled; all dates move by {calendar.shift.days:,} days"
    )
    notes: Counter[str] = Counter()
    accounts = [
        Account(story, enrolment.account_id)
        for story, enrolment in zip(tell(members, sample, calendar, notes), enrolments, strict=True)
    ]
    terminals = tills(accounts)
    console.print(f"tokens for {len(terminals):,} tills, one for each store")
    client.get_ready(terminals)
    visits = sum(len(account.story.visits) for account in accounts)
    started, before = time.perf_counter(), client.meter.counts["requests"]
    with report.progress(console, visits) as on_visit:
        replay(client, accounts, terms, threads, on_visit)
    seconds = time.perf_counter() - started
    requests = client.meter.counts["requests"] - before
    findings = reconcile(client, accounts, threads)
    report.show_notes(console, notes)
    report.show_latencies(console, client.meter)
    report.show_totals(console, accounts, findings, client.meter, requests / seconds)
    return report.show_verdict(console, findings, client.meter)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tandem_demo", description=__doc__)
    parser.add_argument("--households", type=_positive, default=25)
    parser.add_argument("--baskets", type=_positive, default=500)
    parser.add_argument("--port", type=_positive, default=8000, help="of the local system")
    parser.add_argument("--base-url", type=_base_url, help="instead of the local system's")
    parser.add_argument("--data", type=Path, default=Path(".local"), help="of the local system")
    parser.add_argument("--threads", type=_positive, default=4)
    options = parser.parse_args()
    options.base_url = options.base_url or f"http://127.0.0.1:{options.port}"
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _base_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError("must start with http:// or https://")
    return text.rstrip("/")


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """Treat a polite kill like Ctrl-C, so that a started system is stopped as well."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
