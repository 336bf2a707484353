/* Arithmetic of binary32 for Arm Cortex-M cores without an FPU: M0, M0+, M1, and with long multiplication and division M3.
 *
 * IEEE 754, rounded to nearest, ties to even, with subnormal numbers, infinities and NaN.
 * The names are those of Arm's run-time ABI (IHI 0043), which compilers call by themselves, so it is enough to link this
 * file. The symbols are weak: a second copy, or a library that brings its own, does no harm.
 *
 * A significand that is worked on has its leading bit at bit 31 or 30, so at least 7 bits lie below the last one that stays.
 * Only when all of these are zero does it matter what was shifted out further down: rounding asks for it then, and
 * not before. r0 and r1 are the operands, r0 is the result, r2, r3 and r12 are free. */
    .syntax unified
    .thumb

    .macro function name
    .section .text.\name, "ax", %progbits
    .balign 4
    .weak \name
    .type \name, %function
    .thumb_func
\name:
    .endm

    .macro finish name
    .pool
    .size \name, . - \name
    .endm

    .macro below                /* Z: nothing lies below the upper half of a product */
#if __ARM_ARCH_ISA_THUMB >= 2
    cmp r3, #0
#else
    orrs r3, r4
    lsls r3, r3, #24
#endif
    .endm

/* a + b, a - b ------------------------------------------------------------------------------------------------------ */

    function __aeabi_fadd
    push {r4, r5, lr}
    ldr r5, =0x80000000
.Ladd:
    lsls r2, r0, #1
    lsrs r2, r2, #24            /* exponent of a */
    beq .Lto_a_small
    lsls r3, r1, #1
    lsrs r3, r3, #24            /* exponent of b */
    beq .Lto_b_small
    subs r3, r2, r3
    bhs .Lordered
    rsbs r3, r3, #0
    adds r2, r2, r3             /* exchange: a has the larger exponent, r2; r3 is how far that of b lies below */
    movs r4, r0
    movs r0, r1
    movs r1, r4
.Lordered:
    cmp r2, #254
    bhs .Lto_top                /* conditional branches reach 256 bytes */
    movs r4, r0
    eors r4, r1
    bmi .Ldiffer

    lsrs r4, r0, #23            /* sign and exponent */
    lsls r0, r0, #8
    orrs r0, r5
    lsrs r0, r0, #1             /* leading bits at bit 30 */
    lsls r1, r1, #8
    orrs r1, r5
    lsrs r2, r1, #1
    lsrs r2, r3
    adds r0, r0, r2
    bmi .Lcarried
    subs r4, #1                 /* the leading bit adds 1 to the exponent */
    lsls r4, r4, #23
    lsls r2, r0, #26
    beq .Lsum_exact
    lsrs r0, r0, #7             /* carry: the bit to round by */
    adcs r0, r4
    pop {r4, r5, pc}

.Lcarried:
    lsls r4, r4, #23
    lsls r2, r0, #25
    beq .Lcarried_exact
    lsrs r0, r0, #8
    adcs r0, r4
    pop {r4, r5, pc}

.Lto_a_small:
    b .La_small
.Lto_b_small:
    b .Lb_small
.Lto_top:
    b .Ltop

.Lcarried_exact:
    lsrs r0, r0, #1
.Lsum_exact:                    /* the low 6 bits are zero: was anything shifted out? */
    cmp r3, #7
    bls .Ltie
    lsrs r1, r1, #1
    movs r2, r1
    lsrs r2, r3
    lsls r2, r3
    cmp r1, r2
    bne .Lsum_lost
.Ltie:
    lsrs r0, r0, #7
    bcc .Lpack
    adcs r0, r4
    lsrs r0, r0, #1             /* a tie: to even */
    lsls r0, r0, #1
    pop {r4, r5, pc}
.Lsum_lost:
    lsrs r0, r0, #7
    adcs r0, r4
    pop {r4, r5, pc}
.Lpack:
    adds r0, r0, r4
    pop {r4, r5, pc}

.Ldiffer:
    lsrs r4, r0, #23
    lsls r0, r0, #8
    orrs r0, r5
    lsrs r0, r0, #1
    lsls r1, r1, #8
    orrs r1, r5
    lsrs r2, r1, #1
    lsrs r2, r3
    subs r0, r0, r2
    bmi .Lnegative              /* equal exponents, b the larger one */
.Ldifference:
    lsls r2, r0, #1
    bpl .Lcancelled
.Lnormal:
    subs r4, #1
    lsls r4, r4, #23
    lsls r2, r0, #26
    beq .Ldifference_exact
    lsrs r0, r0, #7
    adcs r0, r4
    pop {r4, r5, pc}

.Lnegative:
    rsbs r0, r0, #0
    movs r2, #1
    lsls r2, r2, #8
    eors r4, r2
    b .Ldifference

