"""Rules given by two graphs: identities of arithmetic, and the stable forms of what loses digits or overflows."""

from __future__ import annotations

from exprc.ir.node import Node
from exprc.ir.types import BOOL
from exprc.ops.arithmetic import abs_, add, div, mul, neg, sub
from exprc.ops.compare import eq, ne, not_, where
from exprc.ops.composites import log_sigmoid
from exprc.ops.functions import erf, erfc, exp, expm1, log, log1p, power, sigmoid, softplus, sqrt, tanh
from exprc.ops.leaves import constant_value
from exprc.ops.special import log1mexp, logaddexp
from exprc.rewrite.rule import (
    CLOSED_FORM,
    EXACT,
    FINAL_FORM,
    IMPROVING,
    ROUNDING,
    SIMPLIFY,
    STABILIZE,
    Bindings,
    Condition,
    Rule,
    wildcard,
)
from exprc.rewrite.terms import as_ratio

X, Y, Z = wildcard("x"), wildcard("y"), wildcard("z")
C, D = wildcard("c"), wildcard("d")  # constants
B = wildcard("b", BOOL)
MODERATE = 2.0**40  # products of constants up to here meet neither overflow nor underflow that they cause


def rule(name: str, group: str, kind: str, before: Node, after: Node, why: str, when: Condition | None = None) -> Rule:
    """A rule between two graphs."""
    return Rule(name, group, kind, why, before.op, before, after, when)


def _constants_meet(bindings: Bindings) -> bool:
    """Whether c and d, as far as the rule has them, are constants of moderate size, and x and y are none."""
    return all(
        constant_value(bindings[w]) is None if w in (X, Y) else _is_moderate(constant_value(bindings[w]))
        for w in bindings
    )


def _constants_divide(bindings: Bindings) -> bool:
    """That, and the quotient is no fraction like 1/3, which reads better as it is."""
    if not _constants_meet(bindings):
        return False
    return as_ratio(abs(float(constant_value(bindings[C]) or 0) / float(constant_value(bindings[D]) or 1))) is None


def _is_moderate(value: float | None) -> bool:
    return value is not None and 1 / MODERATE <= abs(value) <= MODERATE


def _negative_factor(bindings: Bindings) -> bool:
    value = constant_value(bindings[C])
    return value is not None and value < 0 and constant_value(bindings[Y]) is None


def _constant_factor(bindings: Bindings) -> bool:
    return constant_value(bindings[C]) is not None and constant_value(bindings[X]) is None


