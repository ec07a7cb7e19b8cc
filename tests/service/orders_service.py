"""The orders service in one process: requests, signed messages of senders, and its own events.

Events go the way that the template gives them: a rule's pattern decides which function hears what.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tandem_core import secrets
from tandem_core.clock import rfc3339
from tandem_core.events import Envelope, envelope_json
from tandem_core.journal import Entry, entry_of, verify_chain
from tandem_core.table import Table, _from_wire
from tandem_orders import consumers, main
from tandem_orders import store as store_module
from tandem_orders.store import SOURCE, Store
from tests.service.services import Reply, Service, client, running, tell_time
from tests.service.table_contents import contents
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
SECRETS = "orders-secrets"
PUBLIC_URL = "https://tandem.example"
# By the queue's rule in the template.
_QUEUES = {
    "InboxRule": "normalise",
    "EventsRule": "consume",
    "TimelineRule": "chronicle",
    "NotificationsRule": "notify",
}
_MAX_ROUNDS = 15
SENDERS = (
    "shopify woocommerce square amazon easypost aftership shippo ups fedex usps dhl_express dpd"
).split()


@dataclass
class Orders(Service[Store]):
    """Everybody's view of the service: callers, senders, the bus, and a clock that stands still."""

    app = main.app

    published: dict[str, Envelope] = field(default_factory=dict)

    # --- callers ------------------------------------------------------------------------------

    def place(self, external_id: str = "1001", **changes: Any) -> Reply:
        """Place an order of two lines: two shoes and one hat."""
        options = {name: changes.pop(name) for name in _OPTIONS if name in changes}
        body = new_order(self.now, external_id, **changes)
        return self.call("POST", "/orders", body, **options)

    def placed(self, external_id: str = "1001", **changes: Any) -> str:
        reply = self.place(external_id, **changes)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def order(self, order_id: str, **options: Any) -> Any:
        reply = self.call("GET", "/orders/{order_id}", order_id=order_id, **options)
        assert reply.status == 200, reply.body
        return reply.body

    def cancel(self, order_id: str, body: Any = None, **options: Any) -> Reply:
        body = {"reason": "changed their mind"} if body is None else body
        return self.call("POST", "/orders/{order_id}/cancel", body, order_id=order_id, **options)

    def fulfil(self, order_id: str, kind: str = "ship", **changes: Any) -> Reply:
        """Send everything on its way, unless `lines` says otherwise."""
        options = {name: changes.pop(name) for name in _OPTIONS if name in changes}
        if kind == "pickup":
            changes.setdefault("store_id", "store_12")
        body = {"type": kind, "lines": units({"1": 2, "2": 1}), **changes}
        route = "/orders/{order_id}/fulfillments"
        return self.call("POST", route, body, order_id=order_id, **options)

    def fulfilled(self, order_id: str, kind: str = "ship", **changes: Any) -> str:
        reply = self.fulfil(order_id, kind, **changes)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def move(self, order_id: str, fulfillment_id: str, to: str, **changes: Any) -> Reply:
        options = {name: changes.pop(name) for name in _OPTIONS if name in changes}
        return self.call(
            "POST",
            "/orders/{order_id}/fulfillments/{fulfillment_id}/transition",
            {"to": to, **changes},
            order_id=order_id,
            fulfillment_id=fulfillment_id,
            **options,
        )

    def moved(self, order_id: str, fulfillment_id: str, *states: str, **changes: Any) -> None:
        for state in states:
            reply = self.move(order_id, fulfillment_id, state, **changes)
            assert reply.status == 200, reply.body

    def shipment(self, shipment_id: str, **options: Any) -> Any:
        route = "/shipments/{shipment_id}"
        reply = self.call("GET", route, shipment_id=shipment_id, **options)
        assert reply.status == 200, reply.body
        return reply.body

    def timeline(self, customer_id: str = "cus_1", **query: str) -> list[Any]:
        reply = self.call(
            "GET",
            "/customers/{customer_id}/timeline",
            customer_id=customer_id,
            role="staff",
            query={"limit": "200", **query},
        )
        assert reply.status == 200, reply.body
        entries: list[Any] = reply.body["entries"]
        return entries

    def parked(self) -> list[Any]:
        reply = self.call("GET", "/inbox", role="staff", subject="amy")
        assert reply.status == 200, reply.body
        messages: list[Any] = reply.body["messages"]
        return messages

    def replay(self, **body: Any) -> Reply:
        return self.call("POST", "/inbox/replay", body, role="staff", subject="amy")

    # --- senders ------------------------------------------------------------------------------

    def send(
        self,
        source: str,
        body: Any,
        topic: str = "",
        *,
        headers: dict[str, str] | None = None,
        secret: str | None = None,
        signed_at: datetime | None = None,
    ) -> Reply:
        """Send a message as its sender would: signed, as bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        at = signed_at or self.now
        sent = {**topic_headers(source, topic), **(headers or {})}
        sent |= signature(source, raw, secret or f"local-{source}-secret", at)
        sent["Host"] = "tandem.example"
        return self.call(
            "POST",
            "/webhooks/{source}",
            role=None,
            key="",
            raw=raw,
            headers=sent,
            source=source,
        )

    def said(self, source: str, body: Any, topic: str = "", **options: Any) -> str:
        """Send a message that is accepted; return its id."""
        reply = self.send(source, body, topic, **options)
        assert (reply.status, reply.body["state"]) == (202, "accepted"), reply.body
        return str(reply.body["message_id"])

    # --- the bus ------------------------------------------------------------------------------

    def pump(self, *, times: int = 1) -> list[Envelope]:
        """Carry what was recorded to whoever listens, until nothing new happens; each event
        `times` times. Returns the new events in the order in which they were recorded."""
        new: list[Envelope] = []
        for _ in range(_MAX_ROUNDS):
            fresh = self.unpublished()
            if not fresh:
                return new
            for envelope in fresh:
                self.published[envelope.id] = envelope
                for _ in range(times):
                    assert self.deliver(envelope) == []
            new += fresh
        raise AssertionError("the service does not come to rest")

    def unpublished(self) -> list[Envelope]:
        """What the relay has not carried yet, oldest first."""
        entries = [entry for entry in self.journal() if entry.id not in self.published]
        return [
            Envelope.model_validate_json(envelope_json(SOURCE, entry))
            for entry in sorted(entries, key=lambda one: (one.at, one.subject, one.seq))
        ]

    def deliver(self, *envelopes: Envelope) -> list[str]:
        """Deliver events, as one batch to each queue whose rule asks for them; return the ids of
        those that failed."""
        failed = []
        for queue, pattern in rules().items():
            wanted = [one for one in envelopes if matches(pattern, one)]
            if wanted:
                function = getattr(consumers, queue)
                answer = function({"Records": [record(one) for one in wanted]}, None)
                failed += [str(one["itemIdentifier"]) for one in answer["batchItemFailures"]]
        return failed

    def hear(self, source: str, kind: str, data: Any, event_id: str | None = None) -> None:
        """Deliver an event of another service."""
        failed = self.deliver(
            Envelope(
                specversion="1.0",
                id=event_id or f"evt_{next(self.keys)}",
                source=f"tandem.{source}",
                type=kind,
                subject=str(data.get("account_id", "")),
                time=rfc3339(self.now),
                dataschema=f"urn:tandem:event:{kind}:1",
                tandemseq=1,
                actor="system",
                channel="web",
                data=data,
            )
        )
        assert failed == []

    def watch(self) -> dict[str, int]:
        """Let the schedule run."""
        counts: dict[str, int] = consumers.watch({}, None)
        return counts

    # --- what is stored -----------------------------------------------------------------------

    def journal(self) -> list[Entry]:
        """Every entry of the table."""
        items = contents(self).values()
        return [entry_of(_from_wire(item)) for item in items if "seq" in item]

    def entries(self, subject: str) -> list[Entry]:
        """The journal of an aggregate, oldest first; its chain holds."""
        found = [entry for entry in self.journal() if entry.subject == subject]
        found.sort(key=lambda entry: entry.seq)
        verify_chain(found)
        return found

    def kinds(self, subject: str) -> list[str]:
        return [entry.type for entry in self.entries(subject)]

    def notifications(self) -> list[Any]:
        """Every message that was asked for, oldest first, as the bus would tell of it."""
        asked = [entry for entry in self.journal() if entry.type == "notification.requested"]
        asked.sort(key=lambda entry: entry.at)
        return [json.loads(envelope_json(SOURCE, entry))["data"] for entry in asked]

    def milestones(self) -> list[str]:
        return [str(one["milestone"]) for one in self.notifications()]

    def secrets_are(self, **webhooks: Any) -> None:
        """Change the secret, and let the process read it again."""
        value = json.dumps({"tracking": "local-tracking-secret", "webhooks": webhooks})
        client("secretsmanager").put_secret_value(SecretId=SECRETS, SecretString=value)
        secrets.secrets_provider.cache_clear()


_OPTIONS = ("role", "subject", "key", "scope", "headers", "raw")


def orders_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Orders]:
    indexes = {
        "customer": ("customer", "placed_at", "KEYS_ONLY"),
        "due": ("due_shard", "due_at", "KEYS_ONLY"),
        "inbox": ("inbox_day", "at", "KEYS_ONLY"),
    }
    environment = {"TANDEM_SECRETS": SECRETS, "TANDEM_PUBLIC_URL": PUBLIC_URL}
    cached = [store_module.store, secrets.secrets_provider]
    with running(monkeypatch, "orders", indexes, cached, environment):
        client("secretsmanager").create_secret(Name=SECRETS, SecretString="{}")
        service = Orders(Store(Table("orders-test")))
        service.secrets_are(**{source: f"local-{source}-secret" for source in SENDERS})
        tell_time(monkeypatch, lambda: service.now, consumers)
        yield service


# --- what is sent ---------------------------------------------------------------------------------


def new_order(now: datetime, external_id: str = "1001", **changes: Any) -> dict[str, Any]:
    currency = changes.get("currency", "EUR")
    return {
        "external_id": external_id,
        "source": "shop",
        "channel": "web",
        "customer": {"customer_id": "cus_1"},
        "placed_at": rfc3339(now),
        "currency": currency,
        "lines": [
            {
                "line_id": "1",
                "sku": "SHOE",
                "name": "Shoe",
                "quantity": 2,
                "paid": {"amount": 10_000, "currency": currency},
            },
            {
                "line_id": "2",
                "sku": "HAT",
                "name": "Hat",
                "quantity": 1,
                "paid": {"amount": 2_500, "currency": currency},
            },
        ],
        "tenders": [{"type": "card", "paid": {"amount": 12_500, "currency": currency}}],
        **changes,
    }


def units(quantities: dict[str, int]) -> list[dict[str, Any]]:
    return [{"line_id": line_id, "quantity": count} for line_id, count in quantities.items()]


def topic_headers(source: str, topic: str) -> dict[str, str]:
    names = {"shopify": "X-Shopify-Topic", "woocommerce": "X-WC-Webhook-Topic"}
    return {names[source]: topic} if source in names and topic else {}


def signature(source: str, raw: bytes, secret: str, at: datetime) -> dict[str, str]:
    """Sign as the sender's documentation says, not as the service checks."""
    seconds = str(int(at.timestamp()))

    def mac(message: bytes) -> bytes:
        return hmac.digest(secret.encode(), message, "sha256")

    name = f"msg_{seconds}"
    url = f"{PUBLIC_URL}/orders/v1/webhooks/square".encode()
    own: dict[str, tuple[str, Callable[[], str]]] = {
        "shopify": ("X-Shopify-Hmac-Sha256", lambda: b64encode(mac(raw)).decode()),
        "woocommerce": ("X-WC-Webhook-Signature", lambda: b64encode(mac(raw)).decode()),
        "square": ("x-square-hmacsha256-signature", lambda: b64encode(mac(url + raw)).decode()),
        "easypost": ("X-Hmac-Signature", lambda: f"hmac-sha256-hex={mac(raw).hex()}"),
        "aftership": ("aftership-hmac-sha256", lambda: b64encode(mac(raw)).decode()),
        "shippo": (
            "Shippo-Auth-Signature",
            lambda: f"t={seconds},v1={mac(f'{seconds}.'.encode() + raw).hex()}",
        ),
    }
    if source in own:
        header, sign = own[source]
        return {header: sign()}
    mark = b64encode(mac(f"{name}.{seconds}.".encode() + raw)).decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{mark}",
    }


# --- the way of events ----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    """Which function hears which events: the patterns of the template's rules."""
    resources = merged_template([ROOT / "infra" / "orders.yaml"])["Resources"]
    return {
        function: resources[rule]["Properties"]["EventPattern"]
        for rule, function in _QUEUES.items()
    }


def matches(pattern: Any, envelope: Envelope) -> bool:
    return _matches(pattern["source"], envelope.source) and _matches(
        pattern["detail-type"], envelope.type
    )


def _matches(wanted: Sequence[Any], value: str) -> bool:
    for one in wanted:
        if isinstance(one, str):
            if one == value:
                return True
        elif "prefix" in one:
            if value.startswith(one["prefix"]):
                return True
        elif value not in one["anything-but"]:
            return True
    return False


def record(envelope: Envelope) -> dict[str, Any]:
    """An event as it stands in a queue."""
    detail = envelope.model_dump(exclude_none=True)
    return {"messageId": envelope.id, "body": json.dumps({"detail": detail})}
