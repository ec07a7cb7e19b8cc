"""Workers that die and answers that are lost, wherever the outside world has just been changed.

Everything that a return changes outside its process is counted: each write to the table, each call
to a provider. At a chosen one, after it was done, its doer dies or hears nothing. Between two of
them nothing is changed, so these are all the places where it matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest
import urllib3
from botocore.exceptions import ReadTimeoutError

from tandem_core.table import Table
from tandem_returns import consumers
from tandem_returns.payments import Patience, ProviderSettings, provider_settings
from tests.service.conftest import Returns
from tests.service.services import Reply

Accident = Literal["killed", "unheard"]

_WRITES = ("transact", "put", "put_new", "delete")
_TRIES = 8
_TURNS = 30


class Killed(BaseException):
    """The process ends here: nothing catches it, and nothing after it is done."""


@dataclass
class Crashes:
    """One accident at the chosen change; none at 0. `done` counts the changes so far."""

    chosen: int = 0
    accident: Accident = "killed"
    done: int = 0
    where: str = ""

    def arm(self, chosen: int, accident: Accident) -> None:
        self.chosen, self.accident, self.done, self.where = chosen, accident, 0, ""

    def after(self, what: str, unheard: Callable[[], Exception]) -> None:
        self.done += 1
        if self.done == self.chosen:
            self.where = what
            raise Killed if self.accident == "killed" else unheard()


def prepared(monkeypatch: pytest.MonkeyPatch) -> Crashes:
    """Put accidents in the way of everything that changes something."""
    crashes = Crashes()
    for name in _WRITES:
        monkeypatch.setattr(Table, name, _written(crashes, name, getattr(Table, name)))
    request = urllib3.PoolManager.request

    def called(pool: Any, method: str, url: str, **options: Any) -> Any:
        response = request(pool, method, url, **options)
        if method != "GET":
            crashes.after(f"{method} {url}", _unheard_call(response, pool, url))
        return response

    monkeypatch.setattr(urllib3.PoolManager, "request", called)
    return crashes


def _written(crashes: Crashes, name: str, write: Callable[..., Any]) -> Callable[..., Any]:
    def changed(table: Table, *arguments: Any) -> Any:
        result = write(table, *arguments)
        crashes.after(name, lambda: ReadTimeoutError(endpoint_url="dynamodb"))
        return result

    return changed


def _unheard_call(response: Any, pool: Any, url: str) -> Callable[[], Exception]:
    def unheard() -> Exception:
        response.close()
        return urllib3.exceptions.ReadTimeoutError(pool, url, "timed out")

    return unheard


def impatient(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.25) -> None:
    """Wait for providers for a moment only."""

    def hasty(*arguments: Any) -> ProviderSettings:
        patience = Patience(connect_seconds=3, read_seconds=seconds)
        return provider_settings(*arguments).model_copy(update={"patience": patience})

    monkeypatch.setattr(consumers, "provider_settings", hasty)


def insisted(ask: Callable[[], Reply]) -> Any:
    """Ask again, with the same key, until there is an answer; return it."""
    for _ in range(_TRIES):
        try:
            reply = ask()
        except Killed:
            continue
        if reply.status != 503:  # noqa: PLR2004
            assert reply.status in (200, 201), reply.body
            return reply.body
    raise AssertionError("there is no answer")


def told(hear: Callable[[], Any]) -> None:
    """Let something be heard; it is delivered again when its hearer dies or fails."""
    for _ in range(_TRIES):
        try:
            hear()
        except (Killed, AssertionError):
            continue
        return
    raise AssertionError("it cannot be heard")


def carried(returns: Returns) -> None:
    """Carry events until nothing new happens; what fails is delivered again."""
    for _ in range(_TURNS):
        fresh = returns.unpublished()
        if not fresh:
            return
        for envelope in fresh:
            told(partial(_taken, returns, envelope))
            returns.published[envelope.id] = envelope
    raise AssertionError("the service does not come to rest")


def _taken(returns: Returns, envelope: Any) -> None:
    assert returns.deliver(envelope) == []


def rested(returns: Returns, *return_ids: str) -> None:
    """Carry events, and let the schedule run as time passes, until all is paid."""
    backs: list[Any] = []
    for _ in range(_TURNS):
        carried(returns)
        backs = [returns.get(return_id) for return_id in return_ids]
        if all(one["closed_at"] for one in backs):
            return
        returns.later(minutes=10)
        told(returns.watch)
    raise AssertionError([one["refund"] for one in backs])
