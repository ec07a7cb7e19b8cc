"""Requests that are wrong: each is refused by a stable code and changes nothing, on every route."""

from __future__ import annotations

import base64
import json
from copy import deepcopy
from typing import Any

import pytest

from tandem_loyalty import main
from tests.service.conftest import Loyalty
from tests.service.endpoints import (
    BODIES,
    ENDPOINTS,
    OF_ACCOUNT,
    OF_REDEMPTION,
    POSTING,
    READING,
    WITH_BODY,
    WITH_QUERY,
    WRITING,
    World,
    endpoint,
    roles_without,
)
from tests.service.every_route import replaced
from tests.service.table_contents import contents, nothing_changes, refusal

EVERYWHERE = list(ENDPOINTS)
ACCUMULATE = "POST /v1/accounts/{account_id}/accumulate"
CALCULATE = "POST /v1/accounts/{account_id}/calculate"
ADJUST = "POST /v1/accounts/{account_id}/adjust"
REDEEM = "POST /v1/accounts/{account_id}/redemptions"
EVENTS = "GET /v1/accounts/{account_id}/events"
BALANCE = "GET /v1/accounts/{account_id}/balance"
PROGRAM = "PUT /v1/programs/{program_id}"


@pytest.fixture
def world(loyalty: Loyalty) -> World:
    return World.of(loyalty)


def spoilt(name: str, path: str, value: Any) -> Any:
    """The good body of a route with one member replaced; `path` is dotted."""
    return replaced(deepcopy(BODIES[name]), path, value)


# --- the good requests are good -------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_request_that_will_be_spoilt_is_good(world: World, name: str) -> None:
    reply = world.call(name)
    assert reply.status == endpoint(name).status, reply.body
    assert reply.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", READING)
def test_a_question_writes_nothing_and_needs_no_key(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        assert world.call(name, key="").status == 200


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POSTING)
def test_a_write_without_a_key_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        refusal(world.call(name, key=""), 400, "IDEMPOTENCY_KEY_REQUIRED")
        refusal(world.call(name, headers={"Idempotency-Key": ""}), 400, "IDEMPOTENCY_KEY_REQUIRED")


@pytest.mark.parametrize("name", POSTING)
def test_a_key_that_is_too_long_or_not_printable_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for key in ("k" * 256, "snow ☃", "tab\there", "line\n", "\x00"):
            refusal(world.call(name, key=key), 400, "IDEMPOTENCY_KEY_INVALID")


@pytest.mark.parametrize("name", POSTING)
def test_a_key_may_have_255_characters_of_any_printable_kind(world: World, name: str) -> None:
    key = ("".join(chr(code) for code in range(0x20, 0x7F)) * 3)[:255]
    first, again = world.call(name, key=key), world.call(name, key=key)

    assert first.status == endpoint(name).status
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)


@pytest.mark.parametrize("name", POSTING)
def test_every_post_repeated_with_its_key_is_answered_as_the_first_time(
    world: World, name: str
) -> None:
    first = world.call(name, key="k")
    with nothing_changes(world.loyalty):
        again = world.call(name, key="k")
    assert (again.status, again.body) == (first.status, first.body)
    assert (first.replayed, again.replayed) == (False, True)
    assert first.headers["ETag"] == again.headers["ETag"]


# --- who calls ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_token_without_the_scope_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for scope in ("", "loyalty:nothing", str(endpoint(name).scope).upper()):
            problem = refusal(world.call(name, scope=scope), 403, "FORBIDDEN")
            assert problem["scope"] == endpoint(name).scope


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_role_that_may_not_call_is_refused_whatever_its_token_says(
    world: World, name: str
) -> None:
    with nothing_changes(world.loyalty):
        for role in roles_without(name):
            reply = world.call(name, role=role, subject="cus_1", scope=endpoint(name).scope)
            refusal(reply, 403, "FORBIDDEN")


