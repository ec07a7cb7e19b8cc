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
_OK = 200


class NoSystem(Exception):
    """Nothing answers, and nothing could be started."""


@contextmanager
def running_system(base_url: str, data: Path) -> Iterator[bool]:
    """Make sure a system answers at the base URL. Yields whether it was started for this."""
    if _is_healthy(base_url):
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
            _await_health(child, base_url, log_path)
            yield True
        finally:
            _stop(child)


def _is_healthy(base_url: str) -> bool:
    try:
        answer = urllib3.request("GET", f"{base_url}/health", timeout=5.0, retries=False)
        return answer.status == _OK and json.loads(answer.data).get("status") == "ok"
    except (urllib3.exceptions.HTTPError, ValueError, AttributeError):
        return False


def _await_health(child: subprocess.Popen[bytes], base_url: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if _is_healthy(base_url):
            return
        if child.poll() is not None:
            tail = log_path.read_text(errors="replace").splitlines()[-15:]
            raise NoSystem("\n".join(["the local system did not start:", *tail]))
        time.sleep(_POLL_SECONDS)
    raise NoSystem(f"the local system was not ready in {_START_SECONDS} s; see {log_path}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    child.send_signal(signal.SIGINT)
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
