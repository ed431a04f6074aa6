/* One pass over blocks of rows.  Both products work on tiles of 4 × 5 vectors in registers: four rows by five classes with
   vectors along the columns of X, then five classes by four vectors of columns over the rows of the block, so that a
   vector that was loaded serves several multiply-adds.  Weights and their gradients are kept transposed, classes padded
   to a multiple of five; the softmax runs over classes with vectors along the rows. */
#include "kernel.h"
#include <stdlib.h>

enum { ROWS = 32, WIDE = 5, TALL = 4 };

static void logits(int64_t rows, int64_t d, int64_t classes, const real *X, const real *W, real *restrict p) {
    for (int64_t i = 0; i < rows; i += TALL) {
        const real *x[TALL];
        for (int t = 0; t < TALL; t++) x[t] = X + MINIMUM(i + t, rows - 1) * d;
        for (int64_t c = 0; c < classes; c += WIDE) {
            const real *w = W + c * d;
            vector sum[TALL][WIDE];
            real rest[TALL][WIDE] = {{0}};
            for (int t = 0; t < TALL; t++)
                for (int u = 0; u < WIDE; u++) sum[t][u] = (vector){0};
            int64_t j = 0;
            for (; j + LANES <= d; j += LANES) {
                const vector x0 = AT(x[0] + j), x1 = AT(x[1] + j), x2 = AT(x[2] + j), x3 = AT(x[3] + j);
#pragma GCC unroll 5
                for (int u = 0; u < WIDE; u++) {
                    const vector weight = AT(w + u * d + j);
                    sum[0][u] += x0 * weight;
                    sum[1][u] += x1 * weight;
                    sum[2][u] += x2 * weight;
                    sum[3][u] += x3 * weight;
                }
            }
            for (; j < d; j++)
                for (int t = 0; t < TALL; t++)
                    for (int u = 0; u < WIDE; u++) rest[t][u] += x[t][j] * w[u * d + j];
            for (int t = 0; t < TALL && i + t < rows; t++)
                for (int u = 0; u < WIDE; u++) p[(c + u) * ROWS + i + t] = total(sum[t][u]) + rest[t][u];
        }
    }
}

static void accumulate(int64_t rows, int64_t d, int64_t classes, const real *X, const real *p, real *G) {
    for (int64_t c = 0; c < classes; c += WIDE) {
        const real *q = p + c * ROWS;
        real *g = G + c * d;
        int64_t j = 0;
        for (; j + TALL * LANES <= d; j += TALL * LANES) {
            vector sum[WIDE][TALL];
            for (int u = 0; u < WIDE; u++)
                for (int t = 0; t < TALL; t++) sum[u][t] = AT(g + u * d + j + t * LANES);
            for (int64_t i = 0; i < rows; i++) {
                const real *x = X + i * d + j;
                const vector x0 = AT(x), x1 = AT(x + LANES), x2 = AT(x + 2 * LANES), x3 = AT(x + 3 * LANES);
#pragma GCC unroll 5
                for (int u = 0; u < WIDE; u++) {
                    const real factor = q[u * ROWS + i];
                    sum[u][0] += factor * x0;
                    sum[u][1] += factor * x1;
                    sum[u][2] += factor * x2;
                    sum[u][3] += factor * x3;
                }
            }
            for (int u = 0; u < WIDE; u++)
                for (int t = 0; t < TALL; t++) *(vector *)(g + u * d + j + t * LANES) = sum[u][t];
        }
        for (; j + LANES <= d; j += LANES) {
            vector sum[WIDE];
            for (int u = 0; u < WIDE; u++) sum[u] = AT(g + u * d + j);
            for (int64_t i = 0; i < rows; i++)
                for (int u = 0; u < WIDE; u++) sum[u] += q[u * ROWS + i] * AT(X + i * d + j);
            for (int u = 0; u < WIDE; u++) *(vector *)(g + u * d + j) = sum[u];
        }
        for (; j < d; j++)
            for (int64_t i = 0; i < rows; i++)
                for (int u = 0; u < WIDE; u++) g[u * d + j] += q[u * ROWS + i] * X[i * d + j];
    }
}

/* Turns logits of all classes, a row of `p` each, into the gradient's factors; gives the sum of the losses. */
static real factors(int64_t rows, int64_t k, const int64_t *labels, const real *b, real each, real *restrict p) {
    real largest[ROWS], sum[ROWS], loss[ROWS], value = 0;
    for (int64_t i = 0; i < ROWS; i++) largest[i] = -INFINITY, sum[i] = 0;
    for (int64_t c = 0; c < k; c++)
        for (int64_t i = 0; i < ROWS; i++) {
            p[c * ROWS + i] += b[c];
            largest[i] = FMAX(largest[i], p[c * ROWS + i]);
        }
    for (int64_t i = 0; i < rows; i++) loss[i] = largest[i] - p[labels[i] * ROWS + i];
    for (int64_t c = 0; c < k; c++)
        for (int64_t i = 0; i < ROWS; i++) {
            p[c * ROWS + i] = exponential(p[c * ROWS + i] - largest[i]);
            sum[i] += p[c * ROWS + i];
        }
    for (int64_t i = 0; i < rows; i++) value += loss[i] + LOG(sum[i]);
    for (int64_t i = 0; i < ROWS; i++) sum[i] = each / sum[i];
    for (int64_t c = 0; c < k; c++)
        for (int64_t i = 0; i < ROWS; i++) p[c * ROWS + i] *= sum[i];
    for (int64_t i = 0; i < rows; i++) p[labels[i] * ROWS + i] -= each;
    return value;
}

int evaluate(int64_t n, int64_t d, int64_t k, const real *X, const int64_t *labels, const real *W, const real *b, real *E,
             real *grad_W, real *grad_b) {
    const int64_t classes = (k + WIDE - 1) / WIDE * WIDE;
    const size_t bytes = (size_t)(2 * classes * d + classes * ROWS) * sizeof(real);
    real *weights = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!weights) return 1;
    real *gradient = weights + classes * d, *p = gradient + classes * d;
    double value = 0;
    memset(weights, 0, bytes);
    memset(grad_b, 0, (size_t)k * sizeof(real));
    for (int64_t j = 0; j < d; j++)
        for (int64_t c = 0; c < k; c++) weights[c * d + j] = W[j * k + c];
    for (int64_t start = 0; start < n; start += ROWS) {
        const int64_t rows = MINIMUM(ROWS, n - start);
        if (rows < ROWS) memset(p, 0, (size_t)(classes * ROWS) * sizeof(real));
        logits(rows, d, classes, X + start * d, weights, p);
        value += factors(rows, k, labels + start, b, 1 / (real)n, p);
        accumulate(rows, d, classes, X + start * d, p, gradient);
        for (int64_t c = 0; c < k; c++)
            for (int64_t i = 0; i < rows; i++) grad_b[c] += p[c * ROWS + i];
    }
    for (int64_t j = 0; j < d; j++)
        for (int64_t c = 0; c < k; c++) grad_W[j * k + c] = gradient[c * d + j];
    *E = (real)(value / (double)n);
    free(weights);
    return 0;
}
