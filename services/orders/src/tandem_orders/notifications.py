"""Which events are worth a message to the customer, and what it says.

A milestone is told once: (who is written to, subject, milestone) is the business fact, and the
store keeps it. Nothing is sent here; `notification.requested` asks whoever sends messages to do it.

    late facts                     no message: the timeline has them
    receipts of a till             none: their customer stood there
    returns at a counter           no approval, no receipt and no cash: their customer stands there
    orders of marketplaces         no confirmation, and nothing to guests: the marketplace does that
    parcels of returns             none: the return has messages of its own
    several payments of a return   one, without an amount: the timeline tells each
    withdrawals                    a receipt to whoever declared it, at once and however late
    several parts of an order      each cancellation is a subject of its own
    first scan is "in transit"     the parcel is on its way, as if it had been picked up
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from pydantic import Field

from tandem_core.clock import Instant
from tandem_core.events import Envelope
from tandem_core.ids import derived_id
from tandem_core.values import Document, Strict
from tandem_orders.preferences import MessageChannel, Preferences, TimeZone, deliver_after
from tandem_orders.readings import Reading, instant_of
from tandem_orders.statuses import ShipmentStatus
from tandem_orders.texts import Language, language_of, render, say
from tandem_orders.timeline import Params, TimelineEntry, entry_of, orders_of, submitted

LATE_AFTER = timedelta(hours=48)


class MilestoneName(StrEnum):
    ORDER_PLACED = "order_placed"
    EXCHANGE_PLACED = "exchange_placed"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_PART_CANCELLED = "order_part_cancelled"
    PICKUP_READY = "pickup_ready"
    PICKUP_EXPIRING = "pickup_expiring"
    PICKUP_EXPIRED = "pickup_expired"
    PICKED_UP = "picked_up"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERY_ATTEMPTED = "delivery_attempted"
    AVAILABLE_FOR_PICKUP = "available_for_pickup"
    DELAYED = "delayed"
    ON_HOLD = "on_hold"
    DELIVERED = "delivered"
    RETURNING = "returning"
    FAILED = "failed"
    RETURNED = "returned"
    RETURN_APPROVED = "return_approved"
    RETURN_KEPT = "return_kept"
    RETURN_REJECTED = "return_rejected"
    RETURN_RECEIVED = "return_received"
    RETURN_EXPIRED = "return_expired"
    REFUND_SUCCEEDED = "refund_succeeded"
    WITHDRAWAL_CONFIRMED = "withdrawal_confirmed"


# By the timeline's key: what deserves an entry and a message is the same thing in other words.
_MILESTONES: Mapping[str, MilestoneName] = {
    "order.placed.online": MilestoneName.ORDER_PLACED,
    "order.placed.social": MilestoneName.ORDER_PLACED,
    "order.placed.store": MilestoneName.ORDER_PLACED,
    "order.placed.exchange": MilestoneName.EXCHANGE_PLACED,
    "order.cancelled": MilestoneName.ORDER_CANCELLED,
    "order.cancelled.part": MilestoneName.ORDER_PART_CANCELLED,
    "pickup.ready": MilestoneName.PICKUP_READY,
    "pickup.expiring": MilestoneName.PICKUP_EXPIRING,
    "pickup.expired": MilestoneName.PICKUP_EXPIRED,
    "shipment.picked_up": MilestoneName.PICKED_UP,
    "shipment.in_transit": MilestoneName.PICKED_UP,
    "shipment.out_for_delivery": MilestoneName.OUT_FOR_DELIVERY,
    "shipment.delivery_attempted": MilestoneName.DELIVERY_ATTEMPTED,
    "shipment.available_for_pickup": MilestoneName.AVAILABLE_FOR_PICKUP,
    "shipment.delayed": MilestoneName.DELAYED,
    "shipment.on_hold": MilestoneName.ON_HOLD,
    "shipment.delivered": MilestoneName.DELIVERED,
    "shipment.returning": MilestoneName.RETURNING,
    "shipment.failed": MilestoneName.FAILED,
    "shipment.returned": MilestoneName.RETURNED,
    "return.approved": MilestoneName.RETURN_APPROVED,
    "return.approved.keep": MilestoneName.RETURN_KEPT,
    "return.rejected": MilestoneName.RETURN_REJECTED,
    "return.received": MilestoneName.RETURN_RECEIVED,
    "return.expired": MilestoneName.RETURN_EXPIRED,
    "refund.succeeded": MilestoneName.REFUND_SUCCEEDED,
    "refund.succeeded.gift_card": MilestoneName.REFUND_SUCCEEDED,
    "refund.succeeded.store_credit": MilestoneName.REFUND_SUCCEEDED,
}
_REASONS: Mapping[MilestoneName, str] = {
    MilestoneName.ORDER_PLACED: "order.placed",
    MilestoneName.EXCHANGE_PLACED: "order.placed",
    MilestoneName.ORDER_CANCELLED: "order.cancelled",
    MilestoneName.ORDER_PART_CANCELLED: "order.cancelled",
    MilestoneName.PICKUP_READY: "pickup.ready",
    MilestoneName.PICKUP_EXPIRING: "pickup.expiring",
    MilestoneName.PICKUP_EXPIRED: "pickup.expired",
    MilestoneName.RETURN_APPROVED: "return.approved",
    MilestoneName.RETURN_KEPT: "return.approved",
    MilestoneName.RETURN_REJECTED: "return.rejected",
    MilestoneName.RETURN_RECEIVED: "return.received",
    MilestoneName.RETURN_EXPIRED: "return.expired",
    MilestoneName.REFUND_SUCCEEDED: "refund.succeeded",
}
_LONGEST_STATEMENT = 4_000
_NOT_YET_CARRIED = frozenset({None, "pending", "expired", "label_created"})


class Milestone(Strict):
    """Something reached that a customer should hear of. Lives as long as its event is handled."""

    name: MilestoneName
    subject_id: str
    late: bool
    event_id: str
    occurred_at: Instant
    customer_id: str | None = None
    order_ids: tuple[str, ...] = ()
    fulfillment_id: str | None = None
    shipment_id: str | None = None
    return_id: str | None = None
    status: ShipmentStatus | None = None
    hold_until: Instant | None = None
    pickup_code: str | None = Field(default=None, repr=False)
    note: str | None = Field(default=None, repr=False)
    params: Params = {}

    @property
    def reason(self) -> str:
        """Why there is a message, as an event's type: "shipment.delivered"."""
        return _REASONS.get(self.name) or f"shipment.{self.name}"


