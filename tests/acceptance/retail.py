"""Seven months of a real shop, replayed as orders and returns, and a count of its own beside it.

The file has one row for each line of an invoice; an invoice whose number starts with C takes units
back. It does not say of which purchase: a row is matched to what the same customer has bought of
the same article before, the newest purchase first, and may take from several. A row is taken back
whole or not at all.

Beside the replay stands the oracle: it reads the same rows, knows nothing of the service, and
counts units.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from tandem_core.clock import rfc3339
from tandem_core.ids import derived_id
from tandem_core.money import Money
from tandem_core.problems import Problem
from tandem_core.table import Key
from tandem_returns import bookkeeping, deciding, payouts
from tandem_returns.cases import Case, CaseLine
from tandem_returns.deciding import Request
from tandem_returns.drafts import Draft
from tandem_returns.eligibility import evaluate
from tandem_returns.heard import FulfillmentHeard, OrderPlaced
from tandem_returns.ids import id_within, order_of
from tandem_returns.payments import RefundResult
from tandem_returns.policies import (
    DEFAULT_POLICY,
    Conditions,
    PolicyDefinition,
    PolicyRule,
    Terms,
    TermsChange,
)
from tandem_returns.purchases import Book, ReturnExceedsPurchase
from tandem_returns.refund_plans import plan
from tandem_returns.returns import Return
from tests.service.returns_service import Returns
from tests.service.table_contents import contents

FILE = "retail/online_retail_2010-12_2011-06.csv.gz"
CURRENCY = "GBP"
# Postage, carriage, discounts, what somebody wrote in by hand, samples, fees: nothing that anybody
# could bring back.
CHARGES = frozenset({"POST", "DOT", "C2", "D", "M", "S", "AMAZONFEE", "BANK CHARGES"})
CHARGE = "charge"

Reason = Literal[
    "accepted", "no customer", "never bought", "more than bought", "no merchandise", "too late"
]


# --- the file -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an invoice. `units` are what was bought, or is to go back; `paid` is in pence."""

    position: int
    invoice: str
    code: str
    name: str
    units: int
    paid: int
    at: datetime
    customer: str | None

    @property
    def goes_back(self) -> bool:
        return self.invoice.startswith("C")

    @property
    def is_charge(self) -> bool:
        return self.code in CHARGES or self.code.startswith("GIFT_")

    @property
    def article(self) -> tuple[str | None, str]:
        return self.customer, self.code


