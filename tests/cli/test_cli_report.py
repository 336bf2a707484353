"""``skosh report``: the page, the terminal's table, JSON, exit status, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import skosh
from tests.cli.run import run
from tests.search.layers import small_network

AIMS = ["balanced", "speed", "flash", "ram"]


@pytest.fixture(autouse=True)
def _model(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = small_network()
    monkeypatch.setattr(skosh, "load", lambda model: graph)


def test_a_page_with_the_proof_and_what_each_aim_costs(tmp_path: Path) -> None:
    page = tmp_path / "net.html"
    ran = run("report", "net.tflite", "-o", page, "--samples", 2)
    assert (ran.status, ran.err) == (0, "")
    text = page.read_text(encoding="utf-8")
    again = "skosh report net.tflite --target cortex-m4"
    for part in ("Identical on 2 samples", "What other aims would cost", "<circle", again):
        assert part in text
    assert [line.split()[0] for line in ran.out.splitlines() if line.split() and line.split()[0] in AIMS] == AIMS
    assert f"open {page}" in ran.out


def test_json(tmp_path: Path) -> None:
    page = tmp_path / "net.html"
    answer = run("report", "net.tflite", "-o", page, "--samples", 2, "--optimize", "speed", "--json").json
    assert answer["file"] == str(page) and answer["proof"]["bit_exact"]
    assert [p["optimize"] for p in answer["aims"]] == AIMS and "layers" not in answer["aims"][0]
    assert answer["profile"]["optimize"] == "speed" and answer["profile"]["layers"]


def test_on_this_computer_there_is_no_time_to_compare(tmp_path: Path) -> None:
    page = tmp_path / "net.html"
    answer = run("report", "net.tflite", "-t", "host", "-o", page, "--samples", 1, "--json").json
    assert [p["optimize"] for p in answer["aims"]] == ["balanced"]
    assert "What other aims would cost" not in page.read_text(encoding="utf-8")


def test_what_is_refused(tmp_path: Path) -> None:
    ran = run("report", "net.tflite", "--samples", 2, "--golden", "x.npz")
    assert ran.status == 2 and "can't both be given" in ran.err
    ran = run("report", "net.tflite", "-o", tmp_path / "no" / "net.html", "--samples", 1)
    assert ran.status == 2 and "can't be written: no such file or directory" in ran.err
