"""``skosh targets``: the machines that skosh compiles for."""

from __future__ import annotations

from skosh.cli.options import Json
from skosh.cli.terminal import out, print_json, row, table

EXAMPLE = "skosh targets"


def command(json: Json = False) -> None:
    """The machines that skosh compiles for."""
    from skosh.targets import names, target

    found = [target(name) for name in names()]
    if json:
        print_json(
            [
                {
                    "name": t.name,
                    "description": t.description,
                    "emulated": not t.is_host,
                    "fpu": t.has_fpu,
                    "dsp": t.has_dsp,
                    "hardware_divide": t.has_hardware_divide,
                    "long_multiply": t.has_long_multiply,
                }
                for t in found
            ]
        )
        return
    shown = table("target", "machine", "float", "DSP", "divide", "32x32 to 64", "runs in")
    for t in found:
        parts = (t.has_fpu, t.has_dsp, t.has_hardware_divide, t.has_long_multiply)
        row(shown, t.name, t.description, *("yes" if p else "-" for p in parts), "itself" if t.is_host else "emulator")
    out().print(shown)
