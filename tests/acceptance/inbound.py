"""Every file of the fixtures, and what becomes of it: one row for each message.

A file that is not here, or an outcome that has changed, is a failing test. The bodies stay where
they are: this module names them and repeats nothing that they say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

# understood: facts follow, or there is nothing in it for us. waiting: for an order that it names.
# parked: shown to staff, with the reason. ignored: a topic that means nothing to us; answered 202.
Outcome = Literal["understood", "waiting", "parked", "ignored"]


class Row(NamedTuple):
    """A message. `part` is where in its file it stands, `note` why its outcome is right."""

    file: str
    source: str
    outcome: Outcome
    topic: str = ""
    part: str = ""
    reason: str = ""
    note: str = ""
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.file}:{self.part}" if self.part else self.file


_CAPTURED = "shopify/webhooks"
_SAMPLES = "shopify/samples_2026-04"
_BLANKED = "every price is 'example string': filled in, it is an order (test_filled_in.py)"
_NO_TOPIC = "nothing that we subscribe to"
_ANSWER = "EasyPost's answer to a request, not an event: nobody sends it"
_NOTHING = "an error in place of a parcel: understood, and it says nothing of one"


def _captured(
    file: str, topic: str, outcome: Outcome, reason: str = "", note: str = _NO_TOPIC
) -> Row:
    return Row(f"{_CAPTURED}/{file}.json", "shopify", outcome, topic, reason=reason, note=note)


def _sample(topic: str, outcome: Outcome, reason: str = "", note: str = _NO_TOPIC) -> Row:
    file = f"{_SAMPLES}/{topic}.json"
    return Row(file, "shopify", outcome, topic, "response", reason, note)


def _square(event: str, outcome: Outcome, note: str = _NO_TOPIC) -> Row:
    file = "square/schema_examples.json"
    return Row(file, "square", outcome, part=f"{event}/example", note=note)


def _carrier(
    carrier: str, part: str, outcome: Outcome = "understood", reason: str = "", note: str = ""
) -> Row:
    # DPD does not repeat the number that it was asked for: whoever asks passes it on.
    asked = (("x-tandem-tracking-number", "05308801410058"),) if carrier == "dpd" else ()
    file = f"carriers/{carrier}.json"
    return Row(file, carrier, outcome, "", f"raw/{part}/body", reason, note, asked)


_PRICE = "UNPARSEABLE: line_items.0.price: not an amount"
_ORDER_LATER = "comes before its order, and is understood when that comes"

SHOPIFY_CAPTURED = (
    _captured("2024-01/orders/1", "orders/create", "parked", _PRICE, _BLANKED),
    _captured("2024-01/orders/2", "orders/updated", "parked", _PRICE, _BLANKED),
    _captured("2024-01/orders/3", "orders/updated", "parked", _PRICE, _BLANKED),
    _captured("2024-01/fulfillments/1", "fulfillments/create", "waiting", note=_ORDER_LATER),
    _captured("2024-01/fulfillments/2", "fulfillments/update", "waiting", note=_ORDER_LATER),
    _captured("2024-01/order_transactions/1", "order_transactions/create", "ignored"),
    _captured("2024-01/order_transactions/2", "order_transactions/create", "ignored"),
    _captured("2025-04/orders/1", "orders/updated", "parked", _PRICE, _BLANKED),
    _captured(
        "2025-04/orders/2",
        "orders/edited",
        "understood",
        note="an edit tells differences; the whole order follows with orders/updated",
    ),
    _captured("2025-04/orders/3", "orders/risk_assessment_changed", "ignored"),
    _captured("2025-04/fulfillments/1", "fulfillments/update", "waiting", note=_ORDER_LATER),
    _captured(
        "2025-04/fulfillment_events/1", "fulfillment_events/create", "waiting", note=_ORDER_LATER
    ),
    _captured("2025-04/refunds/1", "refunds/create", "waiting", note=_ORDER_LATER),
    _captured("2025-04/customers/1", "customers/update", "ignored"),
    _captured("2025-04/disputes/1", "disputes/create", "ignored"),
    _captured("2025-04/order_transactions/1", "order_transactions/create", "ignored"),
    _captured("2025-04/tender_transactions/1", "tender_transactions/create", "ignored"),
)

_SAME_ORDER = "the documented order, which is cancelled when it is created"

SHOPIFY_SAMPLES = (
    *(
        _sample(f"orders/{what}", "understood", note=_SAME_ORDER)
        for what in "create updated cancelled paid fulfilled partially_fulfilled".split()
    ),
    _sample("orders/edited", "understood", note="differences only"),
    _sample("fulfillments/create", "waiting", note=_ORDER_LATER),
    _sample("fulfillments/update", "waiting", note=_ORDER_LATER),
    _sample("fulfillment_events/create", "waiting", note="comes before its fulfilment"),
    _sample("refunds/create", "waiting", note=_ORDER_LATER),
    _sample("customers/redact", "understood", note="orders that we do not have are forgotten"),
    _sample(
        "customers/data_request",
        "parked",
        "DATA_REQUEST: 9999 is to be answered",
        "parked for staff on purpose: a person has to answer it",
    ),
    *(
        _sample(topic, "ignored")
        for topic in (
            *("customers/create", "customers/delete", "customers/disable", "customers/enable"),
            *("customers/merge", "customers/purchasing_summary", "customers/update"),
            *("fulfillment_events/delete", "orders/delete", "orders/link_requested"),
            *("orders/risk_assessment_changed", "orders/shopify_protect_eligibility_changed"),
            *("returns/approve", "returns/cancel", "returns/close", "returns/decline"),
            *("returns/process", "returns/reopen", "returns/request", "returns/update"),
            "reverse_deliveries/attach_deliverable",
        )
    ),
)

EASYPOST = (
    Row("easypost/tracking-webhook.json", "easypost", "understood", note="a delivered parcel"),
    Row("easypost/trackers-create.json", "easypost", "understood", note="a tracker, bare"),
    Row("easypost/trackers-retrieve.json", "easypost", "understood", note="the same, again"),
    Row(
        "easypost/event_example.json",
        "easypost",
        "parked",
        reason="UNPARSEABLE: a tracker without tracking_code",
        note="the event's result is cut off: it names no parcel",
    ),
    Row(
        "easypost/refunds-create.json",
        "easypost",
        "parked",
        reason="UNPARSEABLE: the body is not a JSON object",
        note=_ANSWER,
    ),
    Row(
        "easypost/returns-create.json",
        "easypost",
        "parked",
        reason="UNPARSEABLE: the message does not tell its topic",
        note=_ANSWER,
    ),
)

AMAZON = (
    Row("amazon/OrderChangeNotification.0.json", "amazon", "understood"),
    Row("amazon/OrderChangeNotification.schema.json", "amazon", "understood", part="examples/0"),
    Row(
        "amazon/ShipmentTrackingMilestoneChangedNotification.schema.json",
        "amazon",
        "understood",
        part="examples/0",
    ),
)

_STATE = "knows only the state of an order that we do not have"

SQUARE = (
    _square("OrderFulfillmentUpdatedEvent", "waiting", note=_STATE),
    *(
        _square(f"{event}Event", "ignored")
        for event in (
            *("InvoiceRefunded", "LoyaltyAccountCreated", "LoyaltyAccountDeleted"),
            *("LoyaltyAccountUpdated", "LoyaltyEventCreated", "LoyaltyProgramCreated"),
            *("LoyaltyProgramUpdated", "LoyaltyPromotionCreated", "LoyaltyPromotionUpdated"),
            *("RefundCreated", "RefundUpdated", "TerminalRefundCreated", "TerminalRefundUpdated"),
        )
    ),
)

_OURS = "our own question to the carrier, not an answer"

CARRIERS = (
    _carrier("ups", "TrackingResponseJSON", note="one parcel"),
    _carrier("ups", "AuthError", note=_NOTHING),
    _carrier("ups", "InvalidTrackingNumberResponseJSON", note=_NOTHING),
    _carrier("ups", "TrackingNumberNotFoundResponseJSON", note=_NOTHING),
    _carrier("fedex", "TrackingResponse", note="a parcel, and a number that FedEx does not know"),
    _carrier("fedex", "ErrorResponse", note=_NOTHING),
    _carrier("fedex", "ProofOfDeliveryResponse", note="a document, of no parcel that it names"),
    _carrier("usps", "TrackingResponse", note="one parcel"),
    _carrier("usps", "ErrorResponse", note=_NOTHING),
    _carrier("usps", "AuthErrorResponse", note=_NOTHING),
    _carrier("dhl_express", "TrackingResponseXML", note="three parcels"),
    _carrier("dhl_express", "IntransitTrackingResponseXML", note="one parcel"),
    _carrier("dhl_express", "AuthError", note=_NOTHING),
    _carrier("dhl_express", "TrackingSingleNotFound", note=_NOTHING),
    _carrier(
        "dhl_express",
        "TrackingRequestXML",
        "parked",
        "UNPARSEABLE: not a TrackingResponse",
        _OURS,
    ),
    _carrier("dpd", "TrackingResponse", note="one parcel, by the number that was asked for"),
    _carrier("dpd", "ErrorResponse", note=_NOTHING),
    _carrier("dpd", "TrackingRequest", "parked", "UNPARSEABLE: no trackingresult", _OURS),
)

MESSAGES = (*SHOPIFY_CAPTURED, *SHOPIFY_SAMPLES, *EASYPOST, *AMAZON, *SQUARE, *CARRIERS)

# What is no message, by the beginning of its path, and why it lies there.
NO_MESSAGES = {
    "README.md": "says what the folders are",
    "shopify/schemas_2026-04/": "JSON Schemas of the samples",
    "square/loyalty_": "Square's definition of a loyalty interface",
    "stripe/": "objects of a payment provider, who is no sender of ours",
    "signatures/": "vectors, see test_signatures.py",
    "retail/": "sales of a shop, see the demo",
    "aws_events/": "wrappings, empty of our senders' messages: see test_wrapped.py",
}


def content(data: Path, row: Row) -> Any:
    """Return what a row speaks of: the file's document, or a part of it."""
    found = json.loads((data / row.file).read_bytes())
    for name in row.part.split("/") if row.part else ():
        found = found[int(name) if isinstance(found, list) else name]
    return found


def body(data: Path, row: Row) -> bytes:
    """Return the bytes that the sender sends."""
    if not row.part:
        return (data / row.file).read_bytes()
    found = content(data, row)
    return found.encode() if isinstance(found, str) else json.dumps(found).encode()


def files(data: Path) -> Iterator[str]:
    for path in sorted(data.rglob("*")):
        if path.is_file():
            yield path.relative_to(data).as_posix()


def named(file: str, part: str = "") -> Row:
    """Return the row of a message."""
    (row,) = (one for one in MESSAGES if one.file == file and part in one.part)
    return row