.Lcancelled:                    /* r2 is twice r0 */
    beq .Lreturn                /* x - x = +0 */
    uxtb r5, r4
    cmp r5, #24                 /* as many steps as there can be */
    bls .Ltiny
    cmp r3, #1
    bhi .Lonce
.Lup:                           /* exponents differed by 1 at most: nothing was lost, many bits may cancel */
    subs r4, #1
    adds r2, r2, r2
    bpl .Lup
    subs r4, #1
    lsls r4, r4, #23
    lsrs r0, r2, #8
    adds r0, r0, r4
    pop {r4, r5, pc}

.Lonce:                         /* one bit did */
    subs r4, #2
    lsls r4, r4, #23
    lsls r0, r2, #26
    beq .Lonce_exact
    lsrs r0, r2, #7
    adcs r0, r4
    pop {r4, r5, pc}
.Lonce_exact:
    movs r0, r2
    b .Ldifference_exact

.Ltiny:
    cmp r5, #1
    beq .Lsubnormal
    lsls r0, r0, #1
    subs r4, #1
    subs r5, #1
    lsls r2, r0, #1
    bpl .Ltiny
    b .Lnormal
.Lsubnormal:                    /* exact: nothing lies below the last bit */
    lsrs r4, r4, #8
    lsls r4, r4, #31
    lsrs r0, r0, #7
    orrs r0, r4
.Lreturn:
    pop {r4, r5, pc}

.Ldifference_exact:             /* something shifted out makes the difference a little less: not a tie, not up */
    cmp r3, #6
    bls .Ltie
    lsrs r1, r1, #1
    movs r2, r1
    lsrs r2, r3
    lsls r2, r3
    cmp r1, r2
    beq .Ltie
    lsrs r0, r0, #7
    adds r0, r0, r4
    pop {r4, r5, pc}

.La_small:
    lsls r3, r0, #1
    bne .La_subnormal
    lsls r3, r1, #1
    beq .Lzeros
    movs r0, r1                 /* 0 + b */
    pop {r4, r5, pc}
.Lzeros:
    ands r0, r1                 /* -0 only of two -0 */
    pop {r4, r5, pc}
.La_subnormal:
    lsls r3, r1, #1
    lsrs r3, r3, #24
    beq .Lboth_small
    movs r4, r0
    movs r0, r1
    movs r1, r4
    movs r2, r3
.Lb_small:
    lsls r3, r1, #1
    beq .Lreturn                /* a + 0 */
    cmp r2, #64
    bhs .Lreturn                /* b is less than a quarter of the last bit of a, or a is infinite or NaN */
    lsls r4, r3, #8             /* b is subnormal, a is not: as if exponents went on below 1 */
    movs r3, #1
.Lb_up:
    subs r3, #1
    lsls r4, r4, #1
    bcc .Lb_up
    lsrs r4, r4, #9
    ands r1, r5
    orrs r1, r4
    subs r3, r2, r3
    b .Lordered

.Lboth_small:                   /* neither has a leading bit: their bits are whole numbers of one unit */
    movs r4, r0
    eors r4, r1
    bmi .Lsmall_difference
    lsls r1, r1, #1
    lsrs r1, r1, #1
    adds r0, r0, r1
    pop {r4, r5, pc}
.Lsmall_difference:
    lsls r2, r0, #1
    lsls r3, r1, #1
    subs r2, r2, r3
    beq .Lplus_zero
    bhs .La_sign
    rsbs r2, r2, #0
    movs r0, r1
.La_sign:
    lsrs r2, r2, #1
    ands r0, r5
    orrs r0, r2
    pop {r4, r5, pc}
.Lplus_zero:
    movs r0, #0
    pop {r4, r5, pc}

.Ltop:                          /* the larger exponent is that of infinity, or the sum may reach it */
    bne .Linfinite
    movs r4, r0
    eors r4, r1
    bmi .Ldiffer
    cmp r3, #26
    bhs .Lreturn                /* b is less than a quarter of the last bit of a */
    lsrs r5, r5, #8
    subs r0, r0, r5             /* half of each, twice the sum */
    subs r1, r1, r5
    bl __aeabi_fadd
    adds r0, r0, r5
    lsls r1, r0, #1
    lsrs r1, r1, #24
    cmp r1, #255
    bne .Lreturn
    lsrs r0, r0, #23
    lsls r0, r0, #23
    pop {r4, r5, pc}
.Linfinite:
    lsls r2, r0, #9
    bne .Lnan
    lsls r2, r1, #1
    lsrs r2, r2, #24
    cmp r2, #255
    bne .Lreturn                /* inf + finite */
    cmp r0, r1
    beq .Lreturn                /* inf + inf */
.Lnan:
    ldr r0, =0x7FC00000
    pop {r4, r5, pc}

    .weak __aeabi_fsub
    .type __aeabi_fsub, %function
    .thumb_func
__aeabi_fsub:
    push {r4, r5, lr}
    ldr r5, =0x80000000
    eors r1, r5
    b .Ladd

    .weak __aeabi_frsub
    .type __aeabi_frsub, %function
    .thumb_func
