"""Our operators in TFLite's words. What TFLite keeps in tensors (axes, paddings, shapes) becomes constants of the file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skosh.base.dtypes import i16, i32
from skosh.base.errors import ModelError
from skosh.importers.tflite.export.sheet import Sheet, zero_of
from skosh.importers.tflite.export.writer import OperatorSpec, SubgraphSpec, TensorSpec
from skosh.ir.graph import Node, Quant, Tensor
from skosh.ops.common import window_pads
from skosh.ops.elements.activations import Relu
from skosh.ops.elements.quantization import Cast
from skosh.ops.layers.convolution import Conv2D, DepthwiseConv2D, TransposeConv
from skosh.ops.layers.dense import BatchMatMul, Dense
from skosh.ops.layers.pooling import AveragePool2D, Pool2D
from skosh.ops.moves.gather import Gather, GatherNd
from skosh.ops.moves.movement import Concat, Pack, Slice, Split, Transpose
from skosh.ops.moves.padding import BatchToSpace, MirrorPad, Pad, SpaceToBatch
from skosh.ops.moves.resize import Resize
from skosh.ops.reductions.reductions import ArgExtreme
from skosh.ops.reductions.softmax import Softmax

Converter = Callable[[Sheet, Node], None]

ACTIVATIONS = {"none": "NONE", "relu": "RELU", "relu6": "RELU6", "relu_n1_to_1": "RELU_N1_TO_1"}
TYPES = {
    "f32": "FLOAT32", "f64": "FLOAT64", "i8": "INT8", "u8": "UINT8", "i16": "INT16", "u16": "UINT16", "i32": "INT32",
    "u32": "UINT32", "i64": "INT64", "u64": "UINT64", "bool": "BOOL",
}  # fmt: skip


def _ends(sheet: Sheet, node: Node) -> tuple[list[int], list[int]]:
    return [sheet.index(n) for n in node.inputs], [sheet.index(n) for n in node.outputs]


def _tensor(sheet: Sheet, name: str) -> Tensor:
    return sheet.graph.tensors[name]


# ---------------------------------------------------------------------------------------------------------------- layers


def _convolution(sheet: Sheet, node: Node) -> None:
    """CONV_2D and DEPTHWISE_CONV_2D; padding that is neither of TFLite's schemes becomes a PAD before them."""
    op = node.op
    assert isinstance(op, Conv2D | DepthwiseConv2D), "the table says so"
    x, w = _tensor(sheet, node.inputs[0]), _tensor(sheet, node.inputs[1])
    source, padding = _padded(sheet, node, x, w.shape[1:3], op)
    (_, kernel, *_), outputs = _ends(sheet, node)
    options: dict[str, Any] = {
        "padding": padding, "stride_h": op.stride[0], "stride_w": op.stride[1],
        "dilation_h_factor": op.dilation[0], "dilation_w_factor": op.dilation[1],
        "fused_activation_function": ACTIVATIONS[op.activation],
    }  # fmt: skip
    inputs = [source, kernel, *_bias(sheet, node, x, w)]
    if isinstance(op, DepthwiseConv2D):
        sheet.write("DEPTHWISE_CONV_2D", inputs, outputs, depth_multiplier=w.shape[3] // x.shape[3], **options)
    else:
        sheet.write("CONV_2D", inputs, outputs, **options, **_bias_type(sheet, node, x))


def _padded(sheet: Sheet, node: Node, x: Tensor, window: Sequence[int], op: Any) -> tuple[int, str]:
    """(number of the tensor that the window slides over, "SAME" or "VALID")"""
    size, dilation = (x.shape[1], x.shape[2]), getattr(op, "dilation", (1, 1))
    for scheme in ("valid", "same"):
        if op.pads == window_pads(scheme, size, (window[0], window[1]), op.stride, dilation):
            return sheet.index(x.name), scheme.upper()
    top, bottom, left, right = op.pads
    pairs = ((0, 0), (top, bottom), (left, right), (0, 0))
    shape = [n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True)]
    wide = sheet.fresh(x, shape, f"padded for {node.outputs[0]}")
    sheet.write("PAD", [sheet.index(x.name), sheet.constant(pairs, f"{node.outputs[0]}/paddings")], [wide])
    return wide, "VALID"


