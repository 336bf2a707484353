"""What the header says about inputs and outputs: scales, the way from real numbers and back, labels, names, provenance.

What an importer knows comes in the graph's notes: "classes" (labels in order), "output" (what a classifier gives: "label",
"proba" or "decision"), "features" (names of the input's elements), "categories" (input element -> its categories), "axes"
(tensor -> a name for each axis), "meaning" (tensor -> text).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from textwrap import fill

import numpy as np

from skosh.base.dtypes import DType, f32
from skosh.base.text import plain as plain_text
from skosh.emit.expressions import float_literal
from skosh.emit.interface import Interface, Port
from skosh.emit.lines import comment, wrapped
from skosh.ir.graph import Graph, Op, Tensor
from skosh.ops.elements.activations import Logistic
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.pooling import Pool2D
from skosh.ops.reductions.reductions import ArgMax
from skosh.ops.reductions.softmax import Softmax

_IMAGE = ("batch", "height", "width", "channels")
_IMAGE_READERS = (Conv2D, DepthwiseConv2D, TransposeConv, Pool2D)
_ENDS: dict[type[Op], str] = {
    Softmax: "softmax: shares that add up to 1",
    Logistic: "logistic: between 0 and 1",
    ArgMax: "the index of the largest",
}


# ------------------------------------------------------------------------------------------------------------------ ports


def port_text(p: Port, graph: Graph, face: Interface) -> str:
    """Comment and macros of one input or output."""
    told = [f'{p.parameter} "{p.tensor.name}", {p.dtype.np}[{", ".join(map(str, p.tensor.shape))}]']
    if p.tensor.quant is not None and not p.tensor.quant.per_channel:
        told[0] += f": real number = {p.macro}_SCALE * (q - {p.macro}_ZERO_POINT)"
    elif p.tensor.quant is not None:
        told[0] += f": {len(p.tensor.quant.scales)} scales, one for each index of axis {p.tensor.quant.axis}"
    told += [line for line in (axes_text(p.tensor, graph), *_purpose(p, graph, face)) if line]
    lines = [f"#define {p.length_macro} {p.tensor.size}"]
    if p.tensor.shape:
        lines.append(f"#define {p.macro}_SHAPE {{{', '.join(map(str, p.tensor.shape))}}}")
    if (known := scale_of(p.tensor)) is not None:
        scale, zero = known
        lines += [f"#define {p.macro}_SCALE {float_literal(scale, f32)[0]}"]
        lines += [f"#define {p.macro}_ZERO_POINT {zero if zero >= 0 else f'({zero})'}"]
    return comment("\n".join(told)) + "".join(f"{line}\n" for line in lines) + "\n"


def scale_of(t: Tensor) -> tuple[float, int] | None:
    """(scale, zero point) of a port; (1, 0) where elements are real numbers; None for plain integers, or many scales."""
    if t.quant is not None:
        return None if t.quant.per_channel else (t.quant.scale, t.quant.zero_point)
    return (1.0, 0) if t.dtype.is_float else None


def axes_text(t: Tensor, graph: Graph) -> str:
    """ "axes: time 49, mel 10"; the last axis is that of neighbours in memory."""
    names = (graph.notes.axes or {}).get(t.name)
    if names is None and len(t.shape) == 4 and any(isinstance(n.op, _IMAGE_READERS) for n in graph.consumers.get(t.name, ())):
        names = _IMAGE
    if names is None:
        return ""
    assert len(names) == len(t.shape), f"{t.name} has {len(t.shape)} axes and {len(names)} names for them"
    return f"axes: {', '.join(f'{n} {d}' for n, d in zip(names, t.shape, strict=True))}; the last varies fastest"


def _purpose(p: Port, graph: Graph, face: Interface) -> Sequence[str]:
    """What the elements mean: what the importer says, else what the last operator is."""
    told = str((graph.notes.meaning or {}).get(p.tensor.name, "")).splitlines()
    if not p.parameter.startswith("output") or told:
        return told
    labels = labels_of(graph)
    output = graph.notes.output if labels else None
    where = f"{face.prefix}_labels"
    if output == "label":
        return [f"the class: an index into {where}"]
    if output == "proba":
        one = f"the probability of the second class, {where}[1]"
        return [one if p.tensor.size == 1 else f"the probability of each class, in the order of {where}"]
    if output == "decision":
        one = f"the decision value: above 0 for {where}[1], below for {where}[0]"
        return [one if p.tensor.size == 1 else "decision values"]
    producer = graph.producer.get(p.tensor.name)
    kind = _ENDS.get(type(producer.op), "") if producer is not None else ""
    order = f"in the order of {where}" if p.tensor.size == len(labels) > 0 else ""
    return [", ".join(x for x in (kind, order) if x)] if kind or order else []


# ----------------------------------------------------------------------------------------------------- real numbers and back


def conversions(face: Interface) -> str:
    """``kws_quantize`` and ``kws_dequantize``, static inline, for each port that stands for real numbers."""
    texts = [_quantize(p, face) for p in face.inputs] + [_dequantize(p, face) for p in face.outputs]
    found = [text for text in texts if text]
    return "\n".join(["", *found]) if found else ""


def _name(p: Port, face: Interface, verb: str, noun: str) -> str:
    """ "input" -> "kws_quantize", "input_left" -> "kws_quantize_left"."""
    return f"{face.prefix}_{verb}{p.parameter.removeprefix(noun)}"


def _quantize(p: Port, face: Interface) -> str:
    name = _name(p, face, "quantize", "input")
    if p.dtype == f32 and p.tensor.quant is None:
        told = f"/* {p.parameter} takes real numbers as they are. */\n"
        return f"{told}static inline float {name}(float x)\n{{\n    return x;\n}}\n"
    if p.tensor.quant is None or p.tensor.quant.per_channel or p.dtype.bits > 16 or p.dtype.packed:
        return ""
    zero, t = p.tensor.quant.zero_point, p.dtype
    low, high = (f"{float_literal(float(v - zero), f32)[0]}" for v in (t.min, t.max))
    return f"""/* A real number as an element of {p.parameter}: rounded to the nearest, ties away from zero, and saturated. */
