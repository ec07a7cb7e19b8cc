"""What a policy says to a case, line by line, and why. Pure; it moves nothing and counts nothing.

    base terms -> rules in order, later wins -> refusals -> decision, trigger, fees

Every answer explains itself: each rule that fired, each reason to refuse, what a fee is for. No
explanation names what was paid, since who returns a gift reads it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tandem_core.clock import Instant
from tandem_core.money import Money
from tandem_core.values import Strict
from tandem_returns.cases import (
    Case,
    CaseLine,
    Decision,
    Explanation,
    RecentReturn,
    Risk,
    Trigger,
)
from tandem_returns.policies import (
    PolicyDefinition,
    Terms,
    TermsChange,
    TriggerByRisk,
    price_in,
)
from tandem_returns.signals import Assessment, assess
from tandem_returns.windows import Standing, ordinary_window, statutory_window

Compared = Literal["eligible", "decision", "trigger", "fee"]
_COMPARED: tuple[Compared, ...] = get_args(Compared)


class LineVerdict(Strict):
    """What the policy says of one line.

    `code` is the first reason to refuse; the explanation has them all. `fee` is for restocking, in
    minor units of the case's currency. Before `window_closes_at` all of the wanted units may be
    returned; None when that never ends or has not begun.
    """

    line_id: str
    eligible: bool
    code: str | None
    decision: Decision
    trigger: Trigger
    fee: int
    window_closes_at: Instant | None
    explanation: tuple[Explanation, ...]


class Verdict(Strict):
    """What the policy says of a case.

    `decision` is the most careful one of the eligible lines, `rejected` without any. `method_fee`
    (minor units) is charged once. `ship_by` is known when all is approved: a later approval asks
    the policy again. `refund_delivery`: when all of the order comes back, what was paid for its
    delivery does, too.
    """

    lines: tuple[LineVerdict, ...]
    decision: Decision
    risk: Risk
    method_fee: int
    ship_by: Instant | None
    refund_within_hours: int
    bonus_percent: int
    refund_delivery: bool
    explanation: tuple[Explanation, ...]


class LineChange(Strict):
    """A line of a past case of which a draft policy says something else."""

    line_id: str
    changed: tuple[Compared, ...]
    before: LineVerdict
    after: LineVerdict


class CaseChange(Strict):
    """A past case, by its position, of which a draft policy says something else."""

    case: int
    method_fee_before: int
    method_fee_after: int
    lines: tuple[LineChange, ...]


class DryRun(Strict):
    """What would have been different under a draft policy, in numbers of cases and of lines."""

    cases: int
    cases_changed: int
    method_fees_changed: int
    lines: int
    lines_changed: int
    became_eligible: int
    became_ineligible: int
    decisions_changed: int
    triggers_changed: int
    fees_changed: int
    changes: tuple[CaseChange, ...]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A line with the terms that hold for it, and the rules that made them."""

    case: Case
    line: CaseLine
    terms: Terms
    fired: tuple[Explanation, ...]
    fee_is_waived: bool


def evaluate(policy: PolicyDefinition, case: Case) -> Verdict:
    """Return what a policy says to a case. An override is explained beside what it overrides."""
    assessment = _assess(policy, case)
    asked = [_ask(policy, case, line) for line in case.lines]
    lines = tuple(_judge(policy, one, assessment) for one in asked)
    eligible = [one for one, line in zip(asked, lines, strict=True) if line.eligible]
    decision = _decision_of_all(lines)
    method_fee, fee_notes = _method_fee(case, eligible)
    ship_by = None
    if decision == "approved":
        ship_by = policy.ship_by(case.method, case.at, statutory=case.statutory)
    return Verdict(
        lines=lines,
        decision=decision,
        risk=assessment.risk,
        method_fee=method_fee,
        ship_by=ship_by,
        refund_within_hours=policy.refund_within_hours,
        bonus_percent=policy.store_credit_bonus_percent if case.outcome == "store_credit" else 0,
        refund_delivery=case.statutory or policy.refund_delivery == "whole_order",
        explanation=(*assessment.notices, *fee_notes),
    )