def _bias(sheet: Sheet, node: Node, x: Tensor, w: Tensor) -> list[int]:
    """The bias, where there is one, with the scales that TFLite asks of it: the input's times the weights'."""
    if len(node.inputs) < 3 or not node.inputs[2]:
        return []
    bias = _tensor(sheet, node.inputs[2])
    if bias.quant is not None or x.quant is None or w.quant is None or bias.data is None:
        return [sheet.index(bias.name)]
    scales = tuple(float(np.float32(x.quant.scale) * np.float32(s)) for s in w.quant.scales)
    return [sheet.constant(bias.data, bias.name, quant=Quant(scales, (0,) * len(scales)), dtype=bias.dtype.np)]


def _bias_type(sheet: Sheet, node: Node, x: Tensor) -> dict[str, str]:
    """Layers of int16 say when they sum in 32 bits."""
    narrow = x.dtype == i16 and len(node.inputs) > 2 and node.inputs[2] and _tensor(sheet, node.inputs[2]).dtype == i32
    return {"quantized_bias_type": "INT32"} if narrow else {}


def _transpose_conv(sheet: Sheet, node: Node) -> None:
    op = node.op
    assert isinstance(op, TransposeConv), "the table says so"
    x, w, y = _tensor(sheet, node.inputs[0]), _tensor(sheet, node.inputs[1]), _tensor(sheet, node.outputs[0])
    for scheme in ("valid", "same"):
        top, _, left, _ = window_pads(scheme, (y.shape[1], y.shape[2]), (w.shape[1], w.shape[2]), op.stride)
        if (top, left) == (op.pads[0], op.pads[2]):
            break
    else:
        raise ModelError(f"its padding {op.pads} is none of TFLite's schemes")
    shape = sheet.constant(y.shape, f"{y.name}/shape")
    inputs = [shape, sheet.index(w.name), sheet.index(x.name), *_bias(sheet, node, x, w)]
    sheet.write(
        "TRANSPOSE_CONV", inputs, [sheet.index(y.name)], padding=scheme.upper(), stride_h=op.stride[0], stride_w=op.stride[1],
        fused_activation_function=ACTIVATIONS[op.activation],
    )  # fmt: skip


def _dense(sheet: Sheet, node: Node) -> None:
    op = node.op
    assert isinstance(op, Dense), "the table says so"
    x, w = _tensor(sheet, node.inputs[0]), _tensor(sheet, node.inputs[1])
    inputs = [sheet.index(x.name), sheet.index(w.name), *(_bias(sheet, node, x, w) or [-1])]
    sheet.write(
        "FULLY_CONNECTED", inputs, [sheet.index(node.outputs[0])], fused_activation_function=ACTIVATIONS[op.activation],
        keep_num_dims=op.keep_dims, **_bias_type(sheet, node, x),
    )  # fmt: skip


def _batch_matmul(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, BatchMatMul), "the table says so"
    sheet.write("BATCH_MATMUL", *_ends(sheet, node), adj_x=node.op.transpose_a, adj_y=node.op.transpose_b)


def _pool(code: str) -> Converter:
    def convert(sheet: Sheet, node: Node) -> None:
        op = node.op
        assert isinstance(op, Pool2D), "the table says so"
        x = _tensor(sheet, node.inputs[0])
        if isinstance(op, AveragePool2D) and op.upward:
            raise ModelError("a mean of bytes that rounds upward is uint8's, which skosh computes in int8")
        for scheme in ("valid", "same"):
            if op.pads == window_pads(scheme, (x.shape[1], x.shape[2]), op.size, op.stride):
                break
        else:
            raise ModelError(f"its padding {op.pads} is none of TFLite's schemes, and what is padded counts for nothing")
        sheet.write(
            code, *_ends(sheet, node), padding=scheme.upper(), stride_h=op.stride[0], stride_w=op.stride[1],
            filter_height=op.size[0], filter_width=op.size[1], fused_activation_function=ACTIVATIONS[op.activation],
        )  # fmt: skip

    return convert


# ---------------------------------------------------------------------------------------------------- element by element


def _plain(code: str) -> Converter:
    return lambda sheet, node: sheet.write(code, *_ends(sheet, node))


