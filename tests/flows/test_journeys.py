"""The journeys of a shopper, through real HTTP, queues and streams."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tandem_core.clock import rfc3339
from tandem_core.journal import entry_of, verify_chain
from tandem_core.table import Table
from tests.flows.conftest import Cloud, Reply

LOYALTY = "/loyalty/v1"


class Shop:
    """One member of the shop, and everybody who deals with them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.run = uuid.uuid4().hex[:12]
        self.web = cloud.token("integration", "shop")
        self.till = cloud.token("terminal", "store_12/till_3")
        self.staff = cloud.token("staff", "amy")
        self.customer_id = f"cus_{self.run}"
        self.email = f"{self.run}@example.com"
        self.account_id = ""

    def enrol(self) -> Reply:
        body = {
            "customer_id": self.customer_id,
            "identifiers": [{"type": "email", "value": self.email}],
        }
        reply = self.post("", self.web, body, key=f"enrol-{self.run}")
        assert reply.status == 201, reply.body
        self.account_id = reply.body["id"]
        return reply

    def post(self, path: str, token: str, body: Any = None, key: str | None = None) -> Reply:
        account = f"/{self.account_id}" if self.account_id else ""
        return self.cloud.call("POST", f"{LOYALTY}/accounts{account}{path}", token, body, key=key)

    def get(self, path: str = "", token: str | None = None) -> Any:
        reply = self.cloud.call(
            "GET", f"{LOYALTY}/accounts/{self.account_id}{path}", token or self.web
        )
        assert reply.status == 200, reply.body
        return reply.body

    @property
    def balance(self) -> dict[str, int]:
        balance: dict[str, int] = self.get()["balance"]
        return balance

    def order(self, name: str) -> str:
        return f"ord-{self.run}-{name}"

    def purchase(self, name: str, amount: int, channel: str) -> dict[str, Any]:
        return {
            "order_id": self.order(name),
            "channel": channel,
            "occurred_at": rfc3339(datetime.now(UTC) - timedelta(minutes=1)),
            "lines": [
                {
                    "line_id": "1",
                    "sku": "shirt",
                    "quantity": 2,
                    "paid": {"amount": amount, "currency": "EUR"},
                }
            ],
        }

    def buy(self, name: str, amount: int, channel: str = "pos", key: str | None = None) -> Reply:
        token = self.till if channel == "pos" else self.web
        body = {"purchase": self.purchase(name, amount, channel)}
        return self.post("/accumulate", token, body, key=key)

    def publish(self, kind: str, data: dict[str, Any], event_id: str | None = None) -> None:
        """Say something on the bus, as the services of orders and returns do."""
        source = "tandem.returns" if kind.startswith("refund") else "tandem.orders"
        envelope = {
            "specversion": "1.0",
            "id": event_id or f"evt_{uuid.uuid4().hex}",
            "source": source,
            "type": kind,
            "subject": str(data["order_id"]),
            "time": rfc3339(datetime.now(UTC)),
            "dataschema": f"urn:tandem:event:{kind}:1",
            "tandemseq": 1,
            "actor": "integration:shop",
            "channel": "web",
            "data": data,
        }
        self.cloud.publish(source, kind, envelope)

    def placed(self, name: str, amount: int, channel: str = "web") -> dict[str, Any]:
        purchase = self.purchase(name, amount, channel)
        return {
            "order_id": purchase["order_id"],
            "source": "shop",
            "external_id": name,
            "channel": channel,
            "currency": "EUR",
            "customer": {"email": self.email},
            "placed_at": purchase["occurred_at"],
            "lines": purchase["lines"],
        }

    def wait_for_balance(self, **parts: int) -> None:
        def as_expected() -> bool:
            balance = self.balance
            return all(balance[part] == points for part, points in parts.items())

        self.cloud.wait_until(as_expected)

    def journal(self) -> list[Any]:
        """Read the account's entries from the table, oldest first."""
        table = Table(self.cloud.outputs()["TableName"], self.cloud.clients.dynamodb)
        page = table.query("subject = :s", {":s": self.account_id}, index="ledger", limit=1000)
        return [entry_of(item) for item in page.items]


@pytest.fixture
def shop(cloud: Cloud) -> Shop:
    return Shop(cloud)


@pytest.fixture
def member(shop: Shop) -> Shop:
    shop.enrol()
    return shop


