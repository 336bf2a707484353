/* Division of floats where there is no FPU: correctly rounded, subnormal results included, as IEEE 754 asks and as the
 * libraries of firmware compilers do. Zig's own truncates subnormal quotients. */
#include <stdint.h>
#include <string.h>

#if !defined(__ARM_FP) && !defined(__riscv_flen)

#define QUIET_NAN 0x7FC00000u
#define INFINITE 0x7F800000u

#if defined(__riscv)
#define DIVIDE __divsf3
#else
#define DIVIDE __aeabi_fdiv
#endif

float DIVIDE(float a, float b);

static uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* The significand in [2^23, 2^24) of a finite number other than 0; moves *exponent for a subnormal one. */
static uint32_t normalized(uint32_t magnitude, int32_t *exponent)
{
    uint32_t significand = magnitude & 0x7FFFFFu;
    *exponent = (int32_t)(magnitude >> 23);
    if (*exponent != 0) {
        return significand | 0x800000u;
    }
    *exponent = 1;
    while (significand < 0x800000u) {
        significand <<= 1;
        (*exponent)--;
    }
    return significand;
}

float DIVIDE(float a, float b)
{
    const uint32_t sign = (bits_of(a) ^ bits_of(b)) & 0x80000000u;
    const uint32_t x = bits_of(a) & 0x7FFFFFFFu;
    const uint32_t y = bits_of(b) & 0x7FFFFFFFu;

    if (x > INFINITE || y > INFINITE || (x == INFINITE && y == INFINITE) || (x == 0 && y == 0)) {
        return float_of(QUIET_NAN);
    }
    if (x == INFINITE || y == 0) {
        return float_of(sign | INFINITE);
    }
    if (x == 0 || y == INFINITE) {
        return float_of(sign);
    }

    int32_t x_exponent;
    int32_t y_exponent;
    uint32_t rest = normalized(x, &x_exponent);
    const uint32_t divisor = normalized(y, &y_exponent);
    int32_t exponent = x_exponent - y_exponent + 127;
    if (rest < divisor) {
        rest <<= 1;
        exponent--;
    }

    uint32_t quotient = 0; /* 24 bits and one to round by */
    for (int32_t i = 0; i < 25; i++) {
        quotient <<= 1;
        if (rest >= divisor) {
            rest -= divisor;
            quotient |= 1u;
        }
        rest <<= 1;
    }
    uint32_t sticky = rest != 0;

    if (exponent >= 255) {
        return float_of(sign | INFINITE);
    }
    if (exponent < 1) { /* subnormal: as many bits fewer */
        const int32_t lost = exponent < -24 ? 26 : 1 - exponent;
        sticky |= (quotient & ((1u << lost) - 1u)) != 0;
        quotient >>= lost;
        exponent = 1;
    } else {
        quotient += (uint32_t)(exponent - 1) << 24; /* the leading bit adds the last one to the exponent */
    }
    const uint32_t half = quotient & 1u;
    const uint32_t magnitude = quotient >> 1;
    return float_of(sign | (magnitude + (half & (sticky | (magnitude & 1u)))));
}

#else
typedef int skosh_float_is_hardware;
#endif
