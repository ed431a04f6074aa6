"""The `.pyi` file beside the module: what type checkers and editors know of it."""

from __future__ import annotations

from exprc.ir.types import BOOL, NUMPY_NAMES
from exprc.package.classes import callable_name, describe, option_names, parameter_names
from exprc.package.escape import python_comment, python_docstring
from exprc.package.interface import Argument, Callable, Interface, Result
from exprc.package.names import python_name
from exprc.package.write import MARKER

_IMPORTS = """from builtins import bool as _bool, float as _float, int as _int, str as _str
from builtins import property as _property, tuple as _tuple
from collections.abc import Sequence as _Sequence
from typing import Any as _Any

import numpy as _np
from numpy.typing import ArrayLike as _ArrayLike, NDArray as _NDArray
"""
_PYTHON_TYPES = {"f64": "_float", "f32": "_float", "i64": "_int", "i32": "_int", "bool": "_bool"}
_NUMPY_TYPES = {**NUMPY_NAMES, BOOL: "bool_"}
_METHODS_OF_TUPLES = frozenset(("count", "index"))


def make_stub(interface: Interface) -> str:
    """The text of `NAME.pyi`.

    A program's names may be those of builtins or `self`, so everything else has a name with an underscore.
    """
    parts = [f"# {MARKER}\n# {python_comment(interface.source_name)}\n\n{_IMPORTS}"]
    for callable_ in interface.callables:
        parts += _classes(interface, callable_)
    parts.append("".join(f"{callable_name(c)}: _Function_{callable_name(c)}\n" for c in interface.callables))
    parts.append("def set_num_threads(count: _int) -> None: ...\n\n__exprc__: dict[_str, _Any]\n")
    return "\n".join(parts)


def _classes(interface: Interface, callable_: Callable) -> list[str]:
    texts = [_bound(interface, callable_), _function(interface, callable_)]
    return [*_gradient(interface, callable_), *texts] if callable_.gradient else texts


def _gradient(interface: Interface, callable_: Callable) -> tuple[str, str]:
    """The types of a gradient and of `flat`."""
    assert callable_.gradient
    name = callable_name(callable_)
    params = interface.arguments_of(callable_.gradient.wrt)
    gradient = f"class _Gradient_{name}(_tuple[_Any, ...]):\n"
    for param, result in zip(params, callable_.gradient.results, strict=True):
        hides = "  # type: ignore[override]" if param.python_name in _METHODS_OF_TUPLES else ""
        gradient += f"    @_property\n    def {param.python_name}(_self) -> {_result_type(result)}: ...{hides}\n"
    gradient += "    def __getitem__(_self, key: _Any) -> _Any: ...\n    def keys(_self) -> _tuple[_str, ...]: ...\n"
    params_given = ", ".join(f"{param.python_name}: _ArrayLike = ..." for param in params)
    vector = "_NDArray[_np.float64]"
    return gradient, (
        f"class _Flat_{name}:\n"
        "    size: _int\n"
        "    @_property\n    def names(_self) -> _tuple[_str, ...]: ...\n"
        f"    def initial(_self) -> {vector}: ...\n"
        f"    def pack(_self, *, {params_given}) -> {vector}: ...\n"
        f"    def unpack(_self, theta: _ArrayLike) -> _Gradient_{name}: ...\n"
        "    def value(_self, theta: _ArrayLike) -> _float: ...\n"
        f"    def grad(_self, theta: _ArrayLike) -> {vector}: ...\n"
        f"    def value_and_grad(_self, theta: _ArrayLike) -> _tuple[_float, {vector}]: ...\n"
    )


def _function(interface: Interface, callable_: Callable) -> str:
    name = callable_name(callable_)
    lines = [f"class _Function_{name}:", f"    {python_docstring(describe(interface, callable_), 4)}"]
    lines += _methods(interface, callable_, "")
    return "\n".join([*lines, _bind_method(interface, callable_)]) + "\n"


def _bound(interface: Interface, callable_: Callable) -> str:
    name = callable_name(callable_)
    lines = [f"class _Bound_{name}:", *_methods(interface, callable_, " = ...")]
    if callable_.gradient:
        lines += ["    @_property", f"    def flat(_self) -> _Flat_{name}: ..."]
    return "\n".join([*lines, _bind_method(interface, callable_)]) + "\n"


def _methods(interface: Interface, callable_: Callable, default: str) -> list[str]:
    out, downcast, _, wrt = option_names(interface, callable_)
    required = parameter_names(interface, callable_)
    optional = [python_name(dim) for dim in callable_.dims if python_name(dim) not in required]
    dims = [python_name(dim) for dim in callable_.dims]
    parameters = [f"{name}: {'_int' if name in dims else '_ArrayLike'}{default}" for name in required]
    parameters += [f"{name}: _int = ..." for name in optional]
    parameters += [f"{out}: _Any = ...", f"{downcast}: _bool = ..."]
    keywords = f"_self, *, {', '.join(parameters)}"
    value = _result_type(callable_.results[0])
    lines = [f"    def __call__({keywords}) -> {value}: ..."]
    if callable_.gradient:
        gradient = f"_Gradient_{callable_name(callable_)}"
        keywords += f", {wrt}: _str | _Sequence[_str] | None = ..."
        lines.append(f"    def grad({keywords}) -> {gradient}: ...")
        lines.append(f"    def value_and_grad({keywords}) -> _tuple[{value}, {gradient}]: ...")
    return lines


def _bind_method(interface: Interface, callable_: Callable) -> str:
    _, downcast, copy, _ = option_names(interface, callable_)
    parameters = [f"{a.python_name}: _ArrayLike = ..." for a in interface.arguments_of(callable_.arguments)]
    parameters += [f"{python_name(name)}: _int = ..." for name in callable_.dims]
    parameters += [f"{copy}: _bool = ...", f"{downcast}: _bool = ..."]
    return f"    def bind(_self, *, {', '.join(parameters)}) -> _Bound_{callable_name(callable_)}: ..."


def _result_type(result: Result | Argument) -> str:
    return f"_NDArray[_np.{_NUMPY_TYPES[result.dtype]}]" if result.shape else _PYTHON_TYPES[result.dtype]
