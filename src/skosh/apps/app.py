"""What all applications share: learning from data, a folder that keeps what was learned, the emulated device that runs it.

A folder holds ``app.skosh`` (the integer graph, its front end before it), ``float.skosh``, ``samples.npz`` (inputs to try) and
``result.json``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import skosh
from skosh.base.errors import InputError
from skosh.base.files import whole_folder, write_through
from skosh.base.registry import Table, load, nearest
from skosh.built import dequantized
from skosh.ir.graph import Array, Graph

if TYPE_CHECKING:
    from skosh.built import Build

Say = Callable[[str], None]

APPS: Table = {
    "hello-world": "skosh.apps.hello_world:APP",
    "magic-wand": "skosh.apps.magic_wand:APP",
    "machine-anomaly": "skosh.apps.machine_anomaly:APP",
    "spoken-digits": "skosh.apps.spoken_digits:APP",
}

INTEGERS, FLOATS, SAMPLES, RESULT = "app.skosh", "float.skosh", "samples.npz", "result.json"


@dataclass(frozen=True, eq=False)
class Learned:
    """What training gives. samples: [n, *shape of an input]; accuracy: "float", "int8", "split" and what else was measured.

    ``data``: "real" or "synthetic"; ``source``: where it is from, in words.
    """

    floats: Graph
    integers: Graph
    samples: Array
    accuracy: Mapping[str, Any]
    data: str
    source: str


@dataclass(frozen=True, eq=False)
class Moment:
    """One input of a stream, whole ``t`` seconds after its beginning. truth: what it is, where that is known.

    asks: a decision is wanted after it; what comes before only goes into the state of the device.
    """

    t: float
    x: Array
    truth: str | None = None
    asks: bool = True


@dataclass(frozen=True, eq=False)
class App:
    """An application. board: what it is made for.

    ``learn(data folder or None, seed, say)``; ``stream(file or None, data folder or None)``: what the device is fed, ``takes``
    says which files;
    ``decide(graph, outputs)``: what they mean, {"decision": ..., "score": ...};
    ``encode(graph, x)``: an input of the stream as the device takes it. plot: decisions are numbers to be drawn.
    """

    name: str
    title: str
    board: str
    takes: str
    learn: Callable[[Path | None, int, Say], Learned]
    stream: Callable[[Path | None, Path | None], Iterable[Moment]]
    decide: Callable[[Graph, tuple[Array, ...]], dict[str, Any]]
    encode: Callable[[Graph, Array], Array] = lambda graph, x: x
    plot: bool = False


def app(name: str) -> App:
    """InputError, with the known names, when there is none of that name."""
    if name not in APPS:
        raise InputError(f'an application must be one of {", ".join(APPS)}, not "{name}"', hint=nearest(name, APPS))
    found = load(APPS, name, "application")
    assert isinstance(found, App), f"{APPS[name]} is not an App"
    return found


def train(which: App, folder: Path, *, data: Path | None = None, seed: int = 0, say: Say = lambda _: None) -> dict[str, Any]:
    """Learns and fills the folder; gives what ``result.json`` then holds."""
    if folder.exists() and not folder.is_dir():
        raise InputError("must be a folder, but is a file", loc=str(folder))
    with whole_folder(folder) as made:
        learned = which.learn(data, seed, say)
        learned.integers.save(made / INTEGERS)
        learned.floats.save(made / FLOATS)
        np.savez_compressed(made / SAMPLES, samples=learned.samples)
        result = {
            "app": which.name, "accuracy": dict(learned.accuracy), "data": learned.data, "source": learned.source,
            "seed": seed, "board": which.board,
        }  # fmt: skip
        write_through(made / RESULT, json.dumps(result, indent=2) + "\n")
    return result


def compiled(which: App, folder: Path, board: str | None = None) -> Build:
    """The trained application for its board, or another. InputError when the folder has none."""
    return skosh.compile(skosh.load(_kept(which, folder, INTEGERS)), target=board or which.board, name=_c_name(which))


def samples_of(which: App, folder: Path) -> Array:
    with np.load(_kept(which, folder, SAMPLES), allow_pickle=False) as kept:
        return np.asarray(kept["samples"])


def decisions(which: App, build: Build, moments: Iterable[Moment]) -> Iterator[dict[str, Any]]:
    """One for each moment that asks for it, from the emulated device; its state goes on from one to the next.

    "cycles" are modelled, "ms" are those at the board's clock: of a usual inference, as ``profile`` has them.
    """
    cost = _cost(build)
    build.runner.reset()
    for moment in moments:
        truth = {} if moment.truth is None else {"truth": moment.truth}
        outputs = build.runner.run([which.encode(build.source, moment.x)])
        if not moment.asks:
            continue
        yield {"t": round(moment.t, 4), **which.decide(build.source, outputs), **truth, **cost}


def shares(graph: Graph, scores: Array) -> Array:
    """[..., classes]: what a classifier's outputs say of each class; one that has two classes may give the second's alone."""
    real = dequantized(scores, graph.tensors[graph.outputs[0]])
    if real.shape[-1] == 1 and len(graph.notes["classes"]) == 2:
        return np.concatenate([1 - real, real], axis=-1)
    return real


def decision(graph: Graph, outputs: tuple[Array, ...]) -> dict[str, Any]:
    """The likeliest class and its share."""
    found = shares(graph, outputs[0].reshape(1, -1))[0]
    best = int(found.argmax())
    return {"decision": str(graph.notes["classes"][best]), "score": round(float(found[best]), 3)}


def _cost(build: Build) -> dict[str, Any]:
    cycles = build.profile().cycles_modelled
    if cycles is None:
        return {}
    board = build.target.board
    return {"cycles": cycles, **({} if board is None else {"ms": round(cycles / board.clock_mhz / 1000, 3)})}


def _kept(which: App, folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise InputError(
            f"the folder must hold {name}, which training writes",
            loc=str(folder),
            hint=f"skosh app {which.name} train -o {folder}",
        )
    return folder / name


def _c_name(which: App) -> str:
    return which.name.replace("-", "_")
