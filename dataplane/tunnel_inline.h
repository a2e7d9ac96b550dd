/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Encapsulation, inline for the packet path.  Included by tunnel_wire.h.
 */
#ifndef DATAPLANE_TUNNEL_INLINE_H
#define DATAPLANE_TUNNEL_INLINE_H

#include "dataplane/tunnel_wire.h"

#ifdef __AVX2__
#include <immintrin.h>
#endif

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

/* Bytes 'at' and 'at' + 1 of eight bytes as a little-endian word. */
static inline uint64_t dp_tun_at(uint16_t host, unsigned at)
{
	return (uint64_t)DP_TUN_BE16(host) << 8 * at;
}

static inline void dp_tun_put32(uint8_t *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void dp_tun_put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* Constant sizes, and no line of the room is touched that the header does not need. */
static inline void dp_tunnel_head_copy(const struct dp_tunnel_head *h, uint8_t *inner)
{
	if (h->size <= 64)
		memcpy(inner - 64, h->b + DP_TUNNEL_HEAD - 64, 64);
	else
		memcpy(inner - DP_TUNNEL_HEAD, h->b, DP_TUNNEL_HEAD);
}

static inline void dp_tunnel_head_put(const struct dp_tunnel_head *h, uint8_t *inner,
				      uint32_t inner_size, uint32_t hash, uint8_t tos, uint8_t ttl,
				      uint16_t id)
{
	uint8_t *d = inner - DP_TUNNEL_HEAD;
	uint8_t *ip = d + h->ip;
	uint16_t l4_size = (uint16_t)(DP_TUNNEL_HEAD - h->l4 + inner_size);

	dp_tunnel_head_copy(h, inner);
	if (!h->v6) {
		uint16_t size = (uint16_t)(l4_size + 20);
		uint32_t sum = h->ip_sum + size + tos + ((uint32_t)ttl << 8) + id;

		dp_tun_put64(ip, h->ip_word | (uint64_t)tos << 8 | dp_tun_at(size, 2) |
					 dp_tun_at(id, 4));
		sum = (sum & 0xffff) + (sum >> 16);
		sum += sum >> 16;
		dp_tun_put32(ip + 8, ttl | (uint32_t)h->proto << 8 |
					     (uint32_t)DP_TUN_BE16(~sum & 0xffff) << 16);
	} else {
		ip[0] = (uint8_t)(0x60 | tos >> 4);
		ip[1] = (uint8_t)(tos << 4);
		dp_tun_put16(ip + 4, l4_size);
		ip[7] = ttl;
	}
	if (h->udp)
		dp_tun_put64(d + h->l4, h->udp_word | dp_tun_at(dp_tunnel_sport(hash), 0) |
						dp_tun_at(l4_size, 4));
}

/* ---- Frames alike ---- */

#ifdef __AVX2__

static inline bool dp_tunnel_looks_alike(const struct dp_tunnel_alike *a, const uint8_t *d)
{
	const __m256i_u *is = (const __m256i_u *)d, *want = (const __m256i_u *)a->want,
			*mask = (const __m256i_u *)a->mask;
	__m256i lo = _mm256_xor_si256(_mm256_loadu_si256(is), _mm256_loadu_si256(want));
	__m256i hi = _mm256_xor_si256(_mm256_loadu_si256(is + 1), _mm256_loadu_si256(want + 1));

	lo = _mm256_and_si256(lo, _mm256_loadu_si256(mask));
	hi = _mm256_and_si256(hi, _mm256_loadu_si256(mask + 1));
	lo = _mm256_or_si256(lo, hi);
	return _mm256_testz_si256(lo, lo);
}

#else

static inline bool dp_tunnel_looks_alike(const struct dp_tunnel_alike *a, const uint8_t *d)
{
	uint64_t diff = 0;

	for (unsigned i = 0; i < DP_TUNNEL_ALIKE_LOOK; i += 8)
		diff |= (dp_tun_get64(d + i) ^ dp_tun_get64(a->want + i)) &
			dp_tun_get64(a->mask + i);
	return diff == 0;
}

#endif

/* The sum of an IPv4 header of 20 bytes. */
static inline bool dp_tunnel_ip_sum_is_good(const uint8_t *ip)
{
	uint64_t a = dp_tun_get64(ip), b = dp_tun_get64(ip + 8), sum;
	uint32_t c;

	memcpy(&c, ip + 16, sizeof(c));
	sum = (a >> 32) + (uint32_t)a + (b >> 32) + (uint32_t)b + c;
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return sum == 0xffff;
}

static inline bool dp_tunnel_is_alike(const struct dp_tunnel_alike *a, const uint8_t *d,
				      uint32_t size)
{
	return dp_tunnel_looks_alike(a, d) && dp_tun_get16(d + 16) + 14u == size &&
	       dp_tun_get16(d + 38) + 34u == size && dp_tunnel_ip_sum_is_good(d + 14);
}

static inline uint32_t dp_tunnel_mix(uint64_t a, uint64_t b)
{
	__uint128_t p = (__uint128_t)(a ^ UINT64_C(0x9e3779b97f4a7c15)) *
			(b ^ UINT64_C(0xd6e8feb86659fd93));
	uint64_t x = (uint64_t)p ^ (uint64_t)(p >> 64);

	return (uint32_t)(x ^ x >> 32);
}

/* All fragments of a datagram go the same way, the one without ports.  'usual': no options. */
static inline uint32_t dp_tunnel_hash_ip4(const uint8_t *ip, bool usual)
{
	bool ports = usual && (dp_tun_get16(ip + 6) & 0x3fff) == 0 && (ip[9] == 6 || ip[9] == 17);
	uint32_t l4;

	memcpy(&l4, ip + 20, sizeof(l4));
	return dp_tunnel_mix(dp_tun_get64(ip + 12), (uint64_t)ip[9] << 32 | (ports ? l4 : 0));
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
	if (type == 0x0800 && size >= l3 + 24)
		return dp_tunnel_hash_ip4(d + l3, d[l3] == 0x45);
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
