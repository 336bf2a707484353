"""Machines without instructions on pairs (Cortex-M0+, RV32IMC): instructions and modelled cycles of one inference.

    python benchmarks/narrow.py [--folder FOLDER] [--layers] [--samples N] [--targets T ...] [kws ic vww ad]

Counts are exact and repeat on any machine. The incumbents' on Cortex-M0+: instructions of TFLM 90b983c2 with CMSIS-NN, and
the cycles that the closed engine HALE publishes (``../shared/baselines``).
"""

from __future__ import annotations

import argparse

from folder import add_folder, model_file

import skosh

INCUMBENT = {"kws": 29_000_000, "ic": 97_600_000, "vww": 86_900_000, "ad": 1_760_000}
GOAL = {"kws": 17_000_000, "ic": 58_000_000, "vww": 26_000_000, "ad": 1_100_000}
HALE_CYCLES = {"kws": 30_400_000, "ic": 97_400_000, "vww": 90_500_000, "ad": 2_600_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(INCUMBENT))
    add_folder(parser)
    parser.add_argument("--targets", nargs="*", default=["cortex-m0plus", "rv32imc"])
    parser.add_argument("--aims", nargs="*", default=["speed", "balanced", "flash"])
    parser.add_argument("--layers", action="store_true", help="print each layer too")
    parser.add_argument("--samples", type=int, default=2, help="random samples to prove on; 0: none")
    options = parser.parse_args()
    print(
        f"{'model':6}{'target':15}{'aim':10}{'instructions':>13}{'per MAC':>8}{'cycles':>13}{'code':>8}"
        f"{'weights':>9}{'arena':>8}{'goal':>12}{'TFLM':>12}{'HALE cycles':>13}  proof"
    )
    for name in options.models:
        for machine in options.targets:
            for aim in options.aims:
                _line(options, name, machine, aim)


def _line(options: argparse.Namespace, name: str, machine: str, aim: str) -> None:
    build = skosh.compile(model_file(f"{name}.tflite"), target=machine, optimize=aim)
    profile = build.profile()
    assert profile.instructions is not None and profile.cycles_modelled is not None, "Unicorn counts"
    proof = "-"
    if options.samples:
        proof = "bit-exact" if build.verify(samples=options.samples).bit_exact else "DIFFERS"
    known = machine == "cortex-m0plus" and name in GOAL
    beside = (GOAL[name], INCUMBENT[name], HALE_CYCLES[name]) if known else ("", "", "")
    figures = [f"{b:,}" if b else "" for b in beside]
    print(
        f"{name:6}{machine:15}{aim:10}{profile.instructions:13,}{profile.instructions / profile.macs:8.2f}"
        f"{profile.cycles_modelled:13,}{profile.flash.code:8,}{profile.flash.weights:9,}{profile.ram.arena:8,}"
        f"{figures[0]:>12}{figures[1]:>12}{figures[2]:>13}  {proof}"
    )
    for layer in profile.layers if options.layers else ():
        print(f"      {layer.name:32}{layer.instructions or 0:11,}{layer.macs:12,} MACs")


if __name__ == "__main__":
    main()
