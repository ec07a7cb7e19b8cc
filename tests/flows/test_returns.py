"""What comes back, through real HTTP, queues and providers: in parts, ten at once, by mail, as a
gift, by law; and each payment made once, by the provider's own ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from threading import Barrier
from typing import Any

import pytest

from tests.flows.conftest import Cloud, Ear, Reply
from tests.flows.customers import LOYALTY, ORDERS
from tests.flows.returners import (
    RETURNS,
    Json,
    Returner,
    claims_at_till,
    euros,
    line,
    say_again,
)
from tests.flows.senders import aftership, ago, delivered, easypost, in_transit

WORKER = "tandem-local-returns-refund"


@pytest.fixture(scope="module", autouse=True)
def _impatient(cloud: Cloud) -> Iterator[None]:
    """What the worker did not finish comes again after a second, and not after six minutes.

    For all of the file: a poll that began before would still hide what it receives for minutes.
    """
    sqs, url = cloud.clients.sqs, cloud.outputs("returns")["RefundsQueueUrl"]
    usual = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    yield
    sqs.set_queue_attributes(QueueUrl=url, Attributes=dict(usual["Attributes"]))


@pytest.fixture
def ada(cloud: Cloud) -> Returner:
    return Returner(cloud)


def paid(returner: Returner, *orders: Json) -> Counter[tuple[str, str]]:
    """Return what providers have really paid for orders, by tender and reference."""
    sums: Counter[tuple[str, str]] = Counter()
    for order in orders:
        for refund in returner.paid(order):
            sums[refund["tender"], refund["reference"]] += refund["amount"]
    return sums


def returned(returner: Returner, order: Json) -> dict[str, int]:
    return {one["line_id"]: one["returned"] for one in returner.order(order["id"])["lines"]}


def delivered_by_scans(ada: Returner, order: Json, units: dict[str, int]) -> None:
    """Ship all of it, and let two providers tell of the parcel until it is at the door."""
    number = ada.number()
    lines = [{"line_id": name, "quantity": count} for name, count in units.items()]
    parcel = {"carrier": "UPS", "tracking_number": number}
    ada.fulfil(order, type="ship", shipments=[parcel], lines=lines)
    moving, arrived = ago(hours=5), ago(hours=1)
    news = [
        ("aftership", aftership(number, ("InTransit", "InTransit_003", moving))),
        ("easypost", easypost(number, in_transit(moving), delivered(arrived))),
        ("aftership", aftership(number, ("Delivered", "Delivered_001", arrived))),
    ]
    for sender, body in news:
        assert ada.cloud.send(sender, body).status == 202
    ada.wait_for(order, "completed", "delivered")
    ada.wait_returnable(order)


def test_a_purchase_that_comes_back_in_parts_is_as_if_it_had_never_been(
    cloud: Cloud, ada: Returner
) -> None:
    ada.join(points=40)
    before = ada.get(f"{LOYALTY}/accounts/{ada.account_id}")
    ear = cloud.listen({"detail": {"data": {"customer_id": [ada.id]}}})

    # Three lamps for 100.00 and a shade for 50.05, to the door: 150 points, spent as soon as there.
    online = ada.place(
        "web",
        lines=[line("1", 3, 10_000), line("2", 1, 5_005, "shade")],
        tenders=[ada.card(15_005, "web")],
    )
    cloud.wait_until(lambda: ada.balance["pending"] == 150)
    delivered_by_scans(ada, online, {"1": 3, "2": 1})
    cloud.wait_until(lambda: ada.balance == _has(available=190))

    # In store, 120 of them take 12.00 off 80.00; the other 68.00 earn.
    redemption = ada.spend(120)
    points = {"type": "points", "paid": euros(1_200), "reference": redemption}
    receipt = ada.receipt(line("1", 1, 8_000, "rug"), tenders=[points, ada.card(6_800, "till")])
    cloud.wait_until(lambda: ada.balance == _has(available=40 + 150 - 120 + 68))
    cloud.settle()

    # Half of what came to the door: asked for in the app, handed over at a counter by its code.
    quote = ada.quote(online, {"1": 2})
    assert quote["decision"] == "approved"
    assert quote["refund"] == {
        "legs": [{"tender": "card", "paid": euros(6_666), "points": None, "bonus": False}],
        "fees": euros(0),
        "points_restored": 0,
        "points_taken": 67,
    }
    half = ada.open(quote)
    _redeem_offline_and_once(ada, half)
    half = ada.wait_resolved(half)
    assert half["refund"]["refunds"][0]["paid"] == euros(6_666)
    assert half["time_to_refund"]["late"] is False
    cloud.wait_until(lambda: ada.balance == _has(available=138 - 67))
    assert paid(ada, online, receipt) == {("card", f"pi_{ada.run}_web"): 6_666}
    cloud.wait_until(lambda: returned(ada, online) == {"1": 2, "2": 0})

    # The rest, elsewhere: what was spent of its points is owed, to the point.
    elsewhere = cloud.token("terminal", "store_13/till_1")
    rest = ada.wait_resolved(ada.bring(online, {"1": 1, "2": 1}, elsewhere))
    assert rest["refund"]["points_taken"] == 83
    cloud.wait_until(lambda: ada.balance == _has(owed=83 - 71))
    assert paid(ada, online, receipt) == {("card", f"pi_{ada.run}_web"): 15_005}

    # And what was bought with the points: the money to the card, the points to their lots.
    quote = ada.quote(receipt, {"1": 1}, ada.till)
    assert [(one["tender"], one["paid"]["amount"]) for one in quote["refund"]["legs"]] == [
        ("points", 1_200),
        ("card", 6_800),
    ]
    assert (quote["refund"]["points_restored"], quote["refund"]["points_taken"]) == (120, 68)
    ada.wait_resolved(ada.bring(receipt, {"1": 1}))
    cloud.wait_until(lambda: ada.balance == _has(available=40))
    after = ada.get(f"{LOYALTY}/accounts/{ada.account_id}")
    assert after["lifetime_points"] == before["lifetime_points"]
    assert paid(ada, online, receipt) == {
        ("card", f"pi_{ada.run}_web"): 15_005,
        ("card", f"pi_{ada.run}_till"): 6_800,
    }

    _is_told_once(cloud, ada, ear)

    def seen() -> list[Any]:
        return [
            ada.balance,
            ada.backs(online),
            ada.backs(receipt),
            paid(ada, online, receipt),
            returned(ada, online),
            ada.timeline(),
        ]

    once = seen()
    say_again(cloud, ear, seed=7)
    assert seen() == once


def _has(**points: int) -> dict[str, int]:
    return {"available": 0, "pending": 0, "held": 0, "owed": 0, **points}


def _redeem_offline_and_once(ada: Returner, back: Json) -> None:
    """Show a code at a till that has no network, and report it twice, from two stores."""
    code = ada.get(f"{RETURNS}/returns/{back['id']}/code", ada.token)["code"]
    keys = ada.cloud.call("GET", f"{RETURNS}/keys").body
    claims = claims_at_till(code, keys)
    assert claims
    assert (claims["ret"], claims["ord"], claims["lin"], claims["pol"]) == (
        back["id"],
        back["order_id"],
        [["1", 2]],
        back["policy"],
    )
    head, said, signature = code.split(".")
    assert claims_at_till(f"{head}.{said[:-2]}AA.{signature}", keys) is None
    units = [{"line_id": "1", "quantity": 2, "condition": "as_new"}]
    report = {"code": code, "lines": units, "occurred_at": datetime.now(UTC).isoformat()}
    taken = ada.post(f"{RETURNS}/codes/redeem", ada.till, report)
    assert taken["lines"][0]["units"] == {"handed_over": 2}
    other = ada.cloud.token("terminal", "store_13/till_1")
    again = ada.cloud.call("POST", f"{RETURNS}/codes/redeem", other, report)
    assert (again.status, again.body["code"]) == (409, "CODE_ALREADY_USED")


def _is_told_once(cloud: Cloud, ada: Returner, ear: Ear) -> None:
    """Everything is on the one timeline, and who is written to is written to once."""
    cloud.settle()
    told = Counter(ada.told())
    assert {step: told[step] for step in _STEPS} == _STEPS
    messages = Counter(
        (event["data"]["milestone"], event["data"]["subject_id"])
        for event in ear.heard()
        if event["type"] == "notification.requested"
    )
    assert set(messages.values()) == {1}
    assert Counter(milestone for milestone, _ in messages) == {
        "order_placed": 1,
        "delivered": 1,
        # Whoever begins a return at a counter is told there that it is approved.
        "return_approved": 1,
        "refund_succeeded": 3,
    }


_STEPS = {
    "order.placed": 2,
    "points.pending": 1,
    "shipment.delivered": 1,
    "points.activated": 1,
    "redemption.captured": 1,
    "points.earned": 1,
    "return.requested": 3,
    "return.approved": 3,
    "return.received": 3,
    "refund.succeeded": 3,
    "points.reversed": 3,
    "redemption.reversed": 1,
    "return.closed": 3,
}


# --- ten at once ----------------------------------------------------------------------------------


def everybody(ada: Returner) -> list[str]:
    """Return the tokens of ten who deal with the same customer: two phones, the tills of five
    stores, the shop and two of the staff."""
    tills = [ada.cloud.token("terminal", f"store_{number}/till_1") for number in range(1, 6)]
    return [ada.token, ada.token, *tills, ada.shop, ada.staff, ada.cloud.token("staff", "ben")]


def at_once(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """Do everything in the same moment, each in a thread of its own."""
    start = Barrier(len(acts))

    def act(one: Callable[[], Any]) -> Any:
        start.wait()
        return one()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(act, acts))


def test_of_ten_who_return_the_last_unit_one_does_and_nine_are_told_what_is_left(
    cloud: Cloud, ada: Returner
) -> None:
    receipt = ada.receipt(line("1", 2, 9_999))
    ada.wait_resolved(ada.bring(receipt, {"1": 1}))
    quotes = [(token, ada.quote(receipt, {"1": 1}, token)) for token in everybody(ada)]
    assert {quote["refund"]["legs"][0]["paid"]["amount"] for _, quote in quotes} == {5_000}

    replies: list[Reply] = at_once(
        [
            partial(cloud.call, "POST", f"{RETURNS}/returns", token, {"quote_id": quote["id"]})
            for token, quote in quotes
        ]
    )

    assert Counter(reply.status for reply in replies) == {201: 1, 409: 9}
    refused = [reply.body for reply in replies if reply.status == 409]
    assert {body["code"] for body in refused} == {"RETURN_EXCEEDS_PURCHASE"}
    assert all(body["left"] == [{"line_id": "1", "quantity": 0}] for body in refused)
    (won,) = [reply.body for reply in replies if reply.status == 201]
    path = f"{RETURNS}/returns/{won['id']}/receive"
    received: list[Reply] = at_once([lambda: cloud.call("POST", path, ada.till)] * 5)
    assert Counter(reply.status for reply in received) == {200: 1, 409: 4}
    ada.wait_resolved(won)
    cloud.wait_until(lambda: returned(ada, receipt) == {"1": 2})
    assert [refund["amount"] for refund in ada.paid(receipt)] == [4_999, 5_000]


def test_ten_units_of_an_order_come_back_at_ten_places_at_once(cloud: Cloud, ada: Returner) -> None:
    prices = [1_001 + 137 * number for number in range(10)]
    lines = [line(str(number), 1, price) for number, price in enumerate(prices)]
    receipt = ada.receipt(*lines)

    def bring(number: int, token: str) -> Json:
        back = ada.open(ada.quote(receipt, {str(number): 1}, token), token)
        till = ada.cloud.token("terminal", f"store_{number + 1}/till_1")
        return ada.post(f"{RETURNS}/returns/{back['id']}/receive", till, status=200)

    backs = at_once([partial(bring, *one) for one in enumerate(everybody(ada))])

    for back, price in zip(backs, prices, strict=True):
        assert [one["paid"]["amount"] for one in ada.wait_resolved(back)["refund"]["legs"]] == [
            price
        ]
    cloud.settle()
    assert sorted(refund["amount"] for refund in ada.paid(receipt)) == prices
    assert returned(ada, receipt) == {str(number): 1 for number in range(10)}


def test_ten_who_divide_a_line_and_its_tenders_leave_nothing_and_take_no_cent_more(
    cloud: Cloud, ada: Returner
) -> None:
    gift_card = {"type": "gift_card", "paid": euros(3_000), "reference": f"6035{ada.run}"}
    receipt = ada.receipt(line("1", 10, 10_007), tenders=[gift_card, ada.card(7_007)])

    def bring(token: str) -> Json:
        """Quote and execute; who was quoted what somebody else has taken asks again."""

        def attempt() -> Json | None:
            quote = ada.quote(receipt, {"1": 1}, token)
            opened = cloud.call("POST", f"{RETURNS}/returns", token, {"quote_id": quote["id"]})
            if opened.status == 201:
                legs = [one["paid"]["amount"] for one in quote["refund"]["legs"]]
                body: Json = opened.body
                assert [one["paid"]["amount"] for one in body["refund"]["legs"]] == legs
                return body
            assert (opened.status, opened.body["code"]) == (409, "QUOTE_OUTDATED")
            return None

        back = cloud.wait_until(attempt, 60)
        assert back
        return ada.post(f"{RETURNS}/returns/{back['id']}/receive", ada.till, status=200)

    for back in at_once([partial(bring, token) for token in everybody(ada)]):
        ada.wait_resolved(back)
    cloud.settle()
    assert paid(ada, receipt) == {
        ("gift_card", gift_card["reference"]): 3_000,
        ("card", f"pi_{ada.run}_1"): 7_007,
    }
    nothing = ada.ask(receipt, {"1": 1}, ada.till)
    assert (nothing.status, nothing.body["code"]) == (409, "RETURN_EXCEEDS_PURCHASE")


# --- what goes wrong between us and who pays ------------------------------------------------------


def test_whatever_a_provider_does_each_leg_is_paid_once(cloud: Cloud, ada: Returner) -> None:
    """One order for each fault, all at the same time; then every event comes twice more."""
    ear = cloud.listen({"source": [{"prefix": "tandem."}]})
    closed = {"seconds": 0.2, "status": "failed", "reason": "expired_or_canceled_card"}
    faults: list[tuple[str, Json, str]] = [
        ("timeout_after_acting", {}, "unknown"),
        ("connection_lost", {}, "unknown"),
        ("error_500", {}, "unknown"),
        ("late", {"seconds": 0.2}, "succeeded"),
        ("late", closed, "failed"),
        ("fail", {"reason": "charge_already_refunded"}, "failed"),
    ]
    orders, backs = [], []
    for number, (kind, more, _) in enumerate(faults):
        gift_card = {"type": "gift_card", "paid": euros(700), "reference": f"60{ada.run}{number}"}
        tenders = [gift_card, ada.card(2_300 + number, str(number))]
        order = ada.receipt(line("1", 1, 3_000 + number), tenders=tenders, name=str(number))
        ada.break_provider(order, kind, match={"provider": "stripe"}, **more)
        orders.append(order)
        backs.append(ada.bring(order, {"1": 1}))
    expected = [["succeeded", state] for _, _, state in faults]
    cloud.wait_until(lambda: [_states(ada, back) for back in backs] == expected, 60)

    # What failed for good a person pays another way. Whatever nobody knows of is asked for when its
    # event comes again, as it is by the clock.
    for back in backs:
        for refund in ada.back(back["id"])["refund"]["refunds"]:
            if refund["state"] == "failed":
                path = f"{RETURNS}/returns/{back['id']}/refunds/{refund['id']}/replan"
                ada.post(path, ada.staff, {"tender": "store_credit", "reason": "a closed card"})
    cloud.settle()
    say_again(cloud, ear, seed=11)

    for number, (order, back, (_, _, state)) in enumerate(zip(orders, backs, faults, strict=True)):
        ada.wait_resolved(back)
        tender = "store_credit" if state == "failed" else "card"
        assert Counter((one["tender"], one["amount"]) for one in ada.paid(order)) == {
            ("gift_card", 700): 1,
            (tender, 2_300 + number): 1,
        }
        assert returned(ada, order) == {"1": 1}


def _states(ada: Returner, back: Json) -> list[str]:
    """Return the states of a return's refunds, the gift card's before the card's."""
    return [one["state"] for one in ada.back(back["id"])["refund"]["refunds"]]


