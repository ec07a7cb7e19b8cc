"""Parcels in sentences: what moves one, what does not, and what is said of it."""

from __future__ import annotations

import random
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tandem_orders import generations
from tandem_orders.messages import Estimate, ParcelReport
from tandem_orders.places import Place
from tandem_orders.scans import Scan
from tandem_orders.shipment_changes import (
    Registration,
    describe,
    overdue,
    record,
    recount,
    recycle,
    register,
)
from tandem_orders.shipment_views import ShipmentView, display
from tandem_orders.shipments import (
    MAX_LINKS,
    MAX_PROVIDERS,
    Link,
    Shipment,
    TooManyOrders,
    blank,
    due_at,
    expires_at,
    fold,
    hear,
    needs_refold,
    stale_since,
    status_at,
    unseen,
    with_seen,
    without_person,
)
from tandem_orders.statuses import Reason, ShipmentStatus

S = ShipmentStatus
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
NOW = START + timedelta(days=3)
PARCEL = blank("dhl_express", "JD0146")


def after(hours: float = 0, days: float = 0) -> datetime:
    return START + timedelta(hours=hours, days=days)


def scan(status: ShipmentStatus | None, at: datetime | None, **said: Any) -> Scan:
    raw = said.pop("raw", f"easypost:{status or 'ZZ'}")
    precision = "second" if at else "none"
    return Scan.model_validate(
        {"provider": "easypost", "raw": raw, "precision": precision, **said}
        | {"status": status, "occurred_at": at}
    )


JOURNEY = [
    scan(S.LABEL_CREATED, after(0)),
    scan(S.PICKED_UP, after(6)),
    scan(S.IN_TRANSIT, after(20), place=Place(city="Leipzig", country="DE")),
    scan(S.OUT_FOR_DELIVERY, after(44)),
    scan(S.DELIVERED, after(50), signed_by="MUSTER"),
]


def seen_as(*reports: Scan, shipment: Shipment = PARCEL, now: datetime = NOW) -> ShipmentView:
    return display(fold(shipment, reports), reports, now)


# The status.


def test_a_parcel_of_which_nothing_is_reported_is_pending() -> None:
    assert PARCEL.status is S.PENDING
    assert PARCEL.occurred_at is None
    assert PARCEL.sub_status is None


def test_a_late_scan_in_transit_leaves_a_delivered_parcel_delivered_and_is_marked() -> None:
    late = scan(S.IN_TRANSIT, after(52))

    view = seen_as(*JOURNEY, late)

    assert view.status is S.DELIVERED
    assert view.occurred_at == after(50)
    assert [row.superseded for row in view.scans] == [True, False, False, False, False, False]


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.EXPIRED, S.DELIVERY_ATTEMPTED])
def test_nothing_but_a_return_or_a_retraction_leaves_a_delivery(status: ShipmentStatus) -> None:
    assert fold(PARCEL, [*JOURNEY, scan(status, after(60))]).status is S.DELIVERED


def test_a_return_to_the_sender_moves_a_delivered_parcel_and_its_later_scans_count() -> None:
    back = [scan(S.RETURNING, after(70)), scan(S.IN_TRANSIT, after(80))]

    assert fold(PARCEL, [*JOURNEY, back[0]]).status is S.RETURNING
    assert fold(PARCEL, [*JOURNEY, *back]).status is S.IN_TRANSIT


def test_what_is_delivered_on_its_way_back_is_back_with_its_sender() -> None:
    returning = [*JOURNEY, scan(S.RETURNING, after(49))]
    assert fold(PARCEL, returning).status is S.RETURNED
    retracted = scan(S.IN_TRANSIT, after(49.5), reversal=True)
    assert fold(PARCEL, [*returning, retracted]).status is S.DELIVERED


def test_a_retracted_delivery_reopens_the_parcel_and_it_can_be_delivered_again() -> None:
    retraction = scan(S.IN_TRANSIT, after(51), reversal=True)
    reopened = fold(PARCEL, [*JOURNEY, retraction])
    assert reopened.status is S.IN_TRANSIT
    assert reopened.delivered_at is None
    assert reopened.signed_by is None

    again = fold(reopened, [scan(S.DELIVERED, after(74), signed_by="NACHBAR")])
    assert (again.status, again.delivered_at, again.signed_by) == (
        S.DELIVERED,
        after(74),
        "NACHBAR",
    )
    assert again.summary.milestones[S.DELIVERED] == after(50)


