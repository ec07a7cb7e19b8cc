"""The engine alone, for the parts of the local cloud that speak to it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tandem_local.clients import Clients
from tandem_local.engine import Engine
from tests.engines import running_engine

ROOT = Path(__file__).resolve().parents[2]

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="session")
def clients(engine: Engine) -> Clients:
    return Clients(engine.endpoint)


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def wait_until() -> WaitUntil:
    """Look again and again until it is true; fail at the deadline."""

    def wait(look: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not look():
            if time.monotonic() > deadline:
                pytest.fail("not seen within 60 s")
            time.sleep(0.02)

    return wait
