/* Startup of a bare Cortex-M: vector table, reset, where to stop.
 *
 * reset sets up .data and .bss, then calls skosh_main once; a debugger or an emulator that starts at skosh_again
 * calls it once more with the memory as it is, so that the state of a model survives.
 * Each call ends at skosh_stop, any exception at skosh_fault.
 *
 * SKOSH_HELD: the emulator can't set the program counter. It holds the processor in skosh_stop, which returns, before
 * each call of skosh_main. */
#include <stdint.h>

extern uint32_t skosh_stack_top[];
extern uint32_t skosh_data_load[], skosh_data_start[], skosh_data_end[];
extern uint32_t skosh_bss_start[], skosh_bss_end[];

int skosh_main(void);
void skosh_reset(void);
void skosh_again(void);
void skosh_stop(void);
void skosh_fault(void);

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack_top;
    vector handlers[15];
} vectors = {
    skosh_stack_top,
    {skosh_reset, skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault,
     skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault, skosh_fault},
};

__attribute__((noinline, used)) void skosh_stop(void)
{
#ifdef SKOSH_HELD
    __asm__ volatile("");
#else
    for (;;) {
        __asm__ volatile("wfi");
    }
#endif
}

__attribute__((noinline, used)) void skosh_fault(void)
{
    for (;;) {
        __asm__ volatile("bkpt #1");
    }
}

__attribute__((noinline, used)) void skosh_again(void)
{
#ifdef SKOSH_HELD
    for (;;) {
        skosh_stop();
        (void)skosh_main();
    }
#else
    (void)skosh_main();
    skosh_stop();
#endif
}

/* Not inlined: a compiler may use vector registers in its loops, which must not be touched before they are enabled. */
__attribute__((noinline)) static void prepare_memory(void)
{
    const uint32_t *from = skosh_data_load;
    for (uint32_t *to = skosh_data_start; to < skosh_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = skosh_bss_start; to < skosh_bss_end; to++) {
        *to = 0;
    }
}

__attribute__((noinline, used)) void skosh_reset(void)
{
#ifdef SKOSH_FPU
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: full access to coprocessors 10 and 11, FPU and vectors */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    prepare_memory();
    skosh_again();
}
