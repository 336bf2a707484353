"""Figures of docs/placement.md: the planner held against published energies and lives, and its own time.

python benchmarks/placement.py [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from folder import MODELS, add_folder, model_file

import skosh
from skosh.built import Build, quantized
from skosh.emulate.runner import DeviceRunner
from skosh.ir.graph import Array, Graph
from skosh.place.band import Band
from skosh.place.catalogue import catalogue
from skosh.place.options import Wants
from skosh.place.planner import make_setting, plan
from skosh.place.work import Partial
from skosh.placing import costs_of, cycles_band, measured

Data = tuple[Any, ...]

BOARDS = {"stm32l4r5": "nucleo-l4r5zi", "stm32u575": "nucleo-u575zi-q", "stm32u385": "nucleo-u385rg-q"}
TASKS = ("kws", "vww", "ic", "ad")


def mlperf() -> None:
    """MLPerf's own cycles (clock / throughput) times the catalogue's energy of a cycle, beside MLPerf's energies."""
    print(
        "| chip | task | cycles of MLPerf's run | band, uJ | MLPerf, uJ | energy of a cycle from the other three tasks |"
    )
    print("|---|---|---|---|---|---|")
    for chip, board in BOARDS.items():
        s = make_setting(catalogue(), device=board, link="ble-1m")
        cycles = {t: s.board.clock_mhz * 1e6 / s.chip.figure(f"{t}_per_s").middle for t in TASKS}
        each = {t: 1e6 * s.chip.figure(f"{t}_uj").middle / cycles[t] for t in TASKS}
        for t in TASKS:
            band, measured = s.compute_uj(Band(cycles[t], cycles[t])), s.chip.figure(f"{t}_uj").middle
            others = sum(each[o] for o in TASKS if o != t) / 3
            error = 100 * (others * cycles[t] / 1e6 / measured - 1)
            print(f"| {chip} | {t} | {cycles[t] / 1e6:,.2f} M | {band} | {measured:,.0f} | {error:+.1f} % |")
            assert band.holds(measured), f"{chip} {t}"


def finding() -> None:
    """A grey 96 x 96 frame every two seconds, the visual wake words network, three chips, four links."""
    print("\n| device | link | device, uJ | raw up, uJ | best | break-even, MACs/byte |\n|---|---|---|---|---|---|")
    for board in ("nucleo-l4r5zi", "nrf52840-dk", "nucleo-u575zi-q", "nucleo-u385rg-q"):
        for link in ("ble-2m", "ble-1m", "802154", "lora-sf7"):
            p = skosh.place(model_file("vww.tflite"), device=board, link=link, rate=0.5, raw_bytes=9216)
            here, up = p.named["device"].energy_uj, p.named["raw-fog"].energy_uj
            assert p.best is not None
            print(f"| {board} | {link} | {here} | {up} | {p.best.name} | {p.answer.break_even} |")


def speed() -> None:
    """Processor seconds of the planner alone, once the model is profiled: all options and flips, each link."""
    print("\n| model | options | one link, s | all links, s |\n|---|---|---|---|")
    links = [r.id for r in catalogue().of("link")]
    for path in (model_file(f"{m}.tflite") for m in MODELS):
        p = skosh.place(path, device="nrf52840-dk", link="ble-1m")
        a, spent = p.answer, {}
        for link in links:
            s = make_setting(catalogue(), device="nrf52840-dk", link=link)
            start = time.process_time()
            plan(a.work, s, a.wants)
            spent[link] = time.process_time() - start
        print(f"| {path.stem} | {len(p.options)} | {spent['ble-1m']:.2f} | {sum(spent.values()):.2f} |")


