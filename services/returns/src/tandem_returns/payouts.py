"""The money of a return: what becomes due is reserved, asked for, and written down as it was paid.

    planned --> reserved --> submitted --> pending --> succeeded --> failed (banks do this)
                    |            |  \\-------------------^   |          |
                    |            +--> unknown (asked again with the same key)
                    +--> requires_action (a person pays)     failed --> replanned

A refund is written down as submitted before its provider is called, so whoever finds it so asks
what became of it. Points need nobody: loyalty gives them back when it hears that they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from tandem_core.money import Money
from tandem_core.problems import Conflict
from tandem_returns.drafts import Draft
from tandem_returns.ids import refund_id as refund_name
from tandem_returns.payments import RefundResult
from tandem_returns.purchases import BookTender, LineQuantity
from tandem_returns.return_facts import (
    ExchangeCreated,
    ExchangedLine,
    ExchangedTender,
    RefundChanged,
    RefundLate,
    RefundLeg,
    RefundPlanned,
    ReturnClosed,
    ReturnUpdated,
)
from tandem_returns.returns import PERSON, Leg, Refund, RefundState, Return, due

# A refund that nobody has heard of for so long is asked for by whoever looks.
_SOON = timedelta(minutes=5)
_PENDING = timedelta(hours=6)
_LONGEST_PAUSE = timedelta(hours=6)
OPEN: frozenset[RefundState] = frozenset(
    {"reserved", "submitted", "unknown", "pending", "requires_action"}
)


_WAITING: frozenset[RefundState] = frozenset({"pending", "requires_action"})


class RefundMoved(Conflict):
    """`allowed` names the commands that are legal now, as their paths do."""

    code, title = "INVALID_TRANSITION", "The refund is not where that is possible"

    def __init__(self, refund: Refund, refused: str) -> None:
        by_hand, again = refund.is_for_people, refund.state == "failed"
        super().__init__(
            f"A refund that is {refund.state} {refused}",
            state=refund.state,
            allowed=[*["settle"] * by_hand, *["replan"] * again],
        )


# --- what is due ----------------------------------------------------------------------------------


def settle(draft: Draft) -> None:
    """Write down what follows from where the units are: money, a replacement, the end."""
    _pay_what_is_due(draft)
    ended = draft.current.status in ("resolved", "partially_resolved")
    if ended and draft.current.closed_at is None:
        closed = draft.current.model_copy(update={"closed_at": draft.now})
        draft.change(ReturnClosed, closed)


def _pay_what_is_due(draft: Draft) -> None:
    back = draft.current
    waits = back.exchange is not None and not back.exchange.created
    whole = all(line.triggered >= line.quantity for line in back.lines)
    if waits and not whole:
        if not back.is_complete:
            return
        _pay_instead_of_exchange(draft)
        back = draft.current
    units = {line.line_id: line.triggered for line in back.lines}
    new = tuple(
        LineQuantity(line_id=line.line_id, quantity=units[line.line_id] - line.paid_units)
        for line in back.lines
        if units[line.line_id] > line.paid_units
    )
    if not new:
        return
    reached = due(back, units)
    amounts = [
        (position, max(0, amount - leg.refunded), max(0, points - leg.refunded_points))
        for position, (leg, amount, points) in enumerate(
            zip(back.legs, reached.amounts, reached.points, strict=True)
        )
        if not leg.exchange
    ]
    _plan(draft, [one for one in amounts if one[1] or one[2]], new)
    if waits and whole:
        _create_exchange(draft)


def _plan(
    draft: Draft, amounts: Sequence[tuple[int, int, int]], lines: tuple[LineQuantity, ...]
) -> None:
    """Reserve payments of (leg, amount, points). The units stand in the first of them."""
    back = draft.current
    refunds = [
        _refund(draft, number, position, back.legs[position], amount, points)
        for number, (position, amount, points) in enumerate(amounts, start=len(back.refunds))
    ]
    if not refunds:
        nothing = Leg(source=None, tender="none", paid=0)
        refunds = [_refund(draft, len(back.refunds), 0, nothing, 0, 0)]
    # Those that are paid at once come first: what was earned is taken back with them.
    refunds.sort(key=lambda one: not _is_paid_at_once(draft, one))
    refunds[0] = refunds[0].model_copy(update={"lines": lines})
    draft.record(
        RefundPlanned(
            **draft.about(), return_id=back.return_id, refunds=tuple(refunds), lines=lines
        )
    )
    for refund in refunds:
        if _is_paid_at_once(draft, refund):
            _settled(draft, refund, "succeeded", provider="tandem")


def _refund(  # noqa: PLR0913
    draft: Draft, number: int, position: int, leg: Leg, amount: int, points: int
) -> Refund:
    back = draft.current
    source = draft.opened.tender(leg.source) if leg.source is not None else None
    overdrawn = source is not None and source.is_overdrawn
    why = "paid_elsewhere" if source and source.elsewhere else "order_changed"
    return Refund(
        refund_id=refund_name(back.return_id, number),
        leg=position,
        tender=leg.tender,
        paid=Money(amount=amount, currency=back.currency),
        points=points if leg.points is not None else None,
        reference=leg.reference or _told_since(source, leg),
        # Who sees that the shop has paid it back meanwhile, or took less, does not pay it again.
        state="requires_action" if overdrawn else "reserved",
        provider=PERSON if overdrawn else "",
        reason=why if overdrawn else "",
        planned_at=draft.now,
        ask_at=None if overdrawn else draft.now + _SOON,
    )


def _told_since(source: BookTender | None, leg: Leg) -> str | None:
    """Return the card payment's name, where the shop has told it after the quote."""
    return source.reference if source and source.type == leg.tender == "card" else None


