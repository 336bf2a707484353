"""What planning gives: an order of the nodes and an offset for every byte that a run needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Kind = Literal["tensor", "scratch", "state", "input", "output"]


@dataclass(frozen=True)
class Buffer:
    """A range of the arena, and the steps (positions in ``Plan.order``, both inclusive) during which it is taken.

    ``tensors``: those that share it for good: a tensor and its views, all values of a state. Empty for scratch memory.
    """

    id: int
    offset: int
    nbytes: int
    first_step: int
    last_step: int
    tensors: tuple[str, ...]
    kind: Kind

    @property
    def end(self) -> int:
        return self.offset + self.nbytes


@dataclass(frozen=True)
class Plan:
    """Where everything lives. Offsets and sizes are in bytes from the start of the arena.

    order: indices into ``graph.nodes``, in the order to execute them.
    offset_of: every tensor that lives in the arena, so every one but constants and views of constants.
    scratch_offset: (node index, k) -> offset of the node's scratch buffer number k.
    arena_bytes: size of the arena, a multiple of ``align``.
    lower_bound: no order, no sharing and no offsets can need less than this.
    bound_kind: "optimal" when arena_bytes == lower_bound, else the gap in words.
    copies: view nodes (indices) whose output has its own memory: these must copy their input's bytes.
    inplace: node index -> (input, output) pairs that share memory because the planner chose so; ``Op.update`` pairs
        always share and are not listed. Such a pair must not be ``restrict`` in C.
    align: every offset is a multiple of this and of the element sizes.
    base_align: what the arena's own address must be a multiple of.
    """

    order: tuple[int, ...]
    buffers: tuple[Buffer, ...]
    offset_of: Mapping[str, int]
    scratch_offset: Mapping[tuple[int, int], int]
    arena_bytes: int
    lower_bound: int
    bound_kind: str
    copies: tuple[int, ...] = ()
    inplace: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=lambda: MappingProxyType({}))
    align: int = 4
    base_align: int = 4

    @property
    def optimal(self) -> bool:
        return self.arena_bytes == self.lower_bound

    def __str__(self) -> str:
        return f"arena {self.arena_bytes:,} bytes, {self.bound_kind}"
