"""Faults: why a computation has no result for the values that it is given.

Owns what an operation says of a condition on its values, and the exception by which interpreters end.  Compiled code
tells the same as a status.  Must not know any operation by name.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.sizes import Size

OUT_OF_BOUNDS = 4  # a status of the C interface
LARGEST_ENTRY = 2**63 - 2  # that a fault tells: the number above it says that there is none


class Condition(NamedTuple):
    """What has to hold of every entry of a value.

    `holds` is bool and `entry` i64, of one shape.  Where it does not hold somewhere, the fault tells the lowest of the
    entries there (at most `LARGEST_ENTRY`), in whatever order they are computed, with `bound` and its `name`.
    """

    code: int
    line: int
    holds: Node
    entry: Node
    bound: Size
    name: str


class Fault(Exception):
    """The computation ends with a status, as compiled code does."""

    def __init__(self, code: int, line: int, index: int, bound: int = 0, name: str = "") -> None:
        text = f"status {code} of line {line} at {index}"
        super().__init__(f"{text}: out of bounds for {name} of size {bound}" if code == OUT_OF_BOUNDS else text)
        self.code, self.line, self.index, self.bound, self.name = code, line, index, bound, name
