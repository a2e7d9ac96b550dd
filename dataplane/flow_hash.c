/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The hash of a flow; see parse.h.
 *
 * Words are joined by 64 x 64 -> 128 bit multiplication, both operands masked with keys made from
 * the seed.  A CRC would be cheaper by a cycle, but it is linear: two flows that collide under one
 * seed collide under all.
 */
#include "dataplane/parse.h"

#include <string.h>

struct keys {
	uint64_t a, b;
};

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t join(uint64_t x, uint64_t y)
{
	unsigned __int128 product = (unsigned __int128)x * y;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The constants only spread the seed's bits over both words: the golden ratio and the square root
 * of 2. */
static inline struct keys keys_of(uint32_t seed)
{
	uint64_t wide = (seed + UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0x6a09e667f3bcc909);

	return (struct keys){wide ^ UINT64_C(0x9e3779b97f4a7c15),
			     (wide << 32 | wide >> 32) ^ UINT64_C(0x6a09e667f3bcc909)};
}

static inline uint64_t addresses(const uint8_t *frame, const struct dp_headers *h, struct keys k)
{
	const uint8_t *src = frame + h->ip_src, *dst = frame + h->ip_dst;

	if (h->ip_src == 0) /* MACs: 6 + 6 bytes, then what follows them */
		return join(load64(frame) ^ k.a,
			    ((uint64_t)load32(frame + 8) << 16 | h->eth_type) ^ k.b);
	if (h->l3 == DP_L3_IPV6)
		return join(load64(src) ^ k.a, load64(src + 8) ^ k.b) +
		       join(load64(dst) ^ k.b, load64(dst + 8) ^ ~k.a);
	return ((uint64_t)load32(src) << 32 | load32(dst)) ^ k.a;
}

uint32_t dp_flow_hash(const uint8_t *frame, const struct dp_headers *h, uint32_t seed)
{
	struct keys k = keys_of(seed);
	uint64_t rest = h->ip_proto, hash;

	if (h->bad == DP_BAD_ETH)
		return join(k.a, k.b);
	/* Only the first fragment has ports, and all of them must stay together. */
	if (h->frag == 0)
		rest |= (uint64_t)h->sport << 48 | (uint64_t)h->dport << 32;
	if (h->l3 == DP_L3_ARP && h->ip_src != 0)
		rest = join(load64(frame) ^ k.b, load32(frame + 8) ^ k.a); /* and the MACs */
	hash = join(addresses(frame, h, k), rest ^ k.b);
	return join(hash ^ k.b, k.a | 1);
}
