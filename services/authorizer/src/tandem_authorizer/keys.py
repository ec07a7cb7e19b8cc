"""The issuer's public keys (RFC 7517): fetched when needed, kept, and fetched again when they turn.

Never trusts a key for more than the algorithm that belongs to its type.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from jwt import InvalidTokenError, PyJWK, PyJWTError

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})

_LIFETIME_SECONDS = 600.0
# A token with an unknown key id may mean that the keys have turned, or that someone guesses.
_PAUSE_SECONDS = 10.0
_TIMEOUT_SECONDS = 2.0
_MAX_BYTES = 256 * 1024


class KeysUnavailable(Exception):
    """The issuer did not answer and no key was ever read."""


class Keys:
    """The keys published at one address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._keys: Mapping[str, PyJWK] = {}
        self._read_at = float("-inf")

    def find(self, key_id: str) -> PyJWK:
        """Return the key. Raises InvalidTokenError when the issuer has no such key."""
        with self._lock:
            age = time.monotonic() - self._read_at
            if age > _LIFETIME_SECONDS or (key_id not in self._keys and age > _PAUSE_SECONDS):
                self._read()
            try:
                return self._keys[key_id]
            except KeyError:
                raise InvalidTokenError("the token's key is not one of the issuer's") from None

    def _read(self) -> None:
        try:
            # The address is configuration, not input.
            with urllib.request.urlopen(self._url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                document = json.loads(answer.read(_MAX_BYTES))
        except (OSError, ValueError) as failure:
            if not self._keys:
                raise KeysUnavailable(f"no keys at {self._url}") from failure
        else:
            self._keys = _usable(document)
        self._read_at = time.monotonic()


def _usable(document: Mapping[str, Any]) -> dict[str, PyJWK]:
    keys = {}
    for entry in document.get("keys", ()):
        if entry.get("use", "sig") == "sig" and "kid" in entry:
            try:
                key = PyJWK(entry)
            except PyJWTError:
                continue  # a kind of key that is not known here cannot sign for us
            if key.algorithm_name in ALGORITHMS:
                keys[entry["kid"]] = key
    return keys
