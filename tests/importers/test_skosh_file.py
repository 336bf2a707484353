"""``.skosh`` files: what is kept is what was there, and what a file says is not believed."""

from __future__ import annotations

import dataclasses
import io
import json
import typing
import zipfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Any

import jsonschema
import numpy as np
import pytest

import skosh
import skosh.ops
from skosh.base.budget import BudgetError
from skosh.base.errors import InputError, ModelError
from skosh.importers.skosh_file import values
from skosh.importers.skosh_file.write import graph_bytes
from skosh.ir.graph import Graph, Op
from skosh.ops import OPERATORS
from skosh.pipeline import compile_to_c
from skosh.targets import target
from tests.golden.programs import HERE, graphs
from tests.support.formats import FORMATS
from tests.support.shared import ROOT, models_folder, shared_models

SCHEMA = ROOT / "src" / "skosh" / "importers" / "skosh_file" / "graph.schema.json"


def every_graph() -> Iterator[Graph]:
    yield from (skosh.load(path) for path in shared_models())
    yield from (skosh.load(path) for path in sorted((models_folder().parent / "audio").glob("*.tflite")))
    yield from (graph for name, graph in graphs() if name in ("sprinkler", "forest", "neighbours"))
    floats = skosh.load(models_folder() / "hello_world_float.tflite")
    x = np.linspace(0, 6, 50, dtype=np.float32)[:, None]
    for scheme in ("int8", "int4", "float16"):
        yield skosh.quantize(floats, x, scheme=scheme)
    yield skosh.split(skosh.load(models_folder() / "kws.tflite"), after=3)[0]


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {n: archive.read(n) for n in archive.namelist()}


