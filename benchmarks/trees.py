"""Trees and forests on microcontrollers: flash, RAM and instructions at exact agreement, beside what other tools need.

Models and split as in the comparison with emlearn, m2cgen and micromlgen: 70/30, random_state 42, stratified; forests
with random_state 0. Features: floats, integers as they are (uint8), or "grid": ``skosh.quantize``, uint8 on a grid over each
feature's thresholds, leaves of 8 bits. Flash is all that a prediction needs, without the startup code that others' figures
leave out too. Instructions are the mean over the first rows of the test half. For each model the other tool with
the smallest flash and the one with the fewest instructions are named, with their agreement with scikit-learn.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skosh
from skosh.built import quantized

DATA = {"digits": load_digits, "breast_cancer": load_breast_cancer, "iris": load_iris, "diabetes": load_diabetes}


@dataclass(frozen=True)
class Case:
    """A model, the forms to compile it in, and others' best: (tool, agreement, flash, instructions) on M0+, then on M4."""

    data: str
    name: str
    model: Any
    others: tuple[str, str]
    forms: tuple[str, ...] = ("auto", "table", "mixed", "code")
    features: tuple[str, ...] = ("float32", "grid")


BOTH = ("float32", "uint8")
CASES = [
    Case("digits", "DecisionTree", DecisionTreeClassifier(random_state=0),
         ("emlearn i16 .567 1,768/227; micromlgen exact 2,892/319", "emlearn i16 .567 1,428/195; micromlgen exact 2,200/43"),
         features=BOTH),
    Case("digits", "RF10", RandomForestClassifier(10, random_state=0),
         ("emlearn load .867 15,208/5,498, i16 .867 19,712/658; micromlgen exact 40,284/4,101",
          "emlearn load .867 13,008/1,886, i16 .867 16,512/466; micromlgen exact 41,540/530"), features=BOTH),
    Case("digits", "RF100", RandomForestClassifier(100, random_state=0),
         ("emlearn load .961 126,920/28,124, i16 .961 200,272/5,576; micromlgen exact 421,884/34,473",
          "emlearn load .961 124,720/15,063, i16 .961 173,216/3,552; micromlgen exact 452,608/4,318"),
         ("table", "mixed"), BOTH),
    Case("digits", "ET50", ExtraTreesClassifier(50, random_state=0),
         ("emlearn load .974 133,032/17,073, i16 .974 220,212/3,164",
          "emlearn load .974 130,832/8,684, i16 .974 205,076/2,053"),
         ("table", "mixed"), BOTH),
    Case("breast_cancer", "DecisionTree", DecisionTreeClassifier(random_state=0),
         ("emlearn i16 404/91; micromlgen exact 1,752/261", "emlearn i16 208/41; emlearn f32 exact 384/49")),
    Case("breast_cancer", "RF10", RandomForestClassifier(10, random_state=0),
         ("emlearn i16 2,416/357; f32 exact 3,616/2,123", "emlearn load 1,984/1,158, i16 2,038/208; f32 exact 3,688/309")),
    Case("breast_cancer", "RF100", RandomForestClassifier(100, random_state=0),
         ("emlearn load 15,648/17,309, i16 20,572/2,976; f32 exact 27,616/19,352",
          "emlearn load 13,448/9,176, i16 18,192/1,965; f32 exact 33,516/2,787")),
    Case("breast_cancer", "GB100", GradientBoostingClassifier(random_state=0), ("none supports it", "none supports it")),
    Case("iris", "DecisionTree", DecisionTreeClassifier(random_state=0),
         ("emlearn i16 348/89; micromlgen exact 1,624/229", "emlearn i16 166/42; micromlgen exact 1,384/148")),
    Case("iris", "RF10", RandomForestClassifier(10, random_state=0),
         ("emlearn i16 1,208/180; f32 exact 1,808/1,232", "emlearn i16 1,086/120; f32 exact 1,340/195")),
    Case("iris", "RF100", RandomForestClassifier(100, random_state=0),
         ("emlearn load 7,688/13,747, i16 13,224/981; f32 exact 10,912/10,882",
          "emlearn load 5,488/6,146, i16 13,080/775; f32 exact 11,920/1,568")),
    Case("diabetes", "DecisionTree", DecisionTreeRegressor(random_state=0),
         ("emlearn load 5,124/730 off by 3 %; micromlgen exact 11,464/745",
          "emlearn load 3,448/231 off by 3 %; micromlgen exact 12,540/400")),
    Case("diabetes", "RF10", RandomForestRegressor(10, random_state=0),
         ("emlearn load 17,912/3,064 off by 9 %; micromlgen exact 74,940/6,696",
          "emlearn load 16,236/1,718 off by 9 %; micromlgen exact 74,884/2,866")),
]  # fmt: skip


def measure(case: Case, target: str, rows: int, table: Table) -> None:
    """A line a form: agreement on the whole test half (on this computer), sizes, mean instructions over ``rows``."""
    x, y = DATA[case.data](return_X_y=True)
    regression = case.data == "diabetes"
    train, test, wanted, _ = train_test_split(
        x.astype(np.float32), y, test_size=0.3, random_state=42, stratify=None if regression else y
    )
    model = case.model.fit(train, wanted)
    want = model.predict(test)
    for features in case.features:
        for form in case.forms:
            plain = skosh.load(model, form=form, features="float32" if features == "grid" else features)
            graph = skosh.quantize(plain, train) if features == "grid" else plain
            x_type = graph.tensors[graph.inputs[0]]
            build = skosh.compile(graph, target=target)
            counts, got = [], []
            for row in quantized(test, x_type) if features == "grid" else test.astype(features)[:rows]:
                if len(got) == rows:
                    break
                got.append(build.runner.run((row[None],))[0].reshape(-1)[0])
                counts.append(build.runner.last.instructions)  # type: ignore[attr-defined]
            if regression:
                agree = f"off by {np.max(np.abs(np.array(got) - want[:rows]) / np.abs(want[:rows])):.0e}"
            else:
                agree = f"{np.mean(np.array(got) == model.classes_.searchsorted(want[:rows])):.3f}"
            p, sizes = build.profile(), build.firmware.sizes
            flash = sizes.flash_code + sizes.flash_weights
            table.add_row(
                case.data, case.name, features, form, agree, f"{flash:,}", f"{p.ram.arena}+{p.ram.stack}",
                f"{np.mean(counts):,.0f}", case.others[target == "cortex-m4"],
            )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", nargs="+", default=["cortex-m0plus", "cortex-m4"])
    parser.add_argument("--models", nargs="+", default=None, help="digits/RF10 ...")
    parser.add_argument("--rows", type=int, default=60)
    arguments = parser.parse_args()
    console = Console(width=190)
    for target in arguments.targets:
        table = Table(
            "data", "model", "features", "form", "agreement", "flash", "RAM+stack", "instructions",
            "others: agreement if not 1, flash/instructions", title=target,
        )  # fmt: skip
        for case in CASES:
            if arguments.models is None or f"{case.data}/{case.name}" in arguments.models:
                measure(case, target, arguments.rows, table)
        console.print(table)


if __name__ == "__main__":
    main()
