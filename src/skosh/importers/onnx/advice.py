"""What a person can do about an operator that skosh doesn't have."""

from __future__ import annotations

_BY_KIND = {
    **dict.fromkeys(("If", "Loop", "Scan"), "export with fixed sizes, which unrolls it, or split the model in two"),
    **dict.fromkeys(("com.microsoft.DynamicQuantizeMatMul",
                     "com.microsoft.MatMulIntegerToFloat", "com.microsoft.DynamicQuantizeLSTM"),
                    "its scales are found at run time: quantize statically, onnxruntime.quantization.quantize_static"),
    **dict.fromkeys(("NonMaxSuppression", "NonZero", "TopK", "Unique"), "end the model before it and write that part in C"),
    **dict.fromkeys(("SequenceEmpty", "SequenceConstruct", "ConcatFromSequence", "SplitToSequence", "SequenceAt"),
                    "use tensors of fixed sizes in place of sequences"),
    "LRN": "use batch normalization",
    **dict.fromkeys(("STFT", "DFT", "MelWeightMatrix"), "compute the spectrum before the model runs"),
}  # fmt: skip


def advice_for(kind: str) -> str:
    if kind in _BY_KIND:
        return _BY_KIND[kind]
    if "." in kind:
        return "export with ONNX's own operators only: without graph optimizations of a runtime"
    return "express it by operators that docs/onnx.md lists, or end the model before it"
