"""What the templates promise to AWS, checked where the local engine would not mind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem_core import problems
from tools.packages.package import packages
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
SERVICES = [package for package in packages(ROOT) if package.stack != "platform"]


@pytest.fixture(scope="module", params=[package.stack for package in SERVICES])
def template(request: pytest.FixtureRequest) -> Any:
    package = next(package for package in SERVICES if package.stack == request.param)
    if not package.is_current():
        package.build()
    return json.loads(package.template.read_text())


def of_type(template: Any, kind: str) -> Iterator[tuple[str, Any]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource


def test_templates_pass_the_linter() -> None:
    templates = []
    for package in packages(ROOT):
        if not package.is_current():
            package.build()
        templates.append(str(package.template))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("cfn-lint")), *templates],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_stream_mapping_is_bounded_and_reports_what_it_gives_up(template: Any) -> None:
    mappings = dict(of_type(template, "AWS::Lambda::EventSourceMapping"))
    streams = [m["Properties"] for m in mappings.values() if "StartingPosition" in m["Properties"]]
    assert streams
    for mapping in streams:
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BisectBatchOnFunctionError"] is True
        assert 5 <= mapping["MaximumRetryAttempts"] <= 10
        assert mapping["MaximumRecordAgeInSeconds"] == 6 * 3600
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"]


def test_every_consumed_queue_has_dead_letters_and_time_for_its_function(template: Any) -> None:
    resources = template["Resources"]
    for _, mapping in of_type(template, "AWS::Lambda::EventSourceMapping"):
        source = mapping["Properties"]["EventSourceArn"]["Fn::GetAtt"][0]
        if resources[source]["Type"] != "AWS::SQS::Queue":
            continue
        queue = resources[source]["Properties"]
        function = resources[mapping["Properties"]["FunctionName"]["Ref"]]["Properties"]
        assert mapping["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5
        # AWS's advice, so that a message is not seen twice while it is being worked on.
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]


def test_only_the_rule_of_a_queue_may_send_to_it(template: Any) -> None:
    policies = [policy["Properties"] for _, policy in of_type(template, "AWS::SQS::QueuePolicy")]
    allowed = {
        json.dumps(arn)
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        for arn in statement["Resource"]
        if statement["Condition"]["ArnEquals"]["aws:SourceArn"]
    }
    targets = [
        json.dumps(target["Arn"])
        for _, rule in of_type(template, "AWS::Events::Rule")
        for target in rule["Properties"]["Targets"]
        if "EventPattern" in rule["Properties"]
    ]
    assert targets
    assert set(targets) <= allowed


def test_someone_is_told_of_every_letter_that_is_dead_and_of_a_late_relay(template: Any) -> None:
    alarms = [alarm["Properties"] for _, alarm in of_type(template, "AWS::CloudWatch::Alarm")]
    assert all(
        "tandem-${Stage}-alarms-arn" in json.dumps(alarm["AlarmActions"]) for alarm in alarms
    )
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in alarms
        for dimension in alarm["Dimensions"]
        if dimension["Name"] == "QueueName"
    }
    queues = of_type(template, "AWS::SQS::Queue")
    last_resorts = {name for name, queue in queues if "RedrivePolicy" not in queue["Properties"]}
    assert watched == last_resorts
    assert "IteratorAge" in {alarm["MetricName"] for alarm in alarms}


def test_no_function_may_do_everything(template: Any) -> None:
    text = json.dumps(
        [
            resource["Properties"]
            for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy")
            for _, resource in of_type(template, kind)
        ]
    )
    assert '"Action": "*"' not in text
    for service in ("dynamodb", "sqs", "events", "logs"):
        assert f'"{service}:*"' not in text


def test_the_table_is_kept_protected_and_recoverable(template: Any) -> None:
    for _, table in of_type(template, "AWS::DynamoDB::Table"):
        assert table["DeletionPolicy"] == "Retain"
        assert table["Properties"]["DeletionProtectionEnabled"] is True
        recovery = table["Properties"]["PointInTimeRecoverySpecification"]
        assert recovery["PointInTimeRecoveryEnabled"] is True


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("UNAUTHORIZED", problems.Unauthenticated),
        ("ACCESS_DENIED", problems.Forbidden),
        ("REQUEST_TOO_LARGE", problems.TooLarge),
        ("DEFAULT_4XX", problems.Invalid),
        ("DEFAULT_5XX", problems.InternalError),
    ],
)
def test_the_gateway_refuses_in_the_words_of_the_services(
    kind: str, problem: type[problems.Problem]
) -> None:
    api = merged_template([ROOT / "infra" / "rest-api.yaml"])["Resources"]["RestAPI"]
    response = api["Properties"]["GatewayResponses"][kind]
    said = json.loads(response["ResponseTemplates"]["application/json"])
    assert said == problem().body("$context.path")
    assert response["StatusCode"] == problem.status