CALLERS: list[Any] = [
    None,
    {},
    {"role": "admin", "scope": "loyalty:accounts.read"},
    {"sub": "amy", "scope": "loyalty:accounts.read"},
    {"sub": "amy", "role": "emperor", "scope": "loyalty:accounts.read"},
    {"sub": "amy", "role": "Admin", "scope": "loyalty:accounts.read"},
]


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_call_without_a_verified_caller_is_refused(world: World, name: str) -> None:
    event = request(world, name, json.dumps(BODIES.get(name)))
    with nothing_changes(world.loyalty):
        for caller in CALLERS:
            event["requestContext"]["authorizer"] = caller
            answer = main.app(deepcopy(event), None)
            assert answer["statusCode"] == 401
            assert json.loads(answer["body"])["code"] == "UNAUTHENTICATED"


def request(world: World, name: str, body: str, *, encoded: bool = False) -> dict[str, Any]:
    """An event of API Gateway, where the fixture's call cannot say it."""
    method, path = name.split(" ")
    parts = world.parts(name)
    return {
        "requestContext": {
            "resourcePath": path,
            "httpMethod": method,
            "path": path.format(**parts),
            "authorizer": {"sub": "amy", "role": "admin", "scope": endpoint(name).scope},
        },
        "headers": {"Idempotency-Key": "k", "Content-Type": "application/json"},
        "multiValueQueryStringParameters": None,
        "pathParameters": parts,
        "stageVariables": None,
        "isBase64Encoded": encoded,
        "body": body,
    }


# --- whose, and where -----------------------------------------------------------------------------

UNKNOWN = ["acc_" + "0" * 26, "nobody", "HEAD", "..", "A" * 128]
IMPOSSIBLE = ["A" * 129, "acc/1", "a b", "acc#1", "ümlaut", "", "'", "%00", "\x00", "*", "a\n"]