def test_a_completed_return_is_the_end_unless_it_is_retracted() -> None:
    returned = [*JOURNEY, scan(S.RETURNING, after(70)), scan(S.RETURNED, after(99))]

    assert fold(PARCEL, [*returned, scan(S.DELIVERED, after(120))]).status is S.RETURNED
    assert fold(PARCEL, [*returned, scan(S.IN_TRANSIT, after(120))]).status is S.RETURNED
    retraction = scan(S.IN_TRANSIT, after(110), reversal=True)
    assert fold(PARCEL, [*returned, retraction]).status is S.IN_TRANSIT


@pytest.mark.parametrize("status", [S.FAILED, S.CANCELLED, S.EXPIRED])
def test_a_soft_end_is_left_by_any_later_scan(status: ShipmentStatus) -> None:
    shipment = fold(PARCEL, [scan(status, after(10)), scan(S.IN_TRANSIT, after(11))])

    assert shipment.status is S.IN_TRANSIT


def test_of_two_scans_of_one_moment_the_one_that_says_more_wins() -> None:
    scans = [scan(S.OUT_FOR_DELIVERY, after(1)), scan(S.IN_TRANSIT, after(1))]

    assert fold(PARCEL, scans).status is S.OUT_FOR_DELIVERY


def test_an_undated_scan_decides_only_while_there_is_no_other_and_is_shown_last() -> None:
    undated = scan(S.DELIVERED, None, occurred_local="yesterday")
    assert fold(PARCEL, [undated]).status is S.DELIVERED
    assert fold(PARCEL, [undated]).delivered_at is None

    view = seen_as(undated, *JOURNEY[:3])

    assert view.status is S.IN_TRANSIT
    assert view.scans[-1].occurred_local == "yesterday"
    assert S.DELIVERED not in view.milestones


def test_an_unknown_code_is_kept_and_counted_and_never_moves_the_parcel() -> None:
    before = fold(PARCEL, JOURNEY[:2])
    unknown = scan(None, after(90), code="X9", raw="easypost:X9")

    shipment, fact = record(before, unknown, after(91))

    assert (shipment.status, fact.type, fact.changed) == (S.PICKED_UP, "shipment.updated", False)
    assert fact.unmapped
    assert shipment.summary.last_at == after(90)
    view = seen_as(*JOURNEY[:2], unknown)
    assert (view.scans[0].status, view.scans[0].raw) == (None, "easypost:X9")


def test_status_reason_and_raw_code_are_those_of_the_deciding_scan() -> None:
    shipment = fold(
        PARCEL,
        [
            *JOURNEY[:4],
            scan(S.DELAYED, after(45), reason="weather_delay", raw="easypost:weather_delay"),
        ],
    )

    assert shipment.reason is Reason.WEATHER_DELAY
    assert shipment.sub_status == "easypost:weather_delay"


@pytest.mark.parametrize("vague", [None, "unknown"])
@pytest.mark.parametrize("words", range(8))
def test_of_two_providers_words_for_a_scan_the_one_that_knows_why_stands(
    vague: str | None, words: int
) -> None:
    exact = scan(S.DELIVERY_ATTEMPTED, after(45), reason="recipient_absent", provider="aftership")
    other = scan(S.DELIVERY_ATTEMPTED, after(45), reason=vague, description=f"No {words}")

    assert fold(PARCEL, [exact, other]).reason is Reason.RECIPIENT_ABSENT
    assert fold(fold(PARCEL, [other]), [exact]).reason is Reason.RECIPIENT_ABSENT


# What time says.


def test_thirty_silent_days_expire_a_parcel_and_any_later_scan_revives_it() -> None:
    shipment = fold(PARCEL, JOURNEY[:3])
    assert status_at(shipment, after(20, days=30) - timedelta(seconds=1)) is S.IN_TRANSIT
    assert status_at(shipment, after(20, days=30)) is S.EXPIRED

    revived = fold(shipment, [scan(S.IN_TRANSIT, after(days=40))])

    assert status_at(revived, after(days=41)) is S.IN_TRANSIT


