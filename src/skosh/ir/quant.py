"""``Quant``: which real numbers the integers of a tensor mean."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Quant:
    """Affine quantization: real = scale * (q - zero_point), per tensor or per index of ``axis``."""

    scales: tuple[float, ...]  # float32 values, held exactly
    zero_points: tuple[int, ...]
    axis: int | None = None  # None: one scale for the whole tensor

    @property
    def scale(self) -> float:
        assert len(self.scales) == 1, "a per-channel tensor has no single scale"
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        assert len(set(self.zero_points)) == 1, "a tensor with many zero points has no single one"
        return self.zero_points[0]

    @property
    def per_channel(self) -> bool:
        return len(self.scales) > 1
