"""Which loops a step means: "k", the loop over k; "k#2", the second one written over k; "k#*", each of them.

A kernel may be written with several loops over one variable, one after another. ``For.nth`` tells them apart from the
kernel's definition on, and the copies that steps make of a loop keep it: an address means one loop, wherever it went.
"""

from __future__ import annotations

from skosh.ir.kernel import For, Kernel, walk

SEPARATOR, EACH = "#", "*"


def variable(address: str) -> str:
    """The variable of an address: "k#2" -> "k"."""
    return address.partition(SEPARATOR)[0]


def told(address: str) -> str:
    """An address in a kernel's history: that each of several loops is meant goes without saying."""
    return address.removesuffix(SEPARATOR + EACH)


def means(address: str, loop: For) -> bool:
    """Is this one of the loops that an address means? A bare variable means all loops over it."""
    name, _, nth = address.partition(SEPARATOR)
    return loop.var == name and nth in ("", EACH, str(loop.nth))


def loops(kernel: Kernel, address: str) -> tuple[For, ...]:
    """The loops that an address means: one in most kernels, several once a step has copied their surroundings."""
    return tuple(s for s in walk(kernel.body) if isinstance(s, For) and means(address, s))


def ambiguous(kernel: Kernel, address: str) -> str:
    """Why an address doesn't say which loop it means; nothing where it does."""
    written = sorted({loop.nth for loop in loops(kernel, address)})
    if SEPARATOR in address or len(written) < 2:
        return ""
    each = ", ".join(f'"{address}{SEPARATOR}{n}"' for n in written)
    return f'{len(written)} loops are written over "{address}": say {each}, or "{address}{SEPARATOR}{EACH}" for each'
