"""The self-test that every package carries: golden inputs, a comparison of every byte of every output, time and stack.

Two C headers: ``golden.h``, the numbers; ``selftest.h``, the test. Who includes them defines ``SELFTEST_PUT(c)``, which sends
a character, and perhaps ``SELFTEST_CYCLES()``, which reads a counter.
"""

from __future__ import annotations

import numpy as np

from skosh.deliver.package.kit import Kit
from skosh.emit.expressions import literal
from skosh.emit.interface import Port
from skosh.emit.lines import wrapped
from skosh.ir.graph import Array

DEFAULT_STACK = 1024  # bytes that are painted where nobody measured what a run takes


def golden_h(kit: Kit) -> str:
    """The numbers, in flash, on AVR too."""
    m = kit.macro
    parts = [
        f"/* {len(kit.golden)} runs of {kit.name}: inputs, and what must come, bit for bit. */",
        f"#ifndef {m}_GOLDEN_H\n#define {m}_GOLDEN_H\n",
        f'#include "{kit.name}.h"\n',
        "#if defined(__AVR__)",
        "#include <avr/pgmspace.h>",
        "#define GOLDEN_FLASH PROGMEM",
        "#define GOLDEN_BYTE(from) pgm_read_byte(from)",
        "#else",
        "#define GOLDEN_FLASH",
        "#define GOLDEN_BYTE(from) (*(from))",
        "#endif\n",
        f"#define GOLDEN_RUNS {len(kit.golden)}\n",
        f"static const int GOLDEN_STATUS[GOLDEN_RUNS] = {{{', '.join(str(g.status) for g in kit.golden)}}};\n",
    ]
    for k, port in enumerate(kit.face.inputs):
        parts.append(_array(port, [g.inputs[k] for g in kit.golden]))
    for k, port in enumerate(kit.face.outputs):
        parts.append(_array(port, [g.outputs[k] for g in kit.golden]))
    return "\n".join([*parts, "#endif\n"])


def _array(port: Port, rows: list[Array]) -> str:
    lines = []
    for row in rows:
        items = [literal(v, port.dtype)[0] for v in np.asarray(row).reshape(-1).tolist()]
        lines.append(wrapped("    {", items, "},", 112))
    name = f"golden_{port.parameter}"
    size = f"[GOLDEN_RUNS][{port.length_macro}]"
    return f"static const {port.dtype.c} {name}{size} GOLDEN_FLASH = {{\n" + "\n".join(lines) + "\n};\n"


