"""Refunds: asked for, followed until they are known, and told by those who pay them.

    reserved --(written down as submitted)--> provider --> (what it says is written down)
                     ^ crash                     ^ crash, time-out

Whoever finds a refund that was submitted asks what became of it, under the same id: the provider
says, or pays it then. So every step can be repeated and none is done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from tandem_core.journal import Origin
from tandem_core.logs import count, logger
from tandem_core.problems import Conflict
from tandem_returns import deciding, payouts
from tandem_returns.drafts import Draft
from tandem_returns.ids import return_of
from tandem_returns.payment_messages import RefundReport
from tandem_returns.payments import Provider, RefundOrder, RefundResult
from tandem_returns.returns import PERSON, Refund, RefundNotFound, Return, ReturnNotFound
from tandem_returns.store import Store
from tandem_returns.use_cases.returns import change_return

Providers = Callable[[str], Provider | None]


class RefundDiffers(Conflict):
    code = "REFUND_DIFFERS"
    title = "The provider speaks of another amount, or another payment, than was asked for"


# From so many questions without an answer on somebody has to look.
_UNKNOWN_FOR_LONG = 6


def pay(store: Store, refund_id: str, providers: Providers, origin: Origin, now: datetime) -> None:
    """Take a refund as far as it can go now. Raises ReturnNotFound, RefundNotFound."""
    return_id = return_of(refund_id)
    if return_id is None:
        raise ReturnNotFound(f"There is no refund {refund_id}")
    back = store.load_return(return_id).back
    refund = back.refund(refund_id)
    if refund.state not in payouts.OPEN or refund.is_for_people:
        return
    provider = providers(refund.tender)
    if provider is None:
        nobody = RefundResult(outcome="requires_action", provider=PERSON, reason="no_provider")
        _write(store, refund_id, nobody, origin, now)
        return
    is_ours = refund.state == "reserved" and _submit(store, refund, provider.name, origin, now)
    order = _order(back, refund)
    result = provider.refund(order) if is_ours else provider.ask(order)
    if differs(refund, result):
        result = RefundResult(outcome="unknown", provider=provider.name, reason="differs")
        count("refund_contradicted")
    _write(store, refund_id, result, origin, now)
    if result.outcome == "unknown" and refund.asked >= _UNKNOWN_FOR_LONG:
        count("refund_unknown_old")


def pay_each(
    store: Store,
    refund_ids: Iterable[str],
    providers: Providers,
    origin: Origin,
    now: datetime,
) -> None:
    """Take several refunds as far as they can go; one that fails does not keep the others."""
    failures: list[Exception] = []
    for refund_id in refund_ids:
        try:
            pay(store, refund_id, providers, origin, now)
        except Exception as failure:  # noqa: BLE001  the others must not wait for a bad one
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} refunds", failures)


def _submit(store: Store, refund: Refund, provider: str, origin: Origin, now: datetime) -> bool:
    """Write down that a refund is about to be asked for; tell whether that is for us to do, and
    not for another who was here first."""
    is_ours = False

    def decide(draft: Draft) -> None:
        nonlocal is_ours
        payouts.submitted(draft, refund.refund_id, provider)
        is_ours = bool(draft.facts)

    change_return(
        store,
        return_of(refund.refund_id) or "",
        decide,
        origin,
        now,
    )
    return is_ours


def _order(back: Return, refund: Refund) -> RefundOrder:
    return RefundOrder(
        refund_id=refund.refund_id,
        order_id=back.order_id,
        return_id=back.return_id,
        tender=refund.tender,
        amount=refund.paid,
        reference=refund.reference,
        customer_id=None if back.gift else back.customer_id,
    )


def differs(refund: Refund, told: RefundResult) -> bool:
    """Tell whether a provider speaks of another payment: of another amount, or by another name."""
    names = (refund.provider_reference, told.provider_reference)
    return told.paid not in (None, refund.paid) or (all(names) and names[0] != names[1])


def _write(
    store: Store,
    refund_id: str,
    result: RefundResult,
    origin: Origin,
    now: datetime,
    *,
    check: Callable[[Refund], None] = lambda _refund: None,
) -> None:
    """Write down what a provider says of a refund. `check` may refuse it. Raises ReturnNotFound,
    RefundNotFound."""

    def decide(draft: Draft) -> None:
        check(draft.current.refund(refund_id))
        if not payouts.resulted(draft, refund_id, result):
            logger().error(
                "a refund was told to be what it cannot be",
                extra={"refund_id": refund_id, "outcome": result.outcome},
            )
            count("refund_contradicted")

    change_return(
        store,
        return_of(refund_id) or "",
        decide,
        origin,
        now,
    )


def note_report(store: Store, report: RefundReport, origin: Origin, now: datetime) -> None:
    """Write down what a provider tells by itself. Raises RefundNotFound and RefundDiffers."""
    result = RefundResult(
        outcome=report.outcome,
        provider=report.provider,
        provider_reference=report.provider_reference,
        paid=report.paid,
        reason=report.reason,
    )

    def check(refund: Refund) -> None:
        if refund.provider not in ("", report.provider) or differs(refund, result):
            raise RefundDiffers(f"{refund.refund_id} is another payment than the one told")

    try:
        _write(store, report.refund_id, result, origin, now, check=check)
    except ReturnNotFound as unknown:
        raise RefundNotFound(f"There is no refund {report.refund_id}") from unknown


def let_time_pass(store: Store, return_id: str, providers: Providers, now: datetime) -> None:
    """Write down what time has done to a return, and ask for the refunds that are to be asked."""
    origin = Origin("tandem", "system")
    before = store.load_return(return_id).back
    after = change_return(store, return_id, deciding.time_passes, origin, now).back
    if after.late and not before.late:
        count("refund_late")
    if after.overdue and not before.overdue:
        count("return_overdue")
    asked = [one.refund_id for one in after.refunds if one.ask_at and one.ask_at <= now]
    pay_each(store, asked, providers, origin, now)
