/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random packets of every shape that the builder knows, right in all lengths and checksums.  For
 * differential tests, captures and fuzzing corpora.
 */
#ifndef TESTS_SUPPORT_PACKET_GEN_H
#define TESTS_SUPPORT_PACKET_GEN_H

#include "tests/support/packet.h"

/* Builds a packet from the next numbers of 'state'. */
void pkt_random(struct pkt *p, uint64_t *state);

/* Breaks a finished packet in one way: a byte, a length field, or its end. */
void pkt_mutate(struct pkt *p, uint64_t *state);

#endif
