"""Slips in declarations: a name, a type, a comma or an `=` that is missing or stands elsewhere.

Each function looks at a `Situation`, and if it is the slip that it knows, reports it and returns True.
"""

from __future__ import annotations

import re

from exprc.diagnostics import Edit, Label
from exprc.source import Span
from exprc.syntax.foreign import TYPE_WORDS, VALUE_STARTS
from exprc.syntax.situation import Situation
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import END, NAME, NUMBER, SEPARATOR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def find_declaration_slip(situation: Situation) -> bool:
    """Report the first slip that fits."""
    return any(slip(situation) for slip in _SLIPS)


def _role_without_name(s: Situation) -> bool:
    """`loss = w^2`."""
    place = s.index if s.is_statement_start() else s.index - 1
    role = s.tokens.lexemes[place]
    if role not in ("loss", "density", "output") or s.tokens.lexemes[place + 1] != "=":
        return False
    name = {"loss": "E", "density": "lp", "output": "p"}[role]
    edits = (s.tokens.inserting(s.tokens.ends[place], f" {name}"),)
    note = "the name is that of the function to call, and what `grad` is asked for"
    s.tokens.report("E0108", f"this {role} has no name", s.tokens.span(place), "`=` follows at once", (note,),
                    (f"write `{role} {name} = ...`",), edits=edits)  # fmt: skip
    return True


def _role_without_equal(s: Situation) -> bool:
    """`loss E w^2`."""
    tokens, first = s.tokens, s.statement_start()
    role = tokens.lexemes[first]
    if role not in ("loss", "density", "output") or s.index != first + 2 or s.previous != NAME:
        return False
    if s.kind not in VALUE_STARTS:
        return False
    if role == "output" and s.kind == NAME and s.statement_end() == s.index + 1:
        edits = (tokens.inserting(tokens.ends[s.index - 1], "\noutput"),)
        tokens.report("E0101", "several names after `output`", s.span(), "", ("`output` takes one existing name",),
                      ("write a line for each",), edits=edits)  # fmt: skip
        return True
    edits = (s.insert_before(" ="),)
    note = f"a {role} is a definition: `{role} E = ...`"
    help_ = (f"write `{role} {tokens.lexemes[first + 1]} = ...`",)
    tokens.report("E0101", f"a {role} without `=`", s.span(), "`=` expected before this", (note,), help_, edits=edits)
    return True


def _hyphen(s: Situation) -> bool:
    """`param learning-rate : f64`."""
    tokens = s.tokens
    if s.lexeme() != "-" or tokens.lexemes[s.statement_start()] not in ("dim", "input", "param") or s.previous != NAME:
        return False
    if s.after_value or tokens.kinds[s.index + 1] != NAME:
        return False
    written = tokens.written(s.index - 1, s.index + 1)
    name = f"{tokens.lexemes[s.index - 1]}_{tokens.lexemes[s.index + 1]}"
    places = (found.start() for found in re.finditer(rf"\b{re.escape(written)}\b", tokens.source.text))
    edits = tuple(Edit(Span(tokens.source, place, place + len(written)), name) for place in places)
    note = "names hold letters, digits and `_`"
    tokens.report("E0101", "`-` in a name", s.span(), "", (note,), (f"write `{name}`",), edits=edits)
    return True


def _value_of_input(s: Situation) -> bool:
    """`input x : f64 = 3.0`."""
    tokens, first = s.tokens, s.statement_start()
    if s.lexeme() != "=" or tokens.lexemes[first] != "input" or ":" not in tokens.lexemes[first : s.index]:
        return False
    name, value = tokens.lexemes[first + 1], tokens.written(s.index + 1, max(s.statement_end() - 1, s.index + 1))
    edits = (tokens.replacing(first, max(s.statement_end() - 1, s.index + 1), f"{name} = {value}"),)
    note = "an input comes from outside at every call"
    help_ = (f"a constant is a definition: `{name} = ...`",)
    tokens.report("E0101", "a value for an input", s.span(), "", (note,), help_, edits=edits)
    return True


