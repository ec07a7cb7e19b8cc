"""The returns service in one process: requests, its own events, and providers over real HTTP.

Events go the way that the template gives them; money goes to the sandbox provider, whose ledger is
what was really paid.
"""

from __future__ import annotations

import base64
import itertools
import json
import pickle
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.dynamodb.models import dynamodb_backends

from tandem_core import due, secrets
from tandem_core.clock import rfc3339
from tandem_core.events import Envelope, envelope_json
from tandem_core.ids import derived_id
from tandem_core.journal import Entry, entry_of, verify_chain
from tandem_core.table import Item, Table
from tandem_local.filters import matches
from tandem_local.sandbox import KEYS, Sandbox
from tandem_local.sandbox_messages import signed
from tandem_local.sandbox_payers import stripe_view
from tandem_returns import consumers, main
from tandem_returns import store as store_module
from tandem_returns.store import SOURCE, Store
from tests.service.services import Reply, Service, client, running, tell_time
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
SECRETS = "returns-secrets"
PUBLIC_URL = "https://tandem.example"
SEED = "qL8b0n6Y0m3zN1sVb5mJ2p9Xw4cT7rF6gH8kQ0dE3uI"
ADDRESS = {
    "name": "Returns",
    "street1": "Quay 1",
    "city": "Hamburg",
    "postal_code": "20457",
    "country": "DE",
}
# By the queues' rules in the template.
_QUEUES = {
    "EventsRule": "consume",
    "ReturnParcelsRule": "consume",
    "ShopRefundsRule": "consume",
    "RefundsRule": "refund",
    "InboxRule": "settle",
    "LabelsRule": "label",
}
_MAX_ROUNDS = 15


def order_id_of(external_id: str) -> str:
    return derived_id("ord", "shop", external_id)


