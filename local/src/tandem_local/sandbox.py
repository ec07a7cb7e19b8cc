"""The sandbox: payment providers and a seller of labels on this machine, for the local cloud.

    {url}/stripe     refunds as Stripe makes them, with webhooks for what comes late
    {url}/credit     gift cards and store credit, by the contract in docs/payments.md
    {url}/easypost   return labels as EasyPost sells them
    {url}/sandbox    what was really paid and bought, and how to make them misbehave

Loopback only, and nobody's money. It has a port of its own, since it holds connections open to
play time-outs. What it has paid is kept in the data folder, faults are not.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from tandem_local.sandbox_faults import BadOrder, Faults, NoReply, Reply
from tandem_local.sandbox_labels import EasyPostSandbox
from tandem_local.sandbox_ledger import Ledger
from tandem_local.sandbox_payers import Call, CreditSandbox, Refunds, StripeSandbox

# What a service needs in its secret to be known here.
KEYS: Mapping[str, Mapping[str, str]] = {
    "stripe": {"api_key": "sk_test_sandbox", "unreferenced": "order"},
    "credit": {"key": "sandbox-credit-key"},
    "easypost": {"api_key": "EZTK_sandbox"},
}

_MAX_BODY_BYTES = 1_000_000
_READ_SECONDS = 5.0
_HOLD_SECONDS = 60.0
_LOOK_SECONDS = 0.1


class _Provider(Protocol):
    def answer(self, call: Call) -> Reply: ...


class Sandbox:
    """Bound when it is made, so that its address is known; it answers once it is started."""

    def __init__(
        self, data: Path, public_url: str, webhook_secrets: Mapping[str, Sequence[str]]
    ) -> None:
        self._ledger = Ledger(data / "sandbox.sqlite")
        self._server = self._bound()
        self.port = int(self._server.server_address[1])
        self._ledger.keep("server", "port", {"port": self.port})
        self._faults = Faults()
        webhooks = f"{public_url}/returns/v1/webhooks"
        self._refunds = Refunds(self._ledger, webhooks, webhook_secrets)
        self._labels = EasyPostSandbox(self._ledger, self._faults, self.easypost_url)
        self._providers: Mapping[str, _Provider] = {
            "stripe": StripeSandbox(self._refunds, self._faults),
            "credit": CreditSandbox(self._refunds, self._faults, KEYS["credit"]["key"]),
            "easypost": self._labels,
        }
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": _LOOK_SECONDS},
            name="sandbox",
            daemon=True,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stripe_url(self) -> str:
        return f"{self.url}/stripe"

    @property
    def credit_url(self) -> str:
        return f"{self.url}/credit"

    @property
    def easypost_url(self) -> str:
        return f"{self.url}/easypost"

    def start(self) -> None:
        self._thread.start()
        self._refunds.later.start()

    def stop(self) -> None:
        self._server.closing.set()
        self._server.shutdown()
        # Waits for the calls under way; those held open hear of the closing.
        self._server.server_close()
        self._thread.join()
        self._refunds.later.stop()
        self._ledger.close()

    def answer(self, call: Call) -> Reply:
        """Raises NoReply."""
        place, _, path = call.path.strip("/").partition("/")
        below = call._replace(path=path)
        try:
            if place == "sandbox":
                return self._steered(below)
            if place in self._providers:
                return self._providers[place].answer(below)
        except (BadOrder, ValueError, KeyError, TypeError) as wrong:
            return Reply(400, {"error": f"{type(wrong).__name__}: {wrong}"})
        return Reply(404, {"error": "nothing is here"})

    def _steered(self, call: Call) -> Reply:
        told = json.loads(call.body) if call.body else {}
        if not isinstance(told, dict):
            raise BadOrder("an order is a JSON object")
        match call.method, call.path.split("/"):
            case "GET", ["refunds"]:
                wanted = call.query.items()
                paid = [one for one in self._refunds.all() if wanted <= one.items()]
                return Reply(200, {"refunds": paid})
            case "POST", ["refunds", refund_id]:
                self._refunds.finish(refund_id, told["status"], told.get("reason", ""))
            case "GET", ["labels"]:
                return Reply(200, {"labels": self._labels.bought()})
            case "POST", ["faults"]:
                self._faults.add(told)
            case "DELETE", ["faults"]:
                self._faults.clear()
            case "POST", ["payments"]:
                payment = {"amount": int(told["amount"]), "currency": told["currency"]}
                self._ledger.keep("payment", told["reference"], payment)
            case "POST", ["forget-keys"]:
                self._ledger.drop("key")
            case _:
                return Reply(404, {"error": "nothing is here"})
        return Reply(200, {})

    def _bound(self) -> _Server:
        """Take the port of last time, so that whoever knows it finds us again, or a free one."""
        before = (self._ledger.find("server", "port") or {"port": 0})["port"]
        try:
            return _Server(before, self)
        except OSError:
            return _Server(0, self)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    # So that closing waits for the calls under way.
    daemon_threads = False

    def __init__(self, port: int, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.closing = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _READ_SECONDS

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY_BYTES:
            self._respond(Reply(413, {"error": "too large"}))
            return
        target = urlsplit(self.path)
        call = Call(
            method=self.command,
            path=target.path,
            query=dict(parse_qsl(target.query)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        try:
            self._respond(self.server.sandbox.answer(call))
        except NoReply as silence:
            if silence.hold:
                self._hold()
            if silence.then:
                self.server.closing.wait(silence.seconds)
                silence.then()
        except ConnectionError:
            # The caller did not wait for the answer.
            pass

    def _respond(self, reply: Reply) -> None:
        is_text = isinstance(reply.document, str)
        body = (reply.document if is_text else json.dumps(reply.document)).encode()
        self.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | dict(reply.headers)).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hold(self) -> None:
        """Say nothing until the caller leaves, as a provider does that has lost its way."""
        self.connection.settimeout(_LOOK_SECONDS)
        for _ in range(int(_HOLD_SECONDS / _LOOK_SECONDS)):
            if self.server.closing.is_set():
                return
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue
            except OSError:
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
        """Say nothing: what matters is in the ledger."""
