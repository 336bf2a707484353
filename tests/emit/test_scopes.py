"""No block of the emitted C declares a name twice, in its assembly's stead either: what one model at one aim once had."""

from __future__ import annotations

import pytest

import skosh
from skosh.pipeline import compile_to_c
from skosh.targets import target
from tests.support.scopes import declared_twice
from tests.support.shared import models_folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ic", "vww"])
@pytest.mark.parametrize("machine", ["cortex-m0plus", "cortex-m4", "cortex-m55", "aarch64", "x86-64-avx512"])
def test_large_networks(name: str, machine: str) -> None:
    graph = skosh.load(models_folder() / f"{name}.tflite")
    for aim in ("balanced", "speed", "flash"):
        made = compile_to_c(graph, target=target(machine), optimize=aim, name=name)
        assert not declared_twice(made.sources[f"{name}.c"]), f"{name} for {machine}, {aim}"


def test_the_fastest_form_of_a_network_compiles() -> None:
    """vww at the aim speed on the M4 has a tile of two rounds and one over, both written out, one after the other."""
    build = skosh.compile(models_folder() / "vww.tflite", target="cortex-m4", optimize="speed")
    assert build.profile().instructions < 6_000_000


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("int32_t a = 0;\nint32_t a = 1;", ["3: a"]),
        ("{\nint32_t a = 0;\n}\nint32_t a = 1;", []),
        ("#if X\nint32_t a = 0;\n#else\nint32_t a = 1;\n#endif", []),
        ("#if X\nint32_t a = 0;\n#else\nint32_t b = 1;\n#endif\nint32_t a = 2;", ["7: a"]),
        ("for (;;) {\nint32_t a = 0;\n}\nif (x) {\nint32_t a = 0;\n} else {\nint32_t a = 1;\nuint8_t a = 2;\n}", ["9: a"]),
    ],
)
def test_what_counts(body: str, found: list[str]) -> None:
    assert declared_twice(f"void f(void) {{\n{body}\n}}\n") == found
