"""Factorisations and triangular systems, over any leading axes."""

from __future__ import annotations

from typing import Any

from exprc.ir.node import Node, make
from exprc.ir.op import OPAQUE, Op, Parameter, TypeRuleError
from exprc.ir.types import Type
from exprc.ops.arithmetic import add, mul, neg, sub
from exprc.ops.compare import eq, ge, gt, le, where
from exprc.ops.contraction import contract, matmul
from exprc.ops.leaves import iota
from exprc.ops.routines import cholesky_routine, solve_triangular_routine
from exprc.ops.table import (
    Value,
    X,
    array,
    as_float,
    broadcast_to,
    common_shape,
    constant_like,
    expect_count,
    expect_float,
    promote_all,
    register,
)
from exprc.ops.views import transpose

Tangents = tuple[Node | None, ...]


def cholesky(x: Value) -> Node:
    """The lower triangular L with L @ L' = x, of which the lower triangle is read."""
    return make(CHOLESKY, (as_float(x),))


def solve_triangular(L: Value, b: Value, lower: bool = True, transposed: bool = False) -> Node:
    """The x with T @ x = b, where T is the lower or upper triangle of L, transposed if asked.

    A right-hand side of rank 1 is a vector, else matrices, whose leading axes broadcast with L's.
    """
    matrix, right = promote_all([as_float(L), as_float(b)], "float")
    if matrix.type.rank < 2 or not right.shape:
        raise TypeRuleError(f"solve_triangular needs a matrix and a right-hand side, not {matrix.type}, {right.type}")
    if right.type.rank > 1 or matrix.type.rank > 2:
        own = right.shape[-2:] if right.type.rank > 1 else right.shape
        batch = common_shape(matrix.shape[:-2], right.shape[: -len(own)])
        matrix = broadcast_to(matrix, (*batch, *matrix.shape[-2:]))
        right = broadcast_to(right, (*batch, *own))
    return make(SOLVE_TRIANGULAR, (matrix, right), (lower, transposed))


# ---- type rules


def _square(name: str, given: Type) -> None:
    expect_float(name, given)
    if given.rank < 2 or given.shape[-1] != given.shape[-2]:
        raise TypeRuleError(f"{name} needs square matrices, not {given}")


def _cholesky_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("cholesky", types, 1)
    _square("cholesky", types[0])
    return types[0]


def _solve_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("solve_triangular", types, 2)
    lower, transposed = attrs
    matrix, right = types
    _square("solve_triangular", matrix)
    if not isinstance(lower, bool) or not isinstance(transposed, bool):
        raise TypeRuleError("solve_triangular: lower and transposed are true or false")
    rows = matrix.shape[:-1]
    if right.dtype != matrix.dtype or right.shape[: len(rows)] != rows or right.rank - matrix.rank not in (-1, 0):
        raise TypeRuleError(f"solve_triangular with {matrix} cannot take the right-hand side {right}")
    return right


# ---- meanings


def _cholesky_meaning(attrs: tuple[Any, ...], x: Any) -> Any:
    import numpy

    return numpy.linalg.cholesky(x)


def _solve_meaning(attrs: tuple[Any, ...], matrix: Any, right: Any) -> Any:
    import numpy

    lower, transposed = attrs
    vectors = right.ndim < matrix.ndim
    result = numpy.array(right[..., None] if vectors else right)
    triangle = numpy.swapaxes(matrix, -1, -2) if transposed else matrix
    count, forward = matrix.shape[-1], lower != transposed
    with numpy.errstate(all="ignore"):
        for i in range(count) if forward else reversed(range(count)):
            done = slice(0, i) if forward else slice(i + 1, count)
            known = numpy.einsum("...j,...jk->...k", triangle[..., i, done], result[..., done, :])
            result[..., i, :] = (result[..., i, :] - known) / triangle[..., i, i, None]
    return result[..., 0] if vectors else result


# ---- derivatives


def _triangle(x: Node, lower: bool) -> Node:
    """The matrix with zeros above or below its diagonal."""
    rank = x.type.rank
    rows, columns = iota(x.shape, rank - 2), iota(x.shape, rank - 1)
    return where(ge(rows, columns) if lower else le(rows, columns), x, 0)


def _half_triangle(x: Node) -> Node:
    """The lower triangle with half the diagonal."""
    rank = x.type.rank
    rows, columns = iota(x.shape, rank - 2), iota(x.shape, rank - 1)
    return where(gt(rows, columns), x, where(eq(rows, columns), mul(0.5, x), constant_like(x, 0)))


def _cholesky_tangent(node: Node, tangents: Tangents) -> Node | None:
    """L @ half triangle of (L^-1 @ S @ L'^-1), where S is the symmetric matrix of the lower triangle of the tangent."""
    (tangent,) = tangents
    if tangent is None:
        return None
    half = _half_triangle(tangent)
    symmetric = add(half, transpose(half))
    inner = solve_triangular(node, symmetric)
    both = transpose(solve_triangular(node, transpose(inner)))
    return matmul(node, _half_triangle(both))


def _solve_tangent(node: Node, tangents: Tangents) -> Node | None:
    """T^-1 (db - dT x)."""
    lower, transposed = node.attrs
    matrix, _ = node.args
    by_matrix, by_right = tangents
    right = by_right
    if by_matrix is not None:
        change = _triangle(by_matrix, lower)
        moved = _apply(transpose(change) if transposed else change, node)
        right = neg(moved) if right is None else sub(right, moved)
    return None if right is None else make(SOLVE_TRIANGULAR, (matrix, right), node.attrs)


def _apply(matrix: Node, x: Node) -> Node:
    """Matrices times matrices, or times vectors, with the same leading axes."""
    batch = "cdefghijklmnopqrstuvwyz"[: matrix.type.rank - 2]
    columns = "b" if x.type.rank == matrix.type.rank else ""
    return contract(matrix, x, batch + "ax", batch + "x" + columns, batch + "a" + columns)


def _solve_cotangent(node: Node, cotangent: Node, index: int) -> Node:
    """Of the right-hand side only: the solution is not linear in the matrix."""
    if index != 1:
        raise TypeRuleError("solve_triangular is linear in its right-hand side only")
    lower, transposed = node.attrs
    return make(SOLVE_TRIANGULAR, (node.args[0], cotangent), (lower, not transposed))


# ---- entries


CHOLESKY = register(
    Op("cholesky", OPAQUE, "the lower triangular factor L of a positive definite matrix L @ L'", _cholesky_rule,
       signature=X, build=cholesky, numpy=_cholesky_meaning, jvp=_cholesky_tangent, routine=cholesky_routine,
       latex=r"\operatorname{cholesky}\left(#1\right)", cost=50,
       example="input A : f64[3, 3]; output r = cholesky(A)")
)  # fmt: skip
SOLVE_TRIANGULAR = register(
    Op("solve_triangular", OPAQUE, "the solution of a triangular system", _solve_rule,
       signature=(array("L"), array("b"), Parameter("lower", "flag", required=False, default=True),
                  Parameter("transposed", "flag", required=False, default=False)),
       build=solve_triangular, numpy=_solve_meaning, jvp=_solve_tangent, transpose=_solve_cotangent,
       routine=solve_triangular_routine, latex=r"#1^{-1} #2", cost=50,
       example="input L : f64[3, 3]; input b : f64[3]; output r = solve_triangular(L, b)")
)  # fmt: skip
