"""The gateway answers as API Gateway does: routes, proxy events, kept policies, own refusals."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tandem_local.api import Authorizer, GatewayResponse, Method, Resource, RestApi, Throttle
from tandem_local.execution import Outcome
from tandem_local.gateway import Gateway

PROBLEM = [("Content-Type", "application/problem+json")]
ECHO = "arn:echo"
AUTHORIZE = "arn:authorize"


def refusal(status: int, code: str) -> GatewayResponse:
    template = f'{{"status":{status},"instance":"$context.path","code":"{code}"}}'
    return GatewayResponse(status, PROBLEM, template)


def resource(path: str, *methods: str, authorizer: Authorizer | None = None) -> Resource:
    return Resource(path, path, {name: Method(ECHO, authorizer) for name in methods})


TOKEN = Authorizer("auth1", AUTHORIZE, "authorization", ttl_seconds=300)

API = RestApi(
    id="api1",
    base_path="loyalty",
    stage="api",
    root=Resource(
        children={
            "v1": Resource(
                children={
                    "things": Resource(
                        path="/v1/things",
                        methods={"GET": Method(ECHO, None), "POST": Method(ECHO, None)},
                        children={
                            "{id}": resource("/v1/things/{id}", "GET"),
                            "latest": resource("/v1/things/latest", "GET"),
                        },
                    ),
                    "guarded": resource("/v1/guarded", "GET", authorizer=TOKEN),
                    "files": Resource(children={"{path+}": resource("/v1/files/{path+}", "GET")}),
                }
            )
        }
    ),
    binary_types=frozenset({"image/*"}),
    responses={
        "UNAUTHORIZED": refusal(401, "UNAUTHENTICATED"),
        "ACCESS_DENIED": refusal(403, "FORBIDDEN"),
        "MISSING_AUTHENTICATION_TOKEN": refusal(404, "ROUTE_NOT_FOUND"),
        "REQUEST_TOO_LARGE": refusal(413, "PAYLOAD_TOO_LARGE"),
        "THROTTLED": refusal(429, "RATE_LIMITED"),
        "DEFAULT_4XX": refusal(400, "BAD_REQUEST"),
        "DEFAULT_5XX": refusal(500, "INTERNAL_ERROR"),
    },
    throttle=None,
)


class Backend:
    """What stands behind the gateway: an echo, unless it is told to answer something else."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.asked: list[Any] = []
        self.answer: Outcome | None = None

    def invoke(self, function_arn: str, event: Any) -> Outcome:
        if function_arn == AUTHORIZE:
            self.asked.append(event)
            return self._authorize(event["authorizationToken"], event["methodArn"])
        self.events.append(event)
        body = json.dumps({"seen": event["body"]})
        return self.answer or proxy_answer(statusCode=200, body=body)

    @staticmethod
    def _authorize(token: str, method_arn: str) -> Outcome:
        if token == "broken":
            return Outcome(b'{"errorMessage": "no keys"}', is_error=True)
        if token == "bad":
            return Outcome(b'{"errorMessage": "Unauthorized"}', is_error=True)
        stage = "/".join(method_arn.split("/")[:2])
        effect = "Deny" if token == "denied" else "Allow"
        statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
        policy = {"principalId": "p", "policyDocument": {"Statement": [statement]}}
        return Outcome(json.dumps(policy | {"context": {"sub": token, "role": "staff"}}).encode())


def proxy_answer(**answer: Any) -> Outcome:
    return Outcome(json.dumps(answer).encode())


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def gateway(backend: Backend) -> Iterator[Gateway]:
    running = Gateway(0, b'{"keys": []}', {"stage": "local"})
    running.open([API], backend.invoke)
    yield running
    running.close()


@pytest.fixture
def caller(gateway: Gateway) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    yield connection
    connection.close()


