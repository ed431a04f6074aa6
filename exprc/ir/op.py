"""The `Op` record: all that exprc knows of one operation, and the closed set of kinds by which passes work.

Owns the shape of an entry and the check that it is complete.  Must not know any operation by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ELEMENTWISE, VIEW, REDUCE, CONTRACT, SCAN, COMPOSITE, OPAQUE = (
    "elementwise", "view", "reduce", "contract", "scan", "composite", "opaque",
)  # fmt: skip
LEAF, PROJECT, DERIVATIVE = "leaf", "project", "derivative"

# What an entry of each kind has to say beside name, doc, type rule and NumPy meaning.
KINDS: dict[str, tuple[str, ...]] = {
    LEAF: (),
    PROJECT: (),
    ELEMENTWISE: ("program", "numpy"),
    VIEW: ("index_map", "transpose", "numpy"),
    REDUCE: ("combine", "identity", "numpy"),
    CONTRACT: ("numpy",),
    SCAN: (),
    COMPOSITE: ("expand",),
    OPAQUE: ("routine", "numpy"),
    DERIVATIVE: (),
}
DIFFERENTIABLE = (ELEMENTWISE, REDUCE, OPAQUE)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation as the language calls it.

    `role` is `array` (a value), `axis` (a static axis or list of axes), `flag` (a static bool), `size` (a size),
    `sizes` (any number of sizes), `arrays` (a list of values).  `required` parameters have no default.  `indexes`
    names an array parameter and an axis of it: integers given here are indices of that axis.
    """

    name: str
    role: str = "array"
    required: bool = True
    default: Any = None
    indexes: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation.  Compared by identity; fields that its kind does not use are None.

    `infer(types, attributes) -> types` is the type rule of the graph, where broadcasting and promotion are explicit.
    `build(**arguments) -> Node` makes the graph for a call in the language (None: not callable by name).
    `numpy(attributes, *arrays)` is the meaning; sizes in the attributes are integers by then.
    `program(builder, *values)` is the scalar program of an elementwise operation.
    `partials(out, *arguments)` gives for each argument d out/d argument as a graph (None: zero, everywhere).
    `jvp(node, tangents)` gives the tangent, linear in the tangents (None: zero), where partials do not apply.
    `transpose(node, cotangent, index)` gives the cotangent of argument `index` of a node linear in it.
    `expand(node)` gives an equal graph of simpler operations.
    `index_map(attributes, argument_type, result_type)` is the `IndexMap` of a view.
    `fault(node)` is the `Condition` (see `exprc.ir.fault`) of an elementwise operation that gives its only argument as
    it is, provided that this holds.
    `least` is the bound below which a real argument is outside of the domain.
    `reach(node, known)` is what values go through as those of the arguments do (see `exprc.ir.reach`).
    `combine` names the scalar instruction of a reduction, `identity(dtype)` its neutral element.
    `routine(...)` describes an opaque operation as kernel statements (see `exprc.schedule.kernel`).
    """

    name: str
    kind: str
    doc: str
    infer: Callable[..., Any]
    signature: tuple[Parameter, ...] = ()
    build: Callable[..., Any] | None = None
    numpy: Callable[..., Any] | None = None
    dtype_rule: str = ""
    program: Callable[..., Any] | None = None
    partials: Callable[..., Any] | None = None
    jvp: Callable[..., Any] | None = None
    transpose: Callable[..., Any] | None = None
    expand: Callable[..., Any] | None = None
    no_gradient: str = ""
    index_map: Callable[..., Any] | None = None
    fault: Callable[..., Any] | None = None
    combine: str = ""
    identity: Callable[..., Any] | None = None
    routine: Callable[..., Any] | None = None
    infix: str = ""
    precedence: int = 0
    show: Callable[..., Any] | None = None
    latex: str = ""
    laws: frozenset[str] = frozenset()
    domain: tuple[tuple[float, float], ...] = ()
    least: float | None = None
    reach: Callable[..., Any] | None = None
    example: str = ""
    cost: int = 1

    def __post_init__(self) -> None:
        missing = [field for field in KINDS[self.kind] if not getattr(self, field)]
        if self.kind in DIFFERENTIABLE:
            rules = [self.partials, self.jvp, self.transpose, self.no_gradient]
            if not any(rules):
                missing.append("partials, jvp, transpose or no_gradient")
        if not self.doc:
            missing.append("doc")
        if missing:
            raise TypeError(f"operation {self.name!r} ({self.kind}) lacks {', '.join(missing)}")

    def __repr__(self) -> str:
        return f"Op({self.name})"


class TypeRuleError(Exception):
    """A type rule refuses its arguments; the text stands alone as a message."""