def test_a_registration_is_information_too_and_an_ended_parcel_never_expires() -> None:
    registered, _ = register(PARCEL, Registration(), after(days=2))

    assert expires_at(PARCEL) is None
    assert expires_at(registered) == after(days=32)
    assert expires_at(fold(PARCEL, JOURNEY)) is None
    assert status_at(fold(PARCEL, JOURNEY), after(days=300)) is S.DELIVERED


def test_a_parcel_under_way_is_overdue_after_three_silent_days_a_label_after_five() -> None:
    moving, label = fold(PARCEL, JOURNEY[:3]), fold(PARCEL, JOURNEY[:1])

    assert due_at(moving) == after(20 + 72)
    assert due_at(moving, hours=24) == after(44)
    assert due_at(label) == after(120)
    assert stale_since(moving, after(91)) is None
    assert stale_since(moving, after(93)) == after(92)


@pytest.mark.parametrize("status", [S.DELIVERED, S.RETURNED, S.FAILED, S.AVAILABLE_FOR_PICKUP])
def test_nobody_waits_for_the_carrier_of_a_parcel_that_has_ended_or_lies_at_a_counter(
    status: ShipmentStatus,
) -> None:
    shipment = fold(PARCEL, [*JOURNEY[:3], scan(status, after(45))])

    assert due_at(shipment) is None
    assert overdue(shipment, after(days=60)) is None


def test_an_overdue_parcel_is_an_exception_without_a_scan_and_without_a_new_status() -> None:
    alarm = overdue(fold(PARCEL, JOURNEY[:3]), after(100))

    assert alarm is not None
    assert alarm.type == "shipment.exception"
    assert (alarm.scan, alarm.status, alarm.changed) == (None, S.IN_TRANSIT, False)
    assert alarm.reason is Reason.CARRIER_NO_SCAN
    assert alarm.stale_since == alarm.occurred_at == after(92)


# What is recorded.


def test_each_step_of_a_journey_is_published_under_its_own_type() -> None:
    shipment, types = PARCEL, []
    steps = [*JOURNEY, scan(S.RETURNING, after(60)), scan(S.RETURNED, after(70))]
    for one in steps:
        shipment, fact = record(shipment, one, one.occurred_at or NOW)
        types.append((fact.type, fact.previous_status, fact.status))

    assert types == [
        ("shipment.updated", S.PENDING, S.LABEL_CREATED),
        ("shipment.updated", S.LABEL_CREATED, S.PICKED_UP),
        ("shipment.updated", S.PICKED_UP, S.IN_TRANSIT),
        ("shipment.updated", S.IN_TRANSIT, S.OUT_FOR_DELIVERY),
        ("shipment.delivered", S.OUT_FOR_DELIVERY, S.DELIVERED),
        ("shipment.exception", S.DELIVERED, S.RETURNING),
        ("shipment.returned", S.RETURNING, S.RETURNED),
    ]


def test_a_second_word_of_the_same_delivery_is_no_second_delivery() -> None:
    delivered = fold(PARCEL, JOURNEY)

    shipment, fact = record(delivered, scan(S.DELIVERED, after(53), provider="aftership"), NOW)

    assert (fact.type, fact.changed) == ("shipment.updated", False)
    assert fact.delivered_at == shipment.delivered_at == after(50)


@pytest.mark.parametrize(("hours", "late"), [(48, False), (48.1, True)])
def test_a_report_that_comes_more_than_two_days_late_says_so(hours: float, late: bool) -> None:
    _, fact = record(PARCEL, JOURNEY[1], after(6 + hours))

    assert fact.late is late
    assert fact.occurred_at == after(6)


def test_a_fact_names_the_orders_and_keeps_the_signature_out_of_the_sealed_document() -> None:
    shipment, _ = register(PARCEL, Registration(link=Link(order_id="ord_1")), START)
    exact = Link(order_id="ord_1", fulfillment_id="ful_1")
    shipment, _ = register(shipment, Registration(link=exact), START)

    _, fact = record(fold(shipment, JOURNEY[:4]), JOURNEY[4], NOW)

    assert (fact.order_ids, fact.links) == (("ord_1",), (exact,))
    assert "MUSTER" not in fact.document()
    assert fact.private_document() == '{"signed_by":"MUSTER"}'
    assert fact.report() == JOURNEY[4]


