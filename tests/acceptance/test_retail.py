"""What a real shop took back in seven months, against what the returns service lets back.

Every row is compared with a count that knows nothing of the service. All rows go through its
decisions; the customers of a sample go through the whole service, to the money.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tandem_returns.purchases import Book
from tests.acceptance import retail
from tests.acceptance.conftest import Tally
from tests.acceptance.retail import (
    WHENEVER,
    WITHIN_DAYS,
    Answer,
    Decisions,
    Desk,
    History,
    Row,
    WholeService,
    expected,
    expected_within,
)
from tests.service.returns_service import Returns, returns_service

_SECTION = "what a real shop took back, and what the returns service says to it"
_SAMPLED = 200
# Of customers with more, the made-up cloud becomes slow.
_MOST_LINES = 100


@dataclass(frozen=True)
class Replayed:
    """A replay that has come to its end; `refunded` is by return."""

    answers: Sequence[Answer]
    refunded: dict[str, int]

    @classmethod
    def of(cls, told: History, desk: Desk) -> Replayed:
        answers = list(retail.replay(told, desk))
        return cls(answers, _refunded(answers, desk))

    @property
    def outcomes(self) -> dict[int, retail.Reason]:
        return {answer.row.position: answer.reason for answer in self.answers}

    @property
    def total(self) -> int:
        return sum(self.refunded.values())

    def money_of(self, answer: Answer) -> int:
        return sum(self.refunded[part.return_id] for part in answer.parts)


def _refunded(answers: Sequence[Answer], desk: Desk) -> dict[str, int]:
    parts = [part for answer in answers for part in answer.parts]
    return {part.return_id: desk.refunded(part.return_id) for part in parts}


def _check_money(replayed: Replayed) -> Counter[str]:
    """Check that every purchased row has back what its units cost, to the penny and no more; return
    what was paid back by invoice."""
    units: Counter[Row] = Counter()
    money: Counter[Row] = Counter()
    for answer in replayed.answers:
        assert sum(part.units for part in answer.parts) == answer.row.units * bool(answer.parts)
        for part in answer.parts:
            units[part.bought] += part.units
            money[part.bought] += replayed.refunded[part.return_id]
    by_invoice: Counter[str] = Counter()
    for row, count in units.items():
        assert count <= row.units
        assert money[row] == row.paid * count // row.units, row
        by_invoice[row.invoice] += money[row]
    return by_invoice


def _pounds(pence: int) -> str:
    return f"{pence / 100:,.2f} GBP"


def _reasons(answers: Sequence[Answer]) -> Iterator[str]:
    counts = Counter(answer.reason for answer in answers)
    charges = Counter(answer.reason for answer in answers if answer.row.is_charge)
    for reason, count in counts.most_common():
        verb = "  accepted" if reason == "accepted" else f"  refused: {reason}"
        note = f" ({charges[reason]} of them postage, fees, discounts)" if charges[reason] else ""
        yield f"{count:>7,}  {verb}{note}"


@pytest.fixture(scope="module")
def told(data: Path) -> History:
    return retail.history(data)


@pytest.fixture(scope="module")
def books(told: History) -> dict[str, Book]:
    return retail.books_of(told)


@pytest.fixture(scope="module")
def whenever(told: History, books: dict[str, Book]) -> Replayed:
    return Replayed.of(told, Decisions(WHENEVER, books))


def test_every_line_of_the_file_is_told(told: History, books: dict[str, Book]) -> None:
    assert (told.read, len(told.rows), told.corrections) == (245_903, 245_145, 758)
    assert len(told.returned) == 4_494
    lines = {
        (book.external_id, line.line_id): line for book in books.values() for line in book.lines
    }
    bought = [row for row in told.rows if not row.goes_back]
    assert len(lines) == len(bought)
    for row in bought:
        line = lines[row.invoice, retail.line_id_of(row)]
        assert (line.sku, line.left, line.paid and line.paid.amount) == (
            row.code,
            row.units,
            row.paid,
        )


def test_every_return_is_accepted_or_refused_as_counting_says(
    told: History, whenever: Replayed, tally: Tally
) -> None:
    assert whenever.outcomes == expected(told.rows)

    # One that is accepted has its purchase, one that is refused moves nothing.
    assert all(bool(one.parts) == (one.reason == "accepted") for one in whenever.answers)
    several = sum(len(one.parts) > 1 for one in whenever.answers)
    free = sum(not one.bought.paid for answer in whenever.answers for one in answer.parts)
    tally.report[_SECTION] = [
        f"{told.read:>7,}  lines; {told.corrections} correct the stock and are no purchase",
        f"{len(whenever.answers):>7,}  of them take units back, whenever that was:",
        *_reasons(whenever.answers),
        f"{len(whenever.refunded):>7,}  returns, each out of the newest purchase that has any left;"
        f" {several} lines needed several",
        f"{free:>7,}  of them of what had cost nothing",
    ]


def test_no_penny_more_comes_back_than_was_paid(
    told: History, whenever: Replayed, tally: Tally
) -> None:
    by_invoice = _check_money(whenever)

    paid: Counter[str] = Counter()
    for row in told.rows:
        if not row.goes_back:
            paid[row.invoice] += row.paid
    assert all(money <= paid[invoice] for invoice, money in by_invoice.items())
    whole = sum(money == paid[invoice] for invoice, money in by_invoice.items())
    accepted = [answer for answer in whenever.answers if answer.parts]
    more = sum(one.row.paid > whenever.money_of(one) for one in accepted)
    less = sum(one.row.paid < whenever.money_of(one) for one in accepted)
    credited = sum(answer.row.paid for answer in accepted)
    refused = sum(answer.row.paid for answer in whenever.answers if not answer.parts)
    tally.report[_SECTION] += [
        "",
        f"Paid {_pounds(paid.total())}; paid back {_pounds(whenever.total)} to {len(by_invoice):,}"
        f" invoices, at most all of it ({whole} times), more never.",
        f"For the same lines the shop credited {_pounds(credited)}: {more} times more than was"
        f" paid, {less} times less. It credited {_pounds(refused)} that is refused here.",
    ]


def test_within_thirty_days(told: History, books: dict[str, Book], tally: Tally) -> None:
    assert WITHIN_DAYS.terms.window_days == 30
    replayed = Replayed.of(told, Decisions(WITHIN_DAYS, books))

    assert replayed.outcomes == expected_within(told.rows, 30)
    _check_money(replayed)
    tally.report[_SECTION] += [
        "",
        "The same under the policy that every installation starts with:",
        *_reasons(replayed.answers),
    ]


# --- the whole service ----------------------------------------------------------------------------


@pytest.fixture
def service(data: Path, tmp_path: Path) -> Iterator[Returns]:  # noqa: ARG001
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from returns_service(monkeypatch, tmp_path)


def _sample(told: History, outcomes: dict[int, retail.Reason]) -> list[str]:
    """Return customers who have brought back enough, some of them more than they had bought."""
    rows = Counter(row.customer for row in told.rows)
    by_customer: dict[str, list[retail.Reason]] = defaultdict(list)
    for row in told.returned:
        if row.customer and rows[row.customer] <= _MOST_LINES:
            by_customer[row.customer].append(outcomes[row.position])
    customers = sorted(by_customer)
    random.Random(4).shuffle(customers)
    customers.sort(key=lambda one: "more than bought" not in by_customer[one])
    chosen: list[str] = []
    for customer in customers:
        if sum(len(by_customer[one]) for one in chosen) < _SAMPLED:
            chosen.append(customer)
    return chosen


def test_the_service_pays_a_sample_back_as_its_decisions_do(
    told: History, whenever: Replayed, service: Returns, tally: Tally
) -> None:
    outcomes = expected(told.rows)
    customers = _sample(told, outcomes)
    service.now = told.rows[0].at
    service.publish(**WHENEVER.model_dump(mode="json"))
    desk = WholeService(service)
    answers: list[Answer] = []
    refunded: dict[str, int] = {}
    for customer in customers:
        mine = list(retail.replay(told.of(customer), desk))
        service.pump()
        refunded |= _refunded(mine, desk)
        answers += mine
        desk.forget()
    replayed = Replayed(answers, refunded)

    assert replayed.outcomes == {
        row.position: outcomes[row.position] for row in told.returned if row.customer in customers
    }
    assert {answer.reason for answer in answers} == {*outcomes.values()} - {"no customer"}
    _check_money(replayed)
    by_decisions = {one.row.position: one for one in whenever.answers}
    for answer in answers:
        same = by_decisions[answer.row.position]
        assert replayed.money_of(answer) == whenever.money_of(same)
    assert sum(one["amount"] for one in service.paid()) == replayed.total
    tally.report[_SECTION] += [
        "",
        f"{len(answers)} of the lines, of {len(customers)} customers, went through the whole"
        f" service and came to the same; the provider paid {_pounds(replayed.total)}.",
    ]
