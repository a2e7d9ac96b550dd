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

static inline bool dp_key_plain(const uint8_t *d, uint32_t size, uint16_t in_port_be, uint64_t w[4])
{
	const uint64_t macs = UINT64_C(0xffffffffffff);
	uint32_t l3 = 14, ip_size, l4_size, least;
	uint64_t tci = 0, ports;
	uint16_t type = dp_key_load16(d + 12);
	uint8_t proto;

	if (type == DP_KEY_BE16(0x8100)) {
		/* Priority and VID with the bit that says "has a tag" in the place of DEI. */
		tci = (dp_key_load16(d + 14) & DP_KEY_BE16(0xefff)) | DP_KEY_BE16(0x1000);
		type = dp_key_load16(d + 16);
		l3 = 18;
	}
	proto = d[l3 + 9];
	ip_size = DP_KEY_BE16(dp_key_load16(d + l3 + 2));
	least = proto == 17 ? 28 : 40;
	l4_size = ip_size - 20;
	if (type != DP_KEY_BE16(0x0800) || d[l3] != 0x45 ||
	    (dp_key_load16(d + l3 + 6) & DP_KEY_BE16(0x3fff)) != 0 || (proto != 17 && proto != 6) ||
	    ip_size < least || size < l3 + ip_size)
		return false;
	if (proto == 17) {
		uint16_t udp_size = DP_KEY_BE16(dp_key_load16(d + l3 + 24));

		uint16_t dport = dp_key_load16(d + l3 + 22);

		if (udp_size < 8 || udp_size > l4_size)
			return false;
		if ((dport == DP_KEY_BE16(4789) || dport == DP_KEY_BE16(6081)) &&
		    !dp_key_tunnel_is_sound(d + l3 + 20, udp_size))
			return false;
	} else {
		uint32_t offset = (d[l3 + 32] >> 4) * 4u;

		if (offset < 20 || offset > l4_size)
			return false;
	}
	memcpy(&ports, d + l3 + 16, sizeof(ports)); /* destination address, ports */
	w[0] = (dp_key_load64(d) & macs) | (uint64_t)DP_KEY_BE16(0x0800) << 48;
	w[1] = (dp_key_load64(d + 6) & macs) | tci << 48;
	w[2] = (ports & UINT64_C(0xffffffff00000000)) | (uint64_t)d[l3 + 1] << 24 |
	       (uint64_t)proto << 16 | in_port_be;
	w[3] = dp_key_load64(d + l3 + 12);
	return true;
}

#endif
