"""Logarithms of densities and probabilities: names for formulas of other operations, entry by entry."""

from __future__ import annotations

import math

from exprc.ir.node import Node
from exprc.ops.arithmetic import add, div, mul, neg, sub
from exprc.ops.functions import exp, log, log1p, softplus, square
from exprc.ops.gamma import lgamma
from exprc.ops.special import xlogy
from exprc.ops.table import Value, array, spelling

_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def normal_logpdf(x: Value, mu: Value, sigma: Value) -> Node:
    """Of the normal distribution."""
    return sub(sub(mul(-0.5, square(div(sub(x, mu), sigma))), log(sigma)), _HALF_LOG_2_PI)


def student_t_logpdf(x: Value, nu: Value, mu: Value, sigma: Value) -> Node:
    """Of Student's distribution with nu degrees of freedom, moved by mu and widened by sigma."""
    half_more = mul(0.5, add(nu, 1))
    scale = add(mul(0.5, log(mul(math.pi, nu))), log(sigma))
    height = sub(sub(lgamma(half_more), lgamma(mul(0.5, nu))), scale)
    return sub(height, mul(half_more, log1p(div(square(div(sub(x, mu), sigma)), nu))))


def exponential_logpdf(x: Value, rate: Value) -> Node:
    """Of the exponential distribution."""
    return sub(log(rate), mul(rate, x))


def gamma_logpdf(x: Value, shape: Value, rate: Value) -> Node:
    """Of the gamma distribution with a rate, the inverse of its scale."""
    return sub(add(sub(mul(shape, log(rate)), lgamma(shape)), xlogy(sub(shape, 1), x)), mul(rate, x))


def beta_logpdf(x: Value, a: Value, b: Value) -> Node:
    """Of the beta distribution."""
    constant = sub(lgamma(add(a, b)), add(lgamma(a), lgamma(b)))
    return add(add(constant, xlogy(sub(a, 1), x)), mul(sub(b, 1), log1p(neg(x))))


def poisson_log_logpmf(k: Value, eta: Value) -> Node:
    """Of the Poisson distribution whose mean is e^eta."""
    return sub(sub(mul(k, eta), exp(eta)), lgamma(add(k, 1)))


def bernoulli_logit_logpmf(k: Value, eta: Value) -> Node:
    """Of 0 or 1, where the logit of the chance of 1 is eta."""
    return sub(mul(k, eta), softplus(eta))


_X = array("x")
_SPREAD = (array("mu"), array("sigma"))

spelling("normal_logpdf", "the log density of the normal distribution", (_X, *_SPREAD), normal_logpdf,
         example="param mu : f64; input x : f64; loss E = -normal_logpdf(x, mu, 1)")  # fmt: skip
spelling("student_t_logpdf", "the log density of Student's distribution", (_X, array("nu"), *_SPREAD), student_t_logpdf,
         example="param mu : f64; input x : f64; loss E = -student_t_logpdf(x, 4, mu, 1)")  # fmt: skip
spelling("exponential_logpdf", "the log density of the exponential distribution", (_X, array("rate")),
         exponential_logpdf,
         example="param r : f64 = 1; input x : f64; loss E = -exponential_logpdf(x, r)")  # fmt: skip
spelling("gamma_logpdf", "the log density of the gamma distribution", (_X, array("shape"), array("rate")), gamma_logpdf,
         example="param r : f64 = 1; input x : f64; loss E = -gamma_logpdf(x, 2, r)")  # fmt: skip
spelling("beta_logpdf", "the log density of the beta distribution", (_X, array("a"), array("b")), beta_logpdf,
         example="param a : f64 = 1; input x : f64; loss E = -beta_logpdf(x, a, 2)")  # fmt: skip
spelling("poisson_log_logpmf", "the log probability of a count whose mean is exp(eta)", (array("k"), array("eta")),
         poisson_log_logpmf,
         example="param eta : f64; input k : i64; loss E = -poisson_log_logpmf(k, eta)")  # fmt: skip
spelling("bernoulli_logit_logpmf", "the log probability of 0 or 1, where eta is the logit of the chance of 1",
         (array("k"), array("eta")), bernoulli_logit_logpmf,
         example="param eta : f64; input k : i64; loss E = -bernoulli_logit_logpmf(k, eta)")  # fmt: skip
