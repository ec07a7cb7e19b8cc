"""What an access token of the stage's own user pool says, in the claims that services read.

A person's role is decided by the app they signed in to, and in the staff's app by their groups;
a machine's by the one identity scope that its app client was given. All of these are set by who
may administer the pool. What users write about themselves, their attributes, is read nowhere, nor
is a claim that is called like one of ours. Pure: no environment, no network; the signature, the
issuer and the end of the token have been checked. See docs/decisions/0016-identity-pool.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jwt import InvalidTokenError

# The resource server whose scopes are the API's, and those whose scopes say who a client is:
# `tandem-caller/integration`, `tandem-caller/terminal.<store_id>`. A resource server takes a
# hundred scopes; those after the first are tandem-caller-2, and so on.
API = "tandem"
CALLER = "tandem-caller"

_TERMINAL = "terminal."
# The strongest first.
_GROUPS = ("admin", "staff")


@dataclass(frozen=True)
class Apps:
    """The two apps that people sign in to, by their client ids."""

    customers: str
    staff: str


def claims_of(token: Mapping[str, Any], apps: Apps) -> dict[str, Any]:
    """Return `sub, role, scope, exp`, and of a terminal `store_id, terminal_id`.

    Raises InvalidTokenError for what is no access token, or leaves the role open.
    """
    if token.get("token_use") != "access":
        raise InvalidTokenError("not an access token")
    scopes = _split(str(token.get("scope") or ""))
    client = token.get("client_id")
    if client == apps.customers:
        who = {"role": "customer"}
    elif client == apps.staff:
        who = {"role": _role_of_staff(token)}
    else:
        who = _machine(token, scopes)
    granted = [name for server, name in scopes if server == API]
    return {"sub": token["sub"], "exp": token["exp"], "scope": " ".join(granted)} | who


def _role_of_staff(token: Mapping[str, Any]) -> str:
    groups = token.get("cognito:groups")
    held = [role for role in _GROUPS if isinstance(groups, list) and role in groups]
    if not held:
        raise InvalidTokenError("signed in to the staff's app, and in none of its groups")
    return held[0]


def _machine(token: Mapping[str, Any], scopes: list[tuple[str, str]]) -> dict[str, str]:
    """Read who a client is that has a secret of its own: an integration, or one till of a store.

    A person who signed in by such a client, or by one that somebody added, has no role at all.
    """
    client = token.get("client_id")
    if "username" in token or not isinstance(client, str) or token["sub"] != client:
        raise InvalidTokenError("neither one of the two apps nor a client by itself")
    identities = [name for server, name in scopes if _says_who(server)]
    if len(identities) != 1:
        # None: the client has asked for less than it is. Several: it could choose.
        raise InvalidTokenError("the token has to say who its client is, once")
    (identity,) = identities
    if identity == "integration":
        return {"role": "integration"}
    store = identity.removeprefix(_TERMINAL)
    if store in ("", identity):
        raise InvalidTokenError(f"no caller is called {identity}")
    return {"role": "terminal", "store_id": store, "terminal_id": client}


def _says_who(server: str) -> bool:
    return server == CALLER or server.startswith(f"{CALLER}-")


def _split(scope: str) -> list[tuple[str, str]]:
    """Split `<resource server>/<scope>`; scopes of OpenID Connect have no server."""
    split = [one.partition("/") for one in scope.split()]
    return [(server, name) for server, slash, name in split if slash]
