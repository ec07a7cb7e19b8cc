"""A return book on its way to a new version: the facts that a decision records, folded along."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tandem_returns.purchases import Book
from tandem_returns.return_facts import (
    BookFact,
    ReturnBookOpened,
    ReturnBookUpdated,
    ReturnFact,
    ReturnRequested,
    apply,
    rebooked,
    updated,
)
from tandem_returns.returns import Return, ReturnData


@dataclass
class Draft:
    """A book, and one of its returns, on their way to a new version.

    `counter` is the store at whose counter this happens: what is paid in cash is paid there. `by`
    is whose decision it is.
    """

    book: Book | None
    now: datetime
    back: Return | None = None
    counter: str | None = None
    by: str | None = None
    facts: list[BookFact] = field(default_factory=list)

    @property
    def opened(self) -> Book:
        assert self.book is not None  # noqa: S101  whoever decides has opened or loaded it
        return self.book

    @property
    def current(self) -> Return:
        assert self.back is not None  # noqa: S101  whoever decides has requested or loaded it
        return self.back

    def record(self, fact: BookFact) -> None:
        self.facts.append(fact)
        if isinstance(fact, ReturnBookOpened):
            self.book = fact.book
        elif isinstance(fact, ReturnBookUpdated):
            self.book = updated(self.opened, fact)
        else:
            before, self.back = self.back, apply(self.back, fact)
            self.book = rebooked(self.opened, before, self.back)
            if isinstance(fact, ReturnRequested):
                self.book = self.opened.with_history(fact.requested_at, fact.amount)

    def about(self) -> dict[str, Any]:
        """Return what every fact of this return says."""
        back = self.current
        return {
            "order_id": back.order_id,
            "customer_id": back.customer_id,
            "number": back.number,
            "channel": back.channel,
            "occurred_at": self.now,
        }

    def change(self, fact: type[ReturnFact], back: Return, **said: Any) -> None:
        """Record what has happened to the return, which is `back` now."""
        data = {name: getattr(back, name) for name in ReturnData.model_fields}
        self.record(fact(**data, status=back.status, occurred_at=self.now, **said))
