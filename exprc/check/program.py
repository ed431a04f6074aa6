"""A program, statement by statement, to a model.

Owns the order of statements, the declarations, and the end of a check: a model, or all the mistakes.  Must not know
how expressions are computed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from exprc.check.blocks import is_thrown_away, report_twice, take_apart, visit_definition
from exprc.check.context import Context, Later, describe, describe_value
from exprc.check.declared import declared_dtype, declared_shape, size_of
from exprc.check.derivatives import derivative_names
from exprc.check.expressions import evaluate, run
from exprc.check.fitting import fit_dtype
from exprc.check.functions import marked
from exprc.check.limits import BEYOND_LIMIT, refuse_axes
from exprc.check.lints import check_losses, collect_lints
from exprc.check.meeting import clashing_axis
from exprc.check.model import Declaration, Definition, Dim, Fact, Model
from exprc.check.names import operation, report_unknown
from exprc.check.operands import Operand
from exprc.check.report import NOT_BUILT, shortened
from exprc.check.scopes import Binding, find
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.walking import not_built, single
from exprc.diagnostics import Edit, KnownLimit, Label, UserError
from exprc.ir.node import Node, toposort
from exprc.ir.op import LEAF
from exprc.ir.sizes import Size, dim
from exprc.ir.types import FLOATS, Type
from exprc.ops.leaves import input_
from exprc.ops.leaves import size as size_leaf
from exprc.ops.table import broadcast_to
from exprc.source import Source
from exprc.syntax import ast

LATER_FORMS = {
    ast.RequireDecl: "`require`",
    ast.UpdateDecl: "`update`",
    ast.UseDecl: "`use`",
}


class Parts(NamedTuple):
    """What becomes the model, in order of declaration."""

    dims: list[Dim]
    declarations: list[Declaration]
    definitions: list[Definition]


def check_program(program: ast.Program, source: Source, options: Any = None) -> Model:
    """The model of a program.  UserError has every mistake; KnownLimit the forms that are not built yet."""
    context = Context(program.statements, _defined_names(program), derivative_names(program))
    parts = Parts([], [], [])
    for order, statement in enumerate(program.statements, 1):
        context.globals.limit = order
        context.globals.uses, context.asked = set(), set()
        _HANDLERS[type(statement)](context, parts, statement, order)
    nodes = toposort([definition.node for definition in parts.definitions if definition.role != "definition"])
    check_losses(context, parts.definitions, parts.declarations, nodes, options.wrt if options else ())
    errors = sorted(context.report.errors, key=lambda error: error.labels[0].span.start)
    if any(error.code not in (NOT_BUILT, BEYOND_LIMIT) for error in errors):
        raise UserError(*errors)
    if errors:
        raise KnownLimit(*errors)
    collect_lints(context, program, parts.dims, parts.declarations, parts.definitions, nodes)
    return Model(
        doc=program.doc or "",
        dims=tuple(parts.dims),
        declarations=tuple(parts.declarations),
        definitions=tuple(parts.definitions),
        facts=_facts(context),
        uses=context.uses,
        lints=tuple(context.report.lints),
        origins=context.origins,
    )


def _facts(context: Context) -> tuple[Fact, ...]:
    """The facts, each with the names that ask for it, unless what all may rely on does."""
    names = context.globals.names
    asking: dict[Size, set[str]] = {}
    common: set[Size] = set()
    for name, asked in context.needs.items():
        if names[name].role in ("dim", "input", "param"):
            common |= asked
        else:
            for difference in asked:
                asking.setdefault(difference, set()).add(name)
    return tuple(
        fact._replace(asked_by=None if difference in common else frozenset(asking[difference]))
        for difference, fact in context.facts.items()
    )


# ---- names


def _defined_names(program: ast.Program) -> dict[str, Later]:
    """Every name that the program defines, and where first."""
    defined: dict[str, Later] = {}
    for order, statement in enumerate(program.statements, 1):
        form = "function" if isinstance(statement, ast.FunctionDecl) else "definition"
        for name in _names_of(statement):
            defined.setdefault(name.text, Later(order, name.span, form))
    return defined


def _names_of(statement: ast.Statement) -> tuple[ast.Name, ...]:
    if isinstance(statement, ast.Definition):
        return tuple(target.name for target in statement.targets if not is_thrown_away(statement, target.name))
    if isinstance(statement, (ast.DimDecl, ast.InputDecl, ast.ParamDecl)):
        return statement.names
    if isinstance(statement, ast.FunctionDecl):
        return (statement.name,)
    return (statement.alias,) if isinstance(statement, ast.UseDecl) and statement.alias is not None else ()


def _bind(context: Context, name: ast.Name, value: Value | UserFunction, role: str, order: int) -> bool:
    """Give a name of the program its meaning; False, after a message, where it has one."""
    names = context.globals.names
    if name.text in names:
        known = names[name.text]
        report_twice(context, context.globals, name, ast.Name(known.name, known.span), role == "definition")
        return False
    names[name.text] = Binding(name.text, value, name.span, role, order)
    context.uses[name.text], context.needs[name.text] = context.globals.uses, context.asked
    return True


# ---- declarations


def _check_dim(context: Context, parts: Parts, statement: ast.DimDecl, order: int) -> None:
    value, size = None, None
    if statement.value is not None:
        value = single(context, context.globals, statement.value, evaluate(context, context.globals, statement.value))
        size = size_of(context, context.globals, statement.value, value)
    for name in statement.names:
        symbol = dim(name.text) if size is None or size.constant is not None else size
        failed = value is not None and size is None
        bound = POISON if failed else Value(size_leaf(symbol), True, symbol)
        if _bind(context, name, bound, "dim", order) and not failed:
            parts.dims.append(Dim(name.text, size, name.span, statement.doc or ""))


def _declared_type(context: Context, declared: ast.TypeExpr) -> Type | None:
    dtype = declared_dtype(context, declared)
    shape = run(context, declared_shape(context, context.globals, declared))
    if dtype is None or shape is None or refuse_axes(context, len(shape), declared.span, None):
        return None
    return Type(dtype, shape)


def _check_input(context: Context, parts: Parts, statement: ast.InputDecl, order: int) -> None:
    type = _declared_type(context, statement.type)
    if statement.domain is not None:
        not_built(context, context.globals, "the domain of an input", statement.domain)
    for name in statement.names:
        _declare(context, parts, name, "input", type, statement, order, None)


def _check_param(context: Context, parts: Parts, statement: ast.ParamDecl, order: int) -> None:
    type = _declared_type(context, statement.type)
    if statement.constraint is not None:
        not_built(context, context.globals, "a constrained param", statement.constraint)
    if type is not None and type.dtype not in FLOATS:
        context.report.error(
            "E0316",
            f"a param cannot be {type.dtype}",
            Label(statement.type.span, "params are f64 or f32"),
            help="losses are differentiated with respect to params; declare other numbers as `input`",
        )
    start = None
    if statement.start is not None and type is not None:
        start = _start_value(context, statement, type)
    for name in statement.names:
        _declare(context, parts, name, "param", type, statement, order, start)


def _declare(
    context: Context,
    parts: Parts,
    name: ast.Name,
    role: str,
    type: Type | None,
    statement: ast.InputDecl | ast.ParamDecl,
    order: int,
    start: Node | None,
) -> None:
    node = None if type is None else input_(name.text, type, role)
    if not _bind(context, name, Value(node), role, order) or node is None or type is None:
        return
    context.leaves.setdefault(node, context.globals.names[name.text])
    context.remember(node, name.span)
    span = statement.span
    text = " ".join(span.text.split()) if len(statement.names) == 1 else _one_declaration(statement, role, name)
    doc = statement.doc or ""
    parts.declarations.append(Declaration(name.text, role, node, type, name.span, name.span.line, text, doc, start))


def _one_declaration(statement: ast.InputDecl | ast.ParamDecl, role: str, name: ast.Name) -> str:
    rest = statement.span.source.text[statement.names[-1].span.end : statement.span.end]
    return f"{role} {name.text} {' '.join(rest.split())}"


def _start_value(context: Context, statement: ast.ParamDecl, type: Type) -> Node | None:
    """The start value in the type of its param; None after a message."""
    written = statement.start
    assert written is not None
    value = _filled(context, written, type)
    if value is None:
        value = single(context, context.globals, written, evaluate(context, context.globals, written))
    if value.node is None:
        return None
    if any(node.kind == LEAF and "free" in node.op.laws for node in toposort((value.node,))):
        not_built(context, context.globals, "a start value that depends on inputs or params", written)
        return None
    place = Label(statement.type.span, f"declared {describe(type)}", False)
    shape = value.node.shape
    if len(shape) > type.rank or clashing_axis(shape, type.shape) is not None or (shape and shape != type.shape):
        context.report.error(
            "E0410",
            "start value does not have the declared shape",
            Label(written.span, f"this is {describe_value(value)}"),
            place,
        )
        return None
    operand = Operand(value, written)
    node = fit_dtype(context, context.globals, operand, type.dtype, f"`{statement.names[0].text}`", place)
    return None if node is None else broadcast_to(node, type.shape)


def _filled(context: Context, written: ast.Expression, type: Type) -> Value | None:
    """A bare `zeros` or `ones` fills the param's shape; None for any other expression."""
    if not isinstance(written, ast.Name) or find(context.globals, written.text) is not None:
        return None
    op = operation(written.text)
    if op is None or op.build is None or [parameter.role for parameter in op.signature] != ["sizes"]:
        return None
    return Value(op.build(sizes=type.shape), True)


