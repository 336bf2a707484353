"""The names by which C users reach a model: one place, read by the header, the code, the harnesses and the manifest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from skosh.base.dtypes import DType
from skosh.ir.graph import Tensor
from skosh.lower.program import Program

_KEYWORDS = frozenset(
    [
        "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
        "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
        "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
        "bool",
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Port:
    """An input or output of the model as C sees it."""

    tensor: Tensor
    parameter: str  # "input": the name of the function's parameter
    accessor: str  # "kws_input": gives its place in the arena
    length_macro: str  # "KWS_INPUT_LEN": number of elements
    offset: int  # in the arena, bytes

    @property
    def dtype(self) -> DType:
        return self.tensor.dtype

    @property
    def macro(self) -> str:
        """ "KWS_INPUT": what its macros begin with."""
        return self.length_macro.removesuffix("_LEN")


@dataclass(frozen=True)
class Interface:
    prefix: str
    macro: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    status_offset: int | None = None  # where in the arena a run leaves its status, in models that have one

    @property
    def ports(self) -> tuple[Port, ...]:
        return (*self.inputs, *self.outputs)


_HEADERS = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef
stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype

algorithm any array atomic barrier bit bitset charconv chrono codecvt compare concepts coroutine deque exception execution
expected filesystem format functional future generator initializer_list iomanip ios iosfwd iostream istream iterator latch list
map memory mutex new numbers numeric optional ostream print queue random ranges ratio regex scoped_allocator semaphore set span
sstream stack stacktrace stdexcept stdfloat streambuf strstream syncstream system_error thread tuple type_traits typeindex
typeinfo unordered_map unordered_set utility valarray variant vector version memory_resource

aio cpio dirent dlfcn fcntl fmtmsg fnmatch ftw glob grp iconv langinfo libgen monetary mqueue ndbm netdb nl_types poll pthread
pwd sched search spawn strings stropts sys syslog tar termios trace ulimit unistd utime utmpx wordexp

malloc alloca endian features getopt values windows arm_neon arm_mve arm_acle arm_sve immintrin arduino
wire spi core_cm0plus core_cm4
"""
HEADERS = frozenset(_HEADERS.split())
"""Headers of C11, of C++23, of POSIX.1-2017, and of compilers: a model called so would stand in their way."""

OWN = re.compile(r"main|skosh(_.*)?|.*_(weights|float|vector)")
"""Names of files that skosh writes beside a model's, or compiles with it, of vector headers, and of C's own main."""

LONGEST = 40
"""Letters of a model's name: with what follows it, C's 63 significant ones are kept."""


def c_name(text: str, fallback: str = "model") -> str:
    """A C identifier in the style of the emitted code, from any text: no keyword, no header, and not too long for C."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or fallback
    if name[0].isdigit():
        name = f"{fallback}_{name}"
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 9].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    if name in HEADERS or OWN.fullmatch(name):
        return f"{name}_{fallback}"
    return f"{name}_" if name in _KEYWORDS else name


def _own_name(tensor: str, i: int) -> str:
    """The last part of a tensor's path, as an identifier: "serving/left:0" -> "left"."""
    path = re.sub(r":\d+$", "", tensor)
    return re.sub(r"[^a-z0-9]+", "_", re.split("[/;]", path)[-1].lower()).strip("_") or str(i)


def interface(program: Program) -> Interface:
    """The C interface of a program: a single input is "input"; several are "input_<name>"."""
    prefix, macro = program.name, program.name.upper()
    graph = program.graph

    def ports(names: tuple[str, ...], what: str) -> tuple[Port, ...]:
        out: list[Port] = []
        taken: set[str] = set()
        for i, n in enumerate(names):
            label = what if len(names) == 1 else f"{what}_{_own_name(n, i)}"
            while label in taken:
                label += f"_{i}"
            taken.add(label)
            out.append(
                Port(graph.tensors[n], label, f"{prefix}_{label}", f"{macro}_{label.upper()}_LEN", program.plan.offset_of[n])
            )
        return tuple(out)

    inputs = ports(graph.inputs, "input")
    if graph.status is None:
        return Interface(prefix, macro, inputs, ports(graph.outputs, "output"))
    *answers, status = graph.outputs
    return Interface(prefix, macro, inputs, ports(tuple(answers), "output"), program.plan.offset_of[status])
