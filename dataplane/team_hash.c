/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What decides by which member of a team a frame leaves; see team.h.  All packets of a flow must
 * give the same number, fragments among them, so that they stay in order; beyond that anything
 * that spreads will do.  Reads the first buffer alone: what is not there does not count.
 *
 * Source: IEEE 802.1AX-2014 6.2.4 (the conversation's order is what must be kept).
 */
#include "dataplane/team.h"

#include <string.h>

#define MAX_TAGS      2
#define IPV4_MIN      20u
#define IPV6_SIZE     40u
#define ETHER_IPV4    0x0800
#define ETHER_IPV6    0x86dd
#define FRAGMENT_BITS 0x3fff /* more fragments, or an offset */

static uint32_t mix(uint32_t h, uint32_t v)
{
	h ^= v;
	h *= 0x9e3779b1u;
	return h ^ h >> 15;
}

static uint32_t mix_bytes(uint32_t h, const uint8_t *p, size_t n)
{
	uint32_t word;

	for (; n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = mix(h, word);
	}
	for (; n != 0; n--)
		h = mix(h, *p++);
	return h;
}

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* TCP, UDP and SCTP have their ports at the same place. */
static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 132;
}

static uint32_t hash_ipv4(uint32_t h, const uint8_t *p, size_t size)
{
	size_t header = (size_t)(p[0] & 0xf) * 4;

	h = mix_bytes(h, p + 12, 8);
	if (!has_ports(p[9]) || (be16(p + 6) & FRAGMENT_BITS) != 0 || header < IPV4_MIN ||
	    size < header + 4)
		return h;
	return mix_bytes(h, p + header, 4);
}

/* Extension headers, a fragment's among them, leave it at the addresses. */
static uint32_t hash_ipv6(uint32_t h, const uint8_t *p, size_t size)
{
	h = mix_bytes(h, p + 8, 32);
	return has_ports(p[6]) && size >= IPV6_SIZE + 4 ? mix_bytes(h, p + IPV6_SIZE, 4) : h;
}

static uint32_t hash_flow(const uint8_t *d, size_t size)
{
	uint32_t h = 0;
	size_t at = 12;

	for (int i = 0;
	     i < MAX_TAGS && size >= at + 6 && (be16(d + at) == 0x8100 || be16(d + at) == 0x88a8);
	     i++) {
		h = mix(h, be16(d + at + 2) & 0xfff);
		at += 4;
	}
	if (size >= at + 2 + IPV4_MIN && be16(d + at) == ETHER_IPV4)
		return hash_ipv4(h, d + at + 2, size - at - 2);
	if (size >= at + 2 + IPV6_SIZE && be16(d + at) == ETHER_IPV6)
		return hash_ipv6(h, d + at + 2, size - at - 2);
	return mix_bytes(h, d, 12);
}

uint32_t dp_team_hash(const struct rte_mbuf *m, enum dp_team_spread spread)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t h;

	if (m->data_len < RTE_ETHER_HDR_LEN)
		return 0;
	if (spread == DP_TEAM_BY_PORT)
		h = mix(0, m->port);
	else
		h = spread == DP_TEAM_BY_FLOW ? hash_flow(d, m->data_len) : mix_bytes(0, d + 6, 6);
	return h ^ h >> 8 ^ h >> 16;
}
