"""What the header tells of the model: scales and rounding, labels, names, the arena; and that comments name what is there."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skosh
from skosh.base.dtypes import DType, i8, i16, i32, u8
from skosh.build.flags import WARNINGS
from skosh.build.host import compile_host, compile_host_program
from skosh.built import dequantized, quantized
from skosh.emit.interface import c_name
from skosh.emit.tidy import plain_comment
from skosh.importers.tflite import load
from skosh.ir.graph import Graph, Node, Quant, Tensor
from skosh.ops.elements.quantization import Quantize
from skosh.pipeline import compile_to_c
from skosh.targets import target
from skosh.targets.toolchain import run_tool, zig
from tests.conformance.random_models import random_model
from tests.emit.programs import write_sources
from tests.emit.test_emitted_c import MODEL, STREAM, small


def rescaling(x: tuple[DType, float, int], y: tuple[DType, float, int]) -> Graph:
    """A model of quantized numbers in and out."""
    tensors = [
        Tensor(name, (1, 3), t, Quant((float(np.float32(scale)),), (zero,)))
        for name, (t, scale, zero) in (("x", x), ("y", y))
    ]
    node = Node(Quantize(y[0]), ("x",), ("y",))
    return Graph("scaled", {t.name: t for t in tensors}, (node,), ("x",), ("y",))


def iris(names: bool = True) -> Graph:
    from sklearn.datasets import load_iris
    from sklearn.tree import DecisionTreeClassifier

    data = load_iris(as_frame=True)
    x = data.data if names else data.data.to_numpy()
    return skosh.load(DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, data.target_names[data.target]))


# ---------------------------------------------------------------------------------------------------------- quantization

CASES = [
    ((i8, 0.5847029, 83), (i8, 0.00390625, -128)),
    ((u8, 0.1, 128), (i8, 1.7e-3, 3)),
    ((i8, 0.25, 1), (u8, 0.1, 128)),
    ((i16, 3.05e-5, 0), (i16, 0.02, -100)),
    ((i8, 0.1, 0), (i32, 0.3, 0)),
    ((i8, 1e-20, -128), (i8, 1e20, 127)),
]


@pytest.mark.parametrize(("x", "y"), CASES, ids=lambda c: f"{c[0]}-{c[1]}")
def test_quantize_rounds_as_predict_does(x: Any, y: Any) -> None:
    """Ties, neighbours of ties, both ends, infinities: the C and ``Build.predict`` agree on each."""
    graph = rescaling(x, y)
    sources = compile_to_c(graph).sources
    harness = '#include "scaled.h"\n' + "".join(
        f"{c} q_{name}(float v);\n{c} q_{name}(float v) {{ return scaled_quantize(v); }}\n" for name, c in (("x", x[0].c),)
    )
    harness += f"float d_y({y[0].c} q);\nfloat d_y({y[0].c} q) {{ return scaled_dequantize(q); }}\n"
    library = ctypes.CDLL(str(compile_host(sources, harness)))
    library.q_x.argtypes, library.d_y.restype = [ctypes.c_float], ctypes.c_float
    library.q_x.restype = getattr(ctypes, f"c_{x[0].np}")
    library.d_y.argtypes = [getattr(ctypes, f"c_{y[0].np}")]
    tx, ty = graph.tensors["x"], graph.tensors["y"]
    scale = np.float32(x[1])
    halves = np.arange(2 * (x[0].min - x[2]) - 5, 2 * (x[0].max - x[2]) + 6, 1 if x[0].bits == 8 else 97, dtype=np.float64) / 2
    values = (halves * np.float64(scale)).astype(np.float32)
    values = np.concatenate([values, np.nextafter(values, np.float32(np.inf)), np.nextafter(values, np.float32(-np.inf))])
    values = np.concatenate([values, np.float32([0.0, -0.0, np.inf, -np.inf, 3e38, -3e38, 1e-45])])
    with np.errstate(over="ignore"):
        want = quantized(values, tx)
    assert [library.q_x(float(v)) for v in values] == want.tolist()
    q = np.arange(y[0].min, y[0].max + 1, 1 if y[0].bits == 8 else max(1, (y[0].max - y[0].min) // 999)).astype(y[0].np)
    got = np.float32([library.d_y(int(v)) for v in q])
    assert got.tolist() == dequantized(q, ty).tolist()
    assert library.q_x(float("nan")) == x[0].min


def test_macros() -> None:
    header = compile_to_c(rescaling(*CASES[0])).sources["scaled.h"]
    for line in (
        "#define SCALED_INPUT_LEN 3", "#define SCALED_INPUT_SHAPE {1, 3}", "#define SCALED_INPUT_SCALE 0.5847029f",
        "#define SCALED_INPUT_ZERO_POINT 83", "#define SCALED_OUTPUT_SCALE 0.00390625f",
        "#define SCALED_OUTPUT_ZERO_POINT (-128)",
    ):  # fmt: skip
        assert f"{line}\n" in header


def test_several_ports_have_functions_of_their_own() -> None:
    sources = compile_to_c(small(outputs=2, inputs=2)).sources
    names = set(re.findall(r"static inline \w+ (small_(?:de)?quantize\w*)\(", sources["small.h"]))
    assert len(names) == 4
    assert all(re.match(r"small_(de)?quantize_\w", n) for n in names)


@pytest.mark.parametrize("value", [0.1, 0.5847029, 1 / 3, 1e-10, 3.4028235e38, 2.0**-126, 123456.79])
def test_scales_read_back_exactly(value: float) -> None:
    scale = np.float32(value)
    header = compile_to_c(rescaling((i8, float(scale), 0), (i8, float(scale), 0))).sources["scaled.h"]
    found = re.search(r"SCALED_INPUT_SCALE (\S+)f\n", header)
    assert found is not None
    assert np.float32(found[1]) == scale
    assert len(found[1]) <= 14


# ------------------------------------------------------------------------------------------------------- labels and names


def test_labels_and_features_are_told(tmp_path: Path) -> None:
    sources = compile_to_c(iris(), name="iris").sources
    harness = """#include "iris.h"
