"""Points at the till: held, captured whole or in part, voided, lapsed, reversed.

    AUTHORIZED --> CAPTURED --> PARTIALLY_REVERSED --> REVERSED
        |   \\-> VOIDED
        \\----> EXPIRED   (by time alone, see ledger.Draft.settle)

A hold is seen by every channel at once. Capturing takes what ends first and gives the rest back;
reversing gives back what ends last first, as if less had been captured.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn

from tandem_core.money import Money
from tandem_core.problems import Conflict, invalid_field
from tandem_loyalty.earning import LimitExceeded
from tandem_loyalty.facts import (
    Redemption,
    RedemptionAuthorized,
    RedemptionCaptured,
    RedemptionFact,
    RedemptionReversed,
    RedemptionVoided,
)
from tandem_loyalty.ledger import Draft
from tandem_loyalty.points import InsufficientPoints, give, restore, split_lots, take

DEFAULT_HOLD_SECONDS = 15 * 60
MAX_HOLD_SECONDS = 7 * 24 * 3600
MAX_OPEN_HOLDS = 80


class TooManyHolds(Conflict):
    code, title = "TOO_MANY_HOLDS", "The account has too many open holds"


class RedemptionExpiredAlready(Conflict):
    code, title = "REDEMPTION_EXPIRED", "The hold has lapsed; its points are available again"


class RedemptionCapturedAlready(Conflict):
    code, title = "REDEMPTION_ALREADY_CAPTURED", "The redemption is captured already"


class RedemptionVoidedAlready(Conflict):
    code, title = "REDEMPTION_ALREADY_VOIDED", "The redemption is voided already"


class RedemptionNotCaptured(Conflict):
    code, title = "REDEMPTION_NOT_CAPTURED", "Only a captured redemption can be reversed"


class CaptureExceedsAuthorized(Conflict):
    code, title = "CAPTURE_EXCEEDS_AUTHORIZED", "More points than the hold has"


class ReversalExceedsCaptured(Conflict):
    code, title = "REVERSAL_EXCEEDS_CAPTURED", "More points than are left to give back"


def authorize(  # noqa: PLR0913  what a till says about a hold
    draft: Draft,
    redemption_id: str,
    points: int,
    *,
    ttl_seconds: int,
    order_id: str | None,
    location_id: str | None,
    basket: Money | None,
) -> RedemptionAuthorized:
    """Hold points. Raises InsufficientPoints, TooManyHolds, LimitExceeded."""
    account, program = draft.account, draft.program
    if len(account.holds) >= MAX_OPEN_HOLDS:
        raise TooManyHolds(f"At most {MAX_OPEN_HOLDS} holds can be open at once")
    taken, missing = take(account, points)
    if missing:
        raise InsufficientPoints(points, account.balance.available)
    value = program.value_of(points)
    if value is None:
        raise LimitExceeded(f"{points} points are worth more than can be paid at once")
    if program.limits.basket_share_percent is not None:
        _check_basket_share(draft, value, order_id, basket)
    redemption = Redemption(
        id=redemption_id,
        account_id=draft.account_id,
        status="AUTHORIZED",
        points=points,
        value=value,
        authorized_at=draft.now,
        expires_at=draft.now + timedelta(seconds=ttl_seconds),
        order_id=order_id,
        location_id=location_id,
    )
    return draft.record(
        RedemptionAuthorized,
        lots={lot: -part for lot, part in taken.items()},
        held=points,
        redemption=redemption,
    )


def capture(draft: Draft, redemption_id: str, points: int | None) -> RedemptionCaptured:
    """Spend held points, all of them by default; the rest returns to its lots.

    The hold must be open (see `refuse_closed`). Raises CaptureExceedsAuthorized.
    """
    hold = draft.account.holds[redemption_id]
    points = hold.points if points is None else points
    if points > hold.points:
        raise CaptureExceedsAuthorized(
            f"{points} points are to be captured, {hold.points} are held",
            required=points,
            held=hold.points,
        )
    spent, released = split_lots(draft.account, hold.lots, points)
    kept, paid = give(draft.account, restore(draft.account, draft.program, released, draft.today))
    value = hold.value.model_copy(update={"amount": hold.value.amount * points // hold.points})
    redemption = Redemption.of_hold(draft.account_id, redemption_id, hold, "CAPTURED").model_copy(
        update={"captured_points": points, "captured_value": value}
    )
    return draft.record(
        RedemptionCaptured,
        lots=kept,
        held=-hold.points,
        owed=-paid,
        program={"redemption": points},
        redemption=redemption,
        spent=spent,
        idle_until=draft.program.idle_until(draft.today) or None,
    )


def void(draft: Draft, redemption_id: str) -> RedemptionVoided:
    """Give held points back to their lots. The hold must be open (see `refuse_closed`)."""
    hold = draft.account.holds[redemption_id]
    kept, paid = give(draft.account, restore(draft.account, draft.program, hold.lots, draft.today))
    return draft.record(
        RedemptionVoided,
        lots=kept,
        held=-hold.points,
        owed=-paid,
        redemption=Redemption.of_hold(draft.account_id, redemption_id, hold, "VOIDED"),
    )


def reverse(
    draft: Draft,
    captured: RedemptionCaptured,
    earlier: Sequence[RedemptionReversed],
    points: int | None,
) -> RedemptionReversed:
    """Give spent points back, all that is left by default. Raises ReversalExceedsCaptured."""
    before = sum(reversal.reversed for reversal in earlier)
    left = captured.redemption.captured_points - before
    points = left if points is None else points
    if points > left or not left:
        raise ReversalExceedsCaptured(
            f"{points} points are to be given back, {left} are left", required=points, left=left
        )
    still_spent, _ = split_lots(draft.account, captured.spent, left)
    _, restored = split_lots(draft.account, still_spent, left - points)
    kept, paid = give(draft.account, restore(draft.account, draft.program, restored, draft.today))
    redemption = captured.redemption.model_copy(
        update={
            "status": "REVERSED" if points == left else "PARTIALLY_REVERSED",
            "reversed_points": before + points,
        }
    )
    return draft.record(
        RedemptionReversed,
        lots=kept,
        owed=-paid,
        program={"redemption": -points},
        redemption=redemption,
        reversed=points,
    )


def refuse_closed(closing: RedemptionFact) -> NoReturn:
    """Say why a redemption can no longer be captured or voided."""
    refusals: dict[str, type[Conflict]] = {
        "VOIDED": RedemptionVoidedAlready,
        "EXPIRED": RedemptionExpiredAlready,
    }
    status = closing.redemption.status
    raise refusals.get(status, RedemptionCapturedAlready)(redemption_status=status)


def _check_basket_share(
    draft: Draft, value: Money, order_id: str | None, basket: Money | None
) -> None:
    """Compare all open holds of the order, this one included, with the share of its basket."""
    for name, given in (("basket", basket), ("order_id", order_id)):
        if given is None:
            raise invalid_field(
                name, "MISSING_FIELD", "the program limits what part of a basket points can pay"
            )
    assert basket is not None  # noqa: S101  just checked
    if basket.currency != value.currency:
        raise invalid_field("basket", "CURRENCY_MISMATCH", f"points are worth {value.currency}")
    percent = draft.program.limits.basket_share_percent or 100
    holds = draft.account.holds.values()
    held = sum(hold.value.amount for hold in holds if hold.order_id == order_id)
    if (held + value.amount) * 100 > basket.amount * percent:
        raise LimitExceeded(f"At most {percent} % of a basket can be paid with points")
