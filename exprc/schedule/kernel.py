"""Kernels: what the schedule hands to the lowering, as immutable data.

A plan is one function of the library: arguments, results, workspace buffers, and kernels that run one after another.
A kernel streams over one axis in chunks of blocks of rows, or runs its statements once.  A statement is a nest of
loops around a straight body of scalar work, a sequential loop, or a check.  All sizes are symbols.

Owns the data and its meaning; must not know LLVM, targets or the graph's nodes.

The order of sums is part of the meaning.

- A nest that reduces over its vector axis keeps virtual lanes: entry j of the axis goes to lane j modulo their number,
  `LANES` of the widest float dtype in the body, else of the widest dtype.  At the end they are combined pairwise by
  halves.  Further reduced axes are outer loops and add to the same lanes.  Where the vector axis is not reduced (or
  there is none) entries are added one after another.
- Sums and products of floats are kept in f64, except that sums of f32 are made in f32 for a panel: at most `panel`
  additions to each lane, along the innermost reduced axis.  At its end the lanes are combined by halves in f32, and
  the result is added to one f64 sum.
- A float product that only one sum over reduced axes uses is added with one rounding (fma).  Whether it is one is
  judged of the scalar program that all operations of the body make together, after its simplification.
- The larger or smaller of equal floats is the right operand, which is the later entry; NaN wins over all numbers.
- An accumulator combines the nests' results block by block within a chunk; chunks are combined by a binary tree:
  partial[c] += partial[c + s] for s = 1, 2, 4, …
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from exprc.ir.index import Affine, Guard
from exprc.ir.op import Op
from exprc.ir.sizes import Size
from exprc.ir.types import BOOL, F64, FLOATS

LANES = {"f64": 16, "f32": 32, "i64": 16, "i32": 32, "bool": 32}
SUM_PANEL, PRODUCT_PANEL = 32, 256
MOST_CHUNKS = 64
PARTIALS_BYTES = 4 << 20
_LARGEST = {"i64": 2**63 - 1, "i32": 2**31 - 1}

ARGUMENT, RESULT, WORKSPACE, TILE, ACCUMULATOR = "argument", "result", "workspace", "tile", "accumulator"


class Buffer(NamedTuple):
    """Row-major contiguous memory.  A tile lives as long as one block, an accumulator as long as one chunk."""

    name: str
    dtype: str
    shape: tuple[Size, ...]
    space: str


class Load(NamedTuple):
    """An entry of a buffer; zero where a guard does not hold (and then nothing is read)."""

    buffer: str
    index: tuple[Affine, ...]  # type: ignore[assignment]
    guards: tuple[Guard, ...]
    dtype: str


class Constant(NamedTuple):
    """A literal.  Floats are given exactly by `value`, which may be inf, nan or -0.0."""

    value: float | int | bool
    dtype: str


class IndexValue(NamedTuple):
    """An index expression of loop variables and sizes as an integer."""

    index: Affine  # type: ignore[assignment]
    dtype: str = "i64"


class Holds(NamedTuple):
    """Whether all guards hold."""

    guards: tuple[Guard, ...]
    dtype: str = "bool"


class Apply(NamedTuple):
    """An elementwise operation on earlier instructions of the body, given by their numbers."""

    op: Op
    attrs: tuple[Any, ...]
    args: tuple[int, ...]
    dtype: str


Instruction: TypeAlias = Load | Constant | IndexValue | Holds | Apply


class Write(NamedTuple):
    """Stores instruction `value` into `buffer[index]`.

    Without `combine` it happens at every point of the nest, and the index uses every axis.  With it (`add mul max min
    or and`) the values are reduced over the nest's reduced axes first, and the index uses the other axes, and all of
    them; `accumulate` then combines the result with what is in the buffer, an accumulator or a tile, instead of
    replacing it.  Nothing but that is written to an accumulator.  A tile to which floats are added is f64.
    """

    buffer: str
    index: tuple[Affine, ...]  # type: ignore[assignment]
    value: int
    combine: str = ""
    accumulate: bool = False


class Axis(NamedTuple):
    """A loop variable that runs from 0 to `extent`, an expression of sizes and of the variables of statements around
    the nest; those of its own nest are not among them."""

    name: str
    extent: Affine


class Nest(NamedTuple):
    """Loops around a body.  `axes` are in loop order, the reduced ones last.

    `vector` names the axis that runs in vector lanes ("" for none): the last of the reduced or the last of the others.
    `unroll` names axes with the number of steps done at once, so that what is loaded once serves several results; it
    never changes a result.
    """

    axes: tuple[Axis, ...]
    reduced: frozenset[str]
    body: tuple[Instruction, ...]
    writes: tuple[Write, ...]
    vector: str = ""
    unroll: tuple[tuple[str, int], ...] = ()
    panel: int = SUM_PANEL


class Loop(NamedTuple):
    """Statements repeated in order for variable = 0 .. extent (or downwards where `reverse`).

    Where `rows` is the name of a second variable, the first goes up in steps of `block`, and the second is how many
    entries there are from it on, at most `block`.
    """

    variable: str
    extent: Affine
    body: tuple[Statement, ...]
    reverse: bool = False
    rows: str = ""
    block: int = 1


class Check(NamedTuple):
    """A fault with `code`, `line` and `index` unless the entry of the buffer is positive (NaN is not)."""

    buffer: str
    index: tuple[Affine, ...]  # type: ignore[assignment]
    code: int
    line: int
    position: Affine


class Expect(NamedTuple):
    """A fault unless the entry of an i64 buffer is the neutral element of `min`.

    That is what `min` comes to of the indices for which a condition does not hold, where it holds for all.  Else the
    entry is the fault's index: the lowest one, in whatever order they were met.  `bound` and `name` are told with it.
    """

    buffer: str
    index: tuple[Affine, ...]  # type: ignore[assignment]
    code: int
    line: int
    bound: Size
    name: str


class Gather(NamedTuple):
    """Entries at places that a buffer of i64 tells, for k from 0 to `length`, in order.

    The k-th entry of `target` becomes that entry of `source` which the k-th of `places` tells, or 0 where that is
    negative or not below `bound`.  Entries are counted row-major from an index in each of the buffers.
    """

    target: str
    target_index: tuple[Affine, ...]
    source: str
    source_index: tuple[Affine, ...]
    places: str
    places_index: tuple[Affine, ...]
    length: Size
    bound: Size


class Scatter(NamedTuple):
    """Entries added at places that a buffer of i64 tells, for k from 0 to `length`, in order.

    The k-th entry of `source`, a float, is added to that entry of `target` which the k-th of `places` tells; to none
    where that is negative or not below `bound`.  Entries are counted as those of a `Gather`.
    """

    target: str
    target_index: tuple[Affine, ...]
    source: str
    source_index: tuple[Affine, ...]
    places: str
    places_index: tuple[Affine, ...]
    length: Size
    bound: Size


class Swap(NamedTuple):
    """Copies buffer `source` over `target` (equal types): how a loop hands a state to its next step."""

    target: str
    source: str


Statement: TypeAlias = Nest | Loop | Check | Expect | Swap | Gather | Scatter


class Accumulator(NamedTuple):
    """A buffer that starts at the neutral element of `combine` in every chunk.

    It is f64 for float sums and products, whatever the dtype of `target`, the result or workspace buffer of the same
    shape that receives the combination of all chunks.
    """

    buffer: Buffer
    combine: str
    target: str


class Stream(NamedTuple):
    """The axis over which a kernel streams: `start` and `rows` are the variables with the first row and the number of
    rows of the block at hand.  Chunks are the least multiple of `block` rows, not under `chunk`, of which at most
    `chunk_limit` many cover `extent`."""

    extent: Size
    start: str
    rows: str
    block: int
    chunk: int


class Kernel(NamedTuple):
    """One launch.  Without a stream the statements run once."""

    name: str
    stream: Stream | None
    tiles: tuple[Buffer, ...]
    accumulators: tuple[Accumulator, ...]
    body: tuple[Statement, ...]


class Requirement(NamedTuple):
    """A fact about sizes that is checked on entry: `left == right` or `left <= right`, with its line."""

    left: Size
    relation: str
    right: Size
    line: int
    text: str


class Plan(NamedTuple):
    """One function of the library."""

    symbol: str
    dims: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    arguments: tuple[Buffer, ...]
    results: tuple[Buffer, ...]
    workspace: tuple[Buffer, ...]
    kernels: tuple[Kernel, ...]


def lanes_of(nest: Nest) -> int:
    """The virtual lanes of a nest that reduces over its vector axis: those of its widest float, else of its widest
    dtype."""
    dtypes = {instruction.dtype for instruction in nest.body}
    return min(LANES[dtype] for dtype in dtypes & FLOATS or dtypes)


def running_dtype(combine: str, dtype: str) -> str:
    """In what results are kept while values are combined: sums and products of floats in f64."""
    return F64 if combine in ("add", "mul") and dtype in FLOATS else dtype


def neutral(combine: str, dtype: str) -> float | int | bool:
    """What changes nothing when it is combined."""
    if dtype == BOOL:
        return combine in ("and", "min", "mul")
    if combine in ("add", "mul"):
        return int(combine == "mul")
    largest = float("inf") if dtype in FLOATS else _LARGEST[dtype]
    return largest if combine == "min" else -largest - (dtype not in FLOATS)


def buffers_of(plan: Plan) -> dict[str, Buffer]:
    """Every buffer of the plan by name, tiles and accumulators of its kernels included."""
    found = {buffer.name: buffer for buffer in (*plan.arguments, *plan.results, *plan.workspace)}
    for kernel in plan.kernels:
        for buffer in kernel.tiles:
            found[buffer.name] = buffer
        for accumulator in kernel.accumulators:
            found[accumulator.buffer.name] = accumulator.buffer
    return found


def statements_of(body: tuple[Statement, ...]) -> Iterator[Statement]:
    """All statements, those within loops included, in order."""
    pending = list(reversed(body))
    while pending:
        statement = pending.pop()
        yield statement
        if isinstance(statement, Loop):
            pending.extend(reversed(statement.body))


def cut(body: tuple[Statement, ...], most: int) -> list[tuple[Statement, ...]]:
    """Statements in parts of at most so many instructions, and of at least one statement."""
    parts: list[list[Statement]] = [[]]
    size = 0
    for statement in body:
        own = sum(len(inner.body) for inner in statements_of((statement,)) if isinstance(inner, Nest))
        if parts[-1] and size + own > most:
            parts.append([])
            size = 0
        parts[-1].append(statement)
        size += own
    return [tuple(part) for part in parts]


def buffers_in(body: tuple[Statement, ...]) -> frozenset[str]:
    """The names of the buffers that statements read or write."""
    found: set[str] = set()
    for statement in statements_of(body):
        if isinstance(statement, Nest):
            found.update(one.buffer for one in statement.body if isinstance(one, Load))
            found.update(write.buffer for write in statement.writes)
        elif isinstance(statement, (Check, Expect)):
            found.add(statement.buffer)
        elif isinstance(statement, Swap):
            found.update((statement.source, statement.target))
        elif isinstance(statement, (Gather, Scatter)):
            found.update((statement.source, statement.target, statement.places))
    return frozenset(found)


def chunk_limit(accumulator_bytes: int) -> int:
    """How many chunks an axis is cut into at most, given the bytes of one chunk's accumulators.

    The same rule stands in the lowering as code of the library, since sizes are symbols.
    """
    return max(1, min(MOST_CHUNKS, PARTIALS_BYTES // max(1, accumulator_bytes)))


def chunk_length(extent: int, stream: Stream, limit: int) -> int:
    """The number of rows in a chunk: a function of program and sizes only."""
    least = max(stream.chunk, -(-extent // limit))
    return -(-least // stream.block) * stream.block
