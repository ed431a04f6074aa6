"""What is noticed when the whole program has been read: losses without params, and what compiles but looks wrong.

Owns the remarks about unused and hidden names, and the reach of params.  Must not know how values were computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from exprc.check.context import Context
from exprc.check.domains import lint_domains
from exprc.check.model import Declaration, Definition, Dim
from exprc.check.names import CONSTANTS, is_later, is_taken, report_unknown
from exprc.check.report import counted, listed
from exprc.check.scopes import Binding, Scope, find
from exprc.check.values import UserFunction
from exprc.diagnostics import Label
from exprc.ir.node import Node
from exprc.ir.sizes import Size
from exprc.syntax import ast
from exprc.syntax.documentation import is_documentation

MOST_NAMED = 5
_RESERVED = frozenset(
    (
        "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def",
        "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
        "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with", "yield", "auto",
        "case", "char", "const", "default", "do", "double", "enum", "extern", "float", "goto", "inline", "int",
        "long", "register", "restrict", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
        "union", "unsigned", "void", "volatile", "bool", "catch", "delete", "explicit", "friend", "mutable",
        "namespace", "new", "operator", "private", "protected", "public", "template", "this", "throw",
        "typename", "using", "virtual",
    )
)  # fmt: skip
_METHODS = frozenset(("keys", "set_num_threads"))


def check_losses(
    context: Context,
    definitions: list[Definition],
    declarations: list[Declaration],
    order: list[Node],
    wrt: Sequence[str],
) -> None:
    """Losses that no param reaches, functions that are never called, names that collide: mistakes all the same.

    `order` has what losses and outputs are made of; `wrt` names inputs by which losses are differentiated besides.
    """
    params = [declaration for declaration in declarations if declaration.role == "param"]
    losses = [definition for definition in definitions if definition.role == "loss"]
    reached = {declaration.node for declaration in declarations if declaration in params or declaration.name in wrt}
    for node in order:
        if not reached.isdisjoint(node.args):
            reached.add(node)
    for loss in losses:
        if loss.node not in reached:
            _report_unreached(context, loss, params)
    for binding in list(context.globals.names.values()):
        if isinstance(binding.value, UserFunction) and not context.uses[binding.name]:
            _check_names(context, binding.value)
    _check_spellings(context)


def collect_lints(
    context: Context,
    program: ast.Program,
    dims: list[Dim],
    declarations: list[Declaration],
    definitions: list[Definition],
    order: list[Node],
) -> None:
    """Remarks on a program without mistakes; `order` has what losses and outputs are made of."""
    for binding in context.globals.names.values():
        _lint_hidden(context, binding)
    _lint_text(context, program)
    results = [definition for definition in definitions if definition.role != "definition"]
    if not results:
        end = len(program.span.source.text.rstrip())
        span = type(program.span)(program.span.source, max(end - 1, 0), end)
        help = "declare a `loss` to be differentiated or an `output` to be returned"
        context.report.lint("L0107", "the program has neither a loss nor an output", Label(span), help=help)
        return
    used = _used_names(context, [definition.name for definition in results])
    several = [s for s in program.statements if isinstance(s, ast.Definition) and len(s.targets) > 1]
    taken_apart = {target.name.text for statement in several for target in statement.targets}
    for binding in context.globals.names.values():
        unused = binding.name not in used and not binding.name.startswith("_")
        if unused and binding.role in ("definition", "function"):
            what = "function" if binding.role == "function" else "definition"
            text = "never called" if binding.role == "function" else "no loss and no output depends on it"
            help = "write `_` for a result that is not wanted" if binding.name in taken_apart else ""
            context.report.lint("L0102", f"{what} `{binding.name}` is not used", Label(binding.span, text), help=help)
    _lint_params(context, declarations, results, order)
    _lint_dims(context, dims, declarations, used)
    _lint_unused_dims(context, program, dims)
    lint_domains(context, declarations, order)
    context.report.lints.sort(key=lambda lint: lint.labels[0].span.start)


def _report_unreached(context: Context, loss: Definition, params: list[Declaration]) -> None:
    names = [f"`{param.name}`" for param in params]
    shown = names[:MOST_NAMED] + ([f"{len(names) - MOST_NAMED} more"] if len(names) > MOST_NAMED else [])
    context.report.error(
        "E0502",
        f"no param reaches the loss `{loss.name}`",
        Label(loss.span, "there is nothing to differentiate it with respect to"),
        note=f"the program declares {counted(len(names), 'param')}: {listed(shown)}" if names
        else "the program declares no param",
        help=f"declare what you want to fit as `param`, or write `output {loss.name} = …` to only return the value",
    )  # fmt: skip


def _check_names(context: Context, function: UserFunction) -> None:
    """The names in the body of a function that is never called, so that nothing else looks at them."""
    declaration = function.declaration
    local = {parameter.name.text for parameter in declaration.parameters}
    written: set[int] = set()  # names that declare, select or pass instead of being used
    found: list[ast.Name] = []
    called: set[int] = set()
    for node in ast.walk(declaration.body):
        if isinstance(node, (ast.ScanState, ast.ScanSequence, ast.Target, ast.IndexBinder)):
            local.add(node.name.text)
            written.add(id(node.name))
        elif isinstance(node, (ast.Argument, ast.Attribute)) and node.name is not None:
            written.add(id(node.name))
        elif isinstance(node, ast.Call):
            called.add(id(node.function))
        elif isinstance(node, ast.Name):
            found.append(node)
    for type in (parameter.type for parameter in declaration.parameters if parameter.type is not None):
        local.update(size.text for size in type.shape if isinstance(size, ast.Name))
    scope = Scope(context.globals, context.globals.region, function.order, set())
    for name in found:
        known = name.text in local or is_taken(name.text) or is_later(name.text) or name.text in CONSTANTS
        if id(name) not in written and not known and find(scope, name.text) is None:
            report_unknown(context, scope, name, id(name) in called)


def _check_spellings(context: Context) -> None:
    names = context.globals.names
    for name, binding in names.items():
        twin = names.get(name + "_")
        if twin is not None and name in _RESERVED | _METHODS:
            what = "method" if name in _METHODS else "keyword"
            context.report.error(
                "E0209",
                f"`{name}` and `{name}_` have the same spelling in Python or C",
                Label(max(binding.span, twin.span, key=lambda span: span.start)),
                Label(min(binding.span, twin.span, key=lambda span: span.start), "the other one"),
                note=f"`{name}` is a {what} there, so it is spelt `{name}_`",
            )


def _lint_hidden(context: Context, binding: Binding) -> None:
    if is_taken(binding.name):
        number = CONSTANTS.get(binding.name)
        what = f"constant {_digits(number)}" if number is not None else "operation of that name"
        text = f"from here on, `{binding.name}` is this {binding.role}"
        context.report.lint("L0101", f"`{binding.name}` hides the {what}", Label(binding.span, text))


def _digits(number: float) -> str:
    return f"{str(number)[:5]}…" if math.isfinite(number) else str(number)


def _used_names(context: Context, roots: Iterable[str]) -> set[str]:
    used: set[str] = set()
    pending = list(roots)
    while pending:
        name = pending.pop()
        if name not in used:
            used.add(name)
            pending.extend(context.uses.get(name, ()))
    return used


def _lint_params(
    context: Context, declarations: list[Declaration], results: list[Definition], order: list[Node]
) -> None:
    losses = [definition for definition in results if definition.role == "loss"]
    reached = {definition.node for definition in losses or results}
    for node in reversed(order):
        if node in reached:
            reached.update(node.args)
    for declaration in declarations:
        if declaration.role == "param" and declaration.node not in reached:
            text = "no loss depends on it" if losses else "no output depends on it"
            context.report.lint("L0104", f"param `{declaration.name}` is not used", Label(declaration.span, text))


def _lint_dims(context: Context, dims: list[Dim], declarations: list[Declaration], used: set[str]) -> None:
    """Dims that no array determines: neither bare in a declaration nor alone unknown and linear in one."""
    known = {dim.name for dim in dims if dim.value is not None}
    waiting = [size for declaration in declarations for size in declaration.type.shape]
    progress = True
    while progress:
        progress = False
        for size in waiting:
            unknown = size.dims() - known
            if len(unknown) == 1 and _is_linear(size, *unknown):
                known |= unknown
                progress = True
    for dim in dims:
        if dim.name not in known and dim.name in used:
            context.report.lint(
                "L0106",
                f"the size `{dim.name}` is bound by no array",
                Label(dim.span, "the caller has to give it"),
            )


def _lint_unused_dims(context: Context, program: ast.Program, dims: list[Dim]) -> None:
    """Dims that nothing in the program names."""
    used = set().union(*context.uses.values())
    suspects = {dim.name: dim for dim in dims if dim.name not in used and not dim.name.startswith("_")}
    declared = {dim.span for dim in suspects.values()}
    for node in ast.walk(program) if suspects else ():
        if isinstance(node, ast.Name) and node.span not in declared:
            suspects.pop(node.text, None)
    for dim in suspects.values():
        text = "no array has it, and no formula"
        context.report.lint("L0110", f"the size `{dim.name}` is not used", Label(dim.span, text))


def _lint_text(context: Context, program: ast.Program) -> None:
    """A text above the first line, which documents each of several names and not the model."""
    first = program.statements[0] if program.statements else None
    if program.doc or not isinstance(first, (ast.DimDecl, ast.InputDecl, ast.ParamDecl)) or len(first.names) < 2:
        return
    above = [c for c in program.comments if c.span.start < first.span.start and is_documentation(c)]
    if above:
        names = listed([f"`{name.text}`" for name in first.names[:MOST_NAMED]])
        context.report.lint(
            "L0111",
            f"this text documents each of {names}",
            Label(above[0].span.to(above[-1].span) if len(above) > 1 else above[0].span),
            Label(first.span, "it stands directly above this"),
            help="if it describes the model, leave an empty line below it",
        )


def _is_linear(size: Size, name: str) -> bool:
    """Whether a dim stands in first powers only, outside of divisions, minima and maxima."""
    places = [monomial for monomial, _ in size.terms if name in Size(((monomial, 1),)).dims()]
    return all((name, 1) in monomial for monomial in places)
