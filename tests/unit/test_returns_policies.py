"""What a return policy can say, a table for each of its parts, and how it explains itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from tandem_returns.cases import Case, CaseLine, Evidence, RecentReturn, Signals
from tandem_returns.eligibility import LineVerdict, Verdict, dry_run, evaluate
from tandem_returns.policies import DEFAULT_POLICY, Policy, PolicyDefinition

PLACED = datetime(2026, 3, 1, 9, tzinfo=UTC)
DELIVERED = datetime(2026, 3, 4, 15, tzinfo=UTC)  # a Wednesday
ASKED = datetime(2026, 3, 10, 12, tzinfo=UTC)


def eur(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def policy(**parts: Any) -> PolicyDefinition:
    return PolicyDefinition.model_validate({"name": "Test", **parts})


def always(trigger: str) -> dict[str, str]:
    return dict.fromkeys(("low", "normal", "high"), trigger)


def ruled(then: dict[str, Any], **when: Any) -> PolicyDefinition:
    return policy(rules=[{"id": "special", "when": when, "then": then}])


def arrived(quantity: int = 1, at: datetime | None = DELIVERED) -> Evidence:
    return Evidence(quantity=quantity, delivered_at=at)


def wanted(quantity: int = 1, *evidence: Evidence, **changes: Any) -> CaseLine:
    line: dict[str, Any] = {
        "line_id": "1",
        "sku": "SHIRT-M",
        "category": "apparel",
        "quantity": quantity,
        "unit_paid": eur(2_000),
        "amount": 2_000 * quantity,
        "reason": "does_not_fit",
        "evidence": evidence or (arrived(quantity),),
    }
    return CaseLine.model_validate(line | changes)


def case(*lines: CaseLine, **changes: Any) -> Case:
    asked: dict[str, Any] = {
        "placed_at": PLACED,
        "at": ASKED,
        "channel": "web",
        "source": "shop",
        "country": "DE",
        "currency": "EUR",
        "customer_id": "cus_1",
        "tier": None,
        "outcome": "refund",
        "method": "mail",
        "lines": lines or (wanted(),),
        "last_arrival": DELIVERED,
    }
    return Case.model_validate(asked | changes)


def verdict_on(terms: PolicyDefinition, asked: Case) -> LineVerdict:
    (line,) = evaluate(terms, asked).lines
    return line


def codes(answer: Verdict | LineVerdict) -> list[str]:
    return [note.code for note in answer.explanation]


def detail(answer: Verdict | LineVerdict, code: str) -> str:
    (found,) = [note.detail for note in answer.explanation if note.code == code]
    return found


# What is published


def test_the_first_policy_is_found_by_the_oldest_order_and_named_by_its_version() -> None:
    assert DEFAULT_POLICY.pin == "main@1"
    assert DEFAULT_POLICY.published_at < datetime(1980, 1, 1, tzinfo=UTC)


def test_the_first_policy_takes_back_for_thirty_days_at_no_charge() -> None:
    verdict = evaluate(DEFAULT_POLICY, case())
    assert verdict.decision == "approved"
    assert (verdict.method_fee, verdict.lines[0].fee) == (0, 0)
    assert verdict.lines[0].trigger == "received"
    assert verdict.lines[0].window_closes_at == datetime(2026, 4, 4, tzinfo=UTC)
    assert verdict.refund_within_hours == 24
    assert not verdict.refund_delivery


def test_a_policy_survives_storage_with_and_without_what_is_null() -> None:
    rules = [{"id": "open", "when": {}, "then": {"window_days": "unlimited", "fees": {}}}]
    stored = policy(rules=rules).published("main", 7, PLACED)
    for without_null in (True, False):
        text = stored.model_dump_json(exclude_none=without_null)
        assert Policy.model_validate_json(text) == stored
    assert stored.pin == "main@7"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"time_zone": "Europe/Atlantis"}, "IANA time zone"),
        ({"time_zone": "../etc/passwd"}, "IANA time zone"),
        ({"rules": [{"id": "a", "then": {"final_sale": True}}] * 2}, "same id"),
        ({"rules": [{"id": "a", "then": {}}]}, "must change at least one term"),
        ({"rules": [{"id": "a", "when": {"colour": "red"}, "then": {}}]}, "Extra inputs"),
        (
            {
                "rules": [
                    {
                        "id": "a",
                        "when": {
                            "unit_price_from": eur(1),
                            "unit_price_below": {"amount": 9, "currency": "USD"},
                        },
                        "then": {"final_sale": True},
                    }
                ]
            },
            "different currencies",
        ),
        (
            {
                "rules": [
                    {
                        "id": "a",
                        "when": {"unit_price_from": eur(9), "unit_price_below": eur(9)},
                        "then": {"final_sale": True},
                    }
                ]
            },
            "must be less than",
        ),
        ({"terms": {"fees": {"mail": [eur(1), eur(2)]}}}, "two amounts in the same currency"),
        ({"terms": {"window_days": None}}, 'or "unlimited"'),
        ({"terms": {"window_days": True}}, 'or "unlimited"'),
        ({"terms": {"window_days": 4_000}}, 'or "unlimited"'),
        ({"terms": {"window_days": 1.5}}, 'or "unlimited"'),
        ({"terms": {"methods": []}}, "at least 1 item"),
        ({"limits": {"max_value": [eur(1), eur(2)]}}, "two amounts in the same currency"),
        ({"statutory": {"days": 13}}, "greater than or equal to 14"),
        (
            {
                "holidays": [
                    {
                        "placed_from": "2026-12-26",
                        "placed_to": "2026-12-01",
                        "returns_until": "2027-01-15",
                    }
                ]
            },
            "must follow each other",
        ),
        (
            {
                "holidays": [
                    {
                        "placed_from": "2026-12-01",
                        "placed_to": "2026-12-26",
                        "returns_until": "9999-12-31",
                    }
                ]
            },
            "before the year",
        ),
    ],
)
def test_nonsense_is_refused_with_what_is_wrong(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        policy(**parts)


# The window


@pytest.mark.parametrize(
    ("evidence", "code"),
    [
        ([arrived(2)], None),
        ([arrived(1, None), arrived(1)], "NOT_DELIVERED"),
        ([arrived(2, None)], "NOT_DELIVERED"),
        ([arrived(2, ASKED - timedelta(days=40))], "OUTSIDE_WINDOW"),
        ([arrived(1, ASKED - timedelta(days=40)), arrived(1)], "OUTSIDE_WINDOW"),
        # Of three units the two latest count for the customer.
        ([arrived(1, ASKED - timedelta(days=40)), arrived(2)], None),
        ([arrived(1), arrived(1, ASKED - timedelta(days=40)), arrived(1)], None),
    ],
)
def test_the_window_is_counted_for_each_unit(evidence: list[Evidence], code: str | None) -> None:
    verdict = verdict_on(policy(), case(wanted(2, *evidence)))
    assert verdict.code == code
    assert verdict.eligible is (code is None)


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        (datetime(2026, 4, 3, 21, 59, 59, tzinfo=UTC), True),
        (datetime(2026, 4, 3, 22, tzinfo=UTC), False),
    ],
)
def test_the_last_day_counts_in_full_where_the_policy_is(at: datetime, open_: bool) -> None:
    verdict = verdict_on(policy(time_zone="Europe/Berlin"), case(at=at))
    assert verdict.eligible is open_
    assert verdict.window_closes_at == datetime(2026, 4, 3, 22, tzinfo=UTC)


def test_a_refusal_says_when_the_window_closed() -> None:
    verdict = verdict_on(policy(), case(at=ASKED + timedelta(days=60)))
    assert detail(verdict, "OUTSIDE_WINDOW") == (
        "closed after 2026-04-03: 30 days from delivery on 2026-03-04"
    )


def test_what_has_not_arrived_is_counted_in_the_refusal() -> None:
    verdict = verdict_on(policy(), case(wanted(3, arrived(1), arrived(2, None))))
    assert detail(verdict, "NOT_DELIVERED") == "1 of 3 units have been delivered"
    assert verdict.window_closes_at is None


def test_a_window_may_have_no_end() -> None:
    open_ended = policy(terms={"window_days": "unlimited"})
    verdict = verdict_on(open_ended, case(at=ASKED + timedelta(days=3_650)))
    assert verdict.eligible
    assert verdict.window_closes_at is None
    assert verdict_on(open_ended, case(wanted(1, arrived(1, None)))).code == "NOT_DELIVERED"


HOLIDAYS = [
    {"placed_from": "2026-02-20", "placed_to": "2026-03-01", "returns_until": "2026-05-31"},
    {"placed_from": "2026-03-01", "placed_to": "2026-03-05", "returns_until": "2026-06-15"},
]


@pytest.mark.parametrize(
    ("placed_at", "last_day"),
    [
        ("2026-02-19T12:00:00Z", "2026-04-03"),
        ("2026-02-20T12:00:00Z", "2026-05-31"),
        # Local days decide: it is March already.
        ("2026-02-28T23:30:00Z", "2026-06-15"),
        ("2026-03-01T12:00:00Z", "2026-06-15"),
        ("2026-03-05T12:00:00Z", "2026-06-15"),
        ("2026-03-06T12:00:00Z", "2026-04-03"),
    ],
)
def test_a_holiday_moves_the_last_day_and_says_so(placed_at: str, last_day: str) -> None:
    extended = policy(time_zone="Europe/Berlin", holidays=HOLIDAYS)
    verdict = verdict_on(extended, case(placed_at=placed_at))
    said = detail(verdict, "WITHIN_WINDOW")
    assert said.startswith(f"until {last_day}: ")
    assert ("holidays" in said) is (last_day != "2026-04-03")


def test_a_holiday_never_shortens_a_window() -> None:
    short = [{**HOLIDAYS[0], "returns_until": "2026-03-05"}]
    verdict = verdict_on(policy(holidays=short), case())
    assert verdict.window_closes_at == datetime(2026, 4, 4, tzinfo=UTC)


# Rules


@pytest.mark.parametrize(
    ("when", "fires"),
    [
        ({}, True),
        ({"categories": ["apparel"]}, True),
        ({"categories": ["food"]}, False),
        ({"skus": ["SHIRT-M"]}, True),
        ({"skus": ["SHIRT-L"]}, False),
        ({"categories": ["apparel"], "skus": ["SHIRT-L"]}, False),
        ({"unit_price_from": eur(2_000)}, True),
        ({"unit_price_from": eur(2_001)}, False),
        ({"unit_price_below": eur(2_001)}, True),
        ({"unit_price_below": eur(2_000)}, False),
        ({"unit_price_from": eur(1_000), "unit_price_below": eur(3_000)}, True),
        ({"unit_price_from": {"amount": 1, "currency": "USD"}}, False),
        ({"channels": ["web", "app"]}, True),
        ({"channels": ["pos"]}, False),
        ({"sources": ["shop"]}, True),
        ({"sources": ["marketplace-1"]}, False),
        ({"countries": ["DE"]}, True),
        ({"countries": ["FR"]}, False),
        ({"reasons": ["does_not_fit"]}, True),
        ({"reasons": ["damaged"]}, False),
        ({"tiers": ["gold"]}, False),
        ({"methods": ["mail"]}, True),
        ({"methods": ["store"]}, False),
        ({"outcomes": ["refund"]}, True),
        ({"outcomes": ["exchange"]}, False),
    ],
)
def test_a_rule_fires_when_all_its_conditions_hold(when: dict[str, Any], fires: bool) -> None:
    verdict = verdict_on(ruled({"restocking_percent": 10}, **when), case())
    assert verdict.fee == (200 if fires else 0)
    assert ("RULE_APPLIED" in codes(verdict)) is fires


@pytest.mark.parametrize(
    ("unknown", "when"),
    [
        ({"unit_paid": None}, {"unit_price_below": eur(9_999)}),
        ({"category": None}, {"categories": ["apparel"]}),
    ],
)
def test_a_rule_does_not_fire_on_what_is_unknown(
    unknown: dict[str, Any], when: dict[str, Any]
) -> None:
    verdict = verdict_on(ruled({"final_sale": True}, **when), case(wanted(**unknown)))
    assert "RULE_APPLIED" not in codes(verdict)


def test_a_later_rule_has_the_last_word_and_every_rule_is_explained() -> None:
    rules = [
        {"id": "sale", "when": {"categories": ["apparel"]}, "then": {"final_sale": True}},
        {
            "id": "damaged",
            "when": {"reasons": ["damaged"]},
            "then": {"final_sale": False, "window_days": 90, "trigger": always("approval")},
        },
    ]
    final = verdict_on(policy(rules=rules), case())
    assert (final.eligible, final.code) == (False, "FINAL_SALE")
    damaged = verdict_on(policy(rules=rules), case(wanted(reason="damaged")))
    assert (damaged.eligible, damaged.trigger) == (True, "approval")
    assert damaged.window_closes_at == datetime(2026, 6, 3, tzinfo=UTC)
    assert [(note.rule_id, note.detail) for note in damaged.explanation[:2]] == [
        ("sale", "final_sale yes"),
        (
            "damaged",
            "window_days 90; final_sale no; trigger low approval, normal approval, high approval",
        ),
    ]


def test_a_rule_explains_amounts_and_lists_as_people_write_them() -> None:
    terms = {
        "methods": ["store"],
        "fees": {"mail": [eur(495), {"amount": 500, "currency": "JPY"}], "store": []},
        "trigger": {"low": "approval", "normal": "received", "high": "inspected"},
    }
    verdict = verdict_on(ruled(terms), case(method="store"))
    assert verdict.explanation[0].detail == (
        "methods store; trigger low approval, normal received, high inspected;"
        " fees mail 4.95 EUR, 500 JPY, store none"
    )


# Offers and decisions


@pytest.mark.parametrize(
    ("terms", "changes", "code"),
    [
        ({"final_sale": True}, {}, "FINAL_SALE"),
        ({"decision": "reject"}, {}, "REJECTED_BY_POLICY"),
        ({"outcomes": ["exchange"]}, {}, "OUTCOME_NOT_OFFERED"),
        ({"methods": ["store"]}, {}, "METHOD_NOT_OFFERED"),
        ({}, {"method": "keep"}, "METHOD_NOT_OFFERED"),
        ({}, {"gift": True}, "OUTCOME_NOT_OFFERED"),
        ({}, {"gift": True, "outcome": "store_credit"}, None),
        ({"outcomes": ["refund"]}, {"gift": True, "outcome": "exchange"}, "OUTCOME_NOT_OFFERED"),
    ],
)
def test_what_is_not_offered_is_refused_with_its_code(
    terms: dict[str, Any], changes: dict[str, Any], code: str | None
) -> None:
    verdict = evaluate(policy(terms=terms), case(**changes))
    (line,) = verdict.lines
    assert line.code == code
    assert verdict.decision == ("rejected" if code else "approved")
    assert code is None or code in codes(line)


def test_a_refusal_names_what_is_offered_instead() -> None:
    verdict = verdict_on(policy(terms={"methods": ["store", "drop_off"]}), case())
    assert detail(verdict, "METHOD_NOT_OFFERED") == "mail is not offered, but store, drop_off"


def test_all_reasons_to_refuse_are_explained_and_the_first_is_the_code() -> None:
    terms = policy(terms={"final_sale": True, "methods": ["store"]})
    verdict = verdict_on(terms, case(at=ASKED + timedelta(days=60)))
    assert verdict.code == "FINAL_SALE"
    assert codes(verdict) == ["FINAL_SALE", "OUTSIDE_WINDOW", "METHOD_NOT_OFFERED"]


@pytest.mark.parametrize(
    ("amount", "currency", "eligible"),
    [(999, "EUR", True), (1_000, "EUR", False), (1, "USD", False)],
)
def test_cheap_things_may_be_kept(amount: int, currency: str, eligible: bool) -> None:
    terms = policy(terms={"keep_below": [eur(1_000)], "restocking_percent": 50})
    asked = case(wanted(amount=amount), method="keep", currency=currency)
    verdict = verdict_on(terms, asked)
    assert verdict.eligible is eligible
    if eligible:
        assert (verdict.trigger, verdict.fee) == ("approval", 0)
    else:
        assert verdict.code == "METHOD_NOT_OFFERED"


def test_a_price_that_nobody_has_said_is_refused_even_to_staff() -> None:
    unpriced = case(wanted(unit_paid=None, amount=0), override="manager agreed")
    verdict = verdict_on(policy(), unpriced)
    assert (verdict.eligible, verdict.code) == (False, "PRICE_UNKNOWN")
    assert "OVERRIDDEN" not in codes(verdict)


def test_the_most_careful_line_decides_for_the_whole() -> None:
    rules = [
        {"id": "dear", "when": {"skus": ["WATCH"]}, "then": {"decision": "review"}},
        {"id": "never", "when": {"skus": ["FOOD"]}, "then": {"decision": "reject"}},
    ]
    shirt, watch = wanted(), wanted(line_id="2", sku="WATCH")
    food = wanted(line_id="3", sku="FOOD")
    mixed = evaluate(policy(rules=rules), case(shirt, watch, food))
    assert [line.decision for line in mixed.lines] == ["approved", "needs_review", "rejected"]
    assert mixed.decision == "needs_review"
    assert "NEEDS_REVIEW" in codes(mixed.lines[1])
    assert evaluate(policy(rules=rules), case(shirt, food)).decision == "approved"
    assert evaluate(policy(rules=rules), case(food)).decision == "rejected"


def test_staff_let_pass_what_the_policy_refuses_and_both_are_explained() -> None:
    terms = policy(terms={"final_sale": True, "decision": "review", "restocking_percent": 10})
    asked = case(at=ASKED + timedelta(days=60), override="kept waiting by us")
    verdict = evaluate(terms, asked)
    (line,) = verdict.lines
    assert (line.eligible, line.code, line.decision) == (True, None, "approved")
    assert codes(line)[:3] == ["FINAL_SALE", "OUTSIDE_WINDOW", "OVERRIDDEN"]
    assert detail(line, "OVERRIDDEN") == "kept waiting by us"
    assert line.fee == 200


# When to pay


@pytest.mark.parametrize(
    ("method", "configured", "trigger"),
    [
        ("mail", "approval", "approval"),
        ("mail", "drop_off", "first_scan"),
        ("drop_off", "drop_off", "drop_off"),
        ("mail", "inspected", "inspected"),
        ("store", "approval", "received"),
        ("store", "inspected", "received"),
        ("keep", "inspected", "approval"),
    ],
)
def test_the_payment_waits_for_what_can_happen(method: str, configured: str, trigger: str) -> None:
    terms = policy(terms={"trigger": always(configured), "keep_below": [eur(9_999)]})
    assert verdict_on(terms, case(method=method)).trigger == trigger


@pytest.mark.parametrize(
    ("signals", "risk", "trigger"),
    [
        (Signals(), "normal", "received"),
        (Signals(orders=4, units_bought=100), "normal", "received"),
        (Signals(orders=5, units_bought=100, units_returned=25), "low", "first_scan"),
        (Signals(orders=5, units_bought=100, units_returned=26), "normal", "received"),
        (Signals(orders=5, units_bought=100, units_returned=51), "high", "inspected"),
    ],
)
def test_who_keeps_what_they_buy_is_paid_sooner(signals: Signals, risk: str, trigger: str) -> None:
    terms = policy(trusted={}, limits={"max_return_rate_percent": 50})
    verdict = evaluate(terms, case(signals=signals))
    assert (verdict.risk, verdict.lines[0].trigger) == (risk, trigger)
    assert ("TRUSTED_CUSTOMER" in codes(verdict)) is (risk == "low")


@pytest.mark.parametrize(
    ("method", "ship_by"),
    [
        ("mail", datetime(2026, 3, 25, tzinfo=UTC)),
        ("drop_off", datetime(2026, 3, 25, tzinfo=UTC)),
        ("store", datetime(2026, 3, 25, tzinfo=UTC)),
        ("keep", None),
    ],
)
def test_what_comes_back_must_be_on_its_way_in_time(method: str, ship_by: datetime | None) -> None:
    terms = policy(terms={"keep_below": [eur(9_999)]})
    assert evaluate(terms, case(method=method)).ship_by == ship_by


def test_a_return_that_waits_for_a_person_has_no_last_day_yet() -> None:
    assert evaluate(policy(terms={"decision": "review"}), case()).ship_by is None


# Abuse


def returned(days_ago: int, amount: int = 1_000, currency: str = "EUR") -> RecentReturn:
    return RecentReturn(at=ASKED - timedelta(days=days_ago), amount=amount, currency=currency)


@pytest.mark.parametrize(
    ("limits", "signals", "code"),
    [
        (
            {"max_return_rate_percent": 50},
            Signals(orders=3, units_bought=10, units_returned=6),
            "RETURN_RATE_EXCEEDED",
        ),
        (
            {"max_return_rate_percent": 50},
            Signals(orders=2, units_bought=2, units_returned=2),
            None,
        ),
        (
            {"max_return_rate_percent": 50},
            Signals(orders=3, units_bought=4, units_returned=2),
            None,
        ),
        # What is asked for now is the third.
        (
            {"max_returns": 2},
            Signals(recent_returns=(returned(1), returned(29))),
            "TOO_MANY_RETURNS",
        ),
        ({"max_returns": 2}, Signals(recent_returns=(returned(1), returned(30))), None),
        (
            {"max_value": [eur(3_000)]},
            Signals(recent_returns=(returned(1, 1_001),)),
            "RETURN_VALUE_EXCEEDED",
        ),
        ({"max_value": [eur(3_000)]}, Signals(recent_returns=(returned(1, 1_000),)), None),
        ({"max_value": [eur(3_000)]}, Signals(recent_returns=(returned(40, 9_000),)), None),
        ({"max_value": [eur(3_000)]}, Signals(recent_returns=(returned(1, 9_000, "USD"),)), None),
    ],
)
def test_a_limit_asks_for_a_person_and_never_refuses(
    limits: dict[str, Any], signals: Signals, code: str | None
) -> None:
    verdict = evaluate(policy(limits=limits), case(signals=signals))
    (line,) = verdict.lines
    assert line.eligible
    assert line.decision == verdict.decision == ("needs_review" if code else "approved")
    assert verdict.risk == ("high" if code else "normal")
    assert codes(verdict) == ([code] if code else [])
    assert code is None or code in detail(line, "NEEDS_REVIEW")


# Fees

SHIPPING = {"terms": {"fees": {"mail": [eur(495)]}, "restocking_percent": 15}}


def test_a_method_costs_once_and_restocking_by_line_rounded_down() -> None:
    verdict = evaluate(policy(**SHIPPING), case(wanted(amount=1_999), wanted(line_id="2")))
    assert verdict.method_fee == 495
    assert [line.fee for line in verdict.lines] == [299, 300]
    assert detail(verdict, "METHOD_FEE") == "4.95 EUR for mail, once per return"
    assert detail(verdict.lines[0], "RESTOCKING_FEE") == "15 % of what is refunded for it"


def test_a_reason_that_is_our_fault_costs_nothing() -> None:
    damaged = evaluate(policy(**SHIPPING), case(wanted(reason="damaged")))
    assert (damaged.method_fee, damaged.lines[0].fee) == (0, 0)
    assert "FEE_WAIVED" in codes(damaged)
    assert "FEE_WAIVED" in codes(damaged.lines[0])
    both = evaluate(policy(**SHIPPING), case(wanted(reason="damaged"), wanted(line_id="2")))
    assert (both.method_fee, [line.fee for line in both.lines]) == (495, [0, 300])


def test_a_line_that_is_refused_costs_nothing() -> None:
    verdict = evaluate(policy(**SHIPPING), case(wanted(1, arrived(1, None))))
    assert (verdict.method_fee, verdict.lines[0].fee) == (0, 0)


def test_other_methods_and_other_currencies_cost_nothing_and_the_latter_is_explained() -> None:
    assert evaluate(policy(**SHIPPING), case(method="store")).method_fee == 0
    foreign = evaluate(policy(**SHIPPING), case(currency="SEK"))
    assert foreign.method_fee == 0
    assert detail(foreign, "NO_FEE_IN_CURRENCY") == "none is set in SEK"


def test_the_highest_fee_of_the_lines_is_charged() -> None:
    rules = [{"id": "bulky", "when": {"skus": ["SOFA"]}, "then": {"fees": {"mail": [eur(9_900)]}}}]
    terms = policy(**SHIPPING, rules=rules)
    assert evaluate(terms, case(wanted(sku="SOFA"), wanted(line_id="2"))).method_fee == 9_900
    assert evaluate(terms, case(wanted(sku="SOFA", reason="damaged"), wanted())).method_fee == 495


def test_keeping_the_value_in_the_shop_may_earn_a_bonus() -> None:
    terms = policy(store_credit_bonus_percent=10)
    assert evaluate(terms, case(outcome="store_credit")).bonus_percent == 10
    assert evaluate(terms, case()).bonus_percent == 0


def test_delivery_is_refunded_when_the_policy_says_so() -> None:
    assert evaluate(policy(refund_delivery="whole_order"), case()).refund_delivery


def test_no_explanation_tells_who_returns_a_gift_what_was_paid() -> None:
    terms = policy(
        terms={"restocking_percent": 15, "keep_below": [eur(500)], "fees": {"mail": [eur(495)]}},
        limits={"max_value": [eur(100)]},
    )
    secret = wanted(unit_paid=eur(7_777), amount=7_777)
    for method in ("mail", "keep"):
        asked = case(secret, gift=True, outcome="exchange", method=method)
        verdict = evaluate(terms, asked)
        notes = (*verdict.explanation, *verdict.lines[0].explanation)
        assert notes
        assert [note for note in notes if "77" in note.detail or "11.66" in note.detail] == []


# Withdrawal under consumer law

STRICT = policy(
    terms={
        "final_sale": True,
        "decision": "reject",
        "window_days": 0,
        "outcomes": ["exchange"],
        "methods": ["store"],
        "fees": {"mail": [eur(495)]},
        "restocking_percent": 50,
        "trigger": always("inspected"),
        "keep_below": [eur(1_000)],
    },
    limits={"max_returns": 1},
    ship_within_days=3,
    statutory={
        "excluded": {"categories": ["hygiene"], "skus": ["UNSEALED"]},
        "countries": ["DE"],
    },
)


def test_a_withdrawal_is_bound_to_no_terms_and_costs_nothing() -> None:
    serial = Signals(recent_returns=(returned(1), returned(2)))
    verdict = evaluate(STRICT, case(statutory=True, signals=serial))
    (line,) = verdict.lines
    assert (line.eligible, line.decision, line.fee, verdict.method_fee) == (True, "approved", 0, 0)
    assert line.trigger == "first_scan"
    assert verdict.refund_delivery
    assert verdict.ship_by == datetime(2026, 3, 25, tzinfo=UTC)
    assert "STATUTORY_WITHDRAWAL" in codes(line)


@pytest.mark.parametrize(
    ("line", "changes", "code"),
    [
        ({"category": "hygiene"}, {}, "WITHDRAWAL_EXCLUDED"),
        ({"sku": "UNSEALED"}, {}, "WITHDRAWAL_EXCLUDED"),
        ({}, {"gift": True}, None),
        ({}, {"country": "US"}, "WITHDRAWAL_NOT_GRANTED"),
        ({}, {"country": None}, None),
        ({}, {"channel": "pos"}, "WITHDRAWAL_NOT_GRANTED"),
        ({}, {"method": "keep"}, "METHOD_NOT_OFFERED"),
        ({"amount": 999}, {"method": "keep"}, None),
    ],
)
def test_a_withdrawal_ends_where_the_law_ends(
    line: dict[str, Any], changes: dict[str, Any], code: str | None
) -> None:
    verdict = verdict_on(STRICT, case(wanted(**line), statutory=True, **changes))
    assert verdict.code == code


@pytest.mark.parametrize(
    ("last_arrival", "closes_at"),
    [
        # The fourteenth day is a Wednesday.
        (DELIVERED, datetime(2026, 3, 19, tzinfo=UTC)),
        # It is a Saturday or a Sunday: Monday is the last day.
        (DELIVERED + timedelta(days=3), datetime(2026, 3, 24, tzinfo=UTC)),
        (DELIVERED + timedelta(days=4), datetime(2026, 3, 24, tzinfo=UTC)),
        (DELIVERED + timedelta(days=5), datetime(2026, 3, 24, tzinfo=UTC)),
        (None, None),
    ],
)
@pytest.mark.parametrize("seen", [DELIVERED, None])
def test_a_withdrawal_counts_from_the_last_delivery_and_may_come_before_it(
    seen: datetime | None, last_arrival: datetime | None, closes_at: datetime | None
) -> None:
    asked = case(wanted(1, arrived(1, seen)), statutory=True, last_arrival=last_arrival)
    verdict = verdict_on(STRICT, asked)
    assert verdict.eligible
    assert verdict.window_closes_at == closes_at


def test_a_withdrawal_is_late_after_its_last_day() -> None:
    late = case(statutory=True, at=datetime(2026, 3, 19, tzinfo=UTC))
    assert verdict_on(STRICT, late).code == "OUTSIDE_WINDOW"


# Dry runs


def past(terms: PolicyDefinition, *cases: Case) -> list[tuple[Case, Verdict]]:
    return [(one, evaluate(terms, one)) for one in cases]


def test_a_draft_that_says_the_same_changes_nothing() -> None:
    run = dry_run(policy(), past(DEFAULT_POLICY, case(), case(method="store")))
    assert (run.cases, run.lines, run.cases_changed, run.changes) == (2, 2, 0, ())


def test_a_draft_is_compared_with_what_was_said() -> None:
    early = case(at=ASKED)
    late = case(at=ASKED + timedelta(days=20))
    forced = case(at=ASKED + timedelta(days=20), override="promised")
    draft = policy(
        terms={"window_days": 20, "restocking_percent": 10, "trigger": always("approval")}
    )
    run = dry_run(draft, past(policy(), early, late, forced))
    assert (run.cases_changed, run.lines_changed) == (3, 3)
    assert (run.became_ineligible, run.became_eligible) == (1, 0)
    assert (run.decisions_changed, run.triggers_changed, run.fees_changed) == (1, 3, 2)
    assert [change.case for change in run.changes] == [0, 1, 2]
    (line,) = run.changes[1].lines
    assert line.changed == ("eligible", "decision", "trigger")
    assert (line.before.code, line.after.code) == (None, "OUTSIDE_WINDOW")
    back = dry_run(policy(), past(draft, early, late, forced))
    assert (back.became_ineligible, back.became_eligible) == (0, 1)


def test_a_draft_that_only_charges_for_the_method_changes_no_line() -> None:
    run = dry_run(policy(terms={"fees": {"mail": [eur(495)]}}), past(policy(), case()))
    assert (run.cases_changed, run.method_fees_changed, run.lines_changed) == (1, 1, 0)
    (change,) = run.changes
    assert (change.method_fee_before, change.method_fee_after) == (0, 495)


def test_a_draft_that_refuses_for_another_reason_changes_nothing() -> None:
    late = case(at=ASKED + timedelta(days=60))
    draft = policy(terms={"final_sale": True, "trigger": always("approval")})
    assert dry_run(draft, past(policy(), late)).cases_changed == 0


def test_a_case_and_its_verdict_can_be_kept_and_asked_again() -> None:
    asked = case(wanted(2, arrived(1), arrived(1, None)), signals=Signals(orders=3))
    verdict = evaluate(DEFAULT_POLICY, asked)
    assert Case.model_validate_json(asked.model_dump_json(exclude_none=False)) == asked
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
