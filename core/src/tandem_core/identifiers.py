"""What a customer is recognised by: phone, e-mail, card. Normalised once, here."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.values import Strict

IdentifierType = Literal["phone", "email", "card"]

_E164 = re.compile(r"\+[1-9]\d{6,14}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_CARD = re.compile(r"[0-9A-Z]{4,64}")


class Identifier(Strict):
    """One identifier, normalised: phone numbers in E.164, e-mail in lower case, cards without
    spaces and hyphens in upper case."""

    type: IdentifierType
    value: Annotated[str, Field(min_length=1, max_length=254)]

    @model_validator(mode="after")
    def _normalise(self) -> Self:
        value = unicodedata.normalize("NFKC", self.value).strip()
        if self.type == "phone":
            value = re.sub(r"[\s().-]", "", value)
            _require(_E164, value, "phone", "must be an E.164 number, such as +4915112345678")
        elif self.type == "email":
            value = value.lower()
            _require(_EMAIL, value, "email", "must be an e-mail address")
        else:
            value = re.sub(r"[\s-]", "", value).upper()
            _require(_CARD, value, "card", "must be 4 to 64 letters or digits")
        object.__setattr__(self, "value", value)
        return self

    @property
    def digest(self) -> str:
        """Its name where personal data must not stand: keys show up in logs and metrics."""
        return f"{self.type}#{hashlib.sha256(self.value.encode()).hexdigest()[:40]}"


def readable(told: Iterable[Any]) -> tuple[Identifier, ...]:
    """Return of what somebody tells as identifiers those that can be read as such."""
    found = []
    for one in told:
        try:
            found.append(Identifier.model_validate(one))
        except ValidationError:
            continue
    return tuple(found)


def contacts(email: str | None, phone: str | None) -> tuple[Identifier, ...]:
    """Return the contacts that can be read; a shop's free text often cannot."""
    told = (("email", email), ("phone", phone))
    return readable({"type": kind, "value": value} for kind, value in told if value)


def _require(pattern: re.Pattern[str], value: str, kind: str, message: str) -> None:
    if not pattern.fullmatch(value):
        raise PydanticCustomError(kind, "{message}", {"message": message})
