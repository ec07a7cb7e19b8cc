"""Events that come twice, early, late or broken; the way to the bus; what schedules announce."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import boto3
import pytest

from tandem_core import outbox, queues
from tandem_core.clock import rfc3339
from tandem_core.events import Envelope, envelope_json
from tandem_core.journal import verify_chain
from tandem_core.problems import Conflict, Missing
from tandem_loyalty import consumers, use_cases
from tandem_loyalty.store import Store
from tests.service.conftest import START, Loyalty, purchase
from tests.service.table_contents import contents, nothing_changes

EMAIL = {"type": "email", "value": "ada@example.org"}
PHONE = {"type": "phone", "value": "+4915112345678"}
QUEUE = "loyalty-test-queue"


def order(order_id: str, amounts: list[int], channel: str = "web", **customer: str) -> Any:
    """An order as `order.placed` tells of it, with members that loyalty does not know."""
    return {
        **purchase(order_id, amounts, channel),
        "customer": customer or {"customer_id": "cus_1"},
        "placed_at": rfc3339(START),
        "currency": "EUR",
        "store_id": None,
        "tracking_token": "x",
    }


def kinds(loyalty: Loyalty, account_id: str) -> list[str]:
    return [entry.type for entry in loyalty.entries(account_id)]


def balance(available: int, pending: int = 0, held: int = 0, owed: int = 0) -> dict[str, int]:
    return {"available": available, "pending": pending, "held": held, "owed": owed}


def parked(loyalty: Loyalty) -> list[str]:
    """What waits: events for their order, orders for their guest."""
    return sorted(
        f"{pk} {sk}" for pk, sk in contents(loyalty) if pk.startswith("GUEST") or "PARKED" in sk
    )


@pytest.fixture
def member(loyalty: Loyalty) -> str:
    return loyalty.enrol(customer_id="cus_1", identifiers=[EMAIL])


@pytest.fixture
def handlers(loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The functions as Lambda calls them, with the shop's clock."""
    monkeypatch.setattr(consumers, "utc_now", lambda: loyalty.now)
    cached = (queues._sqs_client, queues._queue_url)
    for one in cached:
        one.cache_clear()
    yield consumers
    for one in cached:
        one.cache_clear()


# --- order.placed ---------------------------------------------------------------------------------


def test_an_order_of_a_member_earns(loyalty: Loyalty, member: str) -> None:
    loyalty.hear("order.placed", order("ord_1", [2000, 3050]), event_id="evt_shop_7")

    assert loyalty.balance(member) == balance(0, pending=50)
    (entry,) = loyalty.entries(member)[1:]
    assert (entry.type, entry.origin.causation_id) == ("points.pending", "evt_shop_7")
    assert entry.origin.actor == "integration:shop"


@pytest.mark.parametrize(
    "customer",
    [
        {"customer_id": "cus_1"},
        {"email": "ADA@example.org"},
        {"phone": "+49 151 12345678"},
        {"customer_id": "cus_unknown", "email": "ada@example.org"},
        {"email": "not an address", "phone": "+4915112345678"},
    ],
)
def test_a_member_is_known_by_anything_the_order_says(
    loyalty: Loyalty, customer: dict[str, str]
) -> None:
    account_id = loyalty.enrol(customer_id="cus_1", identifiers=[EMAIL, PHONE])

    loyalty.hear("order.placed", order("ord_1", [5000], **customer))
    assert loyalty.balance(account_id)["pending"] == 50


@pytest.mark.usefixtures("member")
def test_an_order_placed_twice_earns_once(
    loyalty: Loyalty,
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]), event_id="evt_1")
    with nothing_changes(loyalty):
        loyalty.hear("order.placed", order("ord_1", [5000]), event_id="evt_1")
        loyalty.hear("order.placed", order("ord_1", [5000]), event_id="evt_2")


def test_an_order_of_nobody_is_forgotten(loyalty: Loyalty) -> None:
    anonymous = order("ord_1", [5000]) | {"customer": {}}
    illegible = order("ord_2", [5000], email="see notes", phone="none")
    with nothing_changes(loyalty):
        loyalty.hear("order.placed", anonymous)
        loyalty.hear("order.placed", illegible)


@pytest.mark.usefixtures("member")
def test_an_order_without_units_is_forgotten(
    loyalty: Loyalty,
) -> None:
    empty = order("ord_1", [5000])
    empty["lines"][0]["quantity"] = 0
    with nothing_changes(loyalty):
        loyalty.hear("order.placed", empty)


@pytest.mark.usefixtures("member")
def test_a_type_that_nobody_asked_for_is_ignored(
    loyalty: Loyalty,
) -> None:
    with nothing_changes(loyalty):
        loyalty.hear("parcel.weighed", {"order_id": "ord_1"})


