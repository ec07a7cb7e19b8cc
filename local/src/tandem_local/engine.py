"""The embedded AWS-compatible engine: ministack, a process of an interpreter of its own.

It pins another SDK than ours, so it lives in .venv-engine. Bound to loopback; its state is kept in
the data folder, and so are its temporary files, which are thrown away with every start.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from tandem_local.clients import ACCOUNT, REGION

_PROCESS = Path(__file__).with_name("engine_process.py")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
# What AWS's runtime client consists of, in the engine's site-packages.
_RUNTIME_CLIENT = ("awslambdaric", "snapshot_restore_py.py", "simplejson", "runtime_client*")


class EngineFailed(Exception):
    """The engine cannot be started. The message says what to do."""


class Engine:
    def __init__(self, python: Path, data: Path, log: Path) -> None:
        self._python = python
        self._folder = data / "engine"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.endpoint = ""
        # When the state that this run began with was saved, in seconds since the epoch.
        self.saved_at: float | None = None
        # Whether there were writes that were not saved in order.
        self.was_killed = False

    def start(self) -> None:
        """Start and wait until it answers. Raises EngineFailed."""
        scratch = self._folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        tables = self._folder / "state" / "dynamodb.json"
        self.saved_at = tables.stat().st_mtime if tables.exists() else None
        writes = self._folder / "writes.log"
        self.was_killed = writes.exists() and writes.stat().st_size > 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._python), "-I", str(_PROCESS), str(self._folder)],
                cwd=scratch,
                env={
                    "BIND_HOST": "127.0.0.1",
                    "GATEWAY_PORT": str(port),
                    "HOME": str(scratch),
                    "IOT_MTLS_ENABLED": "0",
                    "LANG": "C.UTF-8",
                    "LOG_LEVEL": "WARNING",
                    "MINISTACK_ACCOUNT_ID": ACCOUNT,
                    "MINISTACK_REGION": REGION,
                    "PATH": "/usr/bin:/bin",
                    "PERSIST_STATE": "1",
                    "SFTP_ENABLED": "0",
                    "STATE_DIR": str(self._folder / "state"),
                    "TMPDIR": str(scratch),
                },
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the parent, which stops the engine last.
                process_group=0,
            )
        self._await_ready()

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def save(self) -> None:
        """Ask it to save everything soon. Writes to tables need no asking, see engine_process."""
        if self._process:
            self._process.send_signal(signal.SIGUSR1)

    def stop(self) -> None:
        """Stop; it saves its state before it ends."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        shutil.rmtree(self._folder / "scratch", ignore_errors=True)

    def runtime_client(self) -> Path:
        """Return a folder that holds AWS's runtime client and nothing else. Raises EngineFailed."""
        version = "python{}.{}".format(*sys.version_info)
        installed = self._python.parent.parent / "lib" / version / "site-packages"
        folder = self._folder / "runtime"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for pattern in _RUNTIME_CLIENT:
            for path in installed.glob(pattern):
                (folder / path.name).symlink_to(path)
        if not (folder / "awslambdaric").exists():
            raise EngineFailed(
                f"The engine's environment has no AWS runtime client for {version}.\n"
                "Remove .venv-engine and run `make run` again."
            )
        return folder

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.is_alive:
            with suppress(urllib.error.URLError, ConnectionError, TimeoutError):
                health = f"{self.endpoint}/_ministack/health"
                with urllib.request.urlopen(health, timeout=5):  # noqa: S310  loopback
                    return
            time.sleep(0.05)
        said = self._log.read_text(errors="replace").splitlines()[-5:]
        raise EngineFailed("\n".join(["The engine did not start; it says:", *said]))
