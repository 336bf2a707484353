"""Folders of real models with golden outputs and of real recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def models_folder() -> Path:
    """``../shared/models`` (or ``shared/models``) from the repository root; skips the test when there is none."""
    for folder in (ROOT.parent / "shared" / "models", ROOT / "shared" / "models"):
        if folder.is_dir():
            return folder
    pytest.skip("the shared models are not here")


def digits_folder() -> Path:
    """``../shared/fsdd``, recordings of spoken digits; skips the test when there is none."""
    for folder in (ROOT.parent / "shared" / "fsdd", ROOT / "shared" / "fsdd"):
        if folder.is_dir():
            return folder
    pytest.skip("the shared recordings of digits are not here")


def shared_models() -> list[Path]:
    """Every ``.tflite`` file there; empty when there is no such folder."""
    folders = (ROOT.parent / "shared" / "models", ROOT / "shared" / "models")
    return next((sorted(f.glob("*.tflite")) for f in folders if f.is_dir()), [])
