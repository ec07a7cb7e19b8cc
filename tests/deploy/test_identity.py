"""A stage with a user pool of its own: who gets which token, and how it is read."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jwt
import pytest

from tandem_authorizer.cognito import Apps, claims_of
from tandem_core.auth import ROLE_SCOPES, Role
from tandem_local.clients import CREDENTIALS, REGION, Clients
from tandem_local.deployment import outputs_of
from tandem_local.engine import Engine
from tests.deploy.conftest import PARAMETERS, Command

STAGE = "own"
PLATFORM = f"tandem-{STAGE}-platform"
PASSWORD = "correct horse battery"  # noqa: S105  of a user of this test


@pytest.fixture
def cognito(engine: Engine) -> Any:
    return boto3.client(
        "cognito-idp",
        endpoint_url=engine.endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


@pytest.fixture
def without_issuer(tmp_path: Path) -> Path:
    """A stage's file that names no issuer."""
    file = tmp_path / "stage.json"
    others = {name: value for name, value in PARAMETERS.items() if name == "ArchiveDays"}
    file.write_text(json.dumps(others))
    return file


@pytest.fixture
def outputs(
    tandem: Command, built: Path, without_issuer: Path, clients: Clients
) -> Iterator[dict[str, str]]:
    assert without_issuer.is_file()
    done = tandem("deploy", "--stage", STAGE, "--build", str(built))
    assert done.code == 0, done.refused
    yield outputs_of(clients, PLATFORM)
    gone = tandem("destroy", "--stage", STAGE, "--tables", "delete")
    assert gone.code == 0, gone.refused


def add(tandem: Command, *arguments: str) -> tuple[str, str]:
    """Return the id and the secret of a client that was made."""
    done = tandem("caller", "--stage", STAGE, *arguments)
    assert done.code == 0, done.refused
    found = re.search(r"client id +(\S+)\n +client secret +(\S+)", done.said)
    assert found, done.said
    return found[1], found[2]


def token_of(engine: Engine, client: tuple[str, str], scope: str = "") -> Any:
    """Ask for a token by the client's own credentials; return what it says."""
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    request = urllib.request.Request(  # noqa: S310  loopback
        f"{engine.endpoint}/oauth2/token",
        urllib.parse.urlencode(form).encode(),
        {"Authorization": "Basic " + base64.b64encode(":".join(client).encode()).decode()},
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        token = json.loads(answer.read())["access_token"]
    return jwt.decode(token, options={"verify_signature": False})


def test_tills_and_integrations_get_tokens_that_say_who_they_are(
    tandem: Command, engine: Engine, outputs: dict[str, str], cognito: Any
) -> None:
    apps = Apps(outputs["CustomerAppId"], outputs["StaffAppId"])
    till = add(tandem, "--role", "terminal", "--store", "store_12", "--name", "till_3")
    other = add(tandem, "--role", "terminal", "--store", "store_13", "--name", "till_3")
    shop = add(tandem, "--role", "integration", "--name", "shop")

    read = claims_of(token_of(engine, till), apps)
    assert (read["role"], read["store_id"], read["terminal_id"]) == (
        "terminal",
        "store_12",
        till[0],
    )
    assert set(read["scope"].split()) == ROLE_SCOPES[Role.TERMINAL]
    assert claims_of(token_of(engine, other), apps)["store_id"] == "store_13"
    read = claims_of(token_of(engine, shop), apps)
    assert read["role"] == "integration"
    assert set(read["scope"].split()) == ROLE_SCOPES[Role.INTEGRATION]

    # Nobody gets to be another, and who does not say who it is, is nobody.
    for scope in ("tandem-caller/integration", "tandem-caller/terminal.store_13"):
        with pytest.raises(urllib.error.HTTPError):
            token_of(engine, till, scope)
    with pytest.raises(jwt.InvalidTokenError):
        claims_of(token_of(engine, till, "tandem/loyalty:accounts.read"), apps)

    again = tandem("caller", "--stage", STAGE, "--role", "integration", "--name", "shop")
    assert again.code == 1
    assert "There is a client integration.shop" in again.refused
    servers = cognito.list_resource_servers(UserPoolId=outputs["UserPoolId"], MaxResults=50)
    assert sorted(
        scope["ScopeName"]
        for one in servers["ResourceServers"]
        for scope in one["Scopes"]
        if one["Identifier"] == "tandem-caller"
    ) == ["integration", "terminal.store_12", "terminal.store_13"]


def test_after_a_hundred_stores_there_is_room_for_more(
    tandem: Command, engine: Engine, outputs: dict[str, str], cognito: Any
) -> None:
    pool, apps = outputs["UserPoolId"], Apps(outputs["CustomerAppId"], outputs["StaffAppId"])
    stores = [f"terminal.store_{number}" for number in range(100)]
    cognito.create_resource_server(
        UserPoolId=pool,
        Identifier="tandem-caller",
        Name="tandem-caller",
        Scopes=[{"ScopeName": name, "ScopeDescription": name} for name in stores],
    )
    known = add(tandem, "--role", "terminal", "--store", "store_99", "--name", "till_1")
    added = add(tandem, "--role", "terminal", "--store", "store_100", "--name", "till_1")
    assert "tandem-caller/terminal.store_99" in token_of(engine, known)["scope"].split()
    assert "tandem-caller-2/terminal.store_100" in token_of(engine, added)["scope"].split()
    assert claims_of(token_of(engine, added), apps)["store_id"] == "store_100"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--role", "admin", "--name", "me"], "ROLE=terminal STORE=store_12"),
        (["--role", "terminal", "--name", "till_3"], "ROLE=terminal STORE=store_12"),
        (["--role", "terminal", "--store", "a b", "--name", "x"], "ROLE=terminal STORE=store_12"),
        (["--role", "terminal", "--store", "a/b", "--name", "x"], "ROLE=terminal STORE=store_12"),
        (["--role", "integration", "--store", "a", "--name", "x"], "or ROLE=integration"),
        (["--role", "integration"], "NAME=till_3"),
    ],
)
def test_who_is_no_caller_is_not_added(tandem: Command, arguments: list[str], said: str) -> None:
    done = tandem("caller", "--stage", STAGE, *arguments)
    assert done.code == 1
    assert said in done.refused


