"""skosh: trained models as plain C for the smallest computers, proved and measured.

    import skosh
    graph = skosh.load("kws.tflite")
    build = skosh.compile(graph, target="cortex-m4")
    build.verify().bit_exact
    build.save("out")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from skosh import features as features
    from skosh.built import Build
    from skosh.deliver.streams import StreamReport
    from skosh.ir.graph import Graph
    from skosh.place.hierarchy import Hierarchy
    from skosh.placing import Placement

__version__ = "0.1.0"
PUBLIC = {
    "Build": "skosh.built", "Graph": "skosh.ir.graph", "Proof": "skosh.verify.proof", "Profile": "skosh.verify.measure",
}  # fmt: skip
"""Classes of what the functions give, imported when they are asked for."""

__all__ = [
    "Build", "Graph", "Profile", "Proof", "compile", "early_exit", "evaluate_stream", "hierarchy", "load", "place", "quantize",
    "split", "stream",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """``skosh.features``, ``skosh.errors`` and the classes of PUBLIC, imported when they are asked for."""
    from importlib import import_module

    if name in ("features", "errors"):
        return import_module(f"skosh.{name}")
    if name in PUBLIC:
        return getattr(import_module(PUBLIC[name]), name)
    raise AttributeError(f"module 'skosh' has no attribute {name!r}")


def load(source: Any, **options: Any) -> Graph:
    """A Graph from a file or a fitted object. Raises ModelError, with every obstacle, when it can't be compiled.

    Of every source: name, what the C calls the model. labels: names of its classes, or a text file with one a line. budget:
    what reading it may cost; ``budget=10`` allows ten times as much as usual (``skosh.base.budget``).

    .skosh                          none: it holds what options have made
    .tflite, .lite                  shapes={input: sizes} that the file leaves open; interface="file" keeps uint8
    .onnx, an ONNX model            shapes={input: sizes}; layout="nhwc" for images [N, H, W, C], "nchw" as they are
    PyTorch modules, programs       example=x, batch first; layout. A .pt2 file: trust_pickle=True
    .keras, .h5                     trust_pickle=True; what a .tflite takes
    scikit-learn                    output="label", "proba" or "decision"; missing=False where inputs are never NaN;
                                    length=256, bytes of a text; of trees form and features="int8" or others
    .skops, .pkl, .joblib           what the object takes; trust_pickle=True for pickles
    XGBoost, LightGBM               output, missing, form, features
    .bif, .xmlbif, pgmpy            query=[...], evidence=[...], output="posterior" or "map", joint, missing, arithmetic
    hmmlearn                        output="filter", "smooth", "viterbi", "posteriors" or "likelihood"; lag or length
    .crfsuite, sklearn-crfsuite     output="viterbi", "marginals", "filter" or "smooth"; length or lag; attributes, values

    The folder docs has a page for each.
    """
    from skosh.importers import load

    return load(source, **options)


def quantize(
    graph: Graph,
    samples: Any = None,
    *,
    scheme: str = "int8",
    calibration: str = "minmax",
    held_out: Any = None,
    examine: bool = True,
    **options: Any,
) -> Graph:
    """An integer Graph from a float one, calibrated on samples (batch first, the model's own floats).

    scheme: "int8", "int16x8", "mixed", "int4", "int2", "ternary" or "float16". calibration: "minmax", "percentile", "mse" or
    "entropy". More options: ``quantizer.quantize``.
    examine: measure the result on some of the samples, or of held_out, and give a QuantizationWarning when a network answers
    otherwise than in floats: it says what shows why, and what other options would gain (``quantizer.examine``).
    """
    from skosh.quantizer import examine as look
    from skosh.quantizer import quantize_graph

    made = quantize_graph(graph, samples, scheme=scheme, calibration=calibration, **options)
    if examine and samples is not None:
        how = {"scheme": scheme, "calibration": calibration, "held_out": held_out, **options}
        told = look(graph, made, samples, **how).lines
        if told:
            import warnings

            from skosh.base.errors import QuantizationWarning

            warnings.warn(f"{scheme}: " + "; ".join(told), QuantizationWarning, stacklevel=2)
    return made


def compile(
    model: Any,
    *,
    target: str = "cortex-m4",
    optimize: str = "balanced",
    name: str | None = None,
    max_ram: int | str | None = None,
    max_flash: int | str | None = None,
    search: bool = False,
    progress: Callable[[int, int], None] | None = None,
    budget: Any = None,
    self_check: bool = True,
) -> Build:
    """C for a target, from a Graph or anything that ``load`` takes.

    target: a processor or a board ("cortex-m4", "pico"); a board's RAM and flash are limits too.
    optimize: "balanced", "speed", "flash" or "ram". max_ram, max_flash: bytes, or text like "64K" (1,024 each).
    search: measure every form of every layer in the target's emulator and take the best for the aim, instead of the rules'.
    That takes a minute or so; the result is kept for the next time. progress: told how many steps are done, of how many.
    self_check: run each scheduled routine against its kernel on a little random data, once for each routine there is.
    budget: what reading and compiling it may cost, as ``load`` takes it.
    Raises FitError when the model needs more than the target has, BudgetError when its load or this would cost too much.
    """
    from skosh.base.budget import budgeted
    from skosh.base.sizes import parse_size
    from skosh.built import build
    from skosh.ir.graph import Graph
    from skosh.targets import target as find_target

    with budgeted(budget, model.loc if isinstance(model, Graph) else None):
        graph = model if isinstance(model, Graph) else load(model)
        limits = [None if m is None else parse_size(m) for m in (max_ram, max_flash)]
        return build(
            graph,
            target=find_target(target),
            optimize=optimize,
            name=name,
            max_ram=limits[0],
            max_flash=limits[1],
            search=search,
            progress=progress or (lambda done, of: None),
            self_check=self_check,
        )


def evaluate_stream(
    scores: Any,
    recording: Any = None,
    *,
    events: Sequence[tuple[float, float]],
    hop: float,
    threshold: float | None = None,
    false_accepts_an_hour: float = 1.0,
    column: int = 0,
    tolerance: float = 0.5,
    refractory: float = 1.0,
) -> StreamReport:
    """How a detector does over a long recording: true and false accepts an hour, delays, the DET curve in numbers and as SVG.

    scores: one for each run, [runs]; or a Graph or Build, which is given ``recording``, [runs, *its input], its state going on
    from run to run; ``column`` of its first output is the score. events: (start, end) in seconds of what is to be found, in
    order. hop: seconds from run to run. A run accepts where its score is at least the threshold, and the accept before is
    ``refractory`` seconds ago; that is right within an event, or up to ``tolerance`` seconds after it.

    threshold: without it, the lowest from which on there are at most ``false_accepts_an_hour``. Choose it on another recording
    than the one that is reported. Raises InputError where these don't fit each other.
    """
    from skosh.built import stream_scores
    from skosh.deliver.streams import evaluated

    found = stream_scores(scores, recording, column)
    return evaluated(
        found, events, hop=hop, threshold=threshold, false_accepts_an_hour=false_accepts_an_hour, tolerance=tolerance,
        refractory=refractory,
    )  # fmt: skip


def split(graph: Graph, *, after: str | int) -> tuple[Graph, Graph]:
    """Head and tail of a model, cut after a layer: head then tail equals the whole, bit for bit.

    after: a layer by name, a tensor by name, or a layer's index. ``head.notes["wire"]`` says what crosses: type, shape, scale,
    zero point, bytes. Raises InputError, with legal layers, where no cut is.
    """
    from skosh.place.pieces import split

    return split(graph, after=after)


def stream(graph: Graph, *, hop: int, axis: int = 1) -> Graph:
    """A model over a window, as one that takes ``hop`` rows of it along an axis of its input, and remembers the others.

    The answers are those of the window, bit for bit; until it was full once, the status NOT_YET. Each layer computes its new
    rows, and those that see padding at the ends of the window. ``Build.push`` runs one hop; the C has ``<model>_push``.

    Raises InputError where hop or axis doesn't fit the input or the strides; ModelError where the graph has states or several
    inputs.
    """
    from skosh.features.streaming import stream

    return stream(graph, hop=hop, axis=axis)


def place(model: Any, samples: Any = None, labels: Any = None, *, device: str, link: str, **options: Any) -> Placement:
    """Where a model should run: device, fog, cloud, or in pieces; energy, latency, life and money of each way; and what
    would have to change for the answer to be another one.

    device, link: names that ``skosh devices`` and ``skosh links`` list. samples, labels: accuracy is measured on them.
    options: ``placing.place``. Energies are bands from a catalogue whose every figure has a source.
    """
    from skosh.placing import place

    return place(model, samples, labels, device=device, link=link, **options)


def hierarchy(small: Graph, large: Graph, samples: Any, labels: Any, *, cost_ratio: float = 0.1, **options: Any) -> Hierarchy:
    """A small classifier that knows when to ask the large one; ``.graph`` compiles to C that says whether it is sure.

    cost_ratio: what sending a sample costs, a wrong answer costing 1. The rule is a threshold on the confidence, by
    temperature scaling, or a logistic decision on the scores: whichever costs less on samples that fitted neither.
    """
    from skosh.place.hierarchy import hierarchy

    return hierarchy(small, large, samples, labels, cost_ratio=cost_ratio, **options)


def early_exit(graph: Graph, samples: Any, labels: Any, **options: Any) -> Graph:
    """The classifier with side heads where they save most; its C stops where one is sure. int8 graphs only.

    options: drop (accuracy that may be lost, 0.005), most (exits, 2). ``notes["exits"]`` says what each does.
    """
    from skosh.place.exits import early_exit

    return early_exit(graph, samples, labels, **options)
