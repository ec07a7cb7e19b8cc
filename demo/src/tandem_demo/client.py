"""The public HTTP API as a careful caller uses it: keep-alive, time-outs, retries with one key.

Owns the connections, the tokens in use and the measurements. Knows no route and no rule of points.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3

MAX_TRIES = 10
_TOKENS_AT_ONCE = 4
_LONGEST_WAIT_SECONDS = 15.0
_TRY_AGAIN = frozenset({429, 502, 503, 504})
# A read may take as long as an API gateway waits for its function: 29 seconds.
_TIMEOUT = urllib3.Timeout(connect=2.0, read=30.0)

TokenSource = Callable[[str, str], str]


class Caller(NamedTuple):
    """Who asks: a role and the subject that the token names."""

    role: str
    subject: str


class Reply(NamedTuple):
    status: int
    body: dict[str, Any]
    replayed: bool


class Refused(Exception):
    """The system said no, or could not be reached in MAX_TRIES tries (status 0)."""

    def __init__(self, operation: str, status: int, code: str, detail: str) -> None:
        super().__init__(f"{operation}: {status} {code}: {detail}")
        self.status = status
        self.code = code


@dataclass
class Meter:
    """What was asked and how long the answers took, in seconds per operation."""

    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def answered(self, operation: str, seconds: float) -> None:
        with self._lock:
            self.latencies[operation].append(seconds)
            self.counts["requests"] += 1

    def wrote(self, *, replayed: bool) -> None:
        with self._lock:
            self.counts["writes"] += 1
            self.counts["replayed"] += replayed

    def retried(self) -> None:
        with self._lock:
            self.counts["retries"] += 1


class Client:
    """Safe to use from several threads, once it is ready for their callers."""

    def __init__(self, base_url: str, token_source: TokenSource, pool: urllib3.PoolManager) -> None:
        self.meter = Meter()
        self._base_url = base_url.rstrip("/")
        self._token_source = token_source
        self._tokens: dict[Caller, str] = {}
        self._stopped = Event()
        self._pool = pool

    def get_ready(self, callers: Iterable[Caller]) -> None:
        """Fetch the tokens of these callers, so that no request waits for one."""
        missing = [caller for caller in callers if caller not in self._tokens]
        with ThreadPoolExecutor(max_workers=_TOKENS_AT_ONCE) as pool:
            tokens = pool.map(lambda caller: self._token_source(*caller), missing)
            self._tokens.update(zip(missing, tokens, strict=True))

    def post(
        self, operation: str, path: str, caller: Caller, body: dict[str, Any], key: str
    ) -> Reply:
        """Write once, however often it takes: the key is the same in every try."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        content = json.dumps(body, separators=(",", ":")).encode()
        reply = self._ask(operation, "POST", path, caller, headers, content)
        self.meter.wrote(replayed=reply.replayed)
        return reply

    def put(self, operation: str, path: str, caller: Caller, body: dict[str, Any]) -> Reply:
        """Say what is to hold; said again it changes nothing."""
        content = json.dumps(body, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json"}
        return self._ask(operation, "PUT", path, caller, headers, content)

    def get(self, operation: str, path: str, caller: Caller | None, **query: str) -> Reply:
        """Read; without a caller what is open to everybody."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._ask(operation, "GET", target, caller, {}, None)

    def deliver(self, operation: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send what carries its own signature and needs neither a token nor a key."""
        sent = {"Content-Type": "application/json", **headers}
        return self._ask(operation, "POST", path, None, sent, body)

    def stop(self) -> None:
        """Refuse every further request, so that threads end soon after an interruption."""
        self._stopped.set()

    def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        caller: Caller | None,
        headers: dict[str, str],
        content: bytes | None,
    ) -> Reply:
        url = f"{self._base_url}{path}"
        if caller:
            headers = headers | {"Authorization": f"Bearer {self._tokens[caller]}"}
        failure = Refused(operation, 0, "UNREACHABLE", "no answer")
        for attempt in range(MAX_TRIES):
            if self._stopped.is_set():
                raise Refused(operation, 0, "STOPPED", "the demo was interrupted")
            if attempt:
                self.meter.retried()
            started = time.perf_counter()
            try:
                answer = self._pool.request(
                    method, url, body=content, headers=headers, timeout=_TIMEOUT, retries=False
                )
            except urllib3.exceptions.HTTPError as error:
                failure = Refused(operation, 0, "UNREACHABLE", str(error))
                self._stopped.wait(_wait_seconds(attempt, None))
                continue
            seconds = time.perf_counter() - started
            self.meter.answered(operation, seconds)
            if answer.status < 400:  # noqa: PLR2004 - the first status of a refusal
                replayed = answer.headers.get("Idempotent-Replayed") == "true"
                return Reply(answer.status, json.loads(answer.data), replayed)
            failure = _refusal(operation, answer)
            if answer.status not in _TRY_AGAIN:
                raise failure
            self._stopped.wait(_wait_seconds(attempt, answer.headers.get("Retry-After")))
        raise failure


def _wait_seconds(attempt: int, retry_after: str | None) -> float:
    """Wait as long as the server asks, else twice as long each time; never in step with others."""
    asked = float(retry_after) if retry_after and retry_after.isdigit() else 0.1 * 2**attempt
    return min(asked, _LONGEST_WAIT_SECONDS) * random.uniform(1.0, 1.25)  # noqa: S311 - jitter


def _refusal(operation: str, answer: urllib3.BaseHTTPResponse) -> Refused:
    try:
        problem = json.loads(answer.data)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail", ""))
    errors = problem.get("errors")
    if errors:
        detail = f"{detail} {json.dumps(errors)}"
    return Refused(operation, answer.status, str(problem.get("code", "")), detail)
