"""Arguments and options that several commands take, each described once; and groups of them, which a command takes as one.

    def command(source: Source, target: Target = "cortex-m4", making: Making = Making()) -> None

has MODEL and all that says how it is read, --target, and all that says how it is compiled: ``unfolded`` makes options of
the fields.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skosh.base.errors import InputError

if TYPE_CHECKING:
    from skosh.built import Build
    from skosh.ir.graph import Graph

READING, MAKING = "How MODEL is read", "How it is compiled"

Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="A model file, for example digits.tflite; `skosh models` has some.")
]
Target = Annotated[
    str,
    typer.Option("--target", "-t", metavar="T", help="The machine or board; `skosh targets` and `skosh devices` list them."),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target", "-t", metavar="T",
        help="The machine or board; may be given again; all, or a pattern such as 'cortex-m*'.  [default: cortex-m4]",
    ),
]  # fmt: skip
Optimize = Annotated[
    str,
    typer.Option("--optimize", metavar="AIM", help="balanced, speed, flash or ram: what matters most.",
                 rich_help_panel=MAKING),
]  # fmt: skip
Search = Annotated[
    bool,
    typer.Option(
        "--search", rich_help_panel=MAKING,
        help="Measure the forms of each layer in the emulator, take the best for the aim. Minutes; kept for the next time.",
    ),
]  # fmt: skip
Name = Annotated[
    str | None, typer.Option("--name", metavar="N", help="What the C calls the model.", rich_help_panel=MAKING)
]
MaxRam = Annotated[
    str | None,
    typer.Option("--max-ram", metavar="SIZE", help="Refuse to need more RAM: 64K is 65,536 bytes, 64KB is 64,000.",
                 rich_help_panel=MAKING),
]  # fmt: skip
MaxFlash = Annotated[
    str | None,
    typer.Option("--max-flash", metavar="SIZE", help="Refuse to need more flash.", rich_help_panel=MAKING),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs; errors too.")]
Samples = Annotated[
    str | None,
    typer.Option(
        "--samples", metavar="N|FILE",
        help="Inputs, batch first: a file, .npy, or .npz with an array an input; or, where any will do, how many.",
    ),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="PATH", help="Where what is written goes: a file, or a folder for several."),
]
OwnCatalogue = Annotated[
    list[Path] | None,
    typer.Option(
        "--catalogue", metavar="FILE.toml",
        help="Records of your own, which add to the catalogue or override it; may be given again. Also SKOSH_CATALOGUE.",
    ),
]  # fmt: skip
TrustPickle = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Read MODEL though reading it runs whatever code is in it.", rich_help_panel=READING),
]
Shape = Annotated[
    list[str] | None,
    typer.Option(
        "--shape", metavar="[INPUT=]SIZES", rich_help_panel=READING,
        help="Sizes of an input that the file leaves open, for example 1,49,10; may be given again.",
    ),
]  # fmt: skip
Layout = Annotated[
    str | None,
    typer.Option("--layout", metavar="L", help="Of ONNX and PyTorch images: nchw, as they are, or nhwc.",
                 rich_help_panel=READING),
]  # fmt: skip
Query = Annotated[
    list[str] | None,
    typer.Option("--query", metavar="V", help="A variable that a network is asked for; may be given again.",
                 rich_help_panel=READING),
]  # fmt: skip
Evidence = Annotated[
    list[str] | None,
    typer.Option("--evidence", metavar="V", help="A variable that it will be told; may be given again.",
                 rich_help_panel=READING),
]  # fmt: skip
Gives = Annotated[
    str | None,
    typer.Option("--gives", metavar="WHAT", rich_help_panel=READING,
                 help="What the model is to give: label, proba or decision; map, filter and others of graphical models."),
]  # fmt: skip
Labels = Annotated[
    list[Path] | None,
    typer.Option("--labels", metavar="FILE", rich_help_panel=READING,
                 help="Names of the classes, one a line (.txt); the right answers of the samples (.npy). May be given again."),
]  # fmt: skip
More = Annotated[
    list[str] | None,
    typer.Option("--load", metavar="KEY=VALUE", rich_help_panel=READING,
                 help="Another option of skosh.load, for example length=8; may be given again."),
]  # fmt: skip
LoadBudget = Annotated[
    float | None,
    typer.Option("--budget", metavar="N", help="Reading MODEL may cost N times as much memory and work as usual.",
                 rich_help_panel=READING),
]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- groups


@dataclass(frozen=True)
class Source:
    """MODEL, and how it is read."""

    model: Model
    trust_pickle: TrustPickle = False
    shape: Shape = None
    layout: Layout = None
    query: Query = None
    evidence: Evidence = None
    gives: Gives = None
    labels: Labels = None
    more: More = None
    budget: LoadBudget = None

    @property
    def file(self) -> str:
        """The file's name, for what is said while it is read."""
        return Path(self.model).name

    def opened(self) -> Any:
        """The model's path; or, where an option says how to read it, what is in it, as a Graph."""
        asked = self.asked()
        return self.graph() if asked else self.model

    def graph(self) -> Graph:
        import skosh

        return skosh.load(self.model, **self.asked())

    def asked(self) -> dict[str, Any]:
        """Options of ``skosh.load``, those that were given."""
        from skosh.importers.saved import RUNS_CODE

        given: dict[str, Any] = dict(map(_setting, self.more or ()))
        if self.trust_pickle and Path(self.model).suffix.lower() in RUNS_CODE:
            given["trust_pickle"] = True
        if self.shape:
            given["shapes"] = dict(map(_shape, self.shape))
        names = [p for p in self.labels or () if p.suffix.lower() not in ARRAYS]
        if len(names) > 1:
            raise InputError("the names of the classes must come from one file", loc=str(names[1]))
        words = {"query": _words(self.query), "evidence": _words(self.evidence)}
        plain = {"layout": self.layout, "output": self.gives, "labels": names[0] if names else None, "budget": self.budget}
        return given | {k: v for k, v in {**words, **plain}.items() if v is not None}

    def answers(self) -> Path | None:
        """The file of the right answers, where one was given."""
        found = [p for p in self.labels or () if p.suffix.lower() in ARRAYS]
        if len(found) > 1:
            raise InputError("the right answers must come from one file", loc=str(found[1]))
        return found[0] if found else None


ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Making:
    """How a model is compiled for a machine."""

    optimize: Optimize = "balanced"
    search: Search = False
    name: Name = None
    max_ram: MaxRam = None
    max_flash: MaxFlash = None

    def build(self, model: Any, target: str, **more: Any) -> Build:
        import skosh

        limits = {"name": self.name, "max_ram": self.max_ram, "max_flash": self.max_flash}
        given: dict[str, Any] = {k: v for k, v in limits.items() if v is not None}
        return skosh.compile(model, target=target, optimize=self.optimize, search=self.search, **given, **more)


