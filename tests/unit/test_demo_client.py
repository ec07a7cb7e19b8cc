"""The demo's caller: the same key in every try, and no patience without an end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import urllib3

from tandem_demo import client as client_module
from tandem_demo.client import MAX_TRIES, Caller, Client, Refused

TILL = Caller("terminal", "store_12/till_1")
NO_WAIT = {"Retry-After": "0"}


def answer(
    status: int, body: object, headers: Mapping[str, str] | None = None
) -> urllib3.HTTPResponse:
    return urllib3.HTTPResponse(json.dumps(body).encode(), headers or {}, status)


class Script(urllib3.PoolManager):
    """Answers from a list, and keeps what was asked."""

    def __init__(self, *answers: urllib3.HTTPResponse | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def request(self, method: str, url: str, **options: Any) -> Any:  # type: ignore[override]
        self.asked.append({"method": method, "url": url, **options})
        next_answer = self.answers.pop(0)
        if isinstance(next_answer, Exception):
            raise next_answer
        return next_answer


def client_for(script: Script) -> Client:
    client = Client("http://tandem.test", lambda role, subject: f"{role}-{subject}", script)
    client.get_ready([TILL])
    return client


def accumulate(client: Client) -> client_module.Reply:
    return client.post("accumulate", "/path", TILL, {"points": 1}, "key-1")


def test_a_busy_system_is_asked_again_with_the_same_key_and_bytes() -> None:
    script = Script(answer(503, {"code": "TRY_AGAIN"}, NO_WAIT), answer(201, {"id": "one"}))
    client = client_for(script)
    assert accumulate(client) == client_module.Reply(201, {"id": "one"}, replayed=False)
    assert script.asked[0] == script.asked[1]
    assert script.asked[0]["headers"]["Idempotency-Key"] == "key-1"
    assert script.asked[0]["headers"]["Authorization"] == "Bearer terminal-store_12/till_1"
    assert +client.meter.counts == {"requests": 2, "retries": 1, "writes": 1}


def test_a_lost_connection_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_LONGEST_WAIT_SECONDS", 0.0)
    lost = urllib3.exceptions.ProtocolError("connection reset")
    script = Script(lost, answer(201, {}, {"Idempotent-Replayed": "true"}))
    client = client_for(script)
    assert accumulate(client).replayed
    assert +client.meter.counts == {"requests": 1, "retries": 1, "writes": 1, "replayed": 1}


def test_a_refusal_is_final_and_says_why() -> None:
    problem = {
        "code": "VALIDATION_FAILED",
        "detail": "Check these fields",
        "errors": [{"field": "points"}],
    }
    with pytest.raises(Refused, match="422 VALIDATION_FAILED.*points") as refusal:
        accumulate(client_for(Script(answer(422, problem))))
    assert (refusal.value.status, refusal.value.code) == (422, "VALIDATION_FAILED")


def test_an_answer_that_is_no_problem_document_is_a_refusal_too() -> None:
    page = urllib3.HTTPResponse(b"<html>", {}, 500)
    with pytest.raises(Refused, match="500"):
        accumulate(client_for(Script(page)))


def test_patience_ends() -> None:
    busy = [answer(503, {"code": "TRY_AGAIN"}, NO_WAIT) for _ in range(MAX_TRIES)]
    with pytest.raises(Refused, match="TRY_AGAIN"):
        accumulate(client_for(Script(*busy)))


def test_nothing_is_asked_after_an_interruption() -> None:
    script = Script()
    client = client_for(script)
    client.stop()
    with pytest.raises(Refused, match="STOPPED"):
        accumulate(client)
    assert not script.asked
