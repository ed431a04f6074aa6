"""What the lexer hands to the parser: the tokens as parallel lists, with comments, documentation and mistakes.

Also the numbers of the terminals and the sets of them that the newline rules and the messages speak of.
"""

from __future__ import annotations

from bisect import bisect_left

from exprc.diagnostics import MOST_SHOWN, Diagnostic, Label
from exprc.source import Source, Span
from exprc.syntax.ast import Comment, Index
from exprc.syntax.tables import LITERALS, TERMINALS

NUMBER_OF = {name: number for number, name in enumerate(TERMINALS)}
END, NAME, NUMBER, STRING = (NUMBER_OF[name] for name in ("$END", "NAME", "NUMBER", "STRING"))
SEPARATOR = NUMBER_OF["_SEPARATOR"]
KEYWORDS = {spelled: kind for spelled, kind in LITERALS.items() if spelled.isalpha()}


def terminals(spelled: str) -> frozenset[int]:
    """The numbers of terminals given as they are written, with blanks between."""
    return frozenset(LITERALS[text] for text in spelled.split())


OPENING = {LITERALS["("]: ")", LITERALS["["]: "]", LITERALS["{"]: "}"}
CLOSING = {LITERALS[")"]: "(", LITERALS["]"]: "[", LITERALS["}"]: "{"}
BINARY = terminals("+ - * / // % @ ^ ** == != < <= > >= and or")
DECLARING = terminals("dim input param loss output density update require fn use")
OPERAND_ENDS = terminals(") ] ' true false None") | {NAME, NUMBER, STRING}


class Tokens:
    """The tokens of a source, `$END` last: `kinds`, `starts`, `ends`, `lexemes` are parallel.

    `docs` maps the start of a statement to the text that documents it, `spellings` a name to its normal form.
    `spoiled` has the tokens about which something was said already, `spoiled_places` where they start, in order: an
    error in the same statement is not told again, nor any from `silent_from` on, nor a keyword of `keywords_told` used
    as a name.  `failures` has the places at which the parser failed; `open_binders` by id each `x[i in 0..n]`, until it
    turns out to stand where it is allowed.
    """

    __slots__ = (
        "comments",
        "diagnostics",
        "docs",
        "ends",
        "failures",
        "keywords_told",
        "kinds",
        "lexemes",
        "model_doc",
        "open_binders",
        "silent_from",
        "source",
        "spellings",
        "spoiled",
        "spoiled_places",
        "starts",
    )

    def __init__(self, source: Source) -> None:
        self.source = source
        self.kinds: list[int] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.lexemes: list[str] = []
        self.comments: list[Comment] = []
        self.docs: dict[int, str] = {}
        self.model_doc: str | None = None
        self.spellings: dict[str, str] = {}
        self.spoiled: set[int] = set()
        self.spoiled_places: list[int] = []
        self.silent_from: int | None = None
        self.failures: list[int] = []
        self.open_binders: dict[int, Index] = {}
        self.keywords_told: set[str] = set()
        self.diagnostics: list[Diagnostic] = []

    def span(self, index: int) -> Span:
        """Where a token stands."""
        return Span(self.source, self.starts[index], self.ends[index])

    def has_failed(self, span: Span) -> bool:
        """Whether an error inside of the span was found, told or not."""
        for places in (self.failures, self.spoiled_places):
            place = bisect_left(places, span.start)
            if place < len(places) and places[place] < span.end:
                return True
        return False

    def report(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        notes: tuple[str, ...] = (),
        help: tuple[str, ...] = (),
        others: tuple[Label, ...] = (),
    ) -> None:
        """Note a mistake; what is beyond the number that is shown is not kept."""
        if len(self.diagnostics) < MOST_SHOWN:
            self.diagnostics.append(Diagnostic(code, message, (Label(span, label), *others), notes, help))
