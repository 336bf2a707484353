"""SVE2: as many lanes of 32 bits as the running machine has, under predicates. Arm C Language Extensions for SVE."""

from __future__ import annotations

from skosh.targets.simd.machine import Templates, VectorMachine

_TYPES = (("i32", "s32"), ("u32", "u32"))
_BINARY: dict[str, Templates] = {
    f"{op} {t}": (f"{name}_n_{s}_x({{p}}, {{a}}, {{b_n}})", f"{name}_{s}_x({{p}}, {{a}}, {{b}})")
    for t, s in _TYPES
    for op, name in (
        ("+", "svadd"), ("-", "svsub"), ("*", "svmul"), ("&", "svand"), ("|", "svorr"), ("^", "sveor"), ("min", "svmin"),
        ("max", "svmax"),
    )
}  # fmt: skip
_COMPARE: dict[str, Templates] = {
    f"{op} {t}": (f"svcmp{name}_n_{s}({{p}}, {{a}}, {{b_n}})", f"svcmp{name}_{s}({{p}}, {{a}}, {{b}})")
    for t, s in _TYPES
    for op, name in (("==", "eq"), ("!=", "ne"), ("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge"))
}
_SHIFTS: dict[str, Templates] = {
    f"{op} {t}": (
        f"{name}_n_{s}_x({{p}}, {{a}}, (uint32_t)({{b_n}}))",
        f"{name}_{s}_x({{p}}, {{a}}, svreinterpret_u32_s32({{b}}))",
    )
    for op, t, s, name in (
        ("<<", "i32", "s32", "svlsl"),
        ("<<", "u32", "u32", "svlsl"),
        (">>", "i32", "s32", "svasr"),
        (">>", "u32", "u32", "svlsr"),
    )
}
_MEMORY: dict[str, Templates] = {
    "load i8": "svld1sb_s32({p}, {from})",
    "load u8": "svld1ub_s32({p}, {from})",
    "load i16": "svld1sh_s32({p}, {from})",
    "load u16": "svld1uh_s32({p}, {from})",
    "load i32": "svld1_s32({p}, (const void *){from})",
    "load u32": "svld1_u32({p}, (const void *){from})",
    "store i8": "svst1b_s32({p}, {to}, {a})",
    "store u8": "svst1b_u32({p}, {to}, svreinterpret_u32_s32({a}))",
    "store i16": "svst1h_s32({p}, {to}, {a})",
    "store u16": "svst1h_u32({p}, {to}, svreinterpret_u32_s32({a}))",
    "store i32": "svst1_s32({p}, (void *){to}, {a})",
    "store u32": "svst1_u32({p}, (void *){to}, {a})",
}
_DOT_SIXTEENS = """/* Sixteen elements of x, the same for all lanes, times sixteen of each lane's own. */
static inline svint32_t {name}(svint32_t sum, const int8_t *x, svuint32_t a, svuint32_t b, svuint32_t c, svuint32_t d)
{{
    const svint8_t row = svld1rq_s8(svptrue_b8(), x);
    sum = svdot_lane_s32(sum, svreinterpret_s8_u32(a), row, 0);
    sum = svdot_lane_s32(sum, svreinterpret_s8_u32(b), row, 1);
    sum = svdot_lane_s32(sum, svreinterpret_s8_u32(c), row, 2);
    return svdot_lane_s32(sum, svreinterpret_s8_u32(d), row, 3);
}}
"""
_ROUNDED_HIGH = """/* (a b + 2^31) >> 32: the high half, and the topmost bit of the low one */
static inline svint32_t {name}(svbool_t p, svint32_t a, svint32_t b)
{{
    const svuint32_t low = svreinterpret_u32_s32(svmul_s32_x(p, a, b));
    return svadd_s32_x(p, svmulh_s32_x(p, a, b), svreinterpret_s32_u32(svlsr_n_u32_x(p, low, 31)));
}}
"""
_REQUANTIZE_BOUNDED = """/* Rounded twice; adding the sign moves ties of the second away from zero. */
static inline svint32_t {name}(svbool_t p, svint32_t x, svint32_t multiplier, svint32_t right)
{{
    const svint32_t high = svqrdmulh_s32(x, multiplier);
    return svrshl_s32_x(p, svsra_n_s32(high, high, 31), svneg_s32_x(p, right));
}}
"""
_DIVIDE = """/* x / 2^exponent, ties away from zero. */
static inline svint32_t {name}(svbool_t p, svint32_t x, svint32_t exponent)
{{
    const svint32_t right = svneg_s32_x(p, exponent);
    const svint32_t sign = svasr_n_s32_x(p, svand_s32_x(p, x, right), 31);
    return svrshl_s32_x(p, svqadd_s32(x, sign), right);
}}
"""
_REQUANTIZE = """/* Rounded twice; where nothing is shifted out, no sign may be added. */
static inline svint32_t {name}(svbool_t p, svint32_t x, svint32_t multiplier, svint32_t shift)
{{
    const svuint32_t left = svreinterpret_u32_s32(svmax_n_s32_x(p, shift, 0));
    const svint32_t right = svmin_n_s32_x(p, shift, 0);
    const svint32_t high = svqrdmulh_s32(svlsl_s32_x(p, x, left), multiplier);
    const svint32_t sign = svasr_n_s32_x(p, svand_s32_x(p, high, right), 31);
    return svrshl_s32_x(p, svqadd_s32(high, sign), right);
}}
"""

