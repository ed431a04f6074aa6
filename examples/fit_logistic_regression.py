"""Fits `logistic_regression.expr` to the breast cancer data: build the model first, then run this with it importable.

    exprc build examples/logistic_regression.expr -o build
    PYTHONPATH=build python examples/fit_logistic_regression.py
"""

from pathlib import Path

import logistic_regression as model
import numpy as np

DATA = Path(__file__).with_name("breast_cancer.csv")
TOLERANCE = 1e-8


def main() -> None:
    """Fit, and print loss and gradient norm before and after, and the accuracy."""
    table = np.loadtxt(DATA, delimiter=",", skiprows=1)
    X, y = np.ascontiguousarray(table[:, :-1]), np.ascontiguousarray(table[:, -1])
    data = {"X": X, "y": y, "center": X.mean(axis=0), "scale": X.std(axis=0), "ridge": 1.0}

    flat = model.E.bind(**data).flat
    start = flat.initial()
    theta = newton(flat.value_and_grad, minimize(flat.value_and_grad, start))

    fitted = flat.unpack(theta)
    loss, gradient = flat.value_and_grad(theta)
    p = model.p(X=X, center=data["center"], scale=data["scale"], w=fitted["w"], b=fitted["b"])
    print(f"loss at start    {flat.value_and_grad(start)[0]:.6f}")
    print(f"loss at end      {loss:.6f}")
    print(f"gradient norm    {np.linalg.norm(gradient):.1e}")
    print(f"accuracy         {np.mean((p > 0.5) == (y > 0.5)):.4f}")


def minimize(value_and_grad, theta):
    """SciPy's L-BFGS where there is SciPy, else nothing: the few steps of `newton` suffice by themselves."""
    try:
        from scipy.optimize import minimize as scipy_minimize
    except ImportError:
        return theta
    options = {"maxiter": 1000, "gtol": 1e-6, "ftol": 1e-15}
    return scipy_minimize(value_and_grad, theta, jac=True, method="L-BFGS-B", options=options).x


def newton(value_and_grad, theta, steps=50):
    """Newton's method with a Hessian from differences of gradients and steps that are halved until the loss falls."""
    value, gradient = value_and_grad(theta)
    for _ in range(steps):
        if np.linalg.norm(gradient) <= TOLERANCE:
            break
        width = 1e-5
        columns = [
            value_and_grad(theta + width * e)[1] - value_and_grad(theta - width * e)[1] for e in np.eye(theta.size)
        ]
        hessian = np.array(columns) / (2 * width)
        step = np.linalg.solve((hessian + hessian.T) / 2, gradient)
        length = 1.0
        while length > 1e-6 and not value_and_grad(theta - length * step)[0] <= value + 1e-12 * abs(value):
            length /= 2
        theta = theta - length * step
        value, gradient = value_and_grad(theta)
    return theta


if __name__ == "__main__":
    main()
