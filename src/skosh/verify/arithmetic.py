"""Arithmetic of float32 on a target without an FPU, operation by operation, against this computer's own.

One emulated call does an operation on thousands of pairs. What is compared are bits; NaN equals NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from skosh.build import compile_firmware
from skosh.build.soft_float import soft_float
from skosh.emulate import Machine
from skosh.ir.graph import Array
from skosh.targets import Firmware, Target

PAIRS = 4096
"""How many pairs a call takes."""

ROW = 16
"""Elements in a row of those that are added up."""

Bits = Array  # uint32 [PAIRS]


def _number(f: Callable[[Array, Array], Array]) -> Callable[[Bits, Bits], Bits]:
    return lambda a, b: f(a.view(np.float32), b.view(np.float32)).astype(np.float32).view(np.uint32)


def _truth(f: Callable[[Array, Array], Array]) -> Callable[[Bits, Bits], Bits]:
    return lambda a, b: f(a.view(np.float32), b.view(np.float32)).astype(np.uint32)


def _rounded(a: Array) -> Bits:
    return a.astype(np.float32).view(np.uint32)


def _truncated(low: int, high: int) -> Callable[[Bits, Bits], Bits]:
    def f(a: Bits, _: Bits) -> Bits:
        x = a.view(np.float32).astype(np.float64)
        return np.asarray(np.trunc(np.clip(np.where(np.isnan(x), 0, x), low, high)).astype(np.int64).astype(np.uint32))

    return f


def _sums(term: Callable[[Array, Array], Array]) -> Callable[[Bits, Bits], Bits]:
    """Sums of the first 1, 2, ... ROW terms of each row, begun with the last number of the row before."""

    def f(a: Bits, b: Bits) -> Bits:
        x, y = a.view(np.float32).reshape(-1, ROW), b.view(np.float32).reshape(-1, ROW)
        terms = np.concatenate([np.roll(x[:, -1:], 1, axis=0), term(x, y)], axis=1)
        return np.asarray(np.add.accumulate(terms, axis=1, dtype=np.float32)[:, 1:]).reshape(-1).view(np.uint32)

    return f


def _squared_difference(x: Array, y: Array) -> Array:
    return np.asarray((x - y) * (x - y))


@dataclass(frozen=True)
class Operation:
    """``c``: the value for the bits of the i-th pair as C; ``expected``: the bits that IEEE 754 asks for."""

    c: str
    expected: Callable[[Bits, Bits], Bits]
    gives_float: bool = False


OPERATIONS = {
    "add": Operation("of_float(x + y)", _number(np.add), True),
    "subtract": Operation("of_float(x - y)", _number(np.subtract), True),
    "multiply": Operation("of_float(x * y)", _number(np.multiply), True),
    "dot": Operation("of_float(dot(start(i), row(a, i), row(b, i), i % ROW + 1))", _sums(np.multiply), True),
    "squared distance": Operation(
        "of_float(squared_distance(start(i), row(a, i), row(b, i), i % ROW + 1))", _sums(_squared_difference), True
    ),
    "divide": Operation("of_float(x / y)", _number(np.divide), True),
    "less": Operation("x < y", _truth(np.less)),
    "less or equal": Operation("x <= y", _truth(np.less_equal)),
    "greater": Operation("x > y", _truth(np.greater)),
    "greater or equal": Operation("x >= y", _truth(np.greater_equal)),
    "equal": Operation("x == y", _truth(np.equal)),
    "not equal": Operation("x != y", _truth(np.not_equal)),
    "unordered": Operation("__builtin_isunordered(x, y)", _truth(lambda a, b: np.isnan(a) | np.isnan(b))),
    "int to float": Operation("of_float((float)(int32_t)a[i])", lambda a, _: _rounded(a.view(np.int32))),
    "unsigned to float": Operation("of_float((float)a[i])", lambda a, _: _rounded(a)),
    "float to int": Operation("(int32_t)x", _truncated(-(2**31), 2**31 - 1)),
    "float to unsigned": Operation("(uint32_t)x", _truncated(0, 2**32 - 1)),
}  # fmt: skip
"""Conversions to integers: towards zero, the nearest integer where there is none so large, 0 of NaN."""


def _program() -> str:
    cases = "".join(
        f"    case {k}:\n        for (int i = 0; i < {PAIRS}; i++) {{\n"
        f"            const float x = of_bits(a[i]), y = of_bits(b[i]);\n"
        f"            (void)x;\n            (void)y;\n            c[i] = (uint32_t)({op.c});\n        }}\n        break;\n"
        for k, op in enumerate(OPERATIONS.values())
    )
    return f"""#include <stdint.h>
