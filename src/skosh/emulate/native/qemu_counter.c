/* A QEMU plugin (TCG) that counts what an emulated processor executes and holds it between calls, at native speed.
 *
 * A run is a sequence of segments: 0 is everything outside the watched function; a new segment begins when that
 * function is entered and after each call of the marker function. A translated block that ran is counted under
 * (segment, address, size).
 *
 * Arguments, addresses in hexadecimal: socket=N (an inherited stream socket, decimal), watched, stop, fault (0: none),
 * mark=LO:HI, the code of the marker function, and outside=LO:HI (any number), code that calls the watched function and
 * never runs inside it.
 *
 * Talk, in native integers: at "stop" and "fault", and after more than the allowed instructions, the plugin sends a
 * report and waits for an order; after each mark it sends an empty report and waits for any order. When the other side
 * has closed the socket, the emulator exits.
 *
 * The plugin interface is declared here as far as it is used: these functions are the same in all its versions. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*on_translation)(uint64_t id, struct qemu_plugin_tb *tb);
typedef void (*on_execution)(unsigned cpu, void *user);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_translation callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, on_execution callback, int flags, void *user);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_version = SKOSH_PLUGIN_VERSION;
EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);

typedef struct {
    uint64_t address; /* of the block */
    uint32_t size;    /* bytes of instructions */
    uint32_t instructions;
    uint64_t count;   /* how often it ran */
    uint32_t segment;
    uint32_t padding;
} entry;

enum { STOPPED = 0, FAULT = 1, LIMIT = 2, MARKED = 3 };

typedef struct {
    uint32_t reason;
    uint32_t entries; /* that follow */
    uint64_t address; /* of the block that ran last, 0 when none has */
} report;

typedef struct {
    uint64_t limit;     /* of instructions, until the next stop */
    uint32_t count_all; /* segment 1 begins at once */
    uint32_t padding;
} order;

/* A translated block. QEMU may translate the same one again, so they are kept by address and size, for good. */
typedef struct block {
    struct block *next;
    uint64_t address;
    uint32_t size, instructions;
    uint32_t outside, slot; /* slot: of its entry in the segment that it ran in last */
} block;

typedef struct {
    uint64_t low, high;
} range;

enum { BUCKETS = 1 << 14, RANGES = 16 };

static block *blocks[BUCKETS];
static range outside[RANGES];
static int outside_count;
static range mark;
static uint64_t watched, stop, fault;
static int channel = -1;

static entry *entries;
static uint32_t used, capacity;
static uint64_t executed, limit = UINT64_MAX, return_to;
static const block *last;
static uint32_t inside, markers, segment, marked;

static void say(const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        const ssize_t sent = send(channel, from, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            _exit(0);
        }
        from += sent;
        size -= (size_t)sent;
    }
}

static order hear(void)
{
    order o;
    char *to = (char *)&o;
    size_t missing = sizeof o;
    while (missing > 0) {
        const ssize_t got = recv(channel, to, missing, 0);
        if (got <= 0) {
            _exit(0);
        }
        to += got;
        missing -= (size_t)got;
    }
    return o;
}

/* Reports, waits, and forgets what was counted. */
static void pause_until_ordered(uint32_t reason)
{
    const report r = {reason, used, last == NULL ? 0 : last->address};
    say(&r, sizeof r);
    say(entries, used * sizeof *entries);
    const order o = hear();
    limit = o.limit;
    used = inside = markers = marked = 0;
    segment = o.count_all ? 1 : 0;
    executed = return_to = 0;
    last = NULL;
}

static void count(block *b)
{
    if (b->slot >= used || entries[b->slot].segment != segment || entries[b->slot].address != b->address ||
        entries[b->slot].size != b->size) {
        if (used == capacity) {
            capacity = capacity == 0 ? 1u << 12 : capacity * 2;
            entries = realloc(entries, capacity * sizeof *entries);
            if (entries == NULL) {
                abort();
            }
        }
        b->slot = used++;
        entries[b->slot] = (entry){b->address, b->size, b->instructions, 0, segment, 0};
    }
    entries[b->slot].count++;
    executed += b->instructions;
}

static int within(range r, uint64_t address)
{
    return address >= r.low && address < r.high;
}

static void follow(const block *b)
{
    if (marked && !within(mark, b->address)) { /* the marker's store has happened now */
        const report r = {MARKED, 0, 0};
        say(&r, sizeof r);
        (void)hear();
        marked = 0;
        markers++;
        segment = segment == 0 ? 0 : markers + 1;
    }
    if (b->address == watched && !inside) {
        inside = 1;
        segment = markers + 1;
        return_to = last == NULL || last->outside ? 0 : last->address + last->size;
    } else if (inside && (b->outside || (return_to != 0 && b->address == return_to))) {
        inside = 0;
        segment = 0;
    }
}

static void executes(unsigned cpu, void *user)
{
    block *const b = user;
    (void)cpu;
    follow(b);
    if (b->address == stop || b->address == fault) {
        pause_until_ordered(b->address == stop ? STOPPED : FAULT);
        return;
    }
    count(b);
    last = b;
    marked = within(mark, b->address);
    if (executed > limit) {
        pause_until_ordered(LIMIT);
    }
}

static block *known(uint64_t address, uint32_t size, uint32_t instructions)
{
    block **place = &blocks[(address >> 1) & (BUCKETS - 1)];
    for (block *b = *place; b != NULL; b = b->next) {
        if (b->address == address && b->size == size && b->instructions == instructions) {
            return b;
        }
    }
    block *b = calloc(1, sizeof *b);
    if (b == NULL) {
        abort();
    }
    *b = (block){*place, address, size, instructions, 0, UINT32_MAX};
    for (int i = 0; i < outside_count; i++) {
        b->outside |= (uint32_t)within(outside[i], address);
    }
    *place = b;
    return b;
}

static void translates(uint64_t id, struct qemu_plugin_tb *tb)
{
    const size_t n = qemu_plugin_tb_n_insns(tb);
    const struct qemu_plugin_insn *end = qemu_plugin_tb_get_insn(tb, n - 1);
    const uint64_t address = qemu_plugin_tb_vaddr(tb);
    const uint64_t size = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end) - address;
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executes, 0, known(address, (uint32_t)size, (uint32_t)n));
}

EXPORT int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        char *const value = strchr(argv[i], '=');
        if (value == NULL) {
            return 1;
        }
        *value = 0;
        char *rest = NULL;
        const uint64_t number = strtoull(value + 1, &rest, strcmp(argv[i], "socket") == 0 ? 10 : 16);
        if (strcmp(argv[i], "socket") == 0) {
            channel = (int)number;
        } else if (strcmp(argv[i], "watched") == 0) {
            watched = number;
        } else if (strcmp(argv[i], "stop") == 0) {
            stop = number;
        } else if (strcmp(argv[i], "fault") == 0) {
            fault = number;
        } else if (strcmp(argv[i], "mark") == 0 && *rest == ':') {
            mark = (range){number, strtoull(rest + 1, NULL, 16)};
        } else if (strcmp(argv[i], "outside") == 0 && *rest == ':' && outside_count < RANGES) {
            outside[outside_count++] = (range){number, strtoull(rest + 1, NULL, 16)};
        } else {
            return 1;
        }
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translates);
    return 0;
}
