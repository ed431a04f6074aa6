"""Closed form: regions of arithmetic brought to the shortest sum of products.

A region is expanded into a polynomial over its atoms (what is no arithmetic), with negative powers for divisors; terms
cancel, common factors are taken out, and fractions are put over a common denominator where that helps.  The new form
is taken only where it costs less.  Real-number algebra: class `rounding`, with the largest term as the scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from exprc.ir.node import Node
from exprc.ops import TABLE
from exprc.ops.arithmetic import add, div, mul, neg, sub
from exprc.ops.functions import power
from exprc.ops.leaves import constant_value, full
from exprc.ops.table import broadcast_to
from exprc.rewrite.rule import Rule

MOST_REGION, MOST_TERMS, MOST_POWER = 60, 24, 4
ADD, SUB, MUL, DIV, NEG, POWER = (TABLE[name] for name in ("add", "sub", "mul", "div", "neg", "power"))
BROADCAST, SQRT = TABLE["broadcast"], TABLE["sqrt"]
ARITHMETIC = frozenset((ADD, SUB, MUL, DIV, NEG, POWER))

Monomial = tuple[tuple[int, int], ...]  # (number of the atom, power), sorted
Polynomial = dict[Monomial, float]


class Atoms(NamedTuple):
    """The atoms of a region in order of first use, and the polynomials of those that are sums, by node."""

    nodes: list[Node]
    numbers: dict[Node, int]
    sums: dict[Node, Polynomial]

    def number(self, node: Node) -> int:
        if node not in self.numbers:
            self.numbers[node] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[node]


def collect(node: Node, opaque: frozenset[Node], reflections: Sequence[Rule]) -> Node | None:
    """A cheaper form of an arithmetic node, or None.  Nodes in `opaque` have names: they stay atoms."""
    if node.op not in ARITHMETIC or not node.type.is_float:
        return None
    region = _region(node, opaque)
    if region is None:
        return None
    best, best_cost = None, _cost(node, frozenset(region))
    for multiply_out in (True, False):
        atoms = Atoms([], {}, {})
        found = _expand(region, atoms, opaque, reflections, multiply_out)
        for polynomial in (found, _common_denominator(found, atoms)):
            if polynomial is None or len(polynomial) > MOST_TERMS:
                continue
            candidate = broadcast_to(_build(_without_roots(polynomial, atoms), atoms, node), node.shape)
            cost = _cost(candidate, None, frozenset(atoms.nodes) - atoms.sums.keys())
            if cost < best_cost:
                best, best_cost = candidate, cost
    return best


def _region(root: Node, opaque: frozenset[Node]) -> list[Node] | None:
    """The arithmetic nodes under a root in topological order; None where there are too many."""
    order: list[Node] = []
    seen: set[Node] = set()
    stack = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            if len(seen) > MOST_REGION:
                return None
            stack.append((node, True))
            stack.extend((a, False) for a in reversed(node.args) if _inside(a, opaque))
    return order


def _inside(node: Node, opaque: frozenset[Node]) -> bool:
    """Whether a node belongs to the region of its reader: unnamed arithmetic, and scalars of it that are spread."""
    if node.op is BROADCAST and not node.args[0].shape:
        node = node.args[0]
    return node.op in ARITHMETIC and node not in opaque


def _expand(
    region: list[Node], atoms: Atoms, opaque: frozenset[Node], reflections: Sequence[Rule], multiply_out: bool
) -> Polynomial:
    done: dict[Node, Polynomial] = {}
    for node in region:
        arguments = [done[a] if a in done else _atom(a, atoms, opaque, reflections) for a in node.args]
        if node.op is MUL and not multiply_out and all(len(argument) > 1 for argument in arguments):
            arguments = [_as_factors(argument, atoms, node) for argument in arguments]
        result = arguments[0] if node.op is BROADCAST else _combine(node, arguments, atoms)
        if result is None or len(result) > MOST_TERMS:
            result = {((atoms.number(node), 1),): 1.0}
        done[node] = result
    return done[region[-1]]


def _atom(node: Node, atoms: Atoms, opaque: frozenset[Node], reflections: Sequence[Rule]) -> Polynomial:
    if node.op is BROADCAST and not node.args[0].shape:
        (node,) = node.args  # a scalar is one atom, spread or not
    value = constant_value(node)
    if value is not None and not isinstance(value, bool):
        return {(): float(value)} if value else {}
    if node not in opaque:
        for rule in reflections:
            if node.op is rule.root:
                replaced = rule.apply(node)
                if replaced is not None:
                    region = _region(replaced, opaque)
                    inner = _expand(region, atoms, opaque, (), True) if region else None
                    if inner is not None:
                        return inner
    return {((atoms.number(node), 1),): 1.0}


def _combine(node: Node, arguments: list[Polynomial], atoms: Atoms) -> Polynomial | None:
    if node.op is NEG:
        return {m: -c for m, c in arguments[0].items()}
    if node.op is ADD:
        return _sum(arguments[0], arguments[1], 1.0)
    if node.op is SUB:
        return _sum(arguments[0], arguments[1], -1.0)
    if node.op is MUL:
        return _product(arguments[0], arguments[1])
    if node.op is DIV:
        inverse = _inverse(arguments[1], node.args[1], atoms)
        return None if inverse is None else _product(arguments[0], inverse)
    return _power(node, arguments[0], atoms)


def _sum(left: Polynomial, right: Polynomial, sign: float) -> Polynomial:
    total = dict(left)
    for monomial, coefficient in right.items():
        value = total.get(monomial, 0.0) + sign * coefficient
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def _product(left: Polynomial, right: Polynomial) -> Polynomial | None:
    if len(left) * len(right) > 4 * MOST_TERMS:
        return None
    total: Polynomial = {}
    for m, a in left.items():
        for n, b in right.items():
            monomial = _times(m, n)
            value = total.get(monomial, 0.0) + a * b
            if value:
                total[monomial] = value
            else:
                total.pop(monomial, None)
    return total


def _times(left: Monomial, right: Monomial) -> Monomial:
    powers = dict(left)
    for atom, power_ in right:
        powers[atom] = powers.get(atom, 0) + power_
    return tuple(sorted((atom, p) for atom, p in powers.items() if p))


def _inverse(polynomial: Polynomial, node: Node, atoms: Atoms) -> Polynomial | None:
    if len(polynomial) == 1:
        ((monomial, coefficient),) = polynomial.items()
        return {tuple((atom, -p) for atom, p in monomial): 1.0 / coefficient}
    if not polynomial:
        return None
    number = atoms.number(node)
    atoms.sums[node] = polynomial
    return {((number, -1),): 1.0}


def _power(node: Node, base: Polynomial, atoms: Atoms) -> Polynomial | None:
    exponent = constant_value(node.args[1])
    if exponent is None or exponent != int(exponent) or not 1 <= abs(exponent) <= MOST_POWER:
        return None
    if len(base) == 1:
        ((monomial, coefficient),) = base.items()
        return {tuple((atom, p * int(exponent)) for atom, p in monomial): coefficient ** int(exponent)}
    if not base:
        return None
    number = atoms.number(node.args[0])
    atoms.sums[node.args[0]] = base
    return {((number, int(exponent)),): 1.0}


def _as_factors(polynomial: Polynomial, atoms: Atoms, like: Node) -> Polynomial:
    """A sum as one term: what its terms have in common, times an atom that is the rest."""
    over = _common_denominator(polynomial, atoms)
    if over is not None and len(over) <= len(polynomial):
        polynomial = over
    common, content = _common_factor(polynomial), _content(polynomial)
    inverse = tuple((atom, -p) for atom, p in common)
    rest = {_times(m, inverse): c / content for m, c in polynomial.items()}
    if len(rest) < 2:
        return polynomial
    node = _build(rest, atoms, like)
    atoms.sums[node] = rest
    return {_times(common, ((atoms.number(node), 1),)): content}


def _common_denominator(polynomial: Polynomial, atoms: Atoms) -> Polynomial | None:
    """The numerator over the product of all divisors, where divisors that are sums are multiplied out."""
    divisors: dict[int, int] = {}
    for monomial in polynomial:
        for atom, p in monomial:
            divisors[atom] = min(divisors.get(atom, 0), p)
    divisors = {atom: p for atom, p in divisors.items() if p < 0}
    if len(polynomial) < 2 or not divisors:
        return None
    total: Polynomial = {}
    for monomial, coefficient in polynomial.items():
        powers = dict(monomial)
        term: Polynomial | None = {
            tuple((a, p) for a, p in monomial if a not in divisors): coefficient
        }
        for atom, least in divisors.items():
            for _ in range(powers.get(atom, 0) - least):
                term = _product(term, atoms.sums.get(atoms.nodes[atom], {((atom, 1),): 1.0})) if term is not None else None
        if term is None:
            return None
        total = _sum(total, term, 1.0)
    over = tuple(sorted(divisors.items()))
    return {_times(monomial, over): coefficient for monomial, coefficient in total.items()}


def _without_roots(polynomial: Polynomial, atoms: Atoms) -> Polynomial:
    """Even powers of roots of constants as constants: 1 / sqrt(2)^2 is 1/2."""
    total: Polynomial = {}
    for monomial, coefficient in polynomial.items():
        kept = []
        for atom, p in monomial:
            node = atoms.nodes[atom]
            square = constant_value(node.args[0]) if node.op is SQRT else None
            if square and abs(p) > 1:
                half = int(p / 2)
                coefficient, p = coefficient * float(square) ** half, p - 2 * half
            kept.append((atom, p))
        total = _sum(total, {tuple((atom, p) for atom, p in kept if p): coefficient}, 1.0)
    return total


# ---- back to nodes


def _build(polynomial: Polynomial, atoms: Atoms, like: Node) -> Node:
    """Common factor times the sum of what remains; positive terms first."""
    if not polynomial:
        return full(0, like.shape, like.dtype)
    common = _common_factor(polynomial)
    content = _content(polynomial)
    inverse = tuple((atom, -p) for atom, p in common)
    rest = [(_times(m, inverse), c / content) for m, c in polynomial.items()]
    rest.sort(key=lambda term: term[1] < 0)
    total: Node | None = None
    for monomial, coefficient in rest:
        total = _add_term(total, monomial, coefficient, atoms, like)
    assert total is not None
    if len(rest) == 1 and constant_value(total) is not None:
        return _monomial(common, content * float(constant_value(total) or 1), atoms, like)
    return _scaled(total, common, content, atoms, like)


def _common_factor(polynomial: Polynomial) -> Monomial:
    shared: dict[int, int] | None = None
    for monomial in polynomial:
        powers = dict(monomial)
        if shared is None:
            shared = powers
        else:
            both = shared.keys() | powers.keys()
            shared = {a: min(shared.get(a, 0), powers.get(a, 0)) for a in both}
    return tuple(sorted((atom, p) for atom, p in (shared or {}).items() if p))


def _content(polynomial: Polynomial) -> float:
    """The coefficient that all terms share up to sign; negative where no term is positive."""
    sizes = {abs(c) for c in polynomial.values()}
    shared = sizes.pop() if len(sizes) == 1 else 1.0
    return shared if any(c > 0 for c in polynomial.values()) else -shared


def _add_term(total: Node | None, monomial: Monomial, coefficient: float, atoms: Atoms, like: Node) -> Node:
    if total is None:
        return _monomial(monomial, coefficient, atoms, like)
    term = _monomial(monomial, abs(coefficient), atoms, like)
    return sub(total, term) if coefficient < 0 else add(total, term)


def _monomial(monomial: Monomial, coefficient: float, atoms: Atoms, like: Node) -> Node:
    negative = coefficient < 0 and coefficient != 0
    size = abs(coefficient)
    result = full(size, (), like.dtype) if size != 1 else None
    for atom, p in sorted(monomial, key=lambda power_: bool(atoms.nodes[power_[0]].shape)):
        if p > 0:
            factor = atoms.nodes[atom] if p == 1 else power(atoms.nodes[atom], p)
            result = factor if result is None else mul(result, factor)
    divisor = _divisor(monomial, atoms)
    if divisor is not None:
        result = div(full(1, (), like.dtype) if result is None else result, divisor)
    if result is None:
        result = full(1, (), like.dtype)
    return neg(result) if negative else result


def _divisor(monomial: Monomial, atoms: Atoms) -> Node | None:
    divisor: Node | None = None
    for atom, p in monomial:
        if p < 0:
            factor = atoms.nodes[atom] if p == -1 else power(atoms.nodes[atom], -p)
            divisor = factor if divisor is None else mul(divisor, factor)
    return divisor


def _scaled(total: Node, common: Monomial, content: float, atoms: Atoms, like: Node) -> Node:
    above = tuple((a, p) for a, p in common if p > 0)
    if above or abs(content) != 1:
        total = mul(_monomial(above, abs(content), atoms, like), total)
    divisor = _divisor(common, atoms)
    if divisor is not None:
        total = div(total, divisor)
    return neg(total) if content < 0 else total


def _cost(root: Node, region: frozenset[Node] | None, atoms: frozenset[Node] = frozenset()) -> int:
    """The cost of the arithmetic under a root and of the atoms' own operations, each node once."""
    total, seen, stack = 0, {root}, [root]
    while stack:
        node = stack.pop()
        if region is not None:
            inside = node in region
        else:
            inside = (node.op in ARITHMETIC or node.op is BROADCAST) and node not in atoms
        constant = constant_value(node) is not None
        total += 0 if constant else _own_cost(node)
        for argument in node.args if inside or node is root else ():
            if argument not in seen:
                seen.add(argument)
                stack.append(argument)
    return total


def _own_cost(node: Node) -> int:
    if node.op is POWER:
        return 2
    return node.op.cost if node.args else 0
