"""Compiled code against the interpreter of the graph as written, derivatives against differences and mode against mode.

Tolerances come from the program itself: the interpreter runs again with every rounding replaced by a random error of a
few units in the last place (of the sum of the absolute terms, for sums and products, and more for long ones; none where
an operation does not round), and what that does to a result is what rounding may do to it.  Where that is not finite,
or a kink is nearby, nothing is compared; what seems a fault is looked at again with more runs, which see more kinks.
"""

from __future__ import annotations

import ctypes
import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from exprc.autodiff import expand_derivatives, gradient, pushforward
from exprc.check.model import Model
from exprc.diagnostics import KnownLimit
from exprc.driver import Options
from exprc.driver.compilation import Compilation
from exprc.driver.pipeline import run_stages
from exprc.ir.evaluate import evaluate
from exprc.ir.fault import Fault as EvaluationFault
from exprc.ir.node import Node
from exprc.ir.op import COMPOSITE, CONTRACT, ELEMENTWISE, OPAQUE, REDUCE
from exprc.lower import host_target, load_in_process
from exprc.ops import constant
from exprc.rewrite.engine import GROUPS, finish
from exprc.rewrite.rule import CLOSED_FORM
from exprc.schedule.kernel import Plan
from exprc.source import Source
from exprc.syntax.format import format_program
from fuzz.arena import Arena
from fuzz.front import Fault, crash

NUMPY = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}
ROUNDING = {"float64": 2.0**-53, "float32": 2.0**-24}
FACTOR = 40  # how many times the largest of some random errors the true one may be
RUNS, MORE_RUNS = 3, 16
LONG = 1024  # terms of a sum: errors of adding equal ones go one way
UNWRITTEN = "without rewrites"
LOST, WORSE = "rewriting loses digits", 1e3
EMPTY, NOT_DEFINITE = 7, 5
MOST_ENTRIES = 10_000_000
SPECIAL = (0.0, 1.0, -1.0, 0.5, 30.0)
EXACT = frozenset({"where", "neg", "abs", "sign", "floor", "ceil", "round", "minimum", "maximum", "relu", "clip"})
_INEXACT = (ELEMENTWISE, REDUCE, CONTRACT, COMPOSITE, OPAQUE)
Arrays = dict[str, Any]


class CFault(ctypes.Structure):
    """The fault of the C interface."""

    _fields_ = (("code", ctypes.c_int32), ("line", ctypes.c_int32), ("index", ctypes.c_int64),
                ("bound", ctypes.c_int64), ("name", ctypes.c_char * 48))  # fmt: skip


class Reference(NamedTuple):
    """What a result should be, how far from it rounding may bring it, and where that is known."""

    value: np.ndarray
    tolerance: np.ndarray
    is_known: np.ndarray


@cache
def arena() -> Arena:
    """That of this process."""
    return Arena()


def compare(text: str, seed: int) -> list[Fault]:
    """Every fault that a right program shows when it is compiled and run; empty if none."""
    choice = random.Random(f"data {seed}")
    faults: list[Fault] = []
    state = compiled(text, faults)
    if state is None:
        return faults
    library = Library(state)
    others: dict[str, Library] = {}
    if choice.random() < 0.2:
        other = compiled(text, faults, without_rewrites=(*GROUPS, CLOSED_FORM), stabilize=False)
        others |= {UNWRITTEN: Library(other)} if other else {}
    if choice.random() < 0.05:
        other = compiled(format_program(Source("m.expr", text)), faults)
        others |= {"after fmt": Library(other)} if other else {}
    assert state.model is not None
    for size in ("small", "large"):
        dims = draw_dims(state.model, choice, size)
        if dims is not None and library.most_entries(dims) > MOST_ENTRIES:
            continue
        if dims is not None and all(fault.kind == LOST for fault in faults):
            arrays = draw_arrays(state.model, dims, choice)
            faults += _compare(state, library, others, dims, arrays, choice)
    return faults


def compiled(text: str, faults: list[Fault], **options: Any) -> Compilation | None:
    """The program brought to LLVM's language; a failure is added to the faults."""
    try:
        return run_stages(Source("m.expr", text), Options(name="m", **options), "lower")
    except KnownLimit:
        return None
    except Exception as error:
        faults.append(crash("compile", error))
        return None


