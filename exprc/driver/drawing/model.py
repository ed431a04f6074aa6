"""The picture of a model as it is written: declarations, definitions, losses, and who names whom."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from exprc.check.model import Declaration, Definition
from exprc.driver.compilation import Compilation
from exprc.driver.drawing.items import LOSS, OUTPUT, VALUE, Item, about, make_section, shortened
from exprc.pictures import Box, Section
from exprc.syntax import ast

_STYLES = {"loss": LOSS, "output": OUTPUT}


def model_sections(state: Compilation, most: int) -> tuple[Section, ...]:
    """One section: inputs, params, definitions, and arrows to whoever uses them by name."""
    model, program = state.model, state.program
    assert model is not None and program is not None
    declared = sorted(model.declarations, key=lambda d: d.role)
    roles: dict[str, str] = {}
    for definition in model.definitions:  # `output mu` is a second entry of the same name
        roles[definition.name] = _STYLES.get(definition.role, roles.get(definition.name, VALUE))
    first: dict[str, Definition] = {}
    for definition in model.definitions:
        first.setdefault(definition.name, definition)
    formulas = _formulas(program)
    items = [Item(d.name, d.role, d.line, partial(_declared, d)) for d in declared]
    items += [
        Item(name, roles[name], d.line, partial(_defined, d, roles[name], formulas.get(name)))
        for name, d in first.items()
    ]
    numbers = {item.name: number for number, item in enumerate(items)}
    used = used_names(program)
    edges = [
        (numbers[other], numbers[name])
        for name in first
        for other in sorted(used.get(name, ()))
        if other in numbers and numbers[other] < numbers[name]
    ]
    sizes = ", ".join(dim.name for dim in model.dims)
    return (make_section(f"sizes {sizes}" if sizes else "", items, edges, most),)


def used_names(program: ast.Program) -> dict[str, set[str]]:
    """For each definition the names that its right-hand side uses, itself or through the functions that it calls."""
    functions: dict[str, set[str]] = {}
    found: dict[str, set[str]] = {}
    for statement in program.statements:
        if isinstance(statement, ast.FunctionDecl):
            functions[statement.name.text] = _through(_free_names(statement), functions)
        elif isinstance(statement, ast.Definition):
            names = _through(_free_names(statement.value), functions)
            for target in statement.targets:
                found[target.name.text] = names
    return found


def _through(names: Iterable[str], functions: dict[str, set[str]]) -> set[str]:
    """The names, and for each function among them what it uses."""
    found: set[str] = set()
    for name in names:
        found |= functions.get(name, {name})
    return found


def _free_names(root: ast.Node) -> set[str]:
    """Names that are used below a node and not bound there."""
    found: set[str] = set()
    stack: list[tuple[ast.Node, frozenset[str]]] = [(root, frozenset())]
    while stack:
        node, bound = stack.pop()
        if isinstance(node, ast.Name):
            if node.text not in bound:
                found.add(node.text)
        elif isinstance(node, ast.Argument):
            stack.append((node.value, bound))  # its keyword is no name of the program
        elif isinstance(node, ast.Attribute):
            stack.append((node.value, bound))
        elif isinstance(node, ast.Scan):
            outer: list[ast.Node] = [*(s.start for s in node.states), *(s.value for s in node.sequences), *node.options]
            stack += [(part, bound) for part in outer]
            inner = bound | _bound_by(node) | _targets(node.body)
            stack += [(part, inner) for part in (*node.body.statements, *node.next, *node.emit, node.condition) if part]
        else:
            inner = bound | _bound_by(node)
            stack += [(child, inner) for child in ast.children(node)]
    return found


def _bound_by(node: ast.Node) -> set[str]:
    if isinstance(node, ast.FunctionDecl):
        return {node.name.text} | {parameter.name.text for parameter in node.parameters}
    if isinstance(node, ast.Scan):
        return {state.name.text for state in node.states} | {sequence.name.text for sequence in node.sequences}
    if isinstance(node, ast.Block):
        return _targets(node)
    if isinstance(node, ast.IndexedReduction):
        return {binder.name.text for binder in node.binders}
    return set()


def _targets(block: ast.Block) -> set[str]:
    return {target.name.text for statement in block.statements for target in statement.targets}


def _formulas(program: ast.Program) -> dict[str, str]:
    """The right-hand sides as they are written, by name."""
    return {
        target.name.text: statement.value.span.text
        for statement in program.statements
        if isinstance(statement, ast.Definition)
        for target in statement.targets
    }


def _declared(declaration: Declaration) -> Box:
    tooltip = about(declaration.text, f"line {declaration.line}", declaration.doc)
    return Box((shortened(f"{declaration.name} : {declaration.type}"),), declaration.role, tooltip)


def _defined(definition: Definition, style: str, formula: str | None) -> Box:
    title = f"{definition.name} : {definition.node.type}"
    lines = (shortened(title), shortened(formula)) if formula else (shortened(title),)
    whole = f"{definition.name} = {shortened(formula, 400)}" if formula else ""
    return Box(lines, style, about(whole, title, f"line {definition.line}", definition.doc))
