"""Types of values: a dtype and a shape of sizes.  Knows nothing of operations."""

from __future__ import annotations

from exprc.ir.sizes import Size

F64, F32, I64, I32, BOOL = "f64", "f32", "i64", "i32", "bool"
DTYPES = (F64, F32, I64, I32, BOOL)
FLOATS = frozenset((F64, F32))
INTEGERS = frozenset((I64, I32))
BYTES = {F64: 8, F32: 4, I64: 8, I32: 4, BOOL: 1}
NUMPY_NAMES = {F64: "float64", F32: "float32", I64: "int64", I32: "int32", BOOL: "bool"}
_RANK = {BOOL: 0, I32: 1, I64: 2, F32: 3, F64: 4}


class Type:
    """The dtype and shape of one value.  Immutable, hashable."""

    __slots__ = ("_hash", "dtype", "shape")

    def __init__(self, dtype: str, shape: tuple[Size, ...] = ()) -> None:
        self.dtype = dtype
        self.shape = shape
        self._hash = hash((dtype, shape))

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Type) and self.dtype == other.dtype and self.shape == other.shape)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return self.dtype + (f"[{', '.join(str(size) for size in self.shape)}]" if self.shape else "")

    @property
    def rank(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def is_float(self) -> bool:
        """Whether values have derivatives."""
        return self.dtype in FLOATS

    def with_dtype(self, dtype: str) -> Type:
        """The same shape with another dtype."""
        return Type(dtype, self.shape)

    def with_shape(self, shape: tuple[Size, ...]) -> Type:
        """The same dtype with another shape."""
        return Type(self.dtype, shape)


def promote(left: str, right: str) -> str:
    """The dtype in which two operands meet: the higher of bool < i32 < i64 < f32 < f64 (i64 with f32 is f32)."""
    return left if _RANK[left] >= _RANK[right] else right
