"""The table of operations, and the helpers with which the family modules fill it.

Owns registration and the parts that entries share: type rules, promotion, broadcasting, access to the scalar math.
Must not know any operation but the four that promotion and broadcasting are made of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from exprc.ir.node import Node, make
from exprc.ir.op import COMPOSITE, ELEMENTWISE, Op, Parameter, TypeRuleError
from exprc.ir.sizes import ONE, Size
from exprc.ir.types import BOOL, F64, FLOATS, I64, Type, promote

Number = float | int | bool
Value = Node | Number
Builder = Callable[..., Node]

TABLE: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Put an entry into the table; a name is taken once."""
    if op.name in TABLE:
        raise TypeError(f"two operations are named {op.name!r}")
    TABLE[op.name] = op
    return op


def array(name: str, indexes: tuple[str, int] | None = None) -> Parameter:
    """A parameter that takes a value; integers index an axis of another one where that is given."""
    return Parameter(name, indexes=indexes)


X, XY = (array("x"),), (array("x"), array("y"))
AXIS = Parameter("axis", "axis", required=False)
KEEPDIMS = Parameter("keepdims", "flag", required=False, default=False)


# ---- elementwise operations

# What a dtype rule accepts and gives.  `build` casts arguments to what the rule accepts, `infer` insists on it.
#   number   one dtype, not bool; the result has it          float    one float dtype; the result has it
#   order    one dtype, not bool; the result is bool         any      any dtype; the result has it
#   equal    one dtype; the result is bool                   logical  bool; the result is bool
#   test     one float dtype; the result is bool             select   bool, then one dtype, which the result has
RULES = frozenset(("number", "float", "order", "equal", "test", "any", "logical", "select"))
_KEEPS_FLOATS = RULES - {"logical", "select"}
_BOOL_RESULT = frozenset(("order", "equal", "test", "logical"))


def elementwise(
    name: str,
    doc: str,
    parameters: tuple[Parameter, ...],
    dtype_rule: str,
    **fields: Any,
) -> Builder:
    """Register an elementwise operation without attributes and give its builder function."""
    if dtype_rule not in RULES:
        raise TypeError(f"operation {name!r} has the unknown dtype rule {dtype_rule!r}")
    names = tuple(parameter.name for parameter in parameters)

    def build(*values: Value, **named: Value) -> Node:
        return apply(op, *values, *[named[key] for key in names[len(values) :]])

    build.__name__, build.__doc__ = name, doc
    fields.setdefault("build", build)
    op = register(
        Op(
            name=name,
            kind=ELEMENTWISE,
            doc=doc,
            infer=elementwise_rule(name, dtype_rule, len(parameters)),
            signature=parameters,
            dtype_rule=dtype_rule,
            **fields,
        )
    )
    return build


def elementwise_rule(name: str, rule: str, arity: int) -> Callable[..., Type]:
    """The type rule of an elementwise operation: equal shapes, and dtypes as the rule says."""

    def infer(types: tuple[Type, ...], attrs: tuple[Any, ...]) -> Type:
        expect_count(name, types, arity)
        expect_no_attributes(name, attrs)
        for other in types[1:]:
            if other.shape != types[0].shape:
                raise TypeRuleError(f"{name} needs arguments of one shape, not {types[0]} and {other}")
        values = types
        if rule == "select":
            if types[0].dtype != BOOL:
                raise TypeRuleError(f"{name} needs a bool condition, not {types[0]}")
            values = types[1:]
        for value in values:
            _expect_dtype(name, rule, value, values[0])
        return values[0].with_dtype(BOOL) if rule in _BOOL_RESULT else values[0]

    return infer


def apply(op: Op, *values: Value) -> Node:
    """The node of an elementwise operation on values that may still have to be promoted and broadcast."""
    if op.dtype_rule in _KEEPS_FLOATS and _are_alike(values):
        return make(op, values)  # type: ignore[arg-type]
    if op.dtype_rule == "select":
        condition, *others = values
        return make(op, tuple(broadcast_all([as_bool(condition), *promote_all(others, "any")])))
    return make(op, tuple(broadcast_all(promote_all(list(values), op.dtype_rule))))