def _both_bounds(s: Situation) -> bool:
    """`param s : f64 > 0 < 1`."""
    tokens, first = s.tokens, s.statement_start()
    if s.lexeme() not in ("<", ">") or tokens.lexemes[first] != "param" or "=" in tokens.lexemes[first : s.index]:
        return False
    other = next((i for i in range(first, s.index) if tokens.lexemes[i] in ("<", ">")), None)
    if other is None:
        return False
    stop = s.index
    while tokens.kinds[stop] not in (SEPARATOR, END) and tokens.lexemes[stop] != "=":
        stop += 1
    bounds = [tokens.written(other + 1, s.index - 1), tokens.written(s.index + 1, stop - 1)]
    text = f"in ({', '.join(bounds if tokens.lexemes[other] == '>' else bounds[::-1])})"
    edits = (tokens.replacing(other, stop - 1, text),)
    note, help_ = "an interval is `in (a, b)`", f"write `{text}`"
    tokens.report("E0101", "two bounds", s.span(), "", (note,), (help_,), edits=edits)
    return True


def _prefix_of_dtype(s: Situation) -> bool:
    """`input x : np.float64`."""
    tokens = s.tokens
    if s.lexeme() != "." or tokens.lexemes[s.index - 2] != ":" or tokens.kinds[s.index + 1] != NAME:
        return False
    edits = (tokens.deleting(s.index - 1, s.index + 1),)
    help_ = ("leave the prefix out",)
    tokens.report("E0101", "`.` in a type", s.span(), "", ("dtypes are f64, f32, i64, i32, bool",), help_, edits=edits)
    return True


def _missing_type(s: Situation) -> bool:
    """`input X`, `param w = 3`."""
    declaring = s.nearest()
    if declaring not in ("input", "param", ",") or LITERALS[":"] not in s.expected:
        return False
    tokens, place, stop = s.tokens, s.index, s.statement_end()
    edits: tuple[Edit, ...]
    declaring, behind = tokens.lexemes[s.statement_start()], tokens.lexemes[place + 1] if s.kind != END else ""
    if declaring not in ("input", "param"):
        return False
    if (s.kind not in (SEPARATOR, END) and (s.lexeme() != "=" and s.lexeme() not in TYPE_WORDS)) or s.previous != NAME:
        return False
    name, end = tokens.lexemes[place - 1], tokens.ends[place - 1]
    note = "values from outside need a declared type"
    names = tokens.written(s.statement_start() + 1, place - 1)
    text, edits = f"{names} : f64", (tokens.inserting(end, " : f64"),)
    if s.lexeme() in TYPE_WORDS:
        text, edits = f"{name} : {tokens.written(place, stop - 1)}", (tokens.inserting(end, " :"),)
    elif behind in TYPE_WORDS and tokens.lexemes[place + 2] != "(":
        text, edits = f"{name} : {tokens.written(place + 1, stop - 1)}", (tokens.replacing(place, place, ":"),)
    elif ":" in tokens.lexemes[place:stop]:
        colon = tokens.lexemes.index(":", place, stop)
        declared = tokens.written(colon, stop - 1)
        text = f"{name} {declared} {tokens.written(place, colon - 1)}"
        edits = (tokens.replacing(place - 1, stop - 1, text),)
    elif behind in ("zeros", "ones") and tokens.lexemes[place + 2] == "(" and tokens.lexemes[stop - 1] == ")":
        sizes = tokens.written(place + 3, stop - 2)
        text, edits = f"{name} : f64[{sizes}] = {behind}", (tokens.inserting(end, f" : f64[{sizes}]"),)
    help_ = (f"add a type, for instance `{declaring} {text}`",) if len(text) <= 60 else ()
    s.tokens.report("E0101", f"{declaring} without a type", s.span(), "`:` and a type expected here", (note,), help_,
                    edits=edits)  # fmt: skip
    return True


def _dim_with_type(s: Situation) -> bool:
    """`dim n : i64`, `dim 3`."""
    tokens = s.tokens
    edits: tuple[Edit, ...]
    if tokens.lexemes[s.statement_start()] != "dim":
        return False
    if s.lexeme() == ":":
        edits = (tokens.replacing(s.index, s.statement_end() - 1, ""),)
        tokens.report("E0101", "a type after `dim`", s.span(), "", ("sizes are whole numbers, i64 inside expressions",),
                      ("remove it: `dim n`",), edits=edits)  # fmt: skip
        return True
    if s.lexeme() == "," and "=" in tokens.lexemes[s.statement_start() : s.index]:
        edits = (Edit(Span(tokens.source, tokens.starts[s.index], tokens.starts[s.index + 1]), "\ndim "),)
        note = "`dim k = 10` fixes one size"
        tokens.report("E0101", "`,` after the value of a size", s.span(), "", (note,), ("write a line for each size",),
                      edits=edits)  # fmt: skip
        return True
    close = s.closing(s.index) if s.lexeme() == "(" else None
    if close is not None and tokens.lexemes[s.index - 1] == "dim":
        edits = (tokens.replacing(s.index, s.index, ""), tokens.replacing(close, close, ""))
        tokens.report("E0101", "sizes in parentheses", s.span(), "", ("`dim n, d` declares sizes",),
                      ("remove the parentheses",), edits=edits)  # fmt: skip
        return True
    if s.kind == NUMBER and tokens.lexemes[s.index - 1] == "dim":
        edits = (tokens.inserting(tokens.starts[s.index], "n = "),)
        tokens.report("E0101", "a number where a name is declared", s.span(), "", ("`dim k = 10` fixes a size",),
                      (f"write `dim n = {s.found()[12:-1]}`",), edits=edits)  # fmt: skip
        return True
    return False


