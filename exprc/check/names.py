"""What a name refers to: a value, a function of the program, an operation or a constant.

Owns the lookup and its messages, the constants, and the names of operations that are not built yet.
"""

from __future__ import annotations

import math
import re

from exprc.check.arguments import signature_text
from exprc.check.context import Context
from exprc.check.report import NOT_BUILT, listed
from exprc.check.scopes import Scope, bring, find, visible_names
from exprc.check.values import POISON, UserFunction, Value
from exprc.check.vocabulary import Advice, about_name
from exprc.diagnostics import MOST_SHOWN, Edit, Label
from exprc.ir.op import Op
from exprc.ir.types import DTYPES
from exprc.ops import TABLE
from exprc.ops.leaves import constant
from exprc.spelling import nearest
from exprc.syntax import ast

CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
LATER_OPERATIONS = frozenset(
    (
        "exp2", "log2", "log10", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh",
        "clip", "isnan", "isfinite", "xlogy", "logaddexp", "log1mexp", "var", "std", "argmin",
        "argmax", "linspace", "concat", "stack", "tile", "repeat", "diag", "tril", "triu", "outer",
        "cross", "cumsum", "cumprod", "sort", "argsort", "dot", "einsum", "trace", "det",
        "logdet", "inv", "solve", "eigh", "svd", "qr", "conv1d", "conv2d", "max_pool2d", "avg_pool2d",
        "layer_norm", "dropout", "random_uniform", "random_normal", "random_bernoulli",
        "jacobian", "hessian", "hvp", "rsqrt", "floor", "ceil", "round", "norm",
        "one_hot", "reshape", "flatten", "broadcast_to", "flip", "full", "iota",
    )
)  # fmt: skip
LAST = "last"
SET, INCREMENT = "set", "increment"
FORMS = (LAST, SET, INCREMENT)  # called like operations, but no entries of their table
MOST_SUGGESTIONS = 20
MOST_LISTED = 6


def operation(name: str) -> Op | None:
    """The operation that the language calls by this name."""
    op = TABLE.get(name)
    return op if op is not None and op.build is not None and op.signature and not op.infix else None


def is_taken(name: str) -> bool:
    """Whether the name has a meaning without being defined."""
    return name in CONSTANTS or name in DTYPES or name in FORMS or operation(name) is not None


def is_later(name: str) -> bool:
    """Whether the language has an operation of this name that is not built yet."""
    return name in LATER_OPERATIONS and operation(name) is None


def name_value(context: Context, scope: Scope, name: ast.Name) -> Value:
    """The value of a name; poison, after a message, where it has none."""
    text = name.text
    found = find(scope, text)
    if found is None:
        number = CONSTANTS.get(text)
        return _no_value(context, scope, name) if number is None else Value(constant(number), True)
    binding, home = found
    if isinstance(binding.value, UserFunction):
        return _function_as_value(context, scope, name)
    return bring(binding.value, home.region, scope.region)


def report_unknown(
    context: Context, scope: Scope, name: ast.Name, called: bool = False, advice: Advice | None = None
) -> None:
    """A name that nothing visible has; each is reported once."""
    if name.text in context.unknown or context.incomplete:
        return
    context.unknown.add(name.text)
    later = context.defined.get(name.text)
    if later is not None and later.order == scope.limit:
        what = "function" if later.form == "function" else "definition"
        context.report.error(
            "E0208",
            f"{what} `{name.text}` refers to itself",
            Label(name.span, "used in its own definition"),
            *([Label(later.span, "defined here")] if later.span.start != name.span.start else []),
            help=_instead_of_itself(what, name.text),
            frame=scope.frame,
        )
    elif later is not None:
        context.report.error(
            "E0203",
            f"`{name.text}` is used before its definition",
            Label(name.span, "not defined yet"),
            Label(later.span, "defined here"),
            note="functions do not call each other in a circle" if scope.frame and later.form == "function" else "",
            help=f"move the definition of `{name.text}` above its first use",
            frame=scope.frame,
            edits=_moving(context, name.text, scope.limit),
        )
    else:
        _report_unknown(context, scope, name, called, advice)


def _instead_of_itself(what: str, name: str) -> tuple[str, ...]:
    """The ways to write what a name that refers to itself may mean."""
    scan = "if each step needs the one before, write a loop: `scan h = h0 over t in 1..n { ... }`"
    if what == "function":
        return scan, "if the number of steps is fixed and small, write them out one by one"
    return f"if an earlier value is meant, define it under another name, such as `{name}0`", scan


def _moving(context: Context, name: str, user: int) -> tuple[Edit, ...]:
    if len(context.report.errors) >= MOST_SHOWN:
        return ()
    from exprc.check.repairs import moving

    return moving(context, name, user)


def _report_unknown(context: Context, scope: Scope, name: ast.Name, called: bool, advice: Advice | None) -> None:
    what = "operation or function" if called else "name"
    advice = advice or about_name(name) or _meant(context, scope, name, called)
    meant = find(scope, advice.edits[0].text) if advice.help.startswith("did you mean") else None
    own = visible_names(scope)
    note = _described(advice) if called else ""
    if not advice.help and not called and 0 < len(own) <= MOST_LISTED:
        note = f"defined up to here: {listed([f'`{known}`' for known in own])}"
    for edit in advice.edits:
        context.unknown.update(re.findall(r"\w+", edit.span.text) if edit.span.end > name.span.end else ())
    context.report.error(
        "E0204" if called else "E0201",
        f"unknown {what} `{name.text}`",
        Label(name.span, "nothing has this name"),
        *([Label(meant[0].span, f"`{meant[0].name}` is declared here")] if meant is not None else []),
        note=note,
        help=advice.help,
        frame=scope.frame,
        edits=advice.edits,
    )


def _described(advice: Advice) -> str:
    """What the operation that is offered computes."""
    op = operation(advice.edits[0].text) if advice.help.startswith("did you mean") else None
    return "" if op is None else f"`{signature_text(op.name, op.signature)}` is {op.doc}"


def _meant(context: Context, scope: Scope, name: ast.Name, called: bool) -> Advice:
    context.suggestions += 1
    if context.suggestions > MOST_SUGGESTIONS:
        return Advice()
    own = visible_names(scope)
    operations = [known for known in (*TABLE, *DTYPES, *FORMS) if is_taken(known)]
    candidates = (*operations, *own) if called else (*own, *CONSTANTS, *operations)
    found = nearest(name.text, (*candidates, *LATER_OPERATIONS))
    return Advice(f"did you mean `{found}`?", (Edit(name.span, found),)) if found else Advice()


def _no_value(context: Context, scope: Scope, name: ast.Name) -> Value:
    if is_later(name.text) and name.text not in context.defined:
        report_later(context, scope, name)
    elif is_taken(name.text) and name.text not in context.defined:
        return _function_as_value(context, scope, name)
    else:
        report_unknown(context, scope, name)
    return POISON


def report_later(context: Context, scope: Scope, name: ast.Name) -> None:
    """An operation of the language that is not built yet; each is reported once."""
    if name.text in context.unknown:
        return
    context.unknown.add(name.text)
    context.report.error(
        NOT_BUILT,
        f"the operation `{name.text}` is not built yet",
        Label(name.span, "known, but not compiled by this version"),
        frame=scope.frame,
    )


def _function_as_value(context: Context, scope: Scope, name: ast.Name) -> Value:
    context.report.error(
        "E0206",
        f"`{name.text}` is a function and has no value of its own",
        Label(name.span, "a value is expected here"),
        help=f"call it: `{name.text}(…)`",
        frame=scope.frame,
    )
    return POISON
