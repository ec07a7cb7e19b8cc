"""Writers of one order that overtake each other, and answers that are lost on their way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tandem_core.table import Put, Table
from tests.service.conftest import Returns
from tests.service.disturbances import interfere, no_pauses, overtake_for_ever, time_out
from tests.service.every_route import DoneOnce
from tests.service.returns_endpoints import (
    APPROVE,
    CANCEL,
    CONFIRM,
    DECLARE,
    ENDPOINTS,
    INSPECT,
    OPEN,
    PARCEL,
    RECEIVE,
    REDEEM,
    REPLAN,
    SETTLE,
    World,
    endpoint,
)
from tests.service.services import Reply
from tests.service.table_contents import nothing_changes, refusal

WRITES = [OPEN, APPROVE, CANCEL, RECEIVE, INSPECT, PARCEL, SETTLE, REPLAN, REDEEM]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    no_pauses(monkeypatch)


@pytest.fixture
def world(returns: Returns) -> World:
    return World.of(returns)


# --- the last unit --------------------------------------------------------------------------------


def test_ten_channels_ask_for_the_last_unit_and_one_gets_it(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reads the book before any has written: the next begins where the last would write."""
    order_id = returns.bought()
    quotes = [returns.quoted(order_id, {"2": 1}) for _ in range(10)]
    replies: list[Reply] = []
    transact = Table.transact

    def ask(number: int) -> None:
        replies.append(returns.open(quotes[number], role="terminal", subject=f"till_{number}"))

    def disturbed(table: Table, puts: Sequence[Put]) -> None:
        begun.append(len(begun))
        if len(begun) < len(quotes):
            ask(len(begun))
        transact(table, puts)

    begun: list[int] = []
    monkeypatch.setattr(Table, "transact", disturbed)
    ask(0)

    assert len(replies) == 10
    won = [reply for reply in replies if reply.status == 201]
    assert len(won) == 1
    for reply in replies:
        if reply is not won[0]:
            problem = refusal(reply, 409, "RETURN_EXCEEDS_PURCHASE")
            assert problem["left"] == [{"line_id": "2", "quantity": 0}]
    assert returns.kinds(order_id).count("return.requested") == 1
    (line,) = won[0].body["lines"]
    assert (line["line_id"], line["quantity"]) == ("2", 1)


def test_returns_of_different_lines_at_once_both_succeed(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = returns.bought()
    hat, shoe = returns.quoted(order_id, {"2": 1}), returns.quoted(order_id, {"1": 2})
    others: list[Reply] = []
    interfere(monkeypatch, before=lambda: others.append(returns.open(hat)))
    assert returns.open(shoe).status == 201
    assert others[0].status == 201
    returns.entries(order_id)


def test_a_return_and_the_shops_own_refund_of_the_last_unit_are_not_both_made(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    order_id = returns.bought()
    quote = returns.quoted(order_id, {"2": 1})
    told: dict[str, Any] = {
        "order_id": order_id,
        "refund_id": "shop:1",
        "lines": [{"line_id": "2", "quantity": 1}],
        "legs": [{"tender": "card", "paid": {"amount": 2_500, "currency": "EUR"}}],
    }
    interfere(monkeypatch, before=lambda: returns.hear("orders", "refund.succeeded", told))
    refusal(returns.open(quote), 409, "RETURN_EXCEEDS_PURCHASE")


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRITES)
def test_a_command_that_is_overtaken_is_decided_again_and_done_once(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns, rivals = world.returns, iter(range(2, 9))
    cash_order = returns.get(world.cash)["order_id"]

    def rival() -> None:
        another = f"ful_{next(rivals)}"
        for order_id in (world.order_id, cash_order):
            returns.delivered(order_id, {"1": 1}, name=another)

    attempts = interfere(monkeypatch, before=rival, times=3)
    reply = world.call(name, key="k")
    assert (reply.status, reply.replayed) == (endpoint(name).status, False), reply.body
    assert len(attempts) == 4
    assert sum(entry.origin.key == "k" for entry in returns.journal()) == 1
    for order_id in (world.order_id, cash_order):
        returns.entries(order_id)


@pytest.mark.parametrize("name", [*WRITES, DECLARE, CONFIRM])
class TestEveryWrite(DoneOnce):
    endpoints = ENDPOINTS


@pytest.mark.parametrize("name", [*WRITES, DECLARE, CONFIRM])
def test_a_write_whose_answer_was_lost_is_not_done_again(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, after=time_out)
    lost = world.call(name, key="k")
    refusal(lost, 503, "STORE_UNAVAILABLE")
    with nothing_changes(world.returns):
        again = world.call(name, key="k")
    assert (again.status, again.replayed) == (endpoint(name).status, True)


def test_a_writer_that_is_overtaken_for_ever_is_told_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtake_for_ever(monkeypatch)
    with nothing_changes(world.returns):
        refusal(world.call(CANCEL), 503, "TRY_AGAIN")


def test_a_return_is_received_or_called_off_and_not_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, before=lambda: world.call(CANCEL))
    refusal(world.call(RECEIVE), 409, "INVALID_TRANSITION")
    assert world.returns.get(world.sent)["status"] == "cancelled"


def test_one_code_at_two_tills_at_once_is_used_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin: list[Reply] = []
    interfere(monkeypatch, before=lambda: twin.append(world.call(REDEEM, role="terminal")))
    refusal(world.call(REDEEM, role="terminal", subject="other"), 409, "CODE_ALREADY_USED")
    assert twin[0].status == 201


def test_a_version_that_was_asked_for_is_gone_after_a_lost_race(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.call("GET /v1/returns/{return_id}").headers["ETag"]
    interfere(monkeypatch, before=lambda: world.call(PARCEL))
    refusal(world.call(CANCEL, headers={"If-Match": tag}), 412, "VERSION_CONFLICT")


def test_the_schedule_and_a_scan_that_meet_expire_nothing_that_has_come(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns = world.returns
    returns.later(days=16)
    interfere(monkeypatch, before=lambda: returns.received(world.sent), times=1)
    assert returns.watch()["failed"] == 0
    assert returns.get(world.sent)["status"] != "expired"


def test_two_who_ask_for_one_quote_at_once_get_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new, twin = Table.put_new, []

    def overtaken(table: Table, item: Any) -> bool:
        monkeypatch.setattr(Table, "put_new", put_new)
        twin.append(world.call("POST /v1/quotes", key="k"))
        return put_new(table, item)

    monkeypatch.setattr(Table, "put_new", overtaken)
    reply = world.call("POST /v1/quotes", key="k")
    assert (reply.status, reply.body) == (201, twin[0].body)
    assert (twin[0].replayed, reply.replayed) == (False, True)


def test_the_book_of_an_order_that_is_heard_of_twice_at_once_is_opened_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, before=returns.ordered)
    order_id = returns.ordered()
    assert returns.kinds(order_id) == ["return_book.opened"]
