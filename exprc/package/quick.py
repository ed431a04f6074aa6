"""The quick path of a call: straight-line checks that all arguments fit as they are, then the C function.

Where a check fails the call goes the slow way, which converts or explains; so a quick path may be absent, and must
never accept what the slow way would refuse.  Sizes with `//`, `min`, `max`, and dims that have to be solved for, are
left to the slow way.
"""

from __future__ import annotations

from collections.abc import Sequence

from exprc.ir.sizes import Size
from exprc.ir.types import FLOATS
from exprc.package.interface import PARAM, Argument, Callable, Interface, Requirement, Result, requirements_of
from exprc.package.names import python_name
from exprc.package.sizes import to_python


def quick_path(interface: Interface, callable_: Callable, kind: str, options: tuple[str, str]) -> list[str]:
    """The lines of the path, unindented; none where there is no quick path.  `kind`: value, grad, value_and_grad.

    `options` are how `out` and `wrt` are spelt.
    """
    arguments = interface.arguments_of(callable_.arguments)
    results = callable_.results if kind == "value" or not callable_.gradient else _all_results(callable_)
    names = {name: python_name(name) for name in callable_.dims}
    requirements = requirements_of(interface, callable_)
    if not _is_eligible(callable_, arguments, results, requirements):
        return []
    unpacking, comparisons = _sizes(arguments, results, requirements, names)
    symbol = callable_.symbol if kind == "value" or not callable_.gradient else callable_.gradient.symbol
    allocations = [f"_result{index} = {_allocation(result, names)}" for index, result in enumerate(results)]
    words = [
        *(f"_size_word({names[name]})" for name in callable_.dims),
        *(_argument_word(argument) for argument in arguments),
        *(_result_word(index, result) for index, result in enumerate(results)),
        "None",
        "None",
    ]
    call = [*allocations, *_call(symbol, words, _returned(kind, results))]
    if comparisons:
        call = [f"if {' and '.join(comparisons)}:", *_indented(call)]
    absent = " and ".join(f"{option} is None" for option in (options[:1] if kind == "value" else options))
    plain = f"{absent} and not _positional and not _unknown and _self._build is _build"
    tests = [plain, *map(_fits, arguments)]
    return [f"if ({tests[0]}", *(f"    and {test}" for test in tests[1:]), "):", *_indented([*unpacking, *call])]


def quick_bound_path(interface: Interface, callable_: Callable, kind: str) -> list[str]:
    """The same for a bound call whose inputs are bound and whose params are free: all sizes and shapes are prepared.

    `_self._prepared` holds the words of sizes and inputs, then the shapes of the params and of the results.
    """
    arguments = interface.arguments_of(callable_.arguments)
    free = [argument for argument in arguments if argument.role == PARAM]
    scalars_fit = all(argument.shape or argument.dtype in FLOATS for argument in free)
    if not callable_.gradient or len(free) in (0, len(arguments)) or not scalars_fit:
        return []
    results = _all_results(callable_)
    words = [f"_word{index}" for index in range(len(callable_.dims) + len(arguments) - len(free))]
    shapes = [f"_shape{index}" for index in range(len(free) + len(results))]
    of_argument = dict(zip((argument.name for argument in free), shapes, strict=False))
    inputs = iter(words[len(callable_.dims) :])
    passed = [
        *words[: len(callable_.dims)],
        *(_argument_word(argument) if argument.role == PARAM else next(inputs) for argument in arguments),
        *(_result_word(index, result) for index, result in enumerate(results)),
        "None",
        "None",
    ]
    allocations = [
        f"_result{index} = " + (f"_empty({shape}, _{result.dtype})" if result.shape else f"_{result.dtype}_cell()")
        for index, (result, shape) in enumerate(zip(results, shapes[len(free) :], strict=True))
    ]
    fits = [_fits_shape(argument, of_argument[argument.name]) for argument in free]
    return [
        f"{', '.join([*words, *shapes])} = _self._prepared",
        "if (not _positional and not _unknown and _self._state.function._build is _build",
        *(f"    and {test}" for test in fits),
        "):",
        *_indented([*allocations, *_call(callable_.gradient.symbol, passed, _returned(kind, results))]),
    ]


def _all_results(callable_: Callable) -> tuple[Result, ...]:
    return (*callable_.results, *(callable_.gradient.results if callable_.gradient else ()))


