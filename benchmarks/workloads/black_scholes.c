/* Blocks of options whose intermediate values stay in the first cache; libmvec's functions on vectors.  Its erfc is
   faster on half-width vectors here, so that loop is compiled for them. */
#include "kernel.h"

enum { BLOCK = 512 };

__attribute__((noinline, target("prefer-vector-width=256"))) static void complement(int64_t n, real *restrict x) {
    for (int64_t i = 0; i < n; i++) x[i] = ERFC(x[i]);
}

int evaluate(int64_t n, const real *restrict K, const real *restrict T, const real *restrict S,
             const real *restrict sigma, const real *restrict r, real *E, real *restrict delta, real *restrict vega,
             real *restrict rho) {
    const real half = (real)0.5, scale = (real)0.70710678118654752440, density = (real)0.39894228040143267794;
    real chances[2 * BLOCK] __attribute__((aligned(64))), strike[BLOCK] __attribute__((aligned(64)));
    real *restrict a = chances, *restrict b = chances + BLOCK;
    double total = 0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t count = MINIMUM(BLOCK, n - start);
        const real *k = K + start, *t = T + start, *s = S + start, *v = sigma + start, *q = r + start;
        real *restrict dl = delta + start, *restrict vg = vega + start, *restrict rh = rho + start;
        real sum = 0;
        for (int64_t i = 0; i < count; i++) {
            const real root_t = SQRT(t[i]), root = v[i] * root_t;
            const real d1 = (LOG(s[i] / k[i]) + (q[i] + half * v[i] * v[i]) * t[i]) / root;
            a[i] = -scale * d1;
            b[i] = scale * (root - d1);
            strike[i] = half * k[i] * exponential(-q[i] * t[i]);
            vg[i] = s[i] * root_t * density * exponential(-half * d1 * d1);
        }
        if (count == BLOCK) {
            complement(2 * BLOCK, chances);
        } else {
            complement(count, a);
            complement(count, b);
        }
        for (int64_t i = 0; i < count; i++) {
            const real above = half * a[i], below = strike[i] * b[i];
            sum += s[i] * above - below;
            dl[i] = above;
            rh[i] = t[i] * below;
        }
        total += sum;
    }
    *E = (real)total;
    return 0;
}
