"""How the sandbox's providers misbehave: when they are told to, and as often as they are told to.

    {"kind", "times": 1, "match": {"provider"?, "operation"?, "refund_id"?, "order_id"?,
     "return_id"?, "reference"?}, "reason"?, "seconds"?, "status"?}

The first fault whose `match` fits a call is used up by it. What a kind means is the same for every
provider; only how a refusal or a pending refund looks is its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# These change what is done; all others change what is answered.
_IN_THE_ACT = ("fail", "late", "requires_action")
# And these only what pays: whoever looks meanwhile does not use them up.
_OF_PAYING = ("late", "requires_action")
_PAYING = ("refund", "credit")
_BROKEN: Mapping[str, int] = {"error_500": 500, "rate_limited": 429, "in_progress": 409}
KINDS = frozenset(
    {
        *_IN_THE_ACT,
        *_BROKEN,
        "error_500_after_acting",
        "timeout_before_acting",
        "timeout_after_acting",
        "timeout_then_acting",
        "connection_lost",
    }
)
_FACTS = frozenset({"provider", "operation", "refund_id", "order_id", "return_id", "reference"})
_MEMBERS = frozenset({"kind", "times", "match", "reason", "seconds", "status"})
_MAX_TIMES = 1_000_000


class Reply(NamedTuple):
    status: int
    document: Any
    headers: Mapping[str, str] = {}


class NoReply(Exception):
    """The caller hears nothing: the connection is held open until it gives up, or is cut.

    `then` is done some seconds after that: a request that was long on its way.
    """

    def __init__(
        self, *, hold: bool, then: Callable[[], object] | None = None, seconds: float = 0.0
    ) -> None:
        super().__init__("no reply")
        self.hold = hold
        self.then = then
        self.seconds = seconds


class BadOrder(Exception):
    """Whoever steers the sandbox asks for something that there is not."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`seconds` and `status` are for what comes late: when and how it ends.

    Without `seconds` it ends when it is told to.
    """

    kind: str
    match: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    seconds: float | None = None
    status: str = "succeeded"

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Fault:
        """Raises BadOrder."""
        match = told.get("match") or {}
        if told.get("kind") not in KINDS:
            raise BadOrder(f"kind is one of {', '.join(sorted(KINDS))}")
        if told.keys() - _MEMBERS or not isinstance(match, dict) or match.keys() - _FACTS:
            raise BadOrder(f"members: {sorted(_MEMBERS)}; of match: {sorted(_FACTS)}")
        if told.get("status", "succeeded") not in ("succeeded", "failed"):
            raise BadOrder("status is succeeded or failed")
        seconds = told.get("seconds")
        return cls(
            kind=told["kind"],
            match=match,
            reason=str(told.get("reason", "")),
            seconds=None if seconds is None else float(seconds),
            status=told.get("status", "succeeded"),
        )

    def fits(self, facts: Mapping[str, str]) -> bool:
        if self.kind in _OF_PAYING and facts.get("operation") not in _PAYING:
            return False
        return all(facts.get(name) == value for name, value in self.match.items())


class Faults:
    """What is still to go wrong. Forgotten when the sandbox stops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, told: Mapping[str, Any]) -> None:
        """Raises BadOrder."""
        times = told.get("times", 1)
        if not isinstance(times, int) or not 1 <= times <= _MAX_TIMES:
            raise BadOrder(f"times is 1 to {_MAX_TIMES}")
        with self._lock:
            self._waiting.append((Fault.of(told), times))

    def clear(self) -> None:
        with self._lock:
            self._waiting.clear()

    def take(self, facts: Mapping[str, str]) -> Fault | None:
        """Return what goes wrong with a call of which these facts are known."""
        with self._lock:
            for place, (fault, times) in enumerate(self._waiting):
                if fault.fits(facts):
                    self._waiting[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                    return fault
        return None


def played(fault: Fault | None, act: Callable[[Fault | None], Reply]) -> Reply:
    """Act, and answer, as far as the fault lets. Raises NoReply."""
    if fault is None or fault.kind in _IN_THE_ACT:
        return act(fault)
    if fault.kind in _BROKEN:
        return Reply(_BROKEN[fault.kind], {"error": {"type": "api_error", "code": fault.kind}})
    if fault.kind == "timeout_before_acting":
        raise NoReply(hold=True)
    if fault.kind == "timeout_then_acting":
        raise NoReply(hold=True, then=lambda: act(None), seconds=fault.seconds or 0.0)
    act(None)
    if fault.kind == "error_500_after_acting":
        return Reply(500, {"error": {"type": "api_error"}})
    raise NoReply(hold=fault.kind == "timeout_after_acting")
