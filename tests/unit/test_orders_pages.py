"""The page behind a tracking link: what it says, and what never gets into it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest

from tandem_orders.contracts import (
    TrackedFulfillment,
    TrackedLine,
    TrackedOrder,
    TrackedParcel,
    TrackedScan,
)
from tandem_orders.pages import order_page
from tandem_orders.statuses import ShipmentStatus
from tandem_orders.texts import LANGUAGES, Language

AT = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
SCAN = TrackedScan(
    occurred_at=AT,
    day=date(2026, 3, 10),
    status=ShipmentStatus.DELIVERED,
    city="Köln",
    country="DE",
    text="Your parcel was delivered in Köln.",
)
PARCEL = TrackedParcel(
    carrier="dhl_express",
    status=ShipmentStatus.DELIVERED,
    text="Your parcel was delivered.",
    milestones={},
    estimated=None,
    scans=(SCAN,),
)
LINE = TrackedLine(name="Shoe", ordered=3, cancelled=1, fulfilled=2, delivered=2)
SHIPPED = TrackedFulfillment(
    type="ship", state="delivered", store_id=None, hold_until=None, text="2 items have shipped."
)
ORDER = TrackedOrder(
    language="en",
    number="#1001",
    channel="web",
    status="completed",
    text="Everything has arrived.",
    placed_at=AT,
    promised_by=None,
    lines=(LINE,),
    fulfillments=(SHIPPED,),
    parcels=(PARCEL,),
)


class Words(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not {name for name, _ in attrs} & {"src", "href", "action", "onload", "style"}

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def words(page: str) -> list[str]:
    return Words(page).words


def test_the_page_tells_the_order_its_parcels_and_what_was_ordered() -> None:
    page = words(order_page(ORDER))

    for said in (
        "Your order #1001",
        "Placed on 10 Mar 2026",
        "Everything has arrived.",
        "Parcel with DHL Express",
        "10 Mar",
        "Your parcel was delivered in Köln.",
        "2 × Shoe",
    ):
        assert said in page
    assert SHIPPED.text not in page


def test_without_parcels_the_fulfilments_speak() -> None:
    assert SHIPPED.text in words(order_page(ORDER.model_copy(update={"parcels": ()})))


def test_cancelled_lines_are_struck_out() -> None:
    gone = LINE.model_copy(update={"cancelled": 3})
    assert "<s>Shoe</s>" in order_page(ORDER.model_copy(update={"lines": (gone,)}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_in_its_language_and_says_so(language: Language) -> None:
    page = order_page(ORDER.model_copy(update={"language": language}))
    assert f'<html lang="{language}">' in page
    assert ("Your order" in page) == (language == "en")


def test_the_words_of_others_stay_words() -> None:
    script = "<script>alert(1)</script>"
    evil = ORDER.model_copy(
        update={
            "number": script,
            "text": script,
            "lines": (LINE.model_copy(update={"name": script}),),
            "parcels": (
                PARCEL.model_copy(
                    update={
                        "carrier": script,
                        "text": script,
                        "scans": (SCAN.model_copy(update={"text": script}),),
                    }
                ),
            ),
        }
    )
    page = Words(order_page(evil))
    assert "script" not in page.tags
    assert page.words.count(script) >= 3
