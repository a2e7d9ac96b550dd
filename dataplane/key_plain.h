/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The short key of a plain frame, inline for the packet path.  Included by key.h.
 */
#ifndef DATAPLANE_KEY_PLAIN_H
#define DATAPLANE_KEY_PLAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSSE3__
#include <immintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are put together little-endian");

static inline uint16_t dp_key_load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t dp_key_load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

#define DP_KEY_BE16(x) ((uint16_t)((uint16_t)(x) << 8 | (uint16_t)(x) >> 8))

/* What dp_parse() has no objection to: 'l4' is the UDP header of a tunnel's port, whose payload the
 * parser takes for a tunnel header. */
static inline bool dp_key_tunnel_is_sound(const uint8_t *l4, uint32_t udp_size)
{
	if (udp_size < 16)
		return false;
	return dp_key_load16(l4 + 2) == DP_KEY_BE16(4789) || (l4[8] & 0x3f) == 0;
}

/* Lengths of transport header and payload that dp_parse() has no objection to. */
static inline bool dp_key_l4_is_sound(const uint8_t *l4, uint8_t proto, uint32_t l4_size)
{
	if (proto == 17) {
		uint32_t udp_size = DP_KEY_BE16(dp_key_load16(l4 + 4));
		uint16_t dport = dp_key_load16(l4 + 2);

		return udp_size >= 8 && udp_size <= l4_size &&
		       ((dport != DP_KEY_BE16(4789) && dport != DP_KEY_BE16(6081)) ||
			dp_key_tunnel_is_sound(l4, udp_size));
	} else {
		uint32_t offset = (l4[12] >> 4) * 4u;

		return offset >= 20 && offset <= l4_size;
	}
}

/* 'ip' is behind an EtherType, at which an IPv4 header may start. */
static inline bool dp_key_ip_is_plain(const uint8_t *ip, uint32_t size)
{
	/* EtherType 2, version and header length 1, tos 1, length 2, id 2. */
	uint64_t head = dp_key_load64(ip - 2);
	uint32_t ip_size = DP_KEY_BE16(head >> 32);
	uint8_t proto = ip[9];

	return (head & 0xffffff) == 0x450008 &&
	       (dp_key_load16(ip + 6) & DP_KEY_BE16(0x3fff)) == 0 && (proto == 17 || proto == 6) &&
	       ip_size >= (proto == 17 ? 28u : 40u) && ip_size <= size &&
	       dp_key_l4_is_sound(ip + 20, proto, ip_size - 20);
}

/* Writes the key of a frame whose IPv4 header is at 'ip'. */
static inline void dp_key_plain_write(const uint8_t *d, const uint8_t *ip, uint64_t tci,
				      uint16_t in_port_be, uint64_t w[4])
{
	const uint64_t type = (uint64_t)DP_KEY_BE16(0x0800) << 48;
	const uint64_t rest = (uint64_t)ip[1] << 24 | in_port_be;
#ifdef __SSSE3__
	/* Words 0 and 1: addresses.  2 and 3, from the bytes after TTL: protocol, ports, addresses.
	 */
	const __m128i macs = _mm_setr_epi8(0, 1, 2, 3, 4, 5, -1, -1, 6, 7, 8, 9, 10, 11, -1, -1);
	const __m128i tuple =
		_mm_setr_epi8(-1, -1, 1, -1, 12, 13, 14, 15, 4, 5, 6, 7, 8, 9, 10, 11);
	__m128i a = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)d), macs);
	__m128i b = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i_u *)(ip + 8)), tuple);

	a = _mm_or_si128(a, _mm_set_epi64x((int64_t)(tci << 48), (int64_t)type));
	b = _mm_or_si128(b, _mm_cvtsi64_si128((int64_t)rest));
#ifdef __AVX2__
	/* At once, for who reads it at once. */
	_mm256_storeu_si256((__m256i_u *)w, _mm256_set_m128i(b, a));
#else
	_mm_storeu_si128((__m128i_u *)w, a);
	_mm_storeu_si128((__m128i_u *)(w + 2), b);
#endif
#else
	const uint64_t macs = UINT64_C(0xffffffffffff);

	w[0] = (dp_key_load64(d) & macs) | type;
	w[1] = (dp_key_load64(d + 6) & macs) | tci << 48;
	w[2] = (dp_key_load64(ip + 16) & UINT64_C(0xffffffff00000000)) | (uint64_t)ip[9] << 16 |
	       rest;
	w[3] = dp_key_load64(ip + 12);
#endif
}

/* Neither address is a group's; an untagged IPv4 header without options or fragmentation follows.
 * All in one comparison where the machine has one. */
static inline bool dp_key_starts_as_usual(const uint8_t *d)
{
#ifdef __AVX2__
	const __m256i mask = _mm256_setr_epi8(1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, -1, -1, -1, 0, 0,
					      0, 0, 0, 0x3f, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m256i want = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 0, 0,
					      0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	__m256i bits = _mm256_and_si256(_mm256_loadu_si256((const __m256i_u *)d), mask);
	__m256i diff = _mm256_xor_si256(bits, want);

	return _mm256_testz_si256(diff, diff);
#else
	return ((d[0] | d[6]) & 1) == 0 && (dp_key_load64(d + 12) & 0xffffff) == 0x450008 &&
	       (dp_key_load16(d + 20) & DP_KEY_BE16(0x3fff)) == 0;
#endif
}

static inline bool dp_key_usual(const uint8_t *d, uint32_t size, uint16_t in_port_be, uint64_t w[4])
{
	uint32_t ip_size = DP_KEY_BE16(dp_key_load16(d + 16));
	uint8_t proto = d[23];

	if (!dp_key_starts_as_usual(d) || dp_key_load64(d + 6) << 16 == 0 ||
	    (proto != 17 && proto != 6) || ip_size < (proto == 17 ? 28u : 40u) ||
	    size < 14 + ip_size || !dp_key_l4_is_sound(d + 34, proto, ip_size - 20))
		return false;
	dp_key_plain_write(d, d + 14, 0, in_port_be, w);
	return true;
}

static inline bool dp_key_plain(const uint8_t *d, uint32_t size, uint16_t in_port_be, uint64_t w[4])
{
	uint64_t tci = 0;
	uint32_t l3 = 14;

	if (dp_key_load16(d + 12) == DP_KEY_BE16(0x8100)) {
		/* Priority and VID with the bit that says "has a tag" in the place of DEI. */
		tci = (dp_key_load16(d + 14) & DP_KEY_BE16(0xefff)) | DP_KEY_BE16(0x1000);
		l3 = 18;
	}
	if (size < l3 || !dp_key_ip_is_plain(d + l3, size - l3))
		return false;
	dp_key_plain_write(d, d + l3, tci, in_port_be, w);
	return true;
}

#endif