GROUPS = (Source, Making)


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """The command as typer takes it: each field of a group is an argument or option of its own."""
    hints = typing.get_type_hints(command, include_extras=True)
    groups = {n: h for n, h in hints.items() if h in GROUPS}
    if not groups:
        return command
    parameters = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in groups:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        inside = typing.get_type_hints(groups[name], include_extras=True)
        for f in dataclasses.fields(groups[name]):
            default = inspect.Parameter.empty if f.default is dataclasses.MISSING else f.default
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(inspect.Parameter(f.name, kind, default=default, annotation=inside[f.name]))

    @functools.wraps(command)
    def told(**options: Any) -> None:
        for name, group in groups.items():
            options[name] = group(**{f.name: options.pop(f.name) for f in dataclasses.fields(group)})
        command(**options)

    told.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    told.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    del told.__wrapped__
    return told


# -------------------------------------------------------------------------------------------------------- values as texts


def targets_of(asked: Sequence[str] | None) -> tuple[str, ...]:
    """Machines and boards by name; all; or those that a pattern fits. InputError where it fits none."""
    from skosh.targets import names

    found: list[str] = []
    for text in asked or ("cortex-m4",):
        if not is_pattern(text):
            found.append(text)
            continue
        those = [n for n in names(siblings=True) if text == "all" or fnmatchcase(n, text)]
        if not those:
            raise InputError(f'no target is like "{text}"', hint=f"they are {', '.join(names(siblings=True))}")
        found += those
    return tuple(dict.fromkeys(found))


def is_pattern(text: str) -> bool:
    return text == "all" or any(c in text for c in "*?[")


def _words(given: Sequence[str] | None) -> list[str] | None:
    """ "Rain,Grass" is two variables."""
    return [w.strip() for text in given for w in text.split(",") if w.strip()] if given else None


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    try:
        return name, tuple(int(n) for n in sizes.split(","))
    except ValueError:
        raise InputError(f'--shape must be sizes, for example 1,49,10 or INPUT=1,49,10, not "{text}"') from None


def _setting(text: str) -> tuple[str, Any]:
    """length=8: numbers and truth values are such, anything else is text."""
    key, equals, value = text.partition("=")
    if not equals or not key.isidentifier():
        raise InputError(f'--load must be KEY=VALUE, for example length=8, not "{text}"')
    words = {"true": True, "false": False, "none": None}
    if value.lower() in words:
        return key, words[value.lower()]
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, value.strip("\"'")


def of_a_file(build: Any) -> bool:
    """Whether the model came as a file of a library's object, which has the file's name: compiled again, it replaces itself."""
    return str(build.source.loc.file).startswith("<")
