"""RVV 1.0: as many lanes of 32 bits as the running machine gives for what is left. RISC-V Vector C Intrinsics 1.0.

A vector is one register (LMUL 1). The predicate is the vector length that vsetvl chose.
"""

from __future__ import annotations

from skosh.targets.simd.machine import Templates, VectorMachine


def _v(name: str, form: str, t: str) -> str:
    """An intrinsic's name: ("vadd", "vv", "i32") -> "__riscv_vadd_vv_i32m1"."""
    return f"__riscv_{name}_{form}_{t}m1"


_BINARY: dict[str, Templates] = {
    f"{op} {t}": (f"{_v(name, 'vx', t)}({{a}}, {{b_n}}, {{p}})", f"{_v(name, 'vv', t)}({{a}}, {{b}}, {{p}})")
    for t, unsigned in (("i32", ""), ("u32", "u"))
    for op, name in (
        ("+", "vadd"), ("-", "vsub"), ("*", "vmul"), ("&", "vand"), ("|", "vor"), ("^", "vxor"), ("min", f"vmin{unsigned}"),
        ("max", f"vmax{unsigned}"),
    )
}  # fmt: skip
_COMPARE: dict[str, Templates] = {
    f"{op} {t}": (f"{_v(name, 'vx', t)}_b32({{a}}, {{b_n}}, {{p}})", f"{_v(name, 'vv', t)}_b32({{a}}, {{b}}, {{p}})")
    for t, u in (("i32", ""), ("u32", "u"))
    for op, name in (
        ("==", "vmseq"),
        ("!=", "vmsne"),
        ("<", f"vmslt{u}"),
        ("<=", f"vmsle{u}"),
        (">", f"vmsgt{u}"),
        (">=", f"vmsge{u}"),
    )
}
_SHIFTS: dict[str, Templates] = {
    f"{op} {t}": (
        f"{_v(name, 'vx', t)}({{a}}, (size_t)({{b_n}}), {{p}})",
        f"{_v(name, 'vv', t)}({{a}}, __riscv_vreinterpret_v_i32m1_u32m1({{b}}), {{p}})",
    )
    for op, t, name in (("<<", "i32", "vsll"), ("<<", "u32", "vsll"), (">>", "i32", "vsra"), (">>", "u32", "vsrl"))
}
_SIGNED, _UNSIGNED = "__riscv_vreinterpret_v_u32m1_i32m1", "__riscv_vreinterpret_v_i32m1_u32m1"
_HALVES = "__riscv_vncvt_x_x_w_i16mf2({a}, {p})"
_BYTES = f"__riscv_vncvt_x_x_w_i8mf4({_HALVES}, {{p}})"
_MEMORY: dict[str, Templates] = {
    "load i8": "__riscv_vsext_vf4_i32m1(__riscv_vle8_v_i8mf4({from}, {p}), {p})",
    "load u8": f"{_SIGNED}(__riscv_vzext_vf4_u32m1(__riscv_vle8_v_u8mf4({{from}}, {{p}}), {{p}}))",
    "load i16": "__riscv_vsext_vf2_i32m1(__riscv_vle16_v_i16mf2({from}, {p}), {p})",
    "load u16": f"{_SIGNED}(__riscv_vzext_vf2_u32m1(__riscv_vle16_v_u16mf2({{from}}, {{p}}), {{p}}))",
    "load i32": "__riscv_vle32_v_i32m1((const void *){from}, {p})",
    "load u32": "__riscv_vle32_v_u32m1((const void *){from}, {p})",
    "store i8": f"__riscv_vse8_v_i8mf4({{to}}, {_BYTES}, {{p}})",
    "store u8": f"__riscv_vse8_v_i8mf4((void *){{to}}, {_BYTES}, {{p}})",
    "store i16": f"__riscv_vse16_v_i16mf2({{to}}, {_HALVES}, {{p}})",
    "store u16": f"__riscv_vse16_v_i16mf2((void *){{to}}, {_HALVES}, {{p}})",
    "store i32": "__riscv_vse32_v_i32m1((void *){to}, {a}, {p})",
    "store u32": "__riscv_vse32_v_u32m1((void *){to}, {a}, {p})",
}
_ROUNDED_HIGH = """/* (a b + 2^31) >> 32: the high half, and the topmost bit of the low one */
static inline vint32m1_t {name}(vint32m1_t a, vint32m1_t b, size_t count)
{{
    const vuint32m1_t low = __riscv_vreinterpret_v_i32m1_u32m1(__riscv_vmul_vv_i32m1(a, b, count));
    const vint32m1_t carry = __riscv_vreinterpret_v_u32m1_i32m1(__riscv_vsrl_vx_u32m1(low, 31, count));
    return __riscv_vadd_vv_i32m1(__riscv_vmulh_vv_i32m1(a, b, count), carry, count);
}}
"""
_REQUANTIZE_BOUNDED = """/* Rounded twice; adding the sign moves ties of the second away from zero. */
static inline vint32m1_t {name}(vint32m1_t x, vint32m1_t multiplier, vint32m1_t right, size_t count)
{{
    const vint32m1_t high = __riscv_vsmul_vv_i32m1(x, multiplier, __RISCV_VXRM_RNU, count);
    const vint32m1_t moved = __riscv_vadd_vv_i32m1(high, __riscv_vsra_vx_i32m1(high, 31, count), count);
    return __riscv_vssra_vv_i32m1(moved, __riscv_vreinterpret_v_i32m1_u32m1(right), __RISCV_VXRM_RNU, count);
}}
"""
_DIVIDE = """/* x / 2^exponent, ties away from zero; where nothing is shifted out, no sign may be added. */
static inline vint32m1_t {name}(vint32m1_t x, vint32m1_t exponent, size_t count)
{{
    const vint32m1_t turned = __riscv_vand_vv_i32m1(x, __riscv_vneg_v_i32m1(exponent, count), count);
    const vint32m1_t moved = __riscv_vsadd_vv_i32m1(x, __riscv_vsra_vx_i32m1(turned, 31, count), count);
    return __riscv_vssra_vv_i32m1(moved, __riscv_vreinterpret_v_i32m1_u32m1(exponent), __RISCV_VXRM_RNU, count);
}}
"""

