/* Row by row: a row stays in the first cache between its maximum and its sum. */
#include "kernel.h"

enum { ROWS = 64 };

int evaluate(int64_t n, int64_t d, const real *restrict X, real *restrict result) {
    real largest[ROWS], total[ROWS];
    for (int64_t start = 0; start < n; start += ROWS) {
        const int64_t rows = MINIMUM(ROWS, n - start);
        for (int64_t i = 0; i < rows; i++) {
            const real *restrict x = X + (start + i) * d;
            real most = -INFINITY, sum = 0;
            for (int64_t j = 0; j < d; j++) most = FMAX(most, x[j]);
            for (int64_t j = 0; j < d; j++) sum += exponential(x[j] - most);
            largest[i] = most, total[i] = sum;
        }
        for (int64_t i = 0; i < rows; i++) result[start + i] = largest[i] + LOG(total[i]);
    }
    return 0;
}
