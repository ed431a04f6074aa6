/* One loop over the options; libmvec's functions on vectors. */
#include "kernel.h"

int evaluate(int64_t n, const real *restrict K, const real *restrict T, const real *restrict S,
             const real *restrict sigma, const real *restrict r, real *restrict price) {
    const real half = (real)0.5, scale = (real)0.70710678118654752440;
    for (int64_t i = 0; i < n; i++) {
        const real root = sigma[i] * SQRT(T[i]);
        const real d1 = (LOG(S[i] / K[i]) + (r[i] + half * sigma[i] * sigma[i]) * T[i]) / root, d2 = d1 - root;
        price[i] = half * (S[i] * ERFC(-scale * d1) - K[i] * exponential(-r[i] * T[i]) * ERFC(-scale * d2));
    }
    return 0;
}
