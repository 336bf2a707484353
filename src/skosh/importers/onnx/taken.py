"""What a converter has asked for, so that the reader can tell what it passed over.

An attribute, an input or a text that nobody looks at may change the answer. So attributes and inputs are *taken*: what is
left over after a node's conversion, and isn't what ONNX says it is by default, is an obstacle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, overload

import numpy as np

T = TypeVar("T")


class Attributes(Mapping[str, Any]):
    """Plain values by name; a name that was asked for is taken, whether it was there or not."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.plain = dict(values)
        """The values themselves; looking here takes nothing."""
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return self.plain[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self.plain

    def __iter__(self) -> Iterator[str]:
        return iter(self.plain)

    def __len__(self) -> int:
        return len(self.plain)

    def __repr__(self) -> str:
        return repr(self.plain)

    def forget(self) -> None:
        self.asked.clear()

    def left(self) -> dict[str, Any]:
        """What nobody has asked for."""
        return {name: value for name, value in self.plain.items() if name not in self.asked}


class Taken(Sequence[T]):
    """A sequence that remembers which of its places were read; iterating reads them all."""

    def __init__(self, items: Sequence[T]) -> None:
        self.plain = tuple(items)
        """The items themselves; looking here takes nothing."""
        self.asked: set[int] = set()

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        places = range(len(self.plain))[index]
        self.asked.update(places if isinstance(places, range) else (places,))
        return self.plain[index]

    def __iter__(self) -> Iterator[T]:
        self.asked.update(range(len(self.plain)))
        return iter(self.plain)

    def __contains__(self, item: object) -> bool:
        return item in self.plain

    def __len__(self) -> int:
        return len(self.plain)

    def __eq__(self, other: object) -> bool:
        return self.plain == (other.plain if isinstance(other, Taken) else other)

    def __hash__(self) -> int:
        return hash(self.plain)

    def __repr__(self) -> str:
        return repr(self.plain)

    def forget(self) -> None:
        self.asked.clear()

    def left(self) -> list[int]:
        """The places that nobody has read."""
        return [k for k in range(len(self.plain)) if k not in self.asked]


HARMLESS: Mapping[tuple[str, str], str] = {
    ("BatchNormalization", "momentum"): "of training",
    ("BatchNormalization", "spatial"): "one mean for each channel; other shapes of the means are refused",
    ("Dropout", "seed"): "of training",
    ("Dropout", "ratio"): "of training",
    ("MaxPool", "storage_order"): "of the indices, which are an output of their own",
    ("LayerNormalization", "stash_type"): "the precision of the mean: float32 here, which is the default",
    ("GroupNormalization", "stash_type"): "the precision of the mean: float32 here, which is the default",
    ("RMSNormalization", "stash_type"): "the precision of the mean: float32 here, which is the default",
    (
        "Attention",
        "softmax_precision",
    ): "the precision of the softmax: float32 here, which is the widest that is computed",
    ("Attention", "qk_matmul_output_mode"): "of an output of its own",
    ("Cast", "saturate"): "of types of 8 bits with an exponent, which are refused",
    ("CastLike", "saturate"): "of types of 8 bits with an exponent, which are refused",
    ("QuantizeLinear", "saturate"): "of types of 8 bits with an exponent, which are refused",
    ("Cast", "round_mode"): "of types of 8 bits with an exponent, which are refused",
    ("Resize", "cubic_coeff_a"): "of cubic interpolation, which reads it",
    ("Resize", "extrapolation_value"): "of tf_crop_and_resize, which reads it",
    ("Constant", "denotation"): "a text for people",
}
"""(operator, attribute) -> why no value of it changes what is computed here."""


def passed_over(kind: str, attributes: Attributes, opset: int) -> str | None:
    """The first attribute that was not taken and isn't at its default, as text; None when there is none."""
    for name, value in attributes.left().items():
        if (kind, name) in HARMLESS:
            continue
        usual = defaults(kind, opset).get(name)
        if usual is None or not same(value, usual):
            return f"{name} = {_shown(value)}"
    return None


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return (
            bool(np.float32(a) == np.float32(b))
            if isinstance(a, (int, float)) and isinstance(b, (int, float))
            else False
        )
    return type(a) is type(b) and bool(np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b)


@cache
def defaults(kind: str, opset: int) -> dict[str, Any]:
    """Attributes of ONNX's own operators that have a default, as ONNX's package says it for this operator set."""
    import onnx

    domain, _, name = kind.rpartition(".")
    try:
        schema = onnx.defs.get_schema(name, opset, domain)
    except (onnx.defs.SchemaError, RuntimeError):
        return {}
    found = {}
    for attribute in schema.attributes.values():
        if attribute.default_value.name:
            value = onnx.helper.get_attribute_value(attribute.default_value)
            found[attribute.name] = (
                value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value
            )
    return found


def _shown(value: Any) -> str:
    text = "a tensor" if isinstance(value, np.ndarray) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
