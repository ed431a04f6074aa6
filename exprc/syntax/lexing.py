"""From text to tokens: lexemes, and the newline rules of the language as one pass behind them.

The text is cut by one `findall` of the grammar's own terminals; each distinct lexeme is classified once; only brackets,
newlines and mistakes are looked at one by one.  Must not know the forms of the language.
"""

from __future__ import annotations

import re
from itertools import accumulate, compress

from exprc.diagnostics import MOST_SHOWN, Label
from exprc.source import Source, Span
from exprc.syntax.ast import Comment
from exprc.syntax.characters import blanked, check_characters
from exprc.syntax.documentation import attach_documentation
from exprc.syntax.lexemes import BAD_OPERATORS, report_lexeme, slip_meaning, spelling
from exprc.syntax.tables import LITERALS, PATTERNS
from exprc.syntax.tokens import (
    BINARY,
    CLOSING,
    DECLARING,
    END,
    KEYWORDS,
    NAME,
    NUMBER,
    OPENING,
    OPERAND_ENDS,
    SEPARATOR,
    STRING,
    Tokens,
    terminals,
)

# kinds beyond those of the grammar; what is ignored comes last
MISTAKE, NEWLINE, SEMICOLON, DROPPED, BLANK, COMMENT = range(1000, 1006)
INTEGER_LIMIT = 2**63

CONTINUES_AFTER = BINARY | terminals(", = : -> <- .. if then else not")
CONTINUES_AFTER |= terminals("over in while emit")
CONTINUES_BEFORE = terminals("then else while over emit {")
NO_LINE_START = BINARY | terminals(", = : -> <- .. . ' in as")

_LBRACE, _NEXT, _ASSIGN, _MINUS, _LESS, _UPDATE, _ARROW = (
    LITERALS[text] for text in ("{", "next", "=", "-", "<", "update", "<-")
)
_SPECIAL = {NEWLINE, SEMICOLON, MISTAKE, _UPDATE, *OPENING, *CLOSING}


def tokenize(source: Source) -> Tokens:
    """The tokens of a source, with what is wrong with them noted."""
    check_characters(source)
    tokens = Tokens(source)
    _cut(tokens)
    _pass_over_special(tokens)
    if any(comment.text.startswith("##") for comment in tokens.comments):
        attach_documentation(tokens)
    return tokens


class _Kinds(dict[str, int]):
    """The kind of each lexeme: punctuation and keywords from the start, the others when they are met."""

    def __init__(self, tokens: Tokens) -> None:
        super().__init__(LITERALS)
        self.update({"\n": NEWLINE, "\r\n": NEWLINE, ";": SEMICOLON})
        self.tokens = tokens

    def __missing__(self, lexeme: str) -> int:
        kind = self[lexeme] = self._classify(lexeme)
        return kind

    def _classify(self, lexeme: str) -> int:
        first = lexeme[0]
        if first in " \t":
            return BLANK
        if first == "#":
            return COMMENT
        if first.isdecimal() and first.isascii():
            return NUMBER if _is_number(lexeme) else MISTAKE
        if first == '"':
            return STRING if _STRING.fullmatch(lexeme) else MISTAKE
        if not lexeme.isidentifier():
            return MISTAKE
        if not lexeme.isascii():
            self.tokens.spellings[lexeme] = normal = spelling(lexeme)
            return MISTAKE if normal in KEYWORDS else NAME
        return NAME


def _is_number(lexeme: str) -> bool:
    if not _NUMBER.fullmatch(lexeme):
        return False
    if not lexeme.replace("_", "").isdecimal():
        return float(lexeme) != float("inf")
    digits = lexeme.replace("_", "")
    if digits[0] == "0":
        return not digits.strip("0")
    return len(digits) < 20 and int(digits) < INTEGER_LIMIT


def _cut(tokens: Tokens) -> None:
    """Fill the parallel lists and the comments; newlines and mistakes are still among the tokens."""
    lexemes = _LEXEME.findall(blanked(tokens.source.text))
    kinds = list(map(_Kinds(tokens).__getitem__, lexemes))
    ends = list(accumulate(map(len, lexemes)))
    if COMMENT in kinds:
        _keep_comments(tokens, kinds, lexemes, ends)
    kept = [kind < BLANK for kind in kinds]
    tokens.kinds = list(compress(kinds, kept))
    tokens.lexemes = list(compress(lexemes, kept))
    tokens.ends = list(compress(ends, kept))
    tokens.starts = [end - len(lexeme) for end, lexeme in zip(tokens.ends, tokens.lexemes, strict=True)]


