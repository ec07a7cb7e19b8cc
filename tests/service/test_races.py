"""Writers that overtake each other, and answers that are lost on their way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from botocore.exceptions import ClientError

from tandem_core.journal import verify_chain
from tandem_core.table import Put, Table
from tests.service.conftest import Loyalty, Reply
from tests.service.disturbances import (
    interfere,
    no_pauses,
    overtake_for_ever,
    time_out,
    unreachable,
)
from tests.service.endpoints import POSTING, PROGRAM, World, endpoint
from tests.service.table_contents import contents, nothing_changes, refusal

Transact = Callable[[Table, Sequence[Put]], None]


@pytest.fixture
def world(loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch) -> World:
    no_pauses(monkeypatch)
    return World.of(loyalty)


def refused_by(code: str) -> Callable[[], None]:
    def refuse() -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "TransactWriteItems")

    return refuse


def effects(world: World) -> int:
    """How many entries the whole table has."""
    return sum("seq" in item for item in contents(world.loyalty).values())


# --- overtaken ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in POSTING if "{account_id}" in name])
def test_a_write_that_is_overtaken_is_decided_again_and_done_once(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = effects(world)
    rivals = iter(range(3))

    def rival() -> None:
        assert world.loyalty.buy(world.account_id, 100, f"rival_{next(rivals)}").status == 201

    attempts = interfere(monkeypatch, before=rival, times=3)
    reply = world.call(name)

    assert (reply.status, reply.replayed) == (endpoint(name).status, False)
    assert len(attempts) == 4
    assert effects(world) == before + 3 + 1
    verify_chain(world.loyalty.entries(world.account_id))


@pytest.mark.parametrize("name", POSTING)
def test_the_same_request_twice_at_once_is_done_once(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = effects(world)
    twin: list[Reply] = []
    interfere(monkeypatch, before=lambda: twin.append(world.call(name, key="k")))

    reply = world.call(name, key="k")

    assert (reply.status, reply.body) == (twin[0].status, twin[0].body)
    assert (twin[0].replayed, reply.replayed) == (False, True)
    assert effects(world) == before + 1


def test_two_orders_at_once_are_both_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loyalty, account_id = world.loyalty, world.account_id
    before = loyalty.balance(account_id)["available"]
    interfere(monkeypatch, before=lambda: loyalty.buy(account_id, 700, "ord_b"))

    assert loyalty.buy(account_id, 500, "ord_a").body["points"] == 5
    assert loyalty.balance(account_id)["available"] == before + 12


def test_two_accounts_that_claim_one_order_at_once_do_not_both_get_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = world.loyalty.enrol(customer_id="cus_2")
    interfere(monkeypatch, before=lambda: world.loyalty.buy(other, 500, "ord_x"))

    reply = world.loyalty.buy(world.account_id, 500, "ord_x")

    refusal(reply, 409, "ORDER_ALREADY_ACCRUED")
    assert world.loyalty.balance(other)["available"] == 5


def test_the_last_points_are_held_by_one_of_two_tills(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loyalty, account_id = world.loyalty, world.account_id
    everything = loyalty.balance(account_id)["available"]
    interfere(monkeypatch, before=lambda: loyalty.redeem(account_id, everything))

    refusal(loyalty.redeem(account_id, everything), 409, "INSUFFICIENT_POINTS")
    assert loyalty.balance(account_id)["available"] == 0


def test_a_hold_is_either_captured_or_voided(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    loyalty = world.loyalty
    interfere(monkeypatch, before=lambda: loyalty.redemption("void", world.account_id, world.held))

    reply = loyalty.redemption("capture", world.account_id, world.held)
    refusal(reply, 409, "REDEMPTION_ALREADY_VOIDED")


def test_one_phone_number_is_enrolled_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = {"identifiers": [{"type": "phone", "value": "+4915112345678"}]}
    loyalty = world.loyalty
    interfere(monkeypatch, before=lambda: loyalty.call("POST", "/accounts", phone))

    refusal(loyalty.call("POST", "/accounts", phone), 409, "ALREADY_ENROLLED")


def test_two_changes_of_a_program_are_two_versions(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = "PUT /v1/programs/{program_id}"
    interfere(monkeypatch, before=lambda: world.call(put, body={**PROGRAM, "name": "Theirs"}))

    assert world.call(put, body={**PROGRAM, "name": "Ours"}).body["version"] == 3
    read = "GET /v1/programs/{program_id}"
    names = [world.call(read, query={"version": str(n)}).body["name"] for n in (1, 2, 3)]
    assert names == ["Main", "Theirs", "Ours"]


def test_a_version_that_was_asked_for_is_gone_after_a_lost_race(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loyalty, account_id = world.loyalty, world.account_id
    version = loyalty.account(account_id)["version"]
    interfere(monkeypatch, before=lambda: loyalty.buy(account_id, 700, "ord_b"))

    reply = loyalty.buy(account_id, 500, "ord_a", headers={"If-Match": f'"{version}"'})
    refusal(reply, 412, "VERSION_CONFLICT")


def test_a_writer_that_is_overtaken_for_ever_is_told_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtake_for_ever(monkeypatch)
    with nothing_changes(world.loyalty):
        reply = world.loyalty.buy(world.account_id, 500, "ord_a")
        refusal(reply, 503, "TRY_AGAIN")
    assert reply.headers["Retry-After"] == "1"


# --- answers that are lost ------------------------------------------------------------------------


@pytest.mark.parametrize("name", POSTING)
def test_a_write_whose_answer_was_lost_is_not_done_again(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = effects(world)
    interfere(monkeypatch, after=time_out)

    lost = world.call(name, key="k")
    refusal(lost, 503, "STORE_UNAVAILABLE")
    assert lost.headers["Retry-After"] == "1"
    assert effects(world) == before + 1

    with nothing_changes(world.loyalty):
        again = world.call(name, key="k")
    assert (again.status, again.replayed) == (endpoint(name).status, True)
    assert again.headers["ETag"]


@pytest.mark.parametrize("name", POSTING)
def test_a_write_that_never_arrived_is_done_by_its_repeat(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = effects(world)
    interfere(monkeypatch, before=unreachable)

    with nothing_changes(world.loyalty):
        refusal(world.call(name, key="k"), 503, "STORE_UNAVAILABLE")
    again = world.call(name, key="k")
    assert (again.status, again.replayed) == (endpoint(name).status, False)
    assert effects(world) == before + 1


@pytest.mark.parametrize(
    "code",
    ["ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError"],
)
def test_an_overloaded_store_asks_for_patience(
    world: World, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, before=refused_by(code))
    with nothing_changes(world.loyalty):
        reply = world.loyalty.buy(world.account_id, 500, "ord_a")
        refusal(reply, 503, "STORE_UNAVAILABLE")


def test_what_is_broken_on_our_side_is_said_without_details(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, before=refused_by("ValidationException"))
    with nothing_changes(world.loyalty):
        reply = world.loyalty.buy(world.account_id, 500, "ord_a")
        problem = refusal(reply, 500, "INTERNAL_ERROR")
    assert "Validation" not in str(problem)
    assert "dynamodb" not in str(problem).lower()