def test_a_worker_that_dies_at_any_step_pays_once(cloud: Cloud, ada: Returner) -> None:
    receipt = ada.receipt(line("1", 3, 9_000))

    # It has said that it will ask, and the provider has not heard it.
    ada.break_provider(receipt, "timeout_before_acting")
    before = ada.bring(receipt, {"1": 1})
    cloud.wait_until(lambda: _states(ada, before) == ["submitted"])
    cloud.kill(WORKER)
    cloud.sandbox("DELETE", "/faults")
    ada.wait_resolved(before)
    assert len(ada.paid(receipt)) == 1

    # The provider has paid, and nobody has written it down.
    ada.break_provider(receipt, "timeout_after_acting")
    after = ada.bring(receipt, {"1": 1})
    cloud.wait_until(lambda: len(ada.paid(receipt)) == 2)
    cloud.kill(WORKER)
    assert _states(ada, after) == ["submitted"]
    ada.wait_resolved(after)
    assert [one["amount"] for one in ada.paid(receipt)] == [3_000, 3_000]


# --- other ways back ------------------------------------------------------------------------------


def test_a_return_by_mail_is_paid_when_the_carrier_has_it(cloud: Cloud, ada: Returner) -> None:
    source = f"shop-{ada.run}"
    sooner = {"low": "first_scan", "normal": "first_scan", "high": "inspected"}
    policy = {"name": "Paid when the carrier has it", "terms": {"trigger": sooner}}
    ada.put(f"{RETURNS}/policies/{source}", policy)
    order = ada.place(source=source, placed_at=datetime.now(UTC).isoformat())
    delivered_by_scans(ada, order, {"1": 2})

    quote = ada.quote(order, {"1": 1}, method="mail")
    assert (quote["policy"], quote["lines"][0]["trigger"]) == (f"{source}@1", "first_scan")
    home = {
        "name": "Ada Example",
        "street1": "Torstr. 1",
        "city": "Berlin",
        "postal_code": "10119",
        "country": "DE",
    }
    back = ada.open(quote, address=home)
    cloud.wait_until(lambda: ada.back(back["id"], ada.token)["label"]["state"] == "bought")
    labelled = ada.back(back["id"], ada.token)
    assert labelled["label"]["url"].startswith("http")
    (parcel,) = labelled["parcels"]
    bought = [
        one
        for one in cloud.sandbox("GET", "/labels")["labels"]
        if one["tracking_code"] == parcel["tracking_number"]
    ]
    assert len(bought) == 1

    def parcels() -> dict[str, tuple[bool, str]]:
        return {
            one["tracking_number"]: (one["is_return"], one["status"])
            for one in ada.order(order["id"])["shipments"]
        }

    number = parcel["tracking_number"]
    cloud.wait_until(lambda: parcels().get(number) == (True, "pending"))
    assert ada.paid(order) == []
    # Carriers tell seconds; one from before the label would be of another parcel.
    ada.scan(number, in_transit(ago(seconds=-1)), carrier="USPS")
    cloud.wait_until(lambda: len(ada.paid(order)) == 1)
    cloud.wait_until(lambda: parcels()[number] == (True, "in_transit"))
    assert paid(ada, order) == {("card", f"pi_{order['id']}"): 5_000}
    seen = ada.back(back["id"])
    assert (seen["status"], seen["lines"][0]["units"]) == ("in_progress", {"in_transit": 1})
    assert seen["time_to_refund"]["succeeded_at"]

    warehouse = cloud.token("integration", "warehouse")
    path = f"{RETURNS}/returns/{back['id']}"
    ada.post(f"{path}/receive", warehouse, status=200)
    shelf = {"lines": [{"line_id": "1", "quantity": 1, "disposition": "restocked"}]}
    assert ada.post(f"{path}/inspect", warehouse, shelf, 200)["status"] == "resolved"
    cloud.wait_until(lambda: returned(ada, order) == {"1": 1})
    assert len(ada.paid(order)) == 1


