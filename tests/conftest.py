"""What all tests share: one deterministic hypothesis profile, ``--update-golden``, and an oracle that CI can't lack."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a loaded machine is slow, and no fault of what is tested
settings.register_profile(
    "skosh", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("search", settings.get_profile("skosh"), derandomize=False, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "skosh"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing with them")


def pytest_configure(config: pytest.Config) -> None:
    for variable, program in (("SKOSH_YOSYS", "yosys"), ("SKOSH_CXX", "g++")):  # native ones are ready at once
        if shutil.which(program):
            os.environ.setdefault(variable, program)
    if os.environ.get("CI") and find_spec("tflite_micro") is None:
        raise pytest.UsageError("CI must have the oracle: pip install 'skosh[tflm]'")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """``golden(path, text)``: the file at ``path`` says just this; with ``--update-golden`` it will."""

    def check(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path.name} is missing: make it with pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), (
            f"{path.name} differs; if that is right: pytest --update-golden"
        )

    return check
