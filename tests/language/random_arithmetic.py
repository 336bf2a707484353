"""Random kernels of integer arithmetic, as text: sums over loops, conditions, promises, locals, buffers of their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

INPUTS = {"x": "i8", "w": "i16", "v": "i32", "u": "u8"}
SIZE = 4
OPERATIONS = ("+", "-", "*", "+", "*", "min", "clamp", ">>", "&", "wrap", "u32", "if", "//", "pair")
NUMBERS = (-3, -1, 0, 1, 2, 7, 100, 32767, 65536, 1 << 24, (1 << 30) - 1, (1 << 31) - 1)


@dataclass
class _Writer:
    """What is in scope while a kernel is written."""

    draw: st.DrawFn
    names: list[str] = field(default_factory=list)  # i32 locals
    loops: list[str] = field(default_factory=list)
    count: int = 0

    def fresh(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def index(self) -> str:
        return self.draw(st.sampled_from([*self.loops, *map(str, range(SIZE))]))

    def atom(self) -> str:
        kind = self.draw(st.sampled_from(["number", "load", "load", "local", "local", "loop"]))
        if kind == "local" and self.names:
            return self.draw(st.sampled_from(self.names))
        if kind == "loop" and self.loops:
            return self.draw(st.sampled_from(self.loops))
        if kind == "number":
            return str(self.draw(st.sampled_from(NUMBERS)))
        buffer = self.draw(st.sampled_from(sorted(INPUTS)))
        element = f"{buffer}[{self.index()}]"
        return element if buffer == "v" else f"widen({element})"

    def expr(self, depth: int = 2) -> str:
        if depth == 0:
            return self.atom()
        a, b = self.expr(depth - 1), self.expr(depth - 1)
        match self.draw(st.sampled_from(OPERATIONS)):
            case "+" | "-" | "*" | "&" as op:
                return f"({a} {op} {b})"
            case "min":
                return f"min({a}, {b})"
            case "clamp":
                return f"clamp({a}, -1000, 1000)"
            case ">>":
                return f"({a} >> {self.draw(st.integers(0, 31))})"
            case "wrap":
                return f"widen(wrap({self.draw(st.sampled_from(['i8', 'i16']))}, {a}))"
            case "u32":
                return f"wrap(i32, wrap(u32, {a}) * wrap(u32, 3) + wrap(u32, {b}))"
            case "//":
                return f"({a} // {self.draw(st.sampled_from([2, 3, -1, 100]))})"
            case "pair":
                return f"widen(wrap(i16, ((wrap(u32, {a}) & 65535) | (wrap(u32, {b}) << 16)) >> 16))"
        return f"({a} if {self.condition()} else {b})"

    def condition(self) -> str:
        op = self.draw(st.sampled_from(["<", "<=", ">", "==", "!="]))
        return f"{self.atom()} {op} {self.atom()}"

    def block(self, depth: int, indent: str) -> list[str]:
        out = []
        names = list(self.names)
        for _ in range(self.draw(st.integers(1, 3))):
            out += self.statement(depth, indent)
        self.names = names
        return out

    def statement(self, depth: int, indent: str) -> list[str]:
        kinds = ["let", "let", "assume", "store", "own", *(["add", "add", "set"] if self.names else [])]
        kinds += ["for", "for", "for", "while", "if"] if depth else []
        match self.draw(st.sampled_from(kinds)):
            case "let":
                name = self.fresh("a")
                line = f"{indent}{name} = {self.expr()}"
                self.names.append(name)
                return [line]
            case "add":
                name = self.draw(st.sampled_from(self.names))
                return [f"{indent}{name} {self.draw(st.sampled_from(['+=', '-=', '+=']))} {self.expr(1)}"]
            case "set":
                name = self.draw(st.sampled_from(self.names))
                return [f"{indent}{name} = {self.expr(1)}"]
            case "store":
                return [f"{indent}y[{self.index()}] = {self.expr(1)}"]
            case "assume":
                return [f"{indent}assume({self.condition()})"]
            case "own":
                name, i = self.fresh("b"), self.fresh("i")
                value, more = self.expr(1), self.expr(1)
                out = [f"{indent}{name} = ram(i32[{SIZE}])", f"{indent}for {i} in seq({SIZE}):"]
                out.append(f"{indent}    {name}[{i}] = {value}")
                return [*out, f"{indent}{name}[{self.index()}] += {more}", f"{indent}y[0] = {name}[{self.index()}]"]
            case "while":
                inner = self.block(0, indent + "    ")
                return [f"{indent}while bounded({self.condition()}, {self.draw(st.integers(1, 20))}):", *inner]
            case "for":
                loop, rounds = self.fresh("k"), self.draw(st.sampled_from([2, 3, 20, 300]))
                if rounds <= SIZE:
                    self.loops.append(loop)
                inner = self.block(depth - 1, indent + "    ")
                if rounds <= SIZE:
                    self.loops.remove(loop)
                return [f"{indent}for {loop} in seq({rounds}):", *inner]
        then, other = self.block(depth - 1, indent + "    "), self.block(depth - 1, indent + "    ")
        return [f"{indent}if {self.condition()}:", *then, f"{indent}else:", *other]


@st.composite
def kernels(draw: st.DrawFn) -> str:
    """The text of a kernel over INPUTS of SIZE elements each, that writes y."""
    writer = _Writer(draw)
    lines = writer.block(2, "    ")
    given = ", ".join(f"{n}: {t}[{SIZE}]" for n, t in INPUTS.items())
    return "\n".join(["@kernel", f"def made({given}, y: i32[{SIZE}]):", *lines, ""])
