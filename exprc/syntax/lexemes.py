"""What is wrong with one lexeme, and what was probably meant: characters, names, numbers, strings, foreign operators.

Reached only when a lexeme is no terminal of the grammar.  Must not know where it stands.
"""

from __future__ import annotations

from itertools import islice

from exprc.diagnostics import Edit
from exprc.source import Span
from exprc.spelling import normal
from exprc.syntax.tokens import OPERAND_ENDS, Tokens

MOST_REPLACED = 1000

# what other languages write, what it is taken for, and what to say
BAD_OPERATORS = {
    ":=": ("=", "write `=`"),
    "+=": ("=", "a name is defined once: write `y_next = y + ...`"),
    "-=": ("=", "a name is defined once: write `y_next = y - ...`"),
    "*=": ("=", "a name is defined once: write `y_next = y * ...`"),
    "/=": ("=", "a name is defined once: write `y_next = y / ...`; to compare, write `!=`"),
    "&&": ("and", "write `and`"),
    "||": ("or", "write `or`"),
    "&": ("and", "write `and`"),
    "|": ("or", "write `or`"),
    "!": ("not", "write `not`"),
    "===": ("==", "write `==`"),
    "!==": ("!=", "write `!=`"),
    "<>": ("!=", "write `!=`"),
    "=<": ("<=", "write `<=`"),
    "=>": (">=", "write `>=`"),
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
    "\u2208": "in",
    "\u221e": "inf",
    "\u00b7": "*",
    "\u2227": "and",
    "\u2228": "or",
    "\u00ac": "not",
}
_RAISED = dict(zip("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "0123456789", strict=True))
_RAISED |= {"\u207b": "-", "\u207f": "n"}
_LOWERED = dict(zip("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089", "0123456789", strict=True))
_ESCAPES = '\\"nt'


def slip_meaning(lexeme: str) -> str | None:
    """The operator that a foreign one stands for."""
    slip = BAD_OPERATORS.get(lexeme)
    return slip[0] if slip else None


def report_lexeme(tokens: Tokens, index: int) -> None:
    """Say what is wrong with a lexeme."""
    lexeme, span = tokens.lexemes[index], tokens.span(index)
    if lexeme in BAD_OPERATORS:
        report_operator(tokens, index)
    elif lexeme == "?" and ":" in tokens.lexemes[index : index + 40]:
        _report_choice(tokens, index)
    elif lexeme[0] in "0123456789." and len(lexeme) > (lexeme[0] == "."):
        _report_number(tokens, lexeme, span)
    elif lexeme[0] == '"':
        _report_string(tokens, lexeme, span)
    elif lexeme.isidentifier():
        note = "names are compared after NFKC normalisation"
        tokens.report("E0108", f"`{lexeme}` reads as the keyword `{normal(lexeme)}`", span, "not a name", (note,))
    else:
        _report_character(tokens, lexeme, span)


def report_operator(tokens: Tokens, index: int) -> None:
    """A foreign operator, by what stands around it."""
    lexeme, span = tokens.lexemes[index], tokens.span(index)
    message, (meant, help_) = f"`{lexeme}` is not an operator", BAD_OPERATORS[lexeme]
    after_value = index > 0 and tokens.kinds[index - 1] in OPERAND_ENDS
    first = line_start(tokens, index)
    edits: tuple[Edit, ...] = (Edit(span, meant),)
    if lexeme == "!" and after_value:
        help_, edits = "write a factorial as `exp(lgamma(n + 1))`", ()
    elif lexeme == "!":
        edits = (Edit(span, "not " if tokens.starts[index + 1] == span.end else "not"),)
    elif lexeme == "=>" and tokens.lexemes[first] == "fn":
        help_, edits = "write `=`", (Edit(span, "="),)
    elif lexeme[1:] == "=" and lexeme[0] in "+-*/":
        name = tokens.lexemes[index - 1]
        if tokens.lexemes[first] == "target":
            message, help_, edits = "`target` is not kept", "write `density lp = ...`, or `loss E = -(...)`", ()
            tokens.hush_line(index)
        else:
            help_ = help_.replace("y", _shortened(name))
            new = f"{name}_next = {name} {lexeme[0]}"
            edits = (tokens.replacing(index - 1, index, new),) if lexeme[0] == "+" and index == first + 1 else ()
    elif lexeme in ("|", "||") and not after_value:
        _report_bars(tokens, index)
        return
    elif lexeme == "|" and "lpdf" in tokens.lexemes[index - 3 if index > 2 else 0]:
        help_, edits = "write `,`", (Edit(span, ","),)
    tokens.report("E0106", message, span, "unknown here", help=(help_,), edits=edits)


def _report_bars(tokens: Tokens, index: int) -> None:
    """`|w|` and `||w||`."""
    lexeme = tokens.lexemes[index]
    name = "abs" if lexeme == "|" else "norm"
    close = index + 1
    while tokens.lexemes[close] not in (lexeme, "\n", ""):
        close += 1
    span, help_ = tokens.span(index), f"write `{name}(...)`"
    edits: tuple[Edit, ...] = ()
    if tokens.lexemes[close] == lexeme:
        inside = tokens.written(index + 1, close - 1)
        help_ = f"write `{name}({_shortened(inside)})`"
        edits = (tokens.replacing(index, close, f"{name}({inside})"),)
        span = span.to(tokens.span(close))
        tokens.spoiled.add(close)
    message = f"{'an absolute value' if lexeme == '|' else 'a norm'} between bars"
    note = "opening and closing bars look the same, so bars are not used"
    tokens.report("E0106", message, span, "", (note,), (help_,), edits=edits)


def _report_choice(tokens: Tokens, index: int) -> None:
    """`c ? a : b`."""
    first = colon = last = index
    depth = 0
    while tokens.lexemes[first - 1] not in ("=", ",", "\n", "") and (depth or tokens.lexemes[first - 1] not in "([{"):
        first -= 1
        depth += (tokens.lexemes[first] in ")]}") - (tokens.lexemes[first] in "([{")
    while tokens.lexemes[colon] not in (":", "\n", ""):
        colon += 1
    last, depth = colon, 0
    while tokens.lexemes[last + 1] not in (",", "\n", "") and (depth or tokens.lexemes[last + 1] not in ")]}"):
        last += 1
        depth += (tokens.lexemes[last] in "([{") - (tokens.lexemes[last] in ")]}")
    help_ = "a choice is `if a then b else c`, for arrays `where(a, b, c)`"
    edits: tuple[Edit, ...] = ()
    if tokens.lexemes[colon] == ":" and first < index < colon - 1 and last > colon:
        condition, then = tokens.written(first, index - 1), tokens.written(index + 1, colon - 1)
        text = f"if {condition} then {then} else {tokens.written(colon + 1, last)}"
        help_, edits = f"write `{_shortened(text)}`; for arrays `where`", (tokens.replacing(first, last, text),)
        tokens.hush_line(index)
    tokens.report("E0106", "`? :` is not an operator", tokens.span(index), "unknown here", (), (help_,), edits=edits)


def line_start(tokens: Tokens, index: int) -> int:
    """The first token on the line of another, before newlines are taken out."""
    while index > 0 and tokens.lexemes[index - 1] not in ("\n", "\r\n", ";", "{"):
        index -= 1
    return index


def _report_number(tokens: Tokens, lexeme: str, span: Span) -> None:
    shown = _shortened(lexeme)
    digits = lexeme.replace("_", "")
    if digits.isdecimal() and (digits[0] != "0" or len(lexeme) == 1) and not _bad_underscore(lexeme):
        note = "integers are exact and lie between -9223372036854775808 and 9223372036854775807"
        help_: tuple[str, ...] = ()
        edits: tuple[Edit, ...] = ()
        if len(digits) < 300:
            real = f"{float(digits):g}".replace("e+", "e")
            help_, edits = (f"write a float of this size as `{real}`",), (Edit(span, real),)
        message = "integer does not fit into 64 bits"
        tokens.report("E0105", message, span, f"{len(digits)} digits", (note,), help_, edits=edits)
        return
    reason, meant = _about_number(lexeme)
    label = "too large" if "largest" in reason else _missing_digit(lexeme)
    help_ = (f"write `{_shortened(meant)}`",) if meant else ()
    edits = (Edit(span, meant),) if meant else ()
    tokens.report("E0104", f"`{shown}` is not a number", span, label, (reason,), help_, edits=edits)


def _missing_digit(lexeme: str) -> str:
    side = "before" if lexeme[0] == "." else "after" if lexeme[-1] == "." else ""
    return f"no digit {side} the point" if side else "malformed"


def _about_number(lexeme: str) -> tuple[str, str]:
    """Why it is none, and what to write in its place, or nothing."""
    body = lexeme.lower()
    if body.endswith(".") and body[:-1].isdecimal():
        return "a number has a digit on each side of its point, because `0..n` is a range", f"{lexeme}0"
    if body.startswith("."):
        return "a number has a digit on each side of its point, because `0..n` is a range", f"0{lexeme}"
    if body[:2] in ("0x", "0b", "0o"):
        return "numbers are decimal", _decimal(body)
    if _bad_underscore(lexeme):
        return "`_` stands between two digits", _without_underscores(lexeme)
    body = body.replace("_", "")
    if body.isdecimal():
        return "an integer has no leading zeros", lexeme.lstrip("0_") or "0"
    if body.count(".") > 1:
        return "a number has one point", ""
    head = body.rstrip("+-")
    if head.endswith("e") and head[:-1].replace(".", "").isdecimal():
        return "the exponent has no digits", f"{head}0"
    if "." in body and not body.split(".", 1)[1][:1].isdecimal():
        whole, rest = lexeme.split(".", 1)
        return "a number has a digit on each side of its point", f"{whole}.0{rest}" if rest[:1] in "eE" else ""
    if body.replace(".", "").replace("e", "").replace("+", "").replace("-", "").isdecimal():
        return "the largest f64 is 1.7976931348623157e308; infinity is `inf`", ""
    return _about_tail(lexeme)


def _about_tail(lexeme: str) -> tuple[str, str]:
    """A number with something behind it that is not its own."""
    end = next((place for place, char in enumerate(lexeme) if not (char.isdecimal() or char in "._")), len(lexeme))
    number, tail = lexeme[:end].rstrip("_."), lexeme[end:]
    if tail.lower() in ("f", "l", "u", "ul", "ll"):
        return "a number has no suffix for its dtype; one in f32 is `f32(...)`", number
    if tail[:1] in "dD" and tail[1:].isdecimal():
        return "the exponent comes after `e`", f"{number}e{tail[1:]}"
    product = f"{number} * {tail.lstrip(chr(0xB7))}"
    if tail == "j":
        return "there are no complex numbers, and a product needs its `*`", product
    return "a name cannot start with a digit, and a product needs its `*`", product


def _decimal(body: str) -> str:
    try:
        return str(int(body, 0)) if len(body) < 20 else ""
    except ValueError:
        return ""


def _bad_underscore(lexeme: str) -> bool:
    plain = lexeme.replace("_", "").replace(".", "").isdecimal()
    return "__" in lexeme or (plain and (lexeme.endswith("_") or "_." in lexeme or "._" in lexeme))


def _without_underscores(lexeme: str) -> str:
    parts = ("_".join(digits for digits in part.split("_") if digits) for part in lexeme.split("."))
    return ".".join(parts)


def _report_string(tokens: Tokens, lexeme: str, span: Span) -> None:
    if len(lexeme) < 2 or not lexeme.endswith('"') or lexeme.endswith('\\"'):
        note = "a string ends on its line"
        start = Span(span.source, span.start, span.start + 1)
        end = span.start + len(lexeme.rstrip())
        edits = (tokens.inserting(end, '"'),) if not lexeme.endswith("\\") else ()
        help_ = ('close it with `"`',)
        tokens.report("E0109", "string is never closed", start, "opened here", (note,), help_, edits=edits)
        return
    place = _bad_escape(lexeme)
    where = Span(span.source, span.start + place, span.start + place + 2)
    note = 'after a backslash comes `\\`, `"`, `n` or `t`'
    escape = lexeme[place : place + 2]
    edits = (tokens.inserting(where.start, "\\"),)
    help_ = ("for a backslash write `\\\\`",)
    tokens.report("E0106", f"unknown escape `{escape}`", where, "", (note,), help_, edits=edits)


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
    help_: tuple[str, ...] = _CHARACTER_HELP.get(character, ())
    if character in "$`":
        meant = ""
    elif meant:
        help_ = (f"write {'an ordinary space' if meant == ' ' else f'`{meant}`'}",)
    if place and not meant and character.isalnum():
        message = f"{_named(character)} cannot stand in a name"
        tokens.report("E0110", message, where, "in this name", help=help_)
        return
    if character in tokens.characters_told:
        return
    tokens.characters_told |= {character, _PAIRS.get(character, character)}
    edits = _replacements(tokens, character, meant) if meant is not None else ()
    message = f"unexpected character {_named(character)}"
    tokens.report("E0106", message, where, "means nothing here", help=help_, edits=edits)


_CHARACTER_HELP = {
    "\u2207": ("a derivative is `grad(E, w)`",),
    "\u2202": ("a derivative is `grad(E, w)`",),
    "~": ("write the log density out: `loss E = -sum(...)` or `density lp = sum(...)`",),
    "\\": ("formulas are plain text: `\\frac{a}{b}` is `a / b`, `\\exp` is `exp`",),
    "$": ("remove it: names hold letters, digits and `_`",),
    "`": ("remove it",),
}
_PAIRS = {"\u201c": "\u201d", "\u2018": "\u2019"}


def _replacements(tokens: Tokens, character: str, meant: str) -> tuple[Edit, ...]:
    """Every place of a character, and of the quote that closes one, that would not become part of a name."""
    edits: list[Edit] = []
    found = {character, _PAIRS.get(character, character)}
    for start, lexeme in zip(tokens.starts, tokens.lexemes, strict=True):
        if found.isdisjoint(lexeme) or lexeme[0] == '"':
            continue
        if len(edits) > MOST_REPLACED or (meant.isalnum() and len(lexeme) > 1):
            return ()
        places = [start + place for place, other in enumerate(lexeme) if other in found]
        edits += [Edit(Span(tokens.source, place, place + 1), meant) for place in places]
    return tuple(edits)


def _report_raised(tokens: Tokens, lexeme: str, place: int, span: Span) -> None:
    table = _RAISED if lexeme[place] in _RAISED else _LOWERED
    stop = place
    while stop < len(lexeme) and lexeme[stop] in table:
        stop += 1
    digits = "".join(table[char] for char in lexeme[place:stop])
    where = Span(span.source, span.start + place, span.start + stop)
    name = _shortened(lexeme[:place])
    if table is _RAISED:
        edits: tuple[Edit, ...]
        power = digits if digits.isalnum() else f"({digits})"
        note, help_ = "a raised digit would be part of the name, not a power", f"write `{name}^{power}` for a power"
        edits = (Edit(where, f"^{power}"),)
    else:
        note, help_ = "names hold letters, digits and `_`", f"write `{name}{digits}` or `{name}[{digits}]`"
        edits = tuple(Edit(Span(span.source, at + place, at + stop), digits) for at in _starts(tokens, lexeme))
    message = f"`{_shortened(lexeme[place:stop])}` cannot stand in a name"
    if lexeme not in tokens.characters_told:
        tokens.report("E0110", message, where, "", (note,), (help_,), edits=edits)
    if table is _LOWERED:
        tokens.characters_told.add(lexeme)


def _starts(tokens: Tokens, lexeme: str) -> list[int]:
    """Where a lexeme stands."""
    places = (start for start, other in zip(tokens.starts, tokens.lexemes, strict=True) if other == lexeme)
    return list(islice(places, MOST_REPLACED))


def _compatible(character: str) -> str | None:
    """The ASCII form of wide and other compatibility characters."""
    known = normal(character)
    return known if known.isascii() and known != character and len(known) <= 2 else None


def _named(character: str) -> str:
    import unicodedata

    name = unicodedata.name(character, "").lower()
    shown = f"`{character}` " if character.isprintable() and character != "`" else ""
    return f"{shown}(U+{ord(character):04X}{', ' + name if name else ''})"


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."