def _are_alike(values: tuple[Value, ...]) -> bool:
    """Whether all values are nodes of one float type, as in most of what derivatives and rules make."""
    first = values[0]
    if not isinstance(first, Node) or first.dtype not in FLOATS:
        return False
    return all(isinstance(value, Node) and value.types == first.types for value in values)


def promote_all(values: list[Value], rule: str) -> list[Node]:
    """The values as nodes of the one dtype in which they meet under a dtype rule."""
    if rule == "logical":
        return [as_bool(value) for value in values]
    if rule == "any" and len(values) == 1:
        return [as_node(values[0])]
    dtype = _meeting_dtype(values)
    if dtype == BOOL and rule in ("number", "order"):
        dtype = I64
    if rule in ("float", "test") and dtype not in FLOATS:
        dtype = F64
    return [as_dtype(value, dtype) for value in values]


def broadcast_all(nodes: list[Node]) -> list[Node]:
    """The nodes broadcast to their common shape by NumPy's rule."""
    first = nodes[0].shape
    if all(node.shape == first for node in nodes):
        return nodes
    shape = common_shape(*[node.shape for node in nodes])
    return [broadcast_to(node, shape) for node in nodes]


def broadcast_to(node: Node, shape: tuple[Size, ...]) -> Node:
    """The node with leading axes added and axes of size 1 widened."""
    if node.shape == shape:
        return node
    axes = tuple(range(len(shape) - len(node.shape), len(shape)))
    return make(TABLE["broadcast"], (node,), (shape, axes))


def common_shape(*shapes: tuple[Size, ...]) -> tuple[Size, ...]:
    """The shape to which shapes broadcast; only a size whose normal form is 1 gives way."""
    rank = max(len(shape) for shape in shapes)
    result: list[Size] = [ONE] * rank
    for shape in shapes:
        offset = rank - len(shape)
        for position, extent in enumerate(shape, offset):
            if result[position] == ONE:
                result[position] = extent
            elif extent not in (ONE, result[position]):
                listed = " and ".join(show_shape(s) for s in shapes)
                raise TypeRuleError(f"shapes {listed} do not broadcast: {result[position]} meets {extent}")
    return tuple(result)


def as_node(value: Value) -> Node:
    """A Python number as a constant of its own dtype, a node as it is."""
    return value if isinstance(value, Node) else scalar(value, _number_dtype(value))


def as_dtype(value: Value, dtype: str) -> Node:
    """The value in a dtype, by a cast if it is a node of another."""
    if not isinstance(value, Node):
        return scalar(value, dtype)
    return value if value.dtype == dtype else make(TABLE["cast"], (value,), (dtype,))


def as_float(value: Value) -> Node:
    """The value as a float: what is none becomes f64."""
    node = as_node(value)
    return node if node.dtype in FLOATS else as_dtype(node, F64)


def as_bool(value: Value) -> Node:
    """The value as a truth value: whether it is not zero."""
    return as_dtype(value, BOOL)


def scalar(value: Number, dtype: str) -> Node:
    """The constant of a dtype."""
    build = TABLE["constant"].build
    assert build is not None
    node: Node = build(value, dtype)
    return node


def constant_like(node: Node, value: Number) -> Node:
    """The constant in the dtype and shape of a node."""
    return broadcast_to(scalar(value, node.dtype), node.shape)


def _meeting_dtype(values: list[Value]) -> str:
    strong = [value.dtype for value in values if isinstance(value, Node)]
    weak = [_number_dtype(value) for value in values if not isinstance(value, Node)]
    dtype = strong[0] if strong else weak[0]
    for other in strong:
        dtype = promote(dtype, other)
    for other in weak:
        if other in FLOATS:
            dtype = dtype if dtype in FLOATS else F64
        elif other == I64 and dtype == BOOL:
            dtype = I64
    return dtype