@dataclass
class Returns(Service[Store]):
    """Everybody's view of the service: callers, other services, providers, and a still clock."""

    app = main.app

    sandbox: Sandbox | None = None
    published: dict[str, Envelope] = field(default_factory=dict)
    seqs: dict[str, int] = field(default_factory=dict)
    heard: list[Envelope] = field(default_factory=list)
    is_holding_back: bool = False

    # --- what other services say --------------------------------------------------------------

    def hear(  # noqa: PLR0913
        self,
        source: str,
        kind: str,
        data: Any,
        *,
        event_id: str | None = None,
        seq: int | None = None,
        times: int = 1,
        actor: str = "system",
    ) -> Envelope:
        """Deliver an event of another service, numbered within its subject."""
        subject = str(data.get("order_id") or data.get("account_id") or "subject")
        self.seqs[subject] = self.seqs.get(subject, 0) + 1
        envelope = Envelope(
            specversion="1.0",
            id=event_id or f"evt_{next(self.keys)}",
            source=f"tandem.{source}",
            type=kind,
            subject=subject,
            time=rfc3339(self.now),
            dataschema=f"urn:tandem:event:{kind}:1",
            tandemseq=seq or self.seqs[subject],
            actor=actor,
            channel="web",
            data=data,
        )
        self.heard.append(envelope)
        for _ in range(0 if self.is_holding_back else times):
            assert self.deliver(envelope) == []
        return envelope

    @contextmanager
    def holding_back(self) -> Iterator[list[Envelope]]:
        """Deliver nothing of what is heard meanwhile: it is for the test to deliver."""
        start, self.is_holding_back = len(self.heard), True
        held: list[Envelope] = []
        yield held
        self.is_holding_back = False
        held += self.heard[start:]

    def ordered(self, external_id: str = "1001", **changes: Any) -> str:
        """Hear of an order of two shoes and a hat; return its id."""
        placed_at = changes.pop("placed_at", rfc3339(self.now))
        actor = changes.pop("actor", "system")
        placed = order_placed(external_id, placed_at, **changes)
        self.hear("orders", "order.placed", placed, actor=actor)
        return str(placed["order_id"])

    def delivered(
        self,
        order_id: str,
        units: dict[str, int] | None = None,
        name: str = "ful_1",
        **changes: Any,
    ) -> None:
        """Hear that units have arrived now."""
        told = {
            "order_id": order_id,
            "fulfillment_id": name,
            "fulfillment_type": "ship",
            "state": "delivered",
            "previous_state": "shipped",
            "lines": quantities(units or {"1": 2, "2": 1}),
            "delivered_at": rfc3339(self.now),
            "occurred_at": rfc3339(self.now),
            **changes,
        }
        self.hear("orders", f"fulfillment.{told['state']}", told)

    def bought(self, external_id: str = "1001", **changes: Any) -> str:
        """Hear of an order that has arrived."""
        order_id = self.ordered(external_id, **changes)
        self.delivered(order_id)
        return order_id

    def scanned(
        self,
        order_id: str,
        tracking_number: str,
        status: str = "in_transit",
        **changes: Any,
    ) -> Envelope:
        """Hear of a scan of a parcel on its way back, now."""
        at = rfc3339(self.now)
        told = {
            "shipment_id": f"shp_{tracking_number}",
            "carrier": "ups",
            "tracking_number": tracking_number,
            "generation": 1,
            "order_ids": [order_id],
            "is_return": True,
            "status": status,
            "previous_status": "label_created",
            "handed_over_at": None if status == "label_created" else at,
            "delivered_at": at if status == "delivered" else None,
            "occurred_at": at,
            **changes,
        }
        kinds = {"delivered": "delivered", "failed": "exception", "returned": "returned"}
        return self.hear("orders", f"shipment.{kinds.get(status, 'updated')}", told)

    # --- callers ------------------------------------------------------------------------------

    def publish(self, policy_id: str = "main", **definition: Any) -> Any:
        """Publish a policy's next version."""
        body = {"name": "Main", **definition}
        route = "/policies/{policy_id}"
        reply = self.call("PUT", route, body, role="admin", policy_id=policy_id)
        assert reply.status == 200, reply.body
        return reply.body

    def quote(self, order_id: str, units: dict[str, int] | None = None, **changes: Any) -> Reply:
        options = {name: changes.pop(name) for name in OPTIONS if name in changes}
        body = {
            "order_id": order_id,
            "lines": [
                {**one, "reason": changes.get("reason", "too_small")}
                for one in quantities(units or {"1": 1})
            ],
            "outcome": "refund",
            "method": "mail",
            **{name: value for name, value in changes.items() if name != "reason"},
        }
        return self.call("POST", "/quotes", body, **options)

    def quoted(self, order_id: str, units: dict[str, int] | None = None, **changes: Any) -> str:
        reply = self.quote(order_id, units, **changes)
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def open(self, quote_id: str, **options: Any) -> Reply:
        body = {"quote_id": quote_id}
        body |= {name: options.pop(name) for name in ("payment", "address") if name in options}
        return self.call("POST", "/returns", body, **options)

    def opened(self, order_id: str, units: dict[str, int] | None = None, **changes: Any) -> str:
        """Quote and open a return; return its id."""
        reply = self.open(self.quoted(order_id, units, **changes))
        assert reply.status == 201, reply.body
        return str(reply.body["id"])

    def command(self, return_id: str, verb: str, body: Any = None, **options: Any) -> Reply:
        options.setdefault("role", "staff")
        route = "/returns/{return_id}/" + verb
        return self.call("POST", route, body or {}, return_id=return_id, **options)

    def received(self, return_id: str, *units: tuple[str, int, str], **options: Any) -> Any:
        """Take (line, quantity, condition) in; all that is on its way unless told."""
        lines = [
            {"line_id": line_id, "quantity": count, "condition": condition}
            for line_id, count, condition in units
        ]
        body = {"lines": lines, **options.pop("body", {})}
        return self.done(self.command(return_id, "receive", body, **options))

    def inspected(self, return_id: str, *units: tuple[str, int, str | None]) -> Any:
        """Look at (line, quantity), and send them where they go."""
        lines = [
            {"line_id": line_id, "quantity": count, **({"disposition": to} if to else {})}
            for line_id, count, to in units
        ]
        return self.done(self.command(return_id, "inspect", {"lines": lines}))

    def done(self, reply: Reply) -> Any:
        assert reply.status in (200, 201), reply.body
        return reply.body

    def get(self, return_id: str, **options: Any) -> Any:
        return self.done(self.call("GET", "/returns/{return_id}", return_id=return_id, **options))

    def code(self, return_id: str) -> str:
        reply = self.call("GET", "/returns/{return_id}/code", return_id=return_id)
        return str(self.done(reply)["code"])

    def redeem(self, code: str, **body: Any) -> Reply:
        """Show a code at a till."""
        options = {name: body.pop(name) for name in OPTIONS if name in body}
        options = {"role": "terminal", "subject": "store_12/till_3", **options}
        return self.call("POST", "/codes/redeem", {"code": code, **body}, **options)

    # --- providers ----------------------------------------------------------------------------

    def says(
        self,
        source: str,
        body: Any,
        *,
        message_id: str | None = None,
        signed_before: timedelta = timedelta(),
        **options: Any,
    ) -> Reply:
        """Send a provider's message, signed as the provider does it."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        name = message_id or f"msg_{next(self.keys)}"
        at = int((self.now - signed_before).timestamp())
        headers = signed(source, name, raw, webhook_keys(source), at)
        headers |= options.pop("headers", {})
        return self.call(
            "POST",
            "/webhooks/{source}",
            role=None,
            key="",
            raw=raw,
            headers=headers,
            source=source,
            **options,
        )

    def told(self, refund_id: str, status: str, *, reason: str = "") -> str:
        """Let a provider end a refund, and tell us of it; return the message's id."""
        self.ask("POST", f"/sandbox/refunds/{refund_id}", {"status": status, "reason": reason})
        refund = next(one for one in self.paid() if one["refund_id"] == refund_id)
        reply = self.says(refund["provider"], news_of(refund, self.now, next(self.keys)))
        assert reply.status == 202, reply.body
        return str(reply.body["message_id"])

    def parked(self) -> list[Any]:
        """Messages that staff have to look at."""
        reply = self.call("GET", "/inbox", role="staff")
        found: list[Any] = self.done(reply)["messages"]
        return found

    # --- the bus ------------------------------------------------------------------------------

    def pump(self, *, times: int = 1) -> list[Envelope]:
        """Carry what was recorded to whoever listens, until nothing new happens."""
        new: list[Envelope] = []
        for _ in range(_MAX_ROUNDS):
            fresh = self.unpublished()
            if not fresh:
                return new
            for envelope in fresh:
                for _ in range(times):
                    assert self.deliver(envelope) == []
                self.published[envelope.id] = envelope
            new += fresh
        raise AssertionError("the service does not come to rest")

    def unpublished(self) -> list[Envelope]:
        entries = [entry for entry in self.journal() if entry.id not in self.published]
        return [
            Envelope.model_validate_json(envelope_json(SOURCE, entry))
            for entry in sorted(entries, key=lambda one: (one.at, one.subject, one.seq))
        ]

    def deliver(self, *envelopes: Envelope) -> list[str]:
        """Deliver events, as one batch to each queue whose rule asks for them; return the ids of
        those that failed."""
        failed = []
        for rule, queue in _QUEUES.items():
            wanted = [one for one in envelopes if matches(event(one), rules()[rule])]
            if wanted:
                function = getattr(consumers, queue)
                answer = function({"Records": [record(one) for one in wanted]}, None)
                failed += [str(one["itemIdentifier"]) for one in answer["batchItemFailures"]]
        return failed

    def watch(self) -> dict[str, int]:
        """Let the schedule run."""
        counts: dict[str, int] = consumers.watch({}, None)
        return counts

    # --- what is stored, and what was paid ----------------------------------------------------

    def journal(self) -> list[Entry]:
        """What the table has of journals, read where it is kept: a scan takes longer than most of
        what is tested with it."""
        items = self._stored().all_items()
        return [entry_of(_item(one.attrs)) for one in items if "seq" in one.attrs]

    def stored(self) -> dict[tuple[str, str], Item]:
        """Every item, as `journal` reads them."""
        items = (_item(one.attrs) for one in self._stored().all_items())
        return {(str(item["pk"]), str(item["sk"])): item for item in items}

    def forget_everything(self) -> None:
        """Empty the table, for tests that begin many times over."""
        self._stored().items.clear()
        self.published.clear()

    def kept(self) -> bytes:
        """All that has happened here, for tests that begin where others began."""
        seen = (self.published, self.heard, self.seqs, next(self.keys))
        return pickle.dumps((dict(self._stored().items), seen))

    def taken_up(self, kept: bytes) -> None:
        """Go on where a service was when it was kept. What providers have paid is not theirs."""
        items, seen = pickle.loads(kept)  # noqa: S301  our own
        self._stored().items.update(items)
        self.published, self.heard, self.seqs, keys = seen
        self.keys = itertools.count(keys)

    def _stored(self) -> Any:
        (backend,) = (one for one in dynamodb_backends[ACCOUNT].values() if one.tables)
        return backend.tables[self.store.table.name]

    def entries(self, subject: str) -> list[Entry]:
        """The journal of an aggregate, oldest first; its chain holds."""
        found = [entry for entry in self.journal() if entry.subject == subject]
        found.sort(key=lambda entry: entry.seq)
        verify_chain(found)
        return found

    def kinds(self, subject: str) -> list[str]:
        return [entry.type for entry in self.entries(subject)]

    def events(self, kind: str) -> list[Any]:
        """The data of what was published of a kind, with what is private."""
        found = sorted(
            self.published.values(), key=lambda one: (one.time, one.subject, one.tandemseq)
        )
        return [one.data for one in found if one.type == kind]

    def labels(self) -> list[Any]:
        """What the seller of labels has really sold."""
        found: list[Any] = self.ask("GET", "/sandbox/labels")["labels"]
        return found

    def paid(self, order_id: str = "") -> list[Any]:
        """What the providers have really paid, by their own ledger."""
        query = f"?order_id={order_id}" if order_id else ""
        found: list[Any] = self.ask("GET", f"/sandbox/refunds{query}")["refunds"]
        return found

    def faults(self) -> int:
        """How much is still to go wrong with the providers."""
        assert self.sandbox is not None
        return sum(times for _, times in self.sandbox._faults._waiting)  # noqa: SLF001

    def fault(self, kind: str, **told: Any) -> None:
        """Let the provider misbehave at its next call."""
        self.ask("POST", "/sandbox/faults", {"kind": kind, **told})

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        assert self.sandbox is not None
        request = urllib.request.Request(  # noqa: S310  on loopback
            self.sandbox.url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.loads(answer.read() or b"null")


OPTIONS = ("role", "subject", "key", "scope", "headers", "raw")


def returns_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Returns]:
    indexes = {
        "customer": ("customer", "placed_at", "ALL"),
        "due": ("due_shard", "due_at", "KEYS_ONLY"),
        "recorded": ("day", "at", "KEYS_ONLY"),
        "inbox": ("inbox_day", "at", "KEYS_ONLY"),
    }
    webhooks = {source: webhook_keys(source) for source in ("stripe", "credit")}
    sandbox = Sandbox(tmp_path, "http://127.0.0.1:9", webhooks)
    sandbox.start()
    environment = {
        "TANDEM_SECRETS": SECRETS,
        "TANDEM_PUBLIC_URL": PUBLIC_URL,
        "TANDEM_STRIPE_URL": sandbox.stripe_url,
        "TANDEM_CREDIT_URL": sandbox.credit_url,
        "TANDEM_EASYPOST_URL": sandbox.easypost_url,
        "TANDEM_RETURN_ADDRESS": json.dumps(ADDRESS),
    }
    cached = [store_module.store, secrets.secrets_provider]
    try:
        with running(monkeypatch, "returns", indexes, cached, environment):
            value = {**KEYS, "webhooks": webhooks, "codes": [SEED]}
            client("secretsmanager").create_secret(Name=SECRETS, SecretString=json.dumps(value))
            service = Returns(Store(Table("returns-test")), sandbox=sandbox)
            tell_time(monkeypatch, lambda: service.now, consumers)
            # A look at what is due asks each shard, which takes moto longer than all else.
            monkeypatch.setattr(due, "DUE_SHARDS", 1)
            yield service
    finally:
        sandbox.stop()


