"""The tour: real handwriting to proven C. Train, quantize, compile, run every test image on the emulated device, report.

8 x 8 images -> MLP with 32 hidden units (scikit-learn) -> int8 -> C for a Cortex-M4 -> 540 inferences -> proof, cost
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import skosh
from skosh.apps.digits_files import example_c, readme
from skosh.apps.digits_terminal import DemoResult as DemoResult
from skosh.base.errors import InputError, ToolError
from skosh.base.files import whole_folder, write_through
from skosh.built import Build, quantized
from skosh.deliver import Accuracy, Picture, facts_of, report_html
from skosh.ir.graph import Array, Graph
from skosh.quantizer import compare_layers
from skosh.quantizer.study.batch import runs

Say = Callable[[str], None]

HIDDEN = 32
SHOWN = 13  # digits in the report that were read right, beside all that were not


@dataclass(frozen=True, eq=False)
class Data:
    """Images [count, 64] from 0 to 1, labels 0 to 9."""

    train: Array
    train_labels: Array
    test: Array
    test_labels: Array


def run_demo(folder: str | Path, say: Say = lambda text: None, *, target: str = "cortex-m4") -> DemoResult:
    """The whole tour in well under a minute; ``folder`` then holds the C, a report and a README.

    say: told what comes next. Raises ToolError without scikit-learn, InputError when the folder can't be written.
    """
    if Path(folder).exists() and not Path(folder).is_dir():
        raise InputError("must be a folder, but is a file", loc=str(folder))
    with whole_folder(Path(folder)) as staging:
        data = load_data()
        say(f"training {HIDDEN} neurons on {len(data.train):,} handwritten digits")
        model = train(data)

        say("quantizing to int8, calibrated on the training images")
        graph = skosh.load(model, name="digits")
        integers = skosh.quantize(graph, data.train)

        say(f"compiling for {target}, and running all {len(data.test)} test images there")
        build = skosh.compile(integers, target=target)
        predicted = build.predict(data.test)

        say("comparing every output with the reference, bit for bit")
        proof = build.verify(np.stack(int8_inputs(integers, data.test)), against=("reference", "host"))

        say("writing C and report")
        labels = {
            "float32, scikit-learn": model.predict(data.test),
            "int8, reference": reference_labels(integers, data.test),
            f"int8, emulated {target}": predicted,
        }
        pictures = tuple(
            Picture(image.reshape(8, 8), str(said), str(label))
            for image, said, label in zip(data.test, predicted, data.test_labels, strict=True)
        )
        accuracies = measured(labels, data)
        result = DemoResult(Path(folder), target, accuracies, build.profile(), proof, pictures)
        write(staging, build, graph, data, result)
    return result


def load_data() -> Data:
    """1,797 digits written by 43 people, bundled with scikit-learn, split 70 to 30 with as many of each digit."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise ToolError("the demo trains with scikit-learn", hint="pip install 'skosh[sklearn]'") from error
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split((images / 16).astype(np.float32), labels, test_size=0.3, random_state=0, stratify=labels)
    return Data(parts[0], parts[2], parts[1], parts[3])


def train(data: Data) -> Any:
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier((HIDDEN,), max_iter=200, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that 200 rounds don't converge to the last digit
        return model.fit(data.train, data.train_labels)


def reference_labels(graph: Graph, images: Array) -> Array:
    """What the int8 graph's reference meaning says, on this computer and without any C."""
    outputs = [values[graph.outputs[0]] for values in runs(graph, [(row,) for row in int8_inputs(graph, images)])]
    return np.asarray(np.take(np.asarray(graph.notes.classes), np.concatenate(outputs).argmax(axis=1)))


def int8_inputs(graph: Graph, images: Array) -> list[Array]:
    """Each image as the integer model takes it, [1, 64]."""
    return list(quantized(images, graph.tensors[graph.inputs[0]])[:, None])


def measured(labels: dict[str, Array], data: Data) -> tuple[Accuracy, ...]:
    """The share of right answers of each form of the model, and where they part."""
    first, out = "", []
    for who, said in labels.items():
        right = int(np.sum(said == data.test_labels))
        differ = int(np.sum(said != labels[first])) if first else 0
        same = "same answers" if differ == 0 else f"{differ} other answers"
        out.append(Accuracy(who, right, len(said), same if first else "as trained"))
        first = first or who
    return tuple(out)


def write(staging: Path, build: Build, floats: Graph, data: Data, result: DemoResult) -> None:
    """All files of the demo: the C, an example that calls it, the report, a README."""
    build.save(staging)
    chosen = [int(np.argmax(data.test_labels == digit)) for digit in (2, 7, 5)]
    inputs = int8_inputs(build.source, data.test[chosen])
    example = example_c(build.program, inputs, [str(data.test_labels[i]) for i in chosen])
    note = readme(build, result)
    write_through(staging / "example.c", example)
    write_through(staging / "README.txt", note)
    facts = facts_of(
        build,
        title="Handwritten digits",
        summary=(
            f"An 8×8 picture of a digit goes in, ten probabilities come out: a network of {HIDDEN} neurons, trained on "
            f"{len(data.train):,} images, quantized to int8, compiled to C, and run on an emulated {result.target} for each of "
            f"{len(data.test):,} images that it had never seen."
        ),
        proof=result.proof,
        accuracies=result.accuracies,
        pictures=chosen_pictures(result.pictures),
        errors=compare_layers(floats, build.source, data.test),
        commands=COMMANDS,
        files=(
            (f"{build.program.name}.json", (staging / f"{build.program.name}.json").stat().st_size, "sizes and scales"),
            ("example.c", len(example.encode()), "three digits to try on any computer"),
            ("README.txt", len(note.encode()), "what is what"),
        ),
    )
    write_through(staging / "report.html", report_html(facts))


COMMANDS = (
    "skosh demo    # train, quantize, compile, run, prove: this folder again",
    "cc example.c digits.c digits_weights.c -o example && ./example",
)


def chosen_pictures(pictures: tuple[Picture, ...]) -> list[Picture]:
    """The first that were read right, and all that were not."""
    right = [p for p in pictures if p.predicted == p.label][:SHOWN]
    return right + [p for p in pictures if p.predicted != p.label]
