/* The core as Verilator makes it: two evaluations a cycle. */
#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

struct Core {
    Vtop top;
    void set(bool reset, uint32_t vector, bool iack, uint32_t idat, bool dack, uint32_t ddat)
    {
        top.reset = reset;
        top.reset_vector = vector;
        top.ibus_ack = iack;
        top.ibus_dat = idat;
        top.dbus_ack = dack;
        top.dbus_dat = ddat;
    }
    void settle()
    {
        top.clk = 0;
        top.eval();
    }
    void edge()
    {
        top.clk = 1;
        top.eval();
    }
    Outputs outputs()
    {
        return {(bool)(top.ibus_cyc && top.ibus_stb), (uint32_t)top.ibus_adr, (bool)(top.dbus_cyc && top.dbus_stb),
                (bool)top.dbus_we, (uint32_t)top.dbus_sel, (uint32_t)top.dbus_adr, top.dbus_mosi, top.pc, top.instret};
    }
};
