"""What is wrong with one lexeme, and what was probably meant: characters, names, numbers, strings, foreign operators.

Reached only when a lexeme is no terminal of the grammar.  Must not know where it stands.
"""

from __future__ import annotations

from exprc.source import Span
from exprc.syntax.tokens import Tokens

# what other languages write, what it is taken for, and what to say
BAD_OPERATORS = {
    ":=": ("=", "write `=`"),
    "+=": ("=", "write the sum out: `y = x + ...`; a name is defined once"),
    "-=": ("=", "write the difference out: `y = x - ...`; a name is defined once"),
    "*=": ("=", "write the product out: `y = x * ...`; a name is defined once"),
    "/=": ("=", "write the quotient out: `y = x / ...`; to compare, write `!=`"),
    "&&": ("and", "write `and`"),
    "||": ("or", "write `or`"),
    "&": ("and", "write `and`"),
    "|": ("or", "write `or`; an absolute value is `abs(x)`"),
    "!": ("not", "write `not`; a factorial is `exp(lgamma(n + 1))`"),
    "===": ("==", "write `==`"),
    "!==": ("!=", "write `!=`"),
    "<>": ("!=", "write `!=`"),
    "=<": ("<=", "write `<=`"),
    "=>": (">=", "write `>=`; a function is `fn f(x) = ...`"),
    ".*": ("*", "write `*`: it acts entry by entry"),
    "./": ("/", "write `/`: it acts entry by entry"),
    ".^": ("^", "write `^`: it acts entry by entry"),
    ".'": ("'", "write `'`"),
}

