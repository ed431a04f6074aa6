"""Leaves of the graph, and `project`, which takes one result of a node that has several.

A leaf's laws say how it is closed over: `free` leaves get their value from outside (inputs, placeholders), `bound`
ones from the call of the function whose body they stand in, the others have a value of their own.
"""

from __future__ import annotations

import math
from typing import Any

from exprc.ir.node import Node, make
from exprc.ir.op import LEAF, Op, Parameter, TypeRuleError
from exprc.ir.op import PROJECT as PROJECT_KIND
from exprc.ir.sizes import Size, as_size
from exprc.ir.types import BOOL, DTYPES, F32, F64, FLOATS, I64, NUMPY_NAMES, Type
from exprc.ops.table import Number, array, broadcast_to, expect_count, register, scalar, spelling

MINUS_ZERO = "-0"
TRANSPARENT = frozenset(("broadcast",))  # one constant everywhere stays one; one with a name may be varied
_BITS = {"i64": 64, "i32": 32}


def constant(value: Number, dtype: str | None = None) -> Node:
    """A scalar constant; by itself an int is i64, a float f64."""
    if dtype is None:
        dtype = BOOL if isinstance(value, bool) else I64 if isinstance(value, int) else F64
    held = canonical_value(value, dtype)
    minus_zero = dtype in FLOATS and held == 0 and math.copysign(1.0, held) < 0
    return make(CONSTANT, (), (dtype, held, MINUS_ZERO if minus_zero else ""))


def canonical_value(value: Number, dtype: str) -> Number:
    """The value as the dtype holds it; there is one NaN, so that equal constants are one node."""
    if dtype == BOOL:
        return bool(value)
    if dtype in _BITS:
        half = 1 << (_BITS[dtype] - 1)
        if isinstance(value, float) and not -half <= value < half:
            return -half  # NaN too: what the conversion of scalar programs gives
        return (int(value) + half) % (2 * half) - half
    number = float(value)
    if number != number:
        return math.nan
    return _nearest_f32(number) if dtype == F32 else number


def input_(name: str, type: Type, role: str = "input") -> Node:
    """A declared input or param."""
    return make(INPUT, (), (name, role, type))


def is_param(node: Node) -> bool:
    """Whether a node is a declared param."""
    return node.op is INPUT and node.attrs[1] == "param"


def size(value: Size | int | str) -> Node:
    """A size as an i64 scalar."""
    return make(SIZE, (), (as_size(value),))


def iota(shape: tuple[Size, ...], axis: int = 0) -> Node:
    """The i64 array whose entries are their own index along an axis."""
    return make(IOTA, (), (shape, axis))


def arg(index: int, type: Type) -> Node:
    """A parameter of the function in whose body it stands."""
    return make(ARG, (), (index, type))


def placeholder(label: str, type: Type) -> Node:
    """What stands for a tangent or cotangent while rules are applied."""
    return make(PLACEHOLDER, (), (label, type))


def project(node: Node, index: int) -> Node:
    """One result of a node; the node itself where it has only one."""
    if len(node.types) == 1 and index == 0:
        return node
    return make(PROJECT, (node,), (index,))


def full(value: Number, shape: tuple[Size, ...], dtype: str | None = None) -> Node:
    """The array of a shape with one value everywhere."""
    return broadcast_to(constant(value, dtype), shape)


def zeros(shape: tuple[Size, ...] = (), dtype: str = F64) -> Node:
    """The array of zeros."""
    return broadcast_to(scalar(0, dtype), shape)


def constant_value(node: Node) -> Number | None:
    """The value of a node that is one constant everywhere, seen through `broadcast`; else None.

    One that has a name is none: something is differentiated by it.
    """
    while node.op.name in TRANSPARENT:
        (node,) = node.args
    if node.op is not CONSTANT:
        return None
    _, value, tag = node.attrs
    result: Number = -0.0 if tag == MINUS_ZERO else value
    return result


def _constant_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("constant", types, 0)
    dtype, value, tag = attrs
    if dtype not in DTYPES or tag not in ("", MINUS_ZERO):
        raise TypeRuleError(f"constant has no dtype {dtype!r} or tag {tag!r}")
    held = canonical_value(value, dtype)
    if type(held) is not type(value) or (held is not value and held != value):
        raise TypeRuleError(f"constant {value!r} is not a value of {dtype}")
    return Type(dtype)


def _constant_meaning(attrs: tuple[Any, ...]) -> Any:
    import numpy

    dtype, value, tag = attrs
    return numpy.asarray(-0.0 if tag == MINUS_ZERO else value, NUMPY_NAMES[dtype])


