/* What bounds every program on this machine.

   touch: reads all of one array and writes all of another, as a loop over vectors would: `evaluate`'s place is taken by a
   function with the parameters that driver.c gives it.
   rates: on the screen, one thread, in units a second: multiply-adds as two operations, and libmvec's functions. */
#include "kernel.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int touch(int64_t read, int64_t written, const real *restrict in, real *restrict out) {
    vector a = {0}, b = {0}, c = {0}, d = {0};
    int64_t i = 0;
    for (; i + 4 * LANES <= read; i += 4 * LANES) {
        a += AT(in + i);
        b += AT(in + i + LANES);
        c += AT(in + i + 2 * LANES);
        d += AT(in + i + 3 * LANES);
        /* Writing keeps pace with reading, as where results are made of what is read. */
        if (i + 4 * LANES <= written)
            for (int k = 0; k < 4; k++) *(vector *)(out + i + k * LANES) = a;
    }
    for (; i + LANES <= written; i += LANES) *(vector *)(out + i) = a;
    const real sum = total(a + b + c + d);
    if (written > 0) out[0] = sum;
    __asm__ volatile("" : : "x"(sum) : "memory");
    return 0;
}

enum { COUNT = 1024, REPEATS = 100, TRIES = 40 };
static real x[COUNT] __attribute__((aligned(64))), y[COUNT] __attribute__((aligned(64)));

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

#define CHAINS(DO) DO(a) DO(b) DO(c) DO(d) DO(e) DO(f) DO(g) DO(h) DO(i) DO(j) DO(k) DO(l)
#define BEGIN(v) vector v = factor;
#define STEP(v)                                                                                                \
    v = v * factor + term;                                                                                     \
    __asm__("" : "+v"(v));
#define END(v) factor += v;

static double multiply_adds(void) {
    vector factor = (vector){0} + (real)0.5, term = (vector){0} + (real)0.25;
    double least = 1e9;
    CHAINS(BEGIN)
    for (int try = 0; try < TRIES; try++) {
        const double start = now();
        for (int repeat = 0; repeat < 10000; repeat++) {
            CHAINS(STEP)
        }
        const double took = now() - start;
        least = took < least ? took : least;
    }
    CHAINS(END)
    x[0] = factor[0];
    return 10000.0 * 12 * LANES * 2 / least;
}

#define RATE(name, low, high, expression)                                                                      \
    {                                                                                                          \
        double least = 1e9;                                                                                    \
        for (int i = 0; i < COUNT; i++) x[i] = (real)(low + (high - low) * (i * 37 % COUNT) / COUNT);          \
        for (int try = 0; try < TRIES; try++) {                                                                \
            const double start = now();                                                                        \
            for (int repeat = 0; repeat < REPEATS; repeat++) {                                                 \
                for (int i = 0; i < COUNT; i++) {                                                              \
                    const real v = x[i];                                                                       \
                    y[i] = expression;                                                                         \
                }                                                                                              \
                __asm__ volatile("" : : "r"(y) : "memory");                                                    \
            }                                                                                                  \
            const double took = now() - start;                                                                 \
            least = took < least ? took : least;                                                               \
        }                                                                                                      \
        printf(name " %.6g\n", (double)COUNT *REPEATS / least);                                                \
    }

void rates(void) {
    printf("flops %.6g\n", multiply_adds());
    RATE("exp", -5, 0, exponential(v))
    RATE("log", 0.1, 5, LOG(v))
    RATE("log1p", 0, 1, LOG1P(v))
    RATE("erfc", -4, 4, ERFC(v))
    RATE("sqrt", 0, 5, SQRT(v))
    RATE("divide", 1, 2, 1 / v)
}
