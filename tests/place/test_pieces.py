"""Models in two pieces: head then tail equals the whole, bit for bit, for every legal cut."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import skosh
from skosh.base.errors import InputError
from skosh.ir.check_graph import check_graph
from skosh.ir.graph import Array, Graph
from skosh.ir.interpret_graph import run_graph
from skosh.place.pieces import cuts, from_bytes, to_bytes
from skosh.verify.samples import random_samples
from tests.support.shared import models_folder, shared_models

MODELS = [p.stem for p in shared_models()]


def loaded(name: str) -> Graph:
    return skosh.load(models_folder() / f"{name}.tflite")


def through(head: Graph, tail: Graph, inputs: tuple[Array, ...]) -> Iterator[Array]:
    """The outputs of tail(head(inputs)), with the message as bytes between them."""
    first = run_graph(head, inputs).values
    message = to_bytes(head, [first[n] for n in head.outputs])
    assert len(message) == sum(w["nbytes"] for w in head.notes["wire"])
    values = run_graph(tail, from_bytes(tail, message)).values
    yield from (values[n] for n in tail.outputs)


@pytest.mark.parametrize("name", MODELS)
def test_every_cut_makes_two_legal_models(name: str) -> None:
    """Together they have each node once, and the wire says what each crossing tensor is."""
    graph = loaded(name)
    found = cuts(graph)
    assert found or len(graph.nodes) < 2
    for cut in found:
        head, tail = skosh.split(graph, after=cut.after)
        check_graph(head)
        check_graph(tail)
        assert {n.outputs for n in head.nodes} | {n.outputs for n in tail.nodes} == {n.outputs for n in graph.nodes}
        assert len(head.nodes) + len(tail.nodes) == len(graph.nodes)
        assert (head.inputs, tail.outputs, head.outputs) == (graph.inputs, graph.outputs, tail.inputs)
        for w, tensor in zip(head.notes["wire"], head.required(head.outputs), strict=True):
            assert (w["dtype"], tuple(w["shape"]), w["nbytes"]) == (str(tensor.dtype), tensor.shape, tensor.nbytes)
            assert tensor.quant is None or (w["scales"], w["zero_points"]) == (
                tensor.quant.scales,
                tensor.quant.zero_points,
            )


@pytest.mark.parametrize("name", MODELS)
def test_head_then_tail_equals_the_whole(name: str) -> None:
    """Every cut, by the meaning of the operators, on random integers."""
    graph = loaded(name)
    inputs = random_samples(graph, 1).inputs[0]
    whole = run_graph(graph, inputs).values
    for cut in cuts(graph):
        head, tail = skosh.split(graph, after=cut.after)
        for got, want in zip(through(head, tail, inputs), (whole[n] for n in graph.outputs), strict=True):
            np.testing.assert_array_equal(got, want, err_msg=f"{name} after {cut.after}")


@pytest.mark.parametrize(("name", "places"), [("kws", 2), ("ic", 1), ("micro_speech", 1)])
def test_pieces_as_c_equal_the_whole_as_c(name: str, places: int) -> None:
    """Head and tail are compiled apart, each with its own optimizations."""
    graph = loaded(name)
    x = np.stack([s[0] for s in random_samples(graph, 3).inputs])
    want = skosh.compile(graph, target="host").run(x)
    found = cuts(graph)
    for cut in [found[i] for i in np.unique(np.linspace(0, len(found) - 1, places + 2)[1:-1].astype(int))]:
        head, tail = skosh.split(graph, after=cut.after)
        sent = skosh.compile(head, target="host").run(x)
        np.testing.assert_array_equal(
            skosh.compile(tail, target="host").run(sent), want, err_msg=f"{name} after {cut.after}"
        )


def test_a_layer_by_name_tensor_or_index() -> None:
    graph = loaded("kws")
    node = graph.nodes[3]
    heads = [skosh.split(graph, after=a)[0] for a in (3, node.outputs[0])]
    assert heads[0].outputs == heads[1].outputs == node.outputs
    assert heads[0].digest != skosh.split(graph, after=3)[1].digest


@pytest.mark.parametrize(
    ("after", "letter"),
    [
        (99, "after must be from 0 to 12, not 99"),
        ("nowhere", 'after must name a layer or a tensor of the model ("'),
        (12, ": nothing comes after it. Hint: cut after "),
    ],
)
def test_no_such_cut(after: str | int, letter: str) -> None:
    with pytest.raises(InputError) as caught:
        skosh.split(loaded("kws"), after=after)
    assert letter in str(caught.value)


def test_a_message_of_another_length() -> None:
    _, tail = skosh.split(loaded("kws"), after=0)
    with pytest.raises(InputError, match=r"^the message must have 8,000 bytes, not 7"):
        from_bytes(tail, b"1234567")


def test_cuts_through_a_residual_block_send_both_tensors() -> None:
    assert {len(c.wire) for c in cuts(loaded("ic"))} == {1, 2}