def test_people_sign_up_as_customers_and_write_nothing_but_their_name(
    tandem: Command, outputs: dict[str, str], cognito: Any, clients: Clients
) -> None:
    pool, apps = outputs["UserPoolId"], Apps(outputs["CustomerAppId"], outputs["StaffAppId"])
    for client in (apps.customers, apps.staff):
        app = cognito.describe_user_pool_client(UserPoolId=pool, ClientId=client)["UserPoolClient"]
        assert app.get("ClientSecret") is None
        assert (app["AllowedOAuthFlows"], app["WriteAttributes"]) == (["code"], ["email", "name"])
        assert app["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"], "by the sign-in page alone"
    described = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    names = [one["Name"] for one in described["SchemaAttributes"]]
    assert not [name for name in names if name.startswith(("custom:", "dev:"))]
    assert described["DeletionProtection"] == "ACTIVE"
    assert described["MfaConfiguration"] == "OPTIONAL"
    function = clients.functions.get_function_configuration(
        FunctionName=f"tandem-{STAGE}-authorize"
    )
    told = function["Environment"]["Variables"]
    assert told["TANDEM_ISSUER"] == f"https://cognito-idp.{REGION}.amazonaws.com/{pool}"
    assert told["TANDEM_JWKS_URL"] == f"{told['TANDEM_ISSUER']}/.well-known/jwks.json"
    assert (told["TANDEM_CUSTOMER_APP"], told["TANDEM_STAFF_APP"]) == (apps.customers, apps.staff)

    # Users are data: they are not destroyed in passing.
    cognito.sign_up(ClientId=apps.customers, Username="ann@example.com", Password=PASSWORD)
    refused = tandem("destroy", "--stage", STAGE)
    assert refused.code == 1
    assert pool in refused.refused


def test_another_issuer_needs_no_pool_and_its_clients_are_not_ours(
    tandem: Command, built: Path, clients: Clients, cognito: Any
) -> None:
    before = len(cognito.list_user_pools(MaxResults=60)["UserPools"])
    assert tandem("deploy", "--stage", "other", "--build", str(built)).code == 0
    assert len(cognito.list_user_pools(MaxResults=60)["UserPools"]) == before
    outputs = outputs_of(clients, "tandem-other-platform")
    assert not outputs.keys() & {"UserPoolId", "CustomerAppId", "StaffAppId", "SignInUrl"}
    function = clients.functions.get_function_configuration(FunctionName="tandem-other-authorize")
    told = function["Environment"]["Variables"]
    assert told["TANDEM_ISSUER"] == PARAMETERS["TokenIssuer"]
    assert not told.keys() & {"TANDEM_CUSTOMER_APP", "TANDEM_STAFF_APP"}
    done = tandem("caller", "--stage", "other", "--role", "integration", "--name", "shop")
    assert "another issuer" in done.refused
    assert tandem("destroy", "--stage", "other", "--tables", "delete").code == 0
