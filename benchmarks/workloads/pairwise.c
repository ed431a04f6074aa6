/* Half of the pairs, since a pair's term is the same both ways; coordinates by columns, so that vectors run over points;
   blocks of points i and j whose columns, terms and partial gradients stay in the first cache. */
#include "kernel.h"
#include <stdlib.h>

enum { BLOCK = 256 };

int evaluate(int64_t n, int64_t d, const real *restrict X, real *E, real *restrict gradient) {
    real term[BLOCK];
    real *columns = aligned_alloc(64, ((size_t)(2 * n * d) * sizeof(real) + 64) / 64 * 64);
    if (!columns) return 1;
    real *restrict x = columns, *restrict g = columns + n * d;
    double value = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) x[k * n + i] = X[i * d + k];
    memset(g, 0, (size_t)(n * d) * sizeof(real));
    for (int64_t first = 0; first < n; first += BLOCK) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t end = MINIMUM(MINIMUM(first + BLOCK, n), i), count = end - first;
            if (count <= 0) continue;
            real sum = 0;
            for (int64_t j = 0; j < count; j++) term[j] = 0;
            for (int64_t k = 0; k < d; k++) {
                const real *restrict xk = x + k * n + first;
                const real at = x[k * n + i];
                for (int64_t j = 0; j < count; j++) term[j] -= (at - xk[j]) * (at - xk[j]);
            }
            for (int64_t j = 0; j < count; j++) sum += term[j] = exponential(term[j]);
            value += sum;
            for (int64_t k = 0; k < d; k++) {
                const real *restrict xk = x + k * n + first;
                real *restrict gk = g + k * n + first;
                const real at = x[k * n + i];
                real total = 0;
                for (int64_t j = 0; j < count; j++) {
                    const real pull = term[j] * (at - xk[j]);
                    total += pull;
                    gk[j] += pull;
                }
                g[k * n + i] -= total;
            }
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < d; k++) gradient[i * d + k] = 4 * g[k * n + i];
    *E = (real)(2 * value + (double)n);
    free(columns);
    return 0;
}
