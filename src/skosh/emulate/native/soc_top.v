// The simulated system: VexRiscv with a custom function unit on its port, both buses brought out to the test bench.
module top(
    input clk, input reset, input [31:0] reset_vector,
    output ibus_cyc, output ibus_stb, output [29:0] ibus_adr, input ibus_ack, input [31:0] ibus_dat,
    output dbus_cyc, output dbus_stb, output dbus_we, output [3:0] dbus_sel, output [29:0] dbus_adr,
    output [31:0] dbus_mosi, input dbus_ack, input [31:0] dbus_dat,
    output [31:0] pc, output [63:0] instret);

    wire cmd_valid, cmd_ready, rsp_valid, rsp_ready;
    wire [9:0] function_id;
    wire [31:0] inputs_0, inputs_1, outputs_0;
    wire ibus_we, dbus_unused;
    wire [31:0] ibus_mosi;
    wire [3:0] ibus_sel;
    wire [2:0] ibus_cti, dbus_cti;
    wire [1:0] ibus_bte, dbus_bte;

    VexRiscv cpu(
        .skosh_pc(pc), .skosh_instret(instret), .externalResetVector(reset_vector),
        .timerInterrupt(1'b0), .softwareInterrupt(1'b0), .externalInterruptArray(32'b0),
        .CfuPlugin_bus_cmd_valid(cmd_valid), .CfuPlugin_bus_cmd_ready(cmd_ready),
        .CfuPlugin_bus_cmd_payload_function_id(function_id),
        .CfuPlugin_bus_cmd_payload_inputs_0(inputs_0), .CfuPlugin_bus_cmd_payload_inputs_1(inputs_1),
        .CfuPlugin_bus_rsp_valid(rsp_valid), .CfuPlugin_bus_rsp_ready(rsp_ready),
        .CfuPlugin_bus_rsp_payload_outputs_0(outputs_0),
        .iBusWishbone_CYC(ibus_cyc), .iBusWishbone_STB(ibus_stb), .iBusWishbone_ACK(ibus_ack), .iBusWishbone_WE(ibus_we),
        .iBusWishbone_ADR(ibus_adr), .iBusWishbone_DAT_MISO(ibus_dat), .iBusWishbone_DAT_MOSI(ibus_mosi),
        .iBusWishbone_SEL(ibus_sel), .iBusWishbone_ERR(1'b0), .iBusWishbone_CTI(ibus_cti), .iBusWishbone_BTE(ibus_bte),
        .dBusWishbone_CYC(dbus_cyc), .dBusWishbone_STB(dbus_stb), .dBusWishbone_ACK(dbus_ack), .dBusWishbone_WE(dbus_we),
        .dBusWishbone_ADR(dbus_adr), .dBusWishbone_DAT_MISO(dbus_dat), .dBusWishbone_DAT_MOSI(dbus_mosi),
        .dBusWishbone_SEL(dbus_sel), .dBusWishbone_ERR(1'b0), .dBusWishbone_CTI(dbus_cti), .dBusWishbone_BTE(dbus_bte),
        .clk(clk), .reset(reset));

    cfu unit(
        .clk(clk), .rst(reset), .cmd_valid(cmd_valid), .cmd_ready(cmd_ready), .function_id(function_id),
        .inputs_0(inputs_0), .inputs_1(inputs_1), .rsp_valid(rsp_valid), .rsp_ready(rsp_ready), .outputs_0(outputs_0));
endmodule
