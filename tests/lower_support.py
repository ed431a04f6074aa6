"""Plans written by hand, their compilation in this process, and arrays that end at a protected page."""

from __future__ import annotations

import ctypes
import mmap
from functools import cache
from typing import Any

import numpy as np

from exprc.ir.index import Affine, affine_constant, axis
from exprc.ir.op import ELEMENTWISE, Op
from exprc.ir.sizes import Size, as_size, dim
from exprc.lower import Target, compile_object, host_target, load_in_process, lower_plans, named_target
from exprc.scalar import math
from exprc.schedule.kernel import Apply, Axis, Buffer, Kernel, Load, Nest, Plan, Write

NUMPY = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}
n, m, d = dim("n"), dim("m"), dim("d")
i, j, k = axis("i"), axis("j"), axis("k")


class Fault(ctypes.Structure):
    """The fault of the C interface."""

    _fields_ = (
        ("code", ctypes.c_int32),
        ("line", ctypes.c_int32),
        ("index", ctypes.c_int64),
        ("bound", ctypes.c_int64),
        ("name", ctypes.c_char * 48),
    )


def _op(name: str, program: Any) -> Op:
    return Op(
        name, ELEMENTWISE, name, infer=lambda *_: None, program=program, numpy=lambda *_: None, no_gradient="test"
    )


OPS = {
    name: _op(name, lambda b, *v, name=name: getattr(b, name)(*v))
    for name in ("add", "sub", "mul", "div", "neg", "sqrt", "fma", "lt", "select", "max", "and_", "idiv", "abs")
}
OPS["convert"] = _op("convert", lambda b, x, dtype: b.convert(dtype, x))
OPS.update({name: _op(name, getattr(math, name)) for name in ("exp", "log1p", "sigmoid", "softplus", "tanh")})


def apply(name: str, *args: int, dtype: str = "f64", attrs: tuple[Any, ...] = ()) -> Apply:
    """An operation on instructions before."""
    return Apply(OPS[name], attrs, args, dtype)


def load(buffer: str, *index: Affine, dtype: str = "f64", guards: Any = ()) -> Load:
    """An entry."""
    return Load(buffer, index, guards, dtype)


def at(value: Size | int) -> Affine:
    """A constant index."""
    return affine_constant(as_size(value))


def over(name: str, extent: Size | int | Affine) -> Axis:
    """A loop variable."""
    return Axis(name, extent if isinstance(extent, Affine) else at(extent))


def argument(name: str, *shape: Size | int, dtype: str = "f64") -> Buffer:
    """An argument's buffer."""
    return Buffer(name, dtype, tuple(as_size(s) for s in shape), "argument")


def result(name: str, *shape: Size | int, dtype: str = "f64") -> Buffer:
    """A result's buffer."""
    return Buffer(name, dtype, tuple(as_size(s) for s in shape), "result")


def plan_of(arguments: Any, results: Any, *statements: Any, dims: tuple[str, ...] = (), **more: Any) -> Plan:
    """A plan of one kernel without a stream."""
    kernel = Kernel("k", None, more.pop("tiles", ()), (), statements)
    known = dims or tuple(sorted({name for b in (*arguments, *results) for s in b.shape for name in s.dims()}))
    workspace, requirements = more.pop("workspace", ()), more.pop("requirements", ())
    return Plan("t_f", known, requirements, tuple(arguments), tuple(results), workspace, (kernel,))


def nest(axes: Any, body: Any, *writes: Write, reduced: str = "", vector: str = "", **more: Any) -> Nest:
    """A nest; names of reduced axes separated by spaces."""
    return Nest(tuple(axes), frozenset(reduced.split()), tuple(body), writes, vector, **more)


class Library:
    """A plan compiled for a target and loaded."""

    def __init__(self, plan: Plan, target: Target | None = None) -> None:
        self.plan, self.target = plan, target or host_target()
        self.text = lower_plans("t", [plan], 7, 9, self.target)
        self.engine = load_in_process(self.text, self.target)
        pointers = len(plan.arguments) + len(plan.results) + 2
        kinds = [ctypes.c_int64] * len(plan.dims) + [ctypes.c_void_p] * pointers
        address = self.engine.get_function_address(plan.symbol)
        self.function = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)(address)
        address = self.engine.get_function_address(plan.symbol + "_workspace")
        self.workspace = ctypes.CFUNCTYPE(ctypes.c_uint64, *[ctypes.c_int64] * len(plan.dims))(address)

    def __call__(self, dims: dict[str, int], *arguments: Any, place: Any = None, status: int = 0) -> list[Any]:
        """Runs on arrays and returns the results; `place(shape, dtype)` makes arrays, of NaN bytes by default."""
        place = place or plain
        sizes = [dims[name] for name in self.plan.dims]
        arrays = []
        for buffer, value in zip(self.plan.arguments, arguments, strict=True):
            shape = tuple(size.evaluate(dims) for size in buffer.shape)
            array = place(shape, NUMPY[buffer.dtype])
            array[...] = value
            arrays.append(array)
        results = [place(tuple(s.evaluate(dims) for s in b.shape), NUMPY[b.dtype]) for b in self.plan.results]
        fault = Fault()
        pointers = [a.ctypes.data for a in (*arrays, *results)]
        self.fault = fault
        assert self.function(*sizes, *pointers, None, ctypes.addressof(fault)) == status, fault.code
        return results


def plain(shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array full of bytes that are NaN as a float."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(bytearray(b"\xff" * size), dtype).reshape(shape)


@cache
def target_named(name: str) -> Target:
    """native, or a processor by name."""
    return host_target() if name == "native" else named_target(name)


_KEPT: list[Any] = []
_LIBC = ctypes.CDLL(None, use_errno=True)


def guarded(offset: int = 0) -> Any:
    """A maker of arrays that end (or, from an offset on, begin) right at a page that cannot be touched."""
    page = mmap.PAGESIZE

    def make(shape: tuple[int, ...], dtype: Any) -> Any:
        width = np.dtype(dtype).itemsize
        count = int(np.prod(shape))
        size = count * width
        pages = -(-size // page) + 2
        memory = mmap.mmap(-1, pages * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for guard in (0, pages - 1):
            _LIBC.mprotect(ctypes.c_void_p(start + guard * page), page, 0)
        first = page if offset else (pages - 1) * page - size
        _KEPT.append(memory)
        array = np.frombuffer(memory, dtype, count, first) if count else np.zeros(shape, dtype)
        return array.reshape(shape)

    return make


def misaligned(by: int) -> Any:
    """A maker of arrays whose first entry is `by` entries after a multiple of 64 bytes."""

    def make(shape: tuple[int, ...], dtype: Any) -> Any:
        width = np.dtype(dtype).itemsize
        size = int(np.prod(shape)) * width
        memory = np.full(size + 192, 255, np.uint8)
        first = -memory.ctypes.data % 64 + by * width
        return memory[first : first + size].view(dtype).reshape(shape)

    return make


def object_code(plan: Plan, target: Target) -> bytes:
    """The object file of a plan."""
    return compile_object(lower_plans("t", [plan], 7, 9, target), target)
