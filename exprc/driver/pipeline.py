"""The stages from text to library, each a function from one immutable state to the next.

Owns their order.  Heavy rooms are imported by the stage that needs them.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from exprc.driver.compilation import Compilation, Entry, definition_names, fixed_sizes
from exprc.driver.options import Options, rewrite_settings
from exprc.ir.node import Node, toposort
from exprc.ir.substitution import substitute_sizes
from exprc.source import Source

if TYPE_CHECKING:
    from exprc.rewrite import Applied


class Stage(NamedTuple):
    """One step of the pipeline.

    `show` gives its result as text; `verify` raises an `InternalError` unless it is sound, and runs where the
    environment has `EXPRC_VERIFY` set, as in the tests.
    """

    name: str
    doc: str
    run: Callable[[Compilation], Compilation]
    show: Callable[[Compilation], str]
    verify: Callable[[Compilation], None] = lambda state: None


def run_stages(source: Source, options: Options, last: str) -> Compilation:
    """The state after the stage `last`, with the time that each took."""
    state = Compilation(source, options)
    with _no_garbage_collection():
        for stage in STAGES:
            start = time.perf_counter()
            state = stage.run(state)
            state = replace(state, timings=(*state.timings, (stage.name, time.perf_counter() - start)))
            if os.environ.get("EXPRC_VERIFY"):
                stage.verify(state)
            if stage.name == last:
                break
    return state


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Graphs have no cycles, and looking for some in 10^6 nodes takes more than half of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# ---- the stages


def _parse(state: Compilation) -> Compilation:
    from exprc.syntax.parse import parse

    return replace(state, program=parse(state.source))


def _check(state: Compilation) -> Compilation:
    from exprc.check import check_program
    from exprc.driver.requests import apply_dims

    assert state.program is not None
    model = check_program(state.program, state.source, state.options)
    return replace(state, model=apply_dims(model, state.options, state.source))


def _simplify(state: Compilation) -> Compilation:
    """Explicit derivatives expanded, every definition simplified."""
    from exprc.autodiff import expand_derivatives
    from exprc.rewrite import close, simplify

    model = state.model
    assert model is not None
    settings = rewrite_settings(state.options)
    sizes = fixed_sizes(model)
    log: list[Applied] = []

    def shorten(roots: tuple[Node, ...]) -> tuple[Node, ...]:
        result = close(roots, frozenset(), settings)
        log.extend(result.log)
        return result.roots

    roots = tuple(definition.node for definition in model.definitions)
    roots = expand_derivatives(roots, shorten)
    rewritten = simplify(substitute_sizes(roots, sizes), settings)
    values = {d.name: node for d, node in zip(model.definitions, rewritten.roots)}
    return replace(state, values=values, applied=(*log, *rewritten.log))


def _differentiate(state: Compilation) -> Compilation:
    """Losses and outputs chosen, and gradients of the losses in closed form."""
    from exprc.autodiff import gradient, merge_scans
    from exprc.driver.requests import chosen, differentiated_by
    from exprc.rewrite import close

    model = state.model
    assert model is not None
    settings = rewrite_settings(state.options)
    sizes = fixed_sizes(model)
    leaves = {d.name: substitute_sizes((d.node,), sizes)[0] for d in model.declarations}
    log: list[Applied] = []
    entries: list[Entry] = []
    for definition in chosen(model, state.options):
        value = state.values[definition.name]
        reached = frozenset(toposort((value,)))
        inputs = tuple(d for d in model.declarations if leaves[d.name] in reached)
        entry = Entry(definition, value, inputs)
        if definition.role == "loss" and state.options.order:
            wrt = tuple(d for d in inputs if differentiated_by(d, state.options))
            read = {name: node for name, node in state.values.items() if node in reached}
            derived = gradient(value, [leaves[d.name] for d in wrt])
            value, *merged = merge_scans((value, *derived, *read.values()))
            raw = merged[: len(wrt)]
            names = definition_names({**state.values, **dict(zip(read, merged[len(wrt) :]))})
            closed = close(raw, frozenset(names), settings) if state.options.simplify else None
            log.extend(closed.log if closed else ())
            entry = entry._replace(value=value, wrt=wrt, gradients=closed.roots if closed else tuple(raw), names=names)
        entries.append(entry)
    return replace(state, entries=tuple(entries), applied=(*state.applied, *log))


def _schedule(state: Compilation) -> Compilation:
    from exprc.driver.interface import make_interface, make_plans

    interface = make_interface(state)
    return replace(state, interface=interface, plans=make_plans(state, interface))


def _lower(state: Compilation) -> Compilation:
    from exprc.driver.targets import targets_of
    from exprc.lower import lower_versions
    from exprc.package.abi import abi_hash
    from exprc.package.names import c_part

    interface = state.interface
    assert interface is not None
    targets = targets_of(state.options)
    text = lower_versions(c_part(interface.name), state.plans, interface.build_id, abi_hash(interface), targets)
    return replace(state, llvm=text)


def _compile(state: Compilation) -> Compilation:
    from exprc.driver.targets import target_of
    from exprc.lower import compile_object

    return replace(state, object=compile_object(state.llvm, target_of(state.options)))


def _package(state: Compilation) -> Compilation:
    from exprc.driver.artefacts import make_artefacts

    made = make_artefacts(state)
    return replace(state, files=made.files, notes=made.notes)


# ---- verifying


def _verify_values(state: Compilation) -> None:
    from exprc.ir.verify import verify

    verify(state.values.values())


def _verify_entries(state: Compilation) -> None:
    from exprc.ir.verify import verify

    for entry in state.entries:
        verify((entry.value, *entry.gradients))


def _verify_plans(state: Compilation) -> None:
    from exprc.schedule.verify import verify_plan

    for plan in state.plans:
        verify_plan(plan)


def _showing(name: str) -> Callable[[Compilation], str]:
    """The function of this name in `showing`, which a plain build does not need."""

    def show(state: Compilation) -> str:
        from exprc.driver import showing

        text: str = getattr(showing, name)(state)
        return text

    return show


STAGES: tuple[Stage, ...] = (
    Stage("parse", "text to syntax tree", _parse, _showing("show_program")),
    Stage("check", "names, types, shapes: syntax tree to graph", _check, _showing("show_model")),
    Stage("simplify", "explicit derivatives expanded; folding, stable forms", _simplify, _showing("show_values"),
          _verify_values),
    Stage("differentiate", "gradients of the losses, in closed form", _differentiate, _showing("show_entries"),
          _verify_entries),
    Stage("schedule", "phases, nests, buffers: graph to kernels", _schedule, _showing("show_kernels"), _verify_plans),
    Stage("lower", "kernels to LLVM", _lower, _showing("show_llvm")),
    Stage("compile", "LLVM to object code", _compile, _showing("show_assembly")),
    Stage("package", "library, header, manifest and module", _package, _showing("show_files")),
)  # fmt: skip
