"""Log densities against SciPy, and their derivatives against its differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from ops_support import N, leaf, value
from scipy import stats

from exprc import driver, ops
from exprc.driver import Options
from exprc.source import Source

COUNT = 3  # entries of an array of n, see `ops_support.DIMS`
REAL, POSITIVE, UNIT, COUNTS, BITS = (-3.0, 3.0), (0.2, 6.0), (0.05, 0.95), (0, 9), (0, 2)
DENSITIES: dict[str, tuple[Callable[..., np.ndarray], tuple[tuple[float, float], ...]]] = {
    "normal_logpdf": (lambda x, mu, sigma: stats.norm.logpdf(x, mu, sigma), (REAL, REAL, POSITIVE)),
    "student_t_logpdf": (
        lambda x, nu, mu, sigma: stats.t.logpdf(x, nu, mu, sigma), (REAL, POSITIVE, REAL, POSITIVE)
    ),
    "exponential_logpdf": (lambda x, rate: stats.expon.logpdf(x, scale=1 / rate), (POSITIVE, POSITIVE)),
    "gamma_logpdf": (lambda x, a, rate: stats.gamma.logpdf(x, a, scale=1 / rate), (POSITIVE, POSITIVE, POSITIVE)),
    "beta_logpdf": (lambda x, a, b: stats.beta.logpdf(x, a, b), (UNIT, POSITIVE, POSITIVE)),
    "poisson_log_logpmf": (lambda k, eta: stats.poisson.logpmf(k, np.exp(eta)), (COUNTS, REAL)),
    "bernoulli_logit_logpmf": (lambda k, eta: stats.bernoulli.logpmf(k, 1 / (1 + np.exp(-eta))), (BITS, REAL)),
}  # fmt: skip


def test_every_density_has_a_case() -> None:
    assert {name for name in ops.TABLE if name.endswith(("_logpdf", "_logpmf"))} == set(DENSITIES)


def drawn(name: str, seed: int) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    _, domains = DENSITIES[name]
    whole = (COUNTS, BITS)
    return [draw.integers(*d, COUNT) if d in whole else draw.uniform(*d, COUNT) for d in domains]  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DENSITIES)
def test_values_are_scipys(name: str) -> None:
    for seed in range(20):
        arrays = drawn(name, seed)
        leaves = [leaf(f"x{at}", (N,), "i64" if a.dtype.kind == "i" else "f64") for at, a in enumerate(arrays)]
        build = ops.TABLE[name].build
        assert build is not None
        found = value(build(*leaves), **{f"x{at}": array for at, array in enumerate(arrays)})
        np.testing.assert_allclose(found, DENSITIES[name][0](*arrays), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", DENSITIES)
def test_gradients_are_those_of_scipys_values(name: str) -> None:
    """In the last argument, by differences of order 4."""
    arrays = drawn(name, 3)
    names = [f"x{at}" for at in range(len(arrays) - 1)]
    kinds = ["i64" if array.dtype.kind == "i" else "f64" for array in arrays]
    inputs = "".join(f"input {name} : {kind}[n]\n" for name, kind in zip(names, kinds, strict=False))
    text = f"dim n\n{inputs}param p : f64[n]\nloss E = sum({name}({', '.join([*names, 'p'])}))\n"
    data = dict(zip([*names, "p"], arrays, strict=True))
    found = driver.run(Source("m.expr", text), Options(name="m", gradients=True), data)["dE/dp"]
    step, density = 1e-3, DENSITIES[name][0]
    wanted = sum(
        weight * (density(*arrays[:-1], arrays[-1] + k * step) - density(*arrays[:-1], arrays[-1] - k * step)) / step
        for k, weight in ((1, 2 / 3), (2, -1 / 12))
    )
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-8)