MACHINE = VectorMachine(
    name="sve",
    test="defined(__ARM_FEATURE_SVE2)",
    header="arm_sve.h",
    types={"i32": "svint32_t", "u32": "svuint32_t", "bool": "svbool_t"},
    lanes="svcntw()",
    predicate="svbool_t",
    some="svwhilelt_b32_s32({i}, {hi})",
    all="svptrue_b32()",
    spellings={
        **_BINARY,
        **_COMPARE,
        **_SHIFTS,
        **_MEMORY,
        "+ * i32": ("svmla_n_s32_x({p}, {a}, {c}, {b_n})", "svmla_s32_x({p}, {a}, {b}, {c})"),
        "set i32": "svdup_n_s32({a})",
        "set u32": "svdup_n_u32({a})",
        "set bool": "svdup_n_b32({a})",
        "index i32": "svindex_s32({a}, 1)",
        "and": "svand_b_z({p}, {a}, {b})",
        "or": "svorr_b_z({p}, {a}, {b})",
        "not": "svnot_b_z({p}, {a})",
        "- i32 1": "svneg_s32_x({p}, {a})",
        "~ i32 1": "svnot_s32_x({p}, {a})",
        "~ u32 1": "svnot_u32_x({p}, {a})",
        "select i32": "svsel_s32({mask}, {a}, {b})",
        "select u32": "svsel_u32({mask}, {a}, {b})",
        "wrap u32 i32": "svreinterpret_u32_s32({a})",
        "wrap i32 u32": "svreinterpret_s32_u32({a})",
        "dot_quads": "svdot_s32({acc}, svreinterpret_s8_u32({a}), svreinterpret_s8_u32({b}))",
        "dot_sixteens": "{sve_dot_sixteens}({acc}, {x0_run}, {w0}, {w1}, {w2}, {w3})",
        "srdhm": "svqrdmulh_s32({a}, {b})",
        "rounded_high": "{sve_rounded_high}({p}, {a}, {b})",
        "rounding_divide_by_pot": "{sve_divide_by_pot}({p}, {x}, {exponent})",
        "requantize_bounded": "{sve_requantize_bounded}({p}, {x}, {multiplier}, {right})",
        "requantize": "{sve_requantize}({p}, {x}, {multiplier}, {shift})",
    },
    helpers={
        "sve_dot_sixteens": _DOT_SIXTEENS,
        "sve_rounded_high": _ROUNDED_HIGH,
        "sve_divide_by_pot": _DIVIDE,
        "sve_requantize_bounded": _REQUANTIZE_BOUNDED,
        "sve_requantize": _REQUANTIZE,
    },
    dot=4,
)
