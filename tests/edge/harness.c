/* One thing a start: what to do is in a mailbox, and flash is memory that only an erase makes ones in. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "node.h"
#include "outbox.h"
#include "port.h"
#include "wire.h"

#define SECTOR_BYTES 128u
#define SECTORS 3u

static volatile uint32_t *const flash = (volatile uint32_t *)0x61000000u;

typedef struct {
    uint32_t op, argument, length, result, erases[SECTORS], wrong;
    uint8_t data[3600];
} mailbox;

static mailbox *const mail = (mailbox *)0x60000000u;

typedef struct {
    uint32_t seq, t_low, t_high, kind, type, count;
    float conf;
    uint32_t has_energy, energy;
    char node[68], model[68];
    uint8_t data[2048];
} request;

uint32_t skosh_port_sensor(void *x, uint32_t bytes) { (void)x; return bytes; }

static uint8_t sent[3600];
static uint32_t sent_bytes, taken;
static uint64_t now;

void skosh_port_send(const uint8_t *x, uint32_t bytes)
{
    memcpy(sent + sent_bytes, x, bytes);
    sent_bytes += bytes;
}

uint32_t skosh_port_receive(uint8_t *x, uint32_t bytes)
{
    uint32_t left = mail->length - taken;
    bytes = left < bytes ? left : bytes;
    memcpy(x, mail->data + taken, bytes);
    taken += bytes;
    return bytes;
}

uint64_t skosh_port_time(void) { return now; }
void skosh_port_sleep(uint32_t ms) { (void)ms; }
uint32_t skosh_port_battery(void) { return 1000; }
uint32_t skosh_port_random(void) { return 4; }

void skosh_port_flash_read(uint32_t at, void *x, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i += 4) {
        uint32_t word = flash[(at + i) / 4];
        memcpy((uint8_t *)x + i, &word, 4);
    }
}

void skosh_port_flash_erase(uint32_t at)
{
    mail->wrong |= at % SECTOR_BYTES;
    mail->erases[at / SECTOR_BYTES]++;
    for (uint32_t i = 0; i < SECTOR_BYTES / 4; i++) {
#ifdef ERASE_DOWN
        flash[at / 4 + SECTOR_BYTES / 4 - 1 - i] = 0xFFFFFFFFu;
#else
        flash[at / 4 + i] = 0xFFFFFFFFu;
#endif
    }
}

void skosh_port_flash_write(uint32_t at, const void *x, uint32_t bytes)
{
    mail->wrong |= at % 4 | bytes % 4;
    for (uint32_t i = 0; i < bytes; i += 4) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)x + i, 4);
        flash[(at + i) / 4] &= word;
    }
}

static uint32_t list(skosh_outbox *box)
{
    uint32_t count = 0, at = 0, seq = 0, bytes = 0;
    while ((seq = skosh_outbox_read(box, seq, mail->data + at + 8, 256, &bytes)) != 0) {
        memcpy(mail->data + at, &seq, 4);
        memcpy(mail->data + at + 4, &bytes, 4);
        at += 8 + bytes;
        count++;
    }
    return count;
}

static uint32_t encode(bool framed)
{
    static request r;
    static uint8_t cbor[3000];
    memcpy(&r, mail->data, sizeof r);
    skosh_message m = {
        r.seq, (uint64_t)r.t_high << 32 | r.t_low, r.node, r.model, (skosh_kind)r.kind, (skosh_type)r.type, r.data, r.count,
        r.conf, r.has_energy != 0, r.energy,
    };
    uint32_t bytes = skosh_encode(&m, cbor, mail->argument);
    if (framed) {
        skosh_frame(cbor, bytes, skosh_port_send);
        memcpy(mail->data, sent, sent_bytes);
        return sent_bytes;
    }
    memcpy(mail->data, cbor, bytes);
    return bytes;
}

static uint32_t acks(void)
{
    static skosh_reader reader;
    static uint32_t found[400];
    uint32_t count = 0;
    for (uint32_t i = 0; i < mail->length; i++) {
        count += skosh_read_ack(&reader, mail->data[i], &found[count]);
    }
    memcpy(mail->data, found, sizeof found);
    mail->argument = reader.bad;
    return count;
}

/* A life between two power cuts: says argument's byte if that isn't 0, hears what is in the mail, and talks for a second.
 * result: what it sent; argument: 1 if what it said is kept. */
static uint32_t live(void)
{
    static skosh_node node;
    static uint8_t said;
    said = (uint8_t)mail->argument;
    skosh_message m = {0, 7, "door-1", "kws", SKOSH_VALUES, SKOSH_BYTES, &said, 1, -1.0f, false, 0};
    mail->wrong |= !skosh_node_begin(&node, SECTOR_BYTES, SECTORS);
    uint32_t wait = skosh_node_talk(&node);
    mail->argument = said != 0 && skosh_node_say(&node, &m);
    for (now = wait; now < 1000; now += wait) {
        wait = skosh_node_talk(&node);
    }
    memcpy(mail->data, sent, sent_bytes);
    return sent_bytes;
}

int skosh_main(void)
{
    skosh_outbox box;
    if (mail->op == 7) {
        mail->result = live();
        return 0;
    }
    if (mail->op >= 4) {
        mail->result = mail->op == 6 ? acks() : encode(mail->op == 5);
        return 0;
    }
    mail->wrong |= !skosh_outbox_open(&box, SECTOR_BYTES, SECTORS);
    mail->result = mail->op == 1   ? skosh_outbox_append(&box, mail->data, mail->length)
                   : mail->op == 2 ? skosh_outbox_ack(&box, mail->argument)
                                   : list(&box);
    return 0;
}
