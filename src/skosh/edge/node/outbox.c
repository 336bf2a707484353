#include "outbox.h"

#include <string.h>

#include "crc.h"
#include "port.h"

#define MAGIC 0x31584F53u /* "SOX1" */
#define HEADER 16u
#define BLANK 0xFFFFFFFFu

typedef struct {
    uint32_t from, length, seq; /* from: where in the flash its message begins */
    uint32_t bytes;             /* that it takes; 0: there is no record, and if `blank` there is room for one */
    bool blank, whole, done;
} record;

static uint32_t word(uint32_t at)
{
    uint32_t x;
    skosh_port_flash_read(at, &x, 4);
    return x;
}

static void put_word(uint32_t at, uint32_t x)
{
    skosh_port_flash_write(at, &x, 4);
}

static uint32_t padded(uint32_t length)
{
    return (length + 3) & ~3u;
}

static uint32_t flash_crc(uint32_t at, uint32_t bytes)
{
    uint32_t crc = 0, x;
    for (uint32_t i = 0; i < bytes; i += 4) {
        skosh_port_flash_read(at + i, &x, 4);
        crc = skosh_crc32(crc, &x, 4);
    }
    return crc;
}

static bool has_header(const skosh_outbox *box, uint32_t sector)
{
    uint32_t at = sector * box->sector_bytes;
    return word(at) == MAGIC && word(at + 12) == flash_crc(at, 12);
}

static record look(const skosh_outbox *box, uint32_t sector, uint32_t at)
{
    record r = {0, 0, 0, 0, false, false, false};
    if (at + 16 > box->sector_bytes) {
        return r;
    }
    uint32_t base = sector * box->sector_bytes + at, first = word(base), length = first & 0xFFFFu;
    r.blank = first == BLANK;
    if (length != (~first >> 16) || at + 16 + padded(length) > box->sector_bytes) {
        return r;
    }
    uint32_t end = base + 8 + padded(length);
    r.from = base + 8;
    r.length = length;
    r.seq = word(base + 4);
    r.bytes = 16 + padded(length);
    r.whole = word(end) == flash_crc(base, end - base);
    r.done = word(end + 4) != BLANK;
    return r;
}

/* The first record that counts, is above `after`, and has the number `seq`, where that isn't 0. */
static record find(const skosh_outbox *box, uint32_t after, uint32_t seq)
{
    record r = {0, 0, 0, 0, false, false, false};
    for (uint32_t i = 1; i <= box->sectors; i++) { /* the oldest first */
        uint32_t sector = (box->sector + i) % box->sectors, at = HEADER;
        if (!has_header(box, sector)) {
            continue;
        }
        for (;;) {
            r = look(box, sector, at);
            if (r.bytes == 0) {
                break;
            }
            if (r.whole && !r.done && r.seq > after && (seq == 0 || r.seq == seq)) {
                return r;
            }
            at += r.bytes;
        }
    }
    return r;
}

static bool is_waiting(const skosh_outbox *box, uint32_t sector)
{
    if (!has_header(box, sector)) {
        return false;
    }
    uint32_t at = HEADER;
    for (record r = look(box, sector, at); r.bytes != 0; r = look(box, sector, at)) {
        if (r.whole && !r.done) {
            return true;
        }
        at += r.bytes;
    }
    return false;
}

static void begin_sector(skosh_outbox *box, uint32_t sector)
{
    uint32_t base = sector * box->sector_bytes;
    put_word(base, 0);
    put_word(base + 12, 0);
    skosh_port_flash_erase(base);
    box->sector = sector;
    box->epoch++;
    uint32_t header[4] = {MAGIC, box->epoch, box->next, 0};
    header[3] = skosh_crc32(0, header, 12);
    skosh_port_flash_write(base, header, 16);
    box->at = HEADER;
}

bool skosh_outbox_open(skosh_outbox *box, uint32_t sector_bytes, uint32_t sectors)
{
    skosh_outbox empty = {sector_bytes, sectors, 0, 0, 0, 1};
    *box = empty;
    if (sectors < 2 || sector_bytes < 32 || sector_bytes > 65536 || sector_bytes % 4 != 0) {
        return false;
    }
    for (uint32_t sector = 0; sector < sectors; sector++) {
        uint32_t base = sector * sector_bytes;
        if (has_header(box, sector) && word(base + 4) > box->epoch) {
            box->sector = sector;
            box->epoch = word(base + 4);
            box->next = word(base + 8);
        }
    }
    if (box->epoch == 0) {
        begin_sector(box, 0);
        return true;
    }
    box->at = HEADER;
    record r = look(box, box->sector, box->at);
    while (r.bytes != 0) {
        box->next = r.whole ? r.seq + 1 : box->next;
        box->at += r.bytes;
        r = look(box, box->sector, box->at);
    }
    if (!r.blank) {
        box->at = sector_bytes; /* what follows is no record: the next goes to the next sector */
    }
    return true;
}

uint32_t skosh_outbox_append(skosh_outbox *box, const uint8_t *x, uint32_t bytes)
{
    if (bytes > box->sector_bytes || 16 + padded(bytes) > box->sector_bytes - HEADER || bytes > 0xFFFEu) {
        return 0;
    }
    if (box->at + 16 + padded(bytes) > box->sector_bytes) {
        uint32_t sector = (box->sector + 1) % box->sectors;
        if (is_waiting(box, sector)) {
            return 0;
        }
        begin_sector(box, sector);
    }
    uint32_t base = box->sector * box->sector_bytes + box->at;
    uint32_t head[2] = {bytes | ~bytes << 16, box->next};
    uint32_t crc = skosh_crc32(0, head, 8);
    skosh_port_flash_write(base, head, 8);
    for (uint32_t i = 0; i < bytes; i += 4) {
        uint32_t part = BLANK;
        memcpy(&part, x + i, bytes - i < 4 ? bytes - i : 4);
        crc = skosh_crc32(crc, &part, 4);
        put_word(base + 8 + i, part);
    }
    put_word(base + 8 + padded(bytes), crc);
    box->at += 16 + padded(bytes);
    return box->next++;
}

uint32_t skosh_outbox_read(const skosh_outbox *box, uint32_t after, uint8_t *x, uint32_t size, uint32_t *bytes)
{
    record r = find(box, after, 0);
    if (r.bytes == 0 || r.length > size) {
        return 0;
    }
    for (uint32_t i = 0; i < r.length; i += 4) {
        uint32_t part = word(r.from + i);
        memcpy(x + i, &part, r.length - i < 4 ? r.length - i : 4);
    }
    *bytes = r.length;
    return r.seq;
}

bool skosh_outbox_ack(skosh_outbox *box, uint32_t seq)
{
    record r = seq == 0 ? (record){0, 0, 0, 0, false, false, false} : find(box, 0, seq);
    if (r.bytes == 0) {
        return false;
    }
    put_word(r.from + padded(r.length) + 4, 0);
    return true;
}
