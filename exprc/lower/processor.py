"""The question to the processor which version of the code it is fit for, asked once and remembered.

The code that asks runs on any processor of the family.  Other families are not asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from exprc.lower.emit import Function, Module
from exprc.lower.target import Target

# Where x86's `cpuid` tells of a feature: the answer (leaf and register) and the bit.
_FEATURES = {
    "sse3": ("1c", 0), "pclmul": ("1c", 1), "ssse3": ("1c", 9), "fma": ("1c", 12), "sse4.1": ("1c", 19),
    "sse4.2": ("1c", 20),
    "movbe": ("1c", 22), "popcnt": ("1c", 23), "avx": ("1c", 28), "f16c": ("1c", 29),
    "bmi": ("7b", 3), "avx2": ("7b", 5), "bmi2": ("7b", 8), "avx512f": ("7b", 16), "avx512dq": ("7b", 17),
    "avx512ifma": ("7b", 21), "avx512cd": ("7b", 28), "avx512bw": ("7b", 30), "avx512vl": ("7b", 31),
    "avx512vbmi": ("7c", 1), "avx512vbmi2": ("7c", 6), "gfni": ("7c", 8), "vpclmulqdq": ("7c", 10),
    "avx512vnni": ("7c", 11), "avx512bitalg": ("7c", 12), "avx512vpopcntdq": ("7c", 14), "avx512fp16": ("7d", 23),
    "lzcnt": ("xc", 5),
}  # fmt: skip
_V3 = ("sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe")
_V4 = (*_V3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")
_SAVED_AVX, _SAVED_AVX512 = 0x6, 0xE6  # the registers that the system has to save
_OSXSAVE = 1 << 27
_ANSWERS = ("1c", "7b", "7c", "7d", "xc")
FIRST, UNFIT = 1, 255  # the versions are counted from the first


def needed_features(target: Target) -> tuple[str, ...]:
    """The features without which code for the target does not run, by LLVM's names."""
    if not target.is_x86:
        return ()
    if target.features:
        given = {name[1:] for name in target.features.split(",") if name.startswith("+")}
        return tuple(name for name in _FEATURES if name in given)
    return _V4 if target.vector_bits == 512 else _V3


def version_here(function: Function, targets: Sequence[Target]) -> str:
    """The number of the first target that the processor is fit for, or `UNFIT`, as a value.

    The targets are the same wherever a module asks.
    """
    features = tuple(needed_features(target) for target in targets)
    function.module.define_once("exprc.processor", _question(function.module, features))
    return function.value("call i32 @exprc.processor()")


def unfit(function: Function, target: Target) -> str:
    """Whether the processor lacks something, as a value; "" where that is not asked."""
    if not target.asks_processor:
        return ""
    return function.value(f"icmp eq i32 {version_here(function, (target,))}, {UNFIT}")


def _question(module: Module, versions: tuple[tuple[str, ...], ...]) -> str:
    """The function that asks.  Threads that ask at the same time find the same and store the same."""
    module.constant("@exprc.fit = internal global i32 0")
    lines = [
        "define internal i32 @exprc.processor() #1 {",
        "entry:",
        "  %known = load atomic i32, ptr @exprc.fit monotonic, align 4",
        "  %asked = icmp ne i32 %known, 0",
        "  br i1 %asked, label %end, label %ask",
        "ask:",
        *_ask("first", "0"),
        "  %leaves = extractvalue { i32, i32, i32, i32 } %first, 0",
        "  %old = icmp ult i32 %leaves, 7",
        "  br i1 %old, label %answer, label %more",
        "more:",
        *_ask("l1", "1"),
        *_ask("l7", "7"),
        *_ask("lx", "-2147483647"),
        *(f"  %r{a} = extractvalue {{ i32, i32, i32, i32 }} %l{a[0]}, {'abcd'.index(a[1])}" for a in _ANSWERS),
        f"  %saving = and i32 %r1c, {_OSXSAVE}",
        "  %saves = icmp ne i32 %saving, 0",
        "  br i1 %saves, label %system, label %answer",
        "system:",
        '  %state = call { i32, i32 } asm sideeffect "xgetbv", "={ax},={dx},{cx}"(i32 0)',
        "  %registers = extractvalue { i32, i32 } %state, 0",
    ]
    verdict = str(UNFIT)
    for number, features in reversed(list(enumerate(versions, FIRST))):
        lines += _fits(number, features)
        lines.append(f"  %verdict{number} = select i1 %fits{number}, i32 {number}, i32 {verdict}")
        verdict = f"%verdict{number}"
    lines += [
        "  br label %answer",
        "answer:",
        f"  %found = phi i32 [ {UNFIT}, %ask ], [ {UNFIT}, %more ], [ {verdict}, %system ]",
        "  store atomic i32 %found, ptr @exprc.fit monotonic, align 4",
        "  br label %end",
        "end:",
        "  %result = phi i32 [ %known, %entry ], [ %found, %answer ]",
        "  ret i32 %result",
        "}",
        "",
    ]
    return "\n".join(lines)


def _fits(number: int, features: tuple[str, ...]) -> list[str]:
    """`%fitsN`: whether processor and system have what a version needs."""
    masks = {"registers": _SAVED_AVX512 if "avx512f" in features else _SAVED_AVX}
    for feature in features:
        answer, bit = _FEATURES[feature]
        masks[f"r{answer}"] = masks.get(f"r{answer}", 0) | 1 << bit
    lines, held = [], "true"
    for source, mask in masks.items():
        name = f"{number}.{source}"
        lines += [
            f"  %m{name} = and i32 %{source}, {mask}",
            f"  %h{name} = icmp eq i32 %m{name}, {mask}",
            f"  %t{name} = and i1 {held}, %h{name}",
        ]
        held = f"%t{name}"
    return [*lines, f"  %fits{number} = and i1 {held}, true"]


def _ask(name: str, leaf: str) -> tuple[str, ...]:
    constraints = "={ax},={bx},={cx},={dx},{ax},{cx},~{dirflag},~{fpsr},~{flags}"
    call = f'call {{ i32, i32, i32, i32 }} asm sideeffect "cpuid", "{constraints}"(i32 {leaf}, i32 0)'
    return (f"  %{name} = {call}",)
