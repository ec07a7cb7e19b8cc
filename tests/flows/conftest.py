"""The whole system on this machine, for the flows: real packages, real HTTP, real queues."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_local.clients import Clients
from tandem_local.cloud import LocalCloud
from tandem_local.issuer import Issuer
from tools.packages.package import packages

ROOT = Path(__file__).resolve().parents[2]

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """What a call answered. `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content or b"null")


class Cloud:
    """The local cloud on a data folder; it can be stopped and started again on the same data."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._port = 0
        self._running: LocalCloud | None = None

    def start(self) -> None:
        engine_python = ROOT / ".venv-engine" / "bin" / "python"
        cloud = LocalCloud(self.data, self._port, ROOT / "build", engine_python)
        self._running = cloud
        self._port = cloud.port
        cloud.start()

    def stop(self) -> None:
        if self._running:
            running, self._running = self._running, None
            running.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def clients(self) -> Clients:
        """SDK clients for the engine, to look inside and to put events on the bus."""
        assert self._running, "the cloud is stopped"
        return Clients(self._running.endpoint)

    def outputs(self, stack: str = "loyalty") -> dict[str, str]:
        """Return the outputs of a deployed stack: names of tables, addresses of queues."""
        name = f"tandem-local-{stack}"
        described = self.clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return {item["OutputKey"]: item["OutputValue"] for item in described["Outputs"]}

    def token(self, role: str, subject: str, scope: str | None = None) -> str:
        scopes = " ".join(sorted(ROLE_SCOPES[Role(role)])) if scope is None else scope
        return Issuer(self.data).token(role, subject, scopes)

    def call(
        self,
        method: str,
        path: str,
        token: str = "",
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request. A POST gets an Idempotency-Key of its own unless `key` is one, or ""."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if method == "POST" and key != "":
            sent["Idempotency-Key"] = key or str(uuid.uuid4())
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  loopback
            self.base_url + path, data=content, headers=sent, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  loopback
                return _reply(answer.status, answer)
        except urllib.error.HTTPError as refused:
            with refused:
                return _reply(refused.code, refused)

    def publish(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the bus as another service would."""
        bus = self.outputs("platform")["BusName"]
        answer = self.clients.events.put_events(
            Entries=[
                {
                    "EventBusName": bus,
                    "Source": source,
                    "DetailType": detail_type,
                    "Detail": json.dumps(detail),
                }
            ]
        )
        assert not answer["FailedEntryCount"]

    @staticmethod
    def wait_until(look: Callable[[], T], seconds: float = 20.0) -> T:
        """Look again and again until what is seen is true, and return it; fail at the deadline."""
        deadline = time.monotonic() + seconds
        while True:
            seen = look()
            if seen:
                return seen
            if time.monotonic() > deadline:
                pytest.fail(f"not seen within {seconds} s; last was {seen!r}")
            time.sleep(0.05)


def _reply(status: int, answer: Any) -> Reply:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(status, headers, answer.read())


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The whole local cloud on fresh data, shared by the flows; each uses members of its own."""
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
    running = Cloud(tmp_path_factory.mktemp("data"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
