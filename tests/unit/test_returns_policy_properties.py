"""What must hold for every return policy and every case, however odd."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from hypothesis import assume, given
from hypothesis import strategies as st

from tandem_core.money import Money
from tandem_returns.cases import (
    Case,
    CaseLine,
    Evidence,
    Method,
    Outcome,
    RecentReturn,
    Signals,
    Trigger,
)
from tandem_returns.eligibility import Verdict, dry_run, evaluate
from tandem_returns.policies import (
    DEFAULT_POLICY,
    Conditions,
    HolidayExtension,
    Limits,
    PolicyDefinition,
    PolicyRule,
    Statutory,
    Terms,
    TermsChange,
    TriggerByRisk,
    Trusted,
    Window,
)

START = datetime(2026, 3, 1, tzinfo=UTC)
CURRENCIES = ("EUR", "USD")
REASONS = ("does_not_fit", "damaged", "wrong_item")


def rarely(odd: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Odd things alone would refuse most cases, and then say nothing of the rest."""
    return st.integers(1, 4).flatmap(lambda drawn: odd if drawn == 4 else usual)


outcomes = st.sampled_from(get_args(Outcome))
methods = st.sampled_from(get_args(Method))
triggers = st.sampled_from(get_args(Trigger))
instants = st.integers(0, 120 * 24).map(lambda hours: START + timedelta(hours=hours))
amounts = st.integers(0, 50_000)
currencies = st.sampled_from(CURRENCIES)
money = st.builds(Money, amount=amounts, currency=currencies)
prices = st.dictionaries(currencies, amounts).map(
    lambda found: tuple(Money(amount=amount, currency=code) for code, amount in found.items())
)
days = st.one_of(st.integers(0, 200), st.just("unlimited"))
by_risk = st.builds(TriggerByRisk, low=triggers, normal=triggers, high=triggers)
terms: dict[str, st.SearchStrategy[Any]] = {
    "window_days": days,
    "final_sale": rarely(st.just(value=True), st.just(value=False)),
    "outcomes": st.lists(outcomes, min_size=2, max_size=3).map(tuple),
    "methods": st.lists(methods, min_size=2, max_size=4).map(tuple),
    "decision": st.sampled_from(("approve", "approve", "review", "reject")),
    "trigger": by_risk,
    "fees": st.dictionaries(methods, prices),
    "restocking_percent": st.integers(0, 100),
    "keep_below": prices,
}
conditions = st.builds(
    Conditions,
    skus=st.sampled_from(((), ("A",), ("A", "B"))),
    categories=st.sampled_from(((), ("shoes",))),
    unit_price_below=st.none() | money,
    reasons=st.sampled_from(((), ("damaged",))),
    methods=st.sampled_from(((), ("mail",), ("store", "keep"))),
    tiers=st.sampled_from(((), ("gold",))),
)
changes = st.fixed_dictionaries({}, optional=terms).filter(bool).map(TermsChange.model_validate)
rules = st.lists(st.tuples(conditions, changes), max_size=4).map(
    lambda found: tuple(
        PolicyRule(id=f"rule-{number}", when=when, then=then)
        for number, (when, then) in enumerate(found)
    )
)
holidays = st.lists(st.tuples(*(st.integers(0, 90) for _ in range(3))).map(sorted), max_size=2).map(
    lambda found: tuple(
        HolidayExtension(
            placed_from=(START + timedelta(days=first)).date(),
            placed_to=(START + timedelta(days=last)).date(),
            returns_until=(START + timedelta(days=until)).date(),
        )
        for first, last, until in found
    )
)
policies = st.builds(
    PolicyDefinition,
    name=st.just("Any"),
    time_zone=st.sampled_from(("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati")),
    terms=st.fixed_dictionaries({}, optional=terms).map(Terms.model_validate),
    rules=rules,
    holidays=holidays,
    limits=st.builds(
        Limits,
        max_return_rate_percent=st.none() | st.integers(0, 100),
        max_returns=st.none() | st.integers(1, 3),
        max_value=prices,
    ),
    trusted=st.none() | st.builds(Trusted),
    statutory=st.builds(Statutory, days=st.integers(14, 30)),
)
evidence = st.builds(Evidence, quantity=st.integers(0, 4), delivered_at=rarely(st.none(), instants))
lines = st.builds(
    CaseLine,
    line_id=st.sampled_from(("1", "2", "3")),
    sku=st.sampled_from(("A", "B", "C")),
    category=st.none() | st.just("shoes"),
    quantity=st.integers(1, 3),
    unit_paid=rarely(st.none(), money),
    amount=amounts,
    reason=st.sampled_from(REASONS),
    evidence=st.lists(evidence, min_size=1, max_size=3).map(tuple),
)
signals = st.builds(
    Signals,
    orders=st.integers(0, 9),
    units_bought=st.integers(0, 20),
    units_returned=st.integers(0, 20),
    recent_returns=st.lists(
        st.builds(RecentReturn, at=instants, amount=amounts, currency=currencies), max_size=3
    ).map(tuple),
)
cases = st.builds(
    Case,
    placed_at=instants,
    at=instants,
    channel=st.sampled_from(("web", "app", "pos")),
    source=st.just("shop"),
    country=st.none() | st.just("DE"),
    currency=currencies,
    customer_id=st.none() | st.just("cus_1"),
    tier=st.none() | st.just("gold"),
    outcome=outcomes,
    method=methods,
    lines=st.lists(lines, max_size=3).map(tuple),
    signals=signals,
    statutory=rarely(st.just(value=True), st.just(value=False)),
    gift=rarely(st.just(value=True), st.just(value=False)),
    override=rarely(st.just("agreed by phone"), st.none()),
    last_arrival=st.none() | instants,
)