class Library:
    """A program's functions in this process, called on guarded memory."""

    def __init__(self, state: Compilation) -> None:
        self.engine = load_in_process(state.llvm, host_target())
        self.plans = {plan.symbol: plan for plan in state.plans}

    def __call__(
        self, symbol: str, dims: dict[str, int], arrays: Arrays, own_memory: bool = False
    ) -> tuple[int, Arrays]:
        """The status and the results by name."""
        plan, memory = self.plans[symbol], arena()
        memory.reset()
        at_start = bool(sum(dims.values()) % 2)
        given = [self._placed(memory, arrays[b.name.removeprefix("in_")], at_start) for b in plan.arguments]
        results = {
            b.name.removeprefix("out_"): memory.array(shape_of(b, dims), NUMPY[b.dtype], at_start) for b in plan.results
        }
        sizes = [dims[name] for name in plan.dims]
        workspace = None
        if not own_memory:
            count = self._function(symbol + "_workspace", ctypes.c_uint64, len(sizes))(*sizes)
            workspace = memory.array((count,), np.uint8, True).ctypes.data if count else None
        pointers = [a.ctypes.data for a in (*given, *results.values())]
        fault = CFault()
        function = self._function(symbol, ctypes.c_int32, len(sizes), len(pointers) + 2)
        status = function(*sizes, *pointers, workspace, ctypes.addressof(fault))
        return status, {name: array.copy() for name, array in results.items()}

    def most_entries(self, dims: dict[str, int]) -> int:
        """Of any argument or result."""
        buffers = [b for plan in self.plans.values() for b in (*plan.arguments, *plan.results)]
        return max((math.prod(shape_of(b, dims)) for b in buffers), default=0)

    def _function(self, symbol: str, result: Any, sizes: int, pointers: int = 0) -> Any:
        address = self.engine.get_function_address(symbol)
        kinds = [ctypes.c_int64] * sizes + [ctypes.c_void_p] * pointers
        return ctypes.CFUNCTYPE(result, *kinds)(address)

    @staticmethod
    def _placed(memory: Arena, value: np.ndarray, at_start: bool) -> np.ndarray:
        array = memory.array(value.shape, value.dtype, at_start)
        array[...] = value
        return array


def shape_of(buffer: Any, dims: dict[str, int]) -> tuple[int, ...]:
    """A buffer's shape in numbers."""
    return tuple(size.evaluate(dims) for size in buffer.shape)


# ---- data


def draw_dims(model: Model, choice: random.Random, size: str) -> dict[str, int] | None:
    """Sizes that meet what the program requires of them."""
    for _ in range(20):
        few = (1, 2, 3, 4, 5) if size == "small" else (0, 1, 2, 3, 6, 7, 8)
        dims = {d.name: choice.choice(few) for d in model.dims if d.value is None}
        if size == "large" and dims:
            dims[choice.choice(sorted(dims))] = choice.choice((9, 15, 16, 17, 31, 33))
        for dim in model.dims:
            if dim.value is not None:
                dims[dim.name] = dim.value.evaluate(dims)
        if all(holds(fact, dims) for fact in model.facts):
            return dims
    return None


def holds(fact: Any, dims: dict[str, int]) -> bool:
    """Whether sizes meet a requirement."""
    left, right = fact.left.evaluate(dims), fact.right.evaluate(dims)
    return {"<=": left <= right, "==": left == right, "<": left < right, ">=": left >= right}[fact.relation]


def draw_arrays(model: Model, dims: dict[str, int], choice: random.Random) -> Arrays:
    """Data for every input and param: ordinary numbers, in some programs with zeros, ties and large ones among them."""
    generator = np.random.default_rng(choice.getrandbits(32))
    special = choice.random() < 0.25
    found: Arrays = {}
    for declaration in model.declarations:
        shape, dtype = shape_of(declaration.type, dims), declaration.type.dtype
        if dtype in ("f64", "f32"):
            array = generator.normal(0, 0.8, shape)
            if special:
                array = np.where(
                    generator.random(shape) < 0.3, generator.choice(SPECIAL, shape), array
                )
        elif dtype == "bool":
            array = generator.integers(0, 2, shape)
        else:
            array = generator.integers(0, labels(declaration.name, dims), shape)
            array = array if declaration.name.startswith("labels") else array - 4
        found[declaration.name] = np.asarray(array, NUMPY[dtype])
    return found


