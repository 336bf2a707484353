"""AVX-512 (F, BW, VL, VNNI): sixteen lanes of 32 bits, predicates, and VNNI's dot products (Ice Lake, Zen 4 and later)."""

from __future__ import annotations

from skosh.targets.simd.machine import VectorMachine

_ARITHMETIC = {
    f"{op} {t}": f"_mm512_{name}({{a}}, {{b}})"
    for op, t, name in (
        ("+", "i32", "add_epi32"), ("+", "u32", "add_epi32"), ("-", "i32", "sub_epi32"), ("-", "u32", "sub_epi32"),
        ("*", "i32", "mullo_epi32"), ("*", "u32", "mullo_epi32"),
        ("min", "i32", "min_epi32"), ("max", "i32", "max_epi32"), ("min", "u32", "min_epu32"), ("max", "u32", "max_epu32"),
        ("&", "i32", "and_si512"), ("&", "u32", "and_si512"), ("|", "i32", "or_si512"), ("|", "u32", "or_si512"),
        ("^", "i32", "xor_si512"), ("^", "u32", "xor_si512"),
        ("+", "f32", "add_ps"), ("-", "f32", "sub_ps"), ("*", "f32", "mul_ps"), ("/", "f32", "div_ps"),
        ("min", "f32", "min_ps"), ("max", "f32", "max_ps"),
    )
}  # fmt: skip
_COMPARE = {
    **{
        f"{op} {t}": f"_mm512_cmp{name}_{s}_mask({{a}}, {{b}})"
        for op, name in (("==", "eq"), ("!=", "neq"), ("<", "lt"), ("<=", "le"), (">", "gt"), (">=", "ge"))
        for t, s in (("i32", "epi32"), ("u32", "epu32"))
    },
    **{
        f"{op} f32": f"_mm512_cmp_ps_mask({{a}}, {{b}}, _CMP_{name})"
        for op, name in (
            ("==", "EQ_OQ"),
            ("!=", "NEQ_UQ"),
            ("<", "LT_OQ"),
            ("<=", "LE_OQ"),
            (">", "GT_OQ"),
            (">=", "GE_OQ"),
        )
    },
}
_SHIFTS = {
    f"{op} {t}": (f"_mm512_{name}i_epi32({{a}}, (unsigned){{b_n}})", f"_mm512_{name}v_epi32({{a}}, {{b}})")
    for op, t, name in (("<<", "i32", "sll"), ("<<", "u32", "sll"), (">>", "i32", "sra"), (">>", "u32", "srl"))
}
_DIVIDE = """/* a / b toward zero: doubles hold both, and round no quotient to an integer that it isn't. */
static inline __m512i {name}(__m512i a, __m512i b)
{{
    const __m512d a_low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(a));
    const __m512d b_low = _mm512_cvtepi32_pd(_mm512_castsi512_si256(b));
    const __m512d a_high = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(a, 1));
    const __m512d b_high = _mm512_cvtepi32_pd(_mm512_extracti64x4_epi64(b, 1));
    const __m512i low = _mm512_castsi256_si512(_mm512_cvttpd_epi32(_mm512_div_pd(a_low, b_low)));
    return _mm512_inserti64x4(low, _mm512_cvttpd_epi32(_mm512_div_pd(a_high, b_high)), 1);
}}
"""
_ROUNDED_HIGH = """/* (a b + 2^31) >> 32 */
static inline __m512i {name}(__m512i a, __m512i b)
{{
    const __m512i half = _mm512_set1_epi64(INT64_C(2147483648));
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), half);
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}}
"""
_ROUNDED_HIGH_PLUS = """/* ((a b + 2^31) >> 32) + c */
static inline __m512i {name}(__m512i a, __m512i b, __m512i c)
{{
    const __m512i half = _mm512_set1_epi32(INT32_MIN);
    const __m512i c_even = _mm512_mask_blend_epi32(0xaaaa, half, _mm512_slli_epi64(c, 32));
    const __m512i c_odd = _mm512_mask_blend_epi32(0xaaaa, half, c);
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), c_even);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), c_odd);
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd);
}}
"""
_SRDHM = """/* (a b + 2^30) >> 31 */
static inline __m512i {name}(__m512i a, __m512i b)
{{
    const __m512i half = _mm512_set1_epi64(INT64_C(1073741824));
    const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(a, b), half);
    const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32)), half);
    return _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
}}
"""