def _fused(code: str) -> Converter:
    def convert(sheet: Sheet, node: Node) -> None:
        activation = ACTIVATIONS[getattr(node.op, "activation", "none")]
        sheet.write(code, *_ends(sheet, node), fused_activation_function=activation)

    return convert


def _named(codes: Mapping[str, str], attribute: str) -> Converter:
    def convert(sheet: Sheet, node: Node) -> None:
        word = getattr(node.op, attribute)
        if word not in codes:
            raise ModelError(f"{node.op.kind} {word} is none of TFLite's operators")
        sheet.write(codes[word], *_ends(sheet, node))

    return convert


def _with(code: str, **attributes: str) -> Converter:
    """An operator whose options are our attributes, by the schema's names."""

    def convert(sheet: Sheet, node: Node) -> None:
        sheet.write(code, *_ends(sheet, node), **{theirs: getattr(node.op, ours) for theirs, ours in attributes.items()})

    return convert


def _cast(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Cast), "the table says so"
    into, out_of = _tensor(sheet, node.inputs[0]).dtype.name, node.op.to.name
    sheet.write("CAST", *_ends(sheet, node), in_data_type=TYPES[into], out_data_type=TYPES[out_of])


# ---------------------------------------------------------------------------------------------------------------- moves


def _reshape(sheet: Sheet, node: Node) -> None:
    y = _tensor(sheet, node.outputs[0])
    shape = sheet.constant(y.shape, f"{y.name}/shape")
    sheet.write("RESHAPE", [sheet.index(node.inputs[0]), shape], [sheet.index(y.name)], new_shape=y.shape)


def _constants(code: str, *attributes: str, options: Mapping[str, str] | None = None) -> Converter:
    """An operator that takes some attributes as constants behind its operands."""

    def convert(sheet: Sheet, node: Node) -> None:
        inputs, outputs = _ends(sheet, node)
        inputs += [sheet.constant(getattr(node.op, a), f"{node.outputs[0]}/{a}") for a in attributes]
        sheet.write(code, inputs, outputs, **{k: getattr(node.op, a) for k, a in (options or {}).items()})

    return convert


def _slice(sheet: Sheet, node: Node) -> None:
    """SLICE, or STRIDED_SLICE; an axis that goes is a RESHAPE behind it."""
    op = node.op
    assert isinstance(op, Slice), "the table says so"
    x, y = _tensor(sheet, node.inputs[0]), _tensor(sheet, node.outputs[0])
    cut = sheet.index(y.name) if op.shape == op.size else sheet.fresh(y, op.size, "slice")
    begin = sheet.constant(op.begin, f"{y.name}/begin")
    if set(op.step) <= {1}:
        sheet.write("SLICE", [sheet.index(x.name), begin, sheet.constant(op.size, f"{y.name}/size")], [cut])
    else:
        ends = [b + n * s for b, n, s in zip(op.begin, op.size, op.step, strict=True)]
        mask = sum(1 << i for i, end in enumerate(ends) if end < 0)  # down to the first element, which no end names
        end = sheet.constant(np.maximum(ends, 0), f"{y.name}/end")
        step = sheet.constant(op.step, f"{y.name}/step")
        sheet.write("STRIDED_SLICE", [sheet.index(x.name), begin, end, step], [cut], end_mask=mask)
    if op.shape != op.size:
        shape = sheet.constant(op.shape, f"{y.name}/shape")
        sheet.write("RESHAPE", [cut, shape], [sheet.index(y.name)], new_shape=op.shape)


def _transpose(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Transpose), "the table says so"
    inputs, outputs = _ends(sheet, node)
    sheet.write("TRANSPOSE", [*inputs, sheet.constant(node.op.perm, f"{node.outputs[0]}/perm")], outputs)


def _concat(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Concat), "the table says so"
    sheet.write("CONCATENATION", *_ends(sheet, node), axis=node.op.axis, fused_activation_function="NONE")


def _pack(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Pack), "the table says so"
    sheet.write("PACK", *_ends(sheet, node), axis=node.op.axis, values_count=len(node.inputs))


