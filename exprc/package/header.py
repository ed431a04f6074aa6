"""The C header: C99 and C++, without warnings.  Owns its wording; the signatures are those of `abi`."""

from __future__ import annotations

from exprc.lower.faults import STATUS_TEXTS
from exprc.package.abi import (
    CFunction,
    Parameter,
    abi_hash,
    c_functions,
    prototype,
    workspace_prototype,
)
from exprc.package.escape import c_comment
from exprc.package.interface import Argument, Interface, Result, requirements_of
from exprc.package.names import c_part
from exprc.package.write import MARKER

WIDTH = 116


def make_header(interface: Interface) -> str:
    """The text of `NAME.h`."""
    prefix = c_part(interface.name)
    guard = f"EXPRC_{prefix}_H"  # in its own case: models `E` and `e` have different headers
    parts = [
        _comment(f"{MARKER}: made by exprc {interface.exprc_version} from {interface.source_name}\n\n{interface.doc}"),
        f"#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n#include <stdint.h>\n",
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        _comment(_RULES),
        _fault(prefix),
        *(text for function in c_functions(interface) for text in _function(interface, function)),
        _library(prefix, abi_hash(interface)),
        "#ifdef __cplusplus\n}\n#endif\n",
        "#endif",
    ]
    return "\n".join(parts) + "\n"


_RULES = """Arrays are row-major, contiguous and aligned as their element type; a pointer may be NULL where the array
has size 0. Scalars are passed by pointer too. Results must not overlap arguments or each other. With workspace NULL the
function allocates what it needs; any other has to have the bytes that the function's `..._workspace` tells, in any
alignment. Functions may be called from several threads at once, each with its own workspace and results. The return
value is a status, 0 if all went well. fault may be NULL, and is only written where the status is not 0."""


def _fault(prefix: str) -> str:
    codes = "\n".join(f"{code} {text}" for code, text in enumerate(STATUS_TEXTS))
    return _comment(f"What went wrong, and on which line of the program. The codes are the status's:\n{codes}") + (
        "typedef struct {\n"
        "    int32_t code;\n"
        "    int32_t line;\n"
        "    int64_t index; /* the lowest one that is out of bounds; of a requirement the left side */\n"
        "    int64_t bound; /* what it has to stay below; of a requirement the right side */\n"
        "    char name[48]; /* of the size, the array or the requirement, ends with a zero byte */\n"
        f"}} {prefix}_fault;\n"
    )


def _function(interface: Interface, function: CFunction) -> tuple[str, str]:
    documentation = _documentation(interface, function)
    memory = f"Bytes of workspace for {function.symbol}; SIZE_MAX if that overflows."
    return (
        _comment(documentation) + _folded(prototype(function)),
        _comment(memory) + _folded(workspace_prototype(function)),
    )


def _documentation(interface: Interface, function: CFunction) -> str:
    callable_, gradient = function.callable, function.gradient
    what = f"The {callable_.kind} {callable_.name}"
    if gradient:
        what += f" and its gradient with respect to {', '.join(gradient.wrt)}"
    lines = [f"{what} ({interface.source_name}, line {callable_.line})."]
    lines += [callable_.doc, ""] if callable_.doc else [""]
    results = iter((*callable_.results, *(gradient.results if gradient else ())))
    arguments = iter(interface.arguments_of(callable_.arguments))
    for parameter in function.parameters:
        if parameter.role == "argument":
            lines.append(_described(parameter, next(arguments)))
        elif parameter.role == "result":
            lines.append(_described(parameter, next(results)))
    facts = [f"{r.text} (line {r.line})" for r in requirements_of(interface, callable_)]
    return "\n".join([*lines, *([f"Requires {', '.join(facts)}."] if facts else [])])


def _described(parameter: Parameter, what: Argument | Result) -> str:
    shape = f"[{', '.join(str(size) for size in what.shape)}]" if what.shape else ""
    doc = what.doc if isinstance(what, Argument) else ""
    return f"{parameter.name}: {what.dtype}{shape}" + (f"  {doc}" if doc else "")


def _library(prefix: str, signatures: int) -> str:
    return "\n".join(
        (
            _comment("The text of a status.") + f"const char *{prefix}_status(int status);\n",
            _comment("How many threads a call may use. Returns a status.")
            + f"int {prefix}_set_num_threads(int count);\n",
            _comment("Which build this is.") + f"uint64_t {prefix}_build_id(void);\n",
            _comment("The processor whose code runs here; NULL if this one is fit for none of them.")
            + f"const char *{prefix}_cpu(void);\n",
            _comment("A hash of all signatures of the library.") + f"uint64_t {prefix}_abi_hash(void);\n",
            _comment("Whether the library that is loaded has the signatures of this header.")
            + f"static inline int {prefix}_abi_ok(void)\n{{\n"
            f"    return {prefix}_abi_hash() == UINT64_C(0x{signatures:016x});\n}}\n",
        )
    )


def _comment(text: str) -> str:
    lines = c_comment(text.strip()).split("\n")
    if len(lines) == 1:
        return f"/* {lines[0]} */\n"
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in lines), " */"]) + "\n"


def _folded(text: str) -> str:
    """A declaration with its parameters on as many lines as they need."""
    if len(text) < WIDTH:
        return text + ";\n"
    start, _, parameters = text.partition("(")
    indent = " " * (len(start) + 1 if len(start) < WIDTH // 2 else 4)
    lines, line = [], start + "("
    for parameter in parameters.split(", "):
        if len(line) + len(parameter) + 2 > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += parameter + ", "
    return "\n".join([*lines, line.removesuffix(", ")]) + ";\n"
