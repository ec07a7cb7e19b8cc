"""How facts change an account, and what time alone does to it.

`apply` is the only place where an account changes: the state is the fold of its facts, and folding
a journal again gives the state that was stored. `settle` lets time pass: pending points mature,
lots end and holds lapse at their own instants, in their order, however late somebody looks. Looking
twice on the way gives the same as looking once at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from tandem_loyalty.facts import (
    AccountFact,
    Accrued,
    LedgerAccount,
    PointsActivated,
    PointsAdjusted,
    PointsExpired,
    PointsExpiring,
    PointsPending,
    PointsRescheduled,
    PointsReversed,
    Redemption,
    RedemptionAuthorized,
    RedemptionCaptured,
    RedemptionExpired,
    RedemptionFact,
    RedemptionVoided,
)
from tandem_loyalty.points import (
    PERIODS_REMEMBERED,
    Account,
    Balance,
    Hold,
    InsufficientPoints,
    PendingPoints,
    give,
    restore,
    take,
)
from tandem_loyalty.programs import Program

# What one write may carry beside its own fact; a transaction has room for 100 items.
MAX_STEPS = 85
_REMINDERS = 10

F = TypeVar("F", bound=AccountFact)


class NotSettled(Exception):
    """More has become due than one write can carry; settle in several writes first."""


def apply(account: Account, fact: AccountFact) -> Account:
    """Return the account after a fact."""
    change: dict[str, Any] = {}
    if fact.lots:
        lots = dict(account.lots)
        for lot, points in fact.lots.items():
            lots[lot] = lots.get(lot, 0) + points
        change["lots"] = {lot: points for lot, points in lots.items() if points}
    postings = fact.postings
    if "owed" in postings:
        change["owed"] = account.owed - postings["owed"]
    granted = -postings.get("issuance", 0) - postings.get("adjustment", 0)
    if granted:
        change["lifetime_points"] = account.lifetime_points + granted
    idle_until = getattr(fact, "idle_until", None)
    if idle_until:
        change["idle_until"] = max(account.idle_until, idle_until)
    match fact:
        case Accrued():
            change |= _accrued(account, fact)
        case PointsRescheduled() | PointsActivated() | PointsReversed():
            change |= _order_changed(account, fact)
        case PointsExpiring():
            change["reminded"] = fact.last_day
        case RedemptionAuthorized():
            change["holds"] = {**account.holds, fact.redemption.id: _hold(fact)}
        case RedemptionCaptured() | RedemptionVoided() | RedemptionExpired():
            change["holds"] = _without(account.holds, fact.redemption.id)
    return account.model_copy(update=change)


def fold(account: Account, facts: Iterable[AccountFact]) -> Account:
    for fact in facts:
        account = apply(account, fact)
    return account


@dataclass(slots=True)
class Draft:
    """An account on its way through one decision. Facts are recorded and applied one by one."""

    account_id: str
    account: Account
    program: Program
    now: datetime
    facts: list[AccountFact] = field(default_factory=list)

    @property
    def today(self) -> date:
        return self.program.local_date(self.now)

    def record(  # noqa: PLR0913  the movements of a double entry
        self,
        kind: type[F],
        *,
        lots: Mapping[str, int] | None = None,
        pending: int = 0,
        held: int = 0,
        owed: int = 0,
        program: Mapping[LedgerAccount, int] | None = None,
        occurred_at: datetime | None = None,
        **details: Any,
    ) -> F:
        """Record what has happened. `owed` is by how much more is owed now; `program` holds the
        postings of the program's accounts."""
        available = sum((lots or {}).values())
        postings: dict[LedgerAccount, int] = {
            "available": available,
            "pending": pending,
            "held": held,
            "owed": -owed,
        }
        postings.update(program or {})
        fact = kind(
            account_id=self.account_id,
            customer_id=self.account.customer_id,
            program=self.program.pin,
            occurred_at=occurred_at or self.now,
            points=available + pending - owed,
            balance=Balance(),
            postings={name: points for name, points in postings.items() if points},
            lots={lot: points for lot, points in (lots or {}).items() if points} or None,
            **details,
        )
        self.account = apply(self.account, fact)
        fact = fact.model_copy(update={"balance": self.account.balance})
        self.facts.append(fact)
        return fact

    def settle(self, limit: int = MAX_STEPS) -> None:
        """Let time pass until now. Raises NotSettled when more than `limit` facts are due."""
        steps = 0
        while due := _next_due(self.account, self.program, self.now):
            if steps == limit:
                raise NotSettled
            steps += 1
            self._let_pass(*due)

    def _let_pass(self, at: datetime, what: str, name: str) -> None:
        if what == "hold":
            hold = self.account.holds[name]
            lots = restore(self.account, self.program, hold.lots, self.program.local_date(at))
            kept, paid = give(self.account, lots)
            redemption = Redemption.of_hold(self.account_id, name, hold, "EXPIRED")
            self.record(
                RedemptionExpired,
                lots=kept,
                held=-hold.points,
                owed=-paid,
                occurred_at=at,
                redemption=redemption,
            )
        elif what == "pending":
            order = self.account.pending[name]
            kept, paid = give(self.account, {order.last_day: order.points})
            self.record(
                PointsActivated,
                lots=kept,
                pending=-order.points,
                owed=-paid,
                occurred_at=at,
                order_id=name,
            )
        else:
            ended = self.account.lots[name]
            self.record(
                PointsExpired,
                lots={name: -ended},
                program={"expiry": ended},
                occurred_at=at,
                last_day=self.account.ends_on(name),
            )


