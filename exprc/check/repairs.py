"""Edits over several lines of a program: a definition moved above its first use, a name changed from a place on, a
prefix removed everywhere.

Owns the judgement whether such an edit is safe; where it is not, there is none.  Reached only after a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from exprc.check.context import Context
from exprc.check.names import is_taken
from exprc.check.report import counted
from exprc.check.vocabulary import Advice, about_prefix
from exprc.diagnostics import Edit
from exprc.source import Span
from exprc.syntax import ast

MOST_RENAMED = 200


def moving(context: Context, name: str, user: int) -> tuple[Edit, ...]:
    """The statement that defines a name, moved in front of the statement of order `user`."""
    later = context.defined[name]
    statement, before = context.statements[later.order - 1], context.statements[user - 1]
    line, place = _own_line(statement.span), _own_line(before.span, last=False)
    if line is None or place is None or isinstance(statement, ast.UseDecl):
        return ()
    for used in _names(statement):
        known = context.defined.get(used.text)
        if known is not None and known.order != later.order and known.order >= user:
            return ()
    text = line.text if line.text.endswith("\n") else line.text + "\n"
    return (Edit(Span(place.source, place.start, place.start), text), Edit(line, ""))


def _own_line(span: Span, last: bool = True) -> Span | None:
    """The whole lines of a statement that shares them with nothing, nor has documentation above; None otherwise."""
    text = span.source.text
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.end) + 1 or len(text)
    above = text[text.rfind("\n", 0, max(start - 1, 0)) + 1 : start]
    if text[start : span.start].strip() or above.lstrip().startswith("##"):
        return None
    if last and text[span.end : end].strip():
        return None
    return Span(span.source, start, end)


def renaming(context: Context, name: ast.Name, new: str) -> tuple[Edit, ...]:
    """A second definition of a name and all uses below under another name; none where it is bound anew there."""
    orders = [i for i, statement in enumerate(context.statements) if any(n is name for n in _targets(statement))]
    if not orders or new in context.defined or is_taken(new):
        return ()
    if not isinstance(context.statements[orders[0]], ast.Definition):
        return ()  # a declaration written twice has no first and no second value
    places = [name.span]
    for statement in context.statements[orders[0] + 1 :]:
        if any(bound.text == name.text for bound in _targets(statement)) or _binds(statement, name.text):
            return ()
        places += [used.span for used in _names(statement) if used.text == name.text]
    return tuple(Edit(place, new) for place in places) if len(places) <= MOST_RENAMED else ()


def without_prefix(context: Context, prefix: str, first: Advice) -> Advice:
    """The advice for one use of a prefix, `np.sum(x)`, with the edits of all its uses that do not overlap."""
    calls = [node for statement in context.statements for node in ast.walk(statement) if isinstance(node, ast.Call)]
    advised = [about_prefix(call) for call in calls if _root(call.function) == prefix]
    found = [edit for advice in advised if advice for edit in advice.edits]
    edits: list[Edit] = []
    for edit in sorted(found, key=lambda edit: (edit.span.start, -edit.span.end)):
        if not edits or edits[-1].span.end <= edit.span.start:
            edits.append(edit)
    if not 1 < len(edits) <= MOST_RENAMED or not set(first.edits) <= set(edits):
        return first
    return Advice(f"{first.help}, and so at {counted(len(edits) - 1, 'more place')}", tuple(edits))


def _root(function: ast.Expression) -> str:
    """The name before the first point of `np.linalg.norm`."""
    place = function
    while isinstance(place, ast.Attribute):
        place = place.value
    return place.text if isinstance(place, ast.Name) and place is not function else ""


def _targets(statement: ast.Statement) -> Sequence[ast.Name]:
    if isinstance(statement, ast.Definition):
        return [target.name for target in statement.targets]
    if isinstance(statement, (ast.DimDecl, ast.InputDecl, ast.ParamDecl)):
        return statement.names
    return [statement.name] if isinstance(statement, ast.FunctionDecl) else []


def _binds(statement: ast.Statement, name: str) -> bool:
    """Whether a function, a loop or an index has a name of its own that is written alike."""
    bound = (ast.Parameter, ast.ScanState, ast.ScanSequence, ast.Target, ast.IndexBinder)
    return any(isinstance(node, bound) and node.name.text == name for node in ast.walk(statement))


def _names(statement: ast.Statement) -> Iterator[ast.Name]:
    """Names that are used; those of arguments and attributes are not."""
    others: set[int] = set()
    for node in ast.walk(statement):
        if isinstance(node, (ast.Argument, ast.Attribute)) and node.name is not None:
            others.add(id(node.name))
        if isinstance(node, ast.Name) and id(node) not in others:
            yield node
