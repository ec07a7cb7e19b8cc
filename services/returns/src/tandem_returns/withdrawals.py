"""The statutory withdrawal from a distance contract: declared, confirmed, and acknowledged.

Art. 11a of Directive 2011/83/EU (inserted by Directive (EU) 2023/2673, applied since 19 June 2026):
the consumer declares without an account, confirms by a second step, and gets on a durable medium
what was declared and when. What counts for the period is when it was confirmed.

    declared --within 24 h--> confirmed --> matched | unmatched

Matching with a purchase comes after the answer and is told to nobody outside: whoever declares
something learns the same, whether or not there is such an order. What nobody can match is for the
staff. The module decides; it renders no text, sends nothing, and knows no store.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tandem_core.clock import Instant
from tandem_core.identifiers import contacts
from tandem_core.ids import derived_id
from tandem_core.problems import Conflict
from tandem_core.values import Document, Quantity, Reference, Strict
from tandem_returns.purchases import Book, LineQuantity

CONFIRM_WITHIN = timedelta(hours=24)

_MAX_LINES = 500

Status = Literal["declared", "confirmed", "matched", "unmatched"]


class DeclarationExpired(Conflict):
    code = "DECLARATION_EXPIRED"
    title = "The declaration was not confirmed within 24 hours; declare it again"


def _email(value: str) -> str:
    """Refuse what the receipt cannot be sent to; keep what the consumer wrote."""
    if not contact_digests(value, None):
        raise PydanticCustomError("email", "must be an e-mail address")
    return value


PersonName = Annotated[str, Field(min_length=1, max_length=512)]
Email = Annotated[str, Field(min_length=1, max_length=254), AfterValidator(_email)]
Phone = Annotated[str, Field(min_length=1, max_length=64)]
Statement = Annotated[str, Field(min_length=1, max_length=4_000)]
LanguageTag = Annotated[
    str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$", examples=["de-AT"])
]


class DeclaredLine(Strict):
    """Units of what was bought, by the line or by the article."""

    line_id: Reference | None = None
    sku: Reference | None = None
    quantity: Quantity

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.line_id is None and self.sku is None:
            raise PydanticCustomError("line", "must name a line_id or a sku")
        return self


class Declaration(Strict):
    """What a consumer states. `order_reference` is the order as they read it: its number, the
    shop's id of it, or ours. Without `lines` it is the whole contract."""

    order_reference: Reference
    name: PersonName | None = None
    email: Email | None = None
    phone: Phone | None = None
    lines: Annotated[tuple[DeclaredLine, ...], Field(max_length=_MAX_LINES)] = ()
    statement: Statement | None = None
    language: LanguageTag | None = None


class Withdrawal(Strict):
    """A declaration and what became of it. `time_zone` is the one its receipt is dated in."""

    id: str
    declaration: Declaration
    declared_at: Instant
    confirmed_at: Instant | None = None
    time_zone: str = "UTC"
    order_id: str | None = None
    return_id: str | None = None
    unmatched: bool = False

    @property
    def status(self) -> Status:
        if self.order_id:
            return "matched"
        if self.unmatched:
            return "unmatched"
        return "confirmed" if self.confirmed_at else "declared"

    @property
    def public_status(self) -> Literal["declared", "confirmed"]:
        """What whoever declared it is told: nothing about an order."""
        return "confirmed" if self.confirmed_at else "declared"

    @property
    def confirm_by(self) -> datetime:
        return self.declared_at + CONFIRM_WITHIN

    @property
    def impersonal(self) -> Withdrawal:
        """The withdrawal without who declared it: what was withdrawn from, and when."""
        nobody = dict.fromkeys(WithdrawalFact.private)
        return self.model_copy(update={"declaration": self.declaration.model_copy(update=nobody)})


class Receipt(Strict):
    """The acknowledgement (Art. 11a(4)): what was declared, and date and time of its submission, in
    UTC and as the clock showed it in a zone that is named."""

    withdrawal_id: str
    declaration: Declaration
    submitted_at: Instant
    submitted_local: str
    time_zone: str


# --- facts ----------------------------------------------------------------------------------------


class WithdrawalFact(Document, Declaration):
    """What every fact says: the declaration, so that nobody has to ask for it."""

    type: ClassVar[str]
    private = frozenset({"name", "email", "phone", "statement"})

    withdrawal_id: str
    occurred_at: Instant

    @property
    def declaration(self) -> Declaration:
        return Declaration(**{name: getattr(self, name) for name in Declaration.model_fields})


class WithdrawalDeclared(WithdrawalFact):
    type = "withdrawal.declared"

    confirm_by: Instant


class WithdrawalConfirmed(WithdrawalFact):
    """`occurred_at` is the date and time of the submission; `submitted_local` the same as the clock
    showed it in `time_zone`."""

    type = "withdrawal.confirmed"

    declared_at: Instant
    submitted_local: str
    time_zone: str


class WithdrawalMatched(WithdrawalFact):
    """The purchase was found, and `return_id` was opened for it; None where nothing was left."""

    type = "withdrawal.matched"

    order_id: str
    return_id: str | None = None
    submitted_local: str
    time_zone: str


class WithdrawalUnmatched(WithdrawalFact):
    """No purchase was found, or more than one: somebody has to look."""

    type = "withdrawal.unmatched"


