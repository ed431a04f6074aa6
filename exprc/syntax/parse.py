"""From tokens to the tree: a shift-reduce loop over the tables, which goes on after an error at the next statement.

Owns the loop, its stack and the recovery.  Must not know what the rules mean: `build` makes the nodes, `unexpected`
finds the words for an error.  The loop is our own because Lark's takes several times as long, and its import 40 ms.
"""

from __future__ import annotations

from exprc.diagnostics import MOST_SHOWN, UserError
from exprc.source import Source, Span
from exprc.syntax.ast import Name, Program
from exprc.syntax.automaton import ACTIONS, GOTOS, NAME_LEFT, NUMBER_LEFT, SETTLED, STATEMENTS
from exprc.syntax.build import BUILDERS
from exprc.syntax.expressions import report_stray_binders
from exprc.syntax.lexing import tokenize
from exprc.syntax.tables import GROWN, LITERALS, PASSED, RULES, STARTED
from exprc.syntax.tokens import END, NAME, NUMBER, SEPARATOR, Tokens

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LBRACE, _RBRACE = LITERALS["{"], LITERALS["}"]
_STATEMENT_ENDS = (SEPARATOR, _LBRACE, _RBRACE, END)


def parse(source: Source) -> Program:
    """The tree of a program; `UserError` with at most 20 diagnostics if it is not one."""
    tokens = tokenize(source)
    program = _run(tokens)
    report_stray_binders(tokens)
    if tokens.diagnostics or program is None:
        from exprc.syntax.repeated import merged

        found = sorted(tokens.diagnostics, key=lambda diagnostic: diagnostic.labels[0].span.start)
        raise UserError(*merged(found[:MOST_SHOWN]))
    return program


def _run(tokens: Tokens) -> Program | None:
    """Shift and reduce to the end; None if the end was not reached without an error."""
    source, kinds, starts, ends = tokens.source, tokens.kinds, tokens.starts, tokens.ends
    lexemes, spellings, number = tokens.lexemes, tokens.spellings, BUILDERS["number"]
    states = [0]
    values: list[Any] = []
    begins: list[int] = []
    state = index = 0
    while True:
        kind = kinds[index]
        action = ACTIONS[state].get(kind)
        if action is None:
            index = _recover(tokens, index, states, values, begins)
            if index < 0:
                return None
            state = states[-1]
        elif action > 0:
            begin = starts[index]
            begins.append(begin)
            if kind == NAME:
                lexeme = lexemes[index]
                values.append(Name(spellings.get(lexeme, lexeme), Span(source, begin, ends[index])))
                index += 1
                state = SETTLED[(state << 7 | NAME_LEFT) << 7 | kinds[index]]
            elif kind == NUMBER:
                values.append(number(tokens, [index], Span(source, begin, ends[index])))
                index += 1
                state = SETTLED[(state << 7 | NUMBER_LEFT) << 7 | kinds[index]]
            else:
                values.append(index)
                index += 1
                state = action
            states.append(state)
        elif action < 0:
            makes, left, length, kept = RULES[-1 - action]
            symbols = values[len(values) - length :]
            begin = begins[-length] if length else starts[index]
            if length:
                del values[-length:], begins[-length:], states[-length:]
            value: Any
            if kept is not None:
                symbols = [None if place < 0 else symbols[place] for place in kept]
            if makes == PASSED:
                value = symbols[0]
            elif makes == GROWN:
                value = symbols[0]
                value += symbols[1:]
            elif makes == STARTED:
                value = symbols
            else:
                value = BUILDERS[makes](tokens, symbols, Span(source, begin, ends[index - 1]))
            values.append(value)
            begins.append(begin)
            state = SETTLED[(states[-1] << 7 | left) << 7 | kind]
            states.append(state)
        else:
            program: Program = values[0]
            return program


def _recover(tokens: Tokens, index: int, states: list[int], values: list[Any], begins: list[int]) -> int:
    """Report the unexpected token and go on behind its statement, in the block that the statement is in.

    The place to go on, or -1 at the end and where enough is reported.
    """
    kinds = tokens.kinds
    if len(tokens.diagnostics) == MOST_SHOWN:
        return -1
    if not _is_known(tokens, index):
        from exprc.syntax.unexpected import report_unexpected

        report_unexpected(tokens, index, states, values)
    if tokens.failures and tokens.failures[-1] == tokens.starts[index]:
        index += 1
    tokens.failures.append(tokens.starts[index])
    while not any(symbol in GOTOS[states[-1]] for symbol in STATEMENTS):
        states.pop()
        values.pop()
        begins.pop()
    depth = 0
    while kinds[index] != END and (depth or kinds[index] not in (SEPARATOR, _RBRACE)):
        depth += (kinds[index] == _LBRACE) - (kinds[index] == _RBRACE)
        index += 1
    return -1 if kinds[index] == END else index


def _is_known(tokens: Tokens, index: int) -> bool:
    """Whether something was said about the statement already, so that the error probably follows from that."""
    if tokens.silent_from is not None and index >= tokens.silent_from:
        return True
    if not tokens.spoiled:
        return False
    kinds = tokens.kinds
    first = last = index
    while first > 0 and kinds[first - 1] not in _STATEMENT_ENDS:
        first -= 1
    while kinds[last] not in _STATEMENT_ENDS:
        last += 1
    return not tokens.spoiled.isdisjoint(range(first, last + 1))
