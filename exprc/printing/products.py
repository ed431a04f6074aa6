"""Contractions as a person writes them: `X' @ r`, `outer(x, y)`, `sum(A * B)`, or none of these."""

from __future__ import annotations

from typing import NamedTuple


class Product(NamedTuple):
    """A form with its operands in order: `@` (each possibly transposed), `outer` or `sum` (of the plain product)."""

    form: str
    order: tuple[int, int]
    transposed: tuple[bool, bool] = (False, False)


def show_contraction(labels: tuple[str, str, str]) -> Product | None:
    """The form of a contraction of vectors and matrices, None where only einsum can say it."""
    left, right, out = labels
    if len(left) == 1 and len(right) == 1:
        return _vectors(left, right, out)
    if len(left) == 2 and len(right) == 2:
        return _matrices(left, right, out)
    if len(left) == 2 and len(right) == 1 and len(out) == 1 and right in left and right != out:
        return Product("@", (0, 1), (left[0] == right, False))
    if len(left) == 1 and len(right) == 2 and len(out) == 1 and left in right and left != out:
        return Product("@", (1, 0), (right[0] == left, False))
    return None


def _vectors(left: str, right: str, out: str) -> Product | None:
    if left == right:
        return Product("@", (0, 1)) if not out else None
    return Product("outer", (0, 1) if out == left + right else (1, 0)) if len(out) == 2 else None


def _matrices(left: str, right: str, out: str) -> Product | None:
    if not out and left == right:
        return Product("sum", (0, 1))
    shared = [label for label in left if label in right]
    if len(shared) != 1 or len(out) != 2 or shared[0] in out:
        return None
    order = (0, 1) if out[0] in left else (1, 0)
    first, second = (left, right) if order == (0, 1) else (right, left)
    return Product("@", order, (first[0] == shared[0], second[1] == shared[0]))
