"""``VectorMachine``: a set of vector instructions, as spellings of the kernel language's operations on lanes.

A lane holds one value of ``bits`` bits; narrower elements are widened when loaded and cut when stored. A key names an
operation, a template its C. Several templates for one key are tried in turn.

    "+ i32": "_mm256_add_epi32({a}, {b})"

| key                      | operands   | is                                                                         |
|--------------------------|------------|----------------------------------------------------------------------------|
| ``+ i32``, ``max f32``   | a, b       | the language's binary operation on two vectors of this type                |
| ``+ * i32``              | a, b, c    | a + b * c, where the machine has it in one instruction                     |
| ``- i32 1``, ``sqrt f32 1`` | a       | its unary one                                                              |
| ``< i32``                | a, b       | a comparison: a vector of truth values                                     |
| ``and``, ``or``, ``not`` | a, b       | of truth values                                                            |
| ``select i32``           | mask, a, b | a where mask is true, else b                                               |
| ``wrap u32 i32``         | a          | a cast; without a key, types that are one C type need none                 |
| ``set i32``              | a          | the same number in all lanes (``a`` is a scalar of that type)              |
| ``index i32``            | a          | a, a + 1, a + 2, ...                                                       |
| ``load i8``              | from       | elements side by side, widened to i32 (``u8``, ``i16``, ``u16`` too)       |
| ``load i8 pairs``        | from       | two elements a lane, each widened to 16 bits: ``halfwords`` of neighbours  |
| ``store i8``             | to, a      | the low bits of each lane to elements side by side                         |
| ``scatter i8``           | to, a      | the same to elements ``apart`` from each other (a number), where the machine can |
| ``store i8 clamped``     | to, a, lo_n, hi_n | a clamped to constants that the elements hold: saturation may do a part |
| ``store i8 clamped 2``   | to, a, b, lo_n, hi_n | two vectors side by side; ``apart``: a at to, b at to_2                 |
| ``srdhm``                | by name    | a scalar function of the language, by the names of its parameters          |

``{x0_run}`` is the address of x0, and fits where x0, x1, ... are words that lie side by side, the same for all lanes.
``{b_n}`` asks for the scalar that is the same in all lanes, so the template fits only where the operand is one. ``{p}`` is
the predicate (or vector length) of the iteration. Another name in braces is a helper of ``helpers``. A key followed by
" whole" is preferred where all lanes are in use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from string import Formatter

Templates = str | tuple[str, ...]


@dataclass(frozen=True)
class VectorMachine:
    """``test``: the C condition under which its code is compiled. ``types``: element type -> C vector type; "bool" is a mask.

    lanes: lanes of a vector, in C; a number, or an expression evaluated where the program runs.
    predicate: the C type of a predicate, "" where the machine has none (then the last vector of a loop steps back, or what
    is left over is done one by one). ``some``: its value with the lanes from ``i`` below ``hi``; ``all``: with all lanes.
    advance: how far an iteration gets, where that isn't ``lanes``: for machines that choose (``{p}``).
    dot: how many int8 products one lane adds up in an instruction that kernels should be laid out for: 1, 2 or 4.
    writers: "module:function" of loops that it writes in ways of its own (``emit.functions``), asked in this order.
    """

    name: str
    test: str
    header: str
    types: Mapping[str, str]
    lanes: str
    spellings: Mapping[str, Templates]
    helpers: Mapping[str, str] = field(default_factory=dict)
    predicate: str = ""
    some: str = ""
    all: str = ""
    advance: str = ""
    bits: int = 32
    dot: int = 1
    writers: tuple[str, ...] = ()

    @property
    def width(self) -> int | None:
        """Lanes of a vector; None where only the running machine knows."""
        return int(self.lanes) if self.lanes.isdigit() else None

    def templates(self, key: str, *, whole: bool) -> Iterator[str]:
        """The spellings of an operation, the preferred ones first."""
        for k in (f"{key} whole", key) if whole else (key,):
            found = self.spellings.get(k, ())
            yield from (found,) if isinstance(found, str) else found


def places(template: str) -> tuple[str, ...]:
    """The names in braces."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name is not None)
