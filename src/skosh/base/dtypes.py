"""Element types: one table from which names, numpy types, C spellings and ranges are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class DType:
    """An element type. ``name`` is what the kernel language and the text forms print."""

    name: str
    bits: int
    kind: str  # "int", "uint", "float" or "bool"
    c: str

    @property
    def bytes(self) -> int:
        return max(1, self.bits // 8)

    @property
    def np(self) -> np.dtype[Any]:
        return np.dtype(_NUMPY[self.name])

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def min(self) -> int:
        assert self.kind != "float", f"{self.name} has no integer range"
        return -(1 << (self.bits - 1)) if self.kind == "int" else 0

    @property
    def max(self) -> int:
        assert self.kind != "float", f"{self.name} has no integer range"
        return (1 << (self.bits - 1)) - 1 if self.kind == "int" else (1 << self.bits) - 1

    def __repr__(self) -> str:
        return self.name


    @property
    def packed(self) -> bool:
        """Two elements lie in a byte, the first in its lower half; ``np`` and ``c`` are those of the bytes."""
        return self.bits == 4


_NUMPY = {
    "bool": "bool", "i4": "int8", "u4": "uint8", "i8": "int8", "u8": "uint8", "i16": "int16", "u16": "uint16", "i32": "int32",
    "u32": "uint32", "i64": "int64", "u64": "uint64", "f32": "float32", "f64": "float64",
}  # fmt: skip

bool_ = DType("bool", 1, "bool", "bool")
i4 = DType("i4", 4, "int", "int8_t")
u4 = DType("u4", 4, "uint", "uint8_t")
i8 = DType("i8", 8, "int", "int8_t")
u8 = DType("u8", 8, "uint", "uint8_t")
i16 = DType("i16", 16, "int", "int16_t")
u16 = DType("u16", 16, "uint", "uint16_t")
i32 = DType("i32", 32, "int", "int32_t")
u32 = DType("u32", 32, "uint", "uint32_t")
i64 = DType("i64", 64, "int", "int64_t")
u64 = DType("u64", 64, "uint", "uint64_t")
f32 = DType("f32", 32, "float", "float")
f64 = DType("f64", 64, "float", "double")

DTYPES: dict[str, DType] = {t.name: t for t in (bool_, i4, u4, i8, u8, i16, u16, i32, u32, i64, u64, f32, f64)}


def from_numpy(dtype: np.dtype[Any]) -> DType:
    """The DType of a numpy dtype; KeyError for a type that skosh doesn't know."""
    for name, numpy_name in _NUMPY.items():
        if np.dtype(numpy_name) == dtype and not DTYPES[name].packed:
            return DTYPES[name]
    raise KeyError(f"no skosh element type for numpy {dtype}")
