"""What Cognito's access tokens say of a caller, and what nobody can say of themselves."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_authorizer.cognito import API, CALLER, Apps, claims_of
from tandem_core.auth import ROLE_SCOPES, Role, Scope

APPS = Apps(customers="customersapp", staff="staffapp")
READ = f"{API}/{Scope.ACCOUNTS_READ}"
ADJUST = f"{API}/{Scope.POINTS_ADJUST}"


def person(client: str, **claims: Any) -> dict[str, Any]:
    """Return an access token of someone who signed in, as Cognito writes it."""
    return {
        "sub": "b3a1e6a8-2b7b-4c62-9d0e-3f1f4d1f0c11",
        "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_pool",
        "client_id": client,
        "token_use": "access",
        "scope": f"openid {READ}",
        "username": "b3a1e6a8-2b7b-4c62-9d0e-3f1f4d1f0c11",
        "exp": 1_900_000_000,
        "iat": 1_899_996_400,
    } | claims


def machine(*scopes: str, **claims: Any) -> dict[str, Any]:
    """Return an access token of a client by itself."""
    token = person("4till", sub="4till", scope=" ".join(scopes))
    del token["username"]
    return token | claims


def refused(token: dict[str, Any]) -> bool:
    with pytest.raises(jwt.InvalidTokenError):
        claims_of(token, APPS)
    return True


def test_who_signed_in_to_the_customers_app_is_a_customer() -> None:
    assert claims_of(person(APPS.customers), APPS) == {
        "sub": "b3a1e6a8-2b7b-4c62-9d0e-3f1f4d1f0c11",
        "role": "customer",
        "scope": "loyalty:accounts.read",
        "exp": 1_900_000_000,
    }


@pytest.mark.parametrize(
    ("groups", "role"), [(["staff"], "staff"), (["admin"], "admin"), (["staff", "admin"], "admin")]
)
def test_in_the_staffs_app_a_group_gives_the_role(groups: list[str], role: str) -> None:
    assert claims_of(person(APPS.staff, **{"cognito:groups": groups}), APPS)["role"] == role


def test_without_a_group_nobody_is_staff() -> None:
    assert refused(person(APPS.staff))
    for groups in ([], ["customers"], ["terminal"], "admin", {"admin": 1}, None):
        assert refused(person(APPS.staff, **{"cognito:groups": groups}))


@pytest.mark.parametrize(
    "claims",
    [
        {"custom:role": "admin", "custom:store_id": "store_12"},
        {"role": "admin", "store_id": "store_12", "terminal_id": "till_3"},
        {"cognito:groups": ["admin", "staff"]},
        {"scope": f"{READ} {CALLER}/integration"},
        {"scope": f"{READ} {CALLER}/terminal.store_12"},
        {"cognito:roles": ["arn:aws:iam::1:role/admin"], "cognito:preferred_role": "admin"},
    ],
)
def test_in_the_customers_app_everybody_is_a_customer_whatever_they_claim(
    claims: dict[str, Any],
) -> None:
    read = claims_of(person(APPS.customers, **claims), APPS)
    assert read["role"] == "customer"
    assert read.keys() == {"sub", "role", "scope", "exp"}
    assert read["scope"] == "loyalty:accounts.read"


def test_a_till_is_of_the_store_that_its_clients_scope_names() -> None:
    token = machine(READ, f"{CALLER}/terminal.store_12")
    assert claims_of(token, APPS) == {
        "sub": "4till",
        "role": "terminal",
        "scope": "loyalty:accounts.read",
        "exp": 1_900_000_000,
        "store_id": "store_12",
        "terminal_id": "4till",
    }
    # Stores after the hundredth, and names with every character that a store's may have.
    later = machine(f"{CALLER}-2/terminal.berlin.mitte-7")
    assert claims_of(later, APPS)["store_id"] == "berlin.mitte-7"


def test_an_integration_has_no_store() -> None:
    read = claims_of(machine(READ, f"{CALLER}/integration"), APPS)
    assert (read["role"], "store_id" in read) == ("integration", False)


@pytest.mark.parametrize(
    "scopes",
    [
        (),
        (READ,),
        (f"{CALLER}/terminal.store_12", f"{CALLER}/integration"),
        (f"{CALLER}/terminal.store_12", f"{CALLER}-2/terminal.store_13"),
        (f"{CALLER}/terminal.",),
        (f"{CALLER}/terminal",),
        (f"{CALLER}/admin",),
        (f"{CALLER}/staff",),
        (f"{CALLER}/customer",),
        (f"{CALLER}x/integration",),
        (f"{API}/integration",),
        ("integration",),
        (f"other/{CALLER}/integration",),
    ],
)
def test_a_client_says_who_it_is_exactly_once(scopes: tuple[str, ...]) -> None:
    """A till that asks for less than its identity would otherwise be freed of its store."""
    assert refused(machine(*scopes))


def test_a_person_is_no_machine_and_a_machine_no_person() -> None:
    identity = f"{CALLER}/integration"
    # Someone signed in by a client that was meant for a machine, or that was added by hand.
    assert refused(person("another", scope=identity))
    assert refused(person("another", scope=identity, **{"cognito:groups": ["admin"]}))
    assert refused(machine(identity, username="ann"))
    assert refused(machine(identity, sub="somebody-else"))
    assert refused(machine(identity, client_id=None))
    assert refused(machine(identity, client_id=["4till"]))


@pytest.mark.parametrize("use", ["id", "refresh", "", None])
def test_what_is_no_access_token_is_refused(use: str | None) -> None:
    identity = person(APPS.staff, token_use=use, **{"cognito:groups": ["admin"]})
    assert refused(identity)
    assert refused(identity | {"aud": APPS.staff})
    del identity["token_use"]
    assert refused(identity)


def test_scopes_of_others_are_no_scopes_of_ours() -> None:
    scopes = f"openid aws.cognito.signin.user.admin other/{Scope.POINTS_ADJUST} {ADJUST} {READ}"
    token = person(APPS.customers, scope=scopes)
    assert claims_of(token, APPS)["scope"].split() == [Scope.POINTS_ADJUST, Scope.ACCOUNTS_READ]
    # The service refuses it to a customer all the same: the role bounds what a token may do.
    assert Scope.POINTS_ADJUST not in ROLE_SCOPES[Role.CUSTOMER]
    assert claims_of(person(APPS.customers, scope=None), APPS)["scope"] == ""


CLAIMS = st.dictionaries(
    st.sampled_from(["role", "store_id", "custom:role", "cognito:groups", "username", "aud"]),
    st.sampled_from(["admin", "staff", ["admin"], ["staff", "admin"], "store_1", None, 1]),
)
SCOPES = st.lists(
    st.sampled_from(
        [READ, ADJUST, "openid", f"{CALLER}/integration", f"{CALLER}/terminal.s", f"{CALLER}/admin"]
    )
)


@given(client=st.sampled_from([APPS.customers, APPS.staff, "4till"]), claims=CLAIMS, scopes=SCOPES)
def test_a_role_is_given_by_the_pool_alone(
    client: str, claims: dict[str, Any], scopes: list[str]
) -> None:
    token = person(client, scope=" ".join(scopes)) | claims
    try:
        role = claims_of(token, APPS)["role"]
    except jwt.InvalidTokenError:
        return
    if role in ("staff", "admin"):
        assert client == APPS.staff
        assert role in token["cognito:groups"]
    else:
        assert (role, client) == ("customer", APPS.customers)
