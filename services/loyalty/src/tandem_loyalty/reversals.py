"""Points taken back when lines of an order are cancelled or returned.

What a line has earned is divided over its units once, by largest remainder. Returning units takes
the target of all units returned so far, less what was taken already; so any split and any order of
partial returns ends where one whole return would. A floor for each refund would not: twenty small
refunds would keep the points.

Taken from: the order's pending points, its lot, other lots (those that end first), and what is
still missing is owed, up to the program's floor; beyond that it is waived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tandem_core.problems import Conflict, Unprocessable
from tandem_loyalty.accrual import LinePoints
from tandem_loyalty.facts import Accrued, PointsReversed
from tandem_loyalty.ledger import Draft
from tandem_loyalty.points import take


class ReturnExceedsPurchase(Conflict):
    code, title = "RETURN_EXCEEDS_PURCHASE", "More units than were bought"


class UnknownLine(Unprocessable):
    code, title = "UNKNOWN_LINE", "The order has no such line"
    field = "lines"


def reverse_lines(  # noqa: PLR0913  a decision and the order's own history
    draft: Draft,
    accrued: Accrued,
    earlier: Sequence[PointsReversed],
    reversal_id: str,
    quantities: Mapping[str, int] | None,
    occurred_at: datetime,
    floor: int | None,
) -> PointsReversed:
    """Take back what units of an order's lines have earned; None is all that is left of the order.

    `floor` is the most that may be owed afterwards, by the program version of the purchase.

    Raises ReturnExceedsPurchase or UnknownLine.
    """
    lines = _points_of_units(accrued.lines or (), earlier, quantities)
    points = sum(line.points for line in lines)
    account = draft.account
    order_id = accrued.order_id or ""
    pending = account.pending.get(order_id)
    from_pending = min(points, pending.points if pending else 0)
    from_lots, missing = take(account, points - from_pending, first=accrued.last_day)
    owed = missing if floor is None else min(missing, max(0, floor - account.owed))
    waived = missing - owed
    return draft.record(
        PointsReversed,
        pending=-from_pending,
        lots={lot: -part for lot, part in from_lots.items()},
        owed=owed,
        program={"issuance": points, "waiver": -waived},
        occurred_at=occurred_at,
        order_id=order_id,
        reversal_id=reversal_id,
        lines=lines,
        waived=waived,
    )


def units_that_earned(
    accrued: Accrued, quantities: Mapping[str, int] | None
) -> Mapping[str, int] | None:
    """Return of the units that are gone those of lines that had earned: shops add lines to orders
    afterwards. As given when none of the lines is known, which is no edit but a mistake."""
    if quantities is None:
        return None
    bought = {line.line_id for line in accrued.lines or ()}
    known = {name: units for name, units in quantities.items() if name in bought}
    return known or quantities


def _points_of_units(
    bought: Sequence[LinePoints],
    earlier: Sequence[PointsReversed],
    quantities: Mapping[str, int] | None,
) -> tuple[LinePoints, ...]:
    returned: dict[str, int] = {}
    for reversal in earlier:
        for line in reversal.lines:
            returned[line.line_id] = returned.get(line.line_id, 0) + line.quantity
    left = {line.line_id: line.quantity - returned.get(line.line_id, 0) for line in bought}
    wanted = left if quantities is None else quantities
    unknown = wanted.keys() - left.keys()
    if unknown:
        raise UnknownLine(f"The order has no line {min(unknown)}", line_id=min(unknown))
    for line in bought:
        quantity = wanted.get(line.line_id, 0)
        if quantity > line.quantity:
            raise ReturnExceedsPurchase(
                f"{quantity} of line {line.line_id} come back, {line.quantity} were bought",
                line_id=line.line_id,
                bought=line.quantity,
            )
    # A cancelled order is also refunded: units that were taken back already are not taken twice.
    units = {name: min(quantity, left[name]) for name, quantity in wanted.items()}
    return tuple(
        LinePoints(
            line_id=line.line_id,
            quantity=units[line.line_id],
            points=_target(line, returned.get(line.line_id, 0) + units[line.line_id])
            - _target(line, returned.get(line.line_id, 0)),
        )
        for line in bought
        if units.get(line.line_id)
    )


def _target(line: LinePoints, units: int) -> int:
    """Return what the first `units` of a line have earned, dividing it by largest remainder."""
    each, more = divmod(line.points, line.quantity)
    return each * units + min(units, more)