MACHINE = VectorMachine(
    name="avx512",
    test="defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512VNNI__)",
    header="immintrin.h",
    types={"i32": "__m512i", "u32": "__m512i", "f32": "__m512", "bool": "__mmask16"},
    lanes="16",
    predicate="__mmask16",
    some="(__mmask16)((1u << ({hi} - {i})) - 1u)",
    all="(__mmask16)0xffff",
    spellings={
        **_ARITHMETIC,
        **_COMPARE,
        **_SHIFTS,
        "set i32": "_mm512_set1_epi32({a})",
        "set u32": "_mm512_set1_epi32((int32_t){a})",
        "set f32": "_mm512_set1_ps({a})",
        "set bool": "(__mmask16)(({a}) ? 0xffff : 0)",
        "index i32": "_mm512_add_epi32(_mm512_set1_epi32({a}), "
        "_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))",
        "and": "(__mmask16)({a} & {b})",
        "or": "(__mmask16)({a} | {b})",
        "not": "(__mmask16)~{a}",
        "- i32 1": "_mm512_sub_epi32(_mm512_setzero_si512(), {a})",
        "~ i32 1": "_mm512_xor_si512({a}, _mm512_set1_epi32(-1))",
        "~ u32 1": "_mm512_xor_si512({a}, _mm512_set1_epi32(-1))",
        "- f32 1": "_mm512_castsi512_ps(_mm512_xor_si512(_mm512_set1_epi32(INT32_MIN), _mm512_castps_si512({a})))",
        "sqrt f32 1": "_mm512_sqrt_ps({a})",
        "select i32": "_mm512_mask_blend_epi32({mask}, {b}, {a})",
        "select u32": "_mm512_mask_blend_epi32({mask}, {b}, {a})",
        "select f32": "_mm512_mask_blend_ps({mask}, {b}, {a})",
        "convert f32 i32": "_mm512_cvtepi32_ps({a})",
        "convert i32 f32": "_mm512_cvttps_epi32({a})",
        "bits i32 f32": "_mm512_castps_si512({a})",
        "bits f32 i32": "_mm512_castsi512_ps({a})",
        "load i8": "_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8({p}, (const void *){from}))",
        "load i8 pairs": "_mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi16({p}, (const void *){from}))",
        "load u8": "_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8({p}, (const void *){from}))",
        "load i16": "_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16({p}, (const void *){from}))",
        "load u16": "_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16({p}, (const void *){from}))",
        "load i32": "_mm512_maskz_loadu_epi32({p}, (const void *){from})",
        "load u32": "_mm512_maskz_loadu_epi32({p}, (const void *){from})",
        "load f32": "_mm512_maskz_loadu_ps({p}, {from})",
        "store i8": "_mm512_mask_cvtepi32_storeu_epi8((void *){to}, {p}, {a})",
        "store u8": "_mm512_mask_cvtepi32_storeu_epi8((void *){to}, {p}, {a})",
        "store i16": "_mm512_mask_cvtepi32_storeu_epi16((void *){to}, {p}, {a})",
        "store u16": "_mm512_mask_cvtepi32_storeu_epi16((void *){to}, {p}, {a})",
        "store i32": "_mm512_mask_storeu_epi32((void *){to}, {p}, {a})",
        "store u32": "_mm512_mask_storeu_epi32((void *){to}, {p}, {a})",
        "store f32": "_mm512_mask_storeu_ps({to}, {p}, {a})",
        "dot_pairs": "_mm512_dpwssd_epi32({acc}, {a}, {b})",
        "halfwords": "_mm512_mask_blend_epi16(0xaaaaaaaau, {low}, _mm512_slli_epi32({high}, 16))",
        "even_bytes": "_mm512_srai_epi16(_mm512_slli_epi16({x}, 8), 8)",
        "odd_bytes": "_mm512_srai_epi16({x}, 8)",
        "// i32": "{avx512_divide}({a}, {b})",
        "rounded_high": "{avx512_rounded_high}({a}, {b})",
        "rounded_high_plus": "{avx512_rounded_high_plus}({a}, {b}, {c})",
        "srdhm": "{avx512_srdhm}({a}, {b})",
    },
    helpers={
        "avx512_divide": _DIVIDE,
        "avx512_rounded_high": _ROUNDED_HIGH,
        "avx512_rounded_high_plus": _ROUNDED_HIGH_PLUS,
        "avx512_srdhm": _SRDHM,
    },
    dot=2,
)
