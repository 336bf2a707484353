/* What a node asks of its board: ten functions. Everything else is C99. */
#ifndef SKOSH_PORT_H
#define SKOSH_PORT_H

#include <stdint.h>

/* Fills x with what the model takes next; bytes that were read, 0 where there is nothing yet. */
uint32_t skosh_port_sensor(void *x, uint32_t bytes);

/* The link: sends all of it; takes what has come, up to `bytes`, without waiting. */
void skosh_port_send(const uint8_t *x, uint32_t bytes);
uint32_t skosh_port_receive(uint8_t *x, uint32_t bytes);

/* The flash of the outbox; `at` counts from its first byte.
 * An erase makes all bits of a sector 1. A write makes bits 0; `at` and `bytes` are multiples of 4, words are written in
 * order, and a word is written whole or not at all when the power goes. */
void skosh_port_flash_read(uint32_t at, void *x, uint32_t bytes);
void skosh_port_flash_erase(uint32_t at);
void skosh_port_flash_write(uint32_t at, const void *x, uint32_t bytes);

uint64_t skosh_port_time(void);            /* ms */
void skosh_port_sleep(uint32_t ms);        /* or until something comes */
uint32_t skosh_port_battery(void);         /* thousandths of full */
uint32_t skosh_port_random(void);          /* to spread what is sent again; no secrets are made of it */

#endif
