"""Parcels: what carriers report of them, and what merchants register."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from tandem_core.journal import LostRace, Origin, check_replay, entry_of, until_written
from tandem_core.table import Item, Key
from tandem_orders import generations, shipment_changes
from tandem_orders.carriers import canonical, canonical_number
from tandem_orders.fulfillments import Parcel
from tandem_orders.messages import ParcelReference, ParcelReport
from tandem_orders.scans import Scan
from tandem_orders.shipment_changes import Registration
from tandem_orders.shipment_facts import ShipmentFact, ShipmentRegistered
from tandem_orders.shipments import (
    ParcelIsOutbound,
    Shipment,
    blank,
    due_at,
    hear,
    needs_refold,
    unseen,
    with_seen,
)
from tandem_orders.statuses import EXCEPTIONS, HANDED_OVER, ShipmentStatus
from tandem_orders.store import (
    LoadedShipment,
    ShipmentNotFound,
    Store,
    check_creation,
    creation_claim,
    creation_key,
    new_shipment,
    registered_key,
    scan_key,
    shipment_fact_of,
    stale_key,
)

_UNDATED = datetime.min.replace(tzinfo=UTC)
# A provider's newest scans are looked for together with the parcel, in one call. Each is a read
# that is paid for, and a history is mostly known without reading it; so no more than are new.
_LOOKED_FOR = 2
# With the head and a few facts beside them, well within a transaction's hundred items.
_WRITTEN_AT_ONCE = 80


class Registered(NamedTuple):
    """A parcel as it was when it was registered."""

    fact: ShipmentRegistered
    version: int
    replayed: bool = False


def named(
    store: Store, references: Sequence[ParcelReference], order_id: str, now: datetime
) -> dict[tuple[str, str], Parcel]:
    """Return the parcels that an order means by carrier and number, as its senders write them."""
    found = {}
    for one in references:
        carrier, number = canonical(one.carrier), canonical_number(one.tracking_number)
        known, _ = store.parcels_of(carrier, number)
        generation, _ = generations.to_register(
            [each.shipment for each in known], order_id, None, now
        )
        found[one.carrier, one.tracking_number] = Parcel(
            shipment_id=blank(carrier, number, generation).id,
            carrier=carrier,
            tracking_number=number,
        )
    return found


def parcel_of(loaded: LoadedShipment) -> Parcel:
    """Return what an order wants to know of a parcel."""
    shipment = loaded.shipment
    status = shipment.status
    return Parcel(
        shipment_id=shipment.id,
        carrier=shipment.carrier,
        tracking_number=shipment.tracking_number,
        seen=loaded.head.version,
        handed_over=status in HANDED_OVER,
        delivered_at=shipment.delivered_at,
        returned=status is ShipmentStatus.RETURNED,
        exception=status in EXCEPTIONS,
    )


def register(  # noqa: PLR0913
    store: Store,
    carrier: str,
    tracking_number: str,
    told: Registration,
    origin: Origin,
    now: datetime,
) -> Registered:
    """Tell of a parcel, and of the order that it carries; scans that came earlier are its own.

    (parcel, order, fulfilment) is the business fact: whoever registers it again gets the first
    answer. What carries an order out is no return's parcel, whoever says so: a customer may well
    type the one number that they know. Raises ParcelIsOutbound and TooManyOrders.
    """
    carrier, tracking_number = canonical(carrier), canonical_number(tracking_number)
    link = told.link

    def attempt() -> Registered:
        known, _ = store.parcels_of(carrier, tracking_number)
        generation, starts_at = generations.to_register(
            [one.shipment for one in known],
            link.order_id if link else None,
            told.label_created_at,
            now,
        )
        loaded = _generation(
            store, known, carrier, tracking_number, generation, starts_at, origin, now
        )
        if told.is_return and loaded.shipment.links and not loaded.shipment.is_return:
            raise ParcelIsOutbound(f"{carrier} {tracking_number} carries an order to its customer")
        shipment_id = loaded.shipment.id
        key = registered_key(shipment_id, link)
        claim = [creation_key(origin.callers_key)] if origin.key else []
        recorded, *found = store.table.get(key, *claim)
        claimed = next(iter(found), None)
        if claimed and claimed["created"] != shipment_id and claimed["request"] == origin.request:
            # The number has been given out again since, and the answer is about the first parcel.
            (recorded,) = store.table.get(registered_key(str(claimed["created"]), link))
        else:
            check_creation(claimed, shipment_id, origin)
        if recorded:
            if claimed is None:
                store.claim_key(origin, shipment_id)
            return _as_registered(recorded, origin)
        after, fact = shipment_changes.register(loaded.shipment, told, now)
        facts: list[tuple[ShipmentFact, Key | None]] = []
        if fact is None:
            fact = _registered_again(loaded.shipment, told, now)
        facts.append((fact, key))
        after = _recounted(store, loaded, after, facts, now)
        claims = creation_claim(origin, shipment_id) if claimed is None else []
        entries = store.append_shipment(
            loaded.head, after, facts, origin, now, answer=key, claims=claims
        )
        return Registered(fact, entries[0].seq)

    return until_written(attempt)


def _registered_again(shipment: Shipment, told: Registration, now: datetime) -> ShipmentRegistered:
    """Return the fact of a registration that says nothing new, so that its repeat is known."""
    forgotten = shipment.model_copy(update={"links": (), "registered_at": None})
    _, fact = shipment_changes.register(forgotten, told, now)
    assert fact is not None  # noqa: S101  registered_at alone is new
    known = {"order_ids": shipment.order_ids, "links": shipment.named_links, "again": True}
    return fact.model_copy(update=known)


def _as_registered(item: Item, origin: Origin) -> Registered:
    entry = entry_of(item)
    check_replay(entry, origin)
    fact = shipment_fact_of(entry)
    assert isinstance(fact, ShipmentRegistered)  # noqa: S101  the key holds nothing else
    return Registered(fact, entry.seq, replayed=True)


def report_parcel(store: Store, report: ParcelReport, origin: Origin, now: datetime) -> None:
    """Add what a provider reports of a parcel: scans that are not recorded, estimates, the rest.

    One read and one write when all that is new is among the newest scans; no write without news.
    """
    carrier = canonical(report.carrier or report.provider)
    assert report.tracking_number is not None  # noqa: S101  the inbox has put the number in
    number = canonical_number(report.tracking_number)
    newest = sorted(report.scans, key=lambda one: one.occurred_at or _UNDATED, reverse=True)

    def attempt() -> None:
        known, recorded = store.parcels_of(carrier, number, newest[:_LOOKED_FOR])
        for part in generations.parts([one.shipment for one in known], report):
            if 1 < part.generation > len(known):
                # It is announced to the one before it, which may just have got its part.
                known, _ = store.parcels_of(carrier, number)
            loaded = _generation(
                store, known, carrier, number, part.generation, part.starts_at, origin, now
            )
            is_first = part.generation == 1
            _report_part(store, loaded, part, recorded if is_first else set(), newest, origin, now)

    until_written(attempt)


def _report_part(  # noqa: PLR0913
    store: Store,
    loaded: LoadedShipment,
    part: generations.Part,
    recorded: set[str],
    looked_for: Sequence[Scan],
    origin: Origin,
    now: datetime,
) -> None:
    report = part.report
    after, described = shipment_changes.describe(loaded.shipment, report, now)
    facts: list[tuple[ShipmentFact, Key | None]] = [(described, None)] if described else []
    fresh = _fresh(store, loaded, part, recorded, looked_for)
    written = fresh[:_WRITTEN_AT_ONCE]
    after = _recounted(store, loaded, hear(after, written), facts, now)
    for scan in written:
        after, change = shipment_changes.record(after, scan, now)
        facts.append((change, scan_key(after.id, scan)))
    if not facts:
        return
    if len(fresh) <= _WRITTEN_AT_ONCE:
        after = with_seen(after, report.provider, report.scans)
    store.append_shipment(loaded.head, after, facts, origin, now)
    if len(fresh) > _WRITTEN_AT_ONCE:
        # The rest of a very long history, as if it came in a message of its own.
        raise LostRace


def _fresh(
    store: Store,
    loaded: LoadedShipment,
    part: generations.Part,
    recorded: set[str],
    looked_for: Sequence[Scan],
) -> list[Scan]:
    """Return the scans of a message that are not recorded, oldest first."""
    candidates = unseen(loaded.shipment, part.report.provider, part.report.scans)
    known = set(recorded)
    if loaded.head.version:
        asked = (
            {scan.report_id for scan in looked_for[:_LOOKED_FOR]} if part.generation == 1 else set()
        )
        others = [scan for scan in candidates if scan.report_id not in asked]
        if others:
            known |= store.recorded(loaded.shipment.id, others)
    return [scan for scan in candidates if scan.report_id not in known]


def _recounted(
    store: Store,
    loaded: LoadedShipment,
    after: Shipment,
    facts: list[tuple[ShipmentFact, Key | None]],
    now: datetime,
) -> Shipment:
    """Compute the summary again from all reports, where other reports count now than before."""
    if not loaded.head.version or not needs_refold(loaded.shipment, after):
        return after
    recounted, change = shipment_changes.recount(after, store.reports(after.id), now)
    if change:
        facts.append((change, None))
    return recounted


def _generation(  # noqa: PLR0913
    store: Store,
    known: Sequence[LoadedShipment],
    carrier: str,
    tracking_number: str,
    generation: int,
    starts_at: datetime | None,
    origin: Origin,
    now: datetime,
) -> LoadedShipment:
    """Return the parcel of a number that is meant; one that is new is announced to the last one."""
    if generation <= len(known):
        return known[generation - 1]
    if known and starts_at is not None:
        previous = known[-1]
        after, fact = shipment_changes.recycle(previous.shipment, starts_at, now)
        store.append_shipment(previous.head, after, [(fact, None)], origin, now)
    return new_shipment(blank(carrier, tracking_number, generation, starts_at))


def current(store: Store, carrier: str, tracking_number: str) -> LoadedShipment:
    """Return the parcel that a number means now. Raises ShipmentNotFound."""
    known, _ = store.parcels_of(canonical(carrier), canonical_number(tracking_number))
    if not known:
        raise ShipmentNotFound(f"Nothing is known of {carrier} {tracking_number}")
    return known[-1]


def let_time_pass(store: Store, shipment_id: str, now: datetime) -> None:
    """Raise the alarm for a parcel that is overdue, once for each silence; look again later."""
    origin = Origin("tandem", "system")

    def attempt() -> None:
        loaded = store.load_shipment(shipment_id)
        shipment = loaded.shipment
        fact = shipment_changes.overdue(shipment, now)
        if fact is None or fact.stale_since is None:
            store.postpone(loaded.head, due_at(shipment))
            return
        key = stale_key(shipment_id, fact.stale_since)
        (recorded,) = store.table.get(key)
        if recorded is None:
            store.append_shipment(loaded.head, shipment, [(fact, key)], origin, now)
        else:
            store.postpone(loaded.head, None)

    until_written(attempt)
