"""Opening accounts, finding them again, and seeing one's own only."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.conftest import START, Loyalty
from tests.service.table_contents import contents, nothing_changes, refusal

PHONE = {"type": "phone", "value": "+4915112345678"}
EMAIL = {"type": "email", "value": "ada@example.org"}
CARD = {"type": "card", "value": "4711AB"}

SPELLINGS = [
    (PHONE, {"type": "phone", "value": " +49 (151) 123-456.78 "}),
    (EMAIL, {"type": "email", "value": "Ada@Example.ORG"}),
    (CARD, {"type": "card", "value": "4711 - ab"}),
]


def enrol(loyalty: Loyalty, body: Any, **options: Any) -> Any:
    return loyalty.call("POST", "/accounts", body, **options)


def search(loyalty: Loyalty, body: Any, **options: Any) -> Any:
    return loyalty.call("POST", "/accounts/search", body, **options)


def own_routes(account_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The routes that a customer may read."""
    account: dict[str, Any] = {"account_id": account_id}
    return [
        ("/accounts/{account_id}", account),
        ("/accounts/{account_id}/balance", account),
        ("/accounts/{account_id}/events", account),
        (
            "/accounts/{account_id}/redemptions/{redemption_id}",
            {**account, "redemption_id": "rdm_1"},
        ),
    ]


# --- enrolment ------------------------------------------------------------------------------------


def test_a_new_account_is_empty_and_says_who_it_is(loyalty: Loyalty) -> None:
    reply = enrol(loyalty, {"customer_id": "cus_1", "identifiers": [PHONE, EMAIL, CARD]})

    assert reply.status == 201
    assert reply.body.pop("id").startswith("acc_")
    assert reply.body == {
        "program_id": "main",
        "customer_id": "cus_1",
        "identifiers": [PHONE, EMAIL, CARD],
        "balance": {"available": 0, "pending": 0, "held": 0, "owed": 0},
        "lifetime_points": 0,
        "tier": None,
        "expiring": [],
        "enrolled_at": "2026-03-10T09:30:00.000000Z",
        "version": 1,
    }
    assert reply.headers["ETag"] == '"1"'
    assert not reply.replayed


