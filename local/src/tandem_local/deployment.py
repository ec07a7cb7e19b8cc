"""Deploys the packages of build/ through CloudFormation, the way they go to AWS.

A package's code is uploaded and its template names the upload; nothing else of it changes. Both go
through S3: by itself CloudFormation takes templates of 51,200 bytes, and a service's is larger.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
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
    from mypy_boto3_s3 import S3Client

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
    stage: str = STAGE

    @property
    def stack(self) -> str:
        return f"tandem-{self.stage}-{self.name}"

    @property
    def code_sha256(self) -> str:
        """The digest under which Lambda knows this code."""
        return base64.b64encode(hashlib.sha256(self.archive.read_bytes()).digest()).decode()


def read_packages(build: Path, stage: str = STAGE) -> list[Package]:
    """Return the built packages, the platform first: the others import what it exports."""
    found = [
        Package(
            name=template.parent.parent.name,
            archive=template.with_name("deployment.zip"),
            template=json.loads(template.read_text()),
            stage=stage,
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
    deployed = describe(clients.cloudformation, package.stack)
    if deployed and fingerprint in [tag["Value"] for tag in deployed.get("Tags", [])]:
        return False
    with suppress(clients.s3.exceptions.BucketAlreadyOwnedByYou):
        clients.s3.create_bucket(
            Bucket=_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    request: dict[str, Any] = {
        "StackName": package.stack,
        "TemplateURL": upload(clients.s3, _BUCKET, package, given),
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


def describe(cloudformation: CloudFormationClient, stack: str) -> Mapping[str, Any] | None:
    """Return the description of a stack, if there is one."""
    try:
        return cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise


def upload(
    s3: S3Client, bucket: str, package: Package, given: Mapping[str, str], **owner: str
) -> str:
    """Put code and template into a bucket that is there, each under its digest.

    Returns the template's address, as CloudFormation takes it. `given` are the parameters that the
    template will be deployed with; `owner` goes with each call.
    """
    digest = package.code_sha256.replace("/", "_").replace("+", "-").rstrip("=")
    code = f"{package.name}/{digest}.zip"
    template = json.loads(json.dumps(package.template))
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            properties = resource["Properties"]
            if "AutoPublishAlias" in properties:
                properties |= _published(package, properties, given)
            properties["CodeUri"] = {"Bucket": bucket, "Key": code}
    body = json.dumps(template, sort_keys=True).encode()
    named = f"{package.name}/{hashlib.sha256(body).hexdigest()}.json"
    for key, read in ((code, package.archive.read_bytes), (named, lambda: body)):
        found = s3.list_objects_v2(Bucket=bucket, Prefix=key, **owner)  # type: ignore[arg-type]
        if not found.get("Contents"):
            s3.put_object(Bucket=bucket, Key=key, Body=read(), **owner)  # type: ignore[arg-type]
    return f"{s3.meta.endpoint_url}/{bucket}/{named}"


def _published(
    package: Package, properties: Mapping[str, Any], given: Mapping[str, str]
) -> dict[str, str]:
    """Name the version of a function that is published, after all that it is made of.

    CloudFormation publishes a version when its name is new, and by itself SAM looks at the code but
    not at the values of parameters: a changed address would never reach who is served. Lambda in
    turn refuses to publish what has not changed, so the function itself bears the name as well.
    """
    declared = package.template.get("Parameters", {})
    conditions = package.template.get("Conditions", {})
    made_of: dict[str, Any] = {"code": package.code_sha256, "properties": properties}
    waiting: list[Any] = [properties]
    while waiting:
        for name in set(re.findall(r"\w+", json.dumps(waiting.pop()))) - made_of.keys():
            if name in conditions:
                made_of[name] = conditions[name]
                waiting.append(conditions[name])
            elif name in declared:
                made_of[name] = str(given.get(name, declared[name].get("Default")))
    digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return {"AutoPublishCodeSha256": digest, "Description": f"Release {digest[:10]}"}


def _wait(cloudformation: CloudFormationClient, stack: str) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        described = describe(cloudformation, stack)
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
