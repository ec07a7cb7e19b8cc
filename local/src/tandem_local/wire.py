"""HTTP/1.1 on a socket: what the gateway and the Runtime API need of it, and nothing more.

The standard library's server spends a millisecond on a request; this spends a tenth, which is
what is left to a local cloud whose other parts also want the processor.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

MAX_BODY_BYTES = 10 * 1024 * 1024

_MAX_LINE_BYTES = 16 * 1024
_MAX_HEADERS = 100
_REASONS = {status.value: status.phrase for status in HTTPStatus}

Headers = list[tuple[str, str]]


class Malformed(Exception):
    """What came is not an HTTP request, or has a head beyond all measure."""


class Closed(Exception):
    """The other side has gone."""


@dataclass(slots=True)
class Request:
    """`headers` are as sent, in order. A body over the limit is drained and left out."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""
    is_too_large: bool = False
    keeps_alive: bool = True
    _by_name: dict[str, str] = field(default_factory=dict)

    def header(self, name: str) -> str | None:
        """Return the last value of a header; `name` in lower case."""
        if not self._by_name:
            self._by_name = {key.lower(): value for key, value in self.headers}
        return self._by_name.get(name)


class Connection:
    """One side of a kept-alive connection: requests come in, responses go out."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connected
        self._incoming = connected.makefile("rb", buffering=64 * 1024)

    def read_request(self) -> Request:
        """Wait for a request. Raises Closed, Malformed, and TimeoutError as the socket is set."""
        try:
            return self._read_request()
        except (ConnectionError, ValueError) as gone:
            raise Closed from gone

    def respond(self, status: int, headers: Headers, body: bytes, keep_alive: bool = True) -> None:
        """Send a whole response in one piece, so that no delayed acknowledgement holds it up."""
        head = io.StringIO()
        head.write(f"HTTP/1.1 {status} {_REASONS.get(status, '')}\r\n")
        for name, value in headers:
            head.write(f"{name}: {value}\r\n")
        head.write(f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(body)}\r\n")
        head.write("\r\n" if keep_alive else "Connection: close\r\n\r\n")
        try:
            self.socket.sendall(head.getvalue().encode("latin-1", "replace") + body)
        except OSError as gone:
            raise Closed from gone

    def close(self) -> None:
        self._incoming.close()
        self.socket.close()

    def _read_request(self) -> Request:
        line = self._line()
        while line == b"":  # RFC 9112 2.2: tolerate empty lines before a request
            line = self._line()
        try:
            method, target, version = line.decode("ascii").split(" ")
        except ValueError as unreadable:
            raise Malformed("request line") from unreadable
        if not version.startswith("HTTP/1."):
            raise Malformed("protocol")
        request = Request(method=method, target=target, headers=list(self._headers()))
        connection = (request.header("connection") or "").lower()
        request.keeps_alive = "close" not in connection and version != "HTTP/1.0"
        if (request.header("expect") or "").lower() == "100-continue":
            self.socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in (request.header("transfer-encoding") or "").lower():
            self._read_chunks(request)
        else:
            self._read_sized(request)
        return request

    def _line(self) -> bytes:
        line = self._incoming.readline(_MAX_LINE_BYTES)
        if not line:
            raise Closed
        if not line.endswith(b"\n"):
            raise Malformed("line too long")
        return line.rstrip(b"\r\n")

    def _headers(self) -> Iterable[tuple[str, str]]:
        for _ in range(_MAX_HEADERS + 1):
            line = self._line()
            if not line:
                return
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or name != name.strip() or not name:
                raise Malformed("header")
            yield name, value.strip()
        raise Malformed("too many headers")

    def _read_sized(self, request: Request) -> None:
        length = request.header("content-length") or "0"
        if not length.isdecimal():
            raise Malformed("content-length")
        if int(length) > MAX_BODY_BYTES:
            request.is_too_large = True
            request.keeps_alive = False
            self._drain(int(length))
        else:
            request.body = self._exactly(int(length))

    def _read_chunks(self, request: Request) -> None:
        parts: list[bytes] = []
        size = 0
        while True:
            try:
                length = int(self._line().partition(b";")[0], 16)
            except ValueError as unreadable:
                raise Malformed("chunk size") from unreadable
            if length == 0:
                break
            size += length
            if size > MAX_BODY_BYTES:
                request.is_too_large = True
                request.keeps_alive = False
                return
            parts.append(self._exactly(length))
            self._line()
        while self._line():
            pass
        request.body = b"".join(parts)

    def _exactly(self, length: int) -> bytes:
        data: bytes = self._incoming.read(length)
        if len(data) < length:
            raise Closed
        return data

    def _drain(self, length: int) -> None:
        """Take in what is sent anyway, up to a point: who is still sending reads no answer."""
        left = min(length, 4 * MAX_BODY_BYTES)
        while left > 0:
            data = self._incoming.read(min(left, 64 * 1024))
            if not data:
                raise Closed
            left -= len(data)