IDENTITIES = (
    rule("add_zero", SIMPLIFY, ROUNDING, add(X, 0.0), X, "zero adds nothing; the sign of -0 + 0 is not kept"),
    rule("subtract_zero", SIMPLIFY, EXACT, sub(X, 0.0), X, "zero takes nothing away"),
    rule("subtract_from_zero", SIMPLIFY, ROUNDING, sub(0.0, X), neg(X), "a negation; the sign of 0 - 0 is not kept"),
    rule("multiply_by_one", SIMPLIFY, EXACT, mul(1.0, X), X, "one is neutral"),
    rule("multiply_by_minus_one", SIMPLIFY, EXACT, mul(-1.0, X), neg(X), "a negation"),
    rule("divide_by_one", SIMPLIFY, EXACT, div(X, 1.0), X, "one is neutral"),
    rule("power_one", SIMPLIFY, EXACT, power(X, 1.0), X, "x^1 is x"),
    rule("double_negation", SIMPLIFY, EXACT, neg(neg(X)), X, "two signs cancel"),
    rule("add_negative", SIMPLIFY, EXACT, add(X, neg(Y)), sub(X, Y), "a difference"),
    rule("subtract_negative", SIMPLIFY, EXACT, sub(X, neg(Y)), add(X, Y), "a sum"),
    rule("add_negative_multiple", SIMPLIFY, EXACT, add(X, mul(C, Y)), sub(X, mul(neg(C), Y)), "a difference",
         _negative_factor),
    rule("subtract_negative_multiple", SIMPLIFY, EXACT, sub(X, mul(C, Y)), add(X, mul(neg(C), Y)), "a sum",
         _negative_factor),
    rule("negate_difference", SIMPLIFY, ROUNDING, neg(sub(X, Y)), sub(Y, X),
         "the difference turned round; the sign of 0 is not kept"),
    rule("negative_factor", SIMPLIFY, EXACT, mul(neg(X), Y), neg(mul(X, Y)), "the sign moves out of a product"),
    rule("negative_dividend", SIMPLIFY, EXACT, div(neg(X), Y), neg(div(X, Y)), "the sign moves out of a quotient"),
    rule("negative_divisor", SIMPLIFY, EXACT, div(X, neg(Y)), neg(div(X, Y)), "the sign moves out of a quotient"),
    rule("minus_constant_factor", CLOSED_FORM, EXACT, neg(mul(C, X)), mul(neg(C), X), "the sign joins the constant",
         _constant_factor),
    rule("two_factors", SIMPLIFY, ROUNDING, mul(C, mul(D, X)), mul(mul(C, D), X),
         "constants of moderate size meet; what passes the range of numbers between the two products does not",
         _constants_meet),
    rule("constant_first", SIMPLIFY, ROUNDING, mul(X, mul(C, Y)), mul(C, mul(X, Y)),
         "a constant of moderate size moves to the front; near the ends of the range of numbers one form may pass them",
         _constants_meet),
    rule("factor_over_constant", SIMPLIFY, ROUNDING, div(mul(C, X), D), mul(div(C, D), X),
         "constants of moderate size meet; what passes the range of numbers before the division does not",
         _constants_divide),
    rule("not_not", SIMPLIFY, EXACT, not_(not_(B)), B, "two negations cancel"),
    rule("not_equal", SIMPLIFY, EXACT, not_(eq(X, Y)), ne(X, Y), "one comparison"),
    rule("not_unequal", SIMPLIFY, EXACT, not_(ne(X, Y)), eq(X, Y), "one comparison"),
    rule("chosen_again", SIMPLIFY, EXACT, where(B, where(B, X, Y), Z), where(B, X, Z), "chosen before by the same"),
    rule("not_chosen_again", SIMPLIFY, EXACT, where(B, X, where(B, Y, Z)), where(B, X, Z), "not chosen by the same"),
    rule("same_choice", SIMPLIFY, EXACT, where(B, X, X), X, "both branches are the same"),
    rule("constant_last", SIMPLIFY, EXACT, eq(C, X), eq(X, C), "a comparison with a constant reads x == c",
         _constant_factor),
    rule("unequal_constant_last", SIMPLIFY, EXACT, ne(C, X), ne(X, C), "a comparison with a constant reads x != c",
         _constant_factor),
)  # fmt: skip

