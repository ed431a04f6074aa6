"""Operations of every kind but views and loops in the language's notation, with the least brackets.

Works on kinds and on what entries say of themselves.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from exprc.ir.node import Node
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, LEAF, REDUCE, VIEW, TypeRuleError
from exprc.ir.types import F64, FLOATS, INTEGERS
from exprc.ops import TABLE, leaves
from exprc.ops.table import common_shape
from exprc.printing.pieces import (
    ATOM,
    POWER,
    PRODUCT,
    Piece,
    Shape,
    call,
    number_piece,
    size_piece,
    spread_to,
    wrapped,
)
from exprc.printing.places import collected_piece, taken_piece
from exprc.printing.products import Aligned, align, show_contraction
from exprc.printing.views import replaced_piece, turned, view_piece, with_axes

CAST, NEG, MUL, ONE_HOT, WHERE = (TABLE[name] for name in ("cast", "neg", "mul", "one_hot", "where"))
SIGN_PASSES = frozenset((MUL, TABLE["div"], TABLE["contract"]))  # -(a * b) is (-a) * b
NEARBY = 50  # nodes to look at
COMPARING = frozenset(("order", "equal"))  # dtype rules of what chains in the language


def operation_piece(node: Node, arguments: list[Piece]) -> Piece:
    """The text of a node of those of its arguments."""
    if "unwritten" in node.op.laws:
        return arguments[0]
    return _BY_KIND.get(node.kind, _call)(node, arguments)


def _leaf(node: Node, arguments: list[Piece]) -> Piece:
    if node.op is leaves.CONSTANT:
        return number_piece(node.attrs[1], node.dtype, node.attrs[2] == leaves.MINUS_ZERO)
    if node.op is leaves.SIZE:
        return size_piece(node.attrs[0])
    if node.op is leaves.IOTA:
        shape, axis = node.attrs
        return with_axes(call("iota", str(shape[axis])), (shape[axis],), len(shape), (axis,))
    if node.op is leaves.ARG:
        return Piece(f"x{node.attrs[0]}")
    return Piece(str(node.attrs[0]))


# ---- elementwise


def _elementwise(node: Node, arguments: list[Piece]) -> Piece:
    shape = _meeting_shape(node, arguments)
    if node.op is CAST:
        if node.args[0].op is leaves.SIZE:
            return arguments[0]  # sizes take the dtype that they meet
        inner = node.args[0].dtype
        plain = arguments[0]._replace(shape=shape) if inner in INTEGERS and node.dtype in FLOATS else None
        return call(node.attrs[0], arguments[0].text, shape=shape)._replace(integer=plain)
    if node.op.fault is not None:
        return arguments[0]  # it is there for its fault
    if node.op is WHERE and node.args[2].op.fault is not None and node.args[0].args[:1] == node.args[2:]:
        return arguments[2]  # an index, of which negative ones count from the end
    if node.op is WHERE:
        replaced = replaced_piece(node, arguments)
        if replaced is not None:
            return replaced
    if not node.op.infix:
        return call(node.op.name, *[argument.text for argument in arguments], *_attributes(node), shape=shape)
    if len(arguments) == 1:
        return _prefix(node, arguments[0])._replace(shape=shape)
    return _infix(node, arguments)._replace(shape=shape)


def _meeting_shape(node: Node, arguments: list[Piece]) -> Shape:
    """The shape to which the texts of the arguments broadcast."""
    shapes = [a.shape if a.shape is not None else n.shape for a, n in zip(arguments, node.args, strict=True)]
    try:
        return common_shape(*shapes)
    except TypeRuleError:  # a size that was fixed to 1 after it was checked
        return node.shape


def _prefix(node: Node, argument: Piece) -> Piece:
    op = node.op
    passes = node.args[0].op in SIGN_PASSES and argument.precedence == node.args[0].op.precedence
    if op is NEG and passes and not argument.text.startswith("-"):
        return Piece(f"-{argument.text}", argument.precedence)
    space = " " if op.infix.isalpha() else ""
    return Piece(f"{op.infix}{space}{wrapped(argument, op.precedence)}", op.precedence)


def _infix(node: Node, arguments: list[Piece]) -> Piece:
    op, level = node.op, node.op.precedence
    left, right = arguments
    if level <= PRODUCT and left.integer and _is_float_by_itself(node.args[1]):
        left = left.integer
    elif level <= PRODUCT and right.integer and _is_float_by_itself(node.args[0]):
        right = right.integer
    if level >= POWER:
        return Piece(f"{wrapped(left, level + 1)}{op.infix}{wrapped(right, level)}", level)
    inner = node.args[1].op
    if op is MUL and _is_word(right) and not _is_word(left):
        left, right, inner = right, left, node.args[0].op
    # a * (b * c) needs no brackets, where the text is that product and not a name of it
    chains = "associative" in op.laws and inner is op and right.precedence == level
    first = wrapped(left, level + 1 if op.dtype_rule in COMPARING else level)
    return Piece(f"{first} {op.infix} {right.text if chains else wrapped(right, level + 1)}", level)


def _is_float_by_itself(node: Node) -> bool:
    """Whether the dtype comes from an array, near enough to be found: numbers and sizes take that of what they meet."""
    pending = deque((node,))
    for _ in range(NEARBY):
        if not pending or node.dtype not in FLOATS:
            return False
        nearest = pending.popleft()
        if nearest.op is leaves.INPUT or (nearest.op is CAST and nearest.args[0].op is not leaves.SIZE):
            return True
        pending.extend(argument for argument in nearest.args if argument.dtype == node.dtype)
    return False


def _is_word(piece: Piece) -> bool:
    return piece.precedence == ATOM and "(" not in piece.text


# ---- reductions, contractions, calls


def _reduce(node: Node, arguments: list[Piece]) -> Piece:
    return call(node.op.name, spread_to(arguments[0], node.args[0].shape).text, *_axes(node))


def _axes(node: Node) -> list[str]:
    axes = node.attrs[0]
    if len(axes) == node.args[0].type.rank and node.types[0] != node.args[0].type:
        return []
    return [_axis_text(axes)]


def _axis_text(axes: tuple[int, ...]) -> str:
    return f"axis={axes[0]}" if len(axes) == 1 else f"axis=[{', '.join(map(str, axes))}]"


def _composite(node: Node, arguments: list[Piece]) -> Piece:
    if not node.attrs or not isinstance(node.attrs[0], tuple):
        return _call(node, arguments)
    (x,) = node.args
    text = spread_to(arguments[0], x.shape).text
    is_default = node.types[0] == x.type and node.attrs[0] == (x.type.rank - 1,)
    return call(node.op.name, text, *([] if is_default else _axes(node)))


def _call(node: Node, arguments: list[Piece]) -> Piece:
    """A call: arrays, then attributes by the parameters that they are, if they are not the defaults."""
    pieces = [spread_to(piece, n.shape) for piece, n in zip(arguments, node.args, strict=True)]
    if node.op in _MOVES:
        return _MOVES[node.op](node, pieces)
    piece = call(node.op.name, *(piece.text for piece in pieces), *_attributes(node))
    return call(node.dtype, piece.text) if node.op is ONE_HOT and node.dtype != F64 else piece


def _attributes(node: Node) -> list[str]:
    """Attributes by the parameters that they are, which follow the arrays, if they are not the defaults."""
    texts = []
    for parameter, attribute in zip(node.op.signature[len(node.args) :], node.attrs):
        if parameter.required:
            texts.append(str(attribute))
        elif attribute != parameter.default:
            texts.append(f"{parameter.name}={str(attribute).lower()}")
    return texts


_MOVES = {TABLE["take"]: taken_piece, TABLE["collect"]: collected_piece}


def _contract(node: Node, arguments: list[Piece]) -> Piece:
    level = node.op.precedence
    pieces = [spread_to(piece, n.shape) for piece, n in zip(arguments, node.args, strict=True)]
    found = show_contraction(node.attrs)
    if found is None:
        aligned = align(node.attrs)
        if aligned is not None:
            return _summed_product(node, pieces, aligned)
        left, right, out = node.attrs
        return call("einsum", f'"{left},{right}->{out}"', pieces[0].text, pieces[1].text)
    ordered = [pieces[k] for k in found.order]
    if found.form == "outer":
        return call("outer", ordered[0].text, ordered[1].text)
    texts = [
        turned(piece).text if is_turned else wrapped(piece, level + position)
        for position, (piece, is_turned) in enumerate(zip(ordered, found.transposed, strict=True))
    ]
    return Piece(" @ ".join(texts), level)


def _summed_product(node: Node, pieces: list[Piece], aligned: Aligned) -> Piece:
    left, right = (
        with_axes(piece, argument.shape, aligned.rank, axes)
        for piece, argument, axes in zip(pieces, node.args, aligned.axes, strict=True)
    )
    text = f"{wrapped(left, PRODUCT)} * {wrapped(right, PRODUCT + 1)}"
    if not aligned.summed:
        return Piece(text, PRODUCT)
    return call("sum", text, *([] if len(aligned.summed) == aligned.rank else [_axis_text(aligned.summed)]))


_BY_KIND: dict[str, Callable[[Node, list[Piece]], Piece]] = {
    LEAF: _leaf,
    ELEMENTWISE: _elementwise,
    REDUCE: _reduce,
    COMPOSITE: _composite,
    CONTRACT: _contract,
    VIEW: view_piece,
}
