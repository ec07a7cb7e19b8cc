"""Where a list goes on: a cursor names the last row given, an instant and often an id."""

from __future__ import annotations

import base64
from datetime import datetime

from tandem_core.clock import rfc3339
from tandem_core.problems import ValidationFailed, invalid_field


def cursor_of(*parts: str) -> str:
    """Return a cursor: an instant as `rfc3339` writes it, and what follows it in the key."""
    return base64.urlsafe_b64encode("#".join(parts).encode()).decode().rstrip("=")


def plain_cursor(cursor: str) -> str:
    """Read a cursor that we gave: an instant and a name. Raises a problem for another."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, name = plain.partition("#")
        if name and rfc3339(datetime.fromisoformat(at)) == at and cursor_of(plain) == cursor:
            return plain
    except (ValueError, OverflowError):
        pass
    raise no_such_cursor()


def no_such_cursor() -> ValidationFailed:
    return invalid_field("cursor", "INVALID_VALUE", "is not one that we gave")
