"""Calls of a built module by careful and careless hands: dtypes, ranks, layouts, values that would change, bad calls.

Everything goes through `exprc build` and the module; the oracle is NumPy.
"""

from __future__ import annotations

import array
import decimal
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import support
from numpy.lib.stride_tricks import as_strided
from numpy.testing import assert_array_equal

DTYPES = {"f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "bool": np.bool_}
RANKS = range(4)
SHAPE = (3, 2, 5)

PROGRAM = """
dim n, d
input X : f64[n, d]
input y : f64[n]
param w : f64[d] = 0.5
param b : f64
loss E = sum((X @ w + b) * y)
output p = X @ w + b
"""


def every_dtype_and_rank() -> str:
    lines = ["dim n, d, k"]
    for dtype in DTYPES:
        for rank in RANKS:
            shape = f"[{', '.join('ndk'[:rank])}]" if rank else ""
            lines.append(f"input x_{dtype}_{rank} : {dtype}{shape}")
    for dtype in DTYPES:
        for rank in RANKS:
            x = f"x_{dtype}_{rank}"
            lines.append(f"output y_{dtype}_{rank} = {f'not {x}' if dtype == 'bool' else f'{x} * {x} - {x}'}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return support.build(every_dtype_and_rank(), tmp_path_factory.mktemp("typed"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return support.build(PROGRAM, tmp_path_factory.mktemp("calls"))


def sample(dtype: str, rank: int) -> np.ndarray:
    random = np.random.default_rng(rank)
    if dtype == "bool":
        return random.integers(0, 2, SHAPE[:rank]).astype(bool)
    if dtype.startswith("f"):
        return np.asarray(random.normal(size=SHAPE[:rank]), DTYPES[dtype])
    limit = 2**15 if dtype == "i32" else 2**31  # squares fit
    return np.asarray(random.integers(-limit, limit, SHAPE[:rank]), DTYPES[dtype])


LAYOUTS: dict[str, Callable[[np.ndarray], Any]] = {
    "as it is": lambda x: x,
    "list": lambda x: x.tolist(),
    "Fortran order": lambda x: np.array(x, order="F"),
    "negative strides": lambda x: np.flip(np.flip(x).copy()),
    "byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
    "memoryview": lambda x: memoryview(x.copy()),
    "NumPy scalar": lambda x: x[()],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_rank_through_the_module(typed: ModuleType, dtype: str, layout: str) -> None:
    for rank in RANKS:
        x = sample(dtype, rank)
        wanted = ~x if dtype == "bool" else x * x - x
        found = getattr(typed, f"y_{dtype}_{rank}")(**{f"x_{dtype}_{rank}": LAYOUTS[layout](x)})
        if rank:
            assert found.dtype == DTYPES[dtype]
        else:
            assert type(found) is type(x.item())
        if dtype.startswith("f"):
            np.testing.assert_allclose(found, wanted, rtol=1e-6 if dtype == "f32" else 1e-14, atol=1e-7)
        else:
            assert_array_equal(found, wanted)


# What each value becomes for an argument of each dtype: itself, or an error whose words these are.
IS_KEPT: Any = object()
VALUES = [
    ("f64", 3, IS_KEPT),
    ("f64", True, IS_KEPT),
    ("f64", np.float16(1.5), IS_KEPT),
    ("f64", np.float32(0.1), IS_KEPT),
    ("f64", np.int64(2**53), IS_KEPT),
    ("f64", np.int64(2**53 + 2), IS_KEPT),
    ("f64", np.int64(-(2**63)), IS_KEPT),
    ("f64", float("nan"), IS_KEPT),
    ("f64", float("-inf"), IS_KEPT),
    ("f64", 2**53 + 1, "holds 9007199254740993, which f64 cannot hold exactly"),
    ("f64", [1, 2.5, 2**53 + 1], "holds 9007199254740993 at [2], which f64 cannot hold exactly"),
    ("f64", np.int64(2**63 - 1), "cannot hold exactly"),
    ("f64", -(2**53) - 1, "holds -9007199254740993, which f64 cannot hold exactly"),
    ("f64", np.uint64(2**64 - 1), "cannot hold exactly"),
    ("f64", 2**70, "holds an integer of more than 64 bits"),
    ("f64", np.longdouble(1), "has dtype float128"),
    ("f64", 1j, "has dtype complex128"),
    ("f64", "1", "has dtype <U1"),
    ("f64", b"1", "has dtype |S1"),
    ("f64", None, "holds an object of type NoneType"),
    ("f64", decimal.Decimal(1), "holds an object of type Decimal"),
    ("f64", np.datetime64("2020-01-01"), "has dtype datetime64[D]"),
    ("f64", np.ma.masked, "is a masked array"),
    ("f32", 0.1, IS_KEPT),
    ("f32", 2**24, IS_KEPT),
    ("f32", float("inf"), IS_KEPT),
    ("f32", np.int16(5), IS_KEPT),
    ("f32", np.float64(0.5), "has dtype float64"),
    ("f32", np.int32(5), "has dtype int32"),
    ("f32", 2**24 + 1, "holds 16777217, which f32 cannot hold exactly"),
    ("f32", 1e300, "holds 1e+300, which f32 cannot hold"),
    ("i64", True, IS_KEPT),
    ("i64", np.uint32(7), IS_KEPT),
    ("i64", 1.0, "has dtype float64"),
    ("i64", np.uint64(7), "has dtype uint64"),
    ("i64", 2**63, "cannot hold"),
    ("i64", -(2**63), IS_KEPT),
    ("i32", 2**31 - 1, IS_KEPT),
    ("i32", -(2**31), IS_KEPT),
    ("i32", 2**31, "holds 2147483648, which i32 cannot hold"),
    ("i32", np.int64(5), "has dtype int64"),
    ("bool", np.bool_(True), IS_KEPT),
    ("bool", 1, "has dtype int64"),
    ("bool", np.uint8(1), "pass x_bool_0 != 0"),
]


@pytest.mark.parametrize(("dtype", "value", "wanted"), VALUES, ids=lambda v: "" if v is IS_KEPT else repr(v)[:30])
def test_no_value_changes_silently(typed: ModuleType, dtype: str, value: Any, wanted: Any) -> None:
    rank = int(isinstance(value, list))
    function = getattr(typed, f"y_{dtype}_{rank}")
    name = f"x_{dtype}_{rank}"
    if wanted is IS_KEPT:
        x = DTYPES[dtype](value)
        with np.errstate(all="ignore"):
            assert_array_equal(DTYPES[dtype](function(**{name: value})), ~x if dtype == "bool" else x * x - x)
        return
    with pytest.raises((TypeError, ValueError)) as raised:
        function(**{name: value})
    message = str(raised.value)
    assert f"{name} {wanted}" in message or wanted in message
    assert f"`input {name} : {dtype}" in message
    assert ".expr, line " in message


ALLOWED = [
    ("f64", 2**53 + 1, 2.0**53),
    ("f64", np.longdouble(0.5), 0.5),
    ("f32", np.float64(0.1), np.float32(0.1)),
    ("f32", np.int64(2**24 + 1), np.float32(2**24)),
    ("i32", np.int64(7), 7),
    ("i64", np.uint64(7), 7),
]


@pytest.mark.parametrize(("dtype", "value", "wanted"), ALLOWED, ids=repr)
def test_what_allow_downcast_allows(typed: ModuleType, dtype: str, value: Any, wanted: Any) -> None:
    function, name = getattr(typed, f"y_{dtype}_0"), f"x_{dtype}_0"
    with pytest.raises((TypeError, ValueError), match="allow_downcast=True"):
        function(**{name: value})
    x = DTYPES[dtype](wanted)
    assert DTYPES[dtype](function(**{name: value}, allow_downcast=True)) == x * x - x


@pytest.mark.parametrize(("dtype", "value"), [("f32", 1e300), ("i32", 2**40), ("i64", np.uint64(2**63))])
def test_what_allow_downcast_does_not_allow(typed: ModuleType, dtype: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"which {dtype} cannot hold:"):
        getattr(typed, f"y_{dtype}_0")(**{f"x_{dtype}_0": value}, allow_downcast=True)


def test_bytes_of_a_bool_that_are_not_one_are_true(typed: ModuleType) -> None:
    flags = np.array([0, 1, 2, 128, 255], np.uint8).view(bool)
    assert_array_equal(typed.y_bool_1(x_bool_1=flags), [True, False, False, False, False])


class Lies:
    """An array of another shape each time."""

    def __init__(self) -> None:
        self.count = 0

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        self.count += 1
        return np.ones((4, 3)) if self.count % 2 else np.ones((1, 1))

    def __len__(self) -> int:
        return 10**18


class LiesAboutLength:
    def __len__(self) -> int:
        return 10**18

    def __getitem__(self, index: int) -> float:
        return 1.0


class Raises:
    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise KeyError("boom")


class NoArray:
    def __array__(self, dtype: object = None, copy: object = None) -> Any:
        return "abc"


class Table:
    """What pandas, xarray and others do."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.arange(12.0).reshape(4, 3)


def endless() -> list[Any]:
    entry: list[Any] = []
    entry.append(entry)
    return entry


X = np.arange(12.0).reshape(4, 3)
TAKEN = {
    "Fortran order": np.asfortranarray(X),
    "negative strides": X[::-1, ::-1].copy()[::-1, ::-1],
    "a matrix": X.view(np.matrix),
    "a record array": np.rec.array(X),
    "a table": Table(),
    "lists": X.tolist(),
    "lists of arrays": list(X),
    "tuples": tuple(map(tuple, X)),
    "integers": X.astype(np.int8),
    "f16": X.astype(np.float16),
    "unaligned": np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(np.float64).reshape(4, 3),
    "a field of a structure": np.rec.fromarrays([X, X]).f0,
}
REFUSED = {
    "masked": (np.ma.array(X), TypeError, "X is a masked array"),
    "a list of masked": ([np.ma.array(X[0])] * 4, TypeError, "X is a masked array"),
    "objects": (X.astype(object), TypeError, "X has dtype object"),
    "an object": (object(), TypeError, "X holds an object of type object,"),
    "None within": ([[None] * 3] * 4, TypeError, "X holds an object of type NoneType at [0, 0]"),
    "a structure": (np.zeros((4, 3), [("a", "f8")]), TypeError, "X has dtype [('a', '<f8')]"),
    "complex": (X + 0j, TypeError, "X has dtype complex128"),
    "strings": (X.astype(str), TypeError, "X has dtype <U32"),
    "a dict": ({"a": 1}, TypeError, "X holds an object of type dict"),
    "a generator": ((x for x in X), TypeError, "X holds an object of type generator"),
    "ragged": ([[1, 2], [1]], ValueError, "X is no array of numbers"),
    "endless": (endless(), ValueError, "X is no array of numbers"),
    "a scalar": (3.0, ValueError, "X is a scalar, but"),
    "0-d": (np.array(3.0), ValueError, "X is a scalar, but"),
    "empty": ([], ValueError, "X has 1 axis, shape (0,), but"),
    "a string": ("abc", TypeError, "X has dtype <U3"),
    "raises": (Raises(), TypeError, "X is no array of numbers: 'boom'"),
    "no array": (NoArray(), ValueError, "X is no array of numbers"),
    "false length": (LiesAboutLength(), MemoryError, "no memory for a copy of X"),
    "huge": (as_strided(np.zeros(()), (2**40, 3), (0, 0)), ValueError, "axis 0 of y has size 4"),
    "larger than memory": (as_strided(np.zeros(()), (4, 2**50), (0, 0)), ValueError, "axis 0 of w has size 3"),
}


def rest() -> dict[str, Any]:
    return {"y": np.arange(4.0), "w": np.array([1.0, -2.0, 0.5]), "b": 0.25}


@pytest.mark.parametrize("what", TAKEN)
def test_what_is_an_array_is_taken(model: ModuleType, what: str) -> None:
    given = rest()
    assert model.E(X=TAKEN[what], **given) == model.E(X=X, **given)
    assert model.E(**{**given, "X": TAKEN[what], "w": memoryview(given["w"])}) == model.E(X=X, **given)


@pytest.mark.parametrize("way", ["call", "bind"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_none_is_refused(model: ModuleType, what: str, way: str) -> None:
    given, kind, words = REFUSED[what]
    if what == "a generator":
        given = (x for x in X)
    with pytest.raises(kind) as raised:
        model.E(X=given, **rest()) if way == "call" else model.E.bind(X=given, **rest(), copy=True)
    message = str(raised.value)
    assert message.startswith("E: ")
    assert words in message
    assert ".expr, line " in message


def test_copies_without_memory(model: ModuleType) -> None:
    huge = as_strided(np.zeros(()), (2**44, 3), (0, 0))
    with pytest.raises(MemoryError, match=r"p: no memory for a copy of X: .*`input X : f64\[n, d\]`"):
        model.p(X=huge, w=np.ones(3), b=0.0)
    with pytest.raises(MemoryError):
        model.p(X=np.empty((2**44, 0)), w=np.empty(0), b=0.0)


def test_objects_that_lie_are_read_once(model: ModuleType) -> None:
    assert model.E(X=Lies(), **rest()) == model.E(X=np.ones((4, 3)), **rest())
    assert model.E.bind(X=Lies(), copy=True)(**rest()) == model.E(X=np.ones((4, 3)), **rest())
    with pytest.raises(ValueError, match="X has to be copied"):
        model.E.bind(X=Lies())


def test_bound_arrays_keep_their_shape_and_memory(model: ModuleType) -> None:
    x = X.copy()
    bound = model.E.bind(X=x)
    wanted = bound(**rest())
    x.shape = (3, 4)
    assert bound(**rest()) == wanted
    x.dtype = np.int64  # type: ignore[misc]
    assert bound(**rest()) == wanted
    own = np.arange(4.0)
    bound = model.E.bind(y=own)
    with pytest.raises(ValueError, match="resize"):
        own.resize(400)


BOUND_IN_PLACE = {
    "an array": (np.arange(4.0), True),
    "a buffer": (array.array("d", range(4)), True),
    "a buffer of f32": (array.array("f", range(4)), False),
    "integers": (np.arange(4), False),
    "strides": (np.arange(8.0)[::2], False),
    "byte order": (np.arange(4).astype(">f8"), False),
}


@pytest.mark.parametrize("what", BOUND_IN_PLACE)
def test_bind_sees_changes_or_refuses(model: ModuleType, what: str) -> None:
    y, in_place = BOUND_IN_PLACE[what]
    others = {"X": X, "w": np.ones(3), "b": 0.0}
    before = model.E.bind(y=y, copy=True)
    if not in_place:
        with pytest.raises(ValueError, match=r"y has to be copied.*copy=True.*`input y : f64\[n\]`"):
            model.E.bind(y=y)
        return
    bound = model.E.bind(y=y)
    y[3] = 100.0
    assert bound(**others) == model.E(y=y, **others) != before(**others)


def test_a_bound_scalar_is_seen_too(model: ModuleType) -> None:
    b = np.array(0.0)
    bound = model.E.bind(b=b, X=X)
    b[...] = 2.0
    given = {name: value for name, value in rest().items() if name != "b"}
    assert bound(**given) == model.E(X=X, b=2.0, **given)
    with pytest.raises(ValueError, match="b has to be copied"):
        model.E.bind(b=np.array(1))


OUTS = {
    "no array": (lambda: [0.0] * 4, "has to be an array, not list"),
    "None": (lambda: "x", "has to be an array, not str"),
    "masked": (lambda: np.ma.zeros(4), "has to be an array, not MaskedArray"),
    "size": (lambda: np.empty(5), "shape (5,), but the result has float64 and (4,)"),
    "0-d": (lambda: np.empty(()), "shape (), but"),
    "matrix": (lambda: np.zeros((1, 4)).view(np.matrix), "shape (1, 4), but"),
    "f32": (lambda: np.empty(4, np.float32), "dtype float32"),
    "byte order": (lambda: np.empty(4, ">f8"), "dtype >f8"),
    "strides": (lambda: np.empty(8)[::2], "contiguous"),
    "read-only": (lambda: np.frombuffer(bytes(32)), "writable"),
    "broadcast": (lambda: np.broadcast_to(np.zeros(1), (4,)), "writable"),
    "overlap": (lambda: X.reshape(-1)[2:6], "overlaps"),
}


@pytest.mark.parametrize("what", OUTS)
def test_outs_that_cannot_be_written(model: ModuleType, what: str) -> None:
    make, words = OUTS[what]
    before = X.copy()
    with pytest.raises((TypeError, ValueError)) as raised:
        model.p(X=X, w=np.ones(3), b=0.0, out=make())
    assert str(raised.value).startswith("p: out ")
    assert words in str(raised.value)
    assert_array_equal(X, before)


def test_outs_of_a_gradient(model: ModuleType) -> None:
    given = {"X": X, **rest()}
    wanted = model.E.grad(**given)
    w, b = np.empty(3), np.empty(())
    found = model.E.grad(**given, out=(w, b))
    assert found.w is w
    assert found.b is b
    assert_array_equal(w, wanted.w)
    assert b == wanted.b
    for outs, words in [
        ((w,), "out has 1 array for the gradients by w, b"),
        (w, "out has 1 array for the gradients by w, b"),
        (3, "out has 1 array for"),
        ((w, None), "out for b has to be an array, not NoneType"),
        ((given["w"], b), "out for w overlaps"),
        ((w[:1], w[:1].reshape(())), "out for w has dtype float64 and shape (1,)"),
    ]:
        with pytest.raises((TypeError, ValueError)) as raised:
            model.E.grad(**given, out=outs)
        assert words in str(raised.value)


def test_gradients_by_name(tmp_path: Path) -> None:
    """`--wrt` adds inputs to what is differentiated by, and `wrt=` chooses of it."""
    model = support.build(PROGRAM, tmp_path, wrt=("X",))
    given = {"X": X, **rest()}
    value, everything = model.E.value_and_grad(**given)
    assert everything.keys() == ("X", "w", "b")
    of_x = np.outer(given["y"], given["w"])
    np.testing.assert_allclose(everything.X, of_x)
    for wrt in ("X", ("X",), ["b", "X"], ("w", "b")):
        names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
        for found in (
            model.E.grad(**given, wrt=wrt),
            model.E.bind(X=X).grad(**rest(), wrt=wrt),
            model.E.bind(X=X, y=given["y"]).value_and_grad(w=given["w"], b=0.25, wrt=wrt)[1],
        ):
            assert found.keys() == names
            assert all(np.array_equal(found[name], everything[name]) for name in names)
    out = np.empty((4, 3))
    assert model.E.grad(**given, wrt="X", out=out).X is out
    assert_array_equal(out, everything.X)
    assert model.E.bind(X=X, y=given["y"]).flat.names == ("w[0]", "w[1]", "w[2]", "b")
    with pytest.raises(ValueError, match=r"no gradient with respect to y, `input y : f64\[n\]` .*--wrt y` builds it"):
        model.E.grad(**given, wrt=("y",))
    with pytest.raises(ValueError, match="no gradient with respect to 'q', only to X, w, b"):
        model.E.grad(**given, wrt="q")
    assert value == model.E(**given)


VECTORS = {
    "strings": (["1", "2", "3", "4"], TypeError, "the vector has dtype <U1"),
    "complex": (np.ones(4) + 1j, TypeError, "the vector has dtype complex128"),
    "None": (None, TypeError, "the vector holds an object of type NoneType"),
    "masked": (np.ma.ones(4), TypeError, "the vector is a masked array"),
    "shape": (np.ones((4, 1)), ValueError, "the vector has shape (4, 1), but w, b have 4 entries"),
    "scalar": (1.0, ValueError, "the vector has shape (), but"),
}


@pytest.mark.parametrize("what", VECTORS)
def test_vectors_that_flat_refuses(model: ModuleType, what: str) -> None:
    theta, kind, words = VECTORS[what]
    flat = model.E.bind(X=X, y=np.ones(4)).flat
    for function in (flat.value, flat.grad, flat.value_and_grad, flat.unpack):
        with pytest.raises(kind) as raised:
            function(theta)
        assert words in str(raised.value)


def test_flat_takes_any_layout_of_its_vector(model: ModuleType) -> None:
    flat = model.E.bind(X=X, y=np.ones(4)).flat
    assert_array_equal(flat.initial(), [0.5, 0.5, 0.5, 0.0])
    theta = np.array([1.0, 2.0, 3.0, 4.0])
    value, gradient = flat.value_and_grad(theta)
    for other in (theta.tolist(), theta.astype(int), theta.astype(">f8"), np.repeat(theta, 2)[::2], theta.astype("g")):
        again, slope = flat.value_and_grad(other)
        assert again == value
        assert_array_equal(slope, gradient)
        assert not np.may_share_memory(slope, np.asarray(other))


SIZES = [
    ({"n": 4}, None),
    ({"n": np.int32(4)}, None),
    ({"n": 5}, "axis 0 of X has size 4, but `input X : f64[n, d]`"),
    ({"n": -1}, "the size n cannot be -1"),
    ({"n": 2**63}, "the size n cannot be 9223372036854775808"),
    ({"n": 4.0}, "the size n has to be an integer, not 4.0"),
    ({"k": 4}, "E has no argument 'k'"),
]


@pytest.mark.parametrize(("sizes", "words"), SIZES)
def test_sizes_by_name(model: ModuleType, sizes: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert model.E(X=X, **rest(), **sizes) == model.E(X=X, **rest())
        return
    with pytest.raises((TypeError, ValueError)) as raised:
        model.E(X=X, **rest(), **sizes)
    assert words in str(raised.value)


SIZES_PROGRAM = """dim n, d, h
input X : f64[n, d]
input z : f64[2*n + 1]
input q : f64[n // 2]
input r : f64[n * d]
param w : f64[d]
loss E = sum(X @ w) + sum(z) + sum(q)
loss F = sum(r) * sum(w)
output o = zeros(h) + sum(w)
output t = z[3:]
output nn = f64(n) * w
output c = sum(iota(n * h))
"""


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return support.build(SIZES_PROGRAM, tmp_path_factory.mktemp("sized"))


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape)


N_BY_X = r"n is 4 by axis 0 of X, `input X : f64[n, d]`"
SOLVED = [
    ("E", {"X": ones(4, 2), "z": ones(9), "q": ones(2), "w": ones(2)}, 19.0),
    ("E", {"X": ones(4, 2), "z": ones(8), "q": ones(2), "w": ones(2)}, "needs 9 (2*n + 1): " + N_BY_X),
    ("E", {"X": ones(4, 2), "z": ones(9), "q": ones(3), "w": ones(2)}, "needs 2 (n//2): " + N_BY_X),
    ("F", {"r": ones(8), "w": ones(2)}, 16.0),
    ("F", {"r": ones(7), "w": ones(2)}, "needs d*n for some n: d is 2 by axis 0 of w, `param w : f64[d]`"),
    ("F", {"r": ones(0), "w": ones(0)}, "F needs the size n (sized.expr, line 1), which no array gives: pass n=..."),
    ("F", {"r": ones(0), "w": ones(0), "n": 3}, 0.0),
    ("o", {"w": ones(2), "h": 3}, [2.0, 2.0, 2.0]),
    ("o", {"w": ones(2), "h": 0}, []),
    ("o", {"w": ones(2)}, "o needs the size h (sized.expr, line 1), which no array gives: pass h=..."),
    ("o", {"w": ones(2), "h": 2**62}, "o: no memory for a result of the shape (4611686018427387904,)"),
    ("o", {"w": ones(2), "h": 2**50}, "o: no memory for a result of the shape (1125899906842624,)"),
    ("c", {"n": 2, "h": 3}, 15),
    ("c", {"n": 2**32, "h": 2**32}, "c: with n = 4294967296, h = 4294967296 a size or an array is too large"),
    ("t", {"z": ones(5)}, [1.0, 1.0]),
    ("t", {"z": ones(1)}, "t: `z[3:]` (sized.expr, line 10) needs 2 <= 2*n, but n = 0"),
    ("t", {"z": ones(4)}, "axis 0 of z has size 4, but `input z : f64[2*n + 1]` (sized.expr, line 3) needs 2*n + 1"),
    ("nn", {"w": ones(2), "X": ones(5, 2)}, [5.0, 5.0]),
    ("nn", {"w": ones(2), "X": ones(5, 3)}, "axis 1 of X has size 3, but"),
    ("nn", {"w": ones(2), "z": ones(5)}, "nn does not depend on z: `input z : f64[2*n + 1]` (sized.expr, line 3)"),
]


@pytest.mark.parametrize(("name", "given", "wanted"), SOLVED)
def test_sizes_are_solved_for(sized: ModuleType, name: str, given: dict[str, Any], wanted: Any) -> None:
    if not isinstance(wanted, str):
        assert_array_equal(getattr(sized, name)(**given), wanted)
        return
    with pytest.raises((TypeError, ValueError, MemoryError)) as raised:
        getattr(sized, name)(**given)
    assert wanted in str(raised.value).replace(sized.__exprc__["source"]["name"], "sized.expr")


NEEDS_PROGRAM = """dim n
input x : f64[n]
param w : f64
fn steps(v) = v[1:] - v[:-1]
fn late(v) = v[3:] * 2
s = steps(x)
loss E = sum((w * x)^2)
loss F = sum((w * s)^2)
output d = steps(x)
output o = late(s)
"""


def test_a_call_checks_what_its_own_definitions_need(tmp_path: Path) -> None:
    """Directly, through definitions, through functions whose results are shared; in Python and in the manifest."""
    module = support.build(NEEDS_PROGRAM, tmp_path)
    least = {"E": 0, "F": 1, "d": 1, "o": 4}
    for name, size in least.items():
        given = {"w": 1.0} if name in "EF" else {}
        getattr(module, name)(x=np.ones(size), **given)
        if size:
            with pytest.raises(ValueError, match=rf"needs {size} <= n, but n = {size - 1}"):
                getattr(module, name)(x=np.ones(size - 1), **given)
    needed = {fact["left"]: fact["needed_by"] for fact in module.__exprc__["requirements"]}
    assert needed == {"1": ["F", "d", "o"], "4": ["o"]}


@pytest.mark.parametrize("rebuilt", [False, True])
def test_what_was_taken_before_a_reload_never_calls_the_old_library(tmp_path: Path, rebuilt: bool) -> None:
    """The second program has other arguments in another order, so that an old call of the new library would crash."""
    from exprc import driver
    from exprc.source import Source

    def build(text: str) -> None:
        driver.build(Source("again.expr", text), driver.Options(name="reloaded", out_dir=str(tmp_path)))

    build(PROGRAM)
    sys.path.insert(0, str(tmp_path))
    try:
        importlib.invalidate_caches()
        module = importlib.import_module("reloaded")
        function, output, gradient = module.E, module.p, module.E.grad
        bound = module.E.bind(X=X, y=np.ones(4))
        calls: list[Callable[[], Any]] = [
            lambda: function(X=X, **rest()),
            lambda: gradient(X=X, **rest()).b,
            lambda: bound(w=np.ones(3), b=0.0),
            lambda: bound.grad(w=np.ones(3), b=0.0).b,
            lambda: bound.flat.value(np.ones(4)),
            lambda: bound.flat.value_and_grad(np.ones(4))[0],
        ]
        before = [call() for call in calls]
        if rebuilt:
            build(
                "dim k, d, n\ninput s : f64\nparam b : f64\ninput y : f64[n]\nparam w : f64[d]\n"
                "input X : f64[n, d]\nloss E = s * sum((X @ w + b) * y)\n"
            )
        importlib.reload(module)
        if not rebuilt:
            assert [call() for call in calls] == before
            return
        for call in calls:
            with pytest.raises(TypeError, match=r"E needs s: `input s : f64` \(again.expr, line 2\)"):
                call()
        assert function(X=X, s=2.0, **rest()) == module.E(X=X, s=2.0, **rest())
        assert bound(w=np.ones(3), b=0.0, s=2.0) == 2 * before[2]
        with pytest.raises(RuntimeError, match="p is no longer in reloaded, which was loaded again"):
            output(X=X, w=np.ones(3), b=0.0)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("reloaded", None)
