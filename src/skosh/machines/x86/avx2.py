"""AVX2: eight lanes of 32 bits (x86-64-v3 machines, since 2013)."""

from __future__ import annotations

from skosh.machines.x86.operations import helpers, operations
from skosh.targets.simd.machine import VectorMachine

_STORE_BYTES = """/* The low byte of each lane. */
static inline void {name}(void *to, __m256i x)
{{
    const __m256i bytes = _mm256_shuffle_epi8(x, _mm256_set1_epi32(0x0c080400));
    _mm_storel_epi64(to, _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1)));
}}
"""

_STORE_HALVES = """/* The low half of each lane. */
static inline void {name}(void *to, __m256i x)
{{
    const __m128i order = _mm_set_epi32(0x0d0c0908, 0x05040100, 0x0d0c0908, 0x05040100);
    const __m256i halves = _mm256_shuffle_epi8(x, _mm256_broadcastsi128_si256(order));
    _mm_storeu_si128(to, _mm256_castsi256_si128(_mm256_permute4x64_epi64(halves, 0x08)));
}}
"""

_DIVIDE = """/* a / b toward zero: doubles hold both, and round no quotient to an integer that it isn't. */
static inline __m256i {name}(__m256i a, __m256i b)
{{
    const __m256d a_low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(a));
    const __m256d b_low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(b));
    const __m256d a_high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(a, 1));
    const __m256d b_high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(b, 1));
    const __m128i low = _mm256_cvttpd_epi32(_mm256_div_pd(a_low, b_low));
    return _mm256_set_m128i(_mm256_cvttpd_epi32(_mm256_div_pd(a_high, b_high)), low);
}}
"""

_PACKED = """/* Sixteen lanes as bytes, saturated, then clamped. */
static inline __m128i {name}(__m256i a, __m256i b, int8_t lo, int8_t hi)
{{
    const __m256i halves = _mm256_packs_epi32(a, b);
    const __m256i bytes = _mm256_packs_epi16(halves, halves);
    const __m128i all = _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
    return _mm_min_epi8(_mm_max_epi8(all, _mm_set1_epi8(lo)), _mm_set1_epi8(hi));
}}
"""

_STORE_CLAMPED = """static inline void {name}(void *to, __m256i a, int8_t lo, int8_t hi)
{{
    _mm_storel_epi64(to, {avx2_packed}(a, a, lo, hi));
}}
"""

_STORE_CLAMPED_2 = """static inline void {name}(void *to, __m256i a, __m256i b, int8_t lo, int8_t hi)
{{
    _mm_storeu_si128(to, {avx2_packed}(a, b, lo, hi));
}}
"""

_STORE_CLAMPED_APART = """static inline void {name}(void *to, void *to_2, __m256i a, __m256i b, int8_t lo, int8_t hi)
{{
    const __m128i both = {avx2_packed}(a, b, lo, hi);
    _mm_storel_epi64(to, both);
    _mm_storel_epi64(to_2, _mm_unpackhi_epi64(both, both));
}}
"""

MACHINE = VectorMachine(
    name="avx2",
    test="defined(__AVX2__)",
    header="immintrin.h",
    types={"i32": "__m256i", "u32": "__m256i", "f32": "__m256", "bool": "__m256i"},
    lanes="8",
    spellings={
        **operations("avx2", "_mm256", "si256"),
        "index i32": "_mm256_add_epi32(_mm256_set1_epi32({a}), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))",
        "< f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_LT_OQ))",
        "<= f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_LE_OQ))",
        "> f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_GT_OQ))",
        ">= f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_GE_OQ))",
        "== f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_EQ_OQ))",
        "!= f32": "_mm256_castps_si256(_mm256_cmp_ps({a}, {b}, _CMP_NEQ_UQ))",
        "<< i32": ("_mm256_slli_epi32({a}, {b_n})", "_mm256_sllv_epi32({a}, {b})"),
        "<< u32": ("_mm256_slli_epi32({a}, {b_n})", "_mm256_sllv_epi32({a}, {b})"),
        ">> i32": ("_mm256_srai_epi32({a}, {b_n})", "_mm256_srav_epi32({a}, {b})"),
        ">> u32": ("_mm256_srli_epi32({a}, {b_n})", "_mm256_srlv_epi32({a}, {b})"),
        "load i8": "_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *){from}))",
        "load i8 pairs": "_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *){from}))",
        "load u8": "_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *){from}))",
        "load i16": "_mm256_cvtepi16_epi32(_mm_loadu_si128((const void *){from}))",
        "load u16": "_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *){from}))",
        "store i8": "{avx2_store_bytes}({to}, {a})",
        "store u8": "{avx2_store_bytes}({to}, {a})",
        "store i16": "{avx2_store_halves}({to}, {a})",
        "store u16": "{avx2_store_halves}({to}, {a})",
    },
    helpers={
        **helpers("avx2", "_mm256", "si256", "__m256i"),
        "avx2_divide": _DIVIDE,
        "avx2_packed": _PACKED,
        "avx2_store_clamped": _STORE_CLAMPED,
        "avx2_store_clamped_2": _STORE_CLAMPED_2,
        "avx2_store_clamped_apart": _STORE_CLAMPED_APART,
        "avx2_store_bytes": _STORE_BYTES,
        "avx2_store_halves": _STORE_HALVES,
    },
    dot=2,
)
