/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random programs that the verifier may well accept, and whose results depend on nothing but the
 * packet and one map: pieces that load, store, calculate, spill, call and jump over each other.
 *
 * By convention r6 to r9 hold pointers (context, packet, its end, a value of the map; they get
 * mixed), r0 to r5 numbers.
 */
#ifndef TESTS_SUPPORT_EBPF_PIECES_H
#define TESTS_SUPPORT_EBPF_PIECES_H

#include "filters/ebpf/insn.h"

#include <stdint.h>

#define EBPF_PIECES_MAX	   1024
#define EBPF_PIECES_VALUE  64 /* bytes of the map's values; an array with one element */
#define EBPF_PIECES_PACKET 64 /* bytes of a packet that they look at */

/* Makes one of the next numbers of 'state'; 'map_fd' is the array's.  Returns how many
 * instructions. */
uint32_t ebpf_pieces(struct bpf_insn *insns, int map_fd, uint64_t *state);

#endif
