"""The local cloud, put together: engine, deployment, workers, mappings, schedules, gateway.

    gateway ----> api ----> engine: DynamoDB ----> stream ----> relay
                                                                  |
            consumers <---- mapping <---- queue <---- rule <---- bus

Everything is read from what was deployed; no function, route or queue is named here.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tandem_local.api import RestApi, read_apis
from tandem_local.clients import Clients
from tandem_local.deployment import STAGE, Package, deploy, outputs_of, read_packages
from tandem_local.engine import Engine
from tandem_local.execution import Configuration, Outcome
from tandem_local.functions import Function
from tandem_local.gateway import Gateway
from tandem_local.issuer import AUDIENCE, ISSUER, Issuer
from tandem_local.memory import Memory
from tandem_local.queues import QueueMapping, QueueSettings
from tandem_local.sandbox import KEYS, Sandbox
from tandem_local.schedules import Scheduler, read_schedules
from tandem_local.stack_secrets import put_secrets, webhook_secrets
from tandem_local.streams import StreamMapping, StreamSettings

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Say = Callable[[str], None]

DOMAIN = "tandem.localhost"

# An execution environment takes one request at a time and about 80 MB.
_API_ENVIRONMENTS = 4
_OTHER_ENVIRONMENTS = 1
_DRAIN_SECONDS = 5.0
_MAX_LOG_BYTES = 20_000_000
# An entry bears the time of its decision and is written within the time-out of the request.
_REPLAY_MARGIN_SECONDS = 15.0
_REPLAY_ROUNDS = 10_000
_REPLAY_TRIES = 5
_RETURN_ADDRESS = {
    "name": "Local Returns",
    "street1": "Lagerstr. 1",
    "city": "Berlin",
    "postal_code": "10115",
    "country": "DE",
}


class AlreadyRunning(Exception):
    """Another process works on the same data folder. The message says which."""


class NotBuilt(Exception):
    """There are no packages to deploy."""


@dataclass(frozen=True)
class Paths:
    """Where things lie in the data folder."""

    data: Path

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def code(self) -> Path:
        return self.data / "code"


class LocalCloud:
    """Start it once, stop it once. `port` 0 takes a free one; `port` then names it."""

    def __init__(
        self, data: Path, port: int, build: Path, engine_python: Path, say: Say = lambda _: None
    ) -> None:
        """Take the data folder and the port. Raises AlreadyRunning, NotBuilt, OSError."""
        self.paths = Paths(data.resolve())
        self._say = say
        self._packages = read_packages(build)
        if not self._packages:
            raise NotBuilt(f"Nothing is built in {build}; run `make build` first.")
        self.paths.logs.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(self.paths.data / "lock")
        about = {"stage": STAGE}
        try:
            self.gateway = Gateway(port, Issuer(self.paths.data).jwks(), about)
        except OSError:
            self._lock.close()
            raise
        self.port = self.gateway.port
        self._lock.write(f"{self.base_url}, process {os.getpid()}")
        self._lock.flush()
        self.sandbox = Sandbox(self.paths.data, self.base_url, webhook_secrets(KEYS, os.environ))
        # So that whoever knows us finds who pays.
        about["sandbox"] = self.sandbox.url
        self._engine = Engine(engine_python, self.paths.data, self._log("engine"))
        self._functions: dict[str, Function] = {}
        self._running: list[StreamMapping | QueueMapping | Scheduler] = []
        self._stopping = threading.Event()
        self._memory = Memory(self.paths.data / "runner.json")

    @property
    def endpoint(self) -> str:
        """The address of the engine, for who wants to look inside."""
        return self._engine.endpoint

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_alive(self) -> bool:
        return self._engine.is_alive

    def start(self) -> None:
        """Return when everything can serve. Raises EngineFailed, DeploymentFailed."""
        self.sandbox.start()
        self._say("engine")
        self._engine.start()
        clients = Clients(self._engine.endpoint)
        is_unsaved = self._engine.was_killed
        for package in self._packages:
            self._say(f"stack {package.stack}")
            is_unsaved |= deploy(clients, package, self._parameters())
            is_unsaved |= put_secrets(clients, package, os.environ)
        if is_unsaved:
            self._engine.save()
        self._say("functions")
        self._start_functions(clients)
        for package in self._packages:
            self._start_mappings(clients, package)
        scheduler = Scheduler(read_schedules(clients), self._invoke, self._memory.last_runs)
        scheduler.start()
        self._running.append(scheduler)
        self.gateway.open(read_apis(clients, DOMAIN), self._invoke)

    def stop(self) -> None:
        """Finish what is under way, relay what is written, save, and leave no process behind."""
        self._stopping.set()
        self.gateway.close()
        self.drain()
        for part in self._running:
            part.halt()
        for part in self._running:
            part.stop()
        for function in self._functions.values():
            function.close()
        self.sandbox.stop()
        self._memory.close()
        self._engine.stop()
        self._lock.close()

    def drain(self) -> None:
        """Wait until what is written is on the bus, or for as long as a stop may take."""
        for part in self._running:
            if isinstance(part, StreamMapping):
                part.drain(_DRAIN_SECONDS)

    def _parameters(self) -> Mapping[str, str]:
        return {
            "Stage": STAGE,
            "TokenIssuer": ISSUER,
            "TokenAudience": AUDIENCE,
            "JwksUrl": f"{self.base_url}/.well-known/jwks.json",
            "DomainName": DOMAIN,
            "CertificateArn": "arn:aws:acm:eu-central-1:000000000000:certificate/local",
            # The engine's CloudFormation knows no archive.
            "ArchiveDays": "0",
            # What a tunnel to this machine is called, where senders on the internet need one.
            "PublicUrl": os.environ.get("TANDEM_PUBLIC_URL") or self.base_url,
            # Nobody's money, and a seller of labels whose parcels nobody carries.
            "StripeUrl": self.sandbox.stripe_url,
            "CreditUrl": self.sandbox.credit_url,
            "EasypostUrl": self.sandbox.easypost_url,
            "ReturnAddress": json.dumps(_RETURN_ADDRESS),
            # Replays of shop data and storms of webhooks come faster than any shop's traffic.
            "RequestsPerSecond": "2000",
            "RequestsBurst": "5000",
            # The mappings and the schedule are ours to run, see streams.py.
            "Triggers": "disabled",
        }

    def _invoke(self, function_arn: str, event: Any) -> Outcome:
        return self._functions[function_arn].invoke(event)

    def _start_functions(self, clients: Clients) -> None:
        runtime = self._engine.runtime_client()
        code = {package.code_sha256: package.archive for package in self._packages}
        wanted = {archive: self._unpacked(sha256) for sha256, archive in code.items()}
        self._unpack(wanted)
        described = [
            function
            for page in clients.functions.get_paginator("list_functions").paginate()
            for function in page["Functions"]
        ]
        serving = _functions_of(read_apis(clients, DOMAIN))
        for function in described:
            configuration = Configuration(
                name=function["FunctionName"],
                arn=function["FunctionArn"],
                handler=function["Handler"],
                timeout_seconds=function["Timeout"],
                memory_mb=function["MemorySize"],
                environment=function.get("Environment", {}).get("Variables", {}),
                code=self._unpacked(function["CodeSha256"]),
                runtime=runtime,
                log=self._log(function["FunctionName"]),
            )
            bound = _API_ENVIRONMENTS if configuration.arn in serving else _OTHER_ENVIRONMENTS
            self._functions[configuration.arn] = Function(
                configuration, self._engine.endpoint, bound
            )
        # The others start with their first event.
        for arn in serving:
            self._functions[arn].warm_up()

    def _start_mappings(self, clients: Clients, package: Package) -> None:
        stack = package.stack
        resources = [
            resource
            for page in clients.cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=stack
            )
            for resource in page["StackResourceSummaries"]
        ]
        since = self._memory.relayed_until(stack)
        # Before the first mapping moves it on: what this start replays, and what comes now.
        self._memory.hold(stack, time.time())
        for resource in resources:
            if resource["ResourceType"] == "AWS::Lambda::EventSourceMapping":
                mapping = clients.functions.get_event_source_mapping(
                    UUID=resource["PhysicalResourceId"]
                )
                self._start_mapping(clients, stack, mapping)
        outputs = outputs_of(clients, stack)
        if since is None or "ReplayFunction" not in outputs:
            self._memory.release(stack)
        else:
            self._start_replay(stack, outputs["ReplayFunction"], since)

    def _start_mapping(self, clients: Clients, stack: str, mapping: Mapping[str, Any]) -> None:
        function = self._functions[mapping["FunctionArn"]]
        started: StreamMapping | QueueMapping
        if ":dynamodb:" in mapping["EventSourceArn"]:
            settings = StreamSettings.of(mapping)
            started = StreamMapping(
                settings,
                clients.streams,
                function.invoke,
                give_up=lambda record: _send(clients.sqs, settings.on_failure_arn, record),
                passed=lambda created_at: self._memory.relayed(stack, created_at),
            )
        else:
            started = QueueMapping(QueueSettings.of(mapping), clients.sqs, function.invoke)
        started.start()
        self._running.append(started)

    def _start_replay(self, stack: str, function_name: str, since: float) -> None:
        """Publish again what the stream may not have delivered before the last stop.

        The engine's stream records end with it. Consumers do not mind hearing a thing twice.
        """
        function = next(
            function
            for function in self._functions.values()
            if function.configuration.name == function_name
        )
        # After a kill the queues are as they were saved, so what went through them since is lost.
        since = min(since, self._engine.saved_at or since)
        arguments = (stack, function, since)
        threading.Thread(target=self._replay, args=arguments, name="replay", daemon=True).start()

    def _replay(self, stack: str, function: Function, since: float) -> None:
        begin = datetime.fromtimestamp(since - _REPLAY_MARGIN_SECONDS, UTC)
        event: dict[str, Any] = {"since": begin.isoformat(timespec="milliseconds")}
        failures = 0
        for _ in range(_REPLAY_ROUNDS):
            if self._stopping.is_set():
                return
            outcome = function.invoke(event)
            if outcome.is_error:
                failures += 1
                if failures == _REPLAY_TRIES:
                    self._say(f"replay of {stack} failed; see {function.configuration.log}")
                    return
                self._stopping.wait(failures)
            elif cursor := outcome.json().get("cursor"):
                event["cursor"] = cursor
            else:
                self._memory.release(stack)
                return

    def _unpacked(self, code_sha256: str) -> Path:
        return self.paths.code / code_sha256.replace("/", "_").replace("+", "-")[:24]

    def _unpack(self, wanted: Mapping[Path, Path]) -> None:
        """Unpack each package once; drop those of earlier builds."""
        self.paths.code.mkdir(exist_ok=True)
        for folder in set(self.paths.code.iterdir()) - set(wanted.values()):
            shutil.rmtree(folder)
        for archive, folder in wanted.items():
            if not folder.exists():
                unfinished = folder.with_suffix(".unfinished")
                with zipfile.ZipFile(archive) as package:
                    package.extractall(unfinished)
                unfinished.rename(folder)

    def _log(self, name: str) -> Path:
        path = self.paths.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.unlink()
        return path


def _functions_of(apis: Iterable[RestApi]) -> set[str]:
    """Return the functions that requests wait for: of the routes, and their authorizers."""
    found = set()
    for api in apis:
        nodes = [api.root]
        while nodes:
            node = nodes.pop()
            nodes += node.children.values()
            for method in node.methods.values():
                found.add(method.function_arn)
                if method.authorizer:
                    found.add(method.authorizer.function_arn)
    return found


def _send(sqs: SQSClient, queue_arn: str | None, record: Mapping[str, Any]) -> None:
    """Send the record of a discarded batch to its destination, if there is one."""
    if queue_arn:
        url = sqs.get_queue_url(QueueName=queue_arn.rpartition(":")[2])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(record))


def _lock(path: Path) -> IO[str]:
    """Take the data folder. The system gives a lock back however its holder ends: none is stale."""
    file = path.open("a+")
    file.seek(0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        with file:
            raise AlreadyRunning(
                f"Tandem already runs on the data in {path.parent}: {file.read()}.\n"
                "Stop that one, or take other data: make run PORT=8001 DATA=.local-2"
            ) from None
    file.truncate()
    return file
