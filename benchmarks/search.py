"""What a search is worth: whole models by the rules and as searched, and the seconds it takes, cold and warm.

    python benchmarks/search.py [--models kws ic vww ad] [--targets cortex-m4 ...] [--aims balanced speed]

Reads ../shared/models. Instructions and bytes are exact and repeat on any machine; seconds are this computer's. Cold: with an
empty cache; warm: the same again in another process. Needs qemu-system-arm for the Cortex-M55.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

from folder import add_folder, model_file

MODELS = ("kws", "ic", "vww", "ad")
TARGETS = ("cortex-m4", "cortex-m55", "cortex-m0plus")
AIMS = ("balanced", "speed")


def one(model: str, target: str, aim: str) -> None:
    """Seconds of a searched compilation; beside the rules, instructions, flash, RAM and the proof. For a process of its own."""
    import skosh

    graph = skosh.load(model_file(f"{model}.tflite"))
    start = time.perf_counter()
    searched = skosh.compile(graph, target=target, optimize=aim, search=True)
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    rules = skosh.compile(graph, target=target, optimize=aim)
    plain = time.perf_counter() - start
    before, after, proof = rules.profile(), searched.profile(), searched.verify(samples=3)
    assert before.instructions is not None and after.instructions is not None, "a device is emulated"
    ratio = after.instructions / before.instructions
    print(
        f"{model:5}{target:14}{aim:10}{before.instructions:11,} ->{after.instructions:11,} {ratio:6.3f}"
        f"{before.flash.total:9,} ->{after.flash.total:8,}{before.ram.total:8,} ->{after.ram.total:7,}"
        f"  {'bit-exact' if proof.bit_exact else 'DIFFERS'}  rules {plain:.1f} s, search {seconds:.1f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_folder(parser)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--targets", nargs="+", default=TARGETS)
    parser.add_argument("--aims", nargs="+", default=AIMS)
    parser.add_argument("--one", nargs=3, metavar=("MODEL", "TARGET", "AIM"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(*options.one)
        return
    for model in options.models:
        model_file(f"{model}.tflite")
    print("model target       aim       instructions: rules -> searched, ratio; flash; RAM; proof; seconds (cold, then warm)")
    for aim in options.aims:
        for target in options.targets:
            for model in options.models:
                with tempfile.TemporaryDirectory(prefix="skosh-search-") as cache:
                    for _ in ("cold", "warm"):
                        command = [sys.executable, __file__, "--one", model, target, aim]
                        subprocess.run(command, env={**os.environ, "SKOSH_CACHE": cache}, check=True)


if __name__ == "__main__":
    main()
