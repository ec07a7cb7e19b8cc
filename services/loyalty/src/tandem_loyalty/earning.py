"""Decisions that grant points: purchases and actions, and when pending points mature."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from tandem_core.clock import GivenInstant
from tandem_core.problems import Conflict, Unprocessable, invalid_field
from tandem_core.values import Reference, Strict
from tandem_loyalty.accrual import Accrual, Explanation, action_rule, points_of_purchase
from tandem_loyalty.facts import Accrued, PointsEarned, PointsPending, PointsRescheduled
from tandem_loyalty.ledger import Draft
from tandem_loyalty.points import Account, give, is_forgotten
from tandem_loyalty.programs import (
    MAX_POINTS,
    ActionType,
    AfterDays,
    Immediate,
    Program,
    ReturnWindow,
    period_name,
)
from tandem_loyalty.purchases import Purchase

# How far a terminal's clock may run ahead of ours.
MAX_CLOCK_SKEW = timedelta(minutes=5)
LONGEST_WINDOW = timedelta(days=366)


class LimitExceeded(Conflict):
    code, title = "LIMIT_EXCEEDED", "A limit of the program is reached"


class ActionNotRewarded(Unprocessable):
    code, title = "ACTION_NOT_REWARDED", "The program gives no points for this action"
    field = "action"


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
    accrual = points_of_purchase(program, purchase).capped(
        MAX_POINTS, "MAXIMUM", f"at most {MAX_POINTS} points for one purchase"
    )
    room = _room(account, program, program.local_date(purchase.occurred_at))
    if room is None:
        return accrual
    detail = f"at most {program.limits.points_per_day} points a day, {room} were left"
    return accrual.capped(room, "DAILY_LIMIT", detail)


def _room(account: Account, program: Program, day: date) -> int | None:
    """Return how many points can still be granted for a day, or None without a daily limit."""
    limit = program.limits.points_per_day
    if limit is None:
        return None
    if is_forgotten(account.granted_on, day.isoformat()):
        return 0
    return max(0, limit - account.granted_on.get(day.isoformat(), 0))


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
        counts = draft.account.actions.get(action.type, {})
        if counts.get(period, 0) >= rule.limit.times or is_forgotten(counts, period):
            raise LimitExceeded(
                f"{action.type} is rewarded {rule.limit.times} times per {rule.limit.period}"
            )
    room = _room(draft.account, program, day)
    points = rule.points if room is None else min(rule.points, room)
    if not points:
        raise LimitExceeded(f"At most {program.limits.points_per_day} points a day")
    last_day = program.last_day(day)
    kept, paid = give(draft.account, {last_day: points})
    return draft.record(
        PointsEarned,
        lots=kept,
        owed=-paid,
        program={"issuance": -points},
        occurred_at=occurred_at,
        channel=channel,
        action=action.type,
        reference=action.reference,
        explanation=(
            Explanation(
                rule_id=rule.id,
                fired=True,
                reason="APPLIED",
                detail=f"{points} for {action.type}",
            ),
        ),
        granted=points,
        last_day=last_day,
        idle_until=program.idle_until(day) or None,
        period=period,
        counted_on=None if room is None else day.isoformat(),
    )


def matures_after_arrival(
    draft: Draft,
    order_id: str,
    policy: Immediate | AfterDays | ReturnWindow,
    arrived_at: datetime,
    closes_at: datetime | None,
) -> PointsRescheduled | None:
    """Let pending points mature when the return window closes, counted from the last arrival.

    `policy` is that of the program version of the purchase.

    `closes_at` is the end of the window where the order says so itself. Several arrivals are joined
    by their maximum, so their order and repetition do not matter. Nothing happens to points that
    wait for no arrival or can be spent already. A wrong clock elsewhere defers nobody's points for
    ever: arrivals lie in the past, windows are at most a year.
    """
    arrived_at = min(arrived_at, draft.now + MAX_CLOCK_SKEW)
    order = draft.account.pending.get(order_id)
    if order is None or not isinstance(policy, ReturnWindow):
        return None
    matures_at = closes_at or arrived_at + timedelta(days=policy.days)
    matures_at = min(matures_at, arrived_at + max(LONGEST_WINDOW, timedelta(days=policy.days)))
    if order.delivered:
        matures_at = max(matures_at, order.matures_at)
        if matures_at == order.matures_at:
            return None
    return draft.record(
        PointsRescheduled, occurred_at=arrived_at, order_id=order_id, matures_at=matures_at
    )
