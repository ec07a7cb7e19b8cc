"""make deploy, diff and destroy, on the embedded engine: what they do, and what they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tandem_local.clients import Clients
from tests.deploy.conftest import PARAMETERS, Command

TABLES = ("loyalty", "orders", "returns")
STACKS = ("platform", *TABLES)
Change = Callable[[str, Callable[[Any], None]], Path]
ITEM = {"pk": {"S": "ACC#1"}, "sk": {"S": "HEAD"}, "version": {"N": "3"}}


def statuses(clients: Clients, stage: str) -> dict[str, str]:
    pages = clients.cloudformation.get_paginator("describe_stacks").paginate()
    prefix = f"tandem-{stage}-"
    return {
        stack["StackName"].removeprefix(prefix): stack["StackStatus"]
        for page in pages
        for stack in page["Stacks"]
        if stack["StackName"].startswith(prefix) and stack["StackStatus"] != "DELETE_COMPLETE"
    }


def tables(clients: Clients, stage: str) -> set[str]:
    names = clients.dynamodb.list_tables()["TableNames"]
    return {name for name in names if name.startswith(f"tandem-{stage}-")}


def events_of(clients: Clients, stack: str) -> list[str]:
    events = clients.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    return [event["EventId"] for event in events]


@pytest.fixture
def stage(tandem: Command, built: Path, clients: Clients) -> Iterator[str]:
    """A stage that is deployed, with an item in each table."""
    name = "drill"
    done = tandem("deploy", "--stage", name, "--build", str(built))
    assert done.code == 0, done.refused
    for table in tables(clients, name):
        clients.dynamodb.put_item(TableName=table, Item=ITEM)
    yield name
    tandem("destroy", "--stage", name, "--tables", "delete")
    assert not statuses(clients, name)


def kept(clients: Clients, stage: str) -> dict[str, Any]:
    key: Any = {name: ITEM[name] for name in ("pk", "sk")}
    return {
        table: clients.dynamodb.get_item(TableName=table, Key=key).get("Item")
        for table in tables(clients, stage)
    }


def test_a_stage_from_nothing_to_nothing(tandem: Command, built: Path, clients: Clients) -> None:
    told = tandem("diff", "--stage", "new", "--build", str(built))
    assert told.code == 0, told.refused
    assert "tandem-new-platform" in told.said
    assert "tandem-new-loyalty: new" in told.said
    assert not statuses(clients, "new"), "a look leaves nothing behind"

    done = tandem("deploy", "--stage", "new", "--build", str(built))
    assert done.code == 0, done.refused
    assert statuses(clients, "new") == dict.fromkeys(STACKS, "CREATE_COMPLETE")
    assert "CREATE_COMPLETE  Table" in done.said
    assert done.said.index("tandem-new-platform") < done.said.index("tandem-new-loyalty")

    again = tandem("deploy", "--stage", "new", "--build", str(built))
    assert again.code == 0
    assert again.said.count("unchanged") == len(STACKS)
    assert "0 changes" not in again.said
    told = tandem("diff", "--stage", "new", "--build", str(built))
    assert told.said.count("no changes") == len(STACKS)

    gone = tandem("destroy", "--stage", "new")
    assert gone.code == 0, gone.refused
    assert not statuses(clients, "new")
    assert not tables(clients, "new"), "what is empty goes"


def test_an_update_of_one_service_leaves_data_and_the_others_alone(
    tandem: Command, stage: str, clients: Clients, change: Change
) -> None:
    before = {name: events_of(clients, f"tandem-{stage}-{name}") for name in STACKS}

    def slower(template: Any) -> None:
        template["Resources"]["Announce"]["Properties"]["Timeout"] = 299

    build = str(change("loyalty", slower))
    told = tandem("diff", "--stage", stage, "--build", build)
    assert "Modify  Announce" in told.said
    assert {name: events_of(clients, f"tandem-{stage}-{name}") for name in STACKS} == before

    done = tandem("deploy", "--stage", stage, "--build", build)
    assert done.code == 0, done.refused
    others = dict.fromkeys(STACKS, "CREATE_COMPLETE")
    assert statuses(clients, stage) == others | {"loyalty": "UPDATE_COMPLETE"}
    function = clients.functions.get_function_configuration(
        FunctionName=f"tandem-{stage}-loyalty-announce"
    )
    assert function["Timeout"] == 299
    for name in ("platform", "orders", "returns"):
        assert events_of(clients, f"tandem-{stage}-{name}") == before[name]
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES)


def serving(clients: Clients, stage: str, service: str) -> Any:
    """Return the version behind the alias that the API calls, which is the only one there is."""
    name = f"tandem-{stage}-{service}-api"
    found = clients.functions.get_function_configuration(FunctionName=name, Qualifier="live")
    listed = clients.functions.list_versions_by_function(FunctionName=name)["Versions"]
    assert [one["Version"] for one in listed] == ["$LATEST", found["Version"]]
    return found


def called(clients: Clients, stage: str, service: str) -> set[str]:
    """Return the functions that the routes of an API call."""
    stack = clients.cloudformation.describe_stack_resource(
        StackName=f"tandem-{stage}-{service}", LogicalResourceId="RestAPI"
    )
    api = stack["StackResourceDetail"]["PhysicalResourceId"]
    resources = clients.apigateway.get_resources(restApiId=api, embed=["methods"], limit=500)
    uris = [
        method["methodIntegration"]["uri"]
        for one in resources["items"]
        for method in one.get("resourceMethods", {}).values()
    ]
    assert uris
    return {uri.partition("/functions/")[2].removesuffix("/invocations") for uri in uris}


def test_the_switch_to_snapshots_publishes_and_so_does_every_change(
    tandem: Command, stage: str, clients: Clients, built: Path, change: Change, tmp_path: Path
) -> None:
    services = ("loyalty", "orders", "returns")
    for name in services:
        assert serving(clients, stage, name)["SnapStart"]["ApplyOn"] == "None"
        assert all(arn.endswith(f"{name}-api:live") for arn in called(clients, stage, name))

    (tmp_path / "stage.json").write_text(json.dumps(PARAMETERS | {"SnapStart": "enabled"}))
    done = tandem("deploy", "--stage", stage, "--build", str(built))
    assert done.code == 0, done.refused
    before = {name: serving(clients, stage, name) for name in services}
    for name, version in before.items():
        assert version["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}
        assert all(arn.endswith(f"{name}-api:live") for arn in called(clients, stage, name))

    def roomier(template: Any) -> None:
        template["Resources"]["APIHandler"]["Properties"]["MemorySize"] = 2048

    build = str(change("loyalty", roomier))
    told = tandem("diff", "--stage", stage, "--build", build)
    assert "tandem-drill-orders: no changes" in told.said
    done = tandem("deploy", "--stage", stage, "--build", build)
    assert done.code == 0, done.refused
    after = {name: serving(clients, stage, name) for name in services}
    assert after["loyalty"]["Version"] != before["loyalty"]["Version"]
    assert after["loyalty"]["MemorySize"] == 2048
    assert {name: after[name]["Version"] for name in services[1:]} == {
        name: before[name]["Version"] for name in services[1:]
    }
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES)

    (tmp_path / "stage.json").write_text(json.dumps(PARAMETERS))
    back = tandem("deploy", "--stage", stage, "--build", str(built))
    assert back.code == 0, back.refused
    assert serving(clients, stage, "loyalty")["SnapStart"]["ApplyOn"] == "None"


def test_a_failed_update_goes_back_and_says_why(
    tandem: Command, stage: str, clients: Clients, change: Change, built: Path
) -> None:
    def broken(template: Any) -> None:
        alarm = template["Resources"]["RelayIsLate"]["Properties"]
        del alarm["MetricName"]
        alarm["Metrics"] = [{"Id": "m", "Expression": "1 + 1"}]

    done = tandem("deploy", "--stage", stage, "--build", str(change("loyalty", broken)))
    assert done.code == 1
    assert f"tandem-{stage}-loyalty is UPDATE_ROLLBACK_COMPLETE" in done.refused
    assert "RelayIsLate (AWS::CloudWatch::Alarm): " in done.refused
    assert "as it was before" in done.refused
    assert statuses(clients, stage)["orders"] == "CREATE_COMPLETE"
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES)

    mended = tandem("deploy", "--stage", stage, "--build", str(built))
    assert mended.code == 0, mended.refused


def test_what_would_lose_a_table_is_not_executed(
    tandem: Command, stage: str, clients: Clients, change: Change
) -> None:
    def renamed(template: Any) -> None:
        template["Resources"]["Table"]["Properties"]["TableName"] = "tandem-elsewhere"

    build = str(change("loyalty", renamed))
    assert "would lose data" in tandem("diff", "--stage", stage, "--build", build).said
    done = tandem("deploy", "--stage", stage, "--build", build)
    assert done.code == 1
    assert "would lose data" in done.refused
    assert statuses(clients, stage)["loyalty"] == "CREATE_COMPLETE"
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES)


def test_destroy_refuses_while_tables_hold_data_and_keeps_them_when_told(
    tandem: Command, stage: str, clients: Clients, built: Path
) -> None:
    refused = tandem("destroy", "--stage", stage)
    assert refused.code == 1
    assert f"tandem-{stage}-loyalty" in refused.refused
    assert "TABLES=keep" in refused.refused
    assert statuses(clients, stage) == dict.fromkeys(STACKS, "CREATE_COMPLETE")

    done = tandem("destroy", "--stage", stage, "--tables", "keep")
    assert done.code == 0, done.refused
    assert not statuses(clients, stage)
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES)
    for table in tables(clients, stage):
        described = clients.dynamodb.describe_table(TableName=table)["Table"]
        assert described["DeletionProtectionEnabled"]

    back = tandem("deploy", "--stage", stage, "--build", str(built))
    assert back.code == 0, back.refused
    assert list(kept(clients, stage).values()) == [ITEM] * len(TABLES), (
        "taken up again, with the data"
    )


def test_a_deployment_names_what_the_stages_file_lacks_and_what_nobody_asked_for(
    tandem: Command, built: Path, tmp_path: Path, clients: Clients, change: Change
) -> None:
    def demanding(template: Any) -> None:
        del template["Parameters"]["JwksUrl"]["Default"]

    file = tmp_path / "stage.json"
    file.write_text('{"TokenIssuer": "https://x", "ArchiveDays": "0"}')
    done = tandem("deploy", "--stage", "faulty", "--build", str(change("platform", demanding)))
    assert done.code == 1
    assert "JwksUrl: Where another issuer publishes its keys" in done.refused
    for written, said in (
        ('{"TokenIsuer": "https://x"}', "No template has a parameter TokenIsuer"),
        ('{"ArchiveDays": 0}', "has to be an object of texts"),
        ("{", "is no JSON"),
    ):
        file.write_text(written)
        done = tandem("deploy", "--stage", "faulty", "--build", str(built))
        assert done.code == 1
        assert said in done.refused
    file.unlink()
    assert "example.json" in tandem("deploy", "--stage", "faulty", "--build", str(built)).refused
    assert "up to 16" in tandem("deploy", "--stage", "Not a stage").refused
    assert "nothing of stage" in tandem("destroy", "--stage", "faulty").refused
    assert not statuses(clients, "faulty")
