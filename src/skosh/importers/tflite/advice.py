"""What a person can do about an operator that skosh doesn't have."""

from __future__ import annotations

_BY_CODE = {
    "IF": "compute both sides and choose with SELECT_V2, or split the model in two",
    "WHILE": "unroll the loop: a fixed number of steps, converted with unroll=True",
    "CALL": "convert the model without nested functions",
    "FLOOR_DIV": "of floats: use DIV and FLOOR",
    "FLOOR_MOD": "of floats: use DIV, FLOOR, MUL and SUB",
    "EMBEDDING_LOOKUP": "use GATHER",
    "WHERE": "its output size depends on the data; use SELECT_V2 with fixed shapes",
    "UNIQUE": "its output size depends on the data; compute it outside the model",
    "NON_MAX_SUPPRESSION_V4": "end the model before box selection and write that part in C",
    "NON_MAX_SUPPRESSION_V5": "end the model before box selection and write that part in C",
    "RNN": "use UNIDIRECTIONAL_SEQUENCE_LSTM, or unroll the cell",
    "LSTM": "use UNIDIRECTIONAL_SEQUENCE_LSTM: convert a Keras LSTM layer with a fixed batch of 1",
    "BIDIRECTIONAL_SEQUENCE_LSTM": "use two UNIDIRECTIONAL_SEQUENCE_LSTM, one of them over the reversed input",
    "HASHTABLE": "map words to numbers before the model runs",
    "TOPK_V2": "end the model at the scores and select in C",
    "RFFT2D": "compute the spectrum with a front end of skosh.features",
    "DELEGATE": "save the model before a delegate is applied to it",
}


def advice_for(code: str) -> str:
    """A hint for an operator by TFLite's name."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if code.startswith("CUSTOM:Flex"):
        return f"convert without SELECT_TF_OPS: {code.removeprefix('CUSTOM:Flex')} has no TFLite kernel"
    if code == "CUSTOM:edgetpu-custom-op":
        return "this file is what the Edge TPU compiler made: use the model before that compiler"
    if code == "CUSTOM:ethos-u":
        return "this file is what Vela made for an Ethos-U: use the model before that compiler"
    if code.startswith("CUSTOM:"):
        return "replace the custom operator by built-in ones, or end the model before it"
    return "express it by operators that `skosh inspect` lists, or end the model before it"
