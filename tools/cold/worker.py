"""One measured process: import a handler, answer a first request, then others again and again.

Run by its path with `python -I -S -B`, so that nothing but the folder it is given is on its path;
it imports only what the interpreter has. Its report goes to a file, since handlers write logs.

    worker.py FOLDER HANDLER EVENTS REPORT REPEATS
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_WARM_ROUNDS = 9


class Context:
    """What frameworks read of Lambda's context."""

    function_name = "bench"
    function_version = "$LATEST"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-central-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


class Body:
    """What an HTTP response is read from."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content


def main() -> None:
    folder, name, events, report, repeats = sys.argv[1:]
    sys.path.insert(0, folder)
    answered = [json.loads(line) for line in Path(events).read_text().splitlines()]
    module_name, _, function_name = name.rpartition(".")
    before = set(sys.modules)
    wall, cpu = time.perf_counter(), time.process_time()
    handler = getattr(importlib.import_module(module_name), function_name)
    init_wall, init_cpu = time.perf_counter() - wall, time.process_time() - cpu
    at_init = set(sys.modules)
    answers = []
    wall, cpu = time.perf_counter(), time.process_time()
    answers.append(handler(answered[0], Context()))
    first_wall, first_cpu = time.perf_counter() - wall, time.process_time() - cpu
    at_first = set(sys.modules)
    answers += [handler(event, Context()) for event in answered[1:]]
    measured = {
        "init_cpu": init_cpu,
        "init_wall": init_wall,
        "first_cpu": first_cpu,
        "first_wall": first_wall,
        "at_init": sorted(at_init - before),
        "at_first": sorted(at_first - at_init),
        "answers": [(answer["statusCode"], answer["body"]) for answer in answers],
        "warm_cpu": _warm(handler, answered[-1], int(repeats)),
    }
    Path(report).write_text(json.dumps(measured))


def _warm(handler: Any, event: Any, repeats: int) -> list[float]:
    """Return the mean processor time of a request in each of several rounds, without the wire."""
    if not repeats:
        return []
    _answer_in_process()
    rounds = []
    handler(event, Context())
    for _ in range(_WARM_ROUNDS):
        started = time.process_time()
        for _ in range(repeats):
            handler(event, Context())
        rounds.append((time.process_time() - started) / repeats)
    return rounds


def _answer_in_process() -> None:
    """Give reads the very answers that the store gave first, and writes an empty one."""
    awsrequest = importlib.import_module("botocore.awsrequest")
    session = importlib.import_module("botocore.httpsession").URLLib3Session
    send = session.send
    kept: dict[bytes, bytes] = {}

    def answer(self: Any, request: Any) -> Any:
        if b"TransactWriteItems" in request.headers["X-Amz-Target"]:
            content = b"{}"
        else:
            if request.body not in kept:
                kept[request.body] = send(self, request).content
            content = kept[request.body]
        headers = {"Content-Type": "application/x-amz-json-1.0"}
        headers["x-amz-crc32"] = str(zlib.crc32(content))
        return awsrequest.AWSResponse(request.url, 200, headers, Body(content))

    session.send = answer


if __name__ == "__main__":
    main()
