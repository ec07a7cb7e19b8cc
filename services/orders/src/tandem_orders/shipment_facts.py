"""What can happen to a parcel: the documents of its journal, and the data of its events.

One model is both. What could name a person stands in top-level fields of its own, listed in
`private`, so that it can be kept beside the sealed document: `document` and `private_document`.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar

from tandem_core.clock import Instant
from tandem_core.values import Strict
from tandem_orders.messages import Estimate
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.shipments import Link
from tandem_orders.statuses import Reason, ShipmentStatus


class ShipmentFact(Strict):
    """What every fact says. `occurred_at` is when it happened, not when it was told.

    `status` is what the reports say after it, `previous_status` what they said before; neither is
    ever "expired" because of time alone. `handed_over_at` is the first scan with which the carrier
    surely had the parcel. One with `is_return` brings a customer's return: what is delivered of it
    has come to the merchant.
    """

    type: ClassVar[str]
    private: ClassVar[frozenset[str]] = frozenset()

    shipment_id: str
    carrier: str
    tracking_number: str
    generation: int
    order_ids: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    is_return: bool = False
    occurred_at: Instant
    status: ShipmentStatus
    previous_status: ShipmentStatus
    changed: bool = False
    reason: Reason | None = None
    sub_status: str | None = None
    handed_over_at: Instant | None = None
    delivered_at: Instant | None = None
    estimate: Estimate | None = None
    promised_by: date | None = None

    def document(self) -> str:
        """Return the JSON to seal: everything but personal data."""
        return self.model_dump_json(exclude=set(self.private))

    def private_document(self) -> str:
        """Return the JSON object of the personal data, or "" without any."""
        text = self.model_dump_json(include=set(self.private), exclude_none=True)
        return "" if text == "{}" else text


class ShipmentRegistered(ShipmentFact):
    """Somebody told of a parcel, or of one more order that it carries: `link`.

    `again` marks one that was known to carry the order: at most its fulfilment is news.
    """

    type = "shipment.registered"
    private = frozenset({"destination"})

    link: Link | None = None
    again: bool = False
    destination: Place | None = None
    label_created_at: Instant | None = None
    service: str | None = None
    registered_at: Instant


class ShipmentChange(ShipmentFact):
    """A report, or without one (`scan` None) a new estimate, a correction, a warning.

    `scan` is the report without `signed_by`, which stands beside it. `late` marks a report older
    than 48 hours when it came: nobody wants a message about that. `unmapped` marks a carrier's code
    that nobody has mapped, `quarantined` a report of an earlier parcel with the same number.
    """

    private = frozenset({"signed_by"})

    scan: Scan | None = None
    signed_by: str | None = None
    late: bool = False
    unmapped: bool = False
    quarantined: bool = False
    stale_since: Instant | None = None

    def report(self) -> Scan | None:
        """Return the report whole, as far as its personal data have not been erased."""
        if self.scan is None or self.signed_by is None:
            return self.scan
        return self.scan.model_copy(update={"signed_by": self.signed_by})


class ShipmentUpdated(ShipmentChange):
    type = "shipment.updated"


class ShipmentDelivered(ShipmentChange):
    """The parcel has become delivered (again, if the delivery was undone before)."""

    type = "shipment.delivered"


class ShipmentReturned(ShipmentChange):
    """The parcel is back with its sender."""

    type = "shipment.returned"


class ShipmentException(ShipmentChange):
    """Somebody has to look: see statuses.EXCEPTIONS; or nothing was heard since `stale_since`."""

    type = "shipment.exception"


FACTS: dict[str, type[ShipmentFact]] = {
    model.type: model
    for model in (
        ShipmentRegistered,
        ShipmentUpdated,
        ShipmentDelivered,
        ShipmentReturned,
        ShipmentException,
    )
}


def fact_of(kind: str, data: str) -> ShipmentFact:
    """Read a fact from its type and its document, with or without the personal data."""
    return FACTS[kind].model_validate_json(data)
