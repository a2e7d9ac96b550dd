/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a frame keeps what struct dp_headers does not tell: shared by who reads a flow's key
 * (key.c) and who writes its fields (rewrite_*.c), so that both mean the same bytes.
 *
 * Source: RFC 4861 4.3, 4.4, 4.6.1; RFC 3032 2.1; IEEE 802.1ah 9.7.
 */
#ifndef DATAPLANE_KEY_PRIV_H
#define DATAPLANE_KEY_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "dataplane/parse.h"

#define DP_TYPE_MPLS	  0x8847
#define DP_TYPE_MPLS_MC	  0x8848
#define DP_TYPE_PBB	  0x88e7
#define DP_MPLS_SIZE	  4u
#define DP_PBB_SIZE	  18u /* EtherType, I-TAG, customer addresses */
#define DP_MPLS_BOS	  0x100u
#define DP_ARP_SHA_OFFSET 8u
#define DP_ARP_THA_OFFSET 18u

static inline uint16_t dp_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t dp_load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline void dp_store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void dp_store_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

/* 'size' bytes can be read; an entry of the stack starts at h->l2_size. */
static inline bool dp_has_mpls(const struct dp_headers *h, uint32_t size)
{
	return (h->eth_type == DP_TYPE_MPLS || h->eth_type == DP_TYPE_MPLS_MC) &&
	       h->bad == DP_BAD_NONE && size >= h->l2_size + DP_MPLS_SIZE;
}

/* The I-TAG's four bytes start at h->l2_size. */
static inline bool dp_has_pbb(const struct dp_headers *h, uint32_t size)
{
	return h->eth_type == DP_TYPE_PBB && h->bad == DP_BAD_NONE && size >= h->l2_size + 4u;
}

/* Neighbour discovery: offsets into the frame, 0 where there is none.  A solicitation has a target
 * and its sender's link-layer address, an advertisement a target and that of the target. */
struct dp_nd {
	uint32_t target; /* 16 bytes there */
	uint32_t sll;	 /* 6 bytes, the first option of its kind */
	uint32_t tll;
};

void dp_nd_find(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		struct dp_nd *ret_nd);

#endif
