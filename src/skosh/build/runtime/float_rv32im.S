/* Arithmetic of binary32 for RISC-V cores with integers only (RV32IM and more: ESP32-C3, CH32V, Hazard3).
 *
 * IEEE 754, rounded to nearest, ties to even, with subnormal numbers, infinities and NaN. The names are those that GCC and
 * Clang call by themselves, so it is enough to link this file. The symbols are weak: a second copy, or a library that
 * brings its own, does no harm.
 *
 * A significand that is worked on has its leading bit at bit 31 or 30, so at least 7 bits lie below the last one that stays.
 * Only when the lowest of these are zero does it matter what was shifted out further down: rounding asks for it then, and not
 * before. a0 and a1 are the operands, a0 is the result; a2 to a7 and t0 to t2 are free. */

    .macro function name
    .section .text.\name, "ax", @progbits
    .balign 4
    .weak \name
    .type \name, @function
\name:
    .endm

    .macro also name
    .weak \name
    .type \name, @function
\name:
    .endm

    .macro finish name
    .size \name, . - \name
    .endm

/* a + b, a - b ------------------------------------------------------------------------------------------------------ */

    function __subsf3
    lui t0, 0x80000
    xor a1, a1, t0
    also __addsf3
    slli a2, a0, 1
    srli a2, a2, 24             /* exponent of a */
    slli a3, a1, 1
    srli a3, a3, 24             /* exponent of b */
    lui t0, 0x80000
    beqz a2, .La_small
    beqz a3, .Lb_small
    sub a4, a2, a3              /* how far b lies below a */
    bgez a4, .Lordered
    neg a4, a4
    mv t1, a0
    mv a0, a1
    mv a1, t1
    mv a2, a3
.Lordered:                      /* a has the larger exponent, a2 */
    li t1, 254
    bgeu a2, t1, .Ltop
.Lfar:
    srli a7, a0, 23             /* sign and exponent */
    xor a6, a0, a1
    slli a0, a0, 8
    or a0, a0, t0
    srli a0, a0, 1              /* leading bits at bit 30 */
    slli a1, a1, 8
    or a1, a1, t0
    srli a1, a1, 1
    li t1, 31
    bgtu a4, t1, .Lclamp
.Lshift:
    srl a3, a1, a4
    bltz a6, .Ldiffer
    add a0, a0, a3
    bltz a0, .Lcarried
    andi t1, a0, 63
    beqz t1, .Lsum_exact
.Lsum_round:
    addi a7, a7, -1             /* the leading bit adds 1 to the exponent */
    slli a7, a7, 23
    addi a0, a0, 64
    srli a0, a0, 7
    add a0, a0, a7
    ret

.Lclamp:                        /* shifts count modulo 32 here; 31 leaves nothing either */
    mv a4, t1
    j .Lshift

.Lcarried:
    andi t1, a0, 1
    srli a0, a0, 1
    or a0, a0, t1
    addi a7, a7, 1
    andi t1, a0, 63
    bnez t1, .Lsum_round
.Lsum_exact:                    /* the low 6 bits are zero: was anything shifted out? */
    sll t1, a3, a4
    bne t1, a1, .Lsum_round
.Ltie:
    addi a7, a7, -1
    slli a7, a7, 23
    andi t1, a0, 64
    srli a0, a0, 7
    beqz t1, 1f
    addi a0, a0, 1
    andi a0, a0, -2             /* a tie: to even */
1:  add a0, a0, a7
    ret

.Ldiffer:
    sub a0, a0, a3
    bgez a0, 1f
    neg a0, a0                  /* equal exponents, b the larger one */
    xori a7, a7, 256
1:  slli t1, a0, 1
    bgez t1, .Lcancelled
2:  andi t1, a0, 63
    bnez t1, .Lsum_round
    sll t1, a3, a4
    beq t1, a1, .Ltie
    addi a7, a7, -1             /* something shifted out makes the difference a little less: not a tie, not up */
    slli a7, a7, 23
    srli a0, a0, 7
    add a0, a0, a7
    ret