#include <stdio.h>
static IRIS_ARENA(arena);
static const char *const names[] = IRIS_FEATURE_NAMES;
int main(void)
{
    const float flower[IRIS_INPUT_LEN] = {5.1f, 3.5f, 1.4f, 0.2f};
    int32_t which[IRIS_OUTPUT_LEN];
    if (iris_run(flower, which, arena) != IRIS_OK || which[0] != IRIS_CLASS_SETOSA) {
        return 1;
    }
    printf("%s|%s|%s|%d|%d", iris_labels[which[0]], names[0], names[3], IRIS_LABELS_LEN, IRIS_CLASS_VIRGINICA);
    return 0;
}
"""
    done = subprocess.run([compile_host_program(sources, harness)], capture_output=True, text=True, check=True)
    assert done.stdout == "setosa|sepal length (cm)|petal width (cm)|3|2"
    assert "the class: an index into iris_labels" in sources["iris.h"]
    assert "FEATURE_NAMES" not in compile_to_c(iris(names=False), name="iris").sources["iris.h"]


AWKWARD = ('say "no"', "back\\slash", "what??!", "naïve 日本1", "a-b", "a b", "", "-3", "3")


def test_any_text_may_be_a_label() -> None:
    graph = iris()
    graph = graph.with_(notes={**graph.notes, "classes": AWKWARD})
    sources = compile_to_c(graph, name="m").sources
    harness = '#include "m.h"\n#include <stdio.h>\nint main(void)\n{\n'
    harness += "    for (int i = 0; i < M_LABELS_LEN; i++) {\n        puts(m_labels[i]);\n    }\n    return 0;\n}\n"
    done = subprocess.run([compile_host_program(sources, harness)], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == list(AWKWARD)
    members = re.findall(r"(M_CLASS_\w+) = (\d)", sources["m.h"])
    assert len({name for name, _ in members}) == len(AWKWARD)
    assert ("M_CLASS_MINUS_3", "7") in members


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("label", "the class: an index into m_labels"),
        ("proba", "the probability of each class, in the order of m_labels"),
        ("decision", "decision values"),
    ],
)
def test_what_an_output_means(output: str, told: str) -> None:
    from sklearn.linear_model import LogisticRegression

    x = np.random.default_rng(0).normal(size=(60, 2))
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    graph = skosh.load(LogisticRegression().fit(x, y), output=output)
    assert f"\n * {told} */" in compile_to_c(graph, name="m").sources["m.h"]


def test_boosters_bring_their_features() -> None:
    pd = pytest.importorskip("pandas")
    xgboost, lightgbm = pytest.importorskip("xgboost"), pytest.importorskip("lightgbm")
    x = pd.DataFrame(np.random.default_rng(0).normal(size=(50, 2)), columns=["speed", "load"])
    y = (x["speed"] > 0).astype(int)
    for model in (xgboost.XGBClassifier(n_estimators=2), lightgbm.LGBMClassifier(n_estimators=2, verbose=-1)):
        header = compile_to_c(skosh.load(model.fit(x, y)), name="m").sources["m.h"]
        assert '#define M_FEATURE_NAMES {"speed", "load"}' in header


def test_axes_of_an_image() -> None:
    header = compile_to_c(small()).sources["small.h"]
    assert "axes: batch 1, height 4, width 4, channels 3; the last varies fastest" in header


def test_axes_that_an_importer_names() -> None:
    graph = small()
    name = graph.inputs[0]
    graph = graph.with_(notes={"axes": {name: ("batch", "time", "mel", "channel")}})
    assert "axes: batch 1, time 4, mel 4, channel 3;" in compile_to_c(graph).sources["small.h"]


def test_provenance_and_proof(tmp_path: Path) -> None:
    build = skosh.compile(MODEL, target="cortex-m4")
    header = build.sources["model.h"]
    assert f'#define MODEL_MODEL_SHA256 "{MODEL.digest}"' in header
    assert f'#define MODEL_SKOSH_VERSION "{skosh.__version__}"' in header
    assert "compared:" not in header
    build.save(tmp_path, proof=build.verify(3))
    told = (tmp_path / "model.h").read_text(encoding="utf-8")
    said = r"\n \* compared: identical on 3 samples: [^;/]+, [\d,]+\s[* ]*elements,\s[* ]*against\s[* ]*reference[^/]* \*/\n"
    assert re.search(said, told)
    assert told.replace(re.search(r"\n \* compared:[^/]*\*/", told)[0], " */", 1) == header  # type: ignore[index]


# ----------------------------------------------------------------------------------------------------------------- arena

ARENA = """#include "m.h"
M_ARENA(one);
static M_ARENA(two);
static M_ARENA_IN(three, ".bss.fast");
int use(void);
int use(void)
{
    return (int)(((size_t)one | (size_t)two | (size_t)three) % M_ARENA_ALIGN);
}
"""


@pytest.mark.parametrize("gnu", [True, False])
@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c++11", "c++17"])
def test_the_arena_in_every_language(standard: str, gnu: bool, tmp_path: Path) -> None:
    """Also as compilers declare it that aren't GNU's, which have no sections by that name."""
    if standard == "c99" and not gnu:
        return  # has no way to say it
    write_sources(tmp_path, compile_to_c(MODEL, name="m").sources)
    name = "a.cpp" if "+" in standard else "a.c"
    program = ARENA if gnu else f"#undef __GNUC__\n{ARENA}".replace('M_ARENA_IN(three, ".bss.fast")', "M_ARENA(three)")
    (tmp_path / name).write_text(f"#include <stddef.h>\n#include <stdint.h>\n{program}", encoding="utf-8")
    warnings = ("-Wall", "-Wextra", "-pedantic", "-Werror", "-Wno-builtin-macro-redefined")
    cplusplus = "+" in standard
    command = [str(zig()), "cc", f"-std={standard}", *warnings, *(("-x", "c++", "-c") if cplusplus else ("-shared", "-fPIC"))]
    run_tool([*command, name, "-o", "a.so"], standard, tmp_path)
    if not cplusplus:  # linking C++ would make zig's C++ library first
        assert ctypes.CDLL(str(tmp_path / "a.so")).use() == 0


# ------------------------------------------------------------------------------------------------------------------- C++


@pytest.mark.parametrize("machine", ["host", "cortex-m0plus", "cortex-m4", "cortex-m33", "rv32imc"])
def test_the_sources_are_cplusplus_too(machine: str, tmp_path: Path) -> None:
    """Renamed to .cpp, as users of Arduino do."""
    t = target(machine)
    runtime = Path(skosh.build.__file__).parent / "runtime" / "include"  # type: ignore[attr-defined]
    headers = () if t.is_host else (f"-I{runtime}", "-Drestrict=__restrict")
    for graph in (MODEL, STREAM, iris()):
        sources = compile_to_c(graph, target=t, name="m").sources
        write_sources(tmp_path, {n.replace(".c", ".cpp") if n.endswith(".c") else n: s for n, s in sources.items()})
        for unit in ("m.cpp", "m_weights.cpp"):
            command = [str(zig()), "cc", "-x", "c++", *t.flags, *headers, "-std=c++11", "-Wall", "-Wextra", "-Werror", "-O1"]
            run_tool([*command, "-c", unit, "-o", "m.o"], f"{unit} for {machine}", tmp_path)


# ----------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["string", "stdint", "Math", "arduino", "arm_acle", "time"])
def test_no_file_shadows_a_header(name: str, tmp_path: Path) -> None:
    prefix = c_name(name)
    assert prefix == f"{name.lower()}_model"
    write_sources(tmp_path, compile_to_c(MODEL, name=name).sources)
    run_tool([str(zig()), "cc", *WARNINGS, "-I.", "-c", f"{prefix}.c", "-o", "m.o"], name, tmp_path)


# ---------------------------------------------------------------------------------------------------------------- reading

MODELS = [MODEL, STREAM, load(random_model(11), name="another")]


@pytest.mark.parametrize("machine", ["host", "cortex-m0plus", "cortex-m4", "rv32imc"])
def test_what_no_author_would_write(machine: str) -> None:
    for graph in MODELS:
        for optimize in ("balanced", "ram"):
            text = "\n".join(compile_to_c(graph, target=target(machine), optimize=optimize).sources.values())
            assert "``" not in text
            assert not re.search(r"\+ -\d", text)
            for low, high, step in re.findall(r"for \(\w+ \w+ = (\d+); \w+ < (\d+); \w+(?:\+\+| \+= (\d+))\)", text):
                assert int(high) - int(low) > int(step or 1), f"a loop of one round on {machine}"


def test_comments_name_only_what_is_there() -> None:
    doc = "As ``other``, but for ``x``. Sums ``x`` into ``y``: quick.\nMore of ``y``."
    assert plain_comment(doc, {"x", "y"}) == "Sums x into y: quick. More of y."
    assert plain_comment("All of ``x`` and\n``y``.", {"x", "y"}) == "All of x and\ny."
    assert plain_comment("As ``other``.", {"x"}) == ""


def test_thresholds_are_told_as_floats() -> None:
    graph = iris()
    for optimize in ("speed", "ram"):
        sources = compile_to_c(graph, target=target("cortex-m3"), optimize=optimize, name="iris").sources
        text = "".join(sources.values())
        told = re.findall(r"(-?\d+) /\* (-?[\d.e+-]+) \*/", text)
        assert len(told) >= 2
        for bits, number in told:
            assert np.int32(int(bits)).view(np.float32) == np.float32(number)


def test_words_of_weights_are_hexadecimal() -> None:
    text = compile_to_c(MODEL, target=target("cortex-m4")).sources["model_weights.c"]
    words = re.findall(r"/\* (.*?) \*/\nextern const uint32_t \w+\[\d+\];\nconst .*? = \{\n(.*?)\n\};", text, re.S)
    assert words
    for told, body in words:
        assert re.fullmatch(r"(\s+0x[0-9a-f]{8},)+", body)
        assert "word" in told or "filters" in told, f"how they are interleaved: {told}"


def test_many_floats_read_back_exactly() -> None:
    """Large arrays are written for speed; every number is the same number, in C and to numpy."""
    from skosh.base.dtypes import f32
    from skosh.emit.weights import MANY, weights_text
    from skosh.lower.program import Data

    rng = np.random.default_rng(5)
    bits = rng.integers(0, 1 << 32, MANY + 5, dtype=np.uint32)
    values = bits.view(np.float32)
    values = np.where(np.isfinite(values), values, np.float32(-0.0))
    values[:4] = (1.0, 16777216.0, 1e-45, 3.4028235e38)
    text = weights_text((Data("w", f32, values, "weights"),), "m")
    literals = re.findall(r"[-+.0-9e]+f(?=,)", text)
    assert all("." in one or "e" in one for one in literals)  # 1f is no number in C
    assert np.array([one[:-1] for one in literals], np.float32).tobytes() == values.tobytes()
    assert max(map(len, text.splitlines())) <= 116
