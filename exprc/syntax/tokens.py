"""What the lexer hands to the parser: the tokens as parallel lists, with comments, documentation and mistakes.

Also the numbers of the terminals and the sets of them that the newline rules and the messages speak of.
"""

from __future__ import annotations

from bisect import bisect_left

from exprc.diagnostics import MOST_SHOWN, Diagnostic, Edit, Label
from exprc.source import Source, Span
from exprc.syntax.ast import Comment, Index
from exprc.syntax.tables import LITERALS, TERMINALS

NUMBER_OF = {name: number for number, name in enumerate(TERMINALS)}
END, NAME, NUMBER, STRING = (NUMBER_OF[name] for name in ("$END", "NAME", "NUMBER", "STRING"))
SEPARATOR = NUMBER_OF["_SEPARATOR"]
# of tokens that the parser does not see
NEWLINE, DROPPED = 1001, 1003
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
    as a name, nor a character of `characters_told`.  `failures` has the places at which the parser failed;
    `open_binders` by id each `x[i in 0..n]`, until it turns out to stand where it is allowed.
    """

    __slots__ = (
        "characters_told",
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
        self.characters_told: set[str] = set()
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
        edits: tuple[Edit, ...] = (),
    ) -> None:
        """Note a mistake; what is beyond the number that is shown is not kept."""
        if len(self.diagnostics) < MOST_SHOWN:
            labels = (Label(span, label), *others)
            self.diagnostics.append(Diagnostic(code, message, labels, notes, help, edits=edits))

    def replacing(self, first: int, last: int, text: str) -> Edit:
        """What to write in place of the tokens `first .. last` and what is between them."""
        return Edit(Span(self.source, self.starts[first], self.ends[last]), text)

    def deleting(self, first: int, following: int) -> Edit:
        """To leave out the tokens from `first` to the one before `following`, and the blanks behind them."""
        return Edit(Span(self.source, self.starts[first], self.starts[following]), "")

    def inserting(self, offset: int, text: str) -> Edit:
        """What to write at an offset."""
        return Edit(Span(self.source, offset, offset), text)

    def written(self, first: int, last: int) -> str:
        """The text of the tokens `first .. last`."""
        return self.source.text[self.starts[first] : self.ends[last]]

    def hush_line(self, index: int) -> None:
        """Tell nothing of the lexemes behind one on its line."""
        while self.lexemes[index] not in ("\n", ""):
            self.spoiled.add(index)
            index += 1

    def hush(self, index: int) -> None:
        """Tell nothing of what follows a token, nor what the lexer found there."""
        self.silent_from = index
        start = self.starts[index]
        self.diagnostics = [known for known in self.diagnostics if known.labels[0].span.start < start]
