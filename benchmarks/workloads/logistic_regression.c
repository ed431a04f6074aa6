/* One pass: a block of rows is loaded once, goes forward and backward, and leaves its contribution to the sums.

   What lies in the second cache is multiplied by the weights four rows at a time; what streams from memory row by row,
   since several streams at once stop the processor from fetching ahead. */
#include "kernel.h"

enum { MOST_ROWS = 32, RESIDENT = 1 << 20 };

static void products_in_fours(int64_t rows, int64_t d, const real *restrict X, const real *restrict w, real *restrict eta) {
    int64_t i = 0;
    for (; i + 4 <= rows; i += 4) {
        const real *restrict a = X + i * d, *restrict b = a + d, *restrict c = b + d, *restrict e = c + d;
        real s0 = 0, s1 = 0, s2 = 0, s3 = 0;
        for (int64_t j = 0; j < d; j++) {
            s0 += a[j] * w[j];
            s1 += b[j] * w[j];
            s2 += c[j] * w[j];
            s3 += e[j] * w[j];
        }
        eta[i] = s0, eta[i + 1] = s1, eta[i + 2] = s2, eta[i + 3] = s3;
    }
    for (; i < rows; i++) {
        real s = 0;
        for (int64_t j = 0; j < d; j++) s += X[i * d + j] * w[j];
        eta[i] = s;
    }
}

static void products_in_order(int64_t rows, int64_t d, const real *restrict X, const real *restrict w, real *restrict eta) {
    for (int64_t i = 0; i < rows; i++) {
        const real *x = X + i * d;
        vector a = {0}, b = {0};
        four c = {0};
        real s = 0;
        int64_t j = 0;
        for (; j + 2 * LANES <= d; j += 2 * LANES) {
            a += AT(x + j) * AT(w + j);
            b += AT(x + j + LANES) * AT(w + j + LANES);
        }
        for (; j + LANES <= d; j += LANES) a += AT(x + j) * AT(w + j);
        for (; j + 4 <= d; j += 4) c += FOUR_AT(x + j) * FOUR_AT(w + j);
        for (; j < d; j++) s += x[j] * w[j];
        eta[i] = total(a + b) + ((c[0] + c[1]) + (c[2] + c[3])) + s;
    }
}

static void accumulate(int64_t rows, int64_t d, const real *restrict X, const real *restrict r, real *restrict g) {
    int64_t i = 0;
    for (; i + 8 <= rows; i += 8) {
        const real *restrict x = X + i * d;
        const real r0 = r[i], r1 = r[i + 1], r2 = r[i + 2], r3 = r[i + 3];
        const real r4 = r[i + 4], r5 = r[i + 5], r6 = r[i + 6], r7 = r[i + 7];
        for (int64_t j = 0; j < d; j++)
            g[j] += ((r0 * x[j] + r1 * x[j + d]) + (r2 * x[j + 2 * d] + r3 * x[j + 3 * d]))
                    + ((r4 * x[j + 4 * d] + r5 * x[j + 5 * d]) + (r6 * x[j + 6 * d] + r7 * x[j + 7 * d]));
    }
    for (; i < rows; i++)
        for (int64_t j = 0; j < d; j++) g[j] += r[i] * X[i * d + j];
}

int evaluate(int64_t n, int64_t d, const real *X, const real *y, const real *w, real *E, real *gradient) {
    const int resident = (size_t)(n * d) * sizeof(real) <= RESIDENT;
    const int64_t block = resident ? MOST_ROWS : 16;
    real eta[MOST_ROWS];
    double value = 0;
    memset(gradient, 0, (size_t)d * sizeof(real));
    for (int64_t start = 0; start < n; start += block) {
        const int64_t rows = MINIMUM(block, n - start);
        real sum = 0;
        (resident ? products_in_fours : products_in_order)(rows, d, X + start * d, w, eta);
        for (int64_t i = 0; i < rows; i++) {
            const real t = eta[i], label = y[start + i], small = exponential(-FABS(t));
            sum += FMAX(t, 0) - label * t + LOG1P(small);
            eta[i] = (t >= 0 ? 1 : small) / (1 + small) - label;
        }
        value += sum;
        accumulate(rows, d, X + start * d, eta, gradient);
    }
    *E = (real)value;
    return 0;
}
