"""Figures of the house: how long functions are, how complex, how full folders are, and where files import in a circle.

    python benchmarks/house.py           a table
    python benchmarks/house.py --json    the same for programs, with the worst of each by name
"""

from __future__ import annotations

import argparse
import ast
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).resolve().parents[1] / "src"
GOALS = {"p95": 25, "longest": 60, "complex_percent": 4.0, "fullest": 20, "circles": 0}
WORST = 8
BRANCHES = (
    ast.If, ast.For, ast.While, ast.IfExp, ast.ExceptHandler, ast.comprehension, ast.match_case, ast.Assert, ast.AsyncFor,
)  # fmt: skip


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from ``def`` to the end, less the docstring."""
    first = function.body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    doc = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (function.end_lineno or 0) - function.lineno + 1 - doc


def complexity(function: ast.AST) -> int:
    """McCabe's count: 1, and 1 for each place where a run may go two ways (McCabe 1976)."""
    ways = sum(isinstance(n, BRANCHES) for n in ast.walk(function))
    return 1 + ways + sum(len(n.values) - 1 for n in ast.walk(function) if isinstance(n, ast.BoolOp))


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """Modules of ours that a file imports, inside functions and for types too; the package's version counts for none."""
    found = set[str]()
    for n in ast.walk(tree):
        if isinstance(n, ast.Import):
            found |= {a.name for a in n.names if a.name in known}
        elif isinstance(n, ast.ImportFrom) and n.module in known:
            parts = {f"{n.module}.{a.name}" for a in n.names} & known
            found |= parts or {n.module}
    return found - {"skosh"}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules of which each reaches each other (Tarjan 1972, as reachability both ways)."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, left = set[str](), [start]
        while left:
            for there in graph.get(left.pop(), set()) - seen:
                seen.add(there)
                left.append(there)
        reach[start] = seen
    groups = {frozenset({m, *(o for o in reach[m] if m in reach[o])}) for m in graph if m in reach[m]}
    return sorted(sorted(g) for g in groups if len(g) > 1)


def measured() -> dict[str, Any]:
    files = sorted((SOURCE / "skosh").rglob("*.py"))
    trees = {f: ast.parse(f.read_text(encoding="utf-8")) for f in files}
    found = [
        (code_lines(n), complexity(n), f"{f.relative_to(SOURCE)}:{n.lineno} {n.name}")
        for f, tree in trees.items() for n in functions(tree)
    ]  # fmt: skip
    lengths, complexities = np.array([f[0] for f in found]), np.array([f[1] for f in found])
    folders = Counter(str(f.parent.relative_to(SOURCE)) for f in files if f.name != "__init__.py")
    known = {module_of(f) for f in files}
    loops = circles({module_of(f): imported(tree, known) - {module_of(f)} for f, tree in trees.items()})
    return {
        "functions": len(found), "p95": int(np.percentile(lengths, 95)), "longest": int(lengths.max()),
        "complex_percent": round(100 * float((complexities > 10).mean()), 1), "fullest": max(folders.values()),
        "circles": len(loops),
        "worst": {
            "longest": [f"{n} {where}" for n, _, where in sorted(found, reverse=True)[:WORST]],
            "complex": [f"{c} {where}" for _, c, where in sorted(found, key=lambda f: -f[1])[:WORST]],
            "fullest": [f"{n} {folder}" for folder, n in folders.most_common(WORST)],
            "circles": [", ".join(loop) for loop in loops],
        },
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    figures = measured()
    if parser.parse_args().json:
        print(json.dumps(figures, indent=2))
        return
    for name, goal in GOALS.items():
        print(f"{name:16} {figures[name]:>6}   goal <= {goal}")
    for name, lines in figures["worst"].items():
        print(f"\n{name}", *lines, sep="\n    ")


if __name__ == "__main__":
    main()
