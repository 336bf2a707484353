"""ONNX-ML (domain ai.onnx.ml): linear models, support vectors, and what prepares features, said by ONNX's own operators.

As skl2onnx and onnxmltools write them. Labels that are texts come out as their indices, int32; the texts are the note "classes"
of the graph. ``ZipMap`` gives its input: a column for each class in place of a map.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from skosh.base.errors import ModelError
from skosh.importers.onnx.context import Context
from skosh.importers.onnx.inside import Body, body
from skosh.importers.onnx.reader import Record
from skosh.ir.graph import Array

ML = "ai.onnx.ml"


def numbers(record: Record, name: str) -> Array:
    """An attribute that is a list of floats, or the tensor that newer sets have in its place; empty when it is absent."""
    tensor = record.attributes.get(f"{name}_as_tensor")
    found = record.attributes.get(name, ()) if tensor is None else tensor
    return np.asarray(found, np.float64 if tensor is not None and tensor.dtype == np.float64 else np.float32).astype(
        np.float64
    )


def float_input(b: Body, record: Record, k: int = 0) -> str:
    """The input as float32 [N, F]."""
    name = b.of("Cast", record.inputs[k], to=1)
    return name if len(b.shape(name)) > 1 else b.of("Reshape", name, [1, -1])


# --------------------------------------------------------------------------------------------------------------- classes


def labels(ctx: Context, record: Record, *names: str) -> tuple[list[Any], bool]:
    """(the class labels, whether they are texts) from the first of the attributes that holds some."""
    for name in names:
        found = record.attributes.get(name, ())
        if len(found):
            texts = isinstance(found[0], str)
            if texts:
                ctx.notes["classes"] = tuple(found)
            return list(found), texts
    return [], False


def labelled(b: Body, index: str, classes: list[Any], texts: bool) -> str:
    """int64 indices [N] as labels: texts stay indices."""
    if texts or classes == list(range(len(classes))):
        return index
    return b.of("Gather", np.asarray(classes, np.int64), index)


def finished(b: Body, scores: str, how: str) -> str:
    """``post_transform``."""
    match how:
        case "NONE":
            return scores
        case "SOFTMAX":
            return b.of("Softmax", scores, axis=-1)
        case "LOGISTIC":
            return b.of("Sigmoid", scores)
    raise ModelError(f"post_transform must be NONE, SOFTMAX or LOGISTIC, not {how}")


def joined(b: Body, *columns: str) -> str:
    return b.of("Concat", *columns, axis=1)


def two_columns(b: Body, score: str, how: str, *, shares: bool) -> str:
    """[N, 1] of the second class as [N, 2]. shares: what is left of 1 is the first class's; else its score is negative."""
    if shares:
        return joined(b, b.of("Sub", 1.0, score), score)
    both = joined(b, b.of("Neg", score), score)
    if how == "SOFTMAX":
        raise ModelError("post_transform must be NONE or LOGISTIC where one score decides between two classes")
    return finished(b, both, how)


def best(b: Body, scores: str) -> str:
    """The index of the largest score of each row, the first of equals."""
    return b.of("ArgMax", scores, axis=1, keepdims=0)


def above(b: Body, score: str, bound: float) -> str:
    """1 where the score [N, 1] is above a number, else 0, as [N]."""
    return b.of("Reshape", b.of("Cast", b.of("Greater", score, bound), to=6), [-1])


# ---------------------------------------------------------------------------------------------------------------- linear


def linear_classifier(ctx: Context, record: Record) -> None:
    b, a = Body(ctx, record), record.attributes
    record.attributes.get("multi_class", 0)  # how it was trained
    x, how = float_input(b, record), str(a.get("post_transform", "NONE"))
    classes, texts = labels(ctx, record, "classlabels_strings", "classlabels_ints")
    scores = affine(b, x, numbers(record, "coefficients"), numbers(record, "intercepts"))
    count = b.shape(scores)[1]
    if count == 1 and len(classes) == 2:
        b.end(labelled(b, above(b, scores, 0.0), classes, texts), 0)
        if how == "SOFTMAX":
            raise ModelError("post_transform must be NONE or LOGISTIC where one score decides between two classes")
        b.end(two_columns(b, finished(b, scores, how), how, shares=True), 1)  # as onnxruntime has it
        return
    if count != len(classes):
        raise ModelError(f"there must be a row of coefficients for each of {len(classes)} classes, not {count}")
    b.end(labelled(b, best(b, scores), classes, texts), 0)
    b.end(finished(b, scores, how), 1)


