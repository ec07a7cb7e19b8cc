"""The adapters of the returns service against the sandbox, over real connections.

Whatever happens on the way: one refund is paid once, and the ledger that says so is not ours.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tandem_core.money import Money
from tandem_local.sandbox import KEYS, Sandbox
from tandem_local.sandbox_faults import KINDS
from tandem_returns.labels import Address, LabelOrder, Labels, LabelUnavailable
from tandem_returns.payments import (
    Misconfigured,
    Patience,
    Provider,
    ProviderSecrets,
    ProviderSettings,
    RefundOrder,
    RefundResult,
    provider_settings,
)
from tandem_returns.providers import labels_for, provider_for
from tests.local.sandboxes import misbehave, paid, running_sandbox, send

READ_SECONDS = 0.25
_SOON_SECONDS = 30.0
HOME = Address(name="Ada", street1="1 Quay", city="Leith", postal_code="EH6 6", country="GB")
SHOP = {"name": "S", "street1": "2 Quay", "city": "Leith", "postal_code": "EH6", "country": "GB"}
NO_FURTHER = ("succeeded", "failed", "pending", "requires_action")
SILENT = sorted(KINDS - {"fail", "late", "requires_action"})
PAID_BEHIND_OUR_BACK = ("timeout_after_acting", "connection_lost", "error_500_after_acting")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def settings(sandbox: Sandbox, **secrets: Any) -> ProviderSettings:
    environment = {
        "TANDEM_STRIPE_URL": sandbox.stripe_url,
        "TANDEM_CREDIT_URL": sandbox.credit_url,
        "TANDEM_EASYPOST_URL": sandbox.easypost_url,
        "TANDEM_RETURN_ADDRESS": json.dumps(SHOP),
    }
    found = provider_settings(environment, ProviderSecrets.model_validate({**KEYS, **secrets}))
    patience = Patience(connect_seconds=1.0, read_seconds=READ_SECONDS)
    return found.model_copy(update={"patience": patience})


def payer(sandbox: Sandbox, tender: str) -> Provider:
    found = provider_for(tender, settings(sandbox))
    assert found
    return found


_counter = iter(range(10**9))


def order(tender: str = "card", amount: int = 1299, **changed: Any) -> RefundOrder:
    """A refund that no other test has."""
    number = next(_counter)
    references = {"card": f"pi_{number}", "gift_card": f"gift_{number}", "store_credit": None}
    return RefundOrder(
        refund_id=f"rfd_{number}",
        order_id=f"ord_{number}",
        return_id=f"ret_{number}",
        tender=tender,
        amount=Money(amount=amount, currency="EUR"),
        reference=references[tender],
        customer_id="cus_1",
    ).model_copy(update=changed)


def settled(provider: Provider, wanted: RefundOrder, first: RefundResult) -> RefundResult:
    """Ask until it is known what became of a refund."""
    result = first
    for _ in range(20):
        if result.outcome in NO_FURTHER:
            return result
        result = provider.ask(wanted)
    pytest.fail(f"still {result}")


@pytest.mark.parametrize("tender", ["card", "gift_card", "store_credit"])
def test_a_refund_is_paid_as_it_was_asked_for(sandbox: Sandbox, tender: str) -> None:
    wanted = order(tender)
    result = payer(sandbox, tender).refund(wanted)
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert (result.outcome, result.provider_reference) == ("succeeded", one["id"])
    assert (one["tender"], one["amount"], one["order_id"], one["return_id"]) == (
        tender,
        1299,
        wanted.order_id,
        wanted.return_id,
    )
    assert one["reference"] == (wanted.reference or "cus_1")


@pytest.mark.parametrize("tender", ["card", "gift_card"])
@pytest.mark.parametrize("kind", SILENT)
def test_a_silence_is_unknown_and_asking_pays_once(
    sandbox: Sandbox, tender: str, kind: str
) -> None:
    provider, wanted = payer(sandbox, tender), order(tender)
    misbehave(sandbox, kind, match={"refund_id": wanted.refund_id})
    first = provider.refund(wanted)
    assert first.outcome == "unknown"
    assert first.reason
    if kind != "timeout_then_acting":
        before = paid(sandbox, refund_id=wanted.refund_id)
        assert len(before) == (1 if kind in PAID_BEHIND_OUR_BACK else 0)
    result = provider.ask(wanted)
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert (result.outcome, result.provider_reference) == ("succeeded", one["id"])


@pytest.mark.parametrize(
    ("tender", "operation"), [("card", "list"), ("gift_card", "get")], ids=["card", "gift_card"]
)
@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "timeout_before_acting", "fail"])
def test_who_cannot_look_does_not_pay(
    sandbox: Sandbox, tender: str, operation: str, kind: str
) -> None:
    provider, wanted = payer(sandbox, tender), order(tender)
    name = "reference" if tender == "card" else "refund_id"
    match = {"operation": operation, name: getattr(wanted, name)}
    misbehave(sandbox, kind, match=match)
    assert provider.ask(wanted).outcome == "unknown"
    assert paid(sandbox, refund_id=wanted.refund_id) == []
    assert provider.ask(wanted).outcome == "succeeded"


def test_a_payment_that_stripe_does_not_know_has_no_refunds(sandbox: Sandbox) -> None:
    provider, wanted = payer(sandbox, "card"), order()
    for operation in ("list", "refund"):
        match = {"operation": operation, "reference": wanted.reference}
        misbehave(sandbox, "fail", reason="resource_missing", match=match)
    result = provider.ask(wanted)
    assert (result.outcome, result.reason) == ("failed", "resource_missing")


@pytest.mark.parametrize("tender", ["card", "store_credit"])
def test_a_hundred_repeats_pay_once(sandbox: Sandbox, tender: str) -> None:
    provider, wanted = payer(sandbox, tender), order(tender)
    with ThreadPoolExecutor(8) as several:
        calls = [provider.refund, provider.ask] * 50
        results = list(several.map(lambda call: call(wanted), calls))
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert {(result.outcome, result.provider_reference) for result in results} == {
        ("succeeded", one["id"])
    }


def test_a_refund_is_found_by_our_id_when_its_key_is_forgotten(sandbox: Sandbox) -> None:
    provider, wanted = payer(sandbox, "card"), order()
    misbehave(sandbox, "timeout_after_acting", match={"refund_id": wanted.refund_id})
    assert provider.refund(wanted).outcome == "unknown"
    send("POST", f"{sandbox.url}/sandbox/forget-keys")
    assert provider.ask(wanted).outcome == "succeeded"
    assert len(paid(sandbox, refund_id=wanted.refund_id)) == 1


def test_a_refund_is_found_behind_a_page_of_others(sandbox: Sandbox) -> None:
    provider, wanted = payer(sandbox, "card"), order()
    provider.refund(wanted)
    for number in range(100):
        other = wanted.model_copy(update={"refund_id": f"{wanted.refund_id}_{number}"})
        provider.refund(other)
    send("POST", f"{sandbox.url}/sandbox/forget-keys")
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert provider.ask(wanted).provider_reference == one["id"]
    assert len(paid(sandbox, reference=str(wanted.reference))) == 101


def test_a_request_that_arrives_when_nobody_waits_any_more_pays_nothing_twice(
    tmp_path: Path,
) -> None:
    with running_sandbox(tmp_path) as sandbox:
        provider, wanted = payer(sandbox, "card"), order()
        misbehave(sandbox, "timeout_then_acting", seconds=30)
        assert provider.refund(wanted).outcome == "unknown"
        assert provider.ask(wanted).outcome == "succeeded"
    # A sandbox that has stopped has done all that was on its way.
    with running_sandbox(tmp_path) as sandbox:
        assert len(paid(sandbox, refund_id=wanted.refund_id)) == 1


@pytest.mark.parametrize(
    ("tender", "reason"), [("card", "charge_already_refunded"), ("gift_card", "card_blocked")]
)
def test_a_refusal_is_final_and_says_why(sandbox: Sandbox, tender: str, reason: str) -> None:
    provider, wanted = payer(sandbox, tender), order(tender)
    misbehave(sandbox, "fail", reason=reason, match={"refund_id": wanted.refund_id})
    result = provider.refund(wanted)
    assert (result.outcome, result.reason) == ("failed", reason)
    assert paid(sandbox, refund_id=wanted.refund_id) == []


@pytest.mark.parametrize("kind", ["late", "requires_action"])
@pytest.mark.parametrize("tender", ["card", "gift_card"])
def test_what_takes_time_is_told_as_it_stands(sandbox: Sandbox, tender: str, kind: str) -> None:
    provider, wanted = payer(sandbox, tender), order(tender)
    misbehave(sandbox, kind, match={"refund_id": wanted.refund_id})
    waiting = "pending" if kind == "late" else "requires_action"
    assert provider.refund(wanted).outcome == waiting
    assert provider.ask(wanted).outcome == waiting
    ended = {"status": "failed", "reason": "lost_or_stolen_card"}
    send("POST", f"{sandbox.url}/sandbox/refunds/{wanted.refund_id}", ended)
    result = provider.ask(wanted)
    assert (result.outcome, result.reason) == ("failed", "lost_or_stolen_card")
    assert len(paid(sandbox, refund_id=wanted.refund_id)) == 1


def test_a_payment_that_is_gone_cannot_be_refunded(sandbox: Sandbox) -> None:
    provider, wanted = payer(sandbox, "card"), order(amount=900)
    payment = {"reference": wanted.reference, "amount": 1000, "currency": "EUR"}
    send("POST", f"{sandbox.url}/sandbox/payments", payment)
    assert provider.refund(wanted).outcome == "succeeded"
    other = wanted.model_copy(update={"refund_id": f"{wanted.refund_id}_b"})
    assert provider.refund(other).reason == "invalid_request_error"
    assert sum(one["amount"] for one in paid(sandbox, reference=str(wanted.reference))) == 900


@pytest.mark.parametrize("reference", [None, "Visa **** 4242", "1069501132965"])
def test_a_card_payment_that_nobody_can_name_is_for_a_person(
    sandbox: Sandbox, reference: str | None
) -> None:
    named = settings(sandbox, stripe={"api_key": "sk_test_sandbox"})
    provider, wanted = provider_for("card", named), order(reference=reference)
    assert provider
    for call in (provider.refund, provider.ask):
        result = call(wanted)
        assert (result.outcome, result.reason) == ("failed", "no_reference")
    assert paid(sandbox, refund_id=wanted.refund_id) == []


def test_the_sandbox_takes_the_order_for_the_payment_when_it_is_told_to(sandbox: Sandbox) -> None:
    wanted = order(reference=None)
    assert payer(sandbox, "card").refund(wanted).outcome == "succeeded"
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert one["reference"] == f"pi_{wanted.order_id}"


@pytest.mark.parametrize("prefix", ["ch_", "py_"])
def test_a_charge_is_refunded_as_a_charge(sandbox: Sandbox, prefix: str) -> None:
    provider, wanted = payer(sandbox, "card"), order()
    wanted = wanted.model_copy(update={"reference": f"{prefix}{wanted.refund_id}"})
    assert provider.ask(wanted).outcome == "succeeded"
    assert provider.ask(wanted).outcome == "succeeded"
    (one,) = paid(sandbox, refund_id=wanted.refund_id)
    assert one["reference"] == wanted.reference


def test_an_amount_that_stripe_cannot_pay_is_for_a_person(sandbox: Sandbox) -> None:
    wanted = order().model_copy(update={"amount": Money(amount=5124, currency="KWD")})
    result = payer(sandbox, "card").refund(wanted)
    assert (result.outcome, result.reason) == ("failed", "amount_not_payable")
    assert paid(sandbox, refund_id=wanted.refund_id) == []


@pytest.mark.parametrize(
    ("tender", "secrets"),
    [
        ("card", {"stripe": {"api_key": "pk_publishable"}}),
        ("gift_card", {"credit": {"key": "not-the-key"}}),
    ],
)
def test_a_key_that_is_refused_is_our_fault_and_raised(
    sandbox: Sandbox, tender: str, secrets: dict[str, Any]
) -> None:
    provider, wanted = provider_for(tender, settings(sandbox, **secrets)), order(tender)
    assert provider
    for call in (provider.refund, provider.ask):
        with pytest.raises(Misconfigured, match="refuses our key"):
            call(wanted)
    assert paid(sandbox, refund_id=wanted.refund_id) == []


def test_the_same_id_with_another_amount_is_neither_paid_nor_failed(sandbox: Sandbox) -> None:
    for tender in ("card", "gift_card"):
        provider, wanted = payer(sandbox, tender), order(tender, amount=500)
        provider.refund(wanted)
        other = wanted.model_copy(update={"amount": Money(amount=600, currency="EUR")})
        assert provider.refund(other).outcome == "unknown"
        assert [one["amount"] for one in paid(sandbox, refund_id=wanted.refund_id)] == [500]


def test_a_provider_that_is_not_there_is_unknown(sandbox: Sandbox) -> None:
    with socket.socket() as taken:
        # Bound and not listening: every connection is refused.
        taken.bind(("127.0.0.1", 0))
        environment = {"TANDEM_STRIPE_URL": f"http://127.0.0.1:{taken.getsockname()[1]}"}
        found = provider_settings(environment, ProviderSecrets.model_validate(KEYS))
        provider = provider_for("card", found)
        assert provider
        for call in (provider.refund, provider.ask):
            assert call(order()).model_dump(include={"outcome", "reason"}) == {
                "outcome": "unknown",
                "reason": "not_reached",
            }
    assert sandbox.port


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status": "unheard"}',
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
def test_an_answer_that_is_none_is_unknown(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_SOON_SECONDS)
        responder = threading.Thread(target=_answer_twice, args=(server, answer))
        responder.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = {
            "TANDEM_STRIPE_URL": url,
            "TANDEM_EASYPOST_URL": url,
            "TANDEM_RETURN_ADDRESS": json.dumps(SHOP),
        }
        found = provider_settings(environment, ProviderSecrets.model_validate(KEYS))
        provider, labels = provider_for("card", found), labels_for(found)
        assert provider
        assert labels
        assert provider.refund(order()).outcome == "unknown"
        with pytest.raises(LabelUnavailable) as unavailable:
            labels.prepare(parcel())
        assert unavailable.value.retry
        responder.join()


def _answer_twice(server: socket.socket, answer: bytes) -> None:
    for _ in range(2):
        with _asked(server) as connection:
            connection.sendall(answer)


def _asked(server: socket.socket) -> socket.socket:
    """Return the next connection once its request has been read."""
    connection, _ = server.accept()
    connection.settimeout(_SOON_SECONDS)
    with connection.makefile("rb") as request:
        lengths = [b"content-length: 0"]
        while (line := request.readline().lower()) not in (b"\r\n", b""):
            if line.startswith(b"content-length:"):
                lengths.append(line)
        request.read(int(lengths[-1].partition(b":")[2]))
    return connection


def test_no_call_uses_the_connection_of_another() -> None:
    """A provider that keeps connections open although it is asked to close them."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(1) as caller,
        ExitStack() as kept_open,
    ):
        server.settimeout(_SOON_SECONDS)
        environment = {"TANDEM_STRIPE_URL": f"http://127.0.0.1:{server.getsockname()[1]}"}
        provider = provider_for(
            "card", provider_settings(environment, ProviderSecrets.model_validate(KEYS))
        )
        assert provider
        for _ in range(2):
            answered = caller.submit(provider.refund, order())
            connection = kept_open.enter_context(_asked(server))
            connection.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            assert answered.result(_SOON_SECONDS).reason == "status_503"
            assert connection.recv(1) == b"", "the caller has left"


