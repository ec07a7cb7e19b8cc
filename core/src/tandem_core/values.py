"""Words that every service uses in the same sense: references, quantities, channels."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from tandem_core.money import EXACT_INTEGER

MAX_QUANTITY = 100_000

Channel = Literal["web", "app", "pos", "marketplace", "social"]
# Somebody else's name for something: their order number, a sku, a store.
Reference = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Quantity = Annotated[int, Field(ge=1, le=MAX_QUANTITY), EXACT_INTEGER]


class Strict(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Silent(BaseModel):
    """A frozen value whose errors do not repeat what it was given: it may hold secrets."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class Document(Strict):
    """What a journal seals: a fact, in the form in which its event is published.

    Members named in `private` are personal data. They are kept beside the sealed document, travel
    with the event, and can be erased; so each of them has a default.
    """

    private: ClassVar[frozenset[str]] = frozenset()

    def document(self) -> str:
        """Return the JSON to seal: everything but personal data."""
        return self.model_dump_json(exclude=set(self.private), exclude_none=True)

    def private_document(self) -> str:
        """Return the JSON object of the personal data, or "" without any."""
        text = self.model_dump_json(
            include=set(self.private), exclude_none=True, exclude_defaults=True
        )
        return "" if text == "{}" else text
