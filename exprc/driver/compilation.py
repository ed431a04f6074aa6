"""The state of one compilation: what is handed from stage to stage.

Owns the records.  Must not know the stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from exprc.driver.options import Options
from exprc.ir.node import Node
from exprc.ir.sizes import Size, constant
from exprc.source import Source

if TYPE_CHECKING:
    from exprc.check.model import Declaration, Definition, Model
    from exprc.package.interface import Interface
    from exprc.rewrite import Applied
    from exprc.schedule.kernel import Plan
    from exprc.syntax.ast import Program


class Entry(NamedTuple):
    """A loss or output to build: its graph in final form, the inputs it reads, its gradients by params.

    `names` are those of the program's definitions, by their graphs as the gradients have them.
    """

    definition: Definition
    value: Node
    inputs: tuple[Declaration, ...]
    wrt: tuple[Declaration, ...] = ()
    gradients: tuple[Node, ...] = ()
    names: Mapping[Node, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Compilation:
    """The state of one compilation: what each stage has made so far."""

    source: Source
    options: Options
    program: Program | None = None
    model: Model | None = None
    values: dict[str, Node] = field(default_factory=dict)  # definitions in simplified form, by name
    entries: tuple[Entry, ...] = ()
    applied: tuple[Applied, ...] = ()
    interface: Interface | None = None
    plans: tuple[Plan, ...] = ()
    llvm: str = ""
    object: bytes = b""
    files: dict[str, str | bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # what the user should know of the files
    timings: tuple[tuple[str, float], ...] = ()


def fixed_sizes(model: Model) -> dict[str, Size]:
    """The dims whose value is known to the compiler."""
    found = {}
    for dim in model.dims:
        if dim.value is not None and dim.value.constant is not None:
            found[dim.name] = constant(dim.value.constant)
    return found


def definition_names(values: Mapping[str, Node]) -> dict[Node, str]:
    """The names of definitions by their simplified graphs; of equal ones the first."""
    names: dict[Node, str] = {}
    for name, node in values.items():
        if node.args:
            names.setdefault(node, name)
    return names
