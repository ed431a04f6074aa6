"""Expressions back to text, on one line and with no more parentheses than they need."""

from __future__ import annotations

from exprc.syntax import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    # text, or a node with the level below which it needs parentheses
    Piece = str | tuple[ast.Node, int]

_ANY, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _UNARY, _POWER, _POSTFIX, _OPERAND = range(11)
_BINARY_LEVELS = {
    **dict.fromkeys("+-", (_SUM, _SUM, _PRODUCT)),
    **dict.fromkeys(("*", "/", "//", "%", "@"), (_PRODUCT, _PRODUCT, _UNARY)),
    "^": (_POWER, _POSTFIX, _UNARY),
}


def format_expression(root: ast.Node) -> str:
    """The text of an expression; parsing it gives the same tree."""
    written: list[str] = []
    stack: list[Piece] = [(root, _ANY)]
    while stack:
        piece = stack.pop()
        if isinstance(piece, str):
            written.append(piece)
            continue
        node, least = piece
        level, pieces = _FORMS[type(node)](node)
        if level < least:
            pieces = ["(", *pieces, ")"]
        stack.extend(reversed(pieces))
    return "".join(written)


def _binary(node: ast.Binary) -> tuple[int, list[Piece]]:
    level, left, right = _BINARY_LEVELS[node.op]
    operator = "^" if node.op == "^" else f" {node.op} "
    return level, [(node.left, left), operator, (node.right, right)]


def _logical(node: ast.Logical) -> tuple[int, list[Piece]]:
    level = _OR if node.op == "or" else _AND
    return level, [(node.left, level), f" {node.op} ", (node.right, level + 1)]


def _compare(node: ast.Compare) -> tuple[int, list[Piece]]:
    pieces: list[Piece] = [(node.operands[0], _SUM)]
    for operator, operand in zip(node.ops, node.operands[1:], strict=True):
        pieces += [f" {operator} ", (operand, _SUM)]
    return _COMPARE, pieces


def _if(node: ast.If) -> tuple[int, list[Piece]]:
    return _ANY, ["if ", (node.condition, _ANY), " then ", (node.then, _ANY), " else ", (node.otherwise, _ANY)]


def _call(node: ast.Call) -> tuple[int, list[Piece]]:
    return _OPERAND, [(node.function, _OPERAND), "(", *_listed(node.arguments), ")"]


def _argument(node: ast.Argument) -> tuple[int, list[Piece]]:
    return _ANY, [f"{node.name.text}=" if node.name else "", (node.value, _ANY)]


def _index(node: ast.Index) -> tuple[int, list[Piece]]:
    return _POSTFIX, [(node.value, _POSTFIX), "[", *_listed(node.items), "]"]


def _slice(node: ast.Slice) -> tuple[int, list[Piece]]:
    step: list[Piece] = [":", (node.step, _ANY)] if node.step else []
    return _ANY, [*_optional(node.start), ":", *_optional(node.stop), *step]


def _binder(node: ast.IndexBinder) -> tuple[int, list[Piece]]:
    if node.start is None or node.stop is None:
        return _ANY, [node.name.text]
    return _ANY, [f"{node.name.text} in ", (node.start, _SUM), "..", (node.stop, _SUM)]


def _reduction(node: ast.IndexedReduction) -> tuple[int, list[Piece]]:
    return _OPERAND, [f"{node.function.text}[", *_listed(node.binders), "](", (node.body, _ANY), ")"]


def _range(node: ast.Range) -> tuple[int, list[Piece]]:
    return _ANY, [(node.start, _SUM), "..", (node.stop, _SUM)]


def _transpose(node: ast.Transpose) -> tuple[int, list[Piece]]:
    return _OPERAND, [*_before_point(node.value, node.spelled), node.spelled]


def _attribute(node: ast.Attribute) -> tuple[int, list[Piece]]:
    return _OPERAND, [*_before_point(node.value, "."), f".{node.name.text}"]


def _before_point(value: ast.Expression, spelled: str) -> list[Piece]:
    """A number cannot stand before a point: `1.T` would be a malformed number."""
    if isinstance(value, ast.Number) and spelled.startswith("."):
        return [f"({value.text})"]
    return [(value, _POSTFIX)]


def _string(node: ast.String) -> tuple[int, list[Piece]]:
    escaped = node.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return _OPERAND, [f'"{escaped}"']


def _scan(node: ast.Scan) -> tuple[int, list[Piece]]:
    options: list[Piece] = ["(", *_listed(node.options), ")"] if node.options else []
    condition: list[Piece] = [" while ", (node.condition, _ANY)] if node.condition else []
    emitted: list[Piece] = [" emit ", *_listed(node.emit)] if node.emit else []
    states, sequences = _listed(node.states), _listed(node.sequences)
    body: list[Piece] = [(node.body, _ANY), "next ", *_listed(node.next), *emitted, " }"]
    return _ANY, ["scan", *options, " ", *states, " over ", *sequences, *condition, " { ", *body]


def _block(node: ast.Block) -> tuple[int, list[Piece]]:
    pieces: list[Piece] = []
    for statement in node.statements:
        pieces += [*_listed(statement.targets), " = ", (statement.value, _ANY), "; "]
    return _ANY, pieces


def _target(node: ast.Target) -> tuple[int, list[Piece]]:
    indices: list[Piece] = ["[", *_listed(node.indices), "]"] if node.indices else []
    return _ANY, [node.name.text, *indices]


def _listed(nodes: Sequence[ast.Node]) -> list[Piece]:
    pieces: list[Piece] = []
    for node in nodes:
        pieces += [", ", (node, _ANY)]
    return pieces[1:]


def _optional(node: ast.Expression | None) -> list[Piece]:
    return [(node, _ANY)] if node else []


_FORMS: dict[type, Callable[[Any], tuple[int, list[Piece]]]] = {
    ast.Name: lambda node: (_OPERAND, [node.text]),
    ast.Number: lambda node: (_OPERAND, [node.text]),
    ast.String: _string,
    ast.BoolLiteral: lambda node: (_OPERAND, ["true" if node.value else "false"]),
    ast.NoneLiteral: lambda node: (_OPERAND, ["None"]),
    ast.ArrayLiteral: lambda node: (_OPERAND, ["[", *_listed(node.items), "]"]),
    ast.Unary: lambda node: (_UNARY, ["-", (node.operand, _UNARY)]),
    ast.Not: lambda node: (_NOT, ["not ", (node.operand, _NOT)]),
    ast.Binary: _binary,
    ast.Logical: _logical,
    ast.Compare: _compare,
    ast.If: _if,
    ast.Call: _call,
    ast.Argument: _argument,
    ast.Index: _index,
    ast.Slice: _slice,
    ast.IndexBinder: _binder,
    ast.IndexedReduction: _reduction,
    ast.Range: _range,
    ast.Transpose: _transpose,
    ast.Attribute: _attribute,
    ast.Scan: _scan,
    ast.ScanState: lambda node: (_ANY, [f"{node.name.text} = ", (node.start, _ANY)]),
    ast.ScanSequence: lambda node: (_ANY, [f"{node.name.text} in ", (node.value, _ANY)]),
    ast.Block: _block,
    ast.Target: _target,
    ast.TypeExpr: lambda node: (_ANY, [node.dtype, *(["[", *_listed(node.shape), "]"] if node.shape else [])]),
}
