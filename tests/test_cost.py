"""What `exprc check` says of the work of a pass: counted by hand."""

from __future__ import annotations

import pytest
from kernel_support import plans_of

from exprc.schedule.cost import work_of

XW = "dim n, d\ninput X : f64[n, d]\nparam w : f64[d]\n"
PAIRS = "dim n, d\nparam X : f64[n, d]\nloss E = sum(sqrt(sum((X[:, None] - X)^2, axis=2)))\n"
# A program, and operations and bytes of the pass that its first function makes over the data.
WORK = {
    "a product": (XW + "output r = X @ w", "2*d*n", "8*d*n + 8*d + 8*n"),
    "in single precision": (XW.replace("f64", "f32") + "output r = X @ w", "2*d*n", "4*d*n + 4*d + 4*n"),
    "a sum": ("dim n\ninput x : f64[n]\noutput r = sum(abs(x))", "2*n", "8*n + 8"),
    "neighbours": ("dim n\ninput x : f64[n]\noutput r = x[1:] - x[:-1]", "n - 1", "16*n - 8"),
    "distances of pairs": (PAIRS, "3*d*n^2 + 2*n^2", "8*d*n + 8"),
}


@pytest.mark.parametrize("name", WORK)
def test_work_of_a_pass(name: str) -> None:
    text, operations, moved = WORK[name]
    plan = plans_of(text)[0]
    (kernel,) = [kernel for kernel in plan.kernels if kernel.stream]
    work = work_of(plan, kernel)
    assert (str(work.operations), str(work.bytes)) == (operations, moved)
