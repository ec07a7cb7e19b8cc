"""The command line: `run` the local cloud in the foreground, print a `token` for it."""

from __future__ import annotations

import argparse
import errno
import math
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tandem_local.cloud import LocalCloud

_WATCH_SECONDS = 0.5
_SAME_SIGNAL_SECONDS = 2.0


def main() -> int:
    arguments = _parser().parse_args()
    return int(arguments.command(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tandem_local", description=__doc__)
    commands = parser.add_subparsers(required=True)

    run = commands.add_parser("run", help="start everything; Ctrl-C stops it")
    run.set_defaults(command=_run)
    run.add_argument("--port", type=int, default=8000)
    run.add_argument("--data", type=Path, default=Path(".local"))
    run.add_argument("--build", type=Path, default=Path("build"))
    run.add_argument("--engine-python", type=Path, default=Path(".venv-engine/bin/python"))

    token = commands.add_parser("token", help="print one bearer token and nothing else")
    token.set_defaults(command=_token)
    token.add_argument("--data", type=Path, default=Path(".local"))
    token.add_argument("--role", required=True)
    token.add_argument("--subject", required=True)
    token.add_argument("--scope", help="space separated; what the role may do, by default")
    return parser


def _token(arguments: argparse.Namespace) -> int:
    # Each command imports what it needs: a token should not wait for the SDK.
    from tandem_core.auth import ROLE_SCOPES, Role  # noqa: PLC0415
    from tandem_local.issuer import Issuer  # noqa: PLC0415

    try:
        role = Role(arguments.role)
    except ValueError:
        print(f"ROLE is one of: {', '.join(Role)}", file=sys.stderr)
        return 2
    scope = arguments.scope
    if scope is None:
        scope = " ".join(sorted(ROLE_SCOPES[role]))
    print(Issuer(arguments.data).token(role, arguments.subject, scope))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from tandem_local.cloud import AlreadyRunning, LocalCloud, NotBuilt  # noqa: PLC0415
    from tandem_local.deployment import DeploymentFailed  # noqa: PLC0415
    from tandem_local.engine import EngineFailed  # noqa: PLC0415

    started = time.monotonic()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - started:5.1f} s  {text}", flush=True)

    stop = _stop_signal()
    try:
        # Its interpreter may be a link into another environment, so the path stays as given.
        engine_python = arguments.engine_python.absolute()
        cloud = LocalCloud(arguments.data, arguments.port, arguments.build, engine_python, say)
    except (AlreadyRunning, NotBuilt) as refused:
        print(refused, file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        print(_port_taken(arguments.port), file=sys.stderr)
        return 1
    try:
        cloud.start()
        print(_welcome(cloud), flush=True)
        while not stop.wait(_WATCH_SECONDS):
            if not cloud.is_alive:
                print("The engine has ended; see its log.", file=sys.stderr)
                return 1
    except (DeploymentFailed, EngineFailed) as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    finally:
        say("stopping: finishing requests, relaying events, saving data")
        cloud.stop()
        say("stopped")
    return 0


def _stop_signal() -> threading.Event:
    """Return what Ctrl-C and SIGTERM set; when they come again later, the process ends at once.

    Children watch a pipe of this process, so even then none of them stays.
    """
    stop = threading.Event()
    impatient_from = math.inf

    def handle(_signal: int, _frame: FrameType | None) -> None:
        nonlocal impatient_from
        if time.monotonic() > impatient_from:
            os._exit(130)
        if not stop.is_set():
            # make and the shell may each pass on the same signal.
            impatient_from = time.monotonic() + _SAME_SIGNAL_SECONDS
            stop.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stop


def _port_taken(port: int) -> str:
    return (
        f"Port {port} is taken by another program.\n"
        f"Stop that one, or take another port: make run PORT={port + 1}"
    )


def _welcome(cloud: LocalCloud) -> str:
    make = "make -s token"
    data = "" if cloud.paths.data == Path(".local").resolve() else f" DATA={cloud.paths.data}"
    return f"""
Tandem is ready at {cloud.base_url}

  a token     {make} ROLE=terminal SUBJECT=store_12/till_3{data}
  a member    curl {cloud.base_url}/loyalty/v1/accounts \\
                -H "Authorization: Bearer $({make} ROLE=integration SUBJECT=shop{data})" \\
                -H "Idempotency-Key: first-member" -H "Content-Type: application/json" \\
                -d '{{"identifiers": [{{"type": "email", "value": "ada@example.com"}}]}}'
  a sender    {cloud.base_url}/orders/v1/webhooks/shopify, signed with local-shopify-secret
  a provider  {cloud.sandbox.url}/sandbox/refunds says what was paid back, and to whom
  logs        {cloud.paths.logs}
  data        {cloud.paths.data}; a restart finds them again

Ctrl-C stops it.
"""


if __name__ == "__main__":
    sys.exit(main())
