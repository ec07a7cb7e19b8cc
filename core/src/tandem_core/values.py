"""Words that every service uses in the same sense: references, quantities, channels."""

from __future__ import annotations

from typing import Annotated, Literal

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
