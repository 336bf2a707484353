"""A loop in C around a model that takes many rows at once, for hosts."""

from __future__ import annotations

from skosh.emit.interface import Interface


def batch_harness(face: Interface) -> str:
    """``skosh_batch(blocks, input, output, arena)``: as many runs as there are blocks of rows, one after the other."""
    (x,), (y,) = face.inputs, face.outputs
    parameters = f"size_t blocks, const {x.dtype.c} *input, {y.dtype.c} *output, void *arena"
    return f"""#include "{face.prefix}.h"

#include <stddef.h>

int skosh_batch({parameters});

int skosh_batch({parameters})
{{
    for (size_t b = 0; b < blocks; b++) {{
        const int status = (int){face.prefix}_run(&input[b * {x.length_macro}], &output[b * {y.length_macro}], arena);
        if (status != 0) {{
            return status;
        }}
    }}
    return 0;
}}
"""
