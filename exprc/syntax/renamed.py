"""A keyword that is used as a name, under another name wherever it is one.  Reached only after an error."""

from __future__ import annotations

from exprc.diagnostics import Edit
from exprc.syntax.foreign import VALUE_STARTS
from exprc.syntax.tables import LITERALS
from exprc.syntax.tokens import BINARY, DECLARING, SEPARATOR, Tokens, terminals

MOST_RENAMED = 200
_LBRACE = LITERALS["{"]
_BEFORE_VALUES = BINARY | terminals("( [ , = : -> <- if then else over not while emit")
_VALUE_FORMS = terminals("if scan not")  # may stand where a value is wanted
_VALUES = frozenset(("true", "false", "None"))


def renaming(tokens: Tokens, keyword: str, new: str) -> tuple[Edit, ...]:
    """What to write so that the keyword is no name; nothing where it may be meant as itself."""
    if keyword in _VALUES or new in tokens.lexemes:
        return ()
    places = [i for i, lexeme in enumerate(tokens.lexemes) if lexeme == keyword and _is_name(tokens, i)]
    if len(places) > MOST_RENAMED:
        return ()
    return tuple(tokens.replacing(place, place, new) for place in places)


def _is_name(tokens: Tokens, place: int) -> bool:
    before = tokens.kinds[place - 1] if place else SEPARATOR
    kind, after = tokens.kinds[place], tokens.kinds[place + 1]
    if before in (SEPARATOR, _LBRACE):
        return tokens.lexemes[place + 1] == "="
    if before in DECLARING:
        return True
    if kind in _VALUE_FORMS and (after in VALUE_STARTS or tokens.lexemes[place + 1] in ("(", "[", "-")):
        return False
    return before in _BEFORE_VALUES
