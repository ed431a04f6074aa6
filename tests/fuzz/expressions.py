"""Expressions of a wanted dtype and shape, drawn at random, each form of the language with its own weight.

An expression is strong: its dtype is the wanted one whatever it meets.  Operands that may be weak or narrower are drawn
by `_companion`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from fuzz.language import BOOL, F32, F64, FLOATS, I32, I64, INTEGERS, ONE, Extent, Kind, Scope, bracketed, size

Result = TypeVar("Result")
SMOOTH = (
    "sin({0})", "cos({0})", "tanh({0})", "sigmoid({0})", "softplus({0})", "erf({0})", "atan({0})", "exp(tanh({0}))",
    "log1p(({0})^2)", "log(1 + ({0})^2)", "sqrt(1 + ({0})^2)", "rsqrt(0.5 + ({0})^2)", "expm1(sin({0}))", "-({0})",
    "square({0})", "log_sigmoid({0})", "({0})^2", "({0})^3", "1 / (1 + exp(-({0})))", "log(1 + exp({0}))",
    "log(sigmoid({0}))", "log(1 - sigmoid({0}))", "asin(tanh({0}) / 2)", "acos(sin({0}) * 0.9)", "sinh(sin({0}))",
    "cosh(tanh({0}))", "tan(tanh({0}))", "log2(1.5 + sin({0}))", "log10(2 + cos({0}))", "exp2(sin({0}))",
    "log1mexp(-1 - ({0})^2)", "(1 + ({0})^2)^0.5", "(2 + sin({0}))^-1.5", "exp({0}) / (1 + exp({0}))",
)  # fmt: skip
KINKED = (
    "abs({0})", "relu({0})", "sign({0})", "floor({0})", "ceil({0})", "round({0})", "clip({0}, -0.5, 0.5)",
    "maximum({0}, 0)", "minimum({0}, 0.25)", "abs({0})^1.5", "stop_gradient({0})", "sqrt(({0})^2)",
)  # fmt: skip
RISKY = ("log({0})", "sqrt({0})", "exp({0})", "1 / ({0})", "rsqrt({0})", "asin({0})", "({0})^-2", "log1mexp({0})",
         "exp(3 * {0})", "acos({0})", "({0})^0.5", "cosh({0})", "({0})^0", "log1p({0})")  # fmt: skip
BINARY = ("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} * {1} + {0}", "{0} / (1.5 + ({1})^2)", "{1} - {0}", "{1} * {0}")
BINARY_CALLS = ("minimum({0}, {1})", "maximum({0}, {1})", "atan2({0}, 1.5 + ({1})^2)", "logaddexp({0}, {1})",
                "xlogy(({1})^2, 1 + ({0})^2)", "(1 + ({0})^2)^({1})", "clip({0}, {1} - 1, {1} + 1)")  # fmt: skip
LITERALS = ("0.5", "2.0", "1.5", "0.1", "pi", "3", "1", "1e-3", "-0.25", "2", "e", "0.0", "7.25", "1_000.5")
REDUCTIONS = ("sum", "sum", "mean", "prod", "logsumexp", "norm", "max", "min")
MOST_DECLARED, MOST_RANK = 8, 3


class Drawer:
    """Draws expressions in a scope; declares arrays where it lacks one."""

    def __init__(self, choice: random.Random, scope: Scope, dims: list[str]) -> None:
        self.choice = choice
        self.scope = self.top = scope
        self.dims = dims
        self.declarations: list[str] = []
        self.main_float = F64
        self._count = 0

    # ---- names and types

    def fresh(self, prefix: str) -> str:
        """A name that no other thing has."""
        self._count += 1
        return f"{prefix}{self._count}"

    def within(self, scope: Scope, draw: Callable[[], Result]) -> Result:
        """What is drawn in an inner scope."""
        outer, self.scope = self.scope, scope
        try:
            return draw()
        finally:
            self.scope = outer

    def some_float(self) -> str:
        """Mostly the program's own float dtype."""
        return self.choice.choices((self.main_float, F32, F64), (8, 1, 1))[0]

    def extents(self) -> list[Extent]:
        """Sizes of axes, dims mostly."""
        return [(name, 0) for name in self.dims] * 3 + [("", 3), ("", 2), ONE]

    def kind(self, dtype: str, most: int = 2) -> Kind:
        """A kind of that dtype."""
        rank = self.choice.choices(range(4), (3, 5, 4, 1))[0]
        return Kind(dtype, tuple(self.choice.choice(self.extents()) for _ in range(min(rank, most))))

    def any_kind(self) -> Kind:
        """A kind of any dtype."""
        dtype = self.choice.choices((self.some_float(), I64, I32, BOOL), (8, 1.2, 0.4, 0.8))[0]
        return self.kind(dtype, 3)

    def declare(self, kind: Kind, role: str = "input") -> tuple[str, Kind]:
        """Another array of the caller's."""
        if kind.dtype not in FLOATS:
            role = "input"
        name = self.fresh("w" if role == "param" else "x")
        start = self.choice.choice(("", "", "", " = zeros", " = 0.5")) if role == "param" else ""
        doc = "  ## an array" if self.choice.random() < 0.03 else ""
        self.declarations.append(f"{role} {name} : {kind.text}{start}{doc}")
        self.top.add(name, kind, named=True)
        return name, kind

    def labels(self, extent: Extent, classes: Extent) -> str:
        """An input of labels below the number of classes: its name tells whoever draws the data."""
        name = f"labels_{classes[0] or classes[1]}_{self.fresh('x')}"
        self.declarations.append(f"input {name} : i64[{size(extent)}]")
        return name

    # ---- expressions

    def expression(self, kind: Kind, depth: int) -> str:
        """Any expression of that kind, strong."""
        if depth <= 0:
            return self._leaf(kind)
        if kind.dtype in FLOATS:
            forms = self._float_forms(kind)
        elif kind.dtype in INTEGERS:
            forms = self._integer_forms(kind)
        else:
            forms = self._bool_forms(kind)
        forms += [(1, self._where), (0.5, self._if)]
        if kind.shape:
            forms += self._shape_forms(kind)
        draw = self.choice.choices([form for _, form in forms], [weight for weight, _ in forms])[0]
        return draw(kind, depth - 1)

    def _leaf(self, kind: Kind) -> str:
        known = [n for n, k in self.scope.all() if k == kind]
        if known and self.choice.random() < 0.8:
            return self.choice.choice(known[:6])
        if len(self.declarations) < MOST_DECLARED:
            return self.declare(kind, "param" if self.choice.random() < 0.25 else "input")[0]
        if known:
            return known[0]
        if kind.shape:
            scalar = self._leaf(Kind(kind.dtype, ()))
            return f"broadcast_to({scalar}, {self._sizes(kind.shape)})"
        return self.declare(kind)[0]

    def _companion(self, kind: Kind, depth: int) -> str:
        """An operand beside one of that kind: it may be weak, narrower, or of a shape that is repeated."""
        roll = self.choice.random()
        if roll < 0.25 and kind.dtype in FLOATS:
            return self.choice.choice(LITERALS)
        if roll < 0.25:
            return self.choice.choice(("1", "2", "3", "7"))
        if roll < 0.36 and kind.dtype == F32:  # an integer beside a number with a fraction is f64
            return self._leaf(kind)
        if roll < 0.3:
            narrower = {F64: (I64, I32), F32: (I64, I32), I64: (I32,), I32: (I32,)}[kind.dtype]
            return bracketed(self.expression(kind._replace(dtype=self.choice.choice(narrower)), min(depth, 1)))
        if roll < 0.33 and self.dims:
            return self.choice.choice(self.dims)
        if roll < 0.36 and kind.shape and kind.shape[-1] != ONE:
            return f"iota({size(kind.shape[-1])})"
        shape = kind.shape
        if roll < 0.6 and shape:
            shape = shape[self.choice.randint(0, len(shape)) :]
            shape = tuple(ONE if self.choice.random() < 0.2 else extent for extent in shape)
        return bracketed(self.expression(Kind(kind.dtype, shape), depth))

    def _float_forms(self, kind: Kind) -> list[tuple[float, Callable[[Kind, int], str]]]:
        return [(5, self._unary), (6, self._binary), (2.5, self._reduction), (2.5, self._product), (0.7, self._cast),
                (0.6, self._inline_scan), (0.4, self._function_of_axis)]  # fmt: skip

    def _integer_forms(self, kind: Kind) -> list[tuple[float, Callable[[Kind, int], str]]]:
        return [(3, self._integer_binary), (1, self._integer_reduction), (1, self._integer_cast)]

    def _bool_forms(self, kind: Kind) -> list[tuple[float, Callable[[Kind, int], str]]]:
        return [(4, self._comparison), (2, self._logical), (1, self._any)]

    def _shape_forms(self, kind: Kind) -> list[tuple[float, Callable[[Kind, int], str]]]:
        forms: list[tuple[float, Callable[[Kind, int], str]]] = [
            (1.5, self._slice), (1, self._pick), (0.6, self._transpose), (0.5, self._reshape), (0.4, self._flip),
            (0.3, self._broadcast),
        ]  # fmt: skip
        if kind.shape[0][0] == "" and 0 < kind.shape[0][1] <= 3:
            forms.append((1, self._literal))
        return forms

    # ---- floats

    def _unary(self, kind: Kind, depth: int) -> str:
        templates = self.choice.choices((SMOOTH, KINKED, RISKY), (8, 2, 1))[0]
        return self.choice.choice(templates).format(self.expression(kind, depth))

    def _binary(self, kind: Kind, depth: int) -> str:
        templates = BINARY if self.choice.random() < 0.8 else BINARY_CALLS
        left, right = bracketed(self.expression(kind, depth)), self._companion(kind, depth)
        return self.choice.choice(templates).format(left, right)

    def _reduction(self, kind: Kind, depth: int) -> str:
        """Some axes more, which are reduced again; kept axes of size 1 where the kind has such."""
        name = self.choice.choice(REDUCTIONS)
        return self._reduced(name, kind, depth, kind.dtype)

    def _reduced(self, name: str, kind: Kind, depth: int, dtype: str) -> str:
        kept = [i for i, extent in enumerate(kind.shape) if extent == ONE]
        if kept and self.choice.random() < 0.7:
            axis = self.choice.choice(kept)
            shape = list(kind.shape)
            shape[axis] = self.choice.choice(self.extents())
            inner = self.expression(Kind(dtype, tuple(shape)), depth)
            return f"{name}({inner}, axis={self._axis(axis, len(shape))}, keepdims=true)"
        count = 1 if len(kind.shape) >= MOST_RANK - 1 or self.choice.random() < 0.7 else 2
        places = sorted(self.choice.sample(range(len(kind.shape) + count), count))
        shape = list(kind.shape)
        for place in places:
            shape.insert(place, self.choice.choice(self.extents()))
        inner = self.expression(Kind(dtype, tuple(shape)), depth)
        if not kind.shape and self.choice.random() < 0.6:
            return f"{name}({inner})"
        axes = [self._axis(place, len(shape)) for place in places]
        return f"{name}({inner}, axis={axes[0] if count == 1 else '[' + ', '.join(axes) + ']'})"

    def _axis(self, axis: int, rank: int) -> str:
        return str(axis if self.choice.random() < 0.7 else axis - rank)

    def _product(self, kind: Kind, depth: int) -> str:
        inner = self.choice.choice(self.extents())
        draw = lambda *shape: bracketed(self.expression(Kind(kind.dtype, shape), depth))  # noqa: E731
        if not kind.shape:
            return f"{draw(inner)} @ {draw(inner)}"
        if len(kind.shape) == 1:
            (m,) = kind.shape
            return (
                f"{draw(m, inner)} @ {draw(inner)}"
                if self.choice.random() < 0.6
                else f"{draw(inner)} @ {draw(inner, m)}"
            )
        *batch, m, q = kind.shape
        if not batch and self.choice.random() < 0.2:
            return f"outer({draw(m)}, {draw(q)})"
        left = (*batch, m, inner) if self.choice.random() < 0.7 else (m, inner)
        right = (inner, q) if left == (*batch, m, inner) and self.choice.random() < 0.6 else (*batch, inner, q)
        if self.choice.random() < 0.3 and len(right) == 2:
            return f"{draw(*left)} @ {draw(q, inner)}'"
        return f"{draw(*left)} @ {draw(*right)}"

    def _cast(self, kind: Kind, depth: int) -> str:
        other = self.choice.choice([dtype for dtype in (F64, F32, I64, I32, BOOL) if dtype != kind.dtype])
        return f"{kind.dtype}({self.expression(kind._replace(dtype=other), depth)})"

    def _function_of_axis(self, kind: Kind, depth: int) -> str:
        if not kind.shape or self.choice.random() < 0.3:
            if len(kind.shape) == 1:
                classes = self.choice.choice([extent for extent in self.extents() if extent != ONE])
                logits = self.expression(Kind(kind.dtype, (*kind.shape, classes)), depth)
                return f"cross_entropy({logits}, {self.labels(kind.shape[0], classes)})"
            if len(kind.shape) == 2 and kind.shape[1] != ONE:
                hot = f"one_hot({self.labels(*kind.shape)}, {size(kind.shape[1])})"
                hot = f"f32({hot})" if kind.dtype == F32 else hot
                return f"{bracketed(self.expression(kind, depth))} * {hot}"
            return self._unary(kind, depth)
        name = self.choice.choice(("softmax", "log_softmax", "softmax"))
        axis = self.choice.randint(-len(kind.shape), len(kind.shape) - 1)
        return f"{name}({self.expression(kind, depth)}" + (f", axis={axis})" if self.choice.random() < 0.6 else ")")

    # ---- integers and truth values

    def _integer_binary(self, kind: Kind, depth: int) -> str:
        left, right = bracketed(self.expression(kind, depth)), self._companion(kind, depth)
        if kind.dtype == I32 and right in self.dims:
            right = "2"
        forms = ("{0} + {1}", "{0} - {1}", "{0} * {1}", "{0} // 3", "{0} % 5", "abs({0})", "-{0}", "sign({0})", "{0} ^ 2",  # noqa: E501
                 "minimum({0}, {1})", "maximum({0}, {1})", "clip({0}, -2, 3)", "{0} // -2", "{0} % -3")  # fmt: skip
        return self.choice.choice(forms).format(left, right)

    def _integer_reduction(self, kind: Kind, depth: int) -> str:
        if kind.dtype == I64:
            dtype = self.choice.choice((I64, BOOL))
            return self._reduced(
                "sum" if dtype == BOOL else self.choice.choice(("sum", "max", "min")), kind, depth, dtype
            )
        return self._reduced(self.choice.choice(("max", "min")), kind, depth, kind.dtype)

    def _integer_cast(self, kind: Kind, depth: int) -> str:
        other = self.choice.choice([dtype for dtype in (F64, F32, I64, I32, BOOL) if dtype != kind.dtype])
        return f"{kind.dtype}({self.expression(kind._replace(dtype=other), depth)})"

    def _comparison(self, kind: Kind, depth: int) -> str:
        other = Kind(self.choice.choice((self.main_float, self.main_float, I64)), kind.shape)
        operator = self.choice.choice(("<", "<=", ">", ">=", "==", "!="))
        roll, left = self.choice.random(), bracketed(self.expression(other, depth))
        if roll < 0.1 and other.dtype in FLOATS:
            return f"{self.choice.choice(('isnan', 'isfinite'))}({left})"
        if roll < 0.3:
            return f"({left} {operator} {self._companion(other, depth)})"
        return f"({left} {operator} {bracketed(self.expression(other, depth))})"

    def _logical(self, kind: Kind, depth: int) -> str:
        if self.choice.random() < 0.3:
            return f"(not {bracketed(self.expression(kind, depth))})"
        left, right = (bracketed(self.expression(kind, depth)) for _ in range(2))
        return f"({left} {self.choice.choice(('and', 'or'))} {right})"

    def _any(self, kind: Kind, depth: int) -> str:
        return self._reduced(self.choice.choice(("any", "all")), kind, depth, BOOL)

    # ---- of any dtype

    def _where(self, kind: Kind, depth: int) -> str:
        condition = self.expression(Kind(BOOL, kind.shape), min(depth, 2))
        one, two = self.expression(kind, depth), self.expression(kind, depth)
        if kind.dtype in FLOATS and self.choice.random() < 0.3:
            two = self.choice.choice(LITERALS)
        return f"where({condition}, {one}, {two})"

    def _if(self, kind: Kind, depth: int) -> str:
        condition = self.expression(Kind(BOOL, ()), min(depth, 2))
        return f"(if {condition} then {self.expression(kind, depth)} else {self.expression(kind, depth)})"

    def _slice(self, kind: Kind, depth: int) -> str:
        """A longer axis, cut."""
        axis = self.choice.randrange(len(kind.shape))
        name, offset = kind.shape[axis]
        longer, cut = self.choice.choice((
            ((name, offset + 1), "1:"), ((name, offset + 1), ":-1"), ((name, offset + 2), "1:-1"),
            ((name, offset), "::-1"), ((name, offset), ":"), ((name, offset + 2), "2:"),
        ))  # fmt: skip
        if not name and self.choice.random() < 0.4:
            longer, cut = ("", 2 * offset), "::2"
        shape = list(kind.shape)
        shape[axis] = longer
        parts = [":"] * axis + [cut]
        return f"{bracketed(self.expression(kind._replace(shape=tuple(shape)), depth))}[{', '.join(parts)}]"

    def _pick(self, kind: Kind, depth: int) -> str:
        """An entry of an axis more, or a new axis of size 1."""
        axes = [i for i, extent in enumerate(kind.shape) if extent == ONE]
        parts = [":"] * len(kind.shape)
        shape = list(kind.shape)
        if axes and self.choice.random() < 0.6:
            axis = self.choice.choice(axes)
            del shape[axis]
            parts[axis] = "None"
        elif len(shape) < MOST_RANK:
            axis = self.choice.randint(0, len(shape))
            extent = self.choice.choice(self.extents())
            shape.insert(axis, extent)
            parts.insert(axis, self.choice.choice(("0", "-1")))
        else:
            return self.expression(kind, depth)
        return f"{bracketed(self.expression(kind._replace(shape=tuple(shape)), depth))}[{', '.join(parts)}]"

    def _transpose(self, kind: Kind, depth: int) -> str:
        if len(kind.shape) < 2:
            return f"({self.expression(kind, depth)})'"
        *batch, m, q = kind.shape
        inner = self.expression(kind._replace(shape=(*batch, q, m)), depth)
        return self.choice.choice(("({0})'", "({0}).T", "transpose({0})")).format(inner)

    def _reshape(self, kind: Kind, depth: int) -> str:
        """The axes in another order, read row-major."""
        shape = list(kind.shape)
        self.choice.shuffle(shape)
        if all(not name for name, _ in shape) and self.choice.random() < 0.5:
            count = 1
            for _, offset in shape:
                count *= offset
            shape = [("", count)]
        inner = self.expression(kind._replace(shape=tuple(shape)), depth)
        return f"reshape({inner}, {self._sizes(kind.shape)})"

    def _flip(self, kind: Kind, depth: int) -> str:
        axis = self.choice.choice(("", f", axis={self.choice.randrange(len(kind.shape))}"))
        return f"flip({self.expression(kind, depth)}{axis})"

    def _broadcast(self, kind: Kind, depth: int) -> str:
        shape = kind.shape[self.choice.randint(0, len(kind.shape)) :]
        return f"broadcast_to({self.expression(kind._replace(shape=shape), depth)}, {self._sizes(kind.shape)})"

    def _literal(self, kind: Kind, depth: int) -> str:
        entry = kind._replace(shape=kind.shape[1:])
        return f"[{', '.join(self.expression(entry, min(depth, 1)) for _ in range(kind.shape[0][1]))}]"

    def _sizes(self, shape: tuple[Extent, ...]) -> str:
        return ", ".join(map(size, shape))

    # ---- loops

    def _inline_scan(self, kind: Kind, depth: int) -> str:
        if not kind.shape or kind.shape[0] == ONE:
            return self._unary(kind, depth)
        text, _, _ = self.scan(min(depth, 2), kind)
        return f"({text})"

    def scan(self, depth: int, wanted: Kind | None = None) -> tuple[str, list[Kind], tuple[str, Kind] | None]:
        """A loop, the kinds of its results, and the start of its first state with that state's kind."""
        choice, dtype = self.choice, wanted.dtype if wanted else self.some_float()
        length = wanted.shape[0] if wanted else choice.choice([extent for extent in self.extents() if extent != ONE])
        count = 1 if wanted or choice.random() < 0.7 else 2
        states = [Kind(dtype, wanted.shape[1:]) if wanted else self.kind(dtype, 1) for _ in range(count)]
        names = [self.fresh("h") for _ in states]
        starts = [self.expression(kind, 1) for kind in states]
        sequences, inner = [], Scope(self.scope)
        for name, kind in zip(names, states):
            inner.add(name, kind)
        if choice.random() < 0.8:
            element = self.kind(dtype, 1)
            sequence = self._leaf(Kind(dtype, (length, *element.shape)))
            sequences.append(f"{(name := self.fresh('u'))} in {sequence}")
            inner.add(name, element)
        if not sequences or choice.random() < 0.2:
            sequences.append(f"{(name := self.fresh('t'))} in 0..{size(length)}")
            inner.add(name, Kind(I64, ()))
        lines, results, kinds = self.within(inner, lambda: self._body(inner, states, wanted is None, min(depth, 2)))
        heads = ", ".join(f"{name} = {start}" for name, start in zip(names, starts))
        text = f"scan {heads} over {', '.join(sequences)} {{ {'; '.join([*lines, results])} }}"
        return text, [Kind(k.dtype, (length, *k.shape)) for k in (*states, *kinds)], (starts[0], states[0])

    def _body(self, inner: Scope, states: list[Kind], may_emit: bool, depth: int) -> tuple[list[str], str, list[Kind]]:
        lines, emitted = [], []
        if self.choice.random() < 0.3:
            kind = self.kind(states[0].dtype, 1)
            name = self.fresh("m")
            lines.append(f"{name} = {self.expression(kind, depth)}")
            inner.add(name, kind)
        following = [f"tanh({self.expression(kind, depth)})" for kind in states]
        if not may_emit or self.choice.random() < 0.6:
            return lines, ("next " if self.choice.random() < 0.3 else "") + ", ".join(following), []
        emitted = [self.kind(states[0].dtype, 1)]
        more = ", ".join(self.expression(kind, depth) for kind in emitted)
        return lines, f"next {', '.join(following)} emit {more}", emitted
