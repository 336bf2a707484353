"""A Build that was never compiled, so that a command's words can be tested without a compiler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from skosh.base.errors import Loc
from skosh.verify.measure import Flash, LayerProfile, Profile, Ram
from skosh.verify.proof import Difference, Proof

LAYERS = (
    LayerProfile("kws_00_conv2d", "conv2d", "a", 1000, 3000, 4500, 64, (1, 5, 5, 4)),
    LayerProfile("kws_01_dense", "dense", "b", 500, 1000, 1500, 32, (1, 12)),
)
EXACT = Proof(True, 0, 240, 20, ("reference",), None)
DIFFERENCE = Difference("reference", 2, "kws_01_dense", "logits", (0, 3), 17, 16)
WRONG = Proof(False, 5, 240, 20, ("reference", "tflm"), DIFFERENCE)


def profile(target: str, factor: int = 1) -> Profile:
    return Profile(target, "balanced", 1500, 4000 * factor, 6000 * factor, Flash(900, 96), Ram(128, 40), LAYERS)


@dataclass
class FakeBuild:
    """Answers what it is told to, and remembers what it was asked."""

    target_name: str = "cortex-m4"
    proof: Proof = EXACT
    cost: Profile = field(default_factory=lambda: profile("cortex-m4"))
    asked: dict[str, Any] = field(default_factory=dict)

    program = SimpleNamespace(name="kws", plan="arena 128 bytes, optimal")
    source = SimpleNamespace(name="kws", loc=Loc("kws.tflite"))
    sources = {"kws.h": "/* h */\n", "kws.c": "/* c */\n"}  # noqa: RUF012
    compiled = SimpleNamespace(text=lambda stage: "the C")

    @property
    def target(self) -> SimpleNamespace:
        return SimpleNamespace(name=self.target_name, is_host=self.target_name == "host")

    def samples(self, wanted: object) -> range:
        return range(20)

    def verify(self, *, progress: Callable[[int], None] = lambda done: None, **asked: Any) -> Proof:
        self.asked = asked
        progress(20)
        return self.proof

    def profile(self) -> Profile:
        return self.cost

    def save(self, folder: Path, overwrite: bool = False) -> Path:
        folder.mkdir(parents=True)
        for name, text in {**self.sources, "kws.json": '{"arena_bytes": 128}\n'}.items():
            (folder / name).write_text(text)
        return folder
