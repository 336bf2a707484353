"""Which tensors share bytes for good: views, values updated in place, and state cells.

    x = relu(a); y = reshape(x)          ->  one storage {x, y}
    State(before=h0, after=h1)           ->  one cell {h0, h1}, taken all the time

A storage holds *versions*, one value after another. Sharing is legal when everyone who reads a version runs before the
node that writes the next one, so a storage comes with ordering edges reader -> writer. Where a view stands in the way,
it gets memory of its own and becomes a copy; where none does, lowering must insert a copy, and an assert says so.
"""

from __future__ import annotations

from collections.abc import Iterator

from skosh.ir.graph import Graph
from skosh.plan.result import Kind
from skosh.plan.storage import Storage, Storages, same_elements


class _Conflict(Exception):
    """Sharing is illegal unless one of ``tensors`` gets memory of its own."""

    def __init__(self, tensors: tuple[str, ...], why: str) -> None:
        super().__init__(why)
        self.tensors = tensors


def find_storages(graph: Graph) -> Storages:
    """Needs a checked graph. Leaves storages whose edges, with the graph's own, have no cycle."""
    view_of = {n.outputs[0]: i for i, n in enumerate(graph.nodes) if n.op.view}
    copies: set[int] = set()
    while True:
        try:
            return _Sharing(graph, copies).storages()
        except _Conflict as conflict:
            blamed = [view_of[t] for t in conflict.tensors if t in view_of and view_of[t] not in copies]
            assert blamed, f"{graph.name}: {conflict}; lowering must insert a copy"
            copies.add(blamed[0])


