"""Requests and messages that nobody would think of: never our fault, and nothing is left half."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandem_core.auth import Role
from tests.service.accidents import FUZZ, TEXTS, TIMES, spoilt, written
from tests.service.conftest import Returns
from tests.service.returns_endpoints import (
    ANSWERED,
    WITH_BODY,
    World,
    endpoint,
    foreign_refund,
)
from tests.service.returns_service import news_of, stripe_news
from tests.service.table_contents import PROBLEM_MEMBERS

# There are many routes, and each answer is compared with the whole table.
FEW = settings(FUZZ, max_examples=max(10, settings().max_examples // 6))


@st.composite
def requests(draw: st.DrawFn, name: str, world: World) -> dict[str, Any]:
    """Changes to the good request of a route."""
    changes: dict[str, Any] = {"role": draw(st.sampled_from(["admin", "admin", *Role])).lower()}
    if name in WITH_BODY:
        changes |= {"body": None, "raw": draw(written(draw(spoilt(world.body(name)))))}
    for part in world.parts(name):
        if not draw(st.integers(0, 3)):
            changes[part] = draw(st.text(max_size=140) | st.just(world.order_id))
    names = st.sampled_from(["limit", "cursor", "customer_id", "order_id", "version"])
    values = st.text(max_size=40) | TIMES
    extra = draw(st.dictionaries(names | st.text(max_size=8), values, max_size=2))
    changes["query"] = {**(world.query(name) or {}), **extra}
    headers = st.sampled_from(["Idempotency-Key", "If-Match", "traceparent"])
    tags = st.sampled_from(['"1"', 'W/"3"', "*", "k"])
    changes["headers"] = draw(st.dictionaries(headers, TEXTS | tags, max_size=2))
    return changes


@pytest.mark.parametrize("name", ANSWERED)
def test_a_malformed_request_is_refused_and_changes_nothing(returns: Returns, name: str) -> None:
    world = World.of(returns)
    state = [returns.stored()]

    @FEW
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        reply = world.call(name, **data.draw(requests(name, world)))
        before, state[0] = state[0], returns.stored()
        assert reply.status < 500, reply.body
        if reply.status >= 400:
            assert reply.body.keys() >= PROBLEM_MEMBERS
            assert reply.body["status"] == reply.status
            assert state[0] == before
        else:
            assert reply.status == endpoint(name).status

    check()
    # Everything that it made of them can be read, told and shown.
    returns.pump()
    for subject in {entry.subject for entry in returns.journal()}:
        returns.entries(subject)
    listed = returns.call("GET", "/returns", query={"order_id": world.order_id})
    assert listed.status == 200, listed.body


@pytest.mark.parametrize("source", ["stripe", "credit"])
def test_a_malformed_message_is_understood_or_parked_and_blocks_nothing(
    returns: Returns, source: str
) -> None:
    tender = "card" if source == "stripe" else "gift_card"
    paid_with = {"type": tender, "paid": {"amount": 12_500, "currency": "EUR"}, "reference": "pi_1"}
    return_id = returns.opened(returns.bought(tenders=[paid_with]))
    returns.received(return_id, role="integration")
    returns.pump()
    (paid,) = returns.paid()
    good = news_of(paid, returns.now, 1)
    unknown = stripe_news(foreign_refund(), returns.now, "evt_1")

    @FEW
    @given(text=(spoilt(good) | spoilt(unknown)).flatmap(written))
    def check(text: str) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        reply = returns.says(source, raw)
        assert reply.status == 202, reply.body
        message_id = reply.body["message_id"]
        if reply.body["state"] != "duplicate":
            assert returns.store.inbox.message(message_id).body == raw
        again = returns.call("POST", "/inbox/replay", {"message_id": message_id}, role="staff")
        assert again.status == 200, again.body

    check()
    returns.pump()
    back = returns.get(return_id)
    assert back["refund"]["refunds"][0]["state"] in ("succeeded", "failed")
    assert len(returns.paid()) == 1
    assert all(one["reason"].partition(":")[0].isupper() for one in returns.parked())
