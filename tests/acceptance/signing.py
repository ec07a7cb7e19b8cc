"""How senders sign, written a second time from their own documents: no code of ours is used."""

from __future__ import annotations

import base64
import hashlib
import unicodedata
from collections.abc import Callable, Mapping
from datetime import datetime

Headers = dict[str, str]
Sign = Callable[[bytes, str, datetime], Headers]

SQUARE_URL = "https://tandem.example/orders/v1/webhooks/square"
_BLOCK_BYTES = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC by its definition, RFC 2104."""
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    inner = bytes(byte ^ 0x36 for byte in key.ljust(_BLOCK_BYTES, b"\0"))
    outer = bytes(byte ^ 0x5C for byte in key.ljust(_BLOCK_BYTES, b"\0"))
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


def _in_base64(name: str) -> Sign:
    def sign(body: bytes, secret: str, _now: datetime) -> Headers:
        return {name: base64.b64encode(hmac_sha256(secret.encode(), body)).decode()}

    return sign


def _square(body: bytes, secret: str, _now: datetime) -> Headers:
    signed = hmac_sha256(secret.encode(), SQUARE_URL.encode() + body)
    return {"X-Square-HmacSha256-Signature": base64.b64encode(signed).decode()}


def _easypost(body: bytes, secret: str, _now: datetime) -> Headers:
    key = unicodedata.normalize("NFKD", secret).encode()
    return {"X-Hmac-Signature": f"hmac-sha256-hex={hmac_sha256(key, body).hex()}"}


def _shippo(body: bytes, secret: str, now: datetime) -> Headers:
    seconds = str(int(now.timestamp()))
    signed = hmac_sha256(secret.encode(), f"{seconds}.".encode() + body)
    return {"Shippo-Auth-Signature": f"t={seconds},v1={signed.hex()}"}


def _standard(body: bytes, secret: str, now: datetime) -> Headers:
    """Standard Webhooks: the id is the forwarder's own name for what it passes on."""
    name = f"msg_{hashlib.sha256(body).hexdigest()[:16]}"
    seconds = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac_sha256(key, f"{name}.{seconds}.".encode() + body)
    return {
        "webhook-id": name,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


SIGN: Mapping[str, Sign] = {
    "shopify": _in_base64("X-Shopify-Hmac-Sha256"),
    "woocommerce": _in_base64("X-WC-Webhook-Signature"),
    "square": _square,
    "easypost": _easypost,
    "aftership": _in_base64("AfterShip-Hmac-Sha256"),
    "shippo": _shippo,
    **dict.fromkeys(("amazon", "ups", "fedex", "usps", "dhl_express", "dpd"), _standard),
}


def secret_of(source: str, generation: str = "current") -> str:
    """Return a secret as the sender would give one out, another for each rotation."""
    text = f"{source} sécret, {generation}"
    if SIGN[source] is _standard:
        return "whsec_" + base64.b64encode(text.encode()).decode()
    return text