def _keep_comments(tokens: Tokens, kinds: list[int], lexemes: list[str], ends: list[int]) -> None:
    for index, kind in enumerate(kinds):
        if kind == COMMENT:
            text = lexemes[index].rstrip()
            start = ends[index] - len(lexemes[index])
            before = index - 1 if index and kinds[index - 1] == BLANK else index
            own_line = before == 0 or kinds[before - 1] == NEWLINE
            tokens.comments.append(Comment(text, own_line, Span(tokens.source, start, start + len(text))))


def _pass_over_special(tokens: Tokens) -> None:
    """The post-lexer: newlines become separators or go, brackets are matched, mistakes are told and mended."""
    kinds = tokens.kinds
    length = len(tokens.source.text)
    special = [index for index, kind in enumerate(kinds) if kind in _SPECIAL]
    for numbers, sentinel in ((kinds, END), (tokens.starts, length), (tokens.ends, length)):
        numbers += (sentinel, sentinel)
    tokens.lexemes += ("", "")
    if kinds[0] in NO_LINE_START:
        _report_line_start(tokens, 0, SEPARATOR)
    brackets: list[_Open] = []
    for index in special:
        kind = kinds[index]
        if kind == NEWLINE:
            _end_line(tokens, index, brackets)
        elif kind == SEMICOLON:
            _end_statement(tokens, index, brackets)
        elif kind in OPENING:
            brackets.append(_Open(index, kind))
        elif kind in CLOSING:
            _close(tokens, index, brackets)
        elif kind == _UPDATE:
            _join_arrow(tokens, index)
        elif kind == MISTAKE:
            _mend(tokens, index)
    _report_open(tokens, brackets)
    _drop(tokens)


class _Open:
    """An open bracket; `declaration`, of the outermost, is the first line inside that only a statement can start."""

    __slots__ = ("declaration", "index", "kind")

    def __init__(self, index: int, kind: int) -> None:
        self.index = index
        self.kind = kind
        self.declaration: int | None = None


def _end_line(tokens: Tokens, index: int, brackets: list[_Open]) -> None:
    kinds = tokens.kinds
    following = index + 1
    while kinds[following] == NEWLINE:
        kinds[following] = DROPPED
        following += 1
    previous = kinds[index - 1] if index else SEPARATOR
    if kinds[following] in DECLARING:
        if brackets and brackets[0].declaration is None:
            brackets[0].declaration = following
    if brackets and brackets[-1].kind != _LBRACE:
        if not _starts_statement(kinds, previous, following):
            kinds[index] = DROPPED
            return
        _close_forgotten(tokens, brackets, following)
    kinds[index] = DROPPED
    if previous in CONTINUES_AFTER or kinds[following] in CONTINUES_BEFORE:
        return
    if kinds[following] in NO_LINE_START:
        _report_line_start(tokens, following, previous)
    elif previous not in (SEPARATOR, _LBRACE):
        kinds[index] = SEPARATOR


def _end_statement(tokens: Tokens, index: int, brackets: list[_Open]) -> None:
    """`;` separates statements wherever a newline does: not inside `(` and `[`."""
    tokens.kinds[index] = SEPARATOR
    if not brackets or brackets[-1].kind == _LBRACE:
        return
    if _starts_statement(tokens.kinds, tokens.kinds[index - 1], index + 1):
        _close_forgotten(tokens, brackets, index + 1)
        return
    opened = brackets[-1].index
    note = "`;` ends a statement, and this one cannot end inside a bracket"
    others = (Label(tokens.span(opened), "opened here", primary=False),)
    tokens.report("E0101", f"`;` inside `{tokens.lexemes[opened]}`", tokens.span(index), "", (note,), (), others)
    tokens.kinds[index] = LITERALS[","]
    tokens.spoiled.add(index)


