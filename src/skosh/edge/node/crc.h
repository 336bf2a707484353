/* CRC-32 of IEEE 802.3: begin with 0, go on with what the last call gave. */
#ifndef SKOSH_CRC_H
#define SKOSH_CRC_H

#include <stdint.h>

uint32_t skosh_crc32(uint32_t crc, const void *x, uint32_t bytes);

#endif