STABLE_FORMS = (
    rule("softplus", STABILIZE, IMPROVING, log1p(exp(X)), softplus(X), "exp(x) overflows where the logarithm does not"),
    rule("softplus_sum", STABILIZE, IMPROVING, log(add(1.0, exp(X))), softplus(X),
         "exp(x) overflows where the logarithm does not"),
    rule("log_one_minus_sigmoid", STABILIZE, IMPROVING, log(sub(1.0, sigmoid(X))), log_sigmoid(neg(X)),
         "1 - sigmoid(x) is 0 where its logarithm is -x"),
    rule("log1p_minus_sigmoid", STABILIZE, IMPROVING, log1p(neg(sigmoid(X))), log_sigmoid(neg(X)),
         "1 - sigmoid(x) is 0 where its logarithm is -x"),
    rule("log1mexp", STABILIZE, IMPROVING, log1p(neg(exp(X))), log1mexp(X), "1 - exp(x) cancels near 0"),
    rule("log1mexp_of_expm1", STABILIZE, IMPROVING, log(neg(expm1(X))), log1mexp(X),
         "expm1(x) is -1 where the logarithm of 1 - exp(x) is -exp(x)"),
    rule("log1p", STABILIZE, IMPROVING, log(add(1.0, X)), log1p(X), "1 + x loses the digits of a small x"),
    rule("log1p_difference", STABILIZE, IMPROVING, log(sub(1.0, X)), log1p(neg(X)),
         "1 - x loses the digits of a small x"),
    rule("logaddexp", STABILIZE, IMPROVING, log(add(exp(X), exp(Y))), logaddexp(X, Y),
         "exp(x) overflows where the logarithm of the sum does not"),
    rule("expm1", STABILIZE, IMPROVING, sub(exp(X), 1.0), expm1(X), "exp(x) - 1 cancels near 0"),
    rule("expm1_reversed", STABILIZE, IMPROVING, sub(1.0, exp(X)), neg(expm1(X)), "1 - exp(x) cancels near 0"),
    rule("sigmoid", STABILIZE, IMPROVING, div(1.0, add(1.0, exp(neg(X)))), sigmoid(X), "one exp that cannot overflow"),
    rule("sigmoid_of_negative", STABILIZE, IMPROVING, div(1.0, add(1.0, exp(X))), sigmoid(neg(X)),
         "one exp that cannot overflow"),
    rule("sigmoid_power", STABILIZE, IMPROVING, power(add(1.0, exp(neg(X))), -1.0), sigmoid(X),
         "one exp that cannot overflow"),
    rule("sigmoid_power_of_negative", STABILIZE, IMPROVING, power(add(1.0, exp(X)), -1.0), sigmoid(neg(X)),
         "one exp that cannot overflow"),
    rule("sigmoid_quotient", STABILIZE, IMPROVING, div(exp(X), add(1.0, exp(X))), sigmoid(X),
         "inf / inf where exp(x) overflows"),
    rule("one_plus_tanh", STABILIZE, IMPROVING, add(1.0, tanh(X)), mul(2.0, sigmoid(mul(2.0, X))),
         "1 + tanh(x) cancels for negative x"),
    rule("one_minus_tanh", STABILIZE, IMPROVING, sub(1.0, tanh(X)), mul(2.0, sigmoid(mul(-2.0, X))),
         "1 - tanh(x) cancels for positive x"),
    rule("log_sigmoid", STABILIZE, IMPROVING, log(sigmoid(X)), log_sigmoid(X),
         "sigmoid underflows where its logarithm does not"),
    rule("erfc", STABILIZE, IMPROVING, sub(1.0, erf(X)), erfc(X), "1 - erf(x) cancels for positive x"),
    rule("log_exp", STABILIZE, IMPROVING, log(exp(X)), X, "exp(x) overflows"),
    rule("sqrt_square", STABILIZE, IMPROVING, sqrt(power(X, 2.0)), abs_(X), "x^2 overflows and underflows"),
    rule("sqrt_product", STABILIZE, IMPROVING, sqrt(mul(X, X)), abs_(X), "x * x overflows and underflows"),
)  # fmt: skip

# What is compiled and not printed: a person writes s * (1 - s).
FINAL_FORMS = (
    rule("one_minus_sigmoid", FINAL_FORM, IMPROVING, sub(1.0, sigmoid(X)), sigmoid(neg(X)),
         "1 - sigmoid(x) has few digits for large x"),
    rule("sigmoid_minus_one", FINAL_FORM, IMPROVING, sub(sigmoid(X), 1.0), neg(sigmoid(neg(X))),
         "sigmoid(x) - 1 has few digits for large x"),
)  # fmt: skip

# Atoms of the closed form: what a function of -x is in terms of the function of x.
REFLECTIONS = (
    rule("reflect_sigmoid", CLOSED_FORM, ROUNDING, sigmoid(neg(X)), sub(1.0, sigmoid(X)),
         "sigmoid(-x) is 1 - sigmoid(x)"),
)  # fmt: skip
