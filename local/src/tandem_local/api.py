"""The deployed REST APIs as API Gateway knows them: routes, authorizers, own answers, limits."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tandem_local.wire import Headers

if TYPE_CHECKING:
    from tandem_local.clients import Clients

# An alias behind the function's name is left out: there is one version of the code here.
_FUNCTION_OF_URI = re.compile(
    r"functions/(arn:aws:lambda:[^:]+:[^:]+:function:[^/:]+)[^/]*/invocations$"
)
_SWAGGER_RESPONSES = "x-amazon-apigateway-gateway-responses"
_SWAGGER_BINARY_TYPES = "x-amazon-apigateway-binary-media-types"

# API Gateway's own status of a response type whose template sets none.
_STATUS = {
    "ACCESS_DENIED": 403,
    "AUTHORIZER_FAILURE": 500,
    "INTEGRATION_FAILURE": 502,
    "INTEGRATION_TIMEOUT": 504,
    "MISSING_AUTHENTICATION_TOKEN": 403,
    "REQUEST_TOO_LARGE": 413,
    "THROTTLED": 429,
    "UNAUTHORIZED": 401,
    "BAD_REQUEST_BODY": 400,
}


@dataclass(frozen=True)
class Authorizer:
    """A TOKEN authorizer. `header` is in lower case."""

    id: str
    function_arn: str
    header: str
    ttl_seconds: int


@dataclass(frozen=True)
class Method:
    function_arn: str
    authorizer: Authorizer | None


@dataclass
class Resource:
    """A node of the tree of paths."""

    id: str = ""
    path: str = "/"
    methods: dict[str, Method] = field(default_factory=dict)
    children: dict[str, Resource] = field(default_factory=dict)

    def find(self, segments: list[str]) -> tuple[Resource, dict[str, str]] | None:
        """Return the resource of a path and the values of its parameters; the literal one first."""
        if not segments:
            return self, {}
        first, rest = segments[0], segments[1:]
        for part, child in self._candidates(first):
            if part.endswith("+}"):
                return child, {part[1:-2]: unquote("/".join(segments))}
            found = child.find(rest)
            if found:
                parameters = {part[1:-1]: unquote(first)} if part.startswith("{") else {}
                return found[0], parameters | found[1]
        return None

    def _candidates(self, segment: str) -> Iterator[tuple[str, Resource]]:
        if segment in self.children:
            yield segment, self.children[segment]
        ranked = sorted(self.children.items(), key=lambda item: item[0].endswith("+}"))
        yield from ((part, child) for part, child in ranked if part.startswith("{"))


@dataclass(frozen=True)
class GatewayResponse:
    """What the gateway answers by itself for one type of response."""

    status: int
    headers: Headers
    template: str

    def render(self, path: str, request_id: str, message: str) -> bytes:
        values = {
            "$context.error.messageString": json.dumps(message),
            "$context.error.message": json.dumps(message)[1:-1],
            "$context.requestId": request_id,
            "$context.path": json.dumps(path)[1:-1],
        }
        text = self.template
        for name, value in values.items():
            text = text.replace(name, value)
        return text.encode()


class Throttle:
    """API Gateway's token bucket: `rate` a second, at most `burst` at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._tokens, self._filled_at = float(burst), time.monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        with self._lock:
            now = time.monotonic()
            grown = self._tokens + (now - self._filled_at) * self._rate
            self._tokens, self._filled_at = min(grown, self._burst), now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True


@dataclass(frozen=True)
class RestApi:
    id: str
    base_path: str
    stage: str
    root: Resource
    binary_types: frozenset[str]
    responses: Mapping[str, GatewayResponse]
    throttle: Throttle | None

    def response(self, kind: str) -> GatewayResponse:
        status = _STATUS[kind]
        general = "DEFAULT_5XX" if status >= 500 else "DEFAULT_4XX"  # noqa: PLR2004
        for name in (kind, general):
            if name in self.responses:
                return self.responses[name]
        plain = '{"message":$context.error.messageString}'
        return GatewayResponse(status, [("Content-Type", "application/json")], plain)


def read_apis(clients: Clients, domain: str) -> list[RestApi]:
    """Return the APIs that are mapped below the public domain."""
    mappings = clients.apigateway.get_base_path_mappings(domainName=domain)["items"]
    return [
        _read_api(clients, mapping["restApiId"], mapping["basePath"], mapping["stage"])
        for mapping in mappings
    ]


def _read_api(clients: Clients, api_id: str, base_path: str, stage: str) -> RestApi:
    gateway = clients.apigateway
    api = gateway.get_rest_api(restApiId=api_id)
    definition = _deployed_definition(clients, api["tags"])
    settings = gateway.get_stage(restApiId=api_id, stageName=stage).get("methodSettings", {})
    limit: Mapping[str, Any] = settings.get("*/*", {})
    return RestApi(
        id=api_id,
        base_path=base_path,
        stage=stage,
        root=_read_routes(clients, api_id),
        binary_types=frozenset(definition.get(_SWAGGER_BINARY_TYPES, [])),
        responses={
            kind: _gateway_response(response)
            for kind, response in definition.get(_SWAGGER_RESPONSES, {}).items()
        },
        throttle=Throttle(limit["throttlingRateLimit"], limit["throttlingBurstLimit"])
        if "throttlingRateLimit" in limit
        else None,
    )


def _read_routes(clients: Clients, api_id: str) -> Resource:
    authorizers = {
        item["id"]: Authorizer(
            id=item["id"],
            function_arn=_function_of(item["authorizerUri"]),
            header=item["identitySource"].rpartition(".")[2].lower(),
            ttl_seconds=item.get("authorizerResultTtlInSeconds", 300),
        )
        for item in clients.apigateway.get_authorizers(restApiId=api_id)["items"]
    }
    root = Resource()
    pages = clients.apigateway.get_paginator("get_resources").paginate(
        restApiId=api_id, embed=["methods"]
    )
    for item in (item for page in pages for item in page["items"]):
        node = root
        for part in item["path"].strip("/").split("/"):
            node = node.children.setdefault(part, Resource()) if part else node
        node.id, node.path = item["id"], item["path"]
        for verb, method in item.get("resourceMethods", {}).items():
            node.methods[verb] = Method(
                function_arn=_function_of(method["methodIntegration"]["uri"]),
                authorizer=authorizers.get(method.get("authorizerId", "")),
            )
    return root


def _deployed_definition(clients: Clients, tags: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the definition that the API was made from: it holds what the engine does not keep.

    CloudFormation writes on each API which resource of which stack it is.
    """
    template: Any = clients.cloudformation.get_template(
        StackName=tags["aws:cloudformation:stack-name"], TemplateStage="Processed"
    )["TemplateBody"]
    resource = template["Resources"][tags["aws:cloudformation:logical-id"]]
    body: Mapping[str, Any] = resource["Properties"]["Body"]
    return body


def _function_of(uri: str) -> str:
    found = _FUNCTION_OF_URI.search(uri)
    if not found:
        raise ValueError(f"no Lambda function in {uri}")
    return found[1]


def _gateway_response(response: Mapping[str, Any]) -> GatewayResponse:
    prefix = "gatewayresponse.header."
    return GatewayResponse(
        status=int(response["statusCode"]),
        headers=[
            (name.removeprefix(prefix), value.strip("'"))
            for name, value in response.get("responseParameters", {}).items()
            if name.startswith(prefix)
        ],
        template=response["responseTemplates"]["application/json"],
    )
