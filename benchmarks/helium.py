"""Cortex-M55: instructions of one inference under QEMU, beside what TensorFlow Lite Micro with CMSIS-NN executes.

    python benchmarks/helium.py [--folder FOLDER] [--layers] [kws vww ic ad]

Counts are exact and repeat on any machine; they are not cycles. The incumbent's: tflite-micro 90b983c2 with CMSIS-NN
4ab83cc3 (Helium), int8 kernels only, arm-none-eabi-gcc 12.2.1, QEMU 7.2. Needs qemu-system-arm.
"""

from __future__ import annotations

import argparse

from folder import add_folder, model_file

import skosh

INCUMBENT = {"kws": 1_813_032, "vww": 6_557_952, "ic": 4_911_519, "ad": 149_929}
GOAL = {"kws": 1_100_000, "vww": 2_200_000, "ic": 3_000_000, "ad": 90_000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(INCUMBENT))
    add_folder(parser)
    parser.add_argument("--layers", action="store_true", help="print each layer too")
    parser.add_argument("--samples", type=int, default=3, help="random samples to prove on")
    options = parser.parse_args()
    print(f"{'model':6}{'aim':10}{'instructions':>13}{'per MAC':>9}{'CMSIS-NN':>11}{'times':>7}{'goal':>11}  proof")
    for name in options.models:
        for aim in ("speed", "balanced", "flash"):
            build = skosh.compile(model_file(f"{name}.tflite"), target="cortex-m55", optimize=aim)
            profile, proof = build.profile(), build.verify(samples=options.samples)
            assert profile.instructions is not None, "QEMU counts"
            before = INCUMBENT.get(name, 0)
            print(
                f"{name:6}{aim:10}{profile.instructions:13,}{profile.instructions / profile.macs:9.3f}{before:11,}"
                f"{before / profile.instructions:7.2f}{GOAL.get(name, 0):11,}  {'bit-exact' if proof.bit_exact else 'DIFFERS'}"
            )
            for layer in profile.layers if options.layers else ():
                print(f"      {layer.name:32}{layer.instructions or 0:11,}{layer.macs:12,} MACs")


if __name__ == "__main__":
    main()
