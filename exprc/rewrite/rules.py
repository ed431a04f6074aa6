"""Rules given by two graphs: identities of arithmetic, and the stable forms of what loses digits or overflows."""

from __future__ import annotations

from exprc.ir.node import Node
from exprc.ops.arithmetic import abs_, add, div, mul, neg, sub
from exprc.ops.compare import not_, where
from exprc.ops.composites import log_sigmoid
from exprc.ops.functions import exp, expm1, log, log1p, power, sigmoid, softplus, sqrt
from exprc.ops.leaves import constant_value
from exprc.rewrite.rule import CLOSED_FORM, EXACT, IMPROVING, ROUNDING, SIMPLIFY, STABILIZE, Bindings, Rule, wildcard

X, Y = wildcard("x"), wildcard("y")
C, D = wildcard("c"), wildcard("d")


def rule(name: str, group: str, kind: str, before: Node, after: Node, why: str, when=None) -> Rule:  # type: ignore[no-untyped-def]
    """A rule between two graphs."""
    return Rule(name, group, kind, why, before.op, before, after, when)


def _constants(bindings: Bindings) -> bool:
    return all(constant_value(bindings[w]) is not None for w in (C, D) if w in bindings)


def _not_constant(bindings: Bindings) -> bool:
    return constant_value(bindings[X]) is None


IDENTITIES = (
    rule("add_zero", SIMPLIFY, ROUNDING, add(X, 0.0), X, "zero adds nothing (but -0 + 0 is 0)"),
    rule("subtract_zero", SIMPLIFY, EXACT, sub(X, 0.0), X, "zero takes nothing away"),
    rule("subtract_from_zero", SIMPLIFY, ROUNDING, sub(0.0, X), neg(X), "a negation (but 0 - 0 is 0)"),
    rule("multiply_by_one", SIMPLIFY, EXACT, mul(1.0, X), X, "one is neutral"),
    rule("multiply_by_minus_one", SIMPLIFY, EXACT, mul(-1.0, X), neg(X), "a negation"),
    rule("divide_by_one", SIMPLIFY, EXACT, div(X, 1.0), X, "one is neutral"),
    rule("power_one", SIMPLIFY, EXACT, power(X, 1.0), X, "x^1 is x"),
    rule("double_negation", SIMPLIFY, EXACT, neg(neg(X)), X, "two signs cancel"),
    rule("add_negative", SIMPLIFY, EXACT, add(X, neg(Y)), sub(X, Y), "a difference"),
    rule("subtract_negative", SIMPLIFY, EXACT, sub(X, neg(Y)), add(X, Y), "a sum"),
    rule("negate_difference", SIMPLIFY, ROUNDING, neg(sub(X, Y)), sub(Y, X), "the difference turned round"),
    rule("negative_factor", SIMPLIFY, EXACT, mul(neg(X), Y), neg(mul(X, Y)), "the sign moves out of a product"),
    rule("negative_dividend", SIMPLIFY, EXACT, div(neg(X), Y), neg(div(X, Y)), "the sign moves out of a quotient"),
    rule("negative_divisor", SIMPLIFY, EXACT, div(X, neg(Y)), neg(div(X, Y)), "the sign moves out of a quotient"),
    rule("minus_constant_factor", CLOSED_FORM, EXACT, neg(mul(C, X)), mul(neg(C), X), "the sign joins the constant",
         lambda b: _constants(b) and _not_constant(b)),
    rule("two_factors", SIMPLIFY, ROUNDING, mul(C, mul(D, X)), mul(mul(C, D), X), "constants meet",
         lambda b: _constants(b) and _not_constant(b)),
    rule("constant_first", SIMPLIFY, ROUNDING, mul(X, mul(C, Y)), mul(C, mul(X, Y)), "constants meet in front",
         lambda b: _constants(b) and _not_constant(b) and constant_value(b[Y]) is None),
    rule("not_not", SIMPLIFY, EXACT, not_(not_(X)), X, "two negations cancel"),
    rule("same_choice", SIMPLIFY, EXACT, where(C, X, X), X, "both branches are the same"),
)  # fmt: skip

STABLE_FORMS = (
    rule("log1p", STABILIZE, IMPROVING, log(add(1.0, X)), log1p(X), "1 + x loses the digits of a small x"),
    rule("log1p_difference", STABILIZE, IMPROVING, log(sub(1.0, X)), log1p(neg(X)), "1 - x loses the digits of a small x"),
    rule("expm1", STABILIZE, IMPROVING, sub(exp(X), 1.0), expm1(X), "exp(x) - 1 cancels near 0"),
    rule("expm1_reversed", STABILIZE, IMPROVING, sub(1.0, exp(X)), neg(expm1(X)), "1 - exp(x) cancels near 0"),
    rule("softplus", STABILIZE, IMPROVING, log1p(exp(X)), softplus(X), "exp(x) overflows where the logarithm does not"),
    rule("softplus_sum", STABILIZE, IMPROVING, log(add(1.0, exp(X))), softplus(X),
         "exp(x) overflows where the logarithm does not"),
    rule("sigmoid", STABILIZE, IMPROVING, div(1.0, add(1.0, exp(neg(X)))), sigmoid(X), "one exp that cannot overflow"),
    rule("sigmoid_of_negative", STABILIZE, IMPROVING, div(1.0, add(1.0, exp(X))), sigmoid(neg(X)),
         "one exp that cannot overflow"),
    rule("sigmoid_quotient", STABILIZE, IMPROVING, div(exp(X), add(1.0, exp(X))), sigmoid(X),
         "inf / inf where exp(x) overflows"),
    rule("log_sigmoid", STABILIZE, IMPROVING, log(sigmoid(X)), log_sigmoid(X), "sigmoid underflows where its logarithm does not"),
    rule("log_one_minus_sigmoid", STABILIZE, IMPROVING, log(sub(1.0, sigmoid(X))), log_sigmoid(neg(X)),
         "1 - sigmoid(x) is 0 where its logarithm is -x"),
    rule("log1p_minus_sigmoid", STABILIZE, IMPROVING, log1p(neg(sigmoid(X))), log_sigmoid(neg(X)),
         "1 - sigmoid(x) is 0 where its logarithm is -x"),
    rule("log_exp", STABILIZE, IMPROVING, log(exp(X)), X, "exp(x) overflows"),
    rule("sqrt_square", STABILIZE, IMPROVING, sqrt(power(X, 2.0)), abs_(X), "x^2 overflows and underflows"),
    rule("sqrt_product", STABILIZE, IMPROVING, sqrt(mul(X, X)), abs_(X), "x * x overflows and underflows"),
)  # fmt: skip

# Atoms of the closed form: what a function of -x is in terms of the function of x.
REFLECTIONS = (
    rule("reflect_sigmoid", CLOSED_FORM, ROUNDING, sigmoid(neg(X)), sub(1.0, sigmoid(X)), "sigmoid(-x) is 1 - sigmoid(x)"),
)  # fmt: skip