def labels(name: str, dims: dict[str, int]) -> int:
    """How many classes the labels of that name have; a range for any other integers."""
    if name == "labels":
        return 1  # of a stored program: how many classes there are is not known
    if not name.startswith("labels_"):
        return 10
    classes = name.split("_")[1]
    return max(1, int(classes) if classes.isdigit() else dims[classes])


# ---- the reference


def noise(generator: np.random.Generator) -> Callable[[Node, list[Any], np.ndarray], np.ndarray]:
    """Random errors in place of roundings: of four units in the last place of the sum of the absolute terms."""

    def disturb(node: Node, arguments: list[Any], value: np.ndarray) -> np.ndarray:
        if value.dtype.kind == "b" and any(np.isnan(a).any() for a in arguments if a.dtype.kind == "f"):
            return ~value  # a stable form may have a number instead of NaN
        if value.dtype.kind != "f" or node.kind not in _INEXACT or node.op.combine in ("max", "min"):
            return value
        if node.op.name in EXACT or (node.op.name == "cast" and arguments[0].dtype.kind != "f"):
            return value
        scale = np.abs(value)
        if (node.kind == REDUCE and node.op.combine == "add") or node.kind == CONTRACT:
            scale = node.op.numpy(node.attrs, *[np.abs(a) for a in arguments])
            scale = scale * (1 + max(a.size for a in arguments) / max(value.size, 1) / LONG)
        error = (
            generator.choice((-1, 1), value.shape)
            * generator.uniform(2, 4, value.shape)
            * ROUNDING[value.dtype.name]
            * scale
        )
        return np.asarray(value + error, value.dtype)

    return disturb


def reference(
    roots: list[Node], arrays: Arrays, dims: dict[str, int], seed: int, count: int = RUNS
) -> list[Reference]:
    """What the roots are, by the interpreter, with tolerances."""
    values = evaluate(roots, arrays, dims)
    runs = [evaluate(roots, arrays, dims, noise(np.random.default_rng(seed + i))) for i in range(count)]
    found = []
    for index, value in enumerate(values):
        others = [run[index] for run in runs]
        if value.dtype.kind != "f":
            steady = np.all([other == value for other in others], axis=0)
            found.append(Reference(value, np.zeros(value.shape), steady))
            continue
        with np.errstate(all="ignore"):
            spread = np.max([np.abs(other.astype(np.float64) - value) for other in others], axis=0)
            unit = ROUNDING[value.dtype.name]
            tolerance = FACTOR * (spread + unit * np.abs(value, dtype=np.float64)) + (1e-300 if unit < 1e-10 else 1e-36)
        found.append(Reference(value, tolerance, np.isfinite(value) & np.isfinite(tolerance)))
    return found


# ---- comparing


def _compare(
    state: Compilation, library: Library, others: dict[str, Library], dims: dict[str, int], arrays: Arrays,
    choice: random.Random,
) -> list[Fault]:  # fmt: skip
    model, interface = state.model, state.interface
    assert model is not None and interface is not None
    raw = dict(
        zip([d.name for d in model.definitions], expand_derivatives(tuple(d.node for d in model.definitions), _same))
    )
    leaves = {d.name: d.node for d in model.declarations}
    faults: list[Fault] = []
    for entry, callable_ in zip(state.entries, interface.callables):
        wrt = callable_.gradient.wrt if callable_.gradient else ()
        roots = [raw[entry.definition.name]]
        roots += gradient(roots[0], [leaves[name] for name in wrt]) if wrt else []
        names = [callable_.results[0].name, *(f"grad_{name}" for name in wrt)]
        seed, expected = choice.getrandbits(30), list[Reference]()
        calls = []
        for symbol in (callable_.symbol, *([callable_.gradient.symbol] if callable_.gradient else [])):
            for label, one in (("", library), *others.items()):
                calls.append((symbol, label, *one(symbol, dims, arrays, own_memory=choice.random() < 0.2)))
        for count in (RUNS, MORE_RUNS):
            try:
                expected = reference(roots, arrays, dims, seed, count)
                final = reference(list(finish((entry.value, *entry.gradients))), arrays, dims, seed + 100, count)
            except np.linalg.LinAlgError:
                break
            except EvaluationFault as fault:
                faults += _same_fault(fault, library, callable_.symbol, dims, arrays)
                break
            found = _all_faults(names, expected, final, calls, raw, arrays, dims)
            if not found:
                break
        else:
            faults += found
        if len(expected) > 1 and all(fault.kind == LOST for fault in faults):
            faults += _modes(roots, [leaves[name] for name in wrt], arrays, dims, choice)
            if "stop_gradient" not in state.source.text and _is_generic(arrays):
                faults += _differences(library, callable_, expected, dims, arrays, choice)
    return faults


