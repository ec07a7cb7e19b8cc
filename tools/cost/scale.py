"""The arithmetic of docs/scale.md: what a mixture of operations asks of AWS, which limit it meets.

`python -m tools.cost.scale` prints its two tables; a test compares them with the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tandem_core.due import DUE_SHARDS
from tandem_loyalty.store import POINTER_COPIES
from tools.cost import model
from tools.cost.measured import Benchmarks
from tools.cost.model import Work

ROOT = Path(__file__).resolve().parents[2]
RATES = (10, 1_000, 10_000)

# Of a hundred operations; a third of the scans changes a status.
TILL, REDEMPTIONS, ORDERS, SCANS, RETURNS = 40, 10, 10, 38, 2
TELLING = 1 / 3

# AWS's documented limits and default quotas.
PARTITION_WRITES = 1_000
PARTITION_READS = 3_000
PUT_EVENTS_LARGE, PUT_EVENTS_SMALL = 10_000, 600
LAMBDA_AT_ONCE = 1_000
API_REQUESTS = 10_000
NEW_TABLE_WRITES = 4_000
TABLE_WRITES = 40_000
# Stripe's, for an account that has not asked for more.
PROVIDER_CALLS = 100
# What infra/returns.yaml lets the worker of refunds do at once, and how long one may take it.
REFUNDS_AT_ONCE = 20
REFUND_SECONDS = 0.5
SCHEDULE_SECONDS = 270
LOOK_SECONDS = 0.02


class Load:
    """What one operation a second of the mixture is."""

    def __init__(self, measured: Benchmarks) -> None:
        works = model.operations(measured)
        telling = works["scan, status changes"] * TELLING
        quiet = works["scan, status stays"] * (1 - TELLING)
        shares = (
            works["accumulate at a till"] * TILL,
            works["redemption: authorize, capture"] * REDEMPTIONS,
            works["order of 3 lines, web, member"] * ORDERS,
            (telling + quiet) * SCANS,
            works[model.RETURN] * RETURNS,
        )
        self.work = sum((one * 0.01 for one in shares), Work())
        self.book_writes = measured.whole_return().write_units
        self.loyalty_writes = self._loyalty_writes(measured)
        self.returns_writes = self._returns_writes(measured)
        self.orders_writes = self.work.write_units - self.loyalty_writes - self.returns_writes
        self.refunds = RETURNS / 100

    @staticmethod
    def _loyalty_writes(measured: Benchmarks) -> float:
        """What till, redemption, the purchase of an order and its return write to loyalty's."""
        till = measured.loyalty("accumulate, till").write_units
        web = measured.loyalty("accumulate, web, pending").write_units
        hold = measured.loyalty("authorize").write_units
        taken = measured.loyalty("void, capture whole, capture part").write_units
        back = measured.loyalty("order reversal by event").write_units
        redeemed = (hold + taken) * REDEMPTIONS
        return (till * TILL + web * ORDERS + redeemed + back * RETURNS) / 100

    def _returns_writes(self, measured: Benchmarks) -> float:
        """What returns keeps of each purchase, to take it back some day, and what a return is."""
        points = measured.returns("points were earned").write_units
        redeemed = measured.returns("points were redeemed").write_units
        book = measured.returns("open a book of 3 lines").write_units
        heard = points * TILL + redeemed * REDEMPTIONS + (book + points) * ORDERS
        return (heard + self.book_writes * RETURNS) / 100

    @property
    def at_once(self) -> float:
        """How many functions are at work for one operation a second: Little's law."""
        return self.work.gb_seconds / model.MEMORY_GB


def load_table(load: Load) -> Iterator[str]:
    heads = " | ".join(f"{rate:,} a second" for rate in RATES)
    yield f"| | {heads} |"
    yield f"|---|{'--:|' * len(RATES)}"
    rows = {
        "API requests": load.work.api_requests,
        "write units, loyalty": load.loyalty_writes,
        "write units, orders": load.orders_writes,
        "write units, returns": load.returns_writes,
        "read units, all": load.work.read_units,
        "events on the bus": load.work.events,
        "messages through queues": load.work.messages,
        "functions at work at once": load.at_once,
        "refunds asked for": load.refunds,
    }
    for what, each in rows.items():
        yield f"| {what} | {' | '.join(f'{each * rate:,.0f}' for rate in RATES)} |"


