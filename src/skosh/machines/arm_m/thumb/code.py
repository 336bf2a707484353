"""Instructions on virtual registers, and the blocks and loops that they form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

REGISTERS = ("r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "lr")


@dataclass(frozen=True)
class Dialect:
    """What the assembler must know of an instruction set. ``high``: registers that few instructions can name."""

    name: str
    registers: tuple[str, ...]
    high: tuple[str, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Thumb-1: results in the place of an operand, no pairs of words, short distances."""
        return bool(self.high)


THUMB_2 = Dialect("thumb-dsp", REGISTERS)
THUMB_1 = Dialect("thumb-1", REGISTERS[:8], REGISTERS[8:])
DIALECTS = {d.name: d for d in (THUMB_2, THUMB_1)}


@dataclass(frozen=True)
class Reg:
    """A virtual register. ``name`` is what a reader calls it, and no part of its identity."""

    id: int
    name: str = field(compare=False)


@dataclass
class Ins:
    """One instruction: ``text`` with places {o0}.. for ``outs`` and {i0}.. for ``ins``.

    An output that is also in ``ins`` is changed in place. memory: "" or "load" or "store" or "stack".
    tied: the first output is in the register of the first input (``narrow.two_address`` sees to it); swaps: and that may
    be the second one as well. high: "any" where all operands may be in high registers, "in place" where the text is an
    addition, which may as soon as its output is one of its inputs. early: an output is written before all inputs are read.
    """

    text: str
    outs: tuple[Reg, ...] = ()
    ins: tuple[Reg, ...] = ()
    memory: str = ""
    buffer: str = ""
    base: Reg | None = None  # of a word load that may be joined with its neighbours: base, offset in bytes
    offset: int = 0
    label: str = ""  # a label, when there is no text
    copy: bool = False  # a plain move, which vanishes where both are one register
    tied: bool = False
    swaps: bool = False
    high: str = ""
    early: bool = False


@dataclass
class Loop:
    """A loop: ``body``, then ``tail`` (advance, compare, branch back to ``label``)."""

    body: list[Ins | Loop]
    tail: list[Ins]
    label: str


Item = Ins | Loop


@dataclass
class Pool:
    """Makes virtual registers and labels."""

    count: int = 0
    labels: int = 0
    made: list[Reg] = field(default_factory=list)

    def reg(self, name: str) -> Reg:
        self.count += 1
        self.made.append(Reg(self.count, name))
        return self.made[-1]

    def label(self) -> str:
        self.labels += 1
        return str(self.labels)


def flat(items: list[Item], depth: int = 0) -> Iterator[tuple[Ins, int]]:
    """Every instruction in the order of the text, with its loop depth; labels included."""
    for item in items:
        if isinstance(item, Ins):
            yield item, depth
        else:
            yield Ins("", label=item.label), depth + 1
            yield from flat(item.body, depth + 1)
            for i in item.tail:
                yield i, depth + 1
