"""`python -m tandem_local run`, as a person meets it: what it says, and what it leaves behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.packages.package import packages

ROOT = Path(__file__).resolve().parents[2]

WaitUntil = Callable[[Callable[[], object]], None]


class Run:
    """A local cloud that was started from the command line."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.output = data.with_name("output")
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                command(data, port=0), cwd=ROOT, stdout=output, stderr=output
            )

    def base_url(self) -> str | None:
        found = re.search(r"ready at (http://\S+)", self.output.read_text())
        return found[1] if found else None

    def children(self) -> list[int]:
        """Return every other process that works on this data folder."""
        listed = subprocess.run(
            ["ps", "-axww", "-o", "pid=,args="],  # noqa: S607  wherever the system has it
            capture_output=True,
            text=True,
            check=True,
        )
        found = [line.split(maxsplit=1) for line in listed.stdout.splitlines()]
        return [
            int(pid)
            for pid, arguments in found
            if str(self.data) in arguments and int(pid) != self.process.pid
        ]


def command(data: Path, port: int) -> list[str]:
    options = ["--port", str(port), "--data", str(data)]
    return [sys.executable, "-m", "tandem_local", "run", *options]


def refused(data: Path, port: int) -> str:
    done = subprocess.run(
        command(data, port), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


@pytest.fixture
def run(tmp_path: Path, wait_until: WaitUntil) -> Iterator[Run]:
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
    started = Run(tmp_path / "data")
    try:
        wait_until(lambda: started.base_url() or started.process.poll() is not None)
        assert started.process.poll() is None, started.output.read_text()
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_it_says_where_it_is_and_how_to_begin_and_stops_without_a_trace(
    run: Run, wait_until: WaitUntil
) -> None:
    said = run.output.read_text()
    assert f"make -s token ROLE=terminal SUBJECT=store_12/till_3 DATA={run.data}" in said
    assert f"{run.base_url()}/loyalty/v1/accounts" in said
    assert str(run.data / "logs") in said
    with urllib.request.urlopen(f"{run.base_url()}/health") as answer:  # noqa: S310  loopback
        assert answer.status == 200
    sender = f"{run.base_url()}/orders/v1/webhooks/shopify"
    assert f"{sender}, signed with local-shopify-secret" in said
    # No token is asked for: it is the service that refuses, and it knows the sender's secret.
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(sender, b"{}")  # noqa: S310  loopback
    with refusal.value as refused_unsigned:
        assert refused_unsigned.status == 401
        assert json.load(refused_unsigned)["code"] == "SIGNATURE_INVALID"
    assert run.children()

    run.process.send_signal(signal.SIGINT)
    assert run.process.wait(timeout=60) == 0
    assert run.output.read_text().rstrip().endswith("stopped")
    wait_until(lambda: not run.children())
    assert not (run.data / "engine" / "scratch").exists()


def test_a_second_run_on_the_same_data_is_refused_and_the_first_one_named(run: Run) -> None:
    said = refused(run.data, port=0)
    assert f"already runs on the data in {run.data}: {run.base_url()}" in said
    assert f"process {run.process.pid}" in said


def test_when_it_is_killed_its_children_go_too(run: Run, wait_until: WaitUntil) -> None:
    assert run.children()
    run.process.kill()
    run.process.wait()
    wait_until(lambda: not run.children())


def test_a_taken_port_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(tmp_path / "data", port)
    assert said == (
        f"Port {port} is taken by another program.\n"
        f"Stop that one, or take another port: make run PORT={port + 1}\n"
    )


def test_without_packages_it_says_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [*command(tmp_path / "data", port=0), "--build", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "run `make build` first" in done.stderr