def test_an_enrolment_is_the_first_entry_of_the_ledger(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")

    (entry,) = loyalty.entries(account_id)
    assert (entry.type, entry.seq, entry.previous) == ("account.enrolled", 1, b"")
    assert entry.origin.actor == "integration:shop"


def test_personal_data_stay_out_of_the_books(loyalty: Loyalty) -> None:
    loyalty.enrol(identifiers=[PHONE, EMAIL, CARD])

    for (pk, sk), item in contents(loyalty).items():
        if sk != "PROFILE":
            for value in (PHONE["value"], EMAIL["value"], CARD["value"]):
                assert value not in f"{pk} {sk} {item}"


@pytest.mark.parametrize(("normal", "spelling"), SPELLINGS, ids=["phone", "email", "card"])
def test_an_identifier_is_kept_in_its_normal_form(
    loyalty: Loyalty, normal: dict[str, str], spelling: dict[str, str]
) -> None:
    account_id = loyalty.enrol(identifiers=[spelling])

    assert loyalty.account(account_id)["identifiers"] == [normal]


@pytest.mark.parametrize(("normal", "spelling"), SPELLINGS, ids=["phone", "email", "card"])
def test_an_identifier_belongs_to_one_account_however_it_is_spelt(
    loyalty: Loyalty, normal: dict[str, str], spelling: dict[str, str]
) -> None:
    loyalty.enrol(identifiers=[normal])

    with nothing_changes(loyalty):
        problem = refusal(enrol(loyalty, {"identifiers": [spelling]}), 409, "ALREADY_ENROLLED")
    assert problem["identifier"] == normal["type"]


def test_one_taken_identifier_among_new_ones_is_enough_to_refuse(loyalty: Loyalty) -> None:
    loyalty.enrol(identifiers=[EMAIL])

    with nothing_changes(loyalty):
        refusal(enrol(loyalty, {"identifiers": [PHONE, EMAIL, CARD]}), 409, "ALREADY_ENROLLED")
    assert search(loyalty, {"identifier": PHONE}).body == {"accounts": []}


def test_a_customer_has_one_account_in_a_program(loyalty: Loyalty) -> None:
    loyalty.enrol(customer_id="cus_1")

    with nothing_changes(loyalty):
        refusal(enrol(loyalty, {"customer_id": "cus_1"}), 409, "ALREADY_ENROLLED")


def test_an_account_that_nobody_could_find_again_is_refused(loyalty: Loyalty) -> None:
    bodies: list[Any] = [{}, {"identifiers": []}, {"customer_id": None}]
    for body in bodies:
        with nothing_changes(loyalty):
            refusal(enrol(loyalty, body), 422, "VALIDATION_FAILED")


@pytest.mark.parametrize(
    "identifier",
    [
        {"type": "phone", "value": "0151 1234567"},
        {"type": "phone", "value": "+49"},
        {"type": "phone", "value": "+1234567890123456"},
        {"type": "phone", "value": "call me"},
        {"type": "email", "value": "ada"},
        {"type": "email", "value": "ada@localhost"},
        {"type": "email", "value": "a da@example.org"},
        {"type": "email", "value": "a@b@example.org"},
        {"type": "card", "value": "1"},
        {"type": "card", "value": "47#11"},
        {"type": "card", "value": ""},
        {"type": "passport", "value": "C01X00T47"},
        {"type": "email", "value": 5},
        {"type": "email"},
        {"value": "ada@example.org"},
        {"type": "email", "value": "x" * 250 + "@example.org"},
    ],
)
def test_what_cannot_be_read_as_an_identifier_is_refused(loyalty: Loyalty, identifier: Any) -> None:
    with nothing_changes(loyalty):
        problem = refusal(enrol(loyalty, {"identifiers": [identifier]}), 422, "VALIDATION_FAILED")
    assert problem["errors"][0]["field"].startswith("identifiers.0")


def test_the_same_identifier_twice_in_one_request_is_refused(loyalty: Loyalty) -> None:
    twice = [EMAIL, {"type": "email", "value": "ADA@example.org"}]
    with nothing_changes(loyalty):
        refusal(enrol(loyalty, {"identifiers": twice}), 422, "VALIDATION_FAILED")


def test_an_account_of_an_unknown_program_is_refused(loyalty: Loyalty) -> None:
    with nothing_changes(loyalty):
        refusal(
            enrol(loyalty, {"customer_id": "cus_1", "program_id": "vip"}), 404, "PROGRAM_NOT_FOUND"
        )


# --- repeats --------------------------------------------------------------------------------------


def test_a_repeated_enrolment_is_answered_as_the_first_time(loyalty: Loyalty) -> None:
    body = {"identifiers": [PHONE, CARD], "customer_id": "cus_1"}
    first = enrol(loyalty, body, key="till-1")
    loyalty.buy(first.body["id"], 5000, "ord_1")
    loyalty.later(days=500)

    with nothing_changes(loyalty):
        again = enrol(loyalty, body, key="till-1")

    assert (again.status, again.body) == (201, first.body)
    assert again.replayed


def test_a_repeat_is_known_by_its_meaning_not_by_its_spelling(loyalty: Loyalty) -> None:
    first = enrol(loyalty, {"identifiers": [EMAIL], "customer_id": "cus_1"}, key="k")
    raw = '{ "customer_id" : "cus_1", "identifiers": [{"value":"ADA@example.org","type":"email"}]}'

    again = enrol(loyalty, None, raw=raw, key="k")

    assert (again.status, again.body, again.replayed) == (201, first.body, True)


def test_the_same_key_with_another_body_is_refused(loyalty: Loyalty) -> None:
    enrol(loyalty, {"identifiers": [PHONE]}, key="k")

    with nothing_changes(loyalty):
        refusal(enrol(loyalty, {"identifiers": [EMAIL]}, key="k"), 422, "IDEMPOTENCY_KEY_REUSED")


def test_two_callers_may_use_the_same_key(loyalty: Loyalty) -> None:
    one = enrol(loyalty, {"identifiers": [PHONE]}, key="1", subject="shop")
    other = enrol(loyalty, {"identifiers": [EMAIL]}, key="1", subject="market")

    assert (one.status, other.status) == (201, 201)
    assert one.body["id"] != other.body["id"]


def test_a_refused_enrolment_may_be_corrected_under_the_same_key(loyalty: Loyalty) -> None:
    loyalty.enrol(identifiers=[EMAIL])
    refusal(enrol(loyalty, {"identifiers": [EMAIL]}, key="k"), 409, "ALREADY_ENROLLED")

    assert enrol(loyalty, {"identifiers": [PHONE]}, key="k").status == 201


# --- search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("normal", "spelling"), SPELLINGS, ids=["phone", "email", "card"])
def test_an_account_is_found_by_each_identifier(
    loyalty: Loyalty, normal: dict[str, str], spelling: dict[str, str]
) -> None:
    account_id = loyalty.enrol(identifiers=[PHONE, EMAIL, CARD])

    for one in (normal, spelling):
        reply = search(loyalty, {"identifier": one}, role="terminal")
        assert reply.status == 200
        assert [account["id"] for account in reply.body["accounts"]] == [account_id]


def test_an_account_is_found_by_its_customer(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")

    assert search(loyalty, {"customer_id": "cus_1"}).body == {
        "accounts": [loyalty.account(account_id)]
    }


def test_a_search_without_a_match_finds_nothing(loyalty: Loyalty) -> None:
    loyalty.enrol(identifiers=[PHONE], customer_id="cus_1")

    assert search(loyalty, {"identifier": EMAIL}).body == {"accounts": []}
    assert search(loyalty, {"identifier": {"type": "card", "value": "4915112345678"}}).body == {
        "accounts": []
    }
    assert search(loyalty, {"customer_id": PHONE["value"]}).body == {"accounts": []}


def test_a_search_finds_the_account_of_each_program(loyalty: Loyalty) -> None:
    rules = loyalty.call("GET", "/programs/{program_id}", program_id="main").body
    definition = {name: value for name, value in rules.items() if name not in ("id", "version")}
    put = loyalty.call("PUT", "/programs/{program_id}", definition, role="admin", program_id="vip")
    assert put.status == 200
    main = loyalty.enrol(identifiers=[PHONE])
    vip = loyalty.enrol(identifiers=[PHONE], program_id="vip")

    reply = search(loyalty, {"identifier": PHONE})

    assert {one["program_id"]: one["id"] for one in reply.body["accounts"]} == {
        "main": main,
        "vip": vip,
    }


def test_a_search_needs_no_key_and_writes_nothing(loyalty: Loyalty) -> None:
    loyalty.enrol(identifiers=[PHONE])

    with nothing_changes(loyalty):
        assert search(loyalty, {"identifier": PHONE}, key="").status == 200


def test_a_search_asks_for_one_thing(loyalty: Loyalty) -> None:
    for body in ({}, {"identifier": PHONE, "customer_id": "cus_1"}):
        refusal(search(loyalty, body), 422, "VALIDATION_FAILED")


def test_a_customer_may_not_search(loyalty: Loyalty) -> None:
    refusal(search(loyalty, {"customer_id": "cus_1"}, role="customer"), 403, "FORBIDDEN")


# --- whose account --------------------------------------------------------------------------------


def test_a_customer_reads_their_own_account(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    loyalty.buy(account_id, 5000, "ord_1")
    redemption_id = loyalty.redeem(account_id, 20).body["id"]

    for route, parts in own_routes(account_id):
        here = {**parts, "redemption_id": redemption_id} if "redemption_id" in parts else parts
        assert loyalty.call("GET", route, role="customer", subject="cus_1", **here).status == 200


def test_a_foreign_account_looks_like_one_that_does_not_exist(loyalty: Loyalty) -> None:
    foreign = loyalty.enrol(customer_id="cus_2")
    nameless = loyalty.enrol(identifiers=[PHONE])
    unknown = "acc_" + "0" * 26

    for account_id in (foreign, nameless):
        for (route, parts), (_, nobody) in zip(
            own_routes(account_id), own_routes(unknown), strict=True
        ):
            there = loyalty.call("GET", route, role="customer", subject="cus_1", **parts)
            nowhere = loyalty.call("GET", route, role="customer", subject="cus_1", **nobody)
            refusal(there, 404, "ACCOUNT_NOT_FOUND")
            assert str(there.body).replace(account_id, unknown) == str(nowhere.body)
            assert there.headers == nowhere.headers


@pytest.mark.parametrize("role", ["terminal", "integration", "staff", "admin"])
def test_everybody_else_reads_any_account(loyalty: Loyalty, role: str) -> None:
    account_id = loyalty.enrol(customer_id="cus_2")

    reply = loyalty.call("GET", "/accounts/{account_id}", role=role, account_id=account_id)
    assert reply.status == 200


# --- versions -------------------------------------------------------------------------------------


def test_every_write_moves_the_version_of_the_account(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    earned = loyalty.buy(account_id, 5000, "ord_1")
    held = loyalty.redeem(account_id, 20)

    assert (earned.headers["ETag"], held.headers["ETag"]) == ('"2"', '"3"')
    account = loyalty.call("GET", "/accounts/{account_id}", account_id=account_id)
    assert (account.headers["ETag"], account.body["version"]) == ('"3"', 3)


@pytest.mark.parametrize("tag", ['"1"', 'W/"1"', "*", ' "1" '])
def test_a_write_with_the_current_version_is_done(loyalty: Loyalty, tag: str) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")

    assert loyalty.buy(account_id, 5000, "ord_1", headers={"If-Match": tag}).status == 201
    assert loyalty.balance(account_id)["available"] == 50


def test_a_write_with_an_old_version_is_refused(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    loyalty.buy(account_id, 5000, "ord_1")

    with nothing_changes(loyalty):
        reply = loyalty.buy(account_id, 5000, "ord_2", headers={"If-Match": '"1"'})
        problem = refusal(reply, 412, "VERSION_CONFLICT")
    assert problem["current_version"] == 2


def test_a_repeat_is_answered_although_its_version_is_old_by_now(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    first = loyalty.buy(account_id, 5000, "ord_1", key="k", headers={"If-Match": '"1"'})
    again = loyalty.buy(account_id, 5000, "ord_1", key="k", headers={"If-Match": '"1"'})

    assert (again.status, again.body, again.replayed) == (201, first.body, True)


@pytest.mark.parametrize("tag", ["1", "version 1", '""', '"x"', '"-1"', '"9' + "9" * 30 + '"'])
def test_what_is_no_etag_of_ours_is_refused(loyalty: Loyalty, tag: str) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")

    with nothing_changes(loyalty):
        refusal(
            loyalty.buy(account_id, 5000, "ord_1", headers={"If-Match": tag}), 400, "BAD_REQUEST"
        )


# --- the balance at an instant, and the ledger ----------------------------------------------------


def test_the_balance_is_known_at_any_instant(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    loyalty.later(days=1)
    loyalty.buy(account_id, 5000, "ord_1")
    loyalty.buy(account_id, 2000, "ord_2", channel="web")
    loyalty.later(days=1)
    held = loyalty.redeem(account_id, 30).body["id"]
    loyalty.redemption("capture", account_id, held)

    def at(instant: str) -> tuple[int, int, int]:
        reply = loyalty.call(
            "GET",
            "/accounts/{account_id}/balance",
            query={"as_of": instant},
            account_id=account_id,
        )
        assert reply.status == 200, reply.body
        return reply.body["available"], reply.body["pending"], reply.body["held"]

    with nothing_changes(loyalty):
        assert at("2020-01-01T00:00:00Z") == (0, 0, 0)
        assert at("2026-03-10T10:00:00Z") == (0, 0, 0)
        assert at("2026-03-11T10:00:00Z") == (50, 20, 0)
        assert at("2026-03-12T09:30:00Z") == (20, 20, 0)
        assert at("2026-05-10T09:29:59Z") == (20, 20, 0)
        assert at("2026-05-10T11:30:00+02:00") == (40, 0, 0)
        assert at("2027-03-31T23:59:59Z") == (40, 0, 0)
        assert at("2027-04-01T00:00:00Z") == (0, 0, 0)
        assert at("9900-12-31T23:59:59Z") == (0, 0, 0)


@pytest.mark.parametrize(
    "instant",
    [
        "0001-01-01T00:00:00Z",
        "0999-06-01T00:00:00Z",
        "9901-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ],
)
def test_the_edges_of_the_calendar_have_no_balance(loyalty: Loyalty, instant: str) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")

    reply = loyalty.call(
        "GET", "/accounts/{account_id}/balance", query={"as_of": instant}, account_id=account_id
    )
    refusal(reply, 422, "VALIDATION_FAILED")


def test_the_ledger_is_read_page_by_page_newest_first(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    for number in range(6):
        loyalty.buy(account_id, 100, f"ord_{number}")

    seen: list[int] = []
    query = {"limit": "3"}
    for _ in range(4):
        reply = loyalty.call(
            "GET", "/accounts/{account_id}/events", query=query, account_id=account_id
        )
        assert reply.status == 200
        seen += [event["seq"] for event in reply.body["events"]]
        if not reply.body["cursor"]:
            break
        query = {"limit": "3", "cursor": reply.body["cursor"]}

    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_each_line_of_the_ledger_is_chained_to_the_one_before(loyalty: Loyalty) -> None:
    account_id = loyalty.enrol(customer_id="cus_1")
    loyalty.buy(account_id, 100, "ord_1")
    loyalty.buy(account_id, 100, "ord_2")

    newest, middle, oldest = loyalty.events(account_id)
    assert newest["previous_hash"] == middle["hash"]
    assert middle["previous_hash"] == oldest["hash"]
    assert oldest["previous_hash"] == ""
    assert newest["recorded_at"] > middle["recorded_at"] > oldest["recorded_at"]
    assert oldest["recorded_at"].startswith(f"{START:%Y-%m-%dT%H:%M}")
