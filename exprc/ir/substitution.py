"""Dims replaced by sizes throughout a graph: in types, shapes and other attributes, bodies of loops included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from exprc.ir.node import Function, Node, make, rebuild
from exprc.ir.sizes import Size
from exprc.ir.types import Type


def substitute_sizes(roots: tuple[Node, ...], values: Mapping[str, Size]) -> tuple[Node, ...]:
    """The roots with dims replaced."""
    if not values:
        return roots
    return rebuild(roots, lambda node, args: make(node.op, args, substitute_attributes(node.attrs, values)))


def substitute_attributes(value: Any, values: Mapping[str, Size]) -> Any:
    """Attributes with dims replaced; what holds no size stays as it is."""
    if isinstance(value, Size):
        return value.substitute(values)
    if isinstance(value, Type):
        return Type(value.dtype, tuple(size.substitute(values) for size in value.shape))
    if isinstance(value, Function):
        parameters = tuple(substitute_attributes(p, values) for p in value.parameters)
        return Function(parameters, substitute_sizes(value.results, values))
    if isinstance(value, tuple):
        return tuple(substitute_attributes(item, values) for item in value)
    return value