def _all_faults(
    names: list[str], expected: list[Reference], final: list[Reference], calls: list[tuple[str, str, int, Arrays]],
    raw: dict[str, Node], arrays: Arrays, dims: dict[str, int],
) -> list[Fault]:  # fmt: skip
    """What is wrong with the rewritten graph, and with the results of compiled functions."""
    if not np.all(expected[0].is_known):
        names, expected, final = names[:1], expected[:1], final[:1]  # a loss without a value has no gradient
    where = f"dims {dims}"
    faults = _lost_digits(names, expected, final, where)
    known, rewritten = dict(zip(names, expected)), dict(zip(names, map(_either, expected, final)))
    for symbol, label, status, results in calls:
        if status == NOT_DEFINITE and _has_no_value(raw, arrays, dims):
            continue
        found = _judge(status, results, known if label == UNWRITTEN else rewritten, dims, where)
        faults += [Fault(f"{fault.kind} {label}".strip(), f"{symbol}: {fault.details}") for fault in found]
    return faults


def _same_fault(
    fault: EvaluationFault, library: Library, symbol: str, dims: dict[str, int], arrays: Arrays
) -> list[Fault]:
    """Compiled code refuses the values that the interpreter refuses: labels of a stored program, say."""
    status, _ = library(symbol, dims, arrays)
    return (
        [] if status == fault.code else [Fault(f"status {status} for {fault.code}", f"{symbol}: {fault}, dims {dims}")]
    )


def _either(raw: Reference, final: Reference) -> Reference:
    """What compiled code has to be near: the graph as written, as near as the rewritten graph lets it come.

    Where the graph as written overflows, a rewritten one that does not is right.
    """
    value = np.where(raw.is_known, raw.value, final.value)
    tolerance = np.where(raw.is_known, raw.tolerance, 0) + np.where(np.isfinite(final.tolerance), final.tolerance, 0)
    is_known = (raw.is_known | final.is_known) if value.dtype.kind == "f" else (raw.is_known & final.is_known)
    return Reference(value, tolerance, is_known)


def _has_no_value(raw: dict[str, Node], arrays: Arrays, dims: dict[str, int]) -> bool:
    """Whether some definition is not finite: a matrix of NaN is not definite, though nobody may look at its factor."""
    values = evaluate(list(raw.values()), arrays, dims)
    return not all(np.all(np.isfinite(value)) for value in values)


def _lost_digits(names: list[str], raw: list[Reference], final: list[Reference], where: str) -> list[Fault]:
    """Where the rewritten graph suffers far more from rounding than the one that was written."""
    faults = []
    for name, one, two in zip(names, raw, final):
        with np.errstate(all="ignore"):
            lost = (
                one.is_known
                & np.isfinite(two.tolerance)
                & (one.value != 0)
                & (one.value != two.value)  # the same bits: a kink is nearby
                & ~(two.tolerance <= WORSE * (one.tolerance + 1e-12 * np.abs(one.value)))
            )
        if one.value.dtype.kind == "f" and np.any(lost):
            place = tuple(int(i) for i in np.argwhere(lost)[0])
            details = (
                f"{name}{list(place)}: {float(one.tolerance[place])!r} to {float(two.tolerance[place])!r}, {where}"
            )
            faults.append(Fault(LOST, details))
    return faults


def _same(roots: tuple[Node, ...]) -> tuple[Node, ...]:
    return roots


def _judge(status: int, results: Arrays, known: dict[str, Reference], dims: dict[str, int], where: str) -> list[Fault]:
    if status == EMPTY and 0 in dims.values():
        return []
    if status:
        return [Fault(f"status {status}", where)]
    faults = []
    for name, expected in known.items():
        if name not in results:
            continue
        value = results[name]
        with np.errstate(all="ignore"):
            if value.dtype.kind == "f":
                error = np.abs(value.astype(np.float64) - expected.value)
                wrong = expected.is_known & ~(error <= expected.tolerance)
            else:
                wrong = expected.is_known & (value != expected.value)
        if np.any(wrong):
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            kind = "gradient" if name.startswith("grad_") else "value"
            if 0 in dims.values() and not np.isfinite(value[place]):
                kind += " of an empty axis"
            right = f"{expected.value[place]!r} ± {float(expected.tolerance[place])!r}"
            details = f"{name}{list(place)} is {value[place]!r}, expected {right}, {where}"
            faults.append(Fault(f"wrong {kind}" + (" (not finite)" if not np.isfinite(value[place]) else ""), details))
    return faults