def test_an_exchange_is_an_order_of_its_own_that_earns_and_is_refunded_as_it_was_paid(
    cloud: Cloud, ada: Returner
) -> None:
    ada.join(points=1)
    receipt = ada.receipt(line("1", 1, 5_000))
    cloud.wait_until(lambda: ada.balance == _has(available=51))
    # Returns hears of the points, too; a quote from before that would be outdated.
    cloud.settle()
    dearer = {
        "line_id": "1",
        "sku": "lamp-xl",
        "name": "Large lamp",
        "quantity": 1,
        "unit_price": euros(6_500),
    }
    quote = ada.quote(receipt, {"1": 1}, ada.till, outcome="exchange", exchange_for=[dearer])
    assert quote["exchange"]["due"] == euros(1_500)
    assert quote["refund"]["legs"] == []
    extra = ada.card(1_500, "extra")
    back = ada.open(quote, ada.till, payment=extra)
    ada.post(f"{RETURNS}/returns/{back['id']}/receive", ada.till, status=200)

    def replacement() -> Json | None:
        query = f"source=exchange&external_id={back['id']}"
        found = ada.get(f"{ORDERS}/orders?{query}")["orders"]
        return found[0] if found else None

    order = cloud.wait_until(replacement)
    assert order
    assert (order["status"], order["customer"]["customer_id"]) == ("completed", ada.id)
    assert [(one["sku"], one["paid"]) for one in order["lines"]] == [("lamp-xl", euros(6_500))]
    assert [(one["paid"]["amount"], one["reference"]) for one in order["tenders"]] == [
        (5_000, f"pi_{ada.run}_1"),
        (1_500, f"pi_{ada.run}_extra"),
    ]
    cloud.wait_until(lambda: ada.balance == _has(available=66))
    assert ada.paid(receipt) == []

    cloud.settle()
    ada.wait_resolved(ada.bring(order, {"1": 1}))
    cloud.wait_until(lambda: ada.balance == _has(available=1))
    assert paid(ada, order, receipt) == {
        ("card", f"pi_{ada.run}_1"): 5_000,
        ("card", f"pi_{ada.run}_extra"): 1_500,
    }