# ---- definitions


def _check_definition(context: Context, parts: Parts, statement: ast.Definition, order: int) -> None:
    if all(target.indices is None for target in statement.targets):
        result = evaluate(context, context.globals, statement.value)
    else:
        result = run(context, visit_definition(context, context.globals, statement))
    values = take_apart(context, context.globals, statement, result)
    role = statement.role
    if role == "density":
        not_built(context, context.globals, "`density`", statement.targets[0])
        values, role = [POISON] * len(values), "loss"
    for target, value in zip(statement.targets, values, strict=True):
        name = target.name
        if is_thrown_away(statement, name):
            continue
        if role == "loss" and value.node is not None and not _is_loss(context, name, statement, value):
            value = POISON
        value = marked(context, value, name.text)
        if _bind(context, name, value, role, order) and value.node is not None:
            context.remember(value.node, statement.value.span)
            doc = statement.doc or ""
            parts.definitions.append(Definition(name.text, role, value.node, name.span, name.span.line, doc))


def _is_loss(context: Context, name: ast.Name, statement: ast.Definition, value: Value) -> bool:
    """Whether a value can be a loss, else a message."""
    node = value.known
    if node.shape:
        text = shortened(statement.value.span.text)
        both = (f"add up the entries: `sum({text})`", f"or average them: `mean({text})`")
        context.report.error(
            "E0501",
            f"loss `{name.text}` is not a scalar",
            Label(statement.value.span, f"this is {node.type}"),
            help=both if node.type.is_float else "",
            edits=(Edit(statement.value.span, f"sum({statement.value.span.text})"),) if node.type.is_float else (),
        )
        return False
    if node.dtype not in FLOATS:
        context.report.error(
            "E0503",
            f"loss `{name.text}` is not a float",
            Label(statement.value.span, f"this is {describe(node.type)}"),
            note="integers and truth values have no derivative",
        )
        return False
    return True


