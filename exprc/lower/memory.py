"""Reads and writes of vectors: contiguous, reversed, strided or scattered, whole or under a mask.

Nothing outside a mask is touched.  Knows element types and pointers only.
"""

from __future__ import annotations

from typing import NamedTuple

from exprc.ir.types import BOOL, BYTES
from exprc.lower.emit import MEMORY_TYPES, Function, lane_numbers, overload, register_type, vector_type

ZEROS = "@exprc.zeros"
_ZEROS_TEXT = f"{ZEROS} = private unnamed_addr constant [8 x i8] zeroinitializer, align 8"


class Lanes(NamedTuple):
    """The entries of one vector access: a pointer to lane 0 and either the step -1, 0, 1 or pointers of all lanes."""

    pointer: str
    step: int
    pointers: str = ""


def load_scalar(function: Function, dtype: str, pointer: str, condition: str = "") -> str:
    """One entry; zero without reading where the condition is false."""
    if condition:
        function.module.constant(_ZEROS_TEXT)
        pointer = function.value(f"select i1 {condition}, ptr {pointer}, ptr {ZEROS}")
    value = function.value(f"load {MEMORY_TYPES[dtype]}, ptr {pointer}, align {BYTES[dtype]}")
    return function.value(f"icmp ne i8 {value}, 0") if dtype == BOOL else value


def load_lanes(function: Function, dtype: str, where: Lanes, lanes: int, mask: str) -> str:
    """A vector; zero in lanes outside the mask ("" for all)."""
    kind = vector_type(MEMORY_TYPES[dtype], lanes)
    if where.step in (1, -1):
        value = _load_contiguous(function, dtype, where, lanes, mask)
    else:
        mask_text = mask or "splat (i1 true)"
        value = function.call(
            kind,
            f"llvm.masked.gather.{_name(dtype, lanes)}.v{lanes}p0",
            (f"<{lanes} x ptr>", f"align {BYTES[dtype]} {where.pointers}"),
            (f"<{lanes} x i1>", mask_text),
            (kind, "zeroinitializer"),
        )
    return function.value(f"icmp ne {kind} {value}, zeroinitializer") if dtype == BOOL else value


def store_scalar(function: Function, dtype: str, value: str, pointer: str) -> None:
    """Writes one entry."""
    if dtype == BOOL:
        value = function.value(f"zext i1 {value} to i8")
    function.do(f"store {MEMORY_TYPES[dtype]} {value}, ptr {pointer}, align {BYTES[dtype]}")


def store_lanes(function: Function, dtype: str, value: str, where: Lanes, lanes: int, mask: str) -> None:
    """Writes the lanes within the mask ("" for all)."""
    kind = vector_type(MEMORY_TYPES[dtype], lanes)
    if dtype == BOOL:
        value = function.value(f"zext {register_type(BOOL, lanes)} {value} to {kind}")
    if where.step not in (1, -1):
        function.call(
            "void",
            f"llvm.masked.scatter.{_name(dtype, lanes)}.v{lanes}p0",
            (kind, value),
            (f"<{lanes} x ptr>", f"align {BYTES[dtype]} {where.pointers}"),
            (f"<{lanes} x i1>", mask or "splat (i1 true)"),
        )
        return
    pointer = where.pointer
    if where.step == -1:
        pointer, value, mask = _reversed(function, dtype, where, value, lanes, mask)
    if not mask:
        function.do(f"store {kind} {value}, ptr {pointer}, align {BYTES[dtype]}")
        return
    function.call(
        "void",
        f"llvm.masked.store.{_name(dtype, lanes)}.p0",
        (kind, value),
        ("ptr", f"align {BYTES[dtype]} {pointer}"),
        (f"<{lanes} x i1>", mask),
    )


def _load_contiguous(function: Function, dtype: str, where: Lanes, lanes: int, mask: str) -> str:
    kind, align = vector_type(MEMORY_TYPES[dtype], lanes), BYTES[dtype]
    pointer = where.pointer
    if where.step == -1:
        pointer, _, mask = _reversed(function, dtype, where, "", lanes, mask)
    if mask:
        value = function.call(
            kind,
            f"llvm.masked.load.{_name(dtype, lanes)}.p0",
            ("ptr", f"align {align} {pointer}"),
            (f"<{lanes} x i1>", mask),
            (kind, "zeroinitializer"),
        )
    else:
        value = function.value(f"load {kind}, ptr {pointer}, align {align}")
    return function.shuffle(kind, value, "poison", range(lanes - 1, -1, -1)) if where.step == -1 else value


def _reversed(function: Function, dtype: str, where: Lanes, value: str, lanes: int, mask: str) -> tuple[str, str, str]:
    """The lowest entry of lanes that run downwards, with value and mask in the order of memory."""
    order = range(lanes - 1, -1, -1)
    element = MEMORY_TYPES[dtype]
    pointer = function.value(f"getelementptr {element}, ptr {where.pointer}, i64 {1 - lanes}")
    if value:
        value = function.shuffle(vector_type(element, lanes), value, "poison", order)
    if mask:
        mask = function.shuffle(vector_type("i1", lanes), mask, "poison", order)
    return pointer, value, mask


def _name(dtype: str, lanes: int) -> str:
    return f"v{lanes}i8" if dtype == BOOL else overload(dtype, lanes)


def lane_mask(function: Function, remaining: str, lanes: int) -> str:
    """The lanes below `remaining`, an i64 of any size above zero."""
    fits = function.call("i64", "llvm.smin.i64", ("i64", remaining), ("i64", str(lanes)))
    short = function.value(f"trunc i64 {fits} to i32")
    return function.value(
        f"icmp slt <{lanes} x i32> {lane_numbers('i32', lanes)}, {function.splat('i32', short, lanes)}"
    )
