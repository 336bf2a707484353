"""Loops as Thumb-2 assembly, with registers of our own choice: for the hot loops that compilers spoil.

``select`` turns a marked loop nest into instructions on virtual registers, ``order`` arranges them so that few values live
at once, ``allocate`` gives them registers (linear scan), ``text`` writes a module-level assembly function.
"""

from skosh.emit.thumb.text import Assembled, assemble

__all__ = ["Assembled", "assemble"]
