"""The user pool as the template has it: the kernel's scopes, nobody's rights beyond their role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tandem_authorizer.cognito import API
from tandem_core.auth import ROLE_SCOPES, Role, Scope
from tools.packages.template import merged_template

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = merged_template([ROOT / "infra" / "platform.yaml"])
POOL = {
    name: one
    for name, one in TEMPLATE["Resources"].items()
    if one.get("Type", "").startswith("AWS::Cognito::")
}


def properties(name: str) -> Any:
    return POOL[name]["Properties"]


def test_there_is_a_pool_only_without_another_issuer() -> None:
    assert POOL
    assert {one["Condition"] for one in POOL.values()} == {"HasOwnPool"}
    assert TEMPLATE["Conditions"]["HasOwnPool"] == {"Fn::Equals": [{"Ref": "TokenIssuer"}, ""]}
    told = TEMPLATE["Resources"]["Authorize"]["Properties"]["Environment"]["Variables"]
    for name in ("TANDEM_CUSTOMER_APP", "TANDEM_STAFF_APP"):
        condition, _, otherwise = told[name]["Fn::If"]
        assert (condition, otherwise) == ("HasOwnPool", {"Ref": "AWS::NoValue"})


def test_scopes_of_the_pool_are_those_of_the_kernel() -> None:
    server = properties("ApiScopes")
    assert server["Identifier"] == API
    assert [one["ScopeName"] for one in server["Scopes"]] == [scope.value for scope in Scope]


def test_an_app_may_ask_for_what_its_people_may_do_and_for_no_identity() -> None:
    for name, role in (("CustomerApp", Role.CUSTOMER), ("StaffApp", Role.ADMIN)):
        allowed = properties(name)["AllowedOAuthScopes"]
        ours = {scope.removeprefix(f"{API}/") for scope in allowed if scope.startswith(f"{API}/")}
        assert ours == ROLE_SCOPES[role]
        assert {scope for scope in allowed if "/" not in scope} == {"openid", "email"}
        assert len(allowed) == len(ours) + 2
        assert len(allowed) <= 50, "Cognito takes no more"


def test_apps_of_people_have_no_secret_and_write_no_attribute_that_means_something() -> None:
    for name in ("CustomerApp", "StaffApp"):
        app = properties(name)
        assert app["GenerateSecret"] is False
        assert app["AllowedOAuthFlows"] == ["code"]
        assert app["WriteAttributes"] == ["email", "name"]
    assert "Schema" not in properties("UserPool"), "no attribute of our own, so none can be set"
    assert {properties(name)["GroupName"] for name in ("StaffGroup", "AdminGroup")} == {
        Role.STAFF,
        Role.ADMIN,
    }


def test_users_are_kept() -> None:
    assert POOL["UserPool"]["DeletionPolicy"] == "Retain"
    assert POOL["UserPool"]["UpdateReplacePolicy"] == "Retain"
    assert properties("UserPool")["DeletionProtection"] == "ACTIVE"
