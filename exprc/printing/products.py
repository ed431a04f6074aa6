"""Contractions as a person writes them: `X' @ r`, `outer(x, y)`, a sum of the plain product, or none of these."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """The form `@` (each operand possibly transposed) or `outer`, with the operands in order."""

    form: str
    order: tuple[int, int]
    transposed: tuple[bool, bool] = (False, False)


class Aligned(NamedTuple):
    """A sum of the plain product: the axes of the product that each operand has, and those that are summed."""

    axes: tuple[tuple[int, ...], tuple[int, ...]]
    summed: tuple[int, ...]
    rank: int


def show_contraction(labels: tuple[str, str, str]) -> Product | None:
    """The form of a contraction as a product of matrices or vectors, if it is one."""
    left, right, out = labels
    if len(left) == 1 and len(right) == 1:
        return _vectors(left, right, out)
    if len(left) == 2 and len(right) == 1 and len(out) == 1 and right in left and right != out:
        return Product("@", (0, 1), (left[0] == right, False))
    if len(left) == 1 and len(right) == 2 and len(out) == 1 and left in right and left != out:
        return Product("@", (1, 0), (right[0] == left, False))
    batch = out[:-2]
    without = [side.removeprefix(batch) for side in (left, right)]
    if any(len(side) != 2 or set(side) & set(batch) for side in without) or batch not in (left[:-2], right[:-2]):
        return None
    return _matrices(without[0], without[1], out[-2:])


def align(labels: tuple[str, str, str]) -> Aligned | None:
    """The contraction as a sum over axes of a product, if one order of axes suits operands and result."""
    pending = list(labels)
    order = ""
    while any(pending):
        heads = [side[0] for side in pending if side]
        ready = [head for head in heads if all(head not in side[1:] for side in pending)]
        if not ready:
            return None
        order += ready[0]
        pending = [side.removeprefix(ready[0]) for side in pending]
    left, right, out = labels
    axes = tuple(order.index(label) for label in left), tuple(order.index(label) for label in right)
    return Aligned(axes, tuple(i for i, label in enumerate(order) if label not in out), len(order))


def _vectors(left: str, right: str, out: str) -> Product | None:
    if left == right:
        return Product("@", (0, 1)) if not out else None
    return Product("outer", (0, 1) if out == left + right else (1, 0)) if len(out) == 2 else None


def _matrices(left: str, right: str, out: str) -> Product | None:
    shared = [label for label in left if label in right]
    if len(shared) != 1 or len(out) != 2 or shared[0] in out:
        return None
    order = (0, 1) if out[0] in left else (1, 0)
    first, second = (left, right) if order == (0, 1) else (right, left)
    return Product("@", order, (first[0] == shared[0], second[1] == shared[0]))
