"""What orders reads in the events of returns is what returns says in them."""

from __future__ import annotations

import pytest

from tandem_core.values import Strict
from tandem_orders import contracts
from tandem_orders.contracts import Heard
from tandem_returns.return_facts import (
    ExchangeCreated,
    ExchangedLine,
    ExchangedTender,
    RefundChanged,
    RefundLeg,
    ReturnApproved,
    ReturnParcelAdded,
    ReturnReceived,
    ReturnRejected,
)
from tandem_returns.withdrawals import WithdrawalConfirmed, WithdrawalMatched


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        (contracts.ReturnParcelAdded, ReturnParcelAdded),
        (contracts.ReturnReceived, ReturnReceived),
        (contracts.RefundSucceeded, RefundChanged),
        (contracts.ExchangeCreated, ExchangeCreated),
        (contracts.HeardLine, ExchangedLine),
        (contracts.HeardTender, ExchangedTender),
    ],
)
def test_what_is_heard_is_told_under_the_same_names(heard: type[Heard], told: type[Strict]) -> None:
    assert heard.model_fields.keys() <= told.model_fields.keys()


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (ReturnApproved, "return_id order_id customer_id channel ship_by method begun_in lines"),
        (ReturnRejected, "return_id order_id customer_id reason"),
        (ReturnReceived, "method accepted"),
        (RefundChanged, "return_id order_id legs occurred_at"),
        (RefundLeg, "tender paid"),
        (
            WithdrawalConfirmed,
            "withdrawal_id occurred_at order_reference email phone name statement lines language "
            "submitted_local time_zone",
        ),
        (WithdrawalMatched, "order_id order_reference"),
    ],
)
def test_what_the_timeline_and_messages_look_for_is_there(told: type[Strict], names: str) -> None:
    assert set(names.split()) <= told.model_fields.keys()
