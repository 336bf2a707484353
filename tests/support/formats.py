"""A small sound file or two of every format that skosh reads, made by the libraries that write them, and how each is read."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.mutate import mutate


def write_samples(folder: Path, formats: Iterable[str]) -> dict[str, list[Path]]:
    """Files of these formats, by format; one whose library isn't installed is left out."""
    made: dict[str, list[Path]] = {}
    for name in formats:
        try:
            files = FORMATS[name]()
        except ImportError:
            continue
        made[name] = []
        for stem, data in files.items():
            path = folder / f"{stem}.{name}"
            path.write_bytes(data)
            made[name].append(path)
    return made


def reader_of(suffix: str) -> Callable[[Path], object]:
    """What reads files of that ending: ``skosh.load``, or the reader of samples; whatever it gives must be sound."""
    if suffix in (".npy", ".npz"):
        from skosh.verify.samples import read_arrays

        return read_arrays
    import skosh
    from skosh.ir.check_graph import check_graph

    options = {".bif": {"query": ["b"]}, ".xmlbif": {"query": ["b"]}, ".crfsuite": {"length": 3}}.get(suffix, {})

    def read(path: Path) -> object:
        graph = skosh.load(path, **options)
        check_graph(graph)
        return graph

    return read


def damaged(data: bytes, suffix: str, seed: int) -> bytes:
    """A damaged copy. Of archives mostly a member is damaged, and put in again whole: else a checksum would see it all."""
    rng = random.Random(seed)
    if suffix in (".skops", ".npz", ".pt2", ".skosh") and rng.random() < 0.8:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {n: archive.read(n) for n in archive.namelist()}
        often = {"schema.json": 3, "graph.json": len(files)}
        chosen = rng.choice([n for n in files for _ in range(often.get(n, 1))])
        files[chosen] = changed_text(files[chosen], seed) if chosen.endswith(".json") else mutate(files[chosen], seed)
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return out.getvalue()
    if suffix in (".json", ".txt", ".bif", ".xmlbif"):
        return changed_text(data, seed)
    return mutate(data, seed)


WORDS = (
    b"-1", b"0", b"1e999", b"NaN", b"999999999999", b"1000000000", b"", b"null", b'"', b"[", b"]", b"{", b"}", b"\xff", b"-",
)  # fmt: skip


