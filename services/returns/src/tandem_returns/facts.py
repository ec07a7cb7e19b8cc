"""Every event that returns publishes, with the model of its data."""

from __future__ import annotations

from pydantic import BaseModel

from tandem_core.values import Document
from tandem_returns import return_facts, withdrawals
from tandem_returns.policies import Policy


class WebhookReceived(Document):
    """A provider's message was kept; its body stays in the inbox."""

    message_id: str
    source: str
    topic: str


PUBLISHED: dict[str, type[BaseModel]] = {
    **return_facts.FACTS,
    "policy.published": Policy,
    "withdrawal.declared": withdrawals.WithdrawalDeclared,
    "withdrawal.confirmed": withdrawals.WithdrawalConfirmed,
    "withdrawal.matched": withdrawals.WithdrawalMatched,
    "withdrawal.unmatched": withdrawals.WithdrawalUnmatched,
    "webhook.received": WebhookReceived,
}