def limit_table(load: Load) -> Iterator[str]:
    def until(limit: float, each: float) -> str:
        return f"{limit / each:,.0f} operations a second"

    writes, reads = f"{PARTITION_WRITES:,}", f"{PARTITION_READS:,}"
    pair = 4
    rows = [
        ("write units of one partition", writes, "one member: a purchase is four units")
        + (f"{PARTITION_WRITES // pair:,} purchases a second",),
        (
            "",
            "",
            "one order: a change is four units",
            f"{PARTITION_WRITES // pair:,} changes a second",
        ),
        ("", "", "index `inbox`: a sender's messages of a day", f"{writes} messages a second"),
        ("", "", "`PARKED`: messages nobody understands", f"{writes} messages a second"),
        ("", "", "a timeline: a line for an event", f"{writes} events a second of one customer"),
        ("", "", f"index `due` of loyalty: a move is two units, {DUE_SHARDS} shards")
        + (f"{PARTITION_WRITES * DUE_SHARDS // 2:,} moves a second",),
        ("", "", f"one order's book: a whole return is {load.book_writes:g} units")
        + (f"{PARTITION_WRITES / load.book_writes:,.0f} returns a second",),
        ("", "", "index `recorded`: the returns of a day", f"{writes} returns a second"),
        ("read units of one partition", reads, f"the current program: {POINTER_COPIES} pointers")
        + (f"{PARTITION_READS * POINTER_COPIES:,} requests a second",),
        ("`PutEvents`, large regions", f"{PUT_EVENTS_LARGE:,}", "the relays")
        + (until(PUT_EVENTS_LARGE, load.work.events),),
        ("`PutEvents`, small regions", f"{PUT_EVENTS_SMALL:,}", "the relays")
        + (until(PUT_EVENTS_SMALL, load.work.events),),
        ("Lambda at once, account", f"{LAMBDA_AT_ONCE:,}", "all functions")
        + (until(LAMBDA_AT_ONCE, load.at_once),),
        ("API Gateway, account", f"{API_REQUESTS:,}", "the API")
        + (until(API_REQUESTS, load.work.api_requests),),
        ("on-demand table, new", f"{NEW_TABLE_WRITES:,}", "orders")
        + (until(NEW_TABLE_WRITES, load.orders_writes),),
        ("table's default quota", f"{TABLE_WRITES:,}", "orders")
        + (until(TABLE_WRITES, load.orders_writes),),
        (
            "",
            "",
            "returns",
            until(TABLE_WRITES, load.returns_writes),
        ),
        ("refund worker at once", f"{REFUNDS_AT_ONCE}", f"{REFUND_SECONDS:g} s for a refund")
        + (until(REFUNDS_AT_ONCE / REFUND_SECONDS, load.refunds),),
        ("Stripe, a live account", f"{PROVIDER_CALLS}", "a call for a refund")
        + (until(PROVIDER_CALLS, load.refunds),),
        ("a run of `watch` or `announce`", f"{SCHEDULE_SECONDS} s", "20 ms for each that is due")
        + (f"{SCHEDULE_SECONDS / LOOK_SECONDS:,.0f} each run",),
    ]
    yield "| limit | value | what meets it | at |"
    yield "|---|--:|---|--:|"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def tables(measured: Benchmarks) -> dict[str, str]:
    load = Load(measured)
    return {"load": "\n".join(load_table(load)), "limits": "\n".join(limit_table(load))}


if __name__ == "__main__":
    for name, table in tables(Benchmarks(ROOT / "docs" / "benchmarks.md")).items():
        sys.stdout.write(f"<!-- computed: {name} -->\n{table}\n\n")
