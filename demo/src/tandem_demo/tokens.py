"""Tokens of the local system, one per caller, as `make -s token` prints them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tandem_demo.client import TokenSource
from tandem_demo.system import NoSystem


def local_tokens(data: Path) -> TokenSource:
    """Return what asks the local system that keeps its keys in `data`."""

    def token(role: str, subject: str) -> str:
        command = [sys.executable, "-m", "tandem_local", "token", "--data", str(data)]
        command += ["--role", role, "--subject", subject]
        asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if asked.returncode:
            raise NoSystem(f"no token for {role} {subject}: {asked.stderr.strip()}")
        return asked.stdout.strip()

    return token
