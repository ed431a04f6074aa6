"""The abstract syntax: one immutable class per form of the language, named like the rules of `grammar/expr.lark`.

Owns the shape of the tree.  Must not know how it is parsed, checked or compiled.  Trees may be 100 000 levels deep: use
`walk` and `same`, or a stack of your own, never recursion.  Every node ends with its `span`.
"""

from __future__ import annotations

from exprc.source import Span
from exprc.syntax.node import Node as Node
from exprc.syntax.node import children as children
from exprc.syntax.node import node
from exprc.syntax.node import same as same
from exprc.syntax.node import walk as walk


class Expression(Node):
    """What has a value."""

    __slots__ = ()


class Statement(Node):
    """What stands between two separators."""

    __slots__ = ()


# ---- expressions


@node
class Number(Expression):
    """`1`, `1_000`, `2.5`, `1e-3`.  `value` is exact for integers; 2**63 occurs only under a unary minus."""

    text: str
    value: int | float
    is_float: bool
    span: Span


@node
class String(Expression):
    """`"ij,jk->ik"`; `value` has the escapes resolved."""

    value: str
    span: Span


@node
class BoolLiteral(Expression):
    """`true`, `false`."""

    value: bool
    span: Span


@node
class NoneLiteral(Expression):
    """`None`: an inserted axis in an index, or an absent keyword argument."""

    span: Span


@node
class Name(Expression):
    """A name, used or declared.  `text` is NFKC-normalised, the span has what was typed."""

    text: str
    span: Span


@node
class Attribute(Expression):
    """`l.name`.  A written `.T` is a `Transpose`, also after a `use` name: only `check` knows which it is."""

    value: Expression
    name: Name
    span: Span


@node
class Transpose(Expression):
    """`X'` or `X.T`; `spelled` is `"'"` or `".T"`."""

    value: Expression
    spelled: str
    span: Span


@node
class Unary(Expression):
    """`-x`; `op` is `"-"`."""

    op: str
    operand: Expression
    span: Span


@node
class Not(Expression):
    """`not c`."""

    operand: Expression
    span: Span


@node
class Binary(Expression):
    """`a + b`; `op` is one of `+ - * / // % @ ^` (a written `**` is `^`)."""

    op: str
    left: Expression
    right: Expression
    span: Span


@node
class Compare(Expression):
    """`a < b <= c`: `operands` has one more entry than `ops`, which are of `< <= > >= == !=`."""

    operands: tuple[Expression, ...]
    ops: tuple[str, ...]
    span: Span


@node
class Logical(Expression):
    """`a and b`, `a or b`."""

    op: str
    left: Expression
    right: Expression
    span: Span


@node
class If(Expression):
    """`if c then a else b`."""

    condition: Expression
    then: Expression
    otherwise: Expression
    span: Span


@node
class Argument(Node):
    """One argument of a call, with its keyword if it has one; also an option of `scan(...)`."""

    name: Name | None
    value: Expression
    span: Span


@node
class Call(Expression):
    """`f(x, axis=1)`.  Positional arguments come first."""

    function: Expression
    arguments: tuple[Argument, ...]
    span: Span


@node
class Slice(Node):
    """`start:stop:step` inside an index."""

    start: Expression | None
    stop: Expression | None
    step: Expression | None
    span: Span


@node
class Index(Expression):
    """`x[i, 1:, None]`."""

    value: Expression
    items: tuple[Expression | Slice, ...]
    span: Span


@node
class IndexBinder(Node):
    """`i`, or `i in 0..n`: an index name that is bound here."""

    name: Name
    start: Expression | None
    stop: Expression | None
    span: Span


@node
class IndexedReduction(Expression):
    """`sum[i, j in 0..n](body)`."""

    function: Name
    binders: tuple[IndexBinder, ...]
    body: Expression
    span: Span


@node
class ArrayLiteral(Expression):
    """`[a, b, c]`, which nests."""

    items: tuple[Expression, ...]
    span: Span


@node
class Range(Expression):
    """`0..n`, half-open: the domain of an input, or what a scan runs over."""

    start: Expression
    stop: Expression
    span: Span


