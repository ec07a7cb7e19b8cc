"""The HTTP edge, once for all services: a view is parse, call once, render.

    @routes.post("/accounts/{account_id}/adjust", scope=Scope.POINTS_ADJUST, status=201)
    def adjust_points(call: Call, account_id: str, body: contracts.Adjust) -> Answer[LedgerEvent]:

Parameters say what is parsed: `call` is the caller and the moment, `body` and `query` are pydantic
models, everything else is a part of the path. The decorator checks the scope before it looks at
anything, asks every POST that writes for an Idempotency-Key, turns problems into RFC 9457 and
keeps what it knows of each route for the OpenAPI document.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from chalice.app import Blueprint, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from tandem_core.auth import ANYONE, AUTHORIZER, Principal, Scope, principal_of
from tandem_core.clock import utc_now
from tandem_core.journal import Origin
from tandem_core.logs import logger
from tandem_core.problems import (
    FieldError,
    IdempotencyKeyInvalid,
    IdempotencyKeyRequired,
    InternalError,
    Invalid,
    MalformedJson,
    Missing,
    Problem,
    StoreUnavailable,
    TooLarge,
    ValidationFailed,
)
from tandem_core.table import is_unavailable

MAX_BODY_BYTES = 256 * 1024
# What others send to be kept as it is; Lambda takes no more than 6 MB.
MAX_RAW_BYTES = 4 * 1024 * 1024

# A page runs no script, loads nothing, is kept by nobody, and does not tell where it links from.
_PAGE_HEADERS: Mapping[str, str | list[str]] = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Cache-Control": "no-store",
    "Vary": "Accept, Accept-Language",
}

_PATH_PART = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
_PRINTABLE = re.compile(r"[\x20-\x7e]{1,255}")
_ETAG = re.compile(r'(?:W/)?"(\d{1,18})"')
_ERROR_CODES = {"missing": "MISSING_FIELD", "extra_forbidden": "UNKNOWN_FIELD"}

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Body]):
    """What a view returns: `version` becomes the ETag, `replayed` Idempotent-Replayed."""

    body: Body
    version: int | None = None
    replayed: bool = False


class _Nothing(BaseModel):
    """The body of a call that takes none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Call:
    """The caller and the moment of a request."""

    principal: Principal
    now: datetime
    idempotency_key: str = ""
    request: bytes = b""
    expected_version: int | None = None
    traceparent: str = ""
    accept_language: str = ""

    def origin(self, channel: str | None = None) -> Origin:
        return Origin(
            actor=self.principal.actor,
            channel=channel or self.principal.channel,
            key=self.idempotency_key,
            request=self.request,
            traceparent=self.traceparent,
            expected_version=self.expected_version,
        )


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came, for a caller that signs its bytes. Header names are in lower case.

    `url` is where this request says that it was sent to.
    """

    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of a route, for the decorator and for the OpenAPI document.

    Without a `scope` it is open to everybody: no token is asked for, and none is looked at. `page`
    writes the answer as HTML, for browsers that ask for it.
    """

    method: str
    path: str
    view: Callable[..., Answer[Any]]
    scope: Scope | None
    status: int
    writes: bool
    refusals: Sequence[type[Problem]]
    answer: type[BaseModel]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    takes_raw: bool = False
    page: Callable[[Any], str] | None = None


@dataclass(slots=True)
class Routes:
    """The routes of one service, registered on its blueprint."""

    blueprint: Blueprint
    endpoints: list[Endpoint] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> Callable[..., Any]:
        return self._route("GET", path, writes=False, **options)

    def put(self, path: str, **options: Any) -> Callable[..., Any]:
        return self._route("PUT", path, writes=True, **options)

    def post(self, path: str, *, writes: bool = True, **options: Any) -> Callable[..., Any]:
        """`writes=False` is for a question that is too long for a query string."""
        return self._route("POST", path, writes=writes, **options)

    def _route(  # noqa: PLR0913  keywords of a declaration
        self,
        method: str,
        path: str,
        *,
        scope: Scope | None,
        writes: bool,
        status: int = 200,
        refusals: Sequence[type[Problem]] = (),
        page: Callable[[Any], str] | None = None,
    ) -> Callable[..., Any]:
        def register(view: Callable[..., Answer[Any]]) -> Callable[..., Answer[Any]]:
            hints = get_type_hints(view)
            endpoint = Endpoint(
                method=method,
                path=path,
                view=view,
                scope=scope,
                status=status,
                writes=writes,
                refusals=refusals,
                answer=get_args(hints["return"])[0],
                body=hints.get("body"),
                query=hints.get("query"),
                takes_raw="raw" in hints,
                page=page,
            )
            self.endpoints.append(endpoint)

            def handle(**path_parts: str) -> Response:
                return respond(endpoint, self.blueprint.current_request, path_parts)

            self.blueprint.route(
                path,
                methods=[method],
                authorizer=AUTHORIZER if scope else None,
                content_types=["*/*"],
            )(handle)
            return view

        return register


def respond(endpoint: Endpoint, request: Request, path_parts: Mapping[str, str]) -> Response:
    """Answer one request; never raises."""
    started = time.perf_counter()
    status, code = endpoint.status, ""
    try:
        response = _answered(endpoint, request, path_parts)
    except Exception as error:  # noqa: BLE001  the last line of defence of the process
        problem = _problem_of(error)
        status, code = problem.status, problem.code
        response = Response(
            json.dumps(problem.body(request.context.get("path", ""))),
            headers={"Content-Type": "application/problem+json", **problem.headers},
            status_code=status,
        )
    logger().info(
        "request",
        extra={
            "route": f"{endpoint.method} {endpoint.path}",
            "status": status,
            "code": code,
            "duration_ms": round((time.perf_counter() - started) * 1000, 1),
        },
    )
    return response