# --- guests ---------------------------------------------------------------------------------------


def test_a_guest_who_enrols_gets_the_points_of_what_was_bought_before(loyalty: Loyalty) -> None:
    guest = {"email": "ada@example.org", "phone": "+4915112345678"}
    for _ in range(2):
        loyalty.hear("order.placed", order("ord_1", [5000], "pos", **guest))
    loyalty.hear("order.placed", order("ord_2", [700], "pos", phone="+4915112345678"))
    assert len(parked(loyalty)) == 3
    loyalty.later(days=20)

    account_id = loyalty.enrol(identifiers=[PHONE, EMAIL])
    loyalty.hear_own(account_id)

    assert loyalty.balance(account_id) == balance(57)
    assert [lot["expires_on"] for lot in loyalty.account(account_id)["expiring"]] == ["2027-03-31"]
    assert parked(loyalty) == []
    with nothing_changes(loyalty):
        loyalty.hear_own(account_id)


def test_a_guests_contacts_are_not_in_the_table(loyalty: Loyalty) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000], email="ada@example.org"))
    assert "ada@example.org" not in str(contents(loyalty))
    (item,) = contents(loyalty).values()
    assert int(item["ttl"]["N"]) == int((START + timedelta(days=180)).timestamp())


def test_a_guest_who_enrols_while_the_order_is_being_parked_still_gets_the_points(
    loyalty: Loyalty, monkeypatch: pytest.MonkeyPatch
) -> None:
    park, enrolled = Store.park_purchase, []

    def enrol_just_before(store: Store, *details: Any) -> None:
        enrolled.append(loyalty.enrol(identifiers=[EMAIL]))
        loyalty.hear_own(enrolled[0])
        park(store, *details)

    monkeypatch.setattr(Store, "park_purchase", enrol_just_before)
    loyalty.hear("order.placed", order("ord_1", [5000], "pos", email="ada@example.org"))

    assert loyalty.balance(enrolled[0]) == balance(50)
    loyalty.hear_own(enrolled[0])
    assert loyalty.balance(enrolled[0]) == balance(50)
    assert kinds(loyalty, enrolled[0]) == ["account.enrolled", "points.earned"]


def test_what_a_guest_bought_and_a_till_has_reported_meanwhile_earns_once(
    loyalty: Loyalty,
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000], email="ada@example.org"))
    other = loyalty.enrol(customer_id="cus_9")
    loyalty.buy(other, 5000, "ord_1")

    account_id = loyalty.enrol(identifiers=[EMAIL])
    loyalty.hear_own(account_id)

    assert (loyalty.balance(other)["available"], loyalty.balance(account_id)) == (50, balance(0))
    assert parked(loyalty) == []


