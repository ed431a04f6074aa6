"""Words for a syntax error: what was found, what was expected, and why.

Reached only after an error.  `report_unexpected` asks `slips` for a known slip first; else it says what could have come
and which open form asks for it.  Must not change the state of the parser.
"""

from __future__ import annotations

from exprc.diagnostics import Label
from exprc.syntax.automaton import GOTOS, STATEMENTS, expected_kinds, states_after
from exprc.syntax.situation import BINARY_OR_POSTFIX, Situation
from exprc.syntax.slips import find_slip
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import BINARY, END, NAME, NUMBER, SEPARATOR, STRING, Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# by the token that opened a form: how the form goes on
_FORMS = {
    "dim": "`dim n, d` declares sizes, `dim k = 10` fixes one",
    "require": "`require a * b == c` states a fact about sizes",
    "input": "`input X : f64[n, d]` names data and its type",
    "param": "`param w : f64[d]` names a parameter and its type; a constraint and `= start` may follow",
    "loss": "`loss E = ...` names a scalar to differentiate",
    "density": "`density lp = ...` names a log density",
    "output": "`output p = ...` returns a value, `output mu` an existing one",
    "fn": "a function is `fn f(x, y) = ...` or `fn f(x : f64[n]) -> f64 { ... }`",
    "update": "`update w <- ...` gives a state its next value",
    "use": '`use "layers.expr" as l` takes in another file',
    "as": '`use "layers.expr" as l` gives the file a name',
    "if": "`if` needs a condition, `then` a value, and `else` another",
    "then": "`if` needs a condition, `then` a value, and `else` another",
    "else": "`if` needs a condition, `then` a value, and `else` another",
    "scan": "a scan is `scan h = h0 over x in X { ... }`",
    "over": "a scan is `scan h = h0 over x in X { ... }`",
    "while": "a scan that stops early is `scan h = h0 over x in X while c { ... }`",
    "next": "`next a, b emit y, z` ends the block of a scan",
    "emit": "`next a, b emit y, z` ends the block of a scan",
    "in": "`in` is followed by what is run over, or by a range `0..n`",
    "..": "a range is `0..n`, its end not included",
    "<-": "the new value comes after `<-`",
    "->": "the types of the results come between `->` and the body",
    ":": "a type is `f64`, or with its sizes `f64[n, d]`",
    "=": "`=` needs a value on its right",
    "{": "a block holds definitions and, in its last line, the results",
    "[": "`[ ]` holds a list separated by commas: entries, sizes or indices",
    "(": "`( )` holds one value, or the arguments of a call separated by commas",
    ".": "after the point comes a name, or `T` for the transpose",
    ",": "after a comma the list goes on",
    "not": "`not` comes before a condition",
}
_BRACKETS = frozenset(LITERALS[text] for text in "([{")
_LBRACE, _RBRACE = LITERALS["{"], LITERALS["}"]


def report_unexpected(tokens: Tokens, index: int, states: list[int], values: list[Any]) -> None:
    """Report the token that no rule takes."""
    situation = Situation(tokens, index, _expected_kinds(tokens, index, states), values)
    if find_slip(situation):
        return
    code = "E0114" if situation.kind == END else "E0101"
    tokens.report(
        code,
        f"expected {_expected(situation)}, found {situation.found()}",
        situation.span(),
        f"{_expected(situation)} expected here",
        _why(situation),
        (),
        _opener(situation),
    )


def _expected_kinds(tokens: Tokens, index: int, states: list[int]) -> frozenset[int]:
    """What could have stood at `index`.

    The table lets a token bring about reductions before it finds that it does not fit, so the statement is taken again
    up to the token before.
    """
    kinds = tokens.kinds
    first, depth = index, 0
    while first > 0 and (depth or kinds[first - 1] not in (SEPARATOR, _LBRACE)):
        first -= 1
        depth += (kinds[first] == _RBRACE) - (kinds[first] == _LBRACE)
    height = next(h for h in range(len(states), 0, -1) if any(symbol in GOTOS[states[h - 1]] for symbol in STATEMENTS))
    before = states_after(states[:height], kinds[first:index])
    return expected_kinds(before or states)


def _expected(situation: Situation) -> str:
    """What could come next, in few words."""
    expected = situation.expected
    if NUMBER in expected:
        return f"a value {situation.after()}".rstrip()
    if NAME in expected and not situation.after_value:
        return f"a name {situation.after()}".rstrip()
    if expected == {STRING}:
        return f"a string in double quotes {situation.after()}".rstrip()
    if situation.is_statement_start():
        return "a declaration or a definition"
    return _listed(expected - BINARY_OR_POSTFIX if situation.after_value else expected) or "an operator"


def _listed(expected: frozenset[int]) -> str:
    """The punctuation and keywords of a set, the end of the statement last."""
    words = [f"`{text}`" for text, kind in LITERALS.items() if kind in expected]
    if {SEPARATOR, END} & expected:
        words.append("the end of the statement")
    if len(words) > 4:
        words = [*words[:4], "..."]
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1] if words else ""


def _why(situation: Situation) -> tuple[str, ...]:
    """The form that is open, and the line end that did not end it."""
    pending = [situation.tokens.lexemes[token] for token in situation.pending_in_statement()]
    notes = [form for lexeme in pending if (form := _form(lexeme, situation, pending))][:1]
    joined = situation.joined_line()
    if joined is not None and situation.kind != END:
        notes.append(f"the line before ends with `{situation.tokens.lexemes[joined]}`, so the statement goes on here")
    return tuple(notes)


def _form(lexeme: str, situation: Situation, pending: list[str]) -> str | None:
    """How the form that this token opened goes on."""
    if LITERALS.get(lexeme) in BINARY and lexeme == situation.tokens.lexemes[situation.index - 1]:
        return f"`{lexeme}` stands between two values"
    if lexeme == "(" and pending[-1] == "fn" and "=" not in pending:
        return _FORMS["fn"]
    if lexeme == ":" and pending[-1] not in ("input", "param", "fn"):
        return "a slice is `start:stop:step`"
    if lexeme == "in" and pending[-1] == "param":
        return "an interval is `in (a, b)`"
    return _FORMS.get(lexeme)


def _opener(situation: Situation) -> tuple[Label, ...]:
    """The bracket that is open, or the keyword that began the form, if it is not right before."""
    for token in situation.pending():
        kind = situation.tokens.kinds[token]
        if kind in _BRACKETS or situation.tokens.lexemes[token] in ("if", "scan", "fn"):
            if token < situation.index - 1 or kind in _BRACKETS:
                text = "opened here" if kind in _BRACKETS else f"this `{situation.tokens.lexemes[token]}`"
                return (Label(situation.tokens.span(token), text, False),)
            return ()
    return ()
