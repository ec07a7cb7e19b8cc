"""Deploys the packages of build/ through CloudFormation, the way they go to AWS.

A package's code is uploaded and its template names the upload; nothing else of it changes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tandem_local.clients import REGION

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

    from tandem_local.clients import Clients

STAGE = "local"

_BUCKET = "tandem-local-packages"
_FINGERPRINT = "tandem:package"
_WAIT_SECONDS = 60.0


class DeploymentFailed(Exception):
    """CloudFormation refused. The message says which resource and why."""


@dataclass(frozen=True)
class Package:
    """What `make build` left for one stack."""

    name: str
    archive: Path
    template: dict[str, Any]

    @property
    def stack(self) -> str:
        return f"tandem-{STAGE}-{self.name}"

    @property
    def code_sha256(self) -> str:
        """The digest under which Lambda knows this code."""
        return base64.b64encode(hashlib.sha256(self.archive.read_bytes()).digest()).decode()


def read_packages(build: Path) -> list[Package]:
    """Return the built packages, the platform first: the others import what it exports."""
    found = [
        Package(
            name=template.parent.parent.name,
            archive=template.with_name("deployment.zip"),
            template=json.loads(template.read_text()),
        )
        for template in sorted(build.glob("*/package/sam.json"))
    ]
    return sorted(found, key=lambda package: (package.name != "platform", package.name))


def deploy(clients: Clients, package: Package, parameters: Mapping[str, str]) -> bool:
    """Create or update the stack; return whether there was anything to do.

    `parameters` may name more than the template declares. Raises DeploymentFailed.
    """
    declared = package.template.get("Parameters", {})
    given = {name: value for name, value in parameters.items() if name in declared}
    template = json.dumps(package.template, sort_keys=True)
    fingerprint = hashlib.sha256(
        f"{template}{package.code_sha256}{json.dumps(given, sort_keys=True)}".encode()
    ).hexdigest()
    deployed = _describe(clients.cloudformation, package.stack)
    if deployed and fingerprint in [tag["Value"] for tag in deployed.get("Tags", [])]:
        return False
    request: dict[str, Any] = {
        "StackName": package.stack,
        "TemplateBody": json.dumps(_with_uploaded_code(clients, package)),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in given.items()
        ],
        "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        "Tags": [{"Key": _FINGERPRINT, "Value": fingerprint}],
    }
    if deployed:
        clients.cloudformation.update_stack(**request)
    else:
        clients.cloudformation.create_stack(**request)
    _wait(clients.cloudformation, package.stack)
    return True


def outputs_of(clients: Clients, stack: str) -> dict[str, str]:
    """Return the outputs of a deployed stack by name."""
    description = clients.cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    return {item["OutputKey"]: item["OutputValue"] for item in description.get("Outputs", [])}


def _describe(cloudformation: CloudFormationClient, stack: str) -> Mapping[str, Any] | None:
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def _with_uploaded_code(clients: Clients, package: Package) -> dict[str, Any]:
    """Do what `aws cloudformation package` does: upload, and name the upload in the template."""
    key = f"{package.name}/{package.code_sha256.replace('/', '_')}.zip"
    with suppress(clients.s3.exceptions.BucketAlreadyOwnedByYou):
        clients.s3.create_bucket(
            Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    clients.s3.put_object(Bucket=_BUCKET, Key=key, Body=package.archive.read_bytes())
    template: dict[str, Any] = json.loads(json.dumps(package.template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": _BUCKET, "Key": key}
    return template


def _wait(cloudformation: CloudFormationClient, stack: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        described = _describe(cloudformation, stack)
        status = described["StackStatus"] if described else "DELETED"
        if status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if not status.endswith("_IN_PROGRESS"):
            events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
            reasons = [
                f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
                for event in reversed(events)
                if event["ResourceStatus"].endswith("_FAILED")
            ]
            raise DeploymentFailed("\n".join([f"{stack} is {status}", *reasons[:5]]))
        time.sleep(0.05)
    raise DeploymentFailed(f"{stack} was not done within {_WAIT_SECONDS:.0f} s")
