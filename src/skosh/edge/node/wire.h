/* Messages as CBOR (RFC 8949, deterministic), and as frames of a serial line: COBS of the CBOR and its CRC-32, then 0. */
#ifndef SKOSH_WIRE_H
#define SKOSH_WIRE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum { SKOSH_VALUES, SKOSH_SCORES, SKOSH_FEATURES, SKOSH_ACTIVATION } skosh_kind;

/* How data lies in memory, and goes: bytes as they are, or a list of numbers. */
typedef enum { SKOSH_BYTES, SKOSH_INT8, SKOSH_INT32, SKOSH_FLOAT } skosh_type;

typedef struct {
    uint32_t seq;
    uint64_t t;             /* ms */
    const char *node;       /* letters, digits, - and _, up to 64 */
    const char *model;      /* up to 64 bytes of UTF-8 */
    skosh_kind kind;
    skosh_type type;
    const void *data;
    uint32_t count;         /* of elements */
    float conf;             /* 0 to 1; negative: not said */
    bool has_energy;
    uint32_t energy;        /* uJ */
} skosh_message;

/* Writes the message's CBOR; its bytes, or 0 where `size` is too small or a number isn't finite. */
uint32_t skosh_encode(const skosh_message *message, uint8_t *out, uint32_t size);

/* Hands the frame of x to `put`, piece by piece. */
void skosh_frame(const uint8_t *x, uint32_t bytes, void (*put)(const uint8_t *x, uint32_t bytes));

/* Frames that come: begin with all zero. */
typedef struct {
    uint8_t part[24];       /* an acknowledgement is at most 19 */
    uint32_t length;
    bool overrun;
    uint32_t bad;           /* frames that were no acknowledgement */
} skosh_reader;

/* Takes a byte; true when it ends an acknowledgement, of *seq. */
bool skosh_read_ack(skosh_reader *reader, uint8_t byte, uint32_t *seq);

#endif
