"""Where something happened, as far as somebody said."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tandem_core.values import Strict

_Text = Annotated[str, Field(max_length=128)]


class Place(Strict):
    """`country` is ISO 3166-1 alpha-2; `region` a state or province, as its sender writes it."""

    name: _Text | None = None
    city: _Text | None = None
    region: _Text | None = None
    postal_code: Annotated[str, Field(max_length=32)] | None = None
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
