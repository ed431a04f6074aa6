"""Closed form: regions of arithmetic brought to the shortest sum of products.

A region is written as a polynomial over its atoms (what is no arithmetic), with negative powers for divisors; terms
cancel, common factors are taken out, and fractions are put over a common denominator where terms cancel then.  The new
form is taken only where it costs less and every atom is still in it: what is not a number stays so, and `x - x`,
`x / x` and `0 * x` stay as they are.  Real-number algebra: class `rounding`, with the largest term as the scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ir.sizes import Size, product
from exprc.ir.types import F32
from exprc.ops import TABLE, leaves
from exprc.ops.arithmetic import add, cast, div, mul, neg, sub
from exprc.ops.functions import power
from exprc.ops.leaves import constant_value, full
from exprc.ops.reductions import BESIDE, beside, factors_of
from exprc.ops.table import broadcast_to
from exprc.rewrite import terms
from exprc.rewrite.regions import are_carried, is_arithmetic, region_of, unspread
from exprc.rewrite.rule import CLOSED_FORM, ROUNDING, Rule
from exprc.rewrite.terms import Monomial, Polynomial

ADD, SUB, MUL, DIV, NEG, POWER = (TABLE[name] for name in ("add", "sub", "mul", "div", "neg", "power"))
BROADCAST, SQRT, CAST = TABLE["broadcast"], TABLE["sqrt"], TABLE["cast"]


MOST_FACTORS = 12  # of a product of sizes
UNREADABLE = 2  # what 0.333… costs a reader: a division that is there anyway may be one by 3 times as much


class Atoms(NamedTuple):
    """The atoms of a region by number.

    `sums` are those that are polynomials themselves, with the number of each such polynomial in `known`; `sizes` those
    that are sizes, `products` what the program multiplies of them; `held` the atoms inside of those that are
    arithmetic; `needed` those that a new form has to keep; `plain` for what stands beside a sum that which it is.
    """

    nodes: list[Node]
    numbers: dict[Node, int]
    sums: dict[int, Polynomial]
    known: dict[frozenset[tuple[Monomial, float]], int]
    sizes: dict[int, Size]
    products: set[Monomial]
    held: dict[int, set[int]]
    needed: set[int]
    plain: dict[int, int]

    def number(self, node: Node) -> int:
        """The number of a node, in order of first use."""
        if node not in self.numbers:
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[node]

    def keeps_all(self, polynomial: Polynomial, over: Monomial) -> bool:
        """Whether all that may be NaN occurs, by itself or in what is NaN with it."""
        if not polynomial:
            return not self.needed
        pending, seen = terms.atoms_of(polynomial) | terms.atoms_of((over,)), set[int]()
        while pending:
            seen |= pending
            pending = {inner for number in pending for inner in self.held.get(number, ())} - seen
        missing = {self.nodes[number] for number in self.needed - seen}
        return not missing or are_carried(missing, [self.nodes[number] for number in sorted(seen)])


class _Region(NamedTuple):
    """What one region is expanded with: its nodes in order, what it is made of, how functions of -x are written."""

    nodes: list[Node]
    inputs: frozenset[Node]
    reflections: Sequence[Rule]
    multiply_out: bool
    shape: tuple[Size, ...]


def collect(node: Node, opaque: Set[Node], reflections: Sequence[Rule]) -> Node | None:
    """A cheaper form of an arithmetic node, or None.  Nodes in `opaque` have names: they stay atoms."""
    if not is_arithmetic(node) or not node.type.is_float:
        return None
    nodes = region_of(node, opaque)
    if nodes is None or len(nodes) < 2:
        return None
    inside = frozenset(nodes)
    inputs = frozenset(unspread(a) for inner in nodes for a in inner.args if a not in inside)
    best, best_cost = None, _cost(node, inputs)
    for multiply_out in (False, True):
        atoms = Atoms([], {}, {}, {}, {}, set(), {}, set(), {})
        found = _without_roots(_expand(_Region(nodes, inputs, reflections, multiply_out, node.shape), atoms), atoms)
        for polynomial, over in _forms(found, atoms):
            if not atoms.keeps_all(polynomial, over):
                continue
            candidate = broadcast_to(_build(polynomial, over, atoms, node), node.shape)
            cost = _cost(candidate, inputs)
            if cost >= best_cost:
                continue
            if _keeps_digits(node, candidate, inputs, reflections):
                best, best_cost = candidate, cost
    return best


def _keeps_digits(before: Node, after: Node, inputs: Set[Node], reflections: Sequence[Rule]) -> bool:
    """Whether the sums of another form are those that were there, or of atoms only, or lose no digits."""
    known = set(_region_nodes(before, inputs))
    for node in _region_nodes(after, inputs):
        if node.op in (ADD, SUB) and node not in known and not all(unspread(a) in inputs for a in node.args):
            from exprc.rewrite.digits import keeps_digits

            return keeps_digits(before, after, inputs, partial(_number, reflections))
    return True


def _region_nodes(root: Node, inputs: Set[Node]) -> list[Node]:
    found, seen = [root], {root}
    for node in found:
        arguments = [] if node in inputs else [argument for argument in node.args if argument not in seen]
        seen.update(arguments)
        found += arguments
    return found


COLLECT = Rule(
    "collect", CLOSED_FORM, ROUNDING,
    "the shortest sum of products; NaN stays, where products pass the range of numbers one form may be infinite or NaN",
    None, "y * (1 - m) - (1 - y) * m", "y - m", function=lambda node, opaque: collect(node, opaque, ()),
)  # fmt: skip


def _forms(found: Polynomial, atoms: Atoms) -> list[tuple[Polynomial, Monomial]]:
    """The polynomial, and its numerator over a common denominator where terms cancel in it."""
    found = terms.met(found, atoms.plain)
    over = terms.over_common_denominator(found, atoms.sums)
    plain: tuple[Polynomial, Monomial] = found, terms.ONE_TERM
    return [plain, over] if over is not None and len(over[0]) < len(found) else [plain]


# ---- from nodes to polynomials


def _expand(region: _Region, atoms: Atoms) -> Polynomial:
    done: dict[Node, Polynomial] = {}
    for node in region.nodes:
        arguments = [done[a] if a in done else _atom(unspread(a), region, atoms) for a in node.args]
        if node.op in (MUL, DIV) and not region.multiply_out:
            arguments = [_factored(p, atoms, a) if len(p) > 1 else p for p, a in zip(arguments, node.args)]
        result = arguments[0] if node.op is BROADCAST else _combine(node, arguments, region.shape, atoms)
        if result is None:  # beyond the bounds: the node stays as it is
            number = atoms.number(unspread(node))
            atoms.held[number] = {number for argument in arguments for number in terms.atoms_of(argument)}
            result = terms.atom(number)
        done[node] = result
    return done[region.nodes[-1]]


def _atom(node: Node, region: _Region, atoms: Atoms) -> Polynomial:
    value = constant_value(node)
    if value is not None:
        known = terms.constant(float(value))
        if known is not None:
            return known
    size = _size_of(node)
    if size is not None:
        return _size_terms(size, node, atoms)
    reflected = _reflected(node, region, atoms)
    if reflected is not None:
        return reflected
    number = atoms.number(node)
    if not _is_root_of_constant(node):
        atoms.needed.add(number)
    return terms.atom(number)


def _reflected(node: Node, region: _Region, atoms: Atoms) -> Polynomial | None:
    """What a function of -x is by the function of x, where that is an atom too."""
    for rule in region.reflections:
        replaced = rule.apply(node) if node.op is rule.root else None
        if replaced is not None:
            nodes = region_of(replaced, frozenset())
            others = {unspread(a) for inner in nodes or () for a in inner.args if constant_value(a) is None}
            if nodes and others <= region.inputs:
                return _expand(_Region(nodes, region.inputs, (), True, region.shape), atoms)
    return None


def _number(reflections: Sequence[Rule], node: Node, numbers: Mapping[Node, float]) -> float | None:
    """What an atom is that is no number of its own: a size, the root of a constant, a function of -x."""
    size = node if node.op is leaves.SIZE else node.args[0] if node.op is CAST else None
    if size is not None and size.op is leaves.SIZE:
        one: Size = size.attrs[0]
        return float(one.evaluate({name: 2 + sum(map(ord, name)) % 7 for name in one.dims()}))
    if _is_root_of_constant(node):
        return math.sqrt(float(constant_value(node.args[0]) or 0))
    for rule in reflections:
        replaced = rule.apply(node) if node.op is rule.root else None
        if replaced is not None and replaced.op is SUB and replaced.args[1] in numbers:
            return float(constant_value(replaced.args[0]) or 0) - numbers[replaced.args[1]]
    return None


def _size_of(node: Node) -> Size | None:
    """The size that a node is, cast to a float, where it is a product."""
    if node.op is CAST and node.args[0].op is leaves.SIZE:
        size: Size = node.args[0].attrs[0]
        return size if len(size.terms) == 1 else None
    return None


def _size_terms(size: Size, node: Node, atoms: Atoms) -> Polynomial:
    ((factors, coefficient),) = size.terms
    powers = []
    for factor, exponent in factors:
        one = Size(((((factor, 1),), 1),))
        number = atoms.number(cast(leaves.size(one), node.dtype))
        atoms.sizes[number] = one
        powers.append((number, exponent))
    known = terms.constant(float(coefficient))
    if known is None:
        return terms.atom(atoms.number(node))
    if powers:
        atoms.products.add(tuple(sorted(powers)))
    return {tuple(sorted(powers)): float(coefficient)}


def _combine(node: Node, arguments: list[Polynomial], shape: tuple[Size, ...], atoms: Atoms) -> Polynomial | None:
    if node.op is BESIDE:
        return _beside(arguments[0], factors_of(node.attrs[0]) - factors_of(shape), atoms, node.args[0])
    if node.op is NEG:
        return terms.negated(arguments[0])
    if node.op is ADD:
        return terms.added(arguments[0], arguments[1])
    if node.op is SUB:
        return terms.added(arguments[0], terms.negated(arguments[1]))
    if node.op is MUL:
        return terms.multiplied(arguments[0], arguments[1])
    if node.op is DIV:
        inverse = _raised(arguments[1], -1, atoms, node.args[1])
        return None if inverse is None else terms.multiplied(arguments[0], inverse)
    return _raised(arguments[0], int(constant_value(node.args[1]) or 1), atoms, node.args[0])


def _raised(base: Polynomial, exponent: int, atoms: Atoms, node: Node) -> Polynomial | None:
    return terms.raised(_factored(base, atoms, node), exponent) if base else None


def _factored(polynomial: Polynomial, atoms: Atoms, node: Node) -> Polynomial:
    """A sum as one term: a number and what its terms have in common, times an atom that is the rest."""
    polynomial = terms.met(polynomial, atoms.plain)
    fraction = terms.over_common_denominator(polynomial, atoms.sums)
    over = terms.ONE_TERM
    if fraction is not None and 0 < len(fraction[0]) <= len(polynomial):
        polynomial, over = fraction
    if len(polynomial) < 2:
        ((monomial, content),) = polynomial.items()
        return {terms.times(monomial, over): content}
    common, content = terms.common_factor(polynomial), terms.content(polynomial)
    rest = terms.divided(polynomial, common, content)
    key, opposite = (frozenset(side.items()) for side in (rest, terms.negated(rest)))
    if opposite in atoms.known:
        key, content = opposite, -content
    elif key not in atoms.known:
        is_itself = not over and rest == polynomial
        number = atoms.number(unspread(node) if is_itself else _build(rest, terms.ONE_TERM, atoms, node))
        atoms.known[key], atoms.sums[number], atoms.held[number] = number, rest, terms.atoms_of(rest)
    return {terms.times(terms.times(common, over), ((atoms.known[key], 1),)): content}


def _beside(polynomial: Polynomial, extents: frozenset[Size], atoms: Atoms, node: Node) -> Polynomial:
    """Each factor beside the sum for itself."""
    if not extents or not polynomial:
        return polynomial
    if len(polynomial) != 1:
        polynomial = _factored(polynomial, atoms, node)
    ((monomial, coefficient),) = polynomial.items()
    powers = []
    for number, exponent in monomial:
        if not _is_root_of_constant(atoms.nodes[number]):
            base = atoms.plain.get(number, number)
            number = atoms.number(beside(atoms.nodes[number], extents))
            if number != base:
                atoms.plain[number], atoms.held[number] = base, {base}
        powers.append((number, exponent))
    return {terms.times(tuple(sorted(powers)), terms.ONE_TERM): coefficient}


def _without_roots(polynomial: Polynomial, atoms: Atoms) -> Polynomial:
    """Roots of constants as constants where they are even powers, 1 / sqrt(2)^2 being 1/2, or meet a long number."""
    total: Polynomial | None = {}
    for monomial, coefficient in polynomial.items():
        kept = []
        for number, exponent in monomial:
            node = atoms.nodes[number]
            if _is_root_of_constant(node):
                square = float(constant_value(node.args[0]) or 0)
                half = int(exponent / 2)
                coefficient, exponent = terms.tidy(coefficient * square**half), exponent - 2 * half
                if exponent and len(repr(coefficient)) > 12:
                    coefficient, exponent = terms.tidy(coefficient * math.sqrt(square) ** exponent), 0
            kept.append((number, exponent))
        term = {tuple((number, exponent) for number, exponent in kept if exponent): coefficient}
        total = terms.added(total, term) if total is not None else None
    return polynomial if total is None else total


def _is_root_of_constant(node: Node) -> bool:
    value = constant_value(node.args[0]) if node.op is SQRT else None
    return value is not None and terms.LEAST < value < terms.GREATEST


# ---- back to nodes


def _build(polynomial: Polynomial, over: Monomial, atoms: Atoms, like: Node) -> Node:
    """What the terms have in common times the sum of what remains, positive terms first."""
    polynomial = terms.met(polynomial, atoms.plain)
    if not polynomial:
        return full(0, (), like.dtype)
    common, content = terms.common_factor(polynomial), terms.content(polynomial)
    if sum(abs(coefficient) == abs(content) for coefficient in polynomial.values()) < 2 <= len(polynomial):
        content = math.copysign(1, content)  # 400 * x - 2 * y is not written 2 * (200 * x - y)
    rest = terms.divided(polynomial, common, content)
    common = terms.times(common, over)
    if len(rest) == 1:
        return _product(common, content, None, atoms, like)
    total: Node | None = None
    for monomial, coefficient in sorted(rest.items(), key=lambda term: term[1] < 0):
        if total is None:
            total = _product(monomial, coefficient, None, atoms, like)
        elif coefficient < 0:
            total = sub(total, _product(monomial, -coefficient, None, atoms, like))
        else:
            total = add(total, _product(monomial, coefficient, None, atoms, like))
    return _product(common, content, total, atoms, like)


def _product(monomial: Monomial, coefficient: float, last: Node | None, atoms: Atoms, like: Node) -> Node:
    """A number times powers of atoms, scalars before arrays, times a last factor, over the divisors."""
    above = [(number, exponent) for number, exponent in monomial if exponent > 0]
    below = [(number, -exponent) for number, exponent in monomial if exponent < 0]
    top, bottom = _factors(above, atoms, like), _factors(below, atoms, like)
    size, is_negative = abs(coefficient), coefficient < 0
    ratio = terms.as_ratio(size, like.dtype == F32)
    if ratio is not None:
        size, bottom = ratio[0], [full(ratio[1], (), like.dtype), *bottom]
    if last is not None:
        top = [*top, last]
    if size != 1 or not top:
        # The sign belongs to the constant, but -1 / x is written -(1 / x).
        sign = -1 if is_negative and (top or not bottom) else 1
        top, is_negative = [full(sign * size, (), like.dtype), *top], is_negative and sign > 0
    result = _all(mul, top)
    if bottom:
        result = div(result, _all(mul, bottom))
    return neg(result) if is_negative else result


def _factors(powers: list[tuple[int, int]], atoms: Atoms, like: Node) -> list[Node]:
    """The powers, scalars first; sizes that were one product stay one, others could pass the range of integers."""
    sizes = tuple((number, exponent) for number, exponent in powers if number in atoms.sizes)
    if sizes in atoms.products:
        size = product(tuple(atoms.sizes[number] for number, exponent in sizes for _ in range(exponent)))
        nodes = [cast(leaves.size(size), like.dtype)]
        powers = [(number, exponent) for number, exponent in powers if number not in atoms.sizes]
    else:
        nodes = []
    for number, exponent in powers:
        nodes.append(atoms.nodes[number] if exponent == 1 else power(atoms.nodes[number], exponent))
    nodes.sort(key=lambda node: bool(node.shape))
    return nodes


def _all(combine: Callable[[Node, Node], Node], nodes: list[Node]) -> Node:
    result, *others = nodes
    for node in others:
        result = combine(result, node)
    return result


def _cost(root: Node, inputs: Set[Node]) -> int:
    """The cost of the arithmetic between a root and the inputs of its region and of the inputs' own operations."""
    total, seen, stack = 0, {root}, [root]
    while stack:
        node = stack.pop()
        value = constant_value(node)
        if value is not None:
            is_fraction = node.type.is_float and terms.as_ratio(abs(float(value)), node.dtype == F32) is not None
            total += UNREADABLE if is_fraction else 0
            continue
        total += _own_cost(node)
        for argument in node.args if node not in inputs else ():
            if argument not in seen:
                seen.add(argument)
                stack.append(argument)
    return total


def _own_cost(node: Node) -> int:
    """Powers with small constant exponents are products; products of sizes and numbers are nothing beside arrays."""
    if _is_product_of_sizes(node):
        return 0
    if node.op is POWER:
        exponent = constant_value(node.args[1])
        if exponent is not None and exponent == exponent and abs(exponent) <= terms.MOST_POWER:
            return 2 if exponent > 0 else 2 + DIV.cost
    return node.op.cost if node.args else 0


def _is_product_of_sizes(node: Node) -> bool:
    """Whether a node is the product of sizes, and of one number at most: several could pass the range of numbers."""
    pending, numbers = [node], 0
    for _ in range(MOST_FACTORS):
        if not pending:
            return numbers < 2
        factor = unspread(pending.pop())
        numbers += constant_value(factor) is not None
        if factor.op is MUL:
            pending += factor.args
        elif factor.op is POWER and float(constant_value(factor.args[1]) or 0) > 0:
            factor = unspread(factor.args[0])
            if _size_of(factor) is None:
                return False
        elif _size_of(factor) is None and constant_value(factor) is None:
            return False
    return False
