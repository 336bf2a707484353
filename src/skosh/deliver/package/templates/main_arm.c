/* The self-test on a bare Cortex-M. It prints through semihosting: by a debugger, or an emulator. */
#include <stdint.h>

static int semihosting(int what, const void *argument)
{
    register int r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt #0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

static void put(char c)
{
    semihosting(0x03, &c); /* SYS_WRITEC */
}

/* DWT counts cycles where there is one and it runs; else SysTick does, 24 bits downwards. */
#define DEMCR (*(volatile uint32_t *)0xE000EDFCu)
#define DWT_CTRL (*(volatile uint32_t *)0xE0001000u)
#define DWT_CYCCNT (*(volatile uint32_t *)0xE0001004u)
#define SYST_CSR (*(volatile uint32_t *)0xE000E010u)
#define SYST_RVR (*(volatile uint32_t *)0xE000E014u)
#define SYST_CVR (*(volatile uint32_t *)0xE000E018u)

static int has_dwt;

static void counter_start(void)
{
#if !defined(__ARM_ARCH_6M__)
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1u;
    uint32_t before = DWT_CYCCNT;
    for (volatile int i = 0; i < 100; i++) {
    }
    has_dwt = DWT_CYCCNT != before;
#endif
    SYST_RVR = 0xFFFFFFu;
    SYST_CVR = 0u;
    SYST_CSR = 5u; /* the processor's clock, no interrupt */
}

static uint32_t cycles(void)
{
    return has_dwt ? DWT_CYCCNT : 0xFFFFFFu - SYST_CVR;
}

#define SELFTEST_PUT(c) put(c)
#define SELFTEST_CYCLES() cycles()
#define SELFTEST_MASK (has_dwt ? 0xFFFFFFFFu : 0xFFFFFFu)
#include "selftest.h"

int main(void)
{
    counter_start();
    (void)MODEL_selftest();
    semihosting(0x18, (const void *)0x20026); /* SYS_EXIT, ADP_Stopped_ApplicationExit */
    for (;;) {
    }
}
