"""How many points a purchase earns, and why. Pure arithmetic over a program and a purchase.

    paid per line -> less excluded tenders -> best rate per line -> sum -> floor once -> per line

Points are rounded down once, on the whole, and given to the lines by largest remainder, so the
lines always add up to the whole and a return can be traced to what its line has earned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from tandem_core.money import allocate, decimals, major_units
from tandem_core.values import Strict
from tandem_loyalty.programs import ActionRule, OrderRule, Program, SpendRule
from tandem_loyalty.purchases import Purchase, PurchaseLine


class Explanation(Strict):
    """Why a rule gave points or not: `reason` is a stable code, `detail` has the arithmetic."""

    rule_id: str
    fired: bool
    reason: str
    detail: str


class LinePoints(Strict):
    """What a line has earned, in points; `quantity` units share them."""

    line_id: str
    quantity: int
    points: int


@dataclass(frozen=True, slots=True)
class Accrual:
    """The points of a purchase, by line, with the reasons."""

    points: int
    lines: tuple[LinePoints, ...]
    explanation: tuple[Explanation, ...]

    def capped(self, limit: int, reason: str, detail: str) -> Accrual:
        """Return the accrual with at most `limit` points, and the reason when that cuts it."""
        if self.points <= limit:
            return self
        parts = allocate(limit, [line.points for line in self.lines])
        lines = tuple(
            line.model_copy(update={"points": part})
            for line, part in zip(self.lines, parts, strict=True)
        )
        note = Explanation(rule_id="limits", fired=True, reason=reason, detail=detail)
        return Accrual(limit, lines, (*self.explanation, note))


def points_of_purchase(program: Program, purchase: Purchase) -> Accrual:
    """Apply a program's accrual rules to a purchase."""
    bases, notes = _earning_amounts(program, purchase)
    eligible = sum(bases)
    rates = [Fraction(0)] * len(bases)
    spends = [rule for rule in program.accrual_rules if isinstance(rule, SpendRule)]
    usable = []
    for rule in spends:
        refusal = _why_not(rule, purchase, eligible)
        if refusal:
            notes.append(refusal)
        else:
            usable.append((rule, _rate(rule, purchase.currency)))
    winners = _best_rules(usable, purchase.lines, bases)
    for index, winner in enumerate(winners):
        if winner is not None:
            rates[index] = usable[winner][1]
    notes += _spend_notes(usable, winners, purchase, bases)
    weights = [rate * base for rate, base in zip(rates, bases, strict=True)]
    exact = sum(weights, Fraction(0))
    total = exact.numerator // exact.denominator
    if exact != total:
        notes.append(_note("rounding", True, "ROUNDED_DOWN", f"{_decimal(exact)} -> {total}"))
    total, weights = _add_order_points(program, purchase, eligible, total, weights, bases, notes)
    parts = allocate(total, weights) if total else [0] * len(bases)
    lines = tuple(
        LinePoints(line_id=line.line_id, quantity=line.quantity, points=part)
        for line, part in zip(purchase.lines, parts, strict=True)
    )
    return Accrual(total, lines, tuple(notes))


def action_rule(program: Program, action: str) -> ActionRule | None:
    """Return the first rule for an action."""
    for rule in program.accrual_rules:
        if isinstance(rule, ActionRule) and rule.action == action:
            return rule
    return None


def _earning_amounts(program: Program, purchase: Purchase) -> tuple[list[int], list[Explanation]]:
    """Return the minor units of each line that can earn.

    What was paid with an excluded tender is taken from all lines in proportion; excluded lines
    then earn nothing.
    """
    notes: list[Explanation] = []
    paid = [line.paid.amount for line in purchase.lines]
    unearning = sum(
        tender.paid.amount for tender in purchase.tenders if tender.type in program.excluded_tenders
    )
    unearning = min(unearning, sum(paid))
    if unearning:
        shares = allocate(unearning, paid)
        paid = [amount - share for amount, share in zip(paid, shares, strict=True)]
        amount = major_units(unearning, purchase.currency)
        notes.append(
            _note(
                "excluded_tenders", True, "TENDER_EXCLUDED", f"{amount} paid by these earns nothing"
            )
        )
    left_out = 0
    for index, line in enumerate(purchase.lines):
        if program.excluded.selects(line.sku, line.category):
            paid[index] = 0
            left_out += 1
    if left_out:
        notes.append(_note("excluded", True, "LINES_EXCLUDED", f"{left_out} lines earn nothing"))
    return paid, notes