def _number_dtype(value: Number) -> str:
    if isinstance(value, bool):
        return BOOL
    return I64 if isinstance(value, int) else F64


def _expect_dtype(name: str, rule: str, value: Type, first: Type) -> None:
    if value.dtype != first.dtype:
        raise TypeRuleError(f"{name} needs arguments of one dtype, not {first.dtype} and {value.dtype}")
    if rule in ("float", "test"):
        expect_float(name, value)
    elif rule in ("number", "order") and value.dtype == BOOL:
        raise TypeRuleError(f"{name} needs numbers, not bool")
    elif rule == "logical" and value.dtype != BOOL:
        raise TypeRuleError(f"{name} needs bool, not {value.dtype}")


# ---- what type rules share


def expect_count(name: str, types: tuple[Any, ...], count: int) -> None:
    """Refuse another number of arguments."""
    if len(types) != count:
        raise TypeRuleError(f"{name} takes {count} argument{'s' * (count != 1)}, not {len(types)}")


def expect_no_attributes(name: str, attrs: tuple[Any, ...]) -> None:
    """Refuse attributes."""
    if attrs:
        raise TypeRuleError(f"{name} has no attributes")


def expect_float(name: str, value: Type) -> None:
    """Refuse what is not f64 or f32."""
    if value.dtype not in FLOATS:
        raise TypeRuleError(f"{name} needs f64 or f32, not {value.dtype}")


def expect_axes(name: str, axes: tuple[int, ...], rank: int) -> None:
    """Refuse axes that are not increasing axes of an array of this rank."""
    if list(axes) != sorted(set(axes)) or any(not 0 <= axis < rank for axis in axes):
        raise TypeRuleError(f"{name} cannot act on axes {axes} of an array of rank {rank}")


def normal_axes(name: str, axis: int | tuple[int, ...] | None, rank: int) -> tuple[int, ...]:
    """Axes as the language gives them (None for all, negative from the end) as a sorted tuple."""
    if axis is None:
        return tuple(range(rank))
    listed = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in listed:
        if not -rank <= one < rank:
            raise TypeRuleError(f"{name}: axis {one} is out of range for an array of rank {rank}")
    found = sorted({one % rank for one in listed})
    if len(found) != len(listed):
        raise TypeRuleError(f"{name}: an axis is named twice in {listed}")
    return tuple(found)


def show_shape(shape: tuple[Size, ...]) -> str:
    """A shape for a message."""
    return f"[{', '.join(str(size) for size in shape)}]"


# ---- scalar math


def math_program(name: str) -> Callable[..., int]:
    """The program that is one function of `exprc.scalar.math`, imported when it is first asked for."""

    def program(builder: Any, *values: Any) -> int:
        from exprc.scalar import math

        result: int = getattr(math, name)(builder, *values)
        return result

    return program


def instruction(name: str) -> Callable[..., int]:
    """The program that is one method of the scalar builder."""

    def program(builder: Any, *values: int) -> int:
        result: int = getattr(builder, name)(*values)
        return result

    return program


def numpy_function(name: str) -> Callable[..., Any]:
    """The NumPy function of this name as the meaning of an operation without attributes."""

    def meaning(attrs: tuple[Any, ...], *arrays: Any) -> Any:
        import numpy

        with numpy.errstate(all="ignore"):
            return getattr(numpy, name)(*arrays)

    return meaning


def nothing(count: int) -> Callable[..., tuple[None, ...]]:
    """Partials of an operation that is constant almost everywhere."""
    return lambda out, *arguments: (None,) * count


def spelling(name: str, doc: str, signature: tuple[Parameter, ...], build: Callable[..., Node], **fields: Any) -> None:
    """Register a name of the language whose calls are built of other operations: it is never a node itself."""

    def refuse(*_: Any) -> NoReturn:
        raise TypeRuleError(f"{name} is made of other operations")

    register(
        Op(
            name=name, kind=COMPOSITE, doc=doc, infer=refuse, expand=refuse, signature=signature, build=build,
            laws=frozenset(("spelling",)), **fields,
        )
    )  # fmt: skip
