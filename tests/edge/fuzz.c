/* The node's C on this computer, fed with what no sender and no flash in order would give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "outbox.h"
#include "port.h"
#include "wire.h"

static uint32_t state = 1, sector_bytes, sectors;
static uint8_t *flash; /* of its exact size, so that the sanitizer sees the first byte beyond */
static uint8_t sent[4096];
static uint32_t sent_bytes;

static uint32_t any(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

void skosh_port_flash_read(uint32_t at, void *x, uint32_t bytes) { memcpy(x, flash + at, bytes); }
void skosh_port_flash_erase(uint32_t at) { memset(flash + at, 0xFF, sector_bytes); }

void skosh_port_flash_write(uint32_t at, const void *x, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        flash[at + i] &= ((const uint8_t *)x)[i];
    }
}

uint32_t skosh_port_receive(uint8_t *x, uint32_t bytes) { (void)x; (void)bytes; return 0; }
void skosh_port_send(const uint8_t *x, uint32_t bytes) { (void)x; (void)bytes; }
uint64_t skosh_port_time(void) { return 0; }
uint32_t skosh_port_random(void) { return 4; }

static void put(const uint8_t *x, uint32_t bytes)
{
    memcpy(sent + sent_bytes, x, bytes);
    sent_bytes += bytes;
}

/* Any bytes, and frames with a byte changed, until a true one comes: it must be found. */
static int fuzz_reader(void)
{
    skosh_reader reader = {{0}, 0, false, 0};
    const uint8_t ack[] = {0xa1, 0x63, 'a', 'c', 'k', 0x19, 0x30, 0x39};
    uint32_t seq = 0, missed = 0;
    for (int round = 0; round < 20000; round++) {
        for (uint32_t i = any(40); i > 0; i--) {
            (void)skosh_read_ack(&reader, (uint8_t)any(any(2) ? 256 : 6), &seq);
        }
        sent_bytes = 0;
        skosh_frame(ack, sizeof ack, put);
        uint8_t hurt[64];
        memcpy(hurt, sent, sent_bytes);
        hurt[any(sent_bytes)] ^= (uint8_t)(1u << any(8));
        for (uint32_t i = 0; i < sent_bytes; i++) {
            (void)skosh_read_ack(&reader, hurt[i], &seq);
        }
        (void)skosh_read_ack(&reader, 0, &seq);
        bool found = false;
        for (uint32_t i = 0; i < sent_bytes; i++) {
            found = skosh_read_ack(&reader, sent[i], &seq);
        }
        missed += !found || seq != 12345;
    }
    printf("reader %u missed, bad %d\n", missed, reader.bad > 10000);
    return missed != 0;
}

/* Flash with anything in it, with headers and lengths that are likely; whatever is found, nothing beyond it is touched. */
static int fuzz_outbox(void)
{
    uint32_t broken = 0;
    for (int round = 0; round < 3000; round++) {
        sector_bytes = 32 + 4 * any(40);
        sectors = 2 + any(3);
        flash = malloc((size_t)sector_bytes * sectors);
        for (uint32_t i = 0; i < sector_bytes * sectors; i++) {
            flash[i] = (uint8_t)(any(3) ? 0xFF : any(256));
        }
        skosh_outbox box;
        broken += !skosh_outbox_open(&box, sector_bytes, sectors);
        for (int step = 0; step < 12; step++) {
            uint8_t x[64];
            uint32_t length = any(sizeof x), bytes = 0, seq;
            memset(x, step, sizeof x);
            seq = skosh_outbox_append(&box, x, length);
            if (any(4) == 0) { /* a word is torn */
                flash[any(sector_bytes * sectors)] &= (uint8_t)any(256);
            }
            broken += skosh_outbox_read(&box, any(3), x, any(sizeof x), &bytes) != 0 && bytes > sizeof x;
            (void)skosh_outbox_ack(&box, any(2) ? seq : any(12));
            broken += !skosh_outbox_open(&box, sector_bytes, sectors);
        }
        free(flash);
    }
    printf("outbox %u broken\n", broken);
    return broken != 0;
}

static int fuzz_encoder(void)
{
    uint32_t wrong = 0;
    for (int round = 0; round < 20000; round++) {
        uint32_t count = any(30), size = any(200);
        float *data = malloc(4 * (size_t)count + 4);
        uint8_t *out = malloc((size_t)size + 1);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t bits = any(1u << 24) << 8 | any(256);
            memcpy(&data[i], &bits, 4);
        }
        skosh_message m = {round ? any(1u << 24) : 0, (uint64_t)any(1u << 24) << any(29), "node", "model", (skosh_kind)any(4),
                           (skosh_type)any(4), data, count, any(2) ? -1.0f : 0.3f, any(2) != 0, any(1u << 24)};
        wrong += skosh_encode(&m, out, size) > size;
        free(out);
        free(data);
    }
    printf("encoder %u wrong\n", wrong);
    return wrong != 0;
}

int main(void)
{
    return fuzz_reader() | fuzz_outbox() | fuzz_encoder();
}
