"""Checks that a plan is what `exprc.schedule.kernel` says: names, types, loops, and the order of writes and reads.

What depends on values (that indices are within their buffers, that no entry is written twice) is `interpret`'s.  A
violation is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from exprc.diagnostics import InternalError
from exprc.ir.index import Affine, Guard, Quotient
from exprc.ir.op import ELEMENTWISE, TypeRuleError
from exprc.ir.sizes import Size
from exprc.ir.types import BOOL, DTYPES, F64, FLOATS, I64, INTEGERS, Type
from exprc.schedule.kernel import (
    ACCUMULATOR,
    ARGUMENT,
    RESULT,
    TILE,
    WORKSPACE,
    Accumulator,
    Apply,
    Buffer,
    Check,
    Constant,
    Expect,
    Gather,
    Holds,
    IndexValue,
    Instruction,
    Kernel,
    Load,
    Loop,
    Nest,
    Plan,
    Scatter,
    Statement,
    Stream,
    Swap,
    Write,
    statements_of,
)
from exprc.schedule.show import show_statement, show_write

NUMBERS = FLOATS | INTEGERS
COMBINES = {"add": NUMBERS, "mul": NUMBERS, "and": {BOOL}, "or": {BOOL}, "max": {*DTYPES}, "min": {*DTYPES}}
RELATIONS = frozenset(("==", "!=", "<=", "<", ">=", ">"))


Entry: TypeAlias = tuple[str, tuple[Affine, ...]]
Written: TypeAlias = str | Entry


class _Scope(NamedTuple):
    """What statements at one place may refer to.

    `written` has what has a value there: buffers, or single entries of them.  Within a loop what its statements write
    counts from the start, since every turn but the first comes after them.
    """

    dims: frozenset[str]
    buffers: dict[str, Buffer]
    combines: dict[str, str]
    variables: frozenset[str]
    written: set[Written]
    stream: Stream | None


def verify_plan(plan: Plan) -> None:
    """Raises `InternalError`, which names kernel and statement, unless the plan is sound."""
    dims = frozenset(plan.dims)
    buffers: dict[str, Buffer] = {}
    _expect(len(dims) == len(plan.dims), plan.symbol, "a dim is there twice")
    for space, declared in ((ARGUMENT, plan.arguments), (RESULT, plan.results), (WORKSPACE, plan.workspace)):
        _declare(buffers, declared, space, dims, plan.symbol)
    for requirement in plan.requirements:
        _expect_sizes((requirement.left, requirement.right), dims, f"{plan.symbol}, requirement")
        _expect(requirement.relation in RELATIONS, plan.symbol, f"no relation of sizes: {requirement.relation}")
    own = dict(buffers)
    written: set[Written] = {buffer.name for buffer in plan.arguments}
    for kernel in plan.kernels:
        where = f"{plan.symbol}, {kernel.name}"
        _declare(own, (*kernel.tiles,), TILE, dims, where)
        _declare(own, (a.buffer for a in kernel.accumulators), ACCUMULATOR, dims, where)
        _verify_kernel(kernel, buffers, dims, written, where)
    for buffer in plan.results:
        _expect(_has_value(written, buffer.name), plan.symbol, f"nothing writes {buffer.name}")


def _declare(known: dict[str, Buffer], buffers: Iterable[Buffer], space: str, dims: frozenset[str], where: str) -> None:
    for buffer in buffers:
        _expect(buffer.name not in known, where, f"{buffer.name} is declared twice")
        _expect(buffer.space == space, where, f"{buffer.name} is declared as {buffer.space} where only {space}s are")
        _expect(buffer.dtype in DTYPES, where, f"{buffer.name} has no dtype")
        _expect_sizes(buffer.shape, dims, f"{where}, {buffer.name}")
        known[buffer.name] = buffer


# ---- kernels


def _verify_kernel(
    kernel: Kernel, buffers: dict[str, Buffer], dims: frozenset[str], written: set[Written], where: str
) -> None:
    local = {b.name: b for b in (*kernel.tiles, *(a.buffer for a in kernel.accumulators))}
    variables: frozenset[str] = frozenset()
    if kernel.stream is not None:
        stream = kernel.stream
        variables = frozenset((stream.start, stream.rows))
        _expect_sizes((stream.extent,), dims, where)
        _expect(len(variables) == 2, where, "the variables of the stream have one name")
        _expect(stream.block > 0 and stream.chunk > 0, where, "blocks and chunks have rows")
    targets: set[str] = set()
    for accumulator in kernel.accumulators:
        name = f"{where}, {accumulator.buffer.name}"
        _verify_accumulator(accumulator, buffers, name)
        _expect(accumulator.target not in targets, name, f"{accumulator.target} has another accumulator")
        targets.add(accumulator.target)
    combines = {a.buffer.name: a.combine for a in kernel.accumulators}
    scope = _Scope(dims, {**buffers, **local}, combines, variables, written, kernel.stream)
    _verify_statements(kernel.body, scope, where)
    for name in targets:
        _expect(name not in written, where, f"{name} is written besides its accumulator")
    written.difference_update(local)
    written.update(targets)


def _verify_accumulator(accumulator: Accumulator, buffers: dict[str, Buffer], where: str) -> None:
    buffer, combine = accumulator.buffer, accumulator.combine
    target = buffers.get(accumulator.target)
    if target is None:
        raise InternalError(f"{where}: no buffer {accumulator.target} of the plan")
    _expect(target.space != ARGUMENT, where, f"{target.name} is an argument")
    _expect(target.shape == buffer.shape, where, f"{target.name} has another shape")
    _expect(buffer.dtype in COMBINES.get(combine, ()), where, f"{combine} does not combine {buffer.dtype}")
    wide = combine in ("add", "mul") and target.dtype in FLOATS
    _expect(buffer.dtype == (F64 if wide else target.dtype), where, f"{combine} into {target.dtype}")


def _verify_statements(body: tuple[Statement, ...], scope: _Scope, where: str) -> None:
    pending: list[tuple[Statement, _Scope]] = [(statement, scope) for statement in reversed(body)]
    while pending:
        statement, inside = pending.pop()
        here = f"{where}, {show_statement(statement)}"
        if isinstance(statement, Loop):
            _expect_affine(statement.extent, inside, here)
            own = (statement.variable, statement.rows) if statement.rows else (statement.variable,)
            for name in own:
                _expect_new(name, inside, here)
            _expect(statement.block > 0, here, "blocks have entries")
            _expect(bool(statement.rows) or statement.block == 1, here, "steps without a name")
            variables = inside.variables | {*own}
            later = inside.written | set(_writes_of(statement.body))
            within = inside._replace(variables=variables, written=later)
            pending += [(inner, within) for inner in reversed(statement.body)]
            inside.written.update(_writes_of(statement.body))
        elif isinstance(statement, Nest):
            _verify_nest(statement, inside, here)
        elif isinstance(statement, Swap):
            _verify_swap(statement, inside, here)
        elif isinstance(statement, (Gather, Scatter)):
            _verify_move(statement, inside, here)
        elif isinstance(statement, Expect):
            dtype = _expect_read(statement.buffer, statement.index, inside, here)
            _expect(dtype == I64, here, "only i64 are expected to be none")
            _expect_sizes((statement.bound,), inside.dims, here)
        else:
            assert isinstance(statement, Check)
            dtype = _expect_read(statement.buffer, statement.index, inside, here)
            _expect(dtype in FLOATS, here, "only floats are checked")
            _expect_affine(statement.position, inside, here)


def _writes_of(body: tuple[Statement, ...]) -> Iterator[Written]:
    for statement in statements_of(body):
        if isinstance(statement, Nest):
            yield from (_written(write) for write in statement.writes if not write.accumulate)
        elif isinstance(statement, (Swap, Gather, Scatter)):
            yield statement.target


def _written(write: Write) -> Written:
    """What a write gives a value: the buffer, or one entry where the index is constant."""
    is_entry = bool(write.index) and not any(index.terms for index in write.index)
    return (write.buffer, write.index) if is_entry else write.buffer


def _has_value(written: set[Written], name: str, index: tuple[Affine, ...] | None = None) -> bool:
    """Whether an entry of a buffer, or any where it is not known which, has a value."""
    if name in written:
        return True
    if index is None or any(component.terms for component in index):
        return any(isinstance(entry, tuple) and entry[0] == name for entry in written)
    return (name, index) in written


def _verify_swap(swap: Swap, scope: _Scope, where: str) -> None:
    source, target = (_buffer(name, scope, where) for name in (swap.source, swap.target))
    _expect(_has_value(scope.written, source.name), where, f"nothing wrote {source.name} before")
    _expect((source.dtype, source.shape) == (target.dtype, target.shape), where, "the types differ")
    _expect(target.space in (RESULT, WORKSPACE, TILE), where, f"a copy into an {target.space}")
    _expect(scope.stream is None or target.space == TILE, where, "all blocks write it")
    scope.written.add(target.name)


def _verify_move(move: Gather | Scatter, scope: _Scope, where: str) -> None:
    dtype = _expect_read(move.source, move.source_index, scope, where)
    _expect(_expect_read(move.places, move.places_index, scope, where) == I64, where, "places are i64")
    _expect_sizes((move.length, move.bound), scope.dims, where)
    target = _buffer(move.target, scope, where)
    _expect(target.dtype == dtype, where, f"{dtype} is moved into {target.dtype}")
    _expect(target.space in (RESULT, WORKSPACE), where, f"entries are moved into an {target.space}")
    _expect(scope.stream is None, where, "all blocks write it")
    _expect(len(move.target_index) == len(target.shape), where, f"{target.name} has {len(target.shape)} axes")
    for component in move.target_index:
        _expect_affine(component, scope, where)
    if isinstance(move, Scatter):
        _expect(dtype in FLOATS, where, f"{dtype} is not added up")
        _expect(_has_value(scope.written, target.name), where, f"nothing wrote {target.name} before")
    scope.written.add(target.name)


# ---- nests


def _verify_nest(nest: Nest, scope: _Scope, where: str) -> None:
    names = [axis.name for axis in nest.axes]
    for axis in nest.axes:
        _expect_affine(axis.extent, scope, f"{where}, extent of {axis.name}")
    for position, name in enumerate(names):
        _expect_new(name, scope._replace(variables=scope.variables | set(names[:position])), where)
    _expect(nest.reduced <= set(names), where, "an axis is reduced that is not there")
    kept = [name for name in names if name not in nest.reduced]
    _expect(names[: len(kept)] == kept, where, "the reduced axes are not last")
    if nest.vector:
        part = [name for name in names if (name in nest.reduced) == (nest.vector in nest.reduced)]
        _expect(part[-1:] == [nest.vector], where, "the vector axis is not the last of its part")
    for name, steps in nest.unroll:
        _expect(name in kept and steps > 0, where, f"unrolled {steps} times over {name}")
    _expect(nest.panel > 0, where, "a panel without additions")
    inside = scope._replace(variables=scope.variables | set(names))
    dtypes: list[str] = []
    for number, instruction in enumerate(nest.body):
        _verify_instruction(instruction, dtypes, inside, f"{where}, %{number}")
        dtypes.append(instruction.dtype)
    _expect(bool(nest.writes), where, "nothing is written")
    _expect(len({(w.buffer, w.index) for w in nest.writes}) == len(nest.writes), where, "an entry is written twice")
    for write in nest.writes:
        _verify_write(write, nest, dtypes, scope, f"{where}, `{show_write(write)}`")
    scope.written.update(_written(write) for write in nest.writes)


def _verify_instruction(instruction: Instruction, dtypes: list[str], scope: _Scope, where: str) -> None:
    _expect(instruction.dtype in DTYPES, where, f"no dtype: {instruction.dtype}")
    if isinstance(instruction, Load):
        dtype = _expect_read(instruction.buffer, instruction.index, scope, where)
        _expect(dtype == instruction.dtype, where, f"{instruction.buffer} is {dtype}, not {instruction.dtype}")
        _expect_guards(instruction.guards, scope, where)
    elif isinstance(instruction, Constant):
        _expect(_is_literal(instruction), where, f"{instruction.value!r} is no {instruction.dtype}")
    elif isinstance(instruction, IndexValue):
        _expect_affine(instruction.index, scope, where)
        _expect(instruction.dtype in INTEGERS, where, f"an index is no {instruction.dtype}")
    elif isinstance(instruction, Holds):
        _expect_guards(instruction.guards, scope, where)
        _expect(instruction.dtype == BOOL, where, f"a condition is no {instruction.dtype}")
    else:
        _verify_apply(instruction, dtypes, where)


def _is_literal(constant: Constant) -> bool:
    if isinstance(constant.value, bool) or constant.dtype == BOOL:
        return isinstance(constant.value, bool) and constant.dtype == BOOL
    return isinstance(constant.value, int) or constant.dtype in FLOATS


def _verify_apply(apply: Apply, dtypes: list[str], where: str) -> None:
    op = apply.op
    _expect(op.kind == ELEMENTWISE, where, f"{op.name} is not elementwise")
    _expect(all(0 <= number < len(dtypes) for number in apply.args), where, "an operand is not before it")
    try:
        type_ = op.infer(tuple(Type(dtypes[number]) for number in apply.args), apply.attrs)
    except TypeRuleError as error:
        raise InternalError(f"{where}: {error}") from None
    _expect(type_ == Type(apply.dtype), where, f"{op.name} gives {type_}, not {apply.dtype}")


def _verify_write(write: Write, nest: Nest, dtypes: list[str], scope: _Scope, where: str) -> None:
    kept = {axis.name for axis in nest.axes if axis.name not in nest.reduced}
    buffer = _buffer(write.buffer, scope, where)
    own = kept if write.combine else kept | nest.reduced
    _expect(buffer.space != ARGUMENT, where, "arguments are read only")
    _expect(0 <= write.value < len(dtypes), where, "no such instruction")
    _expect(bool(write.combine) or not write.accumulate, where, "accumulates without combining")
    _expect(buffer.space in (ACCUMULATOR, TILE) or not write.accumulate, where, "accumulates outside of a kernel")
    if write.accumulate and buffer.space == TILE:
        _expect(_has_value(scope.written, buffer.name), where, f"nothing wrote {buffer.name} before")
    _expect(write.accumulate or buffer.space != ACCUMULATOR, where, "replaces what an accumulator holds")
    _expect(len(write.index) == len(buffer.shape), where, f"{buffer.name} has {len(buffer.shape)} axes")
    for index in write.index:
        _expect_affine(index, scope._replace(variables=scope.variables | kept | nest.reduced), where)
    used = {name for index in write.index for name in index.variables()}
    _expect(not used & (nest.reduced - own), where, "the index uses an axis that is reduced")
    _expect(own <= used, where, "several points write one entry")
    if scope.stream is not None and buffer.space in (RESULT, WORKSPACE):
        _expect(scope.stream.start in used, where, "all blocks write one entry")
    dtype = dtypes[write.value]
    if write.combine:
        _expect(dtype in COMBINES.get(write.combine, ()), where, f"{write.combine} does not combine {dtype}")
    if write.accumulate and buffer.space == ACCUMULATOR:
        _expect(write.combine == scope.combines[buffer.name], where, f"not {scope.combines[buffer.name]}")
    wide = write.accumulate and write.combine in ("add", "mul") and dtype in FLOATS
    _expect(buffer.dtype == (F64 if wide else dtype), where, f"{dtype} into {buffer.dtype}")


# ---- names and expressions


def _expect(holds: bool, where: str, text: str) -> None:
    if not holds:
        raise InternalError(f"{where}: {text}")


def _buffer(name: str, scope: _Scope, where: str) -> Buffer:
    if name not in scope.buffers:
        raise InternalError(f"{where}: no buffer {name}")
    return scope.buffers[name]


def _expect_read(name: str, index: tuple[Affine, ...], scope: _Scope, where: str) -> str:
    """An entry that can be read; returns its dtype."""
    buffer = _buffer(name, scope, where)
    _expect(buffer.space != ACCUMULATOR, where, f"{name} is read before all chunks are combined")
    _expect(_has_value(scope.written, name, index), where, f"nothing wrote {name} before")
    _expect(len(index) == len(buffer.shape), where, f"{name} has {len(buffer.shape)} axes")
    for component in index:
        _expect_affine(component, scope, where)
    return buffer.dtype


def _expect_new(name: str, scope: _Scope, where: str) -> None:
    _expect(name not in scope.variables, where, f"{name} is the name of two variables")


def _expect_guards(guards: tuple[Guard, ...], scope: _Scope, where: str) -> None:
    for guard in guards:
        _expect_affine(guard.position, scope, where)
        _expect_sizes((guard.extent,), scope.dims, where)
        _expect(guard.step > 0, where, "a guard without a step")


def _expect_affine(affine: Affine, scope: _Scope, where: str) -> None:
    pending = [affine]
    while pending:
        part = pending.pop()
        _expect_sizes((part.constant, *(coefficient for _, coefficient in part.terms)), scope.dims, where)
        _expect(len({variable for variable, _ in part.terms}) == len(part.terms), where, "a variable occurs twice")
        for variable, _ in part.terms:
            if isinstance(variable, Quotient):
                _expect_sizes((variable.divisor,), scope.dims, where)
                pending.append(variable.numerator)
            else:
                _expect(variable in scope.variables, where, f"no variable {variable}")


def _expect_sizes(sizes: Iterable[Size], dims: frozenset[str], where: str) -> None:
    for size in sizes:
        unknown = size.dims() - dims
        _expect(not unknown, where, f"no dim {', '.join(sorted(unknown))}")