# characters that look like, or stand for, what is written in ASCII
_LOOK_ALIKES = {
    "\u2212": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2010": "-",
    "\u2011": "-",
    "\u00d7": "*",
    "\u22c5": "*",
    "\u2217": "*",
    "\u2219": "*",
    "\u2022": "*",
    "\u00f7": "/",
    "\u2215": "/",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "!=",
    "\u2192": "->",
    "\u2190": "<-",
    "\u201c": '"',
    "\u201d": '"',
    "\u2018": "'",
    "\u2019": "'",
    "\u2032": "'",
    "\u00b4": "'",
    "\u22a4": "'",
    "\u2211": "sum",
    "\u220f": "prod",
    "\u221a": "sqrt",
    "\u2207": "grad",
    "\u2202": "grad",
    "\u2208": "in",
    "\u2227": "and",
    "\u2228": "or",
    "\u00ac": "not",
}
_RAISED = dict(zip("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "0123456789", strict=True))
_RAISED |= {"\u207b": "-", "\u207f": "n"}
_LOWERED = dict(zip("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789", strict=True))
_ESCAPES = '\\"nt'


def spelling(lexeme: str) -> str:
    """The NFKC normal form, in which Python too compares names."""
    import unicodedata

    return unicodedata.normalize("NFKC", lexeme)


def slip_meaning(lexeme: str) -> str | None:
    """The operator that a foreign one stands for."""
    slip = BAD_OPERATORS.get(lexeme)
    return slip[0] if slip else None


def report_lexeme(tokens: Tokens, index: int) -> None:
    """Say what is wrong with a lexeme."""
    lexeme, span = tokens.lexemes[index], tokens.span(index)
    if lexeme in BAD_OPERATORS:
        tokens.report("E0106", f"`{lexeme}` is not an operator", span, "unknown here", help=(BAD_OPERATORS[lexeme][1],))
    elif lexeme[0] in "0123456789." and len(lexeme) > (lexeme[0] == "."):
        _report_number(tokens, lexeme, span)
    elif lexeme[0] == '"':
        _report_string(tokens, lexeme, span)
    elif lexeme.isidentifier():
        normal = spelling(lexeme)
        note = "names are compared after NFKC normalisation"
        tokens.report("E0108", f"`{lexeme}` reads as the keyword `{normal}`", span, "not a name", (note,))
    else:
        _report_character(tokens, lexeme, span)


def _report_number(tokens: Tokens, lexeme: str, span: Span) -> None:
    shown = _shortened(lexeme)
    digits = lexeme.replace("_", "")
    if digits.isdecimal() and (digits[0] != "0" or len(lexeme) == 1) and not _bad_underscore(lexeme):
        note = "integers are exact and lie between -9223372036854775808 and 9223372036854775807"
        help_ = (f"a real number of this size is `{float(digits):g}`",) if len(digits) < 300 else ()
        tokens.report("E0105", "integer does not fit into 64 bits", span, f"{len(digits)} digits", (note,), help_)
        return
    reason, remedy = _about_number(lexeme)
    tokens.report("E0104", f"`{shown}` is not a number", span, "malformed", (reason,), remedy)


def _about_number(lexeme: str) -> tuple[str, tuple[str, ...]]:
    """Why it is none, and what to write."""
    body = lexeme.lower()
    if body.endswith(".") and body[:-1].isdecimal():
        return "a digit stands on both sides of the point, since `0..n` is a range", (f"write `{lexeme}0`",)
    if body.startswith("."):
        return "a digit stands on both sides of the point, since `0..n` is a range", (f"write `0{lexeme}`",)
    if body[:2] in ("0x", "0b", "0o"):
        return "numbers are decimal", _decimal_help(body)
    if _bad_underscore(lexeme):
        return "`_` stands between two digits", (f"write `{_without_underscores(lexeme)}`",)
    if body.isdecimal():
        return "an integer has no leading zeros", (f"write `{lexeme.lstrip('0')}`",)
    if body.count(".") > 1:
        return "a number has one point", ()
    head = body.rstrip("+-")
    if head.endswith("e") and head[:-1].replace(".", "").isdecimal():
        return "the exponent has no digits", (f"write `{head}0`",)
    if "." in body and not body.split(".", 1)[1][:1].isdecimal():
        whole, rest = lexeme.split(".", 1)
        return "a digit stands on both sides of the point", (f"write `{whole}.0{rest}`",) if rest[:1] in "eE" else ()
    if body.replace(".", "").replace("e", "").replace("+", "").replace("-", "").isdecimal():
        return "the largest f64 is 1.7976931348623157e308", ()
    end = next(place for place, char in enumerate(lexeme) if not (char.isdecimal() or char in "._"))
    help_ = f"write `{lexeme[:end]} * {_shortened(lexeme[end:])}`"
    return "a name cannot start with a digit, and a product needs its `*`", (help_,)


def _decimal_help(body: str) -> tuple[str, ...]:
    try:
        return (f"write `{int(body, 0)}`",) if len(body) < 20 else ()
    except ValueError:
        return ()


def _bad_underscore(lexeme: str) -> bool:
    return "__" in lexeme or (lexeme.endswith("_") and lexeme.replace("_", "").isdecimal())


def _without_underscores(lexeme: str) -> str:
    return lexeme.strip("_").replace("__", "_").replace("__", "_")


def _report_string(tokens: Tokens, lexeme: str, span: Span) -> None:
    if len(lexeme) < 2 or not lexeme.endswith('"') or lexeme.endswith('\\"'):
        note = "a string ends on its line"
        start = Span(span.source, span.start, span.start + 1)
        tokens.report("E0109", "string is never closed", start, "opened here", (note,), ('close it with `"`',))
        return
    place = _bad_escape(lexeme)
    where = Span(span.source, span.start + place, span.start + place + 2)
    note = 'after a backslash stand `\\`, `"`, `n` or `t`'
    escape = lexeme[place : place + 2]
    tokens.report("E0106", f"unknown escape `{escape}`", where, "", (note,), ("for a backslash write `\\\\`",))


def _bad_escape(lexeme: str) -> int:
    place = lexeme.index("\\")
    while lexeme[place + 1] in _ESCAPES:
        place = lexeme.index("\\", place + 2)
    return place


def _report_character(tokens: Tokens, lexeme: str, span: Span) -> None:
    """The first character that cannot be where it is: in a name, or anywhere."""
    place = next(i for i, char in enumerate(lexeme) if not (f"a{char}" if i else char).isidentifier())
    character = lexeme[place]
    where = Span(span.source, span.start + place, span.start + place + 1)
    if place and (character in _RAISED or character in _LOWERED):
        _report_raised(tokens, lexeme, place, span)
        return
    meant = _LOOK_ALIKES.get(character) or _compatible(character)
    help_ = (f"write {'an ordinary space' if meant == ' ' else f'`{meant}`'}",) if meant else ()
    if place and not meant and character.isalnum():
        tokens.report("E0110", f"{_named(character)} cannot stand in a name", where, "in this name", help=help_)
    else:
        tokens.report("E0106", f"unexpected character {_named(character)}", where, "means nothing here", help=help_)


def _report_raised(tokens: Tokens, lexeme: str, place: int, span: Span) -> None:
    table = _RAISED if lexeme[place] in _RAISED else _LOWERED
    stop = place
    while stop < len(lexeme) and lexeme[stop] in table:
        stop += 1
    digits = "".join(table[char] for char in lexeme[place:stop])
    where = Span(span.source, span.start + place, span.start + stop)
    name = _shortened(lexeme[:place])
    if table is _RAISED:
        note, help_ = "it would read as part of the name, not as a power", f"a power is written `{name}^{digits}`"
    else:
        note, help_ = "names hold letters, digits and `_`", f"write `{name}{digits}` or `{name}[{digits}]`"
    tokens.report("E0110", f"`{_shortened(lexeme[place:stop])}` cannot stand in a name", where, "", (note,), (help_,))


def _compatible(character: str) -> str | None:
    """The ASCII form of wide and other compatibility characters."""
    normal = spelling(character)
    return normal if normal.isascii() and normal != character and len(normal) <= 2 else None


def _named(character: str) -> str:
    import unicodedata

    name = unicodedata.name(character, "").lower()
    shown = f"`{character}` " if character.isprintable() else ""
    return f"{shown}(U+{ord(character):04X}{', ' + name if name else ''})"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