__aeabi_frsub:
    push {r4, r5, lr}
    ldr r5, =0x80000000
    eors r0, r5
    b .Ladd
    finish __aeabi_fadd

/* a * b ------------------------------------------------------------------------------------------------------------- */

    function __aeabi_fmul
    push {r4, r5, lr}
    lsrs r2, r0, #23            /* sign and exponent of a */
    lsls r4, r2, #24
    beq .Lma_small
    lsrs r3, r1, #23            /* sign and exponent of b */
    lsls r5, r3, #24
    beq .Lmb_small
    adds r4, r4, r5             /* the sum of exponents: 128..255 is safe, anything else is looked at */
    bcs .Lmlarge
    bpl .Lmslow
.Lmordinary:
    adds r2, r2, r3
#if __ARM_ARCH_ISA_THUMB >= 2
    lsls r0, r0, #8
    orr r0, r0, #0x80000000
    lsls r1, r1, #8
    orr r1, r1, #0x80000000
    umull r3, r0, r0, r1        /* the product's upper 32 bits; the others: r3 */
    cmp r0, #0
#else
    uxtb r3, r0                 /* a = ah:al, 16 and 8 bits, b = bh:bl; a * b = ah * bh << 16 + al * bh << 8 + a * bl */
    uxtb r4, r1
    ldr r5, =0x80000000
    lsls r0, r0, #8
    orrs r0, r5
    lsrs r0, r0, #8             /* a */
    lsls r1, r1, #8
    orrs r1, r5
    lsrs r1, r1, #16            /* bh */
    muls r4, r0, r4
    muls r3, r1, r3
    lsrs r0, r0, #8             /* ah */
    muls r0, r1, r0
    lsrs r5, r4, #8
    adds r3, r3, r5
    lsrs r5, r3, #8
    adds r0, r0, r5             /* the product's upper 32 bits; the others: the low bytes of r3 and r4 */
#endif
    bmi .Lmtwo
    subs r2, #128
    lsls r2, r2, #23
    lsls r1, r0, #26
    beq .Lmexact
    lsrs r0, r0, #7
    adcs r0, r2
    pop {r4, r5, pc}
.Lmtwo:                         /* significands multiply to 2 or more */
    subs r2, #127
    lsls r2, r2, #23
    lsls r1, r0, #25
    beq .Lmtwo_exact
    lsrs r0, r0, #8
    adcs r0, r2
    pop {r4, r5, pc}

.Lmtwo_exact:
    lsrs r0, r0, #1
.Lmexact:
    below
    beq .Lmtie
    lsrs r0, r0, #7
    adcs r0, r2
    pop {r4, r5, pc}
.Lmtie:
    lsrs r0, r0, #7
    bcc .Lmpack
    adcs r0, r2
    lsrs r0, r0, #1             /* a tie: to even */
    lsls r0, r0, #1
    pop {r4, r5, pc}
.Lmpack:
    adds r0, r0, r2
    pop {r4, r5, pc}

.Lmlarge:                       /* exponents add to 256 or more */
    uxtb r4, r2
    cmp r4, #255
    beq .Lmslow
    uxtb r5, r3
    cmp r5, #255
    beq .Lmslow
    adds r4, r4, r5
    subs r4, #255
    cmp r4, #125
    bls .Lmordinary             /* far enough from infinity */
    b .Lmslow

.Lma_small:
    lsls r4, r0, #1
    bne .Lmslow
    lsls r3, r1, #1
    lsrs r3, r3, #24
    cmp r3, #255
    beq .Lmslow
.Lmzero:
    eors r0, r1
    lsrs r0, r0, #31
    lsls r0, r0, #31
    pop {r4, r5, pc}
.Lmb_small:
    lsls r4, r1, #1
    bne .Lmslow
    uxtb r2, r2
    cmp r2, #255
    bne .Lmzero

.Lmslow:
    push {r6, r7}
    movs r7, r0
    eors r7, r1
    lsrs r7, r7, #31
    lsls r7, r7, #31            /* the sign */
    ldr r3, =0xFF000000
    lsls r0, r0, #1
    lsls r1, r1, #1
    cmp r0, r3
    bhi .Lmnan
    cmp r1, r3
    bhi .Lmnan
    cmp r0, #0
    beq .Lma_zero
    cmp r1, #0
    beq .Lmb_zero
    cmp r0, r3
    beq .Lminfinite
    cmp r1, r3
    beq .Lminfinite
    bl skosh_float_split
    movs r4, r0
    movs r5, r2
    movs r0, r1
    bl skosh_float_split
    adds r2, r2, r5
    lsrs r3, r0, #16            /* bh */
    lsrs r5, r0, #8
    uxtb r5, r5                 /* bl */
    lsrs r0, r4, #8             /* a */
    uxtb r4, r0                 /* al */
    muls r5, r0, r5
    muls r4, r3, r4
    lsrs r0, r0, #8             /* ah */
    muls r0, r3, r0
    lsrs r3, r5, #8
    adds r4, r4, r3
    lsrs r3, r4, #8
    adds r0, r0, r3
    orrs r5, r4
    subs r2, #126
    cmp r0, #0
    bmi .Lmnormal
    lsls r0, r0, #1             /* bit 7 of r4 would come in, but only whether anything lies there matters */
    subs r2, #1
