"""Signed links to an order: whoever holds one may look, without an account.

A link is the order's id and a signature over it; nothing is stored. It ends when the secret that
signed it is taken out of service. What it shows is decided elsewhere (see views).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Sequence

_SIGNATURE_BYTES = 18


def signed(order_id: str, secrets: Sequence[str]) -> str | None:
    """Return an order's token, signed with the current secret; None without any."""
    return f"{order_id}.{_signature(order_id, secrets[0])}" if secrets else None


def order_of(token: str, secrets: Sequence[str]) -> str | None:
    """Return the order that a token is for, or None for a token that none of the secrets signed."""
    order_id, _, signature = token.rpartition(".")
    expected = [_signature(order_id, secret) for secret in secrets]
    matches = [hmac.compare_digest(one.encode(), signature.encode()) for one in expected]
    return order_id if any(matches) else None


def _signature(order_id: str, secret: str) -> str:
    digest = hmac.digest(secret.encode(), f"tracking:{order_id}".encode(), hashlib.sha256)
    return urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
