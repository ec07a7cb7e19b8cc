"""The verbs of loyalty: load, decide, append. All control flow is here; no HTTP, no keys' spelling.

Each write is one attempt that is run again when it was overtaken (`until_written`). A request that
was recorded before is answered from its entry before anything is decided again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

from tandem_core.identifiers import Identifier
from tandem_core.ids import derived_id
from tandem_core.journal import (
    Entry,
    Head,
    LostRace,
    Origin,
    check_key_unused,
    check_replay,
    entry_of,
    until_written,
)
from tandem_core.money import Money
from tandem_core.problems import Conflict, Forbidden, Missing, Problem, VersionConflict
from tandem_core.table import Key
from tandem_loyalty import earning, ledger, redemptions, reversals
from tandem_loyalty.accrual import Accrual
from tandem_loyalty.earning import Action, not_in_future
from tandem_loyalty.facts import (
    AccountEnrolled,
    AccountFact,
    Accrued,
    Redemption,
    RedemptionCaptured,
    RedemptionFact,
    RedemptionReversed,
    fact_of,
)
from tandem_loyalty.ledger import Draft, NotSettled
from tandem_loyalty.points import Account, Balance
from tandem_loyalty.programs import Program, ProgramDefinition
from tandem_loyalty.purchases import Purchase
from tandem_loyalty.store import (
    Loaded,
    Store,
    Stored,
    account_key,
    action_key,
    adjusted_key,
    authorized_key,
    closed_key,
    earned_key,
    enrolled_key,
    new_account,
    redemption_reversed_key,
    reversed_key,
)

F = TypeVar("F", bound=AccountFact)


class OrderAlreadyAccrued(Conflict):
    code, title = "ORDER_ALREADY_ACCRUED", "The order has earned points on another account"


class RedemptionNotFound(Missing):
    code, title = "REDEMPTION_NOT_FOUND", "There is no such redemption"


class OrderNotAccrued(Missing):
    code, title = "ORDER_NOT_ACCRUED", "The order has earned no points yet"


class Outcome(NamedTuple):
    """What a command has led to, and the account's version after it. `replayed` says that it was
    recorded before."""

    entry: Entry
    fact: AccountFact
    version: int
    replayed: bool = False


class AccountView(NamedTuple):
    """An account as time has left it, with what it is recognised by; `recorded` is as it was
    written last, at `recorded_at`."""

    account_id: str
    account: Account
    program: Program
    version: int
    identifiers: Sequence[Identifier]
    recorded: Account
    recorded_at: datetime
    replayed: bool = False


# --- programs -------------------------------------------------------------------------------------


def put_program(
    store: Store, program_id: str, definition: ProgramDefinition, origin: Origin, now: datetime
) -> Program:
    """Publish a new version, unless the program says the same already."""

    def attempt() -> Program:
        head, current = store.program_head(program_id)
        _check_version(origin, current.version if current else 0)
        program = Program(
            **definition.model_dump(), id=program_id, version=current.version + 1 if current else 1
        )
        if current and program == current.model_copy(update={"version": program.version}):
            return current
        store.publish_program(head, program, origin, now)
        return program

    return until_written(attempt)


# --- accounts -------------------------------------------------------------------------------------


def enrol(  # noqa: PLR0913  what an enrolment says
    store: Store,
    program_id: str,
    customer_id: str | None,
    identifiers: Sequence[Identifier],
    origin: Origin,
    now: datetime,
) -> AccountView:
    """Open an account. Its id follows from the caller and the key, so a repeat finds it."""
    account_id = derived_id("acc", origin.actor, origin.key)

    def attempt() -> AccountView:
        recorded = store.stored(enrolled_key(account_id))
        if recorded is not None:
            check_replay(recorded, origin)
            return _as_enrolled(store, recorded)
        program = store.program(program_id)
        head = Head(account_key(account_id), account_id)
        fact = AccountEnrolled(
            account_id=account_id,
            customer_id=customer_id,
            program=program.pin,
            occurred_at=now,
            balance=Balance(),
            postings={},
            identifiers=tuple(identifiers),
        )
        account = new_account(fact)
        draft = Draft(account_id, account, program, now, [fact])
        claims = store.enrolment(account_id, program_id, customer_id, identifiers)
        store.append(head, draft, origin, (fact, enrolled_key(account_id)), claims=claims)
        return AccountView(account_id, account, program, 1, identifiers, account, now)

    return until_written(attempt)


def _as_enrolled(store: Store, entry: Entry) -> AccountView:
    """Return an account as it was when it was opened, whatever has happened to it since."""
    fact = fact_of(entry.type, entry.data)
    assert isinstance(fact, AccountEnrolled)  # noqa: S101  the key holds nothing else
    loaded, identifiers = store.load_with_identifiers(entry.subject)
    account = new_account(fact)
    return AccountView(
        entry.subject,
        account,
        loaded.program,
        entry.seq,
        identifiers,
        account,
        fact.occurred_at,
        replayed=True,
    )


def get_account(store: Store, account_id: str, now: datetime) -> AccountView:
    """Return an account as it is at `now`. Raises AccountNotFound."""
    loaded, identifiers = store.load_with_identifiers(account_id)
    account = ledger.settled(account_id, loaded.account, loaded.program, now)
    return AccountView(
        account_id,
        account,
        loaded.program,
        loaded.head.version,
        identifiers,
        loaded.account,
        datetime.fromisoformat(loaded.head.at),
    )


def find_accounts(
    store: Store, identifier: Identifier | None, customer_id: str | None, now: datetime
) -> list[AccountView]:
    """Return the accounts, one per program, that belong to an identifier or a customer."""
    kind, value = (
        (identifier.type, identifier.value) if identifier else ("customer", customer_id or "")
    )
    return [get_account(store, found, now) for found in store.accounts_named(kind, value)]


def balance_at(store: Store, view: AccountView, instant: datetime, now: datetime) -> Balance:
    """Return the balance at any instant: as recorded then, or as time alone will make it."""
    account: Account | None = view.recorded
    if instant < min(view.recorded_at, now):
        account = store.account_at(view.account_id, instant)
    if account is None:
        return Balance()
    return ledger.settled(view.account_id, account, view.program, instant).balance


# --- earning --------------------------------------------------------------------------------------


def calculate(store: Store, account_id: str, purchase: Purchase, now: datetime) -> Accrual:
    """Return what a purchase would earn; nothing is written."""
    not_in_future("purchase.occurred_at", purchase.occurred_at, now)
    loaded = store.load(account_id)
    return earning.calculate(loaded.account, loaded.program, purchase)


def accumulate_purchase(
    store: Store, account_id: str, purchase: Purchase, origin: Origin, now: datetime
) -> Outcome:
    """Grant a purchase's points, once for each order, whoever reports it first.

    Raises OrderAlreadyAccrued when the order has earned on another account.
    """
    not_in_future("purchase.occurred_at", purchase.occurred_at, now)

    def same_account(entry: Entry) -> None:
        if entry.subject != account_id:
            raise OrderAlreadyAccrued(f"Order {purchase.order_id} has earned elsewhere")

    return _write(
        store,
        account_id,
        earned_key(purchase.order_id),
        origin,
        now,
        lambda draft: earning.accrue_purchase(draft, purchase),
        accept=same_account,
    )


def accumulate_action(
    store: Store, account_id: str, action: Action, origin: Origin, now: datetime
) -> Outcome:
    """Grant the points of an action, once for each reference."""
    if action.occurred_at:
        not_in_future("action.occurred_at", action.occurred_at, now)
    return _write(
        store,
        account_id,
        action_key(account_id, action.type, action.reference),
        origin,
        now,
        lambda draft: earning.accrue_action(draft, action, origin.channel),
    )


def adjust_points(  # noqa: PLR0913
    store: Store,
    account_id: str,
    points: int,
    reason: str,
    *,
    allow_negative: bool,
    origin: Origin,
    now: datetime,
) -> Outcome:
    return _write(
        store,
        account_id,
        adjusted_key(account_id, origin.callers_key),
        origin,
        now,
        lambda draft: ledger.adjust(draft, points, reason, allow_negative=allow_negative),
    )


def order_arrived(  # noqa: PLR0913
    store: Store,
    order_id: str,
    arrived_at: datetime,
    closes_at: datetime | None,
    origin: Origin,
    now: datetime,
) -> None:
    """Let an order's points mature when its return window closes. Raises OrderNotAccrued.

    Without effect when that is known already, so repeats need no key.
    """
    entry = store.stored(earned_key(order_id))
    if entry is None:
        raise OrderNotAccrued(f"Order {order_id} has earned no points yet")
    accrued = fact_of(entry.type, entry.data)
    assert isinstance(accrued, Accrued)  # noqa: S101  the key holds nothing else
    policy = store.pinned_program(accrued).pending_policy(accrued.channel)

    def attempt() -> None:
        loaded = store.load(entry.subject)
        draft = _settled_draft(store, loaded, entry.subject, now)
        arrived = earning.matures_after_arrival(draft, order_id, policy, arrived_at, closes_at)
        if arrived is not None:
            draft.settle()
            store.append(loaded.head, draft, origin)

    until_written(attempt)


def reverse_order(  # noqa: PLR0913
    store: Store,
    order_id: str,
    reversal_id: str,
    quantities: Mapping[str, int] | None,
    occurred_at: datetime,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Take back what lines of an order have earned; all that is left without `quantities`.

    One effect for each reversal id. Raises OrderNotAccrued, ReturnExceedsPurchase, and UnknownLine
    when none of the lines has earned.
    """
    earned = store.stored(earned_key(order_id))
    if earned is None:
        raise OrderNotAccrued(f"Order {order_id} has earned no points yet")
    key = reversed_key(order_id, reversal_id)

    def decide(draft: Draft) -> AccountFact:
        accrued, earlier = store.order_history(order_id)
        floor = store.pinned_program(accrued).limits.negative_floor
        units = reversals.units_that_earned(accrued, quantities)
        return reversals.reverse_lines(
            draft, accrued, earlier, reversal_id, units, occurred_at, floor
        )

    return _write(store, earned.subject, key, origin, now, decide)


