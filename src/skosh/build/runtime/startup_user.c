/* Startup of a program for Linux on RISC-V or AArch64 that needs no C library: the emulator calls the model as it would a
 * firmware's.
 *
 * RAM is file 0, a file in memory that the emulator's parent fills with .data and zeros, and shares: reset maps it, sets the
 * stack pointer, and calls skosh_main again and again. The parent holds the program in skosh_stop before each call. */
int skosh_main(void);
void skosh_again(void);
void skosh_stop(void);

/* mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, 0, 0), system call 222 of both */
#if defined(__riscv)
__asm__(".text\n"
        ".globl skosh_reset\n"
        ".type skosh_reset, @function\n"
        "skosh_reset:\n"
        "    la a0, skosh_map_start\n"
        "    la a1, skosh_map_bytes\n"
        "    li a2, 3\n"
        "    li a3, 17\n"
        "    li a4, 0\n"
        "    li a5, 0\n"
        "    li a7, 222\n"
        "    ecall\n"
        "    la sp, skosh_stack_top\n"
        "    j skosh_again\n"
        ".size skosh_reset, . - skosh_reset\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl skosh_reset\n"
        ".type skosh_reset, %function\n"
        "skosh_reset:\n"
        "    ldr x0, =skosh_map_start\n"
        "    ldr x1, =skosh_map_bytes\n"
        "    mov x2, #3\n"
        "    mov x3, #17\n"
        "    mov x4, #0\n"
        "    mov x5, #0\n"
        "    mov x8, #222\n"
        "    svc #0\n"
        "    ldr x9, =skosh_stack_top\n"
        "    mov sp, x9\n"
        "    b skosh_again\n"
        "    .ltorg\n"
        ".size skosh_reset, . - skosh_reset\n");
#else
#error "startup_user.c is for RISC-V and AArch64"
#endif

__attribute__((noinline, used)) void skosh_stop(void)
{
    __asm__ volatile("");
}

__attribute__((noinline, used)) void skosh_again(void)
{
    for (;;) {
        skosh_stop();
        (void)skosh_main();
    }
}
