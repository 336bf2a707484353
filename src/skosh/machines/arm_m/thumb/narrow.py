"""A loop nest as Thumb-1 instructions (Armv6-M: Cortex-M0, M0+, M1) on virtual registers.

What differs from Thumb-2: most instructions know eight registers only, constants and distances are short, products and
bitwise operations replace an operand (``two_address``), and bytes are loaded without their sign.
"""

from __future__ import annotations

from collections.abc import Sequence

from skosh.ir.kernel import Binary, Cast, Const, Expr, Function, Load, Store, Unary
from skosh.machines.arm_m.thumb.code import Ins, Reg
from skosh.machines.arm_m.thumb.select import Poly, Selector
from skosh.targets.assembler import NotAssembled

REACH = {1: 31, 2: 62, 4: 124}  # bytes from a pointer, by the size of what is loaded or stored
PAGE = 128
_IN_PLACE = {"*": "muls {o0}, {i1}, {o0}", "&": "ands {o0}, {i0}, {i1}", "|": "orrs {o0}, {i0}, {i1}",
             "^": "eors {o0}, {i0}, {i1}"}  # fmt: skip


class NarrowSelector(Selector):
    # ------------------------------------------------------------------------------------------------ constants

    def _constant(self, value: int, out: list[Ins], into: Reg | None) -> Reg:
        """One byte at a time, from the first that isn't zero."""
        unsigned = value & 0xFFFFFFFF
        if unsigned < 256:
            return self._emit(out, f"movs {{o0}}, #{unsigned}", (), into, "c")
        if (~unsigned & 0xFFFFFFFF) < 256:
            return self._emit(out, "mvns {o0}, {i0}", (self._constant(~unsigned & 0xFFFFFFFF, out, None),), into, "c")
        zeros = (unsigned & -unsigned).bit_length() - 1
        if unsigned >> zeros < 256:
            top = self._constant(unsigned >> zeros, out, None)
            return self._emit(out, f"lsls {{o0}}, {{i0}}, #{zeros}", (top,), into, "c")
        shifted = self._emit(out, "lsls {o0}, {i0}, #8", (self._constant(unsigned >> 8, out, None),), None, "c")
        if not unsigned & 255:
            return self._copy(shifted, into, out)
        return self._emit(out, f"adds {{o0}}, {{i0}}, #{unsigned & 255}", (shifted,), into, "c", tied=True)

    def _copy(self, reg: Reg, into: Reg | None, out: list[Ins]) -> Reg:
        if into is None:
            return reg
        out.append(Ins("mov {o0}, {i0}", (into,), (reg,), copy=True, high="any"))
        self._changed(into)
        return into

    # ------------------------------------------------------------------------------------------------ expressions

    def _expr(self, e: Expr, out: list[Ins], into: Reg | None = None) -> Reg:
        if isinstance(e, Unary) and e.op == "-":
            return self._emit(out, "rsbs {o0}, {i0}, #0", (self._expr(e.a, out),), into, into.name if into else "t")
        return super()._expr(e, out, into)

    def _machine_has(self, function: Function) -> bool:
        return False

    def _binary(self, e: Binary, out: list[Ins], into: Reg | None, name: str) -> Reg:
        op, a, b = e.op, e.a, e.b
        if e.dtype.bits != 32 or e.dtype.is_float:
            raise NotAssembled(f"arithmetic on {e.dtype}")
        if op == "min" and isinstance(a, Binary) and a.op == "max" and a.b == Const(-128) and b == Const(127):
            return self._saturated(self._expr(a.a, out), out, into, name)
        if op in ("min", "max"):
            skip = self.pool.label()
            done = "bge" if op == "max" else "ble"
            text = f"cmp {{o0}}, {{i1}}\n{done} {skip}f\nmov {{o0}}, {{i1}}\n{skip}:"
            return self._emit(
                out, text, (self._expr(a, out), self._expr(b, out)), into, name, tied=True, swaps=True, high="any"
            )
        if op in ("+", "-") and isinstance(b, Const) and 0 < abs(int(b.value)) < 256:
            value = int(b.value) if op == "+" else -int(b.value)
            how = "adds" if value > 0 else "subs"
            text = f"{how} {{o0}}, {{i0}}, #{abs(value)}"
            return self._emit(out, text, (self._expr(a, out),), into, name, tied=abs(value) > 7)
        if op in ("<<", ">>") and isinstance(b, Const):
            if not int(b.value):
                return self._expr(a, out, into)
            shift = "lsls" if op == "<<" else "asrs" if e.dtype.kind == "int" else "lsrs"
            return self._emit(out, f"{shift} {{o0}}, {{i0}}, #{b.value}", (self._expr(a, out),), into, name)
        if op in ("//", "%") and isinstance(b, Const) and int(b.value) & (int(b.value) - 1) == 0:  # of what is >= 0
            bits, mask = int(b.value).bit_length() - 1, int(b.value) - 1
            if op == "//":
                return self._emit(out, f"lsrs {{o0}}, {{i0}}, #{bits}", (self._expr(a, out),), into, name)
            return self._binary(Binary("&", a, Const(mask), e.dtype), out, into, name)
        if op == "&" and isinstance(b, Const) and int(b.value) in (255, 65535):
            how = "uxtb" if int(b.value) == 255 else "uxth"
            return self._emit(out, f"{how} {{o0}}, {{i0}}", (self._expr(a, out),), into, name)
        for left, by in ((a, b), (b, a)):
            if op == "*" and isinstance(by, Const) and int(by.value) > 1 and int(by.value) & (int(by.value) - 1) == 0:
                text = f"lsls {{o0}}, {{i0}}, #{int(by.value).bit_length() - 1}"
                return self._emit(out, text, (self._expr(left, out),), into, name)
        regs = (self._expr(a, out), self._expr(b, out))
        if op == "+":
            return self._sum(regs, out, into, name)
        if op == "-":
            return self._emit(out, "subs {o0}, {i0}, {i1}", regs, into, name)
        if op in _IN_PLACE:
            return self._emit(out, _IN_PLACE[op], regs, into, name, tied=True, swaps=True)
        if op in ("<<", ">>"):
            shift = "lsls" if op == "<<" else "asrs" if e.dtype.kind == "int" else "lsrs"
            return self._emit(out, f"{shift} {{o0}}, {{i0}}, {{i1}}", regs, into, name, tied=True)
        raise NotAssembled(f"no instruction for {op}")

    def _sum(self, regs: Sequence[Reg], out: list[Ins], into: Reg | None, name: str) -> Reg:
        return self._emit(out, "adds {o0}, {i0}, {i1}", regs, into, name, high="in place")

    def _saturated(self, reg: Reg, out: list[Ins], into: Reg | None, name: str) -> Reg:
        """The nearest int8: the value itself where its lowest byte says it all, else 127 or, where it is negative, -128."""
        skip = self.pool.label()
        far = "lsrs {o0}, {i0}, #31\nadds {o0}, {o0}, #127\nsxtb {o0}, {o0}"
        text = f"sxtb {{o0}}, {{i0}}\ncmp {{o0}}, {{i0}}\nbeq {skip}f\n{far}\n{skip}:"
        return self._emit(out, text, (reg,), into, name, early=True)

    # ------------------------------------------------------------------------------------------------ memory

    def _near(self, access: Load | Store, size: int, out: list[Ins]) -> tuple[Reg, int]:
        """(register, offset in bytes) that an instruction reaches. size: of what is loaded or stored."""
        reg, offset = self._at(access, out)
        if 0 <= offset <= REACH[size] and offset % size == 0:
            return reg, offset
        page, rest = divmod(offset, PAGE)
        if rest > REACH[size] or rest % size:
            page, rest = 0, 0
            far = offset
        else:
            far = page * PAGE
        step = PAGE if far > 0 else -PAGE
        while abs(far) >= 256:  # by way of the pages between, which others may need too
            reg = self._moved(reg, step, out)
            far -= step
        return (self._moved(reg, far, out) if far else reg), rest

    def _moved(self, reg: Reg, by: int, out: list[Ins]) -> Reg:
        how = "adds" if by > 0 else "subs"
        return self._emit(out, f"{how} {{o0}}, {{i0}}, #{abs(by)}", (reg,), None, reg.name, tied=abs(by) > 7)

    def _load(self, e: Load, out: list[Ins], into: Reg | None) -> Reg:
        stored = self.params[e.buffer].dtype
        loaded = e.dtype if e.dtype.bits == 32 else stored
        how = {"i8": "ldrb", "u8": "ldrb", "i16": "ldrh", "u16": "ldrh", "i32": "ldr", "u32": "ldr"}.get(loaded.name)
        if how is None:
            raise NotAssembled(f"no load of {loaded}")
        signed = {"i8": "sxtb", "i16": "sxth"}.get(loaded.name)
        base, offset = self._near(e, loaded.bytes, out)
        key = (f"{how} {offset}", ((base, self.versions.get(base, 0)),))
        reg = self.known.get(key)
        if reg is None or (into is not None and not signed):
            target = into if into is not None and not signed else None
            reg = target or self.pool.reg(e.buffer)
            if target is None:
                self.known[key] = reg
            else:
                self._changed(target)
            joins = base if stored.bits == 32 else None
            out.append(Ins(f"{how} {{o0}}, [{{i0}}, #{offset}]", (reg,), (base,), "load", e.buffer, joins, offset))
        if signed:
            return self._emit(out, f"{signed} {{o0}}, {{i0}}", (reg,), into, e.buffer)
        return reg

    def _store(self, s: Store, out: list[Ins]) -> None:
        stored = self.params[s.buffer].dtype
        value = s.value
        while isinstance(value, Cast) and value.how in ("wrap", "widen") and value.dtype.bits <= stored.bits:
            if value.a.dtype.bits > 32:
                break
            value = value.a
        bits = s.value.dtype.bits if s.value.dtype.bits == 32 else stored.bits
        how = {8: "strb", 16: "strh", 32: "str"}[bits]
        reg = self._expr(value, out)
        index = self.places[id(s)].index
        if index:
            base, offset = self._at(s, out)
            base = self._moved(base, offset, out) if offset else base
            self._forget_loads()
            text = f"{how} {{i1}}, [{{i0}}, {{i2}}]"
            out.append(Ins(text, (), (base, reg, self.env[index]), "store", s.buffer))
            return
        base, offset = self._near(s, bits // 8, out)
        self._forget_loads()
        joins = base if stored.bits == 32 else None
        out.append(Ins(f"{how} {{i1}}, [{{i0}}, #{offset}]", (), (base, reg), "store", s.buffer, joins, offset))

    def _reaches(self, offset: int) -> bool:
        return True  # ``_near`` sees to it

    def _plus(self, reg: Reg, further: Reg, name: str, out: list[Ins]) -> Reg:
        return self._sum((reg, further), out, None, name)

    def _advance(self, target: Reg, source: Reg, distance: Poly, size: int, out: list[Ins]) -> None:
        """target = source + distance elements."""
        if set(distance) <= {()} and 0 < abs(distance.get((), 0) * size) < 256:
            by = distance[()] * size
            how = "adds" if by > 0 else "subs"
            out.append(Ins(f"{how} {{o0}}, {{i0}}, #{abs(by)}", (target,), (source,), tied=abs(by) > 7 or target == source))
            return
        if not distance:
            super()._advance(target, source, distance, size, out)
            return
        by_reg = self._invariant(distance, size)
        out.append(Ins("adds {o0}, {i0}, {i1}", (target,), (source, by_reg), high="in place"))
