"""Decisions that grant points: purchases and actions, and when pending points mature."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tandem_core.clock import GivenInstant
from tandem_core.problems import Conflict, Unprocessable, invalid_field
from tandem_loyalty.accrual import Accrual, Explanation, action_rule, points_of_purchase
from tandem_loyalty.facts import Accrued, PointsEarned, PointsPending, PointsRescheduled
from tandem_loyalty.ledger import Draft
from tandem_loyalty.points import Account, give
from tandem_loyalty.programs import (
    ActionType,
    AfterDays,
    Immediate,
    Program,
    ReturnWindow,
    Strict,
    period_name,
)
from tandem_loyalty.purchases import Purchase, Reference

# How far a terminal's clock may run ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)


class LimitExceeded(Conflict):
    code, title = "LIMIT_EXCEEDED", "A limit of the program is reached"


class ActionNotRewarded(Unprocessable):
    code, title = "ACTION_NOT_REWARDED", "The program gives no points for this action"


class Action(Strict):
    """Something done that is not a purchase. `reference` names the one review, friend or year; each
    is rewarded once."""

    type: ActionType
    reference: Reference
    occurred_at: GivenInstant | None = None


def not_in_future(field: str, instant: datetime, now: datetime) -> None:
    """Refuse a time that lies further ahead than clocks may differ."""
    if instant > now + MAX_CLOCK_SKEW:
        raise invalid_field(field, "IN_THE_FUTURE", "lies more than 5 minutes in the future")


def calculate(account: Account, program: Program, purchase: Purchase) -> Accrual:
    """Return what a purchase would earn now, the daily limit included."""
    accrual = points_of_purchase(program, purchase)
    limit = program.limits.points_per_day
    if limit is None:
        return accrual
    day = program.local_date(purchase.occurred_at).isoformat()
    room = max(0, limit - account.granted_on.get(day, 0))
    detail = f"at most {limit} points a day, {room} were left"
    return accrual.capped(room, "DAILY_LIMIT", detail)


def accrue_purchase(draft: Draft, purchase: Purchase) -> Accrued:
    """Grant the points of a purchase: at once, or pending as the program says for its channel."""
    accrual = calculate(draft.account, draft.program, purchase)
    program = draft.program
    bought_on = program.local_date(purchase.occurred_at)
    last_day = program.last_day(bought_on)
    details: dict[str, Any] = {
        "occurred_at": purchase.occurred_at,
        "program": {"issuance": -accrual.points},
        "channel": purchase.channel,
        "location_id": purchase.location_id,
        "order_id": purchase.order_id,
        "lines": accrual.lines,
        "explanation": accrual.explanation,
        "granted": accrual.points,
        "last_day": last_day,
        "idle_until": program.idle_until(bought_on) or None,
        "counted_on": bought_on.isoformat() if program.limits.points_per_day else None,
    }
    policy = program.pending_policy(purchase.channel)
    if isinstance(policy, Immediate) or not accrual.points:
        kept, paid = give(draft.account, {last_day: accrual.points})
        return draft.record(PointsEarned, lots=kept, owed=-paid, **details)
    days = policy.days if isinstance(policy, AfterDays) else policy.fallback_days
    matures_at = purchase.occurred_at + timedelta(days=days)
    return draft.record(PointsPending, pending=accrual.points, matures_at=matures_at, **details)


def accrue_action(draft: Draft, action: Action, channel: str) -> Accrued:
    """Grant the points of an action. Raises ActionNotRewarded or LimitExceeded."""
    program = draft.program
    rule = action_rule(program, action.type)
    if rule is None:
        raise ActionNotRewarded(f"{program.id} has no rule for {action.type}")
    occurred_at = action.occurred_at or draft.now
    day = program.local_date(occurred_at)
    period = None
    if rule.limit:
        period = period_name(rule.limit.period, day)
        before = draft.account.actions.get(action.type)
        if before and before.period == period and before.times >= rule.limit.times:
            raise LimitExceeded(
                f"{action.type} is rewarded {rule.limit.times} times per {rule.limit.period}"
            )
    last_day = program.last_day(day)
    kept, paid = give(draft.account, {last_day: rule.points})
    return draft.record(
        PointsEarned,
        lots=kept,
        owed=-paid,
        program={"issuance": -rule.points},
        occurred_at=occurred_at,
        channel=channel,
        action=action.type,
        reference=action.reference,
        explanation=(
            Explanation(
                rule_id=rule.id,
                fired=True,
                reason="APPLIED",
                detail=f"{rule.points} for {action.type}",
            ),
        ),
        granted=rule.points,
        last_day=last_day,
        idle_until=program.idle_until(day) or None,
        period=period,
    )


def matures_after_arrival(
    draft: Draft, order_id: str, channel: str, arrived_at: datetime, closes_at: datetime | None
) -> PointsRescheduled | None:
    """Let pending points mature when the return window closes, counted from the last arrival.

    `closes_at` is the end of the window where the order says so itself. Several arrivals are joined
    by their maximum, so their order and repetition do not matter. Nothing happens to points that
    wait for no arrival or can be spent already.
    """
    order = draft.account.pending.get(order_id)
    policy = draft.program.pending_policy(channel)
    if order is None or not isinstance(policy, ReturnWindow):
        return None
    matures_at = closes_at or arrived_at + timedelta(days=policy.days)
    if order.delivered:
        matures_at = max(matures_at, order.matures_at)
        if matures_at == order.matures_at:
            return None
    return draft.record(
        PointsRescheduled, occurred_at=arrived_at, order_id=order_id, matures_at=matures_at
    )
