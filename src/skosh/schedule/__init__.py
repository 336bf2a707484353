"""Floor 2: schedules. Rewrites of a kernel's loops that never change what it computes.

Each step asks first (``can_...`` answers Yes or No with the reason), documents itself before -> after, and returns a
new kernel whose ``steps`` tell its history.
"""

from skosh.ir.specialize import bind, settle, unwrap
from skosh.schedule.addresses import loops
from skosh.schedule.answers import Answer, No, Yes
from skosh.schedule.hoisting import can_hoist, hoist
from skosh.schedule.inlining import can_inline, inline
from skosh.schedule.marking import can_parallelize, parallelize
from skosh.schedule.ordering import can_fission, can_fuse, can_reorder, fission, fuse, reorder
from skosh.schedule.packing import can_pack, pack
from skosh.schedule.peeling import can_peel, peel
from skosh.schedule.replacing import can_replace, replace
from skosh.schedule.scalars import can_registers, registers
from skosh.schedule.splitting import can_split, split
from skosh.schedule.staging import can_stage, stage
from skosh.schedule.tiling import can_tile, tile
from skosh.schedule.unrolling import can_unroll, can_unroll_and_jam, unroll, unroll_and_jam

__all__ = [
    "Answer", "No", "Yes", "bind", "can_fission", "can_fuse", "can_hoist", "can_inline", "can_pack", "can_parallelize",
    "can_peel", "can_registers", "can_reorder", "can_replace", "can_split", "can_stage", "can_tile", "can_unroll",
    "can_unroll_and_jam", "fission", "fuse", "hoist", "inline", "loops", "pack", "parallelize", "peel", "registers", "reorder",
    "replace", "settle", "split", "stage", "tile", "unroll", "unroll_and_jam", "unwrap",
]  # fmt: skip
