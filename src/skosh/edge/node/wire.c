#include "wire.h"

#include <string.h>

#include "crc.h"

typedef struct {
    uint8_t *out;
    uint32_t size, length;
    bool failed;
} writer;

static void put_bytes(writer *w, const void *x, uint32_t bytes)
{
    if (w->failed || bytes > w->size - w->length) {
        w->failed = true;
        return;
    }
    memcpy(w->out + w->length, x, bytes);
    w->length += bytes;
}

/* the `bytes` low bytes of a number behind a head, the highest first */
static void put_big(writer *w, uint32_t head, uint64_t number, uint32_t bytes)
{
    uint8_t x[9];
    x[0] = (uint8_t)head;
    for (uint32_t i = bytes; i > 0; i--) {
        x[i] = (uint8_t)number;
        number >>= 8;
    }
    put_bytes(w, x, bytes + 1);
}

/* a head with its number in the fewest bytes; major: the type of what follows */
static void put_head(writer *w, uint32_t major, uint64_t number)
{
    major <<= 5;
    if (number < 24) {
        put_big(w, major | (uint32_t)number, 0, 0);
    } else if (number <= 0xFFu) {
        put_big(w, major | 24u, number, 1);
    } else if (number <= 0xFFFFu) {
        put_big(w, major | 25u, number, 2);
    } else if (number <= 0xFFFFFFFFu) {
        put_big(w, major | 26u, number, 4);
    } else {
        put_big(w, major | 27u, number, 8);
    }
}

static void put_text(writer *w, const char *text)
{
    uint32_t length = 0;
    while (length < 64 && text[length] != 0) {
        length++;
    }
    put_head(w, 3, length);
    put_bytes(w, text, length);
}

static void put_int(writer *w, int32_t value)
{
    put_head(w, value < 0, (uint32_t)(value < 0 ? -1 - value : value));
}

/* in 16 bits where they keep the value, else in 32 */
static void put_float(writer *w, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t sign = bits >> 31 << 15, exponent = bits >> 23 & 255u, fraction = bits & 0x7FFFFFu;
    if (exponent == 255) {
        w->failed = true;
    } else if (exponent == 0 && fraction == 0) {
        put_big(w, 0xF9, sign, 2);
    } else if (exponent >= 113 && exponent <= 142 && (fraction & 0x1FFFu) == 0) {
        put_big(w, 0xF9, sign | (exponent - 112) << 10 | fraction >> 13, 2);
    } else if (exponent >= 103 && exponent < 113 && ((fraction | 0x800000u) & ((1u << (126 - exponent)) - 1)) == 0) {
        put_big(w, 0xF9, sign | (fraction | 0x800000u) >> (126 - exponent), 2); /* subnormal: steps of 2**-24 */
    } else {
        put_big(w, 0xFA, bits, 4);
    }
}

static void put_data(writer *w, const skosh_message *m)
{
    if (m->type == SKOSH_BYTES) {
        put_head(w, 2, m->count);
        put_bytes(w, m->data, m->count);
        return;
    }
    put_head(w, 4, m->count);
    for (uint32_t i = 0; i < m->count && !w->failed; i++) {
        if (m->type == SKOSH_INT8) {
            put_int(w, ((const int8_t *)m->data)[i]);
        } else if (m->type == SKOSH_INT32) {
            put_int(w, ((const int32_t *)m->data)[i]);
        } else {
            put_float(w, ((const float *)m->data)[i]);
        }
    }
}

uint32_t skosh_encode(const skosh_message *m, uint8_t *out, uint32_t size)
{
    static const char kinds[4][12] = {"values", "scores", "features", "activation"};
    writer w = {out, size, 0, false};
    put_head(&w, 5, 6u + (m->conf >= 0) + m->has_energy);
    put_text(&w, "t"); /* keys in the order of their bytes: the shorter first */
    put_head(&w, 0, m->t);
    put_text(&w, "seq");
    put_head(&w, 0, m->seq);
    if (m->conf >= 0) {
        put_text(&w, "conf");
        put_float(&w, m->conf);
    }
    put_text(&w, "data");
    put_data(&w, m);
    put_text(&w, "kind");
    put_text(&w, kinds[m->kind]);
    put_text(&w, "node");
    put_text(&w, m->node);
    put_text(&w, "model");
    put_text(&w, m->model);
    if (m->has_energy) {
        put_text(&w, "energy");
        put_head(&w, 0, m->energy);
    }
    return w.failed ? 0 : w.length;
}

void skosh_frame(const uint8_t *x, uint32_t bytes, void (*put)(const uint8_t *x, uint32_t bytes))
{
    uint32_t crc = skosh_crc32(0, x, bytes), total = bytes + 4, at = 0;
    for (;;) {
        uint8_t block[255];
        uint32_t n = 0;
        for (; n < 254 && at < total; at++) {
            uint8_t byte = (uint8_t)(at < bytes ? x[at] : crc >> 8 * (at - bytes));
            if (byte == 0) {
                break;
            }
            block[++n] = byte;
        }
        block[0] = (uint8_t)(n + 1);
        put(block, n + 1);
        if (n == 254) {
            continue; /* a full block stands for no zero */
        }
        if (at == total) {
            break;
        }
        at++;
    }
    put((const uint8_t *)"", 1);
}

/* The frame in reader->part as it was before COBS, in its place; its length, 0 where it is none. */
static uint32_t unstuff(skosh_reader *reader)
{
    uint32_t length = 0, at = 0;
    while (at < reader->length) {
        uint32_t end = at + reader->part[at];
        if (end > reader->length) {
            return 0;
        }
        while (++at < end) {
            reader->part[length++] = reader->part[at];
        }
        if (at < reader->length) {
            reader->part[length++] = 0;
        }
    }
    return length;
}

/* The number of {"ack": number}, of 32 bits at most. */
static bool parse_ack(const uint8_t *x, uint32_t length, uint32_t *seq)
{
    if (length < 6 || memcmp(x, "\xa1\x63" "ack", 5) != 0) {
        return false;
    }
    uint32_t code = x[5], bytes = code < 24 ? 0 : code == 24 ? 1 : code == 25 ? 2 : code == 26 ? 4 : 99;
    if (length != 6 + bytes) {
        return false;
    }
    uint32_t number = bytes == 0 ? code : 0;
    for (uint32_t i = 0; i < bytes; i++) {
        number = number << 8 | x[6 + i];
    }
    if (bytes != 0 && number < (bytes == 1 ? 24u : 1u << 4 * bytes)) { /* fewer bytes would have done */
        return false;
    }
    *seq = number;
    return true;
}

bool skosh_read_ack(skosh_reader *reader, uint8_t byte, uint32_t *seq)
{
    if (byte != 0) {
        if (reader->length == sizeof reader->part) {
            reader->overrun = true;
        } else {
            reader->part[reader->length++] = byte;
        }
        return false;
    }
    bool empty = reader->length == 0, found = false;
    if (!empty && !reader->overrun) {
        uint32_t length = unstuff(reader);
        if (length > 4) {
            uint32_t crc = skosh_crc32(0, reader->part, length - 4);
            uint8_t little[4] = {(uint8_t)crc, (uint8_t)(crc >> 8), (uint8_t)(crc >> 16), (uint8_t)(crc >> 24)};
            found = memcmp(little, reader->part + length - 4, 4) == 0 && parse_ack(reader->part, length - 4, seq);
        }
    }
    reader->bad += !empty && !found;
    reader->length = 0;
    reader->overrun = false;
    return found;
}
