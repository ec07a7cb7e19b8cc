"""App clients of the stage's user pool for those who have no person: tills and integrations.

Who a client is, is one scope that only it may ask for, `tandem-caller/terminal.<store>` or
`tandem-caller/integration`; the authorizer reads it (docs/decisions/0016-identity-pool.md). These
scopes are made here when they are first needed, since a template does not know the stores. A secret
is told once and kept nowhere.
"""

from __future__ import annotations

import re
from typing import Any

from tandem_core.auth import ROLE_SCOPES, Role
from tools.deploy.target import PLATFORM, Refused, Say, Target

_CALLER = "tandem-caller"
# Cognito's own bound.
_SCOPES_OF_A_SERVER = 100
_HOURS = 12


def add(target: Target, role: str, store: str, name: str, say: Say) -> None:
    """Make a client and say how it gets its tokens. Raises Refused."""
    identity = _identity(role, store)
    if not re.fullmatch(r"[\w.-]{1,60}", name):
        raise Refused("Say which one: NAME=till_3, letters, digits, . _ and -")
    outputs = target.outputs(PLATFORM)
    if "UserPoolId" not in outputs:
        raise Refused("The tokens of this stage come from another issuer: add its clients there")
    pool = outputs["UserPoolId"]
    called = f"{identity}.{name}"
    if called in _clients(target, pool):
        raise Refused(f"There is a client {called}; delete it first, or take another name")
    scopes = [f"tandem/{scope}" for scope in sorted(ROLE_SCOPES[Role(role)])]
    made = target.cognito.create_user_pool_client(
        UserPoolId=pool,
        ClientName=called,
        GenerateSecret=True,
        AllowedOAuthFlowsUserPoolClient=True,
        AllowedOAuthFlows=["client_credentials"],
        AllowedOAuthScopes=[_scope(target, pool, identity), *scopes],
        # Every token is paid for, and a till stays where it is for a day.
        AccessTokenValidity=_HOURS,
        TokenValidityUnits={"AccessToken": "hours"},
    )["UserPoolClient"]
    say(f"{called}, with tokens of {_HOURS} hours from {outputs['SignInUrl']}/oauth2/token")
    say(f"  client id      {made['ClientId']}")
    say(f"  client secret  {made['ClientSecret']}")


def _identity(role: str, store: str) -> str:
    if role == Role.INTEGRATION and not store:
        return role
    # What a store is called in requests, too; a scope takes no space and no slash.
    if role == Role.TERMINAL and re.fullmatch(r"[\w.:-]{1,100}", store, re.ASCII):
        return f"{role}.{store}"
    raise Refused("Say who it is: ROLE=terminal STORE=store_12, or ROLE=integration")


def _clients(target: Target, pool: str) -> set[str]:
    pages = target.cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
    return {one["ClientName"] for page in pages for one in page["UserPoolClients"]}


def _scope(target: Target, pool: str, identity: str) -> str:
    """Return the scope that says who the client is; make it where there is room."""
    pages = target.cognito.get_paginator("list_resource_servers").paginate(
        UserPoolId=pool, MaxResults=50
    )
    servers = {
        one["Identifier"]: one.get("Scopes", [])
        for page in pages
        for one in page["ResourceServers"]
        if re.fullmatch(rf"{_CALLER}(-\d+)?", one["Identifier"])
    }
    for server, scopes in servers.items():
        if identity in [scope["ScopeName"] for scope in scopes]:
            return f"{server}/{identity}"
    new: Any = {"ScopeName": identity, "ScopeDescription": identity}
    for server, scopes in servers.items():
        if len(scopes) < _SCOPES_OF_A_SERVER:
            target.cognito.update_resource_server(
                UserPoolId=pool, Identifier=server, Name=server, Scopes=[*scopes, new]
            )
            return f"{server}/{identity}"
    server = f"{_CALLER}-{len(servers) + 1}" if servers else _CALLER
    target.cognito.create_resource_server(
        UserPoolId=pool, Identifier=server, Name=server, Scopes=[new]
    )
    return f"{server}/{identity}"
