#include "node.h"

#include "port.h"

#define FIRST_WAIT 200u
#define LAST_WAIT 51200u

bool skosh_node_begin(skosh_node *node, uint32_t sector_bytes, uint32_t sectors)
{
    skosh_reader empty = {{0}, 0, false, 0};
    node->reader = empty;
    node->due = 0;
    node->wait = FIRST_WAIT;
    return skosh_outbox_open(&node->box, sector_bytes, sectors);
}

bool skosh_node_say(skosh_node *node, skosh_message *message)
{
    message->seq = node->box.next;
    uint32_t bytes = skosh_encode(message, node->x, sizeof node->x);
    return bytes != 0 && skosh_outbox_append(&node->box, node->x, bytes) != 0;
}

uint32_t skosh_node_talk(skosh_node *node)
{
    uint8_t part[16];
    uint32_t bytes, seq;
    while ((bytes = skosh_port_receive(part, sizeof part)) != 0) {
        for (uint32_t i = 0; i < bytes; i++) {
            if (skosh_read_ack(&node->reader, part[i], &seq) && skosh_outbox_ack(&node->box, seq)) {
                node->due = 0;
                node->wait = FIRST_WAIT;
            }
        }
    }
    uint64_t now = skosh_port_time();
    if (now >= node->due) {
        if (skosh_outbox_read(&node->box, 0, node->x, sizeof node->x, &bytes) == 0) {
            return LAST_WAIT;
        }
        skosh_frame(node->x, bytes, skosh_port_send);
        node->due = now + node->wait + skosh_port_random() % (node->wait / 4);
        node->wait = node->wait < LAST_WAIT ? 2 * node->wait : LAST_WAIT;
    }
    return (uint32_t)(node->due - now);
}