def linear_regressor(b: Body, record: Record) -> str:
    a = record.attributes
    count = int(a.get("targets", 1))
    intercepts = numbers(record, "intercepts")
    y = affine(
        b, float_input(b, record), numbers(record, "coefficients"), intercepts if intercepts.size else np.zeros(count)
    )
    if b.shape(y)[1] != count:
        raise ModelError(f"there must be coefficients for {count} targets, not {b.shape(y)[1]}")
    return finished(b, y, str(a.get("post_transform", "NONE")))


def affine(b: Body, x: str, coefficients: Array, intercepts: Array) -> str:
    """x W^T + c, [N, rows]."""
    features = b.shape(x)[-1]
    if len(b.shape(x)) != 2 or coefficients.size != intercepts.size * features or not coefficients.size:
        raise ModelError(
            f"there must be {features} coefficients for each of {intercepts.size} intercepts, not {coefficients.size} in all"
        )
    w = coefficients.reshape(intercepts.size, features).astype(np.float32)
    return b.of("Gemm", x, w, intercepts.astype(np.float32), transB=1)


# --------------------------------------------------------------------------------------------------------------- vectors


def kernel_values(b: Body, x: str, record: Record, vectors: Array) -> str:
    """[N, S]: the kernel of x and each support vector."""
    kind, parameters = (
        str(record.attributes.get("kernel_type", "LINEAR")),
        record.attributes.get("kernel_params", (0.0, 0.0, 3.0)),
    )
    gamma, shift, degree = (float(p) for p in (*parameters, 0.0, 0.0, 3.0)[:3])
    if kind == "RBF":  # exp(-gamma |x - v|^2)
        each = b.of("Sub", b.of("Unsqueeze", x, [1]), vectors[None].astype(np.float32))
        return b.of("Exp", b.of("Mul", b.of("ReduceSumSquare", each, [2], keepdims=0), -gamma))
    scale = 1.0 if kind == "LINEAR" else gamma
    y = b.of("MatMul", x, (scale * vectors).T.astype(np.float32))
    if kind == "LINEAR":
        return y
    y = b.of("Add", y, shift)
    if kind == "SIGMOID":
        return b.of("Tanh", y)
    if kind != "POLY":
        raise ModelError(f"kernel_type must be LINEAR, POLY, RBF or SIGMOID, not {kind}")
    return b.of("Pow", y, degree)


def svm_regressor(b: Body, record: Record) -> str:
    a = record.attributes
    x, count = float_input(b, record), int(a.get("n_supports", 0))
    coefficients, rho = numbers(record, "coefficients"), numbers(record, "rho")
    if rho.size != 1:
        raise ModelError(f"there must be one rho, not {rho.size}")
    if count:
        vectors = numbers(record, "support_vectors").reshape(count, -1)
        values = kernel_values(b, x, record, vectors)
        y = affine(b, values, coefficients, rho)
    else:
        record.attributes.get("kernel_params", ())
        if a.get("kernel_type", "LINEAR") != "LINEAR":
            raise ModelError("a model without support vectors must be linear")
        y = affine(b, x, coefficients, rho)
    if a.get("one_class", 0):
        y = b.of("Where", b.of("Greater", y, 0.0), 1.0, -1.0)
    return finished(b, y, str(a.get("post_transform", "NONE")))


