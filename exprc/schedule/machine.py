"""The memory that the interpreter works on: arrays that know when each entry was written, and index expressions.

Every entry that is read or written must exist, and must have been written by an earlier kernel or in the same block
before it is read.  Must not know what is computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from exprc.diagnostics import InternalError
from exprc.ir.index import Affine, Guard, Quotient
from exprc.ir.sizes import Size
from exprc.ir.types import NUMPY_NAMES
from exprc.schedule.kernel import Buffer

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Variables = Mapping[str | Quotient, Any]


class Machine:
    """Memory, sizes and the clock of a run.

    `written` holds for each entry when it was written, 0 for never.  The clock moves on with every block; `since` is
    its state before the kernel at hand, all of whose blocks may run at the same time.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        self.dims = dims
        self.arrays: dict[str, Array] = {}
        self.written: dict[str, Array] = {}
        self.clock = self.since = 1
        self.made: dict[int, Any] = {}  # what the interpreter keeps of each nest, by identity
        self._sizes: dict[Size, int] = {}

    def declare(self, buffer: Buffer) -> None:
        """Memory that nothing has been written to."""
        import numpy as np

        shape = tuple(map(self.size, buffer.shape))
        self.arrays[buffer.name] = np.zeros(shape, NUMPY_NAMES[buffer.dtype])
        self.written[buffer.name] = np.zeros(shape, np.int64)

    def take(self, buffer: Buffer, given: Array) -> None:
        """The memory of an argument."""
        self.declare(buffer)
        expected = self.arrays[buffer.name]
        if given.dtype != expected.dtype or given.shape != expected.shape:
            raise InternalError(f"{buffer.name} is {given.dtype}{list(given.shape)}, not {buffer}")
        self.fill(buffer.name, given)

    def fill(self, name: str, value: Any) -> None:
        """Overwrites a whole buffer."""
        self.arrays[name][...] = value
        self.written[name][...] = self.clock

    def size(self, size: Size) -> int:
        """The value of a size."""
        if size not in self._sizes:
            self._sizes[size] = size.evaluate(self.dims)
        return self._sizes[size]

    def index(self, affine: Affine, variables: Variables) -> Any:
        """The value of an index expression: an integer, or an array where variables are arrays."""
        quotients: list[Quotient] = []
        pending = [affine]
        while pending:
            inner = [variable for variable, _ in pending.pop().terms if isinstance(variable, Quotient)]
            quotients += inner
            pending += [quotient.numerator for quotient in inner]
        known = dict(variables)
        for quotient in reversed(quotients):
            known[quotient] = self._linear(quotient.numerator, known) // (self.size(quotient.divisor) or 1)
        return self._linear(affine, known)

    def _linear(self, affine: Affine, variables: Variables) -> Any:
        total: Any = self.size(affine.constant)
        for variable, coefficient in affine.terms:
            total = total + self.size(coefficient) * variables[variable]  # type: ignore[index]
        return total

    def holds(self, guards: tuple[Guard, ...], variables: Variables) -> Any:
        """Where all guards hold."""
        import numpy as np

        total: Any = np.True_
        for guard in guards:
            position = self.index(guard.position, variables)
            total = total & (position >= 0) & (position < self.size(guard.extent)) & (position % guard.step == 0)
        return total

    def entries(self, name: str, index: tuple[Affine, ...], variables: Variables, where: Any) -> tuple[Any, ...]:
        """The indices of entries, which must exist `where` that is true; zero elsewhere."""
        import numpy as np

        shape = self.arrays[name].shape
        found = []
        for position, (affine, extent) in enumerate(zip(index, shape, strict=True)):
            value = np.asarray(self.index(affine, variables))
            if np.any(((value < 0) | (value >= extent)) & where):
                raise InternalError(f"index {position} of {name}{list(shape)} reaches {value.min()} to {value.max()}")
            found.append(np.where(where, value, 0))
        return tuple(np.broadcast_arrays(*found)) if found else ()

    def read(self, name: str, entries: tuple[Any, ...], where: Any) -> Array:
        """Entries that have been written, zero `where` not."""
        import numpy as np

        if not np.any(where):
            return np.zeros((), self.arrays[name].dtype)
        times = self.written[name][entries]
        if np.any(((times == 0) | (times > self.since) & (times != self.clock)) & where):
            raise InternalError(f"an entry of {name} is read that nothing wrote before")
        zero = self.arrays[name].dtype.type(0)
        found: Array = np.where(where, self.arrays[name][entries], zero)
        return found
