"""The budget of a load: counted, inherited, raised when asked for, and Python's own errors in its words."""

from __future__ import annotations

from pathlib import Path

import pytest

from skosh.base.budget import Budget, BudgetError, budgeted, spend
from skosh.base.errors import InputError
from skosh.base.files import read_bytes


def test_what_is_spent_adds_up_but_for_what_is_largest() -> None:
    with budgeted(Budget(elements=10, depth=5), "m.onnx"):
        spend("elements", 6, "a")
        spend("depth", 5, "b")
        spend("depth", 5, "b")
        with pytest.raises(BudgetError) as caught:
            spend("elements", 6, "the constant w")
    assert str(caught.value) == (
        "m.onnx: the constant w: it needs 12 numbers, and a load may cost 10. "
        "Hint: if you know who made the model, budget=10 allows ten times as much"
    )


def test_what_a_file_holds_itself_is_no_cost() -> None:
    with budgeted(Budget(bytes=100, elements=10)):
        spend("bytes", 100, "the file")
        spend("elements", 210, "weights of four bits")
        with pytest.raises(BudgetError):
            spend("elements", 1, "one more")


def test_a_load_inside_another_is_part_of_it() -> None:
    with budgeted(Budget(nodes=3)):
        with budgeted(None):
            spend("nodes", 2, "a")
        with pytest.raises(BudgetError):
            spend("nodes", 2, "b")
        with budgeted(2):
            spend("nodes", 1000, "its own")
    spend("nodes", 1 << 60, "no load")


@pytest.mark.parametrize("wrong", [0, -1, "ten", True, float("nan"), float("inf"), 1e9])
def test_what_is_no_budget(wrong: object) -> None:
    with pytest.raises(InputError, match="budget must be"), budgeted(wrong):  # type: ignore[arg-type]
        pass


def test_python_s_own_errors() -> None:
    def deep(n: int) -> int:
        return deep(n + 1)

    with pytest.raises(BudgetError, match=r"m: things lie too deep inside things"), budgeted(None, "m"):
        deep(0)
    with pytest.raises(BudgetError, match=r"m: it needs more memory than there is"), budgeted(None, "m"):
        raise MemoryError


def test_files_are_files(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert read_bytes(tmp_path / "a") == b"abc"
    for path, why in ((tmp_path, "is a directory"), (Path("/dev/zero"), "not a device"), (tmp_path / "b", "no such file"),
                      (Path("a\0b"), "can't be read")):  # fmt: skip
        with pytest.raises(InputError, match=why):
            read_bytes(path)
    with budgeted(Budget(bytes=2)), pytest.raises(BudgetError):
        read_bytes(tmp_path / "a")
