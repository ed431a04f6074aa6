"""Index expressions as code: where an entry of a buffer lies, split by the loop at which each part is known.

Owns the scope of names a statement sees, and the proof that an index is within its buffer.  Must not know how nests
are tiled or what is computed from the entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

from exprc.ir.index import Affine, Quotient, affine_constant
from exprc.ir.sizes import ONE, ZERO, Size
from exprc.lower.emit import Function, lane_numbers, vector_type
from exprc.lower.sizes import floor_division, size_value
from exprc.schedule.kernel import Axis, Buffer, Stream

Value = TypeVar("Value")


class Place(NamedTuple):
    """A buffer and the pointer to its first entry."""

    buffer: Buffer
    pointer: str


class Used(Mapping[str, Value]):
    """A view of a table that remembers which of its entries were asked for; it may have further ones of its own."""

    __slots__ = ("_own", "_table", "used")

    def __init__(self, table: Mapping[str, Value], own: Mapping[str, Value] | None = None) -> None:
        self._table = table
        self._own = own or {}
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> Value:
        entry = self.peek(name)
        self.used.add(name)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter({**self._table, **self._own})

    def __len__(self) -> int:
        return len({**self._table, **self._own})

    def peek(self, name: str) -> Value:
        """An entry without using it."""
        return self._own[name] if name in self._own else self._table[name]

    def extended(self, own: Mapping[str, Value]) -> Used[Value]:
        """The table with entries of its own; what is used of it counts here too."""
        larger = Used(self._table, own)
        larger.used = self.used
        return larger


class Rows(NamedTuple):
    """A block of an axis: the variables of its first entry and of how many there are, of at most `block`."""

    start: str
    rows: str
    extent: Affine
    block: int


def rows_of(stream: Stream | None) -> tuple[Rows, ...]:
    """The block of a kernel's stream."""
    return (Rows(stream.start, stream.rows, affine_constant(stream.extent), stream.block),) if stream else ()


class Scope(NamedTuple):
    """What the statements of a kernel may refer to: sizes, buffers and the variables of enclosing loops."""

    function: Function
    dims: Mapping[str, str]
    places: Mapping[str, Place]
    variables: Mapping[str, str]
    extents: Mapping[str, Affine]
    blocks: tuple[Rows, ...]

    def size(self, size: Size) -> str:
        """A size's value."""
        return size_value(self.function, self.dims, size)

    def with_variable(self, name: str, value: str, extent: Affine) -> Scope:
        """The scope inside a loop."""
        return self._replace(variables={**self.variables, name: value}, extents={**self.extents, name: extent})

    def with_rows(self, block: Rows, value: str) -> Scope:
        """The scope inside a loop over blocks, whose first entry is known already."""
        return self._replace(variables={**self.variables, block.rows: value}, blocks=(*self.blocks, block))


def strides(buffer: Buffer) -> list[Size]:
    """Entries from one index to the next, for each axis of a row-major buffer.

    An axis known to be empty counts as one entry: nothing is read or written there, and indices stay apart.
    """
    found = [ONE]
    for size in reversed(buffer.shape[1:]):
        found.append(found[-1] if size == ZERO else found[-1] * size)
    return found[::-1][: len(buffer.shape)] if buffer.shape else []


def flat_index(buffer: Buffer, index: tuple[Affine, ...]) -> Affine:
    """The entry's number in the buffer."""
    total = affine_constant(ZERO)
    for component, stride in zip(index, strides(buffer), strict=True):
        total = total.plus(component, stride)
    return total


def variables_of(variable: object) -> frozenset[int | str]:
    """The loop variables on which a term's variable depends."""
    if isinstance(variable, Quotient):
        return variable.numerator.variables()
    return frozenset((variable,))  # type: ignore[arg-type]


def scalar_index(scope: Scope, index: Affine, variables: Mapping[str, str]) -> str:
    """An index expression as an i64."""
    function = scope.function
    total = scope.size(index.constant)
    for variable, coefficient in index.terms:
        term = times(scope, _scalar_variable(scope, variable, variables), coefficient)
        total = term if total == "0" else function.value(f"add i64 {total}, {term}")
    return total


