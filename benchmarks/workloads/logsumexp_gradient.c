/* Row by row: a row stays in the first cache between its maximum, its exponentials and their scaling. */
#include "kernel.h"

int evaluate(int64_t n, int64_t d, const real *restrict X, real *E, real *restrict gradient) {
    real largest[LANES * 2], total[LANES * 2];
    double value = 0;
    for (int64_t start = 0; start < n; start += LANES * 2) {
        const int64_t rows = MINIMUM(LANES * 2, n - start);
        real sum = 0;
        for (int64_t i = 0; i < rows; i++) {
            const real *restrict x = X + (start + i) * d;
            real *restrict g = gradient + (start + i) * d;
            real most = -INFINITY, s = 0;
            for (int64_t j = 0; j < d; j++) most = FMAX(most, x[j]);
            for (int64_t j = 0; j < d; j++) s += g[j] = exponential(x[j] - most);
            largest[i] = most, total[i] = s;
            const real scale = 1 / s;
            for (int64_t j = 0; j < d; j++) g[j] *= scale;
        }
        for (int64_t i = 0; i < rows; i++) sum += largest[i] + LOG(total[i]);
        value += sum;
    }
    *E = (real)value;
    return 0;
}