def _type_without_dtype(s: Situation) -> bool:
    """`input x : [n]`."""
    if s.lexeme() != "[" or s.tokens.lexemes[s.index - 1] != ":" or s.wants_value:
        return False
    close = s.closing(s.index)
    sizes = s.tokens.written(s.index, close) if close is not None else "[n]"
    edits = (s.tokens.inserting(s.tokens.starts[s.index], "f64"),)
    s.tokens.report("E0101", "a type without its dtype", s.span(), "", ("dtypes are f64, f32, i64, i32, bool",),
                    (f"write `f64{sizes}`",) if len(sizes) <= 40 else (), edits=edits)  # fmt: skip
    return True


def _sizes_in_type(s: Situation) -> bool:
    """`f64(n)`, `f64[n][d]`."""
    tokens, before = s.tokens, s.tokens.lexemes[s.index - 1]
    first = tokens.lexemes[s.statement_start()]
    if first not in ("input", "param") or s.lexeme() not in ("(", "[") or s.wants_value:
        return False
    close = s.closing(s.index)
    if close is None or close == s.index + 1:
        return False
    inside = tokens.written(s.index + 1, close - 1)
    edits: tuple[Edit, ...]
    if s.lexeme() == "(" and before in TYPE_WORDS:
        message, help_ = "sizes in parentheses", f"write `{before}[{inside}]`"
        edits = (tokens.replacing(s.index, s.index, "["), tokens.replacing(close, close, "]"))
    elif before == "]":
        message, help_ = "sizes in several brackets", f"write `..., {inside}]`"
        edits = (tokens.replacing(s.index - 1, s.index, ", "),)
    else:
        return False
    note = "the sizes of a type stand in one pair of brackets: `f64[n, d]`"
    tokens.report("E0101", message, s.span(), "", (note,), (help_,), edits=edits)
    return True


def _several_types(s: Situation) -> bool:
    """`input x : f64, y : f64`."""
    tokens, first = s.tokens, s.statement_start()
    if s.lexeme() != "," or tokens.lexemes[first] not in ("input", "param") or s.wants_value or s.after_value:
        return False
    if ":" not in tokens.lexemes[first : s.index] or s.nearest_bracket() is not None:
        return False
    comma = Span(tokens.source, tokens.starts[s.index], tokens.starts[s.index + 1])
    edits = (Edit(comma, f"\n{tokens.lexemes[first]} "),)
    note = "a declaration has one type: `input x, y : f64`"
    help_ = (f"write a line for each type: `{tokens.lexemes[first]} ...`",)
    tokens.report("E0101", "`,` after a type", s.span(), "", (note,), help_, edits=edits)
    return True


def _missing_comma(s: Situation) -> bool:
    """`dim n d`, `input x y : f64`."""
    first = s.tokens.lexemes[s.statement_start()]
    if first not in ("dim", "input", "param") or s.kind != NAME or LITERALS[","] not in s.expected or s.wants_value:
        return False
    if s.previous != NAME or s.after_value:
        return False
    edits = (s.insert_before(","),)
    message, note = f"two names after `{first}` without a comma", "names are separated by commas"
    s.tokens.report("E0101", message, s.span(), "", (note,), ("write a comma before it",), edits=edits)
    return True


def _closed_bound(s: Situation) -> bool:
    if s.lexeme() not in (">=", "<=") or "param" not in (s.tokens.lexemes[token] for token in s.pending_in_statement()):
        return False
    strict = s.lexeme()[0]
    note = "a constrained parameter never reaches its bound"
    edits = (s.tokens.replacing(s.index, s.index, strict),)
    message = f"`{s.lexeme()}` in a constraint"
    s.tokens.report("E0101", message, s.span(), "", (note,), (f"write `{strict}`",), edits=edits)
    return True


