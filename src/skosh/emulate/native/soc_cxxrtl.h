/* The core as CXXRTL makes it: one evaluation a cycle, for the buses hang on registers of the bench alone. */
#include "core.cc"

template <size_t N> static uint64_t bits(const cxxrtl::value<N> &v)
{
    return N > 32 ? ((uint64_t)v.data[N > 32 ? 1 : 0] << 32) | v.data[0] : v.data[0];
}
template <size_t N> static uint64_t bits(const cxxrtl::wire<N> &w) { return bits(w.curr); }

template <size_t N> static void put(cxxrtl::value<N> &v, uint32_t to) { v.data[0] = to; }
template <size_t N> static void put(cxxrtl::wire<N> &w, uint32_t to) { w.next.data[0] = w.curr.data[0] = to; }

struct Core {
    cxxrtl_design::p_top top;
    void set(bool reset, uint32_t vector, bool iack, uint32_t idat, bool dack, uint32_t ddat)
    {
        put(top.p_reset, reset);
        put(top.p_reset__vector, vector);
        put(top.p_ibus__ack, iack);
        put(top.p_ibus__dat, idat);
        put(top.p_dbus__ack, dack);
        put(top.p_dbus__dat, ddat);
    }
    void settle()
    {
        put(top.p_clk, 0);
        top.step();
    }
    void edge()
    {
        put(top.p_clk, 1);
        top.step();
    }
    Outputs outputs()
    {
        return {(bool)(bits(top.p_ibus__cyc) && bits(top.p_ibus__stb)), (uint32_t)bits(top.p_ibus__adr),
                (bool)(bits(top.p_dbus__cyc) && bits(top.p_dbus__stb)), (bool)bits(top.p_dbus__we),
                (uint32_t)bits(top.p_dbus__sel), (uint32_t)bits(top.p_dbus__adr), (uint32_t)bits(top.p_dbus__mosi),
                (uint32_t)bits(top.p_pc), bits(top.p_instret)};
    }
};
