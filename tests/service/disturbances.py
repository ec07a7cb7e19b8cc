"""What goes wrong around a write: others write first, answers are lost, nothing answers at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

from tandem_core import journal
from tandem_core.table import Put, Table, TransactionRefused


def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let who lost a race try again at once."""
    monkeypatch.setattr(journal, "_FIRST_PAUSE_SECONDS", 0)
    monkeypatch.setattr(journal, "_LONGEST_PAUSE_SECONDS", 0)


def interfere(
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[], Any] | None = None,
    after: Callable[[], Any] | None = None,
    times: int = 1,
) -> list[str]:
    """Do something just before or after the next transactions; returns what was attempted."""
    transact, attempts = Table.transact, []

    def disturbed(table: Table, puts: Sequence[Put]) -> None:
        attempts.append("write")
        disturb = len(attempts) <= times
        if disturb and before:
            with monkeypatch.context() as undisturbed:
                undisturbed.setattr(Table, "transact", transact)
                before()
        transact(table, puts)
        if disturb and after:
            after()

    monkeypatch.setattr(Table, "transact", disturbed)
    return attempts


def overtake_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every transaction come too late."""

    def always(_table: Table, _puts: Sequence[Put]) -> None:
        raise TransactionRefused(())

    monkeypatch.setattr(Table, "transact", always)


def time_out() -> None:
    raise ReadTimeoutError(endpoint_url="dynamodb")


def unreachable() -> None:
    raise ConnectTimeoutError(endpoint_url="dynamodb")
