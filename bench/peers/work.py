"""What every peer does with a purchase, by loyalty's own code, over the SDK as it comes."""

import hashlib
import os
from collections.abc import Mapping
from typing import Any

import boto3

from tandem_core.clock import utc_now
from tandem_core.journal import Origin
from tandem_core.table import Table
from tandem_loyalty import use_cases
from tandem_loyalty.contracts import Accumulate, LedgerEvent
from tandem_loyalty.store import Store

STORE = Store(Table(os.environ["TANDEM_TABLE"], boto3.client("dynamodb")))


def accumulate(
    account_id: str, body: Accumulate, claims: Mapping[str, Any], headers: Mapping[str, str]
) -> LedgerEvent:
    """Grant the points of a purchase, once."""
    purchase = body.the_purchase()
    meaning = f"{account_id}\n{body.model_dump_json(exclude_unset=True)}"
    origin = Origin(
        actor=f"{claims['role']}:{claims['sub']}",
        channel=purchase.channel or "pos",
        key=headers["idempotency-key"],
        request=hashlib.sha256(meaning.encode()).digest()[:16],
    )
    purchase = purchase.model_copy(update={"location_id": claims["store_id"]})
    outcome = use_cases.accumulate_purchase(STORE, account_id, purchase, origin, utc_now())
    return LedgerEvent.of(outcome.entry, outcome.fact)
