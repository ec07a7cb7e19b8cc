"""`make cost`: print docs/cost.md from the benchmarks, the prices and what infra/ declares."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tools.cost import model
from tools.cost.measured import Benchmarks
from tools.cost.prices import AS_OF, REGIONS, TRACKING_OVERAGE, US_EAST_1
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
# What one entry leaves behind: itself and its copy in the index of the ledger.
ENTRY_BYTES = 2_000
_COLUMNS = 110


def main() -> None:
    sys.stdout.write(page(Benchmarks(ROOT / "docs" / "benchmarks.md"), declared(ROOT / "infra")))


def declared(infra: Path) -> dict[str, int]:
    """Count what is paid for by its being there, in all templates."""
    counts = dict.fromkeys(
        ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::Dashboard", "AWS::SecretsManager::Secret"), 0
    )
    counts["consumed queues"] = 0
    services = [path for path in sorted(infra.glob("*.yaml")) if path.name != "rest-api.yaml"]
    for path in services:
        shared = [] if path.name == "platform.yaml" else [infra / "rest-api.yaml"]
        for one in merged_template([*shared, path])["Resources"].values():
            kind = one.get("Type")
            if kind in counts:
                counts[kind] += 1
            # A stream is asked for nothing.
            if kind == "AWS::Lambda::EventSourceMapping":
                counts["consumed queues"] += "StartingPosition" not in one["Properties"]
    return counts


def page(measured: Benchmarks, counts: dict[str, int]) -> str:
    return "\n".join([*_intro(), *_by_operation(measured), *_fixed(counts), *_limits(), ""])


def _intro() -> Iterator[str]:
    yield "# What Tandem costs on AWS"
    yield from _text(
        "Written by `make cost` from [the benchmarks](benchmarks.md), `tools/cost/prices.py` and",
        "infra/; a test compares. Prices: the public on-demand lists, no free tier, written down",
        f"by hand on {AS_OF} and not fetched: check them before a decision hangs on them.",
    )


def _by_operation(measured: Benchmarks) -> Iterator[str]:
    works = model.operations(measured)
    names = list(model.parts(model.Work(), US_EAST_1))
    for prices in REGIONS:
        yield ""
        yield f"## A million of each, in dollars, {prices.region}"
        yield ""
        yield f"| operation, with all that follows | {' | '.join(names)} | **total** |"
        yield f"|---|{'--:|' * (len(names) + 1)}"
        for operation, work in works.items():
            parts = model.parts(work, prices)
            cells = " | ".join(f"{parts[name]:.2f}" for name in names)
            yield f"| {operation} | {cells} | **{sum(parts.values()):.2f}** |"
    parcel = sum(model.parts(works[model.PARCEL], US_EAST_1).values()) / model.MILLION
    low, high = TRACKING_OVERAGE
    yield from _text(
        f"A parcel costs {parcel:.5f} dollars from its fulfilment to its delivery:",
        f"{model.QUIET_SCANS} scans that change no status and {model.TELLING_SCANS} that do, each",
        f"of these told to the customer. AfterShip's published price is {low:.2f} to {high:.2f}",
        f"for a parcel above the plan, {low / parcel:,.0f} to {high / parcel:,.0f} times as much.",
        "The two are not the same: theirs includes asking the carriers, ours takes what carriers",
        "or an aggregator push, who may have a price of their own; sending the customer's message",
        "is in neither.",
    )
    returned = sum(model.parts(works[model.RETURN], US_EAST_1).values()) / model.MILLION
    yield from _text(
        f"A return costs {returned:.5f} dollars: three requests and the webhook of who pays, six",
        "lines of the timeline, three messages to the customer, the points that are taken back.",
        "What returns hears of every order and of every purchase at a till is in theirs. What a",
        "payment provider or a seller of labels takes is in neither.",
    )


def _fixed(counts: dict[str, int]) -> Iterator[str]:
    parts = model.fixed_month(US_EAST_1, *counts.values())
    kept = ENTRY_BYTES * model.MILLION / 1e9
    month = kept * (US_EAST_1.gb_table_month + US_EAST_1.gb_backup_month)
    yield ""
    yield f"## A month in which nothing happens, {US_EAST_1.region}"
    yield ""
    yield "| what | number | dollars |"
    yield "|---|--:|--:|"
    for (what, dollars), count in zip(parts.items(), counts.values(), strict=True):
        yield f"| {what} | {count} | {dollars:.2f} |"
    yield f"| **total** | | **{sum(parts.values()):.2f}** |"
    yield from _text(
        f"What stays of a million entries, about {kept:.0f} GB with the copy in an index, costs",
        f"{month:.2f} a month for as long as it is kept: table and point-in-time recovery. Raw",
        "messages of senders go after 90 days.",
    )


def _limits() -> Iterator[str]:
    yield ""
    yield "## What is assumed"
    yield from _text(
        "Calls, units and the runs of a scan and of a return are counted. Which events and",
        "messages follow elsewhere is written down in `tools/cost/model.py`, and what hears an",
        "event to no effect is taken as one read. Assumed, since only AWS could",
        f"tell: {model.CALL_MS:g} ms for a call, {model.BARE_READ_MS:g} ms of processor for what",
        f"the benchmarks call a bare read, {model.MEMORY_GB:g} GB of memory on arm64,",
        f"{model.LOG_BYTES_PER_INVOCATION:,} bytes of log for an invocation, a token that is",
        f"looked at once in {model.REQUESTS_PER_AUTHORIZATION} requests, and no batches: as on a",
        "quiet day. Busy, the relay takes up to a hundred at once and a consumer ten, and what",
        "follows a request costs less. Not in it: data transfer to the internet, AWS WAF",
        "where it is put before the API, custom metrics, the archive of the bus, the",
        "identity provider.",
    )


def _text(*parts: str) -> Iterator[str]:
    yield ""
    yield from textwrap.wrap(" ".join(parts), _COLUMNS)


if __name__ == "__main__":
    main()
