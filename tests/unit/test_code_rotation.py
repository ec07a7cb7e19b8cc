"""A key of return codes is known to every till for a rotation before it signs."""

from __future__ import annotations

from tools.deploy.repairs import announced


def test_a_key_is_published_before_it_signs_and_verifies_after_it_has() -> None:
    alive = ["a"]
    seen = []
    for new in "bcde":
        alive = announced(alive, new)
        seen.append(alive)
    assert seen == [["a", "b"], ["b", "a", "c"], ["c", "b", "d"], ["d", "c", "e"]]


def test_what_signed_before_is_dropped_and_what_is_published_stays() -> None:
    assert announced(["b", "a", "c"], "") == ["b", "c"]
    assert announced(["b", "c"], "") == ["b", "c"]
    assert announced(["a"], "") == ["a"]
    # The next rotation goes on as if nothing had been dropped.
    assert announced(["b", "c"], "d") == ["c", "b", "d"]


def test_without_any_key_the_first_one_signs_at_once() -> None:
    assert announced([], "a") == ["a"]
