"""SSE4.1: four lanes of 32 bits (x86-64-v2 machines, since 2008)."""

from __future__ import annotations

from skosh.machines.x86.operations import helpers, operations
from skosh.targets.simd.machine import VectorMachine

_STORE_BYTES = """/* The low byte of each lane. */
static inline void {name}(void *to, __m128i x)
{{
    const __m128i bytes = _mm_shuffle_epi8(x, _mm_set1_epi32(0x0c080400));
    const int32_t word = _mm_cvtsi128_si32(bytes);
    memcpy(to, &word, sizeof word);
}}
"""

_STORE_HALVES = """/* The low half of each lane. */
static inline void {name}(void *to, __m128i x)
{{
    _mm_storel_epi64(to, _mm_shuffle_epi8(x, _mm_set_epi32(0x0d0c0908, 0x05040100, 0x0d0c0908, 0x05040100)));
}}
"""

_LOAD_WORD = """/* Four bytes. */
static inline __m128i {name}(const void *from)
{{
    int32_t word;
    memcpy(&word, from, sizeof word);
    return _mm_cvtsi32_si128(word);
}}
"""

_SHIFT_EACH = """/* Each lane shifted by its own count. */
static inline __m128i {{name}}(__m128i x, __m128i by)
{{{{
    const __m128i high = _mm_unpackhi_epi64(by, by);
    const __m128i first = {shift}(x, _mm_cvtepu32_epi64(by));
    const __m128i second = {shift}(x, _mm_srli_epi64(by, 32));
    const __m128i third = {shift}(x, _mm_cvtepu32_epi64(high));
    const __m128i fourth = {shift}(x, _mm_srli_epi64(high, 32));
    return _mm_blend_epi16(_mm_blend_epi16(first, third, 0xf0), _mm_blend_epi16(second, fourth, 0xf0), 0xcc);
}}}}
"""

_DIVIDE = """/* a / b toward zero: doubles hold both, and round no quotient to an integer that it isn't. */
static inline __m128i {name}(__m128i a, __m128i b)
{{
    const __m128i a_high = _mm_unpackhi_epi64(a, a), b_high = _mm_unpackhi_epi64(b, b);
    const __m128d low = _mm_div_pd(_mm_cvtepi32_pd(a), _mm_cvtepi32_pd(b));
    const __m128d high = _mm_div_pd(_mm_cvtepi32_pd(a_high), _mm_cvtepi32_pd(b_high));
    return _mm_unpacklo_epi64(_mm_cvttpd_epi32(low), _mm_cvttpd_epi32(high));
}}
"""

_PACKED = """/* Eight lanes as bytes, saturated, then clamped. */
static inline __m128i {name}(__m128i a, __m128i b, int8_t lo, int8_t hi)
{{
    const __m128i halves = _mm_packs_epi32(a, b);
    const __m128i bytes = _mm_packs_epi16(halves, halves);
    return _mm_min_epi8(_mm_max_epi8(bytes, _mm_set1_epi8(lo)), _mm_set1_epi8(hi));
}}
"""

_STORE_CLAMPED = """static inline void {name}(void *to, __m128i a, int8_t lo, int8_t hi)
{{
    const int32_t word = _mm_cvtsi128_si32({sse4_packed}(a, a, lo, hi));
    memcpy(to, &word, sizeof word);
}}
"""

_STORE_CLAMPED_2 = """static inline void {name}(void *to, __m128i a, __m128i b, int8_t lo, int8_t hi)
{{
    _mm_storel_epi64(to, {sse4_packed}(a, b, lo, hi));
}}
"""

_STORE_CLAMPED_APART = """static inline void {name}(void *to, void *to_2, __m128i a, __m128i b, int8_t lo, int8_t hi)
{{
    const __m128i both = {sse4_packed}(a, b, lo, hi);
    const int32_t first = _mm_cvtsi128_si32(both), second = _mm_extract_epi32(both, 1);
    memcpy(to, &first, sizeof first);
    memcpy(to_2, &second, sizeof second);
}}
"""

MACHINE = VectorMachine(
    name="sse4",
    test="defined(__SSE4_1__)",
    header="immintrin.h",
    types={"i32": "__m128i", "u32": "__m128i", "f32": "__m128", "bool": "__m128i"},
    lanes="4",
    spellings={
        **operations("sse4", "_mm", "si128"),
        "index i32": "_mm_add_epi32(_mm_set1_epi32({a}), _mm_setr_epi32(0, 1, 2, 3))",
        "< f32": "_mm_castps_si128(_mm_cmplt_ps({a}, {b}))",
        "<= f32": "_mm_castps_si128(_mm_cmple_ps({a}, {b}))",
        "> f32": "_mm_castps_si128(_mm_cmpgt_ps({a}, {b}))",
        ">= f32": "_mm_castps_si128(_mm_cmpge_ps({a}, {b}))",
        "== f32": "_mm_castps_si128(_mm_cmpeq_ps({a}, {b}))",
        "!= f32": "_mm_castps_si128(_mm_cmpneq_ps({a}, {b}))",
        "<< i32": ("_mm_slli_epi32({a}, {b_n})", "{sse4_shift_left}({a}, {b})"),
        "<< u32": ("_mm_slli_epi32({a}, {b_n})", "{sse4_shift_left}({a}, {b})"),
        ">> i32": ("_mm_srai_epi32({a}, {b_n})", "{sse4_shift_right_signed}({a}, {b})"),
        ">> u32": ("_mm_srli_epi32({a}, {b_n})", "{sse4_shift_right}({a}, {b})"),
        "load i8": "_mm_cvtepi8_epi32({sse4_load_word}({from}))",
        "load i8 pairs": "_mm_cvtepi8_epi16(_mm_loadl_epi64((const void *){from}))",
        "load u8": "_mm_cvtepu8_epi32({sse4_load_word}({from}))",
        "load i16": "_mm_cvtepi16_epi32(_mm_loadl_epi64((const void *){from}))",
        "load u16": "_mm_cvtepu16_epi32(_mm_loadl_epi64((const void *){from}))",
        "store i8": "{sse4_store_bytes}({to}, {a})",
        "store u8": "{sse4_store_bytes}({to}, {a})",
        "store i16": "{sse4_store_halves}({to}, {a})",
        "store u16": "{sse4_store_halves}({to}, {a})",
    },
    helpers={
        **helpers("sse4", "_mm", "si128", "__m128i"),
        "sse4_shift_left": _SHIFT_EACH.format(shift="_mm_sll_epi32"),
        "sse4_shift_right": _SHIFT_EACH.format(shift="_mm_srl_epi32"),
        "sse4_shift_right_signed": _SHIFT_EACH.format(shift="_mm_sra_epi32"),
        "sse4_load_word": _LOAD_WORD,
        "sse4_divide": _DIVIDE,
        "sse4_packed": _PACKED,
        "sse4_store_clamped": _STORE_CLAMPED,
        "sse4_store_clamped_2": _STORE_CLAMPED_2,
        "sse4_store_clamped_apart": _STORE_CLAMPED_APART,
        "sse4_store_bytes": _STORE_BYTES,
        "sse4_store_halves": _STORE_HALVES,
    },
    dot=2,
)