# --- redemptions ----------------------------------------------------------------------------------


def authorize_redemption(  # noqa: PLR0913  what a till says about a hold
    store: Store,
    account_id: str,
    points: int,
    *,
    ttl_seconds: int,
    order_id: str | None,
    location_id: str | None,
    basket: Money | None,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Hold points. The redemption's id follows from account and key, so a repeat finds it."""
    redemption_id = derived_id("rdm", account_id, origin.actor, origin.key)
    return _write(
        store,
        account_id,
        authorized_key(redemption_id),
        origin,
        now,
        lambda draft: redemptions.authorize(
            draft,
            redemption_id,
            points,
            ttl_seconds=ttl_seconds,
            order_id=order_id,
            location_id=location_id,
            basket=basket,
        ),
    )


def capture_redemption(  # noqa: PLR0913
    store: Store,
    account_id: str,
    redemption_id: str,
    points: int | None,
    location_id: str | None,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Spend a hold. `location_id` is the store of a terminal; it closes holds of its own only."""
    return _close(
        store,
        account_id,
        redemption_id,
        location_id,
        origin,
        now,
        lambda draft: redemptions.capture(draft, redemption_id, points),
    )


def void_redemption(  # noqa: PLR0913
    store: Store,
    account_id: str,
    redemption_id: str,
    location_id: str | None,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Give a hold back. `location_id` is as for a capture."""
    return _close(
        store,
        account_id,
        redemption_id,
        location_id,
        origin,
        now,
        lambda draft: redemptions.void(draft, redemption_id),
    )


def reverse_redemption(  # noqa: PLR0913
    store: Store,
    account_id: str,
    redemption_id: str,
    reversal_id: str,
    points: int | None,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Give captured points back, all that is left by default; one effect for each reversal id."""
    key = redemption_reversed_key(redemption_id, reversal_id)

    def decide(draft: Draft) -> AccountFact:
        history = store.redemption_history(redemption_id)
        captured = _captured(history, account_id)
        earlier = [one.fact for one in history if isinstance(one.fact, RedemptionReversed)]
        return redemptions.reverse(draft, captured, earlier, points)

    return _write(store, account_id, key, origin, now, decide)


def restore_refunded(  # noqa: PLR0913
    store: Store,
    redemption_id: str,
    reversal_id: str,
    points: int,
    origin: Origin,
    now: datetime,
) -> Outcome:
    """Give back the points of a refund's leg, to whichever account had spent them."""
    entry = store.stored(authorized_key(redemption_id))
    if entry is None:
        raise RedemptionNotFound(f"There is no redemption {redemption_id}")
    return reverse_redemption(store, entry.subject, redemption_id, reversal_id, points, origin, now)


def get_redemption(store: Store, account_id: str, redemption_id: str, now: datetime) -> Redemption:
    """Return a redemption as it is at `now`. Raises RedemptionNotFound."""
    history = store.redemption_history(redemption_id)
    if not history or history[0].entry.subject != account_id:
        raise RedemptionNotFound
    latest = history[-1].fact
    assert isinstance(latest, RedemptionFact)  # noqa: S101  the partition holds nothing else
    redemption = latest.redemption
    if redemption.status == "AUTHORIZED" and redemption.expires_at <= now:
        return redemption.model_copy(update={"status": "EXPIRED"})
    return redemption


def _close(  # noqa: PLR0913
    store: Store,
    account_id: str,
    redemption_id: str,
    location_id: str | None,
    origin: Origin,
    now: datetime,
    decide: Callable[[Draft], AccountFact],
) -> Outcome:
    """Capture or void: a hold is closed once, and whoever comes later is told how."""

    def same_request(entry: Entry) -> None:
        if entry.subject != account_id:
            raise RedemptionNotFound
        if not origin.key or entry.origin.callers_key != origin.callers_key:
            _refuse_closed(entry)

    def decide_open(draft: Draft) -> AccountFact:
        if redemption_id not in draft.account.holds:
            lapsed = [
                fact
                for fact in draft.facts
                if isinstance(fact, RedemptionFact) and fact.redemption.id == redemption_id
            ]
            if lapsed:
                redemptions.refuse_closed(lapsed[0])
            raise RedemptionNotFound
        held_at = draft.account.holds[redemption_id].location_id
        if location_id and held_at not in (None, location_id):
            raise Forbidden(f"The hold belongs to {held_at}")
        return decide(draft)

    key = closed_key(redemption_id)
    return _write(store, account_id, key, origin, now, decide_open, accept=same_request)


def _refuse_closed(entry: Entry) -> None:
    fact = fact_of(entry.type, entry.data)
    assert isinstance(fact, RedemptionFact)  # noqa: S101  the key holds nothing else
    redemptions.refuse_closed(fact)


def _captured(history: Sequence[Stored], account_id: str) -> RedemptionCaptured:
    if not history or history[0].entry.subject != account_id:
        raise RedemptionNotFound
    for stored in history:
        if isinstance(stored.fact, RedemptionCaptured):
            return stored.fact
    raise redemptions.RedemptionNotCaptured


# --- what time has done ---------------------------------------------------------------------------


def lapse_hold(store: Store, account_id: str, redemption_id: str, now: datetime) -> None:
    """Write down that a hold has lapsed, unless it is closed already."""
    if redemption_id in store.load(account_id).account.holds:
        announce(store, account_id, now)


def announce(store: Store, account_id: str, now: datetime) -> int:
    """Write down, and so publish, what time has done to an account and what it will do soon.

    Returns the number of facts. Balances do not depend on it.
    """

    def attempt() -> int:
        loaded = store.load(account_id)
        draft = _settled_draft(store, loaded, account_id, now)
        ledger.remind(draft)
        if draft.facts:
            store.append(loaded.head, draft, _BY_TIME, announced=True)
        else:
            store.nothing_due(loaded.head, draft)
        return len(draft.facts)

    return until_written(attempt)


# --- the one write path ---------------------------------------------------------------------------


_BY_TIME = Origin("tandem", "system")


def _write(  # noqa: PLR0913  the parts of one write
    store: Store,
    account_id: str,
    key: Key,
    origin: Origin,
    now: datetime,
    decide: Callable[[Draft], AccountFact],
    accept: Callable[[Entry], None] = lambda _entry: None,
) -> Outcome:
    """Load, look for a replay, decide, append. `accept` may refuse what was recorded."""

    def replay(recorded: Entry) -> Outcome:
        accept(recorded)
        check_replay(recorded, origin)
        fact = fact_of(recorded.type, recorded.data)
        return Outcome(recorded, fact, replayed=True, version=recorded.seq)

    def attempt() -> Outcome:
        loaded = store.load(account_id, key)
        (item,) = loaded.items
        if item is not None:
            return replay(entry_of(item))
        try:
            check_key_unused(loaded.head, origin, key)
            _check_version(origin, loaded.head.version)
            draft = _settled_draft(store, loaded, account_id, now)
            fact = decide(draft)
        except Problem:
            # The first attempt may have been recorded since the key was looked up; then this is
            # its repeat, refused only because the first has changed the account.
            recorded = store.stored(key)
            if recorded is None:
                raise
            return replay(recorded)
        draft.settle()
        stored = store.append(loaded.head, draft, origin, (fact, key))
        assert stored is not None  # noqa: S101
        return Outcome(stored.entry, fact, version=loaded.head.version + len(draft.facts))

    return until_written(attempt)


def _settled_draft(store: Store, loaded: Loaded, account_id: str, now: datetime) -> Draft:
    """Return a draft in which time has passed. More than one write can carry is written first."""
    draft = Draft(account_id, loaded.account, loaded.program, now)
    try:
        draft.settle()
    except NotSettled as more:
        store.append(loaded.head, draft, _BY_TIME)
        raise LostRace from more
    return draft


def _check_version(origin: Origin, version: int) -> None:
    if origin.expected_version not in (None, version):
        raise VersionConflict(f"The resource is at version {version}", current_version=version)