def packed(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture(scope="module")
def small() -> bytes:
    return graph_bytes(skosh.load(HERE / "sprinkler.bif", query=["Rain"], evidence=["Grass"]))


# --------------------------------------------------------------------------------------------------------- what is kept


def test_the_c_is_the_same_and_the_file_too() -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    for graph in every_graph():
        file = graph_bytes(graph)
        schema.validate(json.loads(contents(file)["graph.json"]))
        kept = skosh.load(file)
        assert graph_bytes(kept) == file, graph.name
        made = [compile_to_c(g, target=target("cortex-m4")).sources for g in (graph, kept)]
        assert made[0] == made[1], graph.name


def test_the_schema_refuses(small: bytes) -> None:
    schema = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    told = json.loads(contents(small)["graph.json"])
    told["nodes"][0]["attributes"]["states"] = {"is": "code", "fields": {}}
    with pytest.raises(jsonschema.ValidationError):
        schema.validate(told)
    assert (ROOT / "docs" / "graph.schema.json").read_bytes() == SCHEMA.read_bytes(), "docs publish the schema in use"


def test_saved_and_loaded(tmp_path: Path, small: bytes) -> None:
    graph = skosh.load(small)
    path = graph.save(tmp_path / "rain.skosh")
    assert path.read_bytes() == small
    build = skosh.compile(path, target="host")
    assert build.program.name == "sprinkler"
    assert build.predict({"Grass": "wet"}) == pytest.approx(
        skosh.compile(graph, target="host").predict({"Grass": "wet"})
    )
    assert skosh.load(path, name="other").name == "other"
    with pytest.raises(InputError, match=r'the file must end in \.skosh, not ".zip"'):
        graph.save(tmp_path / "rain.zip")
    with pytest.raises(
        InputError, match=r'a \.skosh file has no option "query": it holds the graph that options have made'
    ):
        skosh.load(path, query=["Rain"])


def test_what_no_file_holds_is_named() -> None:
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    graph = skosh.load(DecisionTreeClassifier(random_state=0).fit(*load_iris(return_X_y=True)))
    odd = dataclasses.replace(graph, notes=graph.notes.with_(decide=lambda y: y))
    kept = skosh.load(graph_bytes(odd))
    assert kept.notes.left_out == ("decide", "library")
    assert skosh.load(graph_bytes(kept)).notes.left_out == ("decide", "library")


def test_values_of_every_kind_come_back() -> None:
    given = {
        "numbers": (1, -2.5, float("inf"), True, None, "\u00e9\n"), "list": [(), [1]], ("key", 1): {"deep": {2: "x"}},
        "array": np.arange(6, dtype=">i2").reshape(2, 3).T, "texts": np.array(["a", "bcd"]), "empty": np.zeros((0, 4)),
        "nought": np.array(3.5, np.float32), "scalar": np.float32(0.1), "truth": np.bool_(True), "bytes": b"\x00\xff",
    }  # fmt: skip
    files: dict[str, Any] = {}

    def put(thing: Any) -> str:
        files[str(len(files))] = thing
        return str(len(files) - 1)

    told = json.loads(json.dumps(values.written(given, put), allow_nan=False))
    back = values.value_of(told, values.Files(files.__getitem__, files.__getitem__))
    assert repr(back) == repr(given)
    assert np.isnan(values.value_of(values.written(float("nan"), put), values.Files(files.get, files.get)))  # type: ignore[arg-type]


def test_the_list_of_operators_is_whole() -> None:
    for module in walk_packages(skosh.ops.__path__, "skosh.ops."):
        import_module(module.name)

    def kinds(of: type[Op]) -> Iterator[type[Op]]:
        for kind in of.__subclasses__():
            yield from (kind, *kinds(kind))

    there = {
        k.kind: f"{k.__module__}:{k.__qualname__}"
        for k in kinds(Op) if hasattr(k, "kind") and k.__module__.startswith("skosh.ops.")
    }  # fmt: skip
    assert there == OPERATORS, "each operator stands in skosh/ops/__init__.py"


@pytest.mark.parametrize("place", [*OPERATORS.values(), *values.RECORDS.values()])
def test_types_of_attributes_can_be_checked(place: str) -> None:
    module, _, name = place.partition(":")
    kind = getattr(import_module(module), name)
    assert typing.get_type_hints(kind).keys() >= {f.name for f in dataclasses.fields(kind)}


# --------------------------------------------------------------------------------------------- what a file says is checked


def changed(small: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    files = contents(small)
    told = json.loads(files["graph.json"])
    change(told)
    return packed(files | {"graph.json": json.dumps(told).encode()})


def set_version(told: dict[str, Any]) -> None:
    told["version"] = 2


def set_kind(told: dict[str, Any]) -> None:
    told["nodes"][0]["kind"] = "os.system"


def set_attribute(told: dict[str, Any]) -> None:
    told["nodes"][0]["attributes"]["states"] = "yes"


def set_record(told: dict[str, Any]) -> None:
    told["notes"]["predict"] = {"is": "subprocess.Popen", "fields": {"args": ["true"]}}


def set_method(told: dict[str, Any]) -> None:
    told["notes"]["predict"] = {"is": "method", "name": "__init__", "of": told["notes"]["predict"]}


def set_note(told: dict[str, Any]) -> None:
    told["notes"]["mine"] = 1


def set_array(told: dict[str, Any]) -> None:
    told["nodes"][0]["attributes"]["states"] = {"is": "array", "file": "weights/0.npy"}


def set_order(told: dict[str, Any]) -> None:
    told["nodes"].reverse()


LIES = [
    (set_version, "it has version 2 of the format, and this skosh reads versions up to 1"),
    (set_kind, "there must be an operator 'os.system'"),
    (set_attribute, '"states" of read_evidence must be tuple'),
    (set_record, "a value must be one that the format knows"),
    (set_method, "a value must be one that the format knows"),
    (set_note, "its notes must be some of format, description, tflite"),
    (set_array, "an attribute must be no array"),
    (set_order, "must be made before it is used"),
]


@pytest.mark.parametrize(("change", "text"), LIES, ids=[c.__name__ for c, _ in LIES])
def test_lies_are_letters(small: bytes, change: Callable[[dict[str, Any]], None], text: str) -> None:
    with pytest.raises(ModelError) as error:
        skosh.load(changed(small, change))
    assert text in str(error.value)


def test_sizes_are_counted_before_anything_is_made(small: bytes) -> None:
    huge = np.lib.format.magic(1, 0) + b"\x76\x00"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000,), }"
    huge += header + b" " * (0x76 - len(header))
    files = contents(small)
    name = next(n for n in files if n.startswith("weights"))
    with pytest.raises(ModelError, match="it must hold the 4,000,000,000,000 elements of its shape"):
        skosh.load(packed(files | {name: huge}))
    with pytest.raises(BudgetError, match="and a load may cost"):
        skosh.load(packed(files | {name: b"\x00" * (1 << 20)}, zipfile.ZIP_DEFLATED), budget=1e-3)
    with pytest.raises(ModelError, match="its elements must be numbers or texts"):
        skosh.load(packed(files | {name: npy_of_objects()}))


def npy_of_objects() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return out.getvalue()


def test_the_format_is_among_those_that_are_damaged() -> None:
    assert "skosh" in FORMATS
