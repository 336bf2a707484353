"""``prove``: does the compiled model compute what the model computes, bit for bit? If not, where does it begin to differ?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skosh.emulate.runner import Runner, layer_of
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.lower.program import Program
from skosh.verify.samples import Samples

Oracle = Callable[[Sequence[Array]], tuple[Array, ...]]
TRACED_SAMPLES = 3  # so many samples are compared layer by layer; the others by their outputs, until these differ


@dataclass(frozen=True)
class Difference:
    """The first place where two computations part. ``layer`` is the first whose output differs, in execution order."""

    against: str
    sample: int
    layer: str
    tensor: str
    index: tuple[int, ...]
    expected: float
    got: float

    def __str__(self) -> str:
        place = f"{self.tensor}[{', '.join(map(str, self.index))}]"
        return (
            f"sample {self.sample}: {self.layer}: {place} is {self.got}, not {self.expected} as {self.against} has it"
        )


@dataclass(frozen=True)
class Proof:
    """bit_exact: no element differs. elements: how many were compared, outputs and layers, over all oracles."""

    bit_exact: bool
    mismatches: int
    elements: int
    samples: int
    against: tuple[str, ...]
    first_difference: Difference | None

    @property
    def sentence(self) -> str:
        """What was compared, and what came of it: "identical on 20 samples: 1,234 elements, against reference"."""
        compared = f"{self.samples:,} samples: {self.elements:,} elements, against {', '.join(self.against)}"
        return f"identical on {compared}" if self.bit_exact else f"{self.mismatches:,} differ on {compared}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def prove(
    source: Graph,
    program: Program,
    subject: Runner,
    samples: Samples,
    *,
    tracer: Runner | None = None,
    oracles: Mapping[str, Oracle] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Proof:
    """Compare ``subject`` with the reference meaning of the source graph, with golden outputs, and with other oracles.

    tracer: the same program built to show every layer; its values are compared with the reference of the optimized graph
    on the first samples, so that a difference is found where it arises. oracles: name -> outputs from inputs, called in
    order of the samples (a model with state has one there too).
    """
    count = _Count()
    for runner in filter(None, (subject, tracer)):
        runner.reset()
    reference = _reference(source)
    states = initial_states(program.graph)
    others = dict(oracles or {})
    for i, inputs in enumerate(samples.inputs):
        got_outputs = subject.run(inputs)
        expected: list[tuple[str, tuple[Array, ...]]] = [("reference", reference(inputs))]
        if samples.golden is not None:
            expected.append(("golden", samples.golden[i]))
        expected += [(name, oracle(inputs)) for name, oracle in others.items()]
        # a later sample is looked into when it is the first that differs; not with states, which the tracer has then lost
        late = count.first is None and not program.graph.states and _differ(expected[0][1], got_outputs)
        if tracer is not None and (i < TRACED_SAMPLES or late):
            run = run_graph(program.graph, inputs, states)
            states = dict(run.states)
            for name, got in tracer.trace(inputs).items():
                count.compare("reference", i, layer_of(program, name).name, name, run.values[name], got)
        for against, outputs in expected:
            for name, want, got in zip(source.outputs, outputs, got_outputs, strict=True):
                count.compare(against, i, "output", name, want, got)
        progress(i + 1)
    names = ("reference", *(("golden",) if samples.golden is not None else ()), *others)
    return Proof(count.mismatches == 0, count.mismatches, count.elements, len(samples), names, count.first)


def _reference(source: Graph) -> Oracle:
    """The graph interpreter, its states kept from call to call."""
    states = initial_states(source)

    def outputs(inputs: Sequence[Array]) -> tuple[Array, ...]:
        nonlocal states
        run = run_graph(source, inputs, states)
        states = dict(run.states)
        return tuple(run.values[n] for n in source.outputs)

    return outputs


def _differ(want: Sequence[Array], got: Sequence[Array]) -> bool:
    return any(next(_differences(w, g), None) is not None for w, g in zip(want, got, strict=True))


class _Count:
    def __init__(self) -> None:
        self.elements = self.mismatches = 0
        self.first: Difference | None = None

    def compare(self, against: str, sample: int, layer: str, tensor: str, want: Array, got: Array) -> None:
        self.elements += want.size
        differing = list(_differences(want, got))
        self.mismatches += len(differing)
        if differing and self.first is None:
            index = differing[0]
            self.first = Difference(against, sample, layer, tensor, index, want[index].item(), got[index].item())


def _differences(want: Array, got: Array) -> Iterator[tuple[int, ...]]:
    """Where the bits differ: NaN equals NaN, and 0.0 is not -0.0."""
    got = got.reshape(want.shape)
    same = np.frombuffer(want.tobytes(), np.uint8) == np.frombuffer(got.tobytes(), np.uint8)
    if same.all():
        return
    differ = ~same.reshape(*want.shape, -1).all(axis=-1)
    if want.dtype.kind == "f":
        differ &= ~(np.isnan(want) & np.isnan(got))
    for index in np.argwhere(differ):
        yield tuple(int(i) for i in index)
