"""Real messages of others, from a folder that is no part of this repository.

    make acceptance DATA=../shared/fixtures

Without the folder every test here is skipped. At the end stands what was understood of it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.acceptance.service import Sender, forget
from tests.service.orders_service import Orders, orders_service

# Not called TANDEM_: those are taken away before any test.
VARIABLE = "ACCEPTANCE_DATA"


@dataclass
class Tally:
    """What the run has seen, for its last lines."""

    counts: Counter[str] = field(default_factory=Counter)
    parked: dict[str, tuple[str, str]] = field(default_factory=dict)
    report: dict[str, list[str]] = field(default_factory=dict)


_LINES = {
    "files": "files",
    "without": "of them hold no message of our senders (why: tests/acceptance/inbound.py)",
    "messages": "messages in the others, each sent to a service that knows of nothing:",
    "understood": "  understood",
    "waiting": "  kept until the order comes that they speak of",
    "ignored": "  about something that means nothing to us; answered, counted, kept",
    "parked": "  shown to staff: not to be understood, or to be answered by a person (below)",
    "orders": "orders made of them",
    "parcels": "parcels",
    "scans": "scans, each at its true instant",
    "arrivals": "arrivals of those parcels' scans: shuffled, cut, repeated, from two providers",
    "stored": "of them through the store; all ended in the same bytes",
    "vectors": "published signatures verified",
}


_TALLY = pytest.StashKey[Tally]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLY] = Tally()


@pytest.fixture(scope="session")
def tally(request: pytest.FixtureRequest) -> Tally:
    return request.config.stash.setdefault(_TALLY, Tally())


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of fixtures."""
    given = os.environ.get(VARIABLE)
    if not given:
        pytest.skip("needs real messages: make acceptance DATA=../shared/fixtures")
    folder = Path(given)
    assert (folder / "shopify").is_dir(), f"{folder} holds no fixtures"
    return folder


@pytest.fixture(scope="module")
def service(data: Path) -> Iterator[Orders]:  # noqa: ARG001
    """The service that the tests of a module share: to build one takes longer than most tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from orders_service(monkeypatch)


@pytest.fixture
def orders(service: Orders) -> Iterator[Sender]:
    """A service that knows of nothing, as those see it who send it messages."""
    yield Sender(service)
    forget(service)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    tally = config.stash.get(_TALLY, Tally())
    say = terminalreporter.write_line
    for title, lines in tally.report.items():
        terminalreporter.section(title)
        for line in lines:
            say(line)
    if not tally.counts:
        return
    terminalreporter.section("what real messages came to")
    for what, explained in _LINES.items():
        say(f"{tally.counts[what]:>7,}  {explained}")
    say("")
    say("Parked, each for its reason:")
    for name, (reason, note) in sorted(tally.parked.items()):
        say(f"  {name}")
        say(f"      {reason}")
        say(f"      {note}")
