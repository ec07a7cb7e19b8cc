"""Signatures of every scheme: the published vectors, rotation, and all that is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.signatures import MAX_SIGNATURES, SCHEMES, SignatureInvalid, verify
from tandem_orders.senders import SENDERS

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
BODY = '{"id": 9007199254740993, "name": "Zoë"}'.encode()
SECRET = "local-sender-secret"
URL = "https://api.example.com/orders/v1/webhooks/square"


def mac(secret: bytes, message: bytes) -> bytes:
    return hmac.new(secret, message, hashlib.sha256).digest()


def in_base64(secret: str, message: bytes = BODY) -> str:
    return base64.b64encode(mac(secret.encode(), message)).decode()


def in_hex(secret: str, message: bytes = BODY) -> str:
    return mac(secret.encode(), message).hex()


def seconds(at: datetime = NOW) -> str:
    return str(int(at.timestamp()))


def stripe(secret: str = SECRET, at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    signature = in_hex(secret, seconds(at).encode() + b"." + body)
    return {"stripe-signature": f"t={seconds(at)},v1={signature}"}


def shippo(secret: str = SECRET, at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    return {"shippo-auth-signature": stripe(secret, at, body)["stripe-signature"]}


def standard(secret: str = SECRET, at: datetime = NOW, body: bytes = BODY) -> dict[str, str]:
    signature = in_base64(secret, b"msg_1." + seconds(at).encode() + b"." + body)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": seconds(at),
        "webhook-signature": f"v1,{signature}",
    }


def signed(scheme: str, secret: str = SECRET, body: bytes = BODY) -> dict[str, str]:
    """The headers with which a sender of the scheme signs the body."""
    return {
        "shopify": {"x-shopify-hmac-sha256": in_base64(secret, body)},
        "woocommerce": {"x-wc-webhook-signature": in_base64(secret, body)},
        "square": {"x-square-hmacsha256-signature": in_base64(secret, URL.encode() + body)},
        "easypost": {"x-hmac-signature": f"hmac-sha256-hex={in_hex(secret, body)}"},
        "aftership": {"aftership-hmac-sha256": in_base64(secret, body)},
        "stripe": stripe(secret, body=body),
        "shippo": shippo(secret, body=body),
        "standard_webhooks": standard(secret, body=body),
    }[scheme]


def check(
    scheme: str,
    headers: Mapping[str, str],
    secrets: Sequence[str] = (SECRET,),
    body: bytes = BODY,
    now: datetime = NOW,
) -> str:
    """Tell the verdict: "" when the message is genuine, else the reason of the refusal."""
    try:
        verify(SCHEMES[scheme], headers, body, secrets, urls=[URL], now=now)
    except SignatureInvalid as refused:
        return refused.reason
    return ""


EVERY_SCHEME = pytest.mark.parametrize("scheme", sorted(SCHEMES))


def test_the_published_vector_of_standard_webhooks_verifies() -> None:
    # From the tests of standard-webhooks/standard-webhooks, libraries/python (MIT).
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    body = b'{"test": 2432232314}'
    secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    then = datetime.fromtimestamp(1614265330, UTC)
    assert check("standard_webhooks", headers, secrets, body, then) == ""
    assert check("standard_webhooks", headers, secrets, body, NOW) == "stale"


def test_the_published_vector_of_square_verifies() -> None:
    # From the tests of square/square-python-sdk, test_webhooks_helper (MIT).
    body = (
        b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification",'
        b'"event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f",'
        b'"created_at":"2022-07-13T20:30:59.037339943Z",'
        b'"data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
    )
    headers = {"x-square-hmacsha256-signature": "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="}
    url = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"
    key = "Ibxx_5AKakO-3qeNVR61Dw"
    verify(SCHEMES["square"], headers, body, [key], urls=["https://other", url], now=NOW)
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["square"], headers, body, [key], urls=["https://other"], now=NOW)
    with pytest.raises(SignatureInvalid):
        verify(SCHEMES["square"], headers, body, [key], now=NOW)


@EVERY_SCHEME
def test_a_genuine_message_is_accepted(scheme: str) -> None:
    assert check(scheme, signed(scheme)) == ""


@EVERY_SCHEME
def test_while_a_secret_is_rotated_both_are_alive(scheme: str) -> None:
    for signer in ("new", "old"):
        assert check(scheme, signed(scheme, signer), ["new", "old"]) == ""
    assert check(scheme, signed(scheme, "older"), ["new", "old"]) == "mismatch"


@EVERY_SCHEME
def test_one_changed_byte_is_refused(scheme: str) -> None:
    assert check(scheme, signed(scheme), body=BODY.replace(b"3", b"4", 1)) == "mismatch"
    assert check(scheme, signed(scheme), body=BODY + b" ") == "mismatch"


@EVERY_SCHEME
def test_without_a_signature_nothing_is_accepted(scheme: str) -> None:
    assert check(scheme, {}) == "missing"
    assert check(scheme, dict.fromkeys(signed(scheme), " ")) == "missing"


@EVERY_SCHEME
def test_without_a_secret_nobody_is_let_in(scheme: str) -> None:
    for secrets in ([], [""]):
        assert check(scheme, signed(scheme, ""), secrets) == "no_secret"


@EVERY_SCHEME
@given(text=st.text(max_size=80), other=st.text(max_size=20))
def test_no_header_breaks_the_check(scheme: str, text: str, other: str) -> None:
    right = signed(scheme)
    for name, value in right.items():
        for wrong in (text, value + text, other + text + value):
            verdict = check(scheme, {**right, name: wrong})
            # Only what still holds the whole signature may pass.
            assert verdict in {"missing", "malformed", "mismatch", "stale"} or value in wrong


@EVERY_SCHEME
def test_a_header_that_is_not_ascii_is_refused_like_any_other(scheme: str) -> None:
    headers = {name: f"{value}é" for name, value in signed(scheme).items()}
    assert check(scheme, headers) in {"malformed", "mismatch"}


@pytest.mark.parametrize(
    ("scheme", "header"),
    [
        ("shopify", "x-shopify-hmac-sha256"),
        ("shopify", "shopify-hmac-sha256"),
        ("aftership", "aftership-hmac-sha256"),
        ("aftership", "as-signature-hmac-sha256"),
    ],
)
def test_a_sender_may_use_either_of_its_headers(scheme: str, header: str) -> None:
    assert check(scheme, {header: in_base64(SECRET)}) == ""


@pytest.mark.parametrize("scheme", ["stripe", "shippo", "standard_webhooks"])
def test_what_was_signed_too_long_ago_or_ahead_is_stale(scheme: str) -> None:
    for minutes, verdict in ((-6, "stale"), (-5, ""), (0, ""), (5, ""), (6, "stale")):
        headers = signed_at(scheme, NOW + timedelta(minutes=minutes))
        assert check(scheme, headers) == verdict


def signed_at(scheme: str, at: datetime) -> dict[str, str]:
    return {"stripe": stripe, "shippo": shippo, "standard_webhooks": standard}[scheme](at=at)


def test_a_timestamp_is_signed_too() -> None:
    old = NOW - timedelta(hours=1)
    moved = shippo(at=old)["shippo-auth-signature"].replace(seconds(old), seconds())
    assert check("shippo", {"shippo-auth-signature": moved}) == "mismatch"
    assert check("standard_webhooks", standard(at=old) | {"webhook-timestamp": seconds()}) == (
        "mismatch"
    )
    assert check("standard_webhooks", standard() | {"webhook-id": "msg_2"}) == "mismatch"


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1e9", "１６１４２６５３３０", "9" * 13])
def test_a_timestamp_is_plain_seconds(timestamp: str) -> None:
    headers = shippo()["shippo-auth-signature"].replace(seconds(), timestamp)
    assert check("shippo", {"shippo-auth-signature": headers}) == "malformed"
    expected = "malformed" if timestamp else "missing"
    assert check("standard_webhooks", standard() | {"webhook-timestamp": timestamp}) == expected


def test_stripe_s_signatures_of_another_version_say_nothing() -> None:
    # The shape of "Verify webhook signatures manually": one line, v0 beside v1 in test mode.
    genuine = stripe()["stripe-signature"]
    time, _, signature = genuine.partition(",v1=")
    assert check("stripe", {"stripe-signature": f"{genuine},v0={in_hex('other')}"}) == ""
    assert check("stripe", {"stripe-signature": f"{time},v0={signature}"}) == "malformed"
    assert check("stripe", {"stripe-signature": f"v1={signature}"}) == "malformed"


def test_any_of_several_signatures_may_match() -> None:
    genuine = shippo()["shippo-auth-signature"]
    foreign = shippo("other")["shippo-auth-signature"].partition(",")[2]
    assert check("shippo", {"shippo-auth-signature": f"{genuine},{foreign}"}) == ""
    assert check("shippo", {"shippo-auth-signature": f"t={seconds()},{foreign}"}) == "mismatch"

    others = f"v1a,abc= v1,{in_base64('other')}"
    headers = standard()
    headers["webhook-signature"] = f"{others} {headers['webhook-signature']}"
    assert check("standard_webhooks", headers) == ""
    assert check("standard_webhooks", headers | {"webhook-signature": others}) == "mismatch"
    assert check("standard_webhooks", headers | {"webhook-signature": "v1a,abc="}) == "malformed"


def test_a_header_of_endless_signatures_is_refused_unread() -> None:
    many = " ".join([standard()["webhook-signature"]] * (MAX_SIGNATURES + 1))
    assert check("standard_webhooks", standard() | {"webhook-signature": many}) == "malformed"


def test_easypost_normalises_its_secret() -> None:
    secret = "sécret"
    assert unicodedata.is_normalized("NFC", secret)
    signature = mac(unicodedata.normalize("NFKD", secret).encode(), BODY).hex()
    headers = {"x-hmac-signature": f"hmac-sha256-hex={signature}"}
    assert check("easypost", headers, [secret]) == ""
    assert check("easypost", {"x-hmac-signature": signature}, [secret]) == "malformed"


def test_a_broken_secret_lets_nobody_in() -> None:
    empty_key = base64.b64encode(mac(b"", BODY)).decode()
    headers = standard() | {"webhook-signature": f"v1,{empty_key}"}
    assert check("standard_webhooks", headers, ["whsec_"]) == "no_secret"
    assert check("standard_webhooks", headers, ["whsec_no base64"]) == "no_secret"
    assert check("standard_webhooks", standard(), ["whsec_no base64", SECRET]) == ""


def test_the_trial_of_a_saved_webhook_is_accepted_unsigned_and_nothing_else_is() -> None:
    assert check("woocommerce", {}, body=b"webhook_id=42") == ""
    assert check("woocommerce", {}, body=b"webhook_id=42&id=1") == "missing"
    assert check("woocommerce", {}, body=b"webhook_id=42\n") == "missing"
    assert check("woocommerce", {}, [], body=b"webhook_id=42") == "no_secret"
    assert check("shopify", {}, body=b"webhook_id=42") == "missing"


def test_a_refusal_tells_the_sender_nothing_of_its_reason() -> None:
    refused = SignatureInvalid("stale")
    assert refused.status == 401
    assert refused.body("/orders/v1/webhooks/shippo")["code"] == "SIGNATURE_INVALID"
    assert "reason" not in refused.body("/")


def test_every_sender_stands_in_the_table_under_its_name() -> None:
    own = {"shopify", "woocommerce", "square", "easypost", "aftership", "shippo"}
    forwarded = {"amazon", "ups", "fedex", "usps", "dhl_express", "dpd"}
    schemes = {name: name for name in own} | dict.fromkeys(forwarded, "standard_webhooks")
    assert {name: scheme for name, (_, scheme) in SENDERS.items()} == {
        name: SCHEMES[scheme] for name, scheme in schemes.items()
    }
    assert {name: sender.name for name, (sender, _) in SENDERS.items()} == {
        name: name for name in schemes
    }
