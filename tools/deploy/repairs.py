"""The work on a stage that runs: replay, redrive, restore, secrets. docs/operations.md says when.

Each may be repeated, and stopped half-way: consumers know what they have heard, items are put back
only where there is none or an older one, a message is deleted after it was sent.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from tools.deploy.target import Refused, Say, Target, code_of, pauses

# Keys of our own: of the links to orders, of return codes. All others are those of senders.
OWN_KEYS = ("tracking", "codes")

_BATCH = 10
_RESTORED = "-restored"


def replay(target: Target, service: str, since: str, say: Say) -> int:
    """Publish again what a service has recorded since an instant; return how many entries."""
    event: dict[str, Any] = {"since": _instant(since).isoformat()}
    name = target.outputs(service)["ReplayFunction"]
    published: int = 0
    while True:
        answer: Any = target.functions.invoke(FunctionName=name, Payload=json.dumps(event).encode())
        told = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise Refused(
                f"{name} failed after {published} entries; run this again once it is mended.\n"
                + json.dumps(told, indent=2)
            )
        published += int(told["published"])
        if not told.get("cursor"):
            say(f"  {published} entries of {service} are on the bus again")
            return published
        event["cursor"] = told["cursor"]
        say(f"  {published} so far")


def redrive(target: Target, service: str, queue: str, say: Say) -> int:
    """Send the dead letters of a queue, or of all queues of a service, to where they were for."""
    urls = {one.name: one.id for one in target.resources(service) if one.kind == "AWS::SQS::Queue"}
    pairs = dict(_pairs(target, urls))
    if queue and queue not in pairs:
        raise Refused(f"QUEUE is one of: {', '.join(sorted(pairs))}")
    moved = 0
    for name, dead in sorted(pairs.items()):
        if not queue or queue == name:
            count = _move(target, urls[dead], urls[name])
            say(f"  {name}: {count} messages go again")
            moved += count
    return moved


def _pairs(target: Target, urls: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each queue that has dead letters, with the queue that they are in."""
    names: Any = ["QueueArn", "RedrivePolicy"]
    told = {
        name: target.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        for name, url in urls.items()
    }
    by_arn = {attributes["QueueArn"]: name for name, attributes in told.items()}
    for name, attributes in told.items():
        if "RedrivePolicy" in attributes:
            policy = json.loads(attributes["RedrivePolicy"])
            yield name, by_arn[policy["deadLetterTargetArn"]]


def _move(target: Target, source: str, destination: str) -> int:
    """Move what is there now: what fails again meanwhile is not moved twice."""
    names: Any = ["ApproximateNumberOfMessages"]
    told = target.sqs.get_queue_attributes(QueueUrl=source, AttributeNames=names)["Attributes"]
    left = int(told["ApproximateNumberOfMessages"])
    moved = 0
    while moved < left:
        messages = target.sqs.receive_message(
            QueueUrl=source, MaxNumberOfMessages=min(_BATCH, left - moved), WaitTimeSeconds=1
        ).get("Messages", [])
        if not messages:
            break
        for message in messages:
            target.sqs.send_message(QueueUrl=destination, MessageBody=message["Body"])
            target.sqs.delete_message(QueueUrl=source, ReceiptHandle=message["ReceiptHandle"])
            moved += 1
    return moved


def restore(target: Target, service: str, to: str, say: Say) -> str:
    """Restore the table of a service as it was at an instant, beside the one in use."""
    table = target.outputs(service)["TableName"]
    beside = table + _RESTORED
    try:
        target.dynamodb.restore_table_to_point_in_time(
            SourceTableName=table, TargetTableName=beside, RestoreDateTime=_instant(to)
        )
    except ClientError as error:
        if code_of(error) == "TableAlreadyExistsException":
            raise Refused(
                f"{beside} is there already: put back from it, or delete it first."
            ) from error
        raise
    say(f"  {beside}: restoring, which takes from minutes to hours")
    pause = pauses()
    while True:
        next(pause)
        if target.dynamodb.describe_table(TableName=beside)["Table"]["TableStatus"] == "ACTIVE":
            break
    say(f"  {beside}: there. Look at it, then: make put-back")
    return beside


def put_back(target: Target, service: str, say: Say) -> int:
    """Put into the table in use what it lacks of the restored one; return how many items.

    An item with a version goes back over an older one, never over one of the same age or newer.
    """
    table = target.outputs(service)["TableName"]
    count = 0
    pages = target.dynamodb.get_paginator("scan")
    for page in pages.paginate(TableName=table + _RESTORED, ConsistentRead=True):
        for item in page["Items"]:
            count += _put_back(target, table, item)
    say(f"  {count} items are in {table} again. {table + _RESTORED} stays until you delete it.")
    return count


def _put_back(target: Target, table: str, item: Any) -> bool:
    request: dict[str, Any] = {
        "TableName": table,
        "Item": item,
        "ConditionExpression": "attribute_not_exists(pk)",
    }
    if "version" in item:
        request["ConditionExpression"] += " OR version < :version"
        request["ExpressionAttributeValues"] = {":version": item["version"]}
    try:
        target.dynamodb.put_item(**request)
    except ClientError as error:
        if code_of(error) == "ConditionalCheckFailedException":
            return False
        raise
    return True


def rotate(target: Target, service: str, sender: str, value: str, say: Say) -> None:
    """Put a new secret before the one in use: both verify, the new one signs.

    `sender` is who sends webhooks, or the name of a key of our own, which is made here. Without a
    value the older ones are dropped.
    """
    arn = target.outputs(service).get("SecretsArn")
    if arn is None:
        raise Refused(f"{service} has no secrets")
    kept: Any = json.loads(target.secrets.get_secret_value(SecretId=arn)["SecretString"])
    holder = kept if sender in OWN_KEYS else kept.setdefault("webhooks", {})
    present = holder.get(sender, [])
    alive = [present] if isinstance(present, str) else list(present)
    if not (value or alive):
        raise Refused(f"{sender} has no secret yet")
    if sender == "codes":
        holder[sender] = announced(alive, secrets.token_urlsafe(36) if value else "")
    elif value:
        new = secrets.token_urlsafe(36) if sender in OWN_KEYS else value
        holder[sender] = [new, *alive[:1]]
    else:
        holder[sender] = alive[:1]
    target.secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(kept))
    say(f"  {sender}: {len(holder[sender])} alive. Functions read it again within five minutes.")


def announced(alive: list[str], new: str) -> list[str]:
    """Return the keys of return codes one rotation later: what signs, what did, what will.

    Tills verify without network, by keys that they fetched before. So a key is published by one
    rotation and signs from the next one on. Without a new one, what signed before is dropped.
    """
    if not alive:
        return [new]
    first, *others = alive
    if not new:
        return [first, *others[-1:]]
    return [others[-1], first, new] if others else [first, new]


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text!r} is no instant, such as 2026-11-22T09:30:00Z") from error
    if instant.tzinfo is None:
        raise Refused(f"{text!r} needs an offset, such as 2026-11-22T09:30:00Z")
    return instant
