"""Two values with nothing between them: a product without its sign, a call without its brackets, a comma left out.

Like the slips: looks at a `Situation`, and if it is this one, reports it and returns True.
"""

from __future__ import annotations

from exprc.diagnostics import Edit, Label
from exprc.syntax.foreign import VALUE_STARTS
from exprc.syntax.situation import Situation
from exprc.syntax.tokens import NAME, NUMBER, OPERAND_ENDS, STRING

# what mathematics calls without brackets
_CALLED = frozenset((
    "exp", "log", "ln", "log2", "log10", "log1p", "sqrt", "abs", "sin", "cos", "tan", "tanh", "sigmoid",
    "sum", "mean", "max", "min",
))  # fmt: skip


def adjacent_values(s: Situation) -> bool:
    """`2 x`, `f(a b)`: two values with nothing between them."""
    if not s.after_value or s.kind not in VALUE_STARTS or s.previous not in OPERAND_ENDS:
        return False
    if s.nearest() in ("if", "then", "scan", "over"):
        return False
    bracket = s.nearest_bracket()
    notes = ("two values need an operator between them",)
    help_: tuple[str, ...] = ("write `*` for a product",)
    edits: tuple[Edit, ...] = (s.insert_before(" *"),)
    others: tuple[Label, ...] = ()
    if bracket is not None:
        opener = s.tokens.lexemes[bracket]
        notes = (f"inside `{opener}` values are separated by commas",)
        help_, edits = ("write a comma, or `*` for a product",), (s.insert_before(","),)
        others = (Label(s.tokens.span(bracket), "opened here", False),)
    elif s.kind not in (NAME, NUMBER) or STRING in (s.kind, s.previous):
        help_, edits = (), ()
    before = s.tokens.lexemes[s.index - 1]
    if before in _CALLED and s.kind in (NAME, NUMBER):
        notes, others = ("what a function is called with stands in brackets",), ()
        help_, edits = _with_brackets(s, before)
    if before == '""' and s.kind == STRING and s.index - 1 == s.statement_start():
        _report_docstring(s)
        return True
    message = f"{s.found()} directly after `{before}`" if len(before) <= 30 else f"{s.found()} directly after a value"
    s.tokens.report("E0101", message, s.span(), "an operator is missing before this", notes, help_, others, edits)
    return True


def _with_brackets(s: Situation, function: str) -> tuple[tuple[str, ...], tuple[Edit, ...]]:
    """`log k`, `sum x[0]`: where the argument is one word, it is told with its brackets."""
    if s.index + 1 < len(s.tokens.lexemes) and s.tokens.lexemes[s.index + 1] in ("(", "[", ".", "^", "**", "'"):
        return (f"write `{function}(…)`",), ()
    call = f"{function}({s.lexeme()})"
    return (f"write `{call}`",), (s.tokens.replacing(s.index - 1, s.index, call),)


def _report_docstring(s: Situation) -> None:
    """`\"\"\"A model.\"\"\"`."""
    tokens, stop = s.tokens, s.statement_end()
    is_whole = stop == s.index + 2 and tokens.lexemes[stop - 1] == '""'
    edits = (tokens.replacing(s.index - 1, stop - 1, f"## {s.lexeme()[1:-1]}"),) if is_whole else ()
    message, help_ = "a string that documents", ("write documentation after `##`",)
    tokens.report("E0116", message, tokens.span(s.index - 1).to(s.span()), "", (), help_, edits=edits)
