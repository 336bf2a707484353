"""``skosh diff``, ``skosh size`` and ``skosh init``."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import skosh
from skosh.deliver.models import copy
from tests.cli.run import run


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy("sine", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_model_is_like_itself_for_another_aim(here: Path) -> None:
    ran = run("diff", "sine.tflite", "sine.tflite", "--other-optimize", "flash", "--json")
    assert ran.status == 0, ran.err
    told = ran.json
    assert told["outputs"] == {"samples": 20, "elements": 20, "mismatches": 0, "largest": 0.0}
    costs = [skosh.compile("sine.tflite", optimize=aim).profile() for aim in ("balanced", "flash")]
    assert [told["code"]["first"], told["code"]["second"]] == [c.flash.code for c in costs]
    assert [told["cycles_modelled"]["first"], told["cycles_modelled"]["second"]] == [c.cycles_modelled for c in costs]
    assert [layer["name"] for layer in told["layers"]] == ["00_dense", "01_dense", "02_dense", "03_reshape"]
    assert "the same outputs: 20 elements of 20 random inputs are identical" in run("diff", "sine.tflite", "sine.tflite").out


def test_other_weights_give_other_outputs(here: Path) -> None:
    graph = skosh.load("sine.tflite")
    name = [n for n in graph.nodes if len(n.inputs) == 3][-1].inputs[2]
    t = graph.tensors[name]
    assert t.data is not None
    from dataclasses import replace

    changed = {**graph.tensors, name: replace(t, data=t.data + 4000)}
    graph.with_(tensors=changed).save("moved.skosh")
    ran = run("diff", "sine.tflite", "moved.skosh", "--json")
    assert ran.status == 1 and ran.json["outputs"]["mismatches"] > 0
    run("compile", "sine.tflite", "-t", "cortex-m3", "-o", "c")
    ran = run("diff", "c", "sine.tflite", "-t", "cortex-m4", "--json")
    assert ran.status == 0 and ran.json["outputs"] is None and ran.json["why_not"] == "a folder of C is not run"
    assert ran.json["macs"]["first"] == ran.json["macs"]["second"] > 0
    assert "must hold one model that was compiled for a device, not 0" in run("diff", ".", "sine.tflite").err


def test_models_with_other_inputs_are_not_compared(here: Path) -> None:
    copy("digits", here)
    told = run("diff", "sine.tflite", "digits.tflite", "--json").json
    assert told["outputs"] is None and told["why_not"].startswith("the inputs are not alike: i8[")


def test_the_size_of_a_model_in_a_firmware(here: Path) -> None:
    build = skosh.compile("sine.tflite", target="cortex-m4")
    (here / "firmware.elf").write_bytes(build.firmware.elf)
    told = run("size", "firmware.elf", "--json", "--symbols").json
    (model,) = told["models"]
    assert model["name"] == "sine"
    sizes = build.firmware.sizes
    assert model["constants"] == sum(s["size"] for s in model["symbols"] if s["kind"] == "constants")
    assert abs(model["constants"] - sizes.flash_weights) <= 16, "the linker map tells the same, with gaps between arrays"
    assert abs(model["code"] - sizes.flash_code) <= 64
    assert told["firmware"]["code"] > model["code"]
    assert run("size", "firmware.elf", "--name", "kws").status == 1
    ran = run("size", "sine.tflite")
    assert ran.status == 2 and "must be a linked program in the ELF format" in ran.err
    assert "sine" in run("size", "firmware.elf").out


def test_the_first_commands_are_ones_that_work(here: Path) -> None:
    ran = run("init", "--model", "digits", "--board", "nano-33-ble", "--as", "c", "--json")
    lines = ran.json["commands"]
    assert [line.split()[1] for line in lines] == ["models", "inspect", "verify", "compile"]
    for line in lines:
        done = run(*shlex.split(line)[1:])
        assert done.status == 0, f"{line}: {done.err}"
    assert (here / "digits" / "digits.c").is_file()


def test_what_isnt_given_is_asked_for_or_named(here: Path) -> None:
    ran = run("init", "--model", "digits")
    assert ran.status == 2 and "--board must be given where nobody can be asked" in ran.err
    assert "did you mean arduino?" in run("init", "--model", "digits", "--board", "pico", "--as", "ardiuno").err
    assert "must be a model file" in run("init", "--model", "no", "--board", "pico", "--as", "cmake").err
