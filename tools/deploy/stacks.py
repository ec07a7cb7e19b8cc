"""Change sets: shown, executed resource by resource, and explained when they fail.

A change that would replace or drop a table, a secret or a user pool is never executed.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from tandem_local.deployment import Package, describe, upload
from tools.deploy.target import Refused, Say, Target, code_of, pauses

# The types of resources that are retained, with the property that is their name.
_HOLDS_DATA = {
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::SecretsManager::Secret": "Name",
}
_NOTHING_TO_DO = ("didn't contain changes", "No updates are to be performed")
_CONSEQUENCES = ("Resource creation cancelled", "Resource update cancelled")


@dataclass(frozen=True)
class Change:
    action: str
    kind: str
    name: str
    replacement: str = ""

    @property
    def loses_data(self) -> bool:
        lost = self.action == "Remove" or self.replacement in ("True", "Conditional")
        return lost and self.kind in _HOLDS_DATA

    def __str__(self) -> str:
        again = {"True": " (replaced)", "Conditional": " (perhaps replaced)"}
        return f"{self.action:<7} {self.name}  {self.kind}{again.get(self.replacement, '')}"


def preview(
    target: Target, package: Package, parameters: Mapping[str, str], bucket: str
) -> list[Change]:
    """Return what a deployment would change; nothing is executed and nothing stays."""
    with _change_set(target, package, parameters, bucket) as (_, changes):
        return changes


def apply(
    target: Target,
    package: Package,
    parameters: Mapping[str, str],
    bucket: str,
    say: Say,
) -> bool:
    """Bring a stack up to date; return whether there was anything to do. Raises Refused."""
    _clear_the_way(target, package.stack, say)
    with _change_set(target, package, parameters, bucket) as (change_set, changes):
        if not changes:
            return False
        lost = [str(change) for change in changes if change.loses_data]
        if lost:
            raise Refused(
                f"{package.stack}: this would lose data, so nothing is changed:\n  "
                + "\n  ".join(lost)
                + "\nKeep the resource as it is in infra/, or move the data first."
            )
        described = describe(target.cloudformation, package.stack) or {}
        stack_id = described["StackId"]
        seen = {event["EventId"] for event in _events(target, stack_id)}
        target.cloudformation.execute_change_set(ChangeSetName=change_set)
        status, failures = follow(target, stack_id, seen, say)
    if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise Refused(_explained(package.stack, status, failures))
    return True


def follow(target: Target, stack_id: str, seen: set[str], say: Say) -> tuple[str, list[str]]:
    """Say what happens to each resource until the stack is at rest; return how it ended."""
    failures: list[str] = []
    pause = pauses()
    while True:
        next(pause)
        described = describe(target.cloudformation, stack_id)
        status = described["StackStatus"] if described else "DELETE_COMPLETE"
        for event in _events(target, stack_id) if described else []:
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            state, name = event["ResourceStatus"], event["LogicalResourceId"]
            if state.endswith("_IN_PROGRESS") or event["PhysicalResourceId"] == stack_id:
                continue
            reason = event.get("ResourceStatusReason", "")
            say(f"    {state:<16} {name}")
            if state.endswith("_FAILED") and not reason.startswith(_CONSEQUENCES):
                failures.append(f"{name} ({event['ResourceType']}): {reason}")
        if not status.endswith("_IN_PROGRESS"):
            return status, failures


def _clear_the_way(target: Target, stack: str, say: Say) -> None:
    """Remove what a failed creation left; refuse while others work or after a failed rollback."""
    described = describe(target.cloudformation, stack)
    status = described["StackStatus"] if described else ""
    if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED") and described:
        say(f"  {stack}: removing what a failed creation has left")
        target.cloudformation.delete_stack(StackName=stack)
        follow(target, described["StackId"], set(), say)
    elif status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS":
        raise Refused(f"{stack} is {status}: someone else deploys. Wait, then run this again.")
    elif status == "UPDATE_ROLLBACK_FAILED":
        raise Refused(
            f"{stack} is {status}. Mend what its last event names, then:\n"
            f"  aws cloudformation continue-update-rollback --stack-name {stack}"
        )


@contextmanager
def _change_set(
    target: Target, package: Package, parameters: Mapping[str, str], bucket: str
) -> Iterator[tuple[str, list[Change]]]:
    """Make a change set, which is gone afterwards, and a stack that exists only for it as well."""
    cloudformation = target.cloudformation
    described = describe(cloudformation, package.stack)
    is_new = described is None or described["StackStatus"] == "REVIEW_IN_PROGRESS"
    try:
        made = cloudformation.create_change_set(
            StackName=package.stack,
            ChangeSetName=f"tandem-{uuid.uuid4().hex}",
            ChangeSetType="CREATE" if is_new else "UPDATE",
            # What an earlier destroy has kept is taken up again, with its data.
            ImportExistingResources=is_new,
            TemplateURL=upload(
                target.s3, bucket, _named(package), parameters, ExpectedBucketOwner=target.account
            ),
            Parameters=_given(package, parameters),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": "tandem:stage", "Value": target.stage}],
        )
    except ClientError as error:
        if code_of(error) != "ValidationError":
            raise
        raise Refused(f"{package.stack}: {error.response['Error']['Message']}") from error
    try:
        yield made["Id"], _changes(target, package.stack, made["Id"])
    finally:
        after = describe(cloudformation, package.stack)
        if after and after["StackStatus"] == "REVIEW_IN_PROGRESS":
            cloudformation.delete_stack(StackName=package.stack)
        elif not is_new:
            _drop(target, made["Id"])


def _named(package: Package) -> Package:
    """Write the names of what is retained as texts.

    Only so does CloudFormation recognise what is there already; a name that it has to work out is
    one that it makes.
    """
    template = copy.deepcopy(package.template)
    for resource in template["Resources"].values():
        if resource["Type"] in _HOLDS_DATA:
            properties, key = resource["Properties"], _HOLDS_DATA[resource["Type"]]
            name = properties[key]
            text = name["Fn::Sub"] if isinstance(name, Mapping) else name
            properties[key] = text.replace("${Stage}", package.stage)
    return replace(package, template=template)


def _drop(target: Target, change_set: str) -> None:
    """Delete a change set; the one that was executed may be gone by itself."""
    try:
        target.cloudformation.delete_change_set(ChangeSetName=change_set)
    except ClientError as error:
        if code_of(error) not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
            raise


def _changes(target: Target, stack: str, change_set: str) -> list[Change]:
    described = _ready(target, stack, change_set)
    found = list(described["Changes"]) if described else []
    while described and (token := described.get("NextToken")):
        described = target.cloudformation.describe_change_set(
            ChangeSetName=change_set, NextToken=token
        )
        found += described["Changes"]
    resources = [change["ResourceChange"] for change in found]
    return [
        Change(
            one["Action"],
            one["ResourceType"],
            one["LogicalResourceId"],
            one.get("Replacement", "") if one["Action"] == "Modify" else "",
        )
        for one in resources
    ]


def _ready(target: Target, stack: str, change_set: str) -> Any:
    """Wait for a change set and return it; None when there is nothing to change."""
    pause = pauses()
    while True:
        next(pause)
        described = target.cloudformation.describe_change_set(ChangeSetName=change_set)
        if described["Status"] == "CREATE_COMPLETE":
            return described
        if described["Status"] == "FAILED":
            reason = described.get("StatusReason", "")
            if any(words in reason for words in _NOTHING_TO_DO):
                return None
            raise Refused(f"{stack}: CloudFormation refuses the change: {reason}")


def _given(package: Package, parameters: Mapping[str, str]) -> Any:
    """Choose what the template declares. Raises Refused when something without default is missing.

    What the stage's file does not name has the template's default, also when the stack exists: the
    file says all.
    """
    declared = package.template.get("Parameters", {})
    missing = [
        f"{name}: {one.get('Description', one['Type'])}"
        for name, one in declared.items()
        if "Default" not in one and name not in parameters
    ]
    if missing:
        raise Refused(f"{package.stack}: the stage's file has to say\n  " + "\n  ".join(missing))
    return [
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in parameters.items()
        if name in declared
    ]


def _events(target: Target, stack_id: str) -> list[Any]:
    """Return all events of a stack, the oldest first."""
    pages = target.cloudformation.get_paginator("describe_stack_events")
    found: list[Any] = [
        event for page in pages.paginate(StackName=stack_id) for event in page["StackEvents"]
    ]
    return found[::-1]


def _explained(stack: str, status: str, failures: Sequence[str]) -> str:
    why = "\n  ".join(failures[:5]) or "CloudFormation gives no reason; see the stack's events."
    if status == "UPDATE_ROLLBACK_COMPLETE":
        after = "The stack is as it was before. Mend the cause and deploy again."
    elif status == "UPDATE_ROLLBACK_FAILED":
        after = (
            "The stack could not go back. Mend the cause, then:\n"
            f"  aws cloudformation continue-update-rollback --stack-name {stack}"
        )
    else:
        after = (
            "Nothing of this stack serves. Mend the cause and deploy again: what is left of it is\n"
            "removed then."
        )
    return f"{stack} is {status}:\n  {why}\n{after}"