class _Sharing:
    """One attempt, with some views taken as copies. A version is known by its root, the tensor really written."""

    def __init__(self, graph: Graph, copies: set[int]) -> None:
        self.graph, self.copies = graph, copies
        self.root: dict[str, str] = {}
        self.members: dict[str, list[str]] = {}
        self.producer: dict[str, int] = {}
        self.next: dict[str, str] = {}
        self.previous: dict[str, str] = {}
        self.readers: dict[str, list[int]] = {name: [] for name in graph.tensors}
        self.constant = {t.name for t in graph.constants}
        self.befores = {s.before for s in graph.states}
        self.outputs = frozenset(graph.outputs)

    def storages(self) -> Storages:
        self.find_versions()
        self.link_updates()
        self.link_states()
        self.check_outputs()
        edges = self.edges()
        self.check_cycles(edges)
        chains = [tuple(self.chain(r)) for r in self.members if r not in self.previous]
        found = [self.storage(chain) for chain in chains]
        idle = {i for i, n in enumerate(self.graph.nodes) if n.op.view and i not in self.copies}
        of = {name: k for k, s in enumerate(found) for name in s.tensors}
        pairs = tuple(dict.fromkeys((r, w) for r, w, _, _ in edges))
        return Storages(tuple(found), of, frozenset(self.copies), frozenset(idle), pairs)

    def find_versions(self) -> None:
        graph = self.graph
        for name in (*graph.inputs, *(s.before for s in graph.states)):
            self.begin(name)
        must_write = {*graph.outputs, *(s.after for s in graph.states)}
        for index, node in enumerate(graph.nodes):
            for name in dict.fromkeys(n for n in node.inputs if n):
                self.readers[name].append(index)
            for out in (n for n in node.outputs if n):
                self.producer[out] = index
            if not node.op.view or index in self.copies:
                for out in (n for n in node.outputs if n):
                    self.begin(out)
                continue
            (out,) = node.outputs
            source = node.inputs[0]
            a, b = graph.tensors[source], graph.tensors[out]
            assert a.nbytes == b.nbytes, f'view "{out}" has {b.nbytes} bytes, but its input {a.nbytes}'
            if source in self.constant:
                if out in must_write:
                    raise _Conflict((out,), f'"{out}" is constant')
                self.constant.add(out)
            else:
                self.root[out] = self.root[source]
                self.members[self.root[out]].append(out)

    def begin(self, name: str) -> None:
        if name not in self.root and name not in self.constant:
            self.root[name] = name
            self.members[name] = [name]

    def link_updates(self) -> None:
        for node in self.graph.nodes:
            for i, o in node.op.update:
                old, new = node.inputs[i], node.outputs[o]
                if old in self.constant:
                    raise _Conflict((old,), f'"{new}" updates "{old}" in place, which is constant')
                if self.root[old] in self.next:
                    raise _Conflict((old,), f'"{old}" is updated in place twice')
                a, b = self.graph.tensors[old], self.graph.tensors[new]
                assert a.nbytes == b.nbytes, f'"{new}" updates "{old}" in place, but their sizes differ'
                self.link(self.root[old], new)

    def link_states(self) -> None:
        for state in self.graph.states:
            after = state.after
            if after in self.constant:
                raise _Conflict((after,), f'state "{state.name}" becomes the constant "{after}"')
            if self.root[after] in self.next:
                raise _Conflict(
                    (after,), f'state "{state.name}" becomes "{after}", which is updated in place afterwards'
                )
            head = self.head(self.root[after])
            if head == state.before:
                continue
            if head in self.befores and head != self.root[after]:
                raise _Conflict((after,), f'two states become "{after}"')
            if head not in self.producer:
                raise _Conflict((after,), f'state "{state.name}" becomes "{head}", which no node writes')
            a, b = self.graph.tensors[state.before], self.graph.tensors[head]
            assert a.nbytes == b.nbytes, f'state "{state.name}": "{after}" and "{state.before}" differ in size'
            self.link(list(self.chain(state.before))[-1], head)

    def link(self, old: str, new: str) -> None:
        self.next[old], self.previous[new] = new, old

    def head(self, root: str) -> str:
        while root in self.previous and root not in self.befores:
            root = self.previous[root]
        return root

    def chain(self, root: str) -> Iterator[str]:
        yield root
        while root in self.next:
            root = self.next[root]
            yield root

    def check_outputs(self) -> None:
        """An output stays until the end, in memory of its own: not an input's, not another output's."""
        taken: dict[str, str] = {}
        for out in dict.fromkeys(n for n in self.graph.outputs if n not in self.constant):
            root = self.root[out]
            if root in self.next:
                raise _Conflict((out,), f'output "{out}" is overwritten in place by "{self.next[root]}"')
            if out != root and root in self.graph.inputs:
                raise _Conflict((out,), f'output "{out}" is the input "{root}"')
            if root in taken:
                raise _Conflict((out, taken[root]), f'outputs "{taken[root]}" and "{out}" are one tensor')
            taken[root] = out

    def edges(self) -> list[tuple[int, int, str, str]]:
        """(reader, writer, tensor read, root written)."""
        found = []
        for old, new in self.next.items():
            writer = self.producer[new]
            if self.producer.get(old) == writer:
                raise _Conflict(self.pinned(new), f'"{old}" and "{new}" have one place, and one node writes both')
            if old in self.producer:
                found.append((self.producer[old], writer, old, new))
            for name in self.members[old]:
                for reader in self.readers[name]:
                    if reader != writer:
                        found.append((reader, writer, name, new))
                    elif not self.may_overwrite(writer, name, new):
                        raise _Conflict(
                            (name, *self.pinned(new)), f'"{new}" overwrites "{name}", which its node still reads'
                        )
        return found

    def may_overwrite(self, writer: int, old: str, new: str) -> bool:
        node = self.graph.nodes[writer]
        if writer in self.copies:
            return False
        o = node.outputs.index(new)
        reads = [i for i, name in enumerate(node.inputs) if name == old]
        by_choice = [i for i in reads if (i, o) not in node.op.update]
        return all((i, o) in node.op.inplace and same_elements(self.graph, node, i, o) for i in by_choice)

    def pinned(self, root: str) -> tuple[str, ...]:
        """State values of a version that are views of it: as copies they'd let it live elsewhere."""
        return tuple(s.after for s in self.graph.states if self.root.get(s.after) == root and s.after != root)

    def check_cycles(self, edges: list[tuple[int, int, str, str]]) -> None:
        after: list[set[int]] = [set() for _ in self.graph.nodes]
        for name, index in self.producer.items():
            after[index].update(self.readers[name])
        for reader, writer, _, _ in edges:
            after[reader].add(writer)
        for reader, writer, name, new in edges:
            if reader in _reachable(after, writer):
                why = f'"{name}" is read by node {reader} after "{new}" has taken its place'
                raise _Conflict((name, *self.pinned(new)), why)

    def storage(self, chain: tuple[str, ...]) -> Storage:
        names = tuple(name for root in chain for name in self.members[root])
        tensors = self.graph.required(names)
        first = chain[0]
        kind: Kind = "tensor"
        if any(name in self.befores for name in names):
            kind = "state"
        elif any(name in self.outputs for name in names):
            kind = "output"
        elif first in self.graph.inputs:
            kind = "input"
        writer = self.producer.get(first)
        assert writer is not None or first in self.befores or first in self.graph.inputs, f'no node writes "{first}"'
        readers = tuple(sorted({r for name in names for r in self.readers[name]} | self.rewriters(chain)))
        return Storage(names, tensors[0].nbytes, max(t.dtype.bytes for t in tensors), writer, readers, kind)

    def rewriters(self, chain: tuple[str, ...]) -> set[int]:
        """Nodes that write a later version: like readers, they need the storage to be there."""
        return {self.producer[root] for root in chain[1:]}


def _reachable(after: list[set[int]], start: int) -> set[int]:
    seen, todo = {start}, [start]
    while todo:
        fresh = after[todo.pop()] - seen
        seen |= fresh
        todo.extend(fresh)
    return seen