def test_forgetting_a_person_leaves_the_parcel_as_it_is() -> None:
    told = Registration(destination=Place(city="Köln", postal_code="50667", country="DE"))
    shipment, fact = register(fold(PARCEL, JOURNEY), told, NOW)
    assert fact is not None
    assert "50667" in fact.private_document()
    assert "50667" not in fact.document()

    forgotten = without_person(shipment)

    text = forgotten.model_dump_json()
    assert "MUSTER" not in text
    assert "50667" not in text
    assert (forgotten.status, forgotten.delivered_at) == (S.DELIVERED, after(50))


# Orders.


def test_a_parcel_belongs_to_a_bounded_number_of_orders() -> None:
    shipment = PARCEL
    told = [Registration(link=Link(order_id=f"ord_{number:02}")) for number in range(MAX_LINKS)]
    for one in told:
        shipment, _ = register(shipment, one, NOW)

    with pytest.raises(TooManyOrders):
        register(shipment, Registration(link=Link(order_id="ord_x")), NOW)
    assert register(shipment, told[0], NOW) == (shipment, None)


def test_scans_that_came_before_the_order_are_in_what_the_registration_says() -> None:
    _, fact = register(fold(PARCEL, JOURNEY), Registration(link=Link(order_id="ord_1")), NOW)

    assert fact is not None
    assert fact.type == "shipment.registered"
    assert (fact.status, fact.delivered_at) == (S.DELIVERED, after(50))
    assert fact.link == Link(order_id="ord_1")


# Labels and recycled numbers.


def test_scans_of_an_earlier_parcel_are_shown_and_do_not_count() -> None:
    old = scan(S.DELIVERED, after(days=-60), raw="easypost:old")
    labelled, _ = register(PARCEL, Registration(label_created_at=START), START)

    view = seen_as(old, *JOURNEY[:2], shipment=labelled)

    assert view.status is S.PICKED_UP
    assert S.DELIVERED not in view.milestones
    assert [row.quarantined for row in view.scans] == [False, False, True]
    _, fact = record(labelled, old, NOW)
    assert fact.quarantined
    assert not fact.changed


def test_a_label_date_that_comes_after_the_scans_reopens_what_they_had_closed() -> None:
    old = scan(S.DELIVERED, after(days=-60))
    before, _ = record(fold(PARCEL, JOURNEY[1:2]), old, NOW)
    assert before.status is S.DELIVERED

    labelled, _ = register(before, Registration(label_created_at=START), NOW)
    assert needs_refold(before, labelled)
    recounted, fact = recount(labelled, [old, *JOURNEY[1:2]], NOW)

    assert recounted.status is S.PICKED_UP
    assert fact is not None
    assert (fact.previous_status, fact.status, fact.scan) == (S.DELIVERED, S.PICKED_UP, None)


def test_a_delivery_that_is_another_one_now_is_told_also_when_the_status_stands() -> None:
    old = scan(S.DELIVERED, after(days=-60))
    before = fold(PARCEL, [old, *JOURNEY[1:]])
    assert before.delivered_at == after(days=-60)

    labelled, _ = register(before, Registration(label_created_at=START), NOW)
    recounted, fact = recount(labelled, [old, *JOURNEY[1:]], NOW)

    assert (recounted.status, recounted.delivered_at) == (S.DELIVERED, after(50))
    assert fact is not None
    assert (fact.type, fact.changed, fact.delivered_at) == ("shipment.updated", False, after(50))
    assert recount(recounted, [old, *JOURNEY[1:]], NOW) == (recounted, None)


def test_a_registration_of_a_parcel_that_was_known_to_be_the_orders_says_so() -> None:
    link, exact = Link(order_id="ord_1"), Link(order_id="ord_1", fulfillment_id="ful_1")
    once, first = register(PARCEL, Registration(link=link), NOW)
    _, second = register(once, Registration(link=exact), NOW)
    _, other = register(once, Registration(link=Link(order_id="ord_2")), NOW)

    assert [fact.again for fact in (first, second, other) if fact] == [False, True, False]


