"""Sums of products by index as contractions: `sum[k](A[i, k] * B[k, j])` is `A @ B`.

Owns the choice of what is multiplied first.  A sum whose factors all run over the same indices, or of which one that is
computed for the sum does over all of them, stays a sum of products: nothing larger than the factors is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from exprc.check.spreading import Spread, Spreader
from exprc.ir.node import Node
from exprc.ir.op import VIEW
from exprc.ir.types import BOOL
from exprc.ops import TABLE, contract, mul, sum_
from exprc.ops.views import transpose

LETTERS = "abcdefghijklmnopqrstuvwyz"
MOST_FACTORS = 16
Term = tuple[Node, tuple[str, ...]]


def combine_factors(spreader: Spreader, body: Node, summed: Sequence[str]) -> Spread | None:
    """The sum over indices of a product with a factor for each of its parts; None where that is of no use."""
    factors = _factors(body)
    if body.shape or len(factors) < 2 or body.dtype == BOOL:
        return None
    values = [spreader.of(factor) for factor in factors]
    varying = [value for value in values if set(value.indices) & set(summed)]
    every = spreader.sorted(*(value.indices for value in varying))
    if len(varying) < 2 or not set(summed) <= set(every) or len(every) > len(LETTERS):
        return None
    if all(value.indices == every for value in varying):
        return None
    if any(v.indices == every and f.kind != VIEW for f, v in zip(factors, values, strict=True)):
        return None
    terms = [(value.node, value.indices) for value in varying]
    node, indices = _contracted(terms, list(summed), dict(zip(every, LETTERS, strict=False)))
    kept = spreader.sorted(indices)
    node = transpose(node, tuple(indices.index(one) for one in kept))
    result = Spread(node, kept)
    for value in values:
        if not set(value.indices) & set(summed):
            both = spreader.sorted(result.indices, value.indices)
            result = Spread(mul(spreader.aligned(value, both), spreader.aligned(result, both)), both)
    return result


def _factors(body: Node) -> list[Node]:
    """The factors of a product, in order; a product of many is one."""
    found: list[Node] = []
    pending = [body]
    while pending and len(found) + len(pending) <= MOST_FACTORS:
        node = pending.pop()
        if node.op is TABLE["mul"]:
            pending += reversed(node.args)
        else:
            found.append(node)
    return found if not pending else [body]


def _contracted(terms: list[Term], summed: list[str], letters: dict[str, str]) -> Term:
    """The sum over indices of the product of terms, two at a time, so that what is made between is small."""
    while True:
        terms = [_summed_alone(terms, k, summed) for k in range(len(terms))]
        if len(terms) == 1:
            return terms[0]
        pairs = [(a, b) for b in range(len(terms)) for a in range(b)]
        first, second = min(pairs, key=lambda pair: _cost(terms, pair, summed))
        others = [term for k, term in enumerate(terms) if k not in (first, second)]
        kept = _kept(terms, (first, second), summed)
        (x, left), (y, right) = terms[first], terms[second]
        labels = ["".join(letters[one] for one in indices) for indices in (left, right, kept)]
        if left == right or not left or not right:
            made = sum_(mul(x, y), tuple(i for i, one in enumerate(left or right) if one not in kept))
        else:
            made = contract(x, y, *labels)
        terms = [*others[:first], (made, kept), *others[first:]]


def _summed_alone(terms: list[Term], k: int, summed: list[str]) -> Term:
    """A term without the summed indices that no other has."""
    node, indices = terms[k]
    others = {one for number, term in enumerate(terms) if number != k for one in term[1]}
    alone = tuple(i for i, one in enumerate(indices) if one in summed and one not in others)
    return (sum_(node, alone), tuple(one for i, one in enumerate(indices) if i not in alone)) if alone else terms[k]


def _kept(terms: list[Term], pair: tuple[int, int], summed: list[str]) -> tuple[str, ...]:
    others = {one for k, term in enumerate(terms) if k not in pair for one in term[1]}
    both = dict.fromkeys(one for k in pair for one in terms[k][1])
    return tuple(one for one in both if one not in summed or one in others)


def _cost(terms: list[Term], pair: tuple[int, int], summed: list[str]) -> tuple[Any, ...]:
    """Smaller results first; of equal ones that which sums the last axis, whose entries lie side by side."""
    kept = _kept(terms, pair, summed)
    gone = [one for k in pair for one in terms[k][1] if one not in kept]
    last = max((place for k in pair for one, place in _places(*terms[k]) if one in gone), default=-1)
    return len(kept) - len(set(gone)), len(kept), -last, pair


def _places(node: Node, indices: tuple[str, ...]) -> list[tuple[str, int]]:
    """The indices with their axes as they lie in memory, seen through a transpose."""
    order = node.attrs[0] if node.op is TABLE["transpose"] else range(len(indices))
    return list(zip(indices, order, strict=True))
