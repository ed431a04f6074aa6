"""LLVM IR as text: a module's declarations and functions, a function's values, blocks, loops and branches.

Values are emitted in static single assignment with explicit phis, so that no pass has to repair them.  Names are
counters.  Must not know kernels, sizes or targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import NamedTuple

LLVM_TYPES = {"f64": "double", "f32": "float", "i64": "i64", "i32": "i32", "bool": "i1"}
MEMORY_TYPES = {**LLVM_TYPES, "bool": "i8"}


def vector_type(element: str, lanes: int) -> str:
    """The type of a vector of LLVM elements; of one lane, the element itself."""
    return element if lanes == 1 else f"<{lanes} x {element}>"


def register_type(dtype: str, lanes: int) -> str:
    """The type in which values of a dtype are computed."""
    return vector_type(LLVM_TYPES[dtype], lanes)


def overload(dtype: str, lanes: int) -> str:
    """How an intrinsic's name spells a type: `v16f64`."""
    element = "i1" if dtype == "bool" else dtype
    return element if lanes == 1 else f"v{lanes}{element}"


def literal(dtype: str, value: float | int | bool, lanes: int = 1) -> str:
    """A constant, exactly; the same in every lane."""
    if dtype in ("f64", "f32"):
        text = f"0x{pack('>d', value).hex().upper()}"
    else:
        text = str(int(value)) if dtype != "bool" else ("true" if value else "false")
    return text if lanes == 1 else f"splat ({LLVM_TYPES[dtype]} {text})"


def lane_numbers(element: str, lanes: int) -> str:
    """The constant 0, 1, 2, …"""
    return "<" + ", ".join(f"{element} {lane}" for lane in range(lanes)) + ">"


class Module:
    """Declarations, constants and functions, each once and in order of first need.

    `shown` stands before the type in the head of a function that the world may call.
    """

    __slots__ = ("_constants", "_declarations", "_functions", "_once", "_texts", "shown")

    def __init__(self, shown: str = "") -> None:
        self.shown = shown
        self._declarations: dict[str, None] = {}
        self._constants: dict[str, None] = {}
        self._functions: list[str] = []
        self._once: set[str] = set()
        self._texts: dict[bytes, str] = {}

    def declare(self, text: str) -> None:
        """Makes sure that an outside function is declared."""
        self._declarations.setdefault(text)

    def constant(self, text: str) -> None:
        """Makes sure that a global constant is there."""
        self._constants.setdefault(text)

    def private_bytes(self, content: bytes) -> str:
        """A private constant with these bytes; the same one for the same bytes."""
        if content not in self._texts:
            name = self._texts[content] = f"@exprc.text{len(self._texts)}"
            escaped = "".join(chr(c) if 32 <= c < 127 and c not in b'"\\' else f"\\{c:02X}" for c in content)
            self.constant(f'{name} = private unnamed_addr constant [{len(content)} x i8] c"{escaped}"')
        return self._texts[content]

    def define(self, text: str) -> None:
        """Adds a function."""
        self._functions.append(text)

    def has(self, name: str) -> bool:
        """Whether a function that several others need is there already."""
        return name in self._once

    def define_once(self, name: str, text: str) -> None:
        """Adds a function that several others need."""
        if name not in self._once:
            self._once.add(name)
            self._functions.append(text)

    def text(self, head: Sequence[str], tail: Sequence[str]) -> str:
        """The whole module."""
        return "\n".join([*head, *self._constants, *self._declarations, "", *self._functions, *tail]) + "\n"


class Loop(NamedTuple):
    """An open loop: what `close_loop` needs.  `skippable` if it may run no step at all."""

    label: str
    entered: str
    skippable: bool
    variable: str
    begin: str
    end: str
    step: str
    carried: tuple[tuple[str, str], ...]
    phis: int
    values: tuple[str, ...]


class Branch(NamedTuple):
    """An open branch: what `close_branch` needs."""

    label: str
    before: str


