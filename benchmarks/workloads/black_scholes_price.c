/* As black_scholes.c without the sensitivities. */
#include "kernel.h"

enum { BLOCK = 512 };

__attribute__((noinline, target("prefer-vector-width=256"))) static void complement(int64_t n, real *restrict x) {
    for (int64_t i = 0; i < n; i++) x[i] = ERFC(x[i]);
}

int evaluate(int64_t n, const real *restrict K, const real *restrict T, const real *restrict S,
             const real *restrict sigma, const real *restrict r, real *restrict price) {
    const real half = (real)0.5, scale = (real)0.70710678118654752440;
    real chances[2 * BLOCK] __attribute__((aligned(64))), strike[BLOCK] __attribute__((aligned(64)));
    real *restrict a = chances, *restrict b = chances + BLOCK;
    for (int64_t start = 0; start < n; start += BLOCK) {
        const int64_t count = MINIMUM(BLOCK, n - start);
        const real *k = K + start, *t = T + start, *s = S + start, *v = sigma + start, *q = r + start;
        for (int64_t i = 0; i < count; i++) {
            const real root = v[i] * SQRT(t[i]);
            const real d1 = (LOG(s[i] / k[i]) + (q[i] + half * v[i] * v[i]) * t[i]) / root;
            a[i] = -scale * d1;
            b[i] = scale * (root - d1);
            strike[i] = half * k[i] * exponential(-q[i] * t[i]);
        }
        if (count == BLOCK) {
            complement(2 * BLOCK, chances);
        } else {
            complement(count, a);
            complement(count, b);
        }
        for (int64_t i = 0; i < count; i++) price[start + i] = half * s[i] * a[i] - strike[i] * b[i];
    }
    return 0;
}