class Recipient(Strict):
    """Who is written to: a customer, or a guest by the contact that the order has."""

    customer_id: str | None = None
    email: str | None = Field(default=None, repr=False)
    phone: str | None = Field(default=None, repr=False)


class Circumstances(Strict):
    """What a message needs to know beside its event, as far as it is known.

    `shipment_status` is the parcel's status by now; `time_zone` the store's, for a pickup's time.
    """

    order_id: str
    number: str | None = None
    channel: str | None = None
    language: str | None = None
    store_name: str | None = None
    time_zone: TimeZone | None = None
    shipment_status: ShipmentStatus | None = None


class NotificationRequested(Document):
    """A message to be sent, once: `notification_id` is the same however often it is asked for.

    `channels` in the customer's order of preference, `channel` the first of them; `milestone_at`
    when it was reached. The text is kept apart as personal data, since it may hold a pickup code;
    `email` and `phone` are there when one of the channels needs them and the order knows them.
    The receipt of a withdrawal has no `order_id`: it goes to whoever declared it, known or not.
    `tracking_url` is for the sender to put behind the text or on a button.
    """

    private = frozenset({"email", "phone", "text"})

    notification_id: str
    customer_id: str | None = None
    channel: MessageChannel
    channels: tuple[MessageChannel, ...]
    language: Language
    milestone: MilestoneName
    reason: str
    subject_id: str
    title: str
    order_id: str | None = None
    fulfillment_id: str | None = None
    shipment_id: str | None = None
    return_id: str | None = None
    tracking_url: str | None = None
    deliver_after: Instant | None = None
    occurred_at: Instant
    milestone_at: Instant
    event_id: str
    email: str | None = None
    phone: str | None = None
    text: str = ""

    @property
    def type(self) -> str:
        return "notification.requested"