.Lcancelled:
    beqz a0, .Lreturn           /* x - x = +0 */
    andi t1, a7, 255
    li t2, 24                   /* as many steps as there can be */
    bleu t1, t2, .Ltiny
    slli t1, a0, 1
3:  slli t1, t1, 1
    addi a7, a7, -1
    bgez t1, 3b
    srli a0, t1, 1
    j 2b
.Ltiny:
    li t2, 1
4:  beq t1, t2, .Lsubnormal
    slli a0, a0, 1
    addi a7, a7, -1
    addi t1, t1, -1
    slli a5, a0, 1
    bgez a5, 4b
    j 2b
.Lsubnormal:                    /* exact: nothing lies below the last bit */
    srli a7, a7, 8
    slli a7, a7, 31
    srli a0, a0, 7
    or a0, a0, a7
.Lreturn:
    ret

.La_small:
    slli t1, a0, 1
    bnez t1, .La_subnormal
    slli t1, a1, 1
    beqz t1, .Lzeros
    mv a0, a1                   /* 0 + b */
    ret
.Lzeros:
    and a0, a0, a1              /* -0 only of two -0 */
    ret
.La_subnormal:
    beqz a3, .Lboth_small
    mv t1, a0
    mv a0, a1
    mv a1, t1
    mv a2, a3
.Lb_small:
    slli a3, a1, 1
    beqz a3, .Lreturn           /* a + 0 */
    li t1, 64
    bgeu a2, t1, .Lreturn       /* b is less than a quarter of the last bit of a, or a is infinite or NaN */
    slli a3, a3, 8              /* b is subnormal, a is not: as if exponents went on below 1 */
    li a4, 0
5:  bltz a3, 6f
    slli a3, a3, 1
    addi a4, a4, -1
    j 5b
6:  slli a3, a3, 1
    srli a3, a3, 9
    and a1, a1, t0
    or a1, a1, a3
    sub a4, a2, a4
    j .Lfar

.Lboth_small:                   /* neither has a leading bit: their bits are whole numbers of one unit */
    xor t1, a0, a1
    slli a2, a0, 1
    slli a3, a1, 1
    bltz t1, 7f
    srli a3, a3, 1
    add a0, a0, a3
    ret
7:  bgeu a2, a3, 8f
    sub a2, a3, a2
    mv a0, a1
    j 9f
8:  sub a2, a2, a3
    beqz a2, .Lplus_zero
9:  srli a2, a2, 1
    and a0, a0, t0
    or a0, a0, a2
    ret
.Lplus_zero:
    li a0, 0
    ret

.Ltop:                          /* the larger exponent is that of infinity, or the sum may reach it */
    bne a2, t1, .Linfinite
    xor t1, a0, a1
    bltz t1, .Lfar
    li t1, 26
    bgeu a4, t1, .Lreturn       /* b is less than a quarter of the last bit of a */
    lui t1, 0x800
    sub a0, a0, t1              /* half of each, twice the sum */
    sub a1, a1, t1
    mv t2, ra                   /* left alone where signs agree */
    jal .Lfar
    mv ra, t2
    lui a5, 0x800
    add a0, a0, a5
    slli a1, a0, 1
    srli a1, a1, 24
    li a2, 255
    bne a1, a2, .Lreturn
    srli a0, a0, 23
    slli a0, a0, 23
    ret
.Linfinite:
    slli t1, a0, 9
    bnez t1, .Lnan
    slli t1, a1, 1
    srli t1, t1, 24
    li a2, 255
    bne t1, a2, .Lreturn        /* inf + finite */
    beq a0, a1, .Lreturn        /* inf + inf */
.Lnan:
    lui a0, 0x7FC00
    ret
    finish __subsf3

