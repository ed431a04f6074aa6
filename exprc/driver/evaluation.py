"""`exprc run`: a program compiled into a private folder, imported and called on data."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from exprc.diagnostics import Diagnostic, UserError
from exprc.driver.options import Given, Options
from exprc.driver.pipeline import run_stages
from exprc.ir.types import NUMPY_NAMES
from exprc.package.classes import callable_name
from exprc.package.interface import Argument, Callable, Interface
from exprc.source import Source
from exprc.spelling import nearest

MODULE = "exprc_run_model"
MOST_NAMES = 20


class RunReport(NamedTuple):
    """Values by name, gradients as `dE/dw`, and what is worth saying about the data."""

    values: dict[str, Any]
    diagnostics: tuple[Diagnostic, ...]


def evaluate(source: Source, options: Options, data: Given) -> RunReport:
    """Values by name: losses, outputs, `--show-value` definitions, and gradients as `dE/dw`."""
    wanted = options._replace(name=MODULE, order=1 if options.gradients else 0)
    state = run_stages(source, wanted, "package")
    interface = state.interface
    assert interface is not None and state.model is not None
    results: dict[str, Any] = {}
    needed = {name for callable_ in interface.callables for name in callable_.arguments}
    arguments = {a.name: array_for(a, interface, data) for a in interface.arguments if a.name in needed}
    with loaded(state.files) as module:
        for callable_ in interface.callables:
            given = {interface.argument(name).python_name: arguments[name] for name in callable_.arguments}
            given |= _sizes(callable_.dims, given, data)
            function = function_of(module, callable_)
            try:
                if options.gradients and callable_.gradient:
                    value, gradients = function.value_and_grad(**given)
                    results[callable_.name] = value
                    for name, gradient in zip(callable_.gradient.wrt, gradients):
                        results[f"d{callable_.name}/d{name}"] = gradient
                else:
                    results[callable_.name] = function(**given)
            except (TypeError, ValueError, OverflowError, ArithmeticError, IndexError) as problem:
                text, help = of_data(problem)
                raise UserError(Diagnostic("E0709", text, help=help)) from None
    return RunReport(results, tuple(_misspelt(interface, needed, data)))


def of_data(problem: Exception) -> tuple[str, tuple[str, ...]]:
    """What the module says of an argument, and help where that comes from a file: no option of a call helps there."""
    text, option, _ = str(problem).removeprefix(f"{MODULE}.").partition("; allow_downcast")
    return text, ("save the array with the declared dtype, which NumPy's `astype` gives it",) if option else ()


@contextmanager
def loaded(files: Mapping[str, str | bytes]) -> Iterator[ModuleType]:
    """The module of artefacts, imported from a private folder for as long as the block runs."""
    from exprc.package.write import write_artefacts

    with tempfile.TemporaryDirectory(prefix="exprc-") as folder:
        write_artefacts(folder, files)
        yield _import(folder)


def array_for(argument: Argument, interface: Interface, data: Given) -> Any:
    """The array of an input or a param from the data, or the start value of a param."""
    name = argument.name
    if name in data.arrays:
        array = data.arrays[name]
        return _from_text(argument, array) if name in data.texts else array
    place = f"line {argument.line}: {argument.declaration}"
    if name in data.problems:
        raise UserError(Diagnostic("E0709", f"the data has no array `{name}`: {data.problems[name]}", notes=(place,)))
    if argument.start is not None:
        return _filled(argument, interface, data)
    near = nearest(name, data.arrays)
    source = f"`--data {name}=FILE` gives the array of a file this name"
    if argument.shape == ():
        source = f"`--data {name}=0.5` gives a number, `{name}=FILE` the array of a file"
    elif len(argument.shape) == 2 and data.texts:
        source = f"`--data {name}=table.csv:a,b` makes it of columns of a table, `{name}=FILE` is the array of a file"
    start = f"or give it a start value in the program: `{argument.declaration} = 0`"
    raise UserError(
        Diagnostic(
            "E0709",
            f"the data has no array `{name}`",
            notes=(place, f"the data has {_listed(data.arrays)}"),
            help=(f"did you mean `{near}`? {source}" if near else source, *([start] * (argument.role == "param"))),
        )
    )


def _from_text(argument: Argument, array: Any) -> Any:
    """Numbers that were written as text, in the declared dtype where they are numbers of it; a table of one column or
    one line as the vector or number that is declared."""
    rank = len(argument.shape)
    if rank == 0 and array.size == 1:
        array = array.reshape(())
    elif rank == 1 and array.ndim == 2 and 1 in array.shape:
        array = array.reshape(-1)
    wanted = NUMPY_NAMES[argument.dtype]
    if array.dtype == wanted or array.dtype.kind not in "biuf":
        return array
    import numpy

    with numpy.errstate(all="ignore"):
        converted = array.astype(wanted)
    is_rounded = wanted.startswith("float") or (converted.astype(array.dtype) == array).all()
    return converted if is_rounded else array


def _sizes(dims: Iterable[str], given: Mapping[str, Any], data: Given) -> dict[str, int]:
    """Sizes that the data gives as numbers."""
    import numpy

    found = {}
    for name in dims:
        value = numpy.asarray(data.arrays.get(name, ()))
        if name not in given and value.size == 1 and value.dtype.kind in "iuf" and value.item() % 1 == 0:
            found[name] = int(value.item())
    return found


def _filled(argument: Argument, interface: Interface, data: Given) -> Any:
    """A param at its start value."""
    import numpy

    shape = shape_in(argument, interface, data)
    start = numpy.array(argument.start, NUMPY_NAMES[argument.dtype])
    return numpy.full(shape, start) if start.ndim == 0 else start.reshape(shape)


def shape_in(argument: Argument, interface: Interface, data: Given) -> tuple[int, ...]:
    """The shape of an argument that the data does not have, its sizes taken from the data."""
    import numpy

    sizes: dict[str, int] = {}
    for other in interface.arguments:
        if other.name in data.arrays:
            array = _from_text(other, data.arrays[other.name]) if other.name in data.texts else data.arrays[other.name]
            for size, extent in zip(other.shape, numpy.shape(array)):
                if size.symbol is not None:
                    sizes[size.symbol] = extent
    sizes |= _sizes([dim.name for dim in interface.dims], sizes, data)
    try:
        return tuple(size.evaluate(sizes) for size in argument.shape)
    except KeyError as unknown:
        raise UserError(
            Diagnostic("E0709", f"the data has no array `{argument.name}`, and nothing in it tells the size {unknown}")
        ) from None


def _misspelt(interface: Interface, needed: Collection[str], data: Given) -> Iterator[Diagnostic]:
    """A param that starts where the program says, beside an array that nobody asks for and that is nearly its name."""
    declared = {argument.name for argument in interface.arguments}
    unused = [name for name in data.arrays if name not in declared]
    for argument in interface.arguments:
        if argument.name in needed and argument.name not in data.arrays:
            near = nearest(argument.name, unused)
            if near:
                message = f"`{argument.name}` has its start value: the data has `{near}` but no `{argument.name}`"
                yield Diagnostic("L0701", message, severity="lint")


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(list(names)[:MOST_NAMES])
    return f"{shown} and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else shown or "nothing"


def function_of(module: ModuleType, callable_: Callable) -> Any:
    """The function of a loss or an output."""
    return getattr(module, callable_name(callable_))


def _import(folder: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(MODULE, f"{folder}/{MODULE}.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[MODULE] = module
    try:
        specification.loader.exec_module(module)
    finally:
        del sys.modules[MODULE]
    return module
