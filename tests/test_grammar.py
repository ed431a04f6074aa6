"""The grammar: no conflicts, tables as generated, rules named as the nodes, Lark's parser as a second opinion."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from lark import Lark, Token
from lark.exceptions import UnexpectedInput
from lark.lexer import Lexer

from exprc.source import Source
from exprc.syntax import ast, grammar, tables
from exprc.syntax.lexing import tokenize
from exprc.syntax.parse import _run
from exprc.syntax.tokens import KEYWORDS, Tokens

# nodes that no rule makes: targets are expressions until `=` follows, comments never reach the parser
NODES_WITHOUT_RULE = {"target", "comment"}
# rules that make no node of their own
HELPERS = {"local_definition", "results", "next"}

PROGRAM = """
dim n, d; dim k = n // 2
require n == 2 * k and k > 0
input X, Z : f64[n, d]
input y : i64[n] in 0..k
param w : f64[d] = zeros
param s : f64 in (0, 1) = 0.5
param p : f64[k] simplex
fn f(x : f64[n], y) -> f64[n], f64 { a = x + 1; a, y }
fn g(x, y,) = if x < y then x else -y ^ 2
K[i, j in 0..n] = sum[k](X[i, k] * Z[j, k])
Q, R = qr(X' @ Z.T, axis=1)
H, C = scan(checkpoint=16) h = h0, c = c0 over x in X, t in 0..n while c < 3 {
    z = x[1:, ::2, None, :-1]
    next z, c emit t
}
loss E = sum([w, [1, 2.5e-3]]) + l.norm(not true or false)
density lp = E
output E
update w <- w - 0.1 * grad(E, w)
use "layers.expr" as l
"""


class _OurTokens(Lexer):
    """A lexer for Lark that gives it the tokens of ours."""

    def __init__(self, configuration: Any) -> None:
        pass

    def lex(self, text: str) -> Iterator[Token]:
        tokens = tokenize(Source("program", text))
        for kind, lexeme in list(zip(tokens.kinds, tokens.lexemes))[:-1]:
            yield Token(tables.TERMINALS[kind], lexeme)


@cache
def lark_parser() -> Lark:
    return Lark(grammar.grammar_text(), parser="lalr", start="program", lexer=_OurTokens, maybe_placeholders=True)


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def node_names() -> set[str]:
    """All nodes, spelt as rules."""
    classes = [value for value in vars(ast).values() if isinstance(value, type) and issubclass(value, ast.Node)]
    return {snake_case(cls.__name__) for cls in classes if "span" in cls.__match_args__}


def test_strict_mode_finds_no_conflict() -> None:
    grammar.lark_parser(strict=True)


def test_tables_are_those_of_the_grammar() -> None:
    assert grammar.TABLES.read_text(encoding="utf-8") == grammar.tables_text()


def test_rules_are_named_as_the_nodes() -> None:
    made = {makes for makes, *_ in tables.RULES} - {tables.PASSED, tables.STARTED, tables.GROWN}
    assert made - HELPERS == node_names() - NODES_WITHOUT_RULE


def test_every_rule_is_used_and_every_node_built_by_one_program() -> None:
    tokens = tokenize(Source("program", PROGRAM))
    program = _run(tokens)
    assert program is not None and not tokens.diagnostics
    built = {type(node).__name__ for node in ast.walk(program)}
    assert {snake_case(name) for name in built} == node_names() - {"comment"}


def test_the_keys_of_the_parser_have_room() -> None:
    assert max(len(tables.TERMINALS), len(tables.NONTERMINALS)) < 128


def test_keywords_are_those_of_the_language() -> None:
    language = (
        "dim input param loss output density update require fn use as if then else scan over while next emit "
        "and or not in true false None"
    )
    assert set(KEYWORDS) == set(language.split())


@pytest.mark.parametrize("keyword", sorted(KEYWORDS))
def test_no_keyword_is_a_name(keyword: str) -> None:
    tokens = tokenize(Source("program", f"param {keyword} : f64"))
    _run(tokens)
    assert [diagnostic.code for diagnostic in tokens.diagnostics] == ["E0108"]


def accepted_by_lark(text: str) -> bool:
    try:
        lark_parser().parse(text)
    except UnexpectedInput:
        return False
    return True


def accepted(tokens: Tokens) -> bool:
    """Whether our loop took all tokens; what `build` refuses is no matter of the grammar."""
    return _run(tokens) is not None and not tokens.failures


def test_lark_takes_the_same_programs() -> None:
    """Both parsers on the program with tokens removed, doubled and swapped at random."""
    choose = random.Random(1)
    original = tokenize(Source("program", PROGRAM)).lexemes[:-1]
    outcomes = set()
    for _ in range(300):
        lexemes = list(original)
        for _ in range(choose.randint(0, 2)):
            place, other = choose.randrange(len(lexemes)), choose.randrange(len(lexemes))
            lexemes[place : place + 1] = choose.choice(([], [lexemes[place]] * 2, [lexemes[other]]))
        text = " ".join(lexemes).replace("< -", "<-")
        tokens = tokenize(Source("program", text))
        if tokens.diagnostics:
            continue
        assert accepted(tokens) == accepted_by_lark(text), text
        outcomes.add(accepted_by_lark(text))
    assert outcomes == {True, False}
