"""docs/operations.md followed to the letter: its blocks marked as drills, on a cloud of their own.

And what the drills begin with: one poisonous record or message ends apart, and the others go on.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tandem_local.clients import CREDENTIALS, REGION
from tests.flows.conftest import Cloud, running_cloud
from tests.flows.customers import LOYALTY, ORDERS, Customer

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()
SECONDS = 90


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Whoever breaks things has a cloud of their own, where broken is seen after a second."""
    with running_cloud(tmp_path_factory.mktemp("data")) as running:
        sqs = running.clients.sqs
        for url in sqs.list_queues()["QueueUrls"]:
            sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
        yield running


@pytest.fixture
def customer(cloud: Cloud) -> Customer:
    return Customer(cloud)


def drill(cloud: Cloud, name: str, **more: str) -> list[str]:
    """Return the commands of a block, each to be run by `follow`."""
    found = re.search(rf"\*drill: {name}\*\n\n```\n(.*?)```", RUNBOOK, re.DOTALL)
    assert found, f"docs/operations.md has no drill {name}"
    return [follow(cloud, line, **more) for line in found[1].strip().splitlines()]


def follow(cloud: Cloud, line: str, **more: str) -> str:
    """Run one line of the document in a shell, with the variables that it tells the reader of."""
    environment = {
        **os.environ,
        **CREDENTIALS,
        **more,
        "AWS_ENDPOINT_URL": cloud.clients.endpoint,
        "STAGE": "local",
        "REGION": REGION,
    }
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail", "-c", line],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def an_hour_ago() -> str:
    return (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")


def messages(cloud: Cloud, url: str) -> list[dict[str, Any]]:
    received = cloud.clients.sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=10,
        VisibilityTimeout=0,
        MessageSystemAttributeNames=["All"],
    )
    return [dict(message) for message in received.get("Messages", [])]


def items(cloud: Cloud, service: str, text: str) -> list[Any]:
    """Return the items of a table whose keys contain a text."""
    table = cloud.outputs(service)["TableName"]
    pages = cloud.clients.dynamodb.get_paginator("scan").paginate(TableName=table)
    found: list[Any] = [item for page in pages for item in page["Items"]]
    return [item for item in found if text in item["pk"]["S"] + item["sk"]["S"]]


def delete(cloud: Cloud, service: str, lost: list[Any]) -> None:
    table = cloud.outputs(service)["TableName"]
    for item in lost:
        key = {"pk": item["pk"], "sk": item["sk"]}
        cloud.clients.dynamodb.delete_item(TableName=table, Key=key)


def test_redrive_customers_are_told_once_the_cause_is_mended(
    cloud: Cloud, customer: Customer
) -> None:
    secret = cloud.outputs("orders")["SecretsArn"]
    dead = cloud.outputs("orders")["NotificationsDeadLettersUrl"]
    told = cloud.listen({"detail-type": ["notification.requested"]})
    # The API has read what it signs with, and keeps it for five minutes; the function has not.
    cloud.call("GET", f"{ORDERS}/tracking/none")
    cloud.clients.secrets.delete_secret(SecretId=secret, RecoveryWindowInDays=7)
    try:
        order = customer.place()
        (letter,) = cloud.wait_until(lambda: messages(cloud, dead), SECONDS)
    finally:
        cloud.clients.secrets.restore_secret(SecretId=secret)
    assert order["id"] in letter["Body"]
    # All else that listens to the order has gone on.
    cloud.wait_until(lambda: "order.placed" in customer.told(), SECONDS)
    assert not told.heard()

    (said,) = drill(cloud, "redrive")
    assert "NotificationsQueue: 1 messages go again" in said
    (notification,) = cloud.wait_until(told.heard, SECONDS)
    assert order["id"] in json.dumps(notification)
    assert not messages(cloud, dead)


def test_a_poisonous_message_ends_as_a_dead_letter_and_later_ones_go_on(
    cloud: Cloud, customer: Customer
) -> None:
    outputs = cloud.outputs("loyalty")
    poison = {"id": "evt_poison", "source": "tandem.orders", "type": "order.placed", "data": {}}
    cloud.publish("tandem.orders", "order.placed", poison)
    account = customer.enrol()
    customer.place(amount=10_000)
    path = f"{LOYALTY}/accounts/{account}/balance"
    cloud.wait_until(lambda: customer.get(path)["pending"] > 0, SECONDS)

    (letter,) = cloud.wait_until(lambda: messages(cloud, outputs["EventsDeadLettersUrl"]), SECONDS)
    assert json.loads(letter["Body"])["detail"]["id"] == "evt_poison"


