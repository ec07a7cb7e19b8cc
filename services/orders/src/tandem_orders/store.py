"""Where orders keeps things: every key, condition and item of the service.

| what                           | pk                    | sk                     | read by        |
|--------------------------------|-----------------------|------------------------|----------------|
| order head                     | ORD#<order>           | HEAD                   | every call     |
| entry: order placed            | ORD#<order>           | PLACED                 | place again    |
| entry: a caller's command      | ORD#<order>           | KEY#<key>              | the same again |
| entry: another's event counted | ORD#<order>           | HEARD#<event>          | hear again     |
| entry: what followed           | ORD#<order>           | SEQ#<seq>              | history        |
| message that awaits its order  | ORD#<order>           | PARKED#<message>       | after placing  |
| claim: caller's key            | KEY#<key>             | CREATED                | create, answer |
| parcel head                    | SHP#<shipment>        | HEAD                   | every report   |
| entry: report of a scan        | SHP#<shipment>        | SCAN#<scan>#<report>   | report again   |
| entry: registered for an order | SHP#<shipment>        | REGISTERED#<order>#<f> | register again |
| entry: alarm of a silence      | SHP#<shipment>        | STALE#<since>          | watch          |
| entry: anything else           | SHP#<shipment>        | SEQ#<seq>              | history        |
| guest's order by contact       | CONTACT#<kind>#<hash> | ORDER#<order>          | claim          |
| customer by contact            | CONTACT#<kind>#<hash> | CUSTOMER               | place          |
| customer: preferences          | CUS#<customer>        | HEAD                   | notify         |
| customer: known by             | CUS#<customer>        | CONTACT#<kind>#<hash>  | erase          |
| entry: message to them         | CUS#<customer>        | NOTIFIED#<what>        | notify again   |
| timeline                       | TL#<customer>         | <occurred>#<event>     | timeline       |

Index `customer` (customer, placed_at): orders, newest first. Index `due` (due_shard, due_at): heads
that time does something to. Messages of senders are kept as `tandem_core.inbox` says. An order's id
follows from its sender's name for it, a parcel's from carrier, number and generation; so both are
found, and can be waited for, before they exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from tandem_core.clock import rfc3339
from tandem_core.cursors import cursor_of, plain_cursor
from tandem_core.due import due_attributes, due_heads
from tandem_core.events import Envelope, envelope_json, joined_objects
from tandem_core.identifiers import Identifier
from tandem_core.inbox import PARKED_DAYS, Inbox
from tandem_core.journal import (
    Claim,
    Entry,
    Fact,
    Head,
    Journal,
    LostRace,
    Origin,
    entry_of,
    head_of,
)
from tandem_core.problems import IdempotencyKeyReused, Missing
from tandem_core.settings import service_settings
from tandem_core.table import Item, Key, Page, Table, Value, every_page
from tandem_orders import order_facts, shipment_facts
from tandem_orders.notifications import NotificationRequested
from tandem_orders.order_facts import OrderFact
from tandem_orders.ordering import Draft, next_due
from tandem_orders.orders import Order
from tandem_orders.preferences import PreferencesChanged
from tandem_orders.scans import Scan
from tandem_orders.shipment_facts import ShipmentChange, ShipmentFact
from tandem_orders.shipments import Link, Shipment, blank, due_at
from tandem_orders.timeline import TimelineEntry

SOURCE = "tandem.orders"
_MAX_PAGES = 50
_BATCH_KEYS = 100


class OrderNotFound(Missing):
    code, title = "ORDER_NOT_FOUND", "There is no such order"


class ShipmentNotFound(Missing):
    code, title = "SHIPMENT_NOT_FOUND", "There is no such shipment"


class LoadedOrder(NamedTuple):
    """An order, None while it does not exist, and the items asked for beside it."""

    head: Head
    order: Order | None
    items: list[Item | None]

    @property
    def existing(self) -> Order:
        """Raises OrderNotFound."""
        if self.order is None:
            raise OrderNotFound(f"There is no order {self.head.subject}")
        return self.order


class LoadedShipment(NamedTuple):
    head: Head
    shipment: Shipment


def order_key(order_id: str) -> Key:
    return Key(f"ORD#{order_id}", "HEAD")


def placed_key(order_id: str) -> Key:
    return Key(f"ORD#{order_id}", "PLACED")


def command_key(order_id: str, callers_key: str) -> Key:
    return Key(f"ORD#{order_id}", f"KEY#{_digest(callers_key)}")


def heard_key(order_id: str, event_id: str) -> Key:
    return Key(f"ORD#{order_id}", f"HEARD#{event_id}")


def creation_key(callers_key: str) -> Key:
    return Key(f"KEY#{_digest(callers_key)}", "CREATED")


def shipment_key(shipment_id: str) -> Key:
    return Key(f"SHP#{shipment_id}", "HEAD")


def scan_key(shipment_id: str, scan: Scan) -> Key:
    return Key(f"SHP#{shipment_id}", f"SCAN#{scan.scan_id}#{scan.report_id}")


def registered_key(shipment_id: str, link: Link | None) -> Key:
    order_id, fulfillment_id = link.order if link else ("", "")
    return Key(f"SHP#{shipment_id}", f"REGISTERED#{order_id}#{fulfillment_id}")


def stale_key(shipment_id: str, since: datetime) -> Key:
    return Key(f"SHP#{shipment_id}", f"STALE#{since.isoformat()}")


def customer_key(customer_id: str) -> Key:
    return Key(f"CUS#{customer_id}", "HEAD")


def notified_key(customer_id: str, what: str) -> Key:
    return Key(f"CUS#{customer_id}", f"NOTIFIED#{what}")


def contact_key(contact: Identifier) -> Key:
    """Return the key of the customer that a contact is known to be of."""
    return Key(f"CONTACT#{contact.digest}", "CUSTOMER")


def addressee(contact: Identifier) -> str:
    """Return the name under which messages are kept that go to a contact, whoever has it."""
    return f"{contact.type}:{_digest(contact.value)}"


def _digest(value: str) -> str:
    """Keep personal data out of keys, which show up in logs and metrics."""
    return hashlib.sha256(value.encode()).hexdigest()[:40]


class Store:
    """The orders table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.journal = Journal(table)
        self.inbox = Inbox(table)

    # --- orders -------------------------------------------------------------------------------

    def load_order(self, order_id: str, *keys: Key) -> LoadedOrder:
        """Read an order and the items of `keys` in one call."""
        key = order_key(order_id)
        item, *found = self.table.get(key, *keys)
        head = head_of(key, order_id, item)
        order = Order.model_validate_json(head.state) if head.version else None
        return LoadedOrder(head, order, found)

    def load_orders(self, order_ids: Sequence[str]) -> list[LoadedOrder]:
        """Read up to 100 orders in one call; those that do not exist are left out."""
        items = self.table.get(*map(order_key, order_ids)) if order_ids else []
        heads = [
            head_of(order_key(order_id), order_id, item)
            for order_id, item in zip(order_ids, items, strict=True)
        ]
        return [
            LoadedOrder(head, Order.model_validate_json(head.state), [])
            for head in heads
            if head.version
        ]

    def append_order(
        self,
        head: Head,
        draft: Draft,
        origin: Origin,
        answer: tuple[OrderFact, Key] | None = None,
        claims: Sequence[Claim] = (),
    ) -> Entry | None:
        """Write the facts of a draft and the order after them; return the answer's entry."""
        answer_fact, answer_key = answer or (None, None)
        facts = [
            _fact(
                fact,
                answer_key
                if fact is answer_fact and answer_key
                else Key(head.key.pk, f"SEQ#{head.version + position}"),
            )
            for position, fact in enumerate(draft.facts, start=1)
        ]
        order = draft.placed
        entries = self.journal.append(
            head,
            order.model_dump_json(exclude_defaults=True),
            facts,
            origin,
            draft.now,
            answer=answer_key,
            indexes=_customer_index(order) | _due(head, next_due(order)),
            claims=claims,
        )
        for entry, fact in zip(entries, draft.facts, strict=True):
            if fact is answer_fact:
                return entry
        return None

    def order_entries(self, order_id: str) -> list[Entry]:
        """Return an order's journal, oldest first."""
        return self._entries(order_key(order_id).pk)

    def order_as_of(self, order_id: str, seq: int) -> tuple[Order, int]:
        """Return an order as an entry and what followed at once left it, and its version then."""
        first, *rest = self.order_entries(order_id)
        placed = order_fact_of(first)
        assert isinstance(placed, order_facts.OrderPlaced)  # noqa: S101  every journal begins so
        order, version = order_facts.placed_order(placed), first.seq
        for entry in rest:
            fact = order_fact_of(entry)
            if entry.seq > seq and not (entry.seq == seq + 1 and order_facts.settles(fact)):
                break
            order, version = order_facts.apply(order, fact), entry.seq
        return order, version

    def version_after(self, entry: Entry) -> int:
        """Return the version of an order after an entry and what followed at once."""
        (item,) = self.table.get(Key(entry.key.pk, f"SEQ#{entry.seq + 1}"))
        follows = item is not None and order_facts.settles(order_fact_of(entry_of(item)))
        return entry.seq + follows

    def orders_of(
        self, customer_id: str, limit: int, cursor: str | None
    ) -> tuple[list[LoadedOrder], str | None]:
        """Return a page of a customer's orders, newest first, and where the next one starts."""
        start: Item | None = None
        if cursor:
            placed_at, _, order_id = plain_cursor(cursor).partition("#")
            start = {"customer": customer_id, "placed_at": placed_at}
            start |= order_key(order_id)._asdict()
        page = self.table.query_page(
            "customer = :customer",
            {":customer": customer_id},
            index="customer",
            newest_first=True,
            limit=limit,
            start=start,
        )
        ids = [str(item["pk"]).removeprefix("ORD#") for item in page.items]
        loaded = self.load_orders(ids[:_BATCH_KEYS]) + self.load_orders(ids[_BATCH_KEYS:])
        after = page.next_key
        if after is None:
            return loaded, None
        last = str(after["pk"]).removeprefix("ORD#")
        return loaded, cursor_of(str(after["placed_at"]), last)

    # --- callers' keys ------------------------------------------------------------------------

    def claim_key(self, origin: Origin, created: str) -> None:
        """Keep a caller's key for what somebody else had created before. Raises LostRace."""
        if origin.key and not self.table.put_new(_claim_item(origin, created)):
            raise LostRace

    def kept_answer(self, origin: Origin) -> str | None:
        """Return the answer that a caller's key has got. Raises IdempotencyKeyReused."""
        (item,) = self.table.get(creation_key(origin.callers_key))
        if item is None:
            return None
        if "answer" not in item or item["request"] != origin.request:
            raise IdempotencyKeyReused
        return str(item["answer"])

    def keep_answer(self, origin: Origin, answer: str) -> str:
        """Keep the answer to a request that no journal records; return the first one given."""
        kept = self.table.put_new({**_claim_item(origin, ""), "answer": answer})
        return answer if kept else self.kept_answer(origin) or answer

    # --- guests -------------------------------------------------------------------------------

    def customer_of(self, items: Iterable[Item | None]) -> str | None:
        """Return the customer that the items of contact keys name, the first that does."""
        return next((str(item["customer_id"]) for item in items if item), None)

    def guest_claims(self, order_id: str, contacts: Sequence[Identifier]) -> list[Claim]:
        """Return the items by which a guest's order is found when its customer is known."""
        return [
            Claim({"pk": contact_key(contact).pk, "sk": f"ORDER#{order_id}", "order_id": order_id})
            for contact in contacts
        ]

    def link_contact(self, contact: Identifier, customer_id: str) -> None:
        key = contact_key(contact)
        self.table.put({"pk": customer_key(customer_id).pk, "sk": key.pk})
        self.table.put({**key._asdict(), "customer_id": customer_id})

    def unlink_contacts(self, customer_id: str) -> None:
        """Forget by what a customer is known, but for what is somebody else's by now."""
        own = customer_key(customer_id).pk

        def read(start: Item | None) -> Page:
            return self.table.query(
                "pk = :pk AND begins_with(sk, :contacts)",
                {":pk": own, ":contacts": "CONTACT#"},
                start=start,
            )

        for item in list(every_page(read, _MAX_PAGES)):
            key = Key(str(item["sk"]), "CUSTOMER")
            (link,) = self.table.get(key)
            if link and link["customer_id"] == customer_id:
                self.table.delete(key)
            self.table.delete(Key(own, str(item["sk"])))

    def guest_orders(self, contact: Identifier) -> Iterator[str]:
        """Yield the orders that were placed with a contact before its customer was known."""

        def read(start: Item | None) -> Page:
            return self.table.query(
                "pk = :pk AND begins_with(sk, :orders)",
                {":pk": contact_key(contact).pk, ":orders": "ORDER#"},
                start=start,
            )

        for item in every_page(read, _MAX_PAGES):
            yield str(item["order_id"])

    def forget_contact(self, contact: Identifier, order_id: str) -> None:
        self.table.delete(Key(contact_key(contact).pk, f"ORDER#{order_id}"))

    # --- parcels ------------------------------------------------------------------------------

    def load_shipment(self, shipment_id: str) -> LoadedShipment:
        """Raises ShipmentNotFound."""
        for loaded in self.load_shipments([shipment_id]):
            return loaded
        raise ShipmentNotFound(f"There is no shipment {shipment_id}")

    def load_shipments(self, shipment_ids: Sequence[str]) -> list[LoadedShipment]:
        """Read parcels; those that do not exist are left out."""
        found: list[LoadedShipment] = []
        for start in range(0, len(shipment_ids), _BATCH_KEYS):
            ids = shipment_ids[start : start + _BATCH_KEYS]
            for shipment_id, item in zip(ids, self.table.get(*map(shipment_key, ids)), strict=True):
                if item:
                    head = head_of(shipment_key(shipment_id), shipment_id, item)
                    found.append(LoadedShipment(head, Shipment.model_validate_json(head.state)))
        return found

    def parcels_of(
        self, carrier: str, tracking_number: str, scans: Sequence[Scan] = ()
    ) -> tuple[list[LoadedShipment], set[str]]:
        """Return the parcels that a number has meant, oldest first, and which of `scans` the first
        of them has recorded (as report ids).

        One call, and one more for each time that the number was given out again.
        """
        known: list[LoadedShipment] = []
        recorded: set[str] = set()
        empty: Shipment | None = blank(carrier, tracking_number)
        while empty is not None:
            keys = {scan.report_id: scan_key(empty.id, scan) for scan in scans}
            item, *entries = self.table.get(shipment_key(empty.id), *keys.values())
            recorded |= {
                report for report, entry in zip(keys, entries, strict=True) if entry is not None
            }
            if item is None and not known:
                break
            # A crash may have announced a parcel and not written it.
            head = head_of(shipment_key(empty.id), empty.id, item)
            shipment = Shipment.model_validate_json(head.state) if head.version else empty
            known.append(LoadedShipment(head, shipment))
            empty, scans = _next_parcel(shipment), ()
        return known, recorded

    def recorded(self, shipment_id: str, scans: Sequence[Scan]) -> set[str]:
        """Return the report ids of those scans that are recorded already."""
        known: set[str] = set()
        for start in range(0, len(scans), _BATCH_KEYS):
            chunk = scans[start : start + _BATCH_KEYS]
            items = self.table.get(*(scan_key(shipment_id, scan) for scan in chunk))
            known |= {
                scan.report_id for scan, item in zip(chunk, items, strict=True) if item is not None
            }
        return known

    def append_shipment(
        self,
        head: Head,
        shipment: Shipment,
        facts: Sequence[tuple[ShipmentFact, Key | None]],
        origin: Origin,
        now: datetime,
        answer: Key | None = None,
        claims: Sequence[Claim] = (),
    ) -> list[Entry]:
        """Write facts and the parcel after them. Facts without a key of their own are numbered."""
        return self.journal.append(
            head,
            shipment.model_dump_json(exclude_defaults=True),
            [
                _fact(fact, key or Key(head.key.pk, f"SEQ#{head.version + position}"))
                for position, (fact, key) in enumerate(facts, start=1)
            ],
            origin,
            now,
            answer=answer,
            indexes=_due(head, due_at(shipment)),
            claims=claims,
        )

    def shipment_entries(self, shipment_id: str) -> list[Entry]:
        """Return a parcel's journal, oldest first."""
        return self._entries(shipment_key(shipment_id).pk)

    def reports(self, shipment_id: str) -> list[Scan]:
        """Return every report of a parcel's scans."""
        facts = (shipment_fact_of(entry) for entry in self.shipment_entries(shipment_id))
        changes = (fact.report() for fact in facts if isinstance(fact, ShipmentChange))
        return [report for report in changes if report]

    # --- time ---------------------------------------------------------------------------------

    def due(self, now: datetime) -> Iterator[Key]:
        """Yield the heads that time may have done something to."""
        return due_heads(self.table, now)

    def postpone(self, head: Head, instant: datetime | None) -> None:
        """Move a head on in the index `due`. Raises LostRace."""
        indexes = {
            name: value for name, value in head.indexes.items() if not name.startswith("due_")
        } | _due(None, instant, head.subject)
        if indexes != head.indexes:
            self.journal.reindex(head, indexes)

    # --- messages that came before their order ------------------------------------------------

    def await_order(self, order_id: str, message_id: str, now: datetime) -> None:
        """Let a message wait for its order."""
        self.table.put(
            {
                "pk": order_key(order_id).pk,
                "sk": f"PARKED#{message_id}",
                "message_id": message_id,
                "ttl": int((now + timedelta(days=PARKED_DAYS)).timestamp()),
            }
        )

    def awaiting(self, order_id: str) -> list[tuple[Key, str]]:
        """Return the messages that wait for an order."""

        def read(start: Item | None) -> Page:
            return self.table.query(
                "pk = :pk AND begins_with(sk, :parked)",
                {":pk": order_key(order_id).pk, ":parked": "PARKED#"},
                start=start,
            )

        return [
            (Key(str(item["pk"]), str(item["sk"])), str(item["message_id"]))
            for item in every_page(read, _MAX_PAGES)
        ]

    def forget(self, key: Key) -> None:
        """Drop what was parked and has been handled."""
        self.table.delete(key)

    # --- the customer -------------------------------------------------------------------------

    def load_customer(self, customer_id: str, *keys: Key) -> tuple[Head, list[Item | None]]:
        """Read a customer's head, version 0 when nothing is known, and the items of `keys`."""
        key = customer_key(customer_id)
        item, *found = self.table.get(key, *keys)
        return head_of(key, customer_id, item), found

    def append_customer(
        self,
        head: Head,
        state: str,
        fact: NotificationRequested | PreferencesChanged,
        key: Key | None,
        origin: Origin,
        now: datetime,
    ) -> Entry:
        """Write what was decided for a customer. Raises LostRace."""
        told = _fact(fact, key or Key(head.key.pk, f"SEQ#{head.version + 1}"))
        (entry,) = self.journal.append(head, state, [told], origin, now, answer=told.key)
        return entry

    def customer_entries(self, customer_id: str) -> list[Entry]:
        return self._entries(customer_key(customer_id).pk)

    def put_timeline(self, customer_id: str, entry: TimelineEntry) -> None:
        """Write a line of a customer's timeline; harmless when repeated."""
        self.table.put(
            {
                "pk": f"TL#{customer_id}",
                "sk": f"{rfc3339(entry.occurred_at)}#{entry.id}",
                "entry": entry.model_dump_json(exclude_none=True),
            }
        )

    def timeline(
        self, customer_id: str, limit: int, cursor: str | None
    ) -> tuple[list[TimelineEntry], str | None]:
        """Return a page of a customer's timeline, newest first."""
        page = self.table.query_page(
            "pk = :pk AND sk < :before",
            {":pk": f"TL#{customer_id}", ":before": plain_cursor(cursor) if cursor else "9999"},
            newest_first=True,
            limit=limit,
        )
        entries = [TimelineEntry.model_validate_json(str(item["entry"])) for item in page.items]
        return entries, cursor_of(str(page.next_key["sk"])) if page.next_key else None

    def _entries(self, pk: str) -> list[Entry]:
        def read(start: Item | None) -> Page:
            return self.table.query("pk = :pk", {":pk": pk}, start=start)

        items = (item for item in every_page(read, _MAX_PAGES) if "seq" in item)
        return sorted(map(entry_of, items), key=lambda entry: entry.seq)


