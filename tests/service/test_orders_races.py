"""Writers of one order that overtake each other, and answers that are lost on their way."""

from __future__ import annotations

import pytest

from tests.service.disturbances import interfere, no_pauses, overtake_for_ever, time_out
from tests.service.every_route import DoneOnce
from tests.service.orders_endpoints import (
    CANCEL,
    ENDPOINTS,
    FULFIL,
    MOVE,
    PLACE,
    REGISTER,
    World,
    endpoint,
)
from tests.service.orders_service import Orders, units
from tests.service.sender_payloads import (
    delivered,
    easypost,
    picked_up,
    shopify_fulfillment,
    shopify_order,
)
from tests.service.table_contents import contents, nothing_changes, refusal

COMMANDS = [PLACE, CANCEL, FULFIL, MOVE, REGISTER]


@pytest.fixture
def world(orders: Orders, monkeypatch: pytest.MonkeyPatch) -> World:
    no_pauses(monkeypatch)
    return World.of(orders)


def effects(world: World) -> int:
    """How many entries the whole table has."""
    return sum("seq" in item for item in contents(world.orders).values())


@pytest.mark.parametrize("name", [CANCEL, FULFIL, MOVE])
def test_a_command_that_is_overtaken_is_decided_again_and_done_once(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = effects(world)
    attempts = interfere(monkeypatch, before=lambda: bump(world), times=3)
    reply = world.call(name)

    assert (reply.status, reply.replayed) == (endpoint(name).status, False)
    assert len(attempts) >= 4
    # Two entries of each rival, one of ours, and the parcel that a fulfilment registers.
    assert effects(world) == before + 3 * 2 + (2 if name == FULFIL else 1)


def bump(world: World) -> None:
    """Somebody else's fulfilment comes and goes."""
    reply = world.call(FULFIL, body={"type": "pickup", "lines": units({"1": 1}), "store_id": "s"})
    assert reply.status == 201, reply.body
    assert world.call(MOVE, fulfillment_id=reply.body["id"], body={"to": "cancelled"}).status == 200


@pytest.mark.parametrize("name", COMMANDS)
class TestEveryWrite(DoneOnce):
    endpoints = ENDPOINTS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_write_whose_answer_was_lost_is_not_done_again(
    world: World, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interfere(monkeypatch, after=time_out)
    lost = world.call(name, key="k")
    refusal(lost, 503, "STORE_UNAVAILABLE")
    assert lost.headers["Retry-After"] == "1"

    journal_of_order = world.orders.entries(world.order_id)
    again = world.call(name, key="k")
    assert (again.status, again.replayed) == (endpoint(name).status, True)
    assert world.orders.entries(world.order_id) == journal_of_order


def test_a_writer_that_is_overtaken_for_ever_is_told_to_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtake_for_ever(monkeypatch)
    with nothing_changes(world.orders):
        refusal(world.call(CANCEL), 503, "TRY_AGAIN")


def test_the_last_unit_is_cancelled_or_handed_over_and_not_both(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"type": "in_store", "lines": units({"2": 1})}
    interfere(monkeypatch, before=lambda: world.call(FULFIL, body=body))
    problem = refusal(world.call(CANCEL), 409, "QUANTITY_EXCEEDS_ORDER")
    assert problem["available"] == 0


def test_a_pickup_is_collected_by_one_of_two_tills(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in ("reserved", "preparing", "ready"):
        world.call(MOVE, body={"to": state})
    taken = {"to": "collected", "staff_id": "amy"}
    interfere(monkeypatch, before=lambda: world.call(MOVE, body=taken))
    problem = refusal(world.call(MOVE, body=taken), 409, "INVALID_TRANSITION")
    assert (problem["state"], problem["allowed"]) == ("collected", [])
    assert world.orders.kinds(world.order_id).count("pickup.collected") == 1


def test_a_version_that_was_asked_for_is_gone_after_a_lost_race(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = world.call("GET /v1/orders/{order_id}").headers["ETag"]
    interfere(monkeypatch, before=lambda: bump(world))
    refusal(world.call(CANCEL, headers={"If-Match": tag}), 412, "VERSION_CONFLICT")


def test_a_caller_and_a_shop_that_tell_of_one_order_at_once_make_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = world.orders
    orders.said("shopify", shopify_order(), "orders/create")
    (told,) = [one for one in orders.unpublished() if one.type == "webhook.received"]
    interfere(monkeypatch, before=lambda: orders.deliver(told))

    reply = orders.place("450789469", source="shopify")
    assert (reply.status, reply.replayed) == (201, True)
    kinds = orders.kinds(reply.body["id"])
    assert kinds.count("order.placed") == 1


def test_scans_and_a_command_that_meet_are_both_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = world.orders
    orders.pump()
    orders.later(hours=6)

    def arrive() -> None:
        orders.said("easypost", easypost("1Z1", picked_up(), delivered(), event_id="late"))
        orders.pump()

    interfere(monkeypatch, before=arrive)
    assert world.call(MOVE).status == 200
    order = orders.order(world.order_id)
    states = {one["type"]: one["state"] for one in order["fulfillments"]}
    assert states == {"pickup": "reserved", "ship": "delivered"}


def test_two_reports_of_one_scan_at_once_are_one_scan(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = world.orders
    orders.pump()
    orders.later(hours=6)
    for name in ("a", "b"):
        orders.said("easypost", easypost("1Z1", picked_up(), delivered(), event_id=name))
    first, second = [one for one in orders.unpublished() if one.type == "webhook.received"]
    attempts = interfere(monkeypatch, before=lambda: orders.deliver(second))

    assert orders.deliver(first) == []
    assert len(attempts) == 1
    assert orders.kinds(world.shipment_id).count("shipment.delivered") == 1
    assert len(orders.shipment(world.shipment_id)["scans"]) == 2
    orders.pump(times=2)
    assert orders.milestones().count("delivered") == 1


def test_a_fulfilment_and_its_order_that_arrive_at_once_find_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = world.orders
    orders.said("shopify", shopify_order(), "orders/create")
    (placed,) = [one for one in orders.unpublished() if one.type == "webhook.received"]
    orders.said("shopify", shopify_fulfillment(), "fulfillments/create")
    (sent,) = [one for one in orders.unpublished() if one.id != placed.id
               and one.type == "webhook.received"]  # fmt: skip
    interfere(monkeypatch, before=lambda: orders.deliver(sent))

    assert orders.deliver(placed) == []
    orders.pump()
    query = {"source": "shopify", "external_id": "450789469"}
    (order,) = orders.call("GET", "/orders", query=query).body["orders"]
    assert [one["state"] for one in order["fulfillments"]] == ["shipped"]


def test_a_message_to_the_customer_is_asked_for_once_by_two_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = world.orders
    orders.placed("2001")
    (placed,) = [one for one in orders.unpublished() if one.type == "order.placed"]
    before = len(orders.notifications())
    interfere(monkeypatch, before=lambda: orders.deliver(placed))
    assert orders.deliver(placed) == []
    assert len(orders.notifications()) == before + 1
    orders.entries("cus_1")


def test_watching_an_order_that_moves_on_expires_nothing_that_was_collected(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for state in ("reserved", "preparing", "ready"):
        world.call(MOVE, body={"to": state})
    world.orders.later(days=4)
    taken = {"to": "collected", "staff_id": "amy"}
    interfere(monkeypatch, before=lambda: world.call(MOVE, body=taken))
    assert world.orders.watch()["failed"] == 0
    kinds = world.orders.kinds(world.order_id)
    assert "pickup.collected" in kinds
    assert "pickup.expired" not in kinds