.Lmnormal:
    lsls r5, r5, #24
    beq .Lmround
    movs r5, #1
    orrs r0, r5
.Lmround:
    bl skosh_float_round
.Lmsigned:
    orrs r0, r7
    pop {r6, r7}
    pop {r4, r5, pc}
.Lma_zero:                      /* 0 * inf is NaN */
    cmp r1, r3
    b .Lmzeros
.Lmb_zero:
    cmp r0, r3
.Lmzeros:
    beq .Lmnan
    movs r0, #0
    b .Lmsigned
.Lminfinite:
    lsrs r0, r3, #1
    b .Lmsigned
.Lmnan:
    ldr r0, =0x7FC00000
    pop {r6, r7}
    pop {r4, r5, pc}
    finish __aeabi_fmul

/* a / b ------------------------------------------------------------------------------------------------------------- */

    function __aeabi_fdiv
    push {r4, r5, r6, lr}
    movs r6, r0
    eors r6, r1
    lsrs r6, r6, #31
    lsls r6, r6, #31            /* the sign */
    ldr r3, =0xFF000000
    lsls r0, r0, #1
    lsls r1, r1, #1
    cmp r0, r3
    bhs .Lda_infinite
    cmp r1, r3
    bhs .Ldb_infinite
    cmp r1, #0
    beq .Ldby_zero
    cmp r0, #0
    beq .Ldsigned
    bl skosh_float_split
    lsrs r4, r0, #8             /* dividend */
    movs r5, r2
    movs r0, r1
    bl skosh_float_split
    lsrs r1, r0, #8             /* divisor */
    subs r2, r5, r2
    adds r2, #127
    cmp r4, r1
    bhs .Ldstart
    lsls r4, r4, #1
    subs r2, #1
.Ldstart:
#if __ARM_ARCH_ISA_THUMB >= 2
    lsls r4, r4, #7             /* the quotient, 8 bits at a time: the first is 1 */
    udiv r0, r4, r1
    mls r4, r0, r1, r4
    .rept 2
    lsls r4, r4, #8
    udiv r3, r4, r1
    mls r4, r3, r1, r4
    orr r0, r3, r0, lsl #8
    .endr
    lsls r4, r4, #2             /* and two more to round by */
    udiv r3, r4, r1
    mls r4, r3, r1, r4
    orr r0, r3, r0, lsl #2
#else
    subs r4, r4, r1             /* the first bit of the quotient is 1 */
    movs r0, #1
    lsls r0, r0, #7             /* falls out after 25 bits, which with the first are 26: 24 and two below */
    adds r0, #1
.Ldbits:
    .rept 5
    lsls r4, r4, #1
    cmp r4, r1
    blo 0f
    subs r4, r4, r1
0:  adcs r0, r0                 /* carry: the bit */
    .endr
    bcc .Ldbits
#endif
    lsls r0, r0, #6
    cmp r4, #0
    beq .Ldround
    movs r4, #1
    orrs r0, r4
.Ldround:
    bl skosh_float_round
.Ldsigned:
    orrs r0, r6
    pop {r4, r5, r6, pc}
.Lda_infinite:                  /* NaN, inf / NaN, inf / inf */
    bhi .Ldnan
    cmp r1, r3
    bhs .Ldnan
.Ldinfinite:
    lsrs r0, r3, #1
    b .Ldsigned
.Ldb_infinite:
    bhi .Ldnan
    movs r0, #0
    b .Ldsigned
.Ldby_zero:
    cmp r0, #0
    bne .Ldinfinite
.Ldnan:
    ldr r0, =0x7FC00000
    pop {r4, r5, r6, pc}
    finish __aeabi_fdiv

/* r0: twice the bits of a finite number other than 0, without its sign. r0, r2: its significand with the leading bit at bit
 * 31, its exponent, below 1 for a subnormal number. Leaves all but r3. */
    .section .text.skosh_float_split, "ax", %progbits
    .balign 4
    .type skosh_float_split, %function
    .thumb_func
skosh_float_split:
    lsrs r2, r0, #24
    beq 1f
    movs r3, #1
    lsls r3, r3, #31
    lsls r0, r0, #7
    orrs r0, r3
    bx lr
1:  movs r2, #1
    lsls r0, r0, #7
2:  subs r2, #1
    lsls r0, r0, #1
    bpl 2b
    bx lr
    finish skosh_float_split

