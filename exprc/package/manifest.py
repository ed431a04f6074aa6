"""The manifest: everything of an `Interface` as JSON with a schema version.

Sizes are written as the language writes them.
"""

from __future__ import annotations

from typing import Any

from exprc.package.abi import CFunction, abi_hash, c_functions
from exprc.package.classes import callable_name
from exprc.package.escape import json_text
from exprc.package.interface import Argument, Callable, GradientEntry, Interface, Requirement, Result
from exprc.package.names import c_name, python_name
from exprc.package.write import MARKER

SCHEMA = 1


def make_manifest(interface: Interface) -> str:
    """The text of `NAME.json`."""
    return json_text(manifest_data(interface))


def manifest_data(interface: Interface) -> dict[str, Any]:
    """The manifest as dicts and lists: what the file and the module's `__exprc__` hold."""
    return {
        "marker": MARKER,
        "schema": SCHEMA,
        "exprc": interface.exprc_version,
        "name": interface.name,
        "doc": interface.doc,
        "source": {"name": interface.source_name, "sha256": interface.source_sha256},
        "build_id": f"0x{interface.build_id:016x}",
        "abi_hash": f"0x{abi_hash(interface):016x}",
        "target": interface.target,
        "cpus": list(interface.cpus),
        "cpu_features": list(interface.cpu_features),
        "dims": [
            {
                "name": dim.name,
                "python_name": python_name(dim.name),
                "c_name": c_name(dim.name),
                "line": dim.line,
                "value": dim.value,
            }
            for dim in interface.dims
        ],
        "arguments": [_argument(argument) for argument in interface.arguments],
        "requirements": [_requirement(requirement) for requirement in interface.requirements],
        "conditions": [condition._asdict() for condition in interface.conditions],
        "callables": [_callable(callable_) for callable_ in interface.callables],
        "functions": [_c_function(function) for function in c_functions(interface)],
    }


def _argument(argument: Argument) -> dict[str, Any]:
    return {
        "name": argument.name,
        "python_name": argument.python_name,
        "c_name": argument.c_name,
        "role": argument.role,
        "dtype": argument.dtype,
        "shape": [str(size) for size in argument.shape],
        "doc": argument.doc,
        "line": argument.line,
        "declaration": argument.declaration,
        "start": list(argument.start) if isinstance(argument.start, tuple) else argument.start,
    }


def _requirement(requirement: Requirement) -> dict[str, Any]:
    return {
        "text": requirement.text,
        "line": requirement.line,
        "left": str(requirement.left),
        "relation": requirement.relation,
        "right": str(requirement.right),
        "needed_by": list(requirement.needed_by),
    }


def _callable(callable_: Callable) -> dict[str, Any]:
    return {
        "name": callable_.name,
        "python_name": callable_name(callable_),
        "kind": callable_.kind,
        "doc": callable_.doc,
        "line": callable_.line,
        "arguments": list(callable_.arguments),
        "dims": list(callable_.dims),
        "results": [_result(result) for result in callable_.results],
        "symbol": callable_.symbol,
        "gradient": _gradient(callable_.gradient),
    }


def _gradient(gradient: GradientEntry | None) -> dict[str, Any] | None:
    if gradient is None:
        return None
    return {
        "symbol": gradient.symbol,
        "wrt": list(gradient.wrt),
        "results": [_result(result) for result in gradient.results],
    }


def _result(result: Result) -> dict[str, Any]:
    return {"name": result.name, "dtype": result.dtype, "shape": [str(size) for size in result.shape]}


def _c_function(function: CFunction) -> dict[str, Any]:
    return {
        "symbol": function.symbol,
        "workspace_symbol": function.workspace_symbol,
        "parameters": [{"type": p.ctype.rstrip(), "name": p.name, "role": p.role} for p in function.parameters],
    }
