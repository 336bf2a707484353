"""``prove``: does the compiled model compute what the model computes, bit for bit? If not, where does it begin to differ?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from skosh.base.shown import html_of
from skosh.emulate.runner import Runner, layer_of
from skosh.importers.originals import Original
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import initial_states, run_graph
from skosh.lower.program import Program
from skosh.verify.coverage import Coverage, Watch
from skosh.verify.edges import edge_samples
from skosh.verify.library import Agreement, asked, compared
from skosh.verify.samples import Samples

Oracle = Callable[[Sequence[Array]], tuple[Array, ...]]
EDGE_SAMPLES = 12  # so many of each kind, where a library is asked
TRACED_SAMPLES = 3  # so many samples are compared layer by layer; the others by their outputs, until these differ


NAMED = 3  # so many layers that never varied are named in a sentence; all of them in JSON


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
    """bit_exact: no element differs; from the library's answers, where it was asked, by more than rounding (``Agreement``).
    elements: how many were compared, outputs and layers, over all oracles. coverage: what the samples reached."""

    bit_exact: bool
    mismatches: int
    elements: int
    samples: int
    against: tuple[str, ...]
    first_difference: Difference | None
    library: Agreement | None = None
    coverage: Coverage | None = None

    @property
    def sentence(self) -> str:
        """What was compared, and what came of it: "identical on 20 samples: the output, all 9 layers (on 3 samples), 1,234
        elements, against reference; reached 14 of 16 saturations"."""
        of = f"{self.mismatches:,} of {self.elements:,} elements differ"
        verdict = "identical" if self.bit_exact else f"not identical, {of},"
        told = [*self.what, f"{self.elements:,} elements"] if self.bit_exact else self.what
        names = f"against {', '.join(self.against)}"
        return f"{verdict} on {counted(self.samples, 'sample')}: {', '.join([*told, names])}{self.reach}"

    @property
    def what(self) -> list[str]:
        """Outputs and layers: ["all 2 outputs", "all 9 layers (on 3 samples)"]."""
        c = self.coverage
        if c is None:
            return []
        outputs = "the output" if c.outputs == 1 else f"all {c.outputs:,} outputs"
        layers = f"all {c.layers:,} layers" if c.layers > 1 else "its layer"
        return [outputs, *([f"{layers} (on {counted(c.traced, 'sample')})"] if c.layers else [])]

    @property
    def reach(self) -> str:
        """ "; reached 14 of 16 saturations; never varied: x", as far as there is something to say."""
        c = self.coverage
        if c is None:
            return ""
        names = [*c.unvaried[:NAMED], *(["..."] if len(c.unvaried) > NAMED else [])]
        return (f"; reached {c.reached}" if c.reached else "") + (f"; never varied: {', '.join(names)}" if names else "")

    def _repr_html_(self) -> str:
        return html_of("proof", self)

    def as_json(self) -> dict[str, Any]:
        told = {**asdict(self), "coverage": None if self.coverage is None else self.coverage.as_json()}
        return {k: v for k, v in told.items() if v is not None or k not in ("library", "coverage")}