def _starts_statement(kinds: list[int], previous: int, following: int) -> bool:
    """Whether a line inside `(` or `[` can only be a new statement: then the bracket was forgotten."""
    if kinds[following] in DECLARING or kinds[following] == _NEXT:
        return True
    return kinds[following] == NAME and kinds[following + 1] == _ASSIGN and previous in OPERAND_ENDS


def _close_forgotten(tokens: Tokens, brackets: list[_Open], following: int) -> None:
    opened = []
    while brackets and brackets[-1].kind != _LBRACE:
        opened.append(brackets.pop())
    where = Label(tokens.span(following), "a new statement starts here", primary=False)
    _report_unclosed(tokens, opened, (where,))


def _report_line_start(tokens: Tokens, index: int, previous: int) -> None:
    lexeme = tokens.lexemes[index]
    first = previous in (SEPARATOR, _LBRACE)
    notes = () if first else ("the newline before it ended the statement: only brackets and a last operator go on",)
    helps = [] if first else [f"end the line before with `{lexeme}`"]
    if tokens.kinds[index] == _MINUS:
        helps.append("for a value on a line of its own, write `(-x)`")
    if lexeme in ("'", "."):
        helps = ["join the two lines"]
    span = tokens.span(index)
    kind = "a binary operator" if tokens.kinds[index] in BINARY else f"`{lexeme}`"
    tokens.report("E0107", f"a line starts with {kind}", span, f"`{lexeme}` has nothing before it", notes, tuple(helps))
    tokens.spoiled.add(index)


def _close(tokens: Tokens, index: int, brackets: list[_Open]) -> None:
    kind = tokens.kinds[index]
    lexeme = tokens.lexemes[index]
    wanted = LITERALS[CLOSING[kind]]
    if not brackets or (brackets[-1].kind != wanted and tokens.lexemes[index + 1] == OPENING[brackets[-1].kind]):
        tokens.report("E0103", f"`{lexeme}` closes nothing", tokens.span(index), f"no `{CLOSING[kind]}` is open here")
        tokens.kinds[index] = DROPPED
        tokens.spoiled.add(index)
    elif brackets[-1].kind == wanted:
        brackets.pop()
    elif len(tokens.diagnostics) < MOST_SHOWN and any(bracket.kind == wanted for bracket in brackets):
        opened = []
        while brackets[-1].kind != wanted:
            opened.append(brackets.pop())
        brackets.pop()
        _report_unclosed(tokens, opened, (Label(tokens.span(index), "missing before this", primary=False),))
        tokens.spoiled.add(index)
    else:
        _report_mismatch(tokens, index, brackets.pop())


def _report_mismatch(tokens: Tokens, index: int, opened: _Open) -> None:
    right = OPENING[opened.kind]
    lexeme, opener = tokens.lexemes[index], tokens.lexemes[opened.index]
    others = (Label(tokens.span(opened.index), "opened here", primary=False),)
    message = f"`{opener}` is closed by `{lexeme}`"
    tokens.report("E0103", message, tokens.span(index), f"`{right}` is needed here", others=others)
    tokens.kinds[index] = LITERALS[right]
    tokens.spoiled.add(index)


def _report_open(tokens: Tokens, brackets: list[_Open]) -> None:
    """What is still open at the end of the file; the errors that follow from it are not told."""
    if not brackets:
        return
    outermost = brackets[0]
    declaration = outermost.declaration if outermost.kind == _LBRACE else None
    others: tuple[Label, ...] = ()
    if declaration is not None:
        text = f"`{tokens.lexemes[declaration]}` cannot stand inside `{{ }}`"
        others = (Label(tokens.span(declaration), text, primary=False),)
    _report_unclosed(tokens, brackets[::-1], others)
    tokens.silent_from = declaration if declaration is not None else outermost.index