def test_a_label_date_before_all_scans_needs_no_second_reading() -> None:
    before = fold(PARCEL, JOURNEY)
    labelled, _ = register(before, Registration(label_created_at=START), NOW)

    assert not needs_refold(before, labelled)


def said(*scans: Scan, **more: Any) -> ParcelReport:
    return ParcelReport(provider="easypost", scans=scans, **more)


@pytest.mark.parametrize(("hours", "quarantined"), [(48, False), (49, True)])
def test_what_was_scanned_two_days_before_the_label_is_another_parcels(
    hours: int, quarantined: bool
) -> None:
    """A published sample of EasyPost has its delivery two days before its label: not its own."""
    early = scan(S.DELIVERED, after(hours=-hours))

    assert [part.generation for part in generations.parts([], said(early, *JOURNEY[:2]))] == [1]
    view = seen_as(early, *JOURNEY[:2])

    assert view.status is (S.PICKED_UP if quarantined else S.DELIVERED)
    assert (S.DELIVERED in view.milestones) is not quarantined
    assert [row.quarantined for row in view.scans] == [False, False, quarantined]
    assert view.proof_of_delivery is None or not quarantined


def test_a_label_that_is_scanned_late_or_again_discards_nothing_of_its_own_parcel() -> None:
    """Manifests and hand-overs to a post say on the way what a label says at first."""
    again = scan(S.LABEL_CREATED, after(days=9))
    view = seen_as(*JOURNEY, again)

    assert view.status is S.DELIVERED
    assert view.milestones[S.LABEL_CREATED] == START
    assert not any(row.quarantined for row in view.scans)


def test_a_label_that_a_merchant_tells_of_stands_before_those_that_were_scanned() -> None:
    told, _ = register(PARCEL, Registration(label_created_at=START), START)
    late = scan(S.LABEL_CREATED, after(days=9))

    assert seen_as(*JOURNEY[1:], late, shipment=told).status is S.DELIVERED
    assert fold(told, [*JOURNEY[1:], late]).counts_from == after(hours=-48)


def test_of_a_number_that_was_given_out_again_the_newest_label_counts() -> None:
    new_first = fold(PARCEL, JOURNEY[:2])

    [part] = generations.parts([new_first], said(*OLD))
    heard = hear(new_first, OLD)

    assert part.generation == 1
    assert (new_first.counts_from, heard.counts_from) == (after(hours=-48), after(hours=-48))
    assert fold(heard, OLD).summary == new_first.summary


def test_dates_that_change_nothing_need_no_second_reading() -> None:
    heard = fold(PARCEL, JOURNEY[1:])

    assert not needs_refold(heard, hear(heard, JOURNEY[:1]))
    assert not needs_refold(heard, hear(heard, JOURNEY))
    assert needs_refold(heard, hear(heard, [scan(S.LABEL_CREATED, after(days=9))]))


OLD = tuple(
    one.model_copy(update={"occurred_at": one.occurred_at - timedelta(days=200)})
    for one in JOURNEY
    if one.occurred_at
)


def test_a_label_long_after_the_last_scan_is_another_parcel() -> None:
    first = fold(PARCEL, OLD)

    [part] = generations.parts([first], said(*JOURNEY[:2]))

    assert (part.generation, part.starts_at) == (2, START - timedelta(hours=48))
    second = fold(blank(PARCEL.carrier, PARCEL.tracking_number, 2, part.starts_at), JOURNEY[:2])
    assert second.id != first.id
    assert second.status is S.PICKED_UP


@pytest.mark.parametrize(("days", "generation"), [(90, 1), (91, 2)])
def test_ninety_silent_days_make_the_difference(days: int, generation: int) -> None:
    first = fold(PARCEL, [scan(S.DELIVERED, START)])

    [part] = generations.parts([first], said(scan(S.LABEL_CREATED, after(days=days))))

    assert part.generation == generation


def test_whoever_is_heard_of_first_after_a_long_silence_is_not_the_old_parcel() -> None:
    """Its label may come after its first scan, and after an order was found for it."""
    scanned = fold(PARCEL, (*OLD, JOURNEY[1]))
    ordered, _ = register(fold(PARCEL, OLD), Registration(link=Link(order_id="ord_1")), START)

    for known in (scanned, ordered):
        [part] = generations.parts([known], said(*JOURNEY[:1]))

        assert part.generation == 1
        heard = hear(known, part.report.scans)
        assert needs_refold(known, heard)
        assert heard.counts_from == after(hours=-48)


