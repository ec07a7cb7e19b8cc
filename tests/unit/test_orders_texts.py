"""Texts: the language wanted, values as each language writes them, catalogues that agree."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_orders.notifications import MilestoneName
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.texts import (
    COUNTS,
    LANGUAGES,
    PLACEHOLDER,
    PLACEHOLDERS,
    Language,
    Plural,
    catalogue,
    is_text,
    language_of,
    matching,
    render,
    say,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
KEYS = sorted(catalogue("en").texts)
EVERY_LANGUAGE = pytest.mark.parametrize("language", LANGUAGES)


def placeholders(variant: str | Plural) -> list[set[str]]:
    sentences = [variant] if isinstance(variant, str) else [variant.one, variant.other]
    return [set(PLACEHOLDER.findall(sentence)) for sentence in sentences]


# --- catalogues -----------------------------------------------------------------------------------


@EVERY_LANGUAGE
def test_every_catalogue_has_the_same_texts_with_the_same_values(language: Language) -> None:
    english, other = catalogue("en").texts, catalogue(language).texts
    assert set(other) == set(english)
    for key, variants in english.items():
        assert len(other[key]) == len(variants), key
        for mine, theirs in zip(other[key], variants, strict=True):
            assert placeholders(mine)[-1] == placeholders(theirs)[-1], key


@EVERY_LANGUAGE
def test_every_text_can_be_said_without_any_value(language: Language) -> None:
    for key, variants in catalogue(language).texts.items():
        assert placeholders(variants[-1])[0] == set(), key


@EVERY_LANGUAGE
def test_every_placeholder_is_known_and_at_most_one_of_a_sentence_counts(
    language: Language,
) -> None:
    for key, variants in catalogue(language).texts.items():
        for variant in variants:
            for found in placeholders(variant):
                assert found <= PLACEHOLDERS, key
                assert len(found & set(COUNTS)) <= 1, key
            if isinstance(variant, Plural):
                assert placeholders(variant)[0] == placeholders(variant)[1], key


@EVERY_LANGUAGE
def test_a_counted_sentence_has_a_singular_where_the_language_has_one(language: Language) -> None:
    for key, variants in catalogue(language).texts.items():
        for variant in variants:
            counts = bool(placeholders(variant)[-1] & set(COUNTS))
            inflects = not language.startswith("zh")
            assert isinstance(variant, Plural) == (counts and inflects), key


@EVERY_LANGUAGE
def test_no_text_is_left_in_another_language_or_without_its_full_stop(language: Language) -> None:
    english, mine = catalogue("en").texts, catalogue(language).texts
    ends = ("。", "！") if language.startswith("zh") else (".", "!", "{code}")
    for key, variants in mine.items():
        assert language == "en" or variants[-1] != english[key][-1], key
        if not key.endswith(".title"):
            last = variants[-1]
            assert isinstance(last, str)
            assert last.endswith(ends), key


@EVERY_LANGUAGE
def test_every_status_reason_and_milestone_has_a_text(language: Language) -> None:
    texts = catalogue(language).texts
    assert {f"shipment.{status}" for status in ShipmentStatus} <= set(texts)
    assert {f"reason.{reason}" for reason in Reason if reason != "unknown"} <= set(texts)
    for name in MilestoneName:
        assert {f"message.{name}", f"message.{name}.title"} <= set(texts)


def test_there_is_a_catalogue_for_each_language_and_no_other() -> None:
    folder = files("tandem_orders") / "catalogues"
    assert {file.name for file in folder.iterdir()} == {f"{one}.json" for one in LANGUAGES}
    for language in LANGUAGES:
        assert json.loads((folder / f"{language}.json").read_text("utf-8"))["language"] == language
    assert get_args(Language) == LANGUAGES


def test_chinese_texts_keep_to_their_own_characters() -> None:
    traditional = "".join(map(str, catalogue("zh-Hant").texts.values()))
    simplified = "".join(map(str, catalogue("zh-Hans").texts.values()))
    assert not set("订单门店积为们将过达请") & set(traditional)
    assert not set("訂單點數門為們將過達請") & set(simplified)
    assert "門市" in traditional
    assert "门店" in simplified


# --- the language that is wanted ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("*", "en"),
        ("fr-FR, it;q=0.8", "en"),
        ("en-US,en;q=0.9", "en"),
        ("de-AT", "de"),
        ("de_CH.UTF-8", "de"),
        ("es-419", "es"),
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-SG", "zh-Hans"),
        ("zh-TW", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("zh-MO", "zh-Hant"),
        ("ZH_tw", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-Hans-HK", "zh-Hans"),
        ("zh-Hant-CN", "zh-Hant"),
        ("yue", "zh-Hant"),
        ("cmn-Hans-CN", "zh-Hans"),
        ("fr, de;q=0.5, es;q=0.7", "es"),
        ("de;q=0, es", "es"),
        ("de;q=0", "en"),
        ("de;q=high, es;q=0.1", "es"),
        ("es;q=0.5, de;q=0.5", "es"),
        ("zh-TW,zh;q=0.9,en-US;q=0.8", "zh-Hant"),
        ("english", "en"),
    ],
)
def test_the_best_language_for_a_header(accept: str | None, language: Language) -> None:
    assert language_of(accept) == language


def test_without_a_match_the_given_default_holds() -> None:
    assert language_of("fr", default="de") == "de"


@given(st.text())
def test_any_header_yields_a_language(accept: str) -> None:
    assert language_of(accept) in LANGUAGES


@given(st.sampled_from(LANGUAGES))
def test_each_language_is_found_by_its_own_tag(language: Language) -> None:
    assert matching(language) == language


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "points", "sentence"),
    [
        ("en", 1, "You earned 1 point."),
        ("en", 1234, "You earned 1,234 points."),
        ("en", 999, "You earned 999 points."),
        ("en", 1234567, "You earned 1,234,567 points."),
        ("de", 1, "Du hast 1 Punkt gesammelt."),
        ("de", 1234, "Du hast 1.234 Punkte gesammelt."),
        ("es", 1, "Has ganado 1 punto."),
        ("es", 1234, "Has ganado 1234 puntos."),
        ("es", 12345, "Has ganado 12.345 puntos."),
        ("zh-Hant", 1234, "您獲得 1,234 點。"),
        ("zh-Hans", 1, "您获得 1 积分。"),
    ],
)
def test_points_are_counted_and_grouped(language: Language, points: int, sentence: str) -> None:
    assert render(language, "points.earned", {"points": points}) == sentence


@pytest.mark.parametrize(
    ("language", "amount", "currency", "written"),
    [
        ("en", 1299, "EUR", "€12.99"),
        ("en", 123456789, "GBP", "£1,234,567.89"),
        ("en", 1299, "CHF", "CHF 12.99"),
        ("en", 1299, "JPY", "JPY 1,299"),
        ("en", 1299, "KWD", "KWD 1.299"),
        ("en", 5, "EUR", "€0.05"),
        ("de", 123456, "EUR", "1.234,56 €"),
        ("de", 1299, "JPY", "1.299 JPY"),
        ("es", 123456, "EUR", "1234,56 €"),
        ("es", 1234567, "EUR", "12.345,67 €"),
        ("zh-Hant", 129900, "TWD", "NT$1,299.00"),
        ("zh-Hans", 129900, "CNY", "¥1,299.00"),
    ],
)
def test_money_is_written_exactly(
    language: Language, amount: int, currency: str, written: str
) -> None:
    params = {"amount": {"amount": amount, "currency": currency}}
    assert written in render(language, "refund.succeeded", params)


@pytest.mark.parametrize(
    ("language", "until", "written"),
    [
        ("en", "2026-11-24", "24 Nov"),
        ("en", "2026-11-24T18:30", "24 Nov, 18:30"),
        ("de", "2026-03-01", "1. März"),
        ("de", "2026-11-24T18:30", "24. November, 18:30 Uhr"),
        ("es", "2026-11-24", "24 de noviembre"),
        ("zh-Hant", "2026-11-24T18:30", "11月24日 18:30"),
        ("zh-Hans", "2026-11-24", "11月24日"),
    ],
)
def test_days_are_written_as_the_language_does(
    language: Language, until: str, written: str
) -> None:
    sentence = render(language, "pickup.ready", {"until": until})
    assert written in sentence
    assert ".." not in sentence


def test_a_far_day_has_its_year() -> None:
    params = {"points": 1, "last_day": "2027-11-30"}
    assert "30 Nov 2027" in render("en", "points.expiring", params)
    assert "30. November 2027" in render("de", "points.expiring", params)
    assert "30 de noviembre de 2027" in render("es", "points.expiring", params)
    assert "2027年11月30日" in render("zh-Hant", "points.expiring", params)


@pytest.mark.parametrize(
    ("language", "first", "last", "written"),
    [
        ("en", "2026-11-24", "2026-11-26", "24–26 Nov"),
        ("en", "2026-11-30", "2026-12-02", "30 Nov – 2 Dec"),
        ("en", "2026-11-24", "2026-11-24", "24 Nov"),
        ("en", "2026-12-31", "2026-12-30", "30–31 Dec"),
        ("en", "2026-11-24", "2027-11-26", "24 Nov – 26 Nov"),
        ("de", "2026-11-24", "2026-11-26", "24.–26. November"),
        ("es", "2026-11-24", "2026-11-26", "24–26 de noviembre"),
        ("zh-Hant", "2026-11-24", "2026-11-26", "11月24日至26日"),
        ("zh-Hans", "2026-11-30", "2026-12-02", "11月30日至12月2日"),
    ],
)
def test_windows_are_written_as_short_as_the_language_does(
    language: Language, first: str, last: str, written: str
) -> None:
    params = {"window": {"from_date": first, "to_date": last}}
    assert written in render(language, "shipment.delayed", params)


@pytest.mark.parametrize(
    ("carrier", "written"),
    [
        ("ups", "UPS"),
        ("dpd", "DPD"),
        ("fedex", "FedEx"),
        ("dhl_express", "DHL Express"),
        ("royal_mail", "Royal Mail"),
        ("黑貓宅急便", "黑貓宅急便"),
    ],
)
def test_carriers_are_called_by_their_own_names(carrier: str, written: str) -> None:
    expected = f"{written} has your parcel."
    assert render("en", "shipment.picked_up", {"carrier": carrier}) == expected


def test_an_unknown_carrier_is_not_named() -> None:
    params = {"carrier": "unknown"}
    assert render("en", "shipment.picked_up", params) == "The carrier has your parcel."


# --- what is missing or odd -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"points": None},
        {"points": "many"},
        {"points": True},
        {"points": -3},
        {"points": 10**5000},
        {"points": 1.5},
    ],
)
def test_a_value_that_makes_no_sense_is_left_out(params: dict[str, Any]) -> None:
    assert render("en", "points.earned", params) == "You earned points."


@pytest.mark.parametrize("day", ["2026-02-30", "24 Nov", "", None, 20261124, "2026-11-24T1:00"])
def test_a_day_that_is_none_is_left_out(day: object) -> None:
    assert render("en", "pickup.ready", {"until": day}) == "Your order is ready for pickup."


@pytest.mark.parametrize(
    "amount",
    [
        None,
        12.99,
        {},
        {"amount": 1299},
        {"amount": "1299", "currency": "EUR"},
        {"amount": 1299, "currency": "euro"},
        {"amount": -1, "currency": "EUR"},
        {"amount": True, "currency": "EUR"},
    ],
)
def test_an_amount_that_is_none_is_left_out(amount: object) -> None:
    sentence = render("en", "refund.succeeded", {"amount": amount})
    assert sentence == "Your refund is on its way back to you."


def test_a_value_is_put_in_as_it_is_and_never_read_as_a_text() -> None:
    assert render("en", "order.completed", {"number": "{city}", "city": "Bonn"}) == (
        "Order {city} is complete. Enjoy!"
    )
    assert render("en", "order.completed", {"number": " #1\n\t\u202e001 "}) == (
        "Order #1 001 is complete. Enjoy!"
    )
    assert render("en", "order.completed", {"number": " \u200b "}) == (
        "Your order is complete. Enjoy!"
    )


@given(
    language=st.sampled_from(LANGUAGES),
    key=st.sampled_from(KEYS),
    params=st.dictionaries(st.sampled_from([*sorted(PLACEHOLDERS), "reason"]) | st.text(), JSON),
)
def test_any_values_make_a_sentence_on_one_line(
    language: Language, key: str, params: dict[str, Any]
) -> None:
    sentence = say(language, key, params)
    assert sentence
    assert sentence.isprintable()


def test_an_unknown_text_is_an_error_for_who_asks_exactly_and_general_for_who_reads() -> None:
    assert not is_text("order.vanished")
    with pytest.raises(KeyError):
        render("en", "order.vanished", {})
    assert say("en", "order.vanished", {}) == "There's news about your order or your points."


def test_a_reason_stands_behind_what_it_explains() -> None:
    params = {"reason": "recipient_absent"}
    assert say("en", "shipment.delivery_attempted", params) == (
        "The carrier tried to deliver your parcel but couldn't. Nobody was there to take it."
    )
    assert say("zh-Hant", "shipment.delivery_attempted", params) == (
        "物流業者曾前往配送，但未能送達。現場無人收件。"
    )
    assert say("en", "shipment.on_hold", {"reason": "unknown"}) == "Your parcel is on hold."
    assert say("en", "shipment.on_hold", {"reason": ["x"]}) == "Your parcel is on hold."
