"""A running sandbox, whoever hears its webhooks, and a caller that knows nothing but HTTP."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tandem_local.sandbox import Sandbox

WEBHOOK_SECRETS = {"stripe": ["local-stripe-secret"], "credit": ["local-credit-secret"]}


class Heard(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes


class Listener:
    """Takes webhooks; `refuse` says how many it turns away first."""

    def __init__(self, refuse: int = 0) -> None:
        self.heard: list[Heard] = []
        self.turned_away: list[Heard] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                heard = Heard(self.path, headers, body)
                accepts = len(listener.turned_away) >= refuse
                (listener.heard if accepts else listener.turned_away).append(heard)
                self.send_response(200 if accepts else 503)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def listening(refuse: int = 0) -> Iterator[Listener]:
    listener = Listener(refuse)
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def running_sandbox(data: Path, public_url: str = "http://127.0.0.1:9") -> Iterator[Sandbox]:
    """Without a public address its webhooks go where nobody listens (RFC 863)."""
    sandbox = Sandbox(data, public_url, WEBHOOK_SECRETS)
    sandbox.start()
    try:
        yield sandbox
    finally:
        sandbox.stop()


class Answered(NamedTuple):
    status: int
    document: Any
    headers: Mapping[str, str]


def send(
    method: str,
    url: str,
    document: Any = None,
    *,
    form: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    body = None if document is None else json.dumps(document).encode()
    if form is not None:
        body = urlencode(form).encode()
    told = dict(headers or {})
    request = urllib.request.Request(url, data=body, headers=told, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return Answered(answer.status, json.load(answer), dict(answer.headers))
    except urllib.error.HTTPError as refusal:
        with refusal:
            return Answered(refusal.code, json.load(refusal), dict(refusal.headers))


def misbehave(sandbox: Sandbox, kind: str, **told: Any) -> None:
    answered = send("POST", f"{sandbox.url}/sandbox/faults", {"kind": kind, **told})
    assert answered.status == 200, answered.document


def paid(sandbox: Sandbox, **wanted: str) -> list[dict[str, Any]]:
    """Return the refunds that the sandbox really made."""
    query = f"?{urlencode(wanted)}" if wanted else ""
    found: list[dict[str, Any]] = send("GET", f"{sandbox.url}/sandbox/refunds{query}").document[
        "refunds"
    ]
    return found
