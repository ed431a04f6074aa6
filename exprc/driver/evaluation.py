"""`exprc run`: a program compiled into a private folder, imported and called on data."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from exprc.diagnostics import Diagnostic, UserError
from exprc.driver.options import Options
from exprc.driver.pipeline import run_stages
from exprc.package.interface import Interface
from exprc.package.names import MODULE_METHODS, python_name
from exprc.source import Source

MODULE = "exprc_run_model"


def evaluate(source: Source, options: Options, data: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name: losses, outputs, `--show-value` definitions, and gradients as `dE/dw`."""
    wanted = options._replace(name=MODULE, order=1 if options.gradients else 0)
    state = run_stages(source, wanted, "package")
    interface = state.interface
    assert interface is not None and state.model is not None
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="exprc-") as folder:
        from exprc.package.write import write_artefacts

        write_artefacts(folder, state.files)
        module = _import(folder)
        for callable_ in interface.callables:
            given = _arguments(interface, callable_.arguments, data)
            function = getattr(module, python_name(callable_.name, MODULE_METHODS))
            given |= {d: data[d] for d in callable_.dims if d in data and d not in given}
            try:
                if options.gradients and callable_.gradient:
                    value, gradients = function.value_and_grad(**given)
                    results[callable_.name] = value
                    for name, gradient in zip(callable_.gradient.wrt, gradients):
                        results[f"d{callable_.name}/d{name}"] = gradient
                else:
                    results[callable_.name] = function(**given)
            except (TypeError, ValueError, IndexError) as problem:
                raise UserError(Diagnostic("E0709", str(problem))) from None
    return results


def _arguments(interface: Interface, names: tuple[str, ...], data: Mapping[str, Any]) -> dict[str, Any]:
    given = {}
    for name in names:
        argument = interface.argument(name)
        if name in data:
            given[argument.python_name] = data[name]
        elif isinstance(argument.start, (int, float)):
            given[argument.python_name] = _filled(argument, interface, data)
        else:
            raise UserError(
                Diagnostic(
                    "E0709",
                    f"the data has no array `{name}`",
                    notes=(
                        f"line {argument.line}: {argument.declaration}",
                        f"the data has {', '.join(data) or 'nothing'}",
                    ),
                )
            )
    return given


def _filled(argument: Any, interface: Interface, data: Mapping[str, Any]) -> Any:
    """A param at its start value, its sizes taken from the data."""
    import numpy

    sizes: dict[str, int] = {}
    for other in interface.arguments:
        if other.name in data:
            for size, extent in zip(other.shape, numpy.shape(data[other.name])):
                if size.symbol is not None:
                    sizes[size.symbol] = extent
    try:
        shape = tuple(size.evaluate(sizes) for size in argument.shape)
    except KeyError as unknown:
        raise UserError(
            Diagnostic("E0709", f"the data has no array `{argument.name}`, and nothing in it tells the size {unknown}")
        ) from None
    return numpy.full(shape, argument.start, {"f64": "float64", "f32": "float32", "i64": "int64"}[argument.dtype])


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
