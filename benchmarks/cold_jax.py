"""What a cold build is held against: a fresh process that imports JAX and calls the example's model for the first time.

The model is that of `examples/logistic_regression.expr`, at the sizes of its data.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def loss(params, X, y, center, scale, ridge):
    w, b = params
    eta = (X - center) / scale @ w + b
    return jnp.sum(jnp.logaddexp(0, eta) - y * eta) + ridge / 2 * jnp.sum(w**2)


generator = np.random.default_rng(0)
X = generator.standard_normal((569, 30))
y = (generator.random(569) < 0.5).astype(float)
value, gradients = jax.jit(jax.value_and_grad(loss))((np.zeros(30), 0.0), X, y, X.mean(0), X.std(0), 1.0)
print(float(value), [np.asarray(gradient).shape for gradient in gradients])
