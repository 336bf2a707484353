"""The tools of the ``npu`` extra, which tests need in CI, and can lack elsewhere."""

from __future__ import annotations

import os

import pytest

from skosh.base.errors import ToolError
from skosh.machines.npu import tools


def installed() -> bool:
    try:
        return bool(tools.python("tosa_reference_model"))
    except ToolError:
        return False


def skip_without_npu() -> None:
    if not installed() and not os.environ.get("CI"):
        pytest.skip("needs the npu extra: make npu")


needs_npu = pytest.mark.skipif(not installed() and not os.environ.get("CI"), reason="needs the npu extra: make npu")