def test_a_gift_without_a_receipt_comes_back_without_a_price(ada: Returner) -> None:
    order = ada.place(lines=[line("1", 1, 4_200)], tenders=[ada.card(4_200)])
    delivered_by_scans(ada, order, {"1": 1})
    giver = {"identifier": {"type": "email", "value": ada.email.upper()}}
    found = ada.post(f"{RETURNS}/purchases/search", ada.till, giver, 200)["orders"]
    assert [one["order_id"] for one in found] == [order["id"]]
    assert "4200" not in str(found)

    refused = ada.ask(order, {"1": 1}, ada.till, gift=True)
    assert refused.body["lines"][0]["code"] == "OUTCOME_NOT_OFFERED"
    quote = ada.quote(order, {"1": 1}, ada.till, gift=True, outcome="store_credit")
    back = ada.open(quote, ada.till)
    ada.post(f"{RETURNS}/returns/{back['id']}/receive", ada.till, status=200)
    seen = ada.wait_resolved(back)
    assert "4200" not in str([quote, back, seen, ada.backs(order)])
    (credit,) = ada.paid(order)
    assert (credit["tender"], credit["amount"]) == ("gift_card", 4_200)
    assert ada.id not in str(credit)


def test_a_guest_withdraws_by_law_without_a_login(cloud: Cloud, ada: Returner) -> None:
    ear = cloud.listen({"detail-type": ["notification.requested"]})
    order = ada.place(
        customer={"email": ada.email}, number=f"R-{ada.run}", tenders=[ada.card(10_000)]
    )

    def declare(reference: str, email: str) -> Json:
        statement = {"order_reference": reference, "email": email, "language": "de"}
        declared = ada.post(f"{RETURNS}/withdrawals", "", statement)
        path = f"{RETURNS}/withdrawals/{declared['id']}/confirm"
        return ada.post(path, "", status=200)

    def receipts() -> dict[str, Json]:
        return {
            event["data"]["subject_id"]: event["data"]
            for event in ear.heard()
            if event["data"]["milestone"] == "withdrawal_confirmed"
        }

    cloud.wait_until(lambda: ada.ask(order, {"1": 1}, ada.staff).status == 201)
    stranger = declare(f"R-{ada.run}", f"not-{ada.email}")
    withdrawn = declare(f"r {ada.run}", ada.email.upper())
    assert stranger.keys() == withdrawn.keys()
    (back,) = cloud.wait_until(lambda: ada.backs(order))
    assert (back["statutory"], back["status"], back["method"]) == (True, "approved", "mail")
    assert back["refund"]["legs"][0]["paid"] == euros(10_000)
    cloud.wait_until(lambda: {stranger["id"], withdrawn["id"]} <= set(receipts()))
    receipt = receipts()[withdrawn["id"]]
    assert (receipt["email"].lower(), receipt["language"]) == (ada.email, "de")
    assert withdrawn["receipt"]["submitted_local"][:4] in receipt["text"]

    # Sent at their own expense; proof of sending is enough.
    number = ada.number("back")
    parcel = {"carrier": "UPS", "tracking_number": number}
    ada.post(f"{RETURNS}/returns/{back['id']}/parcels", ada.shop, parcel)
    cloud.wait_until(lambda: ada.shipment(number))
    ada.scan(number, in_transit(ago(seconds=-1)))
    cloud.wait_until(lambda: paid(ada, order) == {("card", f"pi_{ada.run}_1"): 10_000})
    cloud.settle()
    assert len(ada.backs(order)) == 1
