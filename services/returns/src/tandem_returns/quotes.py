"""A quote: what was asked, what the policy said, what it comes to, and until when that holds."""

from __future__ import annotations

from tandem_core.clock import Instant
from tandem_core.problems import Conflict
from tandem_core.values import Quantity, Reference, Strict
from tandem_returns.cases import Case
from tandem_returns.eligibility import Verdict
from tandem_returns.refund_plans import Plan
from tandem_returns.returns import ExchangeLine


class QuoteExpired(Conflict):
    code, title = "QUOTE_EXPIRED", "The quote has expired; ask for a new one"


class QuoteOutdated(Conflict):
    """Something of the order has come back since, or its payment has changed."""

    code, title = "QUOTE_OUTDATED", "The order has changed since; ask for a new quote"


class NotReturnable(Conflict):
    """`lines` says why, line by line."""

    code, title = "NOT_RETURNABLE", "The policy allows none of it"


class PaymentDue(Conflict):
    """`due` is to be paid before the replacement is there."""

    code, title = "PAYMENT_DUE", "The replacement costs more than what comes back"


class WantedLine(Strict):
    line_id: Reference
    quantity: Quantity
    reason: Reference


class Quote(Strict):
    """`override_by` is who lets pass what the policy does not allow."""

    quote_id: str
    order_id: str
    customer_id: Reference | None = None
    store_id: Reference | None = None
    policy: str
    case: Case
    verdict: Verdict
    plan: Plan
    exchange_for: tuple[ExchangeLine, ...] = ()
    expires_at: Instant
    override_by: str | None = None
    withdrawal_id: str | None = None