def creation_claim(origin: Origin, created: str) -> list[Claim]:
    """Return the claim that keeps a caller's key for what it created, wherever that is stored."""
    return [Claim(_claim_item(origin, created), IdempotencyKeyReused)] if origin.key else []


def _claim_item(origin: Origin, created: str) -> Item:
    return {
        **creation_key(origin.callers_key)._asdict(),
        "created": created,
        "request": origin.request,
    }


def check_creation(claimed: Item | None, created: str, origin: Origin) -> None:
    """Refuse a key that has created something else, or this from another request."""
    if claimed and (claimed["created"] != created or claimed.get("request") != origin.request):
        raise IdempotencyKeyReused


def order_fact_of(entry: Entry) -> OrderFact:
    return order_facts.fact_of(entry.type, joined_objects(entry.data, entry.private))


def shipment_fact_of(entry: Entry) -> ShipmentFact:
    return shipment_facts.fact_of(entry.type, joined_objects(entry.data, entry.private))


def envelope_of(entry: Entry) -> Envelope:
    """Return an entry as the event that it was published as."""
    return Envelope.model_validate_json(envelope_json(SOURCE, entry))


def _fact(
    fact: OrderFact | ShipmentFact | NotificationRequested | PreferencesChanged, key: Key
) -> Fact:
    return Fact(key, fact.type, fact.document(), fact.private_document())