/* r0: a significand with the leading bit at bit 31; bit 0 says too whether anything lies below it. r2: its exponent, any
 * number. r0: the float that it rounds to, a subnormal one or infinity where the exponent is beyond. */
    .section .text.skosh_float_round, "ax", %progbits
    .balign 4
    .type skosh_float_round, %function
    .thumb_func
skosh_float_round:
    cmp r2, #254
    bgt 3f
    cmp r2, #0
    bgt 1f
    movs r3, #1                 /* subnormal: as many bits fewer */
    subs r3, r3, r2
    movs r1, r0
    lsrs r0, r3
    movs r2, r0
    lsls r2, r3
    cmp r1, r2
    beq 0f
    movs r2, #1
    orrs r0, r2
0:  movs r2, #1
1:  subs r2, #1
    lsls r2, r2, #23
    lsls r1, r0, #25
    beq 2f
    lsrs r0, r0, #8
    adcs r0, r2
    bx lr
2:  lsrs r0, r0, #8
    bcc 4f
    adcs r0, r2
    lsrs r0, r0, #1             /* a tie: to even */
    lsls r0, r0, #1
    bx lr
3:  movs r0, #255
    lsls r0, r0, #23
    bx lr
4:  adds r0, r0, r2
    bx lr
    finish skosh_float_round

/* Comparisons: 1 or 0; 0 where one of the two is NaN. As integers, floats of which one is positive compare as they are, and
 * two negative ones the other way round. A NaN has the largest magnitude, so only the one that would be further from 0 in a
 * true answer need be looked at. -------------------------------------------------------------------------------------- */

    .macro less name, x, y      /* x < y */
    function \name
    movs r2, \x
    orrs r2, \y
    bmi 2f
    cmp \x, \y
    bge 1f
    ldr r3, =0x7F800000
    cmp \y, r3
    bgt 1f
0:  movs r0, #1
    bx lr
1:  movs r0, #0
    bx lr
2:  lsls r2, \x, #1
    ldr r3, =0xFF000000
    cmp \y, #0
    bmi 3f
    cmp r2, r3                  /* only x is negative */
    bhi 1b
    lsrs r3, r3, #1
    cmp \y, r3
    bhi 1b
    orrs r2, \y
    bne 0b
    b 1b                        /* -0 < 0 */
3:  cmp \x, \y
    bls 1b
    cmp r2, r3
    bls 0b
    b 1b
    finish \name
    .endm

    .macro at_most name, x, y   /* x <= y */
    function \name
    movs r2, \x
    orrs r2, \y
    bmi 2f
    cmp \x, \y
    bgt 1f
    ldr r3, =0x7F800000
    cmp \y, r3
    bgt 1f
0:  movs r0, #1
    bx lr
1:  movs r0, #0
    bx lr
2:  lsls r2, \x, #1
    ldr r3, =0xFF000000
    cmp \y, #0
    bmi 3f
    cmp r2, r3                  /* only x is negative */
    bhi 1b
    lsrs r3, r3, #1
    cmp \y, r3
    bls 0b
    b 1b
3:  cmp \x, \y
    blo 4f
    cmp r2, r3
    bls 0b
    b 1b
4:  lsls r3, \y, #1
    orrs r2, r3
    beq 0b                      /* 0 <= -0 */
    b 1b
    finish \name
    .endm

    less __aeabi_fcmplt, r0, r1
    less __aeabi_fcmpgt, r1, r0
    at_most __aeabi_fcmple, r0, r1
    at_most __aeabi_fcmpge, r1, r0

    function __aeabi_fcmpeq
    lsls r2, r0, #1
    lsls r3, r1, #1
    cmp r0, r1
    bne 0f
    movs r0, #0xFF
    lsls r0, r0, #24
    cmp r2, r0
    bhi 1f                      /* NaN is not even itself */
    movs r0, #1
    bx lr
0:  orrs r2, r3
    beq 2f                      /* 0 and -0 */
1:  movs r0, #0
    bx lr
2:  movs r0, #1
    bx lr
    finish __aeabi_fcmpeq

    function __aeabi_fcmpun
    ldr r3, =0xFF000000
    lsls r2, r0, #1
    movs r0, #1
    cmp r2, r3
    bhi 0f
    lsls r2, r1, #1
    cmp r2, r3
    bhi 0f
    movs r0, #0
0:  bx lr
    finish __aeabi_fcmpun

/* Integers to floats ------------------------------------------------------------------------------------------------- */

    function __aeabi_ui2f
    movs r3, #0
    b .Lfloat
    .weak __aeabi_i2f
    .type __aeabi_i2f, %function
    .thumb_func
__aeabi_i2f:
    lsrs r3, r0, #31
    lsls r3, r3, #31
    beq .Lfloat
    rsbs r0, r0, #0
.Lfloat:                        /* r0 with the sign r3 */
    movs r2, #157               /* exponent of 2^31, less 1: the leading bit adds it */
    lsrs r1, r0, #16
    bne 1f
    lsls r0, r0, #16
    beq 6f
    subs r2, #16
