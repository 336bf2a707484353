"""Every model class that skosh reads: its example, compiled for this computer, gives what the library gives."""

from __future__ import annotations

import pytest

pytest.importorskip("sklearn")

import skosh
from skosh.importers.skosh_file.write import graph_bytes
from skosh.ir.text import graph_text
from tests.support.examples import EXAMPLES, Example, agreement

FLOAT32 = 1e-5  # of a number, or of the mean magnitude of all


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.library} {e.name}")
def test_the_library_is_followed(example: Example) -> None:
    try:
        fitted = example.fit()
    except ImportError as error:
        pytest.skip(str(error))
    graph = fitted.load()
    file = graph_bytes(graph)
    kept = skosh.load(file)  # so that what a file keeps is all that it takes
    assert graph_bytes(kept) == file
    assert {*kept.notes} - {"left_out"} == {n for n, v in graph.notes.items() if v is not None} - {"library"}
    assert graph_text(kept) == graph_text(graph)  # MACs too, which each operator counts
    build = skosh.compile(kept, target="host")
    same, error = agreement(fitted, build)
    assert same == 1.0 and error <= FLOAT32


def test_functions_that_only_plain_loops_call_stay_out_where_sums_are_calls() -> None:
    (example,) = (e for e in EXAMPLES if e.name == "KNeighborsClassifier")
    fitted = example.fit()
    for target in ("cortex-m0plus", "cortex-m3"):
        build = skosh.compile(fitted.load(), target=target)  # a function that nobody calls would be a warning, so an error
        assert agreement(fitted, build, fitted.rows[:3])[0] == 1.0
