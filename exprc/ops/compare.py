"""Comparisons, logic and choice.

None has a derivative but `where`, which passes its own on to the branch that it chose; that the other branch never
reaches a derivative, whatever it contains, is the work of the autodiff.
"""

from __future__ import annotations

from typing import Any

from exprc.ir.node import Node
from exprc.ops.table import XY, Builder, X, array, constant_like, elementwise, instruction, numpy_function

_STEPS = "the result is true or false"
_PAIR = ((-2.0, 2.0), (-2.0, 2.0))
_COMPARE, _NOT, _AND, _OR = 4, 3, 2, 1


def _comparison(name: str, doc: str, infix: str, latex: str, function: str, **fields: Any) -> Builder:
    return elementwise(
        name, doc, XY, numpy=numpy_function(function), program=instruction(name), no_gradient=_STEPS,
        infix=infix, precedence=_COMPARE, latex=f"#1 {latex} #2", domain=_PAIR,
        example=f"input x : f64; output r = x {infix} 1", **fields,
    )  # fmt: skip


lt = _comparison("lt", "whether x is less than y", "<", "<", "less", dtype_rule="order")
le = _comparison("le", "whether x is at most y", "<=", r"\le", "less_equal", dtype_rule="order")
gt = _comparison("gt", "whether x is greater than y", ">", ">", "greater", dtype_rule="order")
ge = _comparison("ge", "whether x is at least y", ">=", r"\ge", "greater_equal", dtype_rule="order")
eq = _comparison("eq", "whether x equals y", "==", "=", "equal", dtype_rule="equal", laws=frozenset(("commutative",)))
ne = _comparison(
    "ne", "whether x differs from y", "!=", r"\ne", "not_equal", dtype_rule="equal", laws=frozenset(("commutative",))
)

and_ = elementwise(
    "and", "whether both are true", XY, "logical", numpy=numpy_function("logical_and"), program=instruction("and_"),
    no_gradient=_STEPS, infix="and", precedence=_AND, latex=r"#1 \land #2", domain=_PAIR,
    laws=frozenset(("commutative", "associative", "idempotent")),
    example="input x : f64; output r = x > 0 and x < 1",
)  # fmt: skip
or_ = elementwise(
    "or", "whether one of both is true", XY, "logical", numpy=numpy_function("logical_or"), program=instruction("or_"),
    no_gradient=_STEPS, infix="or", precedence=_OR, latex=r"#1 \lor #2", domain=_PAIR,
    laws=frozenset(("commutative", "associative", "idempotent")),
    example="input x : f64; output r = x < 0 or x > 1",
)  # fmt: skip
not_ = elementwise(
    "not", "whether x is false", X, "logical", numpy=numpy_function("logical_not"), program=instruction("not_"),
    no_gradient=_STEPS, infix="not", precedence=_NOT, latex=r"\lnot #1", domain=((-2.0, 2.0),),
    laws=frozenset(("involution",)), example="input x : f64; output r = not x > 0",
)  # fmt: skip


def _where_partials(out: Node, condition: Node, x: Node, y: Node) -> tuple[Node | None, ...]:
    one, zero = constant_like(out, 1), constant_like(out, 0)
    return None, where(condition, one, zero), where(condition, zero, one)


where = elementwise(
    "where", "x where the condition holds, else y", (array("condition"), array("x"), array("y")), "select",
    numpy=numpy_function("where"), program=instruction("select"), partials=_where_partials,
    domain=((-2.0, 2.0), (-2.0, 2.0), (-2.0, 2.0)),
    latex=r"\begin{cases} #2 & \text{if } #1 \\ #3 & \text{otherwise} \end{cases}",
    example="input x : f64; output r = where(x > 0, x, 0)",
)  # fmt: skip