/* a * b ------------------------------------------------------------------------------------------------------------- */

    function __mulsf3
    srli a2, a0, 23             /* signs and exponents */
    srli a3, a1, 23
    andi a4, a2, 255
    beqz a4, .Lma_small
    andi a5, a3, 255
    beqz a5, .Lmb_small
    add a4, a4, a5
    addi a4, a4, -128           /* the sum of exponents: 128..255 is safe, anything else is looked at */
    li t1, 128
    bgeu a4, t1, .Lmother
.Lmordinary:
    add a2, a2, a3
    lui t0, 0x80000
    slli a0, a0, 8
    or a0, a0, t0
    slli a1, a1, 8
    or a1, a1, t0
    mulhu a3, a0, a1            /* leading bit at bit 31 or 30 */
    bltz a3, .Lmtwo
    addi a2, a2, -128
    andi t1, a3, 63
    beqz t1, .Lmexact
    slli a2, a2, 23
    addi a3, a3, 64
    srli a3, a3, 7
    add a0, a3, a2
    ret
.Lmtwo:                         /* significands multiply to 2 or more */
    addi a2, a2, -127
    andi t1, a3, 127
    beqz t1, .Lmtwo_exact
    slli a2, a2, 23
    srli a3, a3, 7
    addi a3, a3, 1
    srli a3, a3, 1
    add a0, a3, a2
    ret
.Lmtwo_exact:
    srli a3, a3, 1
.Lmexact:
    slli a2, a2, 23
    mul a1, a0, a1              /* what lies below */
    andi t1, a3, 64
    srli a3, a3, 7
    beqz t1, 1f
    addi a3, a3, 1
    bnez a1, 1f
    andi a3, a3, -2             /* a tie: to even */
1:  add a0, a3, a2
    ret

.Lmother:
    li t1, 255
    beq a5, t1, .Lmslow
    andi a5, a2, 255
    beq a5, t1, .Lmslow
    li t1, 253
    bltu a4, t1, .Lmordinary    /* far enough from infinity */
    j .Lmslow

.Lma_small:
    slli t1, a0, 1
    bnez t1, .Lmslow
    andi a3, a3, 255
    li t1, 255
    beq a3, t1, .Lmslow
.Lmzero:
    xor a0, a0, a1
    srli a0, a0, 31
    slli a0, a0, 31
    ret
.Lmb_small:
    slli t1, a1, 1
    bnez t1, .Lmslow
    li t1, 255
    bne a4, t1, .Lmzero

.Lmslow:
    xor a7, a0, a1
    srli a7, a7, 31
    slli a7, a7, 31             /* the sign */
    lui t0, 0xFF000
    slli a0, a0, 1
    slli a1, a1, 1
    bgtu a0, t0, .Lmnan
    bgtu a1, t0, .Lmnan
    beqz a0, .Lma_zero
    beqz a1, .Lmb_zero
    beq a0, t0, .Lminfinite
    beq a1, t0, .Lminfinite
    mv t2, ra
    jal skosh_float_split
    mv a4, a0
    mv a5, a2
    mv a0, a1
    jal skosh_float_split
    mv ra, t2
    add a2, a2, a5
    addi a2, a2, -126
    mul a1, a0, a4
    mulhu a0, a0, a4
    bltz a0, 1f
    srli t1, a1, 31
    slli a0, a0, 1
    or a0, a0, t1
    slli a1, a1, 1
    addi a2, a2, -1
1:  snez a1, a1
    or a0, a0, a1
    j skosh_float_round
.Lma_zero:                      /* 0 * inf is NaN */
    beq a1, t0, .Lmnan
    mv a0, a7
    ret
.Lmb_zero:
    beq a0, t0, .Lmnan
    mv a0, a7
    ret
.Lminfinite:
    srli a0, t0, 1
    or a0, a0, a7
    ret
.Lmnan:
    lui a0, 0x7FC00
    ret
    finish __mulsf3

