"""Figures of docs/placement.md: the planner held against published energies and lives, and its own time.

python benchmarks/placement.py [--models FOLDER]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import skosh
from skosh.place.band import Band
from skosh.place.catalogue import catalogue
from skosh.place.planner import make_setting, plan

BOARDS = {"stm32l4r5": "nucleo-l4r5zi", "stm32u575": "nucleo-u575zi-q", "stm32u385": "nucleo-u385rg-q"}
TASKS = ("kws", "vww", "ic", "ad")
FOUND = Path(__file__).resolve().parents[2] / "shared" / "models"


def mlperf() -> None:
    """MLPerf's own cycles (clock / throughput) times the catalogue's energy of a cycle, beside MLPerf's energies."""
    print(
        "| chip | task | cycles of MLPerf's run | band, uJ | MLPerf, uJ | energy of a cycle from the other three tasks |"
    )
    print("|---|---|---|---|---|---|")
    for chip, board in BOARDS.items():
        s = make_setting(catalogue(), device=board, link="ble-1m")
        cycles = {t: s.board.clock_mhz * 1e6 / s.chip.figure(f"{t}_per_s").middle for t in TASKS}
        each = {t: 1e6 * s.chip.figure(f"{t}_uj").middle / cycles[t] for t in TASKS}
        for t in TASKS:
            band, measured = s.compute_uj(Band(cycles[t], cycles[t])), s.chip.figure(f"{t}_uj").middle
            others = sum(each[o] for o in TASKS if o != t) / 3
            error = 100 * (others * cycles[t] / 1e6 / measured - 1)
            print(f"| {chip} | {t} | {cycles[t] / 1e6:,.2f} M | {band} | {measured:,.0f} | {error:+.1f} % |")
            assert band.holds(measured), f"{chip} {t}"


def finding(models: Path) -> None:
    """A grey 96 x 96 frame every two seconds, the visual wake words network, three chips, four links."""
    print("\n| device | link | device, uJ | raw up, uJ | best | break-even, MACs/byte |\n|---|---|---|---|---|---|")
    for board in ("nucleo-l4r5zi", "nrf52840-dk", "nucleo-u575zi-q", "nucleo-u385rg-q"):
        for link in ("ble-2m", "ble-1m", "802154", "lora-sf7"):
            p = skosh.place(models / "vww.tflite", device=board, link=link, rate=0.5, raw_bytes=9216)
            here, up = p.named["device"].energy_uj, p.named["raw-fog"].energy_uj
            assert p.best is not None
            print(f"| {board} | {link} | {here} | {up} | {p.best.name} | {p.answer.break_even} |")


def speed(models: Path) -> None:
    """Processor seconds of the planner alone, once the model is profiled: all options and flips, each link."""
    print("\n| model | options | one link, s | all links, s |\n|---|---|---|---|")
    links = [r.id for r in catalogue().of("link")]
    for path in sorted(models.glob("*.tflite")):
        p = skosh.place(path, device="nrf52840-dk", link="ble-1m")
        a, spent = p.answer, {}
        for link in links:
            s = make_setting(catalogue(), device="nrf52840-dk", link=link)
            start = time.process_time()
            plan(a.work, s, a.wants)
            spent[link] = time.process_time() - start
        print(f"| {path.stem} | {len(p.options)} | {spent['ble-1m']:.2f} | {sum(spent.values()):.2f} |")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--models", type=Path, default=FOUND)
    models = asked.parse_args().models
    mlperf()
    finding(models)
    speed(models)


if __name__ == "__main__":
    main()