def call(
    caller: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    **headers: str,
) -> tuple[int, dict[str, str], Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    caller.request(method, path, body, named)
    answer = caller.getresponse()
    content = answer.read()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, found, json.loads(content) if content else None


def test_before_it_is_open_everything_waits() -> None:
    gateway = Gateway(0, b"{}", {"stage": "local"})
    caller = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    assert call(caller, "GET", "/health")[0] == 503
    assert call(caller, "GET", "/loyalty/v1/things")[0] == 503
    assert call(caller, "GET", "/.well-known/jwks.json")[0] == 200
    gateway.open([API], Backend().invoke)
    assert call(caller, "GET", "/health")[::2] == (200, {"status": "ok", "stage": "local"})
    caller.close()
    gateway.close()


def test_a_taken_port_is_an_error_at_once(gateway: Gateway) -> None:
    with pytest.raises(OSError, match="in use"):
        Gateway(gateway.port, b"{}", {})


def test_a_request_becomes_a_proxy_event(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    path = "/loyalty/v1/things/a%2Fb?tag=1&tag=2&empty=&name=%C3%A9"
    assert call(caller, "GET", path, User_Agent="till", X_Note="n")[0] == 200
    (event,) = backend.events
    assert event["resource"] == "/v1/things/{id}"
    assert event["path"] == "/loyalty/v1/things/a%2Fb"
    assert event["pathParameters"] == {"id": "a/b"}
    assert event["queryStringParameters"] == {"tag": "2", "empty": "", "name": "é"}
    assert event["multiValueQueryStringParameters"]["tag"] == ["1", "2"]
    assert event["headers"]["X-Note"] == "n"
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["body"] is None
    context = event["requestContext"]
    assert context["resourcePath"] == "/v1/things/{id}"
    assert context["identity"] == {"sourceIp": "127.0.0.1", "userAgent": "till"}
    assert "authorizer" not in context


def test_repeated_headers_are_all_kept(gateway: Gateway, backend: Backend) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(b"GET /loyalty/v1/things HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: 2\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    (event,) = backend.events
    assert event["headers"]["X-A"] == "2"
    assert event["multiValueHeaders"]["X-A"] == ["1", "2"]


def test_text_is_passed_as_it_is_and_binary_media_types_as_base_64(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    call(caller, "POST", "/loyalty/v1/things", "é".encode(), Content_Type="application/json")
    call(caller, "POST", "/loyalty/v1/things", b"\xff\x00", Content_Type="image/png")
    call(caller, "POST", "/loyalty/v1/things", b"\xff", Content_Type="application/json")
    text, image, broken = backend.events
    assert (text["body"], text["isBase64Encoded"]) == ("é", False)
    assert image["isBase64Encoded"]
    assert base64.b64decode(image["body"]) == b"\xff\x00"
    assert broken["body"] == "�"


def test_where_all_types_are_binary_every_byte_arrives_as_it_was_sent(backend: Backend) -> None:
    gateway = Gateway(0, b"{}", {})
    gateway.open([dataclasses.replace(API, binary_types=frozenset({"*/*"}))], backend.invoke)
    caller = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    sent = [
        '{"name": "Zoë 王"}\r\n'.encode(),
        b"\xef\xbb\xbf{}",
        b"\xff\x00\xfe",
        bytes(range(256)),
    ]
    for body in sent:
        assert call(caller, "POST", "/loyalty/v1/things", body, Content_Type="application/json")
        assert call(caller, "POST", "/loyalty/v1/things", body)[0] == 200
    call(caller, "POST", "/loyalty/v1/things", b"")
    caller.close()
    gateway.close()
    *full, empty = backend.events
    arrived = [base64.b64decode(event["body"]) for event in full if event["isBase64Encoded"]]
    assert arrived == [body for body in sent for _ in range(2)]
    assert (empty["body"], empty["isBase64Encoded"]) == (None, False)


def test_headers_keep_their_case_and_the_address_can_be_put_together_again(
    caller: http.client.HTTPConnection, gateway: Gateway, backend: Backend
) -> None:
    sent = {"X-Shopify-Hmac-SHA256": "a+/=", "x-square-signature": "b", "WebHook-ID": "c"}
    caller.request("POST", "/loyalty/v1/things?a=1", b"{}", sent)
    caller.getresponse().read()
    (event,) = backend.events
    assert sent.items() <= event["headers"].items()
    headers, path = event["headers"], event["requestContext"]["path"]
    assert headers["X-Forwarded-Proto"] == "http"
    address = f"{headers['X-Forwarded-Proto']}://{headers['Host']}{path}"
    assert address == f"http://127.0.0.1:{gateway.port}/loyalty/v1/things"


def test_what_a_tunnel_says_of_the_sender_is_believed(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    forwarded = {
        "Host": "shop.example.com",
        "x-forwarded-proto": "https",
        "X-Forwarded-FOR": "1.2.3.4",
    }
    caller.request("POST", "/loyalty/v1/things", b"{}", forwarded)
    caller.getresponse().read()
    (event,) = backend.events
    headers = {name.lower(): value for name, value in event["headers"].items()}
    assert len(headers) == len(event["headers"])
    assert headers["host"] == "shop.example.com"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-for"] == "1.2.3.4, 127.0.0.1"
    assert event["multiValueHeaders"]["X-Forwarded-Proto"] == ["https"]


def test_chunked_bodies_and_expectations_are_understood(gateway: Gateway, backend: Backend) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(
            b"POST /loyalty/v1/things HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: t\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert backend.events[0]["body"] == "abcde"


def test_a_literal_part_wins_over_a_parameter_and_a_greedy_one_takes_the_rest(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    call(caller, "GET", "/loyalty/v1/things/latest")
    call(caller, "GET", "/loyalty/v1/things/other")
    call(caller, "GET", "/loyalty/v1/files/a/b%20c")
    assert [event["resource"] for event in backend.events] == [
        "/v1/things/latest",
        "/v1/things/{id}",
        "/v1/files/{path+}",
    ]
    assert backend.events[2]["pathParameters"] == {"path": "a/b c"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/loyalty/v1/nothing"),
        ("DELETE", "/loyalty/v1/things"),
        ("GET", "/elsewhere/v1/things"),
        ("GET", "/"),
    ],
)
def test_what_is_not_routed_is_a_problem(
    caller: http.client.HTTPConnection, method: str, path: str
) -> None:
    status, headers, body = call(caller, method, path)
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert body == {"status": 404, "instance": path, "code": "ROUTE_NOT_FOUND"}


def test_a_path_cannot_break_out_of_the_problem(caller: http.client.HTTPConnection) -> None:
    path = '/loyalty/"},"code":"X'
    status, _, body = call(caller, "GET", path)
    assert (status, body["instance"], body["code"]) == (404, path, "ROUTE_NOT_FOUND")


def test_a_policy_is_kept_per_token(caller: http.client.HTTPConnection, backend: Backend) -> None:
    for token in ("amy", "amy", "bob"):
        assert call(caller, "GET", "/loyalty/v1/guarded", Authorization=token)[0] == 200
    assert [asked["authorizationToken"] for asked in backend.asked] == ["amy", "bob"]
    assert backend.asked[0]["type"] == "TOKEN"
    assert backend.asked[0]["methodArn"].endswith(":api1/api/GET/v1/guarded")
    authorizer = backend.events[0]["requestContext"]["authorizer"]
    assert authorizer == {"principalId": "p", "sub": "amy", "role": "staff"}


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, "UNAUTHENTICATED"),
        ({"Authorization": "bad"}, 401, "UNAUTHENTICATED"),
        ({"Authorization": "denied"}, 403, "FORBIDDEN"),
        ({"Authorization": "broken"}, 500, "INTERNAL_ERROR"),
    ],
)
def test_who_is_not_authorized_does_not_get_through(
    caller: http.client.HTTPConnection,
    backend: Backend,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    answered, _, body = call(caller, "GET", "/loyalty/v1/guarded", None, **headers)
    assert (answered, body["code"]) == (status, code)
    assert backend.events == []


@pytest.mark.parametrize(
    "answer",
    [
        Outcome(b'{"errorMessage": "boom"}', is_error=True),
        Outcome(b"null"),
        Outcome(b'{"body": "no status"}'),
        Outcome(b'{"statusCode": "many"}'),
        Outcome(b'{"statusCode": 200, "body": {"not": "text"}}'),
    ],
)
def test_a_function_that_breaks_is_an_internal_error(
    caller: http.client.HTTPConnection, backend: Backend, answer: Outcome
) -> None:
    backend.answer = answer
    status, _, body = call(caller, "GET", "/loyalty/v1/things")
    assert (status, body["code"]) == (500, "INTERNAL_ERROR")


def test_an_answer_keeps_its_status_headers_and_bytes(
    gateway: Gateway, caller: http.client.HTTPConnection, backend: Backend
) -> None:
    backend.answer = proxy_answer(
        statusCode=202,
        headers={"ETag": '"3"', "X-N": 1},
        multiValueHeaders={"Set-Cookie": ["a=1", "b=2"]},
        body=base64.b64encode(b"\xff\xfe").decode(),
        isBase64Encoded=True,
    )
    assert gateway.port
    caller.request("GET", "/loyalty/v1/things")
    answer = caller.getresponse()
    assert (answer.status, answer.read()) == (202, b"\xff\xfe")
    assert answer.headers["ETag"] == '"3"'
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_a_body_beyond_ten_megabytes_is_refused_in_words(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    status, _, body = call(caller, "POST", "/loyalty/v1/things", b"x" * (10 * 1024 * 1024 + 1))
    assert (status, body["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert call(caller, "POST", "/loyalty/v1/things", b"x" * (10 * 1024 * 1024))[0] == 200
    assert len(backend.events) == 1


def test_a_route_without_an_authorizer_asks_for_no_token_and_looks_at_none(
    caller: http.client.HTTPConnection, backend: Backend
) -> None:
    for headers in ({}, {"Authorization": "bad"}, {"Authorization": "denied"}):
        assert call(caller, "POST", "/loyalty/v1/things", b"{}", **headers)[0] == 200
    assert backend.asked == []
    assert all("authorizer" not in event["requestContext"] for event in backend.events)


def test_beyond_its_rate_the_stage_says_so(backend: Backend) -> None:
    gateway = Gateway(0, b"{}", {})
    gateway.open([dataclasses.replace(API, throttle=Throttle(rate=0.001, burst=2))], backend.invoke)
    caller = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    answers = [call(caller, "GET", "/loyalty/v1/things") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[2][2]["code"] == "RATE_LIMITED"
    caller.close()
    gateway.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/3\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
    ],
)
def test_what_is_not_http_is_refused_and_the_gateway_goes_on(gateway: Gateway, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(sent)
        answer = b""
        while part := raw.recv(4096):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b'"code":"BAD_REQUEST"' in answer
    assert b"Connection: close" in answer
    with socket.create_connection(("127.0.0.1", gateway.port)) as raw:
        raw.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert raw.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_connection_is_kept_for_many_requests(caller: http.client.HTTPConnection) -> None:
    call(caller, "GET", "/health")
    first = caller.sock
    call(caller, "GET", "/loyalty/v1/things")
    assert caller.sock is first
