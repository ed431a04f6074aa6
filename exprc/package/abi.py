"""The C signatures of a library: one description for the header, the hash, the manifest and the module.

A parameter is a size (`int64_t`), an argument (pointer to const), a result (pointer), the workspace or the fault.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.lower.module import LIBRARY_FUNCTIONS
from exprc.package.interface import Callable, GradientEntry, Interface, Result
from exprc.package.names import c_name, c_part

C_TYPES = {"f64": "double", "f32": "float", "i64": "int64_t", "i32": "int32_t", "bool": "uint8_t"}



class Parameter(NamedTuple):
    """One parameter of a C function; `name` is its spelling in C, `of` what it stands for."""

    role: str  # size | argument | result | workspace | fault
    ctype: str
    name: str
    of: str


class CFunction(NamedTuple):
    """A function that computes: the value of a callable, or its value and gradients."""

    symbol: str
    callable: Callable
    gradient: GradientEntry | None
    parameters: tuple[Parameter, ...]

    @property
    def workspace_symbol(self) -> str:
        """The function that tells how much workspace this one needs."""
        return self.symbol + "_workspace"

    @property
    def sizes(self) -> tuple[Parameter, ...]:
        """The parameters of the workspace's function."""
        return tuple(parameter for parameter in self.parameters if parameter.role == "size")


def c_functions(interface: Interface) -> tuple[CFunction, ...]:
    """Every function that computes, in order of declaration, the value before the gradient."""
    functions: list[CFunction] = []
    for callable_ in interface.callables:
        functions.append(_function(interface, callable_, None))
        if callable_.gradient:
            functions.append(_function(interface, callable_, callable_.gradient))
    return tuple(functions)


def prototype(function: CFunction) -> str:
    """The declaration in one line, without the semicolon."""
    return f"int {function.symbol}({_list(function.parameters)})"


def workspace_prototype(function: CFunction) -> str:
    """The declaration of the function that tells the workspace's bytes."""
    return f"size_t {function.workspace_symbol}({_list(function.sizes)})"


def abi_hash(interface: Interface) -> int:
    """64 bits over all signatures; names of parameters count, since two sizes that swap places change the meaning."""
    functions = c_functions(interface)
    texts = [*map(prototype, functions), *map(workspace_prototype, functions)]
    value = 0xCBF29CE484222325  # FNV-1a: cheap, and hashlib would cost the process 12 ms to import
    for byte in "\n".join(texts).encode():
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def exported_symbols(interface: Interface) -> tuple[str, ...]:
    """Everything that the library shows to the world, sorted."""
    prefix = c_part(interface.name)
    functions = c_functions(interface)
    library = [f"{prefix}_{name}" for name in LIBRARY_FUNCTIONS]
    return tuple(sorted([*library, *(f.symbol for f in functions), *(f.workspace_symbol for f in functions)]))


def _function(interface: Interface, callable_: Callable, gradient: GradientEntry | None) -> CFunction:
    results: list[tuple[Result, str]] = [(result, c_name(result.name)) for result in callable_.results]
    if gradient:
        results += [
            (result, c_name(f"grad_{name}")) for name, result in zip(gradient.wrt, gradient.results, strict=True)
        ]
    parameters = [Parameter("size", "int64_t", c_name(name), name) for name in callable_.dims]
    for argument in interface.arguments_of(callable_.arguments):
        parameters.append(Parameter("argument", f"const {C_TYPES[argument.dtype]} *", argument.c_name, argument.name))
    parameters += [Parameter("result", f"{C_TYPES[result.dtype]} *", name, result.name) for result, name in results]
    parameters.append(Parameter("workspace", "void *", "workspace", ""))
    parameters.append(Parameter("fault", f"{c_part(interface.name)}_fault *", "fault", ""))
    unique = _with_unique_names(parameters, f"{c_part(interface.name)}_fault")
    return CFunction(gradient.symbol if gradient else callable_.symbol, callable_, gradient, unique)


def _with_unique_names(parameters: list[Parameter], fault_type: str) -> tuple[Parameter, ...]:
    """No name twice, and none that hides the type of the fault, which comes last."""
    taken = {fault_type}
    unique: list[Parameter] = []
    for parameter in parameters:
        name = parameter.name
        while name in taken:
            name = f"v_{name}"
        taken.add(name)
        unique.append(parameter._replace(name=name))
    return tuple(unique)


def _list(parameters: tuple[Parameter, ...]) -> str:
    return ", ".join(f"{p.ctype}{'' if p.ctype.endswith('*') else ' '}{p.name}" for p in parameters) or "void"
