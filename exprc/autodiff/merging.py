"""Merging of loops: a derivative's loop that repeats a loop of the program, to store more of it, becomes one with it.

Owns the comparison of loops by what they carry; knows nothing of what they compute.
"""

from __future__ import annotations

from typing import Any

from exprc import ops
from exprc.ir.node import Function, Node, make, rebuild, toposort
from exprc.ir.op import PROJECT, SCAN


def merge_scans(roots: tuple[Node, ...]) -> tuple[Node, ...]:
    """The roots with loops that carry the same states made one, which emits what any of them emits.

    What a loop emits and nobody reads is left out.
    """
    while True:
        merged = _merge_once(roots)
        if merged == roots:
            return roots
        roots = merged


def _merge_once(roots: tuple[Node, ...]) -> tuple[Node, ...]:
    emits = _emits_read(roots)
    if not emits:
        return roots

    def step(node: Node, arguments: tuple[Node, ...]) -> Node:
        scan, index = _result_of_scan(node)
        if scan is None:
            return make(node.op, arguments, node.attrs)
        given = arguments[0].args if node.kind == PROJECT else arguments
        body, states, *rest = scan.attrs
        wanted = emits[_carries(scan)]
        function = Function(body.parameters, (*body.results[:states], *wanted))
        loop = make(scan.op, given, (function, states, *rest))
        return ops.project(loop, index if index < states else states + wanted.index(body.results[index]))

    return rebuild(roots, step)


def _emits_read(roots: tuple[Node, ...]) -> dict[Any, list[Node]]:
    """For each family of loops the emits of which somebody reads, in the order of the loops that have them."""
    read: dict[Node, set[int]] = {}
    for node in toposort(roots):
        scan, index = _result_of_scan(node)
        if scan is not None:
            read.setdefault(scan, set()).add(index)
    emits: dict[Any, list[Node]] = {}
    for scan, indices in read.items():
        body, states, *_ = scan.attrs
        family = emits.setdefault(_carries(scan), [])
        for index in sorted(indices):
            if index >= states and body.results[index] not in family:
                family.append(body.results[index])
    return emits


def _result_of_scan(node: Node) -> tuple[Node | None, int]:
    """The loop and number of the result where a node is the result of a loop."""
    if node.kind == PROJECT and node.args[0].kind == SCAN:
        return node.args[0], node.attrs[0]
    return (node, 0) if node.kind == SCAN and len(node.types) == 1 else (None, 0)


def _carries(scan: Node) -> Any:
    """All but the emits: loops that agree in it go through the same states."""
    body, states, *rest = scan.attrs
    return (scan.op, scan.args, body.parameters, body.results[:states], states, *rest)
