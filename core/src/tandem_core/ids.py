"""Identifiers: opaque strings with a prefix, 26 characters of Crockford base 32 behind it.

Ids are derived, never drawn: the id of a thing is a hash of the request that creates it. A creation
that is repeated after a crash or a time-out therefore finds what the first attempt wrote, without
an index from keys to ids. See docs/decisions/0003-derived-ids.md.
"""

from __future__ import annotations

import hashlib

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


def derived_id(prefix: str, *parts: str) -> str:
    """Return `prefix_` and 130 bits of SHA-256 over the parts.

    Parts are length-prefixed, so that ("a", "bc") and ("ab", "c") differ.
    """
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big") + raw)
    number = int.from_bytes(digest.digest(), "big")
    characters = [_CROCKFORD[(number >> (5 * position)) & 31] for position in range(_LENGTH)]
    return f"{prefix}_{''.join(characters)}"