def dry_run(draft: PolicyDefinition, cases: Sequence[tuple[Case, Verdict]]) -> DryRun:
    """Ask a draft policy what it would have said to past cases, and compare."""
    changes = []
    for position, (case, before) in enumerate(cases):
        after = evaluate(draft, case)
        lines = tuple(_line_changes(before.lines, after.lines))
        if lines or before.method_fee != after.method_fee:
            changes.append(
                CaseChange(
                    case=position,
                    method_fee_before=before.method_fee,
                    method_fee_after=after.method_fee,
                    lines=lines,
                )
            )
    changed = [line for change in changes for line in change.lines]
    return DryRun(
        cases=len(cases),
        cases_changed=len(changes),
        method_fees_changed=sum(
            change.method_fee_before != change.method_fee_after for change in changes
        ),
        lines=sum(len(case.lines) for case, _ in cases),
        lines_changed=len(changed),
        became_eligible=sum(line.after.eligible > line.before.eligible for line in changed),
        became_ineligible=sum(line.after.eligible < line.before.eligible for line in changed),
        decisions_changed=sum("decision" in line.changed for line in changed),
        triggers_changed=sum("trigger" in line.changed for line in changed),
        fees_changed=sum("fee" in line.changed for line in changed),
        changes=tuple(changes),
    )


def _assess(policy: PolicyDefinition, case: Case) -> Assessment:
    """Assess the customer, with what is asked for now as the last of the recent returns."""
    amount = sum(line.amount for line in case.lines)
    asked = RecentReturn(at=case.at, amount=amount, currency=case.currency)
    recent = (*case.signals.recent_returns, asked)
    signals = case.signals.model_copy(update={"recent_returns": recent})
    return assess(policy, signals, case.at)


def _ask(policy: PolicyDefinition, case: Case, line: CaseLine) -> _Asked:
    replaced: dict[str, Any] = {}
    fired = []
    for rule in policy.rules:
        if rule.when.hold(case, line):
            replaced |= rule.then.given()
            fired.append(_note(rule.id, "RULE_APPLIED", _described(rule.then)))
    terms = policy.terms.model_copy(update=replaced)
    if case.statutory:
        # What is left to the policy: when to pay, and whether the item may be kept.
        terms = Terms(trigger=terms.trigger, keep_below=terms.keep_below)
        fired.append(_note("statutory", "STATUTORY_WITHDRAWAL", "no fees and no other conditions"))
    return _Asked(case, line, terms, tuple(fired), line.reason in policy.fee_waived_for)


def _judge(policy: PolicyDefinition, asked: _Asked, assessment: Assessment) -> LineVerdict:
    case, line = asked.case, asked.line
    if case.statutory:
        window = statutory_window(policy, case)
    else:
        window = ordinary_window(policy, case, line, asked.terms.window_days)
    notes = [*asked.fired]
    if window.is_open:
        notes.append(window.explanation)
    refusals = [*_refusals(policy, asked, window)]
    notes += refusals
    code = refusals[0].code if refusals else None
    if case.override is not None and line.unit_paid is not None:
        notes.append(_note("override", "OVERRIDDEN", case.override))
        code = None
    decision: Decision = "rejected"
    fee = 0
    if code is None:
        decision, reviews = _decision(asked, assessment)
        fee, fee_notes = _restocking(asked)
        notes += [*reviews, *fee_notes]
    return LineVerdict(
        line_id=line.line_id,
        eligible=code is None,
        code=code,
        decision=decision,
        trigger=_trigger(asked, assessment.risk),
        fee=fee,
        window_closes_at=window.closes_at,
        explanation=tuple(notes),
    )


def _refusals(policy: PolicyDefinition, asked: _Asked, window: Standing) -> Iterator[Explanation]:
    case, line, terms = asked.case, asked.line, asked.terms
    if line.unit_paid is None:
        yield _note("terms", "PRICE_UNKNOWN", "nobody has said what was paid for it")
    if case.statutory:
        yield from _statutory_refusals(policy, case, line)
    if terms.final_sale:
        yield _note("terms", "FINAL_SALE", "sold without return")
    if terms.decision == "reject":
        yield _note("terms", "REJECTED_BY_POLICY", "the policy takes no such return")
    if not window.is_open:
        yield window.explanation
    outcomes = terms.outcomes
    if case.gift and not case.statutory:
        outcomes = tuple(one for one in outcomes if one in policy.gift_outcomes)
    if case.outcome not in outcomes:
        yield _not_offered("OUTCOME_NOT_OFFERED", case.outcome, outcomes)
    if case.method not in terms.methods:
        yield _not_offered("METHOD_NOT_OFFERED", case.method, terms.methods)
    elif case.method == "keep":
        yield from _too_dear_to_keep(asked)


def _statutory_refusals(
    policy: PolicyDefinition, case: Case, line: CaseLine
) -> Iterator[Explanation]:
    law = policy.statutory
    if case.channel not in law.channels:
        yield _note("statutory", "WITHDRAWAL_NOT_GRANTED", f"not for a sale by {case.channel}")
    if law.countries and case.country is not None and case.country not in law.countries:
        yield _note("statutory", "WITHDRAWAL_NOT_GRANTED", f"not in {case.country}")
    if law.excluded.selects(line):
        yield _note("statutory", "WITHDRAWAL_EXCLUDED", "such goods are exempt by law")