def _modes(
    roots: list[Node], wrt: list[Node], arrays: Arrays, dims: dict[str, int], choice: random.Random
) -> list[Fault]:
    """Forward mode along a direction against reverse mode."""
    generator = np.random.default_rng(choice.getrandbits(30))
    from exprc.ops import input_

    directions = [input_(f"direction_{i}", node.type) for i, node in enumerate(wrt)]
    given = {f"direction_{i}": np.asarray(generator.normal(size=shape_of(node, dims)), NUMPY[node.dtype])
             for i, node in enumerate(wrt)}  # fmt: skip
    (tangent,) = pushforward((roots[0],), wrt, directions)
    tangent = tangent if tangent is not None else constant(0.0, roots[0].dtype)
    (forward,) = reference([tangent], arrays | given, dims, choice.getrandbits(30))
    reverse = reference(roots[1:], arrays, dims, choice.getrandbits(30))
    if not all(np.all(r.is_known) for r in (forward, *reverse)):
        return []
    total = sum(np.sum(r.value.astype(np.float64) * v) for r, v in zip(reverse, given.values()))
    slack = sum(np.sum(r.tolerance * np.abs(v)) for r, v in zip(reverse, given.values())) + float(forward.tolerance)
    slack += 64 * ROUNDING[forward.value.dtype.name] * sum(
        np.sum(np.abs(r.value.astype(np.float64) * v)) for r, v in zip(reverse, given.values()))  # fmt: skip
    if abs(float(forward.value) - total) <= slack:
        return []
    return [Fault("forward is not reverse", f"{float(forward.value)!r} | {total!r} ± {slack!r}, dims {dims}")]


def _differences(
    library: Library, callable_: Any, expected: list[Reference], dims: dict[str, int], arrays: Arrays,
    choice: random.Random,
) -> list[Fault]:  # fmt: skip
    """The gradient along a direction against differences of the compiled value, where they settle."""
    plan: Plan = library.plans[callable_.symbol]
    if any(b.dtype == "f32" for b in (*plan.arguments, *plan.results)) or not all(np.all(r.is_known) for r in expected):
        return []
    generator = np.random.default_rng(choice.getrandbits(30))
    direction = {name: generator.normal(size=arrays[name].shape) for name in callable_.gradient.wrt}
    terms = [np.sum(r.value * v) for r, v in zip(expected[1:], direction.values())]
    scale = sum(float(np.sum(np.abs(r.value * v))) for r, v in zip(expected[1:], direction.values()))

    def value(step: float) -> float:
        moved = arrays | {name: arrays[name] + step * v for name, v in direction.items()}
        return float(library(callable_.symbol, dims, moved)[1][callable_.results[0].name])

    found = [_slope(value, width) for width in (4e-3, 2e-3, 1.3e-3)]
    doubt = max(abs(found[0] - found[1]), abs(found[1] - found[2]))
    noise_ = float(expected[0].tolerance) / 1e-3
    if not np.isfinite(doubt) or doubt > 1e-6 * (scale + 1e-3) + noise_:
        return []
    if abs(found[1] - sum(terms)) <= 20 * doubt + 1e-5 * scale + 2 * noise_ + 1e-9:
        return []
    return [Fault("gradient is not the difference", f"{callable_.name}: {sum(terms)!r} | {found!r}, dims {dims}")]


def _is_generic(arrays: Arrays) -> bool:
    """Whether no two numbers are equal, so that there are no ties, and none is where functions have kinks."""
    floats = [a for a in arrays.values() if a.dtype.kind == "f"]
    return all(np.unique(a).size == a.size and not np.isin(a, SPECIAL).any() for a in floats)


def _slope(value: Callable[[float], float], width: float) -> float:
    weights = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))
    return sum(w * (value(k * width) - value(-k * width)) for k, w in weights) / width
