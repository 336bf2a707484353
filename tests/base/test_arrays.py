"""Readers of arrays: what numpy writes, and nothing larger than it says."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from skosh.base.arrays import MAGIC, Archive, NotArrays, read_npy, read_npz
from skosh.base.budget import Budget, BudgetError, budgeted

RECORDS = np.zeros(3, np.dtype({"names": ["a", "b"], "formats": ["<i8", "u1"], "offsets": [0, 8], "itemsize": 16}))


def saved(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


@pytest.mark.parametrize("array", [
    np.arange(6.0).reshape(2, 3), np.arange(6, dtype=">i2"),
    np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)), np.float32(7),
    np.zeros((0, 5)), np.array([True, False]), np.array(["a", "längst"]), np.array([b"xy"]),
    np.arange(4, dtype=np.float16), RECORDS,
], ids=lambda a: f"{a.dtype.kind}{a.shape}")  # fmt: skip
def test_what_numpy_writes(array: np.ndarray) -> None:
    found = read_npy(saved(array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder("=") and found.shape == array.shape


def header(text: str, data: bytes = b"", version: int = 1) -> bytes:
    size = struct.pack("<H" if version == 1 else "<I", len(text))
    return MAGIC + bytes((version, 0)) + size + text.encode("latin1") + data


@pytest.mark.parametrize("data", [
    b"", b"\x93NUMPY", MAGIC + b"\x04\0\0\0", MAGIC + b"\x01\0\xff\xff{}", header("[]"), header("(" * 9000), header("x" * 100),
    header("{'descr': 'O', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
    header("{'descr': '<f8', 'fortran_order': False, 'shape': (1 << 40,)}", bytes(8)),
    header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({1 << 40},)}}", bytes(8)),
    header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({1 << 40}, {1 << 40}, 0, -1)}}"),
    header("{'descr': '<f9', 'fortran_order': False, 'shape': (1,)}", bytes(9)),
    header("{'descr': '<U0', 'fortran_order': False, 'shape': (100000000,)}"),
    header("{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}", bytes(8)),
    header("{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}", bytes(8)),
    header("{'descr': [('a', [('b', '<i8')])], 'fortran_order': False, 'shape': (1,)}", bytes(8)),
    header("{'descr': [('a', '<i8'), ('a', '<i8')], 'fortran_order': False, 'shape': (1,)}", bytes(16)),
    header("{'descr': '<M8[s]', 'fortran_order': False, 'shape': (1,)}", bytes(8)),
    saved(np.arange(9.0))[:-1],
])  # fmt: skip
def test_what_is_no_array(data: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(NotArrays):
        read_npy(data)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_archives() -> None:
    out = io.BytesIO()
    np.savez_compressed(out, a=np.arange(3), b=np.eye(2))
    assert {k: v.tolist() for k, v in read_npz(out.getvalue()).items()} == {"a": [0, 1, 2], "b": [[1, 0], [0, 1]]}
    with pytest.raises(NotArrays, match="it is no zip archive"):
        read_npz(out.getvalue()[:-30])
    with pytest.raises(NotArrays, match="it must hold a file 'c'"):
        Archive(out.getvalue()).read("c")


def test_a_bomb_is_counted_before_it_is_unpacked() -> None:
    """400 KB that unpack to 400 MB."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(400 << 20))
    assert len(out.getvalue()) < 1 << 20
    tracemalloc.start()
    with budgeted(Budget(bytes=10 << 20), "bomb.npz"), pytest.raises(BudgetError, match=r"bomb\.npz: .*419,430,400 bytes"):
        read_npz(out.getvalue())
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_other_ways_of_packing_are_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", saved(np.arange(3)))
    with pytest.raises(NotArrays, match="must be stored or deflated"):
        read_npz(out.getvalue())
