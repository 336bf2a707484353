"""Random schedules as C on this computer: they compile without a warning, and compute what the interpreter says.

Many schedules are one file of C: a compiler started once is what makes this quick.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from skosh import schedule
from skosh.ir.kernel import Kernel
from skosh.ir.kernel_text import text
from tests.language.host_c import Library, same
from tests.language.random_steps import scheduled
from tests.language.zoo import ZOO

EACH = 4  # schedules of a kernel, in one file


class Some:
    """(name in the zoo, kernel): too long to be shown."""

    def __init__(self, made: list[tuple[str, Kernel]]) -> None:
        self.made = made

    def __repr__(self) -> str:
        return "..."


@st.composite
def some(draw: st.DrawFn) -> Some:
    """A few schedules of every kernel."""
    out = []
    for name, animal in ZOO.items():
        for _ in range(EACH):
            bound = draw(st.integers(0, 3)) > 0
            k = schedule.bind(animal.kernel, animal.numbers) if bound else animal.kernel
            out.append((name, draw(scheduled(k, animal.constants))))
    return Some(out)


@settings(max_examples=3, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(all_=some())
def test_random_schedules_in_c(all_: Some) -> None:
    library = Library([k for _, k in all_.made])
    for i, (name, k) in enumerate(all_.made):
        animal = ZOO[name]
        want = animal.run(animal.kernel, i)
        got = animal.run(k, i, how=lambda _, buffers, numbers, i=i: library.run(i, buffers, numbers))
        for buffer in want:
            assert same(got[buffer], want[buffer]), (buffer, text(k))