def eligible(verdict: Verdict) -> list[bool]:
    return [line.eligible for line in verdict.lines]


def with_window(policy: PolicyDefinition, window: Window) -> PolicyDefinition:
    """The policy with one window everywhere, so that no rule has the last word on it."""
    last = PolicyRule(id="window", then=TermsChange(window_days=window))
    return policy.model_copy(update={"rules": (*policy.rules, last)})


@given(policies, cases)
def test_the_same_question_has_the_same_answer_also_after_storage(
    policy: PolicyDefinition, case: Case
) -> None:
    stored_policy = PolicyDefinition.model_validate_json(policy.model_dump_json(exclude_none=True))
    stored_case = Case.model_validate_json(case.model_dump_json())
    verdict = evaluate(policy, case)
    assert evaluate(stored_policy, stored_case) == verdict
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert dry_run(policy, [(case, verdict)]).cases_changed == 0


@given(policies, cases)
def test_every_answer_is_complete_and_explains_itself(policy: PolicyDefinition, case: Case) -> None:
    verdict = evaluate(policy, case)
    assert [line.line_id for line in verdict.lines] == [line.line_id for line in case.lines]
    for line in verdict.lines:
        codes = {note.code for note in line.explanation}
        assert codes
        assert line.eligible is (line.code is None) is (line.decision != "rejected")
        assert line.code is None or line.code in codes
        assert line.decision != "needs_review" or "NEEDS_REVIEW" in codes
        assert not line.fee or "RESTOCKING_FEE" in codes
        assert all(note.rule_id and note.detail for note in line.explanation)
    whole = {note.code for note in verdict.explanation}
    assert not verdict.method_fee or "METHOD_FEE" in whole
    assert verdict.risk == "normal" or whole
    assert (verdict.decision == "rejected") is (not any(eligible(verdict)))


@given(policies, cases)
def test_a_fee_is_never_more_than_the_line_and_a_refused_line_has_none(
    policy: PolicyDefinition, case: Case
) -> None:
    verdict = evaluate(policy, case)
    for asked, line in zip(case.lines, verdict.lines, strict=True):
        assert 0 <= line.fee <= asked.amount
        assert line.eligible or not line.fee
    assert any(eligible(verdict)) or not verdict.method_fee


