"""Slips in `if a then b else c`: parts that are missing, and the forms of Python and C.

Each function looks at a `Situation`, and if it is the slip that it knows, reports it and returns True.
"""

from __future__ import annotations

from exprc.diagnostics import Edit, Label
from exprc.syntax.foreign import VALUE_STARTS
from exprc.syntax.situation import Situation
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import CLOSING, END, SEPARATOR, terminals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ENDS = {SEPARATOR, END, *CLOSING, LITERALS[","], LITERALS["then"], LITERALS["over"], LITERALS["{"]}


def find_choice_slip(situation: Situation) -> bool:
    """Report the first slip that fits."""
    return any(slip(situation) for slip in _SLIPS)


def _if_without_else(s: Situation) -> bool:
    is_end = s.kind in _ENDS or s.lexeme() in ("elif", "elseif")
    if s.nearest() != "then" or not s.after_value or not is_end:
        return False
    opened = next(token for token in s.pending() if s.tokens.lexemes[token] == "if")
    found = Label(s.span(), f"{s.found()} instead of `else`", False)
    note = "`if` is a value, so it needs one for each case"
    if s.lexeme() in ("elif", "elseif"):
        help_, edits = "write `else if`", (s.tokens.replacing(s.index, s.index, "else if"),)
    else:
        help_, edits = "say what it is otherwise, for instance `else 0`", (s.insert_before(" else 0"),)
    s.tokens.report("E0118", "`if` without `else`", s.tokens.span(opened), "this `if`", (note,), (help_,), (found,),
                    edits)  # fmt: skip
    return True


def _missing_then(s: Situation) -> bool:
    """`if w > 0 w else 0`."""
    if not s.after_value or LITERALS["then"] not in s.expected or s.kind not in VALUE_STARTS - terminals("if not"):
        return False
    opened = next((token for token in s.pending_in_statement() if s.tokens.lexemes[token] == "if"), None)
    if opened is None:
        return False
    note = "`if` needs a condition, `then` a value, and `else` another"
    others = (Label(s.tokens.span(opened), "this `if`", False),)
    if s.lexeme() == "is":
        edits = (s.tokens.replacing(s.index, s.index, "=="),)
        s.tokens.report("E0101", "`is` in a condition", s.span(), "", (), ("to compare, write `==`",), others, edits)
        return True
    edits = (s.insert_before(" then"),)
    s.tokens.report("E0101", "`if` without `then`", s.span(), "`then` expected before this", (note,),
                    ("write `then` in front of the value",), others, edits)  # fmt: skip
    return True


def _braces_of_choice(s: Situation) -> bool:
    """`if x > 0 { x } else { 0 }`."""
    if s.lexeme() != "{" or LITERALS["then"] not in s.expected:
        return False
    tokens, place = s.tokens, s.index
    close = s.closing(place)
    edits: tuple[Edit, ...] = ()
    if close is not None and tokens.lexemes[close + 1 : close + 3] == ["else", "{"] and (last := s.closing(close + 2)):
        meant = ((place, "then"), (close, ""), (close + 2, ""), (last, ""))
        edits = tuple(tokens.replacing(index, index, text) for index, text in meant)
    note = "`if` is a value, not a statement: `if a then b else c`"
    help_ = ("write `then` in place of the braces",)
    tokens.report("E0101", "a block after the condition of `if`", s.span(), "", (note,), help_, edits=edits)
    return True


def _python_if(s: Situation) -> bool:
    """`if w > 0:`, also without the colon."""
    if s.lexeme() != ":" or s.nearest() != "if":
        return False
    opened = next(s.pending())
    note = "`if` is a value: `x = if a then b else c`"
    is_statement = opened == s.statement_start()
    edits: tuple[Edit, ...] = () if is_statement else (s.tokens.replacing(s.index, s.index, " then"),)
    help_ = ("put the `if` behind the `=` of a definition, with a value for each case",)
    s.tokens.report("E0101", "`:` after the condition of `if`", s.span(), "", (note,),
                    help_ if is_statement else ("write `then`",), edits=edits)  # fmt: skip
    return True


def _python_choice(s: Situation) -> bool:
    """`a if c else b`."""
    if s.lexeme() != "if" or not s.after_value:
        return False
    tokens, stop = s.tokens, s.part_end()
    other = next((i for i in range(s.index, stop) if tokens.lexemes[i] == "else"), None)
    if other is None:
        return False
    start = s.part_start()
    value = tokens.written(start, s.index - 1)
    text = f"if {tokens.written(s.index + 1, other - 1)} then {value} else {tokens.written(other + 1, stop - 1)}"
    edits = (tokens.replacing(start, stop - 1, text),) if other + 1 < stop else ()
    note = "a choice is `if condition then value else value`"
    help_ = (f"write `{text}`",) if len(text) <= 60 else ("put the condition first",)
    s.tokens.report("E0101", "`if` after a value", s.span(), "", (note,), help_, edits=edits)
    return True


_SLIPS: tuple[Callable[[Situation], bool], ...] = (
    _python_if,
    _python_choice,
    _if_without_else,
    _missing_then,
    _braces_of_choice,
)
