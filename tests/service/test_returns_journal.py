"""The journal tells all: folded again it is what is stored, and every event is what is promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tandem_core.journal import Entry
from tandem_returns.facts import PUBLISHED
from tandem_returns.purchases import Book
from tandem_returns.return_facts import (
    BookFact,
    ReturnBookOpened,
    ReturnBookUpdated,
    ReturnRequested,
    apply,
    fact_of,
    rebooked,
    updated,
)
from tandem_returns.returns import Return
from tests.service.conftest import Returns
from tests.service.returns_endpoints import REPLAN, SETTLE, World
from tests.service.returns_service import HOME, euros, redemption
from tests.service.table_contents import contents

EVENTS = Path(__file__).resolve().parents[2] / "docs" / "events" / "returns"


def fact(entry: Entry) -> BookFact:
    private = json.loads(entry.private) if entry.private else {}
    return fact_of(entry.type, json.dumps({**json.loads(entry.data), **private}))


def folded(entries: list[Entry]) -> tuple[Book, dict[str, Return]]:
    """A book and its returns, from nothing but what its journal tells."""
    book: Book | None = None
    backs: dict[str, Return] = {}
    for entry in entries:
        told = fact(entry)
        if isinstance(told, ReturnBookOpened):
            book = told.book
            continue
        assert book is not None
        if isinstance(told, ReturnBookUpdated):
            book = updated(book, told)
            continue
        name = json.loads(entry.data)["return_id"]
        before, after = backs.get(name), apply(backs.get(name), told)
        book, backs[name] = rebooked(book, before, after), after
        if isinstance(told, ReturnRequested):
            book = book.with_history(told.requested_at, told.amount)
    assert book is not None
    return book, backs


@pytest.fixture
def world(returns: Returns) -> World:
    """A service that has seen much."""
    world = World.of(returns)
    for name in (SETTLE, REPLAN):
        assert world.call(name).status in (200, 201)
    shoes = returns.open(world.quote_id, address=HOME).body["id"]
    returns.pump()
    (label,) = returns.labels()
    returns.later(hours=1)
    returns.scanned(world.order_id, label["tracking_code"], "delivered")
    returns.received(shoes, ("1", 1, "damaged"), role="integration")
    returns.inspected(shoes, ("1", 1, "refurbish"))
    returns.inspected(shoes, ("1", 1, "restocked"))
    swapped = returns.quote(world.order_id, {"1": 1}, outcome="exchange", method="store").body
    returns.received(returns.open(swapped["id"]).body["id"], role="terminal")
    credited = returns.opened(world.order_id, {"1": 1}, outcome="store_credit")
    returns.fault("late")
    returns.received(credited, role="integration")
    returns.done(returns.command(world.reviewed, "reject", {"reason": "worn"}))
    returns.pump()
    returns.later(days=20)
    returns.watch()
    returns.hear(
        "orders",
        "refund.succeeded",
        {
            "order_id": world.order_id,
            "refund_id": "shop:1",
            "lines": [{"line_id": "2", "quantity": 1}],
            "legs": [{"tender": "card", "paid": euros(2_500)}],
        },
    )
    returns.pump()
    return world


def test_the_journal_folded_again_is_the_book_and_its_returns(world: World) -> None:
    returns = world.returns
    for order_id in (world.order_id, returns.get(world.cash)["order_id"]):
        book, backs = folded(returns.entries(order_id))
        loaded = returns.store.load_book(order_id)
        assert loaded.existing == book
        stored = {one.return_id: one for one in returns.store.all_returns_of(order_id)}
        assert stored == backs
        assert loaded.head.version == len(returns.entries(order_id))


def test_what_returns_hold_of_a_book_is_the_sum_of_what_each_holds(world: World) -> None:
    book = world.returns.store.load_book(world.order_id).existing
    for line in book.lines:
        held = sum(
            each.held
            for back in world.returns.store.all_returns_of(world.order_id)
            for each in back.lines
            if each.line_id == line.line_id
        )
        assert line.held == held
        assert line.gone <= line.quantity
    for tender in book.tenders:
        assert 0 <= tender.held + tender.elsewhere <= tender.paid.amount


def test_every_event_is_what_is_promised(world: World) -> None:
    seen = set()
    for envelope in world.returns.published.values():
        PUBLISHED[envelope.type].model_validate(envelope.data)
        assert envelope.source == "tandem.returns"
        seen.add(envelope.type)
    assert seen >= {
        "return_book.opened", "return_book.updated", "return.requested", "return.approved",
        "return.rejected", "return.expired", "return.parcel_added", "return.received",
        "return.inspected", "return.closed", "refund.planned", "refund.submitted",
        "refund.pending", "refund.succeeded", "refund.failed", "refund.replanned", "refund.late",
        "exchange.created", "item.restocked", "policy.published", "withdrawal.declared",
        "webhook.received",
    }  # fmt: skip


def test_every_event_that_is_published_is_documented() -> None:
    documented = {path.name.removesuffix(".json") for path in EVENTS.glob("*.json")}
    assert {kind.replace("/", ".") for kind in PUBLISHED} <= {
        name.removesuffix(".schema") for name in documented
    }


def test_every_event_of_a_return_says_whose_and_when(world: World) -> None:
    for envelope in world.returns.published.values():
        if not envelope.type.startswith(("return.", "refund.", "exchange.", "item.")):
            continue
        data = envelope.data
        assert data["order_id"] == envelope.subject
        assert data["return_id"].startswith("ret_")
        assert data["customer_id"] == "cus_1"
        assert data["number"] in ("#1001", "#1002")
        assert data["channel"] == "web"
        assert data["occurred_at"] <= envelope.time
        if envelope.type.startswith("return."):
            assert data["status"]
            assert {"method", "outcome", "lines"} <= data.keys()
            for line in data["lines"]:
                assert {"line_id", "sku", "quantity", "reason", "decision", "logistics"} <= (
                    line.keys()
                )


def test_the_units_of_each_return_are_told_once_by_what_was_paid(world: World) -> None:
    told: dict[tuple[str, str], int] = {}
    for one in world.returns.events("refund.succeeded"):
        for line in one["lines"]:
            place = (one["return_id"], line["line_id"])
            told[place] = told.get(place, 0) + line["quantity"]
    paid = {
        (back.return_id, line.line_id): line.paid_units
        for order_id in (world.order_id, world.returns.get(world.cash)["order_id"])
        for back in world.returns.store.all_returns_of(order_id)
        for line in back.lines
        if line.paid_units
    }
    assert told.items() <= paid.items()
    assert told


def test_the_head_does_not_grow_with_what_came_back(returns: Returns) -> None:
    lines = [{"line_id": "1", "sku": "S", "name": "", "quantity": 40, "paid": euros(40_000)}]
    order_id = returns.ordered(
        lines=lines, tenders=[{"type": "card", "paid": euros(40_000), "reference": "pi_1"}]
    )
    returns.delivered(order_id, {"1": 40})
    sizes = []
    for _ in range(23):
        returns.opened(order_id, {"1": 1})
        head = contents(returns)[(f"BOOK#{order_id}", "HEAD")]
        sizes.append(len(head["state"]["B"]))
    # It remembers the last twenty, for limits by time.
    assert sizes[-1] - sizes[20] < 40


# --- what is forgotten ----------------------------------------------------------------------------


def test_who_is_forgotten_is_found_by_nothing_and_all_else_stays(returns: Returns) -> None:
    order_id = returns.ordered(
        customer={"customer_id": "cus_1", "email": "amy@example.com", "phone": "+491701234567"}
    )
    returns.delivered(order_id)
    labelled = returns.open(returns.quoted(order_id), address=HOME).body["id"]
    returns.pump()
    waiting = returns.open(returns.quoted(order_id), address=HOME).body["id"]
    assert returns.get(labelled)["label"]["url"]
    before = [(entry.seq, entry.hash) for entry in returns.entries(order_id)]

    for _ in range(2):
        returns.hear("orders", "order.erased", {"order_id": order_id}, event_id="evt_erased")
    for key, item in contents(returns).items():
        assert not key[0].startswith("CONTACT#"), key
        assert not key[1].startswith(("ADDRESS#", "LABEL#")), key
        assert "private" not in item or key[0] != f"BOOK#{order_id}", key
    assert [(one.seq, one.hash) for one in returns.entries(order_id)][: len(before)] == before
    wanted = {"identifier": {"type": "email", "value": "amy@example.com"}}
    found = returns.done(returns.call("POST", "/purchases/search", wanted, role="terminal"))
    assert found == {"orders": []}
    assert returns.get(labelled)["label"]["url"] is None
    # No label is made for an address that is gone, and the return can go on.
    returns.pump()
    assert returns.get(waiting)["label"]["state"] == "unavailable"
    assert len(returns.labels()) == 1
    returns.received(waiting)
    returns.pump()
    assert [one["amount"] for one in returns.paid()] == [5_000]


def test_who_is_forgotten_is_not_remembered_by_what_comes_late(returns: Returns) -> None:
    order_id = returns.bought()
    edited = {"order_id": order_id, "customer": {"email": "amy@example.org"}}
    with returns.holding_back() as held:
        returns.hear("orders", "order.updated", edited)
    returns.hear("orders", "order.erased", {"order_id": order_id})
    for envelope in held:
        assert returns.deliver(envelope) == []
    returns.hear("orders", "order.placed", placed_again(returns, order_id))
    assert not any(pk.startswith("CONTACT#") for pk, _ in contents(returns))
    assert returns.store.load_book(order_id).existing.contacts == ()


def placed_again(returns: Returns, order_id: str) -> Any:
    (told,) = [
        one.data for one in returns.heard
        if one.type == "order.placed"
    ]  # fmt: skip
    assert told["order_id"] == order_id
    return told


def test_what_is_forgotten_before_its_order_is_heard_of_stays_forgotten(returns: Returns) -> None:
    with returns.holding_back() as held:
        order_id = returns.ordered()
        returns.hear("orders", "order.erased", {"order_id": order_id})
    for envelope in reversed(held):
        assert returns.deliver(envelope) == []
    assert not any(pk.startswith("CONTACT#") for pk, _ in contents(returns))
    assert not any("PARKED#" in sk for _, sk in contents(returns))


def test_points_and_events_before_their_order_wait_and_are_handled_after_it(
    returns: Returns,
) -> None:
    tenders = [
        {"type": "points", "paid": euros(2_500), "reference": "rdm_1"},
        {"type": "card", "paid": euros(10_000), "reference": "pi_1"},
    ]
    with returns.holding_back() as held:
        order_id = returns.bought(tenders=tenders)
        points = [{"line_id": "1", "quantity": 2, "points": 80}]
        returns.hear("loyalty", "points.pending", {"order_id": order_id, "lines": points})
        captured = redemption("rdm_1", 2_500, euros(2_500))
        returns.hear("loyalty", "redemption.captured", {"redemption": captured})
        returns.hear(
            "orders",
            "order.cancelled",
            {"order_id": order_id, "lines": [{"line_id": "2", "quantity": 1}]},
        )
    for envelope in reversed(held):
        for _ in range(2):
            assert returns.deliver(envelope) == []
    assert not any("PARKED#" in sk for _, sk in contents(returns))

    quote = returns.quote(order_id, {"1": 2}).body["refund"]
    assert (quote["points_restored"], quote["points_taken"]) == (2_500, 80)
    problem = returns.quote(order_id, {"2": 1})
    assert (problem.status, problem.body["code"]) == (409, "RETURN_EXCEEDS_PURCHASE")


def test_a_fulfilments_events_in_reverse_end_where_the_newest_says(returns: Returns) -> None:
    order_id = returns.ordered()
    with returns.holding_back() as held:
        returns.delivered(order_id, state="shipped", delivered_at=None)
        returns.delivered(order_id)
        returns.delivered(order_id, state="returned", previous_state="delivered")
    for envelope in [*reversed(held), *held]:
        assert returns.deliver(envelope) == []
    assert [one["code"] for one in returns.quote(order_id).body["lines"]] == ["NOT_DELIVERED"]


def test_money_of_ours_that_the_shop_has_booked_is_no_news(returns: Returns) -> None:
    order_id = returns.bought()
    returns.received(returns.opened(order_id, {"1": 1}), role="integration")
    returns.pump()
    echo = {
        "order_id": order_id,
        "refund_id": "shop:1",
        "lines": [],
        "booked": [{"line_id": "1", "quantity": 1}],
        "legs": [{"tender": "card", "paid": euros(5_000)}],
    }
    for _ in range(2):
        returns.hear("orders", "refund.succeeded", echo)
    quote = returns.quote(order_id, {"1": 1, "2": 1}).body
    assert quote["refund"]["legs"][0]["paid"] == euros(7_500)


def test_our_own_refunds_are_no_news_to_us(returns: Returns) -> None:
    order_id = returns.bought()
    returns.received(returns.opened(order_id, {"1": 1}), role="integration")
    returns.pump()
    told = [one for one in returns.published.values() if one.type == "refund.succeeded"]
    before = contents(returns)
    for envelope in told:
        assert returns.deliver(envelope) == []
    assert contents(returns) == before
