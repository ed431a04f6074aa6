"""Entries at affine places as a person writes them: `diag(X)`, else an index of `iota`s, where they are inside."""

from __future__ import annotations

from exprc.ir.node import Node
from exprc.ir.sizes import ONE, ZERO, Size, constant, product
from exprc.ir.types import BOOL
from exprc.printing.pieces import POSTFIX, PREFIX, PRODUCT, SUM, Piece, call, size_piece, wrapped

Row = tuple[Size, ...]


def entries_piece(node: Node, argument: Piece) -> Piece:
    """The text of entries at places, or 0 outside of conditions."""
    rows, conditions, shape = node.attrs
    if _is_diagonal(node):
        return call("diag", argument.text)
    places = [_place(row, shape).text for row in rows]
    taken = Piece(f"{wrapped(argument, POSTFIX)}[{', '.join(places)}]", POSTFIX) if places else argument
    tests = [test for condition in conditions for test in _tests(condition, shape)]
    if not tests:
        return taken
    text = tests[0] if len(tests) == 1 else " and ".join(tests)
    return call("where", text, taken.text, "false" if node.dtype == BOOL else "0")


def taken_piece(node: Node, arguments: list[Piece]) -> Piece:
    """The text of entries at places that others tell."""
    x, places = arguments
    base = x if node.args[0].type.rank == 1 else call("flatten", x.text)
    return Piece(f"{wrapped(base, POSTFIX)}[{places.text}]", POSTFIX)


def collected_piece(node: Node, arguments: list[Piece]) -> Piece:
    """The text of values added up at places that others tell."""
    values, places = arguments
    sizes = [str(extent) for extent in node.shape]
    count = str(product(node.shape))
    total = call("increment", f"zeros({count})[{places.text}]", values.text)
    return total if len(sizes) == 1 else call("reshape", total.text, *sizes)


def _is_diagonal(node: Node) -> bool:
    """Whether it is the diagonal of a square matrix, or a matrix of one."""
    rows, conditions, shape = node.attrs
    (x,) = node.args
    if len(shape) == 1 and x.type.rank == 2:
        along = (ONE, ZERO)
        return rows == (along, along) and not conditions and x.shape == shape * 2
    if len(shape) == 2 and x.type.rank == 1 and shape == x.shape * 2 and len(conditions) == 1:
        *coefficients, rest, extent = conditions[0]
        apart = sorted(map(str, coefficients)) == ["-1", "1"] and rest == ZERO and extent == ONE
        return apart and rows in (((ONE, ZERO, ZERO),), ((ZERO, ONE, ZERO),))
    return False


def _place(row: Row, shape: tuple[Size, ...]) -> Piece:
    """An index in terms of the axes of the result."""
    *coefficients, rest = row
    text, level = "", PRODUCT
    for axis, coefficient in enumerate(coefficients):
        if coefficient == ZERO:
            continue
        own = f"iota({shape[axis]})" + (f"[:{', None' * (len(shape) - 1 - axis)}]" if axis < len(shape) - 1 else "")
        text, level = _plus(text, level, coefficient, own)
    if rest != ZERO or not text:
        text, level = _plus(text, level, rest, "")
    return Piece(text, level)


def _plus(text: str, level: int, coefficient: Size, factor: str) -> tuple[str, int]:
    """A text and a multiple of a factor, or a number, added or taken away."""
    number = coefficient.constant
    negative = number is not None and number < 0
    amount = size_piece(-coefficient if negative else coefficient)
    if not factor:
        term = amount.text
    else:
        term = factor if abs(number or 0) == 1 else f"{wrapped(amount, PRODUCT)} * {factor}"
    if not text:
        return (f"-{term}", PREFIX) if negative else (term, amount.precedence if not factor else PRODUCT)
    return f"{text} {'-' if negative else '+'} {term}", SUM


def _tests(condition: Row, shape: tuple[Size, ...]) -> list[str]:
    """The comparisons by which a position is inside, but for those that always hold."""
    *row, extent = condition
    place = _place(tuple(row), shape)
    if extent == ONE:
        return [f"{place.text} == 0"]
    least, most = _reached(tuple(row), shape)
    tests = []
    if least is None or (least.constant or 0) < 0 or least.constant is None:
        tests.append(f"{place.text} >= 0")
    if most is None or (room := (extent - most - 1).constant) is None or room < 0:
        tests.append(f"{place.text} < {extent}")
    return tests


def _reached(row: Row, shape: tuple[Size, ...]) -> tuple[Size | None, Size | None]:
    """The least and the largest value of a position, as far as the signs of its coefficients are known."""
    *coefficients, rest = row
    least, most = rest, rest
    for coefficient, extent in zip(coefficients, shape, strict=True):
        number = coefficient.constant
        if number is None:
            return None, None
        end = (extent - 1) * constant(number)
        least, most = (least, most + end) if number > 0 else (least + end, most)
    return least, most
