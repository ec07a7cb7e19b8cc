"""`make bench`: run the operations of each service, print what each has cost.

SERVICE names one of them. ENTRIES is the length of the long history of loyalty, 10,000 unless told.
Ends with 1 when an operation costs more than is promised. Each service has a process of its own, as
it does when deployed: settings, clients and caches are a process's.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

from rich.console import Console

from tandem_local.engine import EngineFailed
from tools.bench.stage import PYTHON, engine

SERVICES = ("loyalty", "orders", "returns")


def main() -> int:
    wanted = os.environ.get("SERVICE") or " ".join(sys.argv[1:])
    if not wanted:
        runs = [[sys.executable, "-m", "tools.bench", service] for service in SERVICES]
        return max(subprocess.run(run, check=False).returncode for run in runs)
    console = Console(width=None if sys.stdout.isatty() else 140)
    if wanted not in SERVICES:
        console.print(f"SERVICE must be one of: {', '.join(SERVICES)}")
        return 2
    if not PYTHON.exists():
        console.print("There is no engine yet: `make .venv-engine/engine` installs it.")
        return 2
    try:
        with engine() as endpoint:
            code: int = import_module(f"tools.bench.{wanted}.run").run(console, endpoint)
            return code
    except EngineFailed as failed:
        console.print(str(failed))
        return 1


if __name__ == "__main__":
    sys.exit(main())