@dataclass
class History:
    """The file, oldest row first, without what is neither bought nor brought back."""

    rows: list[Row] = field(default_factory=list)
    read: int = 0
    corrections: int = 0

    @cached_property
    def invoices(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            found[row.invoice].append(row)
        return found

    @property
    def returned(self) -> list[Row]:
        return [row for row in self.rows if row.goes_back]

    def of(self, customer: str) -> History:
        return History([row for row in self.rows if row.customer == customer])


def history(data: Path) -> History:
    """Read the file. Units that vanish without a C are corrections of the stock, of no customer."""
    found = History()
    with gzip.open(data / FILE, "rt", encoding="utf-8", newline="") as file:
        for position, raw in enumerate(csv.DictReader(file)):
            found.read += 1
            units = Decimal(raw["Quantity"])
            taken_back = raw["InvoiceNo"].startswith("C")
            if (units < 0) != taken_back or not units:
                assert not raw["CustomerID"], raw
                found.corrections += 1
                continue
            found.rows.append(_row(position, raw, abs(units)))
    return found


def _row(position: int, raw: Mapping[str, str], units: Decimal) -> Row:
    pence = (units * Decimal(raw["UnitPrice"]) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    return Row(
        position=position,
        invoice=raw["InvoiceNo"],
        # The same article is spelled 85123A and 85123a.
        code=raw["StockCode"].upper(),
        name=raw["Description"].strip(),
        units=int(units),
        paid=int(pence),
        at=datetime.fromisoformat(raw["InvoiceDate"]).replace(tzinfo=UTC),
        customer=raw["CustomerID"].removesuffix(".0") or None,
    )


# --- the oracle -----------------------------------------------------------------------------------


def expected(rows: Sequence[Row]) -> dict[int, Reason]:
    """Say of every row that goes back, by counting alone, what must become of it when time is no
    reason."""
    bought: Counter[tuple[str | None, str]] = Counter()
    returned: Counter[tuple[str | None, str]] = Counter()
    outcomes: dict[int, Reason] = {}
    for row in rows:
        if not row.goes_back:
            bought[row.article] += row.units
            continue
        outcome: Reason = "accepted"
        if row.customer is None:
            outcome = "no customer"
        elif not bought[row.article]:
            outcome = "never bought"
        elif returned[row.article] + row.units > bought[row.article]:
            outcome = "more than bought"
        elif row.is_charge:
            outcome = "no merchandise"
        else:
            returned[row.article] += row.units
        outcomes[row.position] = outcome
    return outcomes


def expected_within(rows: Sequence[Row], days: int) -> dict[int, Reason]:
    """Say the same when units may go back until so many days after the day of their purchase."""
    bought: dict[tuple[str | None, str], list[list[Any]]] = defaultdict(list)
    outcomes: dict[int, Reason] = {}
    for row in rows:
        if not row.goes_back:
            bought[row.article].append([row.at.date(), row.units])
            continue
        left = [one for one in bought[row.article] if one[1]]
        outcome: Reason = "accepted"
        if row.customer is None:
            outcome = "no customer"
        elif not bought[row.article]:
            outcome = "never bought"
        elif sum(units for _, units in left) < row.units:
            outcome = "more than bought"
        elif row.is_charge:
            outcome = "no merchandise"
        else:
            outcome = _taken(left, row.units, row.at.date() - timedelta(days=days))
        outcomes[row.position] = outcome
    return outcomes


def _taken(bought: Sequence[list[Any]], units: int, earliest: date) -> Reason:
    """Take units from the newest purchases, unless one of those is too old."""
    takes = []
    for one in reversed(bought):
        part = min(units, one[1])
        units -= part
        if part:
            takes.append((one, part))
    if any(one[0] < earliest for one, _ in takes):
        return "too late"
    for one, part in takes:
        one[1] -= part
    return "accepted"


# --- the replay -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer to a quote. `left` is what a refused one says can still come back; `code` is why
    the policy says no; `quote` is what is executed."""

    left: int | None = None
    code: str | None = None
    quote: Any = None


class Desk(Protocol):
    """Where purchases are told, and units are asked back."""

    def sell(self, rows: Sequence[Row]) -> None:
        """Tell of an invoice, and that it has arrived."""

    def quote(self, bought: Row, units: int, at: datetime) -> Offer:
        """Ask what units of a purchased line are worth."""

    def take_back(self, quote: Any, at: datetime) -> str:
        """Execute a quote, take in what was asked back, and return the return's id."""

    def refunded(self, return_id: str) -> int:
        """Return what was paid for a return that has come to its end."""


@dataclass(frozen=True, slots=True)
class Part:
    """A return of units of one purchased line."""

    bought: Row
    units: int
    return_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What has become of a row that goes back."""

    row: Row
    reason: Reason
    parts: tuple[Part, ...] = ()


def replay(told: History, desk: Desk) -> Iterator[Answer]:
    """Sell and take back in the order of the file."""
    sold: dict[tuple[str | None, str], list[Row]] = defaultdict(list)
    known: set[str] = set()
    for row in told.rows:
        if row.goes_back:
            yield _taken_back(row, sold[row.article], desk)
            continue
        if row.invoice not in known:
            known.add(row.invoice)
            desk.sell(told.invoices[row.invoice])
        if row.customer:
            sold[row.article].append(row)


_REASONS: Mapping[str, Reason] = {
    "REJECTED_BY_POLICY": "no merchandise",
    "OUTSIDE_WINDOW": "too late",
}


def _taken_back(row: Row, sold: Sequence[Row], desk: Desk) -> Answer:
    """Ask each purchase for all that is missing, and for what is left of it if that is too much."""
    if row.customer is None:
        return Answer(row, "no customer")
    missing, offers = row.units, []
    for bought in reversed(sold):
        units, offer = missing, desk.quote(bought, missing, row.at)
        if offer.left:
            units, offer = offer.left, desk.quote(bought, offer.left, row.at)
        if offer.left is None:
            missing -= units
            offers.append((bought, units, offer))
        if not missing:
            break
    if missing:
        return Answer(row, "more than bought" if sold else "never bought")
    refused = {offer.code for _, _, offer in offers if offer.code}
    if refused:
        (code,) = refused
        return Answer(row, _REASONS[code])
    parts = [
        Part(bought, units, desk.take_back(offer.quote, row.at)) for bought, units, offer in offers
    ]
    return Answer(row, "accepted", tuple(parts))


# --- what is told ---------------------------------------------------------------------------------


def order_id_of(invoice: str) -> str:
    return derived_id("ord", "shop", invoice)


def line_id_of(row: Row) -> str:
    return str(row.position)


def order_placed(rows: Sequence[Row]) -> dict[str, Any]:
    """An invoice as orders tells it: paid by card, at once."""
    first = rows[0]
    total = sum(row.paid for row in rows)
    return {
        "order_id": order_id_of(first.invoice),
        "source": "shop",
        "external_id": first.invoice,
        "number": first.invoice,
        "channel": "web",
        "customer_id": first.customer,
        "occurred_at": rfc3339(first.at),
        "placed_at": rfc3339(first.at),
        "currency": CURRENCY,
        "lines": [
            {
                "line_id": line_id_of(row),
                "sku": row.code,
                "name": row.name,
                "category": CHARGE if row.is_charge else None,
                "quantity": row.units,
                "paid": _pounds(row.paid),
            }
            for row in rows
        ],
        "tenders": [{"type": "card", "paid": _pounds(total), "reference": f"pi_{first.invoice}"}],
        "customer": {"customer_id": first.customer},
    }


def delivered(rows: Sequence[Row]) -> dict[str, Any]:
    """The file does not say when goods arrived: they count as delivered when they were bought."""
    first = rows[0]
    return {
        "order_id": order_id_of(first.invoice),
        "fulfillment_id": f"ful_{first.invoice}",
        "fulfillment_type": "ship",
        "state": "delivered",
        "previous_state": "shipped",
        "lines": [{"line_id": line_id_of(row), "quantity": row.units} for row in rows],
        "delivered_at": rfc3339(first.at),
        "occurred_at": rfc3339(first.at),
    }


def _pounds(pence: int) -> dict[str, Any]:
    return {"amount": pence, "currency": CURRENCY}


_NO_CHARGES = PolicyRule(
    id="charges", when=Conditions(categories=(CHARGE,)), then=TermsChange(decision="reject")
)
# Time is no reason.
WHENEVER = PolicyDefinition(
    name="Whenever", terms=Terms(window_days="unlimited"), rules=(_NO_CHARGES,)
)
# What every installation starts with, which knows nothing of charges.
_DEFAULT = DEFAULT_POLICY.model_dump(include=set(PolicyDefinition.model_fields))
WITHIN_DAYS = PolicyDefinition.model_validate({**_DEFAULT, "rules": (_NO_CHARGES,)})


# --- the decisions alone --------------------------------------------------------------------------


def books_of(told: History) -> dict[str, Book]:
    """Open the books of all invoices, with the evidence that they arrived."""
    books = {}
    for rows in told.invoices.values():
        if rows[0].goes_back:
            continue
        order = OrderPlaced.model_validate(order_placed(rows))
        draft = Draft(None, rows[0].at)
        draft.record(bookkeeping.opened(order, "main@1", (), 1))
        arrived = FulfillmentHeard.model_validate(delivered(rows))
        fact = bookkeeping.arrived(draft.opened, arrived, 2)
        assert fact is not None
        draft.record(fact)
        books[order.order_id] = draft.opened
    return books


@dataclass
class Decisions:
    """The service's decisions, in the order in which its use cases take them, without a table."""

    policy: PolicyDefinition
    opened: Mapping[str, Book]
    books: dict[str, Book] = field(default_factory=dict)
    returns: dict[str, Return] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def sell(self, rows: Sequence[Row]) -> None:
        order_id = order_id_of(rows[0].invoice)
        self.books[order_id] = self.opened[order_id]

    def quote(self, bought: Row, units: int, at: datetime) -> Offer:
        book, line_id = self.books[order_id_of(bought.invoice)], line_id_of(bought)
        wanted = {line_id: units}
        try:
            book.check_left(wanted)
        except ReturnExceedsPurchase as refused:
            return Offer(left=_left(refused))
        case = _case(book, line_id, units, at)
        verdict = evaluate(self.policy, case)
        (line,) = verdict.lines
        value = plan(book, wanted, verdict, "refund", at=at, gift=False)
        quote_id = f"quo_{next(self.numbers)}"
        asked = Request(
            return_id=id_within("ret", book.order_id, quote_id),
            quote_id=quote_id,
            case=case,
            verdict=verdict,
            plan=value,
            exchange=None,
            begun_in="web",
            store_id=None,
        )
        return Offer(code=line.code, quote=asked)

    def take_back(self, quote: Request, at: datetime) -> str:
        order_id = order_of("ret", quote.return_id)
        assert order_id is not None
        draft = Draft(self.books[order_id], at)
        deciding.request(draft, quote)
        deciding.receive(draft, (), None)
        for refund in draft.current.payable:
            payouts.submitted(draft, refund.refund_id, "stripe")
            result = RefundResult(outcome="succeeded", provider="stripe")
            assert payouts.resulted(draft, refund.refund_id, result)
        self.books[order_id] = draft.opened
        self.returns[quote.return_id] = draft.current
        return quote.return_id

    def refunded(self, return_id: str) -> int:
        back = self.returns[return_id]
        assert back.status == "resolved", back
        return sum(one.paid.amount for one in back.refunds if one.state == "succeeded")


def _left(refused: Problem) -> int:
    (line,) = refused.extra["left"]
    return int(line["quantity"])


def _case(book: Book, line_id: str, units: int, at: datetime) -> Case:
    line = book.line(line_id)
    unit = book.paid_of_lines[line_id] // line.quantity
    return Case(
        placed_at=book.placed_at,
        at=at,
        channel=book.channel,
        source=book.source,
        country=book.country,
        currency=book.currency,
        customer_id=book.customer_id,
        tier=None,
        outcome="refund",
        method="mail",
        lines=(
            CaseLine(
                line_id=line_id,
                sku=line.sku,
                category=line.category,
                quantity=units,
                unit_paid=Money(amount=unit, currency=book.currency),
                amount=book.amount_of(line_id, units),
                reason="changed_mind",
                evidence=book.evidence_of(line_id),
            ),
        ),
    )


# --- the service ----------------------------------------------------------------------------------


@dataclass
class WholeService:
    """The service behind its own interfaces, with a provider that pays."""

    service: Returns

    def forget(self) -> None:
        """Forget what was sold and brought back: a small table is a quick one."""
        for pk, sk in contents(self.service):
            if not pk.startswith("POLICY#"):
                self.service.store.table.delete(Key(pk, sk))
        self.service.published.clear()

    def sell(self, rows: Sequence[Row]) -> None:
        self.service.now = rows[0].at
        self.service.hear("orders", "order.placed", order_placed(rows))
        self.service.hear("orders", "fulfillment.delivered", delivered(rows))

    def quote(self, bought: Row, units: int, at: datetime) -> Offer:
        self.service.now = at
        wanted = {line_id_of(bought): units}
        reply = self.service.quote(order_id_of(bought.invoice), wanted, reason="changed_mind")
        if reply.status == 409:
            assert reply.body["code"] == "RETURN_EXCEEDS_PURCHASE", reply.body
            (line,) = reply.body["left"]
            return Offer(left=int(line["quantity"]))
        assert reply.status == 201, reply.body
        (line,) = reply.body["lines"]
        return Offer(code=line["code"], quote=reply.body["id"])

    def take_back(self, quote: str, at: datetime) -> str:
        self.service.now = at
        opened = self.service.open(quote)
        assert opened.status == 201, opened.body
        return_id = str(opened.body["id"])
        received = self.service.command(return_id, "receive", {})
        assert received.status == 200, received.body
        return return_id

    def refunded(self, return_id: str) -> int:
        back = self.service.get(return_id)
        assert back["status"] == "resolved", back
        paid = [one for one in back["refund"]["refunds"] if one["state"] == "succeeded"]
        return sum(one["paid"]["amount"] for one in paid)
