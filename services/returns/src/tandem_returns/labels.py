"""Return labels from somebody else: what is asked of who sells them, and what comes back.

    prepare -> the shipment's name is written down -> buy, as often as it takes

An unbought shipment costs nothing, and one shipment is bought once; so whoever keeps its name
before buying pays for one label, whatever breaks. Pure: knows no seller and no HTTP.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from tandem_core.values import Reference, Strict

# A parcel whose weight nobody knows is sold as this one; the carrier weighs it anyway.
USUAL_GRAMS = 1_000
MAX_GRAMS = 70_000

Line = Annotated[str, Field(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
RequiredLine = Annotated[Line, Field(min_length=1)]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Address(Strict):
    """Where a parcel starts or ends, as a label needs it. Personal data of whoever lives there."""

    name: RequiredLine
    street1: RequiredLine
    street2: Line = ""
    city: RequiredLine
    region: Line = ""
    postal_code: RequiredLine
    country: CountryCode
    phone: Line = ""
    email: Line = ""


class LabelOrder(Strict):
    """A parcel that a customer sends back. Where to is the seller's setting."""

    return_id: Reference
    customer: Address
    grams: Annotated[int, Field(ge=1, le=MAX_GRAMS)] = USUAL_GRAMS


class Prepared(Strict):
    """A shipment that can be bought, in the seller's words."""

    shipment_reference: Reference
    rate_reference: Reference


class Label(Strict):
    """`carrier` as its seller writes it. Whoever has `label_url` can print the label."""

    carrier: Reference
    service: str = ""
    tracking_number: Reference
    label_url: Annotated[str, Field(min_length=1, max_length=2_048)]


class LabelUnavailable(Exception):
    """There is no label: for now (`retry`), or until a person changes something."""

    def __init__(self, reason: str, *, retry: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry = retry


class Labels(Protocol):
    """Who sells return labels. Both calls raise LabelUnavailable, or payments.Misconfigured."""

    @property
    def name(self) -> str: ...

    def prepare(self, order: LabelOrder) -> Prepared:
        """Describe the parcel and choose the cheapest way. Costs nothing."""

    def buy(self, shipment_reference: str, rate_reference: str) -> Label:
        """Buy the label, or get the one that was bought before."""
