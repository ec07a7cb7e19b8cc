"""Where returned units are, and which moves are legal. A line's units may be in several places.

                                   +--> wrong_item, short, empty_box --> received, handed_over
    awaiting -> dropped_off -> in_transit -> arrived -> received -> inspected -> restocked,
        |                        |                         ^            ^        vendor, donate,
        +--> handed_over (store) +--> lost                 |            |        destroy, missing
        +--> not_required        (found again: goes on) ---+    refurbish -> restocked, destroy

A second step after refurbishing is legal: what was mended goes back on the shelf.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from tandem_core.problems import Conflict
from tandem_returns.cases import Trigger

UnitState = Literal[
    "awaiting",
    "dropped_off",
    "in_transit",
    "arrived",
    "received",
    "handed_over",
    "inspected",
    "restocked",
    "refurbish",
    "vendor",
    "donate",
    "destroy",
    "missing",
    "lost",
    "wrong_item",
    "short",
    "empty_box",
    "not_required",
]
Disposition = Literal["restocked", "refurbish", "vendor", "donate", "destroy", "missing"]
Units = Mapping[UnitState, int]

_DISPOSITIONS: tuple[UnitState, ...] = (
    "restocked",
    "refurbish",
    "vendor",
    "donate",
    "destroy",
    "missing",
)
INSPECTED_AS: tuple[UnitState, ...] = ("inspected", *_DISPOSITIONS)
_ARRIVING: tuple[UnitState, ...] = (
    "handed_over",
    "received",
    "wrong_item",
    "short",
    "empty_box",
)
# The most advanced units of a line move first.
TRANSITIONS: Mapping[UnitState, tuple[UnitState, ...]] = {
    "arrived": _ARRIVING,
    "in_transit": ("arrived", "lost", *_ARRIVING),
    "dropped_off": ("in_transit", "arrived", "lost", *_ARRIVING),
    "awaiting": ("dropped_off", "in_transit", "arrived", *_ARRIVING),
    "lost": ("in_transit", "arrived", *_ARRIVING),
    "received": ("inspected", "wrong_item", "short", "empty_box", *_DISPOSITIONS),
    "handed_over": ("inspected", "wrong_item", "short", "empty_box", *_DISPOSITIONS),
    "inspected": _DISPOSITIONS,
    "refurbish": ("restocked", "destroy"),
    "wrong_item": ("received", "handed_over"),
    "short": ("received", "handed_over"),
    "empty_box": ("received", "handed_over"),
}

IN_OUR_HANDS: frozenset[UnitState] = frozenset(
    {
        "received",
        "handed_over",
        "inspected",
        "restocked",
        "refurbish",
        "vendor",
        "donate",
        "destroy",
    }
)
ON_ITS_WAY: frozenset[UnitState] = frozenset({"dropped_off", "in_transit", "arrived"})
UNDERWAY: frozenset[UnitState] = ON_ITS_WAY | frozenset({"awaiting"})
# Nothing came of these units; only what was paid for them already keeps them from being asked back.
NOTHING_CAME: frozenset[UnitState] = frozenset(
    {"wrong_item", "short", "empty_box", "missing", "lost"}
)
_INSPECTED: frozenset[UnitState] = IN_OUR_HANDS - frozenset({"received", "handed_over"})
_SEEN_BY_CARRIER: frozenset[UnitState] = IN_OUR_HANDS | frozenset({"in_transit", "arrived", "lost"})
# Which units are far enough for the money to go, by what the policy waits for.
_KEPT: frozenset[UnitState] = frozenset({"not_required"})
_DROPPED_OFF: frozenset[UnitState] = frozenset({"dropped_off"})
REACHED: Mapping[Trigger, frozenset[UnitState]] = {
    "approval": frozenset(TRANSITIONS) | frozenset(_DISPOSITIONS) | _KEPT,
    "drop_off": _SEEN_BY_CARRIER | _DROPPED_OFF | _KEPT,
    "first_scan": _SEEN_BY_CARRIER | _KEPT,
    "received": IN_OUR_HANDS | _KEPT,
    "inspected": _INSPECTED | _KEPT,
}
# What arrives in any other condition, whatever the retailer's grades are called, has arrived.
NOT_AS_SENT: Mapping[str, UnitState] = {
    "wrong_item": "wrong_item",
    "short": "short",
    "empty_box": "empty_box",
}


class InvalidTransition(Conflict):
    """`legal` names where the units can go from where they are, `movable` is how many of them can
    go where they were to."""

    code, title = "INVALID_TRANSITION", "The units cannot move there from where they are"

    def __init__(self, line_id: str, to: UnitState, quantity: int, units: Units) -> None:
        legal = sorted({target for state in units for target in TRANSITIONS.get(state, ())})
        can = movable(units, to)
        if can:
            detail = f"Line {line_id} has {can} that can move to {to}, not {quantity}"
        else:
            named = ", ".join(legal) or "nothing"
            detail = f"Line {line_id} cannot move to {to}; it can move to {named}"
        super().__init__(detail, line_id=line_id, units=dict(units), legal=legal, movable=can)


def received_as(condition: str, *, over_the_counter: bool) -> UnitState:
    """Return what units become that arrive in a condition."""
    return NOT_AS_SENT.get(condition, "handed_over" if over_the_counter else "received")


def moved(
    line_id: str, units: Units, to: UnitState, quantity: int, source: UnitState | None = None
) -> dict[UnitState, int]:
    """Return the units of a line after some of them have moved, the most advanced first.

    `source` is where they are taken from, when it matters. Raises InvalidTransition when fewer can.
    """
    after, left = dict(units), quantity
    for state in TRANSITIONS:
        if source not in (None, state) or to not in TRANSITIONS[state]:
            continue
        part = min(left, after.get(state, 0))
        if part:
            after[state] -= part
            after[to] = after.get(to, 0) + part
            left -= part
    if left:
        raise InvalidTransition(line_id, to, quantity, units)
    return {state: count for state, count in after.items() if count}


def movable(units: Units, to: UnitState) -> int:
    """Return how many of a line's units can move there from where they are."""
    return sum(number for state, number in units.items() if to in TRANSITIONS.get(state, ()))


def count(units: Units, states: frozenset[UnitState]) -> int:
    return sum(number for state, number in units.items() if state in states)
