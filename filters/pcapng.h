/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Blocks of a pcapng file, written into memory.  Bytes only: no state, no I/O, any thread.
 *
 * rte_pcapng is not used: in 22.11 it describes interfaces by DPDK port id, and most of our ports
 * (tap, vhost-user, VM channels) are no DPDK device; it also has no comment per packet, which is
 * where a drop says its reason.
 *
 * Each function writes one whole block at 'buf' and returns its size, a multiple of 4, or 0 when
 * 'size' is too small (nothing useful is then in 'buf').  Words are in the host's order; the
 * section header says which that is.  Texts are cut at 255 bytes.  Source:
 * draft-ietf-opsawg-pcapng, sections 3.5 (options) and 4.1 to 4.6.
 */
#ifndef FILTERS_PCAPNG_H
#define FILTERS_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

/* No block but a packet is longer; a packet is at most this longer than its bytes. */
#define FILTER_PCAPNG_BLOCK_MAX 1200u

/* A statistics block of filter_pcapng_stats() has exactly this size. */
#define FILTER_PCAPNG_STATS_SIZE 112u

#define FILTER_PCAPNG_PACKET 6u /* the type of a packet block, its first word */

/* epb_flags, section 4.3 */
#define FILTER_PCAPNG_INBOUND	(1u << 0)
#define FILTER_PCAPNG_OUTBOUND	(2u << 0)
#define FILTER_PCAPNG_UNICAST	(1u << 2)
#define FILTER_PCAPNG_MULTICAST (2u << 2)
#define FILTER_PCAPNG_BROADCAST (3u << 2)

/* Section Header Block; its length is left open.  Texts may be NULL. */
struct filter_pcapng_section {
	const char *hardware, *os, *application;
};
size_t filter_pcapng_section(void *buf, size_t size, const struct filter_pcapng_section *section);

/* Interface Description Block: Ethernet, time in nanoseconds.  Texts may be NULL. */
struct filter_pcapng_interface {
	const char *name, *description, *filter;
	uint32_t snaplen;
};
size_t filter_pcapng_interface(void *buf, size_t size,
			       const struct filter_pcapng_interface *interface);

/* Enhanced Packet Block.  'data' may be where it belongs already: at buf + FILTER_PCAPNG_DATA. */
#define FILTER_PCAPNG_DATA 28u
struct filter_pcapng_packet {
	uint64_t time_ns; /* since 1970 */
	const void *data;
	uint32_t interface;
	uint32_t cap_len, pkt_len;
	uint32_t flags;	     /* epb_flags; 0: option left out */
	const char *comment; /* may be NULL */
	/* May be NULL; an epb_verdict of type 0, whose bytes are the decider's own. */
	const char *verdict;
};
size_t filter_pcapng_packet(void *buf, size_t size, const struct filter_pcapng_packet *packet);

/* Interface Statistics Block: counts since the capture's start. */
struct filter_pcapng_stats {
	uint64_t start_ns, now_ns;
	uint64_t received, dropped, accepted, os_dropped, delivered;
	uint32_t interface;
};
size_t filter_pcapng_stats(void *buf, size_t size, const struct filter_pcapng_stats *stats);

/* Walks whole blocks: the size of the longest prefix of 'size' bytes that ends at a block's end;
 * *ret_packets is the number of packet blocks in it. */
size_t filter_pcapng_whole_blocks(const void *buf, size_t size, uint64_t *ret_packets);

#endif
