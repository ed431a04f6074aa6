"""Views as a person writes them: new axes and slices by an index, `'`, `reshape`; what a gradient puts among zeros."""

from __future__ import annotations

from collections.abc import Mapping

from exprc.ir.node import Node
from exprc.ir.sizes import ONE, Size, constant, floordiv
from exprc.ir.types import BOOL
from exprc.ops import TABLE, constant_value
from exprc.printing.pieces import POSTFIX, Piece, Shape, call, indexed, spread_to, wrapped
from exprc.printing.places import entries_piece


def with_transposes(names: Mapping[Node, str]) -> dict[Node, str]:
    """The names, and `T'` for what a node with the name `T` is the transpose of."""
    turned = {
        node.args[0]: f"{name}'"
        for node, name in names.items()
        if node.op is TABLE["transpose"] and _swaps_last(node.attrs[0]) and node.args[0].args
    }
    return {**turned, **names}


def turned(piece: Piece) -> Piece:
    """The transpose of a piece; that of a transposed name is the name."""
    if piece.text[-1:] == "'" and piece.text[:-1].isidentifier():
        return Piece(piece.text[:-1])
    return Piece(f"{wrapped(piece, POSTFIX)}'", POSTFIX)


def _swaps_last(permutation: tuple[int, ...]) -> bool:
    rank = len(permutation)
    return permutation == (*range(rank - 2), rank - 1, rank - 2)


def view_piece(node: Node, arguments: list[Piece]) -> Piece:
    """The text of a view of one argument."""
    if node.op is TABLE["broadcast"]:
        return _broadcast(node, arguments[0])
    argument = spread_to(arguments[0], node.args[0].shape)
    return _VIEWS[node.op](node, argument)


def with_axes(piece: Piece, shape: Shape, rank: int, axes: tuple[int, ...]) -> Piece:
    """The piece, which has a shape, such that it broadcasts with its axes at these places: `x[:, None]`."""
    if not axes or axes == tuple(range(rank - len(axes), rank)):
        return piece._replace(shape=shape)
    items = tuple(":" if i in axes else "None" for i in range(axes[0], rank))
    extents = iter(shape)
    return _at(piece, items, tuple(next(extents) if item == ":" else ONE for item in items))


def _broadcast(node: Node, argument: Piece) -> Piece:
    shape, axes = node.attrs
    (source,) = node.args
    if argument.shape == ():
        return argument
    return with_axes(spread_to(argument, source.shape), source.shape, len(shape), axes)


def _transpose(node: Node, argument: Piece) -> Piece:
    (permutation,) = node.attrs
    rank = len(permutation)
    if _swaps_last(permutation):
        return turned(argument)
    letters = "abcdefghijklmnopqrstuvwxyz"[:rank]
    return call("einsum", f'"{letters}->{"".join(letters[i] for i in permutation)}"', argument.text)


def _reshape(node: Node, argument: Piece) -> Piece:
    before, after = node.args[0].shape, node.shape
    added, dropped = _new_axes(before, after), _new_axes(after, before)
    if added is not None:
        return _at(argument, added, after)
    if dropped is not None:
        return _without_axes(argument, len(before), tuple(i for i, item in enumerate(dropped) if item == "None"))
    return call("reshape", argument.text, *map(str, after))


def _new_axes(before: Shape, after: Shape) -> tuple[str, ...] | None:
    """The index that inserts axes of size 1, if that makes the shape."""
    items, at = [], 0
    for extent in after:
        if at < len(before) and before[at] == extent:
            items.append(":")
            at += 1
        elif extent == ONE:
            items.append("None")
        else:
            return None
    return tuple(items) if at == len(before) else None


def _squeeze(node: Node, argument: Piece) -> Piece:
    return _without_axes(argument, node.args[0].type.rank, node.attrs[0])


def _without_axes(argument: Piece, rank: int, axes: tuple[int, ...]) -> Piece:
    """The piece at the only place of some axes: `x[:, 3:4]` becomes `x[:, 3]`."""
    items = list(argument.items)
    if len(items) == rank and all(":" in item for item in items):
        for i in axes:
            items[i] = items[i].split(":")[0] or "0"
        return indexed(argument.base, tuple(items))
    return _at(argument, tuple("0" if i in axes else ":" for i in range(rank)), None)


def _at(piece: Piece, items: tuple[str, ...], shape: Shape | None) -> Piece:
    found = indexed(wrapped(piece, POSTFIX), items, shape)
    return found if found.items else piece._replace(shape=shape)


def _slice(node: Node, argument: Piece) -> Piece:
    places = zip(*node.attrs, node.args[0].shape, strict=True)
    found = indexed(wrapped(argument, POSTFIX), tuple(_range(*place) for place in places))
    return found if found.items else argument


def _pad(node: Node, argument: Piece) -> Piece:
    """A copy of zeros with a part replaced."""
    lows, sizes, steps = node.attrs
    shape = node.args[0].shape
    items = [_range(low, extent, step, size) for low, extent, step, size in zip(lows, shape, steps, sizes, strict=True)]
    value = argument.text
    if "None" in argument.items and set(argument.items) <= {"None", ":"} and len(argument.items) == len(items):
        for i, item in enumerate(argument.items):
            if item == "None":
                items[i] = items[i].split(":")[0] or "0"
        value = argument.base
    extents = [str(size) for size in sizes]
    nothing = call("full", "false", *extents) if node.dtype == BOOL else call("zeros", *extents)
    target = indexed(nothing.text, tuple(items))
    return call("set", target.text, value)._replace(items=tuple(items), placed=value)


def replaced_piece(node: Node, arguments: list[Piece]) -> Piece | None:
    """A choice between what is placed somewhere and an array, as a copy with a part replaced; None for another one."""
    condition, new, old = arguments
    mask = node.args[0]
    if not condition.placed or mask.op is not TABLE["pad"] or constant_value(mask.args[0]) is not True:
        return None
    chosen = node.args[1]
    if new.placed and chosen.attrs == mask.attrs and chosen.args[0].shape == mask.args[0].shape:
        items, value = new.items, new.placed
    elif new.shape == ():
        items, value = condition.items, new.text
    else:
        return None
    target = indexed(wrapped(spread_to(old, node.shape), POSTFIX), items)
    return call("set", target.text, value)


def _range(start: Size, count: Size, step: int, extent: Size) -> str:
    """The slice of `count` places of an axis from a start on; ends of the axis are left out, others never beyond it."""
    suffix = f":{step}" if step != 1 else ""
    if step < 0:
        after = start + count * step
        low = "" if start == extent - 1 else _place(start, extent)
        return f"{low}:{'' if after.constant == -1 else after}{suffix}"
    stop = start + (count - 1) * step + 1
    whole = stop == extent or count == floordiv(extent - start + (step - 1), constant(step))
    low = "" if start.constant == 0 else _place(start, extent)
    return f"{low}:{'' if whole else _place(stop, extent)}{suffix}"


def _place(place: Size, extent: Size) -> str:
    """A place on an axis, counted from its end where that is a number and the other is none."""
    behind = (extent - place).constant
    if place.constant is None and behind is not None and behind > 0:
        return str(-behind)
    return str(place)


_VIEWS = {
    TABLE["transpose"]: _transpose,
    TABLE["reshape"]: _reshape,
    TABLE["squeeze"]: _squeeze,
    TABLE["slice"]: _slice,
    TABLE["pad"]: _pad,
    TABLE["entries"]: entries_piece,
}
