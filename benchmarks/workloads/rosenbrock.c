/* One pass: an entry of the gradient needs its two neighbours only. */
#include "kernel.h"

int evaluate(int64_t n, const real *restrict x, real *E, real *restrict gradient) {
    double value = 0;
    if (n < 2) {
        *E = 0;
        if (n) gradient[0] = 0;
        return 0;
    }
    gradient[0] = -400 * x[0] * (x[1] - x[0] * x[0]) - 2 * (1 - x[0]);
    value = 100 * (x[1] - x[0] * x[0]) * (x[1] - x[0] * x[0]) + (1 - x[0]) * (1 - x[0]);
    for (int64_t start = 1; start < n - 1; start += 4096) {
        const int64_t end = MINIMUM(start + 4096, n - 1);
        real sum = 0;
        for (int64_t i = start; i < end; i++) {
            const real bend = x[i + 1] - x[i] * x[i], before = x[i] - x[i - 1] * x[i - 1], away = 1 - x[i];
            sum += 100 * bend * bend + away * away;
            gradient[i] = 200 * before - 400 * x[i] * bend - 2 * away;
        }
        value += sum;
    }
    gradient[n - 1] = 200 * (x[n - 1] - x[n - 2] * x[n - 2]);
    *E = (real)value;
    return 0;
}
