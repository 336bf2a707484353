/* The bench around a simulated core: memories with wait states, devices, and a watch on what happens.
 *
 * A memory acknowledges a word one cycle after it is asked for it, and as many cycles later as it has wait states; the
 * same for each word of a cache line. What is in no memory reads as zero. */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

struct Outputs {
    bool iask;
    uint32_t iadr;
    bool dask, dwe;
    uint32_t dsel, dadr, dmosi, pc;
    uint64_t instret;
};

#include CORE_HEADER

struct Region {
    uint32_t origin, size, wait;
    uint8_t *bytes;
};

enum Event { NONE, MARK, BEGIN, END, FAULT, LIMIT, READY };
enum Device { DEVICES = 0xE0000000, GO = 0xE0001000, DO_BEGIN = GO + 4, DO_END = GO + 8, UART = GO + 12, FAULT_PC = GO + 16,
              FAULT_CAUSE = GO + 20 };

struct Port {
    bool ack;
    uint32_t data, waited;
};

struct Soc {
    Core core;
    Region regions[2];
    uint32_t vector, fault_pc, value;
    uint64_t cycle, instret;
    uint32_t pc;
    bool armed;
    Event event;
    Port fetch, data;
    std::string printed;
};

static Region *region_of(Soc *s, uint32_t address)
{
    for (Region &r : s->regions)
        if (address - r.origin < r.size)
            return &r;
    return nullptr;
}

static void device_store(Soc *s, uint32_t address, uint32_t word)
{
    switch (address) {
    case DO_BEGIN: s->event = BEGIN; break;
    case DO_END: s->event = END; break;
    case UART: s->printed += (char)word; break;
    case FAULT_PC: s->fault_pc = word; break;
    case FAULT_CAUSE: s->event = FAULT; break;
    default:
        if ((address & 0xFFFFF000u) == DEVICES)
            s->event = MARK;
    }
    s->value = word;
}

static uint32_t device_load(Soc *s, uint32_t address)
{
    if (address != GO)
        return 0;
    if (!s->armed)
        s->event = READY;
    bool go = s->armed;
    s->armed = false;
    return go;
}

static void answer(Soc *s, Port *p, uint32_t address, bool store, uint32_t select, uint32_t word)
{
    Region *r = region_of(s, address);
    if (p->waited++ < (r ? r->wait : 0))
        return;
    p->waited = 0;
    p->ack = true;
    if (!r) {
        if (store)
            device_store(s, address, word);
        else
            p->data = address >= DEVICES ? device_load(s, address) : 0;
        return;
    }
    uint8_t *at = r->bytes + (address - r->origin);
    if (!store)
        memcpy(&p->data, at, 4);
    else
        for (int i = 0; i < 4; i++)
            if (select >> i & 1)
                at[i] = (uint8_t)(word >> 8 * i);
}

static void cycle(Soc *s, bool reset)
{
    s->core.set(reset, s->vector, s->fetch.ack, s->fetch.data, s->data.ack, s->data.data);
    s->core.settle();
    Outputs o = s->core.outputs();
    s->pc = o.pc;
    s->instret = o.instret;
    bool iack = s->fetch.ack, dack = s->data.ack;
    s->fetch.ack = s->data.ack = false;
    if (o.iask && !iack)
        answer(s, &s->fetch, o.iadr << 2, false, 0, 0);
    if (o.dask && !dack)
        answer(s, &s->data, o.dadr << 2, o.dwe, o.dsel, o.dmosi);
    s->core.edge();
    s->cycle++;
}

extern "C" {

Soc *soc_new(uint32_t vector, const uint32_t *flash, const uint32_t *ram)
{
    Soc *s = new Soc();
    const uint32_t *given[2] = {flash, ram};
    for (int i = 0; i < 2; i++)
        s->regions[i] = {given[i][0], given[i][1], given[i][2], (uint8_t *)calloc(1, given[i][1])};
    s->vector = vector;
    for (int i = 0; i < 10; i++)
        cycle(s, true);
    s->cycle = 0;
    return s;
}

void soc_free(Soc *s)
{
    for (Region &r : s->regions)
        free(r.bytes);
    delete s;
}

uint8_t *soc_memory(Soc *s, int which) { return s->regions[which].bytes; }

void soc_go(Soc *s) { s->armed = true; }

/* Runs until something happens, or for so many cycles. */
int soc_run(Soc *s, uint64_t most)
{
    s->event = NONE;
    for (uint64_t i = 0; i < most; i++) {
        cycle(s, false);
        if (s->event != NONE)
            return s->event;
    }
    return LIMIT;
}

uint64_t soc_get(Soc *s, int what)
{
    const uint64_t all[] = {s->cycle, s->instret, s->pc, s->value, s->fault_pc};
    return all[what];
}

size_t soc_printed(Soc *s, char *to, size_t most)
{
    size_t n = s->printed.copy(to, most);
    s->printed.erase(0, n);
    return n;
}

}