#include <string.h>

#define PAIRS {PAIRS}
#define ROW {ROW}

uint32_t a[{PAIRS}], b[{PAIRS}], c[{PAIRS}], operation;
int skosh_main(void);

static float of_bits(uint32_t bits)
{{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}}

static uint32_t of_float(float x)
{{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}}

static float start(int i)
{{
    return of_bits(a[(i / ROW * ROW + PAIRS - 1) % PAIRS]);
}}

static const float *row(const uint32_t *from, int i)
{{
    return (const float *)(const void *)&from[i / ROW * ROW];
}}

#ifdef __SOFTFP__
float skosh_dot(float acc, const float *x, const float *y, int32_t n);
float skosh_squared_distance(float acc, const float *x, const float *y, int32_t n);
#define dot skosh_dot
#define squared_distance skosh_squared_distance
#else
static float dot(float acc, const float *x, const float *y, int32_t n)
{{
    for (int32_t k = 0; k < n; k++) {{
        acc += x[k] * y[k];
    }}
    return acc;
}}

static float squared_distance(float acc, const float *x, const float *y, int32_t n)
{{
    for (int32_t k = 0; k < n; k++) {{
        float d = x[k] - y[k];
        acc += d * d;
    }}
    return acc;
}}
#endif

int skosh_main(void)
{{
    switch (operation) {{
{cases}    case {len(OPERATIONS)}:
        for (int i = 0; i < {PAIRS}; i++) {{
            c[i] = a[i] ^ b[i];
        }}
        break;
    default:
        break;
    }}
    return 0;
}}
"""


class Arithmetic:
    """A target's operations, in the emulator."""

    def __init__(self, target: Target) -> None:
        self.firmware: Firmware = compile_firmware(
            target, soft_float(target, "arithmetic"), prefix="arithmetic", harness=_program()
        )
        self._machine = Machine(self.firmware.elf, target)
        self._loop = self._call(len(OPERATIONS), np.zeros(PAIRS, np.uint32), np.zeros(PAIRS, np.uint32))[1]

    def run(self, operation: str, a: Bits, b: Bits) -> tuple[Bits, float]:
        """(results as bits, instructions each). Calls count, loads and stores don't."""
        bits, instructions = self._call(list(OPERATIONS).index(operation), a, b)
        return bits, (instructions - self._loop) / PAIRS + 1

    def _call(self, operation: int, a: Bits, b: Bits) -> tuple[Bits, int]:
        for name, content in (("operation", np.array([operation])), ("a", a), ("b", b)):
            self._machine.write(name, content.astype(np.uint32).tobytes())
        instructions = self._machine.call().instructions
        return np.frombuffer(self._machine.read("c", 4 * PAIRS), np.uint32), instructions

    def difference(self, operation: str, a: Bits, b: Bits) -> str:
        """The first pair whose result isn't what IEEE 754 asks for, as a sentence; "" when there is none."""
        got, _ = self.run(operation, a, b)
        with np.errstate(all="ignore"):
            want = OPERATIONS[operation].expected(a, b)
        wrong = got != want
        if OPERATIONS[operation].gives_float:
            wrong &= ~(np.isnan(got.view(np.float32)) & np.isnan(want.view(np.float32)))
        if not wrong.any():
            return ""
        i = int(np.flatnonzero(wrong)[0])
        return f"{operation} of {a[i]:08x} and {b[i]:08x} is {got[i]:08x}, not {want[i]:08x} ({wrong.sum()} of {PAIRS})"


# ------------------------------------------------------------------------------------------------------------------ cases

