"""The whole system stopped, and killed, in the middle of a burst of webhooks: nothing is lost and
nothing is there twice. It runs as a person starts it: what is killed cannot be the test itself."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path
from threading import Semaphore
from typing import Any

import pytest

from tests.flows.conftest import ROOT, Caller
from tests.flows.customers import Customer
from tests.flows.senders import ago, delivered, easypost, in_transit, label_created
from tools.packages.package import packages

PARCELS = 12
SENDERS_AT_ONCE = 6
READY_SECONDS = 120


class Run(Caller):
    """`python -m tandem_local run` on a data folder of its own, always at the same address."""

    def __init__(self, data: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            super().__init__(data, free.getsockname()[1])
        self._output = data.with_name("output")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "tandem_local", "run"]
        command += ["--port", str(self.port), "--data", str(self.data)]
        with self._output.open("wb") as output:
            self._process = process = subprocess.Popen(  # noqa: S603  our own program, no shell
                command, cwd=ROOT, stdout=output, stderr=output
            )

        def is_ready() -> bool:
            said = self._output.read_text()
            assert process.poll() is None, said
            return "is ready at" in said

        self.wait_until(is_ready, READY_SECONDS)

    def stop(self) -> None:
        """Stop in order, as Ctrl-C does."""
        assert self._process
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(60) == 0

    def kill(self) -> None:
        """Let the runner vanish in the middle of what it does; its children go with it."""
        if self._process:
            self._process.kill()
            self._process.wait()

    def deliver(self, body: bytes) -> None:
        """Send as senders do: again and again until it is taken."""

        def is_taken() -> bool:
            try:
                status = self.send("easypost", body).status
            except (OSError, HTTPException):
                return False
            assert status in {202, 429, 503}, status
            return status == 202  # noqa: PLR2004  accepted

        self.wait_until(is_taken, READY_SECONDS)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
    started = Run(tmp_path / "data")
    started.data.mkdir()
    try:
        started.start()
        yield started
    finally:
        started.kill()


def burst(run: Run, bodies: Sequence[bytes], interrupt: Callable[[], None]) -> None:
    """Send all of it, from many senders at once; a third on its way, `interrupt`, then start."""
    taken = Semaphore(0)

    def send(body: bytes) -> None:
        run.deliver(body)
        taken.release()

    with ThreadPoolExecutor(SENDERS_AT_ONCE) as senders:
        sent = [senders.submit(send, body) for body in bodies]
        for _ in range(len(bodies) // 3):
            assert taken.acquire(timeout=READY_SECONDS)
        interrupt()
        run.start()
        for one in sent:
            one.result()


def test_nothing_is_lost_or_there_twice_when_the_system_stops_or_dies_in_a_burst(
    run: Run,
) -> None:
    customer = Customer(run)
    order = customer.place()
    numbers = [customer.number(str(number)) for number in range(PARCELS)]
    customer.ship(order, *numbers)
    label, moving, arrived = (
        label_created(ago(hours=9)),
        in_transit(ago(hours=5)),
        delivered(ago(hours=1)),
    )
    first = [easypost(number, label) for number in numbers]
    second = [easypost(number, label, moving) for number in numbers]
    last = [easypost(number, label, moving, arrived) for number in numbers]

    burst(run, [*first, *second, *first], run.stop)
    burst(run, [*second, *last, *last], run.kill)

    run.wait_until(lambda: customer.order(order["id"])["status"] == "completed", 60)
    for number in numbers:
        shipment: Any = customer.shipment(number)
        statuses = [scan["status"] for scan in shipment["scans"]]
        assert statuses == ["delivered", "in_transit", "label_created"]
    run.wait_until(lambda: customer.told().count("shipment.delivered") == PARCELS)
    # What the start replays goes the same way as what comes now.
    customer.place("after")
    run.wait_until(lambda: customer.told().count("order.placed") == 2)  # noqa: PLR2004
    told = Counter(customer.told())
    assert told["shipment.registered"] == told["shipment.delivered"] == PARCELS
    assert told["order.completed"] == told["fulfillment.created"] == 1
    entries = Counter(
        (entry["type"], entry["shipment_id"], entry["text"]) for entry in customer.timeline()
    )
    assert {entry: count for entry, count in entries.items() if count > 1 and entry[1]} == {}
