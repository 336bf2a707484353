"""A trial: one layer in several forms, linked into one firmware, each run once in the emulator on the layer's own input.

Routines stand apart there, as general as the whole model would have them: what is measured holds when layers share them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from skosh.base.aims import Aim
from skosh.base.errors import FitError
from skosh.build import compile_firmware
from skosh.build.flags import SMALLER, optimize_flags
from skosh.build.soft_float import soft_float
from skosh.emit.exact_floats import computes_with_floats
from skosh.emit.interface import Interface, interface
from skosh.emit.model import emit
from skosh.emulate.machines import open_machine
from skosh.ir.call import Buffer, Call, Const
from skosh.ir.graph import Array, Graph, Node
from skosh.ir.kernel import Assign, Expr, For, If, Kernel, Let, Load, Var, While, walk, walk_expr
from skosh.lower.arithmetic import check_arithmetic
from skosh.lower.assemble import Cohorts, assemble
from skosh.lower.calls import Lowered, scratches
from skosh.lower.program import Program
from skosh.lower.schedules import sums_by_function
from skosh.plan import plan_memory
from skosh.targets import Firmware, Target
from skosh.targets.toolchain import cached, zig_version

RULES_OF_MEASURING = 1
"""Changes when the same C would be measured to another result."""


@dataclass(frozen=True)
class Cost:
    """What a layer costs in one form. Sizes in bytes; ``cycles`` is None where they aren't modelled.

    ``code``: the layer's own function; ``shared``: the routines that it calls, which other layers may call too.
    ``scratch``: memory that it needs beside its tensors; ``stack``: the deepest use below the model's ``run``.
    """

    instructions: int
    cycles: int | None
    code: int
    shared: int
    weights: int
    scratch: int
    stack: int

    @property
    def time(self) -> int:
        """Modelled cycles, or instructions where there are none."""
        return self.instructions if self.cycles is None else self.cycles


@dataclass(frozen=True, eq=False)
class Trial:
    """A form of a layer as a program of its own. ``text``: the C without comments and names: what tells costs apart."""

    program: Program
    sources: Mapping[str, str]
    text: str
    scratch: int

    @property
    def face(self) -> Interface:
        return interface(self.program)


def trials(
    graph: Graph,
    node: Node,
    forms: Sequence[tuple[Call, ...]],
    values: Mapping[str, Array],
    *,
    target: Target,
    optimize: Aim,
    cohorts: Cohorts,
) -> list[Trial]:
    """One trial for each form. values: those of the graph's tensors in one run; they enter where they steer the program."""
    alone = graph_of(graph, node)
    sums = sums_by_function(target, optimize)
    made = []
    for k, calls in enumerate(forms):
        scratch = tuple(s.elements * s.dtype.bytes for s in scratches(calls))
        plan = plan_memory(alone, scratch={0: scratch} if scratch else {}, optimize=optimize)
        lowered = Lowered(alone, {0: calls}, plan, check_arithmetic(alone, {0: calls}))
        program = assemble(lowered, optimize=optimize, name=f"form_{k:02}", cohorts=cohorts, float_sums=sums)
        sources = {name: _apart(text) if name == f"{program.name}.c" else text for name, text in emit(program).items()}
        text = _bare("".join(t for name, t in sources.items() if not name.endswith("_weights.c")), program.name)
        if any(steered_by_data(c.kernel) for c in calls):
            text += repr([values[n].tolist() for n in node.inputs if n])
        made.append(Trial(program, sources, text, sum(-(-s // 4) * 4 for s in scratch)))
    return made


def likeness(graph: Graph, node: Node, forms: Sequence[tuple[Call, ...]]) -> object:
    """Equal for nodes whose forms cost the same: the same calls, of tensors and constants of the same shapes."""
    tensors = [
        (t.shape, t.dtype.name, t.is_constant) if t else None for t in graph.operands((*node.inputs, *node.outputs))
    ]
    places = tuple(names_of(node)[n] if n else "" for n in (*node.inputs, *node.outputs))  # x + x isn't x + y
    calls = [
        (c.kernel, c.aim, *sorted(c.numbers.items()), *((n, _place(b)) for n, b in sorted(c.buffers.items())))
        for form in forms
        for c in form
    ]
    steered = any(steered_by_data(c.kernel) for form in forms for c in form)
    return (places, *tensors, *calls, node.name if steered else "")


def _place(b: Buffer) -> object:
    return (b.data.shape, b.data.dtype.name) if isinstance(b, Const) else b


def graph_of(graph: Graph, node: Node) -> Graph:
    """The node alone, its tensors named by their place: t0, t1, ..."""
    names = names_of(node)
    tensors = {new: replace(graph.tensors[old], name=new) for old, new in names.items()}
    inputs = tuple(dict.fromkeys(names[n] for n in node.inputs if n and not graph.tensors[n].is_constant))
    alone = Node(node.op, tuple(names.get(n, "") for n in node.inputs), tuple(names[n] for n in node.outputs), "layer")
    return Graph("layer", tensors, (alone,), inputs, alone.outputs)


def names_of(node: Node) -> dict[str, str]:
    """A node's tensors -> what they are called in its trial."""
    return {n: f"t{i}" for i, n in enumerate(dict.fromkeys(n for n in (*node.inputs, *node.outputs) if n))}


def steered_by_data(kernel: Kernel) -> bool:
    """Do its branches, or the rounds of its loops, depend on what it loads?"""
    loaded: set[str] = set()  # locals that come from memory

    def depends(e: Expr) -> bool:
        return any(isinstance(x, Load) or (isinstance(x, Var) and x.name in loaded) for x in walk_expr(e))

    while True:
        more = {s.var.name for s in walk(kernel.body) if isinstance(s, Let | Assign) and depends(s.value)}
        if more <= loaded:
            break
        loaded |= more
    steering: list[Expr] = []
    for s in walk(kernel.body):
        steering += [s.condition] if isinstance(s, If | While) else [s.lo, s.hi] if isinstance(s, For) else []
    return any(map(depends, steering))


def _apart(code: str) -> str:
    """No routine is made for its only caller: in the model it may have more."""
    return re.sub(r"^static void ", "__attribute__((noinline, used)) static void ", code, flags=re.MULTILINE)


def _bare(code: str, name: str) -> str:
    bare = re.sub(r"/\*.*?\*/", "", code, flags=re.DOTALL)
    return re.sub(r"\s+", " ", bare.replace(name, "form").replace(name.upper(), "FORM"))


# ------------------------------------------------------------------------------------------------ measuring


def measured(
    node: Node, made: Sequence[Trial], values: Mapping[str, Array], *, target: Target, optimize: Aim
) -> list[Cost]:
    """The cost of each trial, from the cache where the same ones were measured before. Needs the target's emulator.

    An AssertionError tells when a form computes anything else than the operator's reference meaning.
    """
    made_from = (
        "costs", RULES_OF_MEASURING, target, optimize_flags(optimize), SMALLER.get(optimize, ()), zig_version(),
        [(t.text, t.scratch, [d.nbytes for d in t.program.data]) for t in made],
    )  # fmt: skip

    def make(folder: Path) -> None:
        costs = _run(node, made, values, target, optimize)
        (folder / "costs.json").write_text(json.dumps([asdict(c) for c in costs]), encoding="utf-8")

    found = json.loads((cached(made_from, make) / "costs.json").read_text(encoding="utf-8"))
    return [Cost(**c) for c in found]


def _run(node: Node, made: Sequence[Trial], values: Mapping[str, Array], target: Target, optimize: Aim) -> list[Cost]:
    """Costs by running; where all forms together don't fit the target's flash, half of them at a time."""
    sources = {name: text for t in made for name, text in t.sources.items() if not name.endswith("_weights.c")}
    sources["all_weights.c"] = "\n".join(t.sources[f"{t.program.name}_weights.c"] for t in made)
    if any(computes_with_floats(t.program) for t in made):
        sources |= soft_float(target, "all")
    try:
        firmware = compile_firmware(
            target, sources, prefix=made[0].program.name, harness=_harness(made), optimize=optimize
        )
    except FitError:
        if len(made) == 1:
            raise
        half = len(made) // 2
        return [c for part in (made[:half], made[half:]) for c in _run(node, part, values, target, optimize)]
    machine = open_machine(firmware.elf, target, watch="skosh_trial")
    arena = machine.image.address("skosh_arena")
    real = {new: old for old, new in names_of(node).items()}
    costs = []
    for k, t in enumerate(made):
        for port in t.face.inputs:
            machine.write(arena + port.offset, np.ascontiguousarray(values[real[port.tensor.name]]).tobytes())
        machine.write("skosh_which", k.to_bytes(4, "little"))
        run = machine.call()
        for port in t.face.outputs:
            want = np.ascontiguousarray(values[real[port.tensor.name]])
            got = np.frombuffer(machine.read(arena + port.offset, port.tensor.nbytes), want.dtype).reshape(want.shape)
            same = want.tobytes() == got.tobytes() or np.array_equal(want, got, equal_nan=want.dtype.kind == "f")
            assert same, f'{t.program.routines[0].name} doesn\'t compute what "{node.name}" means'
        code, shared = _code(firmware, t.program)
        weights = sum(d.nbytes for d in t.program.data)
        costs.append(Cost(run.instructions, run.cycles_modelled, code, shared, weights, t.scratch, run.stack_bytes))
    return costs


def _harness(made: Sequence[Trial]) -> str:
    """``skosh_trial`` runs the form number ``skosh_which``, whose inputs and outputs lie in the arena."""
    ways = []
    for t in made:
        places = ", ".join(f"{p.accessor}(skosh_arena)" for p in t.face.ports)
        name = t.program.name
        ways.append(f"static int try_{name}(void)\n{{\n    return (int){name}_run({places}, skosh_arena);\n}}\n")
    includes = "".join(f'#include "{t.program.name}.h"\n' for t in made)
    words = max(-(-t.program.plan.arena_bytes // 8) for t in made) + 1
    table = ", ".join(f"try_{t.program.name}" for t in made)
    return f"""{includes}
uint64_t skosh_arena[{words}];
volatile int skosh_which;

int skosh_main(void);
int skosh_trial(void);

{"".join(ways)}
__attribute__((noinline)) int skosh_trial(void)
{{
    static int (*const ways[])(void) = {{{table}}};

    return ways[skosh_which]();
}}

int skosh_main(void)
{{
    return skosh_trial();
}}
"""


def _code(firmware: Firmware, program: Program) -> tuple[int, int]:
    """(the layer's own function, its routines and their helpers): all of the object but what every model has."""
    sizes, face = firmware.symbols, interface(program)
    whole = firmware.objects[f"{program.name}.o"][0]
    always = [f"{face.prefix}_run", *(p.accessor for p in face.ports)]
    own = sum(sizes[layer.name].size for layer in program.layers if layer.name in sizes)
    return own, whole - own - sum(sizes[n].size for n in always if n in sizes)
