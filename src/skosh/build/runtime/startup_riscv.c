/* Startup of a bare RISC-V core, machine mode: reset, where to stop. The same contract as on a Cortex-M: reset sets up
 * .data and .bss, then calls skosh_main once; a debugger or an emulator that starts at skosh_again calls it once more with
 * the memory as it is. Each call ends at skosh_stop, any exception at skosh_fault. */
#include <stdint.h>

extern uint32_t skosh_data_load[], skosh_data_start[], skosh_data_end[];
extern uint32_t skosh_bss_start[], skosh_bss_end[];

int skosh_main(void);
void skosh_start(void);
void skosh_again(void);
void skosh_stop(void);
void skosh_fault(void);

/* the trap vector must be aligned to 4 bytes */
__asm__(".section .vectors, \"ax\"\n"
        ".globl skosh_reset\n"
        ".type skosh_reset, @function\n"
        "skosh_reset:\n"
        "    la sp, skosh_stack_top\n"
        "    la t0, skosh_fault\n"
        "    csrw 0x305, t0\n" /* mtvec; by number, as the name needs an extension that some assemblers want named */
        "    j skosh_start\n"
        ".size skosh_reset, . - skosh_reset\n"
        ".text\n");

__attribute__((noinline, used)) void skosh_stop(void)
{
    for (;;) {
        __asm__ volatile("wfi");
    }
}

__attribute__((noinline, used, aligned(4))) void skosh_fault(void)
{
    for (;;) {
        __asm__ volatile("ebreak");
    }
}

__attribute__((noinline, used)) void skosh_again(void)
{
    (void)skosh_main();
    skosh_stop();
}

__attribute__((noinline, used)) void skosh_start(void)
{
    const uint32_t *from = skosh_data_load;
    for (uint32_t *to = skosh_data_start; to < skosh_data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = skosh_bss_start; to < skosh_bss_end; to++) {
        *to = 0;
    }
    skosh_again();
}
