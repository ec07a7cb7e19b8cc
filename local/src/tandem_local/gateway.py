"""API Gateway on one loopback port: one host for all services, their REST APIs below its paths.

Does what is documented of REST APIs with Lambda proxy integrations: routes from the deployed
definition, TOKEN authorizers with kept results, proxy events of format 1.0, gateway responses.
Beside them it answers `/health`, and publishes the keys of the local issuer.
"""

from __future__ import annotations

import base64
import fnmatch
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from tandem_local.api import Authorizer, Method, Resource, RestApi
from tandem_local.clients import ACCOUNT, REGION
from tandem_local.execution import Outcome
from tandem_local.wire import Closed, Connection, Headers, Malformed, Request

Invoke = Callable[[str, Any], Outcome]

_IDLE_SECONDS = 75.0
_KEPT_POLICIES = 10_000
# What API Gateway takes a body for that has no Content-Type.
_UNTOLD_TYPE = "application/json"
_JSON: Headers = [("Content-Type", "application/json")]


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers
    body: bytes


class Refused(Exception):
    """The gateway answers by itself, with the response of this type."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Gateway:
    """Listens from the start and answers 503 until `open`."""

    def __init__(self, port: int, jwks: bytes, describe: Mapping[str, Any]) -> None:
        """Raises OSError when the port is taken."""
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.port: int = self._listener.getsockname()[1]
        self._jwks = jwks
        self._describe = describe
        self._apis: dict[str, RestApi] = {}
        self._nowhere: RestApi | None = None
        self._invoke: Invoke | None = None
        self._policies: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}
        self._connections: set[Connection] = set()
        self._busy = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, name="gateway", daemon=True).start()

    def open(self, apis: Sequence[RestApi], invoke: Invoke) -> None:
        """Begin to serve these APIs, one at least."""
        self._apis = {api.base_path: api for api in apis}
        # What lies below no base path is refused in the words of the others.
        self._nowhere = replace(apis[0], root=Resource(), throttle=None)
        self._invoke = invoke

    def close(self, grace_seconds: float = 5.0) -> None:
        """Take no new connection, let running requests end, then close the rest."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            self._changed.wait_for(lambda: not self._busy, timeout=grace_seconds)
            self._invoke = None
            remaining = list(self._connections)
        for connection in remaining:
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connected, peer = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connected, peer[0]), daemon=True).start()

    def _serve(self, connected: socket.socket, peer: str) -> None:
        connected.settimeout(_IDLE_SECONDS)
        connection = Connection(connected)
        with self._changed:
            self._connections.add(connection)
        try:
            while self._serve_one(connection, peer):
                pass
        except (Closed, TimeoutError):
            pass
        except Malformed as unreadable:
            with suppress(Closed):
                self._refuse_malformed(connection, f"Bad request: {unreadable}")
        finally:
            with self._changed:
                self._connections.discard(connection)
            connection.close()

    def _refuse_malformed(self, connection: Connection, message: str) -> None:
        response = Response(400, _JSON, json.dumps({"message": message}).encode())
        if self._nowhere:
            response = _refusal(self._nowhere, Refused("BAD_REQUEST_BODY", message), "", "")
        connection.respond(response.status, response.headers, response.body, keep_alive=False)

    def _serve_one(self, connection: Connection, peer: str) -> bool:
        request = connection.read_request()
        with self._changed:
            self._busy += 1
        try:
            response = self.answer(request, peer)
            body = b"" if request.method == "HEAD" else response.body
            connection.respond(response.status, response.headers, body, request.keeps_alive)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()
        return request.keeps_alive

    def answer(self, request: Request, peer: str) -> Response:
        path, _, query = request.target.partition("?")
        if path == "/.well-known/jwks.json":
            return Response(200, _JSON, self._jwks)
        invoke = self._invoke
        if path == "/health":
            status = {"status": "ok" if invoke else "starting", **self._describe}
            return Response(200 if invoke else 503, _JSON, json.dumps(status).encode())
        if invoke is None:
            body = json.dumps({"status": "starting"}).encode()
            return Response(503, [*_JSON, ("Retry-After", "1")], body)
        api = self._apis.get(path.lstrip("/").partition("/")[0]) or self._nowhere
        assert api is not None  # noqa: S101  set before `_invoke` is
        call = _Call(request, path, query, peer, api)
        try:
            return self._proxy(call, invoke)
        except Refused as refused:
            return _refusal(api, refused, path, call.id)

    def _proxy(self, call: _Call, invoke: Invoke) -> Response:
        found = call.api.root.find(call.segments)
        method = found[0].methods.get(call.request.method) if found else None
        if found is None or method is None:
            raise Refused("MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")
        if call.api.throttle and not call.api.throttle.allows():
            raise Refused("THROTTLED", "Too Many Requests")
        if call.request.is_too_large:
            raise Refused("REQUEST_TOO_LARGE", "Request Too Long")
        claims = self._authorize(call, method.authorizer, invoke) if method.authorizer else None
        outcome = invoke(method.function_arn, _proxy_event(call, *found, method, claims))
        if outcome.is_error:
            raise Refused("INTEGRATION_FAILURE", "Internal server error")
        return _proxy_response(outcome.payload, call.id)

    def _authorize(self, call: _Call, authorizer: Authorizer, invoke: Invoke) -> dict[str, Any]:
        """Return what the authorizer says of the caller. Raises Refused."""
        token = call.request.header(authorizer.header)
        if not token:
            raise Refused("UNAUTHORIZED", "Unauthorized")
        kept = self._policies.get((authorizer.id, token))
        if kept and kept[0] > time.monotonic():
            answer = kept[1]
        else:
            event = {"type": "TOKEN", "authorizationToken": token, "methodArn": call.method_arn}
            outcome = invoke(authorizer.function_arn, event)
            answer = outcome.json()
            if outcome.is_error:
                if answer.get("errorMessage") == "Unauthorized":
                    raise Refused("UNAUTHORIZED", "Unauthorized")
                raise Refused("AUTHORIZER_FAILURE", "Internal server error")
            if len(self._policies) >= _KEPT_POLICIES:
                self._policies.clear()
            expires_at = time.monotonic() + authorizer.ttl_seconds
            self._policies[authorizer.id, token] = (expires_at, answer)
        if not _allows(answer["policyDocument"], call.method_arn):
            raise Refused("ACCESS_DENIED", "User is not authorized to access this resource")
        return {"principalId": answer["principalId"], **answer.get("context", {})}


