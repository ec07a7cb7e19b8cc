"""What must hold for every parcel, whatever is reported of it, by whom and in whatever order."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from tandem_orders.estimates import Estimates, Forecast, forecast, promise
from tandem_orders.generations import parts
from tandem_orders.messages import Estimate, ParcelReport
from tandem_orders.places import Place
from tandem_orders.scans import Precision, Scan
from tandem_orders.shipment_changes import Registration, record, recount, register
from tandem_orders.shipment_facts import fact_of
from tandem_orders.shipment_views import display
from tandem_orders.shipments import (
    Link,
    Shipment,
    blank,
    counts,
    fold,
    hear,
    needs_refold,
    refold,
    unseen,
    with_seen,
)
from tandem_orders.statuses import RANK, Reason, ShipmentStatus
from tandem_orders.summaries import Summary, join, summary_of

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NOW = START + timedelta(days=20)
PARCEL = blank("ups", "1Z999")

S = ShipmentStatus
# The statuses that the rule treats differently come up more often than the others.
STATUSES = [*S, S.DELIVERED, S.DELIVERED, S.RETURNED, S.RETURNING, S.IN_TRANSIT, None]
REASONS = [None, Reason.UNKNOWN, Reason.RECIPIENT_ABSENT]
PLACES = [None, Place(city="Köln", country="DE"), Place(city="KÖLN"), Place(city="Bonn")]


@st.composite
def reports(draw: st.DrawFn) -> Scan:
    """One report out of few moments, places and words, so that many coincide."""
    at = draw(st.none() | st.integers(0, 8).map(lambda hours: START + timedelta(hours=hours)))
    if at and draw(st.booleans()):
        at += timedelta(seconds=draw(st.sampled_from([0, 20])))
    precision: Precision = draw(st.sampled_from(["second", "minute"])) if at else "none"
    provider = draw(st.sampled_from(["easypost", "aftership"]))
    code = draw(st.sampled_from([None, "A1", "B2"]))
    status = draw(st.sampled_from(STATUSES))
    return Scan(
        provider=provider,
        occurred_at=at,
        precision=precision,
        status=status,
        reason=draw(st.sampled_from(REASONS)),
        code=code,
        raw=f"{provider}:{code or status}",
        description=draw(st.sampled_from(["", "Departed", "Departed facility"])),
        place=draw(st.sampled_from(PLACES)),
        signed_by=draw(st.sampled_from([None, None, "SMITH"])),
        reversal=status is not None and draw(st.integers(0, 9)) == 0,
    )


histories = st.lists(reports(), max_size=9)


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[Scan], list[list[Scan]]]:
    """A set of reports, and messages that together carry all of it, some of it repeatedly."""
    history = draw(histories)
    order = draw(st.permutations(history))
    again = draw(st.lists(st.sampled_from(history), max_size=6)) if history else []
    queue = [*order, *again]
    cuts = sorted(draw(st.lists(st.integers(0, len(queue)), max_size=4)))
    edges = [0, *cuts, len(queue)]
    return history, [queue[start:end] for start, end in itertools.pairwise(edges)]


def by_the_book(history: Sequence[Scan]) -> ShipmentStatus:
    """Walk through the sorted set and move as the vocabulary says. Written without the module."""
    mapped = {one.report_id: one for one in history if one.status}
    dated = [one for one in mapped.values() if one.occurred_at]
    walk = sorted(
        dated or mapped.values(),
        key=lambda one: (
            one.occurred_at or START,
            RANK[one.status] if one.status else 0,
            one.reason is Reason.RECIPIENT_ABSENT,
            one.scan_id,
            one.report_id,
        ),
    )
    status = S.PENDING
    going_back = False
    for scan in walk:
        said = scan.status
        assert said is not None
        undoes = scan.reversal or said is S.RETURNED or (said is S.RETURNING)
        if undoes:
            going_back = said is S.RETURNING and not scan.reversal
        if status is S.RETURNED and not scan.reversal:
            continue
        if status is S.DELIVERED and not undoes:
            continue
        status = said
    return S.RETURNED if status is S.DELIVERED and going_back else status


def head(shipment: Shipment) -> str:
    """The head as it is stored, but for what it remembers of messages."""
    return shipment.model_copy(update={"seen": {}}).model_dump_json(exclude_defaults=True)


def shown(shipment: Shipment, history: Sequence[Scan]) -> str:
    return display(shipment, history, NOW).model_dump_json()


def deliver(shipment: Shipment, messages: Sequence[Sequence[Scan]]) -> tuple[Shipment, list[Scan]]:
    """Take messages in as the service does: entries by key, one report recorded once."""
    entries: dict[str, Scan] = {}
    for message in messages:
        for provider in ("easypost", "aftership"):
            told = [one for one in message if one.provider == provider]
            fresh = [
                one for one in unseen(shipment, provider, told) if one.report_id not in entries
            ]
            before, shipment = shipment, hear(shipment, fresh)
            if needs_refold(before, shipment):
                shipment, _ = recount(shipment, list(entries.values()), NOW)
            for scan in fresh:
                entries[scan.report_id] = scan
                shipment, _ = record(shipment, scan, NOW)
            shipment = with_seen(shipment, provider, told)
            assert {one.report_id for one in told} <= entries.keys()
    return shipment, list(entries.values())


@given(arrivals())
def test_any_order_any_repetition_and_any_cut_give_the_same_bytes(
    arrival: tuple[list[Scan], list[list[Scan]]],
) -> None:
    history, messages = arrival
    at_once = fold(PARCEL, history)

    arrived, entries = deliver(PARCEL, messages)

    assert head(arrived) == head(at_once)
    assert shown(arrived, entries) == shown(at_once, history)


@given(histories, st.randoms(use_true_random=False))
def test_a_fold_is_the_join_of_its_reports_one_by_one(history: list[Scan], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    joined = reduce(join, (summary_of([one]) for one in shuffled), Summary())

    assert joined.model_dump_json() == summary_of(history).model_dump_json()


@given(histories, histories, histories)
def test_joining_is_commutative_associative_and_idempotent(
    one: list[Scan], other: list[Scan], third: list[Scan]
) -> None:
    a, b, c = summary_of(one), summary_of(other), summary_of(third)

    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a
    assert join(a, b) == summary_of([*one, *other])


@given(histories)
def test_the_status_is_that_of_a_walk_through_the_sorted_reports(history: list[Scan]) -> None:
    shipment = fold(PARCEL, history)

    assert shipment.status is by_the_book(history)


@given(st.lists(reports(), max_size=4))
def test_every_permutation_of_a_short_history_gives_one_view(history: list[Scan]) -> None:
    views = {shown(fold(PARCEL, order), order) for order in itertools.permutations(history)}

    assert len(views) == 1


@given(histories, reports())
def test_milestones_are_the_first_times_and_only_ever_move_back(
    history: list[Scan], one: Scan
) -> None:
    before = fold(PARCEL, history).summary.milestones
    after = fold(PARCEL, [*history, one]).summary.milestones

    assert before.keys() <= after.keys()
    assert all(after[status] <= instant for status, instant in before.items())
    for status, instant in before.items():
        times = [scan.occurred_at for scan in history if scan.status is status]
        assert instant == min(filter(None, times))


@given(histories, st.integers(0, 70), st.integers(0, 9))
def test_a_label_date_that_comes_late_ends_where_one_that_came_first_does(
    history: list[Scan], hours: int, position: int
) -> None:
    told = Registration(label_created_at=START + timedelta(hours=hours))
    labelled_first, _ = register(PARCEL, told, NOW)
    expected = fold(labelled_first, history)

    before = fold(PARCEL, history[:position])
    labelled, _ = register(before, told, NOW)
    if needs_refold(before, labelled):
        labelled, _ = recount(labelled, history[:position], NOW)
    else:
        assert refold(labelled, history[:position]) == labelled
    after = fold(labelled, history[position:])

    assert head(after) == head(expected)
    assert shown(after, history) == shown(expected, history)
    assert by_the_book([one for one in history if counts(after, one)]) is after.status


@given(histories)
def test_a_row_stands_for_every_report_and_nothing_else(history: list[Scan]) -> None:
    view = display(fold(PARCEL, history), history, NOW)

    assert len(view.scans) <= len({one.scan_id for one in history})
    said = {(one.occurred_at, one.status) for one in history}
    assert {(row.occurred_at, row.status) for row in view.scans} <= said
    assert {name for row in view.scans for name in row.providers} == {
        one.provider for one in history
    }
    times = [row.occurred_at for row in view.scans]
    dated = [at for at in times if at]
    assert times == [*sorted(dated, reverse=True), *[None] * (len(times) - len(dated))]


@given(histories)
def test_the_scan_that_decides_is_never_superseded(history: list[Scan]) -> None:
    shipment = fold(PARCEL, history)
    view = display(shipment, history, NOW)

    deciding = shipment.deciding
    if deciding and deciding.at:
        rows = [row for row in view.scans if row.occurred_at and row.status]
        up_to = [row for row in rows if row.occurred_at and row.occurred_at < deciding.at]
        assert not any(row.superseded for row in up_to)
        later = [row for row in rows if row.occurred_at and row.occurred_at > deciding.at]
        assert all(row.superseded for row in later)


@given(histories)
def test_a_fact_and_its_personal_data_are_one_document_again(history: list[Scan]) -> None:
    shipment = PARCEL
    for scan in history:
        shipment, fact = record(shipment, scan, NOW)
        document, private = fact.document(), fact.private_document()

        assert "SMITH" not in document
        whole = document if not private else f"{document[:-1]},{private[1:]}"
        assert fact_of(fact.type, whole) == fact
        assert fact.report() == scan


@given(histories)
def test_a_head_reads_back_as_it_was_written(history: list[Scan]) -> None:
    shipment = fold(PARCEL, history)
    text = shipment.model_dump_json(exclude_defaults=True)

    again = Shipment.model_validate_json(text)

    assert again == shipment
    assert again.model_dump_json(exclude_defaults=True) == text


@given(histories, st.integers(2, 60))
def test_the_head_does_not_grow_with_history(history: list[Scan], times: int) -> None:
    """Six reports at most are kept, and one instant per status."""
    longer = [
        one.model_copy(
            update={"occurred_at": one.occurred_at and one.occurred_at + timedelta(days=day)}
        )
        for one in history
        for day in range(times)
    ]
    shipment = fold(PARCEL, longer)

    assert len(shipment.summary.peaks) <= 6
    assert len(shipment.summary.milestones) <= len(S)
    stored = shipment.model_dump_json(exclude_defaults=True).encode()
    assert len(zlib.compress(stored, wbits=-zlib.MAX_WBITS)) < 1024


windows = st.builds(
    lambda first, length, source: Estimate(
        from_date=date(2026, 3, 1) + timedelta(days=first),
        to_date=date(2026, 3, 1) + timedelta(days=first + length),
        source=source,
    ),
    st.integers(0, 4),
    st.integers(0, 2),
    st.sampled_from(["carrier", "provider"]),
)
forecasts = st.builds(
    lambda window, hours, provider, original: Forecast(
        window=window,
        reported_at=START + timedelta(hours=hours),
        provider=provider,
        original=original,
    ),
    windows,
    st.integers(0, 4),
    st.sampled_from(["easypost", "aftership"]),
    st.booleans(),
)


@given(
    st.lists(forecasts | st.dates(date(2026, 3, 1), date(2026, 3, 9)), max_size=7).flatmap(
        lambda said: st.tuples(st.just(said), st.permutations(said + said[:2]))
    )
)
def test_estimates_may_come_in_any_order(
    orders: tuple[list[Forecast | date], list[Forecast | date]],
) -> None:
    def all_of(said: Sequence[Forecast | date]) -> str:
        estimates = Estimates()
        for one in said:
            estimates = (
                forecast(estimates, one) if isinstance(one, Forecast) else promise(estimates, one)
            )
        return estimates.model_dump_json()

    assert all_of(orders[0]) == all_of(orders[1])


registrations = st.builds(
    Registration,
    link=st.builds(
        Link,
        order_id=st.sampled_from(["ord_a", "ord_b"]),
        fulfillment_id=st.sampled_from([None, "ful_1", "ful_2"]),
    ),
    promised_by=st.none() | st.dates(date(2026, 3, 1), date(2026, 3, 9)),
    destination=st.sampled_from(PLACES),
    label_created_at=st.none() | st.integers(0, 9).map(lambda day: START + timedelta(days=day)),
    service=st.sampled_from([None, "Ground", "Air"]),
    is_return=st.booleans(),
)


@given(
    st.lists(registrations, max_size=5).flatmap(
        lambda told: st.tuples(st.just(told), st.permutations(told + told[:2]))
    )
)
def test_registrations_may_come_in_any_order_and_again(
    orders: tuple[list[Registration], list[Registration]],
) -> None:
    def all_of(told: Sequence[Registration]) -> str:
        shipment = PARCEL
        for one in told:
            shipment, fact = register(shipment, one, NOW)
            again, nothing = register(shipment, one, NOW + timedelta(days=1))
            assert (again, nothing) == (shipment, None)
            assert fact is None or fact.shipment_id == shipment.id
        return head(shipment)

    assert all_of(orders[0]) == all_of(orders[1])


# A number that had two lives: a year lies between them.
OLD = [
    Scan(
        provider="easypost",
        occurred_at=START - timedelta(days=365) + timedelta(hours=hours),
        precision="second",
        status=status,
        raw=f"easypost:{status}",
    )
    for hours, status in ((0, S.LABEL_CREATED), (20, S.IN_TRANSIT), (60, S.DELIVERED))
]
NEW = [
    Scan(
        provider="easypost",
        occurred_at=START + timedelta(hours=hours),
        precision="second",
        status=status,
        raw=f"easypost:{status}",
    )
    for hours, status in ((0, S.LABEL_CREATED), (20, S.PICKED_UP), (60, S.OUT_FOR_DELIVERY))
]


def lives(messages: Sequence[Sequence[Scan]]) -> tuple[list[Shipment], dict[int, dict[str, Scan]]]:
    """Take messages in as the service does: divide, record, learn where a number was given out."""
    known: list[Shipment] = []
    entries: dict[int, dict[str, Scan]] = {}
    for message in messages:
        report = ParcelReport(provider="easypost", scans=tuple(message))
        for part in parts(known, report):
            if part.generation > len(known):
                known.append(blank("ups", "1Z999", part.generation, part.starts_at))
            mine = entries.setdefault(part.generation, {})
            before = known[part.generation - 1]
            after = hear(before, part.report.scans)
            if needs_refold(before, after):
                after = refold(after, list(mine.values()))
            mine.update((one.report_id, one) for one in part.report.scans)
            known[part.generation - 1] = fold(after, part.report.scans)
    return known, entries


# What providers send of it: the old history or its end, the new one so far, or both.
SNAPSHOTS = [OLD, OLD[1:], OLD[:2], NEW, NEW[:1], NEW[:2], OLD + NEW, OLD[2:] + NEW[:2]]


@given(st.lists(st.sampled_from(SNAPSHOTS), max_size=5))
def test_the_parcel_that_has_a_number_now_is_never_decided_by_the_one_before(
    messages: list[list[Scan]],
) -> None:
    known, entries = lives([*messages, OLD + NEW])

    assert known[-1].status is S.OUT_FOR_DELIVERY
    assert known[-1].summary.first_at == NEW[0].occurred_at
    assert len(known) == 1 or known[0].summary.last_at == OLD[-1].occurred_at
    assert lives([*messages, OLD + NEW, OLD + NEW]) == (known, entries)


@given(
    st.permutations(OLD + NEW),
    st.lists(st.integers(0, 6), max_size=3),
    st.lists(st.sampled_from(OLD + NEW), max_size=4),
)
def test_dividing_a_number_among_its_parcels_loses_nothing(
    order: list[Scan], cuts: list[int], again: list[Scan]
) -> None:
    edges = [0, *sorted(cuts), 6]
    messages = [order[start:end] for start, end in itertools.pairwise(edges)]

    _, entries = lives([*messages, again])

    kept = {one.report_id for mine in entries.values() for one in mine.values()}
    assert kept == {one.report_id for one in OLD + NEW}


@st.composite
def numbers(draw: st.DrawFn) -> list[Scan]:
    """What was ever scanned under one number: days to months lie between, labels anywhere."""
    days, history = 0, []
    for _ in range(draw(st.integers(1, 7))):
        days += draw(st.sampled_from([0, 1, 1, 2, 3, 20, 60, 89, 91, 130]))
        status = draw(
            st.sampled_from(
                [S.LABEL_CREATED, S.LABEL_CREATED, S.PICKED_UP, S.DELIVERED, S.RETURNED]
            )
        )
        at = START + timedelta(days=days, hours=draw(st.sampled_from([0, 1])))
        raw = f"easypost:{status}"
        history.append(
            Scan(provider="easypost", occurred_at=at, precision="second", status=status, raw=raw)
        )
    return history


@st.composite
def number_arrivals(draw: st.DrawFn) -> tuple[list[Scan], list[list[Scan]]]:
    history = draw(numbers())
    queue = [
        *draw(st.permutations(history)),
        *draw(st.lists(st.sampled_from(history), max_size=3)),
    ]
    cuts = sorted(draw(st.lists(st.integers(0, len(queue)), max_size=6)))
    edges = [0, *cuts, len(queue)]
    return history, [queue[start:end] for start, end in itertools.pairwise(edges)]


def current(messages: Sequence[Sequence[Scan]]) -> dict[str, object]:
    """What is seen of the parcel that has the number now, but for what is quarantined."""
    known, entries = lives(messages)
    view = display(known[-1], entries[len(known)].values(), NOW)
    seen = view.model_dump(exclude={"id", "generation"})
    return {**seen, "scans": [row for row in view.scans if not row.quarantined]}


def own_by_the_book(history: Sequence[Scan]) -> list[Scan]:
    """Leave out what is older than the label. Written without the module."""
    dates = [one.occurred_at for one in history if one.occurred_at]
    labels = [one.occurred_at for one in history if one.status is S.LABEL_CREATED]
    kept = [one for one in labels if one]
    if not kept:
        return list(history)
    is_recycled = max(kept) > min(dates) + timedelta(days=90)
    label = max(kept) if is_recycled else min(kept)
    floor = label - timedelta(hours=48)
    return [one for one in history if one.occurred_at and one.occurred_at >= floor]


@given(number_arrivals())
def test_what_is_seen_of_a_number_is_a_function_of_what_was_scanned_under_it(
    arrival: tuple[list[Scan], list[list[Scan]]],
) -> None:
    history, messages = arrival
    own = own_by_the_book(history)

    shown = current(messages)

    assert shown == current([history])
    assert shown["scans"] == list(display(fold(PARCEL, own), own, NOW).scans)
    known, _ = lives(messages)
    assert known[-1].status is by_the_book(own)
    assert known[-1].delivered_at is None or known[-1].delivered_at in {
        one.occurred_at for one in own
    }


@given(number_arrivals())
def test_a_message_that_comes_again_changes_nothing_of_a_number(
    arrival: tuple[list[Scan], list[list[Scan]]],
) -> None:
    _, messages = arrival
    known, entries = lives(messages)

    assert current([*messages, *messages]) == current(messages)
    assert all(counts(known[-1], one) is False for one in old_of(known, entries))


def old_of(known: Sequence[Shipment], entries: dict[int, dict[str, Scan]]) -> list[Scan]:
    return [
        one
        for generation, mine in entries.items()
        for one in mine.values()
        if generation < len(known)
    ]