def _split(sheet: Sheet, node: Node) -> None:
    op = node.op
    assert isinstance(op, Split), "the table says so"
    (x,), outputs = _ends(sheet, node)
    if op.drop:
        sheet.write("UNPACK", [x], outputs, num=len(outputs), axis=op.axis)
        return
    sizes, axis = sheet.constant(op.sizes, f"{node.outputs[0]}/sizes"), sheet.constant(op.axis, f"{node.outputs[0]}/axis")
    sheet.write("SPLIT_V", [x, sizes, axis], outputs, num_splits=len(outputs))


def _pad(sheet: Sheet, node: Node) -> None:
    """PAD where what is put there is zero, PADV2 elsewhere."""
    op = node.op
    assert isinstance(op, Pad), "the table says so"
    y = _tensor(sheet, node.outputs[0])
    inputs, outputs = _ends(sheet, node)
    inputs.append(sheet.constant(op.pads, f"{y.name}/paddings"))
    if op.value == zero_of(y):
        sheet.write("PAD", inputs, outputs)
    else:
        sheet.write("PADV2", [*inputs, sheet.constant([op.value], f"{y.name}/value", quant=y.quant, dtype=y.dtype.np)], outputs)


def _mirror_pad(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, MirrorPad), "the table says so"
    inputs, outputs = _ends(sheet, node)
    pads = sheet.constant(node.op.pads, f"{node.outputs[0]}/paddings")
    sheet.write("MIRROR_PAD", [*inputs, pads], outputs, mode="REFLECT" if node.op.reflect else "SYMMETRIC")


def _space_to_batch(sheet: Sheet, node: Node) -> None:
    op = node.op
    assert isinstance(op, SpaceToBatch), "the table says so"
    if op.value != zero_of(_tensor(sheet, node.outputs[0])):
        raise ModelError("TFLite pads the blocks with zeros only")
    _constants("SPACE_TO_BATCH_ND", "block", "pads")(sheet, node)


def _batch_to_space(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, BatchToSpace), "the table says so"
    _constants("BATCH_TO_SPACE_ND", "block", "crops")(sheet, node)


def _gather(sheet: Sheet, node: Node) -> None:
    op = node.op
    assert isinstance(op, Gather | GatherNd), "the table says so"
    index = _tensor(sheet, node.inputs[1])
    if op.from_end and (index.data is None or (index.data < 0).any()):
        raise ModelError("an index that counts from the end is ONNX's")
    if isinstance(op, Gather):
        sheet.write("GATHER", *_ends(sheet, node), axis=op.axis, batch_dims=op.batch_dims)
    else:
        sheet.write("GATHER_ND", *_ends(sheet, node))


def _resize(code: str) -> Converter:
    def convert(sheet: Sheet, node: Node) -> None:
        op = node.op
        assert isinstance(op, Resize), "the table says so"
        inputs, outputs = _ends(sheet, node)
        size = sheet.constant(op.size, f"{node.outputs[0]}/size")
        sheet.write(
            code, [*inputs, size], outputs, align_corners=op.align_corners, half_pixel_centers=op.half_pixel_centers
        )

    return convert


# ------------------------------------------------------------------------------------------------------------ reductions


def _reduction(code: str) -> Converter:
    return _constants(code, "axes", options={"keep_dims": "keep_dims"})


def _extreme_place(code: str) -> Converter:
    def convert(sheet: Sheet, node: Node) -> None:
        assert isinstance(node.op, ArgExtreme), "the table says so"
        inputs, outputs = _ends(sheet, node)
        axis = sheet.constant([node.op.axis], f"{node.outputs[0]}/axis")
        sheet.write(code, [*inputs, axis], outputs, output_type="INT32")

    return convert


def _softmax(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Softmax), "the table says so"
    sheet.write("SOFTMAX", *_ends(sheet, node), beta=node.op.beta)


def _relu(sheet: Sheet, node: Node) -> None:
    assert isinstance(node.op, Relu), "the table says so"
    if node.op.activation == "none":
        raise ModelError("a clamp without an activation is none of TFLite's operators")
    sheet.write(ACTIVATIONS[node.op.activation], *_ends(sheet, node))


# ---------------------------------------------------------------------------------------------------------------- states