def svm_classifier(ctx: Context, record: Record) -> None:
    """Decisions of pairs of classes and their votes, as libsvm has them; a linear model of one row a class too."""
    b, a = Body(ctx, record), record.attributes
    how = str(a.get("post_transform", "NONE"))
    x = float_input(b, record)
    classes, texts = labels(ctx, record, "classlabels_strings", "classlabels_ints")
    rho, coefficients = numbers(record, "rho"), numbers(record, "coefficients")
    support = [int(n) for n in a.get("vectors_per_class", ())]
    if not support or len(a.get("prob_a", ())) or len(a.get("prob_b", ())):
        raise ModelError(
            "it must have support vectors, and no probabilities", hint="export the scikit-learn object itself"
        )
    k, total = len(classes), sum(support)
    vectors = numbers(record, "support_vectors").reshape(total, -1)
    pairs = list(combinations(range(k), 2))
    if len(support) != k or coefficients.size != (k - 1) * total or rho.size < len(pairs):
        raise ModelError("the coefficients, classes and support vectors must fit each other")
    start, w = np.cumsum([0, *support]), coefficients.reshape(k - 1, total)
    rows = np.zeros((len(pairs), total))
    for p, (i, j) in enumerate(pairs):
        rows[p, start[i] : start[i + 1]] = w[j - 1, start[i] : start[i + 1]]
        rows[p, start[j] : start[j + 1]] = w[i, start[j] : start[j + 1]]
    decisions = affine(b, kernel_values(b, x, record, vectors), rows, rho[: len(pairs)])
    first, second = np.zeros((len(pairs), k), np.float32), np.zeros((len(pairs), k), np.float32)
    for p, (i, j) in enumerate(pairs):
        first[p, i] = second[p, j] = 1.0
    wins = b.of("Cast", b.of("Greater", decisions, 0.0), to=1)
    votes = b.of("Add", b.of("MatMul", wins, first), b.of("MatMul", b.of("Sub", 1.0, wins), second))
    b.end(labelled(b, best(b, votes), classes, texts), 0)
    if k == 2:
        b.end(finished(b, joined(b, b.of("Neg", decisions), decisions), how), 1)
    else:
        b.end(finished(b, decisions, how), 1)


# -------------------------------------------------------------------------------------------------------------- features


def scaler(b: Body, record: Record) -> str:
    """(x - offset) * scale."""
    x = float_input(b, record)
    for kind, name, idle in (("Sub", "offset", 0.0), ("Mul", "scale", 1.0)):
        row = numbers(record, name)
        if row.size not in (0, 1, b.shape(x)[-1]):
            raise ModelError(f"{name} must have a number for each of {b.shape(x)[-1]} features, not {row.size}")
        if row.size and not (row == idle).all():
            x = b.of(kind, x, row.astype(np.float32))
    return x


def normalizer(b: Body, record: Record) -> str:
    """Each row by its largest element, the sum of its absolutes, or its length; a row of zeros stays."""
    x, norm = float_input(b, record), str(record.attributes.get("norm", "MAX"))
    match norm:
        case "MAX":
            size = b.of("ReduceMax", x, [-1])
        case "L1":
            size = b.of("ReduceL1", x, [-1])
        case "L2":
            size = b.of("ReduceL2", x, [-1])
        case _:
            raise ModelError(f"norm must be MAX, L1 or L2, not {norm}")
    return b.of("Div", x, b.of("Where", b.of("Equal", size, 0.0), 1.0, size))


def imputer(b: Body, record: Record) -> str:
    """Another value in place of NaN, or of one number."""
    x, a = record.inputs[0], record.attributes
    floats = len(a.get("imputed_value_floats", ()))
    values = np.asarray(a.get("imputed_value_floats", ()) if floats else a.get("imputed_value_int64s", ()))
    replaced = a.get("replaced_value_float", 0.0) if floats else a.get("replaced_value_int64", 0)
    values = values.astype(np.float32 if floats else np.int64)
    if values.size not in (1, b.shape(x)[-1]):
        raise ModelError(f"there must be a value for each of {b.shape(x)[-1]} features, not {values.size}")
    missing = (
        b.of("IsNaN", x) if floats and np.isnan(replaced) else b.of("Equal", x, values.dtype.type(replaced).reshape(1))
    )
    return b.of("Where", missing, values, x)


def binarizer(b: Body, record: Record) -> str:
    x = float_input(b, record)
    return b.of("Cast", b.of("Greater", x, float(record.attributes.get("threshold", 0.0))), to=1)