def _rate(rule: SpendRule, currency: str) -> Fraction:
    """Return points for one minor unit."""
    per_minor = Fraction(rule.per) * Fraction(10 ** decimals(currency))
    return rule.points * Fraction(rule.multiplier) / per_minor


def _matches(rule: SpendRule, line: PurchaseLine) -> bool:
    return rule.match is None or rule.match.selects(line.sku, line.category)


def _best_rules(
    usable: Sequence[tuple[SpendRule, Fraction]],
    lines: Sequence[PurchaseLine],
    bases: Sequence[int],
) -> list[int | None]:
    """Return for each line the position of its most generous rule; the earlier one wins a tie."""
    winners: list[int | None] = []
    for line, base in zip(lines, bases, strict=True):
        best: int | None = None
        for position, (rule, rate) in enumerate(usable):
            if base and _matches(rule, line) and (best is None or rate > usable[best][1]):
                best = position
        winners.append(best)
    return winners


def _spend_notes(
    usable: Sequence[tuple[SpendRule, Fraction]],
    winners: Sequence[int | None],
    purchase: Purchase,
    bases: Sequence[int],
) -> list[Explanation]:
    notes = []
    for position, (rule, rate) in enumerate(usable):
        base = sum(
            amount for amount, winner in zip(bases, winners, strict=True) if winner == position
        )
        if base:
            multiplier = "" if rule.multiplier == "1" else f" x {rule.multiplier}"
            amount = major_units(base, purchase.currency)
            detail = (
                f"{amount} {purchase.currency} at {rule.points}{multiplier} per {rule.per}"
                f" = {_decimal(rate * base)}"
            )
            notes.append(_note(rule.id, True, "APPLIED", detail))
        elif any(_matches(rule, line) for line in purchase.lines):
            notes.append(
                _note(rule.id, False, "NOTHING_LEFT", "its lines earn by other rules or not at all")
            )
        else:
            notes.append(_note(rule.id, False, "NO_MATCHING_LINES", "no line matches"))
    return notes


def _why_not(rule: SpendRule | OrderRule, purchase: Purchase, eligible: int) -> Explanation | None:
    """Return why a rule cannot apply to the purchase as a whole, if so."""
    if rule.channels and purchase.channel not in rule.channels:
        return _note(rule.id, False, "OTHER_CHANNEL", f"not for {purchase.channel}")
    if isinstance(rule, SpendRule) and rule.currency not in (None, purchase.currency):
        return _note(rule.id, False, "OTHER_CURRENCY", f"only for {rule.currency}")
    minimum = rule.minimum_spend
    if minimum is None:
        return None
    if minimum.currency != purchase.currency:
        return _note(rule.id, False, "OTHER_CURRENCY", f"its minimum is in {minimum.currency}")
    if eligible < minimum.amount:
        missing = major_units(minimum.amount - eligible, purchase.currency)
        return _note(rule.id, False, "BELOW_MINIMUM_SPEND", f"{missing} short of {minimum}")
    return None


def _add_order_points(  # noqa: PLR0913  intermediate values of one calculation
    program: Program,
    purchase: Purchase,
    eligible: int,
    total: int,
    weights: list[Fraction],
    bases: Sequence[int],
    notes: list[Explanation],
) -> tuple[int, list[Fraction]]:
    """Add the fixed points of order rules, spread over the lines by what they can earn with."""
    for rule in program.accrual_rules:
        if not isinstance(rule, OrderRule):
            continue
        refusal = _why_not(rule, purchase, eligible)
        if refusal is None and not eligible:
            refusal = _note(rule.id, False, "NOTHING_LEFT", "nothing in the order can earn")
        if refusal:
            notes.append(refusal)
            continue
        notes.append(_note(rule.id, True, "APPLIED", f"{rule.points} for the order"))
        total += rule.points
        weights = [
            weight + Fraction(rule.points * base, eligible)
            for weight, base in zip(weights, bases, strict=True)
        ]
    return total, weights


def _note(rule_id: str, fired: bool, reason: str, detail: str) -> Explanation:  # noqa: FBT001
    return Explanation(rule_id=rule_id, fired=fired, reason=reason, detail=detail)


def _decimal(exact: Fraction) -> str:
    """Render at most four decimals, cut, for people."""
    scaled = exact.numerator * 10_000 // exact.denominator
    whole, rest = divmod(scaled, 10_000)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".") if rest else str(whole)