def prove(
    source: Graph,
    program: Program,
    subject: Runner,
    samples: Samples,
    *,
    tracer: Runner | None = None,
    oracles: Mapping[str, Oracle] | None = None,
    library: Original | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> Proof:
    """Compare ``subject`` with the reference meaning of the source graph, with golden outputs, and with other oracles.

    tracer: the same program built to show every layer; its values are compared with the reference of the optimized graph
    on the first samples, so that a difference is found where it arises. oracles: name -> outputs from inputs, called in
    order of the samples (a model with state has one there too). library: the object that the model was made from, which is
    asked about the samples, and about inputs at the edges; there the reference is compared too.
    """
    count, watch = _Count(), Watch(source)
    traced: set[str] = set()
    traced_samples = 0
    for runner in filter(None, (subject, tracer)):
        runner.reset()
    reference = _reference(source, watch)
    states = initial_states(program.graph)
    others = dict(oracles or {})
    given: list[tuple[Array, ...]] = []
    for i, inputs in enumerate(samples.inputs):
        got_outputs = subject.run(inputs)
        given.append(got_outputs)
        expected: list[tuple[str, tuple[Array, ...]]] = [("reference", reference(inputs))]
        if samples.golden is not None:
            expected.append(("golden", samples.golden[i]))
        expected += [(name, oracle(inputs)) for name, oracle in others.items()]
        # a later sample is looked into when it is the first that differs; not with states, which the tracer has then lost
        late = count.first is None and not program.graph.states and _differ(expected[0][1], got_outputs)
        if tracer is not None and (i < TRACED_SAMPLES or late):
            run = run_graph(program.graph, inputs, states)
            states = dict(run.states)
            traced_samples += 1
            for name, got in tracer.trace(inputs).items():
                traced.add(layer_of(program, name).name)
                count.compare("reference", i, layer_of(program, name).name, name, run.values[name], got)
        for against, outputs in expected:
            for name, want, got in zip(source.outputs, outputs, got_outputs, strict=True):
                count.compare(against, i, "output", name, want, got)
        progress(i + 1)
    agreed = None if library is None else _asked(library, source, subject, samples, given, count, watch)
    golden, found = ("golden",) if samples.golden is not None else (), () if library is None else ("library",)
    names = ("reference", *golden, *others, *found)
    reached = watch.coverage(len(traced), traced_samples)
    return Proof(count.mismatches == 0, count.mismatches, count.elements, len(samples), names, count.first, agreed, reached)


def _asked(
    library: Original, source: Graph, subject: Runner, samples: Samples, given: Sequence[tuple[Array, ...]], count: _Count,
    watch: Watch,
) -> Agreement:  # fmt: skip
    """Compare the outputs for the samples with the library's, then those at each kind of edge, which are run here."""
    rows, ties, error = 0, 0, 0.0
    edges: dict[str, int] = {}
    refused: dict[str, str] = {}

    def take(kind: str, inputs: Sequence[tuple[Array, ...]], got: Sequence[tuple[Array, ...]]) -> int:
        nonlocal ties, error
        plain = kind == "samples"
        answers, said = asked(library, inputs, one_by_one=plain and not source.states)
        if said:
            refused[kind] = said
        if answers is None:
            return 0
        first = 0 if plain else len(samples) + sum(edges.values())
        found = compared(library, source, answers, got)
        for k, output in enumerate(found):
            ties, error = ties + output.ties, max(error, output.error)
            have = np.stack([row[k] for row in got]).reshape(output.want.shape)
            count.add(f"library ({kind})", first, source.outputs[k], output.want, have, output.differ)
        return len(inputs) if answers.known is None else int(answers.known.sum())

    if len(samples):
        rows = take("samples", samples.inputs, given)
    reference = _reference(source, watch)
    for kind in () if source.states else library.edges:
        inputs = edge_samples(source, EDGE_SAMPLES * (3 if kind == "thresholds" else 1), kind)
        got = [subject.run(x) for x in inputs]
        for i, x in enumerate(inputs):
            for name, want, have in zip(source.outputs, reference(x), got[i], strict=True):
                count.compare(f"reference ({kind})", len(samples) + sum(edges.values()) + i, "output", name, want, have)
        if inputs:
            edges[kind] = take(kind, inputs, got)
    return Agreement(library.name, rows + sum(edges.values()), edges, refused, ties, error)


def reference_outputs(source: Graph, inputs: Sequence[tuple[Array, ...]]) -> list[tuple[Array, ...]]:
    """What the graph means for inputs in order, states kept from one to the next."""
    reference = _reference(source, Watch(source))
    return [reference(x) for x in inputs]


def _reference(source: Graph, watch: Watch) -> Oracle:
    """The graph interpreter, its states kept from call to call; ``watch`` sees what it computes."""
    states = initial_states(source)

    def outputs(inputs: Sequence[Array]) -> tuple[Array, ...]:
        nonlocal states
        run = run_graph(source, inputs, states)
        states = dict(run.states)
        watch.see(run.values)
        return tuple(run.values[n] for n in source.outputs)

    return outputs


def counted(number: int, what: str) -> str:
    """ "1 sample", "20 samples"."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


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

    def add(self, against: str, sample: int, tensor: str, want: Array, got: Array, differ: Array) -> None:
        """Rows of an output of which it is known already where they differ; ``sample``: the number of the first."""
        self.elements += want.size
        places = np.argwhere(differ)
        self.mismatches += len(places)
        if len(places) and self.first is None:
            row, *index = (int(i) for i in places[0])
            expected, have = want[row, *index].item(), got[row, *index].item()
            self.first = Difference(against, sample + row, "output", tensor, tuple(index), expected, have)


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
