"""Recordings of motion: seglearn's watch data set, folders of CSV files, and single files."""

from __future__ import annotations

import csv
import pickle
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skosh.base.errors import InputError, ToolError
from skosh.ir.graph import Array

AXES = ("ax", "ay", "az", "wx", "wy", "wz")
LONGEST = 1_000_000  # samples of a recording

_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"),
    ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"),
    ("_codecs", "encode"),
}  # fmt: skip
"""What a pickle of arrays, lists and dictionaries needs, and nothing that could run a command."""


@dataclass(frozen=True, eq=False)
class Recording:
    """samples: [N, 6] float32, AXES at 50 Hz; label: what was done, None where unknown; person: who."""

    samples: Array
    label: str | None
    person: str


def recordings(folder: Path | None) -> list[Recording]:
    """Those of a folder LABEL/PERSON-*.csv, or of the installed package seglearn. InputError or ToolError without them."""
    return _watch() if folder is None else _folder(folder)


def read_csv(path: Path) -> Array:
    """[N, 6] of a CSV file with a header that names AXES, in any order, among other columns. InputError when it isn't one."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            missing = [a for a in AXES if a not in (rows.fieldnames or ())]
            if missing:
                columns = ", ".join(AXES)
                raise InputError(f"the first line must name the columns {columns}; {missing[0]} isn't there", loc=str(path))
            values = [[_number(row, a, path, rows.line_num) for a in AXES] for row in rows]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("can't be read as a CSV file of text", loc=str(path)) from error
    samples = np.array(values, np.float32).reshape(-1, len(AXES))
    _check(samples, str(path))
    return samples


def _number(row: dict[str, Any], axis: str, path: Path, line: int) -> float:
    try:
        return float(row[axis])
    except (TypeError, ValueError) as error:
        raise InputError(f"line {line}: {axis} must be a number, not {str(row[axis])[:40]!r}", loc=str(path)) from error


def _check(samples: Array, where: str) -> None:
    if not 1 <= len(samples) <= LONGEST:
        raise InputError(f"a recording must have from 1 to {LONGEST:,} samples, not {len(samples):,}", loc=where)
    if not np.isfinite(samples).all():
        at = int(np.flatnonzero(~np.isfinite(samples).all(axis=1))[0])
        raise InputError(f"sample {at} must be finite numbers: a gap must be mended or cut out", loc=where)
    still = [a for a, column in zip(AXES, samples.T, strict=True) if len(samples) > 10 and column.min() == column.max()]
    if still:
        raise InputError(f"{still[0]} must vary: all {len(samples):,} samples are the same, as of a stuck sensor", loc=where)


def _folder(folder: Path) -> list[Recording]:
    files = sorted(folder.glob("*/*.csv"))
    if not files:
        raise InputError("must hold LABEL/PERSON-*.csv", loc=str(folder), hint="magic_wand/circle/anna-1.csv, for example")
    found = [Recording(read_csv(f), f.parent.name, f.stem.partition("-")[0]) for f in files]
    if len({r.label for r in found}) < 2 or len({r.person for r in found}) < 2:
        raise InputError("must hold two labels and two persons at least", loc=str(folder))
    return found


def _watch() -> list[Recording]:
    spec = find_spec("seglearn")
    if spec is None or spec.origin is None:
        raise ToolError("magic-wand learns from the recordings in the package seglearn", hint="pip install 'skosh[apps]'")
    path = Path(spec.origin).parent / "data" / "watch_dataset.npy"
    try:
        with path.open("rb") as file:
            table = _unpickled(file)
    except OSError as error:
        raise InputError("can't be read", loc=str(path)) from error
    names = [str(n) for n in table["y_labels"]]
    rows = zip(table["X"], table["y"], table["subject"], strict=True)
    return [Recording(np.asarray(x, np.float32), names[int(y)], str(int(s))) for x, y, s in rows]


class _Arrays(pickle.Unpickler):
    """Reads arrays and containers, and refuses everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise InputError(f"must hold arrays alone, not {module}.{name}")
        return super().find_class(module, name)


def _unpickled(file: BinaryIO) -> dict[str, Any]:
    version = np.lib.format.read_magic(file)
    reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    reader(file)
    loaded = _Arrays(file, encoding="latin1").load()
    table = loaded.item() if isinstance(loaded, np.ndarray) else loaded
    assert isinstance(table, dict), "the data set is a dictionary"
    return table
