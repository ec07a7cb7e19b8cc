"""The fields of a sender's JSON, read with care: exact ids, exact money, aware times.

A field that is missing, null or unknown is no error; one that says something else than its sender
promises is, where a fact hangs on it. Refusals name the place and never what stands there. Knows
no sender.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from tandem_core.clock import GivenInstant
from tandem_core.money import Money, decimals
from tandem_orders.messages import Unparseable
from tandem_orders.places import Place
from tandem_orders.senders.documents import json_object
from tandem_orders.zones import country_code

MAX_ITEMS = 1_000
MAX_TEXT = 512
MAX_REFERENCE = 128

_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_INSTANT: TypeAdapter[datetime] = TypeAdapter(GivenInstant)


class Fields:
    """One JSON object, which knows where in its body it stands.

    With `any_case` it and all within it are asked for by names in lower case.
    """

    __slots__ = ("_any_case", "_path", "_values")

    def __init__(
        self, values: Mapping[str, Any], path: str = "", *, any_case: bool = False
    ) -> None:
        self._values = (
            {name.lower(): value for name, value in values.items()} if any_case else values
        )
        self._path = path
        self._any_case = any_case

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def __bool__(self) -> bool:
        return bool(self._values)

    def refuse(self, name: str, why: str) -> NoReturn:
        raise Unparseable(f"{self._at(name)}: {why}")

    def inside(self, *names: str) -> Fields:
        """Return a nested object; one without fields when there is none."""
        found = self
        for name in names:
            value = found._values.get(name)
            found = found._within(value if isinstance(value, dict) else {}, found._at(name))
        return found

    def each(self, name: str) -> tuple[Fields, ...]:
        """Return a list's objects. Raises Unparseable for a list of anything else."""
        return tuple(
            self._within(item, path) if isinstance(item, dict) else self.refuse(name, "not objects")
            for path, item in self._items(name)
        )

    def references(self, name: str) -> tuple[str, ...]:
        """Return a list's ids. Raises Unparseable."""
        return tuple(_reference(item, path) for path, item in self._items(name))

    def text(self, name: str, limit: int = MAX_TEXT) -> str:
        """Return text for people, cut to its limit; "" when there is none."""
        value = self._values.get(name)
        return _CONTROL.sub(" ", value).strip()[:limit].rstrip() if isinstance(value, str) else ""

    def whole_text(self, name: str) -> str:
        """Return text as it is, such as a document in a document; "" when there is none."""
        value = self._values.get(name)
        return value if isinstance(value, str) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list's names, or one that stands alone, as `label` does."""
        value = self._values.get(name)
        items = value[:MAX_ITEMS] if isinstance(value, list) else [value]
        found = (Fields({name: item}).label(name) for item in items)
        return tuple(label for label in found if label)

    def label(self, name: str) -> str | None:
        """Return a name that the merchant chose, such as a sku: what a reference cannot hold
        is left out of it."""
        value = self._values.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.reference(name)
        return self.text(name, MAX_REFERENCE) or None

    def reference(self, name: str) -> str | None:
        """Return an id, exactly. Raises Unparseable for a float: it may be another's id."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        return _reference(value, self._at(name))

    def required_reference(self, name: str) -> str:
        return self.reference(name) or self.refuse(name, "missing")

    def instant(self, name: str, *, utc: bool = False) -> datetime | None:
        """Return a time; `utc` is for senders whose times are UTC without saying it.

        Raises Unparseable.
        """
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and utc and not re.search(r"(Z|[+-]\d\d:?\d\d)$", value):
            value += "Z"
        with suppress(ValidationError):
            return _INSTANT.validate_python(value)
        return self.refuse(name, "not a time with an offset")

    def written_date(self, name: str) -> date | None:
        """Return the calendar date of a time as it was written, at its own offset."""
        return date.fromisoformat(self.text(name)[:10]) if self.instant(name) else None

    def units(self, name: str) -> int | None:
        """Return a count, given as an integer or its text. Raises Unparseable."""
        written = self._number(name)
        if written is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}(\.0+)?", written):
            self.refuse(name, "not a count")
        return int(written.partition(".")[0])

    def currency(self, name: str) -> str | None:
        """Return a currency's code in capitals; the model decides whether there is such a one."""
        return self.text(name, 8).upper() or None

    def minor_units(self, name: str, currency: str) -> int | None:
        """Return an amount given in major units. Raises Unparseable for fractions of minor ones."""
        written = self._number(name)
        if written is None:
            return None
        if not _DECIMAL.fullmatch(written):
            self.refuse(name, "not an amount")
        scaled = Decimal(written).scaleb(decimals(currency))
        if scaled != int(scaled):
            self.refuse(name, "more decimals than the currency has")
        return int(scaled)

    def money(self, name: str, currency: str) -> Money | None:
        minor = self.minor_units(name, currency)
        if minor is None:
            return None
        if minor < 0:
            self.refuse(name, "below zero")
        return Money(amount=minor, currency=currency)

    def is_true(self, name: str) -> bool | None:
        value = self._values.get(name)
        return value if isinstance(value, bool) else None

    def first_text(self, *names: str) -> str:
        return next((text for name in names if (text := self.text(name))), "")

    def _number(self, name: str) -> str | None:
        """Return a number as it was written, with or without quotes."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
            self.refuse(name, "not a number")
        return str(value)

    def _items(self, name: str) -> Iterator[tuple[str, Any]]:
        value = self._values.get(name)
        if value is None:
            return
        if not isinstance(value, list):
            self.refuse(name, "not a list")
        if len(value) > MAX_ITEMS:
            self.refuse(name, f"more than {MAX_ITEMS}")
        for index, item in enumerate(value):
            yield f"{self._at(name)}.{index}", item

    def _within(self, values: Mapping[str, Any], path: str) -> Fields:
        return Fields(values, path, any_case=self._any_case)

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def document(body: bytes, *, any_case: bool = False) -> Fields:
    """Read a body that is one JSON object. Raises Unparseable."""
    return Fields(json_object(body), any_case=any_case)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn the models' refusals into Unparseable, without the values that they repeat."""
    try:
        yield
    except ValidationError as wrong:
        places = {
            f"{wrong.title}.{'.'.join(str(part) for part in error['loc'])}: {error['type']}"
            for error in wrong.errors(include_input=False, include_context=False)
        }
        raise Unparseable("; ".join(sorted(places)[:5])) from None


def identity(body: bytes, *names: str, inside: str = "") -> str:
    """Return the named fields of a body in one text; "" when the first is missing.

    Never raises.
    """
    try:
        fields = document(body)
        fields = fields.inside(inside) if inside else fields
        parts = [fields.reference(name) or "" for name in names]
    except Unparseable:
        return ""
    return ":".join(parts) if parts[0] else ""


def place(*, city: str = "", region: str = "", postal_code: str = "", country: str = "") -> Place:
    """Return a place with what fits: a country that nobody knows is left out."""
    return Place(
        city=city[:MAX_REFERENCE] or None,
        region=region[:MAX_REFERENCE] or None,
        postal_code=postal_code[:32] or None,
        country=country_code(country),
    )


def _reference(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise Unparseable(f"{path}: not an exact id")
    text = str(value).strip()
    if not text or len(text) > MAX_REFERENCE or _CONTROL.search(text):
        raise Unparseable(f"{path}: not an id")
    return text
