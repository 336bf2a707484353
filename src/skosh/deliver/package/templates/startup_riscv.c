/* Startup of a bare RISC-V core in machine mode: stack, .data and .bss, main. Your project's own takes its place. */
#include <stdint.h>

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void start(void);

__asm__(".section .vectors, \"ax\"\n"
        ".globl reset\n"
        "reset:\n"
        "    la sp, stack_top\n"
        "    j start\n"
        ".text\n");

__attribute__((used)) void start(void)
{
    const uint32_t *from = data_load;
    for (uint32_t *to = data_start; to < data_end; to++) {
        *to = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end; to++) {
        *to = 0u;
    }
    main();
    for (;;) {
    }
}
