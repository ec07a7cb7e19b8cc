"""The page behind a tracking link: what a tracked order says, for people.

One file of HTML without scripts, pictures or anything loaded from elsewhere, so that it opens at
once on a phone in a lift. Every word of others is escaped. It shows a TrackedOrder and no more.
"""

from __future__ import annotations

from html import escape

from tandem_orders.contracts import TrackedLine, TrackedOrder, TrackedParcel, TrackedScan
from tandem_orders.texts import render, written_day

_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#777}
body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1rem;margin:2rem 0 .5rem}
p{margin:.25rem 0}.lead{font-size:1.15rem;margin:.5rem 0}.soft{color:var(--soft)}
ol,ul{list-style:none;margin:0;padding:0}li{padding:.5rem 0;border-top:1px solid var(--line)}
ol li{display:flex;gap:1rem}time{flex:0 0 6.5rem;color:var(--soft)}
"""


def order_page(order: TrackedOrder) -> str:
    """Return the whole page, in the order's language."""
    language = order.language
    title = render(language, "page.order.title", {"number": order.number} if order.number else {})
    placed = render(language, "page.placed.title", {"last_day": order.placed_at.date().isoformat()})
    # With parcels, they tell what has become of what was shipped.
    told = [one for one in order.fulfillments if one.type != "ship" or not order.parcels]
    return "".join(
        (
            f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main>",
            f'<h1>{escape(title)}</h1><p class="soft">{escape(placed)}</p>',
            f'<p class="lead">{escape(order.text)}</p>',
            *(f"<p>{escape(one.text)}</p>" for one in told),
            *(_parcel(order, parcel) for parcel in order.parcels),
            f"<h2>{escape(render(language, 'page.items.title', {}))}</h2><ul>",
            *(_line(line) for line in order.lines),
            "</ul></main></body></html>",
        )
    )


def _parcel(order: TrackedOrder, parcel: TrackedParcel) -> str:
    heading = render(order.language, "page.parcel.title", {"carrier": parcel.carrier})
    rows = "".join(
        f"<li><time>{escape(_day(order, scan))}</time><span>{escape(scan.text)}</span></li>"
        for scan in parcel.scans
    )
    return f"<h2>{escape(heading)}</h2><p>{escape(parcel.text)}</p><ol>{rows}</ol>"


def _day(order: TrackedOrder, scan: TrackedScan) -> str:
    return written_day(order.language, scan.day) if scan.day else ""


def _line(line: TrackedLine) -> str:
    left = line.ordered - line.cancelled
    name = escape(line.name)
    return f"<li>{left} × {name}</li>" if left else f'<li class="soft"><s>{name}</s></li>'
