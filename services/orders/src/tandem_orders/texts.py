"""What customers read: sentences of a catalogue per language, filled with values.

Owns the choice of a language and the way numbers, money and dates are written in it; the sentences
and the formats themselves are data (`catalogues/*.json`). It knows no event and no message, and
never fails on what it is given: a sentence has variants, the fullest first, and the first one whose
values are all there is said. The last variant needs none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from tandem_core.money import decimals, major_units
from tandem_core.values import Strict

Language = Literal["en", "zh-Hant", "zh-Hans", "es", "de"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# Of these, a sentence has at most one, and takes its grammatical number from it.
COUNTS = ("points", "quantity")
# What is said of something that has no text yet.
UNKNOWN = "other"

_MOST_WORDS = 512
_MOST_UNITS = 10**15
_LONGEST_HEADER = 1000
_SUBTAG_END = re.compile(r"[-_.@]")
_QUALITY = re.compile(r"q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")
# Carriers' names that are not written as ours of them suggests.
_CARRIERS = {"fedex": "FedEx", "dhl_ecommerce": "DHL eCommerce", "ontrac": "OnTrac", "evri": "Evri"}
_ABBREVIATION = 4
_CURRENCY = re.compile(r"[A-Z]{3}")
_DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T([0-9]{2}:[0-9]{2}))?")


class Plural(Strict):
    one: str
    other: str


class Formats(Strict):
    """How a language writes values. Digits are grouped from `group_from` digits on; `symbols` are
    the currencies that it writes otherwise than `money` says."""

    months: tuple[str, ...]
    day: str
    dated: str
    moment: str
    days_of_month: str
    days: str
    group: str
    group_from: int
    decimal: str
    money: str
    symbols: dict[str, str]
    between_sentences: str


class Catalogue(Strict):
    language: Language
    formats: Formats
    texts: dict[str, tuple[str | Plural, ...]]


@cache
def catalogue(language: Language) -> Catalogue:
    """Return a language's catalogue, read from the package when it is first needed."""
    file = files("tandem_orders") / "catalogues" / f"{language}.json"
    return Catalogue.model_validate_json(file.read_bytes())


def matching(tag: str) -> Language | None:
    """Return the language that a BCP 47 tag (or a locale such as `zh_TW`) asks for, if we have it.

    Chinese goes by its script, else by where it is read.
    """
    primary, *others = _SUBTAG_END.split(tag.strip().casefold())
    match primary:
        case "en" | "es" | "de":
            return primary
        case "zh" | "cmn" | "yue" if "hant" in others:
            return "zh-Hant"
        case "zh" | "cmn" | "yue" if "hans" in others:
            return "zh-Hans"
        case "zh" | "cmn" | "yue":
            traditional = primary == "yue" or not {"tw", "hk", "mo"}.isdisjoint(others)
            return "zh-Hant" if traditional else "zh-Hans"
    return None


def language_of(accept: str | None, default: Language = "en") -> Language:
    """Return the best language for an Accept-Language header (RFC 9110) or a single tag."""
    wanted: list[tuple[float, Language]] = []
    for part in (accept or "")[:_LONGEST_HEADER].split(","):
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        quality = _quality(parameters)
        language = matching(tag)
        if language and quality:
            wanted.append((quality, language))
    # The first of equals: max keeps it.
    return max(wanted, key=lambda choice: choice[0])[1] if wanted else default


def _quality(parameters: list[str]) -> float:
    if not parameters:
        return 1.0
    found = _QUALITY.fullmatch(parameters[0].replace(" ", "").casefold())
    return float(found[1]) if found else 0.0


def is_text(key: str) -> bool:
    return key in catalogue("en").texts


def render(language: Language, key: str, params: Mapping[str, object]) -> str:
    """Say the text `key` with what is usable of `params`. Raises KeyError for an unknown key."""
    book = catalogue(language)
    variants = book.texts[key]
    values = {
        name: text
        for name, value in params.items()
        if name in _WRITERS and (text := _WRITERS[name](book.formats, value)) is not None
    }
    for variant in variants:
        sentence = variant if isinstance(variant, str) else _numbered(variant, params)
        if all(name in values for name in PLACEHOLDER.findall(sentence)):
            return PLACEHOLDER.sub(lambda found: values[found[1]], sentence)
    raise KeyError(f"{key} has no variant without values")


def say(language: Language, key: str, params: Mapping[str, object]) -> str:
    """Say a text and behind it, if `params` know one, the `reason` why it is so.

    A key that this version does not know yet is said in general words.
    """
    sentences = [render(language, key if is_text(key) else UNKNOWN, params)]
    reason = params.get("reason")
    if isinstance(reason, str) and is_text(f"reason.{reason}"):
        sentences.append(render(language, f"reason.{reason}", {}))
    return catalogue(language).formats.between_sentences.join(sentences)


def written_day(language: Language, day: date) -> str:
    """Write a day alone, as the language does."""
    return _day(catalogue(language).formats, day.isoformat()) or ""


