"""Every function may do what it does and nothing else: the whole list, and rules that it keeps."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem_core.identifiers import Identifier
from tandem_loyalty import store as loyalty
from tandem_orders import store as orders
from tandem_returns import store as returns
from tools.deploy.rights import Right, page, rights
from tools.packages.package import packages

ROOT = Path(__file__).resolve().parents[2]

# AWS offers no narrower resource: streams are listed all together.
UNSCOPED = {"dynamodb:ListStreams"}

QUEUE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
READ = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
WRITE = {"dynamodb:PutItem"}
DELETE = {"dynamodb:DeleteItem"}
SECRET = {"secretsmanager:GetSecretValue"}
PUBLISH = {"events:PutEvents"}

# What each function needs for what it does. kms:Decrypt comes with a customer key, and only then.
NEEDS = {
    "platform": {"Authorize": LOG},
    "loyalty": {
        "APIHandler": LOG | READ | WRITE,
        "Relay": LOG | STREAM | PUBLISH | UNSCOPED | {"sqs:SendMessage"},
        "Consume": LOG | READ | WRITE | DELETE | QUEUE,
        "Lapse": LOG | READ | WRITE | QUEUE | {"sqs:GetQueueUrl", "sqs:ChangeMessageVisibility"},
        "Announce": LOG | READ | WRITE,
        "Replay": LOG | PUBLISH | {"dynamodb:Scan"},
    },
    "orders": {
        "APIHandler": LOG | READ | WRITE | DELETE | SECRET,
        "Relay": LOG | STREAM | PUBLISH | UNSCOPED | {"sqs:SendMessage"},
        "Normalise": LOG | READ | WRITE | DELETE | QUEUE,
        "Consume": LOG | READ | WRITE | DELETE | QUEUE,
        "Chronicle": LOG | READ | WRITE | QUEUE,
        "Notify": LOG | READ | WRITE | QUEUE | SECRET,
        "Watch": LOG | READ | WRITE,
        "Replay": LOG | PUBLISH | {"dynamodb:Scan"},
    },
    "returns": {
        "APIHandler": LOG | READ | WRITE | DELETE | SECRET,
        "Relay": LOG | STREAM | PUBLISH | UNSCOPED | {"sqs:SendMessage"},
        "Consume": LOG | READ | WRITE | DELETE | QUEUE,
        "Refund": LOG | READ | WRITE | QUEUE | SECRET,
        "Settle": LOG | READ | WRITE | QUEUE,
        "Label": LOG | READ | WRITE | DELETE | QUEUE | SECRET,
        "Watch": LOG | READ | WRITE | SECRET,
        "Replay": LOG | PUBLISH | {"dynamodb:Scan"},
    },
}


@pytest.fixture(scope="module")
def templates() -> dict[str, Any]:
    found = {}
    for package in sorted(packages(ROOT), key=lambda package: package.stack):
        if not package.is_current():
            package.build()
        found[package.stack] = json.loads(package.template.read_text())
    return found


def every(templates: dict[str, Any]) -> Iterator[tuple[str, str, Right]]:
    for stack, template in templates.items():
        for function, granted in rights(template).items():
            for right in granted:
                yield stack, function, right


def test_each_function_may_do_what_it_needs_and_nothing_else(templates: dict[str, Any]) -> None:
    for stack, template in templates.items():
        granted = {
            function: {right.action for right in found} - {"kms:Decrypt"}
            for function, found in rights(template).items()
        }
        print(f"\n{stack}")
        for function, actions in sorted(granted.items()):
            print(f"  {function}: {', '.join(sorted(actions))}")
        assert granted == NEEDS[stack]


def test_the_page_of_rights_is_the_one_of_the_templates(templates: dict[str, Any]) -> None:
    written = (ROOT / "docs" / "rights.md").read_text()
    assert written == page(templates), "run: python -m tools.deploy.rights > docs/rights.md"


def test_no_action_is_a_pattern_and_every_resource_is_named(templates: dict[str, Any]) -> None:
    for stack, function, right in every(templates):
        where = f"{stack}.{function}: {right}"
        assert "*" not in right.action, where
        assert right.resources, where
        for resource in right.resources:
            if right.action in UNSCOPED:
                assert resource == "*", where
            else:
                assert resource.removesuffix("/index/*").count("*") == 0, where


def test_keys_are_used_only_where_a_customer_brings_one(templates: dict[str, Any]) -> None:
    used = [right for _, _, right in every(templates) if right.action.startswith("kms:")]
    assert used
    assert {(right.action, right.only) for right in used} == {("kms:Decrypt", "HasKey")}
    readers = {
        (stack, function)
        for stack, function, right in every(templates)
        if right.resources[0] in ("Table", "Table.StreamArn", "Secrets")
    }
    keyed = {(stack, name) for stack, name, right in every(templates) if right in used}
    assert readers == keyed


def test_a_function_writes_its_own_log_and_takes_from_its_own_queue(
    templates: dict[str, Any],
) -> None:
    for stack, template in templates.items():
        resources = template["Resources"]
        sources = {
            mapping["Properties"]["FunctionName"]["Ref"]: mapping["Properties"]["EventSourceArn"][
                "Fn::GetAtt"
            ][0]
            for mapping in resources.values()
            if mapping["Type"] == "AWS::Lambda::EventSourceMapping"
        }
        for function, granted in rights(template).items():
            named = resources[function]["Properties"]["FunctionName"]["Fn::Sub"]
            for right in granted:
                if right.action.startswith("logs:"):
                    (log,) = right.resources
                    group = resources[log]["Properties"]["LogGroupName"]["Fn::Sub"]
                    assert group == f"/aws/lambda/{named}", (stack, right)
                if right.action == "sqs:ReceiveMessage":
                    assert right.resources == (sources[function],), (stack, right)


def test_a_service_speaks_on_the_bus_in_its_own_name_only(templates: dict[str, Any]) -> None:
    spoken = {stack: right.only for stack, _, right in every(templates) if right.action in PUBLISH}
    assert spoken
    assert all(only == f"events:source tandem.{stack}" for stack, only in spoken.items())


def test_only_lambda_may_take_a_role_and_each_function_has_its_own(
    templates: dict[str, Any],
) -> None:
    for template in templates.values():
        resources = template["Resources"].values()
        roles = [one["Properties"] for one in resources if one["Type"] == "AWS::IAM::Role"]
        functions = [one for one in resources if one["Type"] == "AWS::Serverless::Function"]
        assert len(roles) == len({json.dumps(one["Properties"]["Role"]) for one in functions})
        for role in roles:
            (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
            assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
            assert statement["Action"] == "sts:AssumeRole"
        assert not any(one["Type"] == "AWS::IAM::Policy" for one in resources)


def leading_keys(templates: dict[str, Any], stack: str, function: str, action: str) -> list[str]:
    (right,) = [one for one in rights(templates[stack])[function] if one.action == action]
    return right.only.removeprefix("dynamodb:LeadingKeys ").split(" ")


def test_what_is_parked_may_be_deleted_and_no_journal_of_a_parcel_or_customer(
    templates: dict[str, Any],
) -> None:
    """The keys as the stores write them, against the patterns of the policies."""
    contact = Identifier(type="email", value="ann@example.com")
    deleted = {
        "orders": ["PARKED", orders.order_key("o").pk, orders.contact_key(contact).pk],
        "loyalty": [loyalty.earned_key("o").pk, "GUEST#email#digest"],
        "returns": [returns.book_key("o").pk, f"CONTACT#{contact.digest}"],
    }
    kept = {
        "orders": [orders.shipment_key("s").pk, orders.customer_key("c").pk, "TL#c", "IN#x#y"],
        "loyalty": [loyalty.account_key("a").pk, loyalty.pointer_key("p", 0).pk],
        "returns": [returns.policy_key("p").pk, returns.withdrawal_key("w").pk, "IN#x", "PARKED"],
    }
    for stack, keys in deleted.items():
        patterns = leading_keys(templates, stack, "Consume", "dynamodb:DeleteItem")
        for key in keys:
            assert any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns), key
        for key in kept[stack]:
            assert not any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns), key


def test_who_writes_timelines_writes_nothing_else(templates: dict[str, Any]) -> None:
    assert leading_keys(templates, "orders", "Chronicle", "dynamodb:PutItem") == ["TL#*"]