# --- what is sent ---------------------------------------------------------------------------------


HOME = {
    "name": "Amy",
    "street1": "Lane 2",
    "city": "Bremen",
    "postal_code": "28195",
    "country": "DE",
}


def euros(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "EUR"}


def quantities(units: dict[str, int]) -> list[dict[str, Any]]:
    return [{"line_id": line_id, "quantity": count} for line_id, count in units.items()]


def webhook_keys(source: str) -> list[str]:
    return [f"local-{source}-secret"]


def news_of(refund: Any, now: datetime, number: int) -> Any:
    """A provider's message of a refund as it is in its ledger."""
    if refund["provider"] == "credit":
        return {
            "type": "credit.updated",
            "refund_id": refund["refund_id"],
            "id": refund["id"],
            "state": refund["status"],
            "reason": refund["reason"],
            "occurred_at": rfc3339(now),
        }
    return stripe_news(stripe_view(refund), now, f"evt_stripe_{number}")


def stripe_news(refund: Any, now: datetime, event_id: str, kind: str = "refund.updated") -> Any:
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "created": int(now.timestamp()),
        "data": {"object": refund},
    }


def order_placed(external_id: str, placed_at: str, **changes: Any) -> dict[str, Any]:
    """Two shoes for 100.00 together and a hat for 25.00, paid by card."""
    return {
        "order_id": order_id_of(external_id),
        "source": "shop",
        "external_id": external_id,
        "number": f"#{external_id}",
        "channel": "web",
        "customer_id": "cus_1",
        "occurred_at": placed_at,
        "placed_at": placed_at,
        "currency": "EUR",
        "lines": [
            {"line_id": "1", "sku": "SHOE", "name": "Shoe", "quantity": 2, "paid": euros(10_000)},
            {"line_id": "2", "sku": "HAT", "name": "Hat", "quantity": 1, "paid": euros(2_500)},
        ],
        "tenders": [{"type": "card", "paid": euros(12_500), "reference": f"pi_{external_id}"}],
        "customer": {"customer_id": "cus_1", "email": "amy@example.com"},
        **changes,
    }


def redemption(name: str, points: int, value: Any) -> Any:
    return {"id": name, "captured_points": points, "captured_value": value}


_READERS: dict[str, Callable[[str], Any]] = {"S": str, "N": int, "B": base64.b64decode}


def _item(attributes: Any) -> Item:
    """An item as the service reads it."""
    found: Item = {}
    for name, attribute in attributes.items():
        ((kind, value),) = attribute.to_json().items()
        found[name] = _READERS[kind](value)
    return found


# --- the way of events ----------------------------------------------------------------------------


@lru_cache(maxsize=1)
def rules() -> dict[str, Any]:
    """Which function hears which events: the patterns of the template's rules."""
    resources = merged_template([ROOT / "infra" / "returns.yaml"])["Resources"]
    return {rule: resources[rule]["Properties"]["EventPattern"] for rule in _QUEUES}


def event(envelope: Envelope) -> dict[str, Any]:
    """An event as the bus has it."""
    return {
        "source": envelope.source,
        "detail-type": envelope.type,
        "detail": envelope.model_dump(exclude_none=True),
    }


def record(envelope: Envelope) -> dict[str, Any]:
    """An event as it stands in a queue."""
    return {"messageId": envelope.id, "body": json.dumps(event(envelope))}
