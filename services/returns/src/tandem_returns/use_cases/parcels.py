"""Labels for parcels on their way back: described, bought once, and told.

The seller's name for the parcel is written down before it is bought: whoever finds it after a crash
buys that one, and gets the label that was bought before.
"""

from __future__ import annotations

from datetime import datetime

from tandem_core.journal import Origin
from tandem_core.logs import logger
from tandem_returns import deciding
from tandem_returns.drafts import Draft
from tandem_returns.labels import Label, LabelOrder, Labels, LabelUnavailable
from tandem_returns.returns import LabelState, Parcel, Return, ReturnMoved
from tandem_returns.store import Store
from tandem_returns.use_cases.returns import change_return


def make_label(
    store: Store, return_id: str, labels: Labels | None, origin: Origin, now: datetime
) -> None:
    """Make the label of a return, once. What stands in its way for good is written down; what may
    pass raises LabelUnavailable, to come again."""
    back = store.load_return(return_id).back
    if back.label_wanted and (back.label is None or back.label.state == "prepared"):
        try:
            _make(store, back, labels, origin, now)
        except LabelUnavailable as unavailable:
            if unavailable.retry:
                raise
            logger().warning("no label", extra={"return_id": return_id, "why": unavailable.reason})
            reason = LabelState(state="unavailable", reason=unavailable.reason)
            _note(store, back, reason, origin, now)
    store.forget_address(back)


def _make(store: Store, back: Return, labels: Labels | None, origin: Origin, now: datetime) -> None:
    """Raises LabelUnavailable."""
    address = store.address_of(back)
    if not back.awaits_parcel:
        raise LabelUnavailable("not_needed", retry=False)
    if labels is None or address is None:
        raise LabelUnavailable("no_seller", retry=False)
    label = back.label
    if label is None:
        prepared = labels.prepare(LabelOrder(return_id=back.return_id, customer=address))
        label = LabelState(state="prepared", **prepared.model_dump())
        # Somebody else may have prepared one meanwhile: that is the one to buy.
        label = _note(store, back, label, origin, now) or label
    bought = labels.buy(label.shipment_reference, label.rate_reference)
    try:
        _add(store, back, bought, label, origin, now)
    except ReturnMoved as ended:
        raise LabelUnavailable("not_needed", retry=False) from ended


def _note(
    store: Store, back: Return, label: LabelState, origin: Origin, now: datetime
) -> LabelState | None:
    """Write down how far the label is; return how far it is."""
    changed = change_return(
        store,
        back.return_id,
        lambda draft: deciding.with_label(draft, label),
        origin,
        now,
    )
    return changed.back.label


def _add(
    store: Store, back: Return, bought: Label, label: LabelState, origin: Origin, now: datetime
) -> None:
    parcel = Parcel(carrier=bought.carrier, tracking_number=bought.tracking_number)
    after = label.model_copy(update={"state": "bought"})

    def decide(draft: Draft) -> None:
        deciding.add_parcel(draft, parcel, bought.label_url, after)

    change_return(
        store,
        back.return_id,
        decide,
        origin,
        now,
        claims=lambda changed: [store.label_claim(changed, bought.label_url, now)],
    )