FAULT = st.sampled_from(
    ["fail", *(kind for kind in SILENT if not kind.startswith("timeout")), "forget_keys", "fine"]
)


@given(st.sampled_from(["card", "gift_card"]), st.lists(FAULT, max_size=6))
@example("card", ["error_500_after_acting", "forget_keys", "connection_lost", "fine"])
@example("gift_card", ["connection_lost", "fail", "fine"])
def test_no_run_of_accidents_pays_a_refund_twice(
    sandbox: Sandbox, tender: str, accidents: list[str]
) -> None:
    """Each accident befalls one call, whichever that is: the look or the submission."""
    provider, wanted = payer(sandbox, tender), order(tender)
    send("DELETE", f"{sandbox.url}/sandbox/faults")
    for number, accident in enumerate(accidents):
        if accident == "forget_keys":
            send("POST", f"{sandbox.url}/sandbox/forget-keys")
        elif accident != "fine":
            misbehave(sandbox, accident)
        (provider.ask if number else provider.refund)(wanted)
        assert len(paid(sandbox, refund_id=wanted.refund_id)) <= 1
    send("DELETE", f"{sandbox.url}/sandbox/faults")
    result = settled(provider, wanted, provider.ask(wanted))
    found = paid(sandbox, refund_id=wanted.refund_id)
    assert len(found) == (1 if result.outcome == "succeeded" else 0)
    assert result.outcome == "succeeded" or "fail" in accidents