def _numbered(plural: Plural, params: Mapping[str, object]) -> str:
    names = PLACEHOLDER.findall(plural.other)
    count = next((params.get(name) for name in COUNTS if name in names), None)
    return plural.one if count == 1 else plural.other


def _words(_formats: Formats, value: object) -> str | None:
    """Somebody else's words, on one line and without invisible characters."""
    if not isinstance(value, str):
        return None
    visible = "".join(letter if letter.isprintable() else " " for letter in value[:_MOST_WORDS])
    return " ".join(visible.split()) or None


def calm(city: str) -> str:
    """Return a city's name as people write it. Carriers shout; readers should not be shouted at."""
    return city.title() if city.isupper() else city


def _carrier(formats: Formats, value: object) -> str | None:
    """Write a carrier's canonical name, such as `dhl_express`, as the carrier does."""
    name = _words(formats, value)
    if name is None or name == "unknown":
        return None
    if name in _CARRIERS or not (name.isascii() and name.islower()):
        return _CARRIERS.get(name, name)
    words = name.replace("_", " ").split()
    return " ".join(
        word.upper() if len(word) < _ABBREVIATION else word.capitalize() for word in words
    )


def _count(formats: Formats, value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _MOST_UNITS:
        return None
    return _grouped(formats, str(value))


def _grouped(formats: Formats, digits: str) -> str:
    if len(digits) < formats.group_from:
        return digits
    head = len(digits) % 3
    groups = [digits[start : start + 3] for start in range(head, len(digits), 3)]
    return formats.group.join([digits[:head], *groups] if head else groups)


def _money(formats: Formats, value: object) -> str | None:
    """Exact to the last minor unit, with the decimals that the currency has."""
    if not isinstance(value, Mapping):
        return None
    minor, currency = value.get("amount"), value.get("currency")
    if isinstance(minor, bool) or not isinstance(minor, int) or not 0 <= minor < _MOST_UNITS:
        return None
    if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
        return None
    whole, _, rest = major_units(minor, currency).partition(".")
    amount = _grouped(formats, whole)
    if decimals(currency):
        amount = f"{amount}{formats.decimal}{rest}"
    pattern = formats.symbols.get(currency, formats.money)
    return pattern.format(amount=amount, currency=currency)


def _day_and_time(value: object) -> tuple[date, str | None] | None:
    found = _DAY.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    try:
        return date.fromisoformat(found[1]), found[2]
    except ValueError:
        return None


def _day(formats: Formats, value: object) -> str | None:
    """Write a near day, "2026-11-24", or a local time of one, "2026-11-24T18:30"."""
    known = _day_and_time(value)
    if known is None:
        return None
    day, time = known
    text = formats.day.format(day=day.day, month=formats.months[day.month - 1])
    return text if time is None else formats.moment.format(date=text, time=time)


def _moment(formats: Formats, value: object) -> str | None:
    """Write a date and time as a clock showed them: `{local, time_zone}`, with the zone's name."""
    if not isinstance(value, Mapping):
        return None
    local, zone = value.get("local"), _words(formats, value.get("time_zone"))
    known = _day_and_time(local[:16]) if isinstance(local, str) else None
    date_of_it = _dated(formats, local[:16]) if isinstance(local, str) else None
    if known is None or known[1] is None or date_of_it is None or zone is None:
        return None
    return f"{formats.moment.format(date=date_of_it, time=known[1])} ({zone})"


def _dated(formats: Formats, value: object) -> str | None:
    """Write a day that may be far, with its year."""
    known = _day_and_time(value)
    if known is None:
        return None
    day = known[0]
    return formats.dated.format(day=day.day, month=formats.months[day.month - 1], year=day.year)


def _window(formats: Formats, value: object) -> str | None:
    """Write local days, both inclusive: `{from_date, to_date}`."""
    if not isinstance(value, Mapping):
        return None
    known = _day_and_time(value.get("from_date")), _day_and_time(value.get("to_date"))
    if known[0] is None or known[1] is None:
        return None
    first, last = sorted([known[0][0], known[1][0]])
    if first == last:
        return _day(formats, first.isoformat())
    if (first.year, first.month) == (last.year, last.month):
        month = formats.months[first.month - 1]
        return formats.days_of_month.format(first=first.day, last=last.day, month=month)
    ends = (_day(formats, first.isoformat()), _day(formats, last.isoformat()))
    return formats.days.format(first=ends[0], last=ends[1])


# Every placeholder that a text may have, and how its value is written.
_WRITERS: Mapping[str, Callable[[Formats, object], str | None]] = {
    "amount": _money,
    "carrier": _carrier,
    "city": _words,
    "code": _words,
    "day": _day,
    "last_day": _dated,
    "moment": _moment,
    "note": _words,
    "number": _words,
    "point": _words,
    "points": _count,
    "quantity": _count,
    "store": _words,
    "until": _day,
    "window": _window,
}
PLACEHOLDERS = frozenset(_WRITERS)
