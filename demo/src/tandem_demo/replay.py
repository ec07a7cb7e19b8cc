"""Sends the households' stories through the public API and writes down what was accepted.

Owns the order of the requests: a household's own one after another, households side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from tandem_demo.books import Books, Overspent
from tandem_demo.client import Caller, Client, Refused
from tandem_demo.story import (
    HOLD_SECONDS,
    PROGRAM_ID,
    Member,
    Redemption,
    Story,
    Visit,
    store_name,
)

WEB_SHOP = Caller("integration", "web-shop")
SERVICE_DESK = Caller("staff", "service-desk")
_ACCOUNTS = "/loyalty/v1/accounts"
_CONFLICT = 409

T = TypeVar("T")
R = TypeVar("R")


class OtherProgram(Exception):
    """The program is not the default one, whose rules are all that the demo can check."""


@dataclass(frozen=True)
class Terms:
    """What the demo takes from the program: the currency, and how long web points are pending."""

    currency: str
    web_pending: timedelta


class Enrolment(NamedTuple):
    account_id: str
    enrolled_at: datetime


@dataclass
class Account:
    """A household's account as the demo knows it from what it sent and what was accepted."""

    story: Story
    account_id: str
    books: Books = field(default_factory=Books)
    earned_points: dict[str, int] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    failure: str = ""


def read_terms(client: Client) -> Terms:
    """Read the program. Raises OtherProgram if its rules are not those of rules.py."""
    program = client.get("program", f"/loyalty/v1/programs/{PROGRAM_ID}", WEB_SHOP).body
    rules = [(rule["type"], rule["points"], rule["per"]) for rule in program["accrual_rules"]]
    value = program["point_value"]
    web = program["pending"].get("web", {})
    if (
        rules != [("spend", 1, "1")]
        or value["value"]["amount"] != value["points"]
        or web.get("mode") != "return_window"
        or (program["expiry"]["mode"], program["expiry"].get("months")) != ("rolling", 12)
    ):
        raise OtherProgram(
            f"program {PROGRAM_ID} (version {program['version']}) is not the default one any more; "
            "the demo can only check the default rules"
        )
    # Nothing in the demo reports an arrival, so the window never starts and the fallback counts.
    return Terms(program["currency"], timedelta(days=web["fallback_days"]))


def tills(accounts: Iterable[Account]) -> set[Caller]:
    """Return the terminals that the visits need, one for each store."""
    return {
        _till_of(visit)
        for account in accounts
        for visit in account.story.visits
        if visit.channel == "pos"
    }


def enrol(client: Client, members: Sequence[Member], threads: int) -> list[Enrolment]:
    """Enrol every member, or find it enrolled by an earlier run. Raises Refused."""

    def enrol_one(member: Member) -> Enrolment:
        reply = client.post("enrol", _ACCOUNTS, WEB_SHOP, member.enrolment, member.key("enrol"))
        return Enrolment(reply.body["id"], _instant(reply.body["enrolled_at"]))

    return _side_by_side(client, enrol_one, members, threads)


def replay(
    client: Client,
    accounts: Sequence[Account],
    terms: Terms,
    threads: int,
    on_visit: Callable[[], None],
) -> None:
    """Send every visit. A household whose request is refused stops there, `failure` says why."""

    def live(account: Account) -> None:
        try:
            for visit in account.story.visits:
                _Desk(client, account, terms, visit).serve()
                on_visit()
        except (Refused, Overspent) as finding:
            account.failure = str(finding)

    _side_by_side(client, live, accounts, threads)


def _side_by_side(
    client: Client, work: Callable[[T], R], items: Sequence[T], threads: int
) -> list[R]:
    """Map in a few threads; an interruption ends all of them soon."""
    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            return list(pool.map(work, items))
        except BaseException:
            client.stop()
            raise


class _Hold(NamedTuple):
    redemption_id: str
    expires_at: datetime

    @property
    def held_at(self) -> datetime:
        """When the points were first held: a repeat gets the first answer again."""
        return self.expires_at - timedelta(seconds=HOLD_SECONDS)


@dataclass
class _Desk:
    """One visit: hold points, take or release them, sell, and at times undo the redemption."""

    client: Client
    account: Account
    terms: Terms
    visit: Visit

    def serve(self) -> None:
        redemption = self.visit.redemption
        hold = self._authorize(redemption) if redemption else None
        captured = self._finish(redemption, hold) if redemption and hold else False
        self._accumulate()
        if redemption and hold and captured and redemption.reversed_points:
            self._reverse(redemption, hold)

    @property
    def _till(self) -> Caller:
        return _till_of(self.visit)

    def _send(
        self, operation: str, path: str, caller: Caller, body: dict[str, Any]
    ) -> dict[str, Any]:
        key = self.account.story.member.key(self.visit.basket.basket_id, operation)
        reply = self.client.post(
            operation, f"{_ACCOUNTS}/{self.account.account_id}{path}", caller, body, key
        )
        return reply.body

    def _accumulate(self) -> None:
        visit, story, books = self.visit, self.account.story, self.account.books
        caller = WEB_SHOP if visit.channel == "web" else self._till
        self._send("accumulate", "/accumulate", caller, story.purchase(visit, self.terms.currency))
        wait = self.terms.web_pending if visit.channel == "web" else timedelta()
        books.earn(visit.earned_points, visit.occurred_at, visit.occurred_at + wait)
        self.account.earned_points[story.member.order_id(visit.basket.basket_id)] = (
            visit.earned_points
        )
        self.account.done["baskets"] += 1

    def _authorize(self, redemption: Redemption) -> _Hold | None:
        body = self.account.story.authorization(self.visit, redemption)
        books = self.account.books
        try:
            answer = self._send("authorize", "/redemptions", self._till, body)
        except Refused as refusal:
            # Only right if an earlier run was cut off and points have lapsed since.
            if (
                refusal.code != "INSUFFICIENT_POINTS"
                or books.available(_now()) >= redemption.points
            ):
                raise
            self.account.done["holds refused"] += 1
            return None
        hold = _Hold(answer["id"], _instant(answer["expires_at"]))
        books.spend(hold.redemption_id, redemption.points, hold.held_at)
        self.account.done["holds"] += 1
        return hold

    def _finish(self, redemption: Redemption, hold: _Hold) -> bool:
        """Capture or void the hold. Returns whether points were captured."""
        books, done = self.account.books, self.account.done
        operation = "capture" if redemption.captured_points else "void"
        body = {"points": redemption.captured_points} if redemption.captured_points else {}
        path = f"/redemptions/{hold.redemption_id}/{operation}"
        try:
            self._send(operation, path, self._till, body)
        except Refused as refusal:
            # Only right if an earlier run was cut off here and its hold has lapsed since.
            if refusal.status != _CONFLICT or _now() < hold.expires_at:
                raise
            books.give_back(hold.redemption_id, redemption.points)
            done["holds lapsed"] += 1
            return False
        books.give_back(hold.redemption_id, redemption.points - redemption.captured_points)
        done[f"{operation}s"] += 1
        return redemption.captured_points > 0

    def _reverse(self, redemption: Redemption, hold: _Hold) -> None:
        path = f"/redemptions/{hold.redemption_id}/reverse"
        self._send("reverse", path, SERVICE_DESK, {"points": redemption.reversed_points})
        self.account.books.give_back(hold.redemption_id, redemption.reversed_points)
        self.account.done["reversals"] += 1


def _till_of(visit: Visit) -> Caller:
    return Caller("terminal", f"{store_name(visit.basket.store_id)}/till_1")


def _now() -> datetime:
    return datetime.now(UTC)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