1:  lsrs r1, r0, #24
    bne 2f
    lsls r0, r0, #8
    subs r2, #8
2:  lsrs r1, r0, #28
    bne 3f
    lsls r0, r0, #4
    subs r2, #4
3:  cmp r0, #0
    bmi 5f
4:  subs r2, #1
    lsls r0, r0, #1
    bpl 4b
5:  lsls r2, r2, #23
    adds r2, r2, r3
    lsls r1, r0, #25
    beq 7f
    lsrs r0, r0, #8
    adcs r0, r2
6:  bx lr
7:  lsrs r0, r0, #8
    bcc 8f
    adcs r0, r2
    lsrs r0, r0, #1             /* a tie: to even */
    lsls r0, r0, #1
    bx lr
8:  adds r0, r0, r2
    bx lr
    finish __aeabi_ui2f

/* Floats to integers, towards zero; the nearest integer where there is none so large, 0 for NaN ----------------------- */

    function __aeabi_f2iz
    lsls r1, r0, #1
    lsrs r2, r1, #24
    subs r2, #127
    blt 1f
    movs r3, #31
    subs r3, r3, r2
    bls 2f
    lsls r1, r1, #7
    movs r2, #1
    lsls r2, r2, #31
    orrs r1, r2
    lsrs r1, r3
    cmp r0, #0
    blt 0f
    movs r0, r1
    bx lr
0:  rsbs r0, r1, #0
    bx lr
1:  movs r0, #0
    bx lr
2:  ldr r2, =0xFF000000         /* 2^31 and more, -2^31 and less, NaN */
    cmp r1, r2
    bhi 1b
    asrs r0, r0, #31
    movs r2, #1
    lsls r2, r2, #31
    subs r2, #1
    eors r0, r2
    bx lr
    finish __aeabi_f2iz

    function __aeabi_f2uiz
    cmp r0, #0
    blt 1f
    lsls r1, r0, #1
    lsrs r2, r1, #24
    subs r2, #127
    blt 1f
    movs r3, #31
    subs r3, r3, r2
    blo 2f
    lsls r0, r0, #8
    movs r2, #1
    lsls r2, r2, #31
    orrs r0, r2
    lsrs r0, r3
    bx lr
1:  movs r0, #0
    bx lr
2:  ldr r2, =0xFF000000
    cmp r1, r2
    bhi 1b
    movs r0, #0
    mvns r0, r0
    bx lr
    finish __aeabi_f2uiz

/* Sums along rows: float skosh_dot(float acc, const float *x, const float *w, int32_t n) and skosh_squared_distance, of the
 * same form: acc += x[k] * w[k], and acc += (x[k] - w[k])^2, one after the other, each operation rounded as a call of it
 * would be, but the sum and the products aren't put together and taken apart again.
 *
 * r6: the sum's significand, leading bit at bit 30, 7 zeros below; r7: its sign and exponent; both 0 for +0. r8: x; r9: w - x;
 * r10: the end of x; r11: 80000000. r0: a product's significand, r2 its sign and exponent; r3: how far the smaller of sum and
 * product lies below the other. What doesn't fit this (subnormal, infinite, NaN, large) goes by calls. */
    .macro sums name, square
    function \name
    push {r4, r5, r6, r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4, r5, r6, r7}
    mov r8, r1
    subs r2, r2, r1
    mov r9, r2
    lsls r3, r3, #2
    adds r3, r3, r1
    mov r10, r3
    ldr r3, =0x80000000
    mov r11, r3
    movs r6, r0
    b .Lunpack\@

.Lirregular\@:                  /* this element by calls: first put the sum together */
    lsrs r6, r6, #7
    beq .Lslow\@
    subs r7, #1
    lsls r7, r7, #23
    adds r6, r6, r7
.Lslow\@:
    mov r4, r8
    mov r5, r9
    subs r4, #4
    ldr r1, [r4, r5]
    ldr r0, [r4]
    .if \square
    bl __aeabi_fsub
    movs r1, r0
    .endif
    bl __aeabi_fmul
    movs r1, r6
    bl __aeabi_fadd
    movs r6, r0
.Lunpack\@:
    lsls r1, r6, #1
    beq .Lempty\@
    lsrs r1, r1, #24
    beq .Lagain\@
    cmp r1, #255
    beq .Lagain\@
    .if \square
    cmp r6, #0
    blt .Lagain\@
    .endif
    lsrs r7, r6, #23
    lsls r6, r6, #8
    mov r5, r11
    orrs r6, r5
    lsrs r6, r6, #1
    b .Lnext\@
.Lempty\@:
    movs r7, #0
    cmp r6, #0
    beq .Lnext\@
.Lagain\@:                      /* a sum that must stay together */
    cmp r8, r10
    beq .Ltogether\@
    mov r4, r8
    adds r4, #4
    mov r8, r4
    b .Lslow\@

    .if \square
