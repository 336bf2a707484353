"""NEON with dot products (Armv8.2-A): four lanes of 32 bits. Arm C Language Extensions, "Advanced SIMD intrinsics"."""

from __future__ import annotations

from skosh.targets.simd.machine import Templates, VectorMachine

_TYPES = (("i32", "s32"), ("u32", "u32"))
_BINARY: dict[str, Templates] = {
    f"{op} {t}": f"{name}_{s}({{a}}, {{b}})"
    for t, s in _TYPES
    for op, name in (
        ("+", "vaddq"), ("-", "vsubq"), ("*", "vmulq"), ("&", "vandq"), ("|", "vorrq"), ("^", "veorq"), ("min", "vminq"),
        ("max", "vmaxq"), ("==", "vceqq"), ("<", "vcltq"), ("<=", "vcleq"), (">", "vcgtq"), (">=", "vcgeq"),
    )
}  # fmt: skip
# a vector shifts left by lanes, right where they are negative
_SHIFTS: dict[str, Templates] = {
    **{f"<< {t}": f"vshlq_{s}({{a}}, {{b}})" for t, s in _TYPES},
    **{f">> {t}": f"vshlq_{s}({{a}}, vnegq_s32({{b}}))" for t, s in _TYPES},
}
_LOAD_BYTES = """/* Four bytes, in the low half. */
static inline int8x8_t {name}(const void *from)
{{
    int32_t word;
    memcpy(&word, from, sizeof word);
    return vreinterpret_s8_s32(vdup_n_s32(word));
}}
"""
_STORE_BYTES = """/* The low byte of each lane. */
static inline void {name}(void *to, int32x4_t x)
{{
    const int16x4_t halves = vmovn_s32(x);
    const int32_t word = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(halves, halves))), 0);
    memcpy(to, &word, sizeof word);
}}
"""
_DOT_SIXTEENS = """/* Sixteen elements of x, the same for all lanes, times sixteen of each lane's own. */
static inline int32x4_t {name}(int32x4_t sum, const int8_t *x, uint32x4_t a, uint32x4_t b, uint32x4_t c, uint32x4_t d)
{{
    const int8x16_t row = vld1q_s8(x);
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u32(a), row, 0);
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u32(b), row, 1);
    sum = vdotq_laneq_s32(sum, vreinterpretq_s8_u32(c), row, 2);
    return vdotq_laneq_s32(sum, vreinterpretq_s8_u32(d), row, 3);
}}
"""
_ROUNDED_HIGH = """/* (a b + 2^31) >> 32 */
static inline int32x4_t {name}(int32x4_t a, int32x4_t b)
{{
    const int64x2_t low = vmull_s32(vget_low_s32(a), vget_low_s32(b));
    return vcombine_s32(vrshrn_n_s64(low, 32), vrshrn_n_s64(vmull_high_s32(a, b), 32));
}}
"""
_REQUANTIZE_BOUNDED = """/* Rounded twice; adding the sign moves ties of the second away from zero. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t multiplier, int32x4_t right)
{{
    const int32x4_t high = vqrdmulhq_s32(x, multiplier);
    return vrshlq_s32(vsraq_n_s32(high, high, 31), vnegq_s32(right));
}}
"""
_DIVIDE = """/* x / 2^exponent, ties away from zero. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t exponent)
{{
    const int32x4_t right = vnegq_s32(exponent);
    return vrshlq_s32(vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31)), right);
}}
"""
_REQUANTIZE = """/* Rounded twice; where nothing is shifted out, no sign may be added. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{{
    const int32x4_t right = vminq_s32(shift, vdupq_n_s32(0));
    const int32x4_t high = vqrdmulhq_s32(vshlq_s32(x, vmaxq_s32(shift, vdupq_n_s32(0))), multiplier);
    return vrshlq_s32(vqaddq_s32(high, vshrq_n_s32(vandq_s32(high, right), 31)), right);
}}
"""

MACHINE = VectorMachine(
    name="neon",
    test="defined(__ARM_FEATURE_DOTPROD)",
    header="arm_neon.h",
    types={"i32": "int32x4_t", "u32": "uint32x4_t", "bool": "uint32x4_t"},
    lanes="4",
    spellings={
        **_BINARY,
        **_SHIFTS,
        "+ * i32": "vmlaq_s32({a}, {b}, {c})",
        "!= i32": "vmvnq_u32(vceqq_s32({a}, {b}))",
        "!= u32": "vmvnq_u32(vceqq_u32({a}, {b}))",
        "set i32": "vdupq_n_s32({a})",
        "set u32": "vdupq_n_u32({a})",
        "set bool": "vdupq_n_u32(({a}) ? UINT32_MAX : 0)",
        "index i32": "vaddq_s32(vdupq_n_s32({a}), (const int32x4_t){{0, 1, 2, 3}})",
        "and": "vandq_u32({a}, {b})",
        "or": "vorrq_u32({a}, {b})",
        "not": "vmvnq_u32({a})",
        "- i32 1": "vnegq_s32({a})",
        "~ i32 1": "vmvnq_s32({a})",
        "~ u32 1": "vmvnq_u32({a})",
        "select i32": "vbslq_s32({mask}, {a}, {b})",
        "select u32": "vbslq_u32({mask}, {a}, {b})",
        "wrap u32 i32": "vreinterpretq_u32_s32({a})",
        "wrap i32 u32": "vreinterpretq_s32_u32({a})",
        "load i8": "vmovl_s16(vget_low_s16(vmovl_s8({neon_load_bytes}({from}))))",
        "load u8": "vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_s8({neon_load_bytes}({from}))))))",
        "load i16": "vmovl_s16(vld1_s16({from}))",
        "load u16": "vreinterpretq_s32_u32(vmovl_u16(vld1_u16({from})))",
        "load i32": "vld1q_s32((const void *){from})",
        "load u32": "vld1q_u32((const void *){from})",
        "store i8": "{neon_store_bytes}({to}, {a})",
        "store u8": "{neon_store_bytes}({to}, {a})",
        "store i16": "vst1_s16({to}, vmovn_s32({a}))",
        "store u16": "vst1_u16({to}, vreinterpret_u16_s16(vmovn_s32({a})))",
        "store i32": "vst1q_s32((void *){to}, {a})",
        "store u32": "vst1q_u32((void *){to}, {a})",
        "dot_quads": "vdotq_s32({acc}, vreinterpretq_s8_u32({a}), vreinterpretq_s8_u32({b}))",
        "dot_sixteens": "{neon_dot_sixteens}({acc}, {x0_run}, {w0}, {w1}, {w2}, {w3})",
        "srdhm": "vqrdmulhq_s32({a}, {b})",
        "rounded_high": "{neon_rounded_high}({a}, {b})",
        "rounding_divide_by_pot": "{neon_divide_by_pot}({x}, {exponent})",
        "requantize_bounded": "{neon_requantize_bounded}({x}, {multiplier}, {right})",
        "requantize": "{neon_requantize}({x}, {multiplier}, {shift})",
    },
    helpers={
        "neon_dot_sixteens": _DOT_SIXTEENS,
        "neon_load_bytes": _LOAD_BYTES,
        "neon_store_bytes": _STORE_BYTES,
        "neon_rounded_high": _ROUNDED_HIGH,
        "neon_divide_by_pot": _DIVIDE,
        "neon_requantize_bounded": _REQUANTIZE_BOUNDED,
        "neon_requantize": _REQUANTIZE,
    },
    dot=4,
)
