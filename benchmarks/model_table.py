"""Every model class that skosh reads, in every kind of numbers, on four machines: the table of docs/model-table.md.

    .venv/bin/python benchmarks/model_table.py                      # on stdout
    .venv/bin/python benchmarks/model_table.py --only Forest XGB    # some of it
    .venv/bin/python benchmarks/model_table.py --write              # into the page

Models are the examples of the conformance test (tests/support/examples.py): small, fitted in a moment, iris for classifiers
and diabetes for regressors unless they say otherwise. Agreement is with the source library, on this computer, over the whole
test half. On each device the first rows are predicted too; where a bit of a prediction differs from this computer's, the
instructions carry a star. RAM is arena and stack; flash is all that is linked. Instructions: the mean of those rows, counted
by the emulator.

Each row is kept in build/model_table.jsonl when it is measured, so a run that was interrupted goes on where it was. Rows that
other sources of skosh gave are measured anew, unless --keep says that they will do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the tests hold the examples

import skosh  # noqa: E402
from skosh.base.errors import SkoshError  # noqa: E402
from skosh.emulate.runner import DeviceRunner  # noqa: E402
from skosh.ir.graph import Graph  # noqa: E402
from tests.support.examples import EXAMPLES, Example, Fitted, agreement  # noqa: E402

PAGE = ROOT / "docs" / "model-table.md"
KEPT = ROOT / "build" / "model_table.jsonl"
TARGETS = ("cortex-m0plus", "cortex-m4", "rv32imc")
SHORT = {"cortex-m0plus": "M0+", "cortex-m4": "M4", "rv32imc": "RV32"}
START, END = "<!-- made by benchmarks/model_table.py -->\n", "<!-- end -->\n"
SCHEMES = ("int8", "int16x8")
NARROW = ("int4",)  # weights of networks
DEVICE_ROWS = 5


@dataclass(frozen=True)
class Size:
    """What a model takes on a device. same: its predictions are this computer's, bit for bit."""

    flash: int
    ram: int
    instructions: int
    same: bool


@dataclass(frozen=True)
class Row:
    """A model in some kind of numbers. same: the share of rows with the library's answer; error: the largest relative one of
    numbers; labels: which of them counts. sources: a hash of skosh's, when it was measured."""

    library: str
    model: str
    numbers: str
    labels: bool
    same: float
    error: float
    rows: int
    sizes: dict[str, Size]
    sources: str

    @property
    def key(self) -> tuple[str, str, str]:
        return self.library, self.model, self.numbers

    def cells(self) -> list[str]:
        agrees = f"{100 * self.same:.4g} %" if self.labels else f"within {self.error:.0e}"
        sizes = [self.sizes.get(t) for t in TARGETS]
        return [self.model, self.numbers, agrees, *(c for s in sizes for c in _size(s))]


def _size(s: Size | None) -> tuple[str, str, str]:
    return ("", "", "") if s is None else (f"{s.flash:,}", f"{s.ram:,}", f"{s.instructions:,}{'' if s.same else ' *'}")


def graphs(example: Example, fitted: Fitted) -> Iterator[tuple[str, Graph]]:
    """The model in each kind of numbers that it has."""
    graph = fitted.load()
    yield "int8" if graph.tensors[graph.inputs[0]].quant is not None else "float32", graph
    for name, options in fitted.ways.items():
        yield name, fitted.load(**options)
    narrow = NARROW if example.library == "PyTorch" or "MLP" in example.name else ()
    for scheme in (*SCHEMES, *narrow) if fitted.samples is not None else ():
        try:
            yield scheme, skosh.quantize(graph, fitted.samples, scheme=scheme)
        except SkoshError:
            return  # it has no integers of this kind, nor of the narrower


def measured(example: Example, sources: str) -> Iterator[Row]:
    fitted = example.fit()
    few = fitted.rows[:DEVICE_ROWS]
    for numbers, graph in graphs(example, fitted):
        host = skosh.compile(graph, target="host")
        same, error = agreement(fitted, host)
        want = np.asarray(fitted.predict(host, few))
        sizes = {t: on_device(graph, t, fitted, few, want) for t in TARGETS}
        yield Row(
            example.library, example.name, numbers, fitted.labels, same, error, len(fitted.rows), sizes, sources
        )


def on_device(graph: Graph, target: str, fitted: Fitted, rows: Any, want: Any) -> Size:
    build = skosh.compile(graph, target=target)
    runner = build.runner
    assert isinstance(runner, DeviceRunner), "devices are emulated"
    counts, run = [], runner.run

    def counted(inputs: Any) -> Any:
        outputs = run(inputs)
        assert runner.last is not None and runner.last.instructions is not None, "the emulator counts"
        counts.append(runner.last.instructions)
        return outputs

    runner.run = counted  # type: ignore[method-assign]
    got = np.asarray(fitted.predict(build, rows))
    assert runner.last is not None, "it has run"
    sizes = build.firmware.sizes
    return Size(
        sizes.flash_code + sizes.flash_support + sizes.flash_weights,
        build.program.plan.arena_bytes + runner.last.stack_bytes,
        round(sum(counts) / len(counts)),
        bool(np.array_equal(got, want)),
    )


# ---------------------------------------------------------------------------------------------------------- rows that stay


def sources_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "src" / "skosh").rglob("*")):
        if path.suffix in (".py", ".c", ".zig"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def kept_rows() -> dict[tuple[str, str, str], Row]:
    if not KEPT.is_file():
        return {}
    found = {}
    for line in KEPT.read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        row = Row(**{**values, "sizes": {t: Size(**s) for t, s in values["sizes"].items()}})
        found[row.key] = row
    return found


def keep(rows: list[Row]) -> None:
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(r)) + "\n" for r in rows)


# ---------------------------------------------------------------------------------------------------------------- the table


def table(found: list[Row]) -> str:
    """A table for each library."""
    head = ["model", "numbers", "agrees", *(f"{SHORT[t]} {w}" for t in TARGETS for w in ("flash", "RAM", "instructions"))]
    parts = []
    for library in dict.fromkeys(r.library for r in found):
        lines = [head, ["---", "---", *["--:"] * (len(head) - 2)]]
        lines += [r.cells() for r in found if r.library == library]
        parts.append(f"### {library}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines))
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], help="parts of the names of libraries or models")
    parser.add_argument("--keep", action="store_true", help="rows that other sources gave will do")
    parser.add_argument("--write", action="store_true", help="put the table into docs/model-table.md")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    sources, kept, found, missing = sources_hash(), kept_rows(), [], []
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(EXAMPLES))
        for example in EXAMPLES:
            name = f"{example.library} {example.name}"
            progress.update(task, description=name[:40])
            have = [r for r in kept.values() if r.key[:2] == (example.library, example.name)]
            chosen = not arguments.only or any(o in name for o in arguments.only)
            if chosen and not (have and (arguments.keep or all(r.sources == sources for r in have))):
                try:
                    have = list(measured(example, sources))
                    keep(have)
                except ImportError as error:
                    missing.append(f"{name}: {error}")
            if chosen or arguments.write:
                found += have
            progress.advance(task)
    for line in missing:
        print(line, file=sys.stderr)
    text = table(found)
    if not arguments.write:
        print(text)
        return 0
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(START, 1)
    PAGE.write_text(before + START + "\n" + text + "\n" + END + rest.split(END, 1)[1], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
