"""Who signed a message: one table of schemes and one check on the raw bytes.

Every sender signs with HMAC-SHA256 and a shared secret; they differ in five columns. Pure: the
secrets, the time and the address that was called are arguments. Never reads a body's meaning, and
never tells a secret or a right signature.

Sources: Shopify "Verify webhook deliveries", EasyPost client libraries, AfterShip "Webhook
signature", Shippo "Webhook security", Stripe "Verify webhook signatures manually", Square
`WebhooksHelper`, WooCommerce `WC_Webhook`, and Standard Webhooks 1.0.0.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple

from tandem_core.problems import Unauthenticated

# Names in lower case.
Headers = Mapping[str, str]

# What a header may carry: more is nobody's rotation of secrets.
MAX_SIGNATURES = 20

Reason = Literal["no_secret", "missing", "malformed", "mismatch", "stale"]


class SignatureInvalid(Unauthenticated):
    """`reason` is for the metric; the sender is not told which."""

    code, title = "SIGNATURE_INVALID", "The signature is missing, wrong or too old"

    def __init__(self, reason: Reason) -> None:
        super().__init__()
        self.reason = reason


class Signed(NamedTuple):
    """What a message's headers say: signatures as they came, and what is signed with the body."""

    signatures: tuple[str, ...]
    id: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One row. `headers` are the names that a signature may come under, in lower case.

    `message` names what stands before the body in the signed bytes. A sender with a timestamp is
    refused `tolerance_seconds` before and after it. `unsigned` is a body that the sender sends
    without a signature and that says nothing.
    """

    headers: tuple[str, ...]
    encoding: Literal["hex", "base64"]
    message: Literal["body", "url + body", "t.body", "id.t.body"] = "body"
    prefix: str = ""
    key: Callable[[str], bytes] = str.encode
    tolerance_seconds: int | None = None
    unsigned: re.Pattern[bytes] | None = None


def _normalised(secret: str) -> bytes:
    return unicodedata.normalize("NFKD", secret).encode()


def _standard_key(secret: str) -> bytes:
    """`whsec_` announces base64; any other text is taken as it is written."""
    marked = secret.removeprefix("whsec_")
    return secret.encode() if marked == secret else base64.b64decode(marked, validate=True)


SCHEMES: Mapping[str, Scheme] = {
    "shopify": Scheme(headers=("x-shopify-hmac-sha256", "shopify-hmac-sha256"), encoding="base64"),
    # A webhook that is saved is tried with an unsigned form that names its id.
    "woocommerce": Scheme(
        headers=("x-wc-webhook-signature",),
        encoding="base64",
        unsigned=re.compile(rb"webhook_id=[0-9]{1,20}"),
    ),
    "square": Scheme(
        headers=("x-square-hmacsha256-signature",), encoding="base64", message="url + body"
    ),
    "easypost": Scheme(
        headers=("x-hmac-signature",),
        encoding="hex",
        prefix="hmac-sha256-hex=",
        key=_normalised,
    ),
    "aftership": Scheme(
        headers=("aftership-hmac-sha256", "as-signature-hmac-sha256"), encoding="base64"
    ),
    # Each attempt is signed anew, so a repetition is not stale. A secret that is being replaced
    # signs beside the new one for a day; `v0` is of test events and no signature to trust.
    "stripe": Scheme(
        headers=("stripe-signature",),
        encoding="hex",
        message="t.body",
        prefix="v1=",
        tolerance_seconds=300,
    ),
    # As Stripe does, from whom Shippo has the format and the 300 s.
    "shippo": Scheme(
        headers=("shippo-auth-signature",),
        encoding="hex",
        message="t.body",
        prefix="v1=",
        tolerance_seconds=300,
    ),
    # Also for what the retailer's own forwarders and pollers pass on.
    "standard_webhooks": Scheme(
        headers=("webhook-signature",),
        encoding="base64",
        message="id.t.body",
        prefix="v1,",
        key=_standard_key,
        tolerance_seconds=300,
    ),
}


def verify(
    scheme: Scheme,
    headers: Headers,
    body: bytes,
    secrets: Sequence[str],
    *,
    urls: Sequence[str] = (),
    now: datetime,
) -> None:
    """Return if one of the living secrets signed these bytes; else raise SignatureInvalid.

    `urls` are the addresses that the sender may know this endpoint by, for who signs it too.
    """
    keys = tuple(_keys(scheme, secrets))
    if not keys:
        raise SignatureInvalid("no_secret")
    if scheme.unsigned and scheme.unsigned.fullmatch(body):
        return
    signed = _signed(scheme, headers)
    given = [raw for text in signed.signatures if (raw := _decoded(scheme, text)) is not None]
    if not given:
        raise SignatureInvalid("malformed")
    messages = tuple(_messages(scheme, signed, body, urls))
    expected = [hmac.digest(key, message, hashlib.sha256) for key in keys for message in messages]
    # No early way out: the time taken says nothing of which one matched.
    matches = [hmac.compare_digest(right, raw) for right in expected for raw in given]
    if not any(matches):
        raise SignatureInvalid("mismatch")
    if scheme.tolerance_seconds is not None:
        age_seconds = abs(now.timestamp() - int(signed.timestamp))
        if age_seconds > scheme.tolerance_seconds:
            raise SignatureInvalid("stale")


def _keys(scheme: Scheme, secrets: Sequence[str]) -> Iterator[bytes]:
    """Yield the keys that can be used: an empty or broken one would let everybody in, or nobody."""
    for secret in secrets:
        try:
            key = scheme.key(secret)
        except (binascii.Error, UnicodeEncodeError):
            continue
        if key:
            yield key


def _signed(scheme: Scheme, headers: Headers) -> Signed:
    values = [headers[name].strip() for name in scheme.headers if headers.get(name, "").strip()]
    if not values:
        raise SignatureInvalid("missing")
    if scheme.message == "t.body":
        return _with_timestamp(values[0])
    if scheme.message == "id.t.body":
        message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not message_id or not timestamp:
            raise SignatureInvalid("missing")
        return Signed(_bounded(values[0].split()), message_id, _seconds(timestamp))
    return Signed(_bounded(values))


def _with_timestamp(value: str) -> Signed:
    """Take `t=1614265330,v1=...,v1=...` apart."""
    parts = _bounded([part.strip() for part in value.split(",")])
    timestamps = [part.removeprefix("t=") for part in parts if part.startswith("t=")]
    if len(timestamps) != 1:
        raise SignatureInvalid("malformed")
    return Signed(parts, timestamp=_seconds(timestamps[0]))


def _seconds(timestamp: str) -> str:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise SignatureInvalid("malformed")
    return timestamp


def _bounded(parts: Sequence[str]) -> tuple[str, ...]:
    if len(parts) > MAX_SIGNATURES:
        raise SignatureInvalid("malformed")
    return tuple(parts)


def _decoded(scheme: Scheme, text: str) -> bytes | None:
    """Return a signature's bytes; None for other versions of it and for what is none."""
    encoded = text.removeprefix(scheme.prefix)
    if scheme.prefix and encoded == text:
        return None
    try:
        if scheme.encoding == "hex":
            return bytes.fromhex(encoded)
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        return None


def _messages(scheme: Scheme, signed: Signed, body: bytes, urls: Sequence[str]) -> Iterator[bytes]:
    if scheme.message == "url + body":
        for url in urls:
            yield url.encode(errors="replace") + body
    else:
        parts = {"body": (), "t.body": (signed.timestamp,)}.get(
            scheme.message, (signed.id, signed.timestamp)
        )
        yield b"".join(part.encode(errors="replace") + b"." for part in parts) + body
