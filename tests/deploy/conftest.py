"""A stage on the embedded engine, reached as AWS is: through the SDK's own variables."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tandem_local.clients import CREDENTIALS, Clients
from tandem_local.engine import Engine
from tests.engines import running_engine
from tools.deploy.__main__ import main
from tools.packages.package import packages

ROOT = Path(__file__).resolve().parents[2]

PARAMETERS = {
    "TokenIssuer": "https://issuer.example.com",
    "JwksUrl": "https://issuer.example.com/jwks.json",
    # The engine's CloudFormation knows no archive.
    "ArchiveDays": "0",
}


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what was built, which tests may change."""
    folder = tmp_path_factory.mktemp("build")
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
        shutil.copytree(package.archive.parent, folder / package.stack / "package")
    return folder


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    code: int
    said: str
    refused: str


Command = Callable[..., Done]


@pytest.fixture
def tandem(
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Run a command as the Makefile does."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", engine.endpoint)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    parameters = tmp_path / "stage.json"
    parameters.write_text(json.dumps(PARAMETERS))

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["tandem", *arguments, "--parameters", str(parameters)])
        code = main()
        heard = capsys.readouterr()
        return Done(code, heard.out, heard.err)

    return run


@pytest.fixture(scope="session")
def clients(engine: Engine) -> Clients:
    return Clients(engine.endpoint)


@pytest.fixture
def change(built: Path, tmp_path: Path) -> Callable[[str, Callable[[Any], None]], Path]:
    """Return a maker of builds that differ from what was built in one stack's template."""

    def make(stack: str, edit: Callable[[Any], None]) -> Path:
        folder = tmp_path / "build"
        shutil.copytree(built, folder, dirs_exist_ok=True)
        path = folder / stack / "package" / "sam.json"
        template = json.loads(path.read_text())
        edit(template)
        path.write_text(json.dumps(template))
        return folder

    return make
