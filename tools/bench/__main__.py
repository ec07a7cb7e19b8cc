"""`make bench`: run every operation on a short and on a long history, print what each has cost.

ENTRIES is the length of the long history, 10,000 unless told. Ends with 1 when an operation costs
more than is promised.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped]
from rich.console import Console

from tandem_core.logs import logger
from tandem_core.table import dynamodb_client
from tandem_local.clients import CREDENTIALS
from tandem_local.engine import Engine, EngineFailed
from tandem_loyalty import use_cases
from tandem_loyalty.store import store
from tools.bench.meter import Meter
from tools.bench.operations import FIRST_PURCHASE, Member, Sample, enrol
from tools.bench.processor import microseconds
from tools.bench.report import BOUNDS, Measured, broken_bounds, show
from tools.bench.shop import Shop

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-engine/bin/python"
TABLE = "tandem-bench-loyalty"
SHORT = 10
LONG = 10_000
# Every operation, including those that write the entries with snapshots, more than twice over.
ROUNDS = 70
# A long history is spread over so many days, so that lots of every month are there.
DAYS = 400
SAY_EVERY = 2_000


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        long = max(int(os.environ.get("ENTRIES") or LONG), 2 * SHORT)
    except ValueError:
        console.print("ENTRIES must be a number")
        return 2
    if not PYTHON.exists():
        console.print("There is no engine yet: `make .venv-engine/engine` installs it.")
        return 2
    try:
        histories = _measure(console, long)
    except EngineFailed as failed:
        console.print(str(failed))
        return 1
    show(console, histories)
    broken = broken_bounds(histories)
    for line in broken:
        console.print(f"[bold red]broken[/]  {line}")
    if not broken:
        console.print(f"Kept: {BOUNDS}, {ROUNDS} times and more in a row on each history.")
    return 1 if broken else 0


def _measure(console: Console, long: int) -> list[Measured]:
    shop = Shop()
    with _engine() as endpoint, _service(endpoint, shop):
        meter = Meter(dynamodb_client())
        table = store().table
        enrolments: list[Sample] = []
        old = enrol(shop, meter, table, enrolments)
        step = timedelta(days=DAYS) / long
        _live(console, old, long, step)
        young = enrol(shop, meter, table, enrolments)
        _live(console, young, SHORT, step)
        histories = []
        for member, entries in ((young, SHORT), (old, long)):
            console.print(f"  operations   {ROUNDS} rounds from {entries:,} entries")
            histories.append(_costs(member, entries, enrolments))
        return histories


@contextmanager
def _engine() -> Iterator[str]:
    """Run an engine on loopback that leaves nothing behind. Yields its endpoint."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as name:
        folder = Path(name)
        log = folder / "engine.log"
        engine = Engine(PYTHON, folder, log)
        try:
            engine.start()
            yield engine.endpoint
        except EngineFailed as failed:
            raise EngineFailed(f"The engine did not start:\n{log.read_text()}") from failed
        finally:
            engine.stop()


def _costs(member: Member, entries: int, enrolments: list[Sample]) -> Measured:
    for _ in range(ROUNDS):
        member.round()
    samples = {"enrol": enrolments[-1:], **member.samples}
    times = {
        operation: microseconds(member.meter, member.shop, taken[-1])
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
        del member.samples[FIRST_PURCHASE][1:]
        done += 1
        if done // SAY_EVERY > said:
            said = done // SAY_EVERY
            passed = time.monotonic() - started
            console.print(f"  history      {done:,} of {entries:,} entries, {passed:.0f} s")


@contextmanager
def _service(endpoint: str, shop: Shop) -> Iterator[None]:
    """Set up the service of this process: its environment, its table, its clock, silent logs."""
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "TANDEM_BUS": "tandem-bench",
        "TANDEM_SERVICE": "loyalty",
        "TANDEM_STAGE": "bench",
        "TANDEM_TABLE": TABLE,
    }
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        for clock in ("tandem_core.http.utc_now", "tandem_loyalty.consumers.utc_now"):
            stack.enter_context(patch(clock, lambda: shop.now))
        silence = stack.enter_context(Path(os.devnull).open("w"))
        logger().registered_handler.setStream(silence)  # type: ignore[attr-defined]
        boto3.client("dynamodb").create_table(TableName=TABLE, **_table_properties())
        yield


def _table_properties() -> Any:
    """Return the keys and the indexes of the table that is deployed."""
    template = cfn_yaml.load(str(ROOT / "infra/loyalty.yaml"))
    properties = template["Resources"]["Table"]["Properties"]
    wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    return {name: properties[name] for name in wanted}


if __name__ == "__main__":
    sys.exit(main())