def at_once(count: int, act: Callable[[int], Reply]) -> list[Reply]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(act, range(count)))


def test_points_earned_online_are_spent_in_store_and_come_back_with_the_goods(
    member: Shop,
) -> None:
    member.publish("order.placed", member.placed("web", 20_000))
    member.wait_for_balance(pending=200, available=0)

    closed = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
    member.publish(
        "order.delivered",
        {"order_id": member.order("web"), "return_window_closes_at": closed},
    )
    member.wait_for_balance(pending=0, available=200)

    found = member.cloud.call(
        "POST",
        f"{LOYALTY}/accounts/search",
        member.till,
        {"identifier": {"type": "email", "value": member.email.upper()}},
    ).body["accounts"]
    assert [account["id"] for account in found] == [member.account_id]

    held = member.post("/redemptions", member.till, {"points": 150, "location_id": "store_12"})
    assert (held.status, held.body["status"]) == (201, "AUTHORIZED")
    assert held.body["value"] == {"amount": 150, "currency": "EUR"}
    assert member.balance == {"available": 50, "pending": 0, "held": 150, "owed": 0}
    redemption = f"/redemptions/{held.body['id']}"
    captured = member.post(f"{redemption}/capture", member.till, {"points": 120})
    assert captured.body["captured_value"] == {"amount": 120, "currency": "EUR"}
    assert member.balance == {"available": 80, "pending": 0, "held": 0, "owed": 0}

    refund = {
        "refund_id": f"ref-{member.run}",
        "occurred_at": rfc3339(datetime.now(UTC)),
        "order_id": member.order("web"),
        "lines": [{"line_id": "1", "quantity": 1}],
        "legs": [{"tender": "points", "points": 120, "reference": held.body["id"]}],
    }
    for _ in range(2):
        member.publish("refund.succeeded", refund)
    member.wait_for_balance(available=100)
    assert member.get(redemption)["status"] == "REVERSED"
    member.publish("order.cancelled", {"order_id": member.order("web")})
    member.wait_for_balance(available=0)
    assert member.balance == {"available": 0, "pending": 0, "held": 0, "owed": 0}
    assert member.get()["lifetime_points"] == 0

    journal = member.journal()
    verify_chain(journal)
    events = member.get("/events?limit=200")["events"]
    assert [event["seq"] for event in events] == list(range(len(journal), 0, -1))
    assert sum(event["points"] for event in events) == 0


def test_a_hundred_parallel_purchases_are_all_counted_once(member: Shop) -> None:
    replies = at_once(100, lambda number: member.buy(str(number), 1_000))

    assert Counter(reply.status for reply in replies) == {201: 100}
    assert member.balance["available"] == 1_000
    assert {reply.body["seq"] for reply in replies} == set(range(2, 102))
    verify_chain(member.journal())


def test_parallel_holds_never_exceed_the_balance(member: Shop) -> None:
    member.buy("before", 100_000)

    replies = at_once(50, lambda _: member.post("/redemptions", member.till, {"points": 30}))

    assert Counter(reply.status for reply in replies) == {201: 33, 409: 17}
    refused = [reply.body for reply in replies if reply.status == 409]
    assert {body["code"] for body in refused} == {"INSUFFICIENT_POINTS"}
    assert member.balance == {"available": 10, "pending": 0, "held": 990, "owed": 0}


def test_one_order_earns_once_whoever_reports_it(member: Shop) -> None:
    member.publish("order.placed", member.placed("one", 5_000, "pos"), event_id=f"e-{member.run}")
    replies = at_once(
        8,
        lambda number: member.buy("one", 5_000, "pos" if number % 2 else "web", f"key-{number}"),
    )
    member.publish("order.placed", member.placed("one", 5_000, "pos"), event_id=f"e-{member.run}")
    member.publish("order.placed", member.placed("last", 100, "pos"))

    member.wait_for_balance(available=51 if _earned_by_till(member) else 1)
    assert {reply.status for reply in replies} == {201}
    assert len({reply.body["id"] for reply in replies}) == 1
    earned = [event for event in member.get("/events")["events"] if event["order_id"]]
    assert Counter(event["order_id"] for event in earned) == {
        member.order("one"): 1,
        member.order("last"): 1,
    }


def _earned_by_till(member: Shop) -> bool:
    events = member.get("/events")["events"]
    first = next(event for event in events if event["order_id"] == member.order("one"))
    return bool(first["type"] == "points.earned")