def _is_eligible(
    callable_: Callable, arguments: list[Argument], results: Sequence[Result], requirements: tuple[Requirement, ...]
) -> bool:
    bare = {size.symbol for argument in arguments for size in argument.shape if size.symbol}
    sizes = [size for shape in (*(a.shape for a in arguments), *(r.shape for r in results)) for size in shape]
    sizes += [side for requirement in requirements for side in (requirement.left, requirement.right)]
    scalars_fit = all(argument.shape or argument.dtype in FLOATS for argument in arguments)
    return scalars_fit and set(callable_.dims) <= bare and not any(_has_atoms(size) for size in sizes)


def _has_atoms(size: Size) -> bool:
    return any(not isinstance(atom, str) for monomial, _ in size.terms for atom, _ in monomial)


def _sizes(
    arguments: list[Argument],
    results: Sequence[Result],
    requirements: tuple[Requirement, ...],
    names: dict[str, str],
) -> tuple[list[str], list[str]]:
    """Assignments of dims from the first shapes that have them, and comparisons of all other shapes."""
    known: set[str] = set()
    unpacking: list[str] = []
    comparisons: list[str] = []
    for argument in arguments:
        targets: list[str] = []
        for size in argument.shape:
            is_new = size.symbol is not None and size.symbol not in known
            targets.append(names[size.symbol] if is_new and size.symbol else "_")
            known |= {size.symbol} if size.symbol else set()
        if any(target != "_" for target in targets):
            unpacking.append(f"{_tuple(targets)} = {argument.python_name}.shape")
        if "_" in targets:
            shape = _tuple([to_python(size, names) for size in argument.shape])
            comparisons.append(f"{argument.python_name}.shape == {shape}")
    comparisons += [
        f"{to_python(fact.left, names)} {fact.relation} {to_python(fact.right, names)}" for fact in requirements
    ]
    possibly_negative = {size for result in results for size in result.shape if any(c < 0 for _, c in size.terms)}
    comparisons += sorted(f"{to_python(size, names)} >= 0" for size in possibly_negative)
    return unpacking, comparisons


def _fits(argument: Argument) -> str:
    name = argument.python_name
    if not argument.shape:
        small = f" and -_F32_MAX <= {name} <= _F32_MAX" if argument.dtype == "f32" else ""
        return f"_type({name}) in _{argument.dtype}_scalars{small}"
    rank = f"{name}.ndim == {len(argument.shape)}"
    layout = f"{name}.flags.num & _READY == _READY"
    return f"_type({name}) is _ndarray and {name}.dtype is _{argument.dtype} and {rank} and {layout}"


def _call(symbol: str, words: list[str], returned: str) -> list[str]:
    return [f"if not _c_{symbol}(", *(f"    {line}" for line in _folded(words)), "):", f"    return {returned}"]


def _folded(words: list[str]) -> list[str]:
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > 90:
            lines.append("")
        lines[-1] += f" {word}," if lines[-1] else f"{word},"
    return lines


def _fits_shape(argument: Argument, shape: str) -> str:
    name = argument.python_name
    if not argument.shape:
        return _fits(argument)
    layout = f"{name}.flags.num & _READY == _READY"
    return f"_type({name}) is _ndarray and {name}.dtype is _{argument.dtype} and {name}.shape == {shape} and {layout}"


def _allocation(result: Result, names: dict[str, str]) -> str:
    if not result.shape:
        return f"_{result.dtype}_cell()"
    return f"_empty({_tuple([to_python(size, names) for size in result.shape])}, _{result.dtype})"


def _argument_word(argument: Argument) -> str:
    if argument.shape:
        return f"_array_word({argument.python_name})"
    return f"_cell_word(_{argument.dtype}_cell({argument.python_name}))"


def _result_word(index: int, result: Result) -> str:
    return f"_array_word(_result{index})" if result.shape else f"_cell_word(_result{index})"


def _returned(kind: str, results: Sequence[Result]) -> str:
    values = [f"_result{index}" + ("" if result.shape else ".value") for index, result in enumerate(results)]
    gradient = f"_self._gradient_type({_tuple(values[1:])})"
    return {"value": values[0], "grad": gradient, "value_and_grad": f"{values[0]}, {gradient}"}[kind]


def _tuple(texts: list[str]) -> str:
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def _indented(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]
