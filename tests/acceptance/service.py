"""The orders service as a sender sees it: what became of a message, once its queue is empty."""

from __future__ import annotations

from typing import Any, NamedTuple

from tandem_core.table import Key, _from_wire
from tests.service.orders_service import Orders
from tests.service.services import START, Reply
from tests.service.table_contents import contents


class Sent(NamedTuple):
    """`reason` is why a message was parked."""

    message_id: str
    outcome: str
    reason: str = ""


class Sender(NamedTuple):
    """All senders at once, and the staff of the retailer."""

    service: Orders

    def send(
        self, source: str, body: bytes, topic: str = "", headers: dict[str, str] | None = None
    ) -> Sent:
        """Send a message, signed, and let it be understood from the queue."""
        reply = self.service.send(source, body, topic, headers=headers)
        assert reply.status == 202, reply.body
        self.service.pump()
        return self.outcome(reply)

    def outcome(self, reply: Reply) -> Sent:
        message_id = str(reply.body["message_id"])
        if reply.body["state"] != "accepted":
            return Sent(message_id, reply.body["state"])
        for parked in self.service.parked():
            if parked["message_id"] == message_id:
                return Sent(message_id, "parked", parked["reason"])
        waits = any(sk == f"PARKED#{message_id}" for _, sk in contents(self.service))
        return Sent(message_id, "waiting" if waits else "understood")

    def order(self, source: str, external_id: str) -> Any:
        """Return an order by its sender's name for it, None when there is none."""
        query = {"source": source, "external_id": external_id}
        reply = self.service.call("GET", "/orders", query=query)
        assert reply.status == 200, reply.body
        return next(iter(reply.body["orders"]), None)

    def parcel(self, carrier: str, tracking_number: str) -> Any:
        """Return the parcel that a number means, None when there is none."""
        query = {"carrier": carrier, "tracking_number": tracking_number}
        reply = self.service.call("GET", "/shipments", query=query)
        assert reply.status in {200, 404}, reply.body
        return reply.body if reply.status == 200 else None

    def heads(self, kind: str) -> list[Any]:
        """Return the heads of a kind of aggregate, as they are stored."""
        return [
            _from_wire(item)
            for (pk, sk), item in sorted(contents(self.service).items())
            if pk.startswith(f"{kind}#") and sk == "HEAD"
        ]


def forget(service: Orders) -> None:
    """Take everything out of the service's table, and set its clock back."""
    table = service.store.table
    for pk, sk in contents(service):
        table.delete(Key(pk, sk))
    service.published.clear()
    service.now = START
