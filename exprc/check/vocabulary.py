"""What is called otherwise elsewhere: names of NumPy, SciPy, JAX, PyTorch, Stan, MATLAB and R, and ours for them.

Owns the tables and the rewriting of a call by them.  Knows operations by their names only in these tables; whether one
exists is asked of the table of operations.  Forms that cannot be parsed are `exprc.syntax.foreign`'s.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from exprc.check.report import shortened
from exprc.check.values import Value
from exprc.diagnostics import Edit
from exprc.ir.types import DTYPES
from exprc.ops import TABLE
from exprc.source import Span
from exprc.syntax import ast

# called otherwise
_OPERATIONS = {
    "arctan": "atan", "arcsin": "asin", "arccos": "acos", "arctan2": "atan2", "fabs": "abs", "absolute": "abs",
    "inv_logit": "sigmoid", "expit": "sigmoid", "logistic": "sigmoid", "ln": "log", "log1p_exp": "softplus",
    "log_inv_logit": "log_sigmoid", "logsigmoid": "log_sigmoid", "log_sum_exp": "logsumexp", "log1m_exp": "log1mexp",
    "arange": "iota", "range": "iota", "identity": "eye", "identity_matrix": "eye", "diag_matrix": "diag",
    "diagonal": "diag", "concatenate": "concat", "hstack": "concat", "vstack": "concat", "append": "concat",
    "append_row": "concat", "append_col": "concat", "cat": "concat", "amax": "max", "amin": "min", "fmax": "maximum",
    "fmin": "minimum", "average": "mean", "avg": "mean", "sd": "std", "stddev": "std", "variance": "var",
    "gammaln": "lgamma", "loggamma": "lgamma", "psi": "digamma", "inverse": "inv", "log_determinant": "logdet",
    "slogdet": "logdet", "determinant": "det", "cholesky_decompose": "cholesky", "chol": "cholesky",
    "mdivide_left": "solve", "mdivide_left_tri_low": "solve_triangular", "solve_triangular_lower": "solve_triangular",
    "cumulative_sum": "cumsum", "ravel": "flatten", "to_vector": "flatten", "view": "reshape", "sgn": "sign",
    "ifelse": "where", "if_else": "where", "select": "where", "cond": "where", "normal_lpdf": "normal_logpdf",
    "dnorm": "normal_logpdf", "poisson_log_lpmf": "poisson_log_logpmf", "clamp": "clip", "onehot": "one_hot",
    "nll_loss": "cross_entropy", "categorical_crossentropy": "cross_entropy", "gradient": "grad",
    "derivative": "grad", "diff": "grad", "jac": "jacobian", "detach": "stop_gradient", "ReLU": "relu",
    "float": "f64", "double": "f64", "float64": "f64", "real": "f64", "to_real": "f64", "float32": "f32",
    "single": "f32",
    "int": "i64", "long": "i64", "int64": "i64", "to_int": "i64", "int32": "i32", "pow": "power",
}  # fmt: skip
# written otherwise
_FORMS = {
    "power": "{0} ^ {1}", "matmul": "{0} @ {1}", "mm": "{0} @ {1}", "mv": "{0} @ {1}", "dot_product": "{0} @ {1}",
    "dot": "{0} @ {1}", "inner": "{0} @ {1}", "vdot": "{0} @ {1}", "multiply": "{0} * {1}", "mul": "{0} * {1}",
    "add": "{0} + {1}", "subtract": "{0} - {1}", "divide": "{0} / {1}", "div": "{0} / {1}", "mod": "{0} % {1}",
    "fmod": "{0} % {1}", "remainder": "{0} % {1}", "negative": "-{0}", "neg": "-{0}", "reciprocal": "1 / {0}",
    "inv_sqrt": "1 / sqrt({0})", "logit": "log({0} / (1 - {0}))", "t": "{0}'", "transpose": "{0}'", "sq": "{0} ^ 2",
    "rep_vector": "{0} * ones({1})", "rep_matrix": "{0} * ones({1}, {2})", "squared_distance": "sum(({0} - {1}) ^ 2)",
    "dot_self": "sum({0} ^ 2)", "sum_of_squares": "sum({0} ^ 2)", "ones_like": "1 + 0 * {0}", "astype": "{1}({0})",
    "elt_multiply": "{0} * {1}", "elt_divide": "{0} / {1}", "equal": "{0} == {1}", "greater": "{0} > {1}",
    "less": "{0} < {1}", "logical_and": "{0} and {1}", "logical_or": "{0} or {1}", "logical_not": "not {0}",
    "tanh_": "tanh({0})", "square": "{0} ^ 2", "mean_squared_error": "mean(({0} - {1}) ^ 2)",
    "mse_loss": "mean(({0} - {1}) ^ 2)", "float_power": "{0} ^ {1}",
}  # fmt: skip
# not written at all
_REMARKS = {
    **dict.fromkeys(("map", "vmap", "vectorize", "apply", "sapply"),
                    "operations act on whole arrays, entry by entry; a loop is a `scan`"),
    **dict.fromkeys(("jit", "compile"), "remove it: everything is compiled"),
    **dict.fromkeys(("array", "asarray", "vector", "matrix", "tensor", "c"), "an array is `[a, b, c]`"),
    **dict.fromkeys(("value_and_grad", "hess"),
                    "values and derivatives are outputs of their own: `output g = grad(E, w)`"),
    **dict.fromkeys(("Adam", "adam", "SGD", "sgd", "LBFGS", "optimize", "minimize"),
                    "a step is written out, `update w <- w - 0.1 * grad(E, w)`, or left to an optimiser outside"),
    **dict.fromkeys(("print", "show", "disp"), "`output x` returns a value; `exprc run` shows it"),
    **dict.fromkeys(("fori_loop", "while_loop", "reduce", "fold", "accumulate"),
                    "a loop is `scan h = h0 over x in X { ... }`"),
}  # fmt: skip
_VALUES = {
    "True": "true", "False": "false", "TRUE": "true", "FALSE": "false", "none": "None", "newaxis": "None",
    "π": "pi", "PI": "pi", "Pi": "pi", "infinity": "inf", "Infinity": "inf", "INFINITY": "inf", "Inf": "inf",
    "oo": "inf", "NaN": "nan", "NAN": "nan", "NA": "nan", "exp1": "e",
}  # fmt: skip
_NAME_REMARKS = {
    "end": "positions from the end are negative: `-1` is the last",
    "T": "write `X'` or `X.T` for a transpose",
    "null": "there is no missing value; `nan` is a number that is none",
    "NULL": "there is no missing value; `nan` is a number that is none",
    "nil": "there is no missing value; `nan` is a number that is none",
    "i": "an index is named in brackets, `y[i] = ...` or `sum[i](...)`; there are no complex numbers",
    "j": "an index is named in brackets, `y[j] = ...` or `sum[j](...)`; there are no complex numbers",
}
_DENSITIES = {"norm": "normal_logpdf", "Normal": "normal_logpdf", "poisson": "poisson_log_logpmf"}
SIZE_WORDS = frozenset(
    (
        "len", "length", "size", "shape", "ndim", "numel", "nrow", "ncol", "rows", "cols", "num_elements",
        "dims", "rank",
    )
)  # fmt: skip


_LEIBNIZ = re.compile(r"(d[^\W\d]\w*)[ ]?/[ ]?(d[^\W\d]\w*)")


class Advice(NamedTuple):
    """A line of help, and how it is followed."""

    help: str = ""
    edits: tuple[Edit, ...] = ()


def about_name(name: ast.Name) -> Advice | None:
    """What to write for a name that is unknown here."""
    meant = _VALUES.get(name.text)
    if meant is not None:
        return Advice(f"write `{meant}`", (Edit(name.span, meant),))
    if "·" in name.text:
        product = name.text.replace("·", " * ")
        return Advice(f"write `{shortened(product)}` for a product", (Edit(name.span, product),))
    before = name.span.source.text[name.span.start - 1 : name.span.start]
    if name.text == "T" and before == "^":
        place = Span(name.span.source, name.span.start - 1, name.span.end)
        return Advice("write `X'` or `X.T` for a transpose", (Edit(place, "'"),))
    quotient = _LEIBNIZ.match(name.span.source.text, name.span.start)
    if quotient is not None and quotient.end(1) == name.span.end:
        text = f"grad({quotient[1][1:]}, {quotient[2][1:]})"
        place = Span(name.span.source, *quotient.span())
        return Advice(f"write `{text}` for a derivative", (Edit(place, text),))
    remark = _NAME_REMARKS.get(name.text)
    return None if remark is None else Advice(remark)


def about_call(call: ast.Call, name: str, receiver: ast.Expression | None = None) -> Advice | None:
    """What to write for a call of a name that is unknown here, or for `receiver.name(...)`."""
    if name in _REMARKS:
        return Advice(_REMARKS[name])
    arguments = [argument.span.text for argument in call.arguments]
    operands = [_operand(argument.value) for argument in call.arguments]
    if receiver is not None:
        arguments.insert(0, receiver.span.text)
        operands.insert(0, _operand(receiver))
    form = _FORMS.get(_OPERATIONS.get(name, name))
    named = any(argument.name is not None for argument in call.arguments)
    if form is not None and not named and form.count("{") and _places(form) == len(operands):
        return _written(call, form.format(*operands))
    meant = _OPERATIONS.get(name, name)
    if meant != name and receiver is None:
        return Advice(f"write `{meant}`", (Edit(call.function.span, meant),))
    if receiver is not None and (meant != name or is_operation(meant)):
        return _written(call, f"{meant}({', '.join(arguments)})")
    return None


def about_prefix(call: ast.Call) -> Advice | None:
    """What to write for `np.linalg.norm(x)`."""
    function = call.function
    assert isinstance(function, ast.Attribute)
    name = function.name.text
    density = _DENSITIES.get(function.span.text.split(".")[-2])
    if density and name in ("logpdf", "logpmf", "log_prob"):
        return Advice(f"write `{density}`", (Edit(function.span, density),))
    known = None if is_operation(name) else about_call(call, name)
    if known is not None and known.edits and known.edits[0].span == call.span:
        return known
    meant = _OPERATIONS.get(name, name)
    if not is_operation(meant) and known is None:
        return None
    return Advice(f"operations have no prefix: write `{meant}`", (Edit(function.span, meant),))


def about_sizes(word: str, value: Value, written: ast.Expression, whole: Span) -> Advice:
    """What to write for `len(x)`, `x.shape[0]`: the sizes of a value that is known."""
    text, shape = shortened(written.span.text), value.known.shape
    if not shape:
        return Advice(f"`{text}` is a scalar: it has no size")
    sizes = [str(size) for size in shape]
    axis = {"nrow": "0", "rows": "0", "len": "0", "ncol": "1", "cols": "1"}.get(word)
    behind = re.match(r"\[(\d)\]", whole.source.text[whole.end : whole.end + 3])
    if behind is not None:
        axis, whole = behind[1], Span(whole.source, whole.start, whole.end + 3)
    if (axis is None and word in ("size", "numel", "num_elements", "length")) or len(shape) == 1:
        meant = " * ".join(_closed(size) for size in sizes)
    elif axis is not None and int(axis) < len(shape):
        meant = sizes[int(axis)]
    else:
        return Advice(f"`{text}` has the sizes {', '.join(f'`{size}`' for size in sizes)}: write the one that is meant")
    if word in ("ndim", "rank"):
        meant = str(len(shape))
    return Advice(f"sizes have names: write `{meant}`", (Edit(whole, _closed(meant)),))


def is_operation(name: str) -> bool:
    """Whether the name can be called without being defined."""
    op = TABLE.get(name)
    return name in DTYPES or (op is not None and op.build is not None and bool(op.signature) and not op.infix)


def _written(call: ast.Call, text: str) -> Advice:
    return Advice(f"write `{shortened(text)}`", (Edit(call.span, text),))


def _places(form: str) -> int:
    return 1 + max(int(digit) for digit in re.findall(r"\{(\d)\}", form))


_SIMPLE = (ast.Name, ast.Number, ast.Call, ast.Index, ast.Attribute, ast.Transpose, ast.ArrayLiteral)


def _operand(written: ast.Expression) -> str:
    return written.span.text if isinstance(written, _SIMPLE) else f"({written.span.text})"


def _closed(text: str) -> str:
    return f"({text})" if re.search(r"[ +*/-]", text) else text
