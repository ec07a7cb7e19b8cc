"""Filter criteria of an event source mapping: which records reach the function at all.

Covers what AWS documents for them: exact values, prefix, anything-but, numeric, exists; the fields
of a pattern are joined by and, its values by or.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(record: Any, pattern: Mapping[str, Any]) -> bool:
    """Tell whether a record has what the pattern asks for."""
    for name, wanted in pattern.items():
        value = record.get(name) if isinstance(record, Mapping) else None
        if isinstance(wanted, Mapping):
            if not matches(value, wanted):
                return False
        elif not any(_matches_one(value, condition) for condition in wanted):
            return False
    return True


def _matches_one(value: Any, condition: Any) -> bool:
    if not isinstance(condition, Mapping):
        return bool(value == condition)
    ((kind, operand),) = condition.items()
    if kind == "exists":
        return (value is not None) is bool(operand)
    if value is None:
        return False
    if kind == "prefix":
        return isinstance(value, str) and value.startswith(operand)
    if kind == "anything-but":
        return value not in (operand if isinstance(operand, Sequence) else [operand])
    if kind == "numeric":
        return _compares(float(value), operand)
    raise ValueError(f"the filter {kind!r} is not known here")


def _compares(value: float, operands: Sequence[Any]) -> bool:
    pairs = zip(operands[::2], operands[1::2], strict=True)
    return all(_COMPARISONS[symbol](value, float(bound)) for symbol, bound in pairs)
