"""Policies change: old orders keep theirs, and a dry run says what the next orders will meet."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import Returns
from tests.service.returns_service import euros
from tests.service.table_contents import nothing_changes, refusal

POLICY = "/policies/{policy_id}"


def in_force(returns: Returns, policy_id: str = "main", **query: str) -> Any:
    return returns.done(returns.call("GET", POLICY, policy_id=policy_id, query=query))


def dry_run(returns: Returns, definition: Any, **changes: Any) -> Any:
    body = {
        "policy": definition,
        "from": "2026-03-01T00:00:00Z",
        "to": "2026-12-31T00:00:00Z",
        **changes,
    }
    reply = returns.call("POST", f"{POLICY}/dry-run", body, role="staff", policy_id="main")
    return returns.done(reply)


# --- versions -------------------------------------------------------------------------------------


def test_there_is_a_policy_before_anybody_has_published_one(returns: Returns) -> None:
    policy = in_force(returns)
    assert (policy["id"], policy["version"]) == ("main", 1)
    assert policy["terms"]["window_days"] == 30
    assert returns.quote(returns.bought()).body["policy"] == "main@1"


def test_each_change_is_a_version_and_what_is_in_force_is_not_published_again(
    returns: Returns,
) -> None:
    assert returns.publish(terms={"window_days": 14})["version"] == 2
    with nothing_changes(returns):
        assert returns.publish(terms={"window_days": 14})["version"] == 2
    returns.later(days=1)
    assert returns.publish(terms={"window_days": 60})["version"] == 3
    assert in_force(returns)["terms"]["window_days"] == 60
    assert in_force(returns, version="2")["terms"]["window_days"] == 14
    assert in_force(returns, version="1")["terms"]["window_days"] == 30
    returns.pump()
    assert [one["version"] for one in returns.events("policy.published")] == [2, 3]


def test_a_policy_that_is_called_as_an_order_has_events_of_its_own(returns: Returns) -> None:
    order_id = returns.bought()
    body = {"name": "Odd", "terms": {"window_days": 14}}
    put = returns.call("PUT", POLICY, body, role="admin", policy_id=order_id)
    assert put.status == 200, put.body
    names = [entry.id for entry in returns.journal()]
    assert len(set(names)) == len(names)
    assert returns.kinds(order_id) == ["return_book.opened", "return_book.updated"]


def test_two_who_change_a_policy_do_not_overwrite_each_other(returns: Returns) -> None:
    tag = returns.call("GET", POLICY, policy_id="main").headers["ETag"]
    returns.publish(terms={"window_days": 14})
    body = {"name": "Main", "terms": {"window_days": 60}}
    with nothing_changes(returns):
        reply = returns.call(
            "PUT", POLICY, body, role="admin", policy_id="main", headers={"If-Match": tag}
        )
        refusal(reply, 412, "VERSION_CONFLICT")


def test_an_order_keeps_the_policy_under_which_it_was_placed(returns: Returns) -> None:
    old = returns.bought("old")
    returns.later(hours=1)
    returns.publish(terms={"final_sale": True})
    new = returns.bought("new")
    late = returns.ordered("late", placed_at="2026-03-10T10:00:00Z")
    returns.delivered(late)
    assert [
        (quote["policy"], quote["lines"][0]["code"])
        for quote in (returns.quote(order_id).body for order_id in (old, late, new))
    ] == [("main@1", None), ("main@1", None), ("main@2", "FINAL_SALE")]


def test_a_policy_that_is_called_as_a_source_holds_for_its_orders(returns: Returns) -> None:
    returns.publish("outlet", terms={"final_sale": True})
    returns.later(hours=1)
    ours, theirs = returns.bought("a"), returns.bought("b", source="outlet")
    assert returns.quote(ours).body["policy"] == "main@1"
    assert returns.quote(theirs).body["policy"] == "outlet@1"


def test_a_quote_is_executed_as_it_was_given_whatever_is_published(returns: Returns) -> None:
    quote_id = returns.quoted(returns.bought())
    returns.publish(terms={"final_sale": True, "fees": {"mail": [euros(500)]}})
    back = returns.done(returns.open(quote_id))
    assert (back["status"], back["refund"]["fees"], back["policy"]) == (
        "approved",
        euros(0),
        "main@1",
    )


@pytest.mark.parametrize(("tier", "days"), [("gold", 60), ("silver", 30), (None, 30)])
def test_who_is_of_a_tier_has_its_terms(returns: Returns, tier: str | None, days: int) -> None:
    returns.publish(
        rules=[{"id": "gold", "when": {"tiers": ["gold"]}, "then": {"window_days": 60}}]
    )
    returns.hear("loyalty", "tier.changed", {"customer_id": "cus_1", "tier": tier})
    line = returns.quote(returns.bought()).body["lines"][0]
    assert f"{days} days" in line["explanation"][-1]["detail"]


# --- the dry run ----------------------------------------------------------------------------------

DRAFT: dict[str, Any] = {
    "name": "Main",
    "terms": {"window_days": 10, "fees": {"mail": [euros(500)]}},
    "rules": [
        {"id": "hats", "when": {"skus": ["HAT"]}, "then": {"final_sale": True}},
        {"id": "damaged", "when": {"reasons": ["damaged"]}, "then": {"decision": "review"}},
        {
            "id": "kept",
            "when": {"methods": ["drop_off"]},
            "then": {"trigger": {"low": "drop_off", "normal": "drop_off", "high": "drop_off"}},
        },
    ],
}

# Days from the delivery, units, and how.
REQUESTS: list[tuple[int, dict[str, int], dict[str, Any]]] = [
    (1, {"1": 1}, {}),
    (1, {"1": 1, "2": 1}, {}),
    (2, {"2": 1}, {"reason": "damaged"}),
    (3, {"1": 2}, {"reason": "damaged"}),
    (5, {"1": 1}, {"method": "drop_off"}),
    (8, {"1": 1}, {"method": "store"}),
    (12, {"1": 2}, {}),
    (20, {"2": 1}, {"method": "drop_off"}),
    (25, {"1": 1}, {"outcome": "store_credit"}),
]


def replayed(returns: Returns, name: str) -> list[Any]:
    """Buy, wait and ask, each time alike; return the quotes."""
    quotes = []
    for number, (days, units, how) in enumerate(REQUESTS):
        start = returns.now
        order_id = returns.bought(f"{name}-{number}", customer={}, customer_id=None)
        returns.later(days=days)
        quotes.append(returns.done(returns.quote(order_id, units, **how)))
        returns.now = start
    return quotes


def answers(quote: Any) -> list[Any]:
    """What a policy decides of a quote, line by line."""
    return [
        (line["line_id"], line["eligible"], line["decision"], line["trigger"], line["code"])
        for line in quote["lines"]
    ]


def test_the_dry_run_predicts_what_a_replay_then_does(returns: Returns) -> None:
    before = replayed(returns, "before")
    start, opened = returns.now, {}
    for quote, (days, _, _) in zip(before, REQUESTS, strict=True):
        returns.now = start
        returns.later(days=days)
        opened[returns.done(returns.open(quote["id"]))["id"]] = quote
    returns.now = start
    with nothing_changes(returns):
        predicted = dry_run(returns, DRAFT)
    result, tried = predicted["result"], predicted["returns"]
    assert result["cases"] == len(REQUESTS) == len(tried)

    # Nothing of it holds for the orders of before.
    returns.later(days=40)
    returns.publish(**DRAFT)
    assert {quote["policy"] for quote in before} == {"main@1"}

    after = replayed(returns, "after")
    assert {quote["policy"] for quote in after} == {"main@2"}
    positions = {quote["id"]: number for number, quote in enumerate(before)}
    changes = {
        (positions[opened[tried[one["case"]]]["id"]], line["line_id"]): line
        for one in result["changes"]
        for line in one["lines"]
    }
    differences = 0
    for number, (old, new) in enumerate(zip(before, after, strict=True)):
        for was, is_now in zip(answers(old), answers(new), strict=True):
            told = changes.pop((number, was[0]), None)
            if told is None:
                assert was[:4] == is_now[:4], (number, was, is_now)
                continue
            differences += 1
            assert answer_of(told["before"]) == was
            assert answer_of(told["after"]) == is_now
            assert was[:4] != is_now[:4] or "fee" in told["changed"]
    assert changes == {}
    assert differences == result["lines_changed"] > 0
    became = [
        sum(one[1] for quote in quotes for one in answers(quote)) for quotes in (before, after)
    ]
    assert became[0] - became[1] == result["became_ineligible"] - result["became_eligible"] > 0


def answer_of(verdict: Any) -> Any:
    return tuple(verdict[name] for name in ("line_id", "eligible", "decision", "trigger", "code"))


def test_a_dry_run_goes_on_page_by_page_and_tries_each_return_once(returns: Returns) -> None:
    ids = []
    for number in range(5):
        ids.append(returns.opened(returns.bought(f"{number}")))
        returns.later(hours=13)
    cursor: dict[str, Any] = {}
    seen: list[str] = []
    while True:
        page = dry_run(returns, DRAFT, limit=2, **cursor)
        assert page["result"]["cases"] == len(page["returns"]) <= 2
        seen += page["returns"]
        if page["cursor"] is None:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == ids


def test_a_dry_run_of_what_is_in_force_changes_nothing(returns: Returns) -> None:
    returns.opened(returns.bought())
    result = dry_run(returns, {"name": "Main", "trusted": {}})["result"]
    assert (result["cases"], result["lines_changed"], result["changes"]) == (1, 0, [])


def test_a_dry_run_looks_at_its_own_time_alone(returns: Returns) -> None:
    returns.opened(returns.bought("a"))
    returns.later(days=3)
    second = returns.opened(returns.bought("b"))
    tried = dry_run(returns, DRAFT, **{"from": "2026-03-12T00:00:00Z"})
    assert tried["returns"] == [second]


# --- people who return much -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"max_returns": 2}, "TOO_MANY_RETURNS"),
        ({"max_value": [euros(10_000)]}, "RETURN_VALUE_EXCEEDED"),
        ({"max_return_rate_percent": 40, "minimum_orders": 1}, "RETURN_RATE_EXCEEDED"),
    ],
)
def test_who_returns_much_is_looked_at_by_a_person_and_never_refused(
    returns: Returns, limits: Any, code: str
) -> None:
    returns.publish(limits=limits)
    first, second = returns.bought("a"), returns.bought("b")
    returns.opened(first, {"1": 2})
    returns.opened(first, {"2": 1})
    quote = returns.quote(second, {"1": 2}).body
    assert (quote["decision"], quote["lines"][0]["eligible"]) == ("needs_review", True)
    note = quote["lines"][0]["explanation"][-1]
    assert (note["code"], note["detail"]) == ("NEEDS_REVIEW", f"a person decides: {code}")
    assert code in [one["code"] for one in quote["explanation"]]
    back = returns.done(returns.open(quote["id"]))
    assert back["status"] == "requested"
    # Others are not concerned.
    other = returns.bought("c", customer_id="cus_2", customer={"customer_id": "cus_2"})
    assert returns.quote(other).body["decision"] == "approved"
