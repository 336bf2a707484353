"""``kws.json``: everything a program or a person may want to know about the C beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from skosh import __version__
from skosh.base.aims import Aim
from skosh.emit.interface import Port, interface
from skosh.ir.graph import Graph, macs
from skosh.lower.program import Program
from skosh.targets import Target


class _Measured(Protocol):
    def as_json(self) -> dict[str, Any]: ...


def manifest(
    program: Program, source: Graph, optimize: Aim, target: Target, files: Iterable[str], profile: _Measured | None
) -> dict[str, Any]:
    """Sizes in bytes. ``files``: what to compile and link; ``profile``: the figures measured, where it is emulated."""
    face = interface(program)
    return {
        "name": program.name,
        "skosh": __version__,
        "source": {"file": source.loc.file, "sha256": source.digest},
        "target": target.name,
        "board": target.board.name if target.board is not None else None,
        "optimize": optimize,
        "files": sorted(files),
        "arena_bytes": program.plan.arena_bytes,
        "arena_align": program.plan.base_align,
        "arena_bound": program.plan.bound_kind,
        "constant_bytes": sum(d.nbytes for d in program.data),
        "macs": macs(program.graph),
        "inputs": [_port(p) for p in face.inputs],
        "outputs": [_port(p) for p in face.outputs],
        "states": [s.name for s in program.graph.states],
        "profile": profile.as_json() if profile is not None else None,
    }


def _port(p: Port) -> dict[str, Any]:
    quant = p.tensor.quant
    return {
        "name": p.tensor.name,
        "function": p.accessor,
        "shape": list(p.tensor.shape),
        "type": p.dtype.name,
        "scale": (list(quant.scales) if quant.per_channel else quant.scale) if quant else None,
        "zero_point": (list(quant.zero_points) if quant.per_channel else quant.zero_point) if quant else None,
    }
