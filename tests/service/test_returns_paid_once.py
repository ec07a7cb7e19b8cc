"""Money, points, labels, restocked units: each once, whatever dies, is lost, late or repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import urllib3

from tests.service import returns_crashes
from tests.service.conftest import Returns
from tests.service.disturbances import interfere, no_pauses
from tests.service.returns_crashes import (
    Accident,
    Crashes,
    carried,
    impatient,
    insisted,
    rested,
    told,
)
from tests.service.returns_service import HOME, euros, news_of, order_placed, redemption
from tests.service.table_contents import contents, nothing_changes

TENDERS = [
    {"type": "points", "paid": euros(1_000), "reference": "rdm_1"},
    {"type": "gift_card", "paid": euros(1_500), "reference": "GIFT"},
    {"type": "card", "paid": euros(10_000), "reference": "pi_1"},
]


@dataclass
class Journey:
    """An order that was paid three ways comes back whole: a shoe over the counter, the rest in a
    parcel with our label; what came back goes on the shelf."""

    returns: Returns
    name: str
    return_id: str = ""
    order_id: str = ""
    steps: Iterator[int] = field(default_factory=count)

    def run(self) -> None:
        self.bought()
        self.opened()
        self.step("receive", lines=[arrived("1", 1)], role="terminal", subject="till")
        self.step("receive", lines=[arrived("1", 1), arrived("2", 1)])
        self.step("inspect", lines=[shelved("1", 2), shelved("2", 1)])
        rested(self.returns, self.return_id)

    def bought(self) -> None:
        returns = self.returns
        tenders = [{**one, "reference": f"{one['reference']}-{self.name}"} for one in TENDERS]
        at = returns.now.isoformat()
        placed = order_placed(self.name, at, tenders=tenders)
        self.order_id = placed["order_id"]
        for seq, (kind, data) in enumerate(
            [("order.placed", placed), ("fulfillment.delivered", self.delivery(at))], start=1
        ):
            self.heard("orders", kind, data, seq)
        captured = redemption(f"rdm_1-{self.name}", 1_000, euros(1_000))
        account = {"account_id": "acc_1"}
        self.heard("loyalty", "redemption.captured", {**account, "redemption": captured}, 1)

    def heard(self, source: str, kind: str, data: Any, seq: int) -> None:
        name = f"evt_{self.name}_{kind}"
        told(lambda: self.returns.hear(source, kind, data, event_id=name, seq=seq))

    def delivery(self, at: str) -> Any:
        return {
            "order_id": self.order_id,
            "fulfillment_id": "ful_1",
            "state": "delivered",
            "lines": [{"line_id": "1", "quantity": 2}, {"line_id": "2", "quantity": 1}],
            "delivered_at": at,
            "occurred_at": at,
        }

    def opened(self) -> None:
        returns, key = self.returns, f"open-{self.name}"
        quote = insisted(lambda: returns.quote(self.order_id, {"1": 2, "2": 1}, key=key))
        opened = insisted(lambda: returns.open(quote["id"], address=HOME, key=key))
        self.return_id = opened["id"]
        carried(returns)

    def step(self, verb: str, *, role: str = "staff", subject: str = "amy", **body: Any) -> None:
        key = f"{self.name}-{next(self.steps)}"
        insisted(
            lambda: self.returns.command(
                self.return_id, verb, body, key=key, role=role, subject=subject
            )
        )
        carried(self.returns)

    # --- what must be true of it at the end -----------------------------------------------------

    def check(self) -> None:
        returns, back = self.returns, self.returns.get(self.return_id)
        assert back["status"] == "resolved", back
        assert {one["state"] for one in back["refund"]["refunds"]} == {"succeeded"}
        paid = returns.paid(self.order_id)
        assert {one["status"] for one in paid} == {"succeeded"}
        assert Counter(one["refund_id"] for one in paid) == Counter(
            one["id"] for one in back["refund"]["refunds"] if one["tender"] != "points"
        )
        assert sums(paid) == {"gift_card": 1_500, "card": 10_000}

        entries = returns.entries(self.order_id)
        told = [
            one.data for one in returns.published.values()
            if one.type == "refund.succeeded" and one.data["order_id"] == self.order_id
        ]  # fmt: skip
        assert sum(one.type == "refund.succeeded" for one in entries) == len(told)
        assert units(line for one in told for line in one["lines"]) == {"1": 2, "2": 1}
        legs = [leg for one in told for leg in one["legs"]]
        by_tender: Counter[str] = Counter()
        for leg in legs:
            by_tender[leg["tender"]] += leg["paid"]["amount"]
        assert by_tender == {"points": 1_000, "gift_card": 1_500, "card": 10_000}
        assert sum(leg.get("points") or 0 for leg in legs) == 1_000

        kinds = Counter(one.type for one in entries)
        assert kinds["return.closed"] == 1
        assert kinds["item.restocked"] == 2
        sold = [one for one in returns.labels() if one["reference"] == self.return_id]
        assert len(sold) == kinds["return.parcel_added"] == 1
        assert not any("ADDRESS#" in sk for _, sk in returns.stored())


def arrived(line_id: str, quantity: int) -> Any:
    return {"line_id": line_id, "quantity": quantity, "condition": "as_new"}


def shelved(line_id: str, quantity: int) -> Any:
    return {"line_id": line_id, "quantity": quantity, "disposition": "restocked"}


def sums(paid: Any) -> Counter[str]:
    by_tender: Counter[str] = Counter()
    for one in paid:
        by_tender[one["tender"]] += one["amount"]
    return by_tender


def units(lines: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for one in lines:
        found[one["line_id"]] += one["quantity"]
    return found


@pytest.fixture
def crashes(returns: Returns, monkeypatch: pytest.MonkeyPatch) -> Crashes:
    del returns  # whose table is the one that is written
    no_pauses(monkeypatch)
    return returns_crashes.prepared(monkeypatch)


# --- at every step --------------------------------------------------------------------------------


@pytest.mark.parametrize("accident", ["killed", "unheard"])
def test_an_accident_at_any_step_changes_nothing_of_what_is_paid(
    returns: Returns, crashes: Crashes, accident: Accident
) -> None:
    journey = Journey(returns, "undisturbed")
    journey.run()
    journey.check()
    steps = crashes.done
    assert steps > 20

    places = set()
    for chosen in range(1, steps + 1):
        returns.forget_everything()
        crashes.arm(chosen, accident)
        journey = Journey(returns, f"{accident}-{chosen}")
        journey.run()
        assert crashes.where, f"nothing happened at {chosen}"
        places.add(crashes.where.partition(" ")[0])
        journey.check()
    assert places == {"transact", "put", "delete", "PUT", "POST", "put_new"}


def test_an_accident_at_any_step_of_a_late_result_changes_nothing(
    returns: Returns, crashes: Crashes
) -> None:
    """From the message at the door to the refund that has succeeded."""
    for chosen in range(9):
        returns.forget_everything()
        crashes.arm(0, "killed")
        planned = refund_planned(returns, f"late-{chosen}")
        return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
        returns.fault("late")
        assert returns.deliver(planned) == []
        crashes.arm(chosen, "killed")
        returns.ask("POST", f"/sandbox/refunds/{refund_id}", {"status": "succeeded"})
        (paid,) = returns.paid(planned.subject)
        sent(returns, news_of(paid, returns.now, chosen))
        rested(returns, return_id)
        assert returns.kinds(planned.subject).count("refund.succeeded") == 1
        assert sums(returns.paid(planned.subject)) == {"card": 5_000}
        if chosen and not crashes.where:
            assert chosen > 2
            return
    raise AssertionError("there is no end of it")


def sent(returns: Returns, news: Any) -> None:
    """Send a message until it is taken, as its sender does."""

    def send() -> None:
        assert returns.says("stripe", news).status == 202

    told(send)


def receipts(returns: Returns) -> list[Any]:
    """Declare, confirm, let it be heard, and confirm again; return what is answered."""
    told_by_amy = {"order_reference": "#1001", "email": "amy@example.com"}
    declared = insisted(
        lambda: returns.call("POST", "/withdrawals", told_by_amy, role=None, key="k")
    )
    found = []
    for _ in range(2):
        confirmed = insisted(
            lambda: returns.call(
                "POST",
                "/withdrawals/{withdrawal_id}/confirm",
                role=None,
                key="k",
                withdrawal_id=declared["id"],
            )
        )
        found.append(confirmed["receipt"])
        carried(returns)
    return found


def test_an_accident_at_any_step_of_a_withdrawal_changes_nothing(
    returns: Returns, crashes: Crashes
) -> None:
    for chosen in range(1, 9):
        returns.forget_everything()
        crashes.arm(0, "killed")
        order_id = returns.bought()
        crashes.arm(chosen, "killed")
        first, again = receipts(returns)
        assert first == again
        kinds = Counter(entry.type for entry in returns.journal())
        assert kinds["return.requested"] == kinds["withdrawal.matched"] == 1
        assert kinds["withdrawal.confirmed"] == kinds["withdrawal.declared"] == 1
        (matched,) = returns.events("withdrawal.matched")
        assert returns.get(matched["return_id"])["order_id"] == order_id
        if not crashes.where:
            assert chosen > 4
            return
    raise AssertionError("there is no end of it")


def test_a_refund_whose_event_is_lost_is_paid_by_the_schedule(
    returns: Returns, crashes: Crashes
) -> None:
    """Wherever a worker dies, and nobody delivers its message again."""
    planned, steps = refund_planned(returns), 0
    while True:
        steps += 1
        crashes.arm(steps, "killed")
        try:
            assert returns.deliver(planned) == []
        except returns_crashes.Killed:
            pass
        else:
            break
        returns.published |= {one.id: one for one in returns.unpublished()}
        return_id = planned.data["return_id"]
        rested(returns, return_id)
        assert sums(returns.paid(planned.data["order_id"])) == {"card": 5_000}
        assert returns.kinds(planned.subject).count("refund.succeeded") == 1
        planned = refund_planned(returns, f"again-{steps}")
    assert steps == 4


def refund_planned(returns: Returns, name: str = "1001") -> Any:
    """The event of a refund that nobody has heard of yet."""
    return_id = returns.opened(returns.bought(name))
    returns.received(return_id, role="integration")
    fresh = returns.unpublished()
    returns.published |= {one.id: one for one in fresh}
    (planned,) = [one for one in fresh if one.type == "refund.planned"]
    return planned


def refund_of(returns: Returns, return_id: str) -> Any:
    (refund,) = returns.get(return_id)["refund"]["refunds"]
    return refund


# --- providers that misbehave ---------------------------------------------------------------------

CALLS = [
    {"provider": "stripe", "operation": "refund"},
    {"provider": "credit", "operation": "credit"},
    {"provider": "easypost", "operation": "shipment"},
    {"provider": "easypost", "operation": "buy"},
]


@pytest.mark.parametrize(
    "kind",
    [
        "timeout_before_acting",
        "timeout_after_acting",
        "timeout_then_acting",
        "connection_lost",
        "error_500",
        "error_500_after_acting",
        "rate_limited",
        "in_progress",
    ],
)
def test_every_call_goes_wrong_once_and_all_is_paid_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    impatient(monkeypatch)
    for call in CALLS:
        returns.fault(kind, match=call)
    journey = Journey(returns, kind)
    journey.run()
    assert returns.faults() == 0
    journey.check()


@pytest.mark.parametrize("forgets", [False, True])
def test_each_answer_is_lost_for_a_long_time(returns: Returns, forgets: bool) -> None:
    """Also when the provider has forgotten our keys meanwhile."""
    for call in CALLS:
        returns.fault("connection_lost", match=call, times=3)
    returns.fault("connection_lost", match={"operation": "list"}, times=5)
    returns.fault("error_500", match={"provider": "credit", "operation": "get"}, times=5)
    journey = Journey(returns, "lost")
    journey.bought()
    journey.opened()
    journey.step("receive")
    journey.step("inspect", lines=[shelved("1", 2)])
    journey.step("inspect", lines=[shelved("2", 1)])
    if forgets:
        returns.ask("POST", "/sandbox/forget-keys")
    states = {
        one["tender"]: one["state"] for one in returns.get(journey.return_id)["refund"]["refunds"]
    }
    assert states == {"points": "succeeded", "gift_card": "unknown", "card": "unknown"}
    rested(returns, journey.return_id)
    assert "refund.unknown" in returns.kinds(journey.order_id)
    journey.check()


def test_a_refund_that_nobody_knows_of_is_asked_for_ever_more_seldom(returns: Returns) -> None:
    returns.fault("error_500", match={"provider": "stripe"}, times=100)
    planned = refund_planned(returns)
    returns.deliver(planned)
    asked = []
    for minutes in range(5, 600, 5):
        returns.later(minutes=5)
        if returns.watch()["seen"]:
            asked.append(minutes)
    gaps = [later - earlier for earlier, later in zip(asked, asked[1:], strict=False)]
    assert gaps == sorted(gaps)
    assert 5 <= len(asked) <= 15
    assert returns.paid() == []
    returns.ask("DELETE", "/sandbox/faults")
    rested(returns, planned.data["return_id"])
    assert sums(returns.paid()) == {"card": 5_000}


# --- what is told late ----------------------------------------------------------------------------


def test_a_result_that_comes_late_is_taken_once(returns: Returns) -> None:
    returns.fault("late")
    planned = refund_planned(returns)
    return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
    returns.deliver(planned)
    assert refund_of(returns, return_id)["state"] == "pending"
    assert returns.get(return_id)["status"] == "in_progress"

    returns.told(refund_id, "succeeded")
    returns.pump(times=2)
    assert returns.get(return_id)["status"] == "resolved"
    returns.told(refund_id, "succeeded")
    returns.pump(times=2)
    returns.deliver(planned)
    returns.later(days=1)
    returns.watch()
    assert returns.kinds(planned.subject).count("refund.succeeded") == 1
    assert returns.parked() == []
    assert sums(returns.paid()) == {"card": 5_000}


def test_a_result_that_nobody_tells_is_asked_for(returns: Returns) -> None:
    returns.fault("late")
    planned = refund_planned(returns)
    return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
    returns.deliver(planned)
    # It ends, and the message is lost.
    returns.ask("POST", f"/sandbox/refunds/{refund_id}", {"status": "succeeded"})
    returns.later(hours=5, minutes=59)
    returns.watch()
    assert refund_of(returns, return_id)["state"] == "pending"
    returns.later(minutes=1)
    returns.watch()
    assert returns.get(return_id)["status"] == "resolved"
    assert sums(returns.paid()) == {"card": 5_000}


def test_money_that_a_bank_sends_back_is_paid_another_way(returns: Returns) -> None:
    planned = refund_planned(returns)
    return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
    returns.deliver(planned)
    returns.pump()
    returns.told(refund_id, "failed", reason="expired_or_canceled_card")
    returns.pump()
    refund = refund_of(returns, return_id)
    assert (refund["state"], refund["reason"]) == ("failed", "expired_or_canceled_card")
    assert returns.get(return_id)["lines"][0]["money"] == "failed"

    body = {"tender": "store_credit", "reason": "the card is gone"}
    replies = [
        returns.command(
            return_id, "refunds/{refund_id}/replan", body, refund_id=refund_id, key="replan"
        )
        for _ in range(2)
    ]
    assert [(one.status, one.replayed) for one in replies] == [(201, False), (201, True)]
    returns.pump(times=2)
    back = returns.get(return_id)
    assert back["status"] == "resolved"
    assert [one["state"] for one in back["refund"]["refunds"]] == ["replanned", "succeeded"]
    kept = [one for one in returns.paid() if one["status"] == "succeeded"]
    assert sums(kept) == {"store_credit": 5_000}
    # Its units were told when it had succeeded once.
    told = [one["lines"] for one in returns.events("refund.succeeded")]
    assert told == [[{"line_id": "1", "quantity": 1}], []]


def test_what_was_refused_for_good_is_paid_another_way_and_its_units_told_once(
    returns: Returns,
) -> None:
    returns.fault("fail", reason="charge_disputed")
    planned = refund_planned(returns)
    return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
    returns.deliver(planned)
    refund = refund_of(returns, return_id)
    assert (refund["state"], refund["reason"]) == ("failed", "charge_disputed")
    returns.later(days=2)
    returns.watch()
    assert returns.paid() == []

    body = {"tender": "gift_card", "reference": "GIFT", "reason": "in dispute"}
    path = "refunds/{refund_id}/replan"
    returns.done(returns.command(return_id, path, body, refund_id=refund_id))
    again = returns.command(return_id, path, body, refund_id=refund_id)
    assert (again.status, again.body["code"]) == (409, "INVALID_TRANSITION")
    returns.pump(times=2)
    assert returns.get(return_id)["status"] == "resolved"
    assert sums(returns.paid()) == {"gift_card": 5_000}
    (told,) = returns.events("refund.succeeded")
    assert told["lines"] == [{"line_id": "1", "quantity": 1}]


def test_what_a_person_has_paid_is_not_paid_by_the_provider_as_well(returns: Returns) -> None:
    returns.fault("requires_action")
    planned = refund_planned(returns)
    return_id, refund_id = planned.data["return_id"], planned.data["refunds"][0]["refund_id"]
    returns.deliver(planned)
    assert refund_of(returns, return_id)["state"] == "requires_action"
    settled = returns.command(
        return_id,
        "refunds/{refund_id}/settle",
        {"outcome": "succeeded", "reference": "slip"},
        refund_id=refund_id,
    )
    # The provider still holds it: a person who paid as well would pay twice.
    assert (settled.status, settled.body["code"]) == (409, "INVALID_TRANSITION")
    returns.told(refund_id, "succeeded")
    returns.pump()
    assert returns.get(return_id)["status"] == "resolved"
    assert sums(returns.paid()) == {"card": 5_000}


# --- everything twice, and in reverse -------------------------------------------------------------


def test_every_event_twice_and_then_all_of_them_in_reverse(returns: Returns) -> None:
    journey = Journey(returns, "once")
    journey.run()
    heard = [*returns.heard, *returns.published.values()]
    paid = returns.paid()
    with nothing_changes(returns):
        for envelope in [*reversed(heard), *heard]:
            assert returns.deliver(envelope) == []
    assert returns.paid() == paid
    journey.check()


def test_all_that_others_say_comes_in_reverse_and_twice(returns: Returns) -> None:
    straight, backwards = Journey(returns, "straight"), Journey(returns, "backwards")
    straight.run()
    with returns.holding_back() as held:
        backwards.bought()
    for envelope in reversed(held):
        for _ in range(2):
            assert returns.deliver(envelope) == []
    backwards.opened()
    backwards.step("receive", lines=[arrived("1", 2), arrived("2", 1)])
    backwards.step("inspect", lines=[shelved("2", 1), shelved("1", 2)])
    rested(returns, backwards.return_id)
    backwards.check()

    legs = [returns.get(one.return_id)["refund"]["legs"] for one in (straight, backwards)]
    assert legs[0] == legs[1]


def test_our_own_events_in_reverse_pay_once(returns: Returns) -> None:
    journey = Journey(returns, "reversed")
    journey.bought()
    quote = returns.quote(journey.order_id, {"1": 2, "2": 1}).body
    journey.return_id = returns.open(quote["id"], address=HOME).body["id"]
    returns.received(journey.return_id, role="integration")
    for _ in range(5):
        for envelope in reversed(returns.unpublished()):
            for _ in range(2):
                assert returns.deliver(envelope) == []
            returns.published[envelope.id] = envelope
    returns.inspected(journey.return_id, ("1", 1, "restocked"), ("1", 1, "restocked"))
    returns.inspected(journey.return_id, ("2", 1, "restocked"))
    rested(returns, journey.return_id)
    back = returns.get(journey.return_id)
    assert back["status"] == "resolved"
    assert sums(returns.paid()) == {"gift_card": 1_500, "card": 10_000}
    # It was at the counter before its label was made.
    assert (back["label"]["state"], back["label"]["reason"]) == ("unavailable", "not_needed")
    assert returns.labels() == []


# --- two at once ----------------------------------------------------------------------------------


def overtaken(
    monkeypatch: pytest.MonkeyPatch, other: Callable[[], Any], *, answered: bool
) -> list[str]:
    """Let somebody else act just before the first call to a provider, or just after it."""
    request = urllib3.PoolManager.request
    calls: list[str] = []

    def disturbed(pool: Any, method: str, url: str, **options: Any) -> Any:
        calls.append(f"{method} {url}")
        first = len(calls) == 1
        if first and not answered:
            other()
        response = request(pool, method, url, **options)
        if first and answered:
            other()
        return response

    monkeypatch.setattr(urllib3.PoolManager, "request", disturbed)
    return calls


@pytest.mark.parametrize("answered", [False, True])
def test_two_workers_on_one_refund_pay_it_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    no_pauses(monkeypatch)
    planned = refund_planned(returns)
    calls = overtaken(monkeypatch, lambda: returns.deliver(planned), answered=answered)
    assert returns.deliver(planned) == []
    assert len(calls) >= 2
    assert sums(returns.paid()) == {"card": 5_000}
    kinds = returns.kinds(planned.subject)
    assert (kinds.count("refund.succeeded"), kinds.count("return.closed")) == (1, 1)


@pytest.mark.parametrize("times", [1, 2])
def test_two_workers_who_write_at_once_write_each_result_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    no_pauses(monkeypatch)
    planned = refund_planned(returns)
    interfere(monkeypatch, before=lambda: returns.deliver(planned), times=times)
    assert returns.deliver(planned) == []
    assert sums(returns.paid()) == {"card": 5_000}
    kinds = returns.kinds(planned.subject)
    assert (kinds.count("refund.submitted"), kinds.count("refund.succeeded")) == (1, 1)


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_the_provider_tells_the_result_before_it_answers(
    returns: Returns, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    no_pauses(monkeypatch)
    returns.fault("late")
    planned = refund_planned(returns)
    refund_id = planned.data["refunds"][0]["refund_id"]

    def news() -> None:
        returns.told(refund_id, status)
        for envelope in returns.unpublished():
            assert returns.deliver(envelope) == []

    overtaken(monkeypatch, news, answered=True)
    assert returns.deliver(planned) == []
    # The answer said `pending`, which is old by now.
    assert refund_of(returns, planned.data["return_id"])["state"] == status


def test_a_worker_and_a_message_that_write_at_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_pauses(monkeypatch)
    planned = refund_planned(returns)
    refund_id = planned.data["refunds"][0]["refund_id"]
    writes = iter(range(10))

    def news() -> None:
        if next(writes) == 1:
            returns.told(refund_id, "succeeded")
            for envelope in returns.unpublished():
                if envelope.type == "webhook.received":
                    assert returns.deliver(envelope) == []

    interfere(monkeypatch, before=news, times=2)
    assert returns.deliver(planned) == []
    kinds = returns.kinds(planned.subject)
    assert (kinds.count("refund.succeeded"), kinds.count("return.closed")) == (1, 1)


@pytest.mark.parametrize("answered", [False, True])
def test_two_workers_on_one_label_buy_it_once(
    returns: Returns, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    no_pauses(monkeypatch)
    order_id = returns.bought()
    returns.done(returns.open(returns.quoted(order_id), address=HOME))
    (approved,) = [one for one in returns.unpublished() if one.type == "return.approved"]
    overtaken(monkeypatch, lambda: returns.deliver(approved), answered=answered)
    assert returns.deliver(approved) == []
    assert len(returns.labels()) == 1
    assert returns.kinds(order_id).count("return.parcel_added") == 1


def test_no_label_is_bought_for_what_was_called_off(returns: Returns) -> None:
    return_id = returns.open(returns.quoted(returns.bought()), address=HOME).body["id"]
    returns.done(returns.command(return_id, "cancel"))
    returns.pump()
    assert returns.labels() == []
    assert returns.get(return_id)["label"]["reason"] == "not_needed"
    assert not any("ADDRESS#" in sk for _, sk in contents(returns))


def test_a_label_that_cannot_be_sold_is_told_and_its_address_forgotten(returns: Returns) -> None:
    returns.fault("fail", match={"operation": "shipment"}, reason="ADDRESS.VERIFY.FAILURE")
    return_id = returns.open(returns.quoted(returns.bought()), address=HOME).body["id"]
    returns.pump(times=2)
    label = returns.get(return_id)["label"]
    assert label == {"state": "unavailable", "url": None, "reason": "ADDRESS.VERIFY.FAILURE"}
    assert not any("ADDRESS#" in sk for _, sk in contents(returns))
