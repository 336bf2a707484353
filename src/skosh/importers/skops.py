"""skops files: a zip archive of a schema, which is JSON, and arrays. Read as data: nothing that a file names is called.

A file says for each thing which class it was of. Here that word decides between these, and nothing else:

- plain values, lists, dicts, arrays, sparse matrices: made by us, by their kind;
- scikit-learn's estimators: the class is looked up in scikit-learn's public packages, must be an estimator that calls itself
  what the file calls it, and is made without any code of its own: an empty object whose attributes are set;
- types of numpy's numbers, and numpy's elementary functions, by name, from a list;
- everything else is a ``Record``: its attributes under its name, with no behaviour. So is a fitted tree of scikit-learn:
  its own class believes the numbers of its nodes, so arrays take its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.arrays import Archive, NotArrays, read_npy, read_npz
from skosh.base.budget import deeper, spend
from skosh.base.errors import InputError, ModelError, ToolError
from skosh.base.files import read_bytes
from skosh.ir.graph import Array

PACKAGES = (
    "calibration", "cluster", "compose", "covariance", "cross_decomposition", "decomposition", "discriminant_analysis",
    "dummy", "ensemble", "feature_extraction", "feature_extraction.text", "feature_selection", "gaussian_process",
    "impute", "isotonic", "kernel_approximation", "kernel_ridge", "linear_model", "mixture", "model_selection",
    "multiclass", "multioutput", "naive_bayes", "neighbors", "neural_network", "pipeline", "preprocessing",
    "random_projection", "semi_supervised", "svm", "tree",
)  # fmt: skip
"""Where scikit-learn keeps its estimators. Only these are imported, whatever a file says."""

FUNCTIONS = (
    "exp", "log", "sqrt", "square", "absolute", "negative", "sin", "cos", "log2", "log10", "log1p", "expm1",
)  # fmt: skip
"""numpy's functions that a FunctionTransformer may hold."""

NUMBERS = (
    "bool_", "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "str_",
)  # fmt: skip
"""numpy's types that may be named."""

KEYS: Mapping[str, Callable[[str], Any]] = {
    "str": str, "int": int, "float": float, **{n: getattr(np, n) for n in NUMBERS if hasattr(np, n)}
}  # fmt: skip
"""What makes a key of a dict from its text."""


class Record:
    """A thing of a class that skosh doesn't make: the attributes that a file gives it, and nothing it could do."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.__dict__.update(attributes)


class TreeArrays:
    """A fitted tree as its arrays, by the names that scikit-learn gives them; value is [nodes, outputs, classes]."""

    def __init__(self, nodes: Array, values: Array, outputs: int) -> None:
        self.node_count = len(nodes)
        self.n_outputs = outputs
        self.value = np.asarray(values, np.float64)
        self.children_left = np.asarray(nodes["left_child"], np.int64)
        self.children_right = np.asarray(nodes["right_child"], np.int64)
        for name in ("feature", "threshold", "impurity", "n_node_samples", "weighted_n_node_samples"):
            setattr(self, name, nodes[name])
        if "missing_go_to_left" in (nodes.dtype.names or ()):
            self.missing_go_to_left = nodes["missing_go_to_left"]


def read_skops(path: Path) -> Any:
    """What is in a skops file, made of data alone.

    InputError when there is no such file, ModelError when it is damaged or holds no estimator of scikit-learn.
    """
    try:
        archive = Archive(read_bytes(path))
        text = archive.read("schema.json")
        spend("nodes", text.count(b"{"), "the schema")
        schema = json.loads(text)
        found = Reading(archive).value(schema, 0)
    except (ModelError, InputError):
        raise
    except (NotArrays, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ModelError(f"this is no skops file: {type(error).__name__}: {error}", loc=str(path)) from error
    if not _is_estimator(found):
        what = schema.get("__module__"), schema.get("__class__")
        raise ModelError(
            f"a skops file must hold an estimator of scikit-learn's own, not {'.'.join(map(str, what)):.100}",
            loc=str(path),
        )
    return found


class Reading:
    """One file being read: the archive, and things that several others hold."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.known: dict[Any, Any] = {}
        self.cells = 0

    def value(self, node: Any, depth: int) -> Any:
        """What a node of the schema stands for."""
        depth = deeper(depth, "the schema")
        if not isinstance(node, dict):
            raise TypeError("a node of the schema must be an object")
        kind, identity = node["__loader__"], node.get("__id__")
        if kind == "CachedNode":
            return self.known[identity]
        read = LOADERS.get(kind)
        made = _record(node, self.content(node, depth)) if read is None else read(self, node, depth)
        if isinstance(identity, int | str):
            self.known[identity] = made
        return made

    def values(self, nodes: Any, depth: int) -> list[Any]:
        if not isinstance(nodes, list):
            raise TypeError("the content of a list must be a list")
        return [self.value(n, depth) for n in nodes]

    def content(self, node: Mapping[str, Any], depth: int) -> Any:
        """What a node holds, when that is a node, too."""
        inside = node.get("content")
        return self.value(inside, depth) if isinstance(inside, dict) and "__loader__" in inside else None

    def attributes(self, node: Mapping[str, Any], depth: int) -> dict[str, Any]:
        found = self.content(node, depth)
        if not isinstance(found, dict):
            return {}
        return {k: v for k, v in found.items() if isinstance(k, str) and k.isidentifier() and not k.startswith("__")}


