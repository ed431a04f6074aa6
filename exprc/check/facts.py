"""What is known of sizes: inequalities that hold always, never, or depending on the sizes.

Owns the judgement and the recording of what has to be checked on entry.  Knows nothing of arrays.
"""

from __future__ import annotations

from exprc.check.context import Context
from exprc.check.model import Fact
from exprc.ir.sizes import ZERO, Size
from exprc.source import Span


def require_at_most(context: Context, span: Span, least: Size, most: Size) -> bool:
    """Whether `least <= most` may hold; where that depends on sizes it becomes a fact."""
    difference = most - least
    if never_negative(difference):
        return True
    if always_negative(difference):
        return False
    _record(context, span, least, "<=", most)
    return True


def require_equal(context: Context, span: Span, left: Size, right: Size) -> bool:
    """Whether two sizes may be equal; where that depends on sizes it becomes a fact."""
    difference = left - right
    if difference == ZERO:
        return True
    if difference.constant is not None:
        return False
    _record(context, span, left, "==", right)
    return True


def never_negative(size: Size) -> bool:
    """Whether a size is at least 0 whatever the dims are, which are at least 0 themselves."""
    return all(coefficient > 0 and _is_plain(monomial) for monomial, coefficient in size.terms)


def always_negative(size: Size) -> bool:
    """Whether a size is below 0 whatever the dims are."""
    below = all(coefficient < 0 and _is_plain(monomial) for monomial, coefficient in size.terms)
    return below and any(not monomial for monomial, _ in size.terms)


def _is_plain(monomial: tuple[tuple[object, int], ...]) -> bool:
    return all(isinstance(atom, str) for atom, _ in monomial)


def _record(context: Context, span: Span, left: Size, relation: str, right: Size) -> None:
    key = (left, relation, right)
    if key not in context.facts:
        context.facts[key] = Fact(left, relation, right, span.line, " ".join(span.text.split()))
