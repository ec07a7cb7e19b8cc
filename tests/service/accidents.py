"""Documents after an accident: values nobody would think of, members lost, added and swapped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Each example is a request or two against moto; the routes share the profile's examples.
FUZZ = settings(
    max_examples=max(20, settings().max_examples // 3),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.text(max_size=20) | st.sampled_from(
    ["", " ", "\x00", "\ud800", "x" * 5000, "☃", "-1", "1e400", "NaN", "null", "main", "EUR", "USD"]
)
NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 1, 10**12, 10**12 + 1, 10**30, -(10**30), 0.5, 1e300, -0.0, 3.0])
)
TIMES = st.sampled_from(
    [
        "0001-01-01T00:00:00Z",
        "1900-01-01T00:00:00+23:59",
        "9900-12-31T23:59:59-23:59",
        "9999-12-31T23:59:59Z",
        "2026-03-10T09:34:59.999999999Z",
        "2026-02-29T00:00:00Z",
        "2016-12-31T23:59:60Z",
    ]
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS | TIMES
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document, the whole of it first."""
    yield way
    if isinstance(value, dict):
        for name, member in value.items():
            yield from places(member, (*way, name))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from places(member, (*way, number))


@st.composite
def spoilt(draw: st.DrawFn, good: Any) -> Any:
    """A good document after a few accidents."""
    document = {"": deepcopy(good)}
    for _ in range(draw(st.integers(0, 4))):
        chosen: tuple[Any, ...] = draw(st.sampled_from(list(places(document[""]))))
        *way, last = ("", *chosen)
        place: Any = document
        for step in way:
            place = place[step]
        accident = draw(st.sampled_from(["replace", "delete", "add", "swap"]))
        if accident == "delete" and way:
            del place[last]
        elif accident == "add" and isinstance(place[last], dict):
            place[last][draw(TEXTS)] = draw(VALUES)
        elif accident == "add" and isinstance(place[last], list):
            place[last].append(draw(st.sampled_from(place[last]) if place[last] else VALUES))
        elif accident == "swap":
            other = draw(st.sampled_from(list(places(document[""]))))
            found: Any = document[""]
            for step in other:
                found = found[step]
            place[last] = deepcopy(found)
        else:
            place[last] = draw(VALUES)
    return document[""]


@st.composite
def written(draw: st.DrawFn, document: Any) -> str:
    """The text of a document, now and then damaged on its way."""
    text = json.dumps(document)
    if draw(st.integers(0, 9)):
        return text
    start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
    return text[:start] + draw(TEXTS) + text[end:]
