"""What payment providers tell later: results of refunds that we asked for, in our words.

A message is a report: it may be old, repeated, or about a refund that is not ours. Pure: the check
of signatures is no part of it, and neither is what a report changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tandem_core.clock import GivenInstant, Instant
from tandem_core.money import Money
from tandem_core.signatures import SCHEMES, Headers, Scheme
from tandem_core.values import Reference, Strict
from tandem_returns.payments import RefundOutcome
from tandem_returns.providers import credit, stripe

_INSTANT: TypeAdapter[datetime] = TypeAdapter(GivenInstant)
_MAX_IDENTITY = 255


class Unparseable(Exception):
    """The body is not what its sender promises. The text says where, never what stands there."""


class NotOurs(Exception):
    """The message is about a refund that none of ours is known by."""


class RefundReport(Strict):
    """What a provider says of a refund that carries our id. `paid` is None where it does not say
    of how much."""

    refund_id: Reference
    order_id: Reference | None = None
    provider: str
    provider_reference: Reference | None = None
    paid: Money | None = None
    outcome: RefundOutcome
    reason: str = ""
    occurred_at: Instant


@dataclass(frozen=True, slots=True)
class Sender:
    """A provider that sends messages: four facts, the same for every sender.

    `topics` are those with a meaning for us. `topic_of` and `dedupe_key` take whatever arrives and
    never raise: "" is a topic that nobody can tell. `parse` raises Unparseable and NotOurs, nothing
    else; a topic without a meaning is no report.
    """

    name: str
    topics: frozenset[str]
    topic_of: Callable[[Headers, bytes], str]
    dedupe_key: Callable[[Headers, bytes], str]
    parse: Callable[[str, Headers, bytes], list[RefundReport]]


# Each is about one refund; the other names tell the same once more.
_STRIPE_REFUNDS = frozenset({"refund.created", "refund.updated", "refund.failed"})
_STRIPE_TOPICS = _STRIPE_REFUNDS | {"charge.refund.updated", "charge.refunded"}
# Our contract: the state of a credit has changed. Its system sends nothing else.
_CREDIT_TOPICS = frozenset({"credit.updated"})


def parse_stripe(body: bytes) -> list[RefundReport]:
    """Read one event of Stripe. Raises Unparseable, and NotOurs for a refund without our id.

    The time is the event's: a refund keeps the time at which it was made.
    """
    event = _document(body)
    topic = event.get("type")
    if not isinstance(topic, str) or topic not in _STRIPE_TOPICS:
        return []
    at = _unix_time(event.get("created"))
    told = _object(_object(event, "data"), "object")
    if topic != "charge.refunded":
        reports = _stripe_report(told, at)
        if not reports and topic in _STRIPE_REFUNDS:
            raise NotOurs("the refund carries no id of ours")
        return reports
    # Of a charge only what older versions of Stripe list in it.
    refunds = told.get("refunds")
    listed = refunds.get("data") if isinstance(refunds, dict) else None
    return [
        report
        for refund in (listed if isinstance(listed, list) else [])
        if isinstance(refund, dict)
        for report in _stripe_report(refund, at)
    ]


def _stripe_report(refund: Mapping[str, Any], at: datetime) -> list[RefundReport]:
    metadata = refund.get("metadata")
    refund_id = metadata.get("tandem_refund_id") if isinstance(metadata, dict) else None
    if refund_id is None or not isinstance(metadata, dict):
        return []
    return [
        _report(
            stripe.result_of(refund).model_dump(),
            refund_id=refund_id,
            order_id=metadata.get("order_id"),
            occurred_at=at,
        )
    ]


def parse_credit(body: bytes) -> list[RefundReport]:
    """Read one message of the retailer's credit system. Raises Unparseable.

    {"type": "credit.updated", "refund_id", "state", "id"?, "reason"?, "occurred_at"}
    """
    told = _document(body)
    topic = told.get("type", "credit.updated")
    if not isinstance(topic, str) or topic not in _CREDIT_TOPICS:
        return []
    try:
        at = _INSTANT.validate_python(told.get("occurred_at"))
    except ValidationError:
        raise Unparseable("occurred_at: not a time with an offset") from None
    return [
        _report(
            credit.result_of(told).model_dump(), refund_id=told.get("refund_id"), occurred_at=at
        )
    ]


def _report(result: Mapping[str, Any], **known: Any) -> RefundReport:
    """Raises Unparseable for a state that nobody knows, and for ids that are none."""
    if result["outcome"] == "unknown":
        raise Unparseable("the refund's state or amount is not a known one")
    try:
        return RefundReport.model_validate({**result, **known})
    except ValidationError as wrong:
        places = {".".join(map(str, error["loc"])) for error in wrong.errors(include_input=False)}
        raise Unparseable(f"not what is promised: {', '.join(sorted(places))}") from None


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise Unparseable("the body is not JSON") from broken
    if not isinstance(document, dict):
        raise Unparseable("the body is not a JSON object")
    return document


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = parent.get(name)
    if not isinstance(found, dict):
        raise Unparseable(f"{name}: not an object")
    return found


def _unix_time(value: Any) -> datetime:
    """Return whole seconds since 1970 as an instant. Raises Unparseable."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unparseable("created: not a time in seconds")
    try:
        return _INSTANT.validate_python(datetime.fromtimestamp(value, UTC))
    except (ValidationError, ValueError, OverflowError, OSError):
        raise Unparseable("created: outside the calendar") from None


def _identity(body: bytes, name: str) -> str:
    """Return a text member of a body; "" when there is none that can be an identity."""
    try:
        value = _document(body).get(name)
    except Unparseable:
        return ""
    fits = isinstance(value, str) and 0 < len(value) <= _MAX_IDENTITY and value.isprintable()
    return str(value) if fits else ""


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


STRIPE = Sender(
    name="stripe",
    topics=_STRIPE_TOPICS,
    topic_of=lambda _headers, body: _identity(body, "type"),
    dedupe_key=lambda _headers, body: _identity(body, "id") or _digest(body),
    parse=lambda _topic, _headers, body: parse_stripe(body),
)
CREDIT = Sender(
    name="credit",
    topics=_CREDIT_TOPICS,
    topic_of=lambda _headers, body: _identity(body, "type"),
    # Sent again under the same id, see Standard Webhooks.
    dedupe_key=lambda headers, body: headers.get("webhook-id") or _digest(body),
    parse=lambda _topic, _headers, body: parse_credit(body),
)

SENDERS: Mapping[str, tuple[Sender, Scheme]] = {
    STRIPE.name: (STRIPE, SCHEMES["stripe"]),
    CREDIT.name: (CREDIT, SCHEMES["standard_webhooks"]),
}
