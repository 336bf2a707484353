"""The folder of the models that benchmarks measure, MLPerf Tiny's and the TinyML book's: docs/models.md says where they are.

``--folder`` names it; without that SKOSH_MODELS does, or ../shared/models. What isn't there ends a benchmark with a sentence.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

OTHERWISE = Path(__file__).resolve().parents[2] / "shared" / "models"

MODELS = ("ad", "hello_world", "ic", "kws", "micro_speech", "vww")

chosen = Path(os.environ.get("SKOSH_MODELS") or OTHERWISE)


class _Chosen(argparse.Action):
    """--folder: for all that asks for a file afterwards."""

    def __call__(self, _: object, names: argparse.Namespace, value: object, option: object = None) -> None:
        global chosen
        assert isinstance(value, Path), "the option's type"
        chosen = value
        os.environ["SKOSH_MODELS"] = str(value)  # for processes that the benchmark starts
        setattr(names, self.dest, value)


def add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", type=Path, action=_Chosen, default=chosen, help=f"where the models are (default {chosen})")


def model_file(name: str) -> Path:
    """A file in the folder. Ends the program, exit status 1, when it isn't there."""
    path = chosen / name
    if not path.is_file():
        where = "name the folder of the models by --folder or SKOSH_MODELS; docs/models.md lists them"
        raise SystemExit(f"{path} is not there: {where}")
    return path