def settled(account_id: str, account: Account, program: Program, now: datetime) -> Account:
    """Return the account as time has left it, without writing anything down."""
    if _next_due(account, program, now) is None:
        return account
    draft = Draft(account_id, account, program, now)
    draft.settle(limit=1_000_000)
    return draft.account


def remind(draft: Draft) -> None:
    """Announce, once for each lot, points that end within the program's reminder days.

    At most `_REMINDERS` at once; the index `due` brings the account back for the rest.
    """
    until = (draft.today + timedelta(days=draft.program.reminder_days)).isoformat()
    soon = [
        lot
        for lot in draft.account.by_ending(draft.account.lots)
        if draft.account.reminded < draft.account.ends_on(lot) <= until
    ]
    for lot in soon[:_REMINDERS]:
        last_day = draft.account.ends_on(lot)
        draft.record(PointsExpiring, last_day=last_day, expiring=draft.account.lots[lot])


def due_at(account: Account, program: Program) -> datetime | None:
    """Return the instant at which something is to be announced next, or None.

    Holds are not among it: they are announced by a delayed message (see consumers.lapse).
    """
    instants = [order.matures_at for order in account.pending.values()]
    for lot in account.lots:
        last_day = account.ends_on(lot)
        if last_day != "never":
            day = date.fromisoformat(last_day)
            if account.reminded < last_day:
                day -= timedelta(days=program.reminder_days + 1)
            instants.append(program.end_of(day))
    return min(instants, default=None)


def adjust(draft: Draft, points: int, reason: str, *, allow_negative: bool) -> PointsAdjusted:
    """Grant or take points by hand. Raises InsufficientPoints."""
    program = draft.program
    if points > 0:
        idle_until = program.idle_until(draft.today) or None
        kept, paid = give(draft.account, {program.last_day(draft.today): points})
        return draft.record(
            PointsAdjusted,
            lots=kept,
            owed=-paid,
            program={"adjustment": -points},
            reason=reason,
            idle_until=idle_until,
        )
    available = draft.account.balance.available
    taken, missing = take(draft.account, -points)
    if missing and not allow_negative:
        raise InsufficientPoints(-points, available)
    return draft.record(
        PointsAdjusted,
        lots={lot: -part for lot, part in taken.items()},
        owed=missing,
        program={"adjustment": -points},
        reason=reason,
    )


def _next_due(
    account: Account, program: Program, now: datetime
) -> tuple[datetime, str, str] | None:
    """Return the earliest thing that has become due: when, what, which. Ties: holds first, then
    what matures, then what ends, so that points maturing on their last instant still end."""
    due: list[tuple[datetime, int, str, str]] = [
        (hold.expires_at, 0, "hold", name)
        for name, hold in account.holds.items()
        if hold.expires_at <= now
    ]
    due += [
        (order.matures_at, 1, "pending", name)
        for name, order in account.pending.items()
        if order.matures_at <= now
    ]
    if account.lots:
        today = program.local_date(now).isoformat()
        due += [
            (program.end_of(date.fromisoformat(account.ends_on(lot))), 2, "lot", lot)
            for lot in account.lots
            if account.ends_on(lot) < today
        ]
    if not due:
        return None
    at, _, what, name = min(due)
    return at, what, name


def _accrued(account: Account, fact: Accrued) -> dict[str, Any]:
    change: dict[str, Any] = {}
    if isinstance(fact, PointsPending) and fact.order_id and fact.granted:
        order = PendingPoints(
            points=fact.granted, matures_at=fact.matures_at, last_day=fact.last_day
        )
        change["pending"] = {**account.pending, fact.order_id: order}
    if fact.action and fact.period is not None:
        counts = _counted(account.actions.get(fact.action, {}), fact.period, 1)
        change["actions"] = {**account.actions, fact.action: counts}
    if fact.counted_on:
        change["granted_on"] = _counted(account.granted_on, fact.counted_on, fact.granted)
    return change


def _counted(counts: Mapping[str, int], period: str, more: int) -> dict[str, int]:
    """Count something in a period; the oldest periods are forgotten (see points.is_forgotten)."""
    after = {**counts, period: counts.get(period, 0) + more}
    return dict(sorted(after.items())[-PERIODS_REMEMBERED:])


def _order_changed(
    account: Account, fact: PointsRescheduled | PointsActivated | PointsReversed
) -> dict[str, Any]:
    order = account.pending.get(fact.order_id)
    if order is None:
        return {}
    if isinstance(fact, PointsRescheduled):
        order = order.model_copy(update={"matures_at": fact.matures_at, "delivered": True})
    else:
        order = order.model_copy(update={"points": order.points + fact.postings.get("pending", 0)})
    if not order.points:
        return {"pending": _without(account.pending, fact.order_id)}
    return {"pending": {**account.pending, fact.order_id: order}}


def _hold(fact: RedemptionFact) -> Hold:
    redemption = fact.redemption
    return Hold(
        points=redemption.points,
        lots={lot: -points for lot, points in (fact.lots or {}).items()},
        authorized_at=redemption.authorized_at,
        expires_at=redemption.expires_at,
        value=redemption.value,
        order_id=redemption.order_id,
        location_id=redemption.location_id,
    )


def _without(items: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in items.items() if key != name}
