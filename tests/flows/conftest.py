"""The whole system on this machine, for the flows: real packages, real HTTP, real queues."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tandem_core.auth import ROLE_SCOPES, Role
from tandem_local.clients import Clients
from tandem_local.cloud import LocalCloud
from tandem_local.issuer import Issuer
from tests.flows.senders import signature
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


class Caller:
    """Who speaks to a running system over HTTP: one address, and the keys of its data folder."""

    def __init__(self, data: Path, port: int = 0) -> None:
        self.data = data
        self.port = port

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

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

    def send(self, sender: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Deliver a sender's message, signed as the sender signs."""
        path = f"/orders/v1/webhooks/{sender}"
        said = {**(headers or {}), **signature(sender, body, f"{self.base_url}{path}")}
        return self.call("POST", path, body=body, key="", headers=said)

    def sandbox(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the payment providers of this machine what they have done, or make them misbehave."""
        request = urllib.request.Request(  # noqa: S310  loopback
            f"{self.call('GET', '/health').body['sandbox']}/sandbox{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  loopback
            return json.loads(answer.read() or b"null")

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


class Cloud(Caller):
    """The local cloud on a data folder; it can be stopped and started again on the same data."""

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self._running: LocalCloud | None = None
        self._clients: Clients | None = None
        self._queues: list[str] = []

    def start(self) -> None:
        engine_python = ROOT / ".venv-engine" / "bin" / "python"
        cloud = LocalCloud(self.data, self.port, ROOT / "build", engine_python)
        self._running = cloud
        self.port = cloud.port
        self._queues = []
        cloud.start()

    def stop(self) -> None:
        if self._running:
            running, self._running = self._running, None
            running.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def clients(self) -> Clients:
        """SDK clients for the engine, to look inside and to put events on the bus."""
        assert self._running, "the cloud is stopped"
        if self._clients is None or self._clients.endpoint != self._running.endpoint:
            self._clients = Clients(self._running.endpoint)
        return self._clients

    def outputs(self, stack: str = "loyalty") -> dict[str, str]:
        """Return the outputs of a deployed stack: names of tables, addresses of queues."""
        name = f"tandem-local-{stack}"
        described = self.clients.cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        return {item["OutputKey"]: item["OutputValue"] for item in described["Outputs"]}

    def publish(self, source: str, detail_type: str, detail: Mapping[str, Any]) -> None:
        """Put an event on the bus as another service would."""
        self.publish_again([{**detail, "source": source, "type": detail_type}])

    def publish_again(self, envelopes: Sequence[Mapping[str, Any]]) -> None:
        """Put events on the bus as they are, in this order."""
        bus = self.outputs("platform")["BusName"]
        for first in range(0, len(envelopes), 10):
            answer = self.clients.events.put_events(
                Entries=[
                    {
                        "EventBusName": bus,
                        "Source": envelope["source"],
                        "DetailType": envelope["type"],
                        "Detail": json.dumps(envelope),
                    }
                    for envelope in envelopes[first : first + 10]
                ]
            )
            assert not answer["FailedEntryCount"]

    def listen(self, pattern: Mapping[str, Any]) -> Ear:
        """Hear the events of a pattern from now on."""
        return Ear(self, pattern)

    def kill(self, function: str) -> None:
        """Let the processes of a function vanish in the middle of what they do."""
        assert self._running, "the cloud is stopped"
        for running in self._running._functions.values():
            if running.configuration.name == function:
                for environment in list(running._all):
                    environment._process.kill()

    def settle(self, seconds: float = 60.0) -> None:
        """Wait until all that was said has had its effect.

        That is when the journals have not grown while everything in them was published and every
        queue was found empty: then no consumer had anything left to write.
        """
        assert self._running, "the cloud is stopped"
        running, before = self._running, -1

        def is_quiet() -> bool:
            nonlocal before
            size = self._recorded()
            running.drain()
            waiting = self._waiting()
            grown, before = size != before, size
            return not (grown or waiting)

        self.wait_until(is_quiet, seconds)

    def _recorded(self) -> int:
        """Count the entries of all journals."""
        pages = self.clients.dynamodb.get_paginator("scan")
        return sum(
            page["Count"]
            for name in self.clients.dynamodb.list_tables()["TableNames"]
            for page in pages.paginate(
                TableName=name, Select="COUNT", FilterExpression="attribute_exists(seq)"
            )
        )

    def _waiting(self) -> dict[str, int]:
        """Count the messages that functions have not taken yet, where there are some."""
        names: list[Any] = [
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
        ]
        waiting = {}
        for url in self._consumed():
            counts = self.clients.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
            waiting[url] = sum(int(count) for count in counts["Attributes"].values())
        return {url: count for url, count in waiting.items() if count}

    def _consumed(self) -> list[str]:
        """Return the queues that functions read; they are others after each start."""
        if not self._queues:
            mappings = self.clients.functions.list_event_source_mappings()["EventSourceMappings"]
            arns = [mapping["EventSourceArn"] for mapping in mappings]
            self._queues = [
                self.clients.sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
                for arn in arns
                if ":sqs:" in arn
            ]
        return self._queues


class Ear:
    """A queue of its own on the bus: events as they are published, kept in the order of arrival."""

    def __init__(self, cloud: Cloud, pattern: Mapping[str, Any]) -> None:
        self._cloud = cloud
        name = f"ear-{uuid.uuid4().hex[:12]}"
        clients = cloud.clients
        self._url = clients.sqs.create_queue(QueueName=name)["QueueUrl"]
        asked = clients.sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])
        bus = cloud.outputs("platform")["BusName"]
        clients.events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps(pattern))
        target: Any = {"Id": "queue", "Arn": asked["Attributes"]["QueueArn"]}
        clients.events.put_targets(Rule=name, EventBusName=bus, Targets=[target])
        self._heard: list[dict[str, Any]] = []

    def heard(self) -> list[dict[str, Any]]:
        """Return the envelopes of all events so far."""
        sqs = self._cloud.clients.sqs
        while messages := sqs.receive_message(
            QueueUrl=self._url, MaxNumberOfMessages=10, VisibilityTimeout=600
        ).get("Messages"):
            for message in messages:
                self._heard.append(json.loads(message["Body"])["detail"])
                sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
        return list(self._heard)


def _reply(status: int, answer: Any) -> Reply:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Reply(status, headers, answer.read())


@contextmanager
def running_cloud(data: Path) -> Iterator[Cloud]:
    """The whole local cloud, of packages that are up to date."""
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
    running = Cloud(data)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The whole local cloud on fresh data, shared by the flows; each uses members of its own."""
    with running_cloud(tmp_path_factory.mktemp("data")) as running:
        yield running
