/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Input of the offload fuzzer: what a guest chooses, then the frame.  Little-endian, packed.
 */
#ifndef TESTS_FUZZ_OFFLOAD_H
#define TESTS_FUZZ_OFFLOAD_H

#include <stdint.h>

#define OFFLOAD_CUTS 4

#define OFFLOAD_IPV4	0x01
#define OFFLOAD_IPV6	0x02
#define OFFLOAD_IP_CSUM 0x04
#define OFFLOAD_TCP_SEG 0x08
#define OFFLOAD_UDP_SEG 0x10
#define OFFLOAD_L4(n)	((n) << 6) /* RTE_MBUF_F_TX_L4_MASK */

struct offload_input {
	uint8_t flags;
	uint8_t l2_len;
	uint16_t l3_len;
	uint8_t l4_len;
	uint8_t max_segments;
	uint16_t tso_segsz;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t cuts[OFFLOAD_CUTS]; /* sizes of the first segments */
} __attribute__((packed));

#endif
