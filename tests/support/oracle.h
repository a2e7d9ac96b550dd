/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a frame is, told slowly: a second parser for tests, written from the RFCs and not from
 * dataplane/parse.c. It reads one byte at a time through a function that knows the end, and shares
 * only 'struct dp_headers' with the parser that it checks.  And a checker of finished frames on top
 * of it.
 */
#ifndef TESTS_SUPPORT_ORACLE_H
#define TESTS_SUPPORT_ORACLE_H

#include "dataplane/parse.h"

#include <stddef.h>
#include <stdint.h>

/* As dp_parse_head(). */
void oracle_parse(const uint8_t *frame, uint32_t size, uint32_t frame_size, struct dp_headers *ret);

/* Writes what differs to 'text' (size bytes); 0 when nothing does. */
int oracle_differs(const struct dp_headers *a, const struct dp_headers *b, char *text, size_t size);

/* A frame as a receiver's stack looks at it: NULL when headers are well-formed, lengths account for
 * all bytes (but for padding up to 60), and every checksum is right; else what is wrong.  UDP
 * without checksum is right over IPv4 only. */
const char *oracle_receive(const uint8_t *frame, uint32_t size);

#endif