class Function:
    """The body of one function.  What depends on the parameters only goes to the entry, wherever it is asked for."""

    __slots__ = ("_block", "_count", "_entry", "_entry_values", "_lines", "module")

    def __init__(self, module: Module) -> None:
        self.module = module
        self._entry: list[str] = []
        self._entry_values: dict[str, str] = {}
        self._lines: list[str] = []
        self._count = 0
        self._block = "entry"

    def value(self, text: str) -> str:
        """A new value in the current block."""
        self._count += 1
        name = f"%v{self._count}"
        self._lines.append(f"  {name} = {text}")
        return name

    def entry_value(self, text: str) -> str:
        """A value that depends on parameters and other entry values; the same one for the same text."""
        known = self._entry_values.get(text)
        if known is None:
            self._count += 1
            known = self._entry_values[text] = f"%v{self._count}"
            self._entry.append(f"  {known} = {text}")
        return known

    def stack(self, size: int) -> str:
        """So many bytes on the stack, aligned for any vector; whoever asks for as many gets the same ones."""
        text = f"alloca [{size} x i8], align 64"
        known = self._entry_values.get(text)
        if known is None:
            self._count += 1
            known = self._entry_values[text] = f"%v{self._count}"
            self._entry.insert(0, f"  {known} = {text}")  # a division before it may become a branch
        return known

    def do(self, text: str) -> None:
        """An instruction without a value."""
        self._lines.append("  " + text)

    def call(self, result: str, name: str, *arguments: tuple[str, str], attributes: str = "") -> str:
        """Calls an intrinsic and declares it; arguments are pairs of type and value.  "" where it returns nothing."""
        types = ", ".join(kind for kind, _ in arguments)
        self.module.declare(f"declare {result} @{name}({types})")
        text = f"call {result} @{name}(" + ", ".join(f"{kind} {value}" for kind, value in arguments) + ")" + attributes
        if result == "void":
            self.do(text)
            return ""
        return self.value(text)

    def splat(self, element: str, value: str, lanes: int) -> str:
        """A scalar in all lanes."""
        kind = vector_type(element, lanes)
        first = self.value(f"insertelement {kind} poison, {element} {value}, i64 0")
        return self.value(f"shufflevector {kind} {first}, {kind} poison, <{lanes} x i32> zeroinitializer")

    def shuffle(self, kind: str, left: str, right: str, lanes: Sequence[int]) -> str:
        """The lanes of two vectors, counted through, in the order given."""
        indices = ", ".join(f"i32 {lane}" for lane in lanes)
        return self.value(f"shufflevector {kind} {left}, {kind} {right}, <{len(lanes)} x i32> <{indices}>")

    def open_loop(self, begin: str, end: str, step: str, carried: Sequence[tuple[str, str]] = ()) -> Loop:
        """Starts `for (i = begin; i < end; i += step)`.

        `carried` are types and first values of what the loop updates; the loop's `values` stand for them inside.
        """
        label, entered = self._label("loop"), self._block
        skippable = not (begin.isdigit() and end.isdigit() and int(begin) < int(end))
        if skippable:
            enter = self.value(f"icmp slt i64 {begin}, {end}")
            self.do(f"br i1 {enter}, label %{label}, label %{label}.end")
        else:
            self.do(f"br label %{label}")
        self.start_block(label)
        phis = len(self._lines)
        names = []
        for _ in range(len(carried) + 1):
            self._count += 1
            names.append(f"%v{self._count}")
            self._lines.append("")  # the phi: written by `close_loop`, which knows the next value
        return Loop(label, entered, skippable, names[0], begin, end, step, tuple(carried), phis, tuple(names[1:]))

    def close_loop(self, loop: Loop, updated: Sequence[str] = (), following: str = "") -> tuple[str, list[str]]:
        """Ends a loop; `updated` are the next values, `following` the next variable where it is not a step further.

        Returns the variable after the loop and the last values.
        """
        following = following or self.value(f"add nsw i64 {loop.variable}, {loop.step}")
        again = self.value(f"icmp slt i64 {following}, {loop.end}")
        self.do(f"br i1 {again}, label %{loop.label}, label %{loop.label}.end")
        latch = self._block
        first = [("i64", loop.begin), *loop.carried]
        inside, last = [loop.variable, *loop.values], [following, *updated]
        for position, ((kind, start), name, new) in enumerate(zip(first, inside, last, strict=True)):
            phi = f"phi {kind} [ {start}, %{loop.entered} ], [ {new}, %{latch} ]"
            self._lines[loop.phis + position] = f"  {name} = {phi}"
        self.start_block(loop.label + ".end")
        if not loop.skippable:
            return following, list(updated)
        after = [
            self.value(f"phi {kind} [ {start}, %{loop.entered} ], [ {new}, %{latch} ]")
            for (kind, start), new in zip(first, last, strict=True)
        ]
        return after[0], after[1:]

    def open_branch(self, condition: str, rare: bool = False) -> Branch:
        """Starts what happens only if the condition holds; if `rare`, away from the code around it."""
        label = self._label("then")
        weights = ", !prof !0" if rare else ""
        if rare:
            self.module.constant('!0 = !{!"branch_weights", i32 1, i32 4000}')
        self.do(f"br i1 {condition}, label %{label}, label %{label}.end{weights}")
        branch = Branch(label, self._block)
        self.start_block(label)
        return branch

    def close_branch(self, branch: Branch, results: Sequence[tuple[str, str, str]] = ()) -> list[str]:
        """Ends a branch.  `results` are (type, value if it was taken, value if not); returns the joined values."""
        taken = self._block
        self.do(f"br label %{branch.label}.end")
        self.start_block(branch.label + ".end")
        return [
            self.value(f"phi {kind} [ {inside}, %{taken} ], [ {outside}, %{branch.before} ]")
            for kind, inside, outside in results
        ]

    def leave_branch(self, branch: Branch, kind: str, value: str) -> None:
        """Ends a branch by leaving the function."""
        self.do(f"ret {kind} {value}")
        self.start_block(branch.label + ".end")

    def start_block(self, label: str) -> None:
        """Begins a block; the one before must have been ended."""
        self._block = label
        self._lines.append(label + ":")

    def define(self, head: str) -> None:
        """Adds the finished function to the module; `head` is everything from `define` to the brace."""
        self.module.define(self.text(head))

    def text(self, head: str) -> str:
        """The finished function."""
        return "\n".join([head + " {", "entry:", *self._entry, *self._lines, "}", ""])

    def _label(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"
