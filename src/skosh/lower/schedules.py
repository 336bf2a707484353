"""Schedules for portable C: which loops of which kernel become register tiles.

A schedule is a plain function over a ``Draft``. It may rely on what all calls of the routine have in common: a trip
count that is always a multiple of the tile leaves no rest loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from skosh import schedule
from skosh.base.dtypes import f32
from skosh.ir.kernel import Kernel
from skosh.lower.allowed import STEPS
from skosh.lower.helium import schedules as helium_schedules
from skosh.lower.unused import without_unused_locals
from skosh.lower.vectors import dot_schedules as lane_schedules
from skosh.lower.vectors import schedules as vector_schedules
from skosh.schedule import assembled
from skosh.schedule.counts import rounds
from skosh.schedule.row_sums import sum_by_function
from skosh.targets import Target


@dataclass
class Draft:
    """A kernel on its way, and the numbers of every call it must serve."""

    kernel: Kernel
    cases: Sequence[Mapping[str, int | float]]
    optimize: str
    steps: tuple[str, ...] = STEPS  # those that may be taken
    float_sums: bool = False  # a function does the loop that sums along a row of float32

    @property
    def tiles(self) -> bool:
        """May loops be tiled and unrolled?"""
        return not (self.float_sums and any(p.written and p.dtype == f32 for p in self.kernel.params))

    def trips(self, loop: str) -> list[int | None]:
        """Rounds of every loop that ``loop`` means, in each case; None where data decides. A loop folded away has one."""
        found = schedule.loops(self.kernel, loop)
        return [rounds(self.kernel, f, case) for case in self.cases for f in found] or [1 for _ in self.cases]

    def reaches(self, loop: str, factor: int) -> bool:
        """Does some loop run at least ``factor`` rounds in some case?"""
        return any(t is None or t >= factor for t in self.trips(loop))

    def tile(self, loop: str, factor: int) -> None:
        """Unroll and jam, with a rest loop only where one is needed."""
        if "tile" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll_and_jam(self.kernel, loop, factor, cases=self.cases)

    def unroll(self, loop: str, factor: int) -> None:
        if "unroll" in self.steps and self.tiles and self.reaches(loop, factor):
            self.kernel = schedule.unroll(self.kernel, loop, factor, cases=self.cases)

    def assemble(self, loop: str, machine: str = "thumb-dsp") -> None:
        """Nothing where the loop has been folded away."""
        if "assemble" in self.steps and schedule.loops(self.kernel, loop):
            self.kernel = assembled.assemble(self.kernel, loop, machine)

    def pack(self, buffer: str, rows: int) -> None:
        if "pack" in self.steps and self.tiles:
            self.kernel = schedule.pack(self.kernel, buffer, rows)


def matmul(d: Draft) -> None:
    """A register tile of filters by pixels; filters of a tile lie side by side, so one pointer walks them all."""
    single = all(t == 1 for t in d.trips("m"))
    filters = 8 if single and d.reaches("n", 8) else 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    if not single:
        d.tile("m", 2)
    if d.optimize != "flash":
        d.unroll("k", 4 if single else 8)


def depthwise(d: Draft) -> None:
    """Small windows unrolled whole, neighbouring pixels side by side; filters of one channel share its inputs."""
    small = all(t is not None and t <= 3 for t in (*d.trips("kh#*"), *d.trips("kw")))
    if any(t != 1 for t in d.trips("r")):
        d.tile("r", 8 if d.reaches("r", 8) else 4)
        if d.optimize != "flash":
            d.unroll("kw", 2)
        return
    if d.optimize == "flash":
        return
    d.tile("ow", 2)
    if small:
        for loop in ("kw", "kh#*"):  # rows of the window: where they are gathered, and where they are multiplied
            count = d.trips(loop)[0]
            if count is not None and count > 1 and all(t == count for t in d.trips(loop)):
                d.unroll(loop, count)


def pairs(d: Draft) -> None:
    """Rows side by side; with one row only, pairs of filters."""
    if all(t == 1 for t in d.trips("m")):
        d.tile("n", 2)
        return
    d.tile("m", 2)
    if d.optimize != "flash":
        d.unroll("q", 2)


def largest(d: Draft) -> None:
    """A few classes side by side: no counter, and the index of each is a constant."""
    classes = d.trips("a")[0]
    if d.optimize != "flash" and classes is not None and 1 < classes <= 16 and all(t == classes for t in d.trips("a")):
        d.unroll("a", classes)


def points(d: Draft) -> None:
    """A register tile of points, whose coordinates lie side by side: one load of x serves them all."""
    if d.reaches("n", 4):
        d.tile("n", 4)
        d.pack("c", 4)
    if d.optimize != "flash":
        d.unroll("k", 2)


def scores(d: Draft) -> None:
    """Two rows share the loads of x. These are small: rows side by side in memory, or more of them, measured no better."""
    if d.optimize != "flash":
        d.tile("n", 2)
    if d.optimize == "speed":
        d.unroll("k", 4)


def curves(d: Draft) -> None:
    """A register tile of points where sums are long; where they are short, several rounds at once."""
    if d.optimize == "flash":
        return
    if d.reaches("k", 8) and d.reaches("n", 16):
        d.tile("n", 4)
        d.pack("c", 4)
    else:
        d.unroll("k", 4)


def nearest(d: Draft) -> None:
    """Whole blocks of features between two looks at the distance so far."""
    block = d.trips("k")[0]
    if d.optimize != "flash" and block is not None and block > 1:
        d.unroll("k", block)


def packed(d: Draft) -> None:
    """As ``matmul``, a byte of weights at a time."""
    filters = 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    if not all(t == 1 for t in d.trips("m")):
        d.tile("m", 2)


def packed_pairs(d: Draft) -> None:
    """As ``pairs``, a word of weights at a time."""
    single = all(t == 1 for t in d.trips("m"))
    d.tile("n" if single else "m", 2)
    if d.optimize != "flash" and (single or all(c["J"] == 1 for c in d.cases)):  # two rows of two words each are enough
        d.unroll("q", 2)


def wide(d: Draft) -> None:
    """int16 or float inputs: filters side by side share the loads of x; each sum keeps its order."""
    if d.optimize == "flash":
        return
    filters = 4 if d.reaches("n", 4) else 2 if d.reaches("n", 2) else 1
    if filters > 1:
        d.tile("n", filters)
        d.pack("w", filters)
    d.unroll("k", 2)


def wide_pairs(d: Draft) -> None:
    """Filters side by side share the loads of x."""
    if d.optimize != "flash":
        d.tile("n", 4 if d.reaches("n", 4) else 2)


def tile(d: Draft) -> None:
    """Rows of a tile side by side, by two filters, in assembly."""
    d.tile("t", 4)
    steps = set(d.trips("s"))
    most = 16 if d.optimize == "speed" else 8
    whole = [f for f in range(4, most + 1) if all(t is not None and t % f == 0 for t in steps)]
    d.unroll("s", max(whole, default=4))
    d.assemble("n")
    if d.kernel.name == "matmul_tiles":
        d.unroll("q", 4)
        d.assemble("t0")
    elif d.kernel.name in ("conv2d_tiles", "conv2d_word_tiles"):
        d.unroll("i", 4)
        d.assemble("v")
    else:
        for loop in ("g", "h", "q"):
            count = d.trips(loop)[0]
            if count is not None and 1 < count <= 16:
                d.unroll(loop, count)
        d.assemble("v")


def dense_tile(d: Draft) -> None:
    """Four filters side by side, in assembly."""
    d.tile("f", 4)
    d.unroll("q", 4)
    d.assemble("n")
    d.unroll("i", 4)
    d.assemble("i")


def depthwise_tile(d: Draft) -> None:
    """Windows unrolled whole, two pixels side by side, in assembly."""
    d.tile("ow", 2)
    for loop in ("p#1", "p#2", "kw"):  # pairs of rows, the row that an odd number leaves, columns
        count = d.trips(loop)[0]
        if count is not None and count > 1:
            d.unroll(loop, count)
    d.assemble("c")
    d.unroll("m", 8 if d.optimize == "speed" else 4)
    d.assemble("k")


def depthwise_plane(d: Draft) -> None:
    """Two pixels of two rows side by side, in assembly."""
    d.tile("ow", 2)
    count = d.trips("kw")[0]
    if count is not None and count > 1:
        d.unroll("kw", count)
    d.unroll("i", 8 if d.optimize == "speed" else 4)
    if d.optimize == "speed":
        d.unroll("m#*", 2)
    for loop in ("c", "i", "m#*"):
        d.assemble(loop)


def twins(d: Draft) -> None:
    """Groups unrolled whole, rows of a tile side by side."""
    count = d.trips("g")[0]
    if count is not None and count > 1:
        d.unroll("g", count)
    d.tile("t", 2)
    d.unroll("k", 8)
    if all(c["T"] == 1 for c in d.cases):
        d.kernel = schedule.unwrap(d.kernel)  # one row is no loop
        d.assemble("n", "thumb-1")
        d.assemble("k", "thumb-1")


SCHEDULES: dict[str, Callable[[Draft], None]] = {
    "matmul": matmul,
    "conv2d_patches": matmul,
    "matmul_pairs": pairs,
    "conv2d_pairs": pairs,
    **dict.fromkeys(("dense_wide_i32_i16", "dense_wide_i64_i16", "dense_f32", "dense_f16", "dense_f8"), wide),
    "matmul_packed": packed,
    "conv2d_packed": packed,
    "matmul_packed_pairs": packed_pairs,
    "conv2d_packed_pairs": packed_pairs,
    "dense_wide_pairs": wide_pairs,
    "squared_distances": points,
    **dict.fromkeys(("arg_max_i32", "arg_max_f32", "arg_max_i8"), largest),
    **dict.fromkeys((f"{of}_curves_{x}" for of in ("distance", "product") for x in ("i8", "u8", "i16")), curves),
    **dict.fromkeys((f"integer_nearest_{x}" for x in ("i8", "u8", "i16")), nearest),
    **dict.fromkeys((f"integer_scores_{x}_{w}" for x in ("i8", "u8", "i16") for w in ("i8", "i16")), scores),
    **vector_schedules.SCHEDULES,
    **lane_schedules.SCHEDULES,
    "depthwise": depthwise,
    "depthwise_rows": depthwise,
    "matmul_tiles": tile,
    "conv2d_tiles": tile,
    "conv2d_byte_tiles": tile,
    "conv2d_word_tiles": tile,
    "dense_tiles": dense_tile,
    "depthwise_tiles": depthwise_tile,
    "depthwise_planes": depthwise_plane,
    **dict.fromkeys(("matmul_twins", "conv2d_twins"), twins),
    **helium_schedules.SCHEDULES,
}

ONE_ROW = ("matmul", "matmul_pairs", "matmul_packed", "matmul_packed_pairs")
"""One row times filters runs once a layer: its copies, specialised for each shape, measured slower than a shared routine."""

FIXED: dict[str, tuple[str, ...]] = {
    **helium_schedules.FIXED,
    **vector_schedules.FIXED,
    **lane_schedules.FIXED,
    **dict.fromkeys(("depthwise", "depthwise_rows"), ("KH", "KW", "R")),
    **dict.fromkeys(("matmul_tiles", "conv2d_tiles", "conv2d_byte_tiles", "conv2d_word_tiles"), ("T", "lo", "hi")),
    "dense_tiles": ("lo", "hi"),
    **dict.fromkeys(("matmul_twins", "conv2d_twins"), ("T", "G", "F", "low_bits", "lo", "hi")),
    "depthwise_tiles": ("KH", "KW", "stride_w", "lo", "hi"),
    "depthwise_planes": ("KW", "lo", "hi"),
    **dict.fromkeys(("matmul_packed", "conv2d_packed", "conv2d_packed_direct"), ("F",)),
    **dict.fromkeys(("matmul_packed_pairs", "conv2d_packed_pairs"), ("BITS", "J", "S", "mask", "half")),
}
"""Numbers that a kernel's routines are always specialised for, flash or not: a loop unrolled whole needs them."""


def sums_by_function(target: Target | None, optimize: str) -> bool:
    """Whether loops that sum float32 along a row become calls of the target's own function, which is larger."""
    return target is not None and target.has_float_sums and optimize != "flash"


def apply_schedule(
    kernel: Kernel,
    cases: Sequence[Mapping[str, int | float]],
    optimize: str,
    steps: tuple[str, ...] = STEPS,
    float_sums: bool = False,
) -> Kernel:
    """The kernel as it will be emitted: the schedule that its name asks for, as far as ``steps`` go, or itself."""
    draft = Draft(kernel, cases, optimize, steps, float_sums)
    for name, rewrite in SCHEDULES.items():
        if kernel.name == name:
            rewrite(draft)
    scheduled = replace(draft.kernel, body=without_unused_locals(draft.kernel.body))
    return sum_by_function(scheduled) if float_sums else scheduled