def test_a_guests_purchase_is_theirs_when_they_enrol(shop: Shop) -> None:
    shop.publish("order.placed", shop.placed("guest", 4_200))
    shop.publish("order.placed", shop.placed("guest", 4_200))
    shop.enrol()
    shop.wait_for_balance(pending=42)


def test_what_comes_before_its_order_waits_for_it(member: Shop) -> None:
    order_id = member.order("late")
    member.publish("order.cancelled", {"order_id": order_id, "cancellation_id": "c-1"})
    table = Table(member.cloud.outputs()["TableName"], member.cloud.clients.dynamodb)
    member.cloud.wait_until(lambda: table.query("pk = :pk", {":pk": f"ORDER#{order_id}"}).items)
    member.publish("order.placed", member.placed("late", 900))

    member.cloud.wait_until(
        lambda: "points.reversed" in [event["type"] for event in member.get("/events")["events"]]
    )
    assert member.balance == {"available": 0, "pending": 0, "held": 0, "owed": 0}


def test_a_hold_left_alone_is_available_again(member: Shop) -> None:
    member.buy("one", 10_000)
    held = member.post("/redemptions", member.till, {"points": 60, "expires_in_seconds": 1})
    assert held.status == 201

    member.wait_for_balance(available=100, held=0)
    late = member.post(f"/redemptions/{held.body['id']}/capture", member.till)
    assert (late.status, late.body["code"]) == (409, "REDEMPTION_EXPIRED")


def test_every_post_is_answered_again_after_a_restart(member: Shop) -> None:
    member.buy("before", 50_000)
    holds = [member.post("/redemptions", member.till, {"points": 40}).body["id"] for _ in range(2)]
    requests: list[tuple[str, str, Any]] = [
        ("/accumulate", member.till, {"purchase": member.purchase("one", 3_000, "pos")}),
        ("/adjust", member.staff, {"points": -5, "reason": "goodwill"}),
        ("/redemptions", member.till, {"points": 10}),
        (f"/redemptions/{holds[0]}/capture", member.till, {"points": 30}),
        (f"/redemptions/{holds[0]}/reverse", member.staff, {"points": 20}),
        (f"/redemptions/{holds[1]}/void", member.till, None),
    ]
    first = [
        member.post(path, token, body, key=f"key-{number}")
        for number, (path, token, body) in enumerate(requests)
    ]
    assert [reply.status for reply in first] == [201, 201, 201, 200, 200, 200]
    balance = member.balance

    member.cloud.restart()

    again = [
        member.post(path, token, body, key=f"key-{number}")
        for number, (path, token, body) in enumerate(requests)
    ]
    assert [(reply.status, reply.content) for reply in again] == [
        (reply.status, reply.content) for reply in first
    ]
    assert {reply.headers["idempotent-replayed"] for reply in again} == {"true"}
    account_id, member.account_id = member.account_id, ""
    enrolled = member.enrol()
    assert enrolled.headers["idempotent-replayed"] == "true"
    assert enrolled.body["id"] == account_id
    assert member.balance == balance


def test_the_bus_hears_every_entry_also_across_a_restart(member: Shop) -> None:
    clients = member.cloud.clients
    queue = clients.sqs.create_queue(QueueName=f"heard-{member.run}")["QueueUrl"]
    arn = clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    bus = member.cloud.outputs("platform")["BusName"]
    rule = f"heard-{member.run}"
    pattern = {"detail": {"subject": [member.account_id]}}
    clients.events.put_rule(Name=rule, EventBusName=bus, EventPattern=json.dumps(pattern))
    target: Any = {"Id": "queue", "Arn": arn["Attributes"]["QueueArn"]}
    clients.events.put_targets(Rule=rule, EventBusName=bus, Targets=[target])
    for number in range(5):
        member.buy(f"before-{number}", 1_000)
    member.cloud.restart()
    member.buy("after", 1_000)

    heard: set[int] = set()

    def everything() -> bool:
        sqs = member.cloud.clients.sqs
        url = sqs.get_queue_url(QueueName=f"heard-{member.run}")["QueueUrl"]
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        for message in answer.get("Messages", []):
            heard.add(json.loads(message["Body"])["detail"]["tandemseq"])
        return set(range(2, 8)) <= heard

    member.cloud.wait_until(everything)
