"""Many rows through forests and boosting on this computer, one thread: nanoseconds a row, beside ONNX Runtime and TL2cgen.

    python benchmarks/forest_batch.py            # needs skl2onnx, onnxruntime, treelite, tl2cgen for their columns

Models and split as in ``benchmarks/trees.py``; the test half is repeated to about 20,000 rows. Runs of all take turns; CPU
time, the median of the runs. Labels are compared with scikit-learn's on every row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.model_selection import train_test_split

import skosh

CASES: list[tuple[str, Any, Any]] = [
    ("breast cancer, forest of 10", load_breast_cancer, RandomForestClassifier(10, random_state=0)),
    ("breast cancer, forest of 100", load_breast_cancer, RandomForestClassifier(100, random_state=0)),
    ("breast cancer, boosting, 100", load_breast_cancer, GradientBoostingClassifier(random_state=0)),
    ("digits, forest of 10", load_digits, RandomForestClassifier(10, random_state=0)),
    ("digits, forest of 100", load_digits, RandomForestClassifier(100, random_state=0)),
]
LARGEST_FOR_TL2CGEN = 5000  # nodes: gcc takes minutes over more


def onnx_runtime(model: Any, x: Any) -> Callable[[], Any] | None:
    try:
        import onnxruntime
        from skl2onnx import to_onnx
    except ImportError:
        return None
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    made = to_onnx(model, x[:1], options={"zipmap": False})
    session = onnxruntime.InferenceSession(made.SerializeToString(), settings, providers=["CPUExecutionProvider"])
    return lambda: session.run(["label"], {"X": x})[0]


def tl2cgen(model: Any, x: Any) -> Callable[[], Any] | None:
    try:
        import tl2cgen
        import treelite
    except ImportError:
        return None
    if sum(e.tree_.node_count for e in np.ravel(model.estimators_)) > LARGEST_FOR_TL2CGEN:
        return None
    folder = Path(tempfile.mkdtemp())
    tl2cgen.export_lib(treelite.sklearn.import_model(model), toolchain="gcc", libpath=str(folder / "m.so"))
    predictor, rows = tl2cgen.Predictor(str(folder / "m.so"), nthread=1), tl2cgen.DMatrix(x)
    return lambda: predictor.predict(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    for name, data, model in CASES:
        train, test, y, _ = train_test_split(
            *data(return_X_y=True), test_size=0.3, random_state=42, stratify=data(return_X_y=True)[1]
        )
        model.fit(train.astype(np.float32), y)
        x = np.tile(test.astype(np.float32), (-(-20_000 // len(test)), 1))
        build = skosh.compile(skosh.load(model, output="label"), target="host")
        assert (build.predict(x) == np.tile(model.predict(test), len(x) // len(test))).all(), "labels must agree"
        runs = {"skosh": lambda b=build, x=x: b.run(x), "ORT": onnx_runtime(model, x), "TL2cgen": tl2cgen(model, x)}
        times: dict[str, list[float]] = {k: [] for k, run in runs.items() if run is not None}
        for _ in range(rounds):
            for k, spent in times.items():
                start = time.process_time()
                runs[k]()  # type: ignore[misc]
                spent.append((time.process_time() - start) / len(x) * 1e9)
        print(name, *(f"{k} {np.median(t):,.0f} ns" for k, t in times.items()), sep="; ")


if __name__ == "__main__":
    main()