def seller(sandbox: Sandbox, **secrets: Any) -> Labels:
    found = labels_for(settings(sandbox, **secrets))
    assert found
    return found


def parcel(**changed: Any) -> LabelOrder:
    return LabelOrder(return_id=f"ret_{next(_counter)}", customer=HOME).model_copy(update=changed)


def bought(sandbox: Sandbox, return_id: str) -> list[dict[str, Any]]:
    labels = send("GET", f"{sandbox.url}/sandbox/labels").document["labels"]
    return [one for one in labels if one["reference"] == return_id]


def test_the_cheapest_label_is_bought_for_the_way_back(sandbox: Sandbox) -> None:
    labels, wanted = seller(sandbox), parcel(grams=2_000)
    prepared = labels.prepare(wanted)
    assert bought(sandbox, wanted.return_id) == []
    label = labels.buy(prepared.shipment_reference, prepared.rate_reference)
    (one,) = bought(sandbox, wanted.return_id)
    assert (one["from_address"]["name"], one["to_address"]["name"]) == ("Ada", "S")
    assert (one["selected_rate"]["rate"], one["parcel"]["weight"]) == ("8.20", 70.5)
    assert (label.carrier, label.tracking_number) == ("USPS", one["tracking_code"])
    assert label.label_url == one["postage_label"]["label_url"]