def _too_dear_to_keep(asked: _Asked) -> Iterator[Explanation]:
    currency = asked.case.currency
    bound = price_in(asked.terms.keep_below, currency)
    if bound is None:
        yield _note("terms", "METHOD_NOT_OFFERED", f"nothing is kept in {currency}")
    elif asked.line.amount + asked.line.amount_before >= bound:  # or it is asked for by the piece
        detail = f"only what is worth less than {Money(amount=bound, currency=currency)} is kept"
        yield _note("terms", "METHOD_NOT_OFFERED", detail)


def _decision(asked: _Asked, assessment: Assessment) -> tuple[Decision, list[Explanation]]:
    """Return the decision on an eligible line, and why it is not made at once."""
    if asked.case.statutory or asked.case.override is not None:
        return "approved", []
    notes = []
    if asked.terms.decision == "review":
        notes.append(_note("terms", "NEEDS_REVIEW", "the policy lets a person decide"))
    if assessment.review:
        codes = ", ".join(notice.code for notice in assessment.notices)
        notes.append(_note("limits", "NEEDS_REVIEW", f"a person decides: {codes}"))
    return ("needs_review" if notes else "approved"), notes


def _decision_of_all(lines: Iterable[LineVerdict]) -> Decision:
    decisions = {line.decision for line in lines if line.eligible}
    if "needs_review" in decisions:
        return "needs_review"
    return "approved" if decisions else "rejected"


def _trigger(asked: _Asked, risk: Risk) -> Trigger:
    """Return what the payment waits for, where that can happen at all.

    A withdrawal waits for no more than proof of sending (2011/83/EU article 13).
    """
    method, trigger = asked.case.method, asked.terms.trigger.at(risk)
    if method == "keep":
        return "approval"
    if method == "store":
        return "received"
    too_late = asked.case.statutory and trigger in ("received", "inspected")
    if too_late or (method == "mail" and trigger == "drop_off"):
        return "first_scan"
    return trigger


def _restocking(asked: _Asked) -> tuple[int, list[Explanation]]:
    """Return the fee of a line in minor units, rounded down; for what is kept there is none."""
    percent = asked.terms.restocking_percent
    if not percent or asked.case.method == "keep":
        return 0, []
    if asked.fee_is_waived:
        return 0, [_waived(asked)]
    detail = f"{percent} % of what is refunded for it"
    return asked.line.amount * percent // 100, [_note("terms", "RESTOCKING_FEE", detail)]


def _method_fee(case: Case, eligible: Iterable[_Asked]) -> tuple[int, list[Explanation]]:
    """Return the fee of the method, the highest of all lines that are not exempt from it."""
    fees, notes = [0], []
    for asked in eligible:
        prices = asked.terms.fees.get(case.method, ())
        amount = price_in(prices, case.currency)
        if asked.fee_is_waived:
            notes += [_waived(asked)] if amount else []
        elif amount is not None:
            fees.append(amount)
        elif prices:
            notes.append(_note("fees", "NO_FEE_IN_CURRENCY", f"none is set in {case.currency}"))
    fee = max(fees)
    if fee:
        detail = f"{Money(amount=fee, currency=case.currency)} for {case.method}, once per return"
        return fee, [_note("fees", "METHOD_FEE", detail)]
    return 0, list(dict.fromkeys(notes))


def _line_changes(
    before: Iterable[LineVerdict], after: Iterable[LineVerdict]
) -> Iterator[LineChange]:
    for old, new in zip(before, after, strict=True):
        if not (old.eligible or new.eligible):
            continue
        changed = tuple(field for field in _COMPARED if getattr(old, field) != getattr(new, field))
        if changed:
            yield LineChange(line_id=new.line_id, changed=changed, before=old, after=new)


def _described(change: TermsChange) -> str:
    return "; ".join(f"{name} {_plain(value)}" for name, value in change.given().items())


def _plain(value: Any) -> str:
    if isinstance(value, TriggerByRisk):
        value = dict(value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items()) or "none"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _not_offered(code: str, wanted: str, offered: Iterable[str]) -> Explanation:
    return _note("terms", code, f"{wanted} is not offered, but {', '.join(offered) or 'nothing'}")


def _waived(asked: _Asked) -> Explanation:
    return _note("fees", "FEE_WAIVED", f"no fee when the reason is {asked.line.reason}")


def _note(rule_id: str, code: str, detail: str) -> Explanation:
    return Explanation(rule_id=rule_id, code=code, detail=detail)
