"""The system under the demo: one that is already running, or one started for it and stopped after.

Owns the child process and nothing else. A started system is an ordinary local one, on the same data
folder as `make run` uses, so what the demo did is still there afterwards.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_START_SECONDS = 300
_STOP_SECONDS = 60
_POLL_SECONDS = 0.25
_SHOWN_LINES = 15


class NoSystem(Exception):
    """Nothing answers, and nothing could be started."""


@contextmanager
def running_system(base_url: str, data: Path) -> Iterator[bool]:
    """Make sure a system answers at the base URL. Yields whether it was started for this."""
    if _status(base_url):
        _await_health(base_url, None)
        yield False
        return
    address = urlsplit(base_url)
    if address.hostname not in _LOOPBACK:
        raise NoSystem(f"{base_url} does not answer, and only a local system can be started")
    data.mkdir(parents=True, exist_ok=True)
    log_path = data / "demo-system.log"
    command = [sys.executable, "-m", "tandem_local", "run"]
    command += ["--port", str(address.port or 80), "--data", str(data)]
    with log_path.open("wb") as log:
        # A session of its own: Ctrl-C reaches the demo alone, which then stops the system once.
        child = subprocess.Popen(  # noqa: S603 - our own program, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            try:
                _await_health(base_url, child)
            except NoSystem as problem:
                tail = log_path.read_text(errors="replace").splitlines()[-_SHOWN_LINES:]
                raise NoSystem("\n".join([f"{problem}; see {log_path}:", *tail])) from problem
            yield True
        finally:
            _stop(child)


def sandbox_of(base_url: str) -> str:
    """Return the address of what plays the payment providers. Raises NoSystem."""
    url = _health(base_url, "sandbox")
    if not url:
        raise NoSystem(f"{base_url} names no sandbox; the demo pays back nobody's real money")
    return url


def _status(base_url: str) -> str:
    """Return what the system says of itself, "ok" once it is ready, or "" if nobody answers."""
    return _health(base_url, "status")


def _health(base_url: str, member: str) -> str:
    try:
        answer = urllib3.request("GET", f"{base_url}/health", timeout=5.0, retries=False)
        return str(json.loads(answer.data)[member])
    except (urllib3.exceptions.HTTPError, ValueError, LookupError, TypeError):
        return ""


def _await_health(base_url: str, child: subprocess.Popen[bytes] | None) -> None:
    """Wait until the system is ready, or until the child that should become it has ended."""
    deadline = time.monotonic() + _START_SECONDS
    while _status(base_url) != "ok":
        if child and child.poll() is not None:
            raise NoSystem("the local system did not start")
        if time.monotonic() > deadline:
            raise NoSystem(f"{base_url} was not ready in {_START_SECONDS} s")
        time.sleep(_POLL_SECONDS)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