.Lzero_a\@:
    lsls r1, r0, #1
    bne .Lirregular\@
    b .Lnext\@
    .else
.Lzero_a\@:                     /* a product of 0 leaves the sum as it is */
    lsls r2, r0, #1
    bne .Lirregular\@
    lsls r2, r1, #1
    b .Lfinite\@
.Lzero_b\@:
    lsls r2, r1, #1
    bne .Lirregular\@
    lsls r2, r0, #1
.Lfinite\@:
    lsrs r2, r2, #24
    cmp r2, #255
    bne .Lnext\@
    b .Lirregular\@
.Llarge\@:                      /* exponents add to 256 or more: up to 327 nothing can overflow */
    uxtb r4, r2
    cmp r4, #255
    beq .Lirregular\@
    uxtb r5, r3
    cmp r5, #255
    beq .Lirregular\@
    adds r4, r4, r5
    subs r4, #255
    cmp r4, #72
    bhi .Lirregular\@
    b .Lordinary\@
    .endif

.Lloop\@:
    mov r4, r8
    mov r5, r9
    ldr r1, [r4, r5]
    ldmia r4!, {r0}
    mov r8, r4
    .if \square
    bl __aeabi_fsub
    lsls r2, r0, #1
    lsrs r2, r2, #24
    beq .Lzero_a\@
    movs r3, r2
    subs r3, #64
    cmp r3, #99
    bhi .Lirregular\@
    lsls r2, r2, #1
#if __ARM_ARCH_ISA_THUMB >= 2
    lsls r0, r0, #8
    orr r0, r0, #0x80000000
    movs r1, r0
#else
    uxtb r4, r0                 /* a = ah:al, 16 and 8 bits: a * a = ah * ah << 16 + al * ah << 8 + a * al */
    mov r5, r11
    lsls r0, r0, #8
    orrs r0, r5
    lsrs r0, r0, #8
    lsrs r1, r0, #8
    movs r3, r4
    muls r4, r0, r4
    movs r0, r1
#endif
    .else
    lsrs r2, r0, #23
    lsls r4, r2, #24
    beq .Lzero_a\@
    lsrs r3, r1, #23
    lsls r5, r3, #24
    beq .Lzero_b\@
    adds r4, r4, r5
    bcs .Llarge\@
    bpl .Lirregular\@
.Lordinary\@:
    adds r2, r2, r3
#if __ARM_ARCH_ISA_THUMB >= 2
    lsls r0, r0, #8
    orr r0, r0, #0x80000000
    lsls r1, r1, #8
    orr r1, r1, #0x80000000
#else
    uxtb r3, r0                 /* as in a multiplication */
    uxtb r4, r1
    mov r5, r11
    lsls r0, r0, #8
    orrs r0, r5
    lsrs r0, r0, #8
    lsls r1, r1, #8
    orrs r1, r5
    lsrs r1, r1, #16
    muls r4, r0, r4
    lsrs r0, r0, #8
#endif
    .endif
#if __ARM_ARCH_ISA_THUMB >= 2
    umull r3, r0, r0, r1
    cmp r0, #0
#else
    muls r3, r1, r3
    muls r0, r1, r0
    lsrs r5, r4, #8
    adds r3, r3, r5
    lsrs r5, r3, #8
    adds r0, r0, r5
#endif
    bmi .Ltwo\@
    lsls r1, r0, #26
    beq .Lexact\@
.Lround\@:
    adds r0, #64
    bmi .Lpower\@
    lsrs r0, r0, #7
.Lone\@:
    subs r2, #127
.Lproduct\@:
    .if \square
    subs r3, r7, r2
    .else
    uxtb r3, r2
    uxtb r4, r7
    subs r3, r4, r3
    .endif
    blo .Llarger\@
    cmp r3, #26
    bhs .Lnext\@                /* the product is less than a quarter of the last bit of the sum */
    .ifeq \square
    lsls r4, r7, #23
    lsls r5, r2, #23
    eors r4, r5
    bmi .Ldiffer\@
    .endif
.Ladd\@:
    lsls r2, r0, #7
    lsrs r2, r3
    adds r6, r6, r2
    bmi .Lcarried\@
    lsls r1, r6, #26
    beq .Lsum_exact\@
.Lsum_round\@:
    adds r6, #64
    bmi .Lsum_power\@
    lsrs r6, r6, #7
    lsls r6, r6, #7
.Lnext\@:
    cmp r8, r10
    bne .Lloop\@
    lsrs r6, r6, #7
    beq .Ltogether\@
    subs r7, #1
    lsls r7, r7, #23
    adds r6, r6, r7
.Ltogether\@:
    movs r0, r6
    pop {r4, r5, r6, r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4, r5, r6, r7, pc}

.Lcarried_exact\@:              /* the low bits are zero: was anything shifted out? */
    lsls r1, r0, #7
    movs r2, r1
    lsrs r2, r3
    lsls r2, r3
    cmp r1, r2
    bne .Lcarried_round\@
    lsrs r1, r6, #8
    b .Ltied\@