@pytest.mark.parametrize("kind", SILENT)
def test_a_label_is_bought_once_whatever_happens(sandbox: Sandbox, kind: str) -> None:
    labels, wanted = seller(sandbox), parcel()
    prepared = labels.prepare(wanted)
    misbehave(sandbox, kind, match={"operation": "buy", "return_id": wanted.return_id})
    with pytest.raises(LabelUnavailable) as unavailable:
        labels.buy(prepared.shipment_reference, prepared.rate_reference)
    assert unavailable.value.retry
    first = labels.buy(prepared.shipment_reference, prepared.rate_reference)
    assert labels.buy(prepared.shipment_reference, prepared.rate_reference) == first
    assert [one["tracking_code"] for one in bought(sandbox, wanted.return_id)] == [
        first.tracking_number
    ]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (parcel(customer=HOME.model_copy(update={"country": "US"})), "no_rates"),
        (
            parcel(customer=HOME.model_copy(update={"postal_code": ""})),
            "ADDRESS.PARAMETERS.INVALID",
        ),
    ],
)
def test_a_parcel_that_nobody_carries_is_for_a_person(
    sandbox: Sandbox, wanted: LabelOrder, reason: str
) -> None:
    with pytest.raises(LabelUnavailable) as unavailable:
        seller(sandbox).prepare(wanted)
    assert (unavailable.value.reason, unavailable.value.retry) == (reason, False)


