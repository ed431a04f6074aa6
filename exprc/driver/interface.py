"""From the compilation's state to what the library offers: its interface, and one plan for each function.

Owns the order of parameters and results; must not know how either is written down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from exprc import __version__
from exprc.check.model import Declaration, Model
from exprc.check.report import counted
from exprc.diagnostics import Diagnostic, KnownLimit, Label
from exprc.driver.compilation import Compilation, Entry, fixed_sizes
from exprc.driver.options import Options, rewrite_settings
from exprc.driver.targets import targets_of
from exprc.ir.node import Function, Node, toposort
from exprc.ir.op import VIEW
from exprc.ir.sizes import Size
from exprc.ir.substitution import substitute_attributes, substitute_sizes
from exprc.ir.types import Type
from exprc.lower import needed_features
from exprc.ops.leaves import INPUT, constant_value
from exprc.package.interface import (
    Argument,
    Callable,
    Condition,
    Dim,
    GradientEntry,
    Interface,
    Requirement,
    Result,
    requirements_of,
)
from exprc.package.names import c_name, check_model_name, python_name, symbols
from exprc.rewrite import finish, simplify
from exprc.schedule import kernel
from exprc.schedule.plan import beginning, make_plan

MOST_POINTERS = 1000  # of one function: Python's ctypes passes 1024 values, and code generation is quadratic in them


def make_interface(state: Compilation) -> Interface:
    """What the library offers."""
    model, options = state.model, state.options
    assert model is not None
    sizes = fixed_sizes(model)
    names = tuple(entry.definition.name for entry in state.entries)
    found = symbols(check_model_name(options.name), names)
    targets = targets_of(options)
    arguments = tuple(_argument(d, model, sizes) for d in model.declarations)
    callables = tuple(_callable(entry, pair, model) for entry, pair in zip(state.entries, found))
    text = state.source.text
    return Interface(
        options.name,
        model.doc,
        state.source.name.rsplit("/", 1)[-1],
        hashlib.sha256(text.encode()).hexdigest(),
        _build_id(text, options, " ".join(f"{t.triple} {t.cpu} {t.features}" for t in targets)),
        __version__,
        targets[0].triple,
        needed_features(targets[-1]),
        tuple(Dim(d.name, d.span.line, d.value.constant if d.value else None) for d in model.dims),
        arguments,
        callables,
        _requirements(model, sizes, callables),
        _conditions(state),
        tuple(target.cpu for target in targets),
    )


def make_plans(state: Compilation, interface: Interface) -> tuple[kernel.Plan, ...]:
    """A plan for the value of each loss and output, and one for value and gradients of each loss."""
    plans: list[kernel.Plan] = []
    model = state.model
    assert model is not None
    lines = {node: span.line for node, span in model.origins.items()}
    for entry, callable_ in zip(state.entries, interface.callables):
        value, *gradients = finish((entry.value, *entry.gradients), rewrite_settings(state.options))
        outputs = [(callable_.results[0].name, value)]
        whole = part = None
        if callable_.gradient:
            further = [(result.name, node) for result, node in zip(callable_.gradient.results, gradients)]
            whole = _plan(callable_.gradient.symbol, [*outputs, *further], callable_, interface, model, lines)
            part = beginning(whole, callable_.symbol, f"out_{callable_.results[0].name}")
        plans.append(part or _plan(callable_.symbol, outputs, callable_, interface, model, lines))
        if whole:
            plans.append(whole)
    return tuple(plans)


def _plan(
    symbol: str,
    outputs: list[tuple[str, Node]],
    callable_: Callable,
    interface: Interface,
    model: Model,
    lines: dict[Node, int],
) -> kernel.Plan:
    sizes = fixed_sizes(model)
    leaves = {d.name: substitute_sizes((d.node,), sizes)[0] for d in model.declarations}
    inputs = [(f"in_{name}", leaves[name]) for name in callable_.arguments]
    facts = requirements_of(interface, callable_)
    requirements = tuple(kernel.Requirement(r.left, r.relation, r.right, r.line, r.text) for r in facts)
    named = [(f"out_{name}", root) for name, root in outputs]
    return make_plan(symbol, callable_.dims, inputs, named, requirements, lines)


def _argument(declaration: Declaration, model: Model, sizes: dict[str, Size]) -> Argument:
    type_: Type = substitute_attributes(declaration.type, sizes)
    return Argument(
        declaration.name,
        declaration.role,
        type_.dtype,
        type_.shape,
        declaration.doc,
        declaration.line,
        declaration.text,
        _start(declaration),
        c_name(declaration.name),
        python_name(declaration.name),
    )


def _start(declaration: Declaration) -> float | None:
    """The number that fills a param at the start."""
    if declaration.start is None:
        return None
    value = constant_value(simplify((declaration.start,)).roots[0])
    if value is None:
        label = Label(declaration.span, "its start value is not one number")
        raise KnownLimit(Diagnostic("E0601", "start values that are not one number are not built yet", (label,)))
    return float(value)


def _callable(entry: Entry, names: tuple[str, str], model: Model) -> Callable:
    definition = entry.definition
    arguments = tuple(d.name for d in entry.inputs)
    used = _dims_of((entry.value, *entry.gradients))
    for declaration in entry.inputs:
        used |= _dims_of((declaration.node,))
    fixed = fixed_sizes(model)
    dims = tuple(d.name for d in model.dims if d.name in used and d.name not in fixed)
    value = Result(definition.name, entry.value.dtype, entry.value.shape)
    gradient = None
    if entry.wrt:
        results = tuple(
            Result(f"grad_{d.name}", g.dtype, g.shape) for d, g in zip(entry.wrt, entry.gradients)
        )
        gradient = GradientEntry(names[1], tuple(d.name for d in entry.wrt), results)
    role = "loss" if definition.role == "loss" else "output"
    _refuse_long(entry, len(dims) + len(arguments), gradient)
    return Callable(
        definition.name, role, definition.doc, definition.line, arguments, dims, (value,), names[0], gradient
    )


def _refuse_long(entry: Entry, arguments: int, gradient: GradientEntry | None) -> None:
    """Ends the build of a function with more arguments and results than can be passed."""
    results = 1 + (len(gradient.results) if gradient else 0)
    if arguments + results <= MOST_POINTERS:
        return
    needed = f"{arguments} sizes, inputs and params" + (f", and {counted(results - 1, 'gradient')}" if gradient else "")
    help = ["pass values of one kind as one array: `param w : f64[1000]`, used as `w[0]`, `w[1]`, …"]
    if gradient and arguments < MOST_POINTERS:
        help.append("`--order 0` builds the value without gradients")
    raise KnownLimit(
        Diagnostic(
            "E0605",
            f"a function of the library has at most {MOST_POINTERS} arguments and results",
            (Label(entry.definition.span, f"this depends on {needed}"),),
            (),
            tuple(help),
        )
    )


def _dims_of(roots: tuple[Node, ...]) -> set[str]:
    """All dims on which a graph depends, through types and attributes, those of loops' bodies included."""
    found: set[str] = set()
    pending: list[Any] = [*toposort(roots)]
    while pending:
        value = pending.pop()
        if isinstance(value, Node):
            pending.extend(size for type_ in value.types for size in type_.shape)
            pending.extend(value.attrs)
        elif isinstance(value, Size):
            found |= value.dims()
        elif isinstance(value, Function):
            pending.extend(toposort(value.results))
        elif isinstance(value, tuple):
            pending.extend(value)
    return found


