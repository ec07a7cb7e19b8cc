"""What trackers and carriers say of a parcel: meaning, time, place, and what they leave out.

The bodies are our own, of the shape that the senders document.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_orders.messages import Estimate, ParcelReport, Unparseable
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.senders import (
    aftership,
    dhl_express,
    documents,
    dpd,
    easypost,
    fedex,
    shippo,
    tracking,
    ups,
    usps,
)
from tandem_orders.senders.sender import Sender
from tandem_orders.statuses import Reason, ShipmentStatus

Json = dict[str, Any]
S = ShipmentStatus
R = Reason


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def body_of(document: Any) -> bytes:
    return json.dumps(document).encode()


def read(sender: Sender, body: Any, headers: Mapping[str, str] | None = None) -> list[ParcelReport]:
    raw = body if isinstance(body, bytes) else body_of(body)
    named = headers or {}
    messages = sender.parse(sender.topic_of(named, raw), named, raw)
    reports = [message for message in messages if isinstance(message, ParcelReport)]
    assert len(reports) == len(messages)
    return reports


def one(sender: Sender, body: Any, headers: Mapping[str, str] | None = None) -> ParcelReport:
    (report,) = read(sender, body, headers)
    return report


def said(scan: Scan) -> tuple[ShipmentStatus | None, Reason | None]:
    return scan.status, scan.reason


# EasyPost


def detail(status: str, detail: str | None = None, **other: Any) -> Json:
    return {
        "object": "TrackingDetail",
        "message": "Somewhere on the way",
        "status": status,
        "status_detail": detail,
        "datetime": "2026-03-02T15:04:05Z",
        "carrier_code": None,
        "tracking_location": {"city": "RENO", "state": "NV", "country": "US", "zip": "89501"},
        **other,
    }


def tracker(*details: Json, **other: Any) -> Json:
    return {
        "id": "trk_1",
        "object": "Tracker",
        "tracking_code": "9400 1000 0000 0000 0000 00",
        "status": "in_transit",
        "carrier": "USPS",
        "updated_at": "2026-03-02T16:00:00Z",
        "signed_by": None,
        "est_delivery_date": "2026-03-05T00:00:00Z",
        "tracking_details": list(details),
        "carrier_detail": {
            "service": "First Class",
            "est_delivery_date_local": None,
            "destination_tracking_location": {"city": "ELKO", "state": "NV", "country": "US"},
        },
        "is_return": False,
        **other,
    }


def event(parcel: Json, **other: Any) -> Json:
    return {
        "id": "evt_1",
        "object": "Event",
        "description": "tracker.updated",
        "result": parcel,
        **other,
    }


def test_an_event_of_easypost_is_its_tracker() -> None:
    report = one(easypost.SENDER, event(tracker(detail("in_transit", "departed_facility"))))
    assert report == one(easypost.SENDER, tracker(detail("in_transit", "departed_facility")))
    assert (report.provider, report.carrier) == ("easypost", "usps")
    assert report.tracking_number == "9400100000000000000000"
    assert report.reported_at == utc(2026, 3, 2, 16)
    assert report.service == "First Class"
    assert report.destination == Place(city="ELKO", region="NV", country="US")
    (scan,) = report.scans
    assert scan.raw == "easypost:in_transit/departed_facility"
    assert scan.occurred_at == utc(2026, 3, 2, 15, 4, 5)
    assert scan.occurred_local == "2026-03-02T15:04:05Z"
    assert scan.place == Place(city="RENO", region="NV", postal_code="89501", country="US")


@pytest.mark.parametrize(
    ("made", "days", "since"),
    [
        # As EasyPost's own test trackers are: the delivery is dated before the label.
        (1, {"delivered": 2, "pre_transit": 5, "in_transit": 6}, 1),
        (4, {"delivered": 2, "pre_transit": 5}, 4),
        # A tracker that was made after its label says nothing of it.
        (6, {"delivered": 2, "pre_transit": 5}, None),
        (1, {"pre_transit": 5, "in_transit": 6}, None),
        (1, {"in_transit": 2}, None),
        (None, {"delivered": 2, "pre_transit": 5}, None),
    ],
)
def test_easypost_has_known_a_parcel_since_its_tracker_was_made(
    made: int | None, days: dict[str, int], since: int | None
) -> None:
    def on(day: int | None) -> str | None:
        return f"2026-03-{day:02}T12:00:00Z" if day else None

    history = [detail(status, datetime=on(day)) for status, day in days.items()]
    report = one(easypost.SENDER, tracker(*history, created_at=on(made)))
    told = report.label_created_at
    assert (told and told.day) == since


@pytest.mark.parametrize("status", easypost.STATUSES)
def test_every_status_of_easypost_has_its_meaning(status: str) -> None:
    (scan,) = one(easypost.SENDER, tracker(detail(status))).scans
    assert said(scan) == easypost.STATUSES[status]


@pytest.mark.parametrize("word", easypost.DETAILS)
def test_every_detail_of_easypost_is_more_exact_than_in_transit(word: str) -> None:
    (scan,) = one(easypost.SENDER, tracker(detail("in_transit", word))).scans
    assert said(scan) == easypost.DETAILS[word]


@pytest.mark.parametrize(
    ("status", "word", "expected"),
    [
        ("unknown", None, (S.PENDING, None)),
        ("unknown", "unknown", (S.PENDING, None)),
        ("unknown", "expired", (S.EXPIRED, None)),
        ("pre_transit", "status_update", (S.LABEL_CREATED, None)),
        ("in_transit", "received_at_origin_facility", (S.PICKED_UP, None)),
        ("in_transit", "arrived_at_facility", (S.IN_TRANSIT, None)),
        ("in_transit", "something_new", (S.IN_TRANSIT, None)),
        ("in_transit", "awaiting_information", (S.CUSTOMS, R.CUSTOMS_DOCUMENTS)),
        ("in_transit", "weather_delay", (S.DELAYED, R.WEATHER_DELAY)),
        ("in_transit", "missorted", (S.DELAYED, R.CARRIER_MISSORTED)),
        ("in_transit", "held", (S.ON_HOLD, R.UNKNOWN)),
        ("in_transit", "address_correction", (S.ON_HOLD, R.RECIPIENT_ADDRESS)),
        ("out_for_delivery", "arrived_at_destination", (S.OUT_FOR_DELIVERY, None)),
        ("failure", "delivery_exception", (S.DELIVERY_ATTEMPTED, R.UNKNOWN)),
        ("failure", "lost", (S.FAILED, R.CARRIER_LOST)),
        ("failure", "damaged", (S.FAILED, R.CARRIER_DAMAGED)),
        ("failure", None, (S.FAILED, R.UNKNOWN)),
        ("available_for_pickup", "arrived_at_destination", (S.AVAILABLE_FOR_PICKUP, None)),
        ("return_to_sender", "refused", (S.RETURNING, R.RECIPIENT_REFUSED)),
        ("delivered", "arrived_at_destination", (S.DELIVERED, None)),
        ("cancelled", "cancelled", (S.CANCELLED, None)),
        ("error", None, (None, None)),
        ("a_status_of_tomorrow", None, (None, None)),
    ],
)
def test_easypost_in_our_vocabulary(
    status: str, word: str | None, expected: tuple[ShipmentStatus | None, Reason | None]
) -> None:
    (scan,) = one(easypost.SENDER, tracker(detail(status, word))).scans
    assert said(scan) == expected


def test_the_carriers_own_code_comes_before_the_providers_summary() -> None:
    (scan,) = one(
        easypost.SENDER,
        tracker(
            detail("in_transit", "arrived_at_facility", carrier_code="PU"), carrier="FedEx Ground"
        ),
    ).scans
    assert (scan.status, scan.code) == (S.PICKED_UP, "PU")
    assert scan.raw == "easypost:in_transit/arrived_at_facility"


def test_a_code_that_nobody_has_mapped_leaves_the_summary() -> None:
    (scan,) = one(easypost.SENDER, tracker(detail("delivered", carrier_code="Q9"))).scans
    assert (scan.status, scan.code) == (S.DELIVERED, "Q9")


def test_a_code_that_takes_a_delivery_back_says_so() -> None:
    (scan,) = one(easypost.SENDER, tracker(detail("in_transit", carrier_code="ND"))).scans
    assert scan.reversal


def test_easyposts_utc_is_as_good_as_the_place_it_was_made_of() -> None:
    known, unknown = one(
        easypost.SENDER,
        tracker(
            detail("in_transit"),
            detail("pre_transit", tracking_location={"city": None, "country": None}),
        ),
    ).scans
    assert (known.tz_source, unknown.tz_source) == ("location", "utc_assumed")
    assert unknown.place is None


def test_a_delivery_of_a_parcel_that_turned_around_is_its_return() -> None:
    home = detail("delivered", datetime="2026-03-08T10:00:00Z")
    (scan,) = one(easypost.SENDER, tracker(home, status="return_to_sender")).scans
    assert scan.status is S.RETURNED


def test_only_what_is_delivered_after_the_turn_is_returned() -> None:
    delivered, turned, back = one(
        easypost.SENDER,
        tracker(
            detail("delivered", datetime="2026-03-03T10:00:00Z"),
            detail("return_to_sender", datetime="2026-03-05T10:00:00Z"),
            detail("delivered", datetime="2026-03-08T10:00:00Z"),
            status="return_to_sender",
        ),
    ).scans
    assert [delivered.status, turned.status, back.status] == [S.DELIVERED, S.RETURNING, S.RETURNED]


def test_a_parcel_of_a_return_is_delivered_like_any_other() -> None:
    report = one(easypost.SENDER, tracker(detail("delivered"), status="delivered", is_return=True))
    assert report.is_return
    assert report.scans[0].status is S.DELIVERED


def test_the_signature_is_on_the_delivery() -> None:
    out, delivered = one(
        easypost.SENDER,
        tracker(detail("out_for_delivery"), detail("delivered"), signed_by="J. DOE"),
    ).scans
    assert (out.signed_by, delivered.signed_by) == (None, "J. DOE")


@pytest.mark.parametrize(
    ("est", "local", "day"),
    [
        ("2026-03-05T00:00:00Z", None, date(2026, 3, 5)),
        ("2026-03-05T00:00:00Z", "2026-03-04", date(2026, 3, 4)),
        ("2026-03-05T03:00:00Z", None, date(2026, 3, 4)),
        (None, None, None),
        ("soon", None, None),
    ],
)
def test_easyposts_estimate_is_a_local_day(
    est: str | None, local: str | None, day: date | None
) -> None:
    parcel = tracker(detail("in_transit"), est_delivery_date=est)
    parcel["carrier_detail"]["est_delivery_date_local"] = local
    expected = Estimate(from_date=day, to_date=day) if day else None
    assert one(easypost.SENDER, parcel).estimate == expected


def test_repeats_within_a_history_are_one_scan() -> None:
    assert len(one(easypost.SENDER, tracker(detail("delivered"), detail("delivered"))).scans) == 1


@pytest.mark.parametrize(
    "document",
    [
        event({}),
        event(tracker(), result=None),
        tracker(tracking_code=None),
        tracker(tracking_code="  "),
        tracker(tracking_code="9" * 200),
        tracker(tracking_code=["9"]),
    ],
)
def test_easypost_without_a_parcel_is_unparseable(document: Json) -> None:
    with pytest.raises(Unparseable):
        read(easypost.SENDER, document)


def test_other_topics_of_easypost_say_nothing_of_parcels() -> None:
    assert read(easypost.SENDER, event({}, description="batch.created")) == []


def test_easypost_repeats_an_event_by_its_id_and_a_tracker_by_its_text() -> None:
    key = easypost.SENDER.dedupe_key
    assert key({}, body_of(event(tracker()))) == "evt_1"
    first, second = body_of(tracker()), body_of(tracker(status="delivered"))
    assert key({}, first) == key({}, first) != key({}, second)


# AfterShip


def checkpoint(tag: str, subtag: str | None = None, **other: Any) -> Json:
    return {
        "slug": "dpd",
        "city": "Mechelen",
        "country_region": "BEL",
        "checkpoint_time": "2026-03-02T15:04:05",
        "message": "Somewhere on the way",
        "tag": tag,
        "subtag": subtag,
        "raw_tag": None,
        **other,
    }


def update(*checkpoints: Json, event: str = "tracking_update", **other: Any) -> Json:
    return {
        "ts": 1772463845,
        "event": event,
        "event_id": "8f7a",
        "msg": {
            "tracking_number": "05300000000001",
            "slug": "dpd",
            "tag": "InTransit",
            "destination_country_region": "DEU",
            "updated_at": "2026-03-02T16:00:00+00:00",
            "checkpoints": list(checkpoints),
            **other,
        },
    }


def test_aftership_without_zones_is_dated_by_place_and_destination() -> None:
    there, nowhere = one(
        aftership.SENDER,
        update(
            checkpoint("InTransit"),
            checkpoint("InfoReceived", city=None, country_region=None),
        ),
    ).scans
    assert (there.occurred_at, there.tz_source) == (utc(2026, 3, 2, 14, 4, 5), "location")
    assert nowhere.tz_source == "destination_assumed"
    assert there.place == Place(city="Mechelen", country="BE")


@pytest.mark.parametrize("tag", aftership.TAGS)
def test_every_tag_of_aftership_has_its_meaning(tag: str) -> None:
    for subtag in (None, f"{tag}_999"):
        (scan,) = one(aftership.SENDER, update(checkpoint(tag, subtag))).scans
        assert said(scan) == aftership.TAGS[tag]


@pytest.mark.parametrize("subtag", aftership.SUBTAGS)
def test_every_subtag_of_aftership_has_its_meaning(subtag: str) -> None:
    tag = subtag.partition("_")[0]
    (scan,) = one(aftership.SENDER, update(checkpoint(tag, subtag))).scans
    assert said(scan) == aftership.SUBTAGS[subtag]
    assert scan.raw == f"aftership:{subtag}"


@pytest.mark.parametrize(
    ("subtag", "expected"),
    [
        ("Pending_003", S.PENDING),
        ("InfoReceived_001", S.LABEL_CREATED),
        ("InTransit_001", S.IN_TRANSIT),
        ("InTransit_002", S.PICKED_UP),
        ("InTransit_005", S.CUSTOMS),
        ("InTransit_006", S.CUSTOMS),
        ("InTransit_009", S.IN_TRANSIT),
        ("OutForDelivery_003", S.OUT_FOR_DELIVERY),
        ("AttemptFail_002", S.DELIVERY_ATTEMPTED),
        ("AvailableForPickup_001", S.AVAILABLE_FOR_PICKUP),
        ("Delivered_002", S.DELIVERED),
        ("Delivered_005", S.DELIVERED),
        ("Exception_004", S.CUSTOMS),
        ("Exception_005", S.DELAYED),
        ("Exception_006", S.ON_HOLD),
        ("Exception_007", S.ON_HOLD),
        ("Exception_010", S.RETURNING),
        ("Exception_011", S.RETURNED),
        ("Exception_012", S.FAILED),
        ("Exception_013", S.FAILED),
        ("Exception_016", S.DELAYED),
        ("Exception_017", S.DELAYED),
        ("Exception_018", S.ON_HOLD),
        ("Exception_019", S.DELAYED),
        ("Exception_020", S.CANCELLED),
        ("Exception_021", S.FAILED),
        ("Expired_001", S.EXPIRED),
        ("Teleported_001", None),
    ],
)
def test_aftership_in_our_vocabulary(subtag: str, expected: ShipmentStatus | None) -> None:
    (scan,) = one(aftership.SENDER, update(checkpoint("", subtag))).scans
    assert scan.status is expected


def test_a_raw_tag_that_looks_like_a_code_is_the_carriers() -> None:
    coded, told = one(
        aftership.SENDER,
        update(
            checkpoint("InTransit", raw_tag="PickedUp"),
            checkpoint("InTransit", raw_tag="Parcel handed to us"),
        ),
    ).scans
    assert (coded.status, coded.code) == (S.PICKED_UP, "PickedUp")
    assert (told.status, told.code) == (S.IN_TRANSIT, None)


def test_a_code_is_of_the_carrier_of_its_leg() -> None:
    (scan,) = one(
        aftership.SENDER, update(checkpoint("InTransit", slug="usps", raw_tag="03"), slug="dpd")
    ).scans
    assert scan.status is S.PICKED_UP


def test_a_revised_estimate_of_aftership_is_a_window_with_its_source() -> None:
    report = one(
        aftership.SENDER,
        update(
            event="edd_revise",
            first_estimated_delivery={"type": "specific", "datetime": "2026-03-04"},
            latest_estimated_delivery={
                "type": "range",
                "source": "AfterShip AI",
                "datetime": "2026-03-06T00:00:00Z",
                "datetime_min": "2026-03-05T00:00:00Z",
                "datetime_max": "2026-03-07T23:59:59Z",
            },
        ),
    )
    assert report.scans == ()
    assert report.reported_at == utc(2026, 3, 2, 16)
    assert report.estimate == Estimate(
        from_date=date(2026, 3, 5), to_date=date(2026, 3, 7), source="provider"
    )
    assert report.first_estimate == Estimate(
        from_date=date(2026, 3, 4), to_date=date(2026, 3, 4), source="carrier"
    )


@pytest.mark.parametrize(
    "older",
    [
        {"expected_delivery": "2026-03-05"},
        {"courier_estimated_delivery_date": {"estimated_delivery_date": "2026-03-05T00:00:00"}},
    ],
)
def test_aftership_of_before_has_an_estimate_too(older: Json) -> None:
    assert one(aftership.SENDER, update(**older)).estimate == Estimate(
        from_date=date(2026, 3, 5), to_date=date(2026, 3, 5)
    )


def test_aftership_knows_what_turned_around_and_what_is_a_return() -> None:
    report = one(
        aftership.SENDER,
        update(checkpoint("Delivered"), return_to_sender=True, shipment_direction="return"),
    )
    assert report.is_return
    assert report.scans[0].status is S.RETURNED


def test_aftership_without_a_number_is_unparseable() -> None:
    with pytest.raises(Unparseable):
        read(aftership.SENDER, update(tracking_number=None))


def test_aftership_that_waits_says_nothing() -> None:
    assert read(aftership.SENDER, update(event="tracking_pending_time")) == []


def test_aftership_repeats_by_event_id_or_id() -> None:
    key = aftership.SENDER.dedupe_key
    assert key({}, body_of({"event_id": "a", "id": "b"})) == "a"
    assert key({}, body_of({"id": "b"})) == "b"
    assert key({}, b"{}") == documents.digest(b"{}")


# Shippo


def tracked(status: str, substatus: str | None = None, **other: Any) -> Json:
    return {
        "object_id": "e1",
        "object_updated": "2026-03-02T16:00:00Z",
        "status": status,
        "status_details": "Somewhere on the way",
        "status_date": "2026-03-02T15:04:05Z",
        "substatus": {"code": substatus, "text": "x", "action_required": False}
        if substatus
        else None,
        "location": {"city": "Reno", "state": "NV", "zip": "89501", "country": "US"},
        **other,
    }


def track(*events: Json, **other: Any) -> Json:
    return {
        "event": "track_updated",
        "test": False,
        "data": {
            "carrier": "usps",
            "tracking_number": "9400100000000000000000",
            "eta": "2026-03-06T00:00:00Z",
            "original_eta": "2026-03-05T00:00:00Z",
            "address_to": {"city": "Elko", "state": "NV", "zip": "89801", "country": "US"},
            "servicelevel": {"name": "Priority Mail", "token": "usps_priority"},
            "tracking_history": list(events),
            "tracking_status": events[-1] if events else None,
            **other,
        },
    }


@pytest.mark.parametrize("status", shippo.STATUSES)
def test_every_status_of_shippo_has_its_meaning(status: str) -> None:
    (scan,) = one(shippo.SENDER, track(tracked(status))).scans
    assert said(scan) == shippo.STATUSES[status]


@pytest.mark.parametrize("word", shippo.SUBSTATUSES)
def test_every_substatus_of_shippo_has_its_meaning(word: str) -> None:
    (scan,) = one(shippo.SENDER, track(tracked("FAILURE", word))).scans
    assert said(scan) == shippo.SUBSTATUSES[word]
    assert scan.raw == f"shippo:FAILURE/{word}"


@pytest.mark.parametrize(
    ("status", "word", "act", "expected"),
    [
        ("UNKNOWN", None, False, (S.PENDING, None)),
        ("PRE_TRANSIT", "information_received", False, (S.LABEL_CREATED, None)),
        ("TRANSIT", "package_accepted", False, (S.PICKED_UP, None)),
        ("TRANSIT", "out_for_delivery", False, (S.OUT_FOR_DELIVERY, None)),
        ("TRANSIT", "pickup_available", True, (S.AVAILABLE_FOR_PICKUP, None)),
        ("TRANSIT", "package_damaged", False, (S.DELAYED, R.CARRIER_DAMAGED)),
        ("TRANSIT", "of_tomorrow", False, (S.IN_TRANSIT, None)),
        ("DELIVERED", "delivered", False, (S.DELIVERED, None)),
        ("RETURNED", "return_to_sender", False, (S.RETURNING, None)),
        ("RETURNED", "package_unclaimed", True, (S.RETURNING, R.RECIPIENT_NOT_COLLECTED)),
        ("FAILURE", "package_lost", False, (S.FAILED, R.CARRIER_LOST)),
        ("FAILURE", "other", True, (S.ON_HOLD, R.UNKNOWN)),
        ("FAILURE", "other", False, (S.FAILED, R.UNKNOWN)),
        ("TOMORROW", None, False, (None, None)),
    ],
)
def test_shippo_in_our_vocabulary(
    status: str,
    word: str | None,
    act: bool,
    expected: tuple[ShipmentStatus | None, Reason | None],
) -> None:
    told = tracked(status, word)
    if word:
        told["substatus"]["action_required"] = act
    assert said(one(shippo.SENDER, track(told)).scans[0]) == expected


def test_shippos_newest_event_is_one_of_its_history() -> None:
    history = [tracked("PRE_TRANSIT", object_id="e0"), tracked("TRANSIT", "package_accepted")]
    assert len(one(shippo.SENDER, track(*history)).scans) == 2


@pytest.mark.parametrize("missing", [{}, {"status_date": None}, {"status_date": "n/a"}])
def test_an_event_of_shippo_without_a_date_is_kept_undated(missing: Json) -> None:
    told = {**tracked("TRANSIT"), "status_date": None, **missing}
    (scan,) = one(shippo.SENDER, track(told)).scans
    assert (scan.occurred_at, scan.precision, scan.status) == (None, "none", S.IN_TRANSIT)
    assert scan.occurred_local == (missing.get("status_date") or "")


def test_shippos_estimates_are_the_days_that_it_wrote() -> None:
    report = one(shippo.SENDER, track(tracked("TRANSIT")))
    assert report.estimate == Estimate(from_date=date(2026, 3, 6), to_date=date(2026, 3, 6))
    assert report.first_estimate == Estimate(from_date=date(2026, 3, 5), to_date=date(2026, 3, 5))
    assert report.reported_at == utc(2026, 3, 2, 16)
    assert report.service == "Priority Mail"


def test_shippo_repeats_by_carrier_number_and_event() -> None:
    key = shippo.SENDER.dedupe_key
    body = body_of(track(tracked("TRANSIT")))
    assert key({}, body) == "usps|9400100000000000000000|e1"
    incomplete = body_of(track())
    assert key({}, incomplete) == documents.digest(incomplete)


def test_shippo_without_a_number_is_unparseable() -> None:
    with pytest.raises(Unparseable):
        read(shippo.SENDER, track(tracking_number=""))


# UPS


def activity(code: str, kind: str, status: str | None = None, **other: Any) -> Json:
    return {
        "date": "20260302",
        "time": "101112",
        "location": {"address": {"city": "Wayne", "stateProvince": "NJ", "countryCode": "US"}},
        "status": {
            "type": kind,
            "code": code,
            "statusCode": status,
            "description": "On the way",
        },
        **other,
    }


def ups_answer(*activities: Json, **other: Any) -> Json:
    package = {
        "trackingNumber": "1Z999AA10000000001",
        "activity": list(activities),
        "service": {"code": "518", "description": "UPS Ground"},
        "packageAddress": [
            {"type": "ORIGIN", "address": {"countryCode": "US"}},
            {"type": "DESTINATION", "address": {"city": "Reno", "countryCode": "US"}},
        ],
        **other,
    }
    return {"trackResponse": {"shipment": [{"inquiryNumber": "1Z9", "package": [package]}]}}


@pytest.mark.parametrize(
    ("code", "kind", "status", "expected"),
    [
        ("MP", "M", None, (S.LABEL_CREATED, None)),
        ("OR", "I", "005", (S.IN_TRANSIT, None)),
        ("OT", "I", "021", (S.OUT_FOR_DELIVERY, None)),
        ("SR", "X", "003", (S.CUSTOMS, None)),
        ("Q1", "X", "052", (S.DELAYED, R.WEATHER_DELAY)),
        ("Q1", "I", "060", (S.DELIVERY_ATTEMPTED, R.RECIPIENT_ABSENT)),
        ("Q1", "D", None, (S.DELIVERED, None)),
        ("Q1", "X", None, (S.DELAYED, R.CARRIER_EXCEPTION)),
        ("Q1", "?", None, (None, None)),
    ],
)
def test_ups_in_our_vocabulary(
    code: str,
    kind: str,
    status: str | None,
    expected: tuple[ShipmentStatus | None, Reason | None],
) -> None:
    (scan,) = one(ups.SENDER, ups_answer(activity(code, kind, status))).scans
    assert said(scan) == expected
    assert scan.raw == "ups:" + "/".join(part for part in (code, status, kind) if part)


@pytest.mark.parametrize("kind", ups.TYPES)
def test_every_type_of_ups_has_its_meaning(kind: str) -> None:
    (scan,) = one(ups.SENDER, ups_answer(activity("Q1", kind))).scans
    assert said(scan) == ups.TYPES[kind]


@pytest.mark.parametrize(
    ("told", "instant", "source"),
    [
        (
            {"gmtDate": "20260302", "gmtTime": "15:11:12", "gmtOffset": "-05:00"},
            15,
            "carrier_offset",
        ),
        ({"gmtOffset": "-07:00"}, 17, "carrier_offset"),
        ({}, 15, "location"),
    ],
)
def test_ups_is_dated_by_its_own_gmt_where_it_tells_it(
    told: Json, instant: int, source: str
) -> None:
    (scan,) = one(ups.SENDER, ups_answer(activity("OR", "I", **told))).scans
    assert (scan.occurred_at, scan.tz_source) == (utc(2026, 3, 2, instant, 11, 12), source)
    assert scan.occurred_local == "20260302 101112"


def test_ups_without_a_time_of_day_is_a_day() -> None:
    (scan,) = one(ups.SENDER, ups_answer(activity("OR", "I", time=None))).scans
    assert (scan.occurred_at, scan.precision) == (utc(2026, 3, 2, 5), "day")


def test_ups_tells_the_receiver_and_both_estimates() -> None:
    report = one(
        ups.SENDER,
        ups_answer(
            activity("OT", "I"),
            activity("FS", "D"),
            deliveryInformation={"receivedBy": "DOE"},
            deliveryDate=[{"type": "SDD", "date": "20260304"}, {"type": "RDD", "date": "20260305"}],
        ),
    )
    assert [scan.signed_by for scan in report.scans] == [None, "DOE"]
    assert report.estimate == Estimate(from_date=date(2026, 3, 5), to_date=date(2026, 3, 5))
    assert report.first_estimate == Estimate(from_date=date(2026, 3, 4), to_date=date(2026, 3, 4))
    assert report.destination == Place(city="Reno", country="US")


def test_a_track_alert_is_one_scan() -> None:
    report = one(
        ups.SENDER,
        {
            "trackingNumber": " 1Z999AA10000000001",
            "localActivityDate": "20260302",
            "localActivityTime": "232901",
            "gmtActivityDate": "20260303",
            "gmtActivityTime": "042901",
            "activityLocation": {"city": "Hickory", "stateProvince": "NC", "country": "US"},
            "activityStatus": {"type": "I", "code": "OR", "descriptionCode": "005"},
            "scheduledDeliveryDate": "20260304",
            "actualDeliveryDate": "",
        },
    )
    assert report.tracking_number == "1Z999AA10000000001"
    assert report.estimate == Estimate(from_date=date(2026, 3, 4), to_date=date(2026, 3, 4))
    (scan,) = report.scans
    assert (scan.status, scan.occurred_at) == (S.IN_TRANSIT, utc(2026, 3, 3, 4, 29, 1))


@pytest.mark.parametrize(
    "document",
    [
        {"response": {"errors": [{"code": "250003", "message": "Invalid licence"}]}},
        {"trackResponse": {"shipment": [{"warnings": [{"code": "TW0001"}]}]}},
    ],
)
def test_an_error_of_ups_is_understood_and_says_nothing(document: Json) -> None:
    assert read(ups.SENDER, document) == []


# FedEx


def fedex_scan(code: str, **other: Any) -> Json:
    return {
        "date": "2026-03-02T12:01:00-07:00",
        "eventType": code,
        "eventDescription": "On the way",
        "scanLocation": {"city": "SEATTLE", "stateOrProvinceCode": "WA", "countryCode": "US"},
        **other,
    }


def fedex_result(number: str, *scans: Json, **other: Any) -> Json:
    return {
        "trackingNumberInfo": {"trackingNumber": number},
        "scanEvents": list(scans),
        **other,
    }


def fedex_answer(number: str, *results: Json) -> Json:
    asked = {"trackingNumber": number, "trackResults": list(results)}
    return {"output": {"completeTrackResults": [asked]}}


def test_fedex_tells_its_offset() -> None:
    (scan,) = one(fedex.SENDER, fedex_answer("1", fedex_result("1", fedex_scan("PU")))).scans
    assert (scan.status, scan.occurred_at) == (S.PICKED_UP, utc(2026, 3, 2, 19, 1))
    assert scan.tz_source == "carrier_offset"


@pytest.mark.parametrize(
    ("scan", "expected"),
    [
        (fedex_scan("DE", exceptionCode="08"), (S.DELIVERY_ATTEMPTED, R.RECIPIENT_ABSENT)),
        (fedex_scan("DE", exceptionCode="07"), (S.DELIVERY_ATTEMPTED, R.RECIPIENT_REFUSED)),
        (fedex_scan("DE"), (S.DELIVERY_ATTEMPTED, None)),
        (fedex_scan("SE", delayDetail={"type": "WEATHER"}), (S.DELAYED, R.WEATHER_DELAY)),
        (fedex_scan("SE"), (S.DELAYED, R.CARRIER_EXCEPTION)),
        # What goes well needs no reason, whatever is said beside it.
        (
            fedex_scan("PU", exceptionCode="08", delayDetail={"type": "WEATHER"}),
            (S.PICKED_UP, None),
        ),
        (fedex_scan("??", derivedStatusCode="OD"), (S.OUT_FOR_DELIVERY, None)),
        (fedex_scan("??"), (None, None)),
    ],
)
def test_fedex_in_our_vocabulary(
    scan: Json, expected: tuple[ShipmentStatus | None, Reason | None]
) -> None:
    (found,) = one(fedex.SENDER, fedex_answer("1", fedex_result("1", scan))).scans
    assert said(found) == expected


@pytest.mark.parametrize("kind", fedex.DELAYS)
def test_every_delay_of_fedex_has_its_reason(kind: str) -> None:
    scan = fedex_scan("DY", delayDetail={"type": kind})
    (found,) = one(fedex.SENDER, fedex_answer("1", fedex_result("1", scan))).scans
    assert found.reason is fedex.DELAYS[kind]


def test_pieces_of_fedex_are_parcels_of_their_own() -> None:
    pieces = [fedex_result("1", fedex_scan("PU")), fedex_result("2", fedex_scan("PU"))]
    reports = read(fedex.SENDER, fedex_answer("1", *pieces))
    assert [report.tracking_number for report in reports] == ["1", "2"]


def test_fedex_tells_the_signature_and_the_window() -> None:
    report = one(
        fedex.SENDER,
        fedex_answer(
            "1",
            fedex_result(
                "other",
                fedex_scan("DL"),
                deliveryDetails={"signedByName": "DOE", "receivedByName": "ROE"},
                estimatedDeliveryTimeWindow={
                    "window": {"begins": "2026-03-04T08:00:00", "ends": "2026-03-05T20:00:00-06:00"}
                },
                dateAndTimes=[{"type": "COMMITMENT", "dateTime": "2026-03-03T00:00:00-06:00"}],
            ),
        ),
    )
    # One result is the parcel that was asked for.
    assert report.tracking_number == "1"
    assert report.scans[0].signed_by == "DOE"
    assert report.estimate == Estimate(from_date=date(2026, 3, 4), to_date=date(2026, 3, 5))
    assert report.first_estimate == Estimate(from_date=date(2026, 3, 3), to_date=date(2026, 3, 3))


@pytest.mark.parametrize(
    "document",
    [
        {"errors": [{"code": "TRACKING.TRACKINGNUMBER.EMPTY"}]},
        fedex_answer("1", {"error": {"code": "TRACKING.TRACKINGNUMBER.NOTFOUND"}}),
        {"output": {"documentType": "SIGNATURE_PROOF_OF_DELIVERY"}},
    ],
)
def test_an_error_of_fedex_is_understood_and_says_nothing(document: Json) -> None:
    assert read(fedex.SENDER, document) == []


# USPS


def usps_event(code: str, **other: Any) -> Json:
    return {
        "eventCode": code,
        "eventType": "On the way",
        "eventTimestamp": "2026-03-02T10:11:00",
        "GMTTimestamp": "2026-03-02T15:11:12Z",
        "GMTOffset": "-05:00",
        "eventCity": "ALBANY",
        "eventState": "NY",
        "eventZIP": "12201",
        "eventCountry": None,
        **other,
    }


def usps_answer(*events: Json, **other: Any) -> Json:
    return {
        "trackingNumber": "9400100000000000000000",
        "mailClass": "USPS Ground Advantage<SUP>&#153;</SUP>",
        "destinationCity": "RENO",
        "destinationState": "NV",
        "destinationZIP": "89501",
        "trackingEvents": list(events),
        **other,
    }


def test_usps_is_dated_by_its_gmt() -> None:
    report = one(usps.SENDER, usps_answer(usps_event("OF")))
    assert report.service == "USPS Ground Advantage"
    assert report.destination == Place(city="RENO", region="NV", postal_code="89501", country="US")
    (scan,) = report.scans
    assert (scan.status, scan.occurred_at) == (S.OUT_FOR_DELIVERY, utc(2026, 3, 2, 15, 11, 12))
    assert (scan.occurred_local, scan.tz_source) == ("2026-03-02T10:11:00", "carrier_offset")
    assert scan.place
    assert scan.place.country == "US"


@pytest.mark.parametrize(
    ("missing", "hour", "source"),
    [
        ({"GMTTimestamp": None}, 15, "carrier_offset"),
        ({"GMTTimestamp": None, "GMTOffset": None}, 15, "location"),
        (
            {"GMTTimestamp": None, "GMTOffset": None, "eventCity": None, "eventState": None},
            18,
            "destination_assumed",
        ),
    ],
)
def test_usps_without_its_gmt_is_dated_by_the_next_best(
    missing: Json, hour: int, source: str
) -> None:
    (scan,) = one(usps.SENDER, usps_answer(usps_event("OF", **missing))).scans
    assert (scan.occurred_at, scan.tz_source) == (utc(2026, 3, 2, hour, 11), source)


def test_usps_back_at_the_sender_is_returned_and_signed() -> None:
    turned, back = one(
        usps.SENDER,
        usps_answer(
            usps_event("09", GMTTimestamp="2026-03-02T15:00:00Z"),
            usps_event("01", GMTTimestamp="2026-03-05T15:00:00Z", name="DOE"),
        ),
    ).scans
    assert (turned.status, back.status) == (S.RETURNING, S.RETURNED)
    assert (turned.signed_by, back.signed_by) == (None, "DOE")


def test_usps_estimates_are_believed_in_order() -> None:
    expectation = {"guaranteedDeliveryDate": "2026-03-07", "expectedDeliveryDate": "2026-03-05"}
    report = one(usps.SENDER, usps_answer(deliveryDateExpectation=expectation))
    assert report.estimate == Estimate(from_date=date(2026, 3, 5), to_date=date(2026, 3, 5))


def test_usps_without_a_number_is_unparseable() -> None:
    with pytest.raises(Unparseable):
        read(usps.SENDER, usps_answer(trackingNumber=None))


def test_usps_answers_for_many_leave_out_its_errors() -> None:
    reports = read(usps.SENDER, [usps_answer(), {"trackingNumber": "1", "error": {"code": "x"}}])
    assert [report.tracking_number for report in reports] == ["9400100000000000000000"]


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "3", "error": {"code": "x"}},
        {"error": "invalid_client"},
        {"trackingNumber": "1", "error": {"code": "x"}},
    ],
)
def test_an_error_of_usps_is_understood_and_says_nothing(document: Json) -> None:
    assert read(usps.SENDER, document) == []


# DHL Express


def dhl_event(code: str, day: str, clock: str, area: str, signatory: str = "") -> str:
    return (
        f"<ShipmentEvent><Date>{day}</Date><Time>{clock}</Time><ServiceEvent>"
        f"<EventCode>{code}</EventCode><Description>On\n   the way</Description></ServiceEvent>"
        f"<Signatory>{signatory}</Signatory><ServiceArea><ServiceAreaCode>X</ServiceAreaCode>"
        f"<Description>{area} </Description></ServiceArea></ShipmentEvent>"
    )


def waybill(number: str, *events: str, more: str = "") -> str:
    return (
        f"<AWBInfo><AWBNumber>{number}</AWBNumber><Status><ActionStatus>success</ActionStatus>"
        f"</Status><ShipmentInfo>{more}{''.join(events)}</ShipmentInfo></AWBInfo>"
    )


def dhl_answer(*waybills: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<req:TrackingResponse xmlns:req="http://www.dhl.com"><Response><ServiceHeader>'
        "<MessageTime>2026-03-02T11:28:56-08:00</MessageTime></ServiceHeader></Response>"
        f"{''.join(waybills)}</req:TrackingResponse>"
    ).encode()


def test_dhl_answers_for_many_are_dated_by_their_places() -> None:
    first, second = read(
        dhl_express.SENDER,
        dhl_answer(
            waybill(
                "1000000001",
                dhl_event("PU", "2026-03-02", "10:11:12", "Barcelona - Spain", "960528602"),
                dhl_event("OK", "2026-07-02", "10:11:12", "KINGSTON-JAM", "CAMPAGNA"),
            ),
            waybill(
                "1000000002",
                dhl_event("WC", "2026-03-02", "10:11:12", "SPRINGFIELD GARDENS,NY-USA"),
            ),
        ),
    )
    assert first.reported_at == utc(2026, 3, 2, 19, 28, 56)
    picked_up, delivered = first.scans
    assert (picked_up.status, picked_up.occurred_at) == (S.PICKED_UP, utc(2026, 3, 2, 9, 11, 12))
    assert picked_up.place == Place(city="Barcelona", country="ES")
    assert picked_up.description == "On the way"
    # A signatory is a person only where something was delivered.
    assert (picked_up.signed_by, delivered.signed_by) == (None, "CAMPAGNA")
    assert (delivered.occurred_at, delivered.tz_source) == (utc(2026, 7, 2, 15, 11, 12), "location")
    (out,) = second.scans
    assert out.place == Place(city="SPRINGFIELD GARDENS", region="NY", country="US")
    assert out.occurred_at == utc(2026, 3, 2, 15, 11, 12)


def test_a_number_is_no_signature_of_a_delivery() -> None:
    delivered = dhl_event("OK", "2026-03-02", "10:11:12", "Milan - Italy", "21.20")
    (scan,) = one(dhl_express.SENDER, dhl_answer(waybill("1", delivered))).scans
    assert scan.signed_by is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Hong Kong - Hong Kong", Place(city="Hong Kong", country="HK")),
        ("Singapore", Place(city="Singapore", country="SG")),
        ("Stratford-upon-Avon", Place(city="Stratford-upon-Avon")),
        ("Baden-Baden - Germany", Place(city="Baden-Baden", country="DE")),
        (None, None),
    ],
)
def test_areas_of_dhl_are_places(written: str | None, expected: Place | None) -> None:
    assert dhl_express.area(written) == expected


def test_dhl_estimates_are_local_days() -> None:
    more = "<EstDlvyDate>2026-03-07 23:59:00 GMT-04:00</EstDlvyDate><Consignee><City>X</City>" + (
        "<CountryCode>US</CountryCode></Consignee>"
    )
    report = one(dhl_express.SENDER, dhl_answer(waybill("1", more=more)))
    assert report.estimate == Estimate(from_date=date(2026, 3, 7), to_date=date(2026, 3, 7))
    assert report.destination == Place(city="X", country="US")


@pytest.mark.parametrize(
    "body",
    [
        b"<r:ShipmentTrackingErrorResponse xmlns:r='http://www.dhl.com'/>",
        dhl_answer("<AWBInfo><AWBNumber/><Status>No Shipments Found</Status></AWBInfo>"),
        body_of({"title": "No result found", "status": 404, "detail": "x"}),
    ],
)
def test_an_error_of_dhl_is_understood_and_says_nothing(body: bytes) -> None:
    assert read(dhl_express.SENDER, body) == []


def unified(*events: Json, **other: Any) -> Json:
    shipment = {
        "id": "1000000001",
        "service": "express",
        "events": list(events),
        "estimatedDeliveryTimeFrame": {
            "estimatedFrom": "2026-03-05T09:00:00+01:00",
            "estimatedThrough": "2026-03-06T18:00:00+01:00",
        },
        "destination": {"address": {"addressLocality": "Berlin", "countryCode": "DE"}},
        "details": {"proofOfDelivery": {"signed": {"givenName": "A.", "familyName": "Doe"}}},
        **other,
    }
    return {"shipments": [shipment]}


@pytest.mark.parametrize("word", dhl_express.STATUSES)
def test_every_status_of_dhls_unified_api_has_its_meaning(word: str) -> None:
    told = {
        "timestamp": "2026-03-02T10:11:12",
        "statusCode": word,
        "location": {"address": {"addressLocality": "Leipzig - Germany"}},
    }
    report = one(dhl_express.SENDER, unified(told))
    (scan,) = report.scans
    assert said(scan) == dhl_express.STATUSES[word]
    assert scan.occurred_at == utc(2026, 3, 2, 9, 11, 12)
    assert scan.signed_by == ("A. Doe" if word == "delivered" else None)
    assert report.estimate == Estimate(from_date=date(2026, 3, 5), to_date=date(2026, 3, 6))


def test_dhls_unified_api_knows_other_houses_of_dhl() -> None:
    assert one(dhl_express.SENDER, unified()).carrier == "dhl_express"
    assert one(dhl_express.SENDER, unified(service="ecommerce")).carrier == "dhl_ecommerce"


# DPD


def dpd_status(code: str, when: str, where: str = "Puurs (BE)", reached: str = "true") -> str:
    return (
        f"<statusInfo><status>{code}</status><label><content>Label</content></label>"
        "<description><content><content>On the way</content></content></description>"
        f"<statusHasBeenReached>{reached}</statusHasBeenReached>"
        f"<location><content>{where}</content></location>"
        f"<date><content>{when}</content></date></statusInfo>"
    )


def dpd_answer(*statuses: str) -> bytes:
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        '<getTrackingDataResponse xmlns="http://dpd.com/common/service/types/'
        'ParcelLifeCycleService/2.0"><trackingresult><shipmentInfo><serviceDescription><content>'
        "<content>DPD CLASSIC</content></content></serviceDescription><status>SHIPMENT</status>"
        f"</shipmentInfo>{''.join(statuses)}</trackingresult></getTrackingDataResponse>"
        "</soap:Body></soap:Envelope>"
    ).encode()


ASKED = {dpd.NUMBER_HEADER: "0530 0000 0000 01"}


@pytest.mark.parametrize(
    ("written", "instant", "precision"),
    [
        ("8/17/2026 7:11:26 PM", utc(2026, 8, 17, 17, 11, 26), "second"),
        ("8/17/2026 12:11:26 AM", utc(2026, 8, 16, 22, 11, 26), "second"),
        ("8/17/2026 12:11 PM", utc(2026, 8, 17, 10, 11), "minute"),
        ("8/17/2026", utc(2026, 8, 16, 22), "day"),
        ("2026-08-17T19:11:26", utc(2026, 8, 17, 17, 11, 26), "second"),
        ("17/8/2026 19:11", None, "none"),
        ("13/13/2026 1:00:00 PM", None, "none"),
        ("", None, "none"),
    ],
)
def test_dpd_writes_american_times_of_local_places(
    written: str, instant: datetime | None, precision: str
) -> None:
    (scan,) = one(dpd.SENDER, dpd_answer(dpd_status("Courier", written)), ASKED).scans
    assert (scan.occurred_at, scan.precision) == (instant, precision)
    assert scan.occurred_local == written
    assert scan.place == Place(city="Puurs", country="BE")


def test_dpd_is_asked_for_a_number_and_does_not_repeat_it() -> None:
    body = dpd_answer(dpd_status("BetweenDepots", "8/17/2026 7:11:26 PM"))
    asked = one(dpd.SENDER, body, ASKED)
    assert (asked.tracking_number, asked.service) == ("05300000000001", "DPD CLASSIC")
    with pytest.raises(Unparseable):
        read(dpd.SENDER, body)
    assert dpd.SENDER.dedupe_key(ASKED, body) != dpd.SENDER.dedupe_key({}, body)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("PickedUp", S.PICKED_UP),
        ("BetweenDepots", S.IN_TRANSIT),
        ("Depot", S.IN_TRANSIT),
        ("Courier", S.OUT_FOR_DELIVERY),
        ("DeliveryFailure", S.DELIVERY_ATTEMPTED),
        ("ReturningFromDelivery", S.DELIVERY_ATTEMPTED),
        ("ParcelShop", S.AVAILABLE_FOR_PICKUP),
        ("Delivered", S.DELIVERED),
        ("Tomorrow", None),
    ],
)
def test_dpd_in_our_vocabulary(code: str, expected: ShipmentStatus | None) -> None:
    (scan,) = one(dpd.SENDER, dpd_answer(dpd_status(code, "8/17/2026 7:11:26 PM")), ASKED).scans
    assert scan.status is expected


def test_what_dpd_has_not_reached_has_not_happened() -> None:
    assert (
        one(dpd.SENDER, dpd_answer(dpd_status("Delivered", "", reached="false")), ASKED).scans == ()
    )


def test_a_fault_of_dpd_is_understood_and_says_nothing() -> None:
    fault = (
        b'<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        b"<soap:Fault><faultstring>x</faultstring></soap:Fault></soap:Body></soap:Envelope>"
    )
    assert read(dpd.SENDER, fault) == []


# All of them

JSON_BODIES: dict[Sender, Any] = {
    easypost.SENDER: event(tracker(detail("delivered", "return", carrier_code="01"))),
    aftership.SENDER: update(
        checkpoint("Delivered", "Delivered_001", raw_tag="X"),
        latest_estimated_delivery={"datetime": "2026-03-05"},
    ),
    shippo.SENDER: track(tracked("TRANSIT", "package_accepted")),
    ups.SENDER: ups_answer(activity("OR", "I", "005"), deliveryDate=[{"type": "SDD"}]),
    fedex.SENDER: fedex_answer("1", fedex_result("1", fedex_scan("PU"))),
    usps.SENDER: usps_answer(usps_event("01")),
    dhl_express.SENDER: unified({"statusCode": "transit", "timestamp": "2026-03-02T10:11:12"}),
}
XML_BODIES: dict[Sender, bytes] = {
    dhl_express.SENDER: dhl_answer(waybill("1", dhl_event("OK", "2026-03-02", "10:11", "X - Y"))),
    dpd.SENDER: dpd_answer(dpd_status("Courier", "8/17/2026 7:11:26 PM")),
}
SENDERS = sorted({*JSON_BODIES, *XML_BODIES}, key=lambda sender: sender.name)

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud800", "2026-03-02", "2026-03-02T10:00:00Z", "0001-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def attempt(sender: Sender, body: bytes) -> None:
    """Whatever comes, it is read or refused as unparseable."""
    topic = sender.topic_of(ASKED, body)
    assert isinstance(topic, str)
    assert sender.dedupe_key(ASKED, body) == sender.dedupe_key(ASKED, body) != ""
    for tried in {topic, *(sender.topics or ())}:
        try:
            messages = sender.parse(tried, ASKED, body)
        except Unparseable:
            continue
        assert all(isinstance(message, ParcelReport) for message in messages)


def paths(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items: Any = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = enumerate(document)
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def changed(document: Any, path: tuple[Any, ...], value: Any = ..., **other: Any) -> Any:
    """Return the document without a field, or with another value there, or with more beside it."""
    copied = copy.deepcopy(document)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    if value is ...:
        del parent[path[-1]]
    else:
        parent[path[-1]] = value
    if isinstance(parent, dict):
        parent.update(other)
    return copied


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
@given(body=st.binary(max_size=60) | anything.map(lambda value: json.dumps(value).encode()))
def test_no_body_at_all_breaks_a_sender(sender: Sender, body: bytes) -> None:
    attempt(sender, body)


@pytest.mark.parametrize("sender", JSON_BODIES, ids=lambda sender: sender.name)
def test_any_field_may_be_missing_or_null(sender: Sender) -> None:
    for path in paths(JSON_BODIES[sender]):
        attempt(sender, body_of(changed(JSON_BODIES[sender], path)))
        attempt(sender, body_of(changed(JSON_BODIES[sender], path, None)))


@pytest.mark.parametrize("sender", JSON_BODIES, ids=lambda sender: sender.name)
@given(data=st.data())
def test_any_field_may_be_anything(sender: Sender, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(list(paths(JSON_BODIES[sender]))))
    attempt(sender, body_of(changed(JSON_BODIES[sender], path, data.draw(anything))))


@pytest.mark.parametrize("sender", JSON_BODIES, ids=lambda sender: sender.name)
def test_a_field_of_tomorrow_changes_nothing(sender: Sender) -> None:
    document = JSON_BODIES[sender]
    known = read(sender, document)
    assert known
    for path in paths(document):
        value = document
        for key in path:
            value = value[key]
        assert read(sender, changed(document, path, value, of_tomorrow={"x": [1.5]})) == known


@pytest.mark.parametrize("sender", XML_BODIES, ids=lambda sender: sender.name)
@given(data=st.data())
def test_a_torn_document_is_read_or_refused(sender: Sender, data: st.DataObject) -> None:
    body = XML_BODIES[sender]
    start = data.draw(st.integers(0, len(body)))
    end = data.draw(st.integers(start, len(body)))
    attempt(sender, body[:start] + data.draw(st.binary(max_size=5)) + body[end:])


@pytest.mark.parametrize("sender", XML_BODIES, ids=lambda sender: sender.name)
def test_entities_are_not_followed(sender: Sender) -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    body = XML_BODIES[sender].replace(b'<?xml version="1.0" encoding="UTF-8"?>', b"")
    with pytest.raises(Unparseable):
        sender.parse("track", {}, bomb + body)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": NaN}', b'{"a": 1e99999999999999999999}', b"7"],
)
def test_a_broken_body_is_unparseable_and_still_has_a_name(sender: Sender, body: bytes) -> None:
    assert sender.topic_of({}, body) == ""
    assert sender.dedupe_key({}, body) == documents.digest(body)
    with pytest.raises(Unparseable):
        sender.parse("", {}, body)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.name)
def test_what_a_sender_calls_its_messages_is_what_it_reads(sender: Sender) -> None:
    bodies = [body_of(JSON_BODIES[sender])] if sender in JSON_BODIES else []
    bodies += [XML_BODIES[sender]] if sender in XML_BODIES else []
    for body in bodies:
        assert sender.topics is not None
        assert sender.topic_of({}, body) in sender.topics
        assert read(sender, body, ASKED)


def test_numbers_keep_their_digits() -> None:
    document = documents.json_object(b'{"id": 9007199254740993, "weight": 17.60}')
    assert document == {"id": 9007199254740993, "weight": Decimal("17.60")}
    assert documents.text(document["id"]) == "9007199254740993"
    assert documents.text(document["weight"]) == "17.60"


def test_a_history_without_end_is_no_history() -> None:
    endless = [
        detail("in_transit", message=f"{number}") for number in range(tracking.MAX_SCANS + 1)
    ]
    with pytest.raises(Unparseable):
        read(easypost.SENDER, tracker(*endless))
    with pytest.raises(Unparseable):
        read(usps.SENDER, [usps_answer()] * (tracking.MAX_PARCELS + 1))


def test_texts_are_cut_to_what_is_kept() -> None:
    (scan,) = one(
        easypost.SENDER,
        tracker(
            detail(
                "delivered",
                "x" * 300,
                message="m" * 900,
                carrier_code="c" * 300,
                datetime="t" * 300,
            ),
            signed_by="s" * 900,
        ),
    ).scans
    assert (len(scan.description), len(scan.occurred_local)) == (512, 64)
    assert (len(scan.code or ""), len(scan.signed_by or "")) == (64, 128)