MACHINE = VectorMachine(
    name="rvv",
    test="defined(__riscv_vector)",
    header="riscv_vector.h",
    types={"i32": "vint32m1_t", "u32": "vuint32m1_t", "bool": "vbool32_t"},
    lanes="__riscv_vsetvlmax_e32m1()",
    predicate="size_t",
    some="__riscv_vsetvl_e32m1((size_t)({hi} - {i}))",
    all="__riscv_vsetvlmax_e32m1()",
    advance="(int32_t){p}",
    spellings={
        **_BINARY,
        **_COMPARE,
        **_SHIFTS,
        **_MEMORY,
        "+ * i32": ("__riscv_vmacc_vx_i32m1({a}, {b_n}, {c}, {p})", "__riscv_vmacc_vv_i32m1({a}, {b}, {c}, {p})"),
        "set i32": "__riscv_vmv_v_x_i32m1({a}, {p})",
        "set u32": "__riscv_vmv_v_x_u32m1({a}, {p})",
        "set bool": "__riscv_vmsne_vx_i32m1_b32(__riscv_vmv_v_x_i32m1({a}, {p}), 0, {p})",
        "index i32": f"__riscv_vadd_vx_i32m1({_SIGNED}(__riscv_vid_v_u32m1({{p}})), {{a}}, {{p}})",
        "and": "__riscv_vmand_mm_b32({a}, {b}, {p})",
        "or": "__riscv_vmor_mm_b32({a}, {b}, {p})",
        "not": "__riscv_vmnot_m_b32({a}, {p})",
        "- i32 1": "__riscv_vneg_v_i32m1({a}, {p})",
        "~ i32 1": "__riscv_vnot_v_i32m1({a}, {p})",
        "~ u32 1": "__riscv_vnot_v_u32m1({a}, {p})",
        "select i32": "__riscv_vmerge_vvm_i32m1({b}, {a}, {mask}, {p})",
        "select u32": "__riscv_vmerge_vvm_u32m1({b}, {a}, {mask}, {p})",
        "wrap u32 i32": f"{_UNSIGNED}({{a}})",
        "wrap i32 u32": f"{_SIGNED}({{a}})",
        "srdhm": (
            "__riscv_vsmul_vx_i32m1({a}, {b_n}, __RISCV_VXRM_RNU, {p})",
            "__riscv_vsmul_vv_i32m1({a}, {b}, __RISCV_VXRM_RNU, {p})",
        ),
        "rounded_high": "{rvv_rounded_high}({a}, {b}, {p})",
        "rounding_divide_by_pot": "{rvv_divide_by_pot}({x}, {exponent}, {p})",
        "requantize_bounded": "{rvv_requantize_bounded}({x}, {multiplier}, {right}, {p})",
    },
    helpers={
        "rvv_rounded_high": _ROUNDED_HIGH,
        "rvv_divide_by_pot": _DIVIDE,
        "rvv_requantize_bounded": _REQUANTIZE_BOUNDED,
    },
)
