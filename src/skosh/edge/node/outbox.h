/* Messages that wait in flash until they are acknowledged, through power cuts at any moment.
 *
 * The flash is a ring of sectors, one erased as often as another. A sector begins with its header; records follow:
 *
 *   header   magic, epoch (how many sectors were begun before), first sequence number, CRC-32 of these
 *   record   length | ~length << 16, sequence number, the message up to a whole word, CRC-32 of these, done
 *
 * A record counts once its CRC is written, until `done` (all ones) is written 0. A sector is erased when none of its
 * records counts; before that its header is written 0, so that half an erase brings nothing back. */
#ifndef SKOSH_OUTBOX_H
#define SKOSH_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t sector_bytes, sectors; /* of the port's flash; at least 2 sectors, of 32 to 65,536 bytes */
    uint32_t sector, at;            /* where the next record goes */
    uint32_t epoch, next;           /* of the sector; the next sequence number */
} skosh_outbox;

/* After each start: finds what waits. False where the flash is too small. */
bool skosh_outbox_open(skosh_outbox *box, uint32_t sector_bytes, uint32_t sectors);

/* Keeps a message under the number box->next, which it gives; 0 where there is no room until more is acknowledged. */
uint32_t skosh_outbox_append(skosh_outbox *box, const uint8_t *x, uint32_t bytes);

/* Copies the oldest message with a number above `after`; its number and bytes, or 0 where there is none that fits. */
uint32_t skosh_outbox_read(const skosh_outbox *box, uint32_t after, uint8_t *x, uint32_t size, uint32_t *bytes);

/* Lets go of a message; false where it doesn't wait. */
bool skosh_outbox_ack(skosh_outbox *box, uint32_t seq);

#endif