def _given_type(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("a leaf", types, 0)
    given = attrs[-1]
    if not isinstance(given, Type):
        raise TypeRuleError(f"a leaf needs its type, not {given!r}")
    return given


def _size_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("size", types, 0)
    (value,) = attrs
    if not isinstance(value, Size):
        raise TypeRuleError(f"size needs a size, not {value!r}")
    return Type(I64)


def _size_meaning(attrs: tuple[Any, ...]) -> Any:
    import numpy

    return numpy.asarray(attrs[0], "int64")


def _iota_rule(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("iota", types, 0)
    shape, axis = attrs
    if not 0 <= axis < len(shape):
        raise TypeRuleError(f"iota has no axis {axis} in {len(shape)} axes")
    return Type(I64, shape)


def _iota_meaning(attrs: tuple[Any, ...]) -> Any:
    import numpy

    shape, axis = attrs
    one = [1] * len(shape)
    one[axis] = shape[axis]
    return numpy.broadcast_to(numpy.arange(shape[axis], dtype="int64").reshape(one), shape).copy()


def _project_rule(nodes: tuple[Node, ...], attrs: tuple[Any, ...]) -> Type:
    expect_count("project", nodes, 1)
    (index,) = attrs
    results = nodes[0].types
    if len(results) < 2 or not 0 <= index < len(results):
        raise TypeRuleError(f"project cannot take result {index} of a node with {len(results)}")
    result: Type = results[index]
    return result


def _nearest_f32(number: float) -> float:
    from struct import pack, unpack

    try:
        return float(unpack("<f", pack("<f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


CONSTANT = register(
    Op("constant", LEAF, "a number", _constant_rule, numpy=_constant_meaning, build=constant, cost=0,
       example="output r = 2.5")
)  # fmt: skip
INPUT = register(
    Op("input", LEAF, "an array that the caller gives", _given_type, laws=frozenset(("free",)), cost=0,
       example="input x : f64; output r = x")
)  # fmt: skip
SIZE = register(
    Op("size", LEAF, "a size as a number", _size_rule, numpy=_size_meaning, cost=0,
       example="dim n; input x : f64[n]; output r = sum(x) / n")
)  # fmt: skip
IOTA = register(
    Op("iota", LEAF, "the indices along an axis", _iota_rule, numpy=_iota_meaning,
       signature=(Parameter("n", "size"),), build=lambda n: iota((as_size(n),)),
       example="dim n; input x : f64[n]; output r = iota(n) * x")
)  # fmt: skip
ARG = register(
    Op("arg", LEAF, "a parameter of a loop's body", _given_type, laws=frozenset(("bound",)), cost=0,
       example="input x : f64[4]; output r = scan s = 0.0 over v in x { s + v }")
)  # fmt: skip
PLACEHOLDER = register(
    Op("placeholder", LEAF, "what stands for a tangent while rules are applied", _given_type,
       laws=frozenset(("free",)), cost=0, example="param x : f64; loss E = x * x; output g = grad(E, x)")
)  # fmt: skip
PROJECT = register(
    Op("project", PROJECT_KIND, "one of several results", _project_rule, cost=0,
       numpy=lambda attrs, results: results[attrs[0]],
       example="input x : f64[4]; A, B = scan a = 0.0, b = 1.0 over v in x { a + v, b * v }; output r = A + B")
)  # fmt: skip

INLINE = frozenset((CONSTANT, SIZE, IOTA))  # what a kernel computes where it is needed instead of loading it

_SIZES = Parameter("sizes", "sizes")
spelling("zeros", "an array of zeros", (_SIZES,), lambda sizes, dtype=F64: full(0, _shape(sizes), dtype),
         example="output r = zeros(3)")  # fmt: skip
spelling("ones", "an array of ones", (_SIZES,), lambda sizes, dtype=F64: full(1, _shape(sizes), dtype),
         example="output r = ones(3)")  # fmt: skip
spelling("full", "an array of one value", (array("value"), _SIZES),
         lambda value, sizes: broadcast_to(value if isinstance(value, Node) else constant(value), _shape(sizes)),
         example="output r = full(2.5, 3)")  # fmt: skip


def _eye(n: Size | int, m: Size | int | None = None) -> Node:
    from exprc.ops.arithmetic import cast
    from exprc.ops.compare import eq

    shape = as_size(n), as_size(n if m is None else m)
    return cast(eq(iota(shape, 0), iota(shape, 1)), I64)


spelling("eye", "1 on the diagonal and 0 elsewhere: the identity matrix, or one of n rows and m columns",
         (Parameter("n", "size"), Parameter("m", "size", required=False)), _eye,
         example="input X : f64[3, 3]; output r = X + eye(3)")  # fmt: skip


def _shape(sizes: tuple[Size | int, ...]) -> tuple[Size, ...]:
    return tuple(as_size(one) for one in sizes)
