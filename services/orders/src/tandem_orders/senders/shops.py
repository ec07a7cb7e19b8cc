"""What shop platforms name in words of their own: sales channels and means of payment.

Pure data and two look-ups. An unknown channel is the shop itself; an unknown means of payment
keeps its name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tandem_core.money import Money
from tandem_core.values import Channel
from tandem_orders.messages import Tender

# The name that a fulfilment gets which a till hands over without writing one.
TILL = "till"

# By one word of the channel's name: "amazon-us" is a marketplace.
_CHANNELS: Mapping[str, Channel] = {
    **dict.fromkeys(("pos", "till", "register", "terminal"), "pos"),
    **dict.fromkeys(("app", "iphone", "ios", "android", "mobile", "shop"), "app"),
    **dict.fromkeys(
        "amazon ebay walmart etsy google zalando otto kaufland bol cdiscount allegro rakuten "
        "mercadolibre shopee lazada target wish".split(),
        "marketplace",
    ),
    **dict.fromkeys(
        "facebook instagram meta tiktok pinterest snapchat youtube whatsapp twitter line".split(),
        "social",
    ),
}

# The first that a name contains decides; `_x_` stands for a whole word.
_TENDERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("gift_card", ("gift",)),
    ("store_credit", ("store_credit", "account_funds", "_wallet_credit_")),
    ("points", ("_points_", "loyalty", "reward")),
    ("cash", ("_cash_", "_cod_")),
    (
        "card",
        (
            *("_card_", "credit_card", "debit_card", "_visa_", "mastercard", "_amex_"),
            *("shopify_payments", "woocommerce_payments", "_stripe_", "_adyen_", "braintree"),
        ),
    ),
)


def channel_named(name: str) -> Channel:
    """Return the channel that a platform names; "web" when the name says nothing."""
    words = _words(name)
    if "_point_of_sale_" in words:
        return "pos"
    return next((_CHANNELS[word] for word in words.split("_") if word in _CHANNELS), "web")


def tender_type(name: str) -> str:
    """Return our word for a means of payment: card, cash, gift_card, store_credit, points."""
    words = _words(name)
    for tender, parts in _TENDERS:
        if any(part in words for part in parts) and "cash_app" not in words:
            return tender
    return words.strip("_")[:128] or "unknown"


def tenders(paid: Iterable[tuple[str, int]], currency: str) -> tuple[Tender, ...]:
    """Add up what was paid, in minor units, by means of payment; nothing is no tender."""
    sums: Counter[str] = Counter()
    for name, minor in paid:
        sums[tender_type(name)] += minor
    return tuple(
        Tender(type=tender, paid=Money(amount=minor, currency=currency))
        for tender, minor in sums.items()
        if minor > 0
    )


def _words(name: str) -> str:
    return f"_{re.sub(r'[^a-z0-9]+', '_', name.lower()).strip('_')}_"
