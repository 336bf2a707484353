"""TFLite_Detection_PostProcess, the end of SSD and FOMO-like detectors: a custom operator with options in a flexbuffer."""

from __future__ import annotations

from typing import Any

from flatbuffers import flexbuffers

from skosh.base.dtypes import f32, i8, u8
from skosh.base.errors import ModelError
from skosh.importers.tflite.reader import Converted, Record
from skosh.ir.graph import Tensor
from skosh.ops.elements.quantization import Dequantize
from skosh.ops.layers.detection import Detect

CODE = "CUSTOM:TFLite_Detection_PostProcess"
NUMBERS = (
    "max_detections", "max_classes_per_detection", "num_classes", "nms_score_threshold", "nms_iou_threshold",
    "y_scale", "x_scale", "h_scale", "w_scale",
)  # fmt: skip
ALSO = ("use_regular_nms", "detections_per_class", "_output_quantized", "_support_output_type_float_in_quantized_op")
"""detections_per_class is for the regular way alone; the last two say what is so in any case: the outputs are floats."""


def post_process(record: Record, walk: Any) -> bool:
    """Box codes, scores and anchors, of floats or read as floats, to boxes."""
    options = options_of(record)
    record.taken.extras.add("custom_options")
    if options.get("use_regular_nms"):
        raise ModelError(
            "TFLite_Detection_PostProcess with use_regular_nms isn't supported",
            hint="export the model with use_regular_nms=False, or end it before this operator",
        )
    if options["max_classes_per_detection"] != 1:  # TFLite's own kernel leaves gaps between them
        raise ModelError(
            "TFLite_Detection_PostProcess must give one class for each box",
            hint="export it with max_classes_per_detection=1",
        )
    if len(record.inputs) != 3 or len(record.outputs) != 4:
        raise ModelError("TFLite_Detection_PostProcess must have 3 inputs and 4 outputs")
    codes, scores, anchors = (as_floats(record.input(i), walk) for i in range(3))
    record.take(0, 1, 2)
    classes = int(options["num_classes"])
    if len(scores.shape) != 3 or not 0 <= scores.shape[2] - classes <= 1:
        raise ModelError(
            f"scores of {classes} classes, and a background perhaps, can't have shape {list(scores.shape)}"
        )
    op = Detect(
        most=int(options["max_detections"]),
        first=scores.shape[2] - classes,
        scales=(options["y_scale"], options["x_scale"], options["h_scale"], options["w_scale"]),
        score_threshold=options["nms_score_threshold"],
        overlap_threshold=options["nms_iou_threshold"],
    )
    walk.loose.update(t.name for t in record.outputs)  # files leave these shapes out
    step = Record(record.code, record.version, (codes, scores, anchors), record.outputs, record.loc)
    walk.add(step, Converted(op))
    return True


def options_of(record: Record) -> dict[str, float]:
    try:
        found = flexbuffers.Loads(record.custom_options)
    except Exception as error:  # the parser checks nothing
        raise ModelError("the options of TFLite_Detection_PostProcess can't be read") from error
    if not isinstance(found, dict) or any(not isinstance(v, (int, float)) for v in found.values()):
        raise ModelError("the options of TFLite_Detection_PostProcess must be numbers by name")
    missing, more = [n for n in NUMBERS if n not in found], sorted(set(found) - {*NUMBERS, *ALSO})
    if missing or more:
        what = f"must say {missing[0]}" if missing else f"have {more[0]}, which isn't read here"
        raise ModelError(f"the options of TFLite_Detection_PostProcess {what}")
    if not all(abs(found[n]) < 1 << 20 for n in NUMBERS):
        raise ModelError("the options of TFLite_Detection_PostProcess are out of proportion")
    return {n: float(v) for n, v in found.items()}


def as_floats(t: Tensor, walk: Any) -> Tensor:
    made: Tensor = walk.make(Dequantize(), t) if t.dtype in (i8, u8) else t
    if made.dtype != f32:
        raise ModelError(f'"{t.name}" must be float32 or 8 bits, not {t.dtype}')
    return made


EXPANSIONS = {CODE: post_process}
