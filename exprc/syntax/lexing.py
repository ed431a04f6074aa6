"""From text to tokens: lexemes, and the newline rules of the language as one pass behind them.

The text is cut by one `findall` of the grammar's own terminals; each distinct lexeme is classified once; only brackets,
newlines and mistakes are looked at one by one.  Must not know the forms of the language.
"""

from __future__ import annotations

import re
from itertools import accumulate, compress

from exprc.diagnostics import MOST_SHOWN, Edit, Label
from exprc.source import Source, Span
from exprc.spelling import normal
from exprc.syntax.ast import Comment
from exprc.syntax.brackets import OpenBracket, close_bracket, close_forgotten, report_open
from exprc.syntax.characters import blanked, check_characters
from exprc.syntax.documentation import attach_documentation
from exprc.syntax.lexemes import BAD_OPERATORS, report_lexeme, slip_meaning
from exprc.syntax.tables import LITERALS, PATTERNS
from exprc.syntax.tokens import (
    BINARY,
    CLOSING,
    DECLARING,
    DROPPED,
    END,
    KEYWORDS,
    NAME,
    NEWLINE,
    NUMBER,
    OPENING,
    OPERAND_ENDS,
    SEPARATOR,
    STRING,
    Tokens,
    terminals,
)

# kinds beyond those of the grammar; what is ignored comes last
MISTAKE, SEMICOLON, BLANK, COMMENT = 1000, 1002, 1004, 1005
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
            self.tokens.spellings[lexeme] = known = normal(lexeme)
            return MISTAKE if known in KEYWORDS else NAME
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
    brackets: list[OpenBracket] = []
    for index in special:
        kind = kinds[index]
        if kind == NEWLINE:
            _end_line(tokens, index, brackets)
        elif kind == SEMICOLON:
            _end_statement(tokens, index, brackets)
        elif kind in OPENING:
            brackets.append(OpenBracket(index, kind))
        elif kind in CLOSING:
            close_bracket(tokens, index, brackets)
        elif kind == _UPDATE:
            _join_arrow(tokens, index)
        elif kind == MISTAKE:
            _mend(tokens, index)
    report_open(tokens, brackets)
    _drop(tokens)


def _end_line(tokens: Tokens, index: int, brackets: list[OpenBracket]) -> None:
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
        close_forgotten(tokens, brackets, following)
    kinds[index] = DROPPED
    if previous in CONTINUES_AFTER or kinds[following] in CONTINUES_BEFORE:
        return
    if kinds[following] in NO_LINE_START:
        _report_line_start(tokens, following, previous)
    elif previous not in (SEPARATOR, _LBRACE):
        kinds[index] = SEPARATOR


def _end_statement(tokens: Tokens, index: int, brackets: list[OpenBracket]) -> None:
    """`;` separates statements wherever a newline does: not inside `(` and `[`."""
    tokens.kinds[index] = SEPARATOR
    if not brackets or brackets[-1].kind == _LBRACE:
        return
    if _starts_statement(tokens.kinds, tokens.kinds[index - 1], index + 1):
        close_forgotten(tokens, brackets, index + 1)
        return
    opened = brackets[-1].index
    note = "`;` ends a statement, and this one cannot end inside a bracket"
    others = (Label(tokens.span(opened), "opened here", primary=False),)
    help_ = ("write `,`; the rows of a matrix are lists of their own: `[[a, b], [c, d]]`",)
    edits = (tokens.replacing(index, index, ","),)
    message = f"`;` inside `{tokens.lexemes[opened]}`"
    tokens.report("E0101", message, tokens.span(index), "", (note,), help_, others, edits)
    tokens.kinds[index] = LITERALS[","]
    tokens.spoiled.add(index)


def _starts_statement(kinds: list[int], previous: int, following: int) -> bool:
    """Whether a line inside `(` or `[` can only be a new statement: then the bracket was forgotten."""
    if kinds[following] in DECLARING or kinds[following] == _NEXT:
        return True
    return kinds[following] == NAME and kinds[following + 1] == _ASSIGN and previous in OPERAND_ENDS


def _report_line_start(tokens: Tokens, index: int, previous: int) -> None:
    lexeme = tokens.lexemes[index]
    first = previous in (SEPARATOR, _LBRACE)
    notes = () if first else ("the newline before it ended the statement: only brackets and a last operator go on",)
    helps = [] if first else [f"end the line before with `{lexeme}`"]
    edits = () if first else _moved_up(tokens, index)
    if tokens.kinds[index] == _MINUS:
        helps.append("for a value on a line of its own, write `(-x)`")
    if lexeme in ("'", "."):
        helps, edits = ["join the two lines"], ()
    elif lexeme in ("%", "//") or (lexeme == "/" and tokens.lexemes[index + 1] == "*"):
        helps, edits = ["a comment starts with `#`"], (tokens.replacing(index, index, "#"),)
    elif lexeme == "-" == tokens.lexemes[index + 1] and tokens.ends[index] == tokens.starts[index + 1]:
        helps, edits = ["a comment starts with `#`"], (tokens.replacing(index, index + 1, "#"),)
    elif lexeme == "@" and tokens.lexemes[index + 2] in ("\n", ""):
        helps, edits = ["remove this line: everything is compiled"], (tokens.replacing(index, index + 1, ""),)
    span = tokens.span(index)
    kind = "a binary operator" if tokens.kinds[index] in BINARY else f"`{lexeme}`"
    label = f"`{lexeme}` has nothing before it"
    tokens.report("E0107", f"a line starts with {kind}", span, label, notes, tuple(helps), edits=edits)
    tokens.spoiled.add(index)


def _moved_up(tokens: Tokens, index: int) -> tuple[Edit, ...]:
    """An operator at the start of a line put at the end of the line before."""
    before = index - 1
    while before > 0 and tokens.kinds[before] in (DROPPED, NEWLINE):
        before -= 1
    return (tokens.inserting(tokens.ends[before], f" {tokens.lexemes[index]}"), tokens.deleting(index, index + 1))


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
    if len(tokens.diagnostics) < MOST_SHOWN and index not in tokens.spoiled:
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
