"""Requests that nobody would think of: never our fault, always a problem, and nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.auth import Role
from tandem_core.events import Envelope
from tandem_loyalty import consumers
from tests.service.accidents import FUZZ, TEXTS, TIMES, spoilt, written
from tests.service.conftest import Loyalty, purchase
from tests.service.endpoints import BODIES, ENDPOINTS, WITH_BODY, World
from tests.service.table_contents import PROBLEM_MEMBERS, contents


@st.composite
def requests(draw: st.DrawFn, name: str, world: World) -> dict[str, Any]:
    """Changes to the good request of a route."""
    changes: dict[str, Any] = {"role": draw(st.sampled_from(["admin", "admin", *Role])).lower()}
    if name in BODIES:
        document = draw(spoilt(BODIES[name]))
        changes |= {"body": None, "raw": draw(written(document))}
    elif draw(st.booleans()):
        changes |= {"body": None, "raw": draw(TEXTS)}
    ids = st.sampled_from([world.account_id, world.held, world.captured, "main", "vip"])
    for part in world.parts(name):
        if not draw(st.integers(0, 3)):
            changes[part] = draw(ids | st.text(max_size=140))
    names = st.sampled_from(["limit", "cursor", "as_of", "version"]) | st.text(max_size=8)
    changes["query"] = draw(st.dictionaries(names, st.text(max_size=40) | TIMES, max_size=2))
    headers = st.sampled_from(
        ["Idempotency-Key", "If-Match", "traceparent", "Content-Type", "Accept", "X-Forwarded-For"]
    )
    tags = st.sampled_from(['"1"', 'W/"3"', "*", '"99"', "k"])
    changes["headers"] = draw(st.dictionaries(headers, st.text(max_size=40) | tags, max_size=2))
    return changes


def check_answer(reply: Any, before: Any, after: Any) -> None:
    assert reply.status < 500, reply.body
    if reply.status >= 400:
        assert reply.headers["Content-Type"] == "application/problem+json"
        assert reply.body.keys() >= PROBLEM_MEMBERS
        assert reply.body["status"] == reply.status
        assert after == before
    else:
        assert reply.status in (200, 201)
        assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", list(ENDPOINTS))
def test_a_malformed_request_is_refused_and_changes_nothing(loyalty: Loyalty, name: str) -> None:
    world = World.of(loyalty)
    state = [contents(loyalty)]

    @FUZZ
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        reply = world.call(name, **data.draw(requests(name, world)))
        before, state[0] = state[0], contents(loyalty)
        check_answer(reply, before, state[0])

    check()


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_request_that_is_accepted_can_be_repeated(loyalty: Loyalty, name: str) -> None:
    world = World.of(loyalty)
    keys = iter(range(10**6))

    @FUZZ
    @given(body=spoilt(BODIES[name]))
    def check(body: Any) -> None:
        raw, key = json.dumps(body), f"fuzz-{next(keys)}"
        first = world.call(name, body=None, raw=raw, key=key)
        before = contents(loyalty)
        again = world.call(name, body=None, raw=raw, key=key)
        assert first.status < 500, first.body
        assert (again.status, again.body) == (first.status, first.body)
        assert contents(loyalty) == before

    check()


PLACED = {
    **purchase("ord_1", [5000, 700], "web"),
    "customer": {"customer_id": "cus_1", "email": "ada@example.org", "phone": "+4915112345678"},
    "placed_at": "2026-03-10T09:30:00Z",
}
LINES = [{"line_id": "1", "quantity": 1}]
LEG = {"tender": "points", "points": 5, "reference": "rdm_1"}
HEARD: dict[str, Any] = {
    "order.placed": PLACED,
    "order.delivered": {"order_id": "ord_1", "delivered_at": "2026-03-10T09:30:00Z"},
    "order.cancelled": {"order_id": "ord_1", "cancellation_id": "c", "lines": LINES},
    "refund.succeeded": {"refund_id": "r", "order_id": "ord_1", "lines": LINES, "legs": [LEG]},
    "account.enrolled": {"account_id": "acc_1", "customer_id": "cus_1"},
    "points.earned": {"order_id": "ord_1"},
}


@pytest.mark.parametrize("kind", list(HEARD))
def test_a_malformed_event_never_leaves_an_account_unreadable(
    loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(consumers, "utc_now", lambda: loyalty.now)
    world = World.of(loyalty)
    loyalty.hear("order.placed", {**PLACED, "order_id": "ord_0"})
    envelope = Envelope(
        specversion="1.0",
        id="evt_1",
        source="tandem.orders",
        type=kind,
        subject="ord_1",
        time="2026-03-10T09:30:00Z",
        dataschema=f"urn:tandem:event:{kind}:1",
        tandemseq=1,
        actor="integration:shop",
        channel="web",
        data={},
    ).model_dump()

    @FUZZ
    @given(document=spoilt({**envelope, "data": HEARD[kind]}))
    def check(document: Any) -> None:
        body = json.dumps({"detail": document})
        answer = consumers.consume({"Records": [{"messageId": "m", "body": body}]}, None)
        assert answer["batchItemFailures"] in ([], [{"itemIdentifier": "m"}])

    check()
    account = loyalty.account(world.account_id)
    assert account["balance"]["available"] >= 0
    assert loyalty.events(world.account_id)