# --- order.delivered, order.completed -------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "field"), [("order.delivered", "delivered_at"), ("order.completed", "completed_at")]
)
def test_points_can_be_spent_when_the_return_window_closes(
    loyalty: Loyalty, member: str, kind: str, field: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    arrived = {"order_id": "ord_1", field: rfc3339(START + timedelta(days=3))}
    loyalty.later(days=4)
    loyalty.hear(kind, arrived)
    with nothing_changes(loyalty):
        loyalty.hear(kind, arrived)

    loyalty.now = START + timedelta(days=33, seconds=-1)
    assert loyalty.balance(member) == balance(0, pending=50)
    loyalty.later(seconds=1)
    assert loyalty.balance(member) == balance(50)


def test_the_order_may_say_when_its_window_closes(loyalty: Loyalty, member: str) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.hear(
        "order.delivered",
        {
            "order_id": "ord_1",
            "delivered_at": rfc3339(START),
            "return_window_closes_at": rfc3339(START + timedelta(days=7)),
        },
    )
    loyalty.later(days=7)
    assert loyalty.balance(member) == balance(50)


def test_a_delivery_without_its_time_counts_from_when_it_was_told(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.later(days=1)
    loyalty.hear("order.delivered", {"order_id": "ord_1"})

    loyalty.later(days=30, seconds=-1)
    assert loyalty.balance(member)["pending"] == 50
    loyalty.later(seconds=1)
    assert loyalty.balance(member) == balance(50)


@pytest.mark.parametrize("days", [(3, 8), (8, 3)])
def test_of_several_deliveries_the_last_one_counts_in_whatever_order_they_are_heard(
    loyalty: Loyalty, member: str, days: tuple[int, int]
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.later(days=9)
    for day in days:
        at = rfc3339(START + timedelta(days=day))
        loyalty.hear("order.delivered", {"order_id": "ord_1", "delivered_at": at})

    loyalty.now = START + timedelta(days=38, seconds=-1)
    assert loyalty.balance(member)["pending"] == 50
    loyalty.later(seconds=1)
    assert loyalty.balance(member) == balance(50)


def test_a_clock_that_is_wrong_elsewhere_defers_points_by_a_year_at_most(
    loyalty: Loyalty, member: str
) -> None:
    never = "2999-01-01T00:00:00Z"
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.hear("order.placed", order("ord_2", [700]))
    loyalty.hear("order.delivered", {"order_id": "ord_1", "delivered_at": never})
    loyalty.hear(
        "order.delivered",
        {"order_id": "ord_2", "delivered_at": never, "return_window_closes_at": never},
    )

    loyalty.later(days=30, minutes=5)
    assert loyalty.balance(member) == balance(50, pending=7)
    loyalty.later(days=336)
    assert loyalty.balance(member)["available"] == 57


def test_a_delivery_before_its_order_waits_for_it(loyalty: Loyalty, member: str) -> None:
    for event_id in ("evt_a", "evt_a", "evt_b"):
        loyalty.hear(
            "order.delivered",
            {"order_id": "ord_1", "delivered_at": rfc3339(START)},
            event_id=event_id,
        )
    assert len(parked(loyalty)) == 2
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.hear_own(member)

    assert parked(loyalty) == []
    loyalty.later(days=30)
    assert loyalty.balance(member) == balance(50)


def test_a_delivery_that_is_being_parked_while_its_order_earns_is_not_lost(
    loyalty: Loyalty, member: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    park = Store.park_event

    def earn_just_before(store: Store, *details: Any) -> None:
        loyalty.hear("order.placed", order("ord_1", [5000]))
        loyalty.hear_own(member)
        park(store, *details)

    monkeypatch.setattr(Store, "park_event", earn_just_before)
    loyalty.hear("order.delivered", {"order_id": "ord_1", "delivered_at": rfc3339(START)})

    loyalty.later(days=30)
    assert loyalty.balance(member) == balance(50)


def test_a_delivery_long_after_the_points_matured_changes_nothing(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.later(days=90)
    loyalty.hear("order.delivered", {"order_id": "ord_1", "delivered_at": rfc3339(loyalty.now)})
    assert loyalty.balance(member) == balance(50)


def test_a_delivery_of_what_was_paid_at_the_till_changes_nothing(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))
    with nothing_changes(loyalty):
        loyalty.hear("order.completed", {"order_id": "ord_1"})
    assert loyalty.balance(member) == balance(50)


# --- order.cancelled ------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["web", "pos"])
def test_a_cancelled_order_loses_its_points_once(
    loyalty: Loyalty, member: str, channel: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000, 1000], channel))
    loyalty.hear("order.cancelled", {"order_id": "ord_1"}, event_id="evt_1")
    with nothing_changes(loyalty):
        loyalty.hear("order.cancelled", {"order_id": "ord_1"}, event_id="evt_1")
        loyalty.hear("order.cancelled", {"order_id": "ord_1"}, event_id="evt_2")

    assert loyalty.balance(member) == balance(0)
    assert loyalty.account(member)["lifetime_points"] == 0


def test_cancelled_lines_lose_their_points_and_the_rest_follows(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000, 1000], "pos"))
    lines = {"order_id": "ord_1", "lines": [{"line_id": "1", "quantity": 1}]}
    loyalty.hear("order.cancelled", lines, event_id="evt_1")
    with nothing_changes(loyalty):
        loyalty.hear("order.cancelled", lines, event_id="evt_1")
    assert loyalty.balance(member) == balance(10)

    loyalty.hear("order.cancelled", {"order_id": "ord_1"}, event_id="evt_2")
    assert loyalty.balance(member) == balance(0)


def test_a_cancellation_with_an_id_of_its_own_counts_once_whatever_tells_of_it(
    loyalty: Loyalty, member: str
) -> None:
    bought = order("ord_1", [5000], "pos")
    bought["lines"][0]["quantity"] = 5
    loyalty.hear("order.placed", bought)
    told = {
        "order_id": "ord_1",
        "cancellation_id": "can_1",
        "lines": [{"line_id": "1", "quantity": 1}],
    }
    loyalty.hear("order.cancelled", told, event_id="evt_1")
    with nothing_changes(loyalty):
        loyalty.hear("order.cancelled", told, event_id="evt_2")
    loyalty.hear("order.cancelled", told | {"cancellation_id": "can_2"}, event_id="evt_3")

    assert loyalty.balance(member) == balance(30)


