"""How a program's names are spelt in Python, in C and as symbols of the library.

Python: a keyword, a method of the module or of a gradient gets `_` at its end (`lambda_`, `keys_`); a name that starts
with an underscore gets `v_` before it (`v__x`), so that the module's own names, which all start with one, stay apart.
`v__x` itself is `v_v__x`, so that different names stay different; the checker refuses `lambda` beside `lambda_`.
C: a keyword of C or C++, a name in capitals or another common macro, or a name that C reserves gets `v_` before it
(`v_double`, `v_EOF`); characters outside ASCII become `u` and their code point (`u03BC`).
"""

from __future__ import annotations

import sys
from keyword import iskeyword

from exprc.diagnostics import Diagnostic, UserError
from exprc.lower.module import LIBRARY_FUNCTIONS

LONGEST_MODEL_NAME = 240
MODULE_METHODS = frozenset(("set_num_threads",))
GRADIENT_METHODS = frozenset(("keys",))  # `**gradient` calls it
TAKEN_FUNCTIONS = frozenset((*LIBRARY_FUNCTIONS, "abi_ok", "fault"))  # the library's own, and names of the header

_C_WORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
alignas alignof bool complex constexpr false imaginary noreturn nullptr static_assert thread_local true typeof
typeof_unqual asm fortran
and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept consteval
constinit const_cast decltype delete dynamic_cast explicit export friend mutable namespace new noexcept not not_eq
operator or or_eq private protected public reinterpret_cast requires static_cast template this throw try typeid
typename using virtual wchar_t xor xor_eq final override import module
int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ssize_t ptrdiff_t intptr_t uintptr_t
I assert errno stdin stdout stderr offsetof math_errhandling sched_priority st_atime st_mtime st_ctime
min max near far huge small hyper interface None Bool Status Success Always linux unix i386 major minor makedev
va_list va_start va_arg va_end setjmp isnan isinf isfinite signbit fpclassify
workspace fault
"""
C_RESERVED = frozenset(_C_WORDS.split())
_MACRO_STARTS = ("M_", "L_", "P_", "AF_", "PF_", "PRI", "SCN", "si_", "sa_", "s6_", "sigev_")


def check_model_name(name: str) -> str:
    """The name, if a Python module and the prefix of C functions can be called so."""
    problem = _model_name_problem(name)
    if problem:
        raise UserError(
            Diagnostic(
                "E0702",
                f"a model cannot be called `{name}`: {problem}",
                notes=("the name becomes that of a Python module and the prefix of C functions",),
                help=("give another one with `--name NAME`, or rename the file",),
            )
        )
    return name


def python_name(name: str, taken: frozenset[str] = GRADIENT_METHODS) -> str:
    """The spelling of an argument, or (with `taken=MODULE_METHODS`) of a callable, in Python."""
    rest = name
    while rest.startswith("v_"):
        rest = rest[2:]
    if rest.startswith("_"):
        return "v_" + name
    return name + "_" if iskeyword(name) or name in taken else name


def option_name(option: str, arguments: tuple[str, ...]) -> str:
    """The spelling of an option of a Python function whose arguments are these: the model's names win."""
    while option in arguments:
        option += "_"
    return option


def c_name(name: str) -> str:
    """The spelling of a parameter in C."""
    plain = c_part(name)
    reserved = plain in C_RESERVED or plain.startswith("_") or "__" in plain
    return "v_" + plain if reserved or _looks_like_macro(plain) else plain


def c_part(name: str) -> str:
    """The name as a part of a C identifier."""
    return name if name.isascii() else "".join(c if c.isascii() else f"u{ord(c):04X}" for c in name)


def symbols(model: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """For callables in order of declaration: the C functions of the value and of the value with gradients.

    A callable whose functions would have the name of another function of the library gets `_` at its end.
    """
    prefix = c_part(model)
    taken = {f"{prefix}_{name}" for name in TAKEN_FUNCTIONS}
    found: list[tuple[str, str]] = []
    for name in names:
        value = f"{prefix}_{c_part(name)}"
        while taken & set(_family(value)):
            value += "_"
        taken.update(_family(value))
        found.append((value, f"{value}_value_and_grad"))
    return tuple(found)


def _looks_like_macro(name: str) -> bool:
    """Only macros without parameters matter: the name of a parameter is never followed by a parenthesis."""
    capitals = name == name.upper() and sum(map(str.isalpha, name)) > 1
    return capitals or name.startswith(_MACRO_STARTS) or (name[0] == "B" and name[1:].isdigit())


def _family(value: str) -> tuple[str, ...]:
    return tuple(value + ending for ending in ("", "_workspace", "_value_and_grad", "_value_and_grad_workspace"))


def _model_name_problem(name: str) -> str | None:
    if not name.isidentifier():
        return "it is not an identifier"
    if len(name.encode()) > LONGEST_MODEL_NAME:
        return f"it is longer than {LONGEST_MODEL_NAME} bytes, and files are named after it"
    if iskeyword(name):
        return "it is a keyword of Python"
    if name in sys.stdlib_module_names:
        return f"`import {name}` means a module of Python's standard library"
    if name == "numpy":
        return "the module itself needs NumPy"
    return None