def milestone_of(envelope: Envelope) -> Milestone | None:
    """Return the milestone that an event reaches, None when nobody need hear of it."""
    entry = entry_of(envelope)
    name = _MILESTONES.get(entry.key) if entry else None
    if entry is None or name is None or not _is_news(envelope, name):
        return None
    data = Reading(envelope.data)
    subject_id = _subject(entry, name)
    if subject_id is None:
        return None
    recorded_at = instant_of(envelope.time)
    old = recorded_at is not None and recorded_at - entry.occurred_at > LATE_AFTER
    _, is_parcel, status = entry.key.partition("shipment.")
    return Milestone(
        name=name,
        subject_id=subject_id,
        late=data.flag("late") or old,
        event_id=envelope.id,
        occurred_at=entry.occurred_at,
        customer_id=entry.customer_id,
        order_ids=orders_of(envelope),
        fulfillment_id=entry.fulfillment_id,
        shipment_id=entry.shipment_id,
        return_id=entry.return_id,
        status=ShipmentStatus(status) if is_parcel else None,
        hold_until=data.instant("hold_until"),
        pickup_code=data.name("pickup_code"),
        note=data.text("reason") if name is MilestoneName.RETURN_REJECTED else None,
        params=entry.params,
    )


def _subject(entry: TimelineEntry, name: MilestoneName) -> str | None:
    """Return what has reached the milestone: a parcel, a pickup, a return, an order.

    Refunds that a shop has paid belong to no return; the shop tells of them itself.
    """
    if name is MilestoneName.ORDER_PART_CANCELLED:
        return entry.id
    if entry.key.startswith("shipment."):
        return entry.shipment_id
    if entry.key.startswith(("return.", "refund.")):
        return entry.return_id
    return entry.fulfillment_id if entry.key.startswith("pickup.") else entry.order_id


def _is_news(envelope: Envelope, name: MilestoneName) -> bool:
    data = Reading(envelope.data)
    match name:
        case MilestoneName.ORDER_PLACED:
            # Who buys at a till and has nothing sent holds the receipt, whoever reports the sale.
            carried_away = data.name("channel") == "pos" and not data.has("destination")
            return not (data.has("handed_over") or data.has("completed_at") or carried_away)
        case MilestoneName.EXCHANGE_PLACED:
            return not data.has("handed_over")
        case (
            MilestoneName.RETURN_APPROVED
            | MilestoneName.RETURN_KEPT
            | MilestoneName.RETURN_RECEIVED
        ):
            return not _is_seen_by_customer(name, data)
        case MilestoneName.ORDER_CANCELLED | MilestoneName.ORDER_PART_CANCELLED:
            return data.name("channel") != "marketplace"
        case MilestoneName.PICKED_UP if data.name("status") == ShipmentStatus.IN_TRANSIT:
            return data.name("previous_status") in _NOT_YET_CARRIED
        case _:
            # A parcel that was on its way before anybody ordered it: only its delivery has a date.
            return envelope.type != "shipment.registered" or name is MilestoneName.DELIVERED


def _is_seen_by_customer(name: MilestoneName, data: Reading) -> bool:
    """Tell whether a return's customer stands at the counter while it happens."""
    if name is MilestoneName.RETURN_RECEIVED:
        return data.name("method") == "store"
    return data.name("begun_in") == "pos"