@node
class ScanState(Node):
    """`h = h0` in the head of a scan."""

    name: Name
    start: Expression
    span: Span


@node
class ScanSequence(Node):
    """`x in X`, `t in 0..T` in the head of a scan; `value` may be a `Range`."""

    name: Name
    value: Expression
    span: Span


@node
class Scan(Expression):
    """`scan h = h0 over x in X while c { ... }`.

    `next` holds the new states (a last line `a, b` means `next a, b`), `emit` what is stacked besides; the statements
    of `body` come before them, and `body.results` is empty.
    """

    states: tuple[ScanState, ...]
    sequences: tuple[ScanSequence, ...]
    condition: Expression | None
    options: tuple[Argument, ...]
    body: Block
    next: tuple[Expression, ...]
    emit: tuple[Expression, ...]
    span: Span


# ---- parts of declarations


@node
class TypeExpr(Node):
    """`f64[n, d]`; `dtype` is any name here, `shape` is empty for a scalar."""

    dtype: str
    shape: tuple[Expression, ...]
    span: Span


@node
class Constraint(Node):
    """The constraint of a `param`.

    `kind` is `"bounds"` (`> a`: only `lower`; `< b`: only `upper`; `in (a, b)`: both), or one of `CONSTRAINT_WORDS`.
    """

    kind: str
    lower: Expression | None
    upper: Expression | None
    span: Span


CONSTRAINT_WORDS = ("simplex", "ordered", "positive_ordered", "cholesky")


@node
class Target(Node):
    """What a definition defines: `K`, or `K[i, j in 0..n]`."""

    name: Name
    indices: tuple[IndexBinder, ...] | None
    span: Span


@node
class Parameter(Node):
    """A parameter of an `fn`."""

    name: Name
    type: TypeExpr | None
    span: Span


# ---- statements


@node
class DimDecl(Statement):
    """`dim n, d`, `dim k = 10`, `dim m = n // 2`."""

    names: tuple[Name, ...]
    value: Expression | None
    doc: str | None
    span: Span


@node
class RequireDecl(Statement):
    """`require a * b == c`."""

    condition: Expression
    span: Span


@node
class InputDecl(Statement):
    """`input y : i64[n] in 0..k`."""

    names: tuple[Name, ...]
    type: TypeExpr
    domain: Range | None
    doc: str | None
    span: Span


@node
class ParamDecl(Statement):
    """`param s : f64 > 0 = 0.5`."""

    names: tuple[Name, ...]
    type: TypeExpr
    constraint: Constraint | None
    start: Expression | None
    doc: str | None
    span: Span


@node
class Definition(Statement):
    """`x = e`, `Q, R = qr(A)`, `K[i, j] = e`; `role` is `definition`, `loss`, `density` or `output`."""

    targets: tuple[Target, ...]
    value: Expression
    role: str
    doc: str | None
    span: Span


@node
class OutputName(Statement):
    """`output mu`: an existing definition is returned too."""

    name: Name
    doc: str | None
    span: Span


@node
class Block(Node):
    """`{ z = ...; z * z }`: local definitions and, in the body of an `fn`, its one or more results."""

    statements: tuple[Definition, ...]
    results: tuple[Expression, ...]
    span: Span


@node
class FunctionDecl(Statement):
    """`fn f(x : f64[n]) -> f64 { ... }`, `fn f(x, y) = e`; `returns` is None without an annotation."""

    name: Name
    parameters: tuple[Parameter, ...]
    returns: tuple[TypeExpr, ...] | None
    body: Expression | Block
    doc: str | None
    span: Span


@node
class UpdateDecl(Statement):
    """`update w <- e`."""

    name: Name
    value: Expression
    span: Span


@node
class UseDecl(Statement):
    """`use "layers.expr" as l`."""

    path: String
    alias: Name | None
    span: Span


@node
class Comment(Node):
    """A comment with its `#`.  `own_line` says that nothing stands before it on its line."""

    text: str
    own_line: bool
    span: Span


@node
class Program(Node):
    """A whole file.  `doc` is the text that documents the model; `comments` has all, in order."""

    statements: tuple[Statement, ...]
    doc: str | None
    comments: tuple[Comment, ...]
    span: Span
