"""A whole stage: deploy, show what would change, destroy. The platform first, and last to go."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from tandem_local.deployment import Package, describe
from tools.deploy.stacks import apply, follow, preview
from tools.deploy.target import PLATFORM, Refused, Resource, Say, Target, code_of

_TABLE = "AWS::DynamoDB::Table"
_SECRET = "AWS::SecretsManager::Secret"  # noqa: S105  a type of resource
_POOL = "AWS::Cognito::UserPool"


def deploy(
    target: Target, packages: Sequence[Package], parameters: Mapping[str, str], say: Say
) -> None:
    """Bring every stack up to date. Stops with Refused at the first that fails."""
    _check_names(packages, parameters)
    say(f"stage {target.stage}, account {target.account}, {target.region}")
    bucket = _bucket(target, create=True)
    for package in packages:
        say(f"  {package.stack}")
        if not apply(target, package, parameters, bucket, say):
            say("    unchanged")
    for package in packages:
        url = target.outputs(package.name).get("EndpointURL")
        if url:
            say(f"  {package.name} answers at {_public(parameters, package) or url}")


def diff(
    target: Target, packages: Sequence[Package], parameters: Mapping[str, str], say: Say
) -> int:
    """Say what a deployment would change and return how many resources that is."""
    _check_names(packages, parameters)
    say(f"stage {target.stage}, account {target.account}, {target.region}")
    bucket = _bucket(target, create=True)
    is_new = describe(target.cloudformation, target.stack(PLATFORM)) is None
    count = 0
    for package in packages:
        if is_new and package.name != PLATFORM:
            # What it imports is not there yet, so CloudFormation could not look at it.
            size = len(package.template["Resources"])
            say(f"  {package.stack}: new, {size} resources before the transform of SAM")
            count += size
            continue
        changes = preview(target, package, parameters, bucket)
        say(f"  {package.stack}: {len(changes) or 'no'} change{'s' * (len(changes) != 1)}")
        for change in changes:
            warning = "  <-- would lose data: deploy refuses it" if change.loses_data else ""
            say(f"    {change}{warning}")
        count += len(changes)
    return count


def destroy(target: Target, tables: str, say: Say) -> None:
    """Delete the stacks of a stage.

    Tables, secrets and the user pool are retained by their stacks. What becomes of them is said by
    `tables`, keep or delete; said nothing, they go when they are empty.
    """
    stacks = target.deployed()
    if not stacks:
        raise Refused(f"There is nothing of stage {target.stage} in {target.region}.")
    say(f"stage {target.stage}, account {target.account}, {target.region}")
    retained = [
        resource
        for name in stacks
        for resource in target.resources(name)
        if resource.kind in (_TABLE, _SECRET, _POOL) and resource.id
    ]
    full = [one.id for one in retained if _holds_something(target, one)]
    if full and tables not in ("keep", "delete"):
        raise Refused(
            "These hold data, so nothing is destroyed:\n  "
            + "\n  ".join(full)
            + "\nTABLES=keep removes all else and leaves tables, secrets and users as they are;\n"
            "TABLES=delete removes them too, and nothing brings them back."
        )
    for name in reversed(stacks):
        say(f"  {target.stack(name)}")
        described = describe(target.cloudformation, target.stack(name))
        if described is None:
            continue
        target.cloudformation.delete_stack(StackName=described["StackId"])
        status, failures = follow(target, described["StackId"], set(), say)
        if status != "DELETE_COMPLETE":
            raise Refused(
                f"{target.stack(name)} is {status}:\n  "
                + "\n  ".join(failures[:5])
                + "\nMend that and run this again; what is deleted already is passed over."
            )
    if tables == "keep":
        say("  kept: " + ", ".join(one.id for one in retained))
    else:
        _delete_retained(target, retained, say)
    say(f"  kept: the bucket {_bucket(target, create=False)}, shared by the stages of the account")


def _delete_retained(target: Target, retained: Sequence[Resource], say: Say) -> None:
    for one in retained:
        if one.kind == _TABLE:
            target.dynamodb.update_table(TableName=one.id, DeletionProtectionEnabled=False)
            target.dynamodb.get_waiter("table_exists").wait(TableName=one.id)
            target.dynamodb.delete_table(TableName=one.id)
        elif one.kind == _POOL:
            target.cognito.update_user_pool(UserPoolId=one.id, DeletionProtection="INACTIVE")
            target.cognito.delete_user_pool(UserPoolId=one.id)
        else:
            # A window for recovery would block the name for as long.
            target.secrets.delete_secret(SecretId=one.id, ForceDeleteWithoutRecovery=True)
        say(f"    deleted          {one.id}")


def _holds_something(target: Target, resource: Resource) -> bool:
    """Look at one item or user; what is counted for us is hours old."""
    try:
        if resource.kind == _TABLE:
            return bool(target.dynamodb.scan(TableName=resource.id, Limit=1)["Items"])
        if resource.kind == _POOL:
            return bool(target.cognito.list_users(UserPoolId=resource.id, Limit=1)["Users"])
    except ClientError as error:
        if code_of(error) != "ResourceNotFoundException":
            raise
    return False


def _bucket(target: Target, create: bool) -> str:
    """Name the bucket of packages; make it, closed to the public, when it is not there."""
    name = f"tandem-packages-{target.account}-{target.region}"
    if not create:
        return name
    owner = {"ExpectedBucketOwner": target.account}
    try:
        target.s3.head_bucket(Bucket=name, **owner)
    except ClientError as error:
        if code_of(error) not in ("404", "NoSuchBucket"):
            raise Refused(f"The bucket {name} cannot be used: {error}") from error
        where: Any = {"CreateBucketConfiguration": {"LocationConstraint": target.region}}
        # The oldest region is the default and may not be named.
        target.s3.create_bucket(Bucket=name, **({} if target.region == "us-east-1" else where))
        target.s3.put_public_access_block(
            Bucket=name,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
        )
    return name


def _check_names(packages: Sequence[Package], parameters: Mapping[str, str]) -> None:
    if not packages:
        raise Refused("Nothing is built; run `make build` first.")
    declared = {name for one in packages for name in one.template.get("Parameters", {})}
    unknown = sorted(parameters.keys() - declared)
    if unknown:
        raise Refused(
            f"No template has a parameter {', '.join(unknown)}. There are:\n  "
            + "\n  ".join(sorted(declared - {"Stage"}))
        )


def _public(parameters: Mapping[str, str], package: Package) -> str:
    domain = parameters.get("DomainName")
    return f"https://{domain}/{base_path(package)}" if domain else ""


def base_path(package: Package) -> str:
    """Return where a service hangs under the public domain."""
    declared = package.template.get("Parameters", {}).get("BasePath", {})
    return str(declared.get("Default", package.name))


def region(wanted: str) -> str:
    """Return the region that was named, or the SDK's own. Raises Refused when there is none."""
    found = wanted or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not found:
        raise Refused("Say in which region: REGION=eu-central-1")
    return found
