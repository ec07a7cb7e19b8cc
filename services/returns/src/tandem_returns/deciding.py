"""The decisions about a return: request, approve, reject, cancel, receive, inspect, follow, expire.

Each takes a draft of the book and the return, and records facts in it. What follows from where the
units are then (money, a replacement, the end) is told by payouts.settle. Nothing here reads a clock
or writes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tandem_core.problems import Conflict
from tandem_returns import payouts
from tandem_returns.cases import Case, Explanation
from tandem_returns.codes import CodeAlreadyUsed
from tandem_returns.drafts import Draft
from tandem_returns.eligibility import Verdict
from tandem_returns.heard import ParcelHeard
from tandem_returns.logistics import (
    IN_OUR_HANDS,
    UnitState,
    count,
    movable,
    moved,
    received_as,
)
from tandem_returns.purchases import Book, LineQuantity, ReturnExceedsPurchase, UnknownLine
from tandem_returns.quotes import QuoteOutdated
from tandem_returns.refund_plans import Plan, planned_again
from tandem_returns.return_facts import (
    InspectedUnits,
    ItemRestocked,
    ReceivedUnits,
    ReturnApproved,
    ReturnCancelled,
    ReturnExpired,
    ReturnInspected,
    ReturnOverdue,
    ReturnParcelAdded,
    ReturnReceived,
    ReturnRejected,
    ReturnRequested,
    ReturnUpdated,
    rebooked,
)
from tandem_returns.returns import (
    MAX_PARCELS,
    Decision,
    Exchange,
    LabelState,
    Parcel,
    Return,
    ReturnLine,
    ReturnMoved,
)


class TooManyParcels(Conflict):
    code, title = "TOO_MANY_PARCELS", f"A return has at most {MAX_PARCELS} parcels"


# --- the request ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """A quote that is executed: what was asked, what the policy said, and what it comes to."""

    return_id: str
    quote_id: str
    case: Case
    verdict: Verdict
    plan: Plan
    exchange: Exchange | None
    begun_in: str
    store_id: str | None
    label_wanted: bool = False
    override_by: str | None = None
    withdrawal_id: str | None = None


def request(draft: Draft, asked: Request) -> None:
    """Begin a return: units and money are held from now on. The policy decides at once where it
    can. Raises ReturnExceedsPurchase."""
    draft.opened.check_left({line.line_id: line.quantity for line in asked.plan.lines})
    back = _requested(draft, asked)
    draft.change(ReturnRequested, back, amount=sum(line.amount for line in back.lines))
    if asked.verdict.decision == "needs_review":
        draft.change(ReturnUpdated, _decided(draft.current, "needs_review"))
        return
    draft.change(ReturnApproved, _decided(draft.current, "approved"))
    payouts.settle(draft)


def _requested(draft: Draft, asked: Request) -> Return:
    book, case = draft.opened, asked.case
    return Return(
        return_id=asked.return_id,
        order_id=book.order_id,
        quote_id=asked.quote_id,
        customer_id=book.customer_id,
        number=book.number,
        channel=book.channel,
        begun_in=asked.begun_in,
        currency=book.currency,
        outcome=case.outcome,
        bonus_percent=asked.verdict.bonus_percent,
        method=case.method,
        store_id=asked.store_id,
        policy=book.policy,
        risk=asked.verdict.risk,
        lines=_requested_lines(book, asked),
        legs=asked.plan.legs,
        method_fee=asked.plan.method_fee,
        delivery=asked.plan.delivery,
        exchange=asked.exchange,
        gift=case.gift,
        statutory=case.statutory,
        override=case.override,
        decision_reason=case.override,
        decided_by=asked.override_by,
        requested_at=draft.now,
        quoted_at=case.at,
        ship_by=asked.verdict.ship_by,
        refund_within_hours=asked.verdict.refund_within_hours,
        label_wanted=asked.label_wanted,
        withdrawal_id=asked.withdrawal_id,
    )


def _requested_lines(book: Book, asked: Request) -> tuple[ReturnLine, ...]:
    verdicts = {line.line_id: line for line in asked.verdict.lines}
    reasons = {line.line_id: line.reason for line in asked.case.lines}
    kept = asked.case.method == "keep"
    lines = []
    for planned in asked.plan.lines:
        bought, verdict = book.line(planned.line_id), verdicts[planned.line_id]
        lines.append(
            ReturnLine(
                line_id=planned.line_id,
                sku=bought.sku,
                name=bought.name,
                category=bought.category,
                quantity=planned.quantity,
                reason=reasons[planned.line_id],
                decision="requested",
                trigger="approval" if kept else verdict.trigger,
                logistics={"not_required" if kept else "awaiting": planned.quantity},
                amount=planned.amount,
                fee=planned.fee,
                points_taken=planned.points_taken,
                explanation=verdict.explanation,
            )
        )
    return tuple(lines)


def _decided(
    back: Return,
    decision: Decision,
    applies: Callable[[ReturnLine], Any] = lambda _line: True,
) -> Return:
    lines = tuple(
        line.model_copy(update={"decision": decision}) if applies(line) else line
        for line in back.lines
    )
    return back.model_copy(update={"lines": lines})


def _ended(
    draft: Draft,
    decision: Decision,
    applies: Callable[[ReturnLine], Any] = lambda _line: True,
) -> Return:
    ended = _decided(draft.current, decision, applies)
    return ended.model_copy(update={"closed_at": draft.now})


# --- decisions of people --------------------------------------------------------------------------


def approve(draft: Draft, reason: str, ship_by: datetime | None) -> None:
    """Let a return that waits for a decision go its way, and come by then. Raises ReturnMoved."""
    back = draft.current.model_copy(update={"ship_by": ship_by, "overdue": False})
    if not _waiting(back):
        raise ReturnMoved("approved", draft.current)
    approved = _decided(back, "approved", lambda line: line in _waiting(back))
    draft.change(ReturnApproved, _explained(draft, approved, reason), reason=reason)
    payouts.settle(draft)


def reject(draft: Draft, reason: str) -> None:
    """Refuse a return that waits for a decision. Raises ReturnMoved."""
    back = draft.current
    if not _waiting(back):
        raise ReturnMoved("rejected", back)
    rejected = _ended(draft, "rejected", lambda line: line in _waiting(back))
    draft.change(ReturnRejected, _explained(draft, rejected, reason), reason=reason)
    payouts.give_back_extra(draft)


def _waiting(back: Return) -> list[ReturnLine]:
    return [line for line in back.lines if line.decision in ("requested", "needs_review")]


def cancel(draft: Draft, reason: str) -> None:
    """Call a return off, before anything has been sent. Raises ReturnMoved."""
    back = draft.current
    if back.status not in ("requested", "approved"):
        raise ReturnMoved("cancelled", back)
    cancelled = _explained(draft, _ended(draft, "cancelled"), reason)
    draft.change(ReturnCancelled, cancelled, reason=reason)
    payouts.give_back_extra(draft)


def _explained(draft: Draft, back: Return, reason: str) -> Return:
    """Return a return with why it was decided so, and by whom."""
    said = {"decision_reason": reason or None, "decided_by": draft.by}
    return back.model_copy(update=said)


# --- units on their way ---------------------------------------------------------------------------


def receive(
    draft: Draft,
    arrivals: Sequence[ReceivedUnits],
    location_id: str | None,
    *,
    by_code: bool = False,
    told_later: bool = False,
) -> None:
    """Take units in, in the condition they are in. A return that had expired is taken up again.

    Without any, all that is on its way has come, as it was sent. The return's code is good for one
    time. `told_later`: the customer has left the counter, so nothing is paid or handed out there.
    Raises CodeAlreadyUsed, ReturnMoved, InvalidTransition and UnknownLine; for more than it has,
    or when others have meanwhile what it had given up, ReturnExceedsPurchase or QuoteOutdated.
    """
    if by_code and draft.current.code_used:
        raise CodeAlreadyUsed
    _revive(draft)
    back = draft.current
    if by_code:
        back = back.model_copy(update={"code_used": True})
    if back.status in ("requested", "rejected", "cancelled", "expired"):
        raise ReturnMoved("received", back)
    told = tuple(arrivals) or _all_underway(back)
    accepted_before = _accepted(back)
    for one in told:
        state = received_as(one.condition, over_the_counter=draft.counter is not None)
        back = _with_units(back, one.line_id, state, one.quantity)
    if told_later:
        draft.counter = None
    _check_claim(draft, back)
    accepted = tuple(
        LineQuantity(line_id=line_id, quantity=units - accepted_before[line_id])
        for line_id, units in _accepted(back).items()
        if units > accepted_before[line_id]
    )
    back = back.model_copy(update={"location_id": location_id})
    draft.change(ReturnReceived, back, received=told, accepted=accepted)
    payouts.settle(draft)


def _all_underway(back: Return) -> tuple[ReceivedUnits, ...]:
    """Raises ReturnMoved when nothing is on its way."""
    underway: frozenset[UnitState] = frozenset({"awaiting", "dropped_off", "in_transit", "arrived"})
    told = tuple(
        ReceivedUnits(
            line_id=line.line_id, quantity=count(line.logistics, underway), condition="as_new"
        )
        for line in back.lines
        if line.decision == "approved" and count(line.logistics, underway)
    )
    if not told:
        raise ReturnMoved("received", back, "Nothing of it is on its way; name the units that came")
    return told


def _accepted(back: Return) -> dict[str, int]:
    return {line.line_id: count(line.logistics, IN_OUR_HANDS) for line in back.lines}


def _check_claim(draft: Draft, back: Return) -> None:
    """Raise ReturnExceedsPurchase or QuoteOutdated when others have what is to be held again."""
    draft.opened.check_left(_claimed_again(draft.current, back))
    if rebooked(draft.opened, draft.current, back).overdraws(draft.opened):
        raise QuoteOutdated


def _claimed_again(before: Return, after: Return) -> dict[str, int]:
    """Return the units that a return had given up, and holds now."""
    return {
        line.line_id: line.held - old.held
        for line, old in zip(after.lines, before.lines, strict=True)
        if line.held > old.held
    }


def _with_units(
    back: Return,
    line_id: str,
    to: UnitState,
    quantity: int,
    source: UnitState | None = None,
) -> Return:
    """Return it with units of a line moved. Raises UnknownLine, ReturnMoved, InvalidTransition, and
    for more than it has of them ReturnExceedsPurchase."""
    line = back.line(line_id)
    if line is None:
        raise UnknownLine(f"The return has no line {line_id}", line_id=line_id)
    if line.decision != "approved":
        raise ReturnMoved("moved", back)
    if quantity > line.quantity:
        raise ReturnExceedsPurchase({line_id: movable(line.logistics, to)})
    units = moved(line_id, line.logistics, to, quantity, source)
    lines = tuple(
        one.model_copy(update={"logistics": units}) if one.line_id == line_id else one
        for one in back.lines
    )
    return back.model_copy(update={"lines": lines})


def inspect(draft: Draft, findings: Sequence[InspectedUnits]) -> None:
    """Look at units, or send them where they go; what was refurbished takes a second step.

    Units go back on the shelf by `item.restocked`, each once. Raises as `receive` does.
    """
    back = draft.current
    restocked = []
    for one in findings:
        state: UnitState = one.disposition or "inspected"
        back = _with_units(back, one.line_id, state, one.quantity)
        if state == "restocked":
            restocked.append(one)
    _check_claim(draft, back)
    draft.change(ReturnInspected, back, inspected=tuple(findings))
    for one in restocked:
        line = draft.current.line(one.line_id)
        assert line is not None  # noqa: S101  its units have just moved
        draft.record(
            ItemRestocked(
                **draft.about(),
                return_id=back.return_id,
                line_id=one.line_id,
                sku=line.sku,
                quantity=one.quantity,
                store_id=back.location_id,
            )
        )
    payouts.settle(draft)


def drop_off(draft: Draft) -> None:
    """Take note that it was handed in where parcels are collected for us, against its code.

    Raises CodeAlreadyUsed, ReturnMoved.
    """
    back = draft.current
    if back.code_used:
        raise CodeAlreadyUsed
    if back.status != "approved":
        raise ReturnMoved("dropped off", back)
    for line in back.lines:
        units = line.logistics.get("awaiting", 0)
        if units and line.decision == "approved":
            back = _with_units(back, line.line_id, "dropped_off", units, "awaiting")
    used = back.model_copy(update={"code_used": True})
    draft.change(ReturnUpdated, _moving(used, draft.now))
    payouts.settle(draft)


def add_parcel(
    draft: Draft,
    parcel: Parcel,
    label_url: str | None,
    label: LabelState | None,
    *,
    by_customer: bool = False,
) -> None:
    """Say in which parcel it comes. Without effect for one that is known. Raises ReturnMoved,
    TooManyParcels."""
    back = draft.current
    if parcel in back.parcels:
        return
    if back.status not in ("approved", "in_progress"):
        raise ReturnMoved("sent", back)
    if len(back.parcels) >= MAX_PARCELS:
        raise TooManyParcels
    if by_customer and not back.statutory:
        back = _paid_on_receipt(back)
    changes: dict[str, Any] = {"parcels": (*back.parcels, parcel)}
    if label:
        changes["label"] = label
    draft.change(
        ReturnParcelAdded,
        back.model_copy(update=changes),
        carrier=parcel.carrier,
        tracking_number=parcel.tracking_number,
        label_created_at=draft.now,
        label_url=label_url,
    )


def _paid_on_receipt(back: Return) -> Return:
    """Let the money wait for the goods: anybody can name a parcel that is on its way somewhere, so
    its scans prove nothing. The law asks no more than that of a withdrawal."""
    why = Explanation(
        rule_id="parcel",
        code="PAID_ON_RECEIPT",
        detail="sent without our label, so it is paid when it has come",
    )
    lines = tuple(
        line.model_copy(update={"trigger": "received", "explanation": (*line.explanation, why)})
        if line.trigger in ("drop_off", "first_scan")
        else line
        for line in back.lines
    )
    return back.model_copy(update={"lines": lines})


def with_label(draft: Draft, label: LabelState) -> None:
    """Write down how far the label is, before the next step is taken. A label is prepared once."""
    known = draft.current.label
    if known and (known.state != "prepared" or label.state == "prepared"):
        return
    draft.change(ReturnUpdated, draft.current.model_copy(update={"label": label}))


def follow(draft: Draft, parcel: ParcelHeard) -> None:
    """Move what is on its way with its parcel. What is known already changes nothing.

    A scan from before the return was approved is of another journey. A retracted delivery takes
    nothing back: what was paid is paid.
    """
    scanned = parcel.handed_over_at or parcel.delivered_at
    if scanned is None or scanned < draft.current.requested_at:
        return
    if parcel.status == "returned":
        return
    _revive(draft)
    back = draft.current
    if back.status in ("requested", "rejected", "cancelled", "expired"):
        return
    to: UnitState = "in_transit"
    if parcel.delivered_at:
        to = "arrived"
    elif parcel.status == "failed":
        to = "lost"
    for line in back.lines:
        sources: Mapping[UnitState, tuple[UnitState, ...]] = {
            "in_transit": ("awaiting", "dropped_off"),
            "arrived": ("awaiting", "dropped_off", "in_transit", "lost"),
            "lost": ("in_transit", "dropped_off"),
        }
        for source in sources[to]:
            units = line.logistics.get(source, 0)
            if units and line.decision == "approved":
                back = _with_units(back, line.line_id, to, units, source)
    if back == draft.current:
        return
    _check_claim(draft, back)
    draft.change(ReturnUpdated, _moving(back, draft.now))
    payouts.settle(draft)


def _moving(back: Return, now: datetime) -> Return:
    return back.model_copy(update={"moved_at": now, "overdue": False})


def _revive(draft: Draft) -> None:
    """Take up a return that had expired: its goods come after all, for what they are worth now.

    Raises ReturnExceedsPurchase when others have asked for its units meanwhile.
    """
    back = draft.current
    if back.status != "expired":
        return
    revived = _decided(back, "approved", lambda line: line.decision == "expired")
    revived = revived.model_copy(update={"closed_at": None})
    draft.opened.check_left(_claimed_again(back, revived))
    draft.change(ReturnApproved, planned_again(draft.opened, revived), revived=True)


# --- time -----------------------------------------------------------------------------------------


def time_passes(draft: Draft) -> None:
    """Write down what time has done: nobody has sent anything, the money is late, or a person
    should look at what nobody decides on or what does not arrive."""
    back = draft.current
    if back.ship_by and back.ship_by <= draft.now:
        if back.status == "approved":
            expired = _ended(draft, "expired", lambda line: line.decision == "approved")
            draft.change(ReturnExpired, expired)
            payouts.give_back_extra(draft)
        else:
            _give_up_the_rest(draft)
    payouts.tell_lateness(draft)
    overdue_at = draft.current.overdue_at
    if overdue_at and overdue_at <= draft.now:
        told = draft.current.model_copy(update={"overdue": True})
        draft.change(ReturnOverdue, told)


def _give_up_the_rest(draft: Draft) -> None:
    """Wait no longer for units that nobody has sent while others came: they are short. Received
    later, they count again."""
    back = draft.current
    for line in back.lines:
        if line.unsent:
            back = _with_units(back, line.line_id, "short", line.unsent, "awaiting")
    if back != draft.current:
        draft.change(ReturnUpdated, back)
        payouts.settle(draft)
