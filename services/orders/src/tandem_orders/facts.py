"""Every event that orders publishes, with the model of its data."""

from __future__ import annotations

from pydantic import BaseModel

from tandem_core.values import Document
from tandem_orders import order_facts, shipment_facts
from tandem_orders.notifications import NotificationRequested
from tandem_orders.preferences import PreferencesChanged


class WebhookReceived(Document):
    """A sender's message was kept; its body stays in the inbox."""

    message_id: str
    source: str
    topic: str


PUBLISHED: dict[str, type[BaseModel]] = {
    **order_facts.FACTS,
    **shipment_facts.FACTS,
    "notification.requested": NotificationRequested,
    "preferences.changed": PreferencesChanged,
    "webhook.received": WebhookReceived,
}
