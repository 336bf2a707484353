"""The first rungs: the kernel as plain Python loops, and as plain Java loops. A rung's ``run`` fills c and gives seconds."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from skosh.base.dtypes import DType
from skosh.base.errors import ToolError
from skosh.ir.graph import Array
from skosh.ladder.dialect import JAVA_TYPES, java_text, python_text
from skosh.ladder.matmul import Product, accumulator, matmul_of
from skosh.targets.toolchain import cached, run_tool

Run = Callable[[Product, Array], float]
"""Computes the product into an array of zeros; gives the seconds that it took."""

REPEATS = 3
"""Runs of the Java method, of which the best counts: its compiler works while it runs."""


def python_source(dtype: DType) -> str:
    """What rung 1 runs."""
    return python_text(matmul_of(dtype))


def python_run(dtype: DType) -> Run:
    """The loops in this interpreter, over lists. CPU seconds."""
    scope: dict[str, Any] = {}
    exec(compile(python_source(dtype), "<matmul>", "exec"), scope)
    loops = scope[matmul_of(dtype).name]

    def run(product: Product, c: Array) -> float:
        a, b, out = (m.reshape(-1).tolist() for m in (product.a, product.b, c))
        start = time.thread_time()
        loops(a, b, out, product.n, product.n, product.n)
        seconds = time.thread_time() - start
        c[:] = np.array(out).reshape(c.shape)
        return seconds

    return run


JAVA = """\
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** Reads a and b from files of little-endian numbers, writes c, and prints the nanoseconds of the best run. */
public final class Ladder {{
{method}
    public static void main(String[] args) throws IOException {{
        int n = Integer.parseInt(args[0]), runs = Integer.parseInt(args[1]);
        {t}[] a = new {t}[n * n], b = new {t}[n * n];
        read("a").{t_view}get(a);
        read("b").{t_view}get(b);
        {s}[] c = new {s}[n * n];
        long best = Long.MAX_VALUE;
        for (int r = 0; r < runs; r++) {{
            java.util.Arrays.fill(c, ({s}) 0);
            long start = System.nanoTime();
            {name}(a, b, c, n, n, n);
            best = Math.min(best, System.nanoTime() - start);
        }}
        ByteBuffer out = ByteBuffer.allocate(n * n * {s_bytes}).order(ByteOrder.LITTLE_ENDIAN);
        out.{s_view}put(c);
        Files.write(Path.of("c"), out.array());
        System.out.println(best);
    }}

    private static ByteBuffer read(String name) throws IOException {{
        return ByteBuffer.wrap(Files.readAllBytes(Path.of(name))).order(ByteOrder.LITTLE_ENDIAN);
    }}
}}
"""

_VIEW = {"byte": "", "int": "asIntBuffer().", "float": "asFloatBuffer().", "double": "asDoubleBuffer()."}


def java_source(dtype: DType) -> str:
    """What rung 2 runs."""
    kernel, sums = matmul_of(dtype), accumulator(dtype)
    t, s = JAVA_TYPES[dtype.name], JAVA_TYPES[sums.name]
    return JAVA.format(
        method=java_text(kernel), name=kernel.name, t=t, s=s, t_view=_VIEW[t], s_view=_VIEW[s],
        s_bytes=sums.bytes,
    )  # fmt: skip


@cache
def java_missing() -> str:
    """Why there is no Java rung; "" where there is one."""
    missing = [p for p in ("javac", "java") if shutil.which(p) is None]
    if missing:
        return f"{' and '.join(missing)} not found (a Java development kit has them)"
    try:
        run_tool(["javac", "-version"], "java")
    except ToolError as error:
        return str(error).splitlines()[0]
    return ""


def java_run(dtype: DType) -> Run:
    """The loops in a Java process of its own, best of REPEATS runs. Wall seconds by the process's own clock."""
    text = java_source(dtype)

    def make(folder: Path) -> None:
        (folder / "Ladder.java").write_text(text, encoding="utf-8")
        run_tool(["javac", "Ladder.java"], "compile the Java rung", folder)

    version = run_tool(["javac", "-version"], "java").strip()
    classes = cached(("java", version, text), make)

    def run(product: Product, c: Array) -> float:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for operand in ("a", "b"):
                getattr(product, operand).astype(product.a.dtype.newbyteorder("<")).tofile(folder / operand)
            command = ["java", "-XX:+UseSerialGC", "-cp", str(classes), "Ladder", str(product.n), str(REPEATS)]
            nanoseconds = int(run_tool(command, "run the Java rung", folder))
            c[:] = np.fromfile(folder / "c", c.dtype.newbyteorder("<")).reshape(c.shape)
        return nanoseconds * 1e-9

    return run
