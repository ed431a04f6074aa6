"""Faults: what a function tells about why it stopped, and the texts of the statuses."""

from __future__ import annotations

from exprc.lower.emit import Function, Module

BAD_SIZE, NO_MEMORY, REQUIREMENT, UNFIT_CPU = 1, 2, 3, 6
NAME_BYTES = 48
STATUS_TEXTS = (
    "ok",
    "a size is negative or overflows",
    "out of memory",
    "a requirement on the sizes is not met",
    "an index is out of bounds",
    "a matrix is not positive definite",
    "the processor lacks features that the library needs",
    "a reduction over nothing has no value",
)
_UNKNOWN = "unknown status"

# struct { i32 code; i32 line; i64 index; i64 bound; char name[48]; }
_FAULT = """define internal i32 @exprc.fault(ptr %fault, i32 %code, i32 %line, i64 %index, i64 %bound, ptr %name) #0 {
entry:
  %none = icmp eq ptr %fault, null
  br i1 %none, label %end, label %fill
fill:
  store i32 %code, ptr %fault, align 4
  %p4 = getelementptr i8, ptr %fault, i64 4
  store i32 %line, ptr %p4, align 4
  %p8 = getelementptr i8, ptr %fault, i64 8
  store i64 %index, ptr %p8, align 8
  %p16 = getelementptr i8, ptr %fault, i64 16
  store i64 %bound, ptr %p16, align 8
  br label %copy
copy:
  %at = phi i64 [ 0, %fill ], [ %next, %copy ]
  %from = getelementptr i8, ptr %name, i64 %at
  %byte = load i8, ptr %from, align 1
  %offset = add i64 %at, 24
  %to = getelementptr i8, ptr %fault, i64 %offset
  store i8 %byte, ptr %to, align 1
  %next = add i64 %at, 1
  %again = icmp ult i64 %next, 48
  br i1 %again, label %copy, label %end
end:
  ret i32 %code
}
"""


def raise_fault(function: Function, code: int, line: int, index: str, bound: str, name: str) -> str:
    """Fills the function's `%fault`, which may be null.  Returns the status to leave with."""
    module = function.module
    module.define_once("exprc.fault", _FAULT)
    text = name.encode()[: NAME_BYTES - 1].decode(errors="ignore").encode()
    label = module.private_bytes(text.ljust(NAME_BYTES, b"\0"))
    return function.value(
        f"call i32 @exprc.fault(ptr %fault, i32 {code}, i32 {line}, i64 {index}, i64 {bound}, ptr {label})"
    )


def status_function(module: Module, symbol: str) -> str:
    """The exported function that gives a status its text."""
    texts = [text.encode() + b"\0" for text in (*STATUS_TEXTS, _UNKNOWN)]
    blob = module.private_bytes(b"".join(texts))
    offsets = [sum(map(len, texts[:position])) for position in range(len(texts))]
    table = ", ".join(f"i32 {offset}" for offset in offsets)
    module.constant(f"@exprc.texts = private unnamed_addr constant [{len(offsets)} x i32] [{table}]")
    last = len(STATUS_TEXTS)
    return f"""define {module.shown}ptr @{symbol}(i32 %status) #0 {{
entry:
  %known = icmp ult i32 %status, {last}
  %number = select i1 %known, i32 %status, i32 {last}
  %wide = zext i32 %number to i64
  %entry_pointer = getelementptr i32, ptr @exprc.texts, i64 %wide
  %offset = load i32, ptr %entry_pointer, align 4
  %far = zext i32 %offset to i64
  %text = getelementptr i8, ptr {blob}, i64 %far
  ret ptr %text
}}
"""