def _is_paid_at_once(draft: Draft, refund: Refund) -> bool:
    """Points by telling loyalty, cash over the counter, nothing by itself."""
    if refund.state != "reserved":
        return False
    if refund.tender == "points":
        return refund.points is not None
    return refund.tender == "none" or (refund.tender == "cash" and draft.counter is not None)


def _pay_instead_of_exchange(draft: Draft) -> None:
    """Not all has come that was to be exchanged: what has come is refunded."""
    back = draft.current
    legs = tuple(leg.model_copy(update={"exchange": False}) for leg in back.legs)
    give_back_extra(draft)
    legs += draft.current.legs[len(legs) :]
    without = {"legs": legs, "exchange": None, "outcome": "refund"}
    draft.change(ReturnUpdated, draft.current.model_copy(update=without))


def give_back_extra(draft: Draft) -> None:
    """Pay back what was paid on top of a replacement that there will not be."""
    back = draft.current
    if back.exchange is None or back.exchange.created or back.exchange.paid is None:
        return
    extra = back.exchange.paid
    leg = Leg(source=None, tender=extra.type, paid=extra.paid.amount, reference=extra.reference)
    unpaid = {"exchange": back.exchange.model_copy(update={"paid": None})}
    with_leg = back.model_copy(update={"legs": (*back.legs, leg), **unpaid})
    draft.change(ReturnUpdated, with_leg)
    _plan(draft, [(len(back.legs), leg.paid, 0)], ())


def _create_exchange(draft: Draft) -> None:
    back = draft.current
    exchange = back.exchange
    assert exchange is not None  # noqa: S101  the caller waits for it
    tenders = [
        ExchangedTender(type=leg.tender, paid=_money(back, leg.paid), reference=leg.reference)
        for leg in back.legs
        if leg.exchange
    ]
    if exchange.paid:
        tenders.append(ExchangedTender.model_validate(exchange.paid.model_dump()))
    draft.record(
        ExchangeCreated(
            **draft.about(),
            return_id=back.return_id,
            exchange_id=back.return_id,
            source="exchange",
            external_id=back.return_id,
            currency=back.currency,
            lines=tuple(
                ExchangedLine(
                    **line.model_dump(),
                    paid=_money(back, line.unit_price.amount * line.quantity),
                )
                for line in exchange.lines
            ),
            tenders=tuple(tenders),
            store_id=draft.counter or back.store_id,
            handed_over=draft.counter is not None,
        )
    )


def _money(back: Return, amount: int) -> Money:
    return Money(amount=amount, currency=back.currency)


# --- what has become of it ------------------------------------------------------------------------


def submitted(draft: Draft, refund_id: str, provider: str) -> None:
    """Write down that a provider is about to be asked. Without effect when it was before."""
    refund = draft.current.refund(refund_id)
    if refund.state == "reserved":
        _settled(draft, refund, "submitted", provider=provider)


