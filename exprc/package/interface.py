"""What an artefact offers, as plain immutable data: sizes, arguments, callables, requirements.

The driver fills an `Interface` from the graph and the launch plans; header, manifest and module are written from it
alone.  Knows nothing of graphs, kernels or LLVM.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from exprc.ir.sizes import Size

LOSS, OUTPUT = "loss", "output"
INPUT, PARAM = "input", "param"


class Dim(NamedTuple):
    """A size symbol.  `value` is set when it is fixed at compile time; it is then no argument of any callable."""

    name: str
    line: int
    value: int | None = None


class Argument(NamedTuple):
    """An input or a param.

    `start` is the start value of a param: None where none is given, a number that fills the array (`zeros` is 0.0),
    or all entries in row-major order.  `c_name` and `python_name` come from `exprc.package.names`.
    """

    name: str
    role: str  # input | param
    dtype: str
    shape: tuple[Size, ...]
    doc: str
    line: int
    declaration: str  # the declaration as the source has it: `input X : f64[n, d]`
    start: float | tuple[float, ...] | None
    c_name: str
    python_name: str


class Result(NamedTuple):
    """An array or a scalar that a callable writes."""

    name: str
    dtype: str
    shape: tuple[Size, ...]


class Requirement(NamedTuple):
    """A fact about sizes that is checked on entry of the callables in `needed_by`: `left relation right`."""

    text: str
    line: int
    left: Size
    relation: str  # == | != | <= | < | >= | >
    right: Size
    needed_by: tuple[str, ...] = ()


class Condition(NamedTuple):
    """A condition on the entries of an argument, checked while they are used: on which line, and the bound's name."""

    argument: str
    line: int
    name: str


class GradientEntry(NamedTuple):
    """The C function that gives the value and the gradients: one result for each name of `wrt`, in the same order."""

    symbol: str
    wrt: tuple[str, ...]
    results: tuple[Result, ...]


class Callable(NamedTuple):
    """A loss or an output.

    `arguments` and `dims` name what it depends on, in order of declaration, and are what its C functions take (dims
    without fixed ones; a dim that stands in the shape of an argument or a result is among them).  `symbol` is the C
    function of the value.  Every symbol S has `S_workspace` beside it.
    """

    name: str
    kind: str  # loss | output
    doc: str
    line: int
    arguments: tuple[str, ...]
    dims: tuple[str, ...]
    results: tuple[Result, ...]
    symbol: str
    gradient: GradientEntry | None = None


class Interface(NamedTuple):
    """Everything that header, manifest and module tell of a library.

    `cpus` are the processors that it has code for, in the order in which they are tried; `cpu_features` is what the
    least demanding of them needs.
    """

    name: str
    doc: str
    source_name: str
    source_sha256: str
    build_id: int
    exprc_version: str
    target: str
    cpu_features: tuple[str, ...]
    dims: tuple[Dim, ...]
    arguments: tuple[Argument, ...]
    callables: tuple[Callable, ...]
    requirements: tuple[Requirement, ...] = ()
    conditions: tuple[Condition, ...] = ()
    cpus: tuple[str, ...] = ()

    def argument(self, name: str) -> Argument:
        """The argument of that name."""
        return self.arguments_of((name,))[0]

    def arguments_of(self, names: Iterable[str]) -> list[Argument]:
        """The arguments of these names: one walk for all of them."""
        table = {argument.name: argument for argument in self.arguments}
        return [table[name] for name in names]


def requirements_of(interface: Interface, callable_: Callable) -> tuple[Requirement, ...]:
    """The requirements that a callable checks: those that it needs and that speak of no dim which it does not know."""
    known = frozenset(callable_.dims)
    return tuple(
        requirement
        for requirement in interface.requirements
        if callable_.name in requirement.needed_by and requirement.left.dims() | requirement.right.dims() <= known
    )
