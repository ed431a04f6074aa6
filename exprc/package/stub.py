"""The `.pyi` file beside the module: what type checkers and editors know of it."""

from __future__ import annotations

from exprc.package.classes import callable_name, describe, option_names, parameter_names
from exprc.package.escape import python_comment, python_docstring
from exprc.package.interface import Argument, Callable, Interface, Result
from exprc.package.names import python_name
from exprc.package.write import MARKER

_IMPORTS = """from typing import Any as _Any

import numpy as _np
from numpy.typing import ArrayLike as _ArrayLike, NDArray as _NDArray
"""
_PYTHON_TYPES = {"f64": "float", "f32": "float", "i64": "int", "i32": "int", "bool": "bool"}
_NUMPY_TYPES = {"f64": "float64", "f32": "float32", "i64": "int64", "i32": "int32", "bool": "bool_"}


def make_stub(interface: Interface) -> str:
    """The text of `NAME.pyi`."""
    parts = [f"# {MARKER}\n# {python_comment(interface.source_name)}\n\n{_IMPORTS}"]
    for callable_ in interface.callables:
        parts += _classes(interface, callable_)
    parts.append("".join(f"{callable_name(c)}: _Function_{callable_name(c)}\n" for c in interface.callables))
    parts.append("def set_num_threads(count: int) -> None: ...\n\n__exprc__: dict[str, _Any]\n")
    return "\n".join(parts)


def _classes(interface: Interface, callable_: Callable) -> list[str]:
    name = callable_name(callable_)
    texts = [_bound(interface, callable_), _function(interface, callable_)]
    if callable_.gradient:
        params = interface.arguments_of(callable_.gradient.wrt)
        fields = "".join(
            f"    @property\n    def {param.python_name}(self) -> {_result_type(result)}: ...\n"
            for param, result in zip(params, callable_.gradient.results, strict=True)
        )
        gradient = f"class _Gradient_{name}(tuple[_Any, ...]):\n{fields}"
        gradient += "    def __getitem__(self, key: _Any) -> _Any: ...\n    def keys(self) -> tuple[str, ...]: ...\n"
        params_given = ", ".join(f"{param.python_name}: _ArrayLike = ..." for param in params)
        flat = (
            f"class _Flat_{name}:\n"
            "    size: int\n"
            "    @property\n    def names(self) -> tuple[str, ...]: ...\n"
            "    def initial(self) -> _NDArray[_np.float64]: ...\n"
            f"    def pack(self, *, {params_given}) -> _NDArray[_np.float64]: ...\n"
            f"    def unpack(self, theta: _ArrayLike) -> _Gradient_{name}: ...\n"
            "    def value(self, theta: _ArrayLike) -> float: ...\n"
            "    def grad(self, theta: _ArrayLike) -> _NDArray[_np.float64]: ...\n"
            "    def value_and_grad(self, theta: _ArrayLike) -> tuple[float, _NDArray[_np.float64]]: ...\n"
        )
        texts = [gradient, flat, *texts]
    return texts


def _function(interface: Interface, callable_: Callable) -> str:
    name = callable_name(callable_)
    lines = [f"class _Function_{name}:", f"    {python_docstring(describe(interface, callable_), 4)}"]
    lines += _methods(interface, callable_, "")
    return "\n".join([*lines, _bind_method(interface, callable_)]) + "\n"


def _bound(interface: Interface, callable_: Callable) -> str:
    name = callable_name(callable_)
    lines = [f"class _Bound_{name}:", *_methods(interface, callable_, " = ...")]
    if callable_.gradient:
        lines += ["    @property", f"    def flat(self) -> _Flat_{name}: ..."]
    return "\n".join([*lines, _bind_method(interface, callable_)]) + "\n"


def _methods(interface: Interface, callable_: Callable, default: str) -> list[str]:
    out, downcast, _ = option_names(interface, callable_)
    dims = [python_name(dim) for dim in callable_.dims]
    required = parameter_names(interface, callable_)
    parameters = [f"{name}: {'int' if name in dims else '_ArrayLike'}{default}" for name in required]
    parameters += [f"{out}: _Any = ...", f"{downcast}: bool = ..."]
    keywords = f"*, {', '.join(parameters)}"
    value = _result_type(callable_.results[0])
    lines = [f"    def __call__(self, {keywords}) -> {value}: ..."]
    if callable_.gradient:
        gradient = f"_Gradient_{callable_name(callable_)}"
        lines.append(f"    def grad(self, {keywords}) -> {gradient}: ...")
        lines.append(f"    def value_and_grad(self, {keywords}) -> tuple[{value}, {gradient}]: ...")
    return lines


def _bind_method(interface: Interface, callable_: Callable) -> str:
    _, downcast, copy = option_names(interface, callable_)
    parameters = [f"{a.python_name}: _ArrayLike = ..." for a in interface.arguments_of(callable_.arguments)]
    parameters += [f"{python_name(name)}: int = ..." for name in callable_.dims]
    parameters += [f"{copy}: bool = ...", f"{downcast}: bool = ..."]
    return f"    def bind(self, *, {', '.join(parameters)}) -> _Bound_{callable_name(callable_)}: ..."


def _result_type(result: Result | Argument) -> str:
    return f"_NDArray[_np.{_NUMPY_TYPES[result.dtype]}]" if result.shape else _PYTHON_TYPES[result.dtype]
