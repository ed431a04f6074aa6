"""Known slips: what people write in place of the language, recognised from the token that does not fit.

Each function looks at a `Situation`, and if it is the slip that it knows, reports it and returns True.
"""

from __future__ import annotations

from exprc.diagnostics import Label
from exprc.source import Span
from exprc.syntax import ast
from exprc.syntax.situation import Situation
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import (
    CLOSING,
    DECLARING,
    END,
    KEYWORDS,
    NAME,
    NUMBER,
    OPERAND_ENDS,
    SEPARATOR,
    STRING,
    terminals,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_KEYWORD_KINDS = frozenset(KEYWORDS.values())
_VALUE_STARTS = terminals("true false None if scan not") | {NAME, NUMBER, STRING}
_ENDS = {SEPARATOR, END, *CLOSING, LITERALS[","], LITERALS["then"], LITERALS["over"], LITERALS["{"]}

# of these, one of the first in place of a value behind one of the second is a missing value, no name
_INNER_KEYWORDS = ("then", "else", "in", "over", "emit")
_OUTER_KEYWORDS = ("if", "then", "in", "scan", "next", "over")

# words that start a statement elsewhere
_FOREIGN = {
    **dict.fromkeys(("let", "var", "val", "const", "set"), "a definition needs no word before it: `x = ...`"),
    **dict.fromkeys(("def", "function", "func", "fun", "define"), "a function is declared with `fn f(x) = ...`"),
    **dict.fromkeys(("import", "include", "from", "load", "open"), 'another file is taken in with `use "file.expr"`'),
    **dict.fromkeys(("for", "foreach", "loop"), "a loop is a `scan`; over indices write `x[i] = ...` or `sum[i](...)`"),
    **dict.fromkeys(("return", "yield"), "the last line of a block is its result"),
    **dict.fromkeys(("elif", "elseif", "when", "unless"), "cases are one `if a then x else if b then y else z`"),
    **dict.fromkeys(("data", "array", "tensor"), "data are declared with `input X : f64[n, d]`"),
    **dict.fromkeys(("parameter", "parameters", "variable", "weight"), "parameters are declared as `param w : f64[d]`"),
    **dict.fromkeys(("real", "float", "double", "int", "vector", "matrix"), "types stand behind: `input x : f64[n]`"),
    **dict.fromkeys(("minimize", "minimise", "objective", "target"), "what is differentiated is `loss E = ...`"),
    **dict.fromkeys(("size", "sizes", "dims", "shape"), "sizes are declared with `dim n, d`"),
    **dict.fromkeys(("assert", "check", "assume"), "facts about sizes are stated with `require a == b`"),
    **dict.fromkeys(("print", "show"), "`output x` returns a value; `exprc run` shows it"),
}


def find_slip(situation: Situation) -> bool:
    """Report the first slip that fits."""
    return any(slip(situation) for slip in _SLIPS)


def _declaration_in_block(s: Situation) -> bool:
    if s.kind not in DECLARING or not s.is_statement_start():
        return False
    block = next((token for token in s.pending() if s.tokens.lexemes[token] == "{"), None)
    if block is None:
        return False
    opened = Label(s.tokens.span(block), "this block is open", False)
    note = "blocks hold definitions only; declarations stand outside"
    s.tokens.report("E0101", f"`{s.lexeme()}` inside a block", s.span(), "", (note,), (), (opened,))
    return True


def _keyword_as_name(s: Situation) -> bool:
    """`param loss : f64`, `loss = 3`, `x = input + 1`."""
    place = s.index
    if s.kind in _KEYWORD_KINDS and s.is_statement_start() and s.tokens.lexemes[place + 1 : place + 2] == ["="]:
        pass
    elif s.lexeme() in ("=", "<-") and s.previous in _KEYWORD_KINDS and s.is_statement_start(1):
        place = s.index - 1
    elif s.kind not in _KEYWORD_KINDS or NAME not in s.expected:
        return False
    elif s.wants_value and s.lexeme() in ("if", "scan", "not"):
        return False
    elif s.lexeme() in _INNER_KEYWORDS and s.nearest() in _OUTER_KEYWORDS:
        return False
    elif s.is_statement_start() or (s.kind in DECLARING and s.joined_line() == s.index - 1):
        return False
    lexeme = s.tokens.lexemes[place]
    if lexeme in s.tokens.keywords_told:
        return True
    s.tokens.keywords_told.add(lexeme)
    note = "keywords are reserved; names of operations are not"
    help_ = (f"choose another name, for instance `{lexeme}_`",)
    s.tokens.report("E0108", f"keyword `{lexeme}` used as a name", s.tokens.span(place), "a keyword", (note,), help_)
    return True


def _if_without_else(s: Situation) -> bool:
    if s.nearest() != "then" or not s.after_value or s.kind not in _ENDS:
        return False
    opened = next(token for token in s.pending() if s.tokens.lexemes[token] == "if")
    found = Label(s.span(), f"{s.found()} instead of `else`", False)
    note = "`if` is a value, so it needs one for each case"
    s.tokens.report("E0118", "`if` without `else`", s.tokens.span(opened), "this `if`", (note,), (), (found,))
    return True


def _assignment_in_expression(s: Situation) -> bool:
    if s.lexeme() != "=" or not s.after_value or (s.is_statement_start(1) and s.previous == NAME):
        return False
    joined = s.joined_line()
    notes = ["`=` defines a name or passes an argument by keyword; equality is `==`"]
    helps = ["to compare, write `==`"]
    if joined is not None and joined == s.index - 2:
        lexeme = s.tokens.lexemes[joined]
        notes, helps = [f"the line before ends with `{lexeme}`, so the statement goes on in this line"], []
    s.tokens.report("E0115", "`=` inside an expression", s.span(), "", tuple(notes), tuple(helps))
    return True


def _unused_expression(s: Situation) -> bool:
    if s.kind not in (SEPARATOR, END) or s.nearest() or not s.values or type(s.values[-1]) is not list:
        return False
    first = s.values[-1][0]
    last = s.values[-1][-1]
    note = "each line declares something or defines a name"
    help_ = "give it a name: `x = ...`, or return it: `output x = ...`"
    if isinstance(first, ast.Name) and first is last:
        help_ = f"to return it, write `output {first.text}`"
    elif isinstance(last, ast.Compare) and last.ops[0] == "<" and "<-" in last.span.text:
        note = "`<-` is an arrow only in `update w <- ...`; here it compares with a negative number"
        help_ = "write `update`"
    elif isinstance(last, ast.Compare) and last.ops[0] == "==":
        help_ = "to define a name, write `=`"
    span = Span(first.span.source, first.span.start, last.span.end)
    message = "expression that is not used for anything"
    s.tokens.report("E0116", message, span, "a value without a name", (note,), (help_,))
    return True


def _tuple(s: Situation) -> bool:
    if s.lexeme() != "," or not s.after_value or s.nearest() != "(":
        return False
    if "input" in (s.tokens.lexemes[token] for token in s.pending_in_statement()):
        return False
    opened = Label(s.tokens.span(next(s.pending())), "a parenthesis holds one value", False)
    note = "there are no tuples; a list of entries is an array, `[a, b]`"
    s.tokens.report("E0101", "`,` inside parentheses", s.span(), "", (note,), (), (opened,))
    return True


def _several_values(s: Situation) -> bool:
    if s.lexeme() != "," or not s.after_value or s.nearest() != "=":
        return False
    note = "several names take apart the results of one value, as in `Q, R = qr(A)`"
    s.tokens.report("E0101", "`,` after the value", s.span(), "", (note,), ("write a line for each name",))
    return True


def _unary_plus(s: Situation) -> bool:
    if s.lexeme() != "+" or not s.wants_value:
        return False
    note = "only `-` has a form with one value"
    s.tokens.report("E0101", "`+` without a value before it", s.span(), "", (note,), ("leave it out",))
    return True


def _single_quotes(s: Situation) -> bool:
    if s.lexeme() != "'" or not (s.wants_value or STRING in s.expected):
        return False
    note = "`'` is the transpose of the value before it"
    help_ = ('strings stand in double quotes: `"..."`',)
    s.tokens.report("E0101", "`'` without a value before it", s.span(), "", (note,), help_)
    return True


def _operand_needs_parentheses(s: Situation) -> bool:
    lexeme = s.lexeme()
    if lexeme not in ("if", "scan", "not") or not s.wants_value or s.kind in s.expected:
        return False
    note = f"{'an' if lexeme == 'if' else 'a'} `{lexeme}` binds less than the operator before it"
    help_ = (f"write `({lexeme} ...)`",)
    s.tokens.report("E0101", f"`{lexeme}` as an operand without parentheses", s.span(), "", (note,), help_)
    return True


def _braces_as_value(s: Situation) -> bool:
    if s.lexeme() != "{" or not s.wants_value:
        return False
    note = "`{ }` is the body of an `fn` or a `scan`"
    is_body = s.nearest() == "=" and "fn" in (s.tokens.lexemes[token] for token in s.pending_in_statement())
    help_ = "a block stands directly behind the head: `fn f(x) { ... }`" if is_body else "an array is `[a, b, c]`"
    s.tokens.report("E0101", "a block is not a value", s.span(), "", (note,), (help_,))
    return True


def _typed_definition(s: Situation) -> bool:
    if s.lexeme() != ":" or not s.after_value or not s.is_statement_start(1) or s.previous != NAME:
        return False
    name = s.tokens.lexemes[s.index - 1]
    note = "a definition takes the type of its value; only inputs, parameters and arguments are declared with one"
    help_ = (f"write `input {name} : ...` or `param {name} : ...`",)
    s.tokens.report("E0101", "a type without `input` or `param`", s.span(), "", (note,), help_)
    return True


def _missing_type(s: Situation) -> bool:
    """`input X`, `param w = 3`."""
    declaring = s.nearest()
    if declaring not in ("input", "param") or LITERALS[":"] not in s.expected or s.kind in (NAME, NUMBER):
        return False
    name = s.tokens.lexemes[s.index - 1]
    note = "inputs and parameters come from outside, so their types are declared"
    help_ = (f"for instance `{declaring} {name} : f64`",)
    s.tokens.report("E0101", f"{declaring} without a type", s.span(), "`:` and a type expected here", (note,), help_)
    return True


def _closed_bound(s: Situation) -> bool:
    if s.lexeme() not in (">=", "<=") or "param" not in (s.tokens.lexemes[token] for token in s.pending_in_statement()):
        return False
    strict = s.lexeme()[0]
    note = "a constrained parameter never reaches its bound"
    s.tokens.report("E0101", f"`{s.lexeme()}` in a constraint", s.span(), "", (note,), (f"write `{strict}`",))
    return True


def _foreign_statement(s: Situation) -> bool:
    """`let x = 3`, `inptu X : f64`: a name that starts a statement, and another name."""
    if not s.is_statement_start(1) or s.previous != NAME or s.kind not in _VALUE_STARTS:
        return False
    word = s.tokens.lexemes[s.index - 1]
    help_ = _FOREIGN.get(word.lower())
    if help_ is None:
        from difflib import get_close_matches

        near = get_close_matches(word, [spelled for spelled in KEYWORDS if KEYWORDS[spelled] in DECLARING], 1)
        if not near:
            return False
        help_ = f"did you mean `{near[0]}`?"
    span = s.tokens.span(s.index - 1)
    note = "a statement starts with one of the keywords, or with the name that it defines"
    s.tokens.report("E0101", f"`{word}` does not start a statement", span, "not a keyword", (note,), (help_,))
    return True


def _adjacent_values(s: Situation) -> bool:
    """`2 x`, `f(a b)`: two values with nothing between them."""
    if not s.after_value or s.kind not in _VALUE_STARTS or s.previous not in OPERAND_ENDS:
        return False
    if s.nearest() in ("if", "then", "scan", "over"):
        return False
    bracket = s.nearest_bracket()
    notes = ("an operator stands between two values",)
    help_: tuple[str, ...] = ("a product is written with `*`",)
    others: tuple[Label, ...] = ()
    if bracket is not None:
        opener = s.tokens.lexemes[bracket]
        notes = (f"inside `{opener}` values are separated by commas",)
        help_ = ("write a comma, or `*` for a product",)
        others = (Label(s.tokens.span(bracket), "opened here", False),)
    elif s.kind not in (NAME, NUMBER) or STRING in (s.kind, s.previous):
        help_ = ()
    before = s.tokens.lexemes[s.index - 1]
    message = f"{s.found()} directly after `{before}`" if len(before) <= 30 else f"{s.found()} directly after a value"
    s.tokens.report("E0101", message, s.span(), "an operator is missing before this", notes, help_, others)
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
    note = "a range stands in `sum[i in 0..n](...)`, in the head of a scan, and in the domain of an input"
    s.tokens.report("E0101", "a range is not a value", s.span(), "", (note,), ("the array 0, 1, ... is `iota(n)`",))
    return True


def _in_expression(s: Situation) -> bool:
    if s.lexeme() != "in" or not s.after_value:
        return False
    note = "`in` stands in `sum[i in 0..n](...)`, in the head of a scan, and in the domain of an input"
    s.tokens.report("E0101", "`in` inside an expression", s.span(), "", (note,), ("there is no test for membership",))
    return True


_SLIPS: tuple[Callable[[Situation], bool], ...] = (
    _declaration_in_block,
    _keyword_as_name,
    _if_without_else,
    _missing_type,
    _closed_bound,
    _typed_definition,
    _foreign_statement,
    _assignment_in_expression,
    _unused_expression,
    _tuple,
    _several_values,
    _unary_plus,
    _single_quotes,
    _operand_needs_parentheses,
    _braces_as_value,
    _empty_list,
    _in_expression,
    _range_as_value,
    _adjacent_values,
)
