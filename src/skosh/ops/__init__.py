"""Floor 3: operators, one file a family.

Each operator is a frozen dataclass: its attributes, its shape rule (``infer``), its meaning in numpy (``reference``,
bit-exact with TensorFlow Lite Micro for integers), its multiply-accumulates (``macs``) and its kernels (``calls``).
"""

from __future__ import annotations

from skosh.base import registry

FAMILIES: dict[str, dict[str, str]] = {
    "choices.confidence": {"gate": "Gate", "sure": "Sure", "sure_by_margin": "SureByMargin"},
    "classical.distances": {"distances": "Distances", "triangular_quadratics": "TriangularQuadratics"},
    "classical.integer_features": {"integer_features": "IntegerFeatures"},
    "classical.integer_gaussians": {
        "integer_gaussians": "IntegerGaussians", "integer_quadratics": "IntegerQuadratics",
    },
    "classical.integer_points": {
        "curves": "Curves", "integer_distances": "IntegerDistances", "integer_nearest": "IntegerNearest",
    },
    "classical.integer_scores": {
        "above": "Above", "integer_pairs": "IntegerPairs", "integer_scores": "IntegerScores", "integer_votes":
        "IntegerVotes", "label_votes": "LabelVotes",
    },
    "classical.interpolation": {"interpolated": "Interpolated"},
    "classical.neighbor_trees": {"nearest_in_tree": "NearestInTree"},
    "classical.neighbors": {"inverse_weights": "InverseWeights", "nearest": "Nearest", "votes": "Votes"},
    "classical.precise": {"precise_dense": "PreciseDense"},
    "classical.svm": {
        "pair_decisions": "PairDecisions", "pair_probabilities": "PairProbabilities", "pair_votes": "PairVotes",
    },
    "classical.tables": {"add_rows": "AddRows", "encode": "Encode", "products": "Products"},
    "classical.taming": {"tamed": "Tamed"},
    "elements.activations": {
        "leaky_relu": "LeakyRelu", "logistic": "Logistic", "prelu": "Prelu", "relu": "Relu", "tanh": "Tanh",
    },
    "elements.arcs": {
        "acos": "Acos", "acosh": "Acosh", "asin": "Asin", "asinh": "Asinh", "atan": "Atan", "atanh": "Atanh", "cosh":
        "Cosh", "log1p": "Log1p", "sinh": "Sinh", "tan": "Tan",
    },
    "elements.comparisons": {
        "compare": "Compare", "logical": "Logical", "logical_not": "LogicalNot", "select": "Select",
    },
    "elements.elementwise": {
        "add": "Add", "div": "Div", "maximum": "Maximum", "minimum": "Minimum", "mul": "Mul", "squared_difference":
        "SquaredDifference", "sub": "Sub",
    },
    "elements.floors": {"floor_div": "FloorDiv", "floor_mod": "FloorMod"},
    "elements.functions": {
        "abs": "Abs", "ceil": "Ceil", "cos": "Cos", "erf": "Erf", "exp": "Exp", "floor": "Floor", "log": "Log", "neg":
        "Neg", "round": "Round", "rsqrt": "Rsqrt", "sin": "Sin", "sqrt": "Sqrt", "square": "Square",
    },
    "elements.lookup": {"lookup": "Lookup"},
    "elements.quantization": {"cast": "Cast", "dequantize": "Dequantize", "quantize": "Quantize"},
    "elements.smooth": {"elu": "Elu", "gelu": "Gelu", "hard_swish": "HardSwish"},
    "elements.whole": {"whole": "Whole"},
    "graphical.chains": {
        "filter_step": "FilterStep", "forward_backward": "ForwardBackward", "lag_step": "LagStep", "sequence_score":
        "SequenceScore", "viterbi": "Viterbi",
    },
    "graphical.emissions": {"grouped_log_sums": "GroupedLogSums", "indexed_scores": "IndexedScores"},
    "graphical.factors": {
        "back_track": "BackTrack", "condition": "Condition", "decide": "Decide", "eliminate": "Eliminate",
        "normalize": "Normalize", "read_evidence": "ReadEvidence",
    },
    "layers.convolution": {
        "conv2d": "Conv2D", "depthwise_conv2d": "DepthwiseConv2D", "transpose_conv": "TransposeConv",
    },
    "layers.dense": {"batch_matmul": "BatchMatMul", "dense": "Dense"},
    "layers.detection": {"detect": "Detect"},
    "layers.pooling": {"average_pool2d": "AveragePool2D", "l2_pool2d": "L2Pool2D", "max_pool2d": "MaxPool2D"},
    "moves.gather": {"gather": "Gather", "gather_nd": "GatherNd"},
    "moves.movement": {
        "broadcast_to": "BroadcastTo", "concat": "Concat", "depth_to_space": "DepthToSpace", "pack": "Pack", "slice":
        "Slice", "space_to_depth": "SpaceToDepth", "split": "Split", "tile": "Tile", "transpose": "Transpose",
    },
    "moves.padding": {
        "batch_to_space": "BatchToSpace", "mirror_pad": "MirrorPad", "pad": "Pad", "space_to_batch": "SpaceToBatch",
    },
    "moves.reshape": {"copy": "Copy", "reshape": "Reshape"},
    "moves.resize": {"resize_bilinear": "ResizeBilinear", "resize_nearest": "ResizeNearest"},
    "moves.scatter": {"scatter_nd": "ScatterNd"},
    "recurrent.lstm": {"lstm": "Lstm"},
    "recurrent.svdf": {"svdf": "Svdf"},
    "reductions.l2norm": {"l2_normalize": "L2Normalize"},
    "reductions.medians": {"weighted_median": "WeightedMedian"},
    "reductions.ordering": {"running": "Running", "top_k": "TopK"},
    "reductions.reductions": {
        "arg_max": "ArgMax", "arg_min": "ArgMin", "mean": "Mean", "reduce_max": "ReduceMax", "reduce_min":
        "ReduceMin", "sum": "Sum",
    },
    "reductions.softmax": {"log_softmax": "LogSoftmax", "softmax": "Softmax"},
    "signal.channels": {
        "filter_bank": "FilterBank", "pcan": "GainControl", "filter_bank_log": "Logarithm", "spectral_subtraction":
        "NoiseSubtraction", "filter_bank_square_root": "SquareRoot",
    },
    "signal.filters": {"impulse_response": "ImpulseResponse", "second_order_sections": "Sections"},
    "signal.float_spectrum": {"float_bands": "Bands", "float_energy": "FloatEnergy", "float_fft": "FloatFft"},
    "signal.framing": {"framer": "Framer"},
    "signal.spectrum": {
        "fft_auto_scale": "AutoScale", "signal_energy": "Energy", "rfft": "RealFft", "signal_window": "Window",
    },
    "text.text": {
        "characters": "Characters", "hashed_counts": "HashedCounts", "sparse_dense": "SparseDense", "term_counts":
        "TermCounts", "term_weights": "TermWeights", "words": "Words",
    },
    "trees.forest": {"forest": "Forest"},
}  # fmt: skip
"""File -> the kinds of operators in it, and their classes. A kind keeps its name: it is in files that people keep."""

OPERATORS: registry.Table = {
    kind: f"skosh.ops.{file}:{name}" for file, kinds in FAMILIES.items() for kind, name in kinds.items()
}
"""Every operator that a Graph may hold, by its kind; one is imported when a file names it."""
