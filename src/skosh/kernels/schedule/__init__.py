"""Schedules: rewrites of a kernel's loops that never change what it computes.

Each step asks first (``can_...`` answers Yes or No with the reason), documents itself before -> after, and returns a
new kernel whose ``steps`` tell its history.
"""

from skosh.kernels.schedule.addresses import loops
from skosh.kernels.schedule.answers import Answer, No, Yes
from skosh.kernels.schedule.hoisting import can_hoist, hoist
from skosh.kernels.schedule.inlining import can_inline, inline
from skosh.kernels.schedule.marking import can_parallelize, parallelize
from skosh.kernels.schedule.ordering import can_fission, can_fuse, can_reorder, fission, fuse, reorder
from skosh.kernels.schedule.packing import can_pack, pack
from skosh.kernels.schedule.peeling import can_peel, peel
from skosh.kernels.schedule.replacing import can_replace, replace
from skosh.kernels.schedule.scalars import can_registers, registers
from skosh.kernels.schedule.specializing import bind, settle, unwrap
from skosh.kernels.schedule.splitting import can_split, split
from skosh.kernels.schedule.staging import can_stage, stage
from skosh.kernels.schedule.tiling import can_tile, tile
from skosh.kernels.schedule.unrolling import can_unroll, can_unroll_and_jam, unroll, unroll_and_jam

__all__ = [
    "Answer", "No", "Yes", "bind", "can_fission", "can_fuse", "can_hoist", "can_inline", "can_pack", "can_parallelize",
    "can_peel", "can_registers", "can_reorder", "can_replace", "can_split", "can_stage", "can_tile", "can_unroll",
    "can_unroll_and_jam", "fission", "fuse", "hoist", "inline", "loops", "pack", "parallelize", "peel", "registers", "reorder",
    "replace", "settle", "split", "stage", "tile", "unroll", "unroll_and_jam", "unwrap",
]  # fmt: skip