def test_a_poisonous_record_ends_in_the_failures_and_later_ones_go_on(
    cloud: Cloud, customer: Customer
) -> None:
    outputs = cloud.outputs("loyalty")
    heard = cloud.listen({"detail-type": ["account.enrolled"]})
    poison: Any = {"pk": {"S": "ACC#poison"}, "sk": {"S": "ENTRY"}, "seq": {"N": "1"}}
    cloud.clients.dynamodb.put_item(TableName=outputs["TableName"], Item=poison)
    account = customer.enrol()
    (failure,) = cloud.wait_until(lambda: messages(cloud, outputs["RelayFailuresUrl"]), SECONDS)
    told = json.loads(failure["Body"])
    assert told["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert told["requestContext"]["approximateInvokeCount"] == 9
    batch = told["DDBStreamBatchInfo"]
    assert batch["batchSize"] == 1
    # Its key, as the runbook says: what the stream has under the number of the message.
    streams = cloud.clients.streams
    iterator = streams.get_shard_iterator(
        StreamArn=batch["streamArn"],
        ShardId=batch["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        SequenceNumber=batch["startSequenceNumber"],
    )["ShardIterator"]
    record = streams.get_records(ShardIterator=iterator, Limit=1)["Records"][0]
    assert record["dynamodb"]["Keys"]["pk"]["S"] == "ACC#poison"
    (enrolled,) = cloud.wait_until(heard.heard, SECONDS)
    assert account in json.dumps(enrolled)
    delete(cloud, "loyalty", [poison])


def test_replay_what_a_consumer_has_lost_comes_again(cloud: Cloud, customer: Customer) -> None:
    account = customer.enrol()
    customer.place(amount=10_000)
    path = f"{LOYALTY}/accounts/{account}/balance"
    cloud.wait_until(lambda: customer.get(path)["pending"] > 0, SECONDS)
    cloud.settle()
    balance, timeline = customer.get(path), customer.timeline()
    assert {"order.placed", "account.enrolled"} <= {entry["type"] for entry in timeline}
    delete(cloud, "orders", items(cloud, "orders", f"TL#{customer.id}"))
    assert customer.timeline() == []

    said = drill(cloud, "replay", SINCE=an_hour_ago())
    assert all("are on the bus again" in one for one in said)
    cloud.wait_until(lambda: customer.timeline() == timeline, SECONDS)
    cloud.settle()
    assert customer.timeline() == timeline
    again = customer.get(path)
    assert (again["pending"], again["available"]) == (balance["pending"], balance["available"])


def test_restore_what_was_deleted_is_put_back_and_nothing_newer_is_touched(
    cloud: Cloud, customer: Customer
) -> None:
    account = customer.enrol()
    customer.place(amount=10_000)
    path = f"{LOYALTY}/accounts/{account}/balance"
    cloud.wait_until(lambda: customer.get(path)["pending"] > 0, SECONDS)
    other = Customer(cloud)
    others_account = other.enrol()
    cloud.settle()
    before = items(cloud, "loyalty", account)
    assert len(before) >= 2

    restore, put_back = (
        line for line in re.findall(r"^make (?:restore|put-back) .*$", RUNBOOK, re.MULTILINE)
    )
    follow(cloud, restore, AT=an_hour_ago())
    delete(cloud, "loyalty", before)
    customer.get(path, status=404)
    other.place(amount=5_000)
    others_path = f"{LOYALTY}/accounts/{others_account}/balance"
    cloud.wait_until(lambda: other.get(others_path)["pending"] > 0, SECONDS)
    newer = items(cloud, "loyalty", others_account)

    said = follow(cloud, put_back)
    assert "items are in tandem-local-loyalty again" in said
    assert items(cloud, "loyalty", account) == before
    assert items(cloud, "loyalty", others_account) == newer
    assert customer.get(path)["pending"] > 0


def test_rotate_two_secrets_are_alive_until_the_old_one_is_dropped(cloud: Cloud) -> None:
    def kept(service: str) -> Any:
        arn = cloud.outputs(service)["SecretsArn"]
        value = cloud.clients.secrets.get_secret_value(SecretId=arn)
        return json.loads(value["SecretString"])

    before, codes = kept("orders"), kept("returns")["codes"]
    said = drill(cloud, "rotate", NEW_SECRET="a new one")
    assert "shopify: 2 alive" in said[0]
    assert "shopify: 1 alive" in said[1]
    assert "tracking: 2 alive" in said[2]
    assert "codes: 2 alive" in said[3]
    after = kept("orders")
    assert after["webhooks"]["shopify"] == ["a new one"]
    assert after["webhooks"]["easypost"] == before["webhooks"]["easypost"]
    assert after["tracking"][1] == before["tracking"]
    assert len(after["tracking"][0]) == 48
    # Tills know the new key before it signs.
    assert kept("returns")["codes"][0] == codes


def test_smoke_finds_a_stage_that_serves_and_names_what_is_dead(cloud: Cloud) -> None:
    token = cloud.token("staff", "amy")
    sqs = cloud.clients.sqs
    for service in ("loyalty", "orders", "returns"):
        # The engine's CloudFormation leaves it off.
        cloud.clients.dynamodb.update_continuous_backups(
            TableName=cloud.outputs(service)["TableName"],
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
        for name, url in cloud.outputs(service).items():
            if name.endswith(("DeadLettersUrl", "FailuresUrl")):
                sqs.purge_queue(QueueUrl=url)
    line = (
        f"TOKEN={token} .venv/bin/python -m tools.deploy smoke --stage local --build build"
        f" --url {cloud.base_url}"
    )
    said = follow(cloud, line)
    assert "BAD" not in said
    dead = cloud.outputs("orders")["InboxDeadLettersUrl"]
    sqs.send_message(QueueUrl=dead, MessageBody="{}")
    with pytest.raises(AssertionError, match="BAD  queue InboxDeadLetters: 1 messages"):
        follow(cloud, line)
