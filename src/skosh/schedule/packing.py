"""Constants in another order: re-laid at compile time."""

from __future__ import annotations

from dataclasses import replace

from skosh.ir.kernel import Kernel, Load, all_exprs
from skosh.schedule.answers import Answer, No, Yes, act


def can_pack(kernel: Kernel, buffer: str) -> Answer:
    if buffer not in {p.name for p in kernel.params}:
        return No(f'there is no buffer "{buffer}"')
    param = kernel.param(buffer)
    if param.written:
        return No(f'"{buffer}" is written; only constants are re-laid at compile time')
    if len(param.shape) < 2:
        return No(f'"{buffer}" has one dimension')
    if param.dtype.packed:
        return No(f'two elements of "{buffer}" lie in a byte')
    if any(isinstance(e, Load) and e.buffer == buffer and e.dtype != param.dtype for e in all_exprs(kernel.body)):
        return No(f'"{buffer}" is read word by word, and words would no longer lie together')
    return Yes()


def pack(kernel: Kernel, buffer: str, rows: int) -> Kernel:
    """Re-lay a constant in blocks of rows, so that the rows of a register tile lie side by side.

    w[n, k] at n * K + k  ->  at (n // 4 * K + k) * 4 + n % 4
    """
    act(kernel, can_pack(kernel, buffer), f'pack "{buffer}" by {rows} rows')
    params = tuple(replace(p, tile=rows) if p.name == buffer else p for p in kernel.params)
    return replace(kernel, params=params, steps=(*kernel.steps, f'pack "{buffer}" by {rows} rows'))