def _report_unclosed(tokens: Tokens, opened: list[_Open], others: tuple[Label, ...]) -> None:
    """One message for brackets, innermost first, that were forgotten together."""
    innermost = opened[0]
    missing = "".join(OPENING[bracket.kind] for bracket in opened)
    lexeme = tokens.lexemes[innermost.index]
    message = f"`{lexeme}` is never closed" if len(opened) == 1 else f"{len(opened)} brackets are never closed"
    further = tuple(Label(tokens.span(bracket.index), "and this", primary=False) for bracket in opened[1:3])
    note = "inside `(` and `[` a statement goes on over the ends of lines"
    tokens.report(
        "E0102",
        message,
        tokens.span(innermost.index),
        "opened here",
        () if innermost.kind == _LBRACE else (note,),
        (f"close it with `{missing}`",) if len(missing) <= 8 else (),
        (*further, *others),
    )
    tokens.spoiled.update(bracket.index for bracket in opened)


def _join_arrow(tokens: Tokens, index: int) -> None:
    """`<-` is one token directly after `update NAME`; elsewhere `x <-1` compares with -1."""
    kinds, less = tokens.kinds, index + 2
    adjacent = kinds[less : less + 2] == [_LESS, _MINUS] and tokens.ends[less] == tokens.starts[less + 1]
    if kinds[index + 1] == NAME and adjacent:
        kinds[less] = DROPPED
        kinds[less + 1] = _ARROW
        tokens.starts[less + 1] = tokens.starts[less]
        tokens.lexemes[less + 1] = "<-"


def _mend(tokens: Tokens, index: int) -> None:
    """Tell what is wrong with a lexeme and put in its place what it was probably meant to be."""
    lexeme = tokens.lexemes[index]
    if _is_least_integer(tokens, index):
        tokens.kinds[index] = NUMBER
        return
    if len(tokens.diagnostics) < MOST_SHOWN:
        report_lexeme(tokens, index)
    tokens.spoiled.add(index)
    meant = slip_meaning(lexeme)
    if meant is not None:
        tokens.kinds[index] = LITERALS[meant]
    elif lexeme[0] == '"':
        tokens.kinds[index] = STRING
    else:
        tokens.kinds[index] = NUMBER if lexeme[0] in "0123456789." else NAME


def _is_least_integer(tokens: Tokens, index: int) -> bool:
    """`-9223372036854775808` is a minus before a number that alone would not fit."""
    if index == 0 or tokens.kinds[index - 1] != _MINUS or tokens.lexemes[index].replace("_", "") != str(INTEGER_LIMIT):
        return False
    return index == 1 or tokens.kinds[index - 2] not in OPERAND_ENDS


def _drop(tokens: Tokens) -> None:
    """Take the dropped tokens and the second sentinel out, and renumber what refers to tokens by number."""
    kept = [kind != DROPPED for kind in tokens.kinds]
    kept[-1] = False
    tokens.spoiled_places = sorted(tokens.starts[index] for index in tokens.spoiled)
    if tokens.spoiled or tokens.silent_from is not None:
        number = [0, *accumulate(kept)]
        tokens.spoiled = {number[index] for index in tokens.spoiled}
        tokens.silent_from = None if tokens.silent_from is None else number[tokens.silent_from]
    tokens.kinds = list(compress(tokens.kinds, kept))
    tokens.lexemes = list(compress(tokens.lexemes, kept))
    tokens.starts = list(compress(tokens.starts, kept))
    tokens.ends = list(compress(tokens.ends, kept))


def _lexeme_pattern() -> str:
    """The terminals of the grammar, with what resembles them, so that a slip is one lexeme with one message."""
    longer = {text for text in LITERALS if not text.isalpha() and text != "<-"} | set(BAD_OPERATORS)
    operators = sorted((text for text in longer if len(text) > 1), key=lambda text: (-len(text), text))
    name = PATTERNS["NAME"]
    alternatives = [
        PATTERNS["BLANK"],
        name,
        rf"{PATTERNS['NUMBER']}(?:\.(?!\.)[0-9A-Za-z_]*|{name})*",
        r"\r?\n",
        *map(re.escape, operators),
        r"\.[0-9][0-9A-Za-z_]*",
        PATTERNS["COMMENT"],
        PATTERNS["STRING"],
        r'"[^\n]*',
        r"[^\n]",
    ]
    return "|".join(alternatives)


_LEXEME = re.compile(_lexeme_pattern())
_NUMBER = re.compile(PATTERNS["NUMBER"])
_STRING = re.compile(r'"(?:[^"\\\n]|\\["\\nt])*"')
