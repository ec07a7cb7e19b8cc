"""One call to a provider: sent once, waited for within limits, read with care.

Knows no provider. Nothing is repeated here, followed elsewhere, or taken from an answer that is not
whole: what a call has done is for its caller to find out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import HttpUrl

from tandem_returns.payments import Misconfigured, Patience

if TYPE_CHECKING:
    from ssl import SSLContext

_MAX_ANSWER_BYTES = 4_000_000
_MAX_IDENTIFIER = 128
_REFUSED_KEY = (401, 403)
# The provider may or may not have acted, or asks to come again.
_NO_VERDICT = (408, 409, 424, 425, 429)
_CODE = re.compile(r"[a-z0-9_]{1,64}")


class NoAnswer(Exception):
    """What became of the call is not known. `reason` is a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Answer(NamedTuple):
    """`document` is empty where a refusal's body is no JSON object."""

    status: int
    document: Mapping[str, Any]

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004

    def inside(self, name: str) -> Mapping[str, Any]:
        """Return a member that is an object; an empty one for anything else."""
        found = self.document.get(name)
        return found if isinstance(found, dict) else {}


def call(
    method: str,
    url: HttpUrl,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    patience: Patience,
) -> Answer:
    """Return a success, or a refusal that says that nothing was done.

    Raises NoAnswer for everything that leaves that open, Misconfigured for a refused key.
    """
    from urllib3 import PoolManager, Timeout
    from urllib3.exceptions import HTTPError, NewConnectionError, TimeoutError

    try:
        # A connection of its own: one that slept with the process may be dead, which only a
        # time-out would tell, and not every provider closes what it is asked to close.
        with (
            PoolManager(num_pools=1, ssl_context=_certificates()) as connection,
            connection.request(
                method,
                str(url).rstrip("/") + path,
                body=body,
                headers={"Connection": "close", "User-Agent": "tandem/1", **headers},
                timeout=Timeout(connect=patience.connect_seconds, read=patience.read_seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            ) as response,
        ):
            raw = response.read(_MAX_ANSWER_BYTES + 1)
    except NewConnectionError as absent:
        raise NoAnswer("not_reached") from absent
    except TimeoutError as late:
        raise NoAnswer("timeout") from late
    except HTTPError as broken:
        raise NoAnswer("connection_lost") from broken
    return _judged(response.status, raw)


def _judged(status: int, raw: bytes) -> Answer:
    if status in _REFUSED_KEY:
        raise Misconfigured(f"The provider refuses our key: status {status}")
    answer = Answer(status, _object(raw))
    if answer.is_success and not answer.document:
        raise NoAnswer("unreadable_answer")
    if not answer.is_success and (status in _NO_VERDICT or not 400 <= status < 500):  # noqa: PLR2004
        raise NoAnswer(f"status_{status}")
    return answer


def _object(raw: bytes) -> Mapping[str, Any]:
    if len(raw) > _MAX_ANSWER_BYTES:
        return {}
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def code(value: Any) -> str:
    """Return a provider's word when it is one that we can keep as a reason, else ""."""
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def identifier(value: Any) -> str | None:
    """Return a provider's name for something when it is one that we can keep, else None."""
    fits = isinstance(value, str) and 0 < len(value) <= _MAX_IDENTIFIER and value.isprintable()
    return str(value) if fits else None


@lru_cache(maxsize=1)
def _certificates() -> SSLContext:
    """Return what the system trusts, read once: the SDK's own are cut down to those of AWS."""
    import ssl

    return ssl.create_default_context()
