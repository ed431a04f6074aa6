"""The Python module: a head, the run-time support of `template/` as it stands there, the tables, and the classes.

The support knows arguments, sizes and messages from tables.  The module needs NumPy only.
"""

from __future__ import annotations

import builtins
import os

from exprc.ir.sizes import Size
from exprc.package.abi import c_functions
from exprc.package.classes import callable_name, make_class
from exprc.package.escape import python_docstring, python_literal
from exprc.package.interface import Interface, Requirement
from exprc.package.manifest import manifest_data
from exprc.package.names import c_part, python_name
from exprc.package.sizes import linear_dims, to_python
from exprc.package.write import MARKER

TEMPLATE = os.path.join(os.path.dirname(__file__), "template")
TEMPLATE_PARTS = ("library", "arguments", "functions", "bound", "flat")


def make_module(interface: Interface, library_name: str) -> str:
    """The text of `NAME.py`, which looks for the library with that name beside itself."""
    parts = [_head(interface, library_name), *map(_template, TEMPLATE_PARTS), _tables(interface)]
    parts += [make_class(interface, callable_) for callable_ in interface.callables]
    return "\n\n".join([*parts, _objects(interface)])


def _head(interface: Interface, library_name: str) -> str:
    doc = f"{interface.doc}\n\n" if interface.doc else ""
    doc += f"Made by exprc {interface.exprc_version} from {interface.source_name}; needs NumPy and {library_name}."
    exported = [*(callable_name(callable_) for callable_ in interface.callables), "set_num_threads"]
    return (
        f"# {MARKER}\n"
        f"{python_docstring(doc)}\n\n"
        "import ctypes as _ctypes\nimport inspect as _inspect\nimport math as _math\nimport operator as _operator\n"
        "import os as _os\nimport sys as _sys\n\nimport numpy as _np\n\n"
        f"__all__ = {python_literal(exported)}\n\n"
        f"_LIBRARY = {python_literal(library_name)}\n"
        f"_PREFIX = {python_literal(c_part(interface.name))}\n"
        f"_SOURCE = {python_literal(interface.source_name)}\n"
        f"_BUILD_ID = 0x{interface.build_id:016x}\n"
        f"_CPU_FEATURES = {python_literal(list(interface.cpu_features))}\n"
    )


def _template(name: str) -> str:
    with open(os.path.join(TEMPLATE, f"{name}.py.txt"), encoding="utf-8") as file:
        return file.read()


def _tables(interface: Interface) -> str:
    """The manifest, sizes and requirements as functions of dims, the C functions."""
    names = {dim.name: python_name(dim.name) for dim in interface.dims}
    sizes = {str(size): _size(size, names) for size in _all_sizes(interface)}
    requirements = [_requirement(requirement, names) for requirement in interface.requirements]
    prefix = c_part(interface.name) + "_"
    spelt = {a.name: a.python_name for a in interface.arguments if a.name != a.python_name}
    lines = [
        "# ---- The model ".ljust(116, "-"),
        "",
        f"__exprc__ = {python_literal(manifest_data(interface))}",
        '__exprc__["cpu"] = _cpu_of(_library)',
        "",
        "_SIZES = {",
        *(f"    {python_literal(text)}: {entry}," for text, entry in sizes.items()),
        "}",
        "_REQUIREMENTS = (",
        *(f"    {entry}," for entry in requirements),
        ")",
        '_ARGUMENTS = {record["python_name"]: _declared(record) for record in __exprc__["arguments"]}',
        f"_SPELLINGS = {python_literal(spelt)}",
        "_build = object()  # functions that were taken before the module was loaded again have another one",
        "",
        *(
            f"_c_{function.symbol} = _in_library({python_literal(function.symbol.removeprefix(prefix))})"
            for function in c_functions(interface)
        ),
    ]
    return "\n".join(lines) + "\n"


def _all_sizes(interface: Interface) -> list[Size]:
    shapes = [argument.shape for argument in interface.arguments]
    for callable_ in interface.callables:
        shapes += [r.shape for r in (*callable_.results, *(callable_.gradient.results if callable_.gradient else ()))]
    return [size for shape in shapes for size in shape]


def _size(size: Size, names: dict[str, str]) -> str:
    text = python_literal(names[size.symbol] if size.symbol else str(size))
    dims = [names[name] for name in sorted(size.dims())]
    linear = [names[name] for name in linear_dims(size)]
    fields = (text, python_literal(tuple(dims)), python_literal(tuple(linear)), _lambda(dims, _text(size, names)))
    return f"_Size({', '.join(fields)})"


def _requirement(requirement: Requirement, names: dict[str, str]) -> str:
    dims = [names[name] for name in sorted(requirement.left.dims() | requirement.right.dims())]
    test = f"{_text(requirement.left, names)} {requirement.relation} {_text(requirement.right, names)}"
    fact = f"{requirement.left} {requirement.relation} {requirement.right}"
    texts = (requirement.text, requirement.line, tuple(dims), fact)
    return f"({', '.join(map(python_literal, texts))}, {_lambda(dims, test)})"


def _text(size: Size, names: dict[str, str]) -> str:
    return to_python(size, names, ("_min", "_max"))


def _lambda(names: list[str], body: str) -> str:
    return f"lambda {', '.join(names)}: {body}" if names else f"lambda: {body}"


def _objects(interface: Interface) -> str:
    """The callables.  One with the name of a builtin is no global, since the support above uses the builtin."""
    names = [callable_name(callable_) for callable_ in interface.callables]
    text = "_FUNCTIONS = {\n" + "".join(f"    {python_literal(n)}: _Function_{n}(),\n" for n in names) + "}\n"
    text += "".join(f"{name} = _FUNCTIONS[{python_literal(name)}]\n" for name in names if not hasattr(builtins, name))
    if any(hasattr(builtins, name) for name in names):
        text += (
            "\n\ndef __getattr__(name):\n"
            "    if name in _FUNCTIONS:\n"
            "        return _FUNCTIONS[name]\n"
            '    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")\n'
            "\n\ndef __dir__():\n"
            "    return sorted({*globals(), *_FUNCTIONS})\n"
        )
    return text
