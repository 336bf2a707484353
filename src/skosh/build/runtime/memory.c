/* The four functions of <string.h> that a C compiler may call on its own, and their names in the Arm run-time ABI.
 * Words where both sides are aligned, bytes otherwise. Weak: a program may bring its own. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WEAK __attribute__((weak))

typedef uint32_t __attribute__((may_alias)) word;

WEAK void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((((uintptr_t)t | (uintptr_t)f) & 3u) == 0) {
        for (; n >= 16; n -= 16, t += 16, f += 16) {
            word a = ((const word *)f)[0], b = ((const word *)f)[1], c = ((const word *)f)[2], d = ((const word *)f)[3];
            ((word *)t)[0] = a;
            ((word *)t)[1] = b;
            ((word *)t)[2] = c;
            ((word *)t)[3] = d;
        }
        for (; n >= 4; n -= 4, t += 4, f += 4) {
            *(word *)t = *(const word *)f;
        }
    }
    while (n-- > 0) {
        *t++ = *f++;
    }
    return to;
}

WEAK void *memset(void *to, int value, size_t n)
{
    unsigned char *t = to;
    const uint32_t four = 0x01010101u * (unsigned char)value;
    for (; n > 0 && ((uintptr_t)t & 3u) != 0; n--) {
        *t++ = (unsigned char)value;
    }
    for (; n >= 16; n -= 16, t += 16) {
        ((word *)t)[0] = four;
        ((word *)t)[1] = four;
        ((word *)t)[2] = four;
        ((word *)t)[3] = four;
    }
    for (; n >= 4; n -= 4, t += 4) {
        *(word *)t = four;
    }
    while (n-- > 0) {
        *t++ = (unsigned char)value;
    }
    return to;
}

WEAK void *memmove(void *to, const void *from, size_t n)
{
    unsigned char *t = to;
    const unsigned char *f = from;
    if ((uintptr_t)t - (uintptr_t)f >= n) { /* to lies before from, or past its end: forwards is safe */
        const int aligned = (((uintptr_t)t | (uintptr_t)f) & 3u) == 0;
        for (; aligned && n >= 4; n -= 4, t += 4, f += 4) {
            *(word *)t = *(const word *)f;
        }
        while (n-- > 0) {
            *t++ = *f++;
        }
    } else {
        while (n-- > 0) {
            t[n] = f[n];
        }
    }
    return to;
}

WEAK int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (; n > 0; n--, x++, y++) {
        if (*x != *y) {
            return *x < *y ? -1 : 1;
        }
    }
    return 0;
}

#if defined(__arm__)
/* Arm IHI 0043, "Run-time ABI": __aeabi_memset takes the size before the value */
void __aeabi_memcpy(void *to, const void *from, size_t n);
void __aeabi_memcpy4(void *to, const void *from, size_t n);
void __aeabi_memcpy8(void *to, const void *from, size_t n);
void __aeabi_memmove(void *to, const void *from, size_t n);
void __aeabi_memmove4(void *to, const void *from, size_t n);
void __aeabi_memmove8(void *to, const void *from, size_t n);
void __aeabi_memset(void *to, size_t n, int value);
void __aeabi_memset4(void *to, size_t n, int value);
void __aeabi_memset8(void *to, size_t n, int value);
void __aeabi_memclr(void *to, size_t n);
void __aeabi_memclr4(void *to, size_t n);
void __aeabi_memclr8(void *to, size_t n);

WEAK void __aeabi_memcpy(void *to, const void *from, size_t n) { memcpy(to, from, n); }
WEAK void __aeabi_memcpy4(void *to, const void *from, size_t n) { memcpy(to, from, n); }
WEAK void __aeabi_memcpy8(void *to, const void *from, size_t n) { memcpy(to, from, n); }
WEAK void __aeabi_memmove(void *to, const void *from, size_t n) { memmove(to, from, n); }
WEAK void __aeabi_memmove4(void *to, const void *from, size_t n) { memmove(to, from, n); }
WEAK void __aeabi_memmove8(void *to, const void *from, size_t n) { memmove(to, from, n); }
WEAK void __aeabi_memset(void *to, size_t n, int value) { memset(to, value, n); }
WEAK void __aeabi_memset4(void *to, size_t n, int value) { memset(to, value, n); }
WEAK void __aeabi_memset8(void *to, size_t n, int value) { memset(to, value, n); }
WEAK void __aeabi_memclr(void *to, size_t n) { memset(to, 0, n); }
WEAK void __aeabi_memclr4(void *to, size_t n) { memset(to, 0, n); }
WEAK void __aeabi_memclr8(void *to, size_t n) { memset(to, 0, n); }
#endif
