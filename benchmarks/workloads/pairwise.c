/* Half of the pairs, since a pair's term is the same both ways; coordinates by columns, so that vectors run over points
   j; four points i at a time, so that what is loaded and stored of a point j serves them all.  Terms of a block of
   points j stay in the first cache. */
#include "kernel.h"
#include <stdlib.h>

enum { BLOCK = 256, TALL = 4 };

/* The terms of points i … i + 3 with `count` points from `first` on, and their pulls on both. */
static real block(int64_t n, int64_t d, int64_t i, int64_t first, int64_t count, const real *restrict x,
                  real *restrict g) {
    real term[TALL][BLOCK] __attribute__((aligned(64)));
    real sum = 0;
    memset(term, 0, sizeof term);
    for (int64_t k = 0; k < d; k++) {
        const real *restrict column = x + k * n + first, *at = x + k * n + i;
        for (int64_t j = 0; j < count; j++) {
            const real there = column[j];
            term[0][j] -= (at[0] - there) * (at[0] - there);
            term[1][j] -= (at[1] - there) * (at[1] - there);
            term[2][j] -= (at[2] - there) * (at[2] - there);
            term[3][j] -= (at[3] - there) * (at[3] - there);
        }
    }
    for (int64_t t = 0; t < TALL; t++)
        for (int64_t j = 0; j < count; j++) sum += term[t][j] = exponential(term[t][j]);
    for (int64_t k = 0; k < d; k++) {
        const real *restrict column = x + k * n + first, *at = x + k * n + i;
        real *restrict pulls = g + k * n + first;
        real s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t j = 0; j < count; j++) {
            const real there = column[j];
            const real p0 = term[0][j] * (at[0] - there), p1 = term[1][j] * (at[1] - there);
            const real p2 = term[2][j] * (at[2] - there), p3 = term[3][j] * (at[3] - there);
            s0 += p0, s1 += p1, s2 += p2, s3 += p3;
            pulls[j] += (p0 + p1) + (p2 + p3);
        }
        g[k * n + i] -= s0, g[k * n + i + 1] -= s1, g[k * n + i + 2] -= s2, g[k * n + i + 3] -= s3;
    }
    return sum;
}

/* One pair: among the four, and what is left over. */
static real single(int64_t n, int64_t d, int64_t i, int64_t j, const real *x, real *g) {
    real term = 0;
    for (int64_t k = 0; k < d; k++) term -= (x[k * n + i] - x[k * n + j]) * (x[k * n + i] - x[k * n + j]);
    term = exponential(term);
    for (int64_t k = 0; k < d; k++) {
        const real pull = term * (x[k * n + i] - x[k * n + j]);
        g[k * n + i] -= pull;
        g[k * n + j] += pull;
    }
    return term;
}

int evaluate(int64_t n, int64_t d, const real *restrict X, real *E, real *restrict gradient) {
    real *columns = aligned_alloc(64, ((size_t)(2 * n * d) * sizeof(real) + 64) / 64 * 64);
    if (!columns) return 1;
    real *restrict x = columns, *restrict g = columns + n * d;
    double value = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) x[k * n + i] = X[i * d + k];
    memset(g, 0, (size_t)(n * d) * sizeof(real));
    for (int64_t i = 0; i < n; i += TALL) {
        const int64_t rows = MINIMUM(TALL, n - i);
        for (int64_t first = 0; rows == TALL && first < i; first += BLOCK)
            value += block(n, d, i, first, MINIMUM(BLOCK, i - first), x, g);
        for (int64_t a = 0; a < rows; a++)
            for (int64_t b = rows == TALL ? i : 0; b < i + a; b++) value += single(n, d, i + a, b, x, g);
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) gradient[i * d + k] = 4 * g[k * n + i];
    *E = (real)(2 * value + (double)n);
    free(columns);
    return 0;
}
