"""Helium, the M-profile vector extension of Armv8.1-M: four lanes of 32 bits, predicates, no floats (see cortex_m55).

Arm MVE Intrinsics, Q3 2020; Armv8-M Architecture Reference Manual, part C. What Helium has and lanes can't say, sums of 16
products of int8 in one instruction, is in ``machines/helium/sums.py``.
"""

from __future__ import annotations

from skosh.targets.simd.machine import Templates, VectorMachine

_INTEGER: dict[str, Templates] = {
    f"{op} {t}": (f"{name}_n_{s}({{a}}, {{b_n}})", f"{name}_{s}({{a}}, {{b}})")
    for t, s in (("i32", "s32"), ("u32", "u32"))
    for op, name in (("+", "vaddq"), ("-", "vsubq"), ("*", "vmulq"))
}
_BITS: dict[str, Templates] = {
    f"{op} {t}": f"{name}_{s}({{a}}, {{b}})"
    for t, s in (("i32", "s32"), ("u32", "u32"))
    for op, name in (("&", "vandq"), ("|", "vorrq"), ("^", "veorq"), ("min", "vminq"), ("max", "vmaxq"))
}
_COMPARE: dict[str, Templates] = {
    **{
        f"{op} {t}": (f"vcmp{name}q_n_{s}({{a}}, {{b_n}})", f"vcmp{name}q_{s}({{a}}, {{b}})")
        for t, s, names in (
            ("i32", "s32", {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}),
            ("u32", "u32", {"==": "eq", "!=": "ne", ">": "hi", ">=": "cs"}),
        )
        for op, name in names.items()
    },
    "< u32": "vcmphiq_u32({b}, {a})",
    "<= u32": "vcmpcsq_u32({b}, {a})",
}
# a vector shifts left by lanes, right where they are negative
_SHIFTS: dict[str, Templates] = {
    f"{op} {t}": (f"vshlq_r_{s}({{a}}, {sign}({{b_n}}))", f"vshlq_{s}({{a}}, {turned})")
    for t, s in (("i32", "s32"), ("u32", "u32"))
    for op, sign, turned in (("<<", "", "{b}"), (">>", "-", "vnegq_s32({b})"))
}
_MEMORY: dict[str, Templates] = {
    **{
        f"load {t}{whole}": f"{name}q{z}_{s}({{from}}{p})"
        for t, name, s in (
            ("i8", "vldrb", "s32"), ("u8", "vldrb", "u32"), ("i16", "vldrh", "s32"), ("u16", "vldrh", "u32"),
            ("i32", "vldrw", "s32"), ("u32", "vldrw", "u32"),
        )
        for whole, z, p in ((" whole", "", ""), ("", "_z", ", {p}"))
    },
    **{
        f"store {t}{whole}": f"{name}q{z}_{s}({{to}}, {{a}}{p})"
        for t, name, s in (
            ("i8", "vstrb", "s32"), ("i16", "vstrh", "s32"), ("i32", "vstrw", "s32"), ("u32", "vstrw", "u32"),
        )
        for whole, z, p in ((" whole", "", ""), ("", "_p", ", {p}"))
    },
}  # fmt: skip
# unsigned narrow elements are held as i32
for _key in ("load u8", "load u8 whole", "load u16", "load u16 whole"):
    _MEMORY[_key] = f"vreinterpretq_s32_u32({_MEMORY[_key]})"
for _key, _unsigned in (("store u8", "(uint8_t *)"), ("store u16", "(uint16_t *)")):
    for _whole, _z, _p in ((" whole", "", ""), ("", "_p", ", {p}")):
        _name = "vstrb" if _key == "store u8" else "vstrh"
        _MEMORY[_key + _whole] = f"{_name}q{_z}_u32({{to}}, vreinterpretq_u32_s32({{a}}){_p})"
_APART = "vmulq_n_u32(vidupq_n_u32(0, 1), (uint32_t)({apart}))"
# lanes are ``apart`` elements from each other
_SCATTER: dict[str, Templates] = {
    f"scatter {t}{whole}": f"{name}q_scatter_{place}{z}_s32({{to}}, {_APART}, {{a}}{p})"
    for t, name, place in (
        ("i8", "vstrb", "offset"),
        ("i16", "vstrh", "shifted_offset"),
        ("i32", "vstrw", "shifted_offset"),
    )
    for whole, z, p in ((" whole", "", ""), ("", "_p", ", {p}"))
}

