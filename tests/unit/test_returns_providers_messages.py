"""What payment providers send: read as reports, or left alone, or refused; nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.signatures import SCHEMES
from tandem_returns.payment_messages import (
    CREDIT,
    SENDERS,
    STRIPE,
    NotOurs,
    RefundReport,
    Unparseable,
    parse_credit,
    parse_stripe,
)
from tandem_returns.providers.stripe import stripe_amount

CREATED = 1_795_340_000
AT = datetime.fromtimestamp(CREATED, UTC)
OURS = {"tandem_refund_id": "rfd_1", "order_id": "ord_1", "return_id": "ret_1"}


def refund(**changed: Any) -> dict[str, Any]:
    return {
        "id": "re_3P",
        "object": "refund",
        "amount": 1299,
        "charge": "ch_3P",
        "created": 1_795_000_000,
        "currency": "eur",
        "metadata": OURS,
        "payment_intent": "pi_3P",
        "status": "succeeded",
        **changed,
    }


def event(topic: str, shown: Any, **changed: Any) -> bytes:
    told = {
        "id": "evt_1",
        "object": "event",
        "created": CREATED,
        "type": topic,
        "data": {"object": shown},
        **changed,
    }
    return json.dumps(told).encode()


def news(**changed: Any) -> bytes:
    told = {
        "type": "credit.updated",
        "refund_id": "rfd_1",
        "id": "cr_1",
        "state": "succeeded",
        "occurred_at": "2026-11-22T10:00:00+01:00",
        **changed,
    }
    return json.dumps({name: value for name, value in told.items() if value is not None}).encode()


@pytest.mark.parametrize(
    ("topic", "status", "outcome", "reason"),
    [
        ("refund.created", "pending", "pending", ""),
        ("refund.updated", "succeeded", "succeeded", ""),
        ("refund.updated", "requires_action", "requires_action", ""),
        ("refund.failed", "failed", "failed", "lost_or_stolen_card"),
        ("charge.refund.updated", "canceled", "failed", "canceled"),
    ],
)
def test_an_event_of_stripe_about_our_refund_is_a_report(
    topic: str, status: str, outcome: str, reason: str
) -> None:
    failure = {"failure_reason": reason} if status == "failed" else {}
    (report,) = parse_stripe(event(topic, refund(status=status, **failure)))
    assert report.model_dump() == {
        "refund_id": "rfd_1",
        "order_id": "ord_1",
        "provider": "stripe",
        "provider_reference": "re_3P",
        "paid": {"amount": 1299, "currency": "EUR"},
        "outcome": outcome,
        "reason": reason,
        "occurred_at": AT,
    }


def test_a_refunded_charge_reports_the_refunds_that_it_lists_and_that_are_ours() -> None:
    others = refund(id="re_other", metadata={"campaign": "spring"})
    listed = {"object": "list", "data": [others, refund(status="failed")]}
    charge = {"id": "ch_3P", "object": "charge", "refunds": listed}
    (report,) = parse_stripe(event("charge.refunded", charge))
    assert (report.refund_id, report.outcome) == ("rfd_1", "failed")


@pytest.mark.parametrize(
    "body",
    [
        event("charge.refund.updated", refund(metadata={})),
        event("charge.refunded", {"id": "ch_3P", "refunded": True}),
        event("charge.refunded", {"id": "ch_3P", "refunds": None}),
        event("charge.refunded", {"id": "ch_3P", "refunds": {"data": []}}),
        event("payment_intent.succeeded", {"id": "pi_3P", "metadata": OURS}),
        event("charge.dispute.created", {"id": "dp_1"}, created=None),
        b"{}",
    ],
)
def test_what_is_not_about_our_refunds_says_nothing(body: bytes) -> None:
    assert parse_stripe(body) == []


@pytest.mark.parametrize("metadata", [{}, None, [], {"order_id": "6735"}])
@pytest.mark.parametrize("topic", ["refund.created", "refund.updated", "refund.failed"])
def test_a_refund_without_our_id_is_not_ours(topic: str, metadata: Any) -> None:
    with pytest.raises(NotOurs):
        parse_stripe(event(topic, refund(metadata=metadata)))


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [
        (1299, "eur", (1299, "EUR")),
        (1299, "jpy", (1299, "JPY")),
        (12_340, "kwd", (12_340, "KWD")),
        (129_900, "isk", (1299, "ISK")),
        (13, "mga", (1300, "MGA")),
        (1299, "xxx", None),
        (None, "eur", None),
    ],
)
def test_an_amount_is_read_as_it_was_written(amount: Any, currency: str, paid: Any) -> None:
    (report,) = parse_stripe(event("refund.updated", refund(amount=amount, currency=currency)))
    assert (report.paid and (report.paid.amount, report.paid.currency)) == paid
    if report.paid:
        assert stripe_amount(report.paid) == amount


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (event("refund.updated", None), "object: not an object"),
        (event("refund.updated", refund(), data=[]), "data: not an object"),
        (event("refund.updated", refund(), created="yesterday"), "created"),
        (event("refund.updated", refund(), created=True), "created"),
        (event("refund.updated", refund(), created=10**18), "created"),
        (event("refund.updated", refund(status="paused")), "state"),
        (event("refund.updated", refund(status=None)), "state"),
        (event("refund.updated", refund(amount="12.99")), "amount"),
        (event("refund.updated", refund(amount=True)), "amount"),
        (event("refund.updated", refund(amount=-1)), "amount"),
        (event("refund.updated", refund(amount=10**30)), "amount"),
        (event("refund.updated", refund(amount=1, currency="isk")), "amount"),
        (event("refund.updated", refund(currency="euro")), "amount"),
        (event("refund.updated", refund(currency=["eur"])), "amount"),
        (event("refund.updated", refund(metadata={"tandem_refund_id": 7})), "refund_id"),
        (event("refund.updated", refund(metadata={"tandem_refund_id": ""})), "refund_id"),
        (event("refund.updated", refund(metadata={"tandem_refund_id": "x" * 200})), "refund_id"),
        (event("refund.updated", refund(metadata=OURS | {"order_id": {}})), "order_id"),
    ],
)
def test_a_broken_event_of_stripe_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(Unparseable, match=why):
        parse_stripe(body)


@pytest.mark.parametrize("reference", [None, 7, "", "\ud800", "x" * 129, {"expanded": True}])
def test_a_refund_whose_own_name_is_of_no_use_is_reported_all_the_same(reference: Any) -> None:
    (report,) = parse_stripe(event("refund.updated", refund(id=reference)))
    assert report.provider_reference is None


def test_a_refusal_never_repeats_what_it_refuses() -> None:
    with pytest.raises(Unparseable) as refused:
        parse_stripe(event("refund.updated", refund(metadata={"tandem_refund_id": ["private"]})))
    assert "private" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_news_of_a_credit_are_a_report() -> None:
    assert parse_credit(news(state="failed", reason="card_blocked")) == [
        RefundReport(
            refund_id="rfd_1",
            provider="credit",
            provider_reference="cr_1",
            outcome="failed",
            reason="card_blocked",
            occurred_at=datetime(2026, 11, 22, 9, tzinfo=UTC),
        )
    ]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"refund_id": None}, "refund_id"),
        ({"state": "paid"}, "state"),
        ({"occurred_at": "2026-11-22T10:00:00"}, "occurred_at"),
        ({"occurred_at": None}, "occurred_at"),
        ({"occurred_at": 1_795_340_000}, "occurred_at"),
    ],
)
def test_broken_news_of_a_credit_are_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(Unparseable, match=why):
        parse_credit(news(**changed))


def test_other_news_of_the_credit_system_say_nothing() -> None:
    assert parse_credit(news(type="card.issued")) == []


def test_every_sender_has_its_scheme_and_its_identity() -> None:
    assert SENDERS["stripe"] == (STRIPE, SCHEMES["stripe"])
    assert SENDERS["credit"] == (CREDIT, SCHEMES["standard_webhooks"])
    body = event("refund.updated", refund())
    assert STRIPE.topic_of({}, body) == "refund.updated"
    assert STRIPE.topic_of({}, body) in STRIPE.topics
    assert STRIPE.dedupe_key({}, body) == "evt_1"
    assert CREDIT.topic_of({}, news()) == "credit.updated"
    assert CREDIT.dedupe_key({"webhook-id": "msg_1"}, news()) == "msg_1"
    assert CREDIT.dedupe_key({}, news()) != CREDIT.dedupe_key({}, news(state="failed"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.sampled_from(sorted(STRIPE.topics)),
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON,
            "amount": JSON,
            "currency": JSON | st.just("eur"),
            "status": JSON | st.sampled_from(["succeeded", "failed", "pending"]),
            "metadata": JSON | st.fixed_dictionaries({"tandem_refund_id": JSON, "order_id": JSON}),
            "failure_reason": JSON,
            "refunds": JSON | st.fixed_dictionaries({"data": st.lists(JSON | st.just(refund()))}),
        },
    ),
    JSON | st.just(CREATED),
)
def test_nothing_but_unparseable_comes_out_of_a_parser(
    topic: str, shown: dict[str, Any], created: Any
) -> None:
    body = event(topic, shown, created=created)
    assert STRIPE.topic_of({}, body) == topic
    assert STRIPE.dedupe_key({}, body)
    for parse in (parse_stripe, parse_credit):
        try:
            reports = parse(body)
        except (Unparseable, NotOurs):
            continue
        assert all(report.refund_id for report in reports)


@given(st.binary(max_size=200))
def test_no_bytes_break_a_sender(body: bytes) -> None:
    for sender, _ in SENDERS.values():
        assert sender.dedupe_key({}, body)
        topic = sender.topic_of({}, body)
        try:
            assert sender.parse(topic, {}, body) == []
        except Unparseable:
            continue