def apply(withdrawal: Withdrawal | None, fact: WithdrawalFact) -> Withdrawal:
    """Return the withdrawal as it is after a fact; the first one is its declaration."""
    if withdrawal is None:
        return Withdrawal(
            id=fact.withdrawal_id, declaration=fact.declaration, declared_at=fact.occurred_at
        )
    changes: dict[str, object] = {}
    if isinstance(fact, WithdrawalConfirmed):
        changes = {"confirmed_at": fact.occurred_at, "time_zone": fact.time_zone}
    elif isinstance(fact, WithdrawalMatched):
        changes = {"order_id": fact.order_id, "return_id": fact.return_id, "unmatched": False}
    elif isinstance(fact, WithdrawalUnmatched):
        changes = {"unmatched": True}
    return withdrawal.model_copy(update=changes)


# --- the two steps --------------------------------------------------------------------------------


def declaration_id(callers_key: str, declaration: Declaration) -> str:
    """Return the id of the withdrawal that a declaration begins.

    Nobody who has not made it can know it: there is no login, and whoever has the id may confirm
    and read the receipt.
    """
    return derived_id("wdr", callers_key, declaration.model_dump_json())


def declared(withdrawal_id: str, declaration: Declaration, now: datetime) -> WithdrawalDeclared:
    """Take a declaration down, whatever it is about."""
    return WithdrawalDeclared(
        **dict(declaration),
        withdrawal_id=withdrawal_id,
        occurred_at=now,
        confirm_by=now + CONFIRM_WITHIN,
    )


def confirmed(withdrawal: Withdrawal, time_zone: str, now: datetime) -> WithdrawalConfirmed | None:
    """Submit a declaration; None if that was done before. Raises DeclarationExpired."""
    if withdrawal.confirmed_at:
        return None
    if now >= withdrawal.confirm_by:
        raise DeclarationExpired
    return WithdrawalConfirmed(
        **dict(withdrawal.declaration),
        withdrawal_id=withdrawal.id,
        occurred_at=now,
        declared_at=withdrawal.declared_at,
        submitted_local=_local(now, time_zone),
        time_zone=time_zone,
    )


def receipt_of(withdrawal: Withdrawal) -> Receipt | None:
    """Return the receipt, the same one whenever it is asked for; None before the confirmation."""
    if withdrawal.confirmed_at is None:
        return None
    return Receipt(
        withdrawal_id=withdrawal.id,
        declaration=withdrawal.declaration,
        submitted_at=withdrawal.confirmed_at,
        submitted_local=_local(withdrawal.confirmed_at, withdrawal.time_zone),
        time_zone=withdrawal.time_zone,
    )


def _local(instant: datetime, time_zone: str) -> str:
    return instant.astimezone(ZoneInfo(time_zone)).isoformat(timespec="seconds")


# --- what it is about -----------------------------------------------------------------------------


def matched(
    withdrawal: Withdrawal, book: Book | None, return_id: str | None, now: datetime
) -> WithdrawalMatched | WithdrawalUnmatched | None:
    """Record what a confirmed withdrawal is about; None if nothing is new."""
    said = {**dict(withdrawal.declaration), "withdrawal_id": withdrawal.id, "occurred_at": now}
    if withdrawal.order_id or (book is None and withdrawal.unmatched):
        return None
    if book is None:
        return WithdrawalUnmatched(**said)
    submitted_at = withdrawal.confirmed_at or now
    return WithdrawalMatched(
        **said,
        order_id=book.order_id,
        return_id=return_id,
        submitted_local=_local(submitted_at, withdrawal.time_zone),
        time_zone=withdrawal.time_zone,
    )


def contact_digests(email: str | None, phone: str | None) -> tuple[str, ...]:
    """Return by what a purchase of a person is found: no personal data, and equal for equal
    contacts. What cannot be read as a contact has none."""
    return tuple(contact.digest for contact in contacts(email, phone))


def matches(declaration: Declaration, book: Book) -> bool:
    """Whether a declaration is about a purchase: it names the order and somebody known to it.

    A number alone is not enough, since anybody can guess one; nor is a name, which many share.
    """
    named = {_plain(name) for name in (book.order_id, book.external_id, book.number) if name}
    wanted = _plain(declaration.order_reference)
    known_by = contact_digests(declaration.email, declaration.phone)
    return bool(wanted) and wanted in named and not set(book.contacts).isdisjoint(known_by)


def find(declaration: Declaration, books: Iterable[Book]) -> Book | None:
    """Return the one purchase that a declaration is about; None for none and for several."""
    found = {book.order_id: book for book in books if matches(declaration, book)}
    return next(iter(found.values())) if len(found) == 1 else None


def withdrawn(declaration: Declaration, book: Book) -> tuple[LineQuantity, ...] | None:
    """Return the units that are withdrawn from: of each line no more than is left.

    None where the declaration names what was not bought, or more than is left of it.
    """
    left = {line.line_id: line.left for line in book.lines}
    if not declaration.lines:
        return _quantities(left)
    skus = {line.line_id: line.sku for line in book.lines}
    units: Counter[str] = Counter()
    for declared_line in declaration.lines:
        wanted = declared_line.quantity
        for line_id, sku in skus.items():
            if declared_line.line_id in (None, line_id) and declared_line.sku in (None, sku):
                taken = min(wanted, left[line_id])
                units[line_id] += taken
                left[line_id] -= taken
                wanted -= taken
        if wanted:
            return None
    return _quantities(units)


def _quantities(units: dict[str, int]) -> tuple[LineQuantity, ...]:
    listed = ((line_id, count) for line_id, count in units.items() if count)
    return tuple(LineQuantity(line_id=line_id, quantity=count) for line_id, count in listed)


def _plain(reference: str) -> str:
    """Return a reference as all its spellings have it: letters and digits alone."""
    folded = unicodedata.normalize("NFKC", reference).casefold()
    return "".join(character for character in folded if character.isalnum())