_REQUANTIZE_BOUNDED = """/* Rounded twice; adding the sign moves ties of the second away from zero. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t multiplier, int32x4_t right)
{{
    const int32x4_t high = vqrdmulhq_s32(x, multiplier);
    return vrshlq_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), vnegq_s32(right));
}}
"""
_REQUANTIZE = """/* Rounded twice; where nothing is shifted out, no sign may be added. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t multiplier, int32x4_t shift)
{{
    const int32x4_t left = vmaxq_s32(shift, vdupq_n_s32(0));
    const int32x4_t right = vminq_s32(shift, vdupq_n_s32(0));
    const int32x4_t high = vqrdmulhq_s32(vshlq_s32(x, left), multiplier);
    return vrshlq_s32(vqaddq_s32(high, vshrq_n_s32(vandq_s32(high, right), 31)), right);
}}
"""
_DIVIDE = """/* x / 2^exponent, ties away from zero. */
static inline int32x4_t {name}(int32x4_t x, int32x4_t exponent)
{{
    const int32x4_t right = vnegq_s32(exponent);
    return vrshlq_s32(vqaddq_s32(x, vshrq_n_s32(vandq_s32(x, right), 31)), right);
}}
"""
_ONE_SHIFT = """static inline int32x4_t {name}(int32x4_t x, int32_t multiplier, int32_t right)
{{
    const int32x4_t high = vqrdmulhq_n_s32(x, multiplier);
    return vrshlq_n_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), -right);
}}
"""

_SCALE_DOWN = """static inline int32x4_t {name}(int32x4_t x, int32x4_t multiplier, int32_t right)
{{
    const int32x4_t high = vqrdmulhq_s32(x, multiplier);
    return right > 0 ? vrshlq_n_s32(vaddq_s32(high, vshrq_n_s32(high, 31)), -right) : high;
}}
"""

MACHINE = VectorMachine(
    name="helium",
    writers=("skosh.machines.helium.sums:sum_loop", "skosh.machines.helium.moves:move_loop"),
    test="defined(__ARM_FEATURE_MVE)",
    header="arm_mve.h",
    types={"i32": "int32x4_t", "u32": "uint32x4_t", "bool": "mve_pred16_t"},
    lanes="4",
    predicate="mve_pred16_t",
    some="vctp32q((uint32_t)({hi} - {i}))",
    all="(mve_pred16_t)0xffff",
    spellings={
        **_INTEGER,
        **_BITS,
        **_COMPARE,
        **_SHIFTS,
        **_MEMORY,
        **_SCATTER,
        "set i32": "vdupq_n_s32({a})",
        "set u32": "vdupq_n_u32({a})",
        "set bool": "(mve_pred16_t)(({a}) ? 0xffff : 0)",
        "index i32": "vaddq_n_s32(vreinterpretq_s32_u32(vidupq_n_u32(0, 1)), {a})",
        "and": "(mve_pred16_t)({a} & {b})",
        "or": "(mve_pred16_t)({a} | {b})",
        "not": "vpnot({a})",
        "- i32 1": "vnegq_s32({a})",
        "~ i32 1": "vmvnq_s32({a})",
        "~ u32 1": "vmvnq_u32({a})",
        "select i32": "vpselq_s32({a}, {b}, {mask})",
        "select u32": "vpselq_u32({a}, {b}, {mask})",
        "wrap u32 i32": "vreinterpretq_u32_s32({a})",
        "wrap i32 u32": "vreinterpretq_s32_u32({a})",
        "srdhm": ("vqrdmulhq_n_s32({a}, {b_n})", "vqrdmulhq_s32({a}, {b})"),
        "rounded_high": "vrmulhq_s32({a}, {b})",
        "rounding_divide_by_pot": "{helium_divide_by_pot}({x}, {exponent})",
        "requantize_bounded": (
            "{helium_requantize_one}({x}, {multiplier_n}, {right_n})",
            "{helium_requantize_bounded}({x}, {multiplier}, {right})",
        ),
        "scale_down": "{helium_scale_down}({x}, {multiplier}, {right_n})",
        "requantize": "{helium_requantize}({x}, {multiplier}, {shift})",
    },
    helpers={
        "helium_divide_by_pot": _DIVIDE,
        "helium_requantize_one": _ONE_SHIFT,
        "helium_requantize_bounded": _REQUANTIZE_BOUNDED,
        "helium_scale_down": _SCALE_DOWN,
        "helium_requantize": _REQUANTIZE,
    },
)
