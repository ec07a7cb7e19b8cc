"""Is a stage fit to serve? Read-only: nothing is written, so it may run against production.

Of each service: its functions are active, its mappings run, its table is there and protected, no
letter is dead; its API knows the route, refuses who has no token or a made-up one (which the
authorizer's own function has to say), and, with TOKEN, lets the bearer through to the store.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from tandem_local.deployment import Package
from tools.deploy.stage import base_path
from tools.deploy.target import Resource, Say, Target

_SECONDS = 30
_DEAD = ("DeadLetters", "Failures")


@dataclass(frozen=True)
class Finding:
    what: str
    is_well: bool
    seen: str = ""


def smoke(
    target: Target,
    packages: list[Package],
    url: str,
    token: str,
    say: Say,
) -> int:
    """Say each finding; return how many of them are bad. Raises Refused without a stage."""
    bad = 0
    for package in packages:
        say(f"  {target.stack(package.name)}")
        outputs = target.outputs(package.name)
        looks = [_look(target, resource) for resource in target.resources(package.name)]
        findings = [finding for found in looks for finding in found]
        if "EndpointURL" in outputs:
            base = outputs["EndpointURL"].rstrip("/")
            if url:
                base = f"{url.rstrip('/')}/{base_path(package)}"
            findings += _asked(base, package, token)
        for finding in findings:
            bad += not finding.is_well
            mark = "ok  " if finding.is_well else "BAD "
            if not finding.is_well or finding.seen:
                say(f"    {mark} {finding.what}{': ' + finding.seen if finding.seen else ''}")
        well = sum(finding.is_well for finding in findings)
        say(f"    {well} of {len(findings)} as they should be")
    return bad


def _look(target: Target, resource: Resource) -> list[Finding]:
    look = _LOOKS.get(resource.kind)
    return list(look(target, resource)) if look and resource.id else []


def _function(target: Target, resource: Resource) -> Iterator[Finding]:
    found = target.functions.get_function_configuration(FunctionName=resource.id)
    state = f"{found.get('State')}, {found.get('LastUpdateStatus')}"
    yield Finding(f"function {resource.name}", state == "Active, Successful", _unless(state))


def _mapping(target: Target, resource: Resource) -> Iterator[Finding]:
    state = target.functions.get_event_source_mapping(UUID=resource.id)["State"]
    # Disabled is what the parameter Triggers may say on purpose; it is shown, and no fault.
    is_well = state in ("Enabled", "Enabling", "Updating", "Disabled")
    yield Finding(f"mapping {resource.name}", is_well, "" if state == "Enabled" else state)


def _table(target: Target, resource: Resource) -> Iterator[Finding]:
    table = target.dynamodb.describe_table(TableName=resource.id)["Table"]
    yield Finding(f"table {resource.id}", table["TableStatus"] == "ACTIVE")
    is_protected = table.get("DeletionProtectionEnabled", False)
    yield Finding(f"protection of {resource.id}", is_protected)
    backups = target.dynamodb.describe_continuous_backups(TableName=resource.id)
    recovery = backups["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    is_on = recovery.get("PointInTimeRecoveryStatus") == "ENABLED"
    yield Finding(f"point-in-time recovery of {resource.id}", is_on)


def _queue(target: Target, resource: Resource) -> Iterator[Finding]:
    if resource.name.endswith(_DEAD):
        names: Any = ["ApproximateNumberOfMessages"]
        told = target.sqs.get_queue_attributes(QueueUrl=resource.id, AttributeNames=names)
        count = told["Attributes"]["ApproximateNumberOfMessages"]
        seen = "" if count == "0" else f"{count} messages"
        yield Finding(f"queue {resource.name}", count == "0", seen)


_LOOKS: dict[str, Callable[[Target, Resource], Iterator[Finding]]] = {
    "AWS::Lambda::Function": _function,
    # What requests go to: the version behind the alias.
    "AWS::Lambda::Alias": _function,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::DynamoDB::Table": _table,
    "AWS::SQS::Queue": _queue,
}


def _unless(state: str) -> str:
    return "" if state == "Active, Successful" else state


def _asked(base: str, package: Package, token: str) -> Iterator[Finding]:
    closed = _route(package, is_open=False)
    yield _expect("a path that is not", f"{base}/v1/smoke/none", None, HTTPStatus.NOT_FOUND)
    yield _expect("no token", base + closed, None, HTTPStatus.UNAUTHORIZED)
    # This answer is the authorizer's own: it has read the issuer's keys.
    yield _expect("a made-up token", base + closed, "a.b.c", HTTPStatus.UNAUTHORIZED)
    public = _route(package, is_open=True)
    if public:
        # This answer is the function's own, after a look at what it was given.
        refused = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED)
        yield _expect("an open route", base + public, None, *refused)
    if token:
        served = (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
        yield _expect("the token", base + closed, token, *served)


def _route(package: Package, is_open: bool) -> str:
    """Return the first route that reads one thing, with `smoke` as the thing's name."""
    definition = package.template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    for path, operations in sorted(definition["paths"].items()):
        reads = operations.get("get")
        if reads and "{" in path and ("security" not in reads) == is_open:
            parts = ["smoke" if part.startswith("{") else part for part in path.split("/")]
            return "/".join(parts)
    return ""


def _expect(what: str, url: str, token: str | None, *wanted: HTTPStatus) -> Finding:
    status, is_problem = _status(url, token)
    is_well = status in wanted and (status == HTTPStatus.OK or is_problem)
    seen = f"GET {url} answered {status}" + ("" if is_problem else " without a problem document")
    return Finding(what, is_well, "" if is_well else seen)


def _status(url: str, token: str | None) -> tuple[int, bool]:
    """Return the status, and whether the body is a problem document; 0 for no answer."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  the stage's own address
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310
            return answer.status, False
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, _is_problem(refused.read())
    except (urllib.error.URLError, TimeoutError):
        return 0, False


def _is_problem(body: bytes) -> bool:
    try:
        return "code" in json.loads(body)
    except ValueError:
        return False