def test_an_order_that_is_cancelled_before_it_is_placed_earns_nothing_in_the_end(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("order.cancelled", {"order_id": "ord_1"})
    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))
    loyalty.hear_own(member)

    assert loyalty.balance(member) == balance(0)
    assert kinds(loyalty, member) == ["account.enrolled", "points.earned", "points.reversed"]
    assert parked(loyalty) == []


# --- refund.succeeded -----------------------------------------------------------------------------


def refund(refund_id: str, order_id: str, legs: list[Any], **lines: int) -> dict[str, Any]:
    return {
        "refund_id": refund_id,
        "order_id": order_id,
        "succeeded_at": rfc3339(START),
        "lines": [
            {"line_id": name.removeprefix("line_"), "quantity": quantity}
            for name, quantity in lines.items()
        ],
        "legs": legs,
    }


def test_a_refund_takes_back_what_was_earned_and_gives_back_what_was_spent(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.buy(member, 10_000, "ord_0")
    held = loyalty.redeem(member, 40).body["id"]
    loyalty.redemption("capture", member, held)
    loyalty.hear("order.placed", order("ord_1", [5000, 3000], "pos"))
    assert loyalty.balance(member) == balance(140)
    legs = [
        {"tender": "card", "paid": {"amount": 2600, "currency": "EUR"}},
        {"tender": "points", "points": 15, "reference": held},
    ]
    told = refund("ref_1", "ord_1", legs, line_2=1)

    loyalty.hear("refund.succeeded", told)
    assert loyalty.balance(member) == balance(140 + 15 - 30)
    with nothing_changes(loyalty):
        for event_id in (None, "evt_x"):
            loyalty.hear("refund.succeeded", told, event_id=event_id)

    rest = [{"tender": "points", "points": 25, "reference": held}]
    loyalty.hear("refund.succeeded", refund("ref_2", "ord_1", rest, line_1=1))
    assert loyalty.balance(member) == balance(100)


def test_several_legs_for_one_redemption_are_all_given_back(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 5000, "ord_0")
    held = loyalty.redeem(member, 40).body["id"]
    loyalty.redemption("capture", member, held)
    legs = [{"tender": "points", "points": part, "reference": held} for part in (3, 4)]
    for _ in range(2):
        loyalty.hear("refund.succeeded", refund("ref_1", "ord_0", legs))

    assert loyalty.balance(member) == balance(10 + 3 + 4)


def test_refunds_in_any_order_end_where_one_whole_refund_does(loyalty: Loyalty) -> None:
    ends = []
    for number, sequence in enumerate([("a", "b", "c"), ("c", "a", "b"), ("whole",)]):
        account_id = loyalty.enrol(customer_id=f"cus_{number}")
        order_id = f"ord_{number}"
        bought = order(order_id, [999, 1001, 333], "pos", customer_id=f"cus_{number}")
        for line in bought["lines"]:
            line["quantity"] = 4
        loyalty.hear("order.placed", bought)
        parts: dict[str, dict[str, int]] = {
            "a": {"line_1": 3, "line_3": 1},
            "b": {"line_1": 1, "line_2": 2},
            "c": {"line_2": 1, "line_3": 2},
            "whole": {"line_1": 4, "line_2": 3, "line_3": 3},
        }
        for part in sequence:
            loyalty.hear(
                "refund.succeeded", refund(f"ref_{number}{part}", order_id, [], **parts[part])
            )
        ends.append(loyalty.balance(account_id))

    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("points", [11, 5])
def test_goods_that_are_back_lose_their_points_whatever_is_wrong_with_the_money(
    loyalty: Loyalty, member: str, points: int
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    held = loyalty.redeem(member, 10).body["id"]
    loyalty.redemption("capture", member, held)
    reference = held if points > 10 else "rdm_elsewhere"
    legs = [{"tender": "points", "points": points, "reference": reference}]

    for _ in range(2):
        with pytest.raises((Conflict, Missing)):
            loyalty.hear("refund.succeeded", refund("ref_1", "ord_1", legs, line_1=1))
        assert loyalty.balance(member) == balance(0, owed=10)


def test_a_parked_event_that_cannot_be_handled_does_not_hold_up_the_others(
    loyalty: Loyalty, member: str
) -> None:
    loyalty.hear("refund.succeeded", refund("r", "ord_1", [], line_9=1), event_id="evt_a")
    loyalty.hear("order.cancelled", {"order_id": "ord_1"}, event_id="evt_b")
    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))

    with pytest.raises(ExceptionGroup):
        loyalty.hear_own(member)
    assert loyalty.balance(member) == balance(0)
    assert len(parked(loyalty)) == 1


