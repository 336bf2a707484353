"""The cache believes nothing that it finds: what is damaged is made anew, what others can write is refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skosh.base.errors import ToolError
from skosh.targets import toolchain
from skosh.targets.toolchain import DIGESTS, cache_root, cached


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SKOSH_CACHE", str(tmp_path / "cache"))
    cache_root.cache_clear()
    yield tmp_path / "cache"
    cache_root.cache_clear()


class Maker:
    """Makes two files, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "out.map").write_text("a map of the link\n" * 100)
        (folder / "sub").mkdir()
        (folder / "sub" / "lib.so").write_bytes(bytes(range(256)))


def test_an_entry_is_made_once(root: Path) -> None:
    make = Maker()
    first, second = cached("key", make), cached("key", make)
    assert first == second and make.times == 1
    assert sorted(p.name for p in first.iterdir()) == [DIGESTS, "out.map", "sub"]
    assert (root.stat().st_mode & 0o777) == 0o700


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "gone", "more", "digests cut", "digests gone", "no json"])
def test_a_damaged_entry_is_made_anew(root: Path, damage: str) -> None:
    make = Maker()
    folder = cached("key", make)
    told = folder / "out.map"
    match damage:
        case "cut":
            told.write_text(told.read_text()[:400])
        case "flip":
            told.write_text(told.read_text().replace("m", "n", 1))
        case "empty":
            (folder / "sub" / "lib.so").write_bytes(b"")
        case "gone":
            (folder / "sub" / "lib.so").unlink()
        case "more":
            (folder / "sub" / "other.so").write_bytes(b"x")
        case "digests cut":
            (folder / DIGESTS).write_text((folder / DIGESTS).read_text()[:-20])
        case "digests gone":
            (folder / DIGESTS).unlink()
        case _:
            (folder / DIGESTS).write_text("[1]")
    assert cached("key", make) == folder and make.times == 2
    assert told.read_text() == "a map of the link\n" * 100 and not (folder / "sub" / "other.so").exists()
    assert cached("key", make) == folder and make.times == 2


def test_a_maker_that_fails_leaves_nothing(root: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").write_text("half")
        raise ToolError("no")

    with pytest.raises(ToolError):
        cached("key", fails)
    assert list(root.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="Windows has no such rights")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_cache_that_others_can_write_is_refused(root: Path, mode: int) -> None:
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(ToolError, match="writable by its owner only") as caught:
        cached("key", Maker())
    assert "SKOSH_CACHE" in str(caught.value)


def test_leftovers_are_pruned(root: Path) -> None:
    make = Maker()
    cached("key", make)
    for name, age in (("new-old", 2), ("new-young", 0)):
        (root / name).mkdir()
        (root / name / "half").write_text("half")
        then = time.time() - age * toolchain.LEFT_OVER_S
        os.utime(root / name, (then, then))
    cached("another key", make)
    assert sorted(p.name for p in root.iterdir() if p.name.startswith("new-")) == ["new-young"]