/* a / b ------------------------------------------------------------------------------------------------------------- */

    function __divsf3
    xor a7, a0, a1
    srli a7, a7, 31
    slli a7, a7, 31             /* the sign */
    lui t0, 0xFF000
    slli a0, a0, 1
    slli a1, a1, 1
    bgeu a0, t0, .Lda_infinite
    bgeu a1, t0, .Ldb_infinite
    beqz a1, .Ldby_zero
    beqz a0, .Ldzero
    mv t2, ra
    jal skosh_float_split
    srli a4, a0, 8              /* dividend */
    mv a5, a2
    mv a0, a1
    jal skosh_float_split
    srli a1, a0, 8              /* divisor */
    mv ra, t2
    sub a2, a5, a2
    addi a2, a2, 127
    bgeu a4, a1, 1f
    slli a4, a4, 1
    addi a2, a2, -1
1:  slli a4, a4, 7              /* the quotient, 8 bits at a time: the first is 1 */
    divu a0, a4, a1
    remu a4, a4, a1
    .rept 2
    slli a4, a4, 8
    divu t1, a4, a1
    remu a4, a4, a1
    slli a0, a0, 8
    or a0, a0, t1
    .endr
    slli a4, a4, 2              /* and two more to round by */
    divu t1, a4, a1
    remu a4, a4, a1
    slli a0, a0, 2
    or a0, a0, t1
    slli a0, a0, 6
    snez a4, a4
    or a0, a0, a4
    j skosh_float_round
.Lda_infinite:                  /* NaN, inf / NaN, inf / inf */
    bne a0, t0, .Ldnan
    bgeu a1, t0, .Ldnan
.Ldinfinite:
    srli a0, t0, 1
    or a0, a0, a7
    ret
.Ldb_infinite:
    bne a1, t0, .Ldnan
.Ldzero:
    mv a0, a7
    ret
.Ldby_zero:
    bnez a0, .Ldinfinite
.Ldnan:
    lui a0, 0x7FC00
    ret
    finish __divsf3

/* a0: twice the bits of a finite number other than 0, without its sign. a0, a2: its significand with the leading bit at bit
 * 31, its exponent, below 1 for a subnormal number. Leaves all but t1. */
    .section .text.skosh_float_split, "ax", @progbits
    .balign 4
    .type skosh_float_split, @function
skosh_float_split:
    srli a2, a0, 24
    slli a0, a0, 7
    beqz a2, 1f
    lui t1, 0x80000
    or a0, a0, t1
    ret
1:  li a2, 1
2:  addi a2, a2, -1
    slli a0, a0, 1
    bgez a0, 2b
    ret
    finish skosh_float_split

/* a0: a significand with the leading bit at bit 31; bit 0 says too whether anything lies below it. a2: its exponent, any
 * number; a7: its sign. a0: the float that it rounds to, a subnormal one or infinity where the exponent is beyond. */
    .section .text.skosh_float_round, "ax", @progbits
    .balign 4
    .type skosh_float_round, @function
skosh_float_round:
    li t1, 254
    bgt a2, t1, 3f
    bgtz a2, 1f
    li t1, 1                    /* subnormal: as many bits fewer */
    sub t1, t1, a2
    li a2, 31
    bleu t1, a2, 0f
    mv t1, a2
0:  srl a1, a0, t1
    sll a2, a1, t1
    xor a2, a2, a0
    snez a2, a2
    or a0, a1, a2
    li a2, 1
1:  addi a2, a2, -1
    slli a2, a2, 23
    or a2, a2, a7
    andi t1, a0, 127
    andi a1, a0, 128
    srli a0, a0, 8
    beqz a1, 2f
    addi a0, a0, 1
    bnez t1, 2f
    andi a0, a0, -2             /* a tie: to even */
2:  add a0, a0, a2
    ret
3:  lui a0, 0x7F800
    or a0, a0, a7
    ret
    finish skosh_float_round