_POSITIVE = np.array(
    [
        0, 1, 2, 3, 0x3FFFFF, 0x400000, 0x7FFFFE, 0x7FFFFF, 0x800000, 0x800001, 0xB00000, 0xC00000, 0xFFFFFF, 0x1000000,
        0x1000001, 0x0C000000, 0x1F800000, 0x20000000, 0x337FFFFF, 0x33800000, 0x33800001, 0x34000000, 0x3EAAAAAB, 0x3F7FFFFF,
        0x3F800000, 0x3F800001, 0x3FFFFFFF, 0x40000000, 0x40490FDB, 0x4B000000, 0x4B000001, 0x4B800000, 0x4EFFFFFF, 0x4F000000,
        0x4F7FFFFF, 0x4F800000, 0x5F000000, 0x7E800000, 0x7EFFFFFF, 0x7F000000, 0x7F3FFFFF, 0x7F7FFFFE, 0x7F7FFFFF, 0x7F800000,
        0x7F800001, 0x7FC00000,
    ],
    np.uint32,
)  # fmt: skip
SPECIAL = np.concatenate([_POSITIVE, _POSITIVE | np.uint32(0x80000000)])
"""Zeros, subnormal numbers, powers of two and their neighbours, the largest, infinity, NaN; of both signs."""


def special_pairs() -> Iterator[tuple[Bits, Bits]]:
    """All pairs of SPECIAL, PAIRS at a time; zeros fill the last."""
    grid = np.array(np.meshgrid(SPECIAL, SPECIAL), np.uint32).reshape(2, -1)
    grid = np.pad(grid, ((0, 0), (0, -grid.shape[1] % PAIRS)))
    for i in range(0, grid.shape[1], PAIRS):
        yield grid[0, i : i + PAIRS].copy(), grid[1, i : i + PAIRS].copy()


def _exponents(bits: Bits, exponents: Array) -> Bits:
    return np.asarray((bits & np.uint32(0x807FFFFF)) | (np.clip(exponents, 0, 254).astype(np.uint32) << np.uint32(23)))


def _sparse(bits: Bits, rng: np.random.Generator) -> Bits:
    """With zeros at the end of significands, so that sums and products are ties or exact."""
    return np.asarray(bits & (np.uint32(0xFFFFFFFF) << rng.integers(0, 24, PAIRS).astype(np.uint32)))


def random_pairs(rng: np.random.Generator) -> dict[str, tuple[Bits, Bits]]:
    """Kinds of pairs, PAIRS of each: any bits, and those that are hard for addition, multiplication or division."""
    a, b = rng.integers(0, 2**32, (2, PAIRS), dtype=np.uint64).astype(np.uint32)
    e = rng.integers(0, 255, PAIRS)
    near_a, near_b = _exponents(a, e), _exponents(b, e + rng.integers(-30, 31, PAIRS))
    opposite = (near_a ^ np.uint32(0x80000000)) + rng.integers(-4, 5, PAIRS).astype(np.uint32)
    low, high = rng.integers(1, 126, PAIRS), rng.integers(120, 255, PAIRS)
    normal = rng.normal(size=(2, PAIRS)).astype(np.float32).view(np.uint32)
    return {
        "any bits": (a, b),
        "near exponents": (near_a, near_b),
        "ties": (_sparse(near_a, rng), _sparse(near_b, rng)),
        "tied any": (_sparse(a, rng), _sparse(b, rng)),
        "cancellation": (near_a, opposite),
        "small products": (_exponents(a, low), _exponents(b, rng.integers(95, 135, PAIRS) - low)),
        "large products": (_exponents(a, high), _exponents(b, rng.integers(370, 390, PAIRS) - high)),
        "small quotients": (_exponents(a, rng.integers(0, 40, PAIRS)), _exponents(b, rng.integers(110, 165, PAIRS))),
        "near infinity": (_exponents(a, rng.integers(225, 255, PAIRS)), _exponents(b, rng.integers(225, 255, PAIRS))),
        "near zero": (_exponents(a, rng.integers(0, 30, PAIRS)), _exponents(b, rng.integers(0, 30, PAIRS))),
        "normal": (normal[0], normal[1]),
    }
