"""What a policy says to a case, line by line, and why. Pure; it moves nothing and counts nothing.

    base terms -> rules in order, later wins -> window, offers -> decision, trigger, fees

Every answer explains itself: each rule that fired, each reason to refuse, what the fees are for.
"""

from __future__ import annotations

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_returns.cases import Decision, Explanation, Risk, Trigger

__all__ = ["Explanation", "LineVerdict", "Verdict"]


class LineVerdict(Strict):
    """What the policy says of one line.

    `code` is the first reason to refuse; the explanation has them all. `fee` is for restocking, in
    minor units of the case's currency. Until `window_closes_at` all of the wanted units may be
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
    (minor units) is charged once. `refund_delivery`: when all of the order comes back, what was
    paid for its delivery does, too.
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
