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
HAS_ROUTES = {"loyalty", "orders", "returns"}


@pytest.fixture(scope="module", params=[package.stack for package in SERVICES])
def stack(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def template(stack: str) -> Any:
    return built(stack)


def built(stack: str) -> Any:
    package = next(package for package in packages(ROOT) if package.stack == stack)
    if not package.is_current():
        package.build()
    return json.loads(package.template.read_text())


def of_type(template: Any, kind: str) -> Iterator[tuple[str, Any]]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource


def statements(template: Any) -> Iterator[tuple[str, Any]]:
    """Yield every right that is granted, with the policy or role that grants it."""
    for kind in ("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        for name, resource in of_type(template, kind):
            properties = resource["Properties"]
            documents = [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
            if kind == "AWS::IAM::ManagedPolicy":
                documents.append(properties["PolicyDocument"])
            for document in documents:
                for statement in document["Statement"]:
                    yield name, statement.get("Fn::If", [None, statement])[1]


def watched(template: Any, metric: str, dimension: str) -> set[str]:
    """Return the logical names that alarms on a metric look at."""
    found = [
        one["Value"]
        for _, alarm in of_type(template, "AWS::CloudWatch::Alarm")
        if alarm["Properties"]["MetricName"] == metric
        for one in alarm["Properties"]["Dimensions"]
        if one["Name"] == dimension
    ]
    return {value["Ref"] if "Ref" in value else value["Fn::GetAtt"][0] for value in found}


def on_secrets(template: Any) -> Iterator[tuple[str, Any]]:
    for name, statement in statements(template):
        if "secretsmanager" in json.dumps(statement["Action"]):
            yield name, statement


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


def test_someone_is_told_of_every_letter_that_is_dead_and_of_all_that_is_late(
    template: Any,
) -> None:
    queues = dict(of_type(template, "AWS::SQS::Queue"))
    last_resorts = {
        name for name, queue in queues.items() if "RedrivePolicy" not in queue["Properties"]
    }
    assert watched(template, "ApproximateNumberOfMessagesVisible", "QueueName") == last_resorts
    # What is not looked at for a while on purpose is never late.
    prompt = {name for name, queue in queues.items() if "DelaySeconds" not in queue["Properties"]}
    assert watched(template, "ApproximateAgeOfOldestMessage", "QueueName") == prompt - last_resorts
    streams = {
        mapping["Properties"]["FunctionName"]["Ref"]
        for _, mapping in of_type(template, "AWS::Lambda::EventSourceMapping")
        if "StartingPosition" in mapping["Properties"]
    }
    assert watched(template, "IteratorAge", "FunctionName") == streams


def test_someone_is_told_of_what_fails_is_slow_or_refused(stack: str, template: Any) -> None:
    functions = {name for name, _ in of_type(template, "AWS::Serverless::Function")}
    assert watched(template, "Errors", "FunctionName") == functions
    assert watched(template, "Throttles", "FunctionName") == functions
    for metric in ("ReadThrottleEvents", "WriteThrottleEvents"):
        assert watched(template, metric, "TableName") == {"Table"}
    if stack in HAS_ROUTES:
        api = template["Resources"]["RestAPI"]["Properties"]
        assert api["Name"] == {"Ref": "AWS::StackName"} == api["DefinitionBody"]["info"]["title"]
        for metric in ("5XXError", "Latency"):
            assert watched(template, metric, "ApiName") == {"AWS::StackName"}


def test_the_dashboard_shows_every_function_and_every_queue(template: Any) -> None:
    (dashboard,) = [found for _, found in of_type(template, "AWS::CloudWatch::Dashboard")]
    text = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    json.loads(text)
    for name, _ in of_type(template, "AWS::Serverless::Function"):
        assert f'"FunctionName", "${{{name}}}"' in text
    for name, _ in of_type(template, "AWS::SQS::Queue"):
        assert f'"QueueName", "${{{name}.QueueName}}"' in text


def test_every_function_has_a_log_that_ends(template: Any) -> None:
    logs = {
        json.dumps(log["Properties"]["LogGroupName"]): log["Properties"]["RetentionInDays"]
        for _, log in of_type(template, "AWS::Logs::LogGroup")
    }
    names = {
        json.dumps({"Fn::Sub": f"/aws/lambda/{function['Properties']['FunctionName']['Fn::Sub']}"})
        for _, function in of_type(template, "AWS::Serverless::Function")
    }
    assert logs.keys() == names
    assert all(days == {"Ref": "LogDays"} for days in logs.values())


def test_the_bus_keeps_an_archive_unless_told_and_alarms_can_reach_the_topic() -> None:
    resources = built("platform")["Resources"]
    archive = resources["Archive"]
    assert archive["Condition"] == "HasArchive"
    assert archive["Properties"]["SourceArn"] == {"Fn::GetAtt": ["Bus", "Arn"]}
    # CloudWatch may not use the key that AWS manages for SNS: its alarms would never arrive.
    assert "KmsMasterKeyId" not in resources["Alarms"]["Properties"]


def test_only_who_may_read_a_secret_is_told_where_it_is(template: Any) -> None:
    readers = {name for name, _ in on_secrets(template)}
    resources = template["Resources"]
    told, may = set(), set()
    for name, function in of_type(template, "AWS::Serverless::Function"):
        if "TANDEM_SECRETS" in function["Properties"]["Environment"]["Variables"]:
            told.add(name)
        role = function["Properties"]["Role"]["Fn::GetAtt"][0]
        policies = {
            policy["Ref"] for policy in resources[role]["Properties"].get("ManagedPolicyArns", ())
        }
        if readers & {role, *policies}:
            may.add(name)
    assert told == may


def test_a_secret_is_generated_kept_and_one_that_functions_may_only_read(template: Any) -> None:
    secrets = dict(of_type(template, "AWS::SecretsManager::Secret"))
    for secret in secrets.values():
        assert secret["DeletionPolicy"] == secret["UpdateReplacePolicy"] == "Retain"
        assert "SecretString" not in secret["Properties"]
    granted = [statement for _, statement in on_secrets(template)]
    assert all(statement["Action"] == "secretsmanager:GetSecretValue" for statement in granted)
    assert [statement["Resource"]["Ref"] for statement in granted] == list(secrets)


def test_what_a_template_says_of_itself_is_kept(stack: str, template: Any) -> None:
    written = merged_template([ROOT / "infra" / f"{stack}.yaml"])
    assert template.get("Metadata") == written.get("Metadata")
    assert template["Outputs"].items() >= written["Outputs"].items()


@pytest.mark.parametrize(
    ("service", "is_open"),
    [
        ("orders", ["get /v1/tracking/{token}", "post /v1/webhooks/{source}"]),
        (
            "returns",
            [
                "get /v1/keys",
                "post /v1/webhooks/{source}",
                "post /v1/withdrawals",
                "post /v1/withdrawals/{withdrawal_id}/confirm",
            ],
        ),
    ],
)
def test_bodies_arrive_as_they_were_sent_and_only_these_routes_are_open(
    service: str, is_open: list[str]
) -> None:
    """What senders have signed are bytes; as text API Gateway would mend them."""
    definition = built(service)["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    assert definition["x-amazon-apigateway-binary-media-types"] == ["*/*"]
    assert [
        f"{verb} {path}"
        for path, operations in sorted(definition["paths"].items())
        for verb, operation in operations.items()
        if "security" not in operation
    ] == is_open


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
