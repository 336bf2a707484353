"""``skosh quantize``: a float model in integers, what that costs, and which layer loses what."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError
from skosh.base.files import write_file
from skosh.cli.options import Json, Making, Output, Samples, Source, Target, of_a_file
from skosh.cli.terminal import bar, busy, number, out, print_json, row, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skosh.ir.graph import Graph
    from skosh.quantizer import Sensitivity

EXAMPLE = "skosh quantize model.onnx --samples x.npy --scheme int4 -o model.skosh"


def command(
    source: Source,
    samples: Samples = None,
    scheme: Annotated[
        str, typer.Option(metavar="S", help="int8, int16x8, mixed, int4, int2, ternary or float16.")
    ] = "int8",
    calibration: Annotated[str, typer.Option(metavar="C", help="minmax, percentile, mse or entropy.")] = "minmax",
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Each layer quantized alone: which loses what.")
    ] = False,
    held_out: Annotated[
        Path | None, typer.Option("--held-out", metavar="FILE", help="Other samples, to measure on; not calibrated on.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The answer as a page.")] = None,
    target: Target = "cortex-m4",
    making: Making = Making(),
    output: Output = None,
    json: Json = False,
) -> None:
    """Quantize a float model: how far its outputs move on the samples. -o FILE.skosh keeps it, -o DIR writes its C.

    Signal over noise compares the quantized outputs with the float model's; 20 dB more is ten times closer. When they differ
    much, it says what shows why, and what other options would gain.
    """
    import skosh
    from skosh.quantizer import examine
    from skosh.quantizer.networks.calibrate import as_samples
    from skosh.quantizer.study.compare import agreement, noise_db, real_outputs

    with busy(f"reading {source.file}", quiet=json):
        graph = source.graph()
    labels, given = source.answers(), arrays(given_file(samples))
    found = as_samples(graph, given)
    right = None if labels is None else arrays(labels)
    with busy(f"quantizing {graph.name} on {number(len(found))} samples", quiet=json):
        made = skosh.quantize(graph, given, scheme=scheme, calibration=calibration, examine=False)
        want, got = real_outputs(graph, found), real_outputs(made, found)
    with busy("looking at what it lost", quiet=json):
        others = None if held_out is None else arrays(held_out)
        looked = examine(graph, made, given, held_out=others, scheme=scheme, calibration=calibration)
    answer: dict[str, Any] = {
        "scheme": scheme, "calibration": calibration, "samples": len(found), "noise_db": round(noise_db(want, got), 2),
        "agreement": agreement(want, got, labels=graph.tensors[graph.outputs[0]].dtype.is_integer),
        "wide": list((made.notes.quantization or {}).get("wide", ())),
        "weights": weights(graph), "layers": [],
        "examined": looked.as_json(),
    }  # fmt: skip
    layers: Sequence[Sensitivity] = ()
    if sensitivity or html is not None:
        from skosh.quantizer import sensitivity as measure

        alone = "int8" if scheme in ("mixed", "float16") else scheme
        with busy("quantizing one layer at a time", quiet=json):
            layers = measure(graph, given, scheme=alone, calibration=calibration, labels=right)
        answer["layers"] = [vars(s) for s in layers]
    if output is not None and output.suffix.lower() == ".skosh":
        answer["file"] = str(made.save(output))
    elif output is not None:
        with busy(f"compiling for {target}", quiet=json):
            build = making.build(made, target)
            answer["folder"] = str(build.save(output, overwrite=of_a_file(build)))
    if html is not None:
        from skosh.deliver.sensitivity_page import sensitivity_html

        write(html, sensitivity_html(graph.name, scheme, len(found), layers))
    if json:
        print_json(answer)
        return
    _print(answer, layers, sensitivity)
    for line in looked.lines:
        out().print(line, markup=False)


def _print(answer: dict[str, Any], layers: Sequence[Sensitivity], shown: bool) -> None:
    console = out()
    console.print(
        f"{answer['scheme']}, calibrated on {number(answer['samples'])} samples by {answer['calibration']}",
        markup=False,
    )
    same = answer["agreement"]
    text = "" if same is None else f"; the same answer on {100 * same:.2f} % of the samples"
    console.print(f"outputs: {answer['noise_db']:.1f} dB signal over noise{text}", markup=False)
    if answer["wide"]:
        console.print(f"int16: {', '.join(answer['wide'])}", markup=False)
    if shown:
        console.print(layers_table(layers))
    if "file" in answer:
        console.print(f"the model: {answer['file']}", markup=False)
    if "folder" in answer:
        console.print(f"C: {answer['folder']}", markup=False)


def layers_table(layers: Sequence[Sensitivity]) -> Any:
    """One line a layer; the bar is its noise beside the noisiest layer's."""
    numbers = ("weights", "dB", "same", "right")
    made = table("layer", "kind", *numbers, "noise", right=numbers, title="each layer quantized alone")
    most = max((10 ** (-s.noise_db / 20) for s in layers), default=0.0) or 1.0
    for s in layers:
        shares = ("-" if v is None else f"{100 * v:.2f} %" for v in (s.agreement, s.accuracy))
        row(
            made,
            s.layer,
            s.kind,
            number(s.parameters),
            f"{s.noise_db:.1f}",
            *shares,
            bar(10 ** (-s.noise_db / 20) / most),
        )
    return made


def weights(graph: Graph) -> int:
    """How many numbers the layers hold."""
    return sum(t.size for t in graph.constants)


def given_file(samples: str | None) -> Path:
    """The file of samples: here they must be real ones."""
    if samples is None or samples.isdigit():
        what = "nothing" if samples is None else samples
        raise InputError(f"--samples must name a file of real inputs to calibrate on, not {what}", hint="--samples x.npy")
    return Path(samples)


def arrays(path: Path) -> Any:
    """The array of a .npy file, or the list of those in an .npz, in their order. InputError for anything else."""
    from skosh.verify.samples import read_arrays

    found = read_arrays(path)
    return list(found.values()) if isinstance(found, dict) else found


def write(path: Path, text: str) -> None:
    write_file(path, text)