static inline {t.c} {name}(float x)
{{
    const float q = x / {p.macro}_SCALE;
    int32_t whole;
    float rest;

    if (!(q > {low})) {{ /* not a number is the least, too */
        return {_limit(t, "MIN")};
    }}
    if (q >= {high}) {{
        return {_limit(t, "MAX")};
    }}
    whole = (int32_t)q;
    rest = q - (float)whole;
    whole += (rest >= 0.5f) - (rest <= -0.5f);
    return ({t.c})(whole + {p.macro}_ZERO_POINT);
}}
"""


def _limit(t: DType, end: str) -> str:
    if t.kind == "uint":
        return "0" if end == "MIN" else f"UINT{t.bits}_MAX"
    return f"INT{t.bits}_{end}"


def _dequantize(p: Port, face: Interface) -> str:
    name = _name(p, face, "dequantize", "output")
    if p.dtype == f32 and p.tensor.quant is None:
        return f"/* {p.parameter} has real numbers. */\nstatic inline float {name}(float y)\n{{\n    return y;\n}}\n"
    if p.tensor.quant is None or p.tensor.quant.per_channel or p.dtype.is_float or p.dtype.packed:
        return ""
    real = f"(float)(q - {p.macro}_ZERO_POINT) * {p.macro}_SCALE"
    if p.dtype.bits > 16:  # more digits than a float has
        real = f"(float)(((double)q - {p.macro}_ZERO_POINT) * (double){p.macro}_SCALE)"
    return (
        f"/* The real number that an element of {p.parameter} stands for. */\n"
        f"static inline float {name}({p.dtype.c} q)\n{{\n    return {real};\n}}\n"
    )


# ------------------------------------------------------------------------------------------------------------------- names


def labels_of(graph: Graph) -> tuple[str, ...]:
    """The labels of a classifier's classes, in the order of its output; () where there are none."""
    classes = graph.notes.classes or graph.notes.labels or ()
    return tuple(str(c) for c in classes)


def labels_text(graph: Graph, face: Interface) -> str:
    """Declarations of the labels, and an enum that names their indices."""
    labels = labels_of(graph)
    if not labels:
        return ""
    m = face.macro
    count = len(labels)
    members = [f"{m}_CLASS_{n} = {i}" for i, n in enumerate(_identifiers(labels))]
    listed = ",\n    ".join(members)
    return (
        f"\n/* The classes: {face.prefix}_labels[i] is the label of class i. */\n"
        f"#define {m}_LABELS_LEN {count}\n"
        f"extern const char *const {face.prefix}_labels[{m}_LABELS_LEN];\n\n"
        f"typedef enum {{\n    {listed}\n}} {face.prefix}_class;\n"
    )


def labels_definition(graph: Graph, face: Interface) -> str:
    """The array itself, for the code unit."""
    labels = labels_of(graph)
    if not labels:
        return ""
    rows = "".join(f"    {string(label)},\n" for label in labels)
    return f"const char *const {face.prefix}_labels[{face.macro}_LABELS_LEN] = {{\n{rows}}};\n"


