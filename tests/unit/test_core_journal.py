"""The one write path: all or nothing, numbered and chained, repeated without harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tandem_core.journal import (
    Claim,
    Entry,
    Fact,
    Head,
    Journal,
    LostRace,
    Origin,
    check_key_unused,
    check_replay,
    entry_item,
    entry_of,
    head_of,
    until_written,
    verify_chain,
)
from tandem_core.problems import Busy, Conflict, IdempotencyKeyReused
from tandem_core.table import Key, Table
from tests.unit.memory_client import MemoryClient

NOW = datetime(2026, 3, 10, 9, 30, tzinfo=UTC)
HEAD = Key("ACC#1", "HEAD")
SHOP = Origin("integration:shop", "web", key="k1", request=b"\x01" * 16)


@pytest.fixture
def client() -> MemoryClient:
    return MemoryClient()


@pytest.fixture
def journal(client: MemoryClient) -> Journal:
    return Journal(Table("table", cast(Any, client)))


def fact(number: int, kind: str = "points.earned") -> Fact:
    return Fact(Key(f"ORDER#{number}", "EARNED"), kind, f'{{"order":{number}}}')


def head(journal: Journal) -> Head:
    (item,) = journal.table.get(HEAD)
    return head_of(HEAD, "acc_1", item)


def entries(journal: Journal, *numbers: int) -> list[Entry]:
    items = journal.table.get(*[fact(number).key for number in numbers])
    return [entry_of(item) for item in items if item]


def write(journal: Journal, number: int, origin: Origin = SHOP, **more: Any) -> list[Entry]:
    one = fact(number)
    return journal.append(
        head(journal), f"state {number}", [one], origin, NOW, answer=one.key, **more
    )


# --- append ---------------------------------------------------------------------------------------


def test_a_first_write_makes_the_head_and_its_first_entry(journal: Journal) -> None:
    (written,) = write(journal, 1)

    assert (written.seq, written.previous, written.origin) == (1, b"", SHOP)
    after = head(journal)
    assert (after.version, after.state, after.hash) == (1, "state 1", written.hash)
    assert entries(journal, 1) == [written]


def test_head_entries_and_claims_are_one_call(journal: Journal, client: MemoryClient) -> None:
    journal.append(
        Head(HEAD, "acc_1"),
        "state",
        [fact(1), fact(2)],
        SHOP,
        NOW,
        claims=[Claim({"pk": "CLAIM#x", "sk": "main"}, Conflict)],
    )
    assert client.calls == ["transact_write_items"]
    assert len(client.items) == 4


@given(batches=st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_entries_are_numbered_without_gaps_and_chained(batches: list[int]) -> None:
    journal = Journal(Table("table", cast(Any, MemoryClient())))
    written: list[Entry] = []
    for size in batches:
        facts = [fact(len(written) + number) for number in range(size)]
        written += journal.append(head(journal), "state", facts, SHOP, NOW)

    verify_chain(written)
    assert [entry.seq for entry in written] == list(range(1, len(written) + 1))
    assert len({entry.at for entry in written}) == len(written)
    assert head(journal).version == len(written)


def test_a_clock_that_runs_behind_does_not_turn_time_back(journal: Journal) -> None:
    (first,) = write(journal, 1)
    (second,) = journal.append(
        head(journal), "s", [fact(2)], SHOP, NOW - timedelta(days=1), answer=fact(2).key
    )
    assert second.at > first.at


def test_what_time_has_done_is_recorded_as_the_systems_own(journal: Journal) -> None:
    origin = replace(SHOP, causation_id="evt_9", traceparent="00-a")
    by_time, asked = journal.append(
        Head(HEAD, "acc_1"), "s", [fact(1), fact(2)], origin, NOW, answer=fact(2).key
    )
    assert (by_time.origin.actor, by_time.origin.key) == ("tandem", "")
    assert by_time.origin.causation_id == "evt_9"
    assert asked.origin == origin


def test_indexes_stay_until_they_are_replaced(journal: Journal, client: MemoryClient) -> None:
    write(journal, 1, indexes={"due_at": "2026"})
    write(journal, 2)
    assert head(journal).indexes == {"due_at": "2026"}
    write(journal, 3, indexes={})
    assert head(journal).indexes == {}
    assert "due_at" not in client.items["ACC#1", "HEAD"]


def test_an_index_moves_without_a_new_version(journal: Journal) -> None:
    write(journal, 1, indexes={"due_at": "2026"})
    before = head(journal)
    journal.reindex(before, {"due_at": "2027"})

    assert head(journal) == replace(before, indexes={"due_at": "2027"})
    write(journal, 2)
    with pytest.raises(LostRace):
        journal.reindex(before, {})


def test_a_snapshot_is_kept_whenever_a_multiple_is_reached_or_passed(journal: Journal) -> None:
    kept = []
    for number, size in enumerate([3, 2, 2, 1, 4]):
        facts = [fact(10 * number + each) for each in range(size)]
        written = journal.append(
            head(journal), f"state {number}", facts, SHOP, NOW, snapshot_every=4
        )
        kept.append([entry.snapshot for entry in written if entry.snapshot])
    # Versions 3, 5, 7, 8 and 12.
    assert kept == [[], ["state 1"], [], ["state 3"], ["state 4"]]


# --- refusals -------------------------------------------------------------------------------------


def test_a_head_that_has_moved_on_is_a_lost_race_and_nothing_is_written(
    journal: Journal, client: MemoryClient
) -> None:
    seen = head(journal)
    write(journal, 1)
    before = dict(client.items)

    with pytest.raises(LostRace):
        journal.append(seen, "s", [fact(2)], SHOP, NOW)
    assert client.items == before


def test_an_entry_that_exists_already_is_a_lost_race(
    journal: Journal, client: MemoryClient
) -> None:
    write(journal, 1)
    other = Head(Key("ACC#2", "HEAD"), "acc_2")
    before = dict(client.items)

    with pytest.raises(LostRace):
        journal.append(other, "s", [fact(1)], SHOP, NOW)
    assert client.items == before


def test_a_claim_that_is_taken_is_refused_by_its_own_name(
    journal: Journal, client: MemoryClient
) -> None:
    claim = Claim({"pk": "CLAIM#x", "sk": "main"}, lambda: Conflict("taken"))
    write(journal, 1, claims=[claim])
    before = dict(client.items)

    with pytest.raises(Conflict, match="taken"):
        write(journal, 2, claims=[claim])
    assert client.items == before


def test_a_lost_race_comes_before_a_taken_claim(journal: Journal) -> None:
    claim = Claim({"pk": "CLAIM#x", "sk": "main"}, lambda: Conflict("taken"))
    journal.append(Head(HEAD, "acc_1"), "s", [fact(1)], SHOP, NOW, claims=[claim])
    with pytest.raises(LostRace):
        journal.append(Head(HEAD, "acc_1"), "s", [fact(1)], SHOP, NOW, claims=[claim])


def test_a_claim_that_nobody_guards_is_replaced(journal: Journal, client: MemoryClient) -> None:
    for number in (1, 2):
        write(journal, number, claims=[Claim({"pk": "PTR", "sk": "C", "current": number})])
    assert client.items["PTR", "C"]["current"] == {"N": "2"}


# --- trying again ---------------------------------------------------------------------------------


def failing(times: int) -> Callable[[], str]:
    left = iter([True] * times)

    def attempt() -> str:
        if next(left, False):
            raise LostRace
        return "written"

    return attempt


def test_a_lost_race_is_run_again_after_a_growing_pause() -> None:
    pauses: list[float] = []
    assert until_written(failing(10), pauses.append) == "written"
    assert len(pauses) == 10
    assert all(0 <= pause <= 0.4 for pause in pauses)
    assert pauses[0] <= 0.01


def test_who_is_always_overtaken_is_told_so_in_the_end() -> None:
    pauses: list[float] = []
    with pytest.raises(Busy):
        until_written(failing(10_000), pauses.append)
    assert sum(pauses) < 20


def test_a_refusal_is_not_tried_again() -> None:
    attempts = []

    def refuse() -> None:
        attempts.append(1)
        raise Conflict

    with pytest.raises(Conflict):
        until_written(refuse, lambda _pause: None)
    assert len(attempts) == 1


# --- repeats --------------------------------------------------------------------------------------


def test_the_same_key_with_the_same_request_is_a_repeat(journal: Journal) -> None:
    (written,) = write(journal, 1)
    check_replay(written, SHOP)


def test_the_same_key_with_another_request_is_refused(journal: Journal) -> None:
    (written,) = write(journal, 1)
    with pytest.raises(IdempotencyKeyReused):
        check_replay(written, replace(SHOP, request=b"\x02" * 16))


@pytest.mark.parametrize("other", [{"key": "k2"}, {"actor": "terminal:till_3"}, {"key": ""}])
def test_another_caller_or_key_for_the_same_fact_gets_the_first_answer(
    journal: Journal, other: dict[str, str]
) -> None:
    (written,) = write(journal, 1)
    check_replay(written, replace(SHOP, request=b"\x02" * 16, **cast(Any, other)))


def test_a_key_of_the_last_sixteen_writes_may_not_name_another_fact(journal: Journal) -> None:
    for number in range(20):
        write(journal, number, replace(SHOP, key=f"key {number}"))
    after = head(journal)

    for number in range(4, 20):
        origin = replace(SHOP, key=f"key {number}")
        check_key_unused(after, origin, fact(number).key)
        with pytest.raises(IdempotencyKeyReused):
            check_key_unused(after, origin, fact(99).key)
    check_key_unused(after, replace(SHOP, key="key 3"), fact(99).key)
    check_key_unused(after, replace(SHOP, key="key 19", actor="other"), fact(99).key)
    assert len(after.recent) == 160


def test_events_have_no_key_and_are_not_remembered(journal: Journal) -> None:
    write(journal, 1, Origin("integration:shop", "web"))
    assert head(journal).recent == ""
    check_key_unused(head(journal), Origin("integration:shop", "web"), fact(2).key)


# --- as it is stored ------------------------------------------------------------------------------

ORIGINS = st.builds(
    Origin,
    actor=st.text(max_size=20),
    channel=st.text(max_size=5),
    key=st.text(max_size=20),
    request=st.binary(max_size=16),
    causation_id=st.text(max_size=20),
    traceparent=st.text(max_size=20),
)


DOCUMENTS = st.dictionaries(st.text(), st.text() | st.integers(), max_size=3).map(json.dumps)


@given(origin=ORIGINS, data=DOCUMENTS, snapshot=st.just("") | DOCUMENTS, previous=st.binary())
def test_an_entry_is_read_as_it_was_written(
    origin: Origin, data: str, snapshot: str, previous: bytes
) -> None:
    entry = Entry(
        key=Key("ORDER#1", "EARNED"),
        subject="acc_1",
        seq=7,
        type="points.earned",
        at="2026-03-10T09:30:00.000000Z",
        data=data,
        origin=origin,
        previous=previous,
        hash=b"\x07" * 32,
        snapshot=snapshot,
    )
    assert entry_of(entry_item(entry)) == entry


def test_an_account_of_many_orders_stays_small(journal: Journal, client: MemoryClient) -> None:
    for number in range(40):
        write(journal, number, replace(SHOP, key=f"key {number}"))
    assert len(str(client.items["ACC#1", "HEAD"])) < 700


# --- the chain ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forgery",
    [
        {"data": '{"order":9}'},
        {"type": "points.adjusted"},
        {"at": "2020-01-01T00:00:00.000000Z"},
        {"subject": "acc_2"},
        {"seq": 3},
        {"previous": b"\x00" * 32},
        {"hash": b"\x00" * 32},
    ],
)
def test_a_changed_entry_breaks_the_chain(journal: Journal, forgery: dict[str, Any]) -> None:
    chain = [write(journal, number)[0] for number in range(4)]
    verify_chain(chain)

    chain[1] = replace(chain[1], **forgery)
    with pytest.raises(ValueError, match="broken"):
        verify_chain(chain)


@pytest.mark.parametrize("order", [[0, 2, 3], [1, 2, 3], [0, 2, 1, 3], [0, 0, 1, 2]])
def test_a_missing_or_moved_entry_breaks_the_chain(journal: Journal, order: list[int]) -> None:
    chain = [write(journal, number)[0] for number in range(4)]
    with pytest.raises(ValueError, match="broken"):
        verify_chain([chain[position] for position in order])


def test_ids_of_entries_name_their_subject_and_number(journal: Journal) -> None:
    assert [write(journal, number)[0].id for number in range(2)] == ["evt_acc_1_1", "evt_acc_1_2"]
