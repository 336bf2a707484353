"""Loops as Thumb-2 assembly, with registers of our own choice: for the hot loops that compilers spoil.

``select`` turns a marked loop nest into instructions on virtual registers, ``order`` arranges them so that few values live
at once, ``allocate`` gives them registers (linear scan), ``text`` writes a module-level assembly function.
"""

from skosh.machines.arm_m.thumb.text import assemble
from skosh.targets.assembler import Assembler

_SYNTAX = ".syntax unified"
_BEGINS = (".balign 4", ".global {name}", ".hidden {name}", ".type {name}, %function", ".thumb_func", "{name}:")

THUMB_DSP = Assembler(("defined(__ARM_FEATURE_DSP)", "defined(__thumb2__)"), _SYNTAX, _BEGINS, assemble)
THUMB_1 = Assembler(("defined(__thumb__)",), _SYNTAX, _BEGINS, assemble)

__all__ = ["THUMB_1", "THUMB_DSP", "assemble"]
