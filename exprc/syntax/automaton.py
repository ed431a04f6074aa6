"""The tables as the parser reads them: rows decoded when a state is met, chains of unit rules skipped."""

from __future__ import annotations

from exprc.syntax import tables
from exprc.syntax.tables import PASSED, RULES

STATEMENTS = tuple(tables.NONTERMINALS.index(name) for name in ("statement", "block_line"))
NAME_LEFT, NUMBER_LEFT = tables.NONTERMINALS.index("name"), tables.NONTERMINALS.index("number")


class _Rows(dict[int, dict[int, int]]):
    """The rows of a table by state; a program of a few lines meets a third of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.lines = text.split("\n")

    def __missing__(self, state: int) -> dict[int, int]:
        numbers = iter(map(int, self.lines[state].split()))
        row = self[state] = dict(zip(numbers, numbers, strict=True))
        return row


class _Settled(dict[int, int]):
    """The state after a symbol, when all unit rules that the next token asks for are applied.

    The key has the state before, and in 7 bits each the symbol and the next token.

    A name alone would otherwise pass eleven of them on its way to an expression, one for each level of precedence.
    """

    def __missing__(self, key: int) -> int:
        below, left, kind = key >> 14, key >> 7 & 127, key & 127
        state = GOTOS[below][left]
        action = ACTIONS[state].get(kind, 0)
        while action < 0 and (passed_as := UNIT_LEFT[-1 - action]) is not None:
            state = GOTOS[below][passed_as]
            action = ACTIONS[state].get(kind, 0)
        self[key] = state
        return state


def accepts(states: list[int], kind: int) -> bool:
    """Whether the parser with this stack would take a token of this kind."""
    height = len(states)
    pushed: list[int] = []
    while True:
        action = ACTIONS[pushed[-1] if pushed else states[height - 1]].get(kind)
        if action is None:
            return False
        if action >= 0:
            return True
        _, left, length, _ = RULES[-1 - action]
        popped = min(length, len(pushed))
        del pushed[len(pushed) - popped :]
        height -= length - popped
        pushed.append(GOTOS[pushed[-1] if pushed else states[height - 1]][left])


def expected_kinds(states: list[int]) -> frozenset[int]:
    """The terminals that could come next."""
    return frozenset(kind for kind in ACTIONS[states[-1]] if accepts(states, kind))


def states_after(states: list[int], kinds: list[int]) -> list[int] | None:
    """The stack right after these tokens were taken, before any reduction that a further token would bring about."""
    states = list(states)
    for kind in kinds:
        action = ACTIONS[states[-1]].get(kind)
        while action is not None and action < 0:
            _, left, length, _ = RULES[-1 - action]
            del states[len(states) - length :]
            states.append(GOTOS[states[-1]][left])
            action = ACTIONS[states[-1]].get(kind)
        if action is None:
            return None
        states.append(action)
    return states


ACTIONS = _Rows(tables.ACTIONS)
GOTOS = _Rows(tables.GOTOS)
UNIT_LEFT = tuple(left if makes == PASSED and length == 1 else None for makes, left, length, _ in RULES)
SETTLED = _Settled()