def test_a_refund_of_points_that_are_spent_already_is_owed(loyalty: Loyalty, member: str) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))
    held = loyalty.redeem(member, 50).body["id"]
    loyalty.redemption("capture", member, held)
    loyalty.hear("refund.succeeded", refund("ref_1", "ord_1", [], line_1=1))

    assert loyalty.balance(member) == balance(0, owed=50)


def test_a_refund_that_comes_before_its_order_waits_for_it(loyalty: Loyalty, member: str) -> None:
    loyalty.buy(member, 10_000, "ord_0")
    held = loyalty.redeem(member, 40).body["id"]
    loyalty.redemption("capture", member, held)
    legs = [{"tender": "points", "points": 40, "reference": held}]
    for _ in range(2):
        loyalty.hear("refund.succeeded", refund("ref_1", "ord_1", legs, line_1=1), event_id="evt_1")
    assert loyalty.balance(member) == balance(100)
    assert len(parked(loyalty)) == 1

    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))
    loyalty.hear_own(member)
    assert loyalty.balance(member) == balance(100)
    assert parked(loyalty) == []


@pytest.mark.usefixtures("member")
def test_a_refund_of_money_alone_changes_no_points(
    loyalty: Loyalty,
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000], "pos"))
    with nothing_changes(loyalty):
        loyalty.hear("refund.succeeded", refund("ref_1", "ord_1", [{"tender": "card"}]))


# --- the queue ------------------------------------------------------------------------------------


def message(number: int, body: str, **more: Any) -> dict[str, Any]:
    return {"messageId": f"m{number}", "body": body, **more}


def detail(kind: str, data: Any) -> str:
    envelope = {
        "specversion": "1.0",
        "id": f"evt_{kind}_{data.get('order_id')}",
        "source": "tandem.orders",
        "type": kind,
        "subject": "ord_1",
        "time": rfc3339(START),
        "dataschema": f"urn:tandem:event:{kind}:1",
        "datacontenttype": "application/json",
        "tandemseq": 1,
        "actor": "integration:shop",
        "channel": "web",
        "data": data,
    }
    return json.dumps({"detail-type": kind, "source": "tandem.orders", "detail": envelope})