def times(scope: Scope, value: str, coefficient: Size) -> str:
    """An i64 times a size."""
    if coefficient == ONE:
        return value
    if value.isdigit() and coefficient.constant is not None:
        return str(int(value) * coefficient.constant)
    return scope.function.value(f"mul i64 {value}, {scope.size(coefficient)}")


def vector_index(scope: Scope, index: Affine, variables: Mapping[str, str], axis: str, lanes: int) -> str:
    """An index expression in lanes that count up from the value of the variable `axis`."""
    function = scope.function
    kind = vector_type("i64", lanes)
    uniform = tuple(term for term in index.terms if axis not in variables_of(term[0]))
    first = scalar_index(scope, Affine((*uniform,), index.constant), variables)
    total = function.splat("i64", first, lanes)
    for variable, coefficient in index.terms:
        if axis not in variables_of(variable):
            continue
        if isinstance(variable, Quotient):
            numerator = vector_index(scope, variable.numerator, variables, axis, lanes)
            divisor = function.splat("i64", scope.size(variable.divisor), lanes)
            value = _vector_floor_division(function, numerator, divisor, lanes)
        else:
            base = function.splat("i64", variables[axis], lanes)
            value = function.value(f"add {kind} {base}, {lane_numbers('i64', lanes)}")
        if coefficient != ONE:
            value = function.value(f"mul {kind} {value}, {function.splat('i64', scope.size(coefficient), lanes)}")
        total = function.value(f"add {kind} {total}, {value}")
    return total


def within_bounds(scope: Scope, axes: Mapping[str, Axis], buffer: Buffer, index: tuple[Affine, ...]) -> bool:
    """Whether the entry certainly exists wherever the loops of its own variables run."""
    return all(_component_within(scope, axes, c, size) for c, size in zip(index, buffer.shape, strict=True))


def _component_within(scope: Scope, axes: Mapping[str, Axis], component: Affine, size: Size) -> bool:
    limit = affine_constant(size)
    if not component.terms:
        value, bound = component.constant.constant, size.constant
        return value is not None and bound is not None and 0 <= value < bound
    names = [variable for variable, _ in component.terms if isinstance(variable, str)]
    if len(names) != len(component.terms):
        return False
    extents = [axes[name].extent if name in axes else scope.extents.get(name) for name in names]
    signs = [coefficient.constant for _, coefficient in component.terms]
    if signs == [-1] and component.constant == size - ONE:
        return extents[0] == limit
    if component.constant != ZERO or any(sign != 1 for sign in signs):
        return False
    if len(names) == 1:
        block = _block_of(scope, extents[0])
        return extents[0] == limit or (block is not None and size.constant is not None and size.constant >= block.block)
    for block in scope.blocks:
        if len(names) == 2 and block.start in names and block.extent == limit:
            return _block_of(scope, extents[1 - names.index(block.start)]) == block
    return False


def _block_of(scope: Scope, extent: Affine | None) -> Rows | None:
    """The block whose entries an axis runs over."""
    for block in scope.blocks:
        if extent is not None and extent.only_variable == block.rows:
            return block
    return None


def _scalar_variable(scope: Scope, variable: object, variables: Mapping[str, str]) -> str:
    if not isinstance(variable, Quotient):
        return variables[variable]  # type: ignore[index]
    numerator = scalar_index(scope, variable.numerator, variables)
    return floor_division(scope.function.value, numerator, scope.size(variable.divisor))


def _vector_floor_division(function: Function, left: str, right: str, lanes: int) -> str:
    kind, flags = vector_type("i64", lanes), vector_type("i1", lanes)
    zero = function.value(f"icmp eq {kind} {right}, zeroinitializer")
    divisor = function.value(f"select {flags} {zero}, {kind} splat (i64 1), {kind} {right}")
    quotient = function.value(f"sdiv {kind} {left}, {divisor}")
    product = function.value(f"mul {kind} {quotient}, {divisor}")
    inexact = function.value(f"icmp ne {kind} {product}, {left}")
    signs = function.value(f"xor {kind} {left}, {divisor}")
    differ = function.value(f"icmp slt {kind} {signs}, zeroinitializer")
    down = function.value(f"and {flags} {inexact}, {differ}")
    correction = function.value(f"sext {flags} {down} to {kind}")
    return function.value(f"add {kind} {quotient}, {correction}")