def _answered(endpoint: Endpoint, request: Request, path_parts: Mapping[str, str]) -> Response:
    now = utc_now()
    principal = ANYONE
    if endpoint.scope:
        principal = principal_of(request.context, now)
        principal.require(endpoint.scope)
    arguments: dict[str, Any] = {name: _path_part(part) for name, part in path_parts.items()}
    headers = request.headers
    key = _idempotency_key(headers) if endpoint.writes and endpoint.method == "POST" else ""
    meaning = ""
    if endpoint.query:
        arguments["query"] = _validated(endpoint.query.model_validate, request.query_params or {})
    if endpoint.body:
        body = _validated(endpoint.body.model_validate_json, _raw_body(request) or b"{}")
        arguments["body"] = body
        meaning = body.model_dump_json(exclude_unset=True)
    elif endpoint.takes_raw:
        arguments["raw"] = _raw_request(request)
    elif endpoint.method != "GET":
        _validated(_Nothing.model_validate_json, _raw_body(request) or b"{}")
    call = Call(
        principal=principal,
        now=now,
        idempotency_key=key,
        request=_request_hash(endpoint, path_parts, meaning) if key else b"",
        expected_version=_expected_version(headers.get("if-match")),
        traceparent=headers.get("traceparent", "")[:64],
        accept_language=headers.get("accept-language", "")[:256],
    )
    answer = endpoint.view(call, **arguments)
    extra: dict[str, str | list[str]] = {"Content-Type": "application/json"}
    if answer.version is not None:
        extra["ETag"] = f'"{answer.version}"'
    if answer.replayed:
        extra["Idempotent-Replayed"] = "true"
    if endpoint.page and _prefers_html(headers.get("accept", "")):
        page = endpoint.page(answer.body)
        return Response(page, headers={**_PAGE_HEADERS}, status_code=endpoint.status)
    return Response(answer.body.model_dump_json(), headers=extra, status_code=endpoint.status)


def _prefers_html(accept: str) -> bool:
    """Tell a browser, which names HTML, from a program, which names JSON or anything."""
    kinds = [part.split(";")[0].strip().lower() for part in accept[:1000].split(",")]
    return "text/html" in kinds and "application/json" not in kinds


def _request_hash(endpoint: Endpoint, path_parts: Mapping[str, str], meaning: str) -> bytes:
    """Hash what is asked, not how it is written: neither white space nor the order of members."""
    text = "\n".join((endpoint.method, endpoint.path, *path_parts.values(), meaning))
    return hashlib.sha256(text.encode()).digest()[:16]


def _path_part(part: str) -> str:
    if not _PATH_PART.fullmatch(part):
        raise Missing
    return part


def _idempotency_key(headers: Mapping[str, str]) -> str:
    key = headers.get("idempotency-key", "")
    if not key:
        raise IdempotencyKeyRequired
    if not _PRINTABLE.fullmatch(key):
        raise IdempotencyKeyInvalid
    return key


def _expected_version(if_match: str | None) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    tag = _ETAG.fullmatch(if_match.strip())
    if tag is None:
        raise Invalid("If-Match must be an ETag that this service gave")
    return int(tag.group(1))


def _raw_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    try:
        raw = request.raw_body or b""
    except UnicodeEncodeError as half_a_character:
        raise MalformedJson from half_a_character
    raw = raw.encode() if isinstance(raw, str) else raw
    if len(raw) > limit:
        raise TooLarge(f"A body has at most {limit} bytes")
    return raw


def _raw_request(request: Request) -> RawRequest:
    headers = {str(name).lower(): str(value) for name, value in request.headers.items()}
    scheme = headers.get("x-forwarded-proto", "https").split(",")[0].strip()
    return RawRequest(
        headers=headers,
        body=_raw_body(request, MAX_RAW_BYTES),
        url=f"{scheme}://{headers.get('host', '')}{request.context.get('path', '')}",
    )


def _validated(validate: Callable[[Any], BaseModel], raw: Any) -> BaseModel:
    try:
        return validate(raw)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        errors = [error for error in errors if not _follows(error, errors)]
        if any(error["type"] == "json_invalid" for error in errors):
            raise MalformedJson from invalid
        raise ValidationFailed([_field_error(error) for error in errors[:20]]) from invalid


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """Tell a list that is too short from one whose members were all refused: those are named."""
    place = error["loc"]
    return error["type"] == "too_short" and any(
        len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in errors
    )


def _field_error(error: Any) -> FieldError:
    kind = error["type"]
    return {
        "field": ".".join(str(part) for part in error["loc"]),
        "code": _ERROR_CODES.get(kind) or _family(kind),
        "detail": error["msg"],
    }


def _family(kind: str) -> str:
    """Reduce pydantic's many error types to codes that stay."""
    if kind == "currency_mismatch":
        return "CURRENCY_MISMATCH"
    if kind.endswith(("_type", "_parsing")) or kind == "integer":
        return "WRONG_TYPE"
    if kind.startswith(("greater_than", "less_than", "too_", "string_too")):
        return "OUT_OF_RANGE"
    return "INVALID_VALUE"


def _problem_of(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if is_unavailable(error):
        logger().warning("store unavailable", exc_info=error)
        return StoreUnavailable()
    logger().error("unexpected error", exc_info=error)
    return InternalError()