def test_a_message_that_cannot_be_handled_fails_alone(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    too_much = refund("ref_1", "ord_1", [], line_1=2)
    two_currencies = order("ord_3", [100, 200])
    two_currencies["lines"][0]["paid"]["currency"] = "USD"
    batch = [
        message(0, detail("order.placed", order("ord_1", [5000], "pos"))),
        message(1, "not json"),
        message(2, json.dumps({"detail": {"type": "order.placed"}})),
        message(3, detail("order.placed", {"order_id": "ord_2"})),
        message(4, detail("refund.succeeded", too_much)),
        message(5, detail("order.placed", two_currencies)),
        message(6, detail("order.placed", order("ord_9", [1000], "pos"))),
    ]

    answer = handlers.consume({"Records": batch}, None)

    failed = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert failed == ["m1", "m2", "m3", "m4", "m5"]
    assert loyalty.balance(member) == balance(60)


@pytest.mark.usefixtures("member")
def test_a_whole_batch_again_changes_nothing(
    loyalty: Loyalty,
    handlers: Any,
) -> None:
    batch = [
        message(0, detail("order.placed", order("ord_1", [5000], "pos"))),
        message(1, detail("order.cancelled", {"order_id": "ord_1"})),
        message(2, detail("order.placed", order("ord_2", [3000]))),
        message(3, detail("order.delivered", {"order_id": "ord_2"})),
    ]
    assert handlers.consume({"Records": batch}, None) == {"batchItemFailures": []}
    with nothing_changes(loyalty):
        for records in (batch, batch[::-1]):
            answer = handlers.consume({"Records": records}, None)
            assert answer == {"batchItemFailures": []}


# --- holds that lapse -----------------------------------------------------------------------------


def hold_message(loyalty: Loyalty, account_id: str) -> tuple[dict[str, Any], str]:
    """The last entry's event in a real queue, received; and the address of the queue."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    entry = loyalty.entries(account_id)[-1]
    assert entry.type == "redemption.authorized"
    client.send_message(
        QueueUrl=url,
        MessageBody=json.dumps({"detail": json.loads(envelope_json("tandem.loyalty", entry))}),
    )
    (received,) = client.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    record = message(
        0,
        received["Body"],
        receiptHandle=received["ReceiptHandle"],
        eventSourceARN=arn["Attributes"]["QueueArn"],
    )
    return record, url


def test_a_hold_that_has_lapsed_is_written_down_once(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    loyalty.redeem(member, 50)
    record, _ = hold_message(loyalty, member)
    loyalty.later(minutes=15, seconds=1)

    for _ in range(2):
        assert handlers.lapse({"Records": [record]}, None) == {"batchItemFailures": []}
    assert kinds(loyalty, member)[-2:] == ["redemption.authorized", "redemption.expired"]


def test_a_hold_that_still_lives_stays_in_the_queue_out_of_sight(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    loyalty.redeem(member, 50, body={"expires_in_seconds": 86_400})
    record, url = hold_message(loyalty, member)
    loyalty.later(minutes=15)

    with nothing_changes(loyalty):
        answer = handlers.lapse({"Records": [record]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m0"}]}
    assert "Messages" not in boto3.client("sqs").receive_message(QueueUrl=url)


def test_a_hold_that_was_captured_needs_no_lapse(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    held = loyalty.redeem(member, 50).body["id"]
    record, _ = hold_message(loyalty, member)
    loyalty.redemption("capture", member, held)
    loyalty.later(minutes=16)

    with nothing_changes(loyalty):
        assert handlers.lapse({"Records": [record]}, None) == {"batchItemFailures": []}


# --- the schedule that announces ------------------------------------------------------------------


def announced(handlers: Any) -> tuple[int, int]:
    answer = handlers.announce({}, None)
    return answer["accounts"], answer["facts"]


def test_what_time_does_is_announced_exactly_once(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    loyalty.buy(member, 5000, "ord_1", channel="web")
    assert announced(handlers) == (0, 0)

    loyalty.now = START + timedelta(days=61)
    assert announced(handlers) == (1, 1)
    assert announced(handlers) == (0, 0)
    assert kinds(loyalty, member)[-1] == "points.activated"

    loyalty.now = datetime(2027, 2, 28, 12, tzinfo=START.tzinfo)
    assert announced(handlers) == (0, 0)
    loyalty.later(days=1)
    assert announced(handlers) == (1, 1)
    assert announced(handlers) == (0, 0)
    reminder = loyalty.events(member)[0]
    assert (reminder["type"], reminder["expires_on"]) == ("points.expiring", "2027-03-31")
    assert reminder["points"] == 0

    loyalty.now = datetime(2027, 4, 1, tzinfo=START.tzinfo)
    assert loyalty.balance(member) == balance(0)
    assert announced(handlers) == (1, 1)
    assert announced(handlers) == (0, 0)
    ended = loyalty.events(member)[0]
    assert (ended["type"], ended["points"]) == ("points.expired", -50)
    assert ended["occurred_at"] == "2027-04-01T00:00:00.000000Z"
    verify_chain(loyalty.entries(member))


def test_a_schedule_that_slept_for_years_announces_everything_in_its_order(
    loyalty: Loyalty, handlers: Any, member: str
) -> None:
    loyalty.buy(member, 5000, "ord_1", channel="web")
    loyalty.buy(member, 1000, "ord_2")
    loyalty.redeem(member, 10)
    loyalty.later(days=1500)

    assert announced(handlers) == (1, 3)
    assert kinds(loyalty, member)[-3:] == [
        "redemption.expired",
        "points.activated",
        "points.expired",
    ]
    assert loyalty.balance(member) == balance(0)


def test_more_accounts_than_one_page_are_all_announced(
    loyalty: Loyalty, handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_core.due.DUE_SHARDS", 1)
    monkeypatch.setattr("tandem_core.due._PAGE", 2)
    accounts = [loyalty.enrol() for _ in range(5)]
    for account_id in accounts:
        loyalty.buy(account_id, 5000, f"ord_{account_id}", channel="web")
    loyalty.later(days=61)

    assert announced(handlers) == (5, 5)
    assert {kinds(loyalty, account_id)[-1] for account_id in accounts} == {"points.activated"}


def test_accounts_with_nothing_to_announce_do_not_keep_the_schedule_busy(
    loyalty: Loyalty, handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tandem_core.due.DUE_SHARDS", 1)
    monkeypatch.setattr("tandem_core.due._PAGE", 2)
    for number in range(5):
        loyalty.enrol(customer_id=f"cus_{number}")
        loyalty.hear("order.placed", order(f"ord_{number}", [5000], customer_id=f"cus_{number}"))
        if number != 3:
            loyalty.hear("order.cancelled", {"order_id": f"ord_{number}"})
    loyalty.later(days=61)

    accounts, facts = announced(handlers)
    assert accounts <= 5
    assert facts == 1


def test_an_account_that_cannot_be_announced_does_not_stop_the_others(
    loyalty: Loyalty, handlers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = [loyalty.enrol() for _ in range(3)]
    for account_id in accounts:
        loyalty.buy(account_id, 5000, f"ord_{account_id}", channel="web")
    loyalty.later(days=61)
    announce = use_cases.announce

    def broken(store: Store, account_id: str, now: datetime) -> int:
        if account_id == accounts[0]:
            raise RuntimeError("unreadable")
        return announce(store, account_id, now)

    monkeypatch.setattr(use_cases, "announce", broken)
    assert handlers.announce({}, None) == {"accounts": 3, "facts": 2, "failed": 1}
    assert [kinds(loyalty, one)[-1] for one in accounts] == [
        "points.pending",
        "points.activated",
        "points.activated",
    ]


def test_the_schedule_stops_while_there_is_time_and_goes_on_next_time(
    loyalty: Loyalty, handlers: Any
) -> None:
    class Hurried:
        def get_remaining_time_in_millis(self) -> int:
            return 1000

    for number in range(3):
        account_id = loyalty.enrol()
        loyalty.buy(account_id, 5000, f"ord_{number}", channel="web")
    loyalty.later(days=61)

    for _ in range(3):
        assert handlers.announce({}, Hurried()) == {"accounts": 1, "facts": 1, "failed": 0}
    assert handlers.announce({}, Hurried()) == {"accounts": 0, "facts": 0, "failed": 0}


# --- to the bus -----------------------------------------------------------------------------------


def stream_record(item: Any, number: int, kind: str = "INSERT") -> dict[str, Any]:
    """A record as the table's stream delivers it: bytes in base 64."""
    image = {
        name: {
            typed: base64.b64encode(value).decode() if typed == "B" else value
            for typed, value in one.items()
        }
        for name, one in item.items()
    }
    return {
        "eventName": kind,
        "dynamodb": {"SequenceNumber": str(100 + number), "NewImage": image},
    }


class Bus:
    """An event bus that refuses the entries whose details contain a word."""

    def __init__(self, refused: str = "nothing at all") -> None:
        self.refused = refused
        self.taken: list[Any] = []
        self.calls: list[int] = []
        self.dead = False

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803  AWS's name
        if self.dead:
            raise ConnectionError
        self.calls.append(len(Entries))
        results: list[dict[str, str]] = []
        for entry in Entries:
            if self.refused in entry["Detail"]:
                results.append({"ErrorCode": "InternalFailure", "ErrorMessage": "no"})
            else:
                self.taken.append(entry)
                results.append({"EventId": "x"})
        failed = sum("ErrorCode" in result for result in results)
        return {"FailedEntryCount": failed, "Entries": results}

    def heard(self) -> list[Any]:
        """What a consumer's queue has received since the last look."""
        bodies = [
            {
                "detail-type": entry["DetailType"],
                "source": entry["Source"],
                "detail": json.loads(entry["Detail"]),
            }
            for entry in self.taken
        ]
        self.taken = []
        return bodies


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Bus:
    """A bus between relay and test: which event fails cannot be chosen on moto's."""
    bus = Bus()

    @lru_cache
    def client() -> Bus:
        return bus

    monkeypatch.setattr(outbox, "_events_client", client)
    return bus


def test_the_relay_publishes_new_entries_and_nothing_else(
    loyalty: Loyalty, handlers: Any, member: str, bus: Bus
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    held = loyalty.redeem(member, 30, headers={"traceparent": "00-ab-cd-01"}).body["id"]
    items = sorted(contents(loyalty).values(), key=lambda item: int(item.get("seq", {"N": 0})["N"]))
    records = [stream_record(item, number) for number, item in enumerate(items)]
    records += [stream_record(item, 50, "MODIFY") for item in items]
    records.append({"eventName": "REMOVE", "dynamodb": {"SequenceNumber": "200"}})

    assert handlers.relay({"Records": records}, None) == {"batchItemFailures": []}

    published = {one["detail-type"]: one for one in bus.heard()}
    assert sorted(published) == ["account.enrolled", "points.earned", "redemption.authorized"]
    assert {one["source"] for one in published.values()} == {"tandem.loyalty"}
    envelope = Envelope.model_validate(published["redemption.authorized"]["detail"])
    assert (envelope.subject, envelope.tandemseq) == (member, 3)
    assert envelope.dataschema == "urn:tandem:event:redemption.authorized:1"
    assert (envelope.actor, envelope.channel) == ("integration:shop", "web")
    assert envelope.traceparent == "00-ab-cd-01"
    assert envelope.data["redemption"]["id"] == held
    ids = {one["detail"]["id"] for one in published.values()}
    assert len(ids) == 3


def test_what_the_bus_does_not_take_is_reported_to_the_stream(
    loyalty: Loyalty, handlers: Any, member: str, bus: Bus
) -> None:
    for number in range(12):
        loyalty.buy(member, 100, f"ord_{number:02d}")
    items = [item for item in contents(loyalty).values() if "seq" in item]
    items.sort(key=lambda item: int(item["seq"]["N"]))
    bus.refused = "ord_07"

    answer = handlers.relay(
        {"Records": [stream_record(item, number) for number, item in enumerate(items)]}, None
    )

    assert answer == {"batchItemFailures": [{"itemIdentifier": "108"}]}
    assert bus.calls == [10, 3]
    assert len(bus.taken) == 12


def test_entries_of_different_programs_are_told_apart(
    loyalty: Loyalty, handlers: Any, bus: Bus
) -> None:
    definition = {
        "accrual_rules": [],
        "point_value": {"points": 1, "value": {"amount": 1, "currency": "EUR"}},
    }
    for name in ("summer_2026", "winter_2026"):
        reply = loyalty.call(
            "PUT",
            "/programs/{program_id}",
            {"name": name, **definition},
            role="admin",
            program_id=name,
        )
        assert reply.status == 200
    items = [item for _, item in sorted(contents(loyalty).items()) if "seq" in item]
    records = [stream_record(item, number) for number, item in enumerate(items)]
    bus.refused = "summer_2026"

    answer = handlers.relay({"Records": records}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "100"}]}

    bus.refused = "nothing at all"
    handlers.relay({"Records": records}, None)
    assert len({json.loads(entry["Detail"])["id"] for entry in bus.taken}) == 2


