"""The operations: one entry each in `TABLE`, filled by importing the families, and the functions that build nodes.

Must not know targets.  What an entry says is described with `exprc.ir.op.Op`, how to add one in the manual.
"""

from exprc.ops.arithmetic import (
    abs_,
    add,
    cast,
    div,
    floor_divide,
    maximum,
    minimum,
    mul,
    neg,
    remainder,
    sign,
    sub,
)
from exprc.ops.compare import and_, eq, ge, gt, le, lt, ne, not_, or_, where
from exprc.ops.composites import cross_entropy, log_sigmoid, log_softmax, logsumexp, mean, norm, one_hot, softmax
from exprc.ops.contraction import contract, matmul
from exprc.ops.derivatives import grad, jvp, named, stop_gradient, vjp
from exprc.ops.functions import (
    ceil,
    cos,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    power,
    relu,
    round_,
    rsqrt,
    sigmoid,
    sin,
    softplus,
    sqrt,
    square,
    tanh,
)
from exprc.ops.leaves import (
    arg,
    constant,
    constant_value,
    full,
    input_,
    iota,
    placeholder,
    project,
    size,
    zeros,
)
from exprc.ops.linear_algebra import cholesky, solve_triangular
from exprc.ops.reductions import all_, any_, max_, min_, prod, spread, sum_
from exprc.ops.scan import make_function, scan
from exprc.ops.table import TABLE, as_dtype, as_node, broadcast_to, constant_like
from exprc.ops.views import broadcast, insert_axes, pad, reshape, slice_, squeeze, transpose

__all__ = [
    "TABLE",
    "abs_", "add", "all_", "and_", "any_", "arg", "as_dtype", "as_node", "broadcast", "broadcast_to", "cast", "ceil",
    "cholesky", "constant", "constant_like", "constant_value", "contract", "cos", "cross_entropy", "div", "eq", "erf",
    "exp", "expm1", "floor", "floor_divide", "full", "ge", "grad", "gt", "input_", "insert_axes", "iota", "jvp", "le",
    "log", "log1p", "log_sigmoid", "log_softmax", "logsumexp", "lt", "make_function", "matmul", "max_", "maximum",
    "mean", "min_", "minimum", "mul", "named", "ne", "neg", "norm", "not_", "one_hot", "or_", "pad", "placeholder",
    "power", "prod", "project", "relu", "remainder", "reshape", "round_", "rsqrt", "scan", "sigmoid", "sign", "sin",
    "size", "slice_", "softmax", "softplus", "solve_triangular", "spread", "sqrt", "square", "squeeze",
    "stop_gradient", "sub", "sum_", "tanh", "transpose", "vjp", "where", "zeros",
]  # fmt: skip
