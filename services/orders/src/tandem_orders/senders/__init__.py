"""Everybody who sends us messages: one row each, what it says and how it signs.

A new sender is a module and a row. What has no signature of its own (Amazon's queues, carriers that
are polled) is passed on by the retailer's forwarder or poller, who signs by Standard Webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem_orders.senders import amazon, shopify, square, woocommerce
from tandem_orders.senders.sender import Sender
from tandem_orders.senders.signatures import SCHEMES, Scheme

_ROWS: tuple[tuple[Sender, str], ...] = (
    (shopify.SENDER, "shopify"),
    (woocommerce.SENDER, "woocommerce"),
    (square.SENDER, "square"),
    (amazon.SENDER, "standard_webhooks"),
)

SENDERS: Mapping[str, tuple[Sender, Scheme]] = {
    sender.name: (sender, SCHEMES[scheme]) for sender, scheme in _ROWS
}
