"""The order of sums of `exprc.schedule.kernel` on NumPy arrays: lanes, halves, panels, and what a sum is kept in.

An oracle: written from the specification, not from the lowering.  Must not know buffers or index expressions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from exprc.ir.types import F32, F64, NUMPY_NAMES
from exprc.scalar.fused import fused_multiply_add
from exprc.schedule.kernel import Nest, lanes_of, neutral, running_dtype

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]



class Order(NamedTuple):
    """How a nest reduces values of one dtype: `lanes` is 1 where the vector axis is not reduced."""

    combine: str
    dtype: str
    lanes: int
    panel: int

    @property
    def panelled(self) -> bool:
        """Whether partial sums are made in f32."""
        return self.combine == "add" and self.dtype == F32


def order_of(nest: Nest, combine: str, dtype: str) -> Order:
    """The order in which a nest combines values of a dtype."""
    return Order(combine, dtype, lanes_of(nest) if nest.vector in nest.reduced else 1, nest.panel)


def combined(combine: str, left: Array, right: Array) -> Array:
    """`left` with `right`; NaN where either is, and the right one of equal floats."""
    import numpy as np

    if combine in ("add", "mul"):
        return left + right if combine == "add" else left * right
    if combine in ("or", "and") or left.dtype == np.bool_:
        return left | right if combine in ("or", "max") else left & right
    first = left > right if combine == "max" else left < right
    return np.where(first | (left != left), left, right)


def reduced(order: Order, factors: tuple[Array, ...], kept: int) -> Array:
    """The values of a nest's points combined over all axes but the first `kept`.

    `factors` is the value, or the two of a product that is added with one rounding; all have the shape of the nest.
    """
    import numpy as np

    shape = factors[0].shape
    *outer, extent = shape[kept:]
    running = running_dtype(order.combine, order.dtype)
    span = order.lanes * order.panel if order.panelled else extent
    total = _start(order, F64 if order.panelled else running, (*shape[:kept], 1 if order.panelled else order.lanes))
    for point in np.ndindex(*outer):
        for begin in range(0, extent, max(span, 1)):
            partial = _start(order, F32, (*shape[:kept], order.lanes)) if order.panelled else total
            for lanes in _turns(begin, min(begin + span, extent), order.lanes):
                values = tuple(factor[(..., *point, lanes)] for factor in factors)
                own = partial[..., : lanes.stop - lanes.start]
                own[...] = _updated(order, own, values)
            if order.panelled:
                total = total + by_halves("add", partial).astype(np.float64)[..., None]
    return by_halves(order.combine, total)


def by_halves(combine: str, lanes: Array) -> Array:
    """The last axis, a power of two long, combined pairwise: lane k with lane k + half."""
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = combined(combine, lanes[..., :half], lanes[..., half:])
    return lanes[..., 0]


def _turns(begin: int, end: int, lanes: int) -> Iterator[slice]:
    for first in range(begin, end, lanes):
        yield slice(first, min(first + lanes, end))


def _start(order: Order, dtype: str, shape: tuple[int, ...]) -> Array:
    import numpy as np

    return np.full(shape, neutral(order.combine, dtype), NUMPY_NAMES[dtype])


def _updated(order: Order, old: Array, values: tuple[Array, ...]) -> Array:
    if len(values) == 2:
        return fused_multiply_add(*values, old)
    return combined(order.combine, old, values[0].astype(old.dtype))
