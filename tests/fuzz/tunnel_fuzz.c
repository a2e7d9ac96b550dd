/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes the reader of tunnel headers: what it takes must lie within the frame, and must be what
 * the general parser finds there.  What is taken for alike at a glance must read alike: tried with
 * each bit of the headers the other way.
 *
 * Input: one byte that says how much of the frame is contiguous (0: all of it), then the frame.
 */
#include "dataplane/parse.h"
#include "dataplane/tunnel_wire.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static const struct dp_tunnel_udp udp[] = {{DP_VXLAN_PORT, DP_TUN_VXLAN},
					   {DP_GENEVE_PORT, DP_TUN_GENEVE}};

/* 'd' is taken for what 'o' was read from. */
static void check_reading(const uint8_t *d, uint32_t size, const struct dp_tunnel_outer *o)
{
	struct dp_tunnel_outer is;

	if (dp_tunnel_parse(d, size, size, udp, 2, &is) != DP_N_DROPS || is.type != o->type ||
	    is.v6 || !is.zero_csum || is.size != o->size || is.l4 != o->l4 || is.vni != o->vni ||
	    !dp_ip_equal(&is.src, &o->src) || !dp_ip_equal(&is.dst, &o->dst) ||
	    ((is.tos ^ o->tos) & 3) != 0 || is.l4 + is.l4_size != size)
		abort();
}

/* The header's checksum again. */
static void sum_again(uint8_t *ip)
{
	uint32_t sum = 0;

	memset(ip + 10, 0, 2);
	for (unsigned i = 0; i < 20; i += 2)
		sum += dp_tun_get16(ip + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	dp_tun_put16(ip + 10, (uint16_t)~sum);
}

static void check_alike(const uint8_t *d, uint32_t size, const struct dp_tunnel_outer *o)
{
	uint8_t *other = malloc(size);
	struct dp_tunnel_alike a;

	if (other != NULL && dp_tunnel_alike_make(d, o, &a)) {
		for (unsigned bit = 0; bit < 8 * DP_TUNNEL_ALIKE_HEAD; bit++) {
			memcpy(other, d, size);
			other[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (dp_tunnel_is_alike(&a, other, size))
				check_reading(other, size, o);
			sum_again(other + 14);
			if (dp_tunnel_is_alike(&a, other, size))
				check_reading(other, size, o);
		}
	}
	free(other);
}

static void check(const uint8_t *exact, uint32_t size, uint32_t frame_size)
{
	struct dp_tunnel_outer o;
	struct dp_headers h;

	if (dp_tunnel_parse(exact, size, frame_size, udp, 2, &o) != DP_N_DROPS ||
	    o.type == DP_TUN_NONE)
		return;
	if (o.size > size || o.l4 + o.l4_size > frame_size || o.l4 + o.l4_size < o.size + 14u)
		abort();
	dp_parse_head(exact, size, frame_size, &h);
	if (h.tunnel_offset != 0 && (h.tunnel_offset != o.size || h.tunnel_id != o.vni))
		abort();
	if (size == frame_size && size >= DP_TUNNEL_ALIKE_LOOK)
		check_alike(exact, size, &o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t frame_size, cut;
	uint8_t *exact;

	if (size == 0 || size > 70000)
		return 0;
	frame_size = (uint32_t)size - 1;
	cut = data[0] == 0 ? frame_size : frame_size * data[0] / 256;
	exact = malloc(cut == 0 ? 1 : cut);
	if (exact == NULL)
		return 0;
	if (cut != 0)
		memcpy(exact, data + 1, cut);
	check(exact, cut, frame_size);
	free(exact);
	return 0;
}
