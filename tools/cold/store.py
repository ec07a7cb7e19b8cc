"""DynamoDB as far as an accumulate needs it, over HTTP on loopback, in the process that measures.

Its processor time is nobody's who is measured. Until it is frozen it keeps what is written; then
writes are answered and forgotten, so that every measured request finds the same account.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Store:
    def __init__(self) -> None:
        self.is_frozen = False
        self.endpoint = ""
        self._items: dict[tuple[str, str], Any] = {}

    def answer(self, operation: str, request: Any) -> Any:
        """Answer one call. Raises KeyError for an operation that nobody here should need."""
        return {
            "GetItem": self._get,
            "BatchGetItem": self._batch_get,
            "PutItem": self._put,
            "TransactWriteItems": self._transact,
        }[operation](request)

    def _get(self, request: Any) -> Any:
        item = self._items.get(_key(request["Key"]))
        return {"Item": item} if item else {}

    def _batch_get(self, request: Any) -> Any:
        ((table, wanted),) = request["RequestItems"].items()
        found = [self._items.get(_key(key)) for key in wanted["Keys"]]
        return {"Responses": {table: [item for item in found if item]}, "UnprocessedKeys": {}}

    def _put(self, request: Any) -> Any:
        if not self.is_frozen:
            self._items[_key(request["Item"])] = request["Item"]
        return {}

    def _transact(self, request: Any) -> Any:
        for one in request["TransactItems"]:
            self._put(one["Put"])
        return {}


@contextmanager
def serving(store: Store) -> Iterator[None]:
    """Serve the store until the end of the block; `store.endpoint` tells where."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802  the name that http.server looks for
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].rpartition(".")[2]
            body = json.dumps(store.answer(operation, asked)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-amz-crc32", str(zlib.crc32(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing: the table that is printed says it all."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _key(wire: Any) -> tuple[str, str]:
    return wire["pk"]["S"], wire["sk"]["S"]
