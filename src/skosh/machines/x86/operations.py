"""What SSE4.1 and AVX2 have in common: the same instructions on 128 and 256 bits. Intel Intrinsics Guide.

``{v}`` stands for the prefix of the intrinsics (_mm, _mm256), ``{si}`` for the suffix of whole registers, ``{t}`` for the
machine's name.
"""

from __future__ import annotations

OPERATIONS = {
    "set i32": "{v}_set1_epi32({{a}})",
    "set u32": "{v}_set1_epi32((int32_t){{a}})",
    "set f32": "{v}_set1_ps({{a}})",
    "set bool": "{v}_set1_epi32(-(int32_t)({{a}}))",
    **{f"{op} {t}": f"{{v}}_{name}({{{{a}}}}, {{{{b}}}})" for op, t, name in (
        ("+", "i32", "add_epi32"), ("+", "u32", "add_epi32"), ("-", "i32", "sub_epi32"), ("-", "u32", "sub_epi32"),
        ("*", "i32", "mullo_epi32"), ("*", "u32", "mullo_epi32"),
        ("min", "i32", "min_epi32"), ("max", "i32", "max_epi32"), ("min", "u32", "min_epu32"), ("max", "u32", "max_epu32"),
        ("==", "i32", "cmpeq_epi32"), ("==", "u32", "cmpeq_epi32"), (">", "i32", "cmpgt_epi32"),
        ("+", "f32", "add_ps"), ("-", "f32", "sub_ps"), ("*", "f32", "mul_ps"), ("/", "f32", "div_ps"),
        ("min", "f32", "min_ps"), ("max", "f32", "max_ps"),
    )},
    "< i32": "{v}_cmpgt_epi32({{b}}, {{a}})",
    "<= i32": "{{{t}_not}}({v}_cmpgt_epi32({{a}}, {{b}}))",
    ">= i32": "{{{t}_not}}({v}_cmpgt_epi32({{b}}, {{a}}))",
    "!= i32": "{{{t}_not}}({v}_cmpeq_epi32({{a}}, {{b}}))",
    "!= u32": "{{{t}_not}}({v}_cmpeq_epi32({{a}}, {{b}}))",
    "- i32 1": "{v}_sub_epi32({v}_setzero_{si}(), {{a}})",
    "~ i32 1": "{{{t}_not}}({{a}})",
    "~ u32 1": "{{{t}_not}}({{a}})",
    "- f32 1": "{v}_xor_ps({v}_set1_ps(-0.0f), {{a}})",
    "sqrt f32 1": "{v}_sqrt_ps({{a}})",
    **{f"{op} {t}": f"{{v}}_{name}_{{si}}({{{{a}}}}, {{{{b}}}})" for op, name in (("&", "and"), ("|", "or"), ("^", "xor"))
       for t in ("i32", "u32")},
    "and": "{v}_and_{si}({{a}}, {{b}})",
    "or": "{v}_or_{si}({{a}}, {{b}})",
    "not": "{{{t}_not}}({{a}})",
    "select i32": "{v}_blendv_epi8({{b}}, {{a}}, {{mask}})",
    "select u32": "{v}_blendv_epi8({{b}}, {{a}}, {{mask}})",
    "select f32": "{v}_blendv_ps({{b}}, {{a}}, {v}_cast{si}_ps({{mask}}))",
    "<< i32": "{v}_slli_epi32({{a}}, {{b_n}})",
    "<< u32": "{v}_slli_epi32({{a}}, {{b_n}})",
    ">> i32": "{v}_srai_epi32({{a}}, {{b_n}})",
    ">> u32": "{v}_srli_epi32({{a}}, {{b_n}})",
    "convert f32 i32": "{v}_cvtepi32_ps({{a}})",
    "convert i32 f32": "{v}_cvttps_epi32({{a}})",
    "bits i32 f32": "{v}_castps_{si}({{a}})",
    "bits f32 i32": "{v}_cast{si}_ps({{a}})",
    "load i32": "{v}_loadu_{si}((const void *){{from}})",
    "load u32": "{v}_loadu_{si}((const void *){{from}})",
    "load f32": "{v}_loadu_ps({{from}})",
    "store i32": "{v}_storeu_{si}((void *){{to}}, {{a}})",
    "store u32": "{v}_storeu_{si}((void *){{to}}, {{a}})",
    "store f32": "{v}_storeu_ps({{to}}, {{a}})",
    "dot_pairs": "{v}_add_epi32({{acc}}, {v}_madd_epi16({{a}}, {{b}}))",
    "halfwords": "{v}_blend_epi16({{low}}, {v}_slli_epi32({{high}}, 16), 0xaa)",
    "even_bytes": "{v}_srai_epi16({v}_slli_epi16({{x}}, 8), 8)",
    "odd_bytes": "{v}_srai_epi16({{x}}, 8)",
    "// i32": "{{{t}_divide}}({{a}}, {{b}})",
    "rounded_high": "{{{t}_rounded_high}}({{a}}, {{b}})",
    "rounded_high_plus": "{{{t}_rounded_high_plus}}({{a}}, {{b}}, {{c}})",
    "srdhm": "{{{t}_srdhm}}({{a}}, {{b}})",
    "store i8 clamped": "{{{t}_store_clamped}}({{to}}, {{a}}, {{lo_n}}, {{hi_n}})",
    "store i8 clamped 2": "{{{t}_store_clamped_2}}({{to}}, {{a}}, {{b}}, {{lo_n}}, {{hi_n}})",
    "store i8 clamped apart": "{{{t}_store_clamped_apart}}({{to}}, {{to_2}}, {{a}}, {{b}}, {{lo_n}}, {{hi_n}})",
}  # fmt: skip

