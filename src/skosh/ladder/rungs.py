"""The rungs: what each adds to the one below. Those in C are schedules of the one kernel."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass

from skosh import schedule
from skosh.base.dtypes import DType, i8
from skosh.ir.kernel import Kernel
from skosh.ladder.fma import fused
from skosh.ladder.matmul import matmul_of
from skosh.ladder.native import BASELINE, NATIVE, Native, shared, this_cpu
from skosh.ladder.pairs import pair
from skosh.ladder.steps import blocks, chain, hold, named_ends, order, panel
from skosh.schedule.lanes import vectorize


@dataclass(frozen=True)
class Tile:
    """The numbers of the last rung for one vector machine and element type.

    rows x (vectors * lanes) sums are held in registers while ``depth`` products are added to each; their rows of a stay in
    the first cache, ``block`` columns of b in the second, ``most`` rows of a in the third.
    """

    machine: str
    lanes: int
    rows: int
    vectors: int
    depth: int
    block: int
    most: int

    @property
    def columns(self) -> int:
        return self.lanes * self.vectors


TILES: dict[tuple[str, str], Tile] = {
    # 24 sums, 2 of b, 1 of a: 27 of 32 registers
    ("f64", "avx512"): Tile("avx512-f64", lanes=8, rows=12, vectors=2, depth=256, block=128, most=1536),
    ("f32", "avx512"): Tile("avx512-f32", lanes=16, rows=12, vectors=2, depth=256, block=256, most=3072),
    ("i8", "avx512"): Tile("avx512", lanes=16, rows=12, vectors=2, depth=512, block=256, most=3072),
    # 12 sums, 2 of b, 1 of a: 15 of 16 registers; 24 KiB of a, 256 KiB of b, 6 MiB of a
    ("f64", "avx2"): Tile("avx2-f64", lanes=4, rows=6, vectors=2, depth=512, block=64, most=1536),
    ("f32", "avx2"): Tile("avx2-f32", lanes=8, rows=6, vectors=2, depth=512, block=128, most=3072),
    ("i8", "avx2"): Tile("avx2", lanes=8, rows=6, vectors=2, depth=1024, block=128, most=3072),
    # 24 sums, 4 of b, 1 of a: 29 of 32 registers
    ("f64", "neon"): Tile("neon-f64", lanes=2, rows=6, vectors=4, depth=512, block=64, most=1536),
    ("f32", "neon"): Tile("neon-f32", lanes=4, rows=6, vectors=4, depth=512, block=128, most=3072),
}
"""(element type, the vectors of the processor) -> its tile, the best first; elsewhere there is no last rung.

Those of AVX2 are measured; the others are sized after them, for their registers and caches of 32 KiB and 256 KiB.
"""

NEEDS = {
    "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512_vnni"},
    "avx2": {"avx2", "fma"},
    "neon": {"asimd"},
}
"""What the system says that a processor has, by the names of Linux."""


def bound(dtype: DType, n: int) -> Kernel:
    """The one kernel for n x n matrices."""
    return schedule.bind(matmul_of(dtype), {"M": n, "N": n, "K": n})


def loops(dtype: DType, n: int, threads: int) -> Native:
    """The kernel as it stands."""
    return Native(bound(dtype, n), 1)


def parallel(dtype: DType, n: int, threads: int) -> Native:
    """Threads share the rows."""
    return Native(shared(schedule.parallelize(bound(dtype, n), "i")), threads)


def tiled(dtype: DType, n: int, threads: int) -> Kernel:
    """Blocks of all three loops, so that what is read again is still in the cache; in a block, columns go by fastest."""
    return chain(
        bound(dtype, n),
        lambda k: blocks(k, "i", 64, "ib"),
        lambda k: blocks(k, "j", 256, "jb"),
        lambda k: blocks(k, "k", 64, "kb"),
        lambda k: order(k, ("ib", "jb", "kb", "i", "k", "j")),
        lambda k: shared(schedule.parallelize(k, "ib")),
        named_ends,
    )


def divided(dtype: DType, n: int, threads: int) -> Native:
    """``tiled``, compiled for any machine of the architecture."""
    return Native(tiled(dtype, n, threads), threads)


def vectorized(dtype: DType, n: int, threads: int) -> Native:
    """``tiled``, compiled for this machine, with the compiler's vectorizer."""
    return Native(tiled(dtype, n, threads), threads, NATIVE, vectorize=True)


def panels(dtype: DType, n: int, threads: int, tile: Tile, *, fuse: bool = True) -> Kernel:
    """A register tile of fused multiply-adds that walks over panels of a and b, laid out in the order in which it reads them.

    After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS 34 (2008), mirrored: c lies
    row by row, so tiles follow each other along rows, and the next elements of c are where the processor expects them.
    """
    share = -(-n // threads)
    rows = -(-share // -(-share // tile.most))
    kernel = chain(
        fused(bound(dtype, n)) if fuse else bound(dtype, n),
        lambda k: blocks(k, "i", -(-rows // tile.rows) * tile.rows, "ib"),
        lambda k: blocks(k, "i", tile.rows, "ip"),
        lambda k: blocks(k, "k", tile.depth, "kb"),
        lambda k: blocks(k, "j", tile.block, "jb"),
        lambda k: blocks(k, "j", tile.columns, "jp"),
        lambda k: order(k, ("ib", "kb", "jb", "ip", "jp", "j", "i", "k")),
        lambda k: shared(schedule.parallelize(k, "ib")),
        lambda k: panel(k, "a", "kb", "a_panel", ("ip", "k", "i")),
        lambda k: panel(k, "b", "jb", "b_panel", ("jp", "k", "j")),
        lambda k: hold(k, "k"),
        lambda k: pair(k, "k") if dtype == i8 else k,
        named_ends,
    )
    kernel = schedule.unroll_and_jam(kernel, "i", tile.rows)
    return vectorize(kernel, "j", tile.machine, tile.vectors)


def intrinsics(dtype: DType, n: int, threads: int) -> Native:
    """``panels`` for the vectors of this computer."""
    tile = tile_here(dtype)
    assert tile is not None, "the ladder asks for this rung only where there is a tile"
    return Native(panels(dtype, n, threads, tile), threads, NATIVE)


def tile_here(dtype: DType) -> Tile | None:
    """The tile for this computer; None where there is none."""
    return next((t for (name, vectors), t in TILES.items() if name == dtype.name and has(vectors)), None)


def has(vectors: str) -> bool:
    """Does this computer have these vectors?"""
    words = set(this_cpu().split())
    if platform.machine() == "arm64":  # macOS, which has no list
        words.add("asimd")
    return NEEDS[vectors] <= words


@dataclass(frozen=True)
class Rung:
    """``guess``: GFLOPS that are easily reached, to choose the first size to measure. ``make``: None for Python and Java."""

    name: str
    adds: str
    guess: float
    make: Callable[[DType, int, int], Native] | None = None
    cpu: tuple[str, ...] = BASELINE


RUNGS = (
    Rung("Python", "the kernel as plain loops, in the interpreter", 0.002),
    Rung("Java", "the same loops, with types and a compiler at run time", 0.1),
    Rung("C", "the same loops, compiled ahead of time (zig cc -O3)", 0.1, loops),
    Rung("parallel loops", "threads share the rows", 0.1, parallel),
    Rung("parallel divide and conquer", "blocks that stay in the cache", 1.0, divided),
    Rung("plus vectorization", "the compiler's, for this machine's vectors", 3.0, vectorized),
    Rung("plus intrinsics", "our lanes: register tile, fused multiply-adds, packed panels", 12.0, intrinsics),
)