/* Comparisons: less than, equal to or greater than 0 as a is to b. Where one is NaN: 1 for those that ask whether the answer
 * is less or equal, -1 for those that ask whether it is greater. As integers, floats of which one is positive compare as
 * they are, and two negative ones the other way round. ---------------------------------------------------------------- */

    .macro compared unordered
    lui t0, 0xFF000
    slli a2, a0, 1
    bgtu a2, t0, 2f
    slli a3, a1, 1
    bgtu a3, t0, 2f
    or a2, a2, a3
    beqz a2, 3f                 /* both are zeros */
    and a4, a0, a1
    slt a2, a0, a1
    slt a3, a1, a0
    bltz a4, 1f
    sub a0, a3, a2
    ret
1:  sub a0, a2, a3
    ret
2:  li a0, \unordered
    ret
3:  li a0, 0
    ret
    .endm

    function __ltsf2
    also __lesf2
    also __eqsf2
    also __nesf2
    compared 1
    finish __ltsf2

    function __gtsf2
    also __gesf2
    compared -1
    finish __gtsf2

    function __unordsf2
    lui t0, 0xFF000
    slli a0, a0, 1
    slli a1, a1, 1
    sltu a0, t0, a0
    sltu a1, t0, a1
    or a0, a0, a1
    ret
    finish __unordsf2

/* Integers to floats ------------------------------------------------------------------------------------------------- */

    function __floatsisf
    srai a3, a0, 31
    xor a0, a0, a3
    sub a0, a0, a3              /* the magnitude */
    slli a3, a3, 31
    j .Lfloat
    also __floatunsisf
    li a3, 0
.Lfloat:                        /* a0 with the sign a3 */
    beqz a0, 6f
    li a2, 157                  /* exponent of 2^31, less 1: the leading bit adds it */
    srli t1, a0, 16
    bnez t1, 1f
    slli a0, a0, 16
    addi a2, a2, -16
1:  srli t1, a0, 24
    bnez t1, 2f
    slli a0, a0, 8
    addi a2, a2, -8
2:  srli t1, a0, 28
    bnez t1, 3f
    slli a0, a0, 4
    addi a2, a2, -4
3:  bltz a0, 5f
4:  slli a0, a0, 1
    addi a2, a2, -1
    bgez a0, 4b
5:  slli a2, a2, 23
    or a2, a2, a3
    andi t1, a0, 127
    andi a1, a0, 128
    srli a0, a0, 8
    beqz a1, 7f
    addi a0, a0, 1
    bnez t1, 7f
    andi a0, a0, -2             /* a tie: to even */
7:  add a0, a0, a2
6:  ret
    finish __floatsisf

/* Floats to integers, towards zero; the nearest integer where there is none so large, 0 for NaN ----------------------- */

    function __fixsfsi
    slli a1, a0, 1
    srli a2, a1, 24
    addi a2, a2, -127
    bltz a2, 1f
    li a3, 31
    sub a3, a3, a2
    blez a3, 2f
    srai a4, a0, 31
    slli a1, a1, 7
    lui t0, 0x80000
    or a1, a1, t0
    srl a1, a1, a3
    xor a1, a1, a4
    sub a0, a1, a4
    ret
1:  li a0, 0
    ret
2:  lui t0, 0xFF000             /* 2^31 and more, -2^31 and less, NaN */
    bgtu a1, t0, 1b
    srai a0, a0, 31
    lui t0, 0x80000
    addi t0, t0, -1
    xor a0, a0, t0
    ret
    finish __fixsfsi

    function __fixunssfsi
    bltz a0, 1f
    slli a1, a0, 1
    srli a2, a1, 24
    addi a2, a2, -127
    bltz a2, 1f
    li a3, 31
    sub a3, a3, a2
    bltz a3, 2f
    slli a0, a0, 8
    lui t0, 0x80000
    or a0, a0, t0
    srl a0, a0, a3
    ret
1:  li a0, 0
    ret
2:  lui t0, 0xFF000
    bgtu a1, t0, 1b
    li a0, -1
    ret
    finish __fixunssfsi