def test_a_history_of_both_parcels_is_divided_and_what_is_new_goes_with_the_new_one() -> None:
    estimate = Estimate(from_date=date(2026, 3, 4), to_date=date(2026, 3, 5))
    undated = scan(S.IN_TRANSIT, None)

    old, new = generations.parts([], said(*OLD, undated, *JOURNEY[:3], estimate=estimate))

    assert (old.generation, old.report.scans, old.report.estimate) == (1, OLD, None)
    assert (new.generation, new.report.scans) == (2, (*JOURNEY[:3], undated))
    assert new.report.estimate == estimate


def test_a_resent_history_of_the_old_parcel_still_goes_to_the_old_one() -> None:
    start = START - timedelta(hours=48)
    known = [
        fold(PARCEL, OLD),
        fold(blank(PARCEL.carrier, PARCEL.tracking_number, 2, start), JOURNEY),
    ]

    [part] = generations.parts(known, said(*OLD, label_created_at=OLD[0].occurred_at))

    assert (part.generation, part.starts_at) == (1, None)
    assert part.report.label_created_at == OLD[0].occurred_at


def test_an_estimate_without_scans_is_for_the_newest_parcel() -> None:
    known = [fold(PARCEL, OLD), blank(PARCEL.carrier, PARCEL.tracking_number, 2, START)]

    [part] = generations.parts(known, said())

    assert part.generation == 2


def test_an_order_takes_a_parcel_that_is_nobodys_its_own_or_alive_and_else_a_new_one() -> None:
    scanned = fold(PARCEL, JOURNEY)
    taken, _ = register(scanned, Registration(link=Link(order_id="ord_1")), NOW)
    much_later = after(50, days=91)
    following = (2, after(50, days=90))

    assert generations.to_register([], "ord_2", None, NOW) == (1, None)
    assert generations.to_register([scanned], "ord_2", None, much_later) == (1, None)
    assert generations.to_register([taken], "ord_1", None, much_later) == (1, None)
    assert generations.to_register([taken], "ord_2", None, NOW) == (1, None)
    assert generations.to_register([taken], "ord_2", None, much_later) == following


def test_a_label_date_decides_whose_number_it_is_whoever_registers() -> None:
    scanned = fold(PARCEL, OLD)

    assert generations.to_register([scanned], None, START, NOW) == (2, START - timedelta(hours=48))
    assert generations.to_register([scanned], "ord_2", OLD[0].occurred_at, NOW) == (1, None)


def test_a_parcel_knows_who_has_its_number_now() -> None:
    old, fact = recycle(fold(PARCEL, OLD), START, NOW)

    assert old.successor is not None
    assert (old.successor.generation, old.successor.starts_at) == (2, START)
    assert (fact.type, fact.changed, fact.scan) == ("shipment.updated", False, None)


# What senders resend.


def history(count: int) -> list[Scan]:
    return [
        scan(S.IN_TRANSIT, START + timedelta(minutes=7 * number), code=f"C{number % 9}")
        for number in range(count)
    ]


def test_of_a_resent_history_of_five_hundred_only_the_new_scan_is_looked_at() -> None:
    reports = history(501)
    shipment = with_seen(fold(PARCEL, reports[:500]), "easypost", reports[:500])

    assert unseen(shipment, "easypost", list(reversed(reports))) == [reports[500]]
    assert unseen(shipment, "easypost", reports[:500]) == []


def test_a_scan_put_into_the_middle_makes_the_whole_message_new_once() -> None:
    reports = history(10)
    shipment = with_seen(PARCEL, "easypost", [one for one in reports if one is not reports[4]])

    assert unseen(shipment, "easypost", reports) == reports
    assert unseen(with_seen(shipment, "easypost", reports), "easypost", reports) == []


def test_what_one_provider_sent_says_nothing_of_another() -> None:
    reports = history(5)
    shipment = with_seen(PARCEL, "easypost", reports)

    assert unseen(shipment, "aftership", reports) == reports
    assert with_seen(shipment, "easypost", []) == shipment


