"""Ids are derived: the same request has the same id, any other another one."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from tandem_core.ids import derived_id

PARTS = st.lists(st.text(), min_size=1, max_size=4)


@given(parts=PARTS)
def test_an_id_is_a_prefix_and_26_characters_of_crockford(parts: list[str]) -> None:
    assert re.fullmatch(r"acc_[0-9A-HJKMNP-TV-Z]{26}", derived_id("acc", *parts))


@given(one=PARTS, other=PARTS)
def test_equal_parts_and_only_those_have_equal_ids(one: list[str], other: list[str]) -> None:
    assert (derived_id("acc", *one) == derived_id("acc", *other)) == (one == other)


def test_where_a_part_ends_makes_a_difference() -> None:
    ids = {derived_id("acc", *parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(ids) == 4


def test_ids_do_not_change_from_one_release_to_the_next() -> None:
    assert derived_id("acc", "integration:shop", "key-1") == "acc_Y8BHFYE0KPSHXDR3PKRVJJD2A8"
