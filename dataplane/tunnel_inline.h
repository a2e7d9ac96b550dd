/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Encapsulation, inline for the packet path.  Included by tunnel_wire.h.
 */
#ifndef DATAPLANE_TUNNEL_INLINE_H
#define DATAPLANE_TUNNEL_INLINE_H

#include "dataplane/tunnel_wire.h"

#define DP_TUN_BE16(x) ((uint16_t)((uint16_t)(x) << 8 | (uint16_t)(x) >> 8))

static inline void dp_tun_put16(uint8_t *p, uint16_t host)
{
	uint16_t v = DP_TUN_BE16(host);

	memcpy(p, &v, sizeof(v));
}

static inline uint16_t dp_tun_get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return DP_TUN_BE16(v);
}

static inline uint64_t dp_tun_get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Dynamic ports, as RFC 7348 section 5 and RFC 8926 section 3.3 advise. */
static inline uint16_t dp_tunnel_sport(uint32_t hash)
{
	return (uint16_t)(0xc000 | (hash & 0x3fff));
}

static inline void dp_tunnel_head_put(const struct dp_tunnel_head *h, uint8_t *inner,
				      uint32_t inner_size, uint32_t hash, uint8_t tos, uint8_t ttl,
				      uint16_t id)
{
	uint8_t *d = inner - DP_TUNNEL_HEAD;
	uint8_t *ip = d + h->ip;
	uint16_t l4_size = (uint16_t)(DP_TUNNEL_HEAD - h->l4 + inner_size);

	memcpy(d, h->b, DP_TUNNEL_HEAD);
	if (!h->v6) {
		uint16_t size = (uint16_t)(l4_size + 20);
		uint32_t sum = h->ip_sum + size + tos + ((uint32_t)ttl << 8) + id;

		ip[1] = tos;
		dp_tun_put16(ip + 2, size);
		dp_tun_put16(ip + 4, id);
		ip[8] = ttl;
		sum = (sum & 0xffff) + (sum >> 16);
		sum += sum >> 16;
		dp_tun_put16(ip + 10, (uint16_t)~sum);
	} else {
		ip[0] = (uint8_t)(0x60 | tos >> 4);
		ip[1] = (uint8_t)(tos << 4);
		dp_tun_put16(ip + 4, l4_size);
		ip[7] = ttl;
	}
	if (h->udp) {
		dp_tun_put16(d + h->l4, dp_tunnel_sport(hash));
		dp_tun_put16(d + h->l4 + 4, l4_size);
	}
}

static inline uint32_t dp_tunnel_mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)(a ^ UINT64_C(0x9e3779b97f4a7c15)) *
			(b ^ UINT64_C(0xd6e8feb86659fd93));
	uint64_t x = (uint64_t)p ^ (uint64_t)(p >> 64);

	return (uint32_t)(x ^ x >> 32);
}

static inline uint32_t dp_tunnel_hash(const uint8_t *d, uint32_t size)
{
	uint32_t l3 = 14;
	uint16_t type;

	if (size < 14)
		return 0;
	type = dp_tun_get16(d + 12);
	if (type == 0x8100 || type == 0x88a8) {
		l3 = 18;
		type = dp_tun_get16(d + 16);
	}
	if (type == 0x0800 && size >= l3 + 24) {
		/* All fragments of a datagram go the same way, the one without ports. */
		bool ports = d[l3] == 0x45 && (dp_tun_get16(d + l3 + 6) & 0x3fff) == 0 &&
			     (d[l3 + 9] == 6 || d[l3 + 9] == 17);
		uint32_t l4;

		memcpy(&l4, d + l3 + 20, sizeof(l4));
		return dp_tunnel_mix(dp_tun_get64(d + l3 + 12),
				     (uint64_t)d[l3 + 9] << 32 | (ports ? l4 : 0));
	}
	if (type == 0x86dd && size >= l3 + 44) {
		bool ports = d[l3 + 6] == 6 || d[l3 + 6] == 17;
		uint32_t l4;

		memcpy(&l4, d + l3 + 40, sizeof(l4));
		return dp_tunnel_mix(dp_tun_get64(d + l3 + 8) ^ (dp_tun_get64(d + l3 + 16) * 3 +
								 dp_tun_get64(d + l3 + 32) * 5),
				     dp_tun_get64(d + l3 + 24) * 7 +
					     ((uint64_t)d[l3 + 6] << 32 | (ports ? l4 : 0)));
	}
	return dp_tunnel_mix(dp_tun_get64(d) & UINT64_C(0xffffffffffff),
			     dp_tun_get64(d + 6) & UINT64_C(0xffffffffffff));
}

#endif
