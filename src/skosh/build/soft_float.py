"""Arithmetic of float32 for a target without an FPU: one more source, which belongs to the model as its weights do.

Compilers call functions of fixed names for it (Arm IHI 0043, or GCC's for RISC-V). Ours have these names, so that linking
the file is all there is to do; what is measured is what is delivered.
"""

from __future__ import annotations

from importlib.resources import files

from skosh.targets.machine import Target


def soft_float(target: Target | None, unit: str) -> dict[str, str]:
    """{"kws_float.S": ...} for a target without an FPU; {} where the processor, or nobody, computes with floats."""
    if target is None or not target.soft_float:
        return {}
    text = (files("skosh.build") / "runtime" / target.soft_float).read_text(encoding="utf-8")
    return {f"{unit}_float.S": text}

