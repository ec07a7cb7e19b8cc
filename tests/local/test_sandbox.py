"""The sandbox alone: it pays as Stripe does, remembers, tells what comes late, and misbehaves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from tandem_core.signatures import SCHEMES, verify
from tandem_local.sandbox import Sandbox
from tandem_local.sandbox_labels import tracking_number
from tests.local.sandboxes import (
    WEBHOOK_SECRETS,
    Answered,
    listening,
    misbehave,
    paid,
    running_sandbox,
    send,
)

WaitUntil = Callable[[Callable[[], object]], None]
BEARER = {"Authorization": "Bearer sk_test_1"}
BASIC = {"Authorization": "Basic RVpUSzo="}
HOME = {"name": "Ada", "street1": "1 Quay", "city": "Leith", "zip": "EH6", "country": "GB"}
SHOP = {"name": "Shop", "street1": "2 Quay", "city": "Leith", "zip": "EH6", "country": "GB"}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path) as running:
        yield running


def refund(
    sandbox: Sandbox, key: str, amount: int = 500, reference: str = "pi_1", **form: Any
) -> Answered:
    return send(
        "POST",
        f"{sandbox.stripe_url}/v1/refunds",
        form={
            "payment_intent": reference,
            "amount": amount,
            "metadata[tandem_refund_id]": key,
            **form,
        },
        headers=BEARER | {"Idempotency-Key": key},
    )


def test_a_key_is_answered_as_it_was_the_first_time(sandbox: Sandbox) -> None:
    first, again = refund(sandbox, "rfd_1"), refund(sandbox, "rfd_1")
    assert first.status == again.status == 200
    assert first.document == again.document
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(paid(sandbox)) == 1


def test_a_key_that_comes_with_another_amount_is_refused(sandbox: Sandbox) -> None:
    refund(sandbox, "rfd_1", amount=500)
    other = refund(sandbox, "rfd_1", amount=600)
    assert (other.status, other.document["error"]["type"]) == (400, "idempotency_error")
    assert [one["amount"] for one in paid(sandbox)] == [500]


def test_keys_are_forgotten_as_stripe_forgets_them_after_a_day(sandbox: Sandbox) -> None:
    refund(sandbox, "rfd_1")
    send("POST", f"{sandbox.url}/sandbox/forget-keys")
    refund(sandbox, "rfd_1")
    assert len(paid(sandbox, refund_id="rfd_1")) == 2


def test_a_hundred_at_once_with_one_key_pay_once(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as several:
        answers = list(several.map(lambda _: refund(sandbox, "rfd_1"), range(100)))
    assert {answer.document["id"] for answer in answers} == {paid(sandbox)[0]["id"]}
    assert len(paid(sandbox)) == 1


def test_refunds_are_listed_by_payment_newest_first_in_pages(sandbox: Sandbox) -> None:
    made = [refund(sandbox, f"rfd_{number}").document["id"] for number in range(5)]
    refund(sandbox, "rfd_other", reference="pi_2")
    url = f"{sandbox.stripe_url}/v1/refunds?payment_intent=pi_1&limit=3"
    first = send("GET", url, headers=BEARER).document
    assert [one["id"] for one in first["data"]] == made[:1:-1]
    assert first["has_more"] is True
    rest = send("GET", f"{url}&starting_after={made[2]}", headers=BEARER).document
    assert [one["id"] for one in rest["data"]] == made[1::-1]
    assert rest["has_more"] is False


def test_no_more_is_refunded_than_was_paid_once_that_is_told(sandbox: Sandbox) -> None:
    payment = {"reference": "pi_1", "amount": 900, "currency": "EUR"}
    send("POST", f"{sandbox.url}/sandbox/payments", payment)
    assert refund(sandbox, "rfd_1", amount=500).document["currency"] == "eur"
    too_much = refund(sandbox, "rfd_2", amount=500)
    assert (too_much.status, "code" in too_much.document["error"]) == (400, False)
    assert refund(sandbox, "rfd_3", amount=400).status == 200
    none_left = refund(sandbox, "rfd_4", amount=1)
    assert none_left.document["error"]["code"] == "charge_already_refunded"
    assert sum(one["amount"] for one in paid(sandbox)) == 900


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"amount": 500}, BEARER, 400),
        ({"payment_intent": "pi_1", "charge": "ch_1", "amount": 500}, BEARER, 400),
        ({"payment_intent": "pi_1", "amount": "5.00"}, BEARER, 400),
        ({"payment_intent": "pi_1", "amount": 0}, BEARER, 400),
        ({"payment_intent": "pi_1", "amount": 500}, {}, 401),
    ],
)
def test_a_request_that_stripe_refuses_is_refused(
    sandbox: Sandbox, form: dict[str, Any], headers: dict[str, str], status: int
) -> None:
    refused = send("POST", f"{sandbox.stripe_url}/v1/refunds", form=form, headers=headers)
    assert refused.status == status
    assert refused.document["error"]["type"]
    assert paid(sandbox) == []


def test_what_was_paid_and_its_address_outlive_a_restart(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        refund(sandbox, "rfd_1")
        before, port = paid(sandbox), sandbox.port
    with running_sandbox(tmp_path) as sandbox:
        assert sandbox.port == port
        assert refund(sandbox, "rfd_1").headers["Idempotent-Replayed"] == "true"
        assert paid(sandbox) == before


def test_a_taken_address_is_no_reason_not_to_start(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as first, running_sandbox(tmp_path) as second:
        assert first.port != second.port
        assert paid(second) == []


def verified(heard: Any) -> Any:
    source = heard.path.rpartition("/")[2]
    scheme = SCHEMES["stripe" if source == "stripe" else "standard_webhooks"]
    secrets = WEBHOOK_SECRETS[source]
    verify(scheme, heard.headers, heard.body, secrets, now=datetime.now(UTC))
    return json.loads(heard.body)


@pytest.mark.parametrize(("status", "reason"), [("succeeded", ""), ("failed", "lost_card")])
def test_what_comes_late_is_told_and_signed(
    tmp_path: Path, wait_until: WaitUntil, status: str, reason: str
) -> None:
    with listening() as listener, running_sandbox(tmp_path, listener.url) as sandbox:
        misbehave(sandbox, "late", seconds=0.05, status=status, reason=reason)
        assert refund(sandbox, "rfd_1").document["status"] == "pending"
        expected = {"refund.updated", "charge.refund.updated"}
        expected |= {"refund.failed"} if status == "failed" else set()
        wait_until(lambda: len(listener.heard) == len(expected))
        events = [verified(heard) for heard in listener.heard]
        assert {heard.path for heard in listener.heard} == {"/returns/v1/webhooks/stripe"}
        assert {event["type"] for event in events} == expected
        shown = events[0]["data"]["object"]
        assert (shown["status"], shown.get("failure_reason", "")) == (status, reason)
        assert shown["metadata"] == {"tandem_refund_id": "rfd_1"}
        assert [one["status"] for one in paid(sandbox)] == [status]


def test_a_webhook_is_sent_until_it_is_taken(tmp_path: Path, wait_until: WaitUntil) -> None:
    with listening(refuse=2) as listener, running_sandbox(tmp_path, listener.url) as sandbox:
        misbehave(sandbox, "late")
        refund(sandbox, "rfd_1")
        finish(sandbox, "rfd_1", "succeeded")
        wait_until(lambda: len(listener.heard) == 2)
        assert len(listener.turned_away) == 2
        assert {verified(one)["id"] for one in listener.turned_away} <= {
            verified(one)["id"] for one in listener.heard
        }


def test_what_is_due_is_done_after_a_restart(tmp_path: Path, wait_until: WaitUntil) -> None:
    with running_sandbox(tmp_path) as sandbox:
        misbehave(sandbox, "late")
        refund(sandbox, "rfd_1")
        finish(sandbox, "rfd_1", "succeeded")
    with listening() as listener, running_sandbox(tmp_path, listener.url):
        wait_until(lambda: len(listener.heard) == 2)


def finish(sandbox: Sandbox, refund_id: str, status: str, reason: str = "") -> Answered:
    told = {"status": status, "reason": reason}
    return send("POST", f"{sandbox.url}/sandbox/refunds/{refund_id}", told)


def test_a_bank_can_send_money_back(tmp_path: Path, wait_until: WaitUntil) -> None:
    with listening() as listener, running_sandbox(tmp_path, listener.url) as sandbox:
        made = refund(sandbox, "rfd_1").document["id"]
        assert finish(sandbox, made, "failed", "expired_or_canceled_card").status == 200
        wait_until(lambda: len(listener.heard) == 3)
        (one,) = paid(sandbox)
        assert (one["status"], one["reason"]) == ("failed", "expired_or_canceled_card")
        assert finish(sandbox, "re_nobody's", "failed").status == 400


@pytest.mark.parametrize(
    ("kind", "status", "payments"),
    [
        ("fail", 400, 0),
        ("error_500", 500, 0),
        ("rate_limited", 429, 0),
        ("in_progress", 409, 0),
        ("error_500_after_acting", 500, 1),
        ("requires_action", 200, 1),
    ],
)
def test_it_misbehaves_as_often_as_it_is_told_to(
    sandbox: Sandbox, kind: str, status: int, payments: int
) -> None:
    misbehave(sandbox, kind, match={"refund_id": "rfd_1"})
    assert refund(sandbox, "rfd_2").status == 200
    assert refund(sandbox, "rfd_1").status == status
    assert len(paid(sandbox, refund_id="rfd_1")) == payments


def test_a_cut_connection_has_paid_and_says_nothing(sandbox: Sandbox) -> None:
    misbehave(sandbox, "connection_lost")
    with pytest.raises(RemoteDisconnected):
        refund(sandbox, "rfd_1")
    assert len(paid(sandbox)) == 1


def test_faults_can_be_taken_back(sandbox: Sandbox) -> None:
    misbehave(sandbox, "fail", times=100)
    send("DELETE", f"{sandbox.url}/sandbox/faults")
    assert refund(sandbox, "rfd_1").status == 200


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "explode"},
        {"kind": "fail", "match": {"amount": 500}},
        {"kind": "fail", "match": "rfd_1"},
        {"kind": "fail", "time": 2},
        {"kind": "fail", "times": 0},
        {"kind": "late", "status": "paid"},
        {},
        [],
    ],
)
def test_a_fault_that_there_is_not_is_refused(sandbox: Sandbox, told: Any) -> None:
    assert send("POST", f"{sandbox.url}/sandbox/faults", told).status == 400
    assert refund(sandbox, "rfd_1").status == 200


def shipment(sandbox: Sandbox, **changed: Any) -> Answered:
    told = {
        "is_return": True,
        "reference": "ret_1",
        "to_address": HOME,
        "from_address": SHOP,
        "parcel": {"weight": 35.3},
        **changed,
    }
    return send("POST", f"{sandbox.easypost_url}/shipments", {"shipment": told}, headers=BASIC)


def test_a_return_shipment_goes_from_the_customer_to_the_shop_and_is_bought_once(
    sandbox: Sandbox,
) -> None:
    made = shipment(sandbox).document
    assert (made["from_address"], made["to_address"]) == (HOME, SHOP)
    url = f"{sandbox.easypost_url}/shipments/{made['id']}"
    chosen = {"rate": {"id": made["rates"][0]["id"]}}
    bought = send("POST", f"{url}/buy", chosen, headers=BASIC)
    again = send("POST", f"{url}/buy", chosen, headers=BASIC)
    assert (again.status, again.document["error"]["code"]) == (422, "SHIPMENT.POSTAGE.EXISTS")
    assert send("GET", url, headers=BASIC).document == bought.document
    listed = send("GET", f"{sandbox.url}/sandbox/labels").document["labels"]
    assert [one["tracking_code"] for one in listed] == [bought.document["tracking_code"]]


def test_a_shipment_without_an_address_or_across_a_border_has_no_rates(sandbox: Sandbox) -> None:
    assert shipment(sandbox, to_address=HOME | {"zip": ""}).status == 422
    assert shipment(sandbox, to_address=HOME | {"country": "US"}).document["rates"] == []
    foreign = shipment(sandbox).document["rates"][0]["id"]
    url = f"{sandbox.easypost_url}/shipments/{shipment(sandbox).document['id']}/buy"
    assert send("POST", url, {"rate": {"id": foreign}}, headers=BASIC).status == 422


def test_a_tracking_number_ends_with_its_check_digit() -> None:
    for _ in range(50):
        digits = [int(digit) for digit in reversed(tracking_number())]
        assert len(digits) == 22
        assert (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/paypal/v1/refunds", 404),
        ("GET", "/sandbox/secrets", 404),
        ("POST", "/sandbox/refunds/re_1", 400),
        ("PUT", "/credit/credits/rfd_1", 401),
        ("GET", "/credit/cards/1", 404),
        ("POST", "/easypost/shipments", 401),
    ],
)
def test_nothing_else_is_there(sandbox: Sandbox, method: str, path: str, status: int) -> None:
    assert send(method, sandbox.url + path).status == status
