"""The class of each callable in the Python module: signature, documentation, quick path, what the slow way needs."""

from __future__ import annotations

from typing import NamedTuple

from exprc.package.escape import python_docstring, python_literal
from exprc.package.interface import PARAM, Argument, Callable, Interface, Result, requirements_of
from exprc.package.names import MODULE_METHODS, option_name, python_name
from exprc.package.quick import quick_bound_path, quick_path
from exprc.package.sizes import linear_dims


def make_class(interface: Interface, callable_: Callable) -> str:
    """The text of the class `_Function_NAME`."""
    name = callable_name(callable_)
    lines = [
        f"class _Function_{name}(_Function):",
        f"    {python_docstring(describe(interface, callable_), 4)}",
        "",
        "    __slots__ = ()",
        f"    __name__ = {python_literal(name)}",
        *(f"    {field} = {value}" for field, value in _fields(interface, callable_)),
    ]
    for kind in ("value", "grad", "value_and_grad") if callable_.gradient else ("value",):
        lines += ["", *_method(interface, callable_, kind)]
    lines += ["", *_bind(interface, callable_)]
    for kind in ("grad", "value_and_grad"):
        lines += _bound_call(interface, callable_, kind)
    return "\n".join(lines) + "\n"


def callable_name(callable_: Callable) -> str:
    """The callable's name in the module."""
    return python_name(callable_.name, MODULE_METHODS)


def parameter_names(interface: Interface, callable_: Callable) -> tuple[str, ...]:
    """The keywords of a call that have to be given: arguments, then dims that no argument gives."""
    arguments = tuple(argument.python_name for argument in interface.arguments_of(callable_.arguments))
    return (*arguments, *(python_name(name) for name in keyword_dims(interface, callable_)))


class OptionNames(NamedTuple):
    """How the options are spelt for a callable."""

    out: str
    allow_downcast: str
    copy: str
    wrt: str


def option_names(interface: Interface, callable_: Callable) -> OptionNames:
    """The spelling of the options: the model's names win."""
    taken = (*parameter_names(interface, callable_), *map(python_name, callable_.dims))
    return OptionNames(*(option_name(option, taken) for option in OptionNames._fields))


def keyword_dims(interface: Interface, callable_: Callable) -> tuple[str, ...]:
    """The dims that have to be passed by name, because no shape of an argument can be solved for them."""
    sizes = [size for argument in interface.arguments_of(callable_.arguments) for size in argument.shape]
    known: set[str] = set()
    before = -1
    while before < len(known):
        before = len(known)
        for size in sizes:
            unknown = size.dims() - known
            if len(unknown) == 1 and unknown <= set(linear_dims(size)):
                known |= unknown
    return tuple(name for name in callable_.dims if name not in known)


def describe(interface: Interface, callable_: Callable) -> str:
    """Documentation: what it is, the program's own words, arguments, result, requirements."""
    lines = [f"The {callable_.kind} {callable_.name} ({interface.source_name}, line {callable_.line})."]
    lines += ["", callable_.doc] if callable_.doc else []
    arguments = interface.arguments_of(callable_.arguments)
    lines += ["", *map(_described, arguments)] if arguments else []
    lines += ["", f"Returns {', '.join(_type_text(result) for result in callable_.results)}."]
    if callable_.gradient:
        lines.append(f"Gradients with respect to {', '.join(callable_.gradient.wrt)}: `grad`, `value_and_grad`.")
    facts = [f"{fact.text} (line {fact.line})" for fact in requirements_of(interface, callable_)]
    return "\n".join([*lines, *([f"Requires {', '.join(facts)}."] if facts else [])])


def _described(argument: Argument) -> str:
    return f"{argument.python_name} : {_type_text(argument)}" + (f"  {argument.doc}" if argument.doc else "")


def _type_text(typed: Argument | Result) -> str:
    return typed.dtype + (f"[{', '.join(str(size) for size in typed.shape)}]" if typed.shape else "")