def test_only_a_few_providers_are_remembered() -> None:
    shipment = PARCEL
    for number in range(9):
        shipment = with_seen(shipment, f"provider-{number}", history(9 - number))

    assert len(shipment.seen) == MAX_PROVIDERS
    assert unseen(shipment, "provider-8", history(1)) == []


def stored_bytes(shipment: Shipment) -> int:
    text = shipment.model_dump_json(exclude_defaults=True)
    return len(zlib.compress(text.encode(), wbits=-zlib.MAX_WBITS))


def test_the_head_of_five_hundred_scans_is_hardly_larger_than_that_of_five() -> None:
    chance = random.Random(7)
    told = Registration(
        link=Link(order_id="ord_" + "7Q" * 13, fulfillment_id="ful_" + "K9" * 13),
        destination=Place(city="Köln", postal_code="50667", country="DE"),
        promised_by=date(2026, 3, 6),
        label_created_at=START,
        service="Express Worldwide",
    )
    registered, _ = register(PARCEL, told, START)
    few = with_seen(fold(registered, JOURNEY), "easypost", JOURNEY)
    crowd = [
        scan(
            chance.choice(list(S)),
            START + timedelta(seconds=chance.randrange(2_000_000)),
            code=f"C{number}",
            signed_by=chance.choice([None, "MUSTER"]),
            reversal=chance.random() < 0.02,
        )
        for number in range(500)
    ]
    many = with_seen(fold(registered, crowd), "easypost", crowd)

    assert stored_bytes(few) < 700
    assert stored_bytes(many) < 1_000


# Estimates.


def window(first: int, last: int | None = None) -> Estimate:
    return Estimate(from_date=date(2026, 3, first), to_date=date(2026, 3, last or first))


def test_the_first_and_the_latest_estimate_are_kept_whatever_comes_when() -> None:
    messages = [
        said(estimate=window(4, 5), reported_at=after(1)),
        said(estimate=window(6), reported_at=after(30)),
        said(estimate=window(5), reported_at=after(20)),
    ]
    shipment = PARCEL
    for message in reversed(messages):
        shipment, _ = describe(shipment, message, NOW)

    assert shipment.estimates.first is not None
    assert shipment.estimates.first.window == window(4, 5)
    assert shipment.estimates.shown == window(6)


def test_only_an_estimate_that_changes_what_is_shown_is_published() -> None:
    shipment, first = describe(PARCEL, said(estimate=window(4), reported_at=after(1)), NOW)
    again, nothing = describe(shipment, said(estimate=window(4), reported_at=after(2)), NOW)
    _, moved = describe(again, said(estimate=window(5), reported_at=after(3)), NOW)

    assert first is not None
    assert moved is not None
    assert nothing is None
    assert (first.type, first.scan, first.estimate) == ("shipment.updated", None, window(4))
    assert moved.estimate == window(5)
    assert again.estimates.latest is not None
    assert again.estimates.latest.reported_at == after(2)


def test_what_a_sender_calls_its_first_estimate_is_the_first_and_never_the_latest() -> None:
    report = said(estimate=window(6), first_estimate=window(4), reported_at=after(30))
    shipment, _ = describe(PARCEL, said(estimate=window(5), reported_at=after(1)), NOW)

    shipment, _ = describe(shipment, report, NOW)

    assert shipment.estimates.first is not None
    assert shipment.estimates.first.window == window(4)
    assert shipment.estimates.shown == window(6)


def test_a_parcel_is_handed_over_with_its_first_scan_by_whoever_has_it() -> None:
    label = [scan(S.LABEL_CREATED, after(1)), scan(S.ON_HOLD, after(2)), scan(S.DELAYED, after(3))]
    assert fold(PARCEL, label).handed_over_at is None
    moving = fold(PARCEL, [*label, scan(S.IN_TRANSIT, after(9)), scan(S.DELIVERED, after(20))])
    assert moving.handed_over_at == after(9)
    assert fold(moving, [scan(S.PICKED_UP, after(5))]).handed_over_at == after(5)
    assert fold(PARCEL, [scan(S.DELIVERED, None)]).handed_over_at is None


