"""Messages: which events deserve one, who gets it, what it says, and what it never says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.clock import rfc3339
from tandem_core.events import Envelope
from tandem_orders.notifications import (
    Circumstances,
    Milestone,
    MilestoneName,
    NotificationRequested,
    Recipient,
    milestone_of,
    receipt_of_withdrawal,
    requested,
)
from tandem_orders.preferences import Preferences
from tandem_orders.statuses import ShipmentStatus
from tandem_orders.texts import LANGUAGES, Language
from tandem_orders.timeline import TOLD

NOW = datetime(2026, 11, 24, 10, 0, 5, tzinfo=UTC)
AT = "2026-11-24T10:00:00.000000Z"
CUSTOMER = Recipient(customer_id="cus_1")
GUEST = Recipient(email="eva@example.org", phone="+491511234567")
ORDER = Circumstances(order_id="ord_1", number="#1001", channel="web")
SILENT_STATUSES = {"pending", "expired", "label_created", "customs", "cancelled"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
MEMBERS = st.sampled_from(
    "order_id order_ids shipment_id fulfillment_id customer_id channel lines whole state late "
    "previous_state fulfillment_type hold_until pickup_code status previous_status changed scan "
    "estimate reason is_return delivered_at occurred_at placed_at handed_over return_id method "
    "begun_in ship_by legs source email phone statement submitted_local time_zone".split()
)


def event(kind: str, recorded_at: datetime = NOW, **data: Any) -> Envelope:
    return Envelope(
        specversion="1.0",
        id="evt_x_9",
        source="tandem.orders",
        type=kind,
        subject="x",
        time=rfc3339(recorded_at),
        dataschema=f"urn:tandem:event:{kind}:1",
        tandemseq=9,
        actor="integration",
        channel="web",
        data={"occurred_at": AT, "order_id": "ord_1"} | data,
    )


def parcel(status: str, kind: str = "shipment.updated", **data: Any) -> Envelope:
    known = {
        "order_id": None,
        "order_ids": ["ord_1"],
        "shipment_id": "shp_1",
        "status": status,
        "previous_status": "label_created",
        "changed": True,
    }
    return event(kind, **known | data)


def pickup(kind: str, **data: Any) -> Envelope:
    known = {
        "fulfillment_id": "ful_1",
        "fulfillment_type": "pickup",
        "state": kind.partition(".")[2],
        "previous_state": "preparing",
        "hold_until": "2026-11-27T17:00:00.000000Z",
        "pickup_code": "4711",
        "customer_id": "cus_1",
    }
    return event(kind, **known | data)


def returning(kind: str, **data: Any) -> Envelope:
    known = {
        "return_id": "ret_1",
        "customer_id": "cus_1",
        "begun_in": "app",
        "method": "mail",
        "ship_by": "2026-12-08T09:00:00.000000Z",
    }
    return event(kind, **known | data)


def paid_back(tender: str, **data: Any) -> Envelope:
    leg = {"tender": tender, "paid": {"amount": 1200, "currency": "EUR"}}
    return returning("refund.succeeded", legs=[leg], **data)


def withdrawal(**data: Any) -> Envelope:
    known = {
        "order_id": None,
        "withdrawal_id": "wdr_1",
        "order_reference": "#1001",
        "name": "Eva Muster",
        "email": "eva@example.org",
        "phone": "+491511234567",
        "statement": "I withdraw from the contract.",
        "submitted_local": "2026-11-24T11:00:00+01:00",
        "time_zone": "Europe/Berlin",
    }
    return event("withdrawal.confirmed", **known | data)


def reached(envelope: Envelope) -> Milestone:
    milestone = milestone_of(envelope)
    assert milestone is not None
    return milestone


def written(
    envelope: Envelope,
    recipient: Recipient = CUSTOMER,
    about: Circumstances = ORDER,
    preferences: Preferences | None = None,
) -> NotificationRequested | None:
    url = "https://shop.example/t/abc"
    return requested(reached(envelope), recipient, preferences or Preferences(), about, url, NOW)


def message(*args: Any, **kwargs: Any) -> NotificationRequested:
    notification = written(*args, **kwargs)
    assert notification is not None
    return notification


# --- which events are milestones ------------------------------------------------------------------


@pytest.mark.parametrize("status", list(ShipmentStatus))
def test_a_parcel_reaches_a_milestone_with_each_status_that_customers_wait_for(
    status: ShipmentStatus,
) -> None:
    milestone = milestone_of(parcel(status))
    if status in SILENT_STATUSES:
        assert milestone is None
        return
    assert milestone is not None
    name = "picked_up" if status == "in_transit" else status.value
    assert (milestone.name, milestone.subject_id) == (name, "shp_1")
    assert milestone.reason == f"shipment.{name}"
    assert milestone.order_ids == ("ord_1",)
    assert milestone.late is False


@pytest.mark.parametrize("before", list(ShipmentStatus))
def test_a_parcel_in_transit_is_on_its_way_only_if_it_was_not_before(
    before: ShipmentStatus,
) -> None:
    milestone = milestone_of(parcel("in_transit", previous_status=before.value))
    assert (milestone is not None) == (before in {"pending", "expired", "label_created"})


@pytest.mark.parametrize(
    "envelope",
    [
        parcel("delivered", changed=False),
        parcel("delivered", is_return=True),
        parcel("delivered", shipment_id=None),
        parcel("out_for_delivery", "shipment.registered", changed=False),
        parcel("delayed", "shipment.exception", changed=False, stale_since=AT),
        event("order.placed", channel="pos", handed_over={"id": "ful_1"}),
        event("order.placed", channel="marketplace"),
        event("order.placed", channel="web", order_id=None),
        event("order.cancelled", channel="marketplace", whole=True),
        event("order.completed"),
        event("order.updated", claimed=True),
        event("points.earned", granted=5),
        event("refund.succeeded"),
        event("order.placed", source="exchange", channel="web", handed_over={"id": "ful_1"}),
        returning("return.requested"),
        returning("return.closed"),
        returning("return.approved", begun_in="pos"),
        returning("return.approved", begun_in="pos", method="keep"),
        returning("return.received", method="store"),
        returning("return.received", return_id=None),
        returning("refund.late"),
        returning("refund.failed"),
        paid_back("points"),
        paid_back("cash"),
        paid_back("card", return_id=None),
        withdrawal(),
        pickup("pickup.collected"),
        pickup("pickup.updated", state="ready", previous_state="ready"),
        event("webhook.received"),
        event("notification.requested"),
    ],
)
def test_nobody_need_hear_of_the_rest(envelope: Envelope) -> None:
    assert milestone_of(envelope) is None


def test_a_delivery_that_was_known_before_its_order_is_told_if_it_is_fresh() -> None:
    def registered(delivered_at: str) -> Milestone:
        return reached(
            parcel("delivered", "shipment.registered", changed=False, delivered_at=delivered_at)
        )

    assert registered("2026-11-23T09:00:00.000000Z").late is False
    assert registered("2026-11-20T09:00:00.000000Z").late is True


@pytest.mark.parametrize("channel", ["web", "app", "social", "pos"])
def test_an_order_is_confirmed_unless_it_is_a_receipt(channel: str) -> None:
    sent = {"city": "Berlin"}
    milestone = reached(event("order.placed", channel=channel, handed_over=None, destination=sent))
    assert milestone.name == "order_placed"
    assert (milestone.subject_id, milestone.reason) == ("ord_1", "order.placed")


def test_a_pickup_is_ready_also_when_it_is_first_heard_of_as_ready() -> None:
    for envelope in (
        pickup("pickup.ready"),
        pickup("pickup.created", state="ready", previous_state=None),
    ):
        milestone = reached(envelope)
        assert (milestone.name, milestone.subject_id) == ("pickup_ready", "ful_1")
        assert milestone.pickup_code == "4711"


def test_each_partial_cancellation_is_a_subject_of_its_own() -> None:
    lines = [{"line_id": "1", "quantity": 1}]
    part = reached(event("order.cancelled", lines=lines))
    assert (part.name, part.subject_id) == ("order_part_cancelled", "evt_x_9")
    whole = reached(event("order.cancelled", lines=lines, whole=True))
    assert (whole.name, whole.subject_id) == ("order_cancelled", "ord_1")
    assert part.reason == whole.reason == "order.cancelled"


@pytest.mark.parametrize(
    ("envelope", "name", "reason", "text"),
    [
        (
            returning("return.approved"),
            "return_approved",
            "return.approved",
            "Your return for order #1001 is approved. You'll find its label or code with your "
            "return; please send or bring it back by 7 Dec.",
        ),
        (
            returning("return.approved", method="keep"),
            "return_kept",
            "return.approved",
            "Your return for order #1001 is approved. There's nothing to send back: please keep "
            "it.",
        ),
        (
            returning("return.rejected", reason="It was worn."),
            "return_rejected",
            "return.rejected",
            "We couldn't approve your return for order #1001. The reason: It was worn.",
        ),
        (
            returning("return.received"),
            "return_received",
            "return.received",
            "Your return for order #1001 has reached us. We'll take care of the rest.",
        ),
        (
            returning("return.expired"),
            "return_expired",
            "return.expired",
            "Your return for order #1001 has expired because nothing was sent back. Already on its "
            "way? Then it counts as soon as it's scanned.",
        ),
        (
            paid_back("store_credit"),
            "refund_succeeded",
            "refund.succeeded",
            "The refund for your return of order #1001 is on its way. How long it takes depends on "
            "how you paid.",
        ),
    ],
)
def test_a_return_tells_its_customer_what_has_become_of_it(
    envelope: Envelope, name: str, reason: str, text: str
) -> None:
    milestone = reached(envelope)
    assert (milestone.name, milestone.subject_id, milestone.reason) == (name, "ret_1", reason)
    notification = message(envelope)
    assert (notification.return_id, notification.order_id) == ("ret_1", "ord_1")
    assert notification.text == text


def test_all_payments_of_a_return_are_one_message_without_an_amount() -> None:
    messages = [message(paid_back(tender)) for tender in ("card", "gift_card", "other")]
    assert len({one.notification_id for one in messages}) == 1
    assert len({one.text for one in messages}) == 1
    assert "12" not in messages[0].text


def test_why_a_return_was_rejected_is_not_sealed_and_not_logged() -> None:
    envelope = returning("return.rejected", reason="Eva has worn it.")
    assert "Eva" not in repr(reached(envelope))
    assert "Eva" not in message(envelope).document()


def test_a_replacement_is_confirmed_unless_its_customer_holds_it() -> None:
    milestone = reached(event("order.placed", source="exchange", channel="pos"))
    assert (milestone.name, milestone.subject_id) == ("exchange_placed", "ord_1")
    assert milestone.reason == "order.placed"


# --- the receipt of a withdrawal ------------------------------------------------------------------


def test_a_withdrawal_is_acknowledged_with_what_was_declared_and_when() -> None:
    lines = [{"sku": "SHOE", "quantity": 2}, {"line_id": "2", "quantity": 1}]
    receipt = receipt_of_withdrawal(withdrawal(lines=lines), NOW)
    assert receipt is not None
    assert receipt.model_dump(mode="json", exclude_none=True) == {
        "notification_id": receipt.notification_id,
        "channel": "email",
        "channels": ["email"],
        "language": "en",
        "milestone": "withdrawal_confirmed",
        "reason": "withdrawal.confirmed",
        "subject_id": "wdr_1",
        "title": "We've received your withdrawal",
        "occurred_at": rfc3339(NOW),
        "milestone_at": AT,
        "event_id": "evt_x_9",
        "email": "eva@example.org",
        "text": "On 24 Nov 2026, 11:00 (Europe/Berlin) we received your withdrawal from the "
        "contract for order #1001.\n\n2 × SHOE\n1 × 2\n\n"
        "I withdraw from the contract.\n\nEva Muster",
    }
    sealed = receipt.document()
    assert not any(secret in sealed for secret in ("eva@", "Eva", "#1001", "withdraw from"))


def test_a_withdrawal_is_acknowledged_however_late_and_in_the_consumers_language() -> None:
    receipt = receipt_of_withdrawal(withdrawal(language="de-AT"), NOW + timedelta(days=30))
    assert receipt is not None
    assert receipt.deliver_after is None
    assert receipt.text.startswith("Am 24. November 2026, 11:00 Uhr (Europe/Berlin) haben wir")
    long = receipt_of_withdrawal(withdrawal(statement="a" * 4_000), NOW)
    assert long is not None
    assert "a" * 4_000 in long.text


def test_a_withdrawal_is_acknowledged_by_the_contact_that_was_given() -> None:
    texted = receipt_of_withdrawal(withdrawal(email=None), NOW)
    assert texted is not None
    assert (texted.channels, texted.email, texted.phone) == (("sms",), None, "+491511234567")
    assert receipt_of_withdrawal(withdrawal(email=None, phone=None), NOW) is None
    assert receipt_of_withdrawal(withdrawal(withdrawal_id=None), NOW) is None


def test_a_pickup_code_is_not_shown_where_a_milestone_is_logged() -> None:
    assert "4711" not in repr(reached(pickup("pickup.ready")))
    assert "eva" not in repr(GUEST)


# --- late facts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "late"),
    [(timedelta(), False), (timedelta(hours=48), False), (timedelta(hours=48, seconds=1), True)],
)
def test_what_was_recorded_more_than_two_days_after_it_happened_is_late(
    age: timedelta, late: bool
) -> None:
    happened = datetime.fromisoformat(AT)
    envelope = event("order.placed", recorded_at=happened + age, channel="web")
    assert reached(envelope).late is late
    assert (written(envelope) is None) is late


def test_what_says_itself_that_it_is_late_sends_nothing() -> None:
    assert written(parcel("delivered", late=True)) is None


# --- who gets a message ---------------------------------------------------------------------------


def test_a_customer_is_written_to_as_they_chose() -> None:
    chosen = Preferences.model_validate({"channels": ["line", "sms"], "language": "zh-TW"})
    notification = message(parcel("delivered"), preferences=chosen)
    assert (notification.channel, notification.channels) == ("line", ("line", "sms"))
    assert notification.language == "zh-Hant"
    assert notification.text == "訂單 #1001 的包裹已送達，希望您喜歡！"


def test_a_customer_who_chose_no_channel_gets_nothing() -> None:
    assert written(parcel("delivered"), preferences=Preferences(channels=())) is None


def test_a_guest_is_written_to_by_the_contacts_of_the_order() -> None:
    notification = message(parcel("delivered"), GUEST)
    assert notification.channels == ("email", "sms")
    assert (notification.email, notification.phone) == ("eva@example.org", "+491511234567")
    assert notification.customer_id is None
    assert message(parcel("delivered"), Recipient(phone="+1")).channels == ("sms",)
    assert written(parcel("delivered"), Recipient()) is None


def test_a_marketplace_writes_to_its_guests_itself() -> None:
    order = Circumstances(order_id="ord_1", channel="marketplace")
    assert written(parcel("delivered"), GUEST, order) is None
    assert message(parcel("delivered"), CUSTOMER, order).channel == "push"


def test_contacts_go_along_only_for_channels_that_need_them() -> None:
    known = Recipient(customer_id="cus_1", email="eva@example.org", phone="+491511234567")
    pushed = message(parcel("delivered"), known, preferences=Preferences(channels=("push",)))
    assert (pushed.email, pushed.phone) == (None, None)
    texted = message(parcel("delivered"), known, preferences=Preferences(channels=("whatsapp",)))
    assert (texted.email, texted.phone) == (None, "+491511234567")


def test_a_message_has_one_id_however_often_it_is_asked_for() -> None:
    first = message(parcel("delivered"))
    again = message(parcel("delivered", "shipment.delivered", previous_status="in_transit"))
    assert first.notification_id == again.notification_id
    others = {
        message(parcel("out_for_delivery")).notification_id,
        message(parcel("delivered", shipment_id="shp_2")).notification_id,
        message(parcel("delivered"), Recipient(customer_id="cus_2")).notification_id,
        message(parcel("delivered"), GUEST).notification_id,
    }
    assert len(others | {first.notification_id}) == 5
    assert first.notification_id.startswith("ntf_")


# --- when ---------------------------------------------------------------------------------------


def test_a_message_waits_until_quiet_hours_are_over() -> None:
    hours = {"from": "09:00", "to": "12:30", "time_zone": "Europe/Berlin"}
    chosen = Preferences.model_validate({"quiet_hours": hours})
    notification = message(parcel("delivered"), preferences=chosen)
    assert notification.deliver_after == datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
    assert message(parcel("delivered")).deliver_after is None


@pytest.mark.parametrize(
    ("status", "current", "sent"),
    [
        ("out_for_delivery", "delivered", False),
        ("picked_up", "delivered", False),
        ("picked_up", "in_transit", True),
        ("picked_up", "customs", True),
        ("delayed", "in_transit", True),
        ("delivered", "delivered", True),
        ("delivered", "returning", False),
        ("delivered", None, True),
    ],
)
def test_a_message_that_another_one_overtakes_is_not_sent(
    status: str, current: str | None, sent: bool
) -> None:
    now = ShipmentStatus(current) if current else None
    about = ORDER.model_copy(update={"shipment_status": now})
    assert (written(parcel(status), about=about) is not None) is sent


# --- what it says ---------------------------------------------------------------------------------


def test_a_message_says_why_it_is_sent_and_what_it_is_about() -> None:
    notification = message(parcel("delivered"))
    assert notification.model_dump(mode="json", exclude_none=True) == {
        "notification_id": notification.notification_id,
        "customer_id": "cus_1",
        "channel": "push",
        "channels": ["push", "email"],
        "language": "en",
        "milestone": "delivered",
        "reason": "shipment.delivered",
        "subject_id": "shp_1",
        "title": "Delivered!",
        "order_id": "ord_1",
        "shipment_id": "shp_1",
        "tracking_url": "https://shop.example/t/abc",
        "occurred_at": rfc3339(NOW),
        "milestone_at": AT,
        "event_id": "evt_x_9",
        "text": "A parcel with your order #1001 was delivered. Enjoy!",
    }
    assert notification.type == "notification.requested"


@pytest.mark.parametrize(
    ("language", "accept", "expected"),
    [
        (None, None, "Delivered!"),
        (None, "de-AT", "Zugestellt!"),
        (None, "fr", "Delivered!"),
        ("es", "de-AT", "¡Entregado!"),
    ],
)
def test_the_customers_language_comes_before_the_orders(
    language: Language | None, accept: str | None, expected: str
) -> None:
    about = ORDER.model_copy(update={"language": accept})
    chosen = Preferences(language=language)
    assert message(parcel("delivered"), about=about, preferences=chosen).title == expected


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        (
            {"store_name": "Tandem Mitte", "time_zone": "Europe/Berlin"},
            "Your order is waiting for you at Tandem Mitte until 27 Nov, 18:00. "
            "Your pickup code: 4711",
        ),
        (
            {},
            "Your order is waiting for you in store until 27 Nov. Your pickup code: 4711",
        ),
    ],
)
def test_a_pickup_message_has_the_code_the_store_and_the_time_of_its_clock(
    about: dict[str, str], expected: str
) -> None:
    known = ORDER.model_copy(update=about)
    assert message(pickup("pickup.ready"), about=known).text == expected


def test_quiet_hours_tell_the_clock_where_the_store_does_not() -> None:
    hours = {"from": "22:00", "to": "08:00", "time_zone": "Asia/Taipei"}
    chosen = Preferences.model_validate({"quiet_hours": hours, "language": "zh-TW"})
    notification = message(pickup("pickup.expiring"), preferences=chosen)
    assert notification.text == "您的訂單還在門市等您，保留到11月28日 01:00。取貨碼：4711"


def test_a_message_explains_what_went_wrong() -> None:
    tried = parcel("delivery_attempted", "shipment.exception", reason="recipient_absent")
    assert message(tried).text == (
        "The carrier tried to deliver a parcel with your order #1001 but couldn't. "
        "Nobody was there to take it."
    )


def test_what_names_a_person_or_opens_a_door_is_kept_apart() -> None:
    notification = message(pickup("pickup.ready"), GUEST)
    sealed, private = notification.document(), notification.private_document()
    for secret in ("4711", "eva@example.org", "+49151"):
        assert secret not in sealed
        assert secret in private
    together = json.loads(sealed) | json.loads(private)
    assert NotificationRequested.model_validate(together) == notification
    assert NotificationRequested.model_validate_json(sealed).text == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", list(MilestoneName))
def test_every_milestone_has_a_message_in_every_language(
    name: MilestoneName, language: Language
) -> None:
    milestone = Milestone(
        name=name, subject_id="x", late=False, event_id="evt_x_1", occurred_at=NOW
    )
    chosen = Preferences(language=language)
    bare = Circumstances(order_id="ord_1")
    notification = requested(milestone, CUSTOMER, chosen, bare, None, NOW)
    assert notification is not None
    assert notification.title
    assert notification.text
    # A text message of two parts at most.
    limit = 134 if language.startswith("zh") else 306
    full = requested(milestone, CUSTOMER, chosen, ORDER, None, NOW)
    assert full is not None
    assert len(full.text) <= limit


@given(
    kind=st.sampled_from(sorted(TOLD)),
    data=st.dictionaries(MEMBERS | st.text(), JSON),
    language=st.sampled_from(LANGUAGES),
)
def test_any_data_makes_a_message_or_none(
    kind: str, data: dict[str, Any], language: Language
) -> None:
    milestone = milestone_of(event(kind).model_copy(update={"data": data}))
    if milestone is None:
        return
    fresh = milestone.model_copy(update={"late": False})
    notification = requested(fresh, CUSTOMER, Preferences(language=language), ORDER, None, NOW)
    assert notification is not None
    assert notification.text.isprintable()


@given(changes=st.dictionaries(MEMBERS | st.just("name"), JSON, max_size=4))
def test_a_withdrawal_with_odd_members_has_a_receipt_or_nobody_to_send_it_to(
    changes: dict[str, Any],
) -> None:
    told = withdrawal()
    receipt = receipt_of_withdrawal(told.model_copy(update={"data": told.data | changes}), NOW)
    if receipt is None:
        assert changes.keys() & {"email", "phone", "occurred_at"}
    else:
        assert "None" not in receipt.text


@given(
    changes=st.dictionaries(MEMBERS, JSON, max_size=3),
    one=st.sampled_from(
        [
            parcel("delivered"),
            pickup("pickup.ready"),
            event("order.placed", channel="web"),
            event("order.cancelled", lines=[{"line_id": "1", "quantity": 1}]),
            returning("return.rejected", reason="It was worn."),
            paid_back("card"),
        ]
    ),
)
def test_an_event_with_odd_members_makes_a_message_or_none(
    changes: dict[str, Any], one: Envelope
) -> None:
    milestone = milestone_of(one.model_copy(update={"data": one.data | changes}))
    if milestone is not None and not milestone.late:
        notification = requested(milestone, GUEST, Preferences(), ORDER, None, NOW)
        assert notification is not None
        assert notification.text.isprintable()
