"""The proof that a plan is right, from the graph and the offsets alone: it shares no code with the planner.

It runs the plan without computing anything: each byte of the arena remembers which value was last written to it, and
every read checks that all bytes still hold the value that is meant. The next run is covered too, since states must end
where they began.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from skosh.ir.graph import Graph, Node
from skosh.plan.result import Buffer, Plan

Range = tuple[int, int]


def check_plan(graph: Graph, plan: Plan, scratch: Mapping[int, tuple[int, ...]] | None = None) -> None:
    """Raise an AssertionError with a sentence unless every value is there when it is read.

    scratch: the sizes the plan was made for; when not given, those that the plan's buffers state.
    """
    _Run(graph, plan, _scratch_of(plan) if scratch is None else scratch).check()


class _Run:
    def __init__(self, graph: Graph, plan: Plan, scratch: Mapping[int, tuple[int, ...]]) -> None:
        self.graph, self.plan, self.scratch = graph, plan, scratch
        self.arena = np.zeros(plan.arena_bytes, np.int64)  # which write each byte comes from; 0: none
        self.writes: list[str] = [""]  # of each write, what it wrote
        self.value: dict[str, int] = {}  # tensor -> the write that it is
        self.constant = {t.name for t in graph.tensors.values() if t.data is not None}
        self.touched: dict[str, list[int]] = {}  # tensor -> steps at which its bytes are written or read

    def check(self) -> None:
        graph, plan = self.graph, self.plan
        if sorted(plan.order) != list(range(len(graph.nodes))):
            raise AssertionError(f"the order must name each of {len(graph.nodes)} nodes once")
        self.check_scratch_names()
        starts = [s.before for s in graph.states] + [n for n in dict.fromkeys(graph.inputs) if n not in self.constant]
        for name in starts:
            self.write(name, 0, "the start")
        for name in starts:
            self.read(name, 0, "the start: states and inputs must all be there")
        for step, index in enumerate(plan.order):
            self.execute(step, index)
        end = max(len(plan.order) - 1, 0)
        for name in graph.outputs:
            self.read(name, end, "the end: outputs must be there")
        for state in graph.states:
            self.read(state.after, end, f'the end: state "{state.name}" must be there')
            here, there = self.place(state.after)[0], self.place(state.before)[0]
            if here != there:
                raise AssertionError(f'state "{state.name}" ends at byte {here} but begins at byte {there}')
        self.check_buffers()

    def execute(self, step: int, index: int) -> None:
        node = self.graph.nodes[index]
        where = f'step {step}, node {index} "{node.name or node.op.kind}"'
        for name in node.inputs:
            if name:
                self.read(name, step, where)
        if node.op.view and index not in self.plan.copies:
            self.look(node, step, where)
            return
        outputs = [name for name in node.outputs if name]
        spaces = [(f"scratch {k}", self.scratch_place(index, k)) for k in range(len(self.scratch.get(index, ())))]
        spaces += [(f'"{name}"', self.place(name)) for name in outputs]
        for a, b, common in _overlapping(spaces):
            raise AssertionError(f"{where}: {a} and {b} overlap in bytes {common}")
        self.check_inputs_kept(node, index, where)
        for k, (name, space) in enumerate(spaces[: len(spaces) - len(outputs)]):
            self.claim(space, f"{name} of node {index}", where)
            self.check_scratch_alignment(self.scratch[index][k], space[0], where)
        for name in outputs:
            self.write(name, step, where)

    def look(self, node: Node, step: int, where: str) -> None:
        """A view: the output is the input's value, so it must be at the input's place."""
        source, out = node.inputs[0], node.outputs[0]
        if source in self.constant:
            self.constant.add(out)
            return
        a, b = self.place(source), self.place(out)
        if a != b:
            raise AssertionError(f'{where}: "{out}" is a view of "{source}" but at bytes {_show(b)}, not {_show(a)}')
        self.check_alignment(out, b[0], where)
        self.value[out] = self.value[source]
        self.touched.setdefault(out, []).append(step)

    def check_inputs_kept(self, node: Node, index: int, where: str) -> None:
        """Nothing that a node writes may lie on what it reads, but where it is made for that."""
        declared = () if node.op.view else (*node.op.inplace, *node.op.update)
        reads = [
            (i, name, self.place(name)) for i, name in enumerate(node.inputs) if name and name not in self.constant
        ]
        for i, name, space in reads:
            for k in range(len(self.scratch.get(index, ()))):
                other = self.scratch_place(index, k)
                if _overlap(space, other):
                    raise AssertionError(f'{where}: scratch {k} and "{name}" overlap in bytes {_common(space, other)}')
            for o, out in enumerate(node.outputs):
                if not out or not _overlap(space, self.place(out)):
                    continue
                common = _common(space, self.place(out))
                if (i, o) not in declared:
                    raise AssertionError(
                        f'{where}: writes "{out}" on its input "{name}" (bytes {common}), not being made for that'
                    )
                same = space == self.place(out) and self.graph.tensors[name].size == self.graph.tensors[out].size
                if not (same or (i, o) in node.op.update):
                    raise AssertionError(f'{where}: "{out}" takes only part of the place of "{name}"')
        for i, o in node.op.update:
            a, b = self.place(node.inputs[i]), self.place(node.outputs[o])
            if a != b:
                raise AssertionError(
                    f'{where}: "{node.outputs[o]}" updates "{node.inputs[i]}" but is at bytes {_show(b)}, not {_show(a)}'
                )
        for i, o in self.plan.inplace.get(index, ()):
            a, b = self.place(node.inputs[i]), self.place(node.outputs[o])
            if a != b:
                raise AssertionError(
                    f"{where}: the plan calls input {i} and output {o} one place, but they are {_show(a)} and {_show(b)}"
                )

    def write(self, name: str, step: int, where: str) -> None:
        space = self.place(name)
        self.check_alignment(name, space[0], where)
        self.value[name] = self.claim(space, f'"{name}"', where)
        self.touched.setdefault(name, []).append(step)

    def claim(self, space: Range, what: str, where: str) -> int:
        start, end = space
        if not (start >= 0 and end <= self.plan.arena_bytes):
            raise AssertionError(
                f"{where}: {what} is at bytes {_show(space)}, outside the arena of {self.plan.arena_bytes}"
            )
        self.writes.append(f"{what} at {where}")
        self.arena[start:end] = len(self.writes) - 1
        return len(self.writes) - 1

    def read(self, name: str, step: int, where: str) -> None:
        if name in self.constant:
            return
        if name not in self.value:
            raise AssertionError(f'{where}: reads "{name}" before anything writes it')
        start, end = self.place(name)
        wrong = np.flatnonzero(self.arena[start:end] != self.value[name])
        if wrong.size:
            by = self.writes[int(self.arena[start + wrong[0]])]
            raise AssertionError(f'{where}: needs "{name}", but byte {start + wrong[0]} was overwritten by {by}')
        self.touched[name].append(step)

    def place(self, name: str) -> Range:
        if name not in self.plan.offset_of:
            raise AssertionError(f'"{name}" has no place in the arena')
        start = self.plan.offset_of[name]
        return start, start + self.graph.tensors[name].nbytes

    def scratch_place(self, index: int, k: int) -> Range:
        start = self.plan.scratch_offset[index, k]
        return start, start + self.scratch[index][k]

    def check_alignment(self, name: str, offset: int, where: str) -> None:
        element = self.graph.tensors[name].dtype.bytes
        if offset % element != 0:
            raise AssertionError(f'{where}: "{name}" has elements of {element} bytes but is at byte {offset}')
        if offset % self.plan.align != 0:
            raise AssertionError(f'{where}: "{name}" is at byte {offset}, not a multiple of {self.plan.align}')
        if self.plan.base_align % element != 0:
            raise AssertionError(f'{where}: "{name}" needs an arena aligned to {element} bytes')

    def check_scratch_alignment(self, nbytes: int, offset: int, where: str) -> None:
        """Its elements are unknown, so it must suit any (up to 8 bytes) that its size is a multiple of."""
        element = next(e for e in (8, 4, 2, 1) if nbytes % e == 0)
        at_home = offset % max(element, self.plan.align) == 0 and self.plan.base_align % element == 0
        if not (nbytes == 0 or at_home):
            raise AssertionError(f"{where}: scratch of {nbytes} bytes is at byte {offset}")

    def check_scratch_names(self) -> None:
        wanted = {(index, k) for index, sizes in self.scratch.items() for k in range(len(sizes))}
        if wanted != set(self.plan.scratch_offset):
            raise AssertionError("the plan has other scratch buffers than were asked for")

    def check_buffers(self) -> None:
        """What reports show: each tensor in one buffer, at its place, alive whenever it is written or read."""
        owner: dict[str, Buffer] = {name: b for b in self.plan.buffers for name in b.tensors}
        if set(owner) != set(self.plan.offset_of):
            raise AssertionError("the buffers and offset_of must name the same tensors")
        end = max(len(self.plan.order) - 1, 0)
        for name, steps in self.touched.items():
            b = owner[name]
            agrees = (b.offset, b.end) == self.place(name)
            if not (agrees):
                raise AssertionError(
                    f'"{name}" is at bytes {_show(self.place(name))}, but its buffer at {_show((b.offset, b.end))}'
                )
            covered = b.first_step <= min(steps) and max(steps) <= b.last_step
            if not (covered):
                raise AssertionError(
                    f'"{name}" is used in steps {min(steps)} to {max(steps)}, outside those of its buffer'
                )
        for state in self.graph.states:
            b = owner[state.before]
            if (b.first_step, b.last_step) != (0, end):
                raise AssertionError(f'state "{state.name}" must have its buffer all the time')


def _scratch_of(plan: Plan) -> dict[int, tuple[int, ...]]:
    """Sizes by node, from the buffers: those of one node are listed by k."""
    sizes: dict[int, tuple[int, ...]] = {}
    for b in plan.buffers:
        if b.kind == "scratch":
            index = plan.order[b.first_step]
            sizes[index] = (*sizes.get(index, ()), b.nbytes)
    return sizes


def _overlap(a: Range, b: Range) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])


def _overlapping(spaces: Sequence[tuple[str, Range]]) -> Iterator[tuple[str, str, str]]:
    """Of places that overlap the first two, in the order of the bytes: (one, the other, the bytes)."""
    last: tuple[str, Range] | None = None  # that which ends last, of those that begin before
    for name, space in sorted(spaces, key=lambda s: s[1]):
        if last is not None and _overlap(space, last[1]):
            yield name, last[0], _common(space, last[1])
        if space[0] < space[1] and (last is None or space[1] > last[1][1]):
            last = name, space


def _common(a: Range, b: Range) -> str:
    return _show((max(a[0], b[0]), min(a[1], b[1])))


def _show(space: Sequence[int]) -> str:
    return f"{space[0]}..{space[1]}"