def _function_head(s: Situation) -> bool:
    """`fn f(x) x^2`, `fn f(x) -> x^2`, `fn f(x):`."""
    tokens, first = s.tokens, s.statement_start()
    lexemes = tokens.lexemes[first : s.index]
    if lexemes[:1] != ["fn"] or "=" in lexemes or "{" in lexemes or s.wants_value:
        return False
    if s.kind == NAME and tokens.lexemes[s.index - 2] == "fn":
        stop = s.index
        while tokens.kinds[stop] == NAME or tokens.lexemes[stop] == ",":
            stop += 1
        note = "a function is `fn f(x, y) = ...` or `fn f(x : f64[n]) -> f64 { ... }`"
        arguments = tokens.written(s.index, stop - 1)
        help_, edits = f"write `{tokens.lexemes[s.index - 1]}({arguments})`", (
            Edit(Span(tokens.source, tokens.ends[s.index - 1], tokens.ends[stop - 1]), f"({arguments})"),
        )
        tokens.report("E0101", "a function without `( )`", s.span(), "", (note,), (help_,), edits=edits)
        return True
    if "->" in lexemes:
        arrow = tokens.lexemes.index("->", first)
        note = "the type of the result comes after `->`"
        help_, edits = "write `=` for the value itself", (tokens.replacing(arrow, arrow, "="),)
    elif s.lexeme() != ":" and s.kind not in VALUE_STARTS:
        return False
    elif tokens.lexemes[s.index - 1] == ")" and LITERALS["="] in s.expected:
        note = "a function is `fn f(x, y) = ...` or `fn f(x : f64[n]) -> f64 { ... }`"
        help_, edits = "write `=` before the value", (s.insert_before(" ="),)
        if s.lexeme() == ":":
            help_, edits = "write `=` in place of `:`", (tokens.replacing(s.index, s.index, " ="),)
    else:
        return False
    others = (Label(tokens.span(first), "this `fn`", False),)
    tokens.report("E0101", "a function without `=`", s.span(), "", (note,), (help_,), others, edits)
    return True


def _default_value(s: Situation) -> bool:
    """`fn f(a, b=2)`."""
    tokens, first = s.tokens, s.statement_start()
    if s.lexeme() != "=" or tokens.lexemes[first] != "fn" or s.nearest_bracket() != first + 2:
        return False
    note = "a call passes every argument"
    tokens.report("E0101", "a default value of an argument", s.span(), "", (note,), ("remove it",),
                  edits=(tokens.replacing(s.index, s.part_end() - 1, ""),))  # fmt: skip
    return True


def _missing_arrow(s: Situation) -> bool:
    """`update w = ...`."""
    if s.lexeme() != "=" or s.tokens.lexemes[s.statement_start()] != "update" or s.previous != NAME:
        return False
    name = s.tokens.lexemes[s.index - 1]
    note = f"`update {name} <- ...` gives a state its next value"
    edits = (s.tokens.replacing(s.index, s.index, "<-"),)
    label, help_ = "`<-` expected here", ("write `<-`",)
    s.tokens.report("E0101", "`=` after `update`", s.span(), label, (note,), help_, edits=edits)
    return True


def _typed_definition(s: Situation) -> bool:
    if s.lexeme() != ":" or not s.after_value or not s.is_statement_start(1) or s.previous != NAME:
        return False
    name = s.tokens.lexemes[s.index - 1]
    note = "a definition takes the type of its value; only inputs, parameters and arguments are declared with one"
    help_ = (f"write `input {name} : ...` or `param {name} : ...`",)
    edits: tuple[Edit, ...] = ()
    stop = s.statement_end()
    if "=" in s.tokens.lexemes[s.index : stop]:
        equal = s.tokens.lexemes.index("=", s.index, stop)
        help_, edits = (f"remove the type: `{name} = ...`",), (s.tokens.deleting(s.index, equal),)
    s.tokens.report("E0101", "a type without `input` or `param`", s.span(), "", (note,), help_, edits=edits)
    return True


_SLIPS: tuple[Callable[[Situation], bool], ...] = (
    _role_without_name,
    _role_without_equal,
    _hyphen,
    _value_of_input,
    _both_bounds,
    _prefix_of_dtype,
    _missing_type,
    _dim_with_type,
    _type_without_dtype,
    _sizes_in_type,
    _several_types,
    _missing_comma,
    _closed_bound,
    _function_head,
    _default_value,
    _missing_arrow,
    _typed_definition,
)
