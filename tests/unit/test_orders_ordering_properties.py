"""What must hold for every order, whatever is commanded, reported and scanned, in any order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tandem_core.events import joined_objects
from tandem_core.money import Money
from tandem_core.problems import Problem
from tandem_orders import merging, ordering
from tandem_orders.fulfillments import (
    ARRIVED,
    NOT_BEGUN,
    RELEASED,
    TRANSITIONS,
    Handover,
    LineQuantity,
    Parcel,
)
from tandem_orders.messages import (
    Contact,
    FulfillmentReport,
    LineReport,
    OrderReport,
    OrderStateReport,
    ParcelReference,
    QuantityReport,
    RefundLineReport,
    RefundReport,
    Tender,
    units_by_line,
)
from tandem_orders.order_facts import OrderCompleted, OrderPlaced, apply, fact_of, placed_order
from tandem_orders.ordering import Draft
from tandem_orders.orders import Order
from tandem_orders.places import Place
from tandem_orders.shipments import blank

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
LINES = {"1": 3, "2": 1, "3": 2}
NUMBERS = ("A1", "B2", "C3")
PARCELS = {
    ("ups", number): Parcel(
        shipment_id=blank("ups", number).id, carrier="ups", tracking_number=number
    )
    for number in NUMBERS
}
STATES = sorted(
    {state for moves in TRANSITIONS.values() for way in moves.values() for state in way}
)

# Something that happens to an order.
Step = Callable[..., object]


def report(**changes: Any) -> OrderReport:
    lines = tuple(
        LineReport(line_id=line_id, sku=f"sku-{line_id}", quantity=count)
        for line_id, count in LINES.items()
    )
    return OrderReport(
        **{
            "source": "shop",
            "external_id": "1001",
            "channel": "web",
            "placed_at": START,
            "updated_at": START,
            "currency": "EUR",
            "contact": Contact(email="ada@example.org", phone="+4915112345678", name="Ada"),
            "destination": Place(city="Köln", country="DE"),
            "lines": lines,
            **changes,
        }
    )


def placed(**changes: Any) -> Draft:
    draft = Draft(None, START)
    ordering.place(draft, report(**changes), None)
    return draft


# --- what may happen ------------------------------------------------------------------------------

line_ids = st.sampled_from([*LINES, "1", "9"])
moments = st.integers(0, 200).map(lambda hours: START + timedelta(hours=hours))
quantities = st.lists(
    st.builds(LineQuantity, line_id=line_ids, quantity=st.integers(1, 4)), min_size=1, max_size=3
)
reported_units = st.lists(
    st.builds(QuantityReport, line_id=line_ids, quantity=st.integers(0, 4)), max_size=3
).map(tuple)
references = st.lists(
    st.sampled_from([ParcelReference(carrier="ups", tracking_number=one) for one in NUMBERS]),
    max_size=2,
    unique=True,
).map(tuple)
fulfillment_reports = st.builds(
    FulfillmentReport,
    source=st.just("shop"),
    order_external_id=st.just("1001"),
    external_id=st.sampled_from(["f1", "f2", "f3"]),
    type=st.sampled_from(["ship", "ship", "pickup", "in_store"]),
    state=st.sampled_from(
        ["unfulfilled", "allocated", "packed", "shipped", "delivered", "ready", "collected"]
        + ["cancelled"]
    ),
    lines=reported_units,
    parcels=references,
    occurred_at=moments,
    updated_at=st.none() | moments,
)
refund_reports = st.builds(
    RefundReport,
    source=st.just("shop"),
    order_external_id=st.just("1001"),
    external_id=st.sampled_from(["r1", "r2", "r3"]),
    lines=st.lists(
        st.builds(
            RefundLineReport,
            line_id=line_ids,
            quantity=st.integers(0, 4),
            kind=st.sampled_from(["return", "cancel", "keep"]),
        ),
        max_size=3,
    ).map(tuple),
    legs=st.just((Tender(type="card", paid=Money(amount=5, currency="EUR")),)),
    occurred_at=moments,
)


@st.composite
def order_reports(draw: st.DrawFn) -> OrderReport:
    counts = draw(st.tuples(*[st.integers(0, 4)] * 4))
    at = draw(moments)
    lines = tuple(
        LineReport(
            line_id=line_id,
            sku="s",
            quantity=LINES.get(line_id, 2),
            cancelled=count,
        )
        for line_id, count in zip([*LINES, "9"], counts, strict=True)
        if draw(st.booleans())
    )
    return report(
        lines=lines,
        updated_at=at,
        cancelled_at=draw(st.none() | st.none() | st.just(at)),
        number=draw(st.sampled_from([None, "#1001"])),
        contact=Contact(email=draw(st.sampled_from([None, "ada@example.org", "bo@example.org"]))),
        destination=draw(st.sampled_from([None, Place(city="Bonn")])),
        fulfillments=tuple(draw(st.lists(fulfillment_reports, max_size=2, unique_by=_name))),
        refunds=tuple(draw(st.lists(refund_reports, max_size=2, unique_by=_name))),
    )


def _name(report: FulfillmentReport | RefundReport) -> str:
    return report.external_id


state_reports = st.builds(
    OrderStateReport,
    source=st.just("shop"),
    order_external_id=st.just("1001"),
    state=st.sampled_from(["open", "completed", "cancelled"]),
    occurred_at=moments,
    fulfillments=st.lists(fulfillment_reports, max_size=1).map(tuple),
)


def readings(seen: int, number: str, what: str, at: datetime) -> Parcel:
    return PARCELS["ups", number].model_copy(
        update={
            "seen": seen,
            "handed_over": what != "label",
            "delivered_at": at if what == "delivered" else None,
            "returned": what == "returned",
            "exception": what == "exception",
        }
    )


parcel_readings = st.builds(
    readings,
    seen=st.integers(1, 9),
    number=st.sampled_from(NUMBERS),
    what=st.sampled_from(["label", "moving", "delivered", "delivered", "returned", "exception"]),
    at=moments,
)


@st.composite
def steps(draw: st.DrawFn) -> tuple[str, Step]:
    """One thing that may happen to an order."""
    name = draw(
        st.sampled_from(
            ["cancel", "fulfil", "fulfil", "move", "move", "parcel", "parcel", "attach", "time"]
            + ["order", "fulfilment", "fulfilment", "refund", "refund", "state", "claim", "erase"]
            + ["return"]
        )
    )
    tag = str(draw(st.integers(0, 10**9)))
    return name, draw(_STEPS[name](tag))


def _fulfil(draft: Draft, tag: str, kind: Any, lines: Any, carried: Any) -> None:
    named = [PARCELS["ups", one.tracking_number] for one in carried if kind == "ship"]
    ordering.fulfil(draft, tag, kind, lines, named, None, draft.now)


def _cancel(draft: Draft, tag: str, lines: Any) -> None:
    ordering.cancel(draft, tag, lines, "", draft.now)


def _reflect(draft: Draft, reading: Parcel) -> None:
    ordering.reflect(draft, reading, draft.now)


def _attach(draft: Draft, number: str) -> None:
    ordering.attach(draft, PARCELS["ups", number], draft.now)


def _merge(draft: Draft, said: Any) -> None:
    match said:
        case OrderReport():
            merging.merge(draft, said, PARCELS)
        case FulfillmentReport():
            merging.merge_fulfillment(draft, said, PARCELS)
        case RefundReport():
            merging.merge_refund(draft, said)
        case OrderStateReport():
            merging.merge_state(draft, said, PARCELS)


def _return(draft: Draft, received: Any, repaid: Any) -> None:
    merging.merge_return(draft, draft.now, received, repaid)


def move(draft: Draft, position: int, state: Any) -> None:
    """Move some fulfilment, by a legal way more often than not."""
    fulfillments = draft.placed.fulfillments
    if not fulfillments:
        return
    one = fulfillments[position % len(fulfillments)]
    legal = TRANSITIONS[one.type].get(one.state, ())
    to = legal[position % len(legal)] if legal and position < 4 else state
    ordering.move(draft, one.id, to, Handover(staff_id="amy"), "123456")


def time_passes(draft: Draft, hours: int) -> None:
    draft.now += timedelta(hours=hours)
    ordering.time_passes(draft)


def _saying(reports: st.SearchStrategy[Any]) -> Callable[[str], st.SearchStrategy[Step]]:
    return lambda _tag: reports.map(lambda said: partial(_merge, said=said))


def _just(step: Step) -> Callable[[str], st.SearchStrategy[Step]]:
    return lambda _tag: st.just(step)


kinds = st.sampled_from(["ship", "ship", "pickup", "in_store"])
_STEPS: dict[str, Callable[[str], st.SearchStrategy[Step]]] = {
    "cancel": lambda tag: (st.none() | quantities).map(
        lambda lines: partial(_cancel, tag=tag, lines=lines)
    ),
    "fulfil": lambda tag: st.tuples(kinds, quantities, references).map(
        lambda said: partial(_fulfil, tag=tag, kind=said[0], lines=said[1], carried=said[2])
    ),
    "move": lambda _tag: st.tuples(st.integers(0, 5), st.sampled_from(STATES)).map(
        lambda said: partial(move, position=said[0], state=said[1])
    ),
    "parcel": lambda _tag: parcel_readings.map(lambda one: partial(_reflect, reading=one)),
    "attach": lambda _tag: st.sampled_from(NUMBERS).map(lambda one: partial(_attach, number=one)),
    "time": lambda _tag: st.integers(1, 100).map(lambda hours: partial(time_passes, hours=hours)),
    "order": _saying(order_reports()),
    "fulfilment": _saying(fulfillment_reports),
    "refund": _saying(refund_reports),
    "state": _saying(state_reports),
    "return": lambda _tag: st.tuples(quantities, quantities).map(
        lambda said: partial(_return, received=said[0], repaid=said[1])
    ),
    "claim": _just(partial(ordering.claim, customer_id="cus_1")),
    "erase": _just(ordering.erase),
}


def happen(draft: Draft, step: Step) -> None:
    """Let something happen, or be refused: then nothing has happened."""
    before, told = draft.placed, len(draft.facts)
    try:
        step(draft)
    except Problem:
        assert (draft.placed, len(draft.facts)) == (before, told)
    draft.settle()


lives = st.lists(steps(), max_size=12)


# --- what must hold -------------------------------------------------------------------------------


def check(order: Order) -> None:
    for line_id, one in order.counters.items():
        assert one.ordered >= one.cancelled + one.fulfilled, (line_id, one)
        assert one.fulfilled >= one.delivered >= one.returned >= 0, (line_id, one)
        assert one.cancelled >= 0
        assert one.open == one.ordered - one.cancelled - one.fulfilled
        assert one.open <= order.cancellable[line_id] <= one.ordered - one.cancelled
        waiting = [each for each in order.fulfillments if each.state in NOT_BEGUN]
        assert sum(each.units[line_id] for each in waiting) <= one.ordered - one.cancelled
    if order.status == "cancelled":
        assert all(one.fulfilled == 0 for one in order.counters.values())
    assert (order.status == "completed") == (order.completed_at is not None)


@given(lives)
def test_the_counters_of_a_line_hold_whatever_happens(life: list[tuple[str, Step]]) -> None:
    draft = placed()
    for _, step in life:
        happen(draft, step)
        check(draft.placed)


@given(lives)
def test_an_order_is_the_fold_of_its_facts_as_they_are_stored(
    life: list[tuple[str, Step]],
) -> None:
    draft = placed()
    for _, step in life:
        happen(draft, step)

    stored = [
        fact_of(one.type, joined_objects(one.document(), one.private_document()))
        for one in draft.facts
    ]
    first, *rest = stored
    assert isinstance(first, OrderPlaced)
    assert reduce(apply, rest, placed_order(first)) == draft.placed
    again = Order.model_validate_json(draft.placed.model_dump_json(exclude_defaults=True))
    assert again == draft.placed


@given(lives)
def test_what_is_stored_without_its_person_folds_to_the_order_without_its_person(
    life: list[tuple[str, Step]],
) -> None:
    draft = placed()
    for _, step in life:
        happen(draft, step)
    ordering.erase(draft)

    first, *rest = [fact_of(one.type, one.document()) for one in draft.facts]
    assert isinstance(first, OrderPlaced)
    folded = reduce(apply, rest, placed_order(first))
    text = "".join(one.document() for one in draft.facts) + folded.model_dump_json()
    assert not any(word in text for word in ("example.org", "49151", "Ada", "Köln", "Bonn"))
    assert folded.counters == draft.placed.counters
    assert folded.status == draft.placed.status


@given(lives)
def test_what_has_ended_stays_ended_for_merchants_and_shops(life: list[tuple[str, Step]]) -> None:
    draft = placed()
    for name, step in life:
        before = {one.id: one for one in draft.placed.fulfillments}
        happen(draft, step)
        for one in draft.placed.fulfillments:
            known = before.get(one.id)
            if known is None or name in {"parcel", "move"}:
                continue
            if known.state in RELEASED or known.state in ARRIVED:
                assert one.state == known.state


@given(lives, st.none() | quantities)
def test_a_cancellation_takes_all_that_it_names_from_what_nobody_has_begun(
    life: list[tuple[str, Step]], lines: list[LineQuantity] | None
) -> None:
    draft = placed()
    for _, step in life:
        happen(draft, step)
    before, told = draft.placed, len(draft.facts)
    wanted = units_by_line(lines) if lines else Counter(_wanted(before))
    happen(draft, partial(_cancel, tag="can", lines=lines))
    order = draft.placed
    check(order)
    left = before.cancellable
    possible = all(units <= left.get(line_id, 0) for line_id, units in wanted.items())
    if not possible or not wanted:
        assert order == before
        return

    cancelled = {line.line_id: line.cancelled for line in before.lines}
    for line in order.lines:
        assert line.cancelled == cancelled[line.line_id] + wanted[line.line_id]
        assert order.cancellable[line.line_id] == left[line.line_id] - wanted[line.line_id]
    assert order.begun == before.begun
    for one in before.fulfillments:
        now = order.fulfillment(one.id)
        assert now is not None
        assert now.parcels == one.parcels
        if one.state not in NOT_BEGUN:
            assert now == one
        elif now.state == "cancelled":
            assert now.lines == one.lines
        else:
            assert now.state == one.state
            assert now.units <= one.units
    if lines is None:
        assert order.status == "cancelled"
        assert not any(one.state in NOT_BEGUN for one in order.fulfillments)
    # The cancellation comes last: whoever repeats it is shown the order as it left it.
    changes = [one.type for one in draft.facts[told:] if one.type != "order.completed"]
    assert changes.index("order.cancelled") == len(changes) - 1


def _wanted(order: Order) -> dict[str, int]:
    wanted = {line.line_id: line.quantity - line.cancelled for line in order.lines}
    return {line_id: units for line_id, units in wanted.items() if units}


@given(lives)
def test_completion_is_told_when_all_has_arrived_and_taken_back_when_it_has_not(
    life: list[tuple[str, Step]],
) -> None:
    draft = placed()
    for _, step in life:
        happen(draft, step)
    told = [isinstance(one, OrderCompleted) for one in draft.facts]
    reopened = [getattr(one, "reopened", False) for one in draft.facts]
    turns = [bool(done) for done, undone in zip(told, reopened, strict=True) if done or undone]
    assert turns == [position % 2 == 0 for position in range(len(turns))]


# --- reports --------------------------------------------------------------------------------------

reports = st.one_of(
    order_reports(), fulfillment_reports, refund_reports, state_reports, parcel_readings
).map(
    lambda said: (
        partial(_reflect, reading=said) if isinstance(said, Parcel) else partial(_merge, said=said)
    )
)


@given(lives, reports)
def test_a_report_that_comes_twice_adds_nothing_the_second_time(
    life: list[tuple[str, Step]], step: Step
) -> None:
    draft = placed()
    for _, earlier in life:
        happen(draft, earlier)
    happen(draft, step)
    before, told = draft.placed, len(draft.facts)

    happen(draft, step)
    assert [one.model_dump_json() for one in draft.facts[told:]] == []
    assert draft.placed == before


@st.composite
def true_story(draw: st.DrawFn) -> list[Step]:
    """What a shop says of an order when it says nothing that contradicts itself: each unit is sent
    once or cancelled once, and only what was sent comes back."""
    steps: list[Step] = []
    sent: dict[str, int] = {}
    left = dict(LINES)
    for number in range(draw(st.integers(0, 3))):
        lines = {one: draw(st.integers(0, count)) for one, count in left.items()}
        if not any(lines.values()):
            continue
        for line_id, count in lines.items():
            left[line_id] -= count
            sent[line_id] = sent.get(line_id, 0) + count
        way = ["unfulfilled", "allocated", "packed", "shipped", "delivered"]
        way = way[: draw(st.integers(1, 5))]
        for position, state in enumerate(way):
            steps.append(told_of(number, state, lines, position))
    cancelled = {one: draw(st.integers(0, count)) for one, count in left.items()}
    returned = {one: draw(st.integers(0, count)) for one, count in sent.items()}
    for name, kind, lines in (("c", "cancel", cancelled), ("r", "return", returned)):
        if any(lines.values()):
            steps.append(refunded(name, kind, lines))
    return steps


def told_of(number: int, state: Any, lines: dict[str, int], hours: int) -> Step:
    said = FulfillmentReport(
        source="shop",
        order_external_id="1001",
        external_id=f"f{number}",
        type="ship",
        state=state,
        lines=tuple(
            QuantityReport(line_id=line_id, quantity=count)
            for line_id, count in lines.items()
            if count
        ),
        occurred_at=START + timedelta(hours=hours),
        updated_at=START + timedelta(hours=hours),
    )
    return partial(_merge, said=said)


def refunded(name: str, kind: Any, lines: dict[str, int]) -> Step:
    said = RefundReport(
        source="shop",
        order_external_id="1001",
        external_id=name,
        lines=tuple(
            RefundLineReport(line_id=line_id, quantity=count, kind=kind)
            for line_id, count in lines.items()
        ),
        occurred_at=START,
    )
    return partial(_merge, said=said)


def after(story: Sequence[Step]) -> tuple[Any, ...]:
    draft = placed()
    for step in story:
        happen(draft, step)
    order = draft.placed
    states = sorted((one.external_id or "", one.state) for one in order.fulfillments)
    return order.counters, order.status, set(order.flags), states


@given(st.data())
def test_reports_that_do_not_contradict_each_other_may_come_in_any_order(
    data: st.DataObject,
) -> None:
    story = data.draw(true_story())
    shuffled = data.draw(st.permutations(story))
    again = data.draw(st.lists(st.sampled_from(story), max_size=3)) if story else []

    assert after([*shuffled, *again]) == after(story)


@given(
    st.lists(
        st.sampled_from(["moving", "delivered", "returned", "exception"]),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_readings_of_a_parcel_end_in_the_newest_one_in_any_order(found: list[str]) -> None:
    news = [readings(seen, "A1", what, START) for seen, what in enumerate(found, start=1)]
    three = [LineQuantity(line_id="1", quantity=3)]
    ends = set()
    for order in itertools.permutations(news):
        draft = placed()
        ordering.fulfil(draft, "f", "ship", three, [PARCELS["ups", "A1"]], None, START)
        for reading in order:
            happen(draft, partial(_reflect, reading=reading))
        (fulfillment,) = draft.placed.fulfillments
        ends |= set(fulfillment.parcels)
    assert ends == {news[-1]}
