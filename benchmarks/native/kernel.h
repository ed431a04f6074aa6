/* What the hand-written kernels share: the element type, its functions, and how they are exported.

   Compiled for each dtype, with -DSINGLE for f32, and twice for each: the functions are those of libmvec where a loop
   over them is vectorised, but the exponential is a polynomial in line unless -DLIBMVEC asks for theirs, which looks up a
   table of 8 KB that data streaming through the caches throws out of them. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef SINGLE
typedef float real;
#define LANES 16
#define EXP expf
#define LOG logf
#define LOG1P log1pf
#define ERFC erfcf
#define SQRT sqrtf
#define FABS fabsf
#define FMAX fmaxf
#else
typedef double real;
#define LANES 8
#define EXP exp
#define LOG log
#define LOG1P log1p
#define ERFC erfc
#define SQRT sqrt
#define FABS fabs
#define FMAX fmax
#endif

/* Vectors of a whole register, and of four elements, at any address. */
typedef real vector __attribute__((vector_size(64), aligned(sizeof(real)), may_alias));
typedef real four __attribute__((vector_size(4 * sizeof(real)), aligned(sizeof(real)), may_alias));
#define AT(p) (*(const vector *)(p))
#define FOUR_AT(p) (*(const four *)(p))

#define MINIMUM(a, b) ((a) < (b) ? (a) : (b))

/* e^x to about an ulp for x below 700 (f32: 88); what would be less than the least normal number is that number. */
static inline real exponential(real x) {
#ifdef LIBMVEC
    return EXP(x);
#else
#ifdef SINGLE
    x = x < -87.0f ? -87.0f : x;
    const float n = __builtin_rintf(x * 0x1.715476p0f), r = (x - n * 0x1.62e430p-1f) + n * 0x1.05c610p-29f;
    float p = 0.001394110843f;
    p = p * r + 0.008375126398f;
    p = p * r + 0.0416663529f;
    p = p * r + 0.1666641551f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const union { int32_t bits; float value; } scale = {((int32_t)n + 127) << 23};
#else
    x = x < -708.0 ? -708.0 : x;
    const double n = __builtin_rint(x * 0x1.71547652b82fep0), r = (x - n * 0x1.62e42fefa39efp-1) - n * 0x1.abc9e3b39803fp-56;
    double p = 0x1.af631d0059becp-26;
    p = p * r + 0x1.28b4057f44145p-22;
    p = p * r + 0x1.71ddf5749d126p-19;
    p = p * r + 0x1.a01991ac8730ap-16;
    p = p * r + 0x1.a01a01b14378fp-13;
    p = p * r + 0x1.6c16c187fbe02p-10;
    p = p * r + 0x1.111111110f225p-7;
    p = p * r + 0x1.555555554f0cfp-5;
    p = p * r + 0x1.555555555555ap-3;
    p = p * r + 0x1.0000000000011p-1;
    p = p * r + 1;
    p = p * r + 1;
    const union { int64_t bits; double value; } scale = {((int64_t)n + 1023) << 52};
#endif
    return p * scale.value;
#endif
}

static inline real total(vector v) {
    real sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += v[lane];
    return sum;
}