@pytest.mark.usefixtures("member")
def test_a_bus_out_of_reach_fails_the_batch(loyalty: Loyalty, handlers: Any, bus: Bus) -> None:
    bus.dead = True
    items = [item for item in contents(loyalty).values() if "seq" in item]
    with pytest.raises(ConnectionError):
        handlers.relay({"Records": [stream_record(item, 0) for item in items]}, None)


def test_a_replay_publishes_again_what_was_recorded_since(
    loyalty: Loyalty, handlers: Any, member: str, bus: Bus
) -> None:
    loyalty.buy(member, 5000, "ord_1")
    loyalty.later(days=1)
    since = loyalty.now
    loyalty.buy(member, 5000, "ord_2")
    loyalty.redeem(member, 10)

    with nothing_changes(loyalty):
        assert handlers.replay({"since": since.isoformat()}, None) == {"published": 2}
    assert sorted(one["detail"]["tandemseq"] for one in bus.heard()) == [3, 4]
    assert handlers.replay({"since": "2000-01-01T00:00:00Z"}, None) == {"published": 4}
    assert len(bus.heard()) == 4
    assert handlers.replay({"since": "2100-01-01T00:00:00+01:00"}, None) == {"published": 0}


def test_a_long_replay_goes_on_from_its_cursor(
    loyalty: Loyalty, handlers: Any, member: str, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        loyalty.buy(member, 100, f"ord_{number}")
    monkeypatch.setattr(outbox, "_REPLAY_PAGES", 2)
    handlers.store().table.client.meta.events.register(
        "provide-client-params.dynamodb.Scan", lambda params, **_: {**params, "Limit": 2}
    )

    published, request, calls = 0, {"since": "2000-01-01T00:00:00Z"}, 0
    while True:
        answer = handlers.replay(request, None)
        published, calls = published + answer["published"], calls + 1
        if "cursor" not in answer:
            break
        request["cursor"] = answer["cursor"]

    assert calls > 1
    assert published == 8
    assert sorted(one["detail"]["tandemseq"] for one in bus.heard()) == list(range(1, 9))


@pytest.mark.usefixtures("member")
def test_a_replay_that_the_bus_refuses_says_so(handlers: Any, bus: Bus) -> None:
    bus.refused = "account.enrolled"
    with pytest.raises(RuntimeError, match="again"):
        handlers.replay({"since": "2000-01-01T00:00:00Z"}, None)


def test_hearing_everything_again_changes_nothing(
    loyalty: Loyalty, handlers: Any, member: str, bus: Bus
) -> None:
    loyalty.hear("order.placed", order("ord_1", [5000]))
    loyalty.hear("order.delivered", {"order_id": "ord_1"})
    loyalty.buy(member, 1000, "ord_2")
    handlers.replay({"since": "2000-01-01T00:00:00Z"}, None)
    bodies = bus.heard()

    with nothing_changes(loyalty):
        records = [message(number, json.dumps(body)) for number, body in enumerate(bodies)]
        answer = handlers.consume({"Records": [*records, *records[::-1]]}, None)
        assert answer == {"batchItemFailures": []}