def requested(  # noqa: PLR0913  what a message depends on
    milestone: Milestone,
    recipient: Recipient,
    preferences: Preferences,
    about: Circumstances,
    tracking_url: str | None,
    now: datetime,
) -> NotificationRequested | None:
    """Write the message of a milestone. None when there is none to send, or nobody to send it to.

    Guests have no preferences: pass the default.
    """
    channels = _channels(recipient, preferences, about)
    if milestone.late or not channels or _is_overtaken(milestone, about):
        return None
    language = preferences.language or language_of(about.language)
    who = recipient.customer_id or about.order_id
    return NotificationRequested(
        notification_id=derived_id("ntf", who, milestone.subject_id, milestone.name),
        customer_id=recipient.customer_id,
        channel=channels[0],
        channels=channels,
        language=language,
        milestone=milestone.name,
        reason=milestone.reason,
        subject_id=milestone.subject_id,
        title=render(language, f"message.{milestone.name}.title", {}),
        order_id=about.order_id,
        fulfillment_id=milestone.fulfillment_id,
        shipment_id=milestone.shipment_id,
        return_id=milestone.return_id,
        tracking_url=tracking_url,
        deliver_after=deliver_after(preferences, now),
        occurred_at=now,
        milestone_at=milestone.occurred_at,
        event_id=milestone.event_id,
        email=recipient.email if "email" in channels else None,
        phone=recipient.phone if {"sms", "whatsapp"} & set(channels) else None,
        text=say(language, f"message.{milestone.name}", _params(milestone, preferences, about)),
    )


def receipt_of_withdrawal(envelope: Envelope, now: datetime) -> NotificationRequested | None:
    """Acknowledge a statutory withdrawal on a durable medium: what was declared, with date and time
    (Art. 11a(4) of Directive 2011/83/EU). None without anybody to send it to."""
    data = Reading(envelope.data)
    withdrawal_id, occurred_at = data.name("withdrawal_id"), data.instant("occurred_at")
    email, phone = data.text("email"), data.text("phone")
    if withdrawal_id is None or occurred_at is None or not (email or phone):
        return None
    language, name = language_of(data.name("language")), MilestoneName.WITHDRAWAL_CONFIRMED
    channel: MessageChannel = "email" if email else "sms"
    said = {"number": data.name("order_reference"), "moment": submitted(data)}
    return NotificationRequested(
        notification_id=derived_id("ntf", withdrawal_id, name),
        channel=channel,
        channels=(channel,),
        language=language,
        milestone=name,
        reason=envelope.type,
        subject_id=withdrawal_id,
        title=render(language, f"message.{name}.title", {}),
        occurred_at=now,
        milestone_at=occurred_at,
        event_id=envelope.id,
        email=email,
        phone=None if email else phone,
        text="\n\n".join((say(language, f"message.{name}", said), *_declared(data))),
    )


def _declared(data: Reading) -> Iterator[str]:
    """Yield what a consumer declared, in their own words; without units it is the whole order."""
    units = [
        f"{quantity} × {article}"
        for line in data.members("lines")
        if (quantity := line.count("quantity"))
        and (article := line.name("sku") or line.name("line_id"))
    ]
    if units:
        yield "\n".join(units)
    if statement := data.text("statement", _LONGEST_STATEMENT):
        yield statement
    if name := data.text("name"):
        yield name


def _channels(
    recipient: Recipient, preferences: Preferences, about: Circumstances
) -> tuple[MessageChannel, ...]:
    """A customer is reached as they chose; a guest by what the order knows of them."""
    if recipient.customer_id:
        return preferences.channels
    if about.channel == "marketplace":
        return ()
    reachable: dict[MessageChannel, str | None] = {
        "email": recipient.email,
        "sms": recipient.phone,
    }
    return tuple(channel for channel, contact in reachable.items() if contact)


def _is_overtaken(milestone: Milestone, about: Circumstances) -> bool:
    """Tell whether the parcel is at another milestone by now, which has a message of its own."""
    if milestone.status is None or about.shipment_status is None:
        return False
    current = _MILESTONES.get(f"shipment.{about.shipment_status}")
    return current not in {None, MilestoneName.PICKED_UP, milestone.name}


def _params(
    milestone: Milestone, preferences: Preferences, about: Circumstances
) -> dict[str, object]:
    params: dict[str, object] = {**milestone.params}
    if about.number:
        params["number"] = about.number
    if about.store_name:
        params["store"] = about.store_name
    if milestone.pickup_code:
        params["code"] = milestone.pickup_code
    if milestone.note:
        params["note"] = milestone.note
    quiet = preferences.quiet_hours
    time_zone = about.time_zone or (quiet.time_zone if quiet else None)
    if milestone.hold_until and time_zone:
        local = milestone.hold_until.astimezone(ZoneInfo(time_zone))
        params["until"] = local.strftime("%Y-%m-%dT%H:%M")
    return params