.Lsum_exact\@:
    lsls r1, r0, #7
    movs r2, r1
    lsrs r2, r3
    lsls r2, r3
    cmp r1, r2
    bne .Lsum_round\@
    lsrs r1, r6, #7
.Ltied\@:                       /* carry: half of the last bit */
    bcc 0f
    adds r1, #1
    lsrs r1, r1, #1             /* to even */
    lsls r1, r1, #1
0:  lsls r6, r1, #7
    bmi .Lsum_power\@
    b .Lnext\@
.Lsum_power\@:                  /* rounded up to a power of two */
    movs r6, #1
    lsls r6, r6, #30
    adds r7, #1
    b .Lnext\@

.Ltwo_exact\@:
    below
    bne .Ltwo_round\@
    adds r2, #1
    lsrs r0, r0, #8
    b .Lproduct_tied\@
.Lexact\@:
    below
    beq 1f
    b .Lround\@
1:  lsrs r0, r0, #7
.Lproduct_tied\@:
    bcc 2f
    adds r0, #1
    lsrs r0, r0, #1             /* to even */
    lsls r0, r0, #1
    lsrs r3, r0, #24
    bne .Lpower\@
2:  b .Lone\@
.Ltwo_power\@:
    adds r2, #1
.Lpower\@:
    movs r0, #1
    lsls r0, r0, #23
    adds r2, #1
    b .Lone\@

.Ltwo\@:
    lsls r1, r0, #25
    beq .Ltwo_exact\@
.Ltwo_round\@:
    adds r0, #128
    bcs .Ltwo_power\@
    lsrs r0, r0, #8
    subs r2, #126
    b .Lproduct\@

.Lcarried\@:
    adds r7, #1
    lsls r1, r6, #25
    beq .Lcarried_exact\@
.Lcarried_round\@:
    adds r6, #128
    bcs .Lsum_power\@
    lsrs r6, r6, #8
    lsls r6, r6, #7
    b .Lnext\@

.Llarger\@:                     /* the product has the larger exponent: exchange */
    rsbs r3, r3, #0
    cmp r3, #26
    bhs .Lreplace\@
    .ifeq \square
    uxtb r4, r2
    cmp r4, #26
    bls .Lto_irregular\@
    lsls r4, r7, #23
    lsls r5, r2, #23
    eors r4, r5
    .endif
    movs r1, r6
    lsls r6, r0, #7
    lsrs r0, r1, #7
    movs r7, r2
    .ifeq \square
    cmp r4, #0
    bmi .Ldiffer\@
    .endif
    b .Ladd\@
.Lreplace\@:
    lsls r6, r0, #7
    movs r7, r2
    b .Lnext\@

    .ifeq \square
.Lto_irregular\@:
    b .Lirregular\@
.Ldiffer\@:
    lsls r2, r0, #7
    lsrs r2, r3
    subs r2, r6, r2
    bmi .Lnegative\@            /* equal exponents, the product the larger one */
.Ldifference\@:
    lsls r1, r2, #1
    bpl .Lcancelled\@
    lsls r1, r2, #26
    beq .Ldifference_exact\@
.Ldifference_round\@:
    adds r2, #64
    bmi .Lsum_power\@
    lsrs r6, r2, #7
    lsls r6, r6, #7
    b .Lnext\@
.Lnegative\@:
    uxtb r4, r7
    cmp r4, #26
    bls .Lto_irregular\@
    rsbs r2, r2, #0
    movs r4, #1
    lsls r4, r4, #8
    eors r7, r4
    b .Ldifference\@
.Lcancelled\@:
    beq .Lgone\@
    uxtb r4, r7
    cmp r4, #26                 /* more than there can be steps */
    bls .Lto_irregular\@
    cmp r3, #1
    bhi .Lonce\@
.Lup\@:                         /* exponents differed by 1 at most: nothing was lost, many bits may cancel */
    subs r7, #1
    adds r1, r1, r1
    bpl .Lup\@
    lsrs r6, r1, #1
    b .Lnext\@
.Lonce\@:                       /* one bit did */
    subs r7, #1
    movs r2, r1
    lsls r1, r2, #26
    bne .Ldifference_round\@
.Ldifference_exact\@:           /* something shifted out makes the difference a little less: not a tie, not up */
    lsls r1, r0, #7
    movs r4, r1
    lsrs r4, r3
    lsls r4, r3
    cmp r1, r4
    beq .Lwhole\@
    lsrs r6, r2, #7
    lsls r6, r6, #7
    b .Lnext\@
.Lwhole\@:
    lsrs r1, r2, #7
    b .Ltied\@
.Lgone\@:                       /* x - x = +0 */
    movs r6, #0
    movs r7, #0
    b .Lnext\@
    .endif
    finish \name
    .endm

    sums skosh_dot, 0
    sums skosh_squared_distance, 1