def resulted(draft: Draft, refund_id: str, result: RefundResult) -> bool:
    """Write down what a provider says; tell whether that can be. Repeats and old news change
    nothing, but when to ask again; banks take back what they had said was paid."""
    refund = draft.current.refund(refund_id)
    if result.provider == PERSON and refund.state != "reserved":
        # Somebody was asked to pay it who is not set up any more; nobody else knows whether it is.
        result = result.model_copy(update={"outcome": "unknown", "provider": refund.provider})
    outcome: RefundState = result.outcome
    if outcome == "unknown" and refund.state in _WAITING:
        outcome = refund.state
    is_asked = refund.ask_at is not None and refund.ask_at <= draft.now
    if outcome == refund.state and outcome != "unknown" and not is_asked:
        return True
    taken_back = refund.state == "succeeded" and outcome == "failed"
    if refund.state not in OPEN and not taken_back:
        return refund.state == "succeeded" or outcome == "failed"
    _settled(
        draft,
        refund,
        outcome,
        provider=result.provider,
        provider_reference=result.provider_reference or refund.provider_reference,
        reason=result.reason,
    )
    settle(draft)
    return True


def paid_by_hand(
    draft: Draft, refund_id: str, outcome: RefundState, reference: str | None, reason: str
) -> None:
    """Write down that a person has paid it, or could not. Raises RefundMoved."""
    refund = draft.current.refund(refund_id)
    if not refund.is_for_people:
        raise RefundMoved(refund, "is not paid by hand")
    _settled(
        draft,
        refund,
        outcome,
        provider=PERSON,
        provider_reference=reference,
        reason=reason,
    )
    settle(draft)


def replan(draft: Draft, refund_id: str, tender: str, reference: str | None, reason: str) -> None:
    """Pay what failed in another way. Raises RefundMoved unless it failed for good."""
    failed = draft.current.refund(refund_id)
    if failed.state != "failed":
        raise RefundMoved(failed, "cannot be replanned")
    back = draft.current
    again = Refund(
        refund_id=refund_name(back.return_id, len(back.refunds)),
        leg=failed.leg,
        tender=tender,
        paid=failed.paid,
        reference=reference,
        state="reserved",
        # What it answers for was told when it had succeeded once.
        lines=() if failed.settled_at else failed.lines,
        replaces=failed.refund_id,
        planned_at=draft.now,
        ask_at=draft.now + _SOON,
    )
    _settled(draft, failed, "replanned", reason=reason)
    draft.record(
        RefundPlanned(**draft.about(), return_id=back.return_id, refunds=(again,), lines=())
    )


def _settled(draft: Draft, refund: Refund, state: RefundState, **said: Any) -> None:
    asked = refund.asked + (state in ("submitted", "unknown"))
    after = refund.model_copy(
        update={
            "state": state,
            "asked": asked,
            "settled_at": draft.now if state == "succeeded" else refund.settled_at,
            **said,
        }
    )
    after = after.model_copy(update={"ask_at": _ask_at(after, draft.now)})
    first_success = state == "succeeded" and refund.settled_at is None
    leg = RefundLeg(
        tender=after.tender, paid=after.paid, points=after.points, reference=after.reference
    )
    draft.record(
        RefundChanged(
            **draft.about(),
            return_id=draft.current.return_id,
            refund_id=after.refund_id,
            lines=after.lines if first_success or state != "succeeded" else (),
            legs=(leg,) if after.tender != "none" else (),
            succeeded_at=after.settled_at if state == "succeeded" else None,
            reason=after.reason,
            refund=after,
        )
    )


def _ask_at(refund: Refund, now: datetime) -> datetime | None:
    """Return when to ask again; None for what is known, or waits for a person."""
    if refund.state == "unknown":
        return now + min(_LONGEST_PAUSE, timedelta(minutes=1 << min(refund.asked, 12)))
    if refund.state == "submitted":
        return now + _SOON
    waits = refund.state in _WAITING and not refund.is_for_people
    return now + _PENDING if waits else None


# --- time -----------------------------------------------------------------------------------------


def tell_lateness(draft: Draft) -> None:
    """Write down, once, that the money is not on its way in time."""
    back = draft.current
    due_by = back.refund_due_by
    if back.late or not back.payable or due_by is None or due_by > draft.now:
        return
    assert back.triggered_at is not None  # noqa: S101  what is due has been triggered
    draft.record(
        RefundLate(
            **draft.about(),
            return_id=back.return_id,
            triggered_at=back.triggered_at,
            refund_due_by=due_by,
        )
    )
