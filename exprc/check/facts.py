"""What is known of sizes: inequalities that hold always, never, or depending on the sizes.

Owns the judgement and the recording of what has to be checked on entry.  Knows nothing of arrays.
"""

from __future__ import annotations

from exprc.check.context import Context
from exprc.check.model import Fact
from exprc.ir.sizes import ONE, ZERO, Size, minimum
from exprc.source import Span


def require_at_most(context: Context, span: Span, least: Size, most: Size, text: str = "") -> bool:
    """Whether `least <= most` may hold; where that depends on sizes it becomes a fact."""
    difference = most - least
    if never_negative(difference):
        return True
    if always_negative(difference):
        return False
    context.asked.add(difference)
    if difference not in context.facts:
        left, right = _balanced(difference)
        context.facts[difference] = Fact(left, "<=", right, span.line, text or " ".join(span.text.split()))
    return True


def require_entries(context: Context, span: Span, name: str, reduced: Size, kept: Size) -> bool:
    """Whether there may be an entry to choose for each of the results, of which there may be none."""
    least = minimum(ONE, kept)
    if always_negative(reduced - least):
        return False
    if not never_negative(reduced - least):
        text = f"{name} of at least one entry"
        context.asked.add(reduced - least)
        context.facts.setdefault(reduced - least, Fact(least, "<=", reduced, span.line, text))
    return True


def never_negative(size: Size) -> bool:
    """Whether a size is at least 0 whatever the dims are, which are at least 0 themselves."""
    pending = [size]
    while pending:
        for monomial, coefficient in pending.pop().terms:
            if coefficient < 0:
                return False
            for atom, _ in monomial:
                if not isinstance(atom, str):
                    pending.extend(atom.arguments)
    return True


def always_negative(size: Size) -> bool:
    """Whether a size is below 0 whatever the dims are."""
    return any(not monomial for monomial, _ in size.terms) and never_negative(-size) and size != ZERO


def _balanced(difference: Size) -> tuple[Size, Size]:
    """Two sizes without negative terms, of which the second is that much larger."""
    left = Size(tuple((monomial, -coefficient) for monomial, coefficient in difference.terms if coefficient < 0))
    right = Size(tuple((monomial, coefficient) for monomial, coefficient in difference.terms if coefficient > 0))
    return left, right
