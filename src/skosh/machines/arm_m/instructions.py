"""The DSP instructions of Cortex-M4, M7 and M33: two 16-bit values in a register. Each body says what the instruction means.

Arm C Language Extensions (ACLE), 32-bit SIMD intrinsics; Armv7-M Architecture Reference Manual, A7.7.
"""

from __future__ import annotations

from skosh.language import func, instr, wrap

_MACRO, _HEADER = "__ARM_FEATURE_DSP", "arm_acle.h"


@instr(c="__sxtb16((int8x4_t){x})", macro=_MACRO, header=_HEADER, asm="sxtb16 {out}, {x}")
@func
def sxtb16(x: u32) -> u32:
    """Bytes 0 and 2, sign-extended, as a pair of halfwords."""
    low = widen(wrap(i8, x))
    high = widen(wrap(i8, x >> 16))
    return (wrap(u32, low) & 65535) | (wrap(u32, high) << 16)


@instr(c="__sxtb16((int8x4_t)(({x} >> 8) | ({x} << 24)))", macro=_MACRO, header=_HEADER, asm="sxtb16 {out}, {x}, ror #8")
@func
def sxtb16_odd(x: u32) -> u32:
    """Bytes 1 and 3, sign-extended, as a pair of halfwords: SXTB16 takes its operand rotated for nothing."""
    low = widen(wrap(i8, x >> 8))
    high = widen(wrap(i8, x >> 24))
    return (wrap(u32, low) & 65535) | (wrap(u32, high) << 16)


@instr(
    c="__smlad((int16x2_t){a}, (int16x2_t){b}, {acc})",
    macro=_MACRO,
    header=_HEADER,
    asm="smlad {out}, {a}, {b}, {acc}",
)
@func
def smlad(a: u32, b: u32, acc: i32) -> i32:
    """acc + the products of both pairs of halfwords; wraps."""
    low = widen(wrap(i16, a)) * widen(wrap(i16, b))
    high = widen(wrap(i16, a >> 16)) * widen(wrap(i16, b >> 16))
    return wrap(i32, i64(acc) + i64(low) + i64(high))


@instr(asm="smmulr {out}, {a}, {b}")  # compilers find it in the body by themselves
@func
def smmulr(a: i32, b: i32) -> i32:
    """round(a * b / 2^32), ties upwards."""
    return wrap(i32, (i64(a) * i64(b) + 2147483648) >> 32)


@instr(asm="smlabb {out}, {a}, {b}, {acc}")
@func
def smlabb(a: u32, b: u32, acc: i32) -> i32:
    """acc + the product of the lower halfwords; wraps."""
    return wrap(i32, i64(acc) + i64(widen(wrap(i16, a)) * widen(wrap(i16, b))))


@instr(asm="smlabt {out}, {a}, {b}, {acc}")
@func
def smlabt(a: u32, b: u32, acc: i32) -> i32:
    """acc + the lower halfword of a times the upper one of b; wraps."""
    return wrap(i32, i64(acc) + i64(widen(wrap(i16, a)) * widen(wrap(i16, b >> 16))))


@instr(asm="smlatb {out}, {a}, {b}, {acc}")
@func
def smlatb(a: u32, b: u32, acc: i32) -> i32:
    """acc + the upper halfword of a times the lower one of b; wraps."""
    return wrap(i32, i64(acc) + i64(widen(wrap(i16, a >> 16)) * widen(wrap(i16, b))))


@instr(asm="smlatt {out}, {a}, {b}, {acc}")
@func
def smlatt(a: u32, b: u32, acc: i32) -> i32:
    """acc + the product of the upper halfwords; wraps."""
    return wrap(i32, i64(acc) + i64(widen(wrap(i16, a >> 16)) * widen(wrap(i16, b >> 16))))


@instr(asm="pkhbt {out}, {a}, {b}, lsl #16")
@func
def pkhbt(a: u32, b: u32) -> u32:
    """The lower halfword of a, and that of b above it."""
    return (a & 65535) | (b << 16)


@instr(asm="pkhtb {out}, {b}, {a}, asr #16")
@func
def pkhtb(b: u32, a: u32) -> u32:
    """The upper halfword of a, and that of b above it."""
    return (a >> 16) | (b & 4294901760)
