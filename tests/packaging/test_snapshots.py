"""The API's function is called by its alias, and the alias names a version of all it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tandem_local.deployment import Package, read_packages, upload
from tools.packages.package import packages

ROOT = Path(__file__).resolve().parents[2]
HAS_ROUTES = ("loyalty", "orders", "returns")
ALIAS = {"Ref": "APIHandler.Alias"}
PARAMETERS = {"Stage": "test", "SnapStart": "enabled", "PublicUrl": "https://api.example.com"}


def built(stack: str) -> Package:
    made = next(one for one in packages(ROOT) if one.stack == stack)
    if not made.is_current():
        made.build()
    return next(one for one in read_packages(ROOT / "build") if one.name == stack)


@pytest.fixture(scope="module", params=HAS_ROUTES)
def package(request: pytest.FixtureRequest) -> Package:
    return built(request.param)


@dataclass
class Bucket:
    """As much of S3 as an upload asks for."""

    objects: dict[str, bytes] = field(default_factory=dict)
    meta: Any = field(default_factory=lambda: SimpleNamespace(endpoint_url="https://s3"))

    def list_objects_v2(self, Prefix: str, **_: Any) -> Any:  # noqa: N803  as S3 names it
        return {"Contents": [name for name in self.objects if name.startswith(Prefix)]}

    def put_object(self, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        self.objects[Key] = Body


def deployed(package: Package, given: dict[str, str] | None = None) -> Any:
    """Return the API's function as it is deployed with these parameters."""
    bucket: Any = Bucket()
    address = upload(bucket, "packages", package, PARAMETERS | (given or {}))
    template = json.loads(bucket.objects[address.removeprefix("https://s3/packages/")])
    return template["Resources"]["APIHandler"]["Properties"]


def version(package: Package, given: dict[str, str] | None = None) -> str:
    """Return the name of the version that is published."""
    function = deployed(package, given)
    name = str(function["AutoPublishCodeSha256"])
    # Lambda publishes only what differs from the version before, so the function differs with it.
    assert function["Description"] == f"Release {name[:10]}"
    return name


def edited(package: Package, edit: Callable[[Any], None]) -> Package:
    template = json.loads(json.dumps(package.template))
    edit(template)
    return replace(package, template=template)


def routes(template: Any) -> Iterator[tuple[str, Any]]:
    paths = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for path, operations in paths.items():
        for verb, operation in operations.items():
            yield f"{verb} {path}", operation["x-amazon-apigateway-integration"]


def test_every_route_and_its_permission_name_the_alias(package: Package) -> None:
    named = dict(routes(package.template))
    assert named
    for route, integration in named.items():
        text, values = integration["uri"]["Fn::Sub"]
        assert text.endswith(":lambda:path/2015-03-31/functions/${Alias}/invocations"), route
        assert values == {"Alias": ALIAS}, route
    resources = package.template["Resources"]
    allowed = [
        one["Properties"]["FunctionName"]
        for one in resources.values()
        if one["Type"] == "AWS::Lambda::Permission"
        and one["Properties"]["Principal"] == "apigateway.amazonaws.com"
        and "APIHandler" in json.dumps(one["Properties"]["FunctionName"])
    ]
    assert allowed == [ALIAS]


def test_the_switch_makes_snapshots_of_the_api_and_of_nothing_else(package: Package) -> None:
    template = package.template
    assert template["Parameters"]["SnapStart"]["Default"] == "disabled"
    assert template["Conditions"]["StartsFromSnapshot"] == {
        "Fn::Equals": [{"Ref": "SnapStart"}, "enabled"]
    }
    functions = {
        name: one["Properties"]
        for name, one in template["Resources"].items()
        if one["Type"] == "AWS::Serverless::Function"
    }
    switched = {name: one["SnapStart"] for name, one in functions.items() if "SnapStart" in one}
    choice = {"Fn::If": ["StartsFromSnapshot", "PublishedVersions", "None"]}
    assert switched == {"APIHandler": {"ApplyOn": choice}}
    assert {name for name, one in functions.items() if "AutoPublishAlias" in one} == {"APIHandler"}
    # A snapshot is paid for as long as its version is there.
    assert template["Resources"]["APIHandler"]["DeletionPolicy"] == "Delete"


def test_a_change_of_code_publishes_another_version(package: Package, tmp_path: Path) -> None:
    before = version(package)
    assert version(package) == before
    other = tmp_path / "deployment.zip"
    other.write_bytes(package.archive.read_bytes() + b"\0")
    assert version(replace(package, archive=other)) != before


def test_a_change_of_what_the_function_is_given_publishes_another_version(
    package: Package,
) -> None:
    def roomier(template: Any) -> None:
        template["Resources"]["APIHandler"]["Properties"]["MemorySize"] = 2048

    def told(template: Any) -> None:
        environment = template["Resources"]["APIHandler"]["Properties"]["Environment"]
        environment["Variables"]["TANDEM_NEW"] = {"Ref": "LogDays"}

    before = version(package)
    assert version(edited(package, roomier)) != before
    assert version(edited(package, told)) != before
    # The switch itself, by a condition; a value that is given counts like the same by default.
    assert version(package, {"SnapStart": "disabled"}) != before
    assert version(package, {"LogDays": "7"}) == before
    assert version(edited(package, told), {"LogDays": "7"}) != version(edited(package, told))
    assert version(edited(package, told), {"LogDays": "30"}) == version(edited(package, told))


def test_an_address_of_the_stage_reaches_the_version_that_serves() -> None:
    orders = built("orders")
    elsewhere = {"PublicUrl": "https://elsewhere.example.com"}
    assert version(orders, elsewhere) != version(orders)


def test_what_others_are_made_of_publishes_nothing(package: Package) -> None:
    def slower(template: Any) -> None:
        template["Resources"]["Relay"]["Properties"]["Timeout"] = 29

    assert version(edited(package, slower)) == version(package)
    assert version(package, {"RequestsPerSecond": "7", "Triggers": "disabled"}) == version(package)
