"""From `grammar/expr.lark` to the tables of `tables.py`, with Lark's LALR analysis.

Runs at development time only, by `python -m exprc.syntax.grammar` after a change of the grammar: the analysis takes
0.3 s, the import of Lark 0.04 s, and neither may be paid at every start.  A test holds the tables against the grammar.
"""

from __future__ import annotations

from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lark import Lark
    from lark.grammar import Rule, Symbol
    from lark.parsers.lalr_analysis import ParseTable

TABLES = Path(__file__).with_name("tables.py")
PASSED, STARTED, GROWN = "", "[", "[..."
PATTERN_TERMINALS = ("NAME", "NUMBER", "STRING", "COMMENT", "BLANK")


def grammar_text() -> str:
    """The grammar: beside this file in an installed package, at the top of a source tree."""
    packaged = Path(__file__).with_name("expr.lark")
    path = packaged if packaged.exists() else Path(__file__).parents[2] / "grammar" / "expr.lark"
    return path.read_text(encoding="utf-8")


def lark_parser(strict: bool = False) -> Lark:
    """Lark's own parser of the grammar; `strict` refuses every conflict and needs `interegular`."""
    from lark import Lark

    return Lark(grammar_text(), parser="lalr", start="program", lexer="basic", maybe_placeholders=True, strict=strict)


def tables_text() -> str:
    """The source of `tables.py`."""
    lark = lark_parser()
    table: ParseTable = lark.parser.parser._parse_table
    rules = sorted(set(lark.rules), key=str)
    terminals = ["$END", *sorted(terminal.name for terminal in lark.terminals)]
    nonterminals = sorted({str(rule.origin.name) for rule in rules})
    actions, gotos = _rows(table, rules, terminals, nonterminals)
    return "\n".join(
        [
            '"""The LALR tables of `grammar/expr.lark`.  Generated: `python -m exprc.syntax.grammar`."""',
            "",
            "# ruff: noqa: E501",
            "# fmt: off",
            f"TERMINALS = {tuple(terminals)}",
            f"NONTERMINALS = {tuple(nonterminals)}",
            f"LITERALS = {_literals(lark, terminals)}",
            f"PATTERNS = {_patterns(lark)}",
            "# besides nodes a rule makes: its one kept symbol, a list, its first symbol with the others added",
            f"PASSED, STARTED, GROWN = {PASSED!r}, {STARTED!r}, {GROWN!r}",
            "# each rule: what it makes, left side, length, places of kept symbols (None: all; -1: an absent option)",
            "RULES: tuple[tuple[str, int, int, tuple[int, ...] | None], ...] = (",
            *(f"    {_rule_entry(rule, rules, nonterminals)}," for rule in rules),
            ")",
            "# a line for each state: terminal action ...; n > 0 shifts to state n, n < 0 is rule -n - 1, 0 accepts",
            'ACTIONS = """\\',
            *map(_row_text, actions),
            '"""',
            "# a line for each state: nonterminal state ...",
            'GOTOS = """\\',
            *map(_row_text, gotos),
            '"""',
            "",
        ]
    )


def _row_text(row: dict[int, int]) -> str:
    return " ".join(f"{symbol} {entry}" for symbol, entry in row.items())


def _literals(lark: Lark, terminals: list[str]) -> dict[str, int]:
    from lark.lexer import PatternStr

    fixed = {t.pattern.value: terminals.index(t.name) for t in lark.terminals if isinstance(t.pattern, PatternStr)}
    return dict(sorted(fixed.items()))


def _patterns(lark: Lark) -> dict[str, str]:
    return {t.name: str(t.pattern.value) for t in lark.terminals if t.name in PATTERN_TERMINALS}


def _rule_entry(rule: Rule, rules: list[Rule], nonterminals: list[str]) -> tuple[str, int, int, tuple[int, ...] | None]:
    """What a rule makes is the name of a node, or one of `PASSED`, `STARTED`, `GROWN`."""
    origin = str(rule.origin.name)
    makes = str(rule.alias or (PASSED if rule.options.expand1 else origin))
    if rule.alias is None and any(other.origin == rule.origin and _grows(other) for other in rules):
        makes = GROWN if _grows(rule) else STARTED
    kept = _kept_places(rule)
    all_kept = kept == tuple(range(len(rule.expansion))) and makes not in (PASSED, STARTED, GROWN)
    return makes, nonterminals.index(origin), len(rule.expansion), None if all_kept else kept


def _grows(rule: Rule) -> bool:
    return rule.alias is None and rule.expansion[:1] == [rule.origin]


def _kept_places(rule: Rule) -> tuple[int, ...]:
    """Lark's convention: anonymous terminals are dropped, an absent `[...]` leaves as many None as it has symbols."""
    absent = rule.options.empty_indices or (False,) * len(rule.expansion)
    places: list[int] = []
    position = 0
    for is_absent in absent:
        if is_absent:
            places.append(-1)
        else:
            if _is_kept(rule.expansion[position]):
                places.append(position)
            position += 1
    return tuple(places)


def _is_kept(symbol: Symbol) -> bool:
    return not (symbol.is_term and symbol.filter_out)


def _state_numbering(table: ParseTable) -> dict[object, int]:
    """States in the order in which a walk from the start meets them, so that equal grammars give equal text."""
    start = table.start_states["program"]
    order = [start]
    numbering = {start: 0}
    for state in order:
        for _, (action, argument) in sorted(table.states[state].items()):
            if str(action) == "Shift" and argument not in numbering:
                numbering[argument] = len(order)
                order.append(argument)
    return numbering


def _rows(
    table: ParseTable,
    rules: list[Rule],
    terminals: list[str],
    nonterminals: list[str],
) -> tuple[list[dict[int, int]], list[dict[int, int]]]:
    numbering = _state_numbering(table)
    rule_number = {rule: number for number, rule in enumerate(rules)}
    actions: list[dict[int, int]] = []
    gotos: list[dict[int, int]] = []
    for state in numbering:
        action_row = {0: 0} if state == table.end_states["program"] else {}
        goto_row: dict[int, int] = {}
        for symbol, (action, argument) in sorted(table.states[state].items()):
            if str(action) != "Shift":
                action_row[terminals.index(symbol)] = -1 - rule_number[argument]
            elif symbol in terminals:
                action_row[terminals.index(symbol)] = numbering[argument]
            else:
                goto_row[nonterminals.index(symbol)] = numbering[argument]
        actions.append(action_row)
        gotos.append(goto_row)
    return actions, gotos


if __name__ == "__main__":
    TABLES.write_text(tables_text(), encoding="utf-8")
