/* Arithmetic of binary32 for Arm cores without an FPU and without a long multiply (ARMv6-M: Cortex-M0, M0+, M1).
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
    orrs r3, r4
    lsls r3, r3, #24
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
.Ldstart:                       /* the quotient's first bit is 1 */
    subs r4, r4, r1
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
 * two negative ones the other way round. ------------------------------------------------------------------------------ */

    .macro comparison name, condition, reverse, equal
    function \name
    ldr r3, =0xFF000000
    lsls r2, r0, #1
    cmp r2, r3
    bhi 0f                      /* NaN */
    lsls r3, r1, #1
    orrs r2, r3
    beq 3f                      /* both are zeros */
    movs r2, #0xFF
    lsls r2, r2, #24
    cmp r3, r2
    bhi 0f
    movs r2, r0
    ands r2, r1
    bmi 2f
    cmp r0, r1
    \condition 1f
0:  movs r0, #0
    bx lr
1:  movs r0, #1
    bx lr
2:  cmp r0, r1
    \reverse 1b
    movs r0, #0
    bx lr
3:  movs r0, #\equal
    bx lr
    finish \name
    .endm

    comparison __aeabi_fcmplt, blt, bgt, 0
    comparison __aeabi_fcmple, ble, bge, 1
    comparison __aeabi_fcmpgt, bgt, blt, 0
    comparison __aeabi_fcmpge, bge, ble, 1
    comparison __aeabi_fcmpeq, beq, beq, 1

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
