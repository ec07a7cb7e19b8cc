"""The embedded engine for a suite: started for it, and stopped by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tandem_local.engine import Engine

ROOT = Path(__file__).resolve().parents[1]


@contextmanager
def running_engine(data: Path) -> Iterator[Engine]:
    engine = Engine(ROOT / ".venv-engine" / "bin" / "python", data, data / "engine.log")
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()
