"""One execution environment: a process of AWS's own runtime client, and the Runtime API it asks.

As on AWS it serves one invocation at a time. There is no server thread: whoever invokes speaks to
the process itself, over the one connection that the runtime client keeps.

    invoke ----event----> GET  /2018-06-01/runtime/invocation/next   (parked)
           <---answer---- POST /2018-06-01/runtime/invocation/<id>/response | error
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tandem_local.clients import CREDENTIALS
from tandem_local.wire import Closed, Connection, Malformed, Request

_WORKER = Path(__file__).with_name("worker_process.py")
_INIT_SECONDS = 30.0


@dataclass(frozen=True)
class Configuration:
    """A function as it is deployed, and where its code and the runtime client lie unpacked."""

    name: str
    arn: str
    handler: str
    timeout_seconds: float
    memory_mb: int
    environment: Mapping[str, str]
    code: Path
    runtime: Path
    log: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation gave: the payload as JSON; `is_error` as Lambda's FunctionError."""

    payload: bytes
    is_error: bool = False

    def json(self) -> Any:
        return json.loads(self.payload or b"null")


class ExecutionEnvironment:
    """Starts its process at once; `is_alive` is false after a crash or a timeout."""

    def __init__(self, configuration: Configuration, endpoint: str) -> None:
        self._configuration = configuration
        self._connection: Connection | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._is_parked = False
        address = "{}:{}".format(*self._listener.getsockname())
        with configuration.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-u", str(_WORKER)]
                + [str(configuration.code), str(configuration.runtime), configuration.handler],
                cwd=configuration.code,
                env=_environment(configuration, endpoint, address),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the parent, which then stops its children in order.
                process_group=0,
            )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def warm_up(self) -> None:
        """Wait until the handler is imported. What fails is told by the first invocation."""
        with suppress(_Gone, _InitFailed):
            self._await_parked(time.monotonic() + _INIT_SECONDS)

    def invoke(self, event: bytes) -> Outcome:
        """Run the handler once; every failure is an Outcome, as on AWS."""
        request_id = str(uuid.uuid4())
        try:
            self._await_parked(time.monotonic() + _INIT_SECONDS)
            deadline = time.monotonic() + self._configuration.timeout_seconds
            self._send_event(request_id, event)
            answer = self._next_request(deadline)
            outcome = Outcome(answer.body, is_error=not answer.target.endswith("/response"))
            self._accepted()
            return outcome
        except TimeoutError:
            self.close()
            seconds = self._configuration.timeout_seconds
            text = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
            return _failure("Sandbox.Timedout", text)
        except _InitFailed as failed:
            self.close()
            return Outcome(failed.payload, is_error=True)
        except _Gone:
            self.close()
            status = self._process.returncode
            text = f"RequestId: {request_id} Error: Runtime exited with error: exit status {status}"
            return _failure("Runtime.ExitError", text)

    def close(self) -> None:
        """Kill the process, as AWS does between invocations, and wait for its end."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        if self._connection:
            self._connection.close()
        self._listener.close()

    def _await_parked(self, deadline: float) -> None:
        if self._is_parked:
            return
        request = self._next_request(deadline)
        if request.target.endswith("/init/error"):
            self._accepted()
            raise _InitFailed(request.body)
        self._is_parked = True

    def _send_event(self, request_id: str, event: bytes) -> None:
        self._is_parked = False
        deadline_ms = int((time.time() + self._configuration.timeout_seconds) * 1000)
        self._respond(
            200,
            [
                ("Content-Type", "application/json"),
                ("Lambda-Runtime-Aws-Request-Id", request_id),
                ("Lambda-Runtime-Deadline-Ms", str(deadline_ms)),
                ("Lambda-Runtime-Invoked-Function-Arn", self._configuration.arn),
                ("Lambda-Runtime-Trace-Id", _trace_id()),
            ],
            event,
        )

    def _accepted(self) -> None:
        self._respond(202, [("Content-Type", "application/json")], b'{"status":"OK"}')

    def _respond(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        try:
            assert self._connection is not None  # noqa: S101  a request came over it
            self._connection.respond(status, headers, body)
        except Closed:
            raise _Gone from None

    def _next_request(self, deadline: float) -> Request:
        """Wait for the process to ask or answer. Raises TimeoutError and _Gone."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if self._connection is None:
                self._connection = self._accept(min(left, 0.1))
                continue
            self._connection.socket.settimeout(left)
            try:
                return self._connection.read_request()
            except (Closed, Malformed):
                self._connection.close()
                self._connection = None

    def _accept(self, seconds: float) -> Connection | None:
        self._listener.settimeout(seconds)
        try:
            connected, _ = self._listener.accept()
        except TimeoutError:
            if not self.is_alive:
                raise _Gone from None
            return None
        except OSError:  # closed by whoever stops the function
            raise _Gone from None
        return Connection(connected)


class _Gone(Exception):
    """The process has ended."""


class _InitFailed(Exception):
    """The handler's module could not be imported; `payload` is what the runtime reported."""

    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.payload = payload


def _failure(kind: str, message: str) -> Outcome:
    payload = {"errorType": kind, "errorMessage": message}
    return Outcome(json.dumps(payload).encode(), is_error=True)


def _trace_id() -> str:
    return f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=0"


def _environment(configuration: Configuration, endpoint: str, address: str) -> dict[str, str]:
    """What Lambda sets, what the function's configuration says, and the address of the engine."""
    return {
        **configuration.environment,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info[0]}.{sys.version_info[1]}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": configuration.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{configuration.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
        "AWS_LAMBDA_RUNTIME_API": address,
        "LAMBDA_RUNTIME_DIR": str(configuration.runtime),
        "LAMBDA_TASK_ROOT": str(configuration.code),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        "_HANDLER": configuration.handler,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
