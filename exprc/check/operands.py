"""What meets in an operation: checked values with the place where they are written, and the place of the operation.

Owns the two records.  Knows neither operations nor messages.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.check.scopes import Scope
from exprc.check.values import Value
from exprc.source import Span
from exprc.syntax import ast


class Operand(NamedTuple):
    """A value and the place where it was written."""

    value: Value
    expression: ast.Node

    @property
    def span(self) -> Span:
        """Where it was written."""
        return self.expression.span


class Place(NamedTuple):
    """What acts on operands: its name in messages and where it stands."""

    title: str
    span: Span
    scope: Scope