def digits() -> Data:
    """1,797 handwritten digits of scikit-learn, 8 x 8."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return parts((x / 16).astype(np.float32), y, np.random.default_rng(0).permutation(len(x)))


def parts(x: Array, y: Array, order: Array) -> Data:
    """Half to train both models, a quarter to fit thresholds and heads, a quarter to test."""
    half, rest = len(x) // 2, len(x) // 4
    return tuple((x[i], y[i]) for i in np.split(order, [half, half + rest]))


def unsure(name: str, data: Data) -> None:
    """Hierarchies and early exits on samples that nothing was fitted on; energies and instructions by the emulated device."""
    from sklearn.neural_network import MLPClassifier

    (train, train_y), (fit, fit_y), (test, test_y) = data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = [
            MLPClassifier(sizes, max_iter=300, random_state=0).fit(train, train_y) for sizes in ((12,), (256, 128, 64))
        ]
    small, large = (
        skosh.quantize(skosh.load(m, name=n), train) for m, n in zip(models, ("small", "large"), strict=True)
    )
    t = large.tensors[large.inputs[0]]
    assert t.quant is not None
    wanted = right(large, test, test_y)
    print(f"\n{name}: {len(train)} to train, {len(fit)} to fit, {len(test)} to test")
    print(f"large {100 * wanted:.2f} %, small {100 * right(small, test, test_y):.2f} %")
    for ratio in (0.1, 0.05, 0.02, 0.01):
        h = skosh.hierarchy(small, large, fit, fit_y, cost_ratio=ratio)
        q = ints(h.graph, test)
        scores, sure = skosh.compile(h.graph, target="host").run(q)
        says = skosh.compile(large, target="host").run(ints(large, test)).reshape(len(test), -1).argmax(axis=1)
        answers = np.where(sure.reshape(-1), scores.reshape(len(test), -1).argmax(axis=1), says)
        accuracy, sent = float((answers == test_y).mean()), float(1 - sure.mean())
        costs = costs_of(skosh.compile(h.graph))
        partial = Partial(cycles_band(costs.instructions, costs.cycles), Band(0, 0), accuracy, sent, flash=1, ram=1)
        s = make_setting(catalogue(), device="nrf52840-dk", link="ble-1m", rate=10.0)
        work = replace(measured(skosh.compile(large)), hierarchy=partial)
        options = {o.name: o.energy_uj for o in plan(work, s, Wants()).options}
        less = 1 - options["hierarchical-fog"].middle / options["raw-fog"].middle
        print(
            f"hierarchy, cost_ratio {ratio}: {h.rule.kind}, sends {100 * sent:.1f} %, accuracy {100 * accuracy:.2f} %, energy "
            f"{options['hierarchical-fog']} uJ instead of {options['raw-fog']}: {100 * less:.0f} % less"
        )
    e = skosh.early_exit(large, fit, fit_y)
    build, whole = skosh.compile(e), skosh.compile(large)
    q = ints(large, test)
    counts = [instructions(build, row) for row in q]
    before = instructions(whole, q[0])
    mean = float(np.mean(counts))
    exits = ", ".join(f"{x['exit']} after {x['after']}: {100 * x['share']:.0f} %" for x in e.notes["exits"])
    print(
        f"early exit: accuracy {100 * right(e, test, test_y):.2f} %, {mean:,.0f} instructions in the mean, not {before:,}: "
        f"{100 * (1 - mean / before):.0f} % fewer ({exits})"
    )


def ints(graph: Graph, x: Array) -> Array:
    return quantized(x, graph.tensors[graph.inputs[0]])


def right(graph: Graph, x: Array, y: Array) -> float:
    """Accuracy of the C on this computer."""
    return float(
        (skosh.compile(graph, target="host").run(ints(graph, x)).reshape(len(x), -1).argmax(axis=1) == y).mean()
    )


def instructions(build: Build, row: Array) -> int:
    """Of one inference on the emulated device."""
    runner = build.runner
    assert isinstance(runner, DeviceRunner)
    runner.run((row.reshape(1, -1),))
    assert runner.last is not None
    return runner.last.instructions


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    add_folder(asked)
    asked.parse_args()
    mlperf()
    finding()
    speed()
    unsure("digits", digits())


if __name__ == "__main__":
    main()