def one_hot(b: Body, record: Record) -> str:
    """A last axis with 1 at the category; none where it is no category, which ONNX calls an error unless ``zeros`` is 1."""
    a = record.attributes
    a.get("zeros", 1)
    if len(a.get("cats_strings", ())):
        raise ModelError("categories must be whole numbers, not texts", hint="encode texts before the model runs")
    categories = np.asarray(a.get("cats_int64s", ()), np.int64)
    x = b.of("Cast", record.inputs[0], to=6)
    each = b.of("Equal", b.of("Unsqueeze", x, [-1]), categories.astype(np.int32))
    return b.of("Cast", each, to=1)


def label_encoder(b: Body, record: Record) -> str:
    """A table from numbers to numbers; what isn't in it gives the default."""
    a = record.attributes
    keys, values = _column(a, "keys"), _column(a, "values")
    if keys is None or values is None or len(keys) != len(values):
        raise ModelError("it must turn numbers into numbers, not texts", hint="encode texts before the model runs")
    floats = values.dtype.kind == "f"
    default = a.get("default_float", -0.0) if floats else a.get("default_int64", -1)
    given = a.get("default_tensor")
    default = default if given is None else given.reshape(-1)[0]
    x = b.of("Cast", record.inputs[0], to=1 if keys.dtype.kind == "f" else 6)
    y: str = b.constant(np.full((1,) * max(1, len(b.shape(x))), default, np.float32 if floats else np.int32))
    for key, value in zip(keys[::-1], values[::-1], strict=True):
        at = np.asarray([key], np.float32 if keys.dtype.kind == "f" else np.int32)
        same = b.of("IsNaN", x) if keys.dtype.kind == "f" and np.isnan(key) else b.of("Equal", x, at)
        y = b.of("Where", same, np.asarray([value], np.float32 if floats else np.int32), y)
    return y


def _column(a: Any, name: str) -> Array | None:
    tensor = a.get(f"{name}_tensor")
    if tensor is not None:
        return np.asarray(tensor).reshape(-1)
    for suffix, dtype in (("int64s", np.int64), ("floats", np.float32)):
        found = a.get(f"{name}_{suffix}", ())
        if len(found):
            return np.asarray(found, dtype)
    return None


def feature_vectorizer(b: Body, record: Record) -> str:
    """The inputs side by side."""
    sizes = record.attributes.get("inputdimensions", ())
    parts = [float_input(b, record, k) for k in range(len(record.inputs))]
    if len(sizes) and [b.shape(p)[-1] for p in parts] != list(sizes):
        raise ModelError(f"inputdimensions must be the sizes of the inputs, not {list(sizes)}")
    return parts[0] if len(parts) == 1 else joined(b, *parts)


def array_feature_extractor(b: Body, record: Record) -> str:
    """Elements of the last axis by their places; always 2 dimensions at least."""
    x, places = record.inputs
    flat = b.of("Reshape", places, [-1])
    y = b.of("Gather", x, flat, axis=-1)
    return y if len(b.shape(y)) > 1 else b.of("Reshape", y, [1, -1])


def zip_map(b: Body, record: Record) -> str:
    """A column for each class; the classes are a note."""
    a = record.attributes
    texts, whole = a.get("classlabels_strings", ()), a.get("classlabels_int64s", ())
    b.ctx.notes.setdefault("classes", tuple(texts or whole))
    return record.inputs[0]


CONVERTERS: dict[str, Any] = {
    f"{ML}.LinearClassifier": linear_classifier, f"{ML}.SVMClassifier": svm_classifier,
    f"{ML}.LinearRegressor": body(linear_regressor), f"{ML}.SVMRegressor": body(svm_regressor),
    f"{ML}.Scaler": body(scaler), f"{ML}.Normalizer": body(normalizer), f"{ML}.Imputer": body(imputer),
    f"{ML}.Binarizer": body(binarizer), f"{ML}.OneHotEncoder": body(one_hot), f"{ML}.LabelEncoder": body(label_encoder),
    f"{ML}.FeatureVectorizer": body(feature_vectorizer), f"{ML}.ArrayFeatureExtractor": body(array_feature_extractor),
    f"{ML}.ZipMap": body(zip_map),
}  # fmt: skip
