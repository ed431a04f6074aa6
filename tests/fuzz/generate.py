"""Programs that are right by construction: dims, arrays, definitions, functions, loops, derivatives.

Owns the drawing of statements; `expressions` draws what stands in them.  The same seed gives the same program.
"""

from __future__ import annotations

import random

from fuzz.expressions import Drawer
from fuzz.indexed import draw_entries
from fuzz.language import F32, F64, Kind, Scope, bracketed, size

LOSS = "loss"
# {0}: any value; {1}: a param, so that there is one; {2}: a reduction
TERMS = (
    "{2}({0}) * {2}({1})", "{2}({0}) + sum(sin({1}))", "{2}({0} * sum({1}))", "sum(tanh({0} + mean({1})))",
    "({2}({0}) - {2}({1}))^2", "mean({0}^2) + {2}({1}^2) / 2",
)  # fmt: skip


def draw_program(seed: int) -> str:
    """A program without mistakes."""
    return _Program(random.Random(f"typed {seed}")).text()


class _Program:
    """One program while it is drawn: the statements so far, in order, and the names that they define."""

    def __init__(self, choice: random.Random) -> None:
        self.choice = choice
        self.scope = Scope()
        self.statements: list[str] = []
        dims = choice.sample(["n", "d", "k"], choice.randint(1, 3))
        self.drawer = Drawer(choice, self.scope, dims)
        self.drawer.main_float = F32 if choice.random() < 0.2 else F64

    def text(self) -> str:
        """Draw everything."""
        choice = self.choice
        for _ in range(choice.choices((0, 1, 2, 3, 4), (3, 4, 2, 2, 1))[0]):
            draw = choice.choices(
                (self._define, self._function, self._scan, self._derivative, self._factor, self._entries),
                (6, 1, 2, 2, 1, 1),
            )[0]
            draw()
        for _ in range(choice.choices((0, 1, 2), (2, 4, 1))[0]):
            self._loss()
        for _ in range(choice.randint(0 if self._has_loss() else 1, 1)):
            self._output()
        if choice.random() < 0.3 and self._has_loss():
            self._derivative(role="output ")
        return "\n".join([*self._header(), *self.statements]) + "\n"

    def _has_loss(self) -> bool:
        return any(line.startswith(LOSS) for line in self.statements)

    def _header(self) -> list[str]:
        used = " ".join([*self.drawer.declarations, *self.statements])
        dims = [name for name in self.drawer.dims if name in _words(used)]
        lines = ["## Drawn by the fuzzer.", ""] if self.choice.random() < 0.1 else []
        if dims:
            lines.append(f"dim {', '.join(dims)}")
        return [*lines, *self.drawer.declarations]

    def _name(self, prefix: str = "v") -> str:
        return self.drawer.fresh(prefix)

    def _depth(self) -> int:
        return self.choice.choices((1, 2, 3, 4), (3, 4, 2, 1))[0]

    def _define(self, role: str = "") -> None:
        kind = self.drawer.any_kind()
        text = self.drawer.expression(kind, self._depth())
        name = self._name()
        self.statements.append(f"{role}{name} = {text}" + self._comment())
        self.scope.add(name, kind, named=True)

    def _entries(self) -> None:
        """A definition by entries."""
        indices, body, kind = draw_entries(self.drawer, self._depth())
        name = self._name()
        self.statements.append(f"{name}{indices} = {body}" + self._comment())
        self.scope.add(name, kind, named=True)

    def _output(self) -> None:
        self._define("output ")

    def _loss(self) -> None:
        dtype = self.drawer.main_float
        if self.choice.random() < 0.7 or not any(n.startswith("w") and k.dtype == dtype for n, k in self.scope.named()):
            self.drawer.declare(self.drawer.kind(dtype), "param")
        kind = self.drawer.kind(dtype, most=3)
        body = self.drawer.expression(kind, self._depth() + 1)
        known = [name for name, k in self.scope.named() if name.startswith("w") and k.dtype == dtype]
        text = self.choice.choice(TERMS).format(f"({body})", self.choice.choice(known), self._reduction())
        name = self._name("E")
        self.statements.append(f"{LOSS} {name} = {text}" + self._comment())
        self.scope.add(name, Kind(dtype, ()), named=True)

    def _function(self) -> None:
        """A function of one to three arguments and a call of it; its body sees the arguments and what is before."""
        kinds = [self.drawer.kind(self.drawer.some_float()) for _ in range(self.choice.randint(1, 3))]
        name, names = self._name("f"), [self._name("a") for _ in kinds]
        inner = Scope(self.scope)
        for argument, kind in zip(names, kinds):
            inner.add(argument, kind, named=True)
        result = self.choice.choice(kinds)
        body = self.drawer.within(inner, lambda: self.drawer.expression(result, self._depth()))
        parameters = [
            f"{argument} : {kind.text}" if self.choice.random() < 0.3 else argument
            for argument, kind in zip(names, kinds)
        ]
        returns = f" -> {result.text}" if self.choice.random() < 0.3 else ""
        self.statements.append(f"fn {name}({', '.join(parameters)}){returns} = {body}")
        for _ in range(self.choice.randint(1, 2)):
            given = [self.drawer.expression(kind, 1) for kind in kinds]
            if self.choice.random() < 0.2:
                given = [f"{argument}={value}" for argument, value in zip(names, given)]
                self.choice.shuffle(given)
            target = self._name()
            self.statements.append(f"{target} = {name}({', '.join(given)})")
            self.scope.add(target, result, named=True)

    def _scan(self) -> None:
        text, kinds, last = self.drawer.scan(self._depth())
        names = [self._name("S") for _ in kinds]
        self.statements.append(f"{', '.join(names)} = {text}")
        for name, kind in zip(names, kinds):
            self.scope.add(name, kind, named=True)
        if last and self.choice.random() < 0.6:
            target = self._name()
            start, kind = last
            self.statements.append(f"{target} = last({names[0]}, {start})")
            self.scope.add(target, kind, named=True)

    def _factor(self) -> None:
        """A Cholesky factor of a matrix that is positive definite, and a triangular system."""
        drawer, dtype = self.drawer, self.drawer.some_float()
        extent, other = self.choice.choice(drawer.extents()), self.choice.choice(drawer.extents())
        m, q = size(extent), bracketed(size(extent))
        A = drawer.expression(Kind(dtype, (extent, other)), 1)
        factor, solved = self._name("L"), self._name("z")
        eye = f"where(iota({m}) == reshape(iota({m}), {m}, 1), 1.0, 0.0)"
        self.statements.append(f"{factor} = cholesky(({A}) @ ({A})' / (1 + {q}) + 4.0 * {eye})")
        self.scope.add(factor, Kind(dtype, (extent, extent)), named=True)
        right = Kind(dtype, (extent,) if self.choice.random() < 0.5 else (extent, other))
        b = drawer.expression(right, 2)
        flags = self.choice.choice(("", ", lower=true", ", lower=true, transposed=true"))
        self.statements.append(f"{solved} = solve_triangular({factor}, {b}{flags})")
        self.scope.add(solved, right, named=True)

    def _derivative(self, role: str = "") -> None:
        """grad, jvp or vjp of something by a name that is in scope."""
        drawer, choice = self.drawer, self.choice
        names = [(n, k) for n, k in self.scope.named() if k.dtype in (F64, F32)]
        if not names:
            names = [drawer.declare(drawer.kind(drawer.main_float), "param")]
        form = choice.choice(("grad", "grad", "jvp", "vjp"))
        wrt, by = choice.choice(names)
        sources = [(n, k) for n, k in names if n != wrt and (form != "grad" or not k.shape) and k.dtype == by.dtype]
        if sources and choice.random() < 0.7:
            text, kind = choice.choice(sources)
        else:
            kind = Kind(by.dtype, () if form == "grad" else drawer.kind(by.dtype).shape)
            text = drawer.expression(kind, 2)
        if form == "grad":
            text, result = f"grad({text}, {wrt})", by
        elif form == "jvp":
            text, result = f"jvp({text}, {wrt}, {drawer.expression(by, 1)})", kind
        else:
            text, result = f"vjp({text}, {wrt}, {drawer.expression(kind, 1)})", by
        name = self._name("g")
        self.statements.append(f"{role}{name} = {text}")
        self.scope.add(name, result, named=True)

    def _reduction(self) -> str:
        return self.choice.choice(("sum", "mean", "sum", "norm"))

    def _comment(self) -> str:
        return self.choice.choice(("  # a remark", "  ## what it is")) if self.choice.random() < 0.05 else ""


def _words(text: str) -> set[str]:
    return set("".join(c if c.isalnum() or c == "_" else " " for c in text).split())