# ------------------------------------------------------------------------------------------------------ kinds of nodes


def _json(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    return json.loads(node["content"])


def _list(reading: Reading, node: Mapping[str, Any], depth: int) -> list[Any]:
    return reading.values(node["content"], depth)


def _tuple(reading: Reading, node: Mapping[str, Any], depth: int) -> tuple[Any, ...]:
    return tuple(reading.values(node["content"], depth))


def _set(reading: Reading, node: Mapping[str, Any], depth: int) -> set[Any]:
    return set(reading.values(node["content"], depth))


def _dict(reading: Reading, node: Mapping[str, Any], depth: int) -> dict[Any, Any]:
    kinds = [str(k.get("__class__")) for k in node["key_types"]["content"]]
    found = {}
    for kind, (key, inside) in zip(kinds, node["content"].items(), strict=True):
        found[KEYS.get(kind, str)(key)] = reading.value(inside, depth)
    return found


def _default_dict(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    return reading.value(node["content"]["main"], depth)


def _array(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    if node["type"] == "numpy":
        found = read_npy(reading.archive.read(node["file"]), "an array")
        return found if node["__class__"] == "ndarray" or found.ndim else found[()]
    items = reading.values(node["content"], depth)
    shape = reading.value(node["shape"], depth)
    if not isinstance(shape, tuple | list) or not all(type(n) is int and n >= 0 for n in shape):
        raise TypeError("a shape must be sizes")
    made = np.empty(len(items), object)
    made[:] = items if len(shape) == 1 else [None] * len(items)
    return made if len(shape) == 1 else _nested(items, tuple(shape))


def _nested(items: list[Any], shape: tuple[int, ...]) -> Array:
    """Lists of lists as an array of objects."""
    for _ in shape[1:]:
        items = [x for part in items for x in part]
    flat = np.empty(len(items), object)
    flat[:] = items
    return flat.reshape(shape)


def _masked(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    inside = node["content"]
    return np.ma.MaskedArray(reading.value(inside["data"], depth), reading.value(inside["mask"], depth))


def _sparse(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    """A sparse matrix by its arrays, checked before anything is done with them."""
    from scipy import sparse

    parts = read_npz(reading.archive.read(node["file"]), "a sparse matrix")
    made = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}.get(_word(parts["format"]))
    rows, columns = (int(n) for n in parts["shape"])
    if made is None or rows < 0 or columns < 0:
        raise ValueError("a sparse matrix must be of format csr or csc")
    spend("elements", rows * columns, "a sparse matrix")
    found = made((parts["data"], parts["indices"], parts["indptr"]), shape=(rows, columns))
    found.check_format(full_check=True)
    return found


def _word(array: Array) -> str:
    found: Any = array[()]
    return found.decode("ascii", "replace") if isinstance(found, bytes) else str(found)


def _dtype(reading: Reading, node: Mapping[str, Any], depth: int) -> np.dtype[Any]:
    found: np.dtype[Any] = reading.value(node["content"], depth).dtype
    return found


def _slice(reading: Reading, node: Mapping[str, Any], depth: int) -> slice:
    ends = [node["content"][name] for name in ("start", "stop", "step")]
    if not all(e is None or isinstance(e, int | str) for e in ends):
        raise TypeError("the ends of a slice must be numbers")
    return slice(*ends)


def _bytes(reading: Reading, node: Mapping[str, Any], depth: int) -> bytes:
    return reading.archive.read(node["file"])


def _type(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    """A type of numbers; of any other only its name."""
    name = node["__class__"]
    if node["__module__"] == "numpy" and name in NUMBERS and hasattr(np, name):
        return getattr(np, name)
    if node["__module__"] == "builtins" and name in ("int", "float", "str", "bool"):
        return {"int": int, "float": float, "str": str, "bool": bool}[name]
    return _record(node, {})


def _function(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    """A function of numpy on single numbers, from the list; of any other only its name."""
    name = node["__class__"]
    found = getattr(np, name) if name in FUNCTIONS and str(node["__module__"]).startswith("numpy") else None
    return found if isinstance(found, np.ufunc) else _record(node, {})


def _object(reading: Reading, node: Mapping[str, Any], depth: int) -> Any:
    attributes = reading.attributes(node, depth)
    cls = estimator_class(str(node["__module__"]), str(node["__class__"]))
    if cls is None:
        return _record(node, attributes)
    made = object.__new__(cls)
    made.__dict__.update({k: v for k, v in attributes.items() if k != "_sklearn_version"})
    if "_loss" in attributes and callable(own := getattr(made, "_get_loss", None)):
        made._loss = own(sample_weight=None)  # boosting's loss, a Record here, as the estimator itself makes it
    return made


def _tree(reading: Reading, node: Mapping[str, Any], depth: int) -> TreeArrays:
    inside = reading.attributes(node, depth)
    arguments = reading.value(node["__reduce__"]["args"], depth)
    nodes, values = inside["nodes"], inside["values"]
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None or nodes.ndim != 1:
        raise TypeError("the nodes of a tree must be records")
    if (
        not isinstance(values, np.ndarray)
        or values.dtype != np.float64
        or values.ndim != 3
        or len(values) != len(nodes)
    ):
        raise TypeError("a tree must have values for each node")
    return TreeArrays(nodes, values, int(arguments[2]))


LOADERS: Mapping[str, Callable[[Reading, Mapping[str, Any], int], Any]] = {
    "JsonNode": _json, "ListNode": _list, "TupleNode": _tuple, "SetNode": _set, "DictNode": _dict,
    "DefaultDictNode": _default_dict, "NdArrayNode": _array, "MaskedArrayNode": _masked, "SparseMatrixNode": _sparse,
    "DTypeNode": _dtype, "SliceNode": _slice, "BytesNode": _bytes, "BytearrayNode": _bytes, "TypeNode": _type,
    "FunctionNode": _function, "ObjectNode": _object, "TreeNode": _tree,
}  # fmt: skip
"""skops' word for a kind of node -> what makes it. Kinds that aren't here (methods, partial functions, calls of a class with
arguments, losses, random states) are Records."""


def _record(node: Mapping[str, Any], attributes: Any) -> Record:
    name = str(node.get("__class__"))[:100]
    kind = type(name if name.isidentifier() else "Record", (Record,), {"__module__": f"file:{node.get('__module__')}"})
    made = kind(attributes if isinstance(attributes, dict) else {})
    assert isinstance(made, Record), "a record is one"
    return made


# ------------------------------------------------------------------------------------------------------ estimators


def estimator_class(module: str, name: str) -> type[Any] | None:
    """scikit-learn's own estimator of that name, when it says itself that it comes from that module; else None."""
    if not module.startswith("sklearn.") or not name.isidentifier() or name.startswith("_"):
        return None
    base = _base()
    inside = module.removeprefix("sklearn.")
    for package in PACKAGES:
        if inside == package or inside.startswith(f"{package}."):
            found = getattr(import_module(f"sklearn.{package}"), name, None)
            if (
                isinstance(found, type)
                and issubclass(found, base)
                and (found.__module__, found.__qualname__) == (module, name)
            ):
                return found
    return None


def _is_estimator(thing: Any) -> bool:
    return isinstance(thing, _base())


def _base() -> type[Any]:
    try:
        from sklearn.base import BaseEstimator
    except ImportError:
        raise ToolError("scikit-learn is needed to read .skops files", hint="pip install skosh[sklearn]") from None
    base: type[Any] = BaseEstimator
    return base
