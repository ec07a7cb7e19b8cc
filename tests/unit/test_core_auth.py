"""Who may do what: the table of roles, and what narrows it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tandem_core.auth import ANYONE, ROLE_SCOPES, Principal, Role, Scope, principal_of
from tandem_core.problems import Forbidden, Unauthenticated

# The public table: c customer, t terminal, i integration, s staff, a admin.
MAY = {
    Scope.PROGRAMS_READ: "ctisa",
    Scope.PROGRAMS_WRITE: "a",
    Scope.ACCOUNTS_READ: "ctisa",
    Scope.ACCOUNTS_SEARCH: "tisa",
    Scope.ACCOUNTS_ENROL: "isa",
    Scope.POINTS_CALCULATE: "tisa",
    Scope.POINTS_ACCUMULATE: "tisa",
    Scope.POINTS_ADJUST: "sa",
    Scope.REDEMPTIONS_WRITE: "tisa",
    Scope.REDEMPTIONS_REVERSE: "sa",
    Scope.ORDERS_READ: "ctisa",
    Scope.ORDERS_PLACE: "tisa",
    Scope.ORDERS_CANCEL: "cisa",
    Scope.FULFILLMENTS_CREATE: "tisa",
    Scope.FULFILLMENTS_MOVE: "ctisa",
    Scope.SHIPMENTS_READ: "ctisa",
    Scope.SHIPMENTS_REGISTER: "isa",
    Scope.TIMELINE_READ: "csa",
    Scope.PREFERENCES: "csa",
    Scope.CONTACTS_CLAIM: "isa",
    Scope.CUSTOMERS_ERASE: "sa",
    Scope.INBOX: "sa",
    Scope.POLICIES_READ: "ctisa",
    Scope.POLICIES_WRITE: "a",
    Scope.PURCHASES_SEARCH: "tisa",
    Scope.RETURNS_READ: "ctisa",
    Scope.RETURNS_REQUEST: "ctisa",
    Scope.RETURNS_RECEIVE: "tisa",
    Scope.RETURNS_DECIDE: "sa",
    Scope.REFUNDS_SETTLE: "tisa",
    Scope.RETURNS_INBOX: "sa",
}
NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
EVERY_SCOPE = frozenset(scope.value for scope in Scope)


def caller(role: Role, scopes: frozenset[str] = EVERY_SCOPE, **place: str) -> Principal:
    return Principal("sub_1", role, scopes, **place)


def test_the_table_is_complete() -> None:
    assert MAY.keys() == set(Scope)
    assert ROLE_SCOPES.keys() == set(Role)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_the_public_table_says(role: Role, scope: Scope) -> None:
    if role[0] in MAY[scope]:
        caller(role).require(scope)
    else:
        with pytest.raises(Forbidden):
            caller(role).require(scope)


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("role", Role)
def test_a_token_can_only_narrow_its_role(role: Role, scope: Scope) -> None:
    without = caller(role, EVERY_SCOPE - {scope.value})
    with pytest.raises(Forbidden) as refusal:
        without.require(scope)
    assert refusal.value.extra == {"scope": scope.value}


@pytest.mark.parametrize("scope", Scope)
def test_who_calls_without_a_token_may_nothing_and_owns_nothing(scope: Scope) -> None:
    with pytest.raises(Forbidden):
        ANYONE.require(scope)
    assert not ANYONE.owns(None)
    assert not ANYONE.owns("sub_1")


@pytest.mark.parametrize("role", Role)
def test_only_a_customer_is_kept_from_what_belongs_to_others(role: Role) -> None:
    one = caller(role)
    assert one.owns("sub_1")
    for foreign in ("sub_2", None, "", "SUB_1"):
        assert one.owns(foreign) == (role is not Role.CUSTOMER)


def test_a_terminal_acts_in_its_own_store() -> None:
    till = caller(Role.TERMINAL, store_id="store_12")
    assert till.at_location(None) == "store_12"
    assert till.at_location("store_12") == "store_12"
    for elsewhere in ("store_13", ""):
        with pytest.raises(Forbidden):
            till.at_location(elsewhere)
    with pytest.raises(Forbidden):
        caller(Role.TERMINAL).at_location(None)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.TERMINAL])
def test_everybody_else_acts_anywhere(role: Role) -> None:
    assert caller(role, store_id="store_12").at_location("store_13") == "store_13"
    assert caller(role).at_location(None) is None


def test_what_the_authorizer_says_is_read() -> None:
    claims = {
        "sub": "store_12/till_3",
        "role": "terminal",
        "scope": "a  b",
        "store_id": "store_12",
        "terminal_id": "till_3",
    }
    one = principal_of({"authorizer": claims}, NOW)
    assert one == Principal(
        "store_12/till_3", Role.TERMINAL, frozenset({"a", "b"}), "store_12", "till_3"
    )
    assert (one.actor, one.channel) == ("terminal:store_12/till_3", "pos")


@pytest.mark.parametrize("scope", [None, "", " "])
def test_a_token_without_scopes_may_nothing(scope: str | None) -> None:
    one = principal_of({"authorizer": {"sub": "x", "role": "admin", "scope": scope}}, NOW)
    assert one.scopes == frozenset()


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"authorizer": None},
        {"authorizer": {}},
        {"authorizer": {"sub": "x"}},
        {"authorizer": {"role": "admin"}},
        {"authorizer": {"sub": "x", "role": "root"}},
        {"authorizer": {"sub": "x", "role": None}},
    ],
)
def test_nobody_is_not_a_caller(context: dict[str, object]) -> None:
    with pytest.raises(Unauthenticated):
        principal_of(context, NOW)


def test_a_token_ends_although_the_authorizers_answer_is_still_kept() -> None:
    claims = {"sub": "x", "role": "admin", "exp": str(int(NOW.timestamp()) + 1)}
    assert principal_of({"authorizer": claims}, NOW).role is Role.ADMIN
    with pytest.raises(Unauthenticated):
        principal_of({"authorizer": claims}, NOW + timedelta(seconds=1))
