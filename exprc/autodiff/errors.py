"""What differentiation refuses: left to the caller to report, since nodes have no positions."""

from __future__ import annotations

from exprc.ir.node import Node


class NotDifferentiable(Exception):
    """A derivative was asked for of an operation that has none; `reason` stands alone as a message."""

    def __init__(self, node: Node, reason: str) -> None:
        super().__init__(f"{node.op.name} has no derivative: {reason}")
        self.node = node
        self.reason = reason
