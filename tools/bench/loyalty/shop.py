"""A shop in front of loyalty: what customers buy there, and the events of their orders."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from tandem_core.clock import rfc3339
from tandem_loyalty import consumers
from tools.bench.front import Front, Repeat, delivery


@dataclass(slots=True)
class Shop(Front):
    receipts: int = 0

    def event(self, kind: str, data: Any) -> Repeat:
        """Prepare the delivery of another service's event."""
        envelope = {
            "specversion": "1.0",
            "id": f"evt_{uuid.uuid4()}",
            "source": "tandem.orders",
            "type": kind,
            "subject": data["order_id"],
            "time": rfc3339(self.now),
            "dataschema": f"urn:tandem:event:{kind}:1",
            "tandemseq": 1,
            "actor": "integration:web_shop",
            "channel": "web",
            "data": data,
        }
        return delivery(consumers.consume, envelope)

    def purchase(self, channel: str) -> dict[str, Any]:
        """Return a typical purchase: three lines; the order number is a receipt's or a UUID."""
        self.receipts += 1
        receipt = f"012-03-{self.now:%Y%m%d}-{self.receipts:05d}"
        return {
            "order_id": receipt if channel == "pos" else str(uuid.uuid4()),
            "channel": channel,
            "occurred_at": rfc3339(self.now),
            "lines": [
                {
                    "line_id": str(number),
                    "sku": f"4006381333{number:03d}",
                    "quantity": 1,
                    "paid": {"amount": amount, "currency": "EUR"},
                }
                for number, amount in enumerate((1299, 2495, 5990), start=1)
            ],
        }
