"""Rewriting: named rules as data, applied to a fixed point.

What a legal rule is: same type and shape, never costlier, no kink convention changed, and one of three classes:
`exact` (the same bits), `rounding` (equal within a few ulp of the largest intermediate term, wherever both sides are
finite; `why` says what becomes of infinities) and `improving` (judged against the true value: the error after is at
most the error before, everywhere; accuracy may cost half as much again).  None makes a number of NaN in the data.
"""

from exprc.rewrite.engine import Applied, Rewritten, Settings, close, expand_composites, finish, simplify

__all__ = ["Applied", "Rewritten", "Settings", "close", "expand_composites", "finish", "simplify"]
