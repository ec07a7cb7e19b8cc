"""How a customer wants to be written to: by which channels, in which language, and when not.

Pure values and one rule about time; the time itself is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import Instant
from tandem_core.values import Document, Reference, Strict
from tandem_orders.texts import LANGUAGES, Language, matching

MessageChannel = Literal["push", "email", "sms", "whatsapp", "line"]

_MINUTE = timedelta(minutes=1)
# The longest stretch that a zone ever left out: a whole day.
_LONGEST_GAP_MINUTES = 24 * 60


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as unknown:
        raise PydanticCustomError("time_zone", "must be an IANA time zone") from unknown
    return name


def _language(value: Any) -> Any:
    """Take any tag of a language that we have, such as zh-TW."""
    if not isinstance(value, str):
        return value
    found = matching(value)
    if found is None:
        raise PydanticCustomError(
            "language", "must be one of {languages}", {"languages": ", ".join(LANGUAGES)}
        )
    return found


def _different(channels: tuple[MessageChannel, ...]) -> tuple[MessageChannel, ...]:
    if len(set(channels)) < len(channels):
        raise PydanticCustomError("duplicate", "must name each channel once")
    return channels


TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["22:00"])]
TimeZone = Annotated[str, Field(max_length=64), AfterValidator(_known_zone)]


class QuietHours(Strict):
    """From one time of the day to another, every day, by the clock on the wall; `to` is outside."""

    model_config = ConfigDict(serialize_by_alias=True)

    starts: TimeOfDay = Field(alias="from")
    ends: TimeOfDay = Field(alias="to")
    time_zone: TimeZone

    @model_validator(mode="after")
    def _not_all_day(self) -> Self:
        if self.starts == self.ends:
            raise PydanticCustomError("empty", "must not begin when they end")
        return self

    def include(self, instant: datetime) -> bool:
        now = instant.astimezone(ZoneInfo(self.time_zone)).time()
        starts, ends = time.fromisoformat(self.starts), time.fromisoformat(self.ends)
        return starts <= now < ends if starts < ends else now >= starts or now < ends


class Preferences(Strict):
    """What a customer has chosen. `channels` in order of preference; none of them: no messages.

    Without a language, the order's counts.
    """

    channels: Annotated[
        tuple[MessageChannel, ...], Field(max_length=5), AfterValidator(_different)
    ] = ("push", "email")
    language: Annotated[Language | None, BeforeValidator(_language)] = None
    quiet_hours: QuietHours | None = None


class PreferencesChanged(Document):
    """`preferences.changed`: a customer has chosen how to be told of things."""

    customer_id: Reference
    preferences: Preferences
    occurred_at: Instant

    @property
    def type(self) -> str:
        return "preferences.changed"


def deliver_after(preferences: Preferences, now: datetime) -> datetime | None:
    """Return the first instant after the quiet hours that `now` lies in, None outside of them.

    The wall clock decides: where it is put forward over their end, they end with the jump; where it
    is put back into them, they go on.
    """
    quiet = preferences.quiet_hours
    if quiet is None or not quiet.include(now):
        return None
    today = now.astimezone(ZoneInfo(quiet.time_zone)).date()
    ends = sorted(end for end in _ends(quiet, today) if end > now and not quiet.include(end))
    end = ends[0]
    for _ in range(_LONGEST_GAP_MINUTES):
        if end - _MINUTE <= now or quiet.include(end - _MINUTE):
            break
        end -= _MINUTE
    return end


def _ends(quiet: QuietHours, today: date) -> Iterable[datetime]:
    """Yield when quiet hours may end next: a local time may come twice, or not at all."""
    zone = ZoneInfo(quiet.time_zone)
    for days in range(4):
        for fold in (0, 1):
            local = datetime.combine(
                today + timedelta(days=days), time.fromisoformat(quiet.ends), tzinfo=zone
            )
            yield local.replace(fold=fold).astimezone(UTC)
