"""Known slips: what people write in place of the language, recognised from the token that does not fit.

Each function looks at a `Situation`, and if it is the slip that it knows, reports it and returns True.
"""

from __future__ import annotations

from itertools import pairwise

from exprc.diagnostics import Edit, Label
from exprc.source import Span
from exprc.syntax import ast
from exprc.syntax.adjacent import adjacent_values
from exprc.syntax.choices import find_choice_slip
from exprc.syntax.declarations import find_declaration_slip
from exprc.syntax.foreign import find_foreign
from exprc.syntax.renamed import renaming
from exprc.syntax.situation import Situation
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import (
    BINARY,
    CLOSING,
    DECLARING,
    END,
    KEYWORDS,
    NAME,
    NUMBER,
    OPENING,
    SEPARATOR,
    STRING,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEYWORD_KINDS = frozenset(KEYWORDS.values())

# of these, one of the first in place of a value behind one of the second is a missing value, no name
_INNER_KEYWORDS = ("then", "else", "in", "over", "emit")
_OUTER_KEYWORDS = ("if", "then", "in", "scan", "next", "over")


def find_slip(situation: Situation) -> bool:
    """Report the first slip that fits."""
    if _declaration_in_block(situation) or find_foreign(situation) or find_choice_slip(situation):
        return True
    if find_declaration_slip(situation):
        return True
    return any(slip(situation) for slip in _SLIPS)


def _declaration_in_block(s: Situation) -> bool:
    if s.kind not in DECLARING or not s.is_statement_start():
        return False
    block = next((token for token in s.pending() if s.tokens.lexemes[token] == "{"), None)
    if block is None:
        return False
    opened = Label(s.tokens.span(block), "this block is open", False)
    note = "a block holds definitions only; declarations go outside"
    help_ = (f"move the `{s.lexeme()}` in front of the statement that has the block",)
    s.tokens.report("E0101", f"`{s.lexeme()}` inside a block", s.span(), "", (note,), help_, (opened,))
    return True


def _keyword_as_name(s: Situation) -> bool:
    """`param loss : f64`, `loss = 3`, `x = input + 1`."""
    place = s.index
    if s.kind in KEYWORD_KINDS and s.is_statement_start() and s.tokens.lexemes[place + 1 : place + 2] == ["="]:
        pass
    elif s.lexeme() in ("=", "<-") and s.previous in KEYWORD_KINDS and s.is_statement_start(1):
        place = s.index - 1
    elif s.kind not in KEYWORD_KINDS or NAME not in s.expected:
        return False
    elif s.wants_value and s.lexeme() in ("if", "scan", "not"):
        return False
    elif s.lexeme() in _INNER_KEYWORDS and s.nearest() in _OUTER_KEYWORDS:
        return False
    elif s.is_statement_start() or (s.kind in DECLARING and s.joined_line() == s.index - 1):
        return False
    lexeme = s.tokens.lexemes[place]
    if lexeme == "dim" and s.tokens.lexemes[place + 1] == "=" and s.nearest_bracket() is not None:
        note, edits = "the axes of an operation are numbered from 0", (s.tokens.replacing(place, place, "axis"),)
        s.tokens.report("E0108", "keyword `dim` used as the name of an argument", s.span(), "a keyword", (note,),
                        ("write `axis`",), edits=edits)  # fmt: skip
        return True
    if lexeme in s.tokens.keywords_told:
        return True
    s.tokens.keywords_told.add(lexeme)
    note = "keywords are reserved; names of operations are not"
    renamed = renaming(s.tokens, lexeme, f"{lexeme}_")
    help_ = (f"choose another name, for instance `{lexeme}_`",)
    s.tokens.report("E0108", f"keyword `{lexeme}` used as a name", s.tokens.span(place), "a keyword", (note,), help_,
                    edits=renamed)  # fmt: skip
    return True


def _assignment_in_expression(s: Situation) -> bool:
    if s.lexeme() != "=" or not s.after_value or (s.is_statement_start(1) and s.previous == NAME):
        return False
    joined = s.joined_line()
    notes = ["`=` defines a name or passes an argument by keyword; equality is `==`"]
    helps, edits = ["to compare, write `==`"], [s.tokens.replacing(s.index, s.index, "==")]
    first = s.statement_start()
    if joined is not None and joined == s.index - 2:
        lexeme = s.tokens.lexemes[joined]
        notes, helps, edits = [f"the line before ends with `{lexeme}`, so the statement goes on in this line"], [], []
    elif s.index == first + 3 and s.tokens.lexemes[first + 1] == "=" and s.previous == NAME:
        left, right = s.tokens.lexemes[first], s.tokens.lexemes[first + 2]
        end = s.tokens.ends[s.statement_end() - 1]
        notes = ["a statement defines one name"]
        helps = [f"write a line for each: `{right} = ...`, then `{left} = {right}`", *helps]
        edits = [s.tokens.deleting(first, first + 2), s.tokens.inserting(end, f"\n{left} = {right}")]
    elif s.nearest() == "[" and s.previous == NAME and ".." in s.tokens.lexemes[s.index : s.part_end()]:
        notes, helps = ["the range of an index follows `in`"], ["write `in`"]
        edits = [s.tokens.replacing(s.index, s.index, "in")]
    s.tokens.report("E0115", "`=` inside an expression", s.span(), "", tuple(notes), tuple(helps), (), tuple(edits))
    return True


def _unused_expression(s: Situation) -> bool:
    if s.kind not in (SEPARATOR, END) or s.nearest() or not s.values or type(s.values[-1]) is not list:
        return False
    first = s.values[-1][0]
    last = s.values[-1][-1]
    note = "each line declares something or defines a name"
    helps: tuple[str, ...] = ("give it a name: `x = ...`, or return it: `output x = ...`",)
    span = Span(first.span.source, first.span.start, last.span.end)
    edits: tuple[Edit, ...] = ()
    if isinstance(last, ast.Call) and isinstance(last.function, ast.Name) and len(last.arguments) == 1:
        called, argument = last.function.text.lower(), last.arguments[0].value
        name = f"{argument.text}" if isinstance(argument, ast.Name) else f"p = {argument.span.text}"
        if called in ("print", "show", "disp", "display"):
            helps, edits = (f"to return the value, write `output {name}`",), (Edit(span, f"output {name}"),)
        elif called in ("minimize", "minimise"):
            helps, edits = (f"write `loss E = {argument.span.text}`",), (Edit(span, f"loss E = {argument.span.text}"),)
    elif isinstance(first, ast.Name) and first is last:
        helps, edits = (f"to return it, write `output {first.text}`",), (s.tokens.inserting(span.start, "output "),)
    elif isinstance(last, ast.Compare) and last.ops[0] == "<" and "<-" in last.span.text:
        note = "`<-` is an arrow only in `update w <- ...`; here it compares with a negative number"
        helps = ("to define a name, write `=`", f"for a step of a state, write `update {_start_of(span.text)} <- ...`")
        edits = _replaced(last, "<-", "=")
    elif isinstance(last, ast.Compare) and last.ops[0] == "==":
        helps, edits = ("to define a name, write `=`",), _replaced(last, "==", "=")
    message = "expression that is not used for anything"
    s.tokens.report("E0116", message, span, "a value without a name", (note,), helps, edits=edits)
    return True


def _start_of(text: str) -> str:
    return text.partition("<")[0].strip()


def _replaced(comparison: ast.Compare, operator: str, text: str) -> tuple[Edit, ...]:
    """The first operator of a comparison as another."""
    start = comparison.operands[0].span.end
    place = comparison.span.source.text.find(operator, start, comparison.span.end)
    return (Edit(Span(comparison.span.source, place, place + len(operator)), text),) if place >= 0 else ()


def _tuple(s: Situation) -> bool:
    if s.lexeme() != "," or not s.after_value or s.nearest() != "(":
        return False
    if "input" in (s.tokens.lexemes[token] for token in s.pending_in_statement()):
        return False
    start = next(s.pending())
    opened = Label(s.tokens.span(start), "a parenthesis holds one value", False)
    note = "there are no tuples; a list of entries is an array, `[a, b]`"
    close = s.closing(start)
    lone = close is not None and s.tokens.lexemes[start - 1] == "(" and s.tokens.lexemes[close + 1] == ")"
    help_ = "remove these parentheses: arguments are separated by commas" if lone else "write `[ ]` for a list"
    edits: tuple[Edit, ...] = ()
    if close is not None:
        left, right = ("", "") if lone else ("[", "]")
        edits = (s.tokens.replacing(start, start, left), s.tokens.replacing(close, close, right))
    s.tokens.report("E0101", "`,` inside parentheses", s.span(), "", (note,), (help_,), (opened,), edits)
    return True


def _several_values(s: Situation) -> bool:
    if s.lexeme() != "," or not s.after_value or s.nearest() != "=":
        return False
    note = "several names take apart the results of one value, as in `Q, R = qr(A)`"
    help_, edits = "write a line for each name", _lines_apart(s)
    tokens, place = s.tokens, s.index
    adjacent = tokens.ends[place - 1] == tokens.starts[place] and tokens.ends[place] == tokens.starts[place + 1]
    first_comma = "," not in tokens.lexemes[s.statement_start() : place]
    if s.previous == NUMBER == tokens.kinds[place + 1] and adjacent and first_comma:
        note, number = "the decimal sign is a point", f"{tokens.lexemes[place - 1]}.{tokens.lexemes[place + 1]}"
        help_, edits = f"write `{number}`", (tokens.replacing(place - 1, place + 1, number),)
    elif tokens.lexemes[s.statement_start()] == "fn":
        note = "a function of one line has one result"
        help_, edits = "several results are annotated: `fn f(x) -> f64, f64 { x, x^2 }`", ()
    tokens.report("E0101", "`,` after the value", s.span(), "", (note,), (help_,), edits=edits)
    return True


def _lines_apart(s: Situation) -> tuple[Edit, ...]:
    """`a, b = x, y` as two lines."""
    tokens, first, stop = s.tokens, s.statement_start(), s.statement_end()
    if tokens.kinds[first] in KEYWORD_KINDS:
        return ()
    equal = tokens.lexemes.index("=", first, stop)
    sides = []
    for start, end in ((first, equal), (equal + 1, stop)):
        parts, depth = [start], 0
        for place in range(start, end):
            depth += (tokens.kinds[place] in OPENING) - (tokens.kinds[place] in CLOSING)
            if depth == 0 and tokens.lexemes[place] == ",":
                parts.append(place + 1)
        bounds = [*parts, end + 1]
        sides.append([tokens.written(one, other - 2) for one, other in pairwise(bounds) if other - 2 >= one])
    if len(sides[0]) != len(sides[1]):
        return ()
    lines = [f"{name} = {value}" for name, value in zip(*sides, strict=True)]
    return (tokens.replacing(first, stop - 1, "\n".join(lines)),)


def _unary_plus(s: Situation) -> bool:
    if s.lexeme() != "+" or not s.wants_value:
        return False
    note, help_ = "only `-` has a form with one value", "remove it"
    edits: tuple[Edit, ...] = (s.tokens.replacing(s.index, s.index, ""),)
    is_last = s.index + 1 >= s.statement_end() or s.tokens.lexemes[s.index + 1] in KEYWORDS
    if s.tokens.lexemes[s.index - 1] == "+" and is_last:
        name = s.tokens.lexemes[s.statement_start()]
        note, help_ = "nothing changes its value: a name is defined once", f"write `{name}_next = {name} + 1`"
        edits = (s.tokens.replacing(s.statement_start(), s.index, help_[7:-1]),)
    s.tokens.report("E0101", "`+` without a value before it", s.span(), "", (note,), (help_,), edits=edits)
    return True


def _single_quotes(s: Situation) -> bool:
    if s.lexeme() != "'" or not (s.wants_value or STRING in s.expected):
        return False
    note = "`'` is the transpose of the value before it"
    help_ = ('put strings in double quotes: `"..."`',)
    place, close = s.index, s.index + 1
    while s.tokens.kinds[close] not in (SEPARATOR, END) and s.tokens.lexemes[close] != "'":
        close += 1
    edits: tuple[Edit, ...] = ()
    if s.tokens.lexemes[close] == "'":
        edits = (s.tokens.replacing(place, place, '"'), s.tokens.replacing(close, close, '"'))
    s.tokens.report("E0101", "`'` without a value before it", s.span(), "", (note,), help_, edits=edits)
    return True


def _operand_needs_parentheses(s: Situation) -> bool:
    lexeme = s.lexeme()
    if lexeme not in ("if", "scan", "not") or not s.wants_value or s.kind in s.expected:
        return False
    if lexeme in s.tokens.keywords_told:
        return True
    note = f"{'an' if lexeme == 'if' else 'a'} `{lexeme}` binds less than the operator before it"
    help_ = (f"write `({lexeme} ...)`",)
    end = s.tokens.ends[s.part_end() - 1]
    edits = (s.tokens.inserting(s.tokens.starts[s.index], "("), s.tokens.inserting(end, ")"))
    s.tokens.report("E0101", f"`{lexeme}` as an operand without parentheses", s.span(), "", (note,), help_, edits=edits)
    return True


def _braces_as_value(s: Situation) -> bool:
    if s.lexeme() != "{" or not s.wants_value:
        return False
    note = "`{ }` is the body of an `fn` or a `scan`"
    is_body = s.nearest() == "=" and "fn" in (s.tokens.lexemes[token] for token in s.pending_in_statement())
    help_ = "write `(...)` to group values; an array is `[a, b, c]`"
    edits: tuple[Edit, ...] = ()
    close = s.closing(s.index)
    if is_body:
        help_ = "write the block directly after the head: `fn f(x) { ... }`"
        edits = (s.tokens.deleting(s.index - 1, s.index),) if s.tokens.lexemes[s.index - 1] == "=" else ()
    elif close is not None and SEPARATOR not in s.tokens.kinds[s.index : close]:
        edits = (s.tokens.replacing(s.index, s.index, "("), s.tokens.replacing(close, close, ")"))
    s.tokens.report("E0101", "a block is not a value", s.span(), "", (note,), (help_,), edits=edits)
    return True


def _next_elsewhere(s: Situation) -> bool:
    """`next w` outside of a block, `emit` without `next`."""
    if s.lexeme() not in ("next", "emit"):
        return False
    note, help_ = "`next a, b emit y, z` ends the block of a scan", ("remove it",)
    edits: tuple[Edit, ...] = ()
    if s.lexeme() == "next" and s.is_statement_start() and not s.in_block():
        message = "`next` outside of a scan"
    elif s.lexeme() == "emit" and s.in_block():
        message, help_ = "`emit` without `next`", ("write `next` before the new states",)
        edits = (s.tokens.inserting(s.tokens.starts[s.statement_start()], "next "),)
    else:
        return False
    s.tokens.report("E0101", message, s.span(), "", (note,), help_, edits=edits)
    return True


def _doubled_operator(s: Situation) -> bool:
    """`w * / 2`."""
    if s.kind not in BINARY or s.previous not in BINARY or not s.wants_value:
        return False
    edits = (s.tokens.replacing(s.index, s.index, ""),)
    note = f"`{s.tokens.lexemes[s.index - 1]}` stands between two values"
    message = f"`{s.lexeme()}` directly after `{s.tokens.lexemes[s.index - 1]}`"
    s.tokens.report("E0101", message, s.span(), "", (note,), ("remove one of the two",), edits=edits)
    return True


def _doubled_comma(s: Situation) -> bool:
    if s.lexeme() != "," or s.tokens.lexemes[s.index - 1] != ",":
        return False
    edits = (s.tokens.replacing(s.index, s.index, ""),)
    s.tokens.report("E0101", "`,` without a value before it", s.span(), "", ("after a comma the list goes on",),
                    ("remove it",), edits=edits)  # fmt: skip
    return True


def _scan_without_over(s: Situation) -> bool:
    """`scan h = h0 { ... }`."""
    if s.lexeme() != "{" or LITERALS["over"] not in s.expected:
        return False
    opened = next((token for token in s.pending_in_statement() if s.tokens.lexemes[token] == "scan"), None)
    if opened is None:
        return False
    note = "a scan is `scan h = h0 over x in X { ... }`: a step for each entry of `X`"
    help_ = ("say what it runs over; `over t in 0..n` counts steps",)
    others = (Label(s.tokens.span(opened), "this `scan`", False),)
    s.tokens.report("E0101", "`scan` without `over`", s.span(), "`over` expected before this", (note,), help_, others)
    return True


def _empty_list(s: Situation) -> bool:
    if s.lexeme() != "]" or s.tokens.lexemes[s.index - 1] != "[":
        return False
    opened = Label(s.tokens.span(s.index - 1), "opened here", False)
    note = "an array has at least one entry, an index or a shape at least one axis"
    s.tokens.report("E0101", "nothing inside `[ ]`", s.span(), "", (note,), (), (opened,))
    return True


def _range_as_value(s: Situation) -> bool:
    if s.lexeme() != ".." or not s.after_value:
        return False
    note = "a range belongs in `sum[i in 0..n](...)`, in the head of a scan, and in the domain of an input"
    help_ = "the array 0, 1, ... is `iota(n)`"
    bracket = s.nearest_bracket()
    if bracket and s.nearest() == "=" and s.tokens.kinds[bracket - 1] == NAME:
        called = s.tokens.lexemes[bracket - 1]
        help_ = f"write the index in brackets of its own: `{called}[i in 0..n](...)`"
    s.tokens.report("E0101", "a range is not a value", s.span(), "", (note,), (help_,))
    return True


def _in_expression(s: Situation) -> bool:
    if s.lexeme() != "in" or not s.after_value:
        return False
    note = "`in` belongs in `sum[i in 0..n](...)`, in the head of a scan, and in the domain of an input"
    s.tokens.report("E0101", "`in` inside an expression", s.span(), "", (note,), ("there is no test for membership",))
    return True


_SLIPS: tuple[Callable[[Situation], bool], ...] = (
    _next_elsewhere,
    _keyword_as_name,
    _assignment_in_expression,
    _unused_expression,
    _tuple,
    _several_values,
    _unary_plus,
    _single_quotes,
    _operand_needs_parentheses,
    _scan_without_over,
    _braces_as_value,
    _empty_list,
    _doubled_comma,
    _doubled_operator,
    _in_expression,
    _range_as_value,
    adjacent_values,
)
