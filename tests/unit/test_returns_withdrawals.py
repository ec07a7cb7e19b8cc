"""The statutory withdrawal: two steps, one receipt, and no word about whether there is an order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tandem_core.money import Money
from tandem_returns.purchases import Book, BookLine, LineQuantity
from tandem_returns.withdrawals import (
    CONFIRM_WITHIN,
    Declaration,
    DeclarationExpired,
    Withdrawal,
    WithdrawalConfirmed,
    WithdrawalFact,
    WithdrawalMatched,
    WithdrawalUnmatched,
    apply,
    confirmed,
    contact_digests,
    declaration_id,
    declared,
    find,
    matched,
    matches,
    receipt_of,
    withdrawn,
)

NOW = datetime(2026, 7, 1, 22, 30, 5, 123_456, tzinfo=UTC)
VIENNA = "Europe/Vienna"
PERSON = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "phone": "+4366012345678",
    "statement": "I withdraw from the contract.\nPlease refund my card.",
}
DECLARATION = Declaration.model_validate(
    {"order_reference": "#1001", "lines": [{"sku": "MUG", "quantity": 1}], "language": "de-AT"}
    | PERSON
)


def book(**changes: Any) -> Book:
    return Book.model_validate(
        {
            "order_id": f"ord_{'7' * 26}",
            "source": "shopify",
            "external_id": "5551234567890",
            "number": "#1001",
            "channel": "web",
            "placed_at": NOW - timedelta(days=9),
            "currency": "EUR",
            "policy": "main@1",
            "lines": [line("1", "MUG", 3), line("2", "HAT", 1), line("3", "MUG", 2)],
            "contacts": contact_digests("ada@example.com", None),
            **changes,
        }
    )


def line(line_id: str, sku: str, quantity: int, **changes: Any) -> BookLine:
    paid = Money(amount=1_000 * quantity, currency="EUR")
    return BookLine(line_id=line_id, sku=sku, quantity=quantity, paid=paid, **changes)


def declaration(**changes: Any) -> Declaration:
    said = {"order_reference": "1001", "email": "ada@example.com", **changes}
    return Declaration.model_validate(said)


def a_withdrawal(of: Declaration = DECLARATION) -> Withdrawal:
    return apply(None, declared(declaration_id("key", of), of, NOW))


def confirm(withdrawal: Withdrawal, at: datetime = NOW + timedelta(minutes=3)) -> Withdrawal:
    fact = confirmed(withdrawal, VIENNA, at)
    assert fact
    return apply(withdrawal, fact)


# --- declaring ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"order_reference": ""}, "order_reference"),
        ({"order_reference": "a\nb"}, "order_reference"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b@example.com"}, "email"),
        ({"name": ""}, "name"),
        ({"language": "de_AT!"}, "language"),
        ({"lines": [{"quantity": 1}]}, "lines.0"),
        ({"lines": [{"sku": "MUG", "quantity": 0}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "MUG", "quantity": 1}] * 501}, "lines"),
        ({"statement": "x" * 4_001}, "statement"),
        ({"order_id": "ord_1"}, "order_id"),
    ],
)
def test_what_cannot_be_a_declaration_is_refused_by_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        declaration(**changes)
    errors = refused.value.errors()
    assert [".".join(map(str, error["loc"])) for error in errors] == [field]
    assert "\n" not in errors[0]["msg"]


def test_a_phone_number_is_taken_as_it_is_written() -> None:
    assert declaration(phone="0660 / 12 34 56").phone == "0660 / 12 34 56"
    assert declaration(email=None).email is None


def test_a_declaration_waits_for_its_confirmation() -> None:
    withdrawal = a_withdrawal()
    assert withdrawal.id.startswith("wdr_")
    assert (withdrawal.status, withdrawal.public_status) == ("declared", "declared")
    assert (withdrawal.declared_at, withdrawal.confirm_by) == (NOW, NOW + CONFIRM_WITHIN)
    assert withdrawal.declaration == DECLARATION
    assert receipt_of(withdrawal) is None


def test_an_id_is_known_only_to_who_has_declared() -> None:
    ids = {
        declaration_id("key", DECLARATION),
        declaration_id("key", declaration()),
        declaration_id("another key", DECLARATION),
    }
    assert len(ids) == 3
    assert declaration_id("key", DECLARATION) == declaration_id("key", DECLARATION.model_copy())


# --- confirming -----------------------------------------------------------------------------------


def test_the_receipt_says_what_was_declared_and_when_in_a_named_zone() -> None:
    receipt = receipt_of(confirm(a_withdrawal()))
    assert receipt
    assert receipt.model_dump(mode="json", exclude={"declaration"}) == {
        "withdrawal_id": a_withdrawal().id,
        "submitted_at": "2026-07-01T22:33:05.123456Z",
        "submitted_local": "2026-07-02T00:33:05+02:00",
        "time_zone": VIENNA,
    }
    assert receipt.declaration == DECLARATION


def test_confirming_again_changes_nothing_also_after_a_day_and_in_another_zone() -> None:
    withdrawal = confirm(a_withdrawal())
    assert confirmed(withdrawal, "UTC", NOW + timedelta(days=400)) is None
    assert withdrawal.public_status == "confirmed"


def test_a_declaration_is_confirmed_within_a_day() -> None:
    last = NOW + CONFIRM_WITHIN - timedelta(microseconds=1)
    assert confirm(a_withdrawal(), last).confirmed_at == last
    with pytest.raises(DeclarationExpired) as refused:
        confirmed(a_withdrawal(), VIENNA, NOW + CONFIRM_WITHIN)
    assert (refused.value.status, refused.value.code) == (409, "DECLARATION_EXPIRED")


def test_what_is_sealed_names_nobody() -> None:
    withdrawal = a_withdrawal()
    facts: list[WithdrawalFact | None] = [
        declared(withdrawal.id, DECLARATION, NOW),
        confirmed(withdrawal, VIENNA, NOW),
        matched(confirm(withdrawal), book(), "ret_1", NOW),
        matched(confirm(withdrawal), None, None, NOW),
    ]
    for fact in facts:
        assert fact
        sealed = json.loads(fact.document())
        assert not sealed.keys() & PERSON.keys()
        assert "example.com" not in fact.document()
        assert sealed["order_reference"] == "#1001"
        assert json.loads(fact.private_document()) == PERSON


def test_a_fact_is_read_without_its_person() -> None:
    fact = declared("wdr_1", DECLARATION, NOW)
    erased = type(fact).model_validate_json(fact.document())
    assert erased.declaration == DECLARATION.model_copy(update=dict.fromkeys(PERSON))


def test_the_event_of_the_confirmation_has_all_that_the_receipt_says() -> None:
    fact = confirmed(a_withdrawal(), VIENNA, NOW)
    receipt = receipt_of(confirm(a_withdrawal(), NOW))
    assert isinstance(fact, WithdrawalConfirmed)
    assert receipt
    assert fact.type == "withdrawal.confirmed"
    assert fact.declaration == receipt.declaration
    assert (fact.occurred_at, fact.submitted_local) == (
        receipt.submitted_at,
        receipt.submitted_local,
    )


# --- matching -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    ["#1001", "1001", " 1001 ", "# 1001", "１００１", "5551234567890", f"ord_{'7' * 26}"],
)
def test_an_order_is_named_as_its_customer_reads_it(reference: str) -> None:
    assert matches(declaration(order_reference=reference), book())


@pytest.mark.parametrize("reference", ["100", "10011", "##", "main", "0"])
def test_another_name_is_another_order(reference: str) -> None:
    assert not matches(declaration(order_reference=reference), book())


def test_an_order_without_a_number_is_named_by_its_other_names() -> None:
    assert matches(declaration(order_reference="5551234567890"), book(number=None))
    assert not matches(declaration(order_reference="None"), book(number=None))


@pytest.mark.parametrize(
    ("contact", "is_known"),
    [
        ({"email": "ADA@Example.com"}, True),
        ({"email": "bob@example.com"}, False),
        ({"email": "bob@example.com", "phone": "+43 (660) 123-456-78"}, True),
        ({"email": None, "phone": "+43 660 12345678"}, True),
        ({"email": None, "phone": "0660 12345678"}, False),
        ({"email": None, "name": "Ada Lovelace"}, False),
    ],
)
def test_a_number_alone_opens_nothing(contact: dict[str, Any], is_known: bool) -> None:
    known = book(contacts=contact_digests("ada@example.com", "+4366012345678"))
    assert matches(declaration(**contact), known) is is_known


def test_an_order_of_nobody_known_is_for_the_staff() -> None:
    assert not matches(declaration(), book(contacts=()))


def test_digests_tell_no_contact_and_no_two_kinds_alike() -> None:
    digests = contact_digests("12345678@example.com", "+4366012345678")
    assert [digest.partition("#")[0] for digest in digests] == ["email", "phone"]
    assert contact_digests("not an address", "0660") == contact_digests(None, None) == ()


def test_of_several_orders_with_one_name_none_is_taken() -> None:
    one, other = book(), book(order_id=f"ord_{'8' * 26}", source="woocommerce")
    assert find(declaration(), [one, book(number="#1002", external_id="9")]) == one
    assert find(declaration(), [one, one]) == one
    assert find(declaration(), [one, other]) is None
    assert find(declaration(), []) is None


def test_matching_is_recorded_once_and_told_to_nobody() -> None:
    withdrawal = confirm(a_withdrawal())
    missed = matched(withdrawal, None, None, NOW)
    assert isinstance(missed, WithdrawalUnmatched)
    unmatched = apply(withdrawal, missed)
    assert (unmatched.status, unmatched.public_status) == ("unmatched", "confirmed")
    assert matched(unmatched, None, None, NOW) is None
    # The order may turn up later, or somebody finds it.
    found = matched(unmatched, book(), "ret_1", NOW)
    assert isinstance(found, WithdrawalMatched)
    known = apply(unmatched, found)
    assert (known.status, known.public_status) == ("matched", "confirmed")
    assert (known.order_id, known.return_id) == (book().order_id, "ret_1")
    assert matched(known, book(), "ret_2", NOW) is None
    assert receipt_of(known) == receipt_of(unmatched) == receipt_of(withdrawal)


# --- units ----------------------------------------------------------------------------------------


def units(*declared_lines: dict[str, Any], of: Book | None = None) -> dict[str, int] | None:
    lines = withdrawn(declaration(lines=list(declared_lines)), of or book())
    return None if lines is None else {one.line_id: one.quantity for one in lines}


def test_without_lines_it_is_all_that_is_left() -> None:
    partly = book(lines=[line("1", "MUG", 3, held=1), line("2", "HAT", 1, cancelled=1)])
    assert units(of=partly) == {"1": 2}
    assert units() == {"1": 3, "2": 1, "3": 2}


def test_lines_are_named_by_line_or_by_article() -> None:
    assert units({"line_id": "1", "quantity": 2}) == {"1": 2}
    assert units({"sku": "HAT", "quantity": 1}) == {"2": 1}
    assert units({"sku": "MUG", "quantity": 4}) == {"1": 3, "3": 1}
    assert units({"line_id": "3", "sku": "MUG", "quantity": 1}) == {"3": 1}
    assert units({"line_id": "3", "quantity": 2}, {"sku": "MUG", "quantity": 1}) == {"3": 2, "1": 1}


@pytest.mark.parametrize(
    "lines",
    [
        [{"line_id": "9", "quantity": 1}],
        [{"sku": "COAT", "quantity": 1}],
        [{"line_id": "2", "sku": "MUG", "quantity": 1}],
        [{"sku": "MUG", "quantity": 6}],
        [{"line_id": "1", "quantity": 2}, {"line_id": "1", "quantity": 2}],
    ],
)
def test_what_was_not_bought_is_for_the_staff(lines: list[dict[str, Any]]) -> None:
    assert units(*lines) is None


@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 5), st.integers(0, 5)), min_size=1),
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 4)), min_size=1),
)
def test_never_more_than_is_left_and_never_less_than_declared(
    bought: list[tuple[str, int, int]], wanted: list[tuple[str, int]]
) -> None:
    lines = [
        line(str(number), sku, quantity, held=min(held, quantity))
        for number, (sku, quantity, held) in enumerate(bought)
    ]
    known = book(lines=lines)
    asked = [{"sku": sku, "quantity": quantity} for sku, quantity in wanted]
    found = withdrawn(declaration(lines=asked), known)
    enough = all(
        sum(one.left for one in lines if one.sku == sku)
        >= sum(quantity for other, quantity in wanted if other == sku)
        for sku in "AB"
    )
    assert (found is not None) == enough
    for one in found or ():
        assert isinstance(one, LineQuantity)
        assert one.quantity <= known.line(one.line_id).left
    if found is not None:
        assert sum(one.quantity for one in found) == sum(quantity for _, quantity in wanted)
