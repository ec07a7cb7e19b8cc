"""Where a stage is: an account, a region, SDK clients. Refusals are words for the terminal.

The SDK's own variables lead elsewhere: AWS_PROFILE to other credentials, AWS_ENDPOINT_URL to an
engine on this machine, as the tests do.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tandem_local.deployment import describe

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

PLATFORM = "platform"

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 3.0
# A function is invoked with the SDK's patience: a replay works for minutes.
_READ_SECONDS = 330


class Refused(Exception):
    """What was asked for is not done. The message says why, and what to do next."""


@dataclass(frozen=True)
class Resource:
    """One resource of a deployed stack."""

    name: str
    kind: str
    id: str


class Target:
    """One stage in one region of the account that the credentials belong to."""

    def __init__(self, stage: str, region: str) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,15}", stage):
            raise Refused("STAGE is up to 16 small letters, digits and hyphens, such as staging")
        self.stage = stage
        self.region = region
        self._session = boto3.Session(region_name=region)
        self._config = Config(
            read_timeout=_READ_SECONDS, retries={"mode": "standard", "max_attempts": 8}
        )

    def _client(self, service: Any) -> Any:
        return self._session.client(service, config=self._config)

    @cached_property
    def account(self) -> str:
        return str(self._client("sts").get_caller_identity()["Account"])

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        return self._client("cloudformation")  # type: ignore[no-any-return]

    @cached_property
    def cognito(self) -> Any:
        return self._client("cognito-idp")

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        return self._client("dynamodb")  # type: ignore[no-any-return]

    @cached_property
    def functions(self) -> LambdaClient:
        return self._client("lambda")  # type: ignore[no-any-return]

    @cached_property
    def s3(self) -> S3Client:
        return self._client("s3")  # type: ignore[no-any-return]

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        return self._client("secretsmanager")  # type: ignore[no-any-return]

    @cached_property
    def sqs(self) -> SQSClient:
        return self._client("sqs")  # type: ignore[no-any-return]

    def stack(self, name: str) -> str:
        return f"tandem-{self.stage}-{name}"

    def deployed(self) -> list[str]:
        """Return the stacks of the stage by their short names, the platform first."""
        prefix = self.stack("")
        names = [
            stack["StackName"].removeprefix(prefix)
            for page in self.cloudformation.get_paginator("describe_stacks").paginate()
            for stack in page["Stacks"]
            if stack["StackName"].startswith(prefix) and stack["StackStatus"] != "DELETE_COMPLETE"
        ]
        # `prod` and `prod-eu` may be stages of one account.
        own = [name for name in names if "-" not in name]
        return sorted(own, key=lambda name: (name != PLATFORM, name))

    def resources(self, name: str) -> list[Resource]:
        pages = self.cloudformation.get_paginator("list_stack_resources")
        return [
            Resource(
                found["LogicalResourceId"],
                found["ResourceType"],
                found.get("PhysicalResourceId", ""),
            )
            for page in pages.paginate(StackName=self.stack(name))
            for found in page["StackResourceSummaries"]
        ]

    def outputs(self, name: str) -> dict[str, str]:
        """Return the outputs of a stack. Raises Refused when there is no such stack."""
        described = describe(self.cloudformation, self.stack(name))
        if described is None:
            there = ", ".join(self.deployed()) or "nothing"
            raise Refused(f"{self.stack(name)} is not deployed; of this stage there is: {there}")
        return {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}


def stage_parameters(path: Path) -> dict[str, str]:
    """Read the parameters of a stage: what is not in the file has its template's default."""
    if not path.is_file():
        raise Refused(
            f"{path} is missing: it holds the parameters of the stage.\n"
            "Copy infra/stages/example.json and fill it in; see docs/operations.md."
        )
    try:
        read = json.loads(path.read_text())
    except ValueError as error:
        raise Refused(f"{path} is no JSON: {error}") from error
    if not isinstance(read, Mapping) or not all(isinstance(one, str) for one in read.values()):
        raise Refused(f"{path} has to be an object of texts: " + '{"TokenIssuer": "https://..."}')
    return dict(read)


def pauses() -> Iterator[None]:
    """Wait ever longer between two looks at something that takes its time."""
    pause = _FIRST_PAUSE_SECONDS
    while True:
        yield
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def code_of(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


Say = Callable[[str], None]
