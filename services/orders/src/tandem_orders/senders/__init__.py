"""Everybody who sends us messages: one row each, what it says and how it signs.

A new sender is a module and a row. What has no signature of its own (Amazon's queues, carriers that
are polled) is passed on by the retailer's forwarder or poller, who signs by Standard Webhooks.
"""

from __future__ import annotations

from collections.abc import Mapping

from tandem_core.signatures import SCHEMES, Scheme
from tandem_orders.senders import (
    aftership,
    amazon,
    dhl_express,
    dpd,
    easypost,
    fedex,
    shippo,
    shopify,
    square,
    ups,
    usps,
    woocommerce,
)
from tandem_orders.senders.sender import Sender

_ROWS: tuple[tuple[Sender, str], ...] = (
    (shopify.SENDER, "shopify"),
    (woocommerce.SENDER, "woocommerce"),
    (square.SENDER, "square"),
    (amazon.SENDER, "standard_webhooks"),
    (easypost.SENDER, "easypost"),
    (aftership.SENDER, "aftership"),
    (shippo.SENDER, "shippo"),
    (ups.SENDER, "standard_webhooks"),
    (fedex.SENDER, "standard_webhooks"),
    (usps.SENDER, "standard_webhooks"),
    (dhl_express.SENDER, "standard_webhooks"),
    (dpd.SENDER, "standard_webhooks"),
)

SENDERS: Mapping[str, tuple[Sender, Scheme]] = {
    sender.name: (sender, SCHEMES[scheme]) for sender, scheme in _ROWS
}