HELPERS = {
    "{t}_not": """static inline {T} {{name}}({T} a)
{{{{
    return {v}_xor_{si}(a, {v}_set1_epi32(-1));
}}}}
""",
    "{t}_rounded_high": """/* (a b + 2^31) >> 32 */
static inline {T} {{name}}({T} a, {T} b)
{{{{
    const {T} half = {v}_set1_epi64x(INT64_C(2147483648));
    const {T} even = {v}_add_epi64({v}_mul_epi32(a, b), half);
    const {T} odd = {v}_add_epi64({v}_mul_epi32({v}_srli_epi64(a, 32), {v}_srli_epi64(b, 32)), half);
    return {v}_blend_epi16({v}_srli_epi64(even, 32), odd, 0xcc);
}}}}
""",
    "{t}_rounded_high_plus": """/* ((a b + 2^31) >> 32) + c */
static inline {T} {{name}}({T} a, {T} b, {T} c)
{{{{
    const {T} half = {v}_set1_epi32(INT32_MIN);
    const {T} c_even = {v}_blend_epi16(half, {v}_slli_epi64(c, 32), 0xcc);
    const {T} c_odd = {v}_blend_epi16(half, c, 0xcc);
    const {T} even = {v}_add_epi64({v}_mul_epi32(a, b), c_even);
    const {T} odd = {v}_add_epi64({v}_mul_epi32({v}_srli_epi64(a, 32), {v}_srli_epi64(b, 32)), c_odd);
    return {v}_blend_epi16({v}_srli_epi64(even, 32), odd, 0xcc);
}}}}
""",
    "{t}_srdhm": """/* (a b + 2^30) >> 31 */
static inline {T} {{name}}({T} a, {T} b)
{{{{
    const {T} half = {v}_set1_epi64x(INT64_C(1073741824));
    const {T} even = {v}_add_epi64({v}_mul_epi32(a, b), half);
    const {T} odd = {v}_add_epi64({v}_mul_epi32({v}_srli_epi64(a, 32), {v}_srli_epi64(b, 32)), half);
    return {v}_blend_epi16({v}_srli_epi64(even, 31), {v}_slli_epi64(odd, 1), 0xcc);
}}}}
""",
}


def operations(name: str, prefix: str, suffix: str) -> dict[str, str]:
    """OPERATIONS for a machine: ("avx2", "_mm256", "si256")."""
    return {key: text.format(v=prefix, si=suffix, t=name) for key, text in OPERATIONS.items()}


def helpers(name: str, prefix: str, suffix: str, register: str) -> dict[str, str]:
    """HELPERS for a machine; ``register`` is its C type."""
    return {key.format(t=name): text.format(v=prefix, si=suffix, t=name, T=register) for key, text in HELPERS.items()}