def test_a_label_that_is_refused_says_why(sandbox: Sandbox) -> None:
    labels, wanted = seller(sandbox), parcel()
    prepared = labels.prepare(wanted)
    misbehave(sandbox, "fail", reason="SHIPMENT.POSTAGE.FAILURE", match={"operation": "buy"})
    with pytest.raises(LabelUnavailable) as unavailable:
        labels.buy(prepared.shipment_reference, prepared.rate_reference)
    assert unavailable.value.reason == "SHIPMENT.POSTAGE.FAILURE"
    assert not unavailable.value.retry
    with pytest.raises(LabelUnavailable) as unknown:
        labels.buy("shp_nobody's", prepared.rate_reference)
    assert unknown.value.reason == "NOT_FOUND"
    assert bought(sandbox, wanted.return_id) == []


@pytest.mark.parametrize("kind", ["error_500", "rate_limited", "timeout_before_acting"])
def test_a_seller_that_says_nothing_is_asked_again(sandbox: Sandbox, kind: str) -> None:
    labels, wanted = seller(sandbox), parcel()
    misbehave(sandbox, kind, match={"operation": "shipment", "return_id": wanted.return_id})
    with pytest.raises(LabelUnavailable) as unavailable:
        labels.prepare(wanted)
    assert unavailable.value.retry
    assert labels.prepare(wanted).shipment_reference