def _fields(interface: Interface, callable_: Callable) -> list[tuple[str, str]]:
    """What the run-time support asks of the class; what is as in the base class is left out."""
    arguments = [argument.python_name for argument in interface.arguments_of(callable_.arguments)]
    applicable = frozenset(requirements_of(interface, callable_))
    fields: list[tuple[str, object]] = [
        ("arguments", tuple(arguments)),
        ("dims", tuple(map(python_name, callable_.dims))),
    ]
    optional = [
        ("_extra", _extra_arguments(interface, callable_)),
        ("_requirements", tuple(i for i, fact in enumerate(interface.requirements) if fact in applicable)),
    ]
    fields += [field for field in optional if field[1]]
    for option, spelt in zip(OptionNames._fields, option_names(interface, callable_), strict=True):
        if option != spelt:
            fields.append((f"_{option.removeprefix('allow_')}_option", spelt))
    texts = [("_build", "_build"), *((name, python_literal(value)) for name, value in fields)]
    texts.append(("_entry", _entry(callable_.symbol, callable_.results)))
    if callable_.gradient:
        wrt = tuple(argument.python_name for argument in interface.arguments_of(callable_.gradient.wrt))
        texts.append(("wrt", python_literal(wrt)))
        results = (*callable_.results, *callable_.gradient.results)
        texts.append(("_gradient_entry", _entry(callable_.gradient.symbol, results)))
        texts.append(("_gradient_type", f"_named_type({python_literal(wrt)})"))
    return texts


def _extra_arguments(interface: Interface, callable_: Callable) -> tuple[str, ...]:
    """Arguments on which the callable does not depend, but from which a dim can be read that it needs by name."""
    needed, own = keyword_dims(interface, callable_), frozenset(callable_.arguments)
    return tuple(
        argument.python_name
        for argument in interface.arguments
        if argument.name not in own and any(size.symbol in needed for size in argument.shape)
    )


def _entry(symbol: str, results: tuple[Result, ...]) -> str:
    shapes = tuple((result.dtype, tuple(str(size) for size in result.shape)) for result in results)
    return f"_Entry(_c_{symbol}, {python_literal(shapes, 4)})"


def _method(interface: Interface, callable_: Callable, kind: str) -> list[str]:
    """`__call__`, `grad` or `value_and_grad`."""
    required = parameter_names(interface, callable_)
    arguments = required[: len(callable_.arguments)]
    out, downcast, _, wrt = option_names(interface, callable_)
    name = "__call__" if kind == "value" else kind
    chosen = f"{wrt}=None, " if kind != "value" else ""
    parameters = "".join(f"{argument}=_missing, " for argument in required)
    given = ", ".join(f"{python_literal(argument)}: {argument}" for argument in required)
    doc = {
        "value": f"The {callable_.kind}." if callable_.kind == "loss" else "The output.",
        "grad": "The gradient: an array for each param, by attribute, by name and in order of declaration.",
        "value_and_grad": "The loss and its gradient.",
    }[kind]
    options = f"({python_literal(out)}, None), ({python_literal(downcast)}, False)"
    options += f", ({python_literal(wrt)}, None)" if chosen else ""
    passed = f"{{{given}}}, {out}, {downcast}" + (f", {wrt}" if chosen else "")
    return [
        f"    @_keywords({python_literal(required, 4)}, {options})",
        f"    def {name}(_self, *_positional, {parameters}{out}=None, {downcast}=False, {chosen}**_unknown):",
        f"        {python_docstring(doc)}",
        *(f"        {line}" for line in (quick_path(interface, callable_, kind, (out, wrt)) if arguments else [])),
        f"        return _self._slowly({python_literal(kind)}, _positional, _unknown, {passed})",
    ]


def _bind(interface: Interface, callable_: Callable) -> list[str]:
    _, downcast, copy, _ = option_names(interface, callable_)
    parameters = parameter_names(interface, callable_)
    options = f"({python_literal(copy)}, False), ({python_literal(downcast)}, False)"
    return [
        f"    @_keywords({python_literal(parameters, 4)}, {options})",
        "    def bind(_self, *_positional, **_given):",
        '        """The function with some of the arguments given once; later changes of their arrays are seen."""',
        "        return _bind(_self, _positional, _given)",
    ]


def _bound_call(interface: Interface, callable_: Callable, kind: str) -> list[str]:
    """A subclass of `_BoundCall` for the usual division: inputs bound, params free."""
    path = quick_bound_path(interface, callable_, kind)
    if not path:
        return []
    name = callable_name(callable_)
    arguments = interface.arguments_of(callable_.arguments)
    free = [argument.python_name for argument in arguments if argument.role == PARAM]
    parameters = "".join(f"{parameter}=_missing, " for parameter in free)
    given = ", ".join(f"{python_literal(parameter)}: {parameter}" for parameter in free)
    return [
        "",
        "",
        f"class _BoundCall_{name}_{kind}(_BoundCall):",
        f'    """`{name}.bind(...).{kind}` where the inputs are bound and the params are not."""',
        "",
        f"    def __call__(_self, *_positional, {parameters}**_unknown):",
        *(f"        {line}" for line in path),
        f"        return _self._slowly(_positional, {{**_given({{{given}}}), **_unknown}})",
        "",
        "",
        f"_Function_{name}._quick_bound_{kind} = {python_literal(tuple(free))}, _BoundCall_{name}_{kind}",
    ]
