"""What a service needs to be measured: the engine, its table as deployed, a clock, silent logs."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import boto3
from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped]

from tandem_local.clients import CREDENTIALS
from tandem_local.engine import Engine, EngineFailed
from tools.bench.front import Front

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-engine/bin/python"


@contextmanager
def engine() -> Iterator[str]:
    """Run an engine on loopback that leaves nothing behind. Yields its endpoint."""
    with tempfile.TemporaryDirectory(prefix="tandem-bench-") as name:
        folder = Path(name)
        log = folder / "engine.log"
        process = Engine(PYTHON, folder, log)
        try:
            process.start()
            yield process.endpoint
        except EngineFailed as failed:
            raise EngineFailed(f"The engine did not start:\n{log.read_text()}") from failed
        finally:
            process.stop()


@contextmanager
def service(
    name: str, endpoint: str, front: Front, more: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Set up the service of this process: its environment, its table, its clock, silent logs.

    Without an endpoint the SDK goes where it is led, as it is by a test.
    """
    environment = {
        **CREDENTIALS,
        **({"AWS_ENDPOINT_URL": endpoint} if endpoint else {}),
        "TANDEM_BUS": "tandem-bench",
        "TANDEM_SERVICE": name,
        "TANDEM_STAGE": "bench",
        "TANDEM_TABLE": f"tandem-bench-{name}",
        **(more or {}),
    }
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ, environment))
        for clock in ("tandem_core.http.utc_now", f"tandem_{name}.consumers.utc_now"):
            stack.enter_context(patch(clock, lambda: front.now))
        silence = stack.enter_context(Path(os.devnull).open("w"))
        muted = SimpleNamespace(stdout=silence, exception=sys.exception)
        stack.enter_context(patch("tandem_core.logs.sys", muted))
        properties = _table_properties(name)
        boto3.client("dynamodb").create_table(TableName=environment["TANDEM_TABLE"], **properties)
        yield


@lru_cache
def resources(service_name: str) -> Any:
    """Return the resources of a service's stack, as its template declares them."""
    return cfn_yaml.load(str(ROOT / f"infra/{service_name}.yaml"))["Resources"]


def _table_properties(service_name: str) -> Any:
    """Return the keys and the indexes of the table that is deployed."""
    properties = resources(service_name)["Table"]["Properties"]
    wanted = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")
    return {name: properties[name] for name in wanted}
