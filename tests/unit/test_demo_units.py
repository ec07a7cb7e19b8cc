"""The demo's own arithmetic of what comes back."""

from __future__ import annotations

import pytest

from tandem_demo.units import Article, Back, Bought

LAMPS = Article("1", "Desk lamp", 3, 10_000)
RUG = Article("2", "Rug", 1, 4_999)
VASE = Article("1", "Vase", 1, 3_000)


def test_the_last_unit_takes_the_remainder() -> None:
    bought = Bought([LAMPS, RUG])
    assert (bought.card_minor, bought.earned) == (14_999, 149)
    assert bought.give_back({"1": 2}) == Back(6_666, 0, 66)
    assert bought.give_back({"1": 1, "2": 1}) == Back(3_334 + 4_999, 0, 83)


@pytest.mark.parametrize(
    "parts", [[{"1": 3, "2": 1}], [{"1": 1}, {"1": 1}, {"1": 1}, {"2": 1}], [{"2": 1}, {"1": 3}]]
)
def test_any_split_ends_as_the_whole_would(parts: list[dict[str, int]]) -> None:
    bought = Bought([LAMPS, RUG], points_paid=1_050)
    backs = [bought.give_back(part) for part in parts]
    assert sum(back.card_minor for back in backs) == 14_999 - 1_050
    assert sum(back.points_restored for back in backs) == 1_050
    assert sum(back.points_taken for back in backs) == bought.earned == 139


def test_points_go_back_before_the_card() -> None:
    bought = Bought([VASE], points_paid=100)
    assert (bought.card_minor, bought.earned) == (2_900, 29)
    assert bought.give_back({"1": 1}) == Back(2_900, 100, 29)
