"""Imports go down only, and packages on one floor don't import each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"

FLOORS = {
    "base": 0,
    "ir": 1,
    "language": 2, "schedule": 2,
    "ops": 3, "targets": 3,
    "importers": 4, "features": 4, "optimize": 4, "quantizer": 4, "plan": 4,
    "lower": 5,
    "emit": 6, "rtl": 6,
    "machines": 7,
    "build": 8, "emulate": 8,
    "verify": 9, "place": 9,
    "deliver": 10, "search": 10,
    "skosh": 11,  # __init__, pipeline, built: what users import, and the page that names every stage
    "explore": 12, "edge": 12, "ladder": 12, "apps": 12, "learn": 12,
    "cli": 13,
}  # fmt: skip
"""ARCHITECTURE.md tells the same; a test below holds the two together."""

NAMES_OF_THE_GROUND = frozenset({"__version__"})
"""What any floor may take from the package itself: facts, which are there before any module is."""

FILES = sorted((SOURCE / "skosh").rglob("*.py"))


def package_of(module: str) -> str:
    """ "skosh.ir.graph" belongs to "ir", "skosh" and "skosh.pipeline" to "skosh"."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (SOURCE / "skosh" / parts[1]).is_dir() else "skosh"


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.AST, file: Path) -> list[tuple[int, str]]:
    """(line, module) of each import of ours, inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, a.name) for a in node.names if a.name.split(".")[0] == "skosh"]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: imports must be absolute"
            if node.module == "skosh":
                found += [(node.lineno, f"skosh.{a.name}") for a in node.names if a.name not in NAMES_OF_THE_GROUND]
            elif node.module and node.module.startswith("skosh."):
                found.append((node.lineno, node.module))
    return found


def test_every_package_has_a_floor() -> None:
    packages = {package_of(module_of(f)) for f in FILES}
    assert packages <= FLOORS.keys(), f"say in FLOORS where these live: {sorted(packages - FLOORS.keys())}"


@pytest.mark.parametrize("package", sorted({package_of(module_of(f)) for f in FILES} - {"skosh"}))
def test_a_package_says_its_floor(package: str) -> None:
    doc = ast.get_docstring(ast.parse((SOURCE / "skosh" / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert doc.startswith(f"Floor {FLOORS.get(package)}: "), (
        f"{package}/__init__.py must begin: Floor {FLOORS.get(package)}:"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda f: module_of(f))
def test_imports_go_down(file: Path) -> None:
    here = package_of(module_of(file))
    for line, module in imports(ast.parse(file.read_text(encoding="utf-8")), file):
        there = package_of(module)
        if there == here:
            continue
        up = (
            f"{file.relative_to(SOURCE)}:{line}: {here} (floor {FLOORS[here]}) imports {module} (floor {FLOORS[there]})"
        )
        assert FLOORS[there] < FLOORS[here], up


@pytest.mark.parametrize("file", FILES, ids=lambda f: module_of(f))
def test_names_in_the_registry_exist(file: Path) -> None:
    """A lazy ``"skosh.module:Attribute"`` names a module that is there, and an attribute that it defines."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if not re.fullmatch(r"skosh(\.\w+)+:\w+", node.value):
            continue
        module, _, attribute = node.value.partition(":")
        path = SOURCE.joinpath(*module.split("."))
        found = next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
        assert found is not None, f"{file}:{node.lineno}: there is no module {module}"
        assert attribute in defined(found), f"{file}:{node.lineno}: {module} defines no {attribute}"


def defined(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {a.asname or a.name for a in node.names}
    return names


def test_architecture_tells_the_same_floors() -> None:
    page = (SOURCE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    told = {
        package: int(floor)
        for floor, packages in re.findall(r"^\| (\d+) \| ([^|]+) \|", page, re.MULTILINE)
        for package in re.findall(r"`(\w+)/`", packages)
    }
    built = {p: f for p, f in FLOORS.items() if (SOURCE / "skosh" / p).is_dir() and p != "skosh"}
    missing = {p: f for p, f in built.items() if told.get(p) != f}
    assert not missing, f"ARCHITECTURE.md must say that these live on these floors: {missing}"


MACHINES = re.compile(
    r"helium|thumb|cortex|\bneon\b|\bsve\b|\brvv\b|\bavx|\bsse4|rv32|rv64|risc-?v|\barm\b|arm_dsp|aarch64|x86|xtensa", re.I
)
"""What a machine is called. Below ``machines/`` only tables of the registry say it, and prose."""

MACHINE_FREE = ("language", "schedule", "lower", "emit", "ops", "optimize", "plan", "ir", "quantizer")


def named_things(tree: ast.AST) -> list[tuple[int, str]]:
    """(line, text) of every name, attribute and string of code; docstrings are prose."""
    prose = {
        id(n.body[0].value)
        for n in ast.walk(tree)
        if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef) and n.body and isinstance(n.body[0], ast.Expr)
    }
    prose |= {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)}
    found = []
    for n in ast.walk(tree):
        match n:
            case ast.Name(id=text) | ast.Attribute(attr=text) | ast.alias(name=text) | ast.arg(arg=text):
                found.append((n.lineno, text))
            case ast.ImportFrom(module=str(text)) | ast.FunctionDef(name=text) | ast.ClassDef(name=text):
                found.append((n.lineno, text))
            case ast.Constant(value=str(text)) if id(n) not in prose:
                found.append((n.lineno, text))
    return found


@pytest.mark.parametrize("package", MACHINE_FREE)
def test_nothing_below_machines_names_a_machine(package: str) -> None:
    said = [
        f"{file.relative_to(SOURCE)}:{line}: {text!r}"
        for file in FILES
        if package_of(module_of(file)) == package
        for line, text in named_things(ast.parse(file.read_text(encoding="utf-8")))
        if MACHINES.search(text)
    ]
    assert not said, "\n".join(said)


def asked(node: ast.AST) -> list[ast.expr]:
    """What a comparison, a match or a look-up is about."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.Match(subject=subject):
            return [subject]
        case ast.Call(func=ast.Attribute(value=value, attr="startswith" | "endswith" | "get"), args=args):
            return [value, *args]
    return []


def test_kernels_are_told_apart_by_what_they_are() -> None:
    """No comparison with a kernel's name: a kernel that is renamed would silently lose its forms and schedules."""
    compared = [
        f"{file.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(side)}"
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for side in asked(node)
        if isinstance(side, ast.Attribute) and side.attr == "name" and ast.unparse(side.value).endswith("kernel")
    ]
    assert not compared, "\n".join(compared)


OPERATORS = ("ops", "importers")
"""Who may say an operator's kind: who defines it, and who reads it from a file."""


def test_operators_are_told_apart_by_their_class_or_traits() -> None:
    """No comparison with, or table of, operators' kinds outside their home: a kind that is renamed or new would be missed."""
    compared = [
        f"{file.relative_to(SOURCE)}:{node.lineno}: {ast.unparse(side)}"
        for file in FILES
        if package_of(module_of(file)) not in OPERATORS
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        for side in asked(node)
        if isinstance(side, ast.Attribute) and side.attr == "kind" and ast.unparse(side.value).split(".")[-1] == "op"
    ]
    assert not compared, "\n".join(compared)
