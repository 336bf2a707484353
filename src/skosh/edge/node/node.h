/* What a node says goes through the outbox, and is sent until it is acknowledged, one message at a time. */
#ifndef SKOSH_NODE_H
#define SKOSH_NODE_H

#include "outbox.h"
#include "wire.h"

#ifndef SKOSH_NODE_BYTES
#define SKOSH_NODE_BYTES 512u /* of the largest message */
#endif

typedef struct {
    skosh_outbox box;
    skosh_reader reader;
    uint64_t due;              /* ms: when the oldest message goes again */
    uint32_t wait;             /* ms until then, doubled each time it isn't acknowledged */
    uint8_t x[SKOSH_NODE_BYTES];
} skosh_node;

/* After each start. False where the flash is too small. */
bool skosh_node_begin(skosh_node *node, uint32_t sector_bytes, uint32_t sectors);

/* Numbers a message and keeps it; false where it is too large or there is no room until more is acknowledged. */
bool skosh_node_say(skosh_node *node, skosh_message *message);

/* Takes the acknowledgements that came, and sends the oldest message if it is due: 0.2 s after it was sent the first time,
 * then twice as long each time, up to 51 s, and up to a quarter more by chance. Gives ms until it has to be called again. */
uint32_t skosh_node_talk(skosh_node *node);

#endif