def selftest_h(kit: Kit) -> str:
    """``NAME_selftest()``: prints PASS, or the first difference; 0 when all is well."""
    p, m = kit.name, kit.macro
    stack = 2 * kit.stack + 256 if kit.stack is not None else DEFAULT_STACK
    copies = "\n".join(
        f"        selftest_load({port.accessor}({p}_arena), golden_{port.parameter}[run], sizeof golden_{port.parameter}[run]);"
        for port in kit.face.inputs
    )
    arguments = ", ".join(f"{port.accessor}({p}_arena)" for port in kit.face.ports)
    compares = "\n".join(
        f"        if (status == {m}_OK && !selftest_same(run, \"{port.parameter}\", {port.accessor}({p}_arena), "
        f"golden_{port.parameter}[run],\n                                            sizeof golden_{port.parameter}[run], "
        f"sizeof golden_{port.parameter}[0][0])) {{\n            return 1;\n        }}"
        for port in kit.face.outputs
    )
    reset = f"    {p}_reset({p}_arena);\n" if kit.build.program.graph.states else ""
    return f"""/* The self-test of {p}: runs the golden inputs, compares every byte of every output, and prints "PASS", or the first
 * difference. Define SELFTEST_PUT(c), which sends one character, before you include it; and SELFTEST_CYCLES(), which reads
 * a counter of 32 bits, where there is one. */
#ifndef {m}_SELFTEST_H
#define {m}_SELFTEST_H

#include "golden.h"

#include <stddef.h>

#ifndef SELFTEST_MASK
#define SELFTEST_MASK 0xFFFFFFFFu /* the bits that the counter has */
#endif
#ifndef SELFTEST_STACK
#define SELFTEST_STACK {stack} /* bytes below this function that are painted, to see how deep a run goes */
#endif

static {m}_ARENA({p}_arena);

static void selftest_text(const char *text)
{{
    while (*text != 0) {{
        SELFTEST_PUT(*text);
        text++;
    }}
}}

static void selftest_number(uint32_t value)
{{
    char digits[11];
    int n = 10;

    digits[10] = 0;
    do {{
        n--;
        digits[n] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    }} while (value != 0u);
    selftest_text(&digits[n]);
}}

static void selftest_load(void *to, const void *from, size_t bytes)
{{
    unsigned char *t = (unsigned char *)to;
    const unsigned char *f = (const unsigned char *)from;

    for (size_t i = 0; i < bytes; i++) {{
        t[i] = GOLDEN_BYTE(f + i);
    }}
}}

/* Are these outputs the golden ones? Else the first that isn't is told, as bytes from the highest on. */
static int selftest_same(int run, const char *name, const void *got, const void *want, size_t bytes, size_t element)
{{
    const unsigned char *g = (const unsigned char *)got;
    const unsigned char *w = (const unsigned char *)want;
    const uint16_t one = 1;
    const int little = *(const unsigned char *)&one;

    for (size_t i = 0; i < bytes; i++) {{
        if (g[i] != GOLDEN_BYTE(w + i)) {{
            const size_t first = i / element * element;
            selftest_text("FAIL: run ");
            selftest_number((uint32_t)run);
            selftest_text(": ");
            selftest_text(name);
            selftest_text("[");
            selftest_number((uint32_t)(i / element));
            selftest_text("] is 0x");
            for (int side = 0; side < 2; side++) {{
                for (size_t k = 0; k < element; k++) {{
                    const size_t at = first + (little ? element - 1 - k : k);
                    const unsigned char byte = side == 0 ? g[at] : GOLDEN_BYTE(w + at);
                    SELFTEST_PUT("0123456789abcdef"[byte >> 4]);
                    SELFTEST_PUT("0123456789abcdef"[byte & 15]);
                }}
                selftest_text(side == 0 ? ", not 0x" : "\\n");
            }}
            return 0;
        }}
    }}
    return 1;
}}

#if defined(__GNUC__) && !defined(__wasm__) && !defined(SELFTEST_NO_STACK)
#if defined(__x86_64__) || defined(__aarch64__)
#define SELFTEST_GAP 512 /* what lies below a function's frame may be in use */
#else
#define SELFTEST_GAP 48
#endif

static uintptr_t selftest_top;

/* What lies below this function's frame is free, and the model's frames will begin where this one does. */
__attribute__((noinline)) static void selftest_paint(void)
{{
    const uintptr_t top = (uintptr_t)__builtin_frame_address(0);
    volatile unsigned char *below = (volatile unsigned char *)(top - SELFTEST_GAP);
    for (int i = 0; i < SELFTEST_STACK; i++) {{
        *--below = 0xA5u;
    }}
    selftest_top = top;
}}

__attribute__((noinline)) static uint32_t selftest_depth(void)
{{
    const uintptr_t top = selftest_top;
    const volatile unsigned char *at = (const volatile unsigned char *)(top - SELFTEST_GAP) - SELFTEST_STACK;
    while (at < (const volatile unsigned char *)top && *at == 0xA5u) {{
        at++;
    }}
    return (uint32_t)(top - (uintptr_t)at);
}}
#else
#define SELFTEST_NO_STACK
#endif

static int {p}_selftest(void)
{{
    uint32_t deepest = 0;

{reset}    for (int run = 0; run < GOLDEN_RUNS; run++) {{
        {p}_status status;
#ifdef SELFTEST_CYCLES
        uint32_t start;
        uint32_t took;
#endif
{copies}
#ifndef SELFTEST_NO_STACK
        selftest_paint();
#endif
#ifdef SELFTEST_CYCLES
        start = SELFTEST_CYCLES();
#endif
        status = {p}_run({arguments}, {p}_arena);
#ifdef SELFTEST_CYCLES
        took = (SELFTEST_CYCLES() - start) & SELFTEST_MASK;
#endif
#ifndef SELFTEST_NO_STACK
        {{
            const uint32_t depth = selftest_depth();
            deepest = depth > deepest ? depth : deepest;
        }}
#endif
        if ((int)status != GOLDEN_STATUS[run]) {{
            selftest_text("FAIL: run ");
            selftest_number((uint32_t)run);
            selftest_text(": status ");
            selftest_number((uint32_t)status);
            selftest_text("\\n");
            return 1;
        }}
{compares}
#ifdef SELFTEST_CYCLES
        selftest_text("run ");
        selftest_number((uint32_t)run);
        selftest_text(": ");
        selftest_number(took);
        selftest_text(" cycles\\n");
#endif
    }}
    if (deepest != 0u) {{
        selftest_text("stack: ");
        selftest_number(deepest);
        selftest_text(" bytes\\n");
    }}
    selftest_text("PASS\\n");
    return 0;
}}

#endif
"""
