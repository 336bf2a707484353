"""``package``: from a build to a package, with golden runs, proof and what a run takes gathered on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from skosh.built import Build
from skosh.deliver.package import Packaged
from skosh.deliver.package import package as made_of
from skosh.targets.toolchain import lacking
from skosh.verify.proof import reference_outputs


def package(build: Build, kind: str, folder: str | Path, *, samples: int | str | Path = 3, check: bool = True) -> Packaged:
    """A package of a kind ("cmake", "arduino", ...: ``skosh package --help``) in a folder, and what its own tool says of it.

    samples: golden runs that its self-test repeats. Where compiler or emulator is missing, their outputs are those of
    the reference, and the package tells no proof. InputError: there is no such kind, or the board can't have it.
    """
    chosen = build.samples(samples)
    if lacking(emulated=not build.target.is_host):
        meant = reference_outputs(build.source, chosen.inputs)
        return made_of(build, kind, folder, golden=list(zip(chosen.inputs, meant, strict=True)), check=check)
    proof = build.verify(samples)
    build.runner.reset()
    golden = [(inputs, [np.asarray(y) for y in build.runner.run(inputs)]) for inputs in chosen.inputs]
    stack = None if build.target.is_host else build.profile().ram.stack
    return made_of(build, kind, folder, golden=golden, proof=proof, stack=stack, check=check)