def states_read(sheet: Sheet) -> None:
    """A resource variable for each state, read before anything else."""
    for number, state in enumerate(sheet.graph.states):
        handle = sheet.add(TensorSpec(f"{state.name}/handle", (1,), "resource"))
        sheet.write("VAR_HANDLE", [], [handle], container="", shared_name=f"{number} {state.name}")
        sheet.write("READ_VARIABLE", [handle], [sheet.index(state.before)])


def states_written(sheet: Sheet) -> list[SubgraphSpec]:
    """What each state becomes; and, where one begins otherwise than at 0, a subgraph that is called once."""
    graph = sheet.graph
    for number, state in enumerate(graph.states):
        handle = sheet.add(TensorSpec(f"{state.name}/handle at the end", (1,), "resource"))
        sheet.write("VAR_HANDLE", [], [handle], container="", shared_name=f"{number} {state.name}")
        sheet.write("ASSIGN_VARIABLE", [handle, sheet.index(state.after)], [])
    if not any(s.initial.any() for s in graph.states):
        return []
    first = Sheet(graph)
    for number, state in enumerate(graph.states):
        handle = first.add(TensorSpec(f"{state.name}/handle", (1,), "resource"))
        first.write("VAR_HANDLE", [], [handle], container="", shared_name=f"{number} {state.name}")
        t = graph.tensors[state.before]
        value = first.constant(state.initial, f"{state.name}/first", quant=t.quant, dtype=t.dtype.np)
        first.write("ASSIGN_VARIABLE", [handle, value], [])
    sheet.operators.insert(0, OperatorSpec("CALL_ONCE", [], [], {"init_subgraph_index": 1}))
    return [SubgraphSpec(first.tensors, first.operators, [], [], "first")]


CONVERTERS: dict[str, Converter] = {
    "conv2d": _convolution, "depthwise_conv2d": _convolution, "transpose_conv": _transpose_conv, "dense": _dense,
    "batch_matmul": _batch_matmul, "average_pool2d": _pool("AVERAGE_POOL_2D"), "max_pool2d": _pool("MAX_POOL_2D"),
    "l2_pool2d": _pool("L2_POOL_2D"),
    **{kind: _fused(kind.upper()) for kind in ("add", "sub", "mul", "div")},
    **{kind: _plain(kind.upper()) for kind in (
        "maximum", "minimum", "squared_difference", "floor_div", "floor_mod", "logistic", "tanh", "prelu", "elu", "hard_swish",
        "abs", "neg", "exp", "log", "sqrt", "rsqrt", "square", "sin", "cos", "ceil", "floor", "round", "logical_not",
        "quantize", "dequantize", "log_softmax",
    )},
    "relu": _relu, "leaky_relu": _with("LEAKY_RELU", alpha="alpha"), "gelu": _with("GELU", approximate="approximate"),
    "compare": _named(
        {"==": "EQUAL", "!=": "NOT_EQUAL", "<": "LESS", "<=": "LESS_EQUAL", ">": "GREATER", ">=": "GREATER_EQUAL"}, "op"
    ),
    "logical": _named({"and": "LOGICAL_AND", "or": "LOGICAL_OR"}, "op"), "select": _plain("SELECT_V2"), "cast": _cast,
    "reshape": _reshape, "copy": _reshape, "slice": _slice, "transpose": _transpose, "concat": _concat, "pack": _pack,
    "split": _split, "pad": _pad, "mirror_pad": _mirror_pad, "space_to_batch": _space_to_batch,
    "batch_to_space": _batch_to_space, "tile": _constants("TILE", "multiples"),
    "broadcast_to": _constants("BROADCAST_TO", "shape"), "depth_to_space": _with("DEPTH_TO_SPACE", block_size="block"),
    "space_to_depth": _with("SPACE_TO_DEPTH", block_size="block"), "gather": _gather, "gather_nd": _gather,
    "resize_nearest": _resize("RESIZE_NEAREST_NEIGHBOR"), "resize_bilinear": _resize("RESIZE_BILINEAR"),
    "mean": _reduction("MEAN"), "sum": _reduction("SUM"), "reduce_max": _reduction("REDUCE_MAX"),
    "reduce_min": _reduction("REDUCE_MIN"), "arg_max": _extreme_place("ARG_MAX"), "arg_min": _extreme_place("ARG_MIN"),
    "l2_normalize": _fused("L2_NORMALIZATION"), "softmax": _softmax,
}  # fmt: skip
