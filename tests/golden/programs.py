"""The programs whose C is held: models of several families, for every target and every aim, each with a hash of all its C.

    python -m tests.golden.programs          compares with programs.json
    python -m tests.golden.programs --update writes it anew: make golden

A change that isn't meant to change the C leaves every hash as it is; one that is shows in a diff of programs.json which
models, targets and aims it touched.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import skosh
from skosh.ir.graph import Graph
from skosh.pipeline import OPTIMIZE, compile_to_c
from skosh.targets import names, target
from tests.support.scopes import declared_twice
from tests.support.shared import models_folder

HERE = Path(__file__).resolve().parent
HASHES = HERE / "programs.json"
NETWORKS = ("hello_world", "hello_world_float", "kws", "micro_speech")


def graphs() -> Iterator[tuple[str, Graph]]:
    """(name, graph). What is fitted here is fitted on integers: no rounding of this computer's gets into it."""
    for name in NETWORKS:
        yield name, skosh.load(models_folder() / f"{name}.tflite")
    yield "sprinkler", skosh.load(HERE / "sprinkler.bif", query=["Rain"], evidence=["Grass"])
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.neighbors import KNeighborsClassifier

    x, y = load_digits(return_X_y=True)
    whole = x.astype(np.float32)
    yield "forest", skosh.load(RandomForestClassifier(5, max_depth=5, random_state=0).fit(whole, y))
    yield "neighbours", skosh.load(KNeighborsClassifier(3).fit(whole[:100], y[:100]))


def hashes(graph: Graph, name: str) -> dict[str, str]:
    """"target aim" -> the first half of the SHA-256 of all files of the program."""
    found = {}
    for machine in names():
        for aim in OPTIMIZE:
            made = compile_to_c(graph, target=target(machine), optimize=aim, name=name)
            twice = [where for file, text in made.sources.items() if file.endswith(".c") for where in declared_twice(text)]
            assert not twice, f"{name} for {machine}, {aim}: a block declares a name twice: {twice}"
            text = "".join(f"{file}\0{text}\0" for file, text in sorted(made.sources.items()))
            found[f"{machine} {aim}"] = hashlib.sha256(text.encode()).hexdigest()[:32]
    return found


def main() -> None:
    made = {name: hashes(graph, name) for name, graph in graphs()}
    if "--update" in sys.argv:
        HASHES.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
        print(f"{sum(map(len, made.values()))} programs held")
        return
    held = json.loads(HASHES.read_text(encoding="utf-8"))
    changed = [f"{name} {key}" for name in made for key in made[name] if held.get(name, {}).get(key) != made[name][key]]
    print(f"{sum(map(len, made.values()))} programs, {len(changed)} changed", *changed, sep="\n  ")
    sys.exit(bool(changed))


if __name__ == "__main__":
    main()