def new_shipment(shipment: Shipment) -> LoadedShipment:
    """Return a parcel that nobody has told of yet."""
    return LoadedShipment(Head(shipment_key(shipment.id), shipment.id), shipment)


def _next_parcel(shipment: Shipment) -> Shipment | None:
    """Return the parcel, as yet blank, that has a parcel's number now."""
    successor = shipment.successor
    if successor is None:
        return None
    return blank(
        shipment.carrier, shipment.tracking_number, successor.generation, successor.starts_at
    )


def _customer_index(order: Order) -> dict[str, Value]:
    customer_id = order.customer.customer_id
    if customer_id is None:
        return {}
    return {"customer": customer_id, "placed_at": rfc3339(order.placed_at)}


def _due(head: Head | None, instant: datetime | None, subject: str = "") -> dict[str, Value]:
    """Return where the index `due` finds a head.

    An entry that is too early stays, unless nothing is due at all: it is looked at in vain once,
    and that is cheaper than moving it with every scan.
    """
    if instant is None:
        return {}
    at = rfc3339(instant)
    if head is not None and str(head.indexes.get("due_at", "9999")) <= at:
        at = str(head.indexes["due_at"])
    return due_attributes(head.subject if head else subject, at)


@lru_cache(maxsize=1)
def store() -> Store:
    """Return the process's store."""
    return Store(Table(service_settings().table))
