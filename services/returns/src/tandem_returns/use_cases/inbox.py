"""What payment providers tell: kept first, answered at once, understood from the queue.

A message about a refund that nobody knows, or about other money than we asked for, is shown to
staff and moves nothing. Understanding one twice has the effect of once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from tandem_core.clock import rfc3339
from tandem_core.ids import derived_id
from tandem_core.inbox import Message
from tandem_core.journal import Origin
from tandem_core.problems import Busy, Problem
from tandem_returns.payment_messages import SENDERS, NotOurs, Sender, Unparseable
from tandem_returns.store import Store
from tandem_returns.use_cases.refunds import note_report

State = Literal["accepted", "duplicate", "ignored"]
Outcome = Literal["understood", "parked"]


class Received(NamedTuple):
    message_id: str
    state: State
    topic: str


def receive(
    store: Store, sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime
) -> Received:
    """Keep a verified message, once, in one write. Topics without a meaning are kept untold."""
    topic = sender.topic_of(headers, body)
    ignored = bool(topic) and topic not in sender.topics
    message_id = derived_id("msg", sender.name, sender.dedupe_key(headers, body))
    kept = store.inbox.receive(
        Message(
            id=message_id,
            source=sender.name,
            topic=topic[:128],
            received_at=rfc3339(now),
            headers={},
            body=body,
            ignored=ignored,
        ),
        now,
    )
    state: State = "ignored" if ignored else "accepted"
    return Received(message_id, state if kept else "duplicate", topic)


def understand(store: Store, message_id: str, now: datetime) -> Outcome:
    """Do what a message says. Raises MessageNotFound, and Busy to come again."""
    message = store.inbox.message(message_id)
    sender, _ = SENDERS[message.source]
    if message.topic and message.topic not in sender.topics:
        return "understood"
    origin = Origin(f"sender:{message.source}", "webhook", causation_id=f"evt_{message.id}_1")
    try:
        reports = sender.parse(message.topic, message.headers, message.body)
        if not message.topic and not reports:
            raise Unparseable("the message does not tell its topic")
    except Unparseable as why:
        store.inbox.park(message, f"UNPARSEABLE: {why}", now)
        return "parked"
    except NotOurs as why:
        store.inbox.park(message, f"REFUND_NOT_FOUND: {why}", now)
        return "parked"
    outcome: Outcome = "understood"
    for report in reports:
        try:
            note_report(store, report, origin, now)
        except Busy:
            raise
        except Problem as refusal:
            store.inbox.park(message, f"{refusal.code}: {refusal.detail}", now)
            outcome = "parked"
    return outcome


def replay(store: Store, message_id: str, now: datetime) -> Outcome:
    """Understand a message again, after a mend; staff stop seeing it when that works."""
    outcome = understand(store, message_id, now)
    if outcome == "understood":
        store.inbox.unpark(store.inbox.message(message_id))
    return outcome