@pytest.mark.parametrize("name", OF_ACCOUNT)
def test_an_account_that_does_not_exist_is_not_found(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for account_id in UNKNOWN:
            refusal(world.call(name, account_id=account_id), 404, "ACCOUNT_NOT_FOUND")


@pytest.mark.parametrize("name", OF_REDEMPTION)
def test_a_redemption_that_does_not_exist_is_not_found(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for redemption_id in UNKNOWN:
            reply = world.call(name, redemption_id=redemption_id)
            refusal(reply, 404, "REDEMPTION_NOT_FOUND")


@pytest.mark.parametrize("name", [name for name in EVERYWHERE if "{" in name])
def test_a_part_of_the_path_that_cannot_be_an_id_is_not_found(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for part in world.parts(name):
            for impossible in IMPOSSIBLE:
                refusal(world.call(name, **{part: impossible}), 404, "NOT_FOUND")


def test_a_program_that_does_not_exist_is_not_found(world: World) -> None:
    with nothing_changes(world.loyalty):
        for program_id in ("vip", "MAIN", "main.", "HEAD"):
            reply = world.call("GET /v1/programs/{program_id}", program_id=program_id)
            refusal(reply, 404, "PROGRAM_NOT_FOUND")


def test_a_program_needs_a_name_that_requests_can_use(world: World) -> None:
    with nothing_changes(world.loyalty):
        for program_id in ("MAIN", "a.b", "-x", "x" * 65):
            refusal(world.call(PROGRAM, program_id=program_id), 422, "VALIDATION_FAILED")


# --- the body as a whole --------------------------------------------------------------------------

NOT_JSON = [
    "{",
    "{'a': 1}",
    '{"a": 1,}',
    '{"a": 1} {"b": 2}',
    "nonsense",
    "﻿{}",
    '{"a": "\\ud800"}',
    "\ud800{}",
    '{"a": "\\x"}',
    '{"a": 01}',
    '{"a": "\x00"}',
    "[" * 100_000,
    '{"a":' * 5_000 + "1" + "}" * 5_000,
]


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_json_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for raw in NOT_JSON:
            refusal(world.call(name, body=None, raw=raw), 400, "MALFORMED_JSON")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_that_is_not_an_object_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for raw in ("null", "[]", "1", "true", '"text"', f"[{json.dumps(BODIES[name])}]"):
            refusal(world.call(name, body=None, raw=raw), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_of_invalid_utf8_is_refused(world: World, name: str) -> None:
    body = base64.b64encode(b'{"reason": "\xff\xfe"}').decode()
    event = request(world, name, body, encoded=True)
    with nothing_changes(world.loyalty):
        answer = main.app(event, None)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["code"] == "MALFORMED_JSON"


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_request_without_a_body_lacks_what_is_needed(world: World, name: str) -> None:
    optional = name.endswith(("/capture", "/void", "/reverse"))
    for raw in ("", "{}"):
        reply = world.call(name, body=None, raw=raw, key="k")
        if optional:
            assert reply.status == 200
        else:
            refusal(reply, 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_body_over_256_kilobytes_is_refused(world: World, name: str) -> None:
    good = json.dumps(BODIES[name])
    fits, too_large = good.ljust(256 * 1024), good.ljust(256 * 1024 + 1)
    wide = json.dumps({"reason": "☃" * 90_000}, ensure_ascii=False)

    with nothing_changes(world.loyalty):
        for raw in (too_large, wide):
            refusal(world.call(name, body=None, raw=raw), 413, "PAYLOAD_TOO_LARGE")
    assert world.call(name, body=None, raw=fits).status == endpoint(name).status


@pytest.mark.parametrize("name", WITH_BODY)
def test_an_unknown_field_is_refused_by_name(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for field in ("colour", "Points", "__class__", "", "ümlaut"):
            problem = refusal(
                world.call(name, body={**BODIES[name], field: 1}), 422, "VALIDATION_FAILED"
            )
            errors = {(error["field"], error["code"]) for error in problem["errors"]}
            assert (field, "UNKNOWN_FIELD") in errors


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (ACCUMULATE, "purchase.discount"),
        (ACCUMULATE, "purchase.lines.0.name"),
        (ACCUMULATE, "purchase.lines.1.paid.tax"),
        (ACCUMULATE, "purchase.tenders.0.terminal"),
        (CALCULATE, "purchase.lines.0.paid.Amount"),
        (REDEEM, "basket.gross"),
        (PROGRAM, "limits.points_per_week"),
        (PROGRAM, "point_value.value.tax"),
        ("POST /v1/accounts", "identifiers.0.verified"),
        ("POST /v1/accounts/{account_id}/redemptions/{redemption_id}/void", "points"),
    ],
)
def test_an_unknown_field_is_refused_at_any_depth(world: World, name: str, path: str) -> None:
    with nothing_changes(world.loyalty):
        reply = world.call(name, body=spoilt(name, path, 1))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    (error,) = problem["errors"]
    assert (error["field"], error["code"]) == (path, "UNKNOWN_FIELD")


def test_a_list_whose_only_member_is_wrong_is_not_called_too_short(world: World) -> None:
    only = {**BODIES[ACCUMULATE]["purchase"]["lines"][0], "quantity": 0}
    reply = world.call(ACCUMULATE, body=spoilt(ACCUMULATE, "purchase.lines", [only]))
    problem = refusal(reply, 422, "VALIDATION_FAILED")
    assert [error["field"] for error in problem["errors"]] == ["purchase.lines.0.quantity"]


@pytest.mark.parametrize("name", WITH_BODY)
def test_many_wrong_fields_make_a_short_answer(world: World, name: str) -> None:
    body = {**BODIES[name], **{f"x{number}": 1 for number in range(10_000)}}
    problem = refusal(world.call(name, body=body), 422, "VALIDATION_FAILED")
    assert len(problem["errors"]) == 20


# --- numbers --------------------------------------------------------------------------------------

AMOUNT = "purchase.lines.0.paid.amount"
NO_INTEGERS = [
    "false",
    "true",
    '"1999"',
    "19.99",
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "null",
    "[]",
]
OUT_OF_BOUNDS = ["-1", "1000000000001", "1e13", "1e300", "9" * 400]


def raw_with(name: str, path: str, literal: str) -> str:
    return json.dumps(spoilt(name, path, "@@")).replace('"@@"', literal)


@pytest.mark.parametrize("name", [ACCUMULATE, CALCULATE])
def test_what_is_not_an_amount_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for literal in [*NO_INTEGERS, *OUT_OF_BOUNDS]:
            reply = world.call(name, body=None, raw=raw_with(name, AMOUNT, literal))
            problem = refusal(reply, 422, "VALIDATION_FAILED")
            ((field, code),) = [(error["field"], error["code"]) for error in problem["errors"]]
            expected = "OUT_OF_RANGE" if literal in OUT_OF_BOUNDS else "WRONG_TYPE"
            assert (literal, field, code) == (literal, AMOUNT, expected)


@pytest.mark.parametrize(
    ("name", "path", "literals"),
    [
        (ACCUMULATE, "purchase.lines.0.quantity", [*NO_INTEGERS, "0", "-1", "100001"]),
        (ACCUMULATE, "purchase.tenders.0.paid.amount", [*NO_INTEGERS, *OUT_OF_BOUNDS]),
        (ADJUST, "points", [*NO_INTEGERS, "0", "1000000000001", "-1000000000001"]),
        (REDEEM, "points", [*NO_INTEGERS, "0", "-1", "1000000000001"]),
        (REDEEM, "basket.amount", [*NO_INTEGERS, *OUT_OF_BOUNDS]),
        (PROGRAM, "point_value.points", [*NO_INTEGERS, "0", "-1", "1000000000001"]),
        (PROGRAM, "point_value.value.amount", [*NO_INTEGERS, "0", *OUT_OF_BOUNDS]),
        (PROGRAM, "restore_grace_days", [*NO_INTEGERS, "-1", "3651"]),
        (PROGRAM, "reminder_days", [*NO_INTEGERS, "-1", "3651"]),
        (PROGRAM, "expiry.months", [*NO_INTEGERS, "0", "121"]),
        (PROGRAM, "accrual_rules.0.points", [*NO_INTEGERS, "0", "-1"]),
        (PROGRAM, "pending.web.days", [*NO_INTEGERS, "-1", "3651"]),
    ],
)
def test_what_is_not_a_number_or_out_of_bounds_is_refused(
    world: World, name: str, path: str, literals: list[str]
) -> None:
    with nothing_changes(world.loyalty):
        for literal in literals:
            reply = world.call(name, body=None, raw=raw_with(name, path, literal))
            refusal(reply, 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("literal", ["7256.0", "7.256e3", "725600e-2"])
def test_an_integer_may_be_written_as_javascript_and_excel_do(world: World, literal: str) -> None:
    raw = raw_with(ACCUMULATE, AMOUNT, literal)
    reply = world.call(ACCUMULATE, body=None, raw=raw, key="k")

    assert (reply.status, reply.body["points"]) == (201, 77)
    plain = spoilt(ACCUMULATE, AMOUNT, 7256)
    again = world.call(ACCUMULATE, body=plain, key="k")
    assert (again.body, again.replayed) == (reply.body, True)


def test_the_limits_themselves_are_allowed(world: World) -> None:
    body = deepcopy(BODIES[ACCUMULATE])
    body["purchase"]["lines"] = [
        {
            "line_id": str(number),
            "sku": "s",
            "quantity": 100_000,
            "paid": {"amount": 2 * 10**9, "currency": "EUR"},
        }
        for number in range(500)
    ]
    reply = world.call(ACCUMULATE, body=body)
    assert (reply.status, reply.body["points"]) == (201, 10**10)

    body["purchase"]["order_id"] = "one_more"
    with nothing_changes(world.loyalty):
        body["purchase"]["lines"][0]["paid"]["amount"] += 1
        refusal(world.call(ACCUMULATE, body=body), 422, "VALIDATION_FAILED")
        body["purchase"]["lines"][0]["paid"]["amount"] = 0
        body["purchase"]["lines"].append({**body["purchase"]["lines"][1], "line_id": "501st"})
        refusal(world.call(ACCUMULATE, body=body), 422, "VALIDATION_FAILED")


# --- texts, times and choices ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["purchase.order_id", "purchase.lines.0.line_id", "purchase.lines.0.sku"]
)
def test_what_is_not_a_reference_is_refused(world: World, path: str) -> None:
    values: list[Any] = ["", "x" * 129, "a\x00b", "a\nb", "\x7f", 5, 5.0, True, None, [], {}]
    with nothing_changes(world.loyalty):
        for value in values:
            reply = world.call(ACCUMULATE, body=spoilt(ACCUMULATE, path, value))
            problem = refusal(reply, 422, "VALIDATION_FAILED")
            assert (value, problem["errors"][0]["field"]) == (value, path)


def test_any_other_text_is_a_reference(world: World) -> None:
    for reference in ("☃" * 128, "'; DROP TABLE", "ORDER#1", "../x", "EARNED", " "):
        body = spoilt(ACCUMULATE, "purchase.order_id", reference)
        first, again = world.call(ACCUMULATE, body=body), world.call(ACCUMULATE, body=body)
        assert (first.status, first.body["order_id"]) == (201, reference)
        assert again.replayed


NO_TIMES: list[Any] = [
    "2026-03-10",
    "2026-03-10T09:30:00",
    "2026-03-10T09:30Z",
    "2026-02-30T09:30:00Z",
    "2026-03-10T25:00:00Z",
    "2026-03-10T09:30:00+25:00",
    "10.03.2026",
    "yesterday",
    "",
    1773135000,
    1773135000.5,
    True,
    None,
    {},
    "2126-03-10T09:30:00Z",
    "10000-01-01T00:00:00Z",
    "0000-01-01T00:00:00Z",
]


@pytest.mark.parametrize("name", [ACCUMULATE, CALCULATE])
def test_what_is_not_a_time_or_lies_in_the_future_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for value in NO_TIMES:
            reply = world.call(name, body=spoilt(name, "purchase.occurred_at", value))
            problem = refusal(reply, 422, "VALIDATION_FAILED")
            assert (value, problem["errors"][0]["field"]) == (value, "purchase.occurred_at")


def test_what_is_not_a_currency_is_refused(world: World) -> None:
    currencies: list[Any] = ["EURO", "eur", "", "XXX", "US", 978, None, "EU\x00"]
    with nothing_changes(world.loyalty):
        for currency in currencies:
            body = spoilt(REDEEM, "basket.currency", currency)
            refusal(world.call(REDEEM, body=body), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("name", [ACCUMULATE, CALCULATE])
@pytest.mark.parametrize(
    "path", ["purchase.lines.1.paid.currency", "purchase.tenders.0.paid.currency"]
)
def test_two_currencies_in_one_purchase_are_refused(world: World, name: str, path: str) -> None:
    with nothing_changes(world.loyalty):
        reply = world.call(name, body=spoilt(name, path, "USD"))
        problem = refusal(reply, 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["code"] == "CURRENCY_MISMATCH"
    assert problem["errors"][0]["field"] == "purchase"


RULES_BROKEN: list[tuple[str, str, Any]] = [
    (ACCUMULATE, "purchase.channel", "fax"),
    (ACCUMULATE, "purchase.lines", []),
    (ACCUMULATE, "purchase.lines", None),
    (ACCUMULATE, "purchase.lines", {}),
    (ACCUMULATE, "purchase.lines.1.line_id", "1"),
    (ACCUMULATE, "purchase", None),
    (ACCUMULATE, "action", {"type": "review", "reference": "r"}),
    (ADJUST, "reason", ""),
    (ADJUST, "reason", "x" * 501),
    (ADJUST, "reason", None),
    (ADJUST, "allow_negative_balance", "yes"),
    (ADJUST, "allow_negative_balance", 1),
    (ADJUST, "allow_negative_balance", "true"),
    (PROGRAM, "time_zone", "Mars/Olympus"),
    (PROGRAM, "time_zone", "../../etc/passwd"),
    (PROGRAM, "time_zone", ""),
    (PROGRAM, "time_zone", "posixrules/"),
    (PROGRAM, "currency", "USD"),
    (PROGRAM, "name", ""),
    (PROGRAM, "accrual_rules.0.per", "0"),
    (PROGRAM, "accrual_rules.0.per", "-1"),
    (PROGRAM, "accrual_rules.0.per", 1),
    (PROGRAM, "accrual_rules.0.multiplier", "1e3"),
    (PROGRAM, "accrual_rules.0.multiplier", "0.000"),
    (PROGRAM, "accrual_rules.0.id", "spaces are bad"),
    (PROGRAM, "accrual_rules.1.id", "spend"),
    (PROGRAM, "accrual_rules.1.type", "lottery"),
    (PROGRAM, "accrual_rules.2.action", "sleep"),
    (PROGRAM, "accrual_rules.2.limit.period", "decade"),
    (PROGRAM, "pending.fax", {"mode": "immediate"}),
    (PROGRAM, "pending.web.mode", "never"),
    (PROGRAM, "expiry", {"mode": "fixed_date", "month_day": "13-01"}),
    (PROGRAM, "expiry", {"mode": "fixed_date", "month_day": "1-1"}),
    (PROGRAM, "limits.basket_share_percent", 101),
    (PROGRAM, "limits.basket_share_percent", 0),
    (PROGRAM, "limits.negative_floor", -1),
]


@pytest.mark.parametrize("name", [ACCUMULATE, ADJUST, PROGRAM])
def test_what_breaks_a_rule_of_its_field_is_refused(world: World, name: str) -> None:
    broken = [(path, value) for route, path, value in RULES_BROKEN if route == name]
    with nothing_changes(world.loyalty):
        for path, value in broken:
            reply = world.call(name, body=spoilt(name, path, value))
            assert (path, value, reply.status) == (path, value, 422)
            refusal(reply, 422, "VALIDATION_FAILED")


# --- queries and headers --------------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_QUERY)
def test_an_unknown_query_parameter_is_refused_by_name(world: World, name: str) -> None:
    problem = refusal(world.call(name, query={"colour": "red"}), 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["field"] == "colour"
    assert problem["errors"][0]["code"] == "UNKNOWN_FIELD"


def test_a_bad_limit_is_refused(world: World) -> None:
    for limit in ("0", "201", "-1", "ten", "", "1.5", "1e2", "9" * 400, "null"):
        refusal(world.call(EVENTS, query={"limit": limit}), 422, "VALIDATION_FAILED")


def test_a_cursor_that_nobody_gave_is_refused(world: World) -> None:
    key = {"pk": "x", "sk": "x", "subject": world.account_id, "at": "x"}
    invented: list[Any] = [
        [],
        5,
        "text",
        None,
        {},
        list(key),
        {**key, "subject": "acc_other"},
        {**key, "more": "x"},
        {**key, "pk": ""},
        {**key, "pk": None},
        {**key, "at": 5},
        {**key, "sk": {"S": "x"}},
        {**key, "sk": ["x"]},
    ]
    cursors = ["x", "%%%", "☃", "=" * 20, "A" * 513, "e30=", base64.b64encode(b"\xff").decode()]
    cursors += [base64.urlsafe_b64encode(json.dumps(one).encode()).decode() for one in invented]
    for cursor in cursors:
        refusal(world.call(EVENTS, query={"cursor": cursor}), 422, "VALIDATION_FAILED")


def test_a_bad_instant_is_refused(world: World) -> None:
    for as_of in ("", "today", "2026-03-10", "1773135000", "2026-03-10T00:00:00"):
        refusal(world.call(BALANCE, query={"as_of": as_of}), 422, "VALIDATION_FAILED")


def test_a_bad_version_is_refused(world: World) -> None:
    for version in ("0", "-1", "x", "", "1.5", "9" * 30):
        reply = world.call("GET /v1/programs/{program_id}", query={"version": version})
        refusal(reply, 422, "VALIDATION_FAILED")


@pytest.mark.parametrize("name", WRITING)
def test_what_is_no_etag_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        for tag in ("x", '"x"', "1", '"' + "9" * 19 + '"', ""):
            refusal(world.call(name, headers={"If-Match": tag}), 400, "BAD_REQUEST")


@pytest.mark.parametrize("name", [name for name in WRITING if name != "POST /v1/accounts"])
def test_another_version_is_refused(world: World, name: str) -> None:
    with nothing_changes(world.loyalty):
        refusal(world.call(name, headers={"If-Match": '"77"'}), 412, "VERSION_CONFLICT")


@pytest.mark.parametrize("name", POSTING)
def test_headers_are_known_in_any_case_and_odd_ones_do_no_harm(world: World, name: str) -> None:
    headers = {
        "IDEMPOTENCY-key": "k",
        "traceparent": "☃" * 10_000,
        "Accept": "text/nonsense;q=x",
        "content-type": "text/plain",
    }
    first = world.call(name, key="", headers=headers)
    assert first.status == endpoint(name).status
    assert world.call(name, key="k").replayed
    assert len(contents(world.loyalty)) > 0
