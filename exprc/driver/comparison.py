"""`exprc check --grad`: compiled gradients held against differences of the compiled losses.

Each entry of a gradient, or some of many, and the derivative along a random direction are compared with differences of
several widths, extrapolated; how well these agree with each other says how far they can be trusted.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from exprc.diagnostics import Diagnostic, UserError
from exprc.driver.evaluation import MODULE, array_for, function_of, loaded, of_data, shape_in
from exprc.driver.options import Given, Options
from exprc.driver.pipeline import run_stages
from exprc.driver.requests import refuse_wrong_loss
from exprc.ir.types import NUMPY_NAMES
from exprc.package import interface as offered
from exprc.source import Source

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]
    Point = dict[str, Array]

MOST_ENTRIES = 40
WIDTH, HALVINGS, RATIO = {"f64": 2e-2, "f32": 1.0}, 6, 2.0
TOLERANCE = {"f64": 1e-6, "f32": 1e-2}
SIZES = (3, 4, 5, 2, 6, 7, 8, 9)
FAULTS = (TypeError, ValueError, ArithmeticError, IndexError)


class Row(NamedTuple):
    """The comparison of one gradient: how many of its entries, the largest error in relation to the largest entry."""

    loss: str
    param: str
    compared: int
    entries: int
    error: float
    agrees: bool


def compare_gradients(source: Source, options: Options, data: Given | None) -> list[Row]:
    """A row for each loss and param, on the data or, without any, on seeded random numbers of small sizes."""
    state = run_stages(source, options._replace(name=MODULE, order=1), "package")
    assert state.model is not None and state.interface is not None
    refuse_wrong_loss(state.model, options)
    rows: list[Row] = []
    with loaded(state.files) as module:
        for callable_ in state.interface.callables:
            if callable_.gradient and (not options.only or callable_.name in options.only):
                point, given = _point(module, state.interface, callable_, data)
                rows += _rows(module, state.interface, callable_, point, given)
    return rows


# ---- where to compare


def _point(
    module: ModuleType, interface: offered.Interface, callable_: offered.Callable, data: Given | None
) -> tuple[Point, dict[str, int]]:
    """Arguments at which the loss and its gradients are finite, and the sizes that no array tells."""
    import numpy

    function = function_of(module, callable_)
    reason = "there are no sizes for which its requirements hold"
    advice: tuple[str, ...] = ()
    for number, sizes in enumerate(_sizes(interface, callable_) if data is None else [{}]):
        for kind in range(5):
            random = numpy.random.default_rng((number, kind))
            point = _random_point(interface, callable_, sizes, random, kind, data)
            bound = {size.symbol for argument in interface.arguments_of(callable_.arguments) for size in argument.shape}
            given = {name: value for name, value in sizes.items() if name in callable_.dims and name not in bound}
            try:
                value, gradients = function.value_and_grad(**_named(interface, point), **given)
            except FAULTS as problem:
                reason, advice = of_data(problem)
                continue
            if numpy.isfinite(value) and all(numpy.isfinite(g).all() for g in gradients):
                return point, given
            reason, advice = f"it is {value}" if not numpy.isfinite(value) else "its gradient is not finite", ()
    where = "the data" if data is not None else "random data"
    help = ("give data for which it is defined with `--data`",) if data is None else advice
    raise UserError(Diagnostic("E0709", f"`{callable_.name}` has no value on {where}: {reason}", help=help))


def _sizes(interface: offered.Interface, callable_: offered.Callable) -> Iterator[dict[str, int]]:
    """Small sizes, different where that is possible, for which all requirements hold; the first few."""
    fixed = {dim.name: dim.value for dim in interface.dims if dim.value is not None}
    free = [dim.name for dim in interface.dims if dim.value is None and dim.name in callable_.dims]
    requirements = offered.requirements_of(interface, callable_)
    shapes = [size for argument in interface.arguments_of(callable_.arguments) for size in argument.shape]
    choices = itertools.chain(
        itertools.permutations(SIZES, len(free)) if len(free) <= len(SIZES) else (),
        itertools.product(SIZES, repeat=len(free)),
    )
    found = 0
    for choice in itertools.islice(choices, 20_000):
        sizes = {**fixed, **dict(zip(free, choice))}
        if all(_holds(fact, sizes) for fact in requirements) and all(size.evaluate(sizes) > 0 for size in shapes):
            yield {name: sizes[name] for name in free}
            found += 1
            if found == 3:
                return


def _holds(fact: offered.Requirement, sizes: dict[str, int]) -> bool:
    try:
        left, right = fact.left.evaluate(sizes), fact.right.evaluate(sizes)
    except ArithmeticError:
        return False
    return {
        "==": left == right, "!=": left != right, "<=": left <= right, "<": left < right, ">=": left >= right,
        ">": left > right,
    }[fact.relation]  # fmt: skip


def _random_point(
    interface: offered.Interface,
    callable_: offered.Callable,
    sizes: dict[str, int],
    random: numpy.random.Generator,
    kind: int,
    data: Given | None,
) -> Point:
    point = {}
    fixed = {dim.name: dim.value for dim in interface.dims if dim.value is not None}
    for argument in interface.arguments_of(callable_.arguments):
        is_there = data is not None and (argument.name in data.arrays or argument.name in data.problems)
        if data is not None and (is_there or argument.role == offered.INPUT):
            point[argument.name] = array_for(argument, interface, data)
        else:
            shape = tuple(size.evaluate({**fixed, **sizes}) for size in argument.shape) if data is None else None
            shape = shape_in(argument, interface, data) if shape is None and data is not None else shape
            point[argument.name] = _random_array(argument.dtype, shape or (), random, kind)
    return point


def _random_array(dtype: str, shape: tuple[int, ...], random: numpy.random.Generator, kind: int) -> Array:
    """Numbers of any sign, then of (0, 1), then of (1, 2); in the last kinds square matrices are positive definite."""
    import numpy

    if dtype not in ("f64", "f32"):
        return numpy.array(random.integers(0, 2, shape)).astype(NUMPY_NAMES[dtype])
    if kind == 2:
        values = random.uniform(1.0, 2.0, shape)
    else:
        values = random.normal(0.0, 0.7, shape) if kind in (0, 3) else random.uniform(0.1, 0.9, shape)
    if kind > 2 and len(shape) > 1 and shape[-1] == shape[-2]:
        values = values @ values.swapaxes(-1, -2) + numpy.eye(shape[-1])
    return numpy.array(values, NUMPY_NAMES[dtype])


def _named(interface: offered.Interface, point: Point) -> dict[str, Array]:
    return {interface.argument(name).python_name: value for name, value in point.items()}


# ---- the comparison


def _rows(
    module: ModuleType,
    interface: offered.Interface,
    callable_: offered.Callable,
    point: Point,
    given: dict[str, int],
) -> Iterator[Row]:
    import numpy

    function = function_of(module, callable_)
    assert callable_.gradient is not None
    _, gradients = function.value_and_grad(**_named(interface, point), **given)
    for name, gradient in zip(callable_.gradient.wrt, gradients):
        gradient, x = numpy.asarray(gradient, "float64"), numpy.asarray(point[name])
        random = numpy.random.default_rng(x.size)
        narrow = "f32" if "f32" in (interface.argument(name).dtype, callable_.results[0].dtype) else "f64"

        def along(direction: Array, step: float, name: str = name, x: Array = x) -> float:
            moved = numpy.asarray(x + step * direction, x.dtype)
            return float(function(**_named(interface, {**point, name: moved}), **given))

        directions = list(_directions(x, random))
        exact = [float((gradient * direction).sum()) for direction in directions]
        scale = max([1e-3, *(abs(value) for value in exact)])
        errors = []
        for direction, value in zip(directions, exact):
            difference, doubt = _difference(lambda step, d=direction: along(d, step), WIDTH[narrow])  # type: ignore[misc]
            errors.append(max(0.0, abs(difference - value) - 2 * doubt) / scale)
        worst = max(errors, default=0.0)
        yield Row(callable_.name, name, min(x.size, MOST_ENTRIES), x.size, worst, worst <= TOLERANCE[narrow])


def _directions(x: Array, random: numpy.random.Generator) -> Iterator[Array]:
    """Along single entries, all or some of them, and along all together."""
    import numpy

    chosen = range(x.size) if x.size <= MOST_ENTRIES else sorted(random.choice(x.size, MOST_ENTRIES, replace=False))
    for entry in chosen:
        direction = numpy.zeros(x.shape)
        direction.flat[entry] = 1.0
        yield direction
    if x.size > 1:
        yield random.normal(0.0, 1.0, x.shape) / numpy.sqrt(x.size)


def _difference(function: Callable[[float], float], width: float) -> tuple[float, float]:
    """The derivative at 0 by Ridders' method: central differences of falling width, extrapolated; and its doubt."""
    table: list[float] = []
    best, doubt = 0.0, float("inf")
    for _ in range(HALVINGS):
        row = [(function(width) - function(-width)) / (2 * width)]
        for order, previous in enumerate(table, 1):
            factor = RATIO ** (2 * order)
            row.append((factor * row[-1] - previous) / (factor - 1))
            found = max(abs(row[-1] - row[-2]), abs(row[-1] - previous))
            if found < doubt:
                best, doubt = row[-1], found
        table, width = row, width / RATIO
    return best, doubt