@pytest.mark.parametrize(
    ("promised", "delivered_at", "verdict"),
    [
        (date(2026, 3, 4), after(50), "on_time"),
        (date(2026, 3, 5), after(50), "early"),
        (date(2026, 3, 3), after(50), "late"),
        (None, after(50), None),
    ],
)
def test_a_delivery_is_judged_by_the_promise(
    promised: date | None, delivered_at: datetime, verdict: str | None
) -> None:
    shipment, _ = register(PARCEL, Registration(promised_by=promised), START)

    view = seen_as(scan(S.DELIVERED, delivered_at), shipment=shipment)

    assert view.edd.on_time == verdict


def test_without_a_promise_the_first_estimate_is_the_measure() -> None:
    shipment, _ = describe(PARCEL, said(estimate=window(2, 3), reported_at=START), NOW)
    shipment, _ = describe(shipment, said(estimate=window(4), reported_at=after(9)), NOW)

    assert seen_as(*JOURNEY, shipment=shipment).edd.on_time == "late"


def test_a_parcel_that_will_come_too_late_is_at_risk_until_the_day_has_passed() -> None:
    shipment, _ = register(PARCEL, Registration(promised_by=date(2026, 3, 5)), START)
    shipment, _ = describe(shipment, said(estimate=window(6), reported_at=START), NOW)

    assert seen_as(JOURNEY[1], shipment=shipment, now=after(days=3)).edd.on_time == "at_risk"
    assert seen_as(JOURNEY[1], shipment=shipment, now=after(days=4)).edd.on_time == "late"


def test_a_parcel_that_will_not_come_is_not_judged() -> None:
    shipment, _ = register(PARCEL, Registration(promised_by=date(2026, 3, 1)), START)

    assert seen_as(scan(S.RETURNED, after(9)), shipment=shipment).edd.on_time is None


def test_a_delivery_date_is_that_of_its_destination() -> None:
    shipment, _ = register(PARCEL, Registration(promised_by=date(2026, 3, 4)), START)
    reports = [scan(S.DELIVERED, datetime(2026, 3, 5, 3, tzinfo=UTC))]
    delivered = fold(shipment, reports)

    there = display(delivered, reports, NOW, ZoneInfo("America/New_York"))

    assert there.edd.on_time == "on_time"
    assert display(delivered, reports, NOW).edd.on_time == "late"


# What is shown.


def test_one_scan_reported_by_two_providers_is_one_row() -> None:
    one = scan(S.IN_TRANSIT, after(20), code="DF", place=Place(city="KÖLN"), description="Left")
    other = scan(
        S.IN_TRANSIT,
        after(20) + timedelta(seconds=12),
        code="DF",
        place=Place(city="Köln", country="DE"),
        description="Departed facility",
        provider="aftership",
        raw="aftership:InTransit_007",
    )

    [row] = seen_as(one, other).scans

    assert row.providers == ("aftership", "easypost")
    assert row.description == "Departed facility"
    assert row.location == Place(city="Köln", country="DE")


def test_a_provider_that_knows_only_the_status_reports_the_scan_of_the_carriers_code() -> None:
    coded = scan(S.IN_TRANSIT, after(20), code="DF", raw="ups:DF", provider="ups")
    plain = scan(S.IN_TRANSIT, after(20), provider="shippo", raw="shippo:TRANSIT")
    elsewhere = plain.model_copy(update={"place": Place(city="Bonn")})

    view = seen_as(plain, coded, elsewhere)

    assert sorted((row.raw, row.providers) for row in view.scans) == [
        ("shippo:TRANSIT", ("shippo",)),
        ("ups:DF", ("shippo", "ups")),
    ]


def test_a_view_has_what_the_interface_promises() -> None:
    view = seen_as(*JOURNEY)

    assert view.proof_of_delivery is not None
    assert view.proof_of_delivery.signed_by == "MUSTER"
    assert list(view.milestones) == [
        S.LABEL_CREATED,
        S.PICKED_UP,
        S.IN_TRANSIT,
        S.OUT_FOR_DELIVERY,
        S.DELIVERED,
    ]
    assert [row.status for row in view.scans] == [one.status for one in reversed(JOURNEY)]
    assert view.scans[2].location == Place(city="Leipzig", country="DE")
