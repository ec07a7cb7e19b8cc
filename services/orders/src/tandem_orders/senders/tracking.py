"""What all trackers share: a report of a parcel, put together of what each of them says.

A scan means what the carrier's own code means; the provider's summary is taken where that is
unknown. A delivery after the parcel has turned around is its return.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from tandem_orders import carriers, zones
from tandem_orders.messages import Estimate, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders.documents import mapping, text
from tandem_orders.statuses import Reason, ShipmentStatus
from tandem_orders.zones import Dated

# A history longer than this is not a parcel's.
MAX_SCANS = 1_000
MAX_PARCELS = 200

_LONGEST_CODE, _LONGEST_TIME, _LONGEST_NAME = 64, 64, 128

Meaning = tuple[ShipmentStatus | None, Reason | None]
UNMAPPED: Meaning = (None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One scan as a sender tells it, before it means anything.

    `word` is the sender's own word for it, `code` the carrier's, `summary` what the word means.
    """

    word: str | None
    code: str | None = None
    summary: Meaning = UNMAPPED
    local: str | None
    when: Dated
    place: Place | None = None
    description: str | None = None
    signed_by: str | None = None


def scan(provider: str, carrier: str | None, reading: Reading) -> Scan:
    """Give a reading its meaning."""
    known = carriers.meaning(carrier, reading.code) if carrier else None
    status, reason = reading.summary
    if known is not None:
        status, reason = known.status, known.reason or (reason if known.status is status else None)
    code = text(reading.code, _LONGEST_CODE)
    delivered = status in {ShipmentStatus.DELIVERED, ShipmentStatus.RETURNED}
    return Scan(
        provider=provider,
        occurred_at=reading.when.occurred_at,
        occurred_local=text(reading.local, _LONGEST_TIME) or "",
        tz_source=reading.when.tz_source,
        precision=reading.when.precision,
        status=status,
        reason=reason,
        code=code,
        raw=f"{provider}:{text(reading.word, _LONGEST_CODE) or code or ''}",
        description=text(reading.description) or "",
        place=reading.place,
        signed_by=text(reading.signed_by, _LONGEST_NAME) if delivered else None,
        reversal=known is not None and known.reversal,
    )


def history(scans: Iterable[Scan], *, turned_around: bool = False) -> tuple[Scan, ...]:
    """Return the scans without repeats, deliveries back at the sender's as such.

    `turned_around`: the sender says so of the parcel as a whole.
    """
    unique = tuple({one.report_id: one for one in scans}.values())
    if len(unique) > MAX_SCANS:
        raise Unparseable(f"a parcel with more than {MAX_SCANS} scans")
    turns = [
        one.occurred_at
        for one in unique
        if one.status is ShipmentStatus.RETURNING and one.occurred_at
    ]
    if turns:
        return tuple(_returned(one, since=min(turns)) for one in unique)
    return tuple(_returned(one) for one in unique) if turned_around else unique


def _returned(one: Scan, since: datetime | None = None) -> Scan:
    if one.status is not ShipmentStatus.DELIVERED:
        return one
    if since is not None and (one.occurred_at is None or one.occurred_at < since):
        return one
    return one.model_copy(update={"status": ShipmentStatus.RETURNED})


def signed(scans: tuple[Scan, ...], name: str | None) -> tuple[Scan, ...]:
    """Put the parcel's signature on its last delivery, where no scan has one."""
    ended = {ShipmentStatus.DELIVERED, ShipmentStatus.RETURNED}
    deliveries = [one for one in scans if one.status in ended]
    if name is None or not deliveries or any(one.signed_by for one in deliveries):
        return scans
    dated = [one for one in deliveries if one.occurred_at] or deliveries
    last = max(dated, key=lambda one: one.occurred_at.timestamp() if one.occurred_at else 0)
    return tuple(
        one.model_copy(update={"signed_by": name[:_LONGEST_NAME]}) if one is last else one
        for one in scans
    )


def place(
    *,
    city: object = None,
    region: object = None,
    postal_code: object = None,
    country: object = None,
    name: object = None,
) -> Place | None:
    """Return a place of what is known of it, None for nothing. `country`: a code or a name."""
    found = Place(
        name=text(name, _LONGEST_NAME),
        city=text(city, _LONGEST_NAME),
        region=text(region, _LONGEST_NAME),
        postal_code=text(postal_code, 32),
        country=zones.country_code(text(country)),
    )
    return None if found == Place() else found


def usual_place(value: object) -> Place | None:
    """Return the place of an object with the names that most providers give its parts."""
    location = mapping(value)
    return place(
        city=location.get("city"),
        region=location.get("state"),
        postal_code=location.get("zip"),
        country=location.get("country"),
    )


def tracking_number(value: object) -> str | None:
    """Return the canonical number, None for none."""
    number = carriers.canonical_number(text(value) or "")
    return number if 0 < len(number) <= _LONGEST_NAME else None


def estimate(
    days: Iterable[date | None], source: Literal["carrier", "provider"] = "carrier"
) -> Estimate | None:
    """Return the window that the days span, None for none."""
    known = [day for day in days if day]
    if not known:
        return None
    return Estimate(from_date=min(known), to_date=max(known), source=source)


def limited(reports: list[ParcelReport]) -> list[ParcelReport]:
    if len(reports) > MAX_PARCELS:
        raise Unparseable(f"more than {MAX_PARCELS} parcels")
    return reports
