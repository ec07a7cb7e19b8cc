"""A number's parcels as the service keeps them, in memory: the domain alone, step by step as the
use case takes it. Thousands of arrivals take seconds here."""

from __future__ import annotations

from datetime import datetime

from tandem_orders.generations import parts
from tandem_orders.messages import ParcelReport
from tandem_orders.scans import Scan
from tandem_orders.shipment_changes import describe, record, recount
from tandem_orders.shipment_views import display
from tandem_orders.shipments import Shipment, blank, hear, needs_refold, unseen, with_seen
from tandem_orders.zones import zone_of


class ParcelBook:
    """One parcel, with its reports by their identity."""

    def __init__(self, carrier: str, tracking_number: str, now: datetime) -> None:
        self.shipment = blank(carrier, tracking_number)
        self.reports: dict[str, Scan] = {}
        self._now = now
        self._known: list[Shipment] = []

    def take(self, report: ParcelReport) -> None:
        (part,) = parts(self._known, report)
        assert part.generation == 1
        described, _ = describe(self.shipment, part.report, self._now)
        listed = unseen(self.shipment, report.provider, report.scans)
        fresh = [scan for scan in listed if scan.report_id not in self.reports]
        after = hear(described, fresh)
        if needs_refold(self.shipment, after):
            after, _ = recount(after, list(self.reports.values()), self._now)
        for scan in fresh:
            self.reports[scan.report_id] = scan
            after, _ = record(after, scan, self._now)
        self.shipment = with_seen(after, report.provider, report.scans)
        self._known = [self.shipment]

    @property
    def head(self) -> str:
        """The head as it is stored, but for what it remembers of messages."""
        return self.shipment.model_copy(update={"seen": {}}).model_dump_json(exclude_defaults=True)

    @property
    def shown(self) -> str:
        zone = zone_of(self.shipment.destination)
        reports = self.reports.values()
        if zone is None:
            return display(self.shipment, reports, self._now).model_dump_json()
        return display(self.shipment, reports, self._now, zone).model_dump_json()
