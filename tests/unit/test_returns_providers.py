"""Payment providers and label sellers without a network: who is asked, amounts, answers read."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tandem_core.money import MAX_AMOUNT_MINOR, Money, decimals, major_units
from tandem_returns.labels import Address
from tandem_returns.payments import ProviderSecrets, ProviderSettings, provider_settings
from tandem_returns.providers import credit, labels_for, provider_for, stripe
from tandem_returns.providers.stripe import stripe_amount

ADDRESS = {
    "name": "Returns of the shop",
    "street1": "Am Sandtorkai 1",
    "city": "Hamburg",
    "postal_code": "20457",
    "country": "DE",
}
ENVIRONMENT = {
    "TANDEM_CREDIT_URL": "https://cards.example.com/api/",
    "TANDEM_RETURN_ADDRESS": json.dumps(ADDRESS),
}
SECRET: dict[str, Any] = {
    "stripe": {"api_key": "sk_live_top", "webhooks": ["whsec_1"]},
    "credit": {"key": "shared-key", "webhooks": ["shared-key"]},
    "easypost": {"api_key": "EZAK_top"},
    "codes": "somebody else's",
}


def settings(environment: dict[str, str], secret: dict[str, Any]) -> ProviderSettings:
    return provider_settings(environment, ProviderSecrets.model_validate(secret))


def test_each_tender_goes_to_who_pays_it() -> None:
    found = settings(ENVIRONMENT, SECRET)
    assert {
        tender: getattr(provider_for(tender, found), "name", None)
        for tender in ("card", "gift_card", "store_credit", "cash", "points", "invoice")
    } == {
        "card": "stripe",
        "gift_card": "credit",
        "store_credit": "credit",
        "cash": None,
        "points": None,
        "invoice": None,
    }
    labels = labels_for(found)
    assert labels
    assert labels.name == "easypost"


@pytest.mark.parametrize(
    ("environment", "secret", "nobody_for"),
    [
        (ENVIRONMENT, {}, ["card", "gift_card", "store_credit", "label"]),
        (ENVIRONMENT, {"stripe": {"api_key": ""}}, ["card", "gift_card", "store_credit", "label"]),
        ({}, SECRET, ["gift_card", "store_credit", "label"]),
        (ENVIRONMENT | {"TANDEM_CREDIT_URL": ""}, SECRET, ["gift_card", "store_credit"]),
    ],
)
def test_who_is_not_set_up_is_not_asked(
    environment: dict[str, str], secret: dict[str, Any], nobody_for: list[str]
) -> None:
    found = settings(environment, secret)
    tenders = [
        tender
        for tender in ("card", "gift_card", "store_credit")
        if provider_for(tender, found) is None
    ]
    assert tenders + ([] if labels_for(found) else ["label"]) == nobody_for


def test_an_address_of_a_provider_is_theirs_unless_it_is_told() -> None:
    found = settings(ENVIRONMENT, SECRET)
    assert found.stripe
    assert found.easypost
    assert str(found.stripe.url) == "https://api.stripe.com/"
    assert str(found.easypost.url) == "https://api.easypost.com/v2"
    assert found.easypost.return_address == Address.model_validate(ADDRESS)
    told = settings({"TANDEM_STRIPE_URL": "http://127.0.0.1:9100/stripe"}, SECRET)
    assert told.stripe
    assert str(told.stripe.url) == "http://127.0.0.1:9100/stripe"


def test_a_key_travels_encrypted_or_not_at_all() -> None:
    with pytest.raises(ValidationError, match="must be https"):
        settings({"TANDEM_STRIPE_URL": "http://pay.example.com"}, SECRET)


def test_settings_tell_no_secret() -> None:
    shown = repr(settings(ENVIRONMENT, SECRET)) + str(settings(ENVIRONMENT, SECRET))
    assert "sk_live_top" not in shown
    assert "shared-key" not in shown
    assert "EZAK_top" not in shown
    wrong = SECRET | {"stripe": {"api_key": "sk_live_top", "unreferenced": "sk_live_top"}}
    with pytest.raises(ValidationError) as refused:
        settings(ENVIRONMENT, wrong)
    assert "sk_live_top" not in str(refused.value)


@pytest.mark.parametrize(
    ("amount", "currency", "expected"),
    [
        (1299, "EUR", 1299),
        (0, "USD", 0),
        (500, "JPY", 500),
        (500, "KRW", 500),
        # No decimals in our books, two at Stripe, for compatibility.
        (5, "ISK", 500),
        (5, "UGX", 500),
        # Two decimals in our books, none at Stripe.
        (500, "MGA", 5),
        (550, "MGA", None),
        # Two decimals for payments, whatever payouts need.
        (1045, "HUF", 1045),
        (1045, "TWD", 1045),
        # Three decimals, and the last of them is 0.
        (5120, "KWD", 5120),
        (5124, "KWD", None),
        (10, "BHD", 10),
        (1, "TND", None),
    ],
)
def test_stripe_counts_in_units_of_its_own(
    amount: int, currency: str, expected: int | None
) -> None:
    assert stripe_amount(Money(amount=amount, currency=currency)) == expected


@given(
    st.integers(0, MAX_AMOUNT_MINOR),
    st.sampled_from("EUR USD GBP JPY ISK UGX MGA KWD BHD OMR HUF TWD CLP XOF".split()),
)
def test_stripe_is_asked_for_exactly_what_is_owed(amount: int, currency: str) -> None:
    money = Money(amount=amount, currency=currency)
    asked = stripe_amount(money)
    if asked is None:
        assert currency in {"MGA", "KWD", "BHD", "OMR"}
        assert amount % 100
    else:
        theirs = {"MGA": 0, "ISK": 2, "UGX": 2}.get(currency, decimals(currency))
        assert Decimal(asked).scaleb(-theirs) == Decimal(major_units(amount, currency))


@pytest.mark.parametrize(
    ("refund", "outcome", "reason"),
    [
        ({"status": "succeeded"}, "succeeded", ""),
        ({"status": "pending", "pending_reason": "processing"}, "pending", "processing"),
        (
            {"status": "pending", "pending_reason": "insufficient_funds"},
            "pending",
            "insufficient_funds",
        ),
        ({"status": "requires_action"}, "requires_action", ""),
        (
            {"status": "failed", "failure_reason": "lost_or_stolen_card"},
            "failed",
            "lost_or_stolen_card",
        ),
        ({"status": "failed", "failure_reason": None}, "failed", ""),
        ({"status": "canceled"}, "failed", "canceled"),
        ({"status": "paused"}, "unknown", ""),
        ({}, "unknown", ""),
        ({"status": "failed", "failure_reason": "<b>A sentence</b>"}, "failed", ""),
    ],
)
def test_a_refund_of_stripe_is_read(refund: dict[str, Any], outcome: str, reason: str) -> None:
    result = stripe.result_of({"id": "re_1", **refund})
    assert (result.outcome, result.reason) == (outcome, reason)
    assert (result.provider, result.provider_reference) == ("stripe", "re_1")


@pytest.mark.parametrize(
    ("told", "outcome", "reason"),
    [
        ({"state": "succeeded", "reason": "fine"}, "succeeded", ""),
        ({"state": "pending"}, "pending", ""),
        ({"state": "failed", "reason": "card_blocked"}, "failed", "card_blocked"),
        ({"state": "requires_action", "reason": "new_card"}, "requires_action", "new_card"),
        ({"state": "SUCCEEDED"}, "unknown", ""),
        ({"state": True}, "unknown", ""),
    ],
)
def test_a_credit_is_read(told: dict[str, Any], outcome: str, reason: str) -> None:
    result = credit.result_of(told)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert (result.provider, result.provider_reference) == ("credit", None)


def test_a_credit_is_signed_as_the_published_vector() -> None:
    """Of the Standard Webhooks libraries."""
    headers = credit.signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        b'{"test": 2432232314}',
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        1614265330,
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_key_in_base64_and_its_bytes_as_text_sign_alike() -> None:
    encoded = base64.b64encode(b"plain-key").decode()
    marked = credit.signed_headers("rfd_1", b"{}", f"whsec_{encoded}", 1)
    assert marked == credit.signed_headers("rfd_1", b"{}", "plain-key", 1)