def _check_output_name(context: Context, parts: Parts, statement: ast.OutputName, order: int) -> None:
    name = statement.name
    found = find(context.globals, name.text)
    if found is None:
        report_unknown(context, context.globals, name)
        return
    value = single(context, context.globals, name, evaluate(context, context.globals, name))
    if value.node is None:
        return
    returned = next((d for d in parts.definitions if d.name == name.text and d.role != "definition"), None)
    if returned is not None:
        context.report.error(
            "E0202",
            f"`{name.text}` is returned already",
            Label(name.span, "returned again"),
            Label(returned.span, f"this is {'a loss' if returned.role == 'loss' else 'an output'}"),
        )
        return
    doc = statement.doc or next((d.doc for d in parts.definitions if d.name == name.text), "")
    parts.definitions.append(Definition(name.text, "output", value.node, name.span, name.span.line, doc))


def _check_function(context: Context, parts: Parts, statement: ast.FunctionDecl, order: int) -> None:
    sound = True
    seen: dict[str, ast.Name] = {}
    for parameter in statement.parameters:
        if parameter.name.text in seen:
            context.report.error(
                "E0207",
                f"`{statement.name.text}` has two arguments `{parameter.name.text}`",
                Label(parameter.name.span, "again"),
                Label(seen[parameter.name.text].span, "first here"),
            )
            sound = False
        seen[parameter.name.text] = parameter.name
    declared = [p.type for p in statement.parameters if p.type is not None] + list(statement.returns or ())
    known = [declared_dtype(context, type) is not None for type in declared]
    sound = sound and all(known)
    if isinstance(statement.body, ast.Block):
        not_built(context, context.globals, "a function with a block", statement.body)
        sound = False
    elif statement.returns is not None and len(statement.returns) != 1:
        not_built(context, context.globals, "a function with several results", statement.name)
        sound = False
    _bind(context, statement.name, UserFunction(statement, order) if sound else POISON, "function", order)
    context.uses[statement.name.text] = set()


def _check_later(context: Context, parts: Parts, statement: ast.Statement, order: int) -> None:
    not_built(context, context.globals, LATER_FORMS[type(statement)], statement)
    if isinstance(statement, ast.UseDecl):
        context.incomplete = True
        if statement.alias is not None:
            _bind(context, statement.alias, POISON, "definition", order)


_HANDLERS: dict[type, Any] = {
    ast.DimDecl: _check_dim,
    ast.InputDecl: _check_input,
    ast.ParamDecl: _check_param,
    ast.Definition: _check_definition,
    ast.OutputName: _check_output_name,
    ast.FunctionDecl: _check_function,
    ast.RequireDecl: _check_later,
    ast.UpdateDecl: _check_later,
    ast.UseDecl: _check_later,
}