class _Call:
    """A request on its way through an API."""

    def __init__(self, request: Request, path: str, query: str, peer: str, api: RestApi) -> None:
        self.request, self.path, self.query, self.peer, self.api = request, path, query, peer, api
        self.id = str(uuid.uuid4())
        # Below the base path; API Gateway does not mind a slash at the end.
        self.segments = [part for part in path.split("/") if part][1:]

    @property
    def method_arn(self) -> str:
        api = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{self.api.id}/{self.api.stage}"
        return f"{api}/{self.request.method}/{'/'.join(self.segments)}"


def _refusal(api: RestApi, refused: Refused, path: str, request_id: str) -> Response:
    response = api.response(refused.kind)
    return Response(
        response.status,
        [*response.headers, ("x-amzn-RequestId", request_id)],
        response.render(path, request_id, str(refused)),
    )


def _allows(policy: Mapping[str, Any], method_arn: str) -> bool:
    """Evaluate an authorizer's policy: an explicit deny wins, and nothing is allowed by silence."""
    effects = set()
    for statement in policy["Statement"]:
        named = statement["Resource"]
        for pattern in [named] if isinstance(named, str) else named:
            if fnmatch.fnmatchcase(method_arn, pattern):
                effects.add(statement["Effect"])
    return effects == {"Allow"}


def _proxy_event(
    call: _Call,
    resource: Resource,
    parameters: dict[str, str],
    method: Method,
    claims: dict[str, Any] | None,
) -> dict[str, Any]:
    """Build the event of a Lambda proxy integration, format 1.0."""
    headers = _forwarded(call)
    query = parse_qsl(call.query, keep_blank_values=True)
    body, is_base64 = _event_body(call)
    now = datetime.now(UTC)
    host = call.request.header("host") or ""
    return {
        "resource": resource.path,
        "path": call.path,
        "httpMethod": call.request.method,
        "headers": dict(headers),
        "multiValueHeaders": _multi(headers),
        "queryStringParameters": dict(query) or None,
        "multiValueQueryStringParameters": _multi(query) or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": call.api.id,
            "domainName": host,
            "domainPrefix": host.partition(".")[0],
            "extendedRequestId": call.id,
            "httpMethod": call.request.method,
            "identity": {
                "sourceIp": call.peer,
                "userAgent": call.request.header("user-agent"),
            },
            "path": call.path,
            "protocol": "HTTP/1.1",
            "requestId": call.id,
            "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "requestTimeEpoch": int(now.timestamp() * 1000),
            "resourceId": resource.id,
            "resourcePath": resource.path,
            "stage": call.api.stage,
            **({"authorizer": claims} if method.authorizer else {}),
        },
        "body": body,
        "isBase64Encoded": is_base64,
    }


def _forwarded(call: _Call) -> Headers:
    """Add how the request came. A tunnel to this machine has said what the sender used: it stays.

    API Gateway replaces the scheme, since nothing stands before it.
    """
    request = call.request
    came_from = request.header("x-forwarded-for")
    said = {
        "X-Forwarded-For": f"{came_from}, {call.peer}" if came_from else call.peer,
        "X-Forwarded-Proto": request.header("x-forwarded-proto") or "http",
    }
    replaced = {name.lower() for name in said}
    return [
        *((name, value) for name, value in request.headers if name.lower() not in replaced),
        *said.items(),
    ]


def _event_body(call: _Call) -> tuple[str | None, bool]:
    """Text as it is, binary media types as base 64; API Gateway mends what is not UTF-8."""
    if not call.request.body:
        return None, False
    media_type = (call.request.header("content-type") or _UNTOLD_TYPE).partition(";")[0].strip()
    if any(fnmatch.fnmatch(media_type, pattern) for pattern in call.api.binary_types):
        return base64.b64encode(call.request.body).decode(), True
    return call.request.body.decode("utf-8", "replace"), False


def _multi(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    collected: dict[str, list[str]] = {}
    for name, value in pairs:
        collected.setdefault(name, []).append(value)
    return collected


def _proxy_response(payload: bytes, request_id: str) -> Response:
    """Read what the function returned. Raises Refused when it is no proxy response."""
    try:
        answer = json.loads(payload)
        status = int(answer["statusCode"])
        body = answer.get("body") or ""
        headers = {**(answer.get("headers") or {}), **(answer.get("multiValueHeaders") or {})}
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    except (ValueError, KeyError, TypeError, AttributeError) as malformed:
        raise Refused("INTEGRATION_FAILURE", "Internal server error") from malformed
    flat: Headers = []
    for name, value in headers.items():
        flat += [(name, str(item)) for item in (value if isinstance(value, list) else [value])]
    if not any(name.lower() == "content-type" for name, _ in flat):
        flat += _JSON
    return Response(status, [*flat, ("x-amzn-RequestId", request_id)], content)