def _requirements(model: Model, sizes: dict[str, Size], callables: Sequence[Callable]) -> tuple[Requirement, ...]:
    """The facts about sizes, those that are the same once the known sizes are put in being one."""
    found: dict[tuple[Size, str, Size], Requirement] = {}
    within = {c.name: model.names_within(c.name) for c in callables} if model.facts else {}
    for fact in model.facts:
        left, right = fact.left.substitute(sizes), fact.right.substitute(sizes)
        asked_by = fact.asked_by
        needed_by = tuple(name for name, names in within.items() if asked_by is None or not asked_by.isdisjoint(names))
        key = left, fact.relation, right
        same = found.get(key) or Requirement(fact.text, fact.line, *key)
        found[key] = same._replace(needed_by=(*same.needed_by, *needed_by))
    return tuple(found.values())


def _conditions(state: Compilation) -> tuple[Condition, ...]:
    """The conditions on entries of arguments; others have no name that a caller knows."""
    found: dict[Condition, None] = {}
    for node in toposort(root for entry in state.entries for root in (entry.value, *entry.gradients)):
        if node.op.fault is not None:
            condition = node.op.fault(node)
            source = node.args[0]
            while source.kind == VIEW:
                source = source.args[0]
            if source.op is INPUT:
                found[Condition(source.attrs[0], condition.line, condition.name)] = None
    return tuple(found)


def _build_id(text: str, options: Options, target: str) -> int:
    """64 bits over everything that the artefacts depend on."""
    relevant = options._replace(out_dir="", force=False, emit=(), target="", cpu="")
    parts = (text, repr(tuple(relevant)), target, __version__)
    digest = hashlib.sha256("\0".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little")
