/* The self-test on a bare RISC-V core. It prints through semihosting: by a debugger, or an emulator. */
#include <stdint.h>

__attribute__((noinline)) static long semihosting(long what, const void *argument)
{
    register long a0 __asm__("a0") = what;
    register const void *a1 __asm__("a1") = argument;
    /* the three instructions that mark a call, none of them compressed, in one page */
    __asm__ volatile(".balign 16\n"
                     ".option push\n"
                     ".option norvc\n"
                     "slli zero, zero, 0x1f\n"
                     "ebreak\n"
                     "srai zero, zero, 7\n"
                     ".option pop\n"
                     : "+r"(a0)
                     : "r"(a1)
                     : "memory");
    return a0;
}

static void put(char c)
{
    semihosting(0x03, &c); /* SYS_WRITEC */
}

static uint32_t cycles(void)
{
    uint32_t value;
    __asm__ volatile(".insn i 0x73, 2, %0, x0, -1280" : "=r"(value)); /* csrr value, mcycle, whatever -march says */
    return value;
}

#define SELFTEST_PUT(c) put(c)
#define SELFTEST_CYCLES() cycles()
#include "selftest.h"

int main(void)
{
    (void)MODEL_selftest();
    semihosting(0x18, (const void *)0x20026); /* SYS_EXIT, ADP_Stopped_ApplicationExit */
    for (;;) {
    }
}
