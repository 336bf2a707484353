/* Counts what an emulated processor executes, at native speed: the callbacks that Unicorn runs for each block and for
 * each store to the marker address. One counter an emulator; no two threads.
 *
 * A run is a sequence of segments: 0 is everything outside the watched function; a new segment begins when that
 * function is entered and after each marker. A block that ran is counted under (segment, address, size). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef int (*read_memory)(void *uc, uint64_t address, void *bytes, uint64_t size);
typedef int (*read_register)(void *uc, int id, void *value);
typedef int (*stop_emulator)(void *uc);

typedef struct {
    uint64_t address; /* of the block */
    uint32_t size;    /* bytes of instructions; 0: a free slot */
    uint32_t segment;
    uint64_t count;   /* how often it ran */
    uint64_t fell;    /* how often the next block was the one that follows it in memory */
} entry;

typedef struct {
    uint32_t layer;
    uint32_t size;
    uint64_t address;
    uint8_t *into;
} snapshot;

typedef struct {
    read_memory read_memory;
    read_register read_register;
    stop_emulator stop;
    uint64_t watched;    /* address of the watched function; 1: none, count all from the start */
    uint64_t fault;      /* address to stop at */
    uint64_t byte_limit; /* of instructions executed, then stop */
    int sp_id, lr_id;    /* Unicorn's register numbers */
    uint32_t capacity;   /* of entries: a power of two */
    uint32_t used;
    entry *entries;
    entry *last;         /* the block before */
    uint64_t last_end;
    uint64_t bytes;
    uint64_t return_to;
    uint32_t entry_sp;
    uint32_t segment;
    uint32_t inside;     /* the watched function */
    uint32_t reason;     /* why it stopped: 0 by itself, 1 fault, 2 limit, 3 out of memory, 4 misaligned */
    uint32_t markers, marker_capacity;
    uint32_t *layers;    /* the values stored at the marker address, in order */
    const snapshot *snapshots;
    uint32_t snapshot_count;
} counter;

enum { FAULT = 1, LIMIT = 2, OUT_OF_MEMORY = 3, MISALIGNED = 4 };

void skosh_block(void *uc, uint64_t address, uint32_t size, void *user);
void skosh_marker(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user);
void skosh_access(void *uc, int type, uint64_t address, int size, int64_t value, void *user);
counter *skosh_counter_new(void);
void skosh_counter_reset(counter *c);
void skosh_counter_free(counter *c);

static void halt(counter *c, void *uc, uint32_t reason)
{
    c->reason = reason;
    c->stop(uc);
}

static uint32_t slot_of(const counter *c, uint64_t address, uint32_t size, uint32_t segment)
{
    const uint64_t key = (address >> 1) ^ ((uint64_t)segment << 24) ^ ((uint64_t)size << 44);
    return (uint32_t)((key * 0x9E3779B97F4A7C15u) >> 32) & (c->capacity - 1);
}

static entry *find(counter *c, uint64_t address, uint32_t size, uint32_t segment)
{
    uint32_t i = slot_of(c, address, size, segment);
    for (;; i = (i + 1) & (c->capacity - 1)) {
        entry *e = &c->entries[i];
        if (e->size == 0 || (e->address == address && e->size == size && e->segment == segment)) {
            return e;
        }
    }
}

static int grow(counter *c)
{
    entry *old = c->entries;
    const uint32_t count = c->capacity;
    entry *bigger = calloc((size_t)count * 2, sizeof *bigger);
    if (bigger == NULL) {
        return 0;
    }
    c->entries = bigger;
    c->capacity = count * 2;
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].size != 0) {
            *find(c, old[i].address, old[i].size, old[i].segment) = old[i];
        }
    }
    c->last = NULL; /* it moved; its fall-through was counted before this */
    free(old);
    return 1;
}

void skosh_block(void *uc, uint64_t address, uint32_t size, void *user)
{
    counter *c = user;
    if (c->last != NULL && c->last_end == address) {
        c->last->fell++;
    }
    if (address == c->watched && !c->inside) {
        uint32_t lr = 0;
        c->read_register(uc, c->sp_id, &c->entry_sp);
        c->read_register(uc, c->lr_id, &lr);
        c->return_to = lr & ~1u;
        c->inside = 1;
        c->segment = c->markers + 1;
    } else if (c->inside && address == c->return_to) {
        uint32_t sp = 0;
        c->read_register(uc, c->sp_id, &sp);
        if (sp >= c->entry_sp) { /* not a call of the same function from deeper down */
            c->inside = 0;
            c->segment = 0;
        }
    }
    if (address == c->fault) {
        halt(c, uc, FAULT);
        return;
    }
    if (size == 0) {
        return;
    }
    if (c->used >= c->capacity / 2 && !grow(c)) {
        halt(c, uc, OUT_OF_MEMORY);
        return;
    }
    entry *e = find(c, address, size, c->segment);
    if (e->size == 0) {
        *e = (entry){address, size, c->segment, 0, 0};
        c->used++;
    }
    e->count++;
    c->last = e;
    c->last_end = address + size;
    c->bytes += size;
    if (c->bytes > c->byte_limit) {
        halt(c, uc, LIMIT);
    }
}

void skosh_marker(void *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    counter *c = user;
    (void)size;
    if (offset != 0) {
        return;
    }
    if (c->markers == c->marker_capacity) {
        const uint32_t capacity = c->marker_capacity * 2;
        uint32_t *layers = realloc(c->layers, capacity * sizeof *layers);
        if (layers == NULL) {
            halt(c, uc, OUT_OF_MEMORY);
            return;
        }
        c->layers = layers;
        c->marker_capacity = capacity;
    }
    c->layers[c->markers++] = (uint32_t)value;
    if (c->segment != 0) {
        c->segment = c->markers + 1;
    }
    for (uint32_t i = 0; i < c->snapshot_count; i++) {
        const snapshot *s = &c->snapshots[i];
        if (s->layer == (uint32_t)value) {
            c->read_memory(uc, s->address, s->into, s->size);
        }
    }
}

void skosh_access(void *uc, int type, uint64_t address, int size, int64_t value, void *user)
{
    (void)type;
    (void)value;
    if ((address & ((uint64_t)size - 1)) != 0) {
        halt(user, uc, MISALIGNED);
    }
}

counter *skosh_counter_new(void)
{
    counter *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->capacity = 1u << 14;
    c->marker_capacity = 256;
    c->entries = calloc(c->capacity, sizeof *c->entries);
    c->layers = calloc(c->marker_capacity, sizeof *c->layers);
    if (c->entries == NULL || c->layers == NULL) {
        skosh_counter_free(c);
        return NULL;
    }
    return c;
}

void skosh_counter_reset(counter *c)
{
    memset(c->entries, 0, c->capacity * sizeof *c->entries);
    c->last = NULL;
    c->used = c->markers = c->inside = c->reason = c->entry_sp = 0;
    c->last_end = c->bytes = 0;
    c->segment = c->watched == 1 ? 1 : 0;
}

void skosh_counter_free(counter *c)
{
    free(c->entries);
    free(c->layers);
    free(c);
}