def changed_text(data: bytes, seed: int) -> bytes:
    """As a text is damaged so that it still can be read: words changed, lines dropped or doubled; at times, bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.3:
        return mutate(data, seed)
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        digits = [i for i, c in enumerate(out) if 48 <= c <= 57]
        at = rng.choice(digits) if digits and rng.random() < 0.6 else rng.randrange(len(out) or 1)
        match rng.randrange(4):
            case 0:
                end = at + 1
                while end < len(out) and 48 <= out[end] <= 57:
                    end += 1
                out[at:end] = rng.choice(WORDS)
            case 1:
                out[at : at + 1] = rng.choice(WORDS)
            case 2:
                del out[at : at + rng.choice((1, 3, 20))]
            case _:
                out[at:at] = out[at : at + rng.choice((1, 10, 50))]
    return bytes(out)


# ------------------------------------------------------------------------------------------------------------- samples


def _tflite() -> dict[str, bytes]:
    from tests.importers.test_tflite_state import add, assign, read
    from tests.importers.test_tflite_state import model as variable_model
    from tests.ops.test_convolution import conv_model

    return {
        "conv": conv_model(1, "int8"),
        "variable": variable_model([read(2), add(1, 2, 3), assign(3)], [3], first=np.ones((1, 3), np.float32)),
    }


def _onnx() -> dict[str, bytes]:
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    constants = {
        "w": rng.standard_normal((4, 1, 3, 3)).astype(np.float32), "d": rng.standard_normal((36, 3)).astype(np.float32),
        "to": np.array([1, -1]), "fill": np.array([2, 2]), "parts": np.array([1, 2]),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Pad", ["b", "pads"], ["p"]),
        helper.make_node("Reshape", ["p", "to"], ["c"]),
        helper.make_node("MatMul", ["c", "d"], ["e"]),
        helper.make_node("ConstantOfShape", ["fill"], ["f"], value=numpy_helper.from_array(np.ones(1, np.float32))),
        helper.make_node("ReduceSum", ["f"], ["g"], keepdims=0),
        helper.make_node("Mul", ["e", "g"], ["h"]),
        helper.make_node("Split", ["h", "parts"], ["i", "j"], axis=1),
        helper.make_node("Softmax", ["j"], ["y"], axis=-1),
    ]
    constants["pads"] = np.array([0, 0, 0, 0, 0, 0, 0, 0])
    graph = helper.make_graph(
        nodes, "small", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 5, 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(v, n) for n, v in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    return {"small": bytes(model.SerializeToString(deterministic=True))}


def _iris() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris

    x, y = load_iris(return_X_y=True)
    return x.round(), y


def _xgboost(form: str) -> dict[str, bytes]:
    import xgboost

    x, y = _iris()
    data = xgboost.DMatrix(x, y, feature_types=["q", "q", "c", "c"], enable_categorical=True)
    settings = {"objective": "multi:softprob", "num_class": 3, "max_depth": 3, "nthread": 1}
    return {"flowers": bytes(xgboost.train(settings, data, 2).save_raw(form))}


def _lightgbm() -> dict[str, bytes]:
    import lightgbm

    x, y = _iris()
    made = lightgbm.LGBMClassifier(n_estimators=2, num_leaves=4, verbose=-1, min_data_per_group=1, n_jobs=1)
    return {"flowers": made.fit(x, y, categorical_feature=[3]).booster_.model_to_string().encode()}


def _skops() -> dict[str, bytes]:
    import skops.io
    from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x, y = _iris()
    models = {
        "forest": RandomForestClassifier(2, max_depth=3, random_state=0), "svc": make_pipeline(StandardScaler(), SVC()),
        "boosted": GradientBoostingClassifier(n_estimators=1, max_depth=2, random_state=0),
    }  # fmt: skip
    return {n: skops.io.dumps(m.fit(x, y)) for n, m in models.items()}


def _bif() -> dict[str, bytes]:
    return {"chain": (
        b"network n {}\nvariable a { type discrete [2] { yes, no }; }\nvariable b { type discrete [2] { yes, no }; }\n"
        b"variable c { type discrete [3] { x, y, z }; }\nprobability (a) { table 0.2, 0.8; }\n"
        b"probability (b | a) { (yes) 0.1, 0.9; (no) 0.4, 0.6; }\n"
        b"probability (c | a, b) { table 0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.3, 0.2, 0.4, 0.4, 0.4, 0.4; }\n"
    )}  # fmt: skip


def _xmlbif() -> dict[str, bytes]:
    def variable(name: str, states: str) -> str:
        told = "".join(f"<OUTCOME>{s}</OUTCOME>" for s in states.split())
        return f'<VARIABLE TYPE="nature"><NAME>{name}</NAME>{told}</VARIABLE>'

    return {"chain": (
        '<?xml version="1.0"?><BIF VERSION="0.3"><NETWORK><NAME>n</NAME>' + variable("a", "yes no") + variable("b", "yes no")
        + "<DEFINITION><FOR>a</FOR><TABLE>0.2 0.8</TABLE></DEFINITION>"
        "<DEFINITION><FOR>b</FOR><GIVEN>a</GIVEN><TABLE>0.1 0.9 0.4 0.6</TABLE></DEFINITION></NETWORK></BIF>"
    ).encode()}  # fmt: skip


def _crfsuite() -> dict[str, bytes]:
    import tempfile

    import sklearn_crfsuite

    words = [[{"w": w, "n": 1.0} for w in text.split()] for text in ("a dog runs", "the cat sleeps", "a cat")]
    tags = [["D", "N", "V"], ["D", "N", "V"], ["D", "N"]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tags.crfsuite"
        sklearn_crfsuite.CRF(max_iterations=10, model_filename=str(path)).fit(words, tags)
        return {"tags": path.read_bytes()}


def _skosh() -> dict[str, bytes]:
    from sklearn.ensemble import RandomForestClassifier

    import skosh
    from skosh.importers.skosh_file.write import graph_bytes

    x, y = _iris()
    forest = RandomForestClassifier(2, max_depth=3, random_state=0).fit(x, y)
    models = {f"kept_{n}": skosh.load(data) for n, data in _tflite().items()} | {"kept_forest": skosh.load(forest)}
    return {n: graph_bytes(graph) for n, graph in models.items()}


def _npy() -> dict[str, bytes]:
    found = {}
    for name, array in {"numbers": np.arange(24.0).reshape(4, 6).T, "bytes": np.arange(40, dtype=np.int8)}.items():
        out = io.BytesIO()
        np.save(out, array)
        found[name] = out.getvalue()
    return found


def _npz() -> dict[str, bytes]:
    plain, packed = io.BytesIO(), io.BytesIO()
    np.savez(plain, inputs=np.arange(12.0), outputs=np.ones(3, np.float32))
    np.savez_compressed(packed, inputs=np.zeros((100, 3)), outputs=np.arange(9, dtype=np.int16))
    return {"plain": plain.getvalue(), "packed": packed.getvalue()}


FORMATS: dict[str, Callable[[], dict[str, bytes]]] = {
    "tflite": _tflite, "onnx": _onnx, "json": lambda: _xgboost("json"), "ubj": lambda: _xgboost("ubj"), "txt": _lightgbm,
    "skops": _skops, "skosh": _skosh, "bif": _bif, "xmlbif": _xmlbif, "crfsuite": _crfsuite, "npy": _npy, "npz": _npz,
}  # fmt: skip
"""Ending -> sound files of that format."""