@given(policies, cases, st.integers(0, 200), st.integers(0, 200))
def test_a_longer_window_makes_nothing_ineligible(
    policy: PolicyDefinition, case: Case, one: int, other: int
) -> None:
    shorter = evaluate(with_window(policy, min(one, other)), case)
    longer = evaluate(with_window(policy, max(one, other)), case)
    endless = evaluate(with_window(policy, "unlimited"), case)
    for short, long, unlimited in zip(
        eligible(shorter), eligible(longer), eligible(endless), strict=True
    ):
        assert short <= long <= unlimited


@given(policies, cases, st.data())
def test_another_delivery_hurts_nobody(
    policy: PolicyDefinition, case: Case, data: st.DataObject
) -> None:
    assume(case.lines)
    arrival = Evidence(quantity=data.draw(st.integers(1, 3)), delivered_at=data.draw(instants))
    place = data.draw(st.integers(0, len(case.lines) - 1))
    lines = list(case.lines)
    more = (*lines[place].evidence, arrival)
    lines[place] = lines[place].model_copy(update={"evidence": more})
    before = evaluate(policy, case)
    after = evaluate(policy, case.model_copy(update={"lines": tuple(lines)}))
    for old, new in zip(eligible(before), eligible(after), strict=True):
        assert old <= new


@given(policies, cases)
def test_what_may_come_back_may_do_so_until_the_window_closes(
    policy: PolicyDefinition, case: Case
) -> None:
    verdict = evaluate(policy, case)
    for line in verdict.lines:
        closes_at = line.window_closes_at
        if closes_at is not None:
            codes = {note.code for note in line.explanation}
            assert ("WITHIN_WINDOW" in codes) is (case.at < closes_at)
            assert ("OUTSIDE_WINDOW" in codes) is (case.at >= closes_at)


@given(policies, cases)
def test_staff_let_everything_pass_that_has_a_price(policy: PolicyDefinition, case: Case) -> None:
    forced = case.model_copy(update={"override": "agreed by phone"})
    for asked, line in zip(case.lines, evaluate(policy, forced).lines, strict=True):
        assert line.eligible is (asked.unit_paid is not None)
        assert not line.eligible or line.decision == "approved"
        assert not line.eligible or "OVERRIDDEN" in {note.code for note in line.explanation}


@given(policies, cases)
def test_a_withdrawal_costs_nothing_and_waits_for_nobody(
    policy: PolicyDefinition, case: Case
) -> None:
    verdict = evaluate(policy, case.model_copy(update={"statutory": True}))
    assert verdict.method_fee == 0
    assert {line.fee for line in verdict.lines} <= {0}
    assert {line.decision for line in verdict.lines} <= {"approved", "rejected"}
    assert case.method == "store" or not {line.trigger for line in verdict.lines} & {
        "received",
        "inspected",
    }
    assert verdict.refund_delivery


@given(policies, cases)
def test_signals_refuse_nothing(policy: PolicyDefinition, case: Case) -> None:
    unknown = case.model_copy(update={"signals": Signals()})
    assert eligible(evaluate(policy, case)) == eligible(evaluate(policy, unknown))


@given(policies, policies, st.lists(cases, max_size=4))
def test_a_dry_run_predicts_what_the_draft_then_says(
    old: PolicyDefinition, draft: PolicyDefinition, past: list[Case]
) -> None:
    run = dry_run(draft, [(case, evaluate(old, case)) for case in past])
    before = [line for case in past for line in evaluate(old, case).lines]
    after = [line for case in past for line in evaluate(draft, case).lines]
    gained = sum(line.eligible for line in after) - sum(line.eligible for line in before)
    assert run.became_eligible - run.became_ineligible == gained
    assert run.lines == len(after)
    assert run.lines_changed == sum(len(change.lines) for change in run.changes)
    predicted = {
        (change.case, line.line_id, line.after.decision)
        for change in run.changes
        for line in change.lines
    }
    replayed = {
        (position, line.line_id, line.decision)
        for position, case in enumerate(past)
        for line in evaluate(draft, case).lines
    }
    assert predicted <= replayed


@given(cases)
def test_the_first_policy_charges_nothing_and_needs_nobody(case: Case) -> None:
    verdict = evaluate(DEFAULT_POLICY, case)
    assert verdict.method_fee == 0
    assert {line.fee for line in verdict.lines} <= {0}
    assert verdict.decision in ("approved", "rejected")