def features_text(graph: Graph, face: Interface) -> str:
    """Names of the input's elements, in order, as an initializer that costs nothing until it is used."""
    names = graph.notes.features
    if not names:
        return ""
    start = f"#define {face.macro}_FEATURE_NAMES {{"
    text = wrapped(start, [string(str(n)) for n in names], "}", 112).replace("\n", " \\\n")
    use = f"static const char *const names[] = {face.macro}_FEATURE_NAMES;"
    return f"/* What the elements of {face.inputs[0].parameter} are, in order: {use} */\n{text}\n\n"


def categories_text(graph: Graph, face: Interface) -> str:
    """For each column of the input that holds codes of categories (``notes["categories"]``): an enum of them, and a function
    that finds the code of a name."""
    known = graph.notes.categories
    if not known:
        return ""
    m, p = face.macro, face.prefix
    names = graph.notes.features or ()
    columns = [str(names[n]) if n < len(names) and names[n] else f"column_{n}" for n in known]
    found, used = [_SAME_NAME.replace("PREFIX", p)], set[str]()
    for (n, categories), name in zip(known.items(), _identifiers(columns), strict=True):
        name = f"{name}_COLUMN" if name in _TAKEN else name
        members = []
        for i, c in enumerate(_identifiers(categories)):
            member = f"{m}_{name}_{c}" if f"{m}_{name}_{c}" not in used else f"{m}_{name}_{c}_{n}"
            used.add(member)
            members.append(f"{member} = {i}")
        tests = "".join(
            f"    if ({p}_same_name(name, {string(c)})) {{\n        return {i};\n    }}\n" for i, c in enumerate(categories)
        )
        where = f"element {n} of {face.inputs[0].parameter}"
        listed = ",\n    ".join(members)
        found.append(
            f"\n/* Codes of the categories of {where}; NAN stands for any other. */\n"
            f"typedef enum {{\n    {listed}\n}} {p}_{name.lower()};\n\n"
            f"/* The code of a name; -1 where it is none of them. */\n"
            f"static inline int32_t {p}_encode_{name.lower()}(const char *name)\n{{\n{tests}    return -1;\n}}\n"
        )
    return "".join(found)


_TAKEN = frozenset({"CLASS", "STATUS", "INPUT", "OUTPUT", "ARENA", "LABELS", "FEATURE", "MODEL", "SKOSH"})
"""Beginnings of names that the header has already."""

_SAME_NAME = """
/* Are two names the same? */
static inline int PREFIX_same_name(const char *a, const char *b)
{
    while (*a != '\\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}
"""


def _identifiers(labels: Sequence[str]) -> list[str]:
    """A C identifier for each label, all different."""
    found: list[str] = []
    for i, label in enumerate(labels):
        text = label.replace("-", "MINUS_", 1) if re.match(r"-\d", label) else label
        name = re.sub(r"[^A-Z0-9]+", "_", text.upper()).strip("_") or str(i)
        found.append(name if name not in found else f"{name}_{i}")
    return found


def string(text: str) -> str:
    """A C string literal of the text's UTF-8, with octal escapes, which no digit after them can lengthen."""
    spoken = plain_text(text)
    plain = {'"': '\\"', "\\": "\\\\", "?": "\\?"}  # ?? begins a trigraph in C99
    return '"' + "".join(plain.get(chr(b), chr(b)) if 32 <= b < 127 else f"\\{b:03o}" for b in spoken.encode()) + '"'


# ------------------------------------------------------------------------------------------------------------------ arena


def arena_text(face: Interface, nbytes: int, align: int) -> str:
    """Macros that declare a place for the arena."""
    m = face.macro
    told = (
        f"A place for the arena: `static {m}_ARENA(memory);`, then {face.prefix}_run(..., memory). {m}_ARENA_IN puts it into "
        f'a section of the linker script: `static {m}_ARENA_IN(memory, ".dtcm");`. It is an array of bytes because compilers '
        "that reason by types (strict aliasing) let bytes be accessed as any type, but not an array of, say, uint64_t."
    )
    return f"""{comment(fill(told, 116, break_long_words=False))}#if defined(__GNUC__)
#define {m}_ARENA(name) unsigned char name[{m}_ARENA_BYTES] __attribute__((aligned({align})))
#elif defined(__cplusplus) && __cplusplus >= 201103L
#define {m}_ARENA(name) unsigned char name alignas({align})[{m}_ARENA_BYTES]
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define {m}_ARENA(name) _Alignas({align}) unsigned char name[{m}_ARENA_BYTES]
#elif defined(_MSC_VER)
#define {m}_ARENA(name) __declspec(align({align})) unsigned char name[{m}_ARENA_BYTES]
#endif
#if defined(__GNUC__) && defined({m}_ARENA)
#define {m}_ARENA_IN(name, where) {m}_ARENA(name) __attribute__((section(where)))
#endif
"""


def same_float(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    return float_literal(float(np.float32(value)), f32)[0].removesuffix("f")
