"""A part of benchmarks/fuzz_readers.py, which takes 2,000 of each: damaged files of every format give a Graph or a letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from skosh.base.errors import SkoshError
from tests.support.formats import FORMATS, damaged, reader_of, write_samples

COUNT = 150


@pytest.mark.filterwarnings("ignore::skosh.base.errors.ModelWarning")
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(name: str, tmp_path: Path) -> None:
    files = write_samples(tmp_path, [name])
    if name not in files:
        pytest.skip("the library that writes such files is not installed")
    told = read = 0
    for i, file in enumerate(files[name]):
        opened = reader_of(file.suffix)
        opened(file)
        data, path = file.read_bytes(), tmp_path / f"damaged{file.suffix}"
        for seed in range(i * COUNT, i * COUNT + COUNT // len(files[name])):
            path.write_bytes(damaged(data, file.suffix, seed))
            try:
                opened(path)
                read += 1
            except SkoshError as error:
                told += 1
                assert str(error).isprintable() or "\n" in str(error)
    assert told > COUNT // 10, "damage must show"
    assert read + told >= COUNT - len(files[name])
