"""Stated error bounds of the vector math, in units in the last place of the result, for f64 and f32.

Asserted against mpmath by the tests and printed by the documentation.  A correctly rounded result has at most 0.5.
Infinities, zeros and NaN are exact.  The bound of logaddexp is in units of the largest of |x|, |y| and the result.
Left of zero lgamma and digamma have zeros next to their poles: there the bounds are in units of the larger of the
result and the terms it is made of, |x| log(1 + |x|) and log(1 + |x|), or 1.  That of sin, cos, tan in f64 holds for
every x but those above 2^26 that are the closest of all to multiples of pi/2, where the result is below 2^-50: there it
is 12.
"""

from __future__ import annotations

MAX_ULP: dict[str, tuple[float, float]] = {
    "exp": (0.95, 0.95),
    "exp2": (1.35, 1.35),
    "expm1": (0.98, 0.90),
    "log": (0.90, 0.92),
    "log2": (1.10, 1.05),
    "log10": (0.90, 0.90),
    "log1p": (0.90, 0.92),
    "log1mexp": (1.9, 1.9),
    "logaddexp": (1.6, 1.8),
    "sigmoid": (0.95, 0.90),
    "softplus": (0.98, 0.98),
    "tanh": (0.98, 1.0),
    "sinh": (1.4, 1.3),
    "cosh": (1.5, 1.5),
    "sin": (1.6, 1.5),
    "cos": (1.6, 1.5),
    "tan": (1.2, 1.2),
    "asin": (1.2, 1.2),
    "acos": (1.2, 1.2),
    "atan": (1.2, 1.45),
    "atan2": (1.6, 1.6),
    "erf": (1.0, 1.0),
    "erfc": (1.2, 1.2),
    "lgamma": (2.0, 2.0),
    "digamma": (2.0, 2.0),
    "trigamma": (2.0, 2.0),
    "sqrt": (0.5, 0.5),
    "rsqrt": (1.5, 1.5),
    "pow": (1.3, 1.3),
}
