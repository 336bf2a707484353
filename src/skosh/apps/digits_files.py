"""The files that the digits demo writes beside C and report, and how they appear all at once."""

from __future__ import annotations

from collections.abc import Sequence

from skosh.apps.digits_terminal import DemoResult
from skosh.built import Build
from skosh.emit.interface import interface
from skosh.ir.graph import Array
from skosh.lower.program import Program


def example_c(program: Program, inputs: Sequence[Array], labels: Sequence[str]) -> str:
    """A C program for any computer: it draws each input, an 8 x 8 image in int8, and prints what the model says."""
    face = interface(program)
    prefix, macro = face.prefix, face.macro
    rows = []
    for values, label in zip(inputs, labels, strict=True):
        flat = [int(v) for v in values.reshape(-1)]
        lines = [f"        {', '.join(f'{v:4d}' for v in flat[k : k + 8])}" for k in range(0, len(flat), 8)]
        rows.append(f"    {{ /* a {label} */\n" + ",\n".join(lines) + "\n    }")
    images = ",\n".join(rows)
    return f"""/* Three digits from the test set, read by the compiled model on any computer:
 *     cc example.c {prefix}.c {prefix}_weights.c -o example && ./example */
#include "{prefix}.h"

#include <stdio.h>

#define IMAGES {len(rows)}

static {macro}_ARENA(arena);

static const int8_t images[IMAGES][{macro}_INPUT_LEN] = {{
{images}
}};

static void draw(const int8_t image[{macro}_INPUT_LEN])
{{
    static const char shade[] = " .:-=+*#";
    for (int y = 0; y < 8; y++) {{
        for (int x = 0; x < 8; x++) {{
            const char c = shade[(image[8 * y + x] + 128) / 32];
            putchar(c);
            putchar(c);
        }}
        putchar('\\n');
    }}
}}

int main(void)
{{
    int8_t *input = {prefix}_input(arena);
    int8_t *output = {prefix}_output(arena);

    for (int k = 0; k < IMAGES; k++) {{
        int best = 0;
        for (int i = 0; i < {macro}_INPUT_LEN; i++) {{
            input[i] = images[k][i];
        }}
        if ({prefix}_run(input, output, arena) != {macro}_OK) {{
            return 1;
        }}
        for (int digit = 1; digit < {macro}_OUTPUT_LEN; digit++) {{
            best = output[digit] > output[best] ? digit : best;
        }}
        draw(images[k]);
        printf("This is a %d, with probability %.2f.\\n\\n", best, (output[best] + 128) / 256.0);
    }}
    return 0;
}}
"""


def readme(build: Build, result: DemoResult) -> str:
    """What is what in the folder."""
    p, name = result.profile, build.program.name
    device = result.accuracies[-1]
    proved = "bit for bit" if result.proof.bit_exact else f"but for {result.proof.mismatches:,} numbers"
    cost = f"{p.flash.total:,} bytes of flash, {p.ram.total:,} of RAM"
    speed = f", {p.instructions:,} instructions an image" if p.instructions is not None else ""
    return f"""skosh demo: handwritten digits on a {result.target}

    report.html          open this first
    {name}.h             the interface: three functions, no more
    {name}.c             the code: C99, no heap, nothing to port
    {name}_weights.c     the constants, which belong in flash
    {name}.json          sizes, scales and figures, for programs
    example.c            three digits to try on any computer:

        cc example.c {name}.c {name}_weights.c -o example && ./example

The model reads {device.right} of {device.samples} images right that it had never seen ({100 * device.share:.1f} %).
It needs {cost}{speed}.
What runs on the device is the quantized model, {proved}: {result.proof.elements:,} numbers compared.

To make this folder again: skosh demo
"""
