/* Startup of a VexRiscv in the simulated system: the contract of the other startup files, and devices of the bench.
 *
 * Reset sets up the stack, traps, .data and .bss; then the program waits at GO, calls skosh_main once and says so, again and
 * again. Caches are emptied before each call: the bench may have written memory, and every run begins alike. */
#include <stdint.h>

extern uint32_t skosh_data_load[], skosh_data_start[], skosh_data_end[];
extern uint32_t skosh_bss_start[], skosh_bss_end[];

#define DEVICE(offset) (*(volatile uint32_t *)(0xE0001000u + (offset)))
#define GO DEVICE(0)
#define BEGIN DEVICE(4)
#define END DEVICE(8)
#define FAULT_PC DEVICE(16)
#define FAULT_CAUSE DEVICE(20)

int skosh_main(void);
void skosh_start(void);
void skosh_again(void);
void skosh_stop(void);
void skosh_fault(void);

/* CSR 0xBC0, bit 31: custom-0 instructions are illegal until it is set. The same register masks external interrupts: what
 * sets a mask must keep the bit. CSRs go by number, as names need an extension that some assemblers want named. */
__asm__(".section .vectors, \"ax\"\n"
        ".globl skosh_reset\n"
        ".type skosh_reset, @function\n"
        "skosh_reset:\n"
        "    la sp, skosh_stack_top\n"
        "    la t0, skosh_fault\n"
        "    csrw 0x305, t0\n" /* mtvec */
        "    lui t0, 0x80000\n"
        "    csrw 0xBC0, t0\n"
        "    j skosh_start\n"
        ".size skosh_reset, . - skosh_reset\n"
        ".text\n");

__attribute__((noinline, used)) void skosh_stop(void)
{
    for (;;) {
    }
}

__attribute__((noinline, used, aligned(4))) void skosh_fault(void)
{
    uint32_t pc, cause;
    __asm__ volatile("csrr %0, 0x341" : "=r"(pc));    /* mepc */
    __asm__ volatile("csrr %0, 0x342" : "=r"(cause)); /* mcause */
    FAULT_PC = pc;
    FAULT_CAUSE = cause;
    skosh_stop();
}

__attribute__((noinline, used)) void skosh_again(void)
{
    for (;;) {
        while (GO == 0u) {
        }
        __asm__ volatile(".word 0x500F" ::: "memory"); /* VexRiscv: the data cache forgets all */
        __asm__ volatile(".word 0x100F" ::: "memory"); /* fence.i: so does the instruction cache */
        BEGIN = 1u;
        (void)skosh_main();
        END = 1u;
    }
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
